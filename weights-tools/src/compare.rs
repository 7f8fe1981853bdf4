//! How far weights in bf16 or int8 take a model from what it computes with all of them in f32.

use std::error::Error;

use blip_core::{LoadOptions, Precisions, device};

use crate::Report;
use crate::record::{Subject, record};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,

    /// bf16 or int8; or some parts by name, such as image-encoder=int8,text-decoder=bf16 (and text-encoder).
    #[arg(long)]
    precision: Precisions,

    /// The least cosine, 0 to 1: a lower one is an error.
    #[arg(long, value_name = "COSINE")]
    at_least: Option<f64>,
}

pub(crate) fn run(args: &Args) -> Result<Report, Box<dyn Error>> {
    let mut options = LoadOptions::new(device("flex")?);
    let exact = record(&args.subject, &options)?;
    options.precision = args.precision;
    let reduced = record(&args.subject, &options)?;
    let mut text = format!("f32 and {}\n", args.precision);
    let mut least = (1.0, "");
    for ((name, shape, exact), (_, _, reduced)) in exact.floats.iter().zip(&reduced.floats) {
        let cosine = cosine(exact, reduced);
        text += &format!("{name:<18} cosine {cosine:.6}  {shape:?}\n");
        // What is no number is lower than any.
        if cosine < least.0 || cosine.is_nan() {
            least = (cosine, name);
        }
    }
    for ((name, exact), (_, reduced)) in exact.ids.iter().zip(&reduced.ids) {
        let same = if exact == reduced { "the same" } else { "others" };
        text += &format!("{name:<18} {same}\n");
    }
    let fault = args
        .at_least
        .filter(|at_least| least.0 < *at_least || least.0.is_nan());
    let fault = fault.map(|at_least| {
        let (cosine, name) = least;
        format!("{name}: expected a cosine of {at_least} or more, got {cosine:.6}")
    });
    Ok(Report { text, fault })
}

/// The cosine of the angle between two vectors.
fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let dot = |left: &[f32], right: &[f32]| -> f64 {
        left.iter()
            .zip(right)
            .map(|(left, right)| f64::from(*left) * f64::from(*right))
            .sum()
    };
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_of_the_angle_alone() {
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
        assert!(cosine(&[1.0, 0.0], &[0.0, 3.0]).abs() < 1e-12);
        assert!(cosine(&[0.0], &[1.0]).is_nan());
    }
}
