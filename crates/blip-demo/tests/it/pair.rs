//! Sentences about two scenes, judged again from their words.

use std::collections::HashMap;

use blip_demo::{Claim, Mention, PairStatementKind, Scene, Split, pair_statement, sample_pair, seeded};

/// How many objects a phrase such as "a small red circle" fits in a scene.
fn number(scene: &Scene, phrase: &str) -> usize {
    let claim: Claim = phrase.parse().unwrap_or_else(|error| panic!("{phrase}: {error}"));
    let [mention] = claim.mentions[..] else {
        panic!("{phrase} is not one mention");
    };
    let fits = |mention: &Mention| {
        scene
            .objects()
            .iter()
            .filter(|object| mention.fits(object))
            .count()
    };
    fits(&mention)
}

/// Whether a sentence is true, from its words and the objects only.
fn is_so(text: &str, left: &Scene, right: &Scene) -> bool {
    let [left_count, right_count] = [left, right].map(|scene| scene.objects().len());
    match text {
        "the left picture has more objects than the right picture"
        | "the right picture has fewer objects than the left picture" => return left_count > right_count,
        "the right picture has more objects than the left picture"
        | "the left picture has fewer objects than the right picture" => return left_count < right_count,
        "both pictures have the same number of objects" => return left_count == right_count,
        _ => {}
    }
    let [left_on, right_on] = [left, right].map(|scene| scene.background().word());
    if let Some(rest) = text.strip_suffix(" background") {
        let color = rest.rsplit(' ').next().unwrap();
        return match rest.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["both", "pictures"] => left_on == color && right_on == color,
            ["the", "left"] => left_on == color,
            ["the", "right"] => right_on == color,
            _ => panic!("{text}"),
        };
    }
    if let Some(rest) = text.strip_suffix(" in total") {
        let rest = rest
            .strip_prefix("there is ")
            .or(rest.strip_prefix("there are "))
            .unwrap();
        let (count, words) = rest.split_once(' ').unwrap();
        let names = [
            "zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
        ];
        let count = names.iter().position(|name| *name == count).unwrap();
        // The parser takes the plural after any number but one.
        let article = if count == 1 { "one" } else { "two" };
        let phrase = format!("{article} {words}");
        return number(left, &phrase) + number(right, &phrase) == count;
    }
    let contains = |phrase: &str| [left, right].map(|scene| number(scene, phrase) > 0);
    if let Some(phrase) = text.strip_prefix("both pictures contain ") {
        contains(phrase) == [true, true]
    } else if let Some(phrase) = text.strip_prefix("neither picture contains ") {
        contains(phrase) == [false, false]
    } else if let Some(phrase) = text.strip_prefix("only one of the pictures contains ") {
        let [left, right] = contains(phrase);
        left != right
    } else if let Some(phrase) = text.strip_prefix("the left picture contains ") {
        contains(phrase)[0]
    } else if let Some(phrase) = text.strip_prefix("the right picture contains ") {
        contains(phrase)[1]
    } else {
        panic!("unknown sentence {text}")
    }
}

#[test]
fn sentences_are_true_or_false_as_asked() {
    let mut counts: HashMap<PairStatementKind, [usize; 2]> = HashMap::new();
    for split in Split::ALL {
        for seed in 0..4_000 {
            let [left, right] = sample_pair(seed, split);
            assert_eq!([left.split(), right.split()], [split; 2]);
            // Another stream for each split, so that the counts below are of independent draws.
            let mut rng = seeded(seed * 3 + split as u64);
            let truth = seed % 2 == 0;
            let statement = pair_statement(&left, &right, &mut rng, truth);
            assert_eq!(statement.truth, truth);
            assert_eq!(
                is_so(&statement.text, &left, &right),
                truth,
                "{statement:?} {:?} {:?}",
                left.facts(),
                right.facts()
            );
            assert!(statement.text.split_whitespace().count() <= 24);
            counts.entry(statement.kind).or_default()[usize::from(truth)] += 1;
        }
    }
    // Every kind occurs, and does not give the truth away.
    for kind in PairStatementKind::ALL {
        let [no, yes] = counts[&kind];
        let share = yes as f32 / (yes + no) as f32;
        assert!(yes + no > 400, "{counts:?}");
        assert!((0.44..0.56).contains(&share), "{kind:?}: {share}");
    }
}

#[test]
fn any_two_scenes_have_sentences() {
    for seed in 0..2_000 {
        let left = Scene::sample(seed, Split::Train);
        let right = Scene::sample(seed + 50_000, Split::NewKind);
        for (first, second) in [(&left, &right), (&left, &left)] {
            for truth in [true, false] {
                let statement = pair_statement(first, second, &mut seeded(seed), truth);
                assert_eq!(is_so(&statement.text, first, second), truth, "{statement:?}");
            }
        }
    }
}

#[test]
fn a_pair_stays_the_same() {
    assert_eq!(sample_pair(4, Split::HeldOut), sample_pair(4, Split::HeldOut));
    assert_ne!(sample_pair(4, Split::HeldOut), sample_pair(5, Split::HeldOut));
}
