//! Matching, search, classification, answering and reasoning on scripted parts.

use blip_tasks::{
    AnswerOptions, Classifier, Embedder, Embeddings, FeatureExtractor, FirstToken, MatchOptions, Matcher,
    PairReasoner, QuestionAnswerer, RankOptions, SearchOptions, TaskError, TextPolicy, score_texts,
};
use blip_testkit::{
    ScriptedDecoder, ScriptedEncoder, ScriptedHead, ScriptedImageEncoder, WordTokenizer, assert_close,
    context, picture,
};
use blip_traits::{ModelError, Neighbor, PixelValues, Tokenizer, VectorIndex};

const SIZE: [usize; 2] = [1, 1];
const WORDS: [&str; 4] = ["north", "east", "south", "west"];

type Parts = Matcher<ScriptedImageEncoder, ScriptedEncoder, ScriptedHead, WordTokenizer>;

fn tokenizer() -> WordTokenizer {
    WordTokenizer::new(&WORDS)
}

/// Which way a word or a picture points: a quarter turn each.
fn direction(index: u32) -> Vec<f32> {
    let angle = index as f32 * std::f32::consts::FRAC_PI_2;
    vec![angle.sin(), angle.cos()]
}

/// A picture's number is its direction, and so is a text's second id. Grounded, a text's vector is
/// `[first id, 1 if they point the same way, length]`; alone it begins with `[first id, direction's index, length]`.
fn encoder() -> ScriptedEncoder {
    ScriptedEncoder::new(3, 3, &Default::default(), |pictures, ids| {
        let word = ids
            .get(1)
            .map_or(0, |id| id.saturating_sub(WordTokenizer::FIRST_WORD));
        let second = match pictures {
            [] => word as f32,
            pictures => f32::from(pictures.iter().all(|&picture| picture == word)),
        };
        vec![ids[0] as f32, second, ids.len() as f32]
    })
}

fn embedder(
    policy: TextPolicy,
) -> Embedder<ScriptedImageEncoder, ScriptedEncoder, ScriptedHead, WordTokenizer> {
    let image_encoder = ScriptedImageEncoder::new(3, SIZE, &Default::default());
    // Twice as long as they have to be: what is compared are unit vectors.
    let twice = |index: f32| direction(index as u32).iter().map(|x| 2.0 * x).collect();
    let vision_proj = ScriptedHead::new(3, 2, move |vector| twice(vector[0]));
    let text_proj = ScriptedHead::new(3, 2, move |vector| twice(vector[1]));
    Embedder::new(
        image_encoder,
        encoder(),
        vision_proj,
        text_proj,
        tokenizer(),
        policy,
    )
    .unwrap()
}

/// The matching head gives the first id for "no match", and ten for a match or the length.
fn matcher(policy: TextPolicy) -> Parts {
    let itm_head = ScriptedHead::new(3, 2, |vector| {
        vec![vector[0], 10.0 * vector[1] + vector[2] / 100.0]
    });
    Matcher::new(embedder(policy), itm_head).unwrap()
}

fn pictures(numbers: &[u32]) -> PixelValues {
    let each: Vec<PixelValues> = numbers.iter().map(|&number| picture(number, SIZE)).collect();
    PixelValues::concat(&each).unwrap()
}

#[test]
fn every_picture_meets_every_text_and_is_grounded_once() {
    let matcher = matcher(TextPolicy::salesforce());
    // More texts than are read at once.
    let texts: Vec<&str> = (0..150).map(|index| WORDS[index % 4]).collect();
    let got = matcher
        .match_texts(&pictures(&[1, 3]), &texts, &MatchOptions::default())
        .unwrap();
    assert_eq!(matcher.embedder().text_encoder().grounded(), 2);
    for (&number, row) in [1_usize, 3].iter().zip(&got) {
        assert_eq!(row.len(), 150);
        for (text, found) in row.iter().enumerate() {
            let turned = (text % 4 + 4 - number) % 4;
            assert_close(
                "cosine",
                &[found.itc_similarity],
                &[[1.0, 0.0, -1.0, 0.0][turned]],
                1e-6,
            );
            // [CLS] is 3, and the text has three ids.
            let same = if turned == 0 { 10.03 } else { 0.03 };
            assert_close("logits", &found.itm_logits, &[3.0, same], 1e-6);
            let probability = 1.0 / (1.0 + (3.0_f32 - same).exp());
            assert_close("probability", &[found.itm_probability], &[probability], 1e-6);
        }
    }
}

