//! A scene: what is to be seen, and where.

use crate::draw::{Draw, keyed};
use crate::{Background, DemoError, Facts, Item, Mention, Object, Relation, Split, layout};

/// The most objects of a scene: as many as the texts can count.
const MAX_OBJECTS: usize = 4;

/// A background with one to four objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    pub(crate) background: Background,
    /// No two touch.
    pub(crate) objects: Vec<Object>,
    pub(crate) shading: Shading,
    pub(crate) noise: Noise,
}

/// How the background differs from its plain colour: levels of 0..=255, the same for all three channels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Shading {
    /// Added everywhere.
    pub(crate) level: f32,
    /// Added per side to the right and down, from the middle.
    pub(crate) slope: [f32; 2],
}

/// Grain of every pixel and channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Noise {
    pub(crate) seed: u64,
    /// The largest deviation, in levels of 0..=255.
    pub(crate) amplitude: f32,
}

impl Scene {
    /// The scene of a seed. Equal seeds give equal scenes, for ever; two splits never have a scene in common.
    pub fn sample(seed: u64, split: Split) -> Self {
        let purpose = match split {
            Split::Train => *b"trai",
            Split::HeldOut => *b"held",
            Split::NewKind => *b"newk",
        };
        let mut rng = keyed(seed, purpose);
        let (background, objects) = layout::sample(&mut rng, split);
        Self {
            background,
            objects,
            shading: Shading {
                level: rng.between(-8.0, 8.0),
                slope: [rng.between(-16.0, 16.0), rng.between(-16.0, 16.0)],
            },
            noise: Noise {
                seed: (u64::from(rand::Rng::next_u32(&mut rng)) << 32)
                    | u64::from(rand::Rng::next_u32(&mut rng)),
                amplitude: rng.between(2.0, 10.0),
            },
        }
    }

    /// A scene by hand, without shading and noise.
    ///
    /// # Errors
    ///
    /// [`DemoError::ObjectCount`] for none or more than four; [`DemoError::Outside`] for an object that reaches over
    /// the edge; [`DemoError::Angle`] for one turned by more than [`Object::MAX_ANGLE`]; [`DemoError::Overlap`] for
    /// two that touch.
    pub fn new(background: Background, objects: Vec<Object>) -> Result<Self, DemoError> {
        if objects.is_empty() || objects.len() > MAX_OBJECTS {
            return Err(DemoError::ObjectCount {
                got: objects.len(),
                most: MAX_OBJECTS,
            });
        }
        for (index, object) in objects.iter().enumerate() {
            if !object.is_inside() {
                return Err(DemoError::Outside {
                    index,
                    center: object.center,
                    radius: object.radius,
                });
            }
            if object.angle.abs() > Object::MAX_ANGLE {
                return Err(DemoError::Angle {
                    index,
                    angle: object.angle,
                    most: Object::MAX_ANGLE,
                });
            }
            if let Some(first) = objects[..index].iter().position(|other| object.gap(other) <= 0.0) {
                return Err(DemoError::Overlap { first, second: index });
            }
        }
        Ok(Self {
            background,
            objects,
            shading: Shading::default(),
            noise: Noise::default(),
        })
    }

    /// What the objects lie on.
    pub fn background(&self) -> Background {
        self.background
    }

    /// All objects.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The split that this scene belongs to.
    pub fn split(&self) -> Split {
        Split::of(&self.facts())
    }

    /// What the scene shows: a key that two scenes share if no text tells them apart.
    pub fn facts(&self) -> Facts {
        let mut items = self.items();
        let relation = self.pair().map(|(pair, relation)| {
            items = pair.to_vec();
            relation
        });
        if relation.is_none() {
            items.sort();
        }
        Facts {
            background: self.background,
            items,
            relation,
        }
    }

    /// The alike objects, each item at its first object from the left.
    pub(crate) fn items(&self) -> Vec<Item> {
        let mut objects: Vec<&Object> = self.objects.iter().collect();
        objects.sort_by(|first, second| first.center[0].total_cmp(&second.center[0]));
        let mut items: Vec<Item> = Vec::new();
        for object in objects {
            let known = items
                .iter_mut()
                .find(|item| item.kind == object.kind && item.size == object.size);
            match known {
                Some(item) => item.count += 1,
                None => items.push(Item {
                    kind: object.kind,
                    size: object.size,
                    count: 1,
                }),
            }
        }
        items
    }

    /// The objects of an item.
    pub(crate) fn objects_of(&self, item: Item) -> impl Iterator<Item = &Object> {
        self.objects
            .iter()
            .filter(move |object| object.kind == item.kind && object.size == item.size)
    }

    /// How many objects have the size, colour and shape that are said.
    pub(crate) fn number(&self, mention: &Mention) -> usize {
        self.objects.iter().filter(|object| mention.fits(object)).count()
    }

    /// How one item lies to another, if both are single and it is clear.
    pub(crate) fn relation(&self, first: Item, second: Item) -> Option<Relation> {
        if first == second || first.count != 1 || second.count != 1 {
            return None;
        }
        let [first, second] = [self.objects_of(first).next()?, self.objects_of(second).next()?];
        Relation::between(first.center, second.center)
    }

    /// All ordered pairs of single objects of which one lies clearly to the other.
    pub(crate) fn relations(&self) -> Vec<(Item, Item, Relation)> {
        let items = self.items();
        let pairs = items
            .iter()
            .flat_map(|first| items.iter().map(move |second| (*first, *second)));
        pairs
            .filter_map(|(first, second)| Some((first, second, self.relation(first, second)?)))
            .collect()
    }

    /// The two objects of a scene of two, the left or upper first, if their relation is clear.
    pub(crate) fn pair(&self) -> Option<([Item; 2], Relation)> {
        let items = self.items();
        let [first, second] = *items.as_slice() else {
            return None;
        };
        let relation = self.relation(first, second)?;
        Some(match relation {
            Relation::LeftOf | Relation::Above => ([first, second], relation),
            Relation::RightOf | Relation::Below => ([second, first], relation.inverse()),
        })
    }
}
