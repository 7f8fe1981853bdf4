//! Statements are what they are said to be.

use std::collections::HashMap;

use blip_demo::{Claim, FactKind, Judgement, Mention, Object, Relation, Scene, Split, Statement, seeded};

/// Whether a claim holds, without the judge: every mention means exactly the objects of one kind and size that fit
/// it, and what is stated of them is so.
fn holds(claim: &Claim, scene: &Scene) -> bool {
    let fitting = |mention: &Mention| {
        scene
            .objects()
            .iter()
            .filter(|object| mention.fits(object))
            .collect::<Vec<_>>()
    };
    let mentions = claim
        .mentions
        .iter()
        .all(|mention| fitting(mention).len() == mention.count);
    let distinct = claim
        .mentions
        .iter()
        .enumerate()
        .all(|(place, mention)| !claim.mentions[..place].contains(mention));
    let relations = mentions
        && claim.relations.iter().all(|stated| {
            let [first, second] =
                [stated.subject, stated.object].map(|place| fitting(&claim.mentions[place])[0]);
            let [x, y] = [0, 1].map(|axis| first.center[axis] - second.center[axis]);
            match stated.relation {
                Relation::LeftOf => x < 0.0 && x.abs() > y.abs(),
                Relation::RightOf => x > 0.0 && x.abs() > y.abs(),
                Relation::Above => y < 0.0 && y.abs() > x.abs(),
                Relation::Below => y > 0.0 && y.abs() > x.abs(),
            }
        });
    let background = claim
        .background
        .is_none_or(|background| background == scene.background());
    mentions && distinct && relations && background
}

#[test]
fn statements_are_true_or_false_as_asked() {
    let mut changes: HashMap<FactKind, usize> = HashMap::new();
    for split in Split::ALL {
        for seed in 0..5_000 {
            let scene = Scene::sample(seed, split);
            let mut rng = seeded(seed);
            for truth in [true, false] {
                let statement = scene.statement(&mut rng, truth);
                let claim: Claim = statement.text.parse().unwrap();
                assert_eq!(statement.is_true(), truth);
                assert_eq!(holds(&claim, &scene), truth, "{statement:?}: {:?}", scene.facts());
                let judgement = Judgement::of(&statement.text, &scene);
                assert_eq!(judgement.is_true(), truth, "{statement:?}: {judgement:?}");
                if let Some(changed) = statement.changed {
                    *changes.entry(changed).or_default() += 1;
                    assert_eq!(judgement.wrong.len(), 1, "{statement:?}: {judgement:?}");
                }
                assert!(statement.text.split_whitespace().count() <= 24);
            }
        }
    }
    // All seven sorts, none of them rare.
    assert_eq!(changes.len(), 7);
    assert!(changes.values().all(|count| *count > 500), "{changes:?}");
}

/// The relation alone, of any two objects that lie clearly to each other.
#[test]
fn relations_are_stated_true_and_false() {
    let (mut stated, mut of_three, mut sized) = (0, 0, 0);
    for split in Split::ALL {
        for seed in 0..2_000 {
            let scene = Scene::sample(seed, split);
            let mut rng = seeded(seed);
            for truth in [true, false] {
                let Some(statement) = scene.relation_statement(&mut rng, truth) else {
                    continue;
                };
                let claim: Claim = statement.text.parse().unwrap();
                assert_eq!(statement.changed, (!truth).then_some(FactKind::Relation));
                assert_eq!(holds(&claim, &scene), truth, "{statement:?}: {:?}", scene.facts());
                let judgement = Judgement::of(&statement.text, &scene);
                assert_eq!(judgement.is_true(), truth, "{statement:?}: {judgement:?}");
                assert_eq!(
                    (claim.mentions.len(), claim.relations.len(), claim.background),
                    (2, 1, None)
                );
                stated += 1;
                of_three += usize::from(scene.objects().len() > 2);
                sized += usize::from(claim.mentions.iter().any(|mention| mention.size.is_some()));
            }
            let single = scene.objects().len() == 1;
            assert!(!single || scene.relation_statement(&mut rng, true).is_none());
        }
    }
    // Three scenes in ten have two objects; of three objects some lie clearly.
    assert!(stated > 3_600 && of_three > 500, "{stated} {of_three}");
    assert!(
        (stated / 3..stated * 2 / 3).contains(&sized),
        "{sized} of {stated}"
    );
}

/// Every word of them is right, and what they say is not.
#[test]
fn confused_statements_are_false_in_the_words_of_the_scene() {
    let mut changes: HashMap<FactKind, usize> = HashMap::new();
    for split in Split::ALL {
        for seed in 0..3_000 {
            let scene = Scene::sample(seed, split);
            let statement = scene.confused_statement(&mut seeded(seed));
            let Some(Statement { text, changed }) = statement else {
                // Nothing is confused with itself.
                continue;
            };
            assert!(scene.facts().items.len() > 1, "{text}");
            let claim: Claim = text.parse().unwrap();
            assert!(!holds(&claim, &scene), "{text}: {:?}", scene.facts());
            assert!(!Judgement::of(&text, &scene).is_true(), "{text}");
            for mention in &claim.mentions {
                let shown = |fits: &dyn Fn(&Object) -> bool| scene.objects().iter().any(fits);
                assert!(shown(&|object| mention
                    .color
                    .is_none_or(|color| object.kind.color == color)));
                assert!(shown(&|object| mention
                    .shape
                    .is_none_or(|shape| object.kind.shape == shape)));
                assert!(shown(&|object| mention
                    .size
                    .is_none_or(|size| object.size == size)));
            }
            *changes.entry(changed.expect("it is false")).or_default() += 1;
        }
    }
    // Colours, shapes, sizes, counts, places and relations, none of them rare.
    assert_eq!(changes.len(), 6, "{changes:?}");
    assert!(changes.values().all(|count| *count > 200), "{changes:?}");
}

/// No common word tells a true statement from a false one: only the picture does.
#[test]
fn words_alone_do_not_tell() {
    let mut counts: HashMap<String, [f32; 2]> = HashMap::new();
    for seed in 0..12_000 {
        let truth = seed % 2 == 0;
        let statement = Scene::sample(seed, Split::Train).statement(&mut seeded(seed), truth);
        for word in statement.text.replace(',', "").split_whitespace() {
            counts.entry(word.to_owned()).or_default()[usize::from(truth)] += 1.0;
        }
    }
    for (word, [no, yes]) in counts.into_iter().filter(|(_, [no, yes])| no + yes > 400.0) {
        let share = yes / (yes + no);
        assert!((0.42..0.58).contains(&share), "{word}: {share}");
    }
}