#[test]
fn the_first_token_and_the_longest_text_are_the_policys() {
    let long = "north ".repeat(60);
    let logits = |policy: TextPolicy, first_token| {
        let options = MatchOptions { first_token };
        matcher(policy)
            .match_texts(&pictures(&[0]), &[&long], &options)
            .unwrap()[0][0]
            .itm_logits
    };
    let special_tokens = WordTokenizer::SPECIAL_TOKENS;
    let (cls, enc) = (special_tokens.cls as f32, special_tokens.enc as f32);
    assert_close(
        "original",
        &logits(TextPolicy::salesforce(), None),
        &[cls, 10.35],
        1e-5,
    );
    let with_enc = logits(TextPolicy::salesforce(), Some(FirstToken::Enc));
    assert_close("LAVIS", &with_enc, &[enc, 10.35], 1e-5);
    assert_close(
        "Hugging Face",
        &logits(TextPolicy::hugging_face(), None),
        &[cls, 10.62],
        1e-5,
    );
}

#[test]
fn parts_that_do_not_fit_are_refused_when_they_are_put_together() {
    let head = |hidden_size, output_size| ScriptedHead::new(hidden_size, output_size, |_| Vec::new());
    let narrow = Matcher::new(embedder(TextPolicy::salesforce()), head(5, 2));
    assert_eq!(
        narrow.err().unwrap().to_string(),
        "the text encoder gives hidden_size 3, but itm_head takes 5"
    );
    let many = Matcher::new(embedder(TextPolicy::salesforce()), head(3, 4));
    assert_eq!(
        many.err().unwrap().to_string(),
        "itm_head gives classes 4, but matching takes 2"
    );
    let image_encoder = ScriptedImageEncoder::new(3, SIZE, &Default::default());
    let policy = TextPolicy::salesforce();
    let unequal = Embedder::new(
        image_encoder,
        encoder(),
        head(3, 2),
        head(3, 7),
        tokenizer(),
        policy,
    );
    assert_eq!(
        unequal.err().unwrap().to_string(),
        "vision_proj gives embed_dim 2, but text_proj takes 7"
    );
}

/// Every vector in order, as an engine that is not ours would search them.
struct Listed(Embeddings);

