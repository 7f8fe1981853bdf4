//! Captions of a scene.

use rand::Rng;

use crate::draw::Draw;
use crate::{Claim, Mention, Place, Scene, StatedRelation};

/// How many of the captions of one or two single objects say where they are; of two, instead of their relation.
const WITH_PLACES: f32 = 0.4;

/// How many of the captions name the background.
const WITH_BACKGROUND: f32 = 0.6;

impl Scene {
    /// The one canonical caption, which tells all [`Facts`](crate::Facts). It can follow the prompt "a picture of".
    ///
    /// Two single objects: the left or upper one first, with their relation. More kinds: from left to right.
    pub fn full_caption(&self) -> String {
        self.full_claim().text()
    }

    /// A caption drawn by lot: every object with size, colour and shape, the relation or the places of two, at times the
    /// place of one, often the background.
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
        let single = claim.mentions.iter().all(|mention| mention.count == 1);
        if single && claim.mentions.len() <= 2 && rng.chance(WITH_PLACES) {
            for mention in &mut claim.mentions {
                let object = self.objects.iter().find(|object| mention.fits(object));
                mention.place = object.map(|object| Place::of(object.center));
            }
            claim.relations.clear();
        }
        if !rng.chance(WITH_BACKGROUND) {
            claim.background = None;
        }
        claim
    }
}
