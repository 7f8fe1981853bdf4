//! Where objects lie, and that a seed stays the same scene.

use blip_demo::{Background, Color, DemoError, Kind, Object, Relation, Scene, Shape, Size, Split};

fn scenes() -> impl Iterator<Item = Scene> {
    Split::ALL
        .into_iter()
        .flat_map(|split| (0..3_000).map(move |seed| Scene::sample(seed, split)))
}

#[test]
fn objects_are_apart_and_inside() {
    for scene in scenes() {
        let objects = scene.objects();
        assert!((1..=4).contains(&objects.len()));
        for (place, object) in objects.iter().enumerate() {
            for axis in object.center {
                assert!(axis - object.radius >= Object::MARGIN - 1e-5, "{scene:?}");
                assert!(axis + object.radius <= 1.0 - Object::MARGIN + 1e-5, "{scene:?}");
            }
            for other in &objects[place + 1..] {
                let [x, y] = [0, 1].map(|axis| f64::from(object.center[axis] - other.center[axis]));
                let distance = x.hypot(y) - f64::from(object.radius) - f64::from(other.radius);
                assert!(distance >= f64::from(Object::GAP) - 1e-5, "{scene:?}");
            }
        }
    }
}

#[test]
fn radii_tell_sizes_apart() {
    let mut counts = [0; 2];
    for object in scenes().flat_map(|scene| scene.objects().to_vec()) {
        let range = match object.size {
            Size::Small => 0.08..=0.1,
            Size::Large => 0.135..=0.15,
        };
        assert!(range.contains(&object.radius), "{object:?}");
        counts[object.size as usize] += 1;
    }
    let share = counts[0] as f32 / (counts[0] + counts[1]) as f32;
    assert!((0.4..0.6).contains(&share), "{share}");
}

#[test]
fn two_objects_have_a_clear_relation() {
    let mut counts = [0; 4];
    for scene in scenes() {
        let facts = scene.facts();
        let singles = facts.items.len() == 2 && facts.items.iter().all(|item| item.count == 1);
        assert_eq!(facts.relation.is_some(), singles, "{scene:?}");
        if !singles {
            continue;
        }
        let [first, second] = [0, 1].map(|place| scene.objects()[place].center);
        let [x, y] = [first[0] - second[0], first[1] - second[1]];
        let [large, small] = [x.abs().max(y.abs()), x.abs().min(y.abs())];
        assert!(large >= 0.25 && large >= 1.75 * small, "{scene:?}");
        counts[Relation::between(first, second).unwrap() as usize] += 1;
    }
    let all: usize = counts.iter().sum();
    for count in counts {
        assert!((0.2..0.3).contains(&(count as f32 / all as f32)), "{counts:?}");
    }
}

/// FNV-1a.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn a_seed_stays_the_same_scene() {
    let hashes: Vec<u64> = Split::ALL
        .into_iter()
        .flat_map(|split| {
            [0, 1, u64::MAX].map(|seed| fnv(Scene::sample(seed, split).full_caption().as_bytes()))
        })
        .collect();
    assert_eq!(hashes, HASHES);
    for split in Split::ALL {
        let scene = Scene::sample(5, split);
        assert_eq!(scene, Scene::sample(5, split));
        assert_eq!(scene.render(48), Scene::sample(5, split).render(48));
        assert_ne!(scene, Scene::sample(6, split));
    }
}

/// Of scenes 0, 1 and the last, for training, held out, and with new kinds.
const HASHES: [u64; 9] = [
    12_647_540_467_313_170_457,
    13_293_494_977_623_232_264,
    571_858_684_011_646_848,
    14_076_135_324_059_062_628,
    3_930_715_037_817_230_670,
    4_047_195_672_601_587_827,
    13_767_740_738_841_887_002,
    1_290_326_962_241_990_822,
    14_304_713_420_422_547_445,
];

#[test]
fn a_scene_stays_the_same_picture_on_every_machine() {
    let bytes: Vec<u8> = (0..20)
        .flat_map(|seed| Scene::sample(seed, Split::Train).render(40).unwrap().into_bytes())
        .collect();
    assert_eq!(fnv(&bytes), PICTURES);
}

/// Of twenty pictures of 40 pixels.
const PICTURES: u64 = 17_052_559_046_442_421_838;

#[test]
fn the_middle_of_an_object_has_its_color_and_the_corner_the_background() {
    for scene in scenes().step_by(10) {
        let picture = scene.render(80).unwrap();
        let pixel = |x: usize, y: usize| -> [i32; 3] {
            let start = (y * 80 + x) * 3;
            [0, 1, 2].map(|channel| i32::from(picture.as_bytes()[start + channel]))
        };
        for object in scene.objects() {
            let [x, y] = object.center.map(|place| (place * 80.0) as usize);
            let [red, green, blue] = pixel(x, y);
            let right = match object.kind.color {
                Color::Red => red > green + 100 && red > blue + 100,
                Color::Orange => red > green + 60 && green > blue + 50,
                Color::Yellow => red > blue + 100 && green > blue + 100 && (red - green).abs() < 70,
                Color::Green => green > red + 60 && green > blue + 60,
                Color::Cyan => green > red + 80 && blue > red + 80 && (green - blue).abs() < 60,
                Color::Blue => blue > green + 80 && blue > red + 100,
                Color::Purple => blue > green + 60 && red > green + 40 && blue > red - 20,
            };
            assert!(right, "{object:?}: {:?}", [red, green, blue]);
        }
        let [red, green, blue] = pixel(0, 0);
        let right = match scene.background() {
            Background::White => green > 200,
            Background::Grey => (110..190).contains(&green) && (red - blue).abs() < 30,
            Background::Black => red < 60,
            Background::Brown => red > blue + 30 && green < 110,
        };
        assert!(right, "{:?}: {:?}", scene.background(), [red, green, blue]);
    }
}

#[test]
fn a_scene_by_hand_must_be_possible() {
    let star = Kind::new(Color::Blue, Shape::Star);
    let at = |x, y| Object::new(star, Size::Large, [x, y]);
    assert!(Scene::new(Background::Grey, vec![at(0.3, 0.3), at(0.7, 0.7)]).is_ok());
    assert_eq!(
        Scene::new(Background::Grey, vec![]),
        Err(DemoError::ObjectCount { got: 0, most: 4 })
    );
    assert_eq!(
        Scene::new(Background::Grey, vec![at(0.3, 0.3), at(0.4, 0.4)]),
        Err(DemoError::Overlap { first: 0, second: 1 })
    );
    for place in [0.1, 0.9, f32::NAN, f32::INFINITY] {
        let error = Scene::new(Background::Grey, vec![at(0.5, place)]).unwrap_err();
        assert!(matches!(error, DemoError::Outside { index: 0, .. }), "{place}");
    }
    let turned = Object {
        angle: 1.0,
        ..at(0.5, 0.5)
    };
    let error = Scene::new(Background::Grey, vec![turned]).unwrap_err();
    assert!(matches!(error, DemoError::Angle { index: 0, .. }));
}
