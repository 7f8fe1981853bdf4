//! Crops and whole transforms against torchvision's and the original's.

use blip_data::{Augmentation, CropBox, RandomResizedCrop, TransformPlan};
use blip_processor::PassOrder;
use serde_json::Value;

use crate::golden::{exact, list, number, picture, read, sheet};

fn crop_box(value: &Value) -> CropBox {
    CropBox {
        top: number(value, "top"),
        left: number(value, "left"),
        height: number(value, "height"),
        width: number(value, "width"),
    }
}

#[test]
fn boxes_are_torchvisions() {
    let golden = read("crop.json");
    let (mut fitted, mut retried, mut fallen_back) = (0, 0, 0);
    for case in list(&golden, "drawn") {
        let image = [number(case, "height"), number(case, "width")];
        let expected = crop_box(&case["box"]);
        let attempts = list(case, "attempts");
        for (index, attempt) in attempts.iter().enumerate() {
            if attempt.is_null() {
                assert_eq!(RandomResizedCrop::default().middle(image), expected, "{case}");
                fallen_back += 1;
                continue;
            }
            let [share, aspect] = [0, 1].map(|index| exact(&attempt[index]));
            let size = RandomResizedCrop::size(image, share, aspect);
            if index + 1 == attempts.len() {
                assert_eq!(size, Some([expected.height, expected.width]), "{case}");
                fitted += 1;
            } else {
                assert_eq!(size, None, "{case}");
                retried += 1;
            }
        }
    }
    assert!(
        fitted > 20 && retried > 20 && fallen_back >= 7,
        "{fitted} {retried} {fallen_back}"
    );
}

#[test]
fn resized_crops_and_a_whole_plan_are_the_originals() {
    let golden = read("crop.json");
    let image = picture("crop_input.png");
    let expected = sheet("crop.png", 32);
    let given = list(&golden, "given");
    assert_eq!(expected.len(), given.len() + 1);
    for (part, expected) in given.iter().zip(&expected) {
        let got = crop_box(part)
            .resized_crop(&image, [32, 32], PassOrder::Pillow13)
            .unwrap();
        assert_eq!(&got, expected, "{part}");
    }
    let plan = TransformPlan {
        crop: Some(crop_box(&given[1])),
        size: [32, 32],
        pass_order: PassOrder::Pillow13,
        flip: true,
        augmentations: vec![Augmentation::ShearX { factor: -0.15 }, Augmentation::Equalize],
    };
    assert_eq!(plan.apply(&image).unwrap(), expected[given.len()]);
}
