//! From real files into modules.

use blip_weights::{
    Checkpoint, CheckpointWriter, DType, KeyMap, Promises, SCALE_SUFFIX, TensorInfo, WeightsError, check,
    load_module, load_module_packed, module_entries,
};
use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Int, Tensor};

use crate::golden;
use crate::model::{HEAD, Linear, Tiny, WORDS, keys};

fn values<const D: usize>(param: &Param<Tensor<D>>) -> Vec<f32> {
    param.val().into_data().try_into_vec().expect("f32")
}

/// The transpose of a checkpoint tensor `[out, rest]`.
fn transposed(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    let info = checkpoint.tensor(name).expect("a golden tensor");
    let (out, rest) = (info.shape[0], info.shape[1..].iter().product::<usize>());
    let stored = checkpoint.read_f32(name).expect("floats");
    (0..rest * out)
        .map(|index| stored[index % out * rest + index / out])
        .collect()
}

#[test]
fn every_container_fills_the_module() {
    let device = Device::default();
    for (file, _) in golden::STATE_FILES {
        let checkpoint = golden::open(file);
        let (model, report) = load_module(&checkpoint, Tiny::new(&device), &keys(), &device)
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let read = |name: &str| checkpoint.read_f32(name).expect("floats");

        assert_eq!(
            values(&model.vision.cls_token),
            read("visual_encoder.cls_token"),
            "{file}"
        );
        let patches = "visual_encoder.patch_embed.proj.weight";
        assert_eq!(
            values(&model.vision.patches.weight),
            transposed(&checkpoint, patches),
            "{file}"
        );
        for (index, block) in model.vision.blocks.iter().enumerate() {
            let name = |rest: &str| format!("visual_encoder.blocks.{index}.{rest}");
            assert_eq!(
                values(&block.qkv.weight),
                transposed(&checkpoint, &name("attn.qkv.weight"))
            );
            assert_eq!(values(&block.qkv.bias), read(&name("attn.qkv.bias")));
            assert_eq!(values(&block.norm1.weight), read(&name("norm1.weight")));
        }
        assert_eq!(values(&model.text.words.weight), read(WORDS));
        let head = model.text.head.as_ref().expect("a head");
        assert_eq!(values(&head.weight), transposed(&checkpoint, HEAD));

        // The fused projection: columns of query, then of key, then of value.
        let parts = ["query", "key", "value"]
            .map(|part| format!("text_decoder.bert.encoder.layer.0.attention.self.{part}"));
        let weights = parts
            .each_ref()
            .map(|part| transposed(&checkpoint, &format!("{part}.weight")));
        let fused: Vec<f32> = (0..6)
            .flat_map(|row| weights.each_ref().map(|w| w[row * 4..][..4].to_vec()))
            .flatten()
            .collect();
        assert_eq!(values(&model.text.qkv.weight), fused, "{file}");
        let biases: Vec<f32> = parts
            .iter()
            .flat_map(|part| read(&format!("{part}.bias")))
            .collect();
        assert_eq!(values(&model.text.qkv.bias), biases, "{file}");

        assert_eq!(report.elements, model.num_params());
        assert_eq!(
            report.left_out,
            [(
                "text_decoder.bert.embeddings.position_ids".to_owned(),
                "counts from 0"
            )]
        );
        // The second name of the head's bias, which the checkpoint stores too.
        let tied = (
            "text_decoder.cls.predictions.bias",
            "text_decoder.cls.predictions.decoder.bias",
        );
        assert_eq!(report.tied, [(tied.0.to_owned(), tied.1.to_owned())]);
        assert_eq!(report.fallbacks, []);
    }
}

#[test]
fn loading_keeps_the_ids_of_parameters() {
    let device = Device::default();
    let model = Tiny::new(&device);
    let id = model.vision.cls_token.id;
    let (loaded, _) =
        load_module(&golden::open("model.safetensors"), model, &keys(), &device).expect("it fits");
    assert_eq!(loaded.vision.cls_token.id, id);
}

