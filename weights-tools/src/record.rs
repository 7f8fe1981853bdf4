//! What we compute for one picture, for `parity/full_size.py` to hold against a reference.

use std::error::Error;
use std::path::PathBuf;

use blip_core::traits::{TextDecoder, TokenBatch};
use blip_core::weights::{CheckpointWriter, DType, TensorInfo};
use blip_core::{
    AnswerOptions, Blip, CaptionOptions, FirstToken, HiddenStates, LoadOptions, MatchOptions, PixelValues,
    RankOptions, Task, device,
};

use crate::Report;

/// `[DEC]` "a picture of a woman sitting on the beach with her dog", the text whose logits are recorded.
const TEACHER_FORCED: [u32; 13] = [
    30522, 1037, 3861, 1997, 1037, 2450, 3564, 2006, 1996, 3509, 2007, 2014, 3899,
];

/// What is asked, what is matched and what is judged: as in `parity/full_size.py`.
const QUESTION: &str = "how many dogs are in the picture?";
const ANSWERS: [&str; 6] = ["yes", "no", "two dogs", "two", "on the beach", "an astronaut"];
const TEXTS: [&str; 3] = [
    "a woman sitting on the beach with her dog",
    "an astronaut",
    "a cup of coffee on a wooden table",
];
const SENTENCE: &str = "both pictures show an animal.";

/// What is computed, and on what.
#[derive(clap::Args)]
pub(crate) struct Subject {
    /// A folder in Hugging Face layout, or one file of weights; with the standard vocabulary.
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// A picture; PNG, so that decoders do not differ.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,

    /// The second picture, for a model that reasons over two. Default: the first again.
    #[arg(long, value_name = "IMAGE")]
    second: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,

    /// Where flex, wgpu, … runs.
    #[arg(long, default_value = "flex", value_name = "NAME")]
    device: String,

    /// The safetensors file that is written: pixel_values, image_embeds and what the model's task makes of them.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Report, Box<dyn Error>> {
    let options = LoadOptions::new(device(&args.device)?);
    record(&args.subject, &options)?.save(&args.out)
}

/// Everything that a model's task makes of a picture.
pub(crate) fn record(args: &Subject, options: &LoadOptions) -> Result<Recording, Box<dyn Error>> {
    let blip = Blip::from_path(&args.model, options)?;
    let extractor = blip.feature_extractor()?;
    let pixel_values = extractor.processor().preprocess_file(&args.image)?;
    let encoded = extractor.image_embeds(&pixel_values)?;
    let mut recording = Recording::default();
    recording.floats(
        "pixel_values",
        &pixel_values.shape(),
        pixel_values.as_slice().to_vec(),
    );
    recording.states("image_embeds", &encoded)?;
    match Task::of(blip.parts()) {
        Some(Task::Captioning) => caption(&blip, &encoded, &mut recording)?,
        Some(Task::QuestionAnswering) => answer(&blip, &encoded, &mut recording)?,
        Some(Task::Matching) => compare(&blip, &encoded, &mut recording)?,
        Some(Task::Reasoning) => {
            let second = match &args.second {
                Some(second) => extractor.processor().preprocess_file(second)?,
                None => pixel_values.clone(),
            };
            judge(&blip, &encoded, &second, &mut recording)?;
        }
        _ => {
            let expected = "a captioning, question answering, matching or reasoning checkpoint";
            return Err(format!("{}: expected {expected}", args.model.display()).into());
        }
    }
    Ok(recording)
}

fn caption(blip: &Blip, encoded: &HiddenStates, recording: &mut Recording) -> Result<(), Box<dyn Error>> {
    let captioner = blip.captioner()?;
    let decoder = captioner.decoder();
    let mut state = decoder.start(encoded)?;
    let logits = decoder.step(&TokenBatch::from_rows(&[TEACHER_FORCED], 0), &mut state)?;
    let [_, length, vocab_size] = logits.shape();
    let values = (0..length).flat_map(|position| logits.at(0, position).to_vec());
    recording.floats("logits", &[length, vocab_size], values.collect());
    recording.ids("input_ids", &TEACHER_FORCED);
    for (name, num_beams) in [("greedy_ids", 1), ("beam3_ids", 3)] {
        let options = CaptionOptions {
            num_beams: Some(num_beams),
            max_length: Some(20),
            min_length: Some(5),
            ..CaptionOptions::default()
        };
        let captions = captioner.caption_encoded(encoded, &options)?;
        recording.ids(name, &captions[0][0].token_ids);
    }
    Ok(())
}

