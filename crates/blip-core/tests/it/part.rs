//! Which checkpoint does for which task, and what is said where it does not.

use blip_core::{
    Blip, BlipConfig, Captioner, Classifier, FeatureExtractor, LoadOptions, Matcher, PairReasoner,
    QuestionAnswerer, Reference, Retriever, Task,
};

use crate::reference::{load, options, original, path};

/// What a task is told of a checkpoint that is for another one.
macro_rules! refusal {
    ($task:ident, $model:expr) => {{
        let model = path($model);
        let loaded = if model.is_dir() {
            $task::from_path(&model, &options())
        } else {
            $task::from_files(&original($model), &options())
        };
        match loaded {
            Ok(_) => panic!("{} does for {}", $model, stringify!($task)),
            Err(error) => error.to_string(),
        }
    }};
}

#[test]
fn a_checkpoint_for_another_task_says_what_it_lacks() {
    let captions = "but the checkpoint holds the image encoder, the text decoder";
    assert_eq!(
        refusal!(Matcher, "hf_caption"),
        format!("matching needs the text encoder, the projections, the matching head, {captions}")
    );
    assert_eq!(
        refusal!(Retriever, "hf_caption"),
        format!("matching needs the text encoder, the projections, the matching head, {captions}")
    );
    assert_eq!(
        refusal!(QuestionAnswerer, "salesforce_caption.pth"),
        format!("question answering needs the text encoder, {captions}")
    );
    assert_eq!(
        refusal!(Classifier, "hf_vqa"),
        "classification needs the projections, but the checkpoint holds the image encoder, the text encoder, \
         the text decoder"
    );
    assert_eq!(
        refusal!(Captioner, "hf_itm"),
        "captioning needs the text decoder, but the checkpoint holds the image encoder, the text encoder, \
         the projections, the matching head"
    );
    assert_eq!(
        refusal!(PairReasoner, "hf_itm"),
        "reasoning over two images needs the text encoder of two images, the reasoning head, but the checkpoint \
         holds the image encoder, the text encoder, the projections, the matching head"
    );
    assert_eq!(
        refusal!(Matcher, "salesforce_nlvr.pth"),
        "matching needs the text encoder, the projections, the matching head, but the checkpoint holds \
         the image encoder, the text encoder of two images, the reasoning head"
    );
}

#[test]
fn a_checkpoint_tells_its_tasks() {
    let tasks = |model: &str| load!(Blip, model).tasks();
    assert_eq!(tasks("hf_caption"), [Task::Captioning, Task::FeatureExtraction]);
    assert_eq!(
        tasks("hf_itm"),
        [Task::Matching, Task::Classification, Task::FeatureExtraction]
    );
    assert_eq!(
        tasks("salesforce_pretrain.pth"),
        [
            Task::Captioning,
            Task::QuestionAnswering,
            Task::Matching,
            Task::Classification,
            Task::FeatureExtraction
        ]
    );
    assert_eq!(
        tasks("salesforce_nlvr.pth"),
        [Task::FeatureExtraction, Task::Reasoning]
    );
}

#[test]
fn one_set_of_parts_serves_all_tasks() {
    let blip = load!(Blip, "salesforce_pretrain.pth");
    let encoders = [
        blip.captioner().unwrap().image_encoder().clone(),
        blip.question_answerer().unwrap().image_encoder().clone(),
        blip.matcher().unwrap().image_encoder().clone(),
        blip.feature_extractor().unwrap().image_encoder().clone(),
    ];
    for encoder in &encoders[1..] {
        assert!(std::sync::Arc::ptr_eq(&encoders[0], encoder));
    }
    let (matcher, retriever) = (blip.matcher().unwrap(), blip.retriever().unwrap());
    assert!(std::sync::Arc::ptr_eq(
        matcher.text_encoder(),
        retriever.text_encoder()
    ));
    let error = blip.pair_reasoner().map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("reasoning over two images needs"), "{error}");
}

#[test]
fn every_task_runs_on_weights_from_a_seed_and_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(value: T) -> T {
        value
    }
    for reference in [Reference::HuggingFace, Reference::Salesforce] {
        let (config, options) = (
            BlipConfig::tiny(),
            LoadOptions {
                reference: Some(reference),
                ..options()
            },
        );
        let picture = path("picture_0.png");
        let answerer = shared(QuestionAnswerer::from_seed(&config, 1, &options).unwrap());
        let answers = answerer
            .answer_file(&picture, "what is this?", &Default::default())
            .unwrap();
        assert!(!answers.is_empty());
        let matcher = shared(Matcher::from_seed(&config, 1, &options).unwrap());
        let matches = matcher
            .match_file(&picture, &["a dog", "a cat"], &Default::default())
            .unwrap();
        assert!((0.0..=1.0).contains(&matches[0].itm_probability) && matches.len() == 2);
        let classifier = shared(Classifier::from_seed(&config, 1, &options).unwrap());
        let labels = classifier.label_set(&["dog", "cat"], &["a {}"]).unwrap();
        assert_eq!(classifier.classify_file(&picture, &labels).unwrap().len(), 2);
        let extractor = shared(FeatureExtractor::from_seed(&config, 1, &options).unwrap());
        assert_eq!(extractor.text_embeds(&["a dog"]).unwrap().shape(), [1, 4, 64]);
        let reasoner = shared(PairReasoner::from_seed(&config, 1, &options).unwrap());
        let verdict = reasoner.reason_files([&picture, &picture], "two dogs").unwrap();
        assert_eq!(verdict.answer, verdict.probability > 0.5);
        shared(Retriever::from_seed(&config, 1, &options).unwrap());
        assert_eq!(Blip::from_seed(&config, 1, &options).unwrap().tasks().len(), 5);
    }
}
