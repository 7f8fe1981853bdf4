//! Captions are true, and judged so.

use std::collections::HashMap;

use blip_demo::{
    Background, Claim, Color, FactKind, Judgement, Kind, Object, Scene, Shape, Size, Split, seeded,
};

#[test]
fn every_caption_is_judged_fully_right() {
    for split in Split::ALL {
        for seed in 0..4_000 {
            let scene = Scene::sample(seed, split);
            let mut rng = seeded(seed);
            for caption in [
                scene.full_caption(),
                scene.caption(&mut rng),
                scene.caption(&mut rng),
            ] {
                let judgement = Judgement::of(&caption, &scene);
                assert!(judgement.is_true(), "{caption}: {judgement:?}");
                assert!(judgement.names_every_object(), "{caption}: {judgement:?}");
                assert_eq!(judgement.correct, judgement.stated);
                assert!(caption.split_whitespace().count() <= 24, "{caption}");
                assert!(!caption.starts_with("a picture"), "{caption}");
            }
        }
    }
}

#[test]
fn a_full_caption_tells_all_facts_and_only_them() {
    let mut facts_of = HashMap::new();
    for seed in 0..20_000 {
        let scene = Scene::sample(seed, Split::Train);
        let facts = scene.facts();
        let before = facts_of.insert(scene.full_caption(), facts.clone());
        assert!(before.is_none_or(|before| before == facts));
        let claim: Claim = scene.full_caption().parse().unwrap();
        assert_eq!(claim.background, Some(facts.background));
        assert_eq!(
            claim.relations.first().map(|stated| stated.relation),
            facts.relation
        );
        assert_eq!(claim.mentions.len(), facts.items.len());
        for mention in &claim.mentions {
            assert!(facts.items.iter().any(|item| Some(item.kind) == mention.kind()
                && Some(item.size) == mention.size
                && item.count == mention.count));
        }
    }
}

#[test]
fn parsing_undoes_wording() {
    for seed in 0..2_000 {
        let scene = Scene::sample(seed, Split::HeldOut);
        let claim: Claim = scene.full_caption().parse().unwrap();
        assert_eq!(claim.text(), scene.full_caption());
        let varied = claim.varied_text(&mut seeded(seed));
        assert_eq!(varied.parse(), Ok(claim));
    }
}

#[test]
fn captions_vary() {
    let mut words: HashMap<String, usize> = HashMap::new();
    let mut with_background = 0;
    for seed in 0..2_000 {
        let caption = Scene::sample(seed, Split::Train).caption(&mut seeded(seed));
        with_background += usize::from(caption.ends_with("background"));
        for word in caption.split_whitespace() {
            *words.entry(word.to_owned()).or_default() += 1;
        }
    }
    assert!((1_000..1_400).contains(&with_background), "{with_background}");
    for word in [
        "small", "little", "large", "big", "above", "over", "below", "under", "against",
    ] {
        assert!(words.get(word).is_some_and(|count| *count > 20), "{word}");
    }
}

/// A small red circle left of a large blue square, on white.
fn pair() -> Scene {
    let circle = Kind::new(Color::Red, Shape::Circle);
    let square = Kind::new(Color::Blue, Shape::Square);
    let objects = vec![
        Object::new(circle, Size::Small, [0.2, 0.5]),
        Object::new(square, Size::Large, [0.7, 0.5]),
    ];
    Scene::new(Background::White, objects).unwrap()
}

/// Wrong facts, and the words for them.
type Wrong<'a> = &'a [(FactKind, &'a str)];

#[test]
fn wrong_facts_are_found_one_by_one() {
    use FactKind::{Background, Color, Count, Existence, Relation, Shape, Size};
    // Text, facts that it states, the wrong ones, items that it does not name.
    let cases: [(&str, usize, Wrong, usize); 14] = [
        ("a red circle and a blue square", 6, &[], 0),
        ("a small red circle left of a big blue square", 9, &[], 0),
        (
            "a blue square to the right of a red circle on a white background",
            8,
            &[],
            0,
        ),
        ("a red circle", 3, &[], 1),
        ("a circle", 2, &[], 2),
        ("a large red circle", 4, &[(Size, "large")], 1),
        ("a green circle and a blue square", 6, &[(Color, "green")], 1),
        ("a red star and a blue square", 6, &[(Shape, "star")], 1),
        ("two red circles", 3, &[(Count, "two")], 1),
        ("a red circle above a blue square", 7, &[(Relation, "above")], 0),
        (
            "a blue square to the left of a red circle",
            7,
            &[(Relation, "to the left of")],
            0,
        ),
        (
            "a red circle on a black background",
            4,
            &[(Background, "black")],
            1,
        ),
        (
            "a red circle, a blue square and a small green star",
            7,
            &[(Existence, "a small green star")],
            0,
        ),
        (
            "a blue circle and a red square",
            6,
            &[(Color, "blue"), (Color, "red")],
            2,
        ),
    ];
    for (text, stated, wrong, missing) in cases {
        let judgement = Judgement::of(text, &pair());
        let found: Vec<(FactKind, &str)> = judgement
            .wrong
            .iter()
            .map(|wrong| (wrong.kind, wrong.stated.as_str()))
            .collect();
        assert_eq!(found, wrong, "{text}");
        assert_eq!(judgement.stated, stated, "{text}");
        assert_eq!(judgement.correct, stated - wrong.len(), "{text}");
        assert_eq!(judgement.missing.len(), missing, "{text}");
        assert_eq!(judgement.is_true(), wrong.is_empty(), "{text}");
    }
}

#[test]
fn nonsense_is_not_true() {
    for text in ["", "a dog", "a small red", "red circle blue square", "[UNK]"] {
        let judgement = Judgement::of(text, &pair());
        assert!(!judgement.parsed && !judgement.is_true() && !judgement.names_every_object());
        assert_eq!((judgement.stated, judgement.missing.len()), (0, 2));
    }
}

#[test]
fn two_canonical_orders_are_the_same_facts() {
    let [first, second] = [0, 1].map(|place| pair().objects()[place].clone());
    let swapped = Scene::new(Background::White, vec![second, first]).unwrap();
    assert_eq!(swapped.facts(), pair().facts());
    assert_eq!(
        swapped.full_caption(),
        "a small red circle to the left of a large blue square on a white background"
    );
}