impl VectorIndex for Listed {
    fn search(&self, query: &[f32], top_k: usize) -> Result<Vec<Neighbor>, ModelError> {
        let query = Embeddings::new(query.to_vec(), query.len())?;
        let similarities = query.similarities(&self.0)?;
        let mut found: Vec<Neighbor> = similarities[0]
            .iter()
            .enumerate()
            .map(|(index, &similarity)| Neighbor { index, similarity })
            .collect();
        found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        found.truncate(top_k);
        Ok(found)
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn embed_dim(&self) -> usize {
        self.0.embed_dim()
    }
}

#[test]
fn another_engines_index_is_searched_and_ranked_again() {
    let matcher = matcher(TextPolicy::salesforce());
    let gallery = matcher.encode(&pictures(&[2, 0, 3, 1])).unwrap();
    let index = Listed(matcher.embedder().embed_images(&gallery).unwrap());
    let mut asked = Vec::new();
    let options = SearchOptions { top_k: 2, rerank: 3 };
    let found = matcher
        .search_pictures("east", &index, &options, |entry| {
            asked.push(entry);
            Ok::<_, TaskError>(gallery.row(entry))
        })
        .unwrap();
    assert_eq!(asked.len(), 3, "three are ranked again");
    assert_eq!(found.len(), 2);
    // Picture 1 points east: 10 of the head, 3 ids, and a cosine of 1.
    assert_eq!((found[0].index, found[0].itm_logit), (3, Some(10.03)));
    assert_close("score", &[found[0].score], &[11.03], 1e-5);
    assert!(found[0].score > found[1].score);

    let plain = SearchOptions { top_k: 9, rerank: 0 };
    let found = matcher
        .search_pictures("west", &index, &plain, |_| -> Result<_, TaskError> {
            unreachable!("nothing is ranked again")
        })
        .unwrap();
    assert_eq!(found.len(), 4);
    assert_eq!(found[0].index, 2);
    assert_eq!(found[0].score, found[0].itc_similarity);

    let texts = Listed(matcher.embedder().embed_texts(&WORDS).unwrap());
    let image = matcher.encode(&picture(2, SIZE)).unwrap();
    let found = matcher
        .search_texts(&image, &texts, &options, |entry| {
            Ok::<_, TaskError>(WORDS[entry].to_owned())
        })
        .unwrap();
    assert_eq!(found[0].index, 2);
    // The retrieval evaluation puts [ENC] first whatever matching does; the head tells by its first score alone.
    assert_close("logit", &[found[0].itm_logit.unwrap()], &[10.03], 1e-5);

    let other = Listed(Embeddings::new(vec![1.0; 6], 3).unwrap());
    let error = matcher.search_similar(&Embeddings::new(vec![1.0; 2], 2).unwrap(), &other, 1);
    assert_eq!(
        error.unwrap_err().to_string(),
        "the query gives embed_dim 2, but the index takes 3"
    );
}

#[test]
fn what_a_gallery_fails_with_is_told() {
    let matcher = matcher(TextPolicy::salesforce());
    let gallery = matcher.encode(&pictures(&[0])).unwrap();
    let index = Listed(matcher.embedder().embed_images(&gallery).unwrap());
    let options = SearchOptions { top_k: 1, rerank: 1 };
    let gone = || TaskError::from(ModelError::foreign("the picture is gone"));
    let error = matcher.search_pictures("east", &index, &options, |_| Err(gone()));
    assert_eq!(error.unwrap_err().to_string(), "the picture is gone");
}

#[test]
fn a_pair_that_counts_both_ways_is_computed_once() {
    let matcher = matcher(TextPolicy::salesforce());
    let gallery = matcher.encode(&pictures(&[0, 1, 2, 3])).unwrap();
    let states = |entry: usize| Ok::<_, TaskError>(gallery.row(entry));
    let scores = matcher.retrieval_scores(4, states, &WORDS, 1).unwrap();
    // Each picture is grounded once, for the one text that is nearest both ways.
    assert_eq!(matcher.embedder().text_encoder().grounded(), 4);
    for (row, scores) in scores
        .image_to_text
        .iter()
        .chain(&scores.text_to_image)
        .enumerate()
    {
        for (column, &score) in scores.iter().enumerate() {
            let want = if row % 4 == column { 11.03 } else { -100.0 };
            assert_close("score", &[score], &[want], 1e-5);
        }
    }
}

#[test]
fn labels_come_likeliest_first_and_equals_in_order() {
    let classifier = Classifier::new(embedder(TextPolicy::salesforce()), 0.5).unwrap();
    let labels = classifier.label_set::<_, &str>(&WORDS, &[]).unwrap();
    let ranked = &classifier.classify(&pictures(&[2]), &labels).unwrap()[0];
    let order: Vec<usize> = ranked.iter().map(|label| label.index).collect();
    assert_eq!((order[0], order[3]), (2, 0));
    let powers = [2.0_f32.exp(), 1.0, 1.0, (-2.0_f32).exp()];
    let sum: f32 = powers.iter().sum();
    for (label, power) in ranked.iter().zip(powers) {
        assert_close(&label.label, &[label.probability], &[power / sum], 1e-5);
    }
    let wrong = Classifier::new(embedder(TextPolicy::salesforce()), 0.0);
    assert_eq!(
        wrong.err().unwrap().to_string(),
        "temperature: expected a number above 0, got 0"
    );
}

#[test]
fn a_sentence_is_judged_with_both_its_pictures() {
    let image_encoder = ScriptedImageEncoder::new(3, SIZE, &Default::default());
    let cls_head = ScriptedHead::new(3, 2, |vector| vec![0.5, vector[1]]);
    let reasoner = PairReasoner::new(image_encoder, encoder(), cls_head, tokenizer()).unwrap();
    let verdicts = reasoner
        .reason(
            &pictures(&[1, 1, 2]),
            &pictures(&[1, 0, 2]),
            &["east", "east", "south north"],
        )
        .unwrap();
    let answers: Vec<bool> = verdicts.iter().map(|verdict| verdict.answer).collect();
    assert_eq!(answers, [true, false, true]);
    assert_eq!(verdicts[1].logits, [0.5, 0.0]);
    assert!(verdicts[0].probability > 0.5 && verdicts[1].probability < 0.5);
}

#[test]
fn features_need_their_parts() {
    let image_encoder = ScriptedImageEncoder::new(3, SIZE, &Default::default());
    let extractor: FeatureExtractor<_, ScriptedEncoder, ScriptedHead, _> = FeatureExtractor::new(
        image_encoder,
        None,
        None,
        None,
        tokenizer(),
        TextPolicy::salesforce(),
    )
    .unwrap();
    let image = extractor.image_embeds(&pictures(&[4])).unwrap();
    assert_eq!(image.shape(), [1, 1, 3]);
    assert!(matches!(
        extractor.text_embeds(&["east"]),
        Err(TaskError::MissingPart {
            part: "the text encoder"
        })
    ));
}

/// Answers with the word that its question begins with; the longer the question, the less likely.
fn answerer(
    policy: TextPolicy,
) -> QuestionAnswerer<ScriptedImageEncoder, ScriptedEncoder, ScriptedDecoder, WordTokenizer> {
    let image_encoder = ScriptedImageEncoder::new(3, SIZE, &Default::default());
    // A question's vector is all the decoder sees: the picture's number times ten, and the word.
    let encoder = ScriptedEncoder::new(3, 1, &Default::default(), |pictures, ids| {
        vec![(10 * pictures[0] + ids[1] - WordTokenizer::FIRST_WORD) as f32]
    });
    let tokenizer = tokenizer();
    let vocab_size = tokenizer.vocab_size();
    let decoder = ScriptedDecoder::new(vocab_size, move |context, prefix| {
        let word = WordTokenizer::FIRST_WORD + context % 10;
        let next = if prefix.len() == 1 { word } else { 2 };
        (0..vocab_size as u32)
            .map(|id| match id {
                id if id == next => 4.0 + (context / 10) as f32,
                7 => 1.0,
                _ => 0.0,
            })
            .collect()
    });
    QuestionAnswerer::new(image_encoder, encoder, decoder, tokenizer, policy).unwrap()
}

#[test]
fn each_question_is_about_its_picture() {
    for policy in [TextPolicy::hugging_face(), TextPolicy::salesforce()] {
        let answerer = answerer(policy);
        let questions = ["east", "south", "west north", "east"];
        let options = AnswerOptions::default();
        let answers = answerer.answer(&pictures(&[0, 2]), &questions, &options).unwrap();
        let texts: Vec<&str> = answers.iter().map(|answers| answers[0].text.as_str()).collect();
        assert_eq!(texts, ["east", "south", "west", "east"]);
        // The same question, another picture.
        assert!(answers[3][0].score > answers[0][0].score);
        assert!(
            answers
                .iter()
                .all(|answers| answers.is_sorted_by(|a, b| a.score >= b.score))
        );
        assert_eq!(answerer.question_encoder().grounded(), 1);
        let nothing = answerer.answer::<&str>(&pictures(&[0]), &[], &options).unwrap();
        assert!(nothing.is_empty());
    }
}

#[test]
fn a_ranking_is_the_teacher_forced_score() {
    let answerer = answerer(TextPolicy::salesforce());
    let answers = answerer.answer_list(&["north", "east", "south west"]).unwrap();
    assert_eq!((answers.len(), answers.is_empty()), (3, false));
    let image = answerer.encode(&pictures(&[0])).unwrap();
    let options = RankOptions {
        k_test: 9,
        label_smoothing: 0.0,
    };
    let ranked = &answerer
        .rank_encoded(&image, &["east"], &answers, &options)
        .unwrap()[0];
    let texts: Vec<&str> = ranked.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(texts, ["east", "north", "south west"]);
    let rows: Vec<Vec<u32>> = ranked.iter().map(|answer| answer.token_ids.clone()).collect();
    let direct = score_texts(
        answerer.decoder(),
        &context(&[1], &Default::default()),
        &rows,
        0.0,
    )
    .unwrap();
    for (answer, score) in ranked.iter().zip(direct) {
        assert_close("score", &[answer.score], &[score.log_probability], 1e-6);
    }
}

#[test]
fn scores_do_not_depend_on_how_many_texts_are_scored_together() {
    let decoder = ScriptedDecoder::new(50, |context, prefix| {
        blip_testkit::hashed_logits(7, context, prefix, 50)
    });
    let context = context(&[3], &Default::default());
    let texts: Vec<Vec<u32>> = (0..30)
        .map(|index| {
            (0..2 + index % 7)
                .map(|token| (index * 7 + token * 3) % 50)
                .collect()
        })
        .collect();
    let together = score_texts(&decoder, &context, &texts, 0.1).unwrap();
    for (text, together) in texts.iter().zip(&together) {
        let alone = score_texts(&decoder, &context, std::slice::from_ref(text), 0.1).unwrap();
        assert_eq!(&alone[0], together);
        assert_eq!(together.token_log_probs.len(), text.len() - 1);
    }
    let error = score_texts(&decoder, &context, &[vec![1]], 0.1).unwrap_err();
    assert!(error.to_string().ends_with("got 1 ids"), "{error}");
    let error = score_texts(&decoder, &context, &texts, 1.5).unwrap_err();
    assert_eq!(error.to_string(), "label_smoothing: expected 0 to 1, got 1.5");
}
