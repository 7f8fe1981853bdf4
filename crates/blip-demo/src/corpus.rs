//! Texts for a vocabulary.

use crate::draw::Draw;
use crate::{QuestionKind, Scene, Split, pair_statement, sample_pair, seeded};

/// `count` captions, questions, answers and statements about training scenes, the same for a seed.
pub fn corpus(seed: u64, count: usize) -> impl Iterator<Item = String> {
    (0u64..)
        .flat_map(move |offset| texts(seed.wrapping_add(offset)))
        .take(count)
}

/// All sorts of texts of one seed.
fn texts(seed: u64) -> Vec<String> {
    let mut rng = seeded(seed);
    let scene = Scene::sample(seed, Split::Train);
    let mut texts = vec![scene.full_caption(), scene.caption(&mut rng)];
    // A direction has the words of relations, and "or", which orange begins with.
    let questions = scene.questions(&mut rng).into_iter();
    for question in questions.filter(|question| question.kind != QuestionKind::Direction) {
        texts.extend([question.text, question.answer]);
    }
    let truth = rng.chance(0.5);
    texts.push(scene.statement(&mut rng, truth).text);
    let [first, second] = sample_pair(seed, Split::Train);
    texts.push(pair_statement(&first, &second, &mut rng, truth).text);
    texts
}