fn answer(blip: &Blip, encoded: &HiddenStates, recording: &mut Recording) -> Result<(), Box<dyn Error>> {
    let answerer = blip.question_answerer()?;
    recording.states(
        "question_states",
        &answerer.encode_questions(encoded, &[QUESTION])?,
    )?;
    for (name, num_beams) in [("greedy_ids", 1), ("beam3_ids", 3)] {
        let options = AnswerOptions {
            num_beams: Some(num_beams),
            max_length: Some(10),
            min_length: Some(1),
            ..AnswerOptions::default()
        };
        let answers = answerer.answer_encoded(encoded, &[QUESTION], &options)?;
        recording.ids(name, &answers[0][0].token_ids);
    }
    let answers = answerer.answer_list(&ANSWERS)?;
    let ranked = answerer.rank_encoded(encoded, &[QUESTION], &answers, &RankOptions::default())?;
    let mut scores = vec![0.0; ANSWERS.len()];
    for answer in &ranked[0] {
        scores[answer.index] = answer.score;
    }
    recording.floats("rank_scores", &[ANSWERS.len()], scores);
    Ok(())
}

fn compare(blip: &Blip, encoded: &HiddenStates, recording: &mut Recording) -> Result<(), Box<dyn Error>> {
    let (matcher, extractor) = (blip.matcher()?, blip.feature_extractor()?);
    let (images, texts) = (matcher.embed_images(encoded)?, matcher.embed_texts(&TEXTS)?);
    let embed_dim = images.embed_dim();
    recording.floats("image_features", &[1, embed_dim], images.as_slice().to_vec());
    recording.floats(
        "text_features",
        &[TEXTS.len(), embed_dim],
        texts.as_slice().to_vec(),
    );
    recording.states("text_embeds", &extractor.text_embeds(&TEXTS[..1])?)?;
    recording.states(
        "multimodal_embeds",
        &extractor.multimodal_embeds(encoded, &TEXTS[..1])?,
    )?;
    for (name, first_token) in [("itm_cls", FirstToken::Cls), ("itm_enc", FirstToken::Enc)] {
        let options = MatchOptions {
            first_token: Some(first_token),
        };
        let matches = &matcher.match_encoded(encoded, &TEXTS, &options)?[0];
        let logits = matches.iter().flat_map(|matching| matching.itm_logits);
        recording.floats(name, &[TEXTS.len(), 2], logits.collect());
        if first_token == FirstToken::Cls {
            let similarities = matches.iter().map(|matching| matching.itc_similarity);
            recording.floats("itc_similarity", &[TEXTS.len()], similarities.collect());
        }
    }
    Ok(())
}

fn judge(
    blip: &Blip,
    encoded: &HiddenStates,
    second: &PixelValues,
    recording: &mut Recording,
) -> Result<(), Box<dyn Error>> {
    let reasoner = blip.pair_reasoner()?;
    let second = reasoner.encode(second)?;
    let verdict = reasoner.reason_encoded(encoded, &second, &[SENTENCE])?[0];
    recording.floats("logits", &[2], verdict.logits.to_vec());
    Ok(())
}

/// Named tensors.
#[derive(Default)]
pub(crate) struct Recording {
    /// By name and shape.
    pub(crate) floats: Vec<(&'static str, Vec<usize>, Vec<f32>)>,
    pub(crate) ids: Vec<(&'static str, Vec<u32>)>,
}

impl Recording {
    fn floats(&mut self, name: &'static str, shape: &[usize], values: Vec<f32>) {
        self.floats.push((name, shape.to_vec(), values));
    }

    fn states(&mut self, name: &'static str, states: &HiddenStates) -> Result<(), Box<dyn Error>> {
        self.floats(name, &states.shape(), states.read()?.into_vec());
        Ok(())
    }

    fn ids(&mut self, name: &'static str, ids: &[u32]) {
        self.ids.push((name, ids.to_vec()));
    }

    /// Writes them, and says the names, with the ids.
    fn save(self, out: &std::path::Path) -> Result<Report, Box<dyn Error>> {
        let infos: Vec<TensorInfo> = self
            .floats
            .iter()
            .map(|(name, shape, _)| TensorInfo::new(*name, DType::F32, shape.clone()))
            .chain(
                self.ids
                    .iter()
                    .map(|(name, ids)| TensorInfo::new(*name, DType::I64, [ids.len()])),
            )
            .collect();
        let mut writer = CheckpointWriter::safetensors(out, &infos, &[])?;
        let mut said = String::new();
        for (name, shape, values) in &self.floats {
            writer.write_f32(name, values)?;
            said += &format!("{name} {shape:?}\n");
        }
        for (name, ids) in &self.ids {
            let bytes: Vec<u8> = ids.iter().flat_map(|&id| i64::from(id).to_le_bytes()).collect();
            writer.write_bytes(name, &bytes)?;
            said += &format!("{name} {ids:?}\n");
        }
        writer.finish()?;
        Ok(said.into())
    }
}
