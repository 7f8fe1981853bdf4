//! Fine-tuning against the original.

use blip_core::{Part, Task};
use blip_testkit::assert_close;
use blip_train::{
    Answering, Captioning, ImageTextBatch, Moment, Objective, OptimizerConfig, PairBatch, QuestionBatch,
    Reasoning, Retrieval, RetrievalOptions, Schedule,
};
use blip_traits::PixelValues;

use crate::golden::{
    Recorded, SPECIAL, Sizes, assert_after, assert_gradients, assert_loss, contrastive_trainee, entries,
    gradients, named, open, pixel_values, step, tokens, trainee,
};

const MOMENT: Moment = Moment {
    epoch: 0,
    step: 0,
    steps_per_epoch: 1,
    seed: 0,
};

#[test]
fn captioning() {
    let sizes = Sizes {
        blocks: 2,
        layers: 2,
        mlp: 64,
    };
    let golden = open("caption");
    let trainee = trainee("caption", &sizes, &[Part::TextDecoder]);
    let mut objective = Captioning::new(trainee, SPECIAL.dec, 4).unwrap();
    let mut optimizer = OptimizerConfig::default().init();
    let schedule = Schedule::Cosine {
        init_lr: 1e-4,
        min_lr: 1e-5,
        max_epoch: 4,
    };
    let batch = ImageTextBatch {
        pixel_values: pixel_values(&golden, "pixel_values"),
        texts: tokens(&golden, "text"),
        image_ids: Vec::new(),
        statements: None,
    };
    for epoch in 0..3 {
        let losses = objective.losses(&batch, &MOMENT).unwrap();
        let all = gradients(objective.trainee(), &losses);
        if epoch == 0 {
            assert_loss(&golden, &losses, 1e-4);
            assert_gradients(&golden, &named(objective.trainee(), &all), 1e-4);
        }
        let want = golden.f32("losses")[epoch];
        let got = losses.total.clone().into_scalar::<f32>();
        assert_close("losses", &[got], &[want], 1e-4);
        let moment = Moment { epoch, ..MOMENT };
        step(
            &mut objective,
            &mut optimizer,
            all,
            schedule.learning_rate(&moment),
        );
    }
    let after = open("caption_after");
    let got = entries(&objective.trainee().finished());
    assert_eq!(assert_after(&after, &got, 1e-5), after.names().len());
}

#[test]
fn answering() {
    let sizes = Sizes {
        blocks: 1,
        layers: 1,
        mlp: 64,
    };
    let golden = open("vqa");
    let trainee = trainee("vqa", &sizes, Task::QuestionAnswering.parts());
    let mut objective = Answering::new(trainee, SPECIAL).unwrap();
    let counts = golden.i64("answer.counts");
    let question_of = counts
        .iter()
        .enumerate()
        .flat_map(|(question, &count)| vec![question; count as usize])
        .collect();
    let batch = QuestionBatch {
        pixel_values: pixel_values(&golden, "pixel_values"),
        questions: tokens(&golden, "question"),
        answers: tokens(&golden, "answer"),
        question_of,
        weights: golden.f32("answer.weights"),
    };
    let losses = objective.losses(&batch, &MOMENT).unwrap();
    assert_loss(&golden, &losses, 1e-4);
    let all = gradients(objective.trainee(), &losses);
    assert_gradients(&golden, &named(objective.trainee(), &all), 1e-4);

    let mut broken = batch.clone();
    broken.question_of[5] = 3;
    let error = objective.losses(&broken, &MOMENT).unwrap_err().to_string();
    assert_eq!(error, "question_of: expected below 3 questions, got 3");
    broken.weights.pop();
    let error = objective.losses(&broken, &MOMENT).unwrap_err().to_string();
    assert_eq!(error, "weights: expected one for each of 6 answers, got 5");
}

#[test]
fn reasoning() {
    let sizes = Sizes {
        blocks: 1,
        layers: 8,
        mlp: 16,
    };
    let golden = open("nlvr");
    let trainee = trainee("nlvr", &sizes, Task::Reasoning.parts());
    let mut objective = Reasoning::new(trainee, SPECIAL.enc).unwrap();
    let pixels = golden.f32("pixel_values");
    let half = |part: usize| {
        let values = pixels[part * pixels.len() / 2..(part + 1) * pixels.len() / 2].to_vec();
        PixelValues::new(values, [4, 32, 32]).unwrap()
    };
    let batch = PairBatch {
        first: half(0),
        second: half(1),
        sentences: tokens(&golden, "text"),
        labels: golden
            .i64("targets")
            .into_iter()
            .map(|target| target == 1)
            .collect(),
    };
    let losses = objective.losses(&batch, &MOMENT).unwrap();
    assert_loss(&golden, &losses, 1e-4);
    let all = gradients(objective.trainee(), &losses);
    assert_gradients(&golden, &named(objective.trainee(), &all), 1e-4);
}

