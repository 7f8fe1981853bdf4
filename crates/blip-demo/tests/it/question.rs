//! Answers, computed again from the words of the question.

use std::collections::HashMap;

use blip_demo::{Color, Object, Question, QuestionKind, Scene, Shape, Size, Split, seeded};

/// The objects that a phrase such as "small red circles" fits, word by word.
fn fitting<'a>(scene: &'a Scene, phrase: &str) -> Vec<&'a Object> {
    let fits = |object: &Object, word: &str| -> bool {
        match word {
            "the" | "a" | "an" | "object" | "objects" | "thing" => true,
            "small" | "little" => object.size == Size::Small,
            "large" | "big" => object.size == Size::Large,
            word => {
                let shape = Shape::ALL
                    .into_iter()
                    .find(|shape| [shape.word(), shape.plural()].contains(&word));
                let color = Color::ALL.into_iter().find(|color| color.word() == word);
                match (shape, color) {
                    (Some(shape), _) => object.kind.shape == shape,
                    (_, Some(color)) => object.kind.color == color,
                    _ => panic!("unknown word {word} in {phrase}"),
                }
            }
        }
    };
    scene
        .objects()
        .iter()
        .filter(|object| phrase.split_whitespace().all(|word| fits(object, word)))
        .collect()
}

/// The one value that all objects of a phrase have.
fn common<T: PartialEq + std::fmt::Debug>(objects: &[&Object], value: impl Fn(&Object) -> T) -> T {
    let first = value(objects.first().expect("the phrase means something"));
    assert!(objects.iter().all(|object| value(object) == first));
    first
}

/// The phrase around a relation, and the sign and axis of the relation.
fn split_relation(text: &str) -> Option<(&str, (usize, f32), &str)> {
    [
        (" to the left of ", (0, -1.0)),
        (" left of ", (0, -1.0)),
        (" to the right of ", (0, 1.0)),
        (" right of ", (0, 1.0)),
        (" above ", (1, -1.0)),
        (" over ", (1, -1.0)),
        (" below ", (1, 1.0)),
        (" under ", (1, 1.0)),
    ]
    .into_iter()
    .find_map(|(words, meaning)| {
        let (before, after) = text.split_once(words)?;
        Some((before, meaning, after))
    })
}

/// Whether the first object is there, seen from the second: along the axis of the larger offset.
fn lies(first: &Object, (axis, sign): (usize, f32), second: &Object) -> bool {
    let offset = |axis: usize| first.center[axis] - second.center[axis];
    offset(axis) * sign > 0.0 && offset(axis).abs() > offset(1 - axis).abs()
}

/// The answer, from the text and the objects only.
fn answer(scene: &Scene, question: &Question) -> String {
    let text = question
        .text
        .strip_suffix('?')
        .expect("a question mark at the end");
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    if text == "what color is the background" {
        return scene.background().word().to_owned();
    }
    if let Some(phrase) = text
        .strip_prefix("how many ")
        .and_then(|rest| rest.strip_suffix(" are there"))
    {
        return ["zero", "one", "two", "three", "four"][fitting(scene, phrase).len()].to_owned();
    }
    if let Some(phrase) = text.strip_prefix("is there ") {
        return yes_or_no(!fitting(scene, phrase).is_empty());
    }
    let after_be = |rest: &str| {
        let (be, phrase) = rest.split_once(' ').expect("a verb");
        let objects = fitting(scene, phrase).len();
        assert_eq!(be, if objects == 1 { "is" } else { "are" }, "{text}");
        phrase.to_owned()
    };
    if let Some(rest) = text.strip_prefix("what color ") {
        return common(&fitting(scene, &after_be(rest)), |object| object.kind.color)
            .word()
            .to_owned();
    }
    if let Some(rest) = text.strip_prefix("what shape ") {
        return common(&fitting(scene, &after_be(rest)), |object| object.kind.shape)
            .word()
            .to_owned();
    }
    if let Some(rest) = text.strip_prefix("what size ") {
        return common(&fitting(scene, &after_be(rest)), |object| object.size)
            .word()
            .to_owned();
    }
    if let Some((before, after)) = text.split_once(" above, below, left or right of ") {
        let subject = before.strip_prefix("is ").expect("a verb");
        let [[subject], [object]] = [&fitting(scene, subject)[..], &fitting(scene, after)[..]] else {
            panic!("{text} means not two objects");
        };
        let words = [
            ("above", (1, -1.0)),
            ("below", (1, 1.0)),
            ("left", (0, -1.0)),
            ("right", (0, 1.0)),
        ];
        let (word, _) = words
            .into_iter()
            .find(|(_, meaning)| lies(subject, *meaning, object))
            .expect("one of them");
        return word.to_owned();
    }
    if let Some((before, meaning, after)) = split_relation(text) {
        let [known] = fitting(scene, after)[..] else {
            panic!("{text} means not one object");
        };
        if before == "what is" {
            let found: Vec<&Object> = scene
                .objects()
                .iter()
                .filter(|object| lies(object, meaning, known))
                .collect();
            assert_eq!(found.len(), 1, "{text}");
            let kind = found[0].kind;
            return format!("{} {}", kind.color.word(), kind.shape.word());
        }
        let [subject] = fitting(scene, before.strip_prefix("is ").expect("a verb"))[..] else {
            panic!("{text} means not one object");
        };
        return yes_or_no(lies(subject, meaning, known));
    }
    if let Some(phrase) = text.strip_prefix("where is ") {
        let [object] = fitting(scene, phrase)[..] else {
            panic!("{text} means not one object");
        };
        let [x, y] = object.center.map(|at| [at < 1.0 / 3.0, at > 2.0 / 3.0]);
        let rows = [("top", y[0]), ("bottom", y[1])];
        let columns = [("left", x[0]), ("right", x[1])];
        let words: Vec<&str> = rows
            .into_iter()
            .chain(columns)
            .filter_map(|(word, is)| is.then_some(word))
            .collect();
        return if words.is_empty() {
            "middle".to_owned()
        } else {
            words.join(" ")
        };
    }
    let phrase = text.strip_prefix("what is ").expect("no other question is left");
    assert_eq!(fitting(scene, phrase).len(), 1, "{text}");
    common(&fitting(scene, phrase), |object| object.kind.shape)
        .word()
        .to_owned()
}

