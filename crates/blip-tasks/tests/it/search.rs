//! The loop: how it drives a decoder, what it refuses, and what it draws.

use blip_tasks::{
    BeamSearch, BeamSemantics, FinishReason, GenerationConfig, Sampling, Search, TaskError, TokenEvent,
    generate,
};
use blip_testkit::{ScriptedDecoder, assert_close};

use crate::toy::{self, EOS};

fn config(search: Search) -> GenerationConfig {
    GenerationConfig {
        search,
        max_length: 8,
        eos_token_id: EOS,
        ..GenerationConfig::default()
    }
}

fn beams(num_beams: usize) -> GenerationConfig {
    config(Search::Beam(BeamSearch::new(
        num_beams,
        BeamSemantics::Transformers5,
    )))
}

/// Three words after which the text ends: 3 4 5 [EOS].
fn three_words() -> ScriptedDecoder {
    ScriptedDecoder::new(6, |_, prefix| {
        let next = [3, 4, 5, 2][(prefix.len() - 1).min(3)];
        (0..6).map(|id| if id == next { 5.0 } else { 0.0 }).collect()
    })
}

#[test]
fn one_prefill_then_one_step_a_token() {
    for config in [config(Search::Greedy), beams(1), beams(3)] {
        let decoder = three_words();
        let texts = generate(&decoder, &toy::groups(&[0, 0]), &[1], &config, None).unwrap();
        assert_eq!(texts.len(), 2);
        assert_eq!(texts[1][0].token_ids, [1, 3, 4, 5, 2]);
        assert_eq!(texts[1][0].finish_reason, FinishReason::EndToken);
        if config.search == Search::Greedy {
            assert_eq!(
                decoder.steps(),
                4,
                "the prompt and three words, not the end token"
            );
        }
    }
}

#[test]
fn rows_fan_out_once_and_are_reordered_only_when_they_move() {
    let mut sampling = config(Search::Sample(Sampling::default()));
    sampling.num_return_sequences = 3;
    let decoder = toy::decoder(1);
    generate(&decoder, &toy::groups(&[0, 1]), &[1, 5], &sampling, None).unwrap();
    assert_eq!((decoder.fan_outs(), decoder.reorders()), (1, 0));

    let decoder = toy::decoder(1);
    generate(&decoder, &toy::groups(&[0, 1]), &[1, 5], &beams(3), None).unwrap();
    assert_eq!(decoder.fan_outs(), 1);
    assert!((1..decoder.steps()).contains(&decoder.reorders()));

    let decoder = toy::decoder(1);
    let greedy = config(Search::Greedy);
    generate(&decoder, &toy::groups(&[0, 1]), &[1, 5], &greedy, None).unwrap();
    assert_eq!((decoder.fan_outs(), decoder.reorders()), (0, 0));
}

#[test]
fn one_beam_is_greedy_search() {
    for seed in 0..5 {
        let decoder = toy::decoder(seed);
        let context = toy::groups(&[0, 1]);
        let greedy = generate(&decoder, &context, &[1], &config(Search::Greedy), None).unwrap();
        assert_eq!(
            generate(&decoder, &context, &[1], &beams(1), None).unwrap(),
            greedy
        );
    }
}