fn retrieval(temperature: f64) -> Retrieval {
    let sizes = Sizes {
        blocks: 1,
        layers: 2,
        mlp: 64,
    };
    let trainee = contrastive_trainee("retrieval", &sizes, Task::Matching.parts(), temperature);
    let options = RetrievalOptions {
        special: SPECIAL,
        ..RetrievalOptions::default()
    };
    let weights = crate::golden::weights("retrieval");
    let bytes = weights.read_bytes("idx_queue").unwrap();
    let ids = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&bytes| i64::from_le_bytes(bytes));
    let mut objective = Retrieval::new(trainee, options).unwrap();
    objective
        .set_counters(&[8].into_iter().chain(ids).collect::<Vec<i64>>())
        .unwrap();
    objective
}

#[test]
fn retrieval_with_pictures_that_come_twice() {
    let golden = open("retrieval");
    let batch = ImageTextBatch {
        pixel_values: pixel_values(&golden, "pixel_values"),
        texts: tokens(&golden, "text"),
        image_ids: golden.i64("image_ids"),
        statements: None,
    };
    let recorded = || Recorded {
        golden: &golden,
        drawn: 0,
        tolerance: 1e-5,
    };
    let mut objective = retrieval(0.07);
    let losses = objective.losses_with(&batch, 0.3, &mut recorded()).unwrap();
    assert_loss(&golden, &losses, 1e-4);
    let all = gradients(objective.trainee(), &losses);
    assert_gradients(&golden, &named(objective.trainee(), &all), 1e-4);
    let queue = objective.trainee().queue.as_ref().unwrap();
    let got: Vec<f32> = queue.image().transpose().try_into_vec_as().unwrap();
    assert_close("image_queue", &got, &golden.f32("after.image_queue"), 1e-5);
    assert_eq!(objective.queue_ids(), golden.i64("after.idx_queue"));
    assert_eq!(objective.counters()[..1], golden.i64("after.ptr_queue"));

    let mut nameless = batch;
    nameless.image_ids.clear();
    let error = objective
        .losses_with(&nameless, 0.3, &mut recorded())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "image_ids: expected one for each of 4 pictures, got 0"
    );
}

#[test]
fn the_temperature_is_clamped_and_keeps_its_gradient() {
    let golden = open("retrieval");
    let batch = ImageTextBatch {
        pixel_values: pixel_values(&golden, "pixel_values"),
        texts: tokens(&golden, "text"),
        image_ids: golden.i64("image_ids"),
        statements: None,
    };
    for case in ["clamped_low", "clamped_high"] {
        let value = |name: &str| golden.f32(&format!("{case}.{name}"))[0];
        let mut objective = retrieval(f64::from(value("temp")));
        let mut sampler = First;
        let losses = objective.losses_with(&batch, 0.3, &mut sampler).unwrap();
        let temperature = objective.trainee().temperature.as_ref().unwrap().val();
        assert_eq!(temperature.into_scalar::<f32>(), value("temp_clamped"));
        let (_, ita) = &losses.parts[0];
        let relative = ita.clone().into_scalar::<f32>() / value("loss_ita") - 1.0;
        assert!(relative.abs() < 1e-4, "{case}: {relative}");
        let all = gradients(objective.trainee(), &losses);
        let gradient = named(objective.trainee(), &all)["temp"][0];
        let relative = gradient / value("grad.temp") - 1.0;
        assert!(relative.abs() < 1e-3, "{case}: {relative}");
    }
}

/// The first index that can be drawn: which one is of no matter to the contrastive loss.
struct First;

impl blip_train::NegativeSampler for First {
    fn draw(&mut self, weights: &[f32], columns: usize) -> Vec<Option<usize>> {
        let rows = weights.chunks_exact(columns);
        rows.map(|row| row.iter().position(|&weight| weight > 0.0))
            .collect()
    }
}
