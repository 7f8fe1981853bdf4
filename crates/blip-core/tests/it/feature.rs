//! Features, and sentences about two pictures.

use blip_core::traits::TokenBatch;
use blip_core::{BertTokenizer, BlipModel, FeatureExtractor, Inspection, PairReasoner, PixelValues, Task};
use blip_testkit::{Golden, assert_close};
use burn::tensor::Device;

use crate::reference::{list, load, path, pixels};

#[test]
fn features_are_the_originals() {
    let golden = Golden::open(path("salesforce_features.safetensors"));
    let extractor = load!(FeatureExtractor, "salesforce_pretrain.pth");
    assert!(extractor.reads_text() && extractor.projects() == [true, true]);
    let image_embeds = extractor.image_embeds(&pixels(&golden, "pixel_values")).unwrap();
    let close = |name: &str, got: &[f32]| assert_close(name, got, &golden.f32(name), 1e-4);
    close("image_embeds", image_embeds.read().unwrap().as_slice());
    close(
        "image_embeds_proj",
        extractor.project_image(&image_embeds).unwrap().as_slice(),
    );
    for (index, text) in list(&golden, "texts").iter().enumerate() {
        let ids = extractor.input_ids(&[text]).unwrap();
        assert_eq!(ids.input_ids(), golden.ids(&format!("input_ids.{index}")));
        let text_embeds = extractor.text_embeds(&[text]).unwrap();
        close(
            &format!("text_embeds.{index}"),
            text_embeds.read().unwrap().as_slice(),
        );
        close(
            &format!("text_embeds_proj.{index}"),
            extractor.project_text(&text_embeds).unwrap().as_slice(),
        );
        // The text looks at each of the three pictures.
        let multimodal = extractor
            .multimodal_embeds(&image_embeds, &[text, text, text])
            .unwrap();
        close(
            &format!("multimodal_embeds.{index}"),
            multimodal.read().unwrap().as_slice(),
        );
    }
}

#[test]
fn both_references_text_states_are_theirs() {
    for (model, golden_name) in [
        ("hf_itm", "hf_itm.safetensors"),
        ("salesforce_retrieval.pth", "salesforce_retrieval.safetensors"),
    ] {
        let golden = Golden::open(path(golden_name));
        let extractor = load!(FeatureExtractor, model);
        let want = golden.f32("text.hidden_states");
        let [_, length, width] = golden.shape("text.hidden_states")[..] else {
            panic!("{model}: three axes");
        };
        let mask = golden.i64("text.attention_mask");
        for (row, text) in list(&golden, "texts").iter().enumerate() {
            let real = mask[row * length..(row + 1) * length].iter().sum::<i64>() as usize;
            let got = extractor.text_embeds(&[text]).unwrap().read().unwrap();
            if got.shape()[1] != real {
                // Features are not cut to 35 tokens, as matching is.
                assert!(real == 35 && got.shape()[1] > 35, "{model}: {text}");
                continue;
            }
            let want = &want[row * length * width..][..real * width];
            assert_close(text, got.as_slice(), want, 1e-4);
        }
    }
}

#[test]
fn a_captioners_checkpoint_gives_features_of_pictures_and_says_what_it_lacks() {
    let extractor = load!(FeatureExtractor, "hf_caption");
    let image_embeds = extractor.image_embeds_file(path("picture_0.png")).unwrap();
    assert!(!extractor.reads_text() && extractor.projects() == [false, false]);
    let refused = [
        extractor.text_embeds(&["a dog"]).unwrap_err(),
        extractor
            .multimodal_embeds(&image_embeds, &["a dog"])
            .unwrap_err(),
        extractor.project_image(&image_embeds).unwrap_err(),
    ];
    let messages = refused.map(|error| error.to_string());
    assert_eq!(
        messages,
        [
            "this needs the text encoder, which the model does not have",
            "this needs the text encoder, which the model does not have",
            "this needs vision_proj, which the model does not have",
        ]
    );
}

fn nlvr() -> (PairReasoner, Golden) {
    (
        load!(PairReasoner, "salesforce_nlvr.pth"),
        Golden::open(path("salesforce_nlvr.safetensors")),
    )
}

