//! Operations against the original's, byte for byte.

use blip_data::{Augmentation, AutoContrast, Operation};
use blip_processor::RgbImage;
use serde_json::Value;

use crate::golden::{exact, fnv1a, list, noise, number, read, sheet, text};

/// The augmentation that the original would be called for.
fn augmentation(case: &Value) -> Augmentation {
    let number = || exact(&case["argument"]);
    match text(case, "operation") {
        "Identity" => Augmentation::Identity,
        "AutoContrast" => Augmentation::AutoContrast(AutoContrast::Original),
        "PillowAutoContrast" => Augmentation::AutoContrast(AutoContrast::Pillow),
        "Brightness" => Augmentation::Brightness { factor: number() },
        "Sharpness" => Augmentation::Sharpness { factor: number() },
        "Equalize" => Augmentation::Equalize,
        "ShearX" => Augmentation::ShearX { factor: number() },
        "ShearY" => Augmentation::ShearY { factor: number() },
        "TranslateX" => Augmentation::TranslateX { pixels: number() },
        "TranslateY" => Augmentation::TranslateY { pixels: number() },
        "Rotate" => Augmentation::Rotate { degrees: number() },
        other => panic!("{other}"),
    }
}

fn operation(name: &str) -> Operation {
    Operation::ALL
        .into_iter()
        .find(|operation| format!("{operation:?}") == name)
        .unwrap()
}

#[test]
fn every_operation_gives_the_originals_bytes() {
    let golden = read("augmentation.json");
    let cases = list(&golden, "cases");
    for (index, size) in list(&golden, "pictures").iter().enumerate() {
        let height = size[1].as_u64().unwrap() as usize;
        let expected = sheet(&format!("augmentation_{index}.png"), height);
        assert_eq!(expected.len(), cases.len());
        // The first case is the picture itself.
        assert_eq!(text(&cases[0], "operation"), "Identity");
        for (case, expected_picture) in cases.iter().zip(&expected) {
            let got = augmentation(case).apply(expected[0].clone());
            assert_eq!(&got, expected_picture, "picture {index}: {case}");
        }
    }
}

#[test]
fn every_operation_gives_the_originals_bytes_of_noise() {
    let golden = read("augmentation.json");
    for (index, numbers) in list(&golden, "noise").iter().enumerate() {
        let image = noise(numbers);
        for case in list(&golden, "cases") {
            let got = augmentation(case).apply(image.clone());
            assert_eq!(
                fnv1a(got.as_bytes()),
                case["noise"][index],
                "noise {index}: {case}"
            );
        }
    }
}

#[test]
fn levels_are_the_originals() {
    let golden = read("augmentation.json");
    let mut seen = 0;
    for case in list(&golden, "levels") {
        let operation = operation(text(case, "operation"));
        let level = number(case, "level") as f64;
        let arguments = list(case, "arguments");
        assert_eq!(
            arguments.len(),
            if operation.has_direction() { 2 } else { 1 },
            "{case}"
        );
        for given in arguments {
            let argument = given.get(0);
            let negative = argument.is_some_and(|argument| exact(argument) < 0.0);
            let expected = serde_json::json!({
                "operation": text(case, "operation"),
                "argument": argument,
            });
            let got = operation.at(level, negative, AutoContrast::Original);
            assert_eq!(got, augmentation(&expected), "{case}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3 * (5 + 2 * 5));
}

#[test]
fn sizes_of_one_pixel_are_safe() {
    for (width, height) in [(1, 1), (1, 7), (7, 1), (2, 2)] {
        let image = RgbImage::new(width, height, vec![77; width * height * 3]).unwrap();
        for operation in Operation::ALL {
            for level in [0.0, 5.0, 10.0, 1e300, f64::NAN] {
                let changed = operation
                    .at(level, true, AutoContrast::Original)
                    .apply(image.clone());
                assert_eq!((changed.width(), changed.height()), (width, height));
            }
        }
    }
}
