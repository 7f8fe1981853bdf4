//! Every block of the ViT and the decoder's logits.

use blip_core::{HiddenStates, LoadOptions};
use blip_testkit::{Golden, assert_close};
use blip_traits::{TextDecoder, TokenBatch};
use burn::tensor::{Tensor, TensorData};

use crate::reference::{HUGGING_FACE, Recorded, SALESFORCE, all, options, pixels};

/// The largest difference allowed to a reference's activations.
const TOLERANCE: f32 = 1e-4;

#[test]
fn pixel_values_are_the_references() {
    for recorded in all() {
        let (captioner, golden) = (recorded.captioner(), recorded.golden());
        let mut got = Vec::new();
        for picture in 0..3 {
            let file = crate::reference::path(&format!("picture_{picture}.png"));
            got.extend_from_slice(captioner.processor().preprocess_file(file).unwrap().as_slice());
        }
        // Bit for bit.
        assert_close(recorded.model, &got, &golden.f32("pixel_values"), 0.0);
    }
}

#[test]
fn every_block_is_the_references() {
    for recorded in all() {
        blocks(recorded, &options(), "pixel_values", "vision");
    }
}

#[test]
fn every_block_is_the_references_at_another_image_size() {
    let sizes: [(Recorded, &[[usize; 2]]); 2] = [
        (HUGGING_FACE[0], &[[48, 48], [32, 48], [16, 64]]),
        (SALESFORCE[0], &[[48, 48]]),
    ];
    for (recorded, sizes) in sizes {
        for &[height, width] in sizes {
            let options = LoadOptions {
                image_size: Some([height, width]),
                ..options()
            };
            let name = format!("interpolate_{height}x{width}");
            blocks(recorded, &options, &format!("{name}.pixel_values"), &name);
        }
    }
}

fn blocks(recorded: Recorded, options: &LoadOptions, pixel_values: &str, name: &str) {
    let (captioner, golden) = (recorded.captioner_with(options), recorded.golden());
    let data = TensorData::new(golden.f32(pixel_values), golden.shape(pixel_values));
    let states = captioner
        .image_encoder()
        .hidden_states(Tensor::from_data(data, &options.device));
    let (last, blocks) = states.split_last().unwrap();
    assert!(!golden.contains(&format!("{name}.hidden_states.{}", blocks.len())));
    for (index, state) in blocks.iter().enumerate() {
        check(recorded, &golden, &format!("{name}.hidden_states.{index}"), state);
    }
    check(recorded, &golden, &format!("{name}.last_hidden_state"), last);

    let encoded = captioner.encode(&pixels(&golden, pixel_values)).unwrap();
    check(
        recorded,
        &golden,
        &format!("{name}.last_hidden_state"),
        encoded.states(),
    );
}

fn check(recorded: Recorded, golden: &Golden, name: &str, got: &Tensor<3>) {
    assert_eq!(
        got.dims().to_vec(),
        golden.shape(name),
        "{} {name}",
        recorded.model
    );
    let got: Vec<f32> = got.try_to_vec_as().unwrap();
    assert_close(
        &format!("{} {name}", recorded.model),
        &got,
        &golden.f32(name),
        TOLERANCE,
    );
}

#[test]
fn logits_are_the_references_with_and_without_a_cache() {
    for recorded in all() {
        let (captioner, golden) = (recorded.captioner(), recorded.golden());
        let decoder = captioner.decoder();
        let shape = golden.shape("decoder.logits");
        let [rows, length, vocab_size] = [shape[0], shape[1], shape[2]];
        let ids = golden.ids("decoder.input_ids");
        let row = |row: usize| &ids[row * length..(row + 1) * length];
        let encoded = captioner.encode(&pixels(&golden, "pixel_values")).unwrap();
        let context = HiddenStates::new(encoded.states().clone().narrow(0, 0, rows));

        let mut state = decoder.start(&context).unwrap();
        let texts: Vec<&[u32]> = (0..rows).map(row).collect();
        let whole = decoder
            .step(&TokenBatch::from_rows(&texts, 0), &mut state)
            .unwrap();

        let mut cached = vec![Vec::new(); rows];
        let mut state = decoder.start(&context).unwrap();
        let mut start = 0;
        for end in 4..=length {
            let texts: Vec<&[u32]> = (0..rows).map(|index| &row(index)[start..end]).collect();
            let step = decoder
                .step(&TokenBatch::from_rows(&texts, 0), &mut state)
                .unwrap();
            for (index, cached) in cached.iter_mut().enumerate() {
                for position in 0..end - start {
                    cached.extend_from_slice(step.at(index, position));
                }
            }
            start = end;
        }

        let want = golden.f32("decoder.logits");
        let want_cached = golden.f32("decoder.logits_cached");
        for (index, cached) in cached.iter().enumerate() {
            let name = format!("{} logits of row {index}", recorded.model);
            let part = index * length * vocab_size..(index + 1) * length * vocab_size;
            let got: Vec<f32> = (0..length)
                .flat_map(|position| whole.at(index, position).to_vec())
                .collect();
            assert_close(&name, &got, &want[part.clone()], TOLERANCE);
            assert_close(&name, cached, &want_cached[part], TOLERANCE);
        }
    }
}
