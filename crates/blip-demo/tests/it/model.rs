//! The trained model: every task gives the right answers about scenes that training left out.

use blip_core::{
    AnswerOptions, BuildOptions, CaptionOptions, ImageProcessor, LoadOptions, MatchOptions, PixelValues,
    SearchOptions, error_chain,
};
use blip_demo::{DemoModel, Judgement, Scene, Split, pair_statement, sample_pair, seeded};

/// Scenes of which no two show the same.
fn scenes(count: usize) -> Vec<Scene> {
    let mut seen = std::collections::HashSet::new();
    (0..)
        .map(|seed| Scene::sample(seed, Split::HeldOut))
        .filter(|scene| seen.insert(scene.facts()))
        .take(count)
        .collect()
}

fn pixels(processor: &ImageProcessor, scene: &Scene) -> PixelValues {
    processor.preprocess(&scene.render(96).unwrap()).unwrap()
}

/// Whether at least so many of a hundred are right.
fn assert_most(right: usize, of: usize, percent: usize) {
    assert!(100 * right >= percent * of, "{right} of {of}");
}

#[test]
fn captions_are_true() {
    let captioner = DemoModel::built_in().captioner(&LoadOptions::default()).unwrap();
    let mut right = 0;
    for scene in scenes(40) {
        let pixel_values = pixels(captioner.processor(), &scene);
        let caption = |prompt: Option<&str>| {
            let options = CaptionOptions {
                prompt: prompt.map(str::to_owned),
                ..CaptionOptions::default()
            };
            captioner.caption(&pixel_values, &options).unwrap().remove(0).text
        };
        right += usize::from(Judgement::of(&caption(None), &scene).is_true());
        right += usize::from(Judgement::of(&caption(Some("a picture of ")), &scene).is_true());
    }
    assert_most(right, 80, 95);
}

#[test]
fn answers_are_right() {
    let answerer = DemoModel::built_in()
        .question_answerer(&LoadOptions::default())
        .unwrap();
    let (mut right, mut of) = (0, 0);
    for (seed, scene) in scenes(20).into_iter().enumerate() {
        let encoded = answerer.encode(&pixels(answerer.processor(), &scene)).unwrap();
        for question in scene.questions(&mut seeded(seed as u64)) {
            let answers = answerer.answer_encoded(&encoded, &[&question.text], &AnswerOptions::default());
            right += usize::from(question.accepts(&answers.unwrap()[0][0].text));
            of += 1;
        }
    }
    assert!(of > 100);
    assert_most(right, of, 94);
}

#[test]
fn a_true_sentence_fits_better_than_a_false_one() {
    let matcher = DemoModel::built_in().matcher(&LoadOptions::default()).unwrap();
    let mut right = 0;
    for (seed, scene) in scenes(50).into_iter().enumerate() {
        let mut rng = seeded(seed as u64);
        let texts = [true, false].map(|truth| scene.statement(&mut rng, truth).text);
        let pixel_values = pixels(matcher.processor(), &scene);
        let fit = |text: &String| {
            let matches = matcher.match_texts(&pixel_values, &[text], &MatchOptions::default());
            matches.unwrap()[0][0].itm_probability
        };
        right += usize::from(fit(&texts[0]) > fit(&texts[1]));
    }
    assert_most(right, 50, 90);
}

