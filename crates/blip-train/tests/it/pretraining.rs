//! Pre-training against the original.

use blip_core::Part;
use blip_testkit::{Golden, assert_close};
use blip_train::{ImageTextBatch, Objective, OptimizerConfig, Pretraining, PretrainingOptions, Statements};

use crate::golden::{
    Recorded, SPECIAL, Sizes, assert_after, assert_gradients, assert_loss, contrastive_trainee, entries,
    gradients, momentum_entries, named, open, pixel_values, step, tokens,
};
use crate::tiny::PRETRAINING;

const SIZES: Sizes = Sizes {
    blocks: 1,
    layers: 1,
    mlp: 64,
};

fn objective() -> Pretraining {
    let parts: &[Part] = PRETRAINING;
    let trainee = contrastive_trainee("pretrain", &SIZES, parts, 0.07);
    let options = PretrainingOptions {
        special: SPECIAL,
        ..PretrainingOptions::default()
    };
    let mut objective = Pretraining::new(trainee, options).unwrap();
    objective.set_counters(&[6]).unwrap();
    objective
}

fn batch(golden: &Golden) -> ImageTextBatch {
    ImageTextBatch {
        pixel_values: pixel_values(golden, "pixel_values"),
        texts: tokens(golden, "text"),
        image_ids: Vec::new(),
        statements: None,
    }
}

fn recorded(golden: &Golden, tolerance: f32) -> Recorded<'_> {
    Recorded {
        golden,
        drawn: 0,
        tolerance,
    }
}

fn assert_queues(golden: &Golden, objective: &Pretraining, tolerance: f32) {
    let queue = objective.trainee().queue.as_ref().unwrap();
    for (name, features) in [
        ("after.image_queue", queue.image()),
        ("after.text_queue", queue.text()),
    ] {
        let got: Vec<f32> = features.transpose().try_into_vec_as().unwrap();
        assert_close(name, &got, &golden.f32(name), tolerance);
    }
    assert_eq!(objective.counters(), golden.i64("after.queue_ptr"));
}

#[test]
fn two_steps_lose_and_change_what_the_original_does() {
    let mut objective = objective();
    let mut optimizer = OptimizerConfig::default().init();

    let first = open("pretrain_1");
    let losses = objective
        .losses_with(&batch(&first), 0.15, &mut recorded(&first, 1e-5))
        .unwrap();
    assert_loss(&first, &losses, 1e-4);
    let all = gradients(objective.trainee(), &losses);
    assert_gradients(&first, &named(objective.trainee(), &all), 1e-4);
    assert_queues(&first, &objective, 1e-5);
    step(&mut objective, &mut optimizer, all, 1e-3);

    let after = open("pretrain_1_after");
    let mut got = entries(&objective.trainee().finished());
    got.extend(momentum_entries(objective.trainee().momentum.as_ref().unwrap()));
    let temperature = objective.trainee().temperature.as_ref().unwrap().val();
    got.insert("temp".to_owned(), vec![temperature.into_scalar::<f32>()]);
    // A learning rate is 1e-3: 2 % of it, as the original differs from itself in f64.
    assert_eq!(assert_after(&after, &got, 3e-5), after.names().len());

    let second = open("pretrain_2");
    let losses = objective
        .losses_with(&batch(&second), 0.2, &mut recorded(&second, 1e-3))
        .unwrap();
    assert_loss(&second, &losses, 1e-3);
    let all = gradients(objective.trainee(), &losses);
    assert_gradients(&second, &named(objective.trainee(), &all), 1e-2);
    assert_queues(&second, &objective, 1e-3);
    step(&mut objective, &mut optimizer, all, 1e-3);
    let mut got = entries(&objective.trainee().finished());
    got.extend(momentum_entries(objective.trainee().momentum.as_ref().unwrap()));
    assert!(assert_after(&second, &got, 3e-5) > 60);
}

#[test]
fn encoder_and_decoder_share_everything_but_self_attention() {
    let mut objective = objective();
    let golden = open("pretrain_1");
    let mut optimizer = OptimizerConfig::default().init();
    let losses = objective
        .losses_with(&batch(&golden), 0.15, &mut recorded(&golden, 1e-5))
        .unwrap();
    let all = gradients(objective.trainee(), &losses);
    step(&mut objective, &mut optimizer, all, 1e-3);
    let got = entries(&objective.trainee().model);
    let mut shared = 0;
    for (name, values) in &got {
        let Some(rest) = name.strip_prefix("text_encoder.") else {
            continue;
        };
        let other = &got[&format!("text_decoder.bert.{rest}")];
        assert_eq!(values == other, !rest.contains(".attention."), "{name}");
        shared += 1;
    }
    assert_eq!(shared, 5 + 10 + 10 + 6 - 1);
}

fn matching_loss(batch: &ImageTextBatch, golden: &Golden) -> f32 {
    let losses = objective()
        .losses_with(batch, 0.15, &mut recorded(golden, 1e-5))
        .unwrap();
    let (_, loss) = losses
        .parts
        .into_iter()
        .find(|(name, _)| *name == "loss_itm")
        .unwrap();
    loss.into_scalar()
}

/// A statement counts as a pair does: the loss is the mean over both.
#[test]
fn statements_are_matched_with_their_pictures() {
    let golden = open("pretrain_1");
    let plain = batch(&golden);
    let with = |rows: &[usize], images: &[usize], truths: &[bool]| ImageTextBatch {
        statements: Some(Statements {
            texts: plain.texts.select(rows),
            images: images.to_vec(),
            truths: truths.to_vec(),
        }),
        ..plain.clone()
    };
    let pairs = 3.0 * plain.texts.shape()[0] as f32;
    let alone = matching_loss(&plain, &golden);
    // Cross-entropies of both answers about one picture: e^-a + e^-b = 1.
    let own = |truth| (pairs + 1.0) * matching_loss(&with(&[1], &[1], &[truth]), &golden) - pairs * alone;
    let (yes, no) = (own(true), own(false));
    assert_close("the two answers", &[(-yes).exp() + (-no).exp()], &[1.0], 1e-3);
    // Text 1 about picture 1 twice, once true and once false, and about picture 0.
    let other = (pairs + 1.0) * matching_loss(&with(&[1], &[0], &[true]), &golden) - pairs * alone;
    assert!((other - yes).abs() > 1e-4, "{other} {yes}");
    let all = matching_loss(&with(&[1, 1, 1], &[1, 0, 1], &[true, true, false]), &golden);
    let want = (pairs * alone + yes + other + no) / (pairs + 3.0);
    assert_close("all", &[all], &[want], 1e-4);
}

#[test]
fn statements_that_do_not_fit_the_batch_are_refused() {
    let golden = open("pretrain_1");
    let plain = batch(&golden);
    let size = plain.texts.shape()[0];
    let refusal = |images: Vec<usize>, truths: Vec<bool>| {
        let texts = plain.texts.select(&[0, 1]);
        let batch = ImageTextBatch {
            statements: Some(Statements {
                texts,
                images,
                truths,
            }),
            ..plain.clone()
        };
        let losses = objective().losses_with(&batch, 0.15, &mut recorded(&golden, 1e-5));
        losses.unwrap_err().to_string()
    };
    assert_eq!(
        refusal(vec![0], vec![true, false]),
        "statements' pictures: expected one for each of 2 texts, got 1"
    );
    assert_eq!(
        refusal(vec![0, 1], vec![true]),
        "statements' truths: expected one for each of 2 texts, got 1"
    );
    assert_eq!(
        refusal(vec![0, size], vec![true, false]),
        format!("statements' pictures: expected below {size}, got {size}")
    );
}