#[test]
fn answers_are_right_and_yes_is_as_likely_as_no() {
    let mut kinds: HashMap<QuestionKind, usize> = HashMap::new();
    let mut yes: HashMap<QuestionKind, [usize; 2]> = HashMap::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for split in Split::ALL {
        for seed in 0..3_000 {
            let scene = Scene::sample(seed, split);
            for question in scene.questions(&mut seeded(seed)) {
                assert_eq!(
                    answer(&scene, &question),
                    question.answer,
                    "{question:?} {:?}",
                    scene.facts()
                );
                assert!(question.accepts(&question.answer) && !question.accepts("maybe"));
                assert_eq!(question.text, question.text.to_lowercase());
                assert!((1..=2).contains(&question.answer.split(' ').count()));
                assert!(question.text.split_whitespace().count() <= 16, "{question:?}");
                *kinds.entry(question.kind).or_default() += 1;
                match question.answer.as_str() {
                    "yes" => yes.entry(question.kind).or_default()[1] += 1,
                    "no" => yes.entry(question.kind).or_default()[0] += 1,
                    answer if question.kind == QuestionKind::Count => {
                        *numbers.entry(answer.to_owned()).or_default() += 1;
                    }
                    _ => {}
                }
            }
        }
    }
    for kind in QuestionKind::ALL {
        assert!(kinds[&kind] > 1_000, "{kinds:?}");
    }
    assert_eq!(yes.len(), 2);
    for [no, yes] in yes.values() {
        let share = *yes as f32 / (yes + no) as f32;
        assert!((0.47..0.53).contains(&share), "{share}");
    }
    for number in ["zero", "one", "two", "three", "four"] {
        assert!(numbers[number] > 300, "{numbers:?}");
    }
}

/// "is there a blue square?" must not be answered by what words alone suggest.
#[test]
fn what_does_not_exist_is_near_to_what_does() {
    let mut negatives = 0;
    for seed in 0..2_000 {
        let scene = Scene::sample(seed, Split::Train);
        let question = scene.question(QuestionKind::Exists, &mut seeded(seed)).unwrap();
        if question.answer == "no" {
            negatives += 1;
            let phrase = question
                .text
                .strip_prefix("is there ")
                .unwrap()
                .strip_suffix('?')
                .unwrap();
            let words: Vec<&str> = phrase.split(' ').skip(1).collect();
            // All but one word fit some object.
            let near = (0..words.len()).any(|left_out| {
                let mut others = words.clone();
                others.remove(left_out);
                !fitting(&scene, &others.join(" ")).is_empty()
            });
            assert!(near, "{}", question.text);
        }
    }
    assert!((900..1_100).contains(&negatives), "{negatives}");
}
