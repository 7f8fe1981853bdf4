//! Words of captions.

use blip_metrics::{tokenize_caption, tokenize_captions};

use crate::golden::{list, read, text, texts};

#[test]
fn words_are_the_references() {
    let golden = read("tokens.json");
    let lines = list(&golden["lines"]);
    assert!(lines.len() >= 120);
    let captions: Vec<&str> = lines.iter().map(|line| text(&line["text"])).collect();
    let together = tokenize_captions(&captions);
    assert_eq!(together.len(), lines.len());
    for ((line, caption), words) in lines.iter().zip(captions).zip(together) {
        assert_eq!(words, texts(&line["together"]), "{caption:?} among others");
        assert_eq!(
            tokenize_caption(caption),
            texts(&line["followed"]),
            "{caption:?} before x"
        );
        assert_eq!(
            tokenize_captions(&[caption]),
            [texts(&line["last"])],
            "{caption:?} alone"
        );
    }
}

#[test]
fn what_is_behind_a_caption_matters_to_some() {
    // Otherwise the three readings above would test the same.
    let golden = read("tokens.json");
    let differ = |one: &str, other: &str| list(&golden["lines"]).iter().any(|line| line[one] != line[other]);
    assert!(differ("together", "followed"));
    assert!(differ("together", "last"));
    assert!(differ("followed", "last"));
}