#[test]
fn the_lowest_of_equal_tokens_is_taken() {
    let decoder = ScriptedDecoder::from_table(&[], &[0.0, 0.0, -1.0, 0.0]);
    let texts = generate(&decoder, &toy::groups(&[0]), &[1], &config(Search::Greedy), None).unwrap();
    assert_eq!(texts[0][0].token_ids, [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(texts[0][0].finish_reason, FinishReason::MaxLength);
    assert_eq!(texts[0][0].token_log_probs.len(), 7);
}

#[test]
fn no_groups_are_no_texts() {
    let context = toy::groups(&[]);
    let texts = generate(&three_words(), &context, &[1], &beams(3), None).unwrap();
    assert!(texts.is_empty());
}

#[test]
fn every_token_is_told_when_it_is_written() {
    let mut sampling = config(Search::Sample(Sampling::default()));
    sampling.num_return_sequences = 3;
    for config in [config(Search::Greedy), sampling] {
        let mut rows = vec![vec![(vec![1], Vec::new(), None); config.num_return_sequences]; 2];
        let mut observer = |event: TokenEvent| {
            let (ids, log_probs, finish_reason) = &mut rows[event.group][event.copy];
            assert_eq!(*finish_reason, None);
            ids.push(event.token_id);
            log_probs.push(event.log_prob);
            *finish_reason = event.finish_reason;
        };
        let context = toy::groups(&[4, 9]);
        let texts = generate(&toy::decoder(3), &context, &[1], &config, Some(&mut observer)).unwrap();
        let texts: Vec<Vec<_>> = texts
            .into_iter()
            .map(|group| {
                let text = group.into_iter();
                text.map(|text| (text.token_ids, text.token_log_probs, Some(text.finish_reason)))
                    .collect()
            })
            .collect();
        assert_eq!(rows, texts);
    }
}

#[test]
fn beams_cannot_be_streamed() {
    let mut observer = |_: TokenEvent| {};
    let error = generate(
        &three_words(),
        &toy::groups(&[0]),
        &[1],
        &beams(3),
        Some(&mut observer),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "streaming needs greedy search or sampling, got beam search with num_beams 3"
    );
}

#[test]
fn the_decoders_limit_is_an_error() {
    let decoder = ScriptedDecoder::from_table(&[], &[1.0, 0.0, 0.0]).with_positions(5);
    for config in [config(Search::Greedy), beams(2)] {
        let error = generate(&decoder, &toy::groups(&[0]), &[1], &config, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "input_ids: 6 tokens do not fit the model's 5 positions"
        );
    }
}

#[test]
fn logits_that_are_no_distribution_are_an_error() {
    for bad in [
        [f32::NAN, 0.0, 0.0],
        [f32::INFINITY, 0.0, 0.0],
        [f32::NEG_INFINITY; 3],
    ] {
        let decoder = ScriptedDecoder::from_table(&[(&[1, 0], &bad)], &[1.0, 0.0, 0.0]);
        for config in [
            config(Search::Greedy),
            beams(2),
            config(Search::Sample(Sampling {
                top_k: 1,
                ..Sampling::default()
            })),
        ] {
            let error = generate(&decoder, &toy::groups(&[0]), &[1], &config, None).unwrap_err();
            assert_eq!(
                error.to_string(),
                "group 0: the decoder's logits are not finite after 2 tokens"
            );
        }
    }
}

#[test]
fn constraints_that_leave_nothing_are_an_error() {
    for search in [
        Search::Greedy,
        Search::Beam(BeamSearch::new(2, BeamSemantics::Transformers4_15)),
        Search::Beam(BeamSearch::new(2, BeamSemantics::Transformers5)),
        Search::Sample(Sampling::default()),
    ] {
        let config = GenerationConfig {
            min_length: 5,
            bad_words_ids: vec![vec![1], vec![0, 0]],
            ..config(search)
        };
        let decoder = ScriptedDecoder::from_table(&[], &[0.0, 0.0, 0.0]);
        let error = generate(&decoder, &toy::groups(&[0]), &[1], &config, None).unwrap_err();
        assert!(
            matches!(error, TaskError::NoContinuation { group: 0, length: 2 }),
            "{error}"
        );
    }
}

#[test]
fn what_the_constraints_rule_out_is_not_made_up_for() {
    // A vocabulary that allows two texts only, of the four asked for.
    let config = GenerationConfig {
        num_return_sequences: 4,
        max_length: 3,
        bad_words_ids: vec![vec![1], vec![0, 0], vec![0, 3], vec![3, 0], vec![3, 3]],
        ..beams(4)
    };
    let config = GenerationConfig {
        min_length: 2,
        ..config
    };
    let decoder = ScriptedDecoder::from_table(&[], &[0.5, 0.0, 0.0, 0.0]);
    let texts = generate(&decoder, &toy::groups(&[0]), &[1], &config, None).unwrap();
    let ids: Vec<&[u32]> = texts[0].iter().map(|text| text.token_ids.as_slice()).collect();
    assert_eq!(ids, [[1, 0, 2], [1, 3, 2]]);
}

#[test]
fn draws_fall_as_the_warped_distribution_says() {
    // Of 0.1, 0.5, 0.3 and 0.1, top-p keeps the two in the middle: 5/8 and 3/8.
    let logits = [0.1_f32.ln(), 0.5_f32.ln(), 0.3_f32.ln(), 0.1_f32.ln()];
    let decoder = ScriptedDecoder::from_table(&[], &logits);
    let config = GenerationConfig {
        max_length: 2,
        num_return_sequences: 4000,
        eos_token_id: 0,
        search: Search::Sample(Sampling {
            top_p: 0.75,
            seed: 7,
            ..Sampling::default()
        }),
        ..GenerationConfig::default()
    };
    let texts = generate(&decoder, &toy::groups(&[0]), &[1], &config, None).unwrap();
    let mut shares = [0.0_f32; 4];
    for text in &texts[0] {
        shares[text.token_ids[1] as usize] += 1.0 / 4000.0;
    }
    // Three standard deviations of a share are 0.023.
    assert_close("shares", &shares, &[0.0, 0.625, 0.375, 0.0], 0.023);
    assert_eq!((shares[0], shares[3]), (0.0, 0.0));
}

#[test]
fn a_seed_gives_the_same_texts_and_another_gives_others() {
    let texts = |seed| {
        let config = GenerationConfig {
            num_return_sequences: 4,
            ..config(Search::Sample(Sampling {
                seed,
                ..Sampling::default()
            }))
        };
        generate(&toy::decoder(1), &toy::groups(&[0]), &[1], &config, None).unwrap()
    };
    assert_eq!(texts(5), texts(5));
    assert_ne!(texts(5), texts(6));
    let copies = texts(5);
    assert_ne!(copies[0][0].token_ids, copies[0][1].token_ids);
}

#[test]
fn the_first_copy_does_not_depend_on_how_many_there_are() {
    let first = |num_return_sequences| {
        let config = GenerationConfig {
            num_return_sequences,
            ..config(Search::Sample(Sampling::default()))
        };
        let texts = generate(&toy::decoder(1), &toy::groups(&[0]), &[1], &config, None).unwrap();
        texts[0][0].clone()
    };
    assert_eq!(first(1), first(5));
}