/// Writes the golden state with changes, and opens it.
fn changed(
    change: impl Fn(TensorInfo, Vec<f32>) -> Option<(TensorInfo, Vec<f32>)>,
) -> (tempfile::TempDir, Checkpoint) {
    let golden = golden::open("model.safetensors");
    let tensors: Vec<(TensorInfo, Vec<f32>)> = golden
        .tensors()
        .iter()
        .filter(|info| info.dtype == DType::F32)
        .filter_map(|info| change(info.clone(), golden.read_f32(&info.name).expect("floats")))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let infos: Vec<TensorInfo> = tensors.iter().map(|(info, _)| info.clone()).collect();
    let mut writer = CheckpointWriter::safetensors(&path, &infos, &[]).expect("a writer");
    for (info, values) in &tensors {
        match info.dtype {
            DType::I64 => writer
                .write_bytes(&info.name, &vec![0; values.len() * 8])
                .expect("bytes"),
            _ => writer.write_f32(&info.name, values).expect("floats"),
        }
    }
    writer.finish().expect("a file");
    let checkpoint = Checkpoint::open(&path).expect("a checkpoint");
    (folder, checkpoint)
}

#[test]
fn a_head_that_is_stored_once_is_read_twice() {
    let device = Device::default();
    let (_folder, checkpoint) =
        changed(|info, values| (!info.name.contains("predictions.decoder")).then_some((info, values)));
    let (model, report) = load_module(&checkpoint, Tiny::new(&device), &keys(), &device).expect("it fits");
    let head = model.text.head.as_ref().expect("a head");
    assert_eq!(values(&head.weight), transposed(&checkpoint, WORDS));
    assert_eq!(report.fallbacks.len(), 2);
    assert_eq!(report.fallbacks[0], (HEAD.to_owned(), WORDS.to_owned()));
    assert_eq!(report.tied, []);
}

#[test]
fn a_model_that_ties_its_head_takes_equal_weights_and_no_others() {
    let device = Device::default();
    let keys = keys().leave_out("text_decoder.cls.predictions.**", "no head");
    let checkpoint = golden::open("wrapped.pth");
    let (_, report) = load_module(&checkpoint, Tiny::tied(&device), &keys, &device).expect("it fits");
    assert_eq!(report.tied, [(HEAD.to_owned(), WORDS.to_owned())]);

    let (_folder, checkpoint) = changed(|info, mut values| {
        if info.name == HEAD {
            values[7] += 1.0;
        }
        Some((info, values))
    });
    let error = load_module(&checkpoint, Tiny::tied(&device), &keys, &device).expect_err("an untied head");
    assert!(matches!(error, WeightsError::Untied { .. }), "{error}");
}

#[test]
fn everything_that_does_not_fit_is_reported_at_once() {
    let device = Device::default();
    let (_folder, checkpoint) = changed(|mut info, mut values| {
        match info.name.as_str() {
            "visual_encoder.cls_token" => info.name = "visual_encoder.class_token".into(),
            "visual_encoder.blocks.0.norm1.bias" => info.shape = vec![2, 3],
            "visual_encoder.blocks.1.norm1.bias" => info.dtype = DType::I64,
            "visual_encoder.blocks.1.norm1.weight" => {
                values.push(0.0);
                info.shape = vec![7];
            }
            _ => {}
        }
        Some((info, values))
    });
    let model = Tiny::new(&device);
    let error = check(&checkpoint, &model, &keys()).expect_err("it does not fit");
    let message = error.to_string();
    let WeightsError::Mismatch(mismatch) = error else {
        panic!("{message}");
    };
    assert_eq!(mismatch.missing.len(), 1);
    assert_eq!(mismatch.missing[0].name, "visual_encoder.cls_token");
    assert_eq!(
        mismatch.missing[0].nearest.as_deref(),
        Some("visual_encoder.class_token")
    );
    assert_eq!(mismatch.unexpected, ["visual_encoder.class_token"]);
    assert_eq!(mismatch.misshapen.len(), 2);
    assert_eq!(mismatch.not_float.len(), 1);
    assert!(!message.contains('\n'));
    assert!(load_module(&checkpoint, model, &keys(), &device).is_err());
}

