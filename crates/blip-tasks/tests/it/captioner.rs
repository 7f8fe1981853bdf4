//! The captioner on scripted parts.

use blip_tasks::{CaptionOptions, Captioner, FinishReason, TextPolicy};
use blip_testkit::{ScriptedDecoder, ScriptedImageEncoder, WordTokenizer, picture};
use blip_traits::{PixelValues, Tokenizer};

const SIZE: [usize; 2] = [2, 2];

fn tokenizer() -> WordTokenizer {
    WordTokenizer::new(&[
        "a", "picture", "of", "dog", "cat", "##s", ".", "'", "snow", "photo",
    ])
}

/// Says the sentence of the picture: 0 a dog, 1 cats in two pieces; any prompt before it.
fn decoder() -> ScriptedDecoder {
    let tokenizer = tokenizer();
    let ids = |words: &[&str]| -> Vec<u32> { words.iter().map(|word| tokenizer.id(word)).collect() };
    let sentences = [ids(&["dog", "'", "snow", "."]), ids(&["cat", "##s", "a", "dog"])];
    let starts = [
        ids(&["a", "picture", "of"]),
        ids(&["a", "photo", "of"]),
        ids(&["photo"]),
    ];
    let vocab_size = tokenizer.vocab_size();
    ScriptedDecoder::new(vocab_size, move |context, prefix| {
        assert_eq!(prefix[0], 1, "[DEC] comes first");
        let sentence = &sentences[context as usize % 2];
        let written = &prefix[1..];
        let start = starts.iter().find(|start| written.starts_with(start));
        let written = written.len() - start.map_or(0, Vec::len);
        let next = sentence.get(written).copied().unwrap_or(2);
        (0..vocab_size as u32)
            .map(|id| if id == next { 6.0 } else { 0.0 })
            .collect()
    })
    .with_context_size(3)
}

fn captioner(policy: TextPolicy) -> Captioner<ScriptedImageEncoder, ScriptedDecoder, WordTokenizer> {
    let encoder = ScriptedImageEncoder::new(3, SIZE, &Default::default());
    Captioner::new(encoder, decoder(), tokenizer(), policy).unwrap()
}

fn options() -> CaptionOptions {
    CaptionOptions::default()
}

#[test]
fn hugging_face_starts_with_dec_alone() {
    let captions = captioner(TextPolicy::hugging_face())
        .caption(&picture(0, SIZE), &options())
        .unwrap();
    assert_eq!(captions.len(), 1);
    assert_eq!(captions[0].text, "dog'snow.");
    assert_eq!(captions[0].token_ids, [1, 10, 14, 15, 13, 2]);
    assert_eq!(captions[0].token_log_probs.len(), 5);
    assert_eq!(captions[0].finish_reason, FinishReason::EndToken);
    let sum: f32 = captions[0].token_log_probs.iter().sum();
    assert_eq!(captions[0].score, sum);
}

#[test]
fn hugging_face_keeps_the_prompt_in_the_text() {
    let wanted = CaptionOptions {
        prompt: Some("a photo of".into()),
        ..options()
    };
    let captions = captioner(TextPolicy::hugging_face())
        .caption(&picture(1, SIZE), &wanted)
        .unwrap();
    assert_eq!(captions[0].text, "a photo of cats a dog");
    assert_eq!(captions[0].token_ids[..4], [1, 7, 16, 9]);
}

#[test]
fn salesforce_cuts_its_prompt() {
    let captioner = captioner(TextPolicy::salesforce());
    let captions = captioner.caption(&picture(1, SIZE), &options()).unwrap();
    assert_eq!(captions[0].text, "cats a dog");
    assert_eq!(captions[0].token_ids, [1, 7, 8, 9, 11, 12, 7, 10, 2]);
}

#[test]
fn salesforce_cuts_as_many_characters_as_the_prompt_has() {
    let captioner = captioner(TextPolicy::salesforce());
    for (prompt, text) in [
        ("a photo of ", "cats a dog"),
        // Without its trailing space, as in the original.
        ("a photo of", " cats a dog"),
        ("  a photo of ", "ts a dog"),
        ("", "cats a dog"),
        ("photo of of of of of of of of", ""),
    ] {
        let wanted = CaptionOptions {
            prompt: Some(prompt.into()),
            max_length: Some(20),
            ..options()
        };
        let captions = captioner.caption(&picture(1, SIZE), &wanted).unwrap();
        assert_eq!(captions[0].text, text, "{prompt:?}");
    }
}

#[test]
fn several_captions_come_best_first() {
    let wanted = CaptionOptions {
        num_beams: Some(4),
        num_return_sequences: Some(3),
        ..options()
    };
    let captions = captioner(TextPolicy::salesforce())
        .caption(&picture(0, SIZE), &wanted)
        .unwrap();
    assert_eq!(captions.len(), 3);
    assert_eq!(captions[0].text, "dog'snow.");
    assert!(captions.is_sorted_by(|a, b| a.score >= b.score));
}

