//! Pictures against Pillow, torchvision and transformers.

use blip_processor::{
    AlphaPolicy, ImageProcessor, ImageProcessorConfig, Normalization, PassOrder, RgbImage, resize_bicubic,
};

use crate::golden::{self, example_picture, fnv1a, fnv1a_f32, list, noise, number, text};

fn processor(change: impl FnOnce(&mut ImageProcessorConfig)) -> ImageProcessor {
    let mut config = ImageProcessorConfig::new([384, 384]);
    change(&mut config);
    ImageProcessor::new(config).unwrap()
}

#[test]
fn resized_samples_are_pillows() {
    for case in list(&golden::read("resize.json"), "cases") {
        let [width, height] = golden::size(&case["to"]);
        let source = noise(
            golden::size(&case["from"]),
            number(&case["seed"]),
            case["stark"] == true,
        );
        let resized = resize_bicubic(&source, [height, width], PassOrder::Pillow13).unwrap();
        assert_eq!([resized.width(), resized.height()], [width, height]);
        let first: Vec<usize> = resized
            .as_bytes()
            .iter()
            .take(6)
            .map(|&sample| sample.into())
            .collect();
        let expected: Vec<usize> = list(case, "first").iter().map(number).collect();
        assert_eq!(first, expected, "{case}");
        assert_eq!(fnv1a(resized.into_bytes()), text(case, "hash"), "{case}");
        let older = resize_bicubic(&source, [height, width], PassOrder::Pillow12).unwrap();
        let expected = case.get("pillow_12").unwrap_or(&case["hash"]);
        assert_eq!(
            Some(fnv1a(older.into_bytes()).as_str()),
            expected.as_str(),
            "{case}"
        );
    }
}

#[test]
fn decoded_samples_are_pillows() {
    let keep = processor(|_| {});
    let white = processor(|config| config.alpha = AlphaPolicy::White);
    for case in list(&golden::read("decode.json"), "cases") {
        let name = text(case, "name");
        let file = golden::bytes(text(case, "file"));
        let image = keep
            .decode(&file)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            [image.width(), image.height()],
            golden::size(&case["size"]),
            "{name}"
        );
        let on_white = white.decode(&file).unwrap();
        if name.starts_with("jpeg") {
            // Another decoder than libjpeg-turbo: a few levels, which is all that JPEG promises.
            let expected = golden::bytes(text(case, "rgb"));
            let worst = image
                .as_bytes()
                .iter()
                .zip(&expected)
                .map(|(left, right)| left.abs_diff(*right))
                .max();
            let limit = match name {
                "jpeg grey" | "jpeg cmyk" | "jpeg 4:4:4" => 2,
                // Halved colours are spread in another way.
                _ => 6,
            };
            assert!(worst <= Some(limit), "{name}: {worst:?}");
            assert_eq!(on_white, image, "{name}");
            continue;
        }
        let expected = text(case, "rgb");
        if expected.len() == 16 {
            assert_eq!(fnv1a(image.as_bytes().iter().copied()), expected, "{name}");
        } else {
            assert_eq!(image.as_bytes(), golden::bytes(expected), "{name}");
        }
        match case.get("white") {
            Some(hash) => assert_eq!(fnv1a(on_white.into_bytes()), hash.as_str().unwrap(), "{name}"),
            None => assert_eq!(on_white, image, "{name}"),
        }
    }
}

#[test]
fn pixel_values_of_the_example_pictures_are_the_references() {
    let golden = golden::read("pixel.json");
    for case in list(&golden, "cases") {
        let size = number(&case["size"]);
        let processor = processor(|config| config.size = [size, size]);
        let image = processor.decode(&example_picture(text(case, "image"))).unwrap();
        let pixel_values = processor.preprocess(&image).unwrap();
        assert_eq!(pixel_values.shape(), [1, 3, size, size]);
        let values = pixel_values.as_slice();
        let exact = text(case, "image").ends_with(".png");
        if exact {
            let resized = resize_bicubic(&image, [size, size], PassOrder::default()).unwrap();
            assert_eq!(fnv1a(resized.into_bytes()), text(case, "resized"), "{case}");
            assert_eq!(fnv1a_f32(values), text(case, "salesforce"), "{case}");
            assert_eq!(text(case, "hugging_face_pil"), text(case, "salesforce"), "{case}");
        }
        // A level is about 0.015. Averaged by the resize, the JPEG decoders' differences nearly vanish.
        let tolerance = if exact { 0.0 } else { 0.06 };
        for (place, expected) in list(case, "places").iter().zip(list(case, "values")) {
            let (got, expected) = (values[number(place)], expected.as_f64().unwrap() as f32);
            assert!((got - expected).abs() <= tolerance, "{case}: {got} at {place}");
        }
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64;
        let expected = case["mean"].as_f64().unwrap();
        let tolerance = if exact { 1e-9 } else { 2e-3 };
        assert!((mean - expected).abs() <= tolerance, "{case}: mean {mean}");
    }
}

#[test]
fn both_orders_of_the_normalization_are_exact() {
    let golden = &golden::read("pixel.json")["unresized"];
    let [width, height] = golden::size(&golden["from"]);
    let image = noise([width, height], number(&golden["seed"]), false);
    for (normalization, key) in [
        (Normalization::Salesforce, "pil"),
        (Normalization::HuggingFace, "torchvision"),
    ] {
        let processor = processor(|config| {
            config.size = [height, width];
            config.normalization = normalization;
        });
        let pixel_values = processor.preprocess(&image).unwrap();
        assert_eq!(
            fnv1a_f32(pixel_values.as_slice()),
            text(golden, key),
            "{normalization:?}"
        );
    }
}

#[test]
fn a_picture_is_turned_only_if_asked() {
    let upright = processor(|config| config.exif_orientation = true);
    let plain = processor(|_| {});
    let mut turned = 0;
    for case in list(&golden::read("decode.json"), "cases") {
        let file = golden::bytes(text(case, "file"));
        let (plain, upright) = (plain.decode(&file).unwrap(), upright.decode(&file).unwrap());
        if text(case, "name").ends_with("with exif orientation") {
            turned += 1;
            assert_eq!(upright, quarter_turn(&plain), "{}", text(case, "name"));
        } else {
            assert_eq!(upright, plain, "{}", text(case, "name"));
        }
    }
    assert_eq!(turned, 2);
}

/// What EXIF's orientation 6 asks for: a quarter turn clockwise.
fn quarter_turn(image: &RgbImage) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    let mut data = Vec::new();
    for column in 0..width {
        for row in (0..height).rev() {
            let at = (row * width + column) * 3;
            data.extend_from_slice(&image.as_bytes()[at..at + 3]);
        }
    }
    RgbImage::new(height, width, data).unwrap()
}

#[test]
fn files_bytes_and_samples_give_the_same_pixel_values() {
    let processor = processor(|config| config.size = [32, 48]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/images/chelsea.png");
    let from_file = processor.preprocess_file(path).unwrap();
    let bytes = example_picture("chelsea.png");
    assert_eq!(processor.preprocess_bytes(&bytes).unwrap(), from_file);
    assert_eq!(
        processor.preprocess(&processor.decode(&bytes).unwrap()).unwrap(),
        from_file
    );
    assert_eq!(from_file.shape(), [1, 3, 32, 48]);
}