#[test]
fn without_the_key_map_nothing_is_guessed() {
    let device = Device::default();
    let error = check(
        &golden::open("model.safetensors"),
        &Tiny::new(&device),
        &KeyMap::new(),
    )
    .expect_err("no names");
    let WeightsError::Mismatch(mismatch) = error else {
        panic!("{error}");
    };
    assert!(mismatch.missing.len() > 10 && mismatch.unexpected.len() > 10);
    assert!(mismatch.to_string().contains(" more"));
}

#[derive(Module, Debug)]
struct Counter {
    steps: Param<Tensor<1, Int>>,
}

#[test]
fn a_parameter_that_no_checkpoint_fills_is_the_models_fault() {
    let device = Device::default();
    let counter = Counter {
        steps: Param::initialized(burn::module::ParamId::new(), Tensor::zeros([1], &device)),
    };
    let error = check(&golden::open("model.safetensors"), &counter, &KeyMap::new()).expect_err("integers");
    assert!(
        matches!(&error, WeightsError::Parameter { path, kind: "int" } if path == "steps"),
        "{error}"
    );

    let keys = KeyMap::new().table("text", "", &[("qkv", "{a,b,c,d,e}")]);
    let error =
        check(&golden::open("model.safetensors"), &Tiny::new(&device), &keys).expect_err("12 is not 5 x n");
    assert!(
        matches!(
            error,
            WeightsError::Fused {
                parts: 5,
                size: 12,
                ..
            }
        ),
        "{error}"
    );
}

#[derive(Module, Debug)]
struct Temperature {
    temp: Param<Tensor<1>>,
}

#[test]
fn a_scalar_fills_a_tensor_of_one() {
    let device = Device::default();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("temp.pth");
    let mut writer =
        CheckpointWriter::pytorch(&path, &[TensorInfo::new("temp", DType::F32, [])], None).expect("a writer");
    writer.write_f32("temp", &[0.07]).expect("one value");
    writer.finish().expect("a file");
    let module = Temperature {
        temp: Param::from_tensor(Tensor::zeros([1], &device)),
    };
    let (loaded, _) = load_module(
        &Checkpoint::open(&path).expect("a file"),
        module,
        &KeyMap::new(),
        &device,
    )
    .expect("it fits");
    assert_eq!(values(&loaded.temp), [0.07]);
}

/// All values of a module, by their names in a checkpoint.
fn entries(model: &Tiny) -> Vec<(String, Vec<f32>)> {
    let mut entries = Vec::new();
    module_entries(model, &keys(), |info, values| {
        entries.push((info.name, values));
        Ok(())
    })
    .expect("a checkpoint fits");
    entries
}

/// What `pack` reads, what it replaces and what it leaves alone, in whatever order, comes from the checkpoint.
#[test]
fn a_module_that_is_packed_on_the_way_is_the_one_that_is_loaded_at_once() {
    let device = Device::default();
    for (file, _) in golden::STATE_FILES {
        let checkpoint = golden::open(file);
        let (want, report) = load_module(&checkpoint, Tiny::new(&device), &keys(), &device).expect("it fits");
        let pack = |mut model: Tiny, _: Option<&Promises>| {
            let head = model.text.head.take().expect("a head");
            let doubled = head.weight.map(|weight| weight * 2.0);
            model.text.head = Some(Linear {
                weight: doubled,
                bias: head.bias,
            });
            // Long before its turn.
            model.vision.cls_token = model.vision.cls_token.map(|token| token + 1.0);
            model
        };
        let fresh = Tiny::new(&device);
        let (got, got_report) =
            load_module_packed(&checkpoint, fresh, &keys(), &device, |model, promises| {
                pack(model, Some(promises))
            })
            .expect("it fits");
        assert_eq!(got_report, report);
        assert_eq!(entries(&got), entries(&pack(want, None)), "{file}");
    }
}