#[test]
fn a_batch_and_stored_states_give_the_same_captions() {
    let captioner = captioner(TextPolicy::salesforce());
    let pictures = [picture(1, SIZE), picture(0, SIZE)];
    let batch = PixelValues::concat(&pictures).unwrap();
    let captions = captioner.caption_batch(&batch, &options()).unwrap();
    assert_eq!(captions.len(), 2);
    for (picture, captions) in pictures.iter().zip(&captions) {
        assert_eq!(&captioner.caption(picture, &options()).unwrap(), captions);
    }
    let encoded = captioner.encode(&batch).unwrap();
    assert_eq!(captioner.caption_encoded(&encoded, &options()).unwrap(), captions);
}

#[test]
fn bad_words_are_tokenized_and_do_not_come() {
    let captioner = captioner(TextPolicy::hugging_face());
    let wanted = |word: &str| CaptionOptions {
        bad_words: vec![word.into()],
        max_length: Some(6),
        ..options()
    };
    let captions = captioner.caption(&picture(1, SIZE), &wanted("cat ##s")).unwrap();
    assert!(
        captions[0].text.starts_with("cat ") || captions[0].text == "cat",
        "{}",
        captions[0].text
    );
    let captions = captioner.caption(&picture(1, SIZE), &wanted("dog")).unwrap();
    assert!(!captions[0].text.contains("dog"), "{}", captions[0].text);
    let error = captioner.caption(&picture(1, SIZE), &wanted(" ")).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"bad_words: expected words with at least one token, got " ""#
    );
}

#[test]
fn the_pieces_are_the_text() {
    for policy in [TextPolicy::hugging_face(), TextPolicy::salesforce()] {
        let captioner = captioner(policy);
        for wanted in [
            CaptionOptions {
                num_beams: Some(1),
                ..options()
            },
            CaptionOptions {
                sample: true,
                num_return_sequences: Some(3),
                temperature: Some(2.0),
                ..options()
            },
        ] {
            for number in [0, 1] {
                let mut texts = vec![Vec::<String>::new(); 3];
                let captions = captioner
                    .caption_streaming(&picture(number, SIZE), &wanted, &mut |piece| {
                        assert_eq!(piece.picture, 0);
                        texts[piece.copy].push(piece.text.to_owned());
                    })
                    .unwrap();
                assert_eq!(
                    captions,
                    captioner.caption(&picture(number, SIZE), &wanted).unwrap()
                );
                for (caption, pieces) in captions.iter().zip(&texts) {
                    assert_eq!(pieces.concat(), caption.text);
                }
                if !wanted.sample && number == 1 {
                    assert_eq!(texts[0], ["cats", " a", " dog"]);
                }
            }
        }
    }
}

#[test]
fn streaming_beams_is_an_error() {
    let error =
        captioner(TextPolicy::salesforce()).caption_streaming(&picture(0, SIZE), &options(), &mut |_| {
            unreachable!("no piece is certain in beam search")
        });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("beam search with num_beams 3")
    );
}

#[test]
fn a_picture_of_the_wrong_size_or_number_is_an_error() {
    let captioner = captioner(TextPolicy::hugging_face());
    let error = captioner.caption(&picture(0, [2, 3]), &options()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pixel_values: expected [batch, 3, 2, 2], got [1, 3, 2, 3]"
    );
    let two = PixelValues::concat(&[picture(0, SIZE), picture(1, SIZE)]).unwrap();
    let error = captioner.caption(&two, &options()).unwrap_err().to_string();
    assert!(error.contains("one picture, got [2, 3, 2, 2]"), "{error}");
}

#[test]
fn a_prompt_that_fills_max_length_is_an_error() {
    let wanted = CaptionOptions {
        prompt: Some("a dog a dog a dog".into()),
        max_length: Some(7),
        ..options()
    };
    let error = captioner(TextPolicy::hugging_face())
        .caption(&picture(0, SIZE), &wanted)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "prompt: its 7 tokens count towards max_length, expected fewer than 7"
    );
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let new = |width, decoder: ScriptedDecoder| {
        let encoder = ScriptedImageEncoder::new(width, SIZE, &Default::default());
        let captioner = Captioner::new(encoder, decoder, tokenizer(), TextPolicy::hugging_face());
        captioner.err().unwrap().to_string()
    };
    assert_eq!(
        new(4, decoder()),
        "the image encoder gives hidden_size 4, but the text decoder takes 3"
    );
    assert_eq!(
        new(1, ScriptedDecoder::from_table(&[], &[0.0; 9])),
        "the tokenizer gives vocab_size 17, but the text decoder takes 9"
    );
}

#[test]
fn a_policy_that_makes_no_sense_is_refused() {
    let mut policy = TextPolicy::salesforce();
    policy.generation.min_length = 99;
    let encoder = ScriptedImageEncoder::new(3, SIZE, &Default::default());
    let error = Captioner::new(encoder, decoder(), tokenizer(), policy)
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "min_length: expected at most max_length, 20, got 99"
    );
}

#[test]
fn unreasonable_numbers_are_errors_in_streaming_too() {
    let wanted = CaptionOptions {
        sample: true,
        num_return_sequences: Some(usize::MAX),
        ..options()
    };
    let captioner = captioner(TextPolicy::hugging_face());
    let error = captioner.caption_streaming(&picture(0, SIZE), &wanted, &mut |_| {});
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("num_return_sequences: expected 1 to 4096")
    );
}
