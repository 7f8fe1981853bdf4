//! What a checkpoint is, from its headers alone.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::PathBuf;

use blip_core::weights::{LoadReport, Mismatch, TensorInfo};
use blip_core::{Inspection, WeightsError, device};
use serde_json::{Value, json};

use crate::Report;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder in Hugging Face layout, or one file of weights.
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// A fault if the checkpoint does not fit the networks of its parts.
pub(crate) fn run(args: &Args) -> Result<Report, Box<dyn Error>> {
    let inspection = Inspection::open(&args.path, &device("flex")?)?;
    let (report, mismatch) = match &inspection.fit {
        Ok(report) => (Some(report), None),
        Err(WeightsError::Mismatch(mismatch)) => (None, Some(mismatch.as_ref())),
        Err(error) => return Err(error.to_string().into()),
    };
    let text = if args.json {
        format!("{}\n", object(args, &inspection, report, mismatch))
    } else {
        lines(args, &inspection, report, mismatch)
    };
    Ok(Report {
        text,
        fault: mismatch.map(ToString::to_string),
    })
}

/// Tensors and values of each type.
fn dtypes(inspection: &Inspection) -> BTreeMap<&'static str, (usize, usize)> {
    let mut dtypes = BTreeMap::new();
    for tensor in inspection.checkpoint.tensors() {
        let (tensors, values) = dtypes.entry(tensor.dtype.name()).or_insert((0, 0));
        *tensors += 1;
        *values += tensor.elements().unwrap_or(0);
    }
    dtypes
}

/// The values that the parts have, each counted once though two networks may hold it.
fn parameters(inspection: &Inspection, report: &LoadReport) -> usize {
    let used: BTreeSet<&str> = report.loaded.iter().map(String::as_str).collect();
    let elements = |name| inspection.checkpoint.tensor(name).and_then(TensorInfo::elements);
    used.into_iter().filter_map(elements).sum()
}

fn object(
    args: &Args,
    inspection: &Inspection,
    report: Option<&LoadReport>,
    mismatch: Option<&Mismatch>,
) -> Value {
    let (vision, text) = (&inspection.config.vision, &inspection.config.text);
    let names = |list: &mut dyn Iterator<Item = String>| list.collect::<Vec<_>>();
    json!({
        "path": args.path.display().to_string(),
        "layout": inspection.layout.to_string(),
        "task": inspection.task.map(|task| task.to_string()),
        "tasks": names(&mut inspection.tasks.iter().map(ToString::to_string)),
        "parts": names(&mut inspection.parts.iter().map(ToString::to_string)),
        "vision_config": {
            "hidden_size": vision.hidden_size,
            "intermediate_size": vision.intermediate_size,
            "num_hidden_layers": vision.num_hidden_layers,
            "num_attention_heads": vision.num_attention_heads,
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "layer_norm_eps": vision.layer_norm_eps,
        },
        "text_config": {
            "vocab_size": text.vocab_size,
            "hidden_size": text.hidden_size,
            "encoder_hidden_size": text.encoder_hidden_size,
            "intermediate_size": text.intermediate_size,
            "num_hidden_layers": text.num_hidden_layers,
            "num_attention_heads": text.num_attention_heads,
            "max_position_embeddings": text.max_position_embeddings,
            "layer_norm_eps": text.layer_norm_eps,
        },
        "decoder_context_size": inspection.config.decoder_context_size,
        "image_text_hidden_size": inspection.config.image_text_hidden_size,
        "tensors": inspection.checkpoint.tensors().len(),
        "dtypes": dtypes(inspection)
            .into_iter()
            .map(|(dtype, (tensors, values))| (dtype, json!({"tensors": tensors, "values": values})))
            .collect::<BTreeMap<_, _>>(),
        "parameters": report.map(|report| parameters(inspection, report)),
        "left_out": report.map(|report| {
            report.left_out.iter().map(|(name, why)| json!({"name": name, "why": why})).collect::<Vec<_>>()
        }),
        "missing": mismatch.map_or(vec![], |m| names(&mut m.missing.iter().map(|missing| missing.name.clone()))),
        "unexpected": mismatch.map_or(vec![], |m| m.unexpected.clone()),
        "not_float": mismatch.map_or(vec![], |m| names(&mut m.not_float.iter().map(|tensor| tensor.name.clone()))),
        "misshapen": mismatch.map_or(vec![], |m| {
            m.misshapen
                .iter()
                .map(|tensor| json!({"name": tensor.name, "expected": tensor.expected, "got": tensor.got}))
                .collect()
        }),
    })
}

fn joined(names: &[impl ToString]) -> String {
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn lines(
    args: &Args,
    inspection: &Inspection,
    report: Option<&LoadReport>,
    mismatch: Option<&Mismatch>,
) -> String {
    let mut said = Vec::new();
    let (vision, text) = (&inspection.config.vision, &inspection.config.text);
    said.push(format!("{}", args.path.display()));
    said.push(format!("  layout      {}", inspection.layout));
    let task = inspection
        .task
        .map_or("none alone".to_owned(), |task| task.to_string());
    said.push(format!("  task        {task}"));
    said.push(format!("  does for    {}", joined(&inspection.tasks)));
    said.push(format!("  parts       {}", joined(&inspection.parts)));
    said.push(format!(
        "  vision      {} blocks of {} ({} heads, {} inside), pictures of {} in patches of {}, eps {:e}",
        vision.num_hidden_layers,
        vision.hidden_size,
        vision.num_attention_heads,
        vision.intermediate_size,
        vision.image_size,
        vision.patch_size,
        vision.layer_norm_eps,
    ));
    said.push(format!(
        "  text        {} layers of {} ({} heads, {} inside) over a context of {}, {} tokens, {} positions",
        text.num_hidden_layers,
        text.hidden_size,
        text.num_attention_heads,
        text.intermediate_size,
        text.encoder_hidden_size,
        text.vocab_size,
        text.max_position_embeddings,
    ));
    for (dtype, (tensors, values)) in dtypes(inspection) {
        said.push(format!("  {dtype:<11} {values} values in {tensors} tensors"));
    }
    if let Some(report) = report {
        said.push(format!(
            "  networks    fit, {} parameters",
            parameters(inspection, report)
        ));
        for (name, why) in &report.left_out {
            said.push(format!("    left out: {name} ({why})"));
        }
    }
    if let Some(mismatch) = mismatch {
        said.push("  networks    do not fit".to_owned());
        for missing in &mismatch.missing {
            said.push(format!("    missing: {} {:?}", missing.name, missing.shape));
        }
        for name in &mismatch.unexpected {
            said.push(format!("    unexpected: {name}"));
        }
        for tensor in &mismatch.not_float {
            said.push(format!("    no floats: {} ({})", tensor.name, tensor.dtype));
        }
        for tensor in &mismatch.misshapen {
            said.push(format!(
                "    misshapen: {}: expected {:?}, got {:?}",
                tensor.name, tensor.expected, tensor.got
            ));
        }
    }
    said.join("\n") + "\n"
}
