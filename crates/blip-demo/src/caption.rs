//! Captions of a scene.

use rand::Rng;

use crate::draw::Draw;
use crate::{Claim, Mention, Scene, StatedRelation};

/// How many of the captions name the background.
const WITH_BACKGROUND: f32 = 0.6;

impl Scene {
    /// The one canonical caption, which tells all facts. It can follow the prompt "a picture of".
    ///
    /// Two single objects: the left or upper one first, with their relation. More kinds: from left to right.
    pub fn full_caption(&self) -> String {
        self.full_claim().text()
    }

    /// A caption drawn by lot: every object with size, colour and shape, the relation of two, often the background.
    ///
    /// Two objects come in either order; three come from left to right.
    pub fn caption<R: Rng + ?Sized>(&self, rng: &mut R) -> String {
        self.sample_claim(rng).varied_text(rng)
    }

    /// What the canonical caption says.
    pub(crate) fn full_claim(&self) -> Claim {
        let pair = self.pair();
        let (items, relations) = match pair {
            Some((pair, relation)) => {
                let stated = StatedRelation {
                    subject: 0,
                    relation,
                    object: 1,
                };
                (pair.to_vec(), vec![stated])
            }
            None => (self.items(), Vec::new()),
        };
        Claim {
            mentions: items.into_iter().map(Mention::of).collect(),
            relations,
            background: Some(self.background),
        }
    }

    /// What a caption drawn by lot says.
    pub(crate) fn sample_claim<R: Rng + ?Sized>(&self, rng: &mut R) -> Claim {
        let mut claim = self.full_claim();
        if claim.mentions.len() == 2 && rng.chance(0.5) {
            claim.mentions.reverse();
            for stated in &mut claim.relations {
                stated.relation = stated.relation.inverse();
            }
        }
        if !rng.chance(WITH_BACKGROUND) {
            claim.background = None;
        }
        claim
    }
}
