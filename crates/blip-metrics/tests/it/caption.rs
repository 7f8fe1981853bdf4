//! Scores of captions.

use blip_metrics::{CaptionScores, CaptionSet, Scores};
use serde_json::Value;

use crate::golden::{assert_close, list, number, read, text, texts};

/// How far a score may be from the recorded one, of it. What is left is the order of sums and the last bit of `exp`,
/// `ln` and `pow`.
const TOLERANCE: f64 = 1e-12;

fn check_scores(scores: &Scores, corpus: &Value, name: &str) {
    assert_close(scores.corpus, &corpus[name], TOLERANCE, name);
    let captions = list(&corpus["captions"]);
    assert_eq!(scores.captions.len(), captions.len());
    for (score, caption) in scores.captions.iter().zip(captions) {
        assert_close(
            *score,
            &caption[name],
            TOLERANCE,
            &format!("{name} of {}", caption["candidate"]),
        );
    }
}

fn check(scores: &CaptionScores, corpus: &Value) {
    check_scores(&scores.rouge_l, corpus, "rouge_l");
    check_scores(&scores.cider_d, corpus, "cider_d");
    for order in 0..4 {
        let bleu = Scores {
            corpus: scores.bleu.corpus[order],
            captions: scores.bleu.captions.iter().map(|scores| scores[order]).collect(),
        };
        let name = format!("BLEU-{}", order + 1);
        assert_close(bleu.corpus, &corpus["bleu"][order], TOLERANCE, &name);
        for (score, caption) in bleu.captions.iter().zip(list(&corpus["captions"])) {
            let what = format!("{name} of {}", caption["candidate"]);
            assert_close(*score, &caption["bleu"][order], TOLERANCE, &what);
        }
    }
}

fn corpora(golden: &Value) -> impl Iterator<Item = &Value> {
    golden["corpora"].as_object().unwrap().values()
}

#[test]
fn scores_of_texts_are_the_references() {
    let golden = read("captions.json");
    for corpus in corpora(&golden) {
        let captions = list(&corpus["captions"]);
        let pairs: Vec<(&str, Vec<&str>)> = captions
            .iter()
            .map(|caption| (text(&caption["candidate"]), texts(&caption["references"])))
            .collect();
        check(&CaptionScores::from_pairs(&pairs).unwrap(), corpus);
    }
}

#[test]
fn scores_of_words_are_the_references() {
    let golden = read("captions.json");
    for corpus in corpora(&golden) {
        let captions = list(&corpus["captions"]);
        let candidates: Vec<Vec<&str>> = captions
            .iter()
            .map(|caption| texts(&caption["candidate_words"]))
            .collect();
        let references: Vec<Vec<Vec<&str>>> = captions
            .iter()
            .map(|caption| list(&caption["references_words"]).iter().map(texts).collect())
            .collect();
        check(
            &CaptionScores::new(&CaptionSet::from_words(&candidates, &references).unwrap()),
            corpus,
        );
    }
}

#[test]
fn the_goldens_are_neither_all_alike_nor_all_nothing() {
    let golden = read("captions.json");
    let sizes: Vec<usize> = corpora(&golden)
        .map(|corpus| list(&corpus["captions"]).len())
        .collect();
    assert!(sizes.iter().any(|size| *size >= 60), "{sizes:?}");
    assert!(sizes.iter().any(|size| *size <= 20), "{sizes:?}");
    for corpus in corpora(&golden) {
        for name in ["rouge_l", "cider_d"] {
            assert!((0.1..5.0).contains(&number(&corpus[name])), "{name}");
        }
        assert!((0.1..0.9).contains(&number(&corpus["bleu"][3])));
    }
}

#[test]
fn scores_do_not_depend_on_the_order_of_references() {
    let golden = read("captions.json");
    let captions = list(&golden["corpora"]["few"]["captions"]);
    let pairs = |turned: bool| -> Vec<(Vec<&str>, Vec<Vec<&str>>)> {
        captions
            .iter()
            .map(|caption| {
                let mut references: Vec<Vec<&str>> =
                    list(&caption["references_words"]).iter().map(texts).collect();
                if turned {
                    references.reverse();
                }
                (texts(&caption["candidate_words"]), references)
            })
            .collect()
    };
    let scores = |turned: bool| {
        let (candidates, references): (Vec<_>, Vec<_>) = pairs(turned).into_iter().unzip();
        CaptionScores::new(&CaptionSet::from_words(&candidates, &references).unwrap())
    };
    let (straight, turned) = (scores(false), scores(true));
    assert_eq!(straight.bleu, turned.bleu);
    assert_eq!(straight.rouge_l, turned.rouge_l);
    for (one, other) in straight.cider_d.captions.iter().zip(&turned.cider_d.captions) {
        assert!((one - other).abs() < 1e-12, "{one} {other}");
    }
}