#[test]
fn a_text_finds_its_picture_and_a_picture_its_text() {
    let retriever = DemoModel::built_in().retriever(&LoadOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let scenes = scenes(60);
    for (index, scene) in scenes.iter().enumerate() {
        let picture = scene.render(96).unwrap();
        let picture = image::RgbImage::from_raw(96, 96, picture.into_bytes()).unwrap();
        picture.save(folder.path().join(format!("{index}.png"))).unwrap();
    }
    let path = |name: &str| folder.path().join(name);
    let build = BuildOptions::default();
    let options = SearchOptions { top_k: 1, rerank: 10 };
    retriever
        .build(folder.path(), path("pictures.index"), &build, &mut |_| {})
        .unwrap();
    let pictures = retriever.open(path("pictures.index")).unwrap();
    let texts: Vec<String> = scenes.iter().map(Scene::full_caption).collect();
    retriever
        .build_texts(&texts, path("texts.index"), &build, &mut |_| {})
        .unwrap();
    let captions = retriever.open(path("texts.index")).unwrap();
    let mut right = 0;
    for (index, scene) in scenes.iter().enumerate() {
        let found = retriever.search_text(&pictures, &texts[index], &options).unwrap();
        right += usize::from(found[0].name == format!("{index}.png"));
        let pixel_values = pixels(retriever.matcher().processor(), scene);
        let found = retriever
            .search_image(&captions, &pixel_values, &options)
            .unwrap();
        right += usize::from(found[0].name == texts[index]);
    }
    assert_most(right, 120, 93);
}

#[test]
fn the_nearest_label_is_the_caption() {
    let classifier = DemoModel::built_in().classifier(&LoadOptions::default()).unwrap();
    let scenes = scenes(30);
    let labels: Vec<String> = scenes.iter().map(Scene::full_caption).collect();
    let labels = classifier.label_set(&labels, &["{}"]).unwrap();
    let mut right = 0;
    for (index, scene) in scenes.iter().enumerate() {
        let found = classifier
            .classify(&pixels(classifier.processor(), scene), &labels)
            .unwrap();
        right += usize::from(found[0][0].label == labels.labels()[index]);
    }
    assert_most(right, 30, 85);
}

#[test]
fn sentences_about_two_pictures_are_judged() {
    let reasoner = DemoModel::built_in()
        .pair_reasoner(&LoadOptions::default())
        .unwrap();
    let mut right = 0;
    for seed in 0..60 {
        let scenes = sample_pair(seed, Split::HeldOut);
        let truth = seed % 2 == 0;
        let text = pair_statement(&scenes[0], &scenes[1], &mut seeded(seed), truth).text;
        let [first, second] = [0, 1].map(|scene| pixels(reasoner.processor(), &scenes[scene]));
        let verdicts = reasoner.reason(&first, &second, &[text]).unwrap();
        right += usize::from(verdicts[0].answer == truth);
    }
    assert_most(right, 60, 85);
}

#[test]
fn features_of_a_picture_and_its_caption_are_near() {
    let extractor = DemoModel::built_in()
        .feature_extractor(&LoadOptions::default())
        .unwrap();
    let scenes = scenes(8);
    let texts: Vec<String> = scenes.iter().map(Scene::full_caption).collect();
    let of_texts = extractor
        .project_text(&extractor.text_embeds(&texts).unwrap())
        .unwrap();
    let mut right = 0;
    for (index, scene) in scenes.iter().enumerate() {
        let states = extractor
            .image_embeds(&pixels(extractor.processor(), scene))
            .unwrap();
        let of_picture = extractor.project_image(&states).unwrap();
        let cosine = |text: usize| -> f32 {
            let pairs = of_picture.at(0, 0).iter().zip(of_texts.at(text, 0));
            pairs.map(|(a, b)| a * b).sum()
        };
        right += usize::from((0..8).all(|text| text == index || cosine(text) < cosine(index)));
    }
    assert_most(right, 8, 85);
}

#[test]
fn a_folder_without_the_files_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let error = DemoModel::read(folder.path()).unwrap_err();
    assert!(
        error_chain(&error).contains("config.json"),
        "{}",
        error_chain(&error)
    );
    for name in [
        "general.safetensors",
        "answering.safetensors",
        "reasoning.safetensors",
        "config.json",
        "vocab.txt",
    ] {
        std::fs::write(folder.path().join(name), "{}").unwrap();
    }
    let model = DemoModel::read(folder.path()).unwrap();
    assert!(model.captioner(&LoadOptions::default()).is_err());
}