#[test]
fn sentences_about_two_pictures_are_judged_as_the_original_judges_them() {
    let (reasoner, golden) = nlvr();
    let texts = list(&golden, "texts");
    let encoded = reasoner.encode(&pixels(&golden, "pixel_values")).unwrap();
    let (pairs, logits) = (golden.i64("pairs"), golden.f32("logits"));
    for (index, (pair, text)) in pairs.chunks_exact(2).zip(&texts).enumerate() {
        let (first, second) = (encoded.row(pair[0] as usize), encoded.row(pair[1] as usize));
        let got = reasoner.reason_encoded(&first, &second, &[text]).unwrap()[0];
        let want = &logits[2 * index..2 * index + 2];
        assert_close("logits", &got.logits, want, 1e-4);
        assert_eq!(got.answer, want[1] > want[0]);
        let [no, yes] = [want[0], want[1]].map(f32::exp);
        assert_close("probability", &[got.probability], &[yes / (no + yes)], 1e-4);

        let files = [pair[0], pair[1]].map(|picture| path(&format!("picture_{picture}.png")));
        assert_eq!(reasoner.reason_files(files, text).unwrap(), got);
    }
    // All pairs as one padded batch.
    let pixel_values = pixels(&golden, "pixel_values");
    let size = pixel_values.as_slice().len() / 3;
    let [_, _, height, width] = pixel_values.shape();
    let side = |side: usize| {
        let data = pairs
            .chunks_exact(2)
            .flat_map(|pair| pixel_values.as_slice()[pair[side] as usize * size..][..size].to_vec());
        PixelValues::new(data.collect(), [pairs.len() / 2, height, width]).unwrap()
    };
    let got: Vec<f32> = reasoner
        .reason(&side(0), &side(1), &texts)
        .unwrap()
        .iter()
        .flat_map(|verdict| verdict.logits)
        .collect();
    assert_close("batch", &got, &logits, 1e-4);
}

#[test]
fn every_layer_of_the_encoder_of_two_pictures_is_the_originals() {
    let golden = Golden::open(path("salesforce_nlvr.safetensors"));
    let inspection = Inspection::open(path("salesforce_nlvr.pth"), &Device::flex()).unwrap();
    assert_eq!(inspection.task, Some(Task::Reasoning));
    let (parts, layout) = (Task::Reasoning.parts(), inspection.layout);
    let model = BlipModel::new(&inspection.config, parts, &Device::flex()).unwrap();
    let keys = BlipModel::keys(layout, parts);
    let (model, report) =
        blip_core::weights::load_module(&inspection.checkpoint, model, &keys, &Device::flex()).unwrap();
    // Two merging layers, from the seventh on.
    let merges = |name: &&String| name.ends_with("merge_layer.weight");
    assert_eq!(report.loaded.iter().filter(merges).count(), 2);

    let tokenizer =
        BertTokenizer::from_vocab_txt(std::fs::read(path("hf_caption/vocab.txt")).unwrap()).unwrap();
    let special_tokens = blip_core::Tokenizer::special_tokens(&tokenizer);
    let shape = golden.shape("text.input_ids");
    let (ids, mask) = (golden.ids("text.input_ids"), golden.i64("text.attention_mask"));
    let rows: Vec<Vec<u32>> = (0..shape[0])
        .map(|row| {
            let real = mask[row * shape[1]..(row + 1) * shape[1]].iter().sum::<i64>() as usize;
            ids[row * shape[1]..][..real].to_vec()
        })
        .collect();
    let text = TokenBatch::from_rows(&rows, special_tokens.pad);
    let encoded =
        blip_core::ImageEncoder::encode(&model.visual_encoder, &pixels(&golden, "pixel_values")).unwrap();
    let pairs = golden.i64("pairs");
    let states = |side: usize| {
        let rows = pairs
            .chunks_exact(2)
            .map(|pair| encoded.row(pair[side] as usize).states().clone());
        blip_core::HiddenStates::new(burn::tensor::Tensor::cat(rows.collect(), 0))
    };
    let layers = model
        .pair_encoder
        .unwrap()
        .hidden_states(&text, &states(0), &states(1))
        .unwrap();
    assert_eq!(layers.len(), 8);
    for (layer, got) in layers.into_iter().enumerate() {
        let name = format!("hidden_states.layer_{layer}");
        let (got, want) = (got.try_into_vec_as::<f32>().unwrap(), golden.f32(&name));
        let width = got.len() / mask.len();
        for (token, _) in mask.iter().enumerate().filter(|(_, real)| **real == 1) {
            let place = token * width..(token + 1) * width;
            assert_close(&name, &got[place.clone()], &want[place], 1e-4);
        }
    }
}

#[test]
fn texts_and_pairs_are_as_many() {
    let (reasoner, golden) = nlvr();
    let encoded = reasoner.encode(&pixels(&golden, "pixel_values")).unwrap();
    let error = reasoner
        .reason_encoded(&encoded, &encoded, &["a dog"])
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("context: expected [1 as the texts"), "{error}");
}