/// Outputs across the seams of the tensors that make up a parameter, in the checkpoint's order, and a parameter put in place
/// of the one that was opened, which nobody reads again.
#[test]
fn a_parameter_is_read_some_outputs_at_a_time() {
    let device = Device::default();
    for (file, _) in golden::STATE_FILES {
        let checkpoint = golden::open(file);
        let stored: Vec<f32> = ["query", "key", "value"]
            .iter()
            .flat_map(|part| {
                let name = format!("text_decoder.bert.encoder.layer.0.attention.self.{part}.weight");
                checkpoint.read_f32(&name).expect("floats")
            })
            .collect();
        let pack = |mut model: Tiny, promises: &Promises| {
            let weight = model.text.qkv.weight;
            let outputs = promises.open(weight.id).expect("it is promised");
            for range in [0..12, 3..9, 11..12, 5..5] {
                let mut values = vec![f32::NAN; 6 * range.len()];
                assert!(outputs.read(range.clone(), &mut values).is_some());
                assert_eq!(values, stored[6 * range.start..6 * range.end], "{file}");
            }
            assert!(promises.open(ParamId::new()).is_none());
            model.text.qkv.weight = Param::initialized(weight.id, Tensor::ones([6, 12], &device));
            model
        };
        let fresh = Tiny::new(&device);
        let (model, _) = load_module_packed(&checkpoint, fresh, &keys(), &device, pack).expect("it fits");
        assert_eq!(values(&model.text.qkv.weight), [1.0; 72]);
    }
}

/// A file that changes after it was opened is an error, not the end of the process.
#[test]
fn a_file_that_was_cut_after_it_was_opened_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    std::fs::copy(golden::path("model.safetensors"), &path).expect("a copy");
    let checkpoint = Checkpoint::open(&path).expect("it is whole");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("it is there");
    let length = file.metadata().expect("its length").len();
    file.set_len(length - 40).expect("cut");
    let device = Device::default();
    let fresh = || Tiny::new(&device);
    for result in [
        load_module(&checkpoint, fresh(), &keys(), &device),
        load_module_packed(&checkpoint, fresh(), &keys(), &device, |model, _| model),
    ] {
        match result {
            Err(WeightsError::Io { path: named, .. }) => assert_eq!(named, path),
            other => panic!("{:?}", other.map(|(_, report)| report)),
        }
    }
}

/// Eight bits with scales are read as what they stand for; without scales, or with others, they are no floats.
#[test]
fn integers_are_floats_with_their_scales_beside_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small.safetensors");
    let scales = |name: &str| format!("{name}{SCALE_SUFFIX}");
    let infos = [
        TensorInfo::new("a", DType::I8, [2, 3]),
        TensorInfo::new(scales("a"), DType::F32, [2]),
        TensorInfo::new("b", DType::I8, [2, 3]),
        TensorInfo::new(scales("b"), DType::F32, [3]),
        TensorInfo::new(scales("c"), DType::F32, [1]),
    ];
    let mut writer = CheckpointWriter::safetensors(&path, &infos, &[]).expect("a writer");
    let values = [1_i8, -1, 127, 3, 0, -127].map(|value| value as u8);
    writer.write_bytes("a", &values).expect("written");
    writer.write_f32(&scales("a"), &[0.5, 2.0]).expect("written");
    writer.write_bytes("b", &values).expect("written");
    writer.write_f32(&scales("b"), &[1.0; 3]).expect("written");
    writer.write_f32(&scales("c"), &[1.0]).expect("written");
    writer.finish().expect("finished");

    let checkpoint = Checkpoint::open(&path).expect("it is one");
    let names: Vec<&str> = checkpoint
        .tensors()
        .iter()
        .map(|info| info.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "b_scale", "c_scale"]);
    let a = checkpoint.tensor("a").expect("listed");
    assert_eq!((a.dtype, a.bytes()), (DType::ScaledI8, Some(6)));
    assert_eq!(
        checkpoint.read_f32("a").expect("floats"),
        [0.5, -0.5, 63.5, 6.0, 0.0, -254.0]
    );
    assert_eq!(&checkpoint.read_bytes("a").expect("bytes")[..], values);
    assert!(matches!(
        checkpoint.read_f32("b"),
        Err(WeightsError::NotFloat { dtype: DType::I8, .. })
    ));

    let announced = [TensorInfo::new("a", DType::ScaledI8, [2, 3])];
    let refused = CheckpointWriter::safetensors(&path, &announced, &[]).expect_err("it is two tensors");
    assert!(refused.to_string().contains("I8 with scales"), "{refused}");
}
