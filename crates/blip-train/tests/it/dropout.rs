//! What is left out in training, and nowhere else.

use blip_nn::{Precision, TextDropout, attend, attend_with_dropout, drop_path, hide_mask};
use blip_traits::AttentionMask;
use burn::nn::DropoutConfig;
use burn::tensor::{Device, Distribution, Tensor};
use std::sync::PoisonError;

use crate::run::TURN;

fn random(shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.without_autodiff().try_into_vec_as().unwrap()
}

#[test]
fn composed_attention_is_the_fused_one() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::flex().autodiff();
    // So unlikely that nothing is ever left out, and still at work.
    let dropout = DropoutConfig::new(1e-12).init();
    let hide = hide_mask(&AttentionMask::from_lengths(&[5, 3], 5), &device);
    for (queries, causal, hidden) in [
        (5, false, false),
        (5, true, false),
        (3, true, true),
        (4, false, true),
    ] {
        let (query, key) = (random([2, 3, queries, 8], &device), random([2, 3, 5, 8], &device));
        let value = random([2, 3, 5, 8], &device);
        let hide = hidden.then_some(&hide);
        let want = attend(
            query.clone(),
            key.clone(),
            value.clone(),
            hide,
            causal,
            Precision::F32,
        );
        let got = attend_with_dropout(query, key, value, hide, causal, Precision::F32, &dropout);
        for (got, want) in values(got).into_iter().zip(values(want)) {
            assert!((got - want).abs() < 1e-5, "{got} is not {want}");
        }
    }
}

#[test]
fn attention_is_left_out_in_training_alone() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dropout = DropoutConfig::new(0.5).init();
    for (device, changes) in [(Device::flex(), false), (Device::flex().autodiff(), true)] {
        let all = random([1, 2, 6, 8], &device);
        let want = values(attend(
            all.clone(),
            all.clone(),
            all.clone(),
            None,
            false,
            Precision::F32,
        ));
        let got = values(attend_with_dropout(
            all.clone(),
            all.clone(),
            all,
            None,
            false,
            Precision::F32,
            &dropout,
        ));
        assert_eq!(want != got, changes);
    }
    assert!(std::panic::catch_unwind(|| TextDropout::new(1.0, 0.0)).is_err());
}

#[test]
fn a_branch_is_left_out_for_whole_rows_and_scaled_up_for_the_others() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let plain = Tensor::<3>::ones([64, 2, 3], &Device::flex());
    assert_eq!(values(drop_path(plain.clone(), 0.25)), values(plain));

    let device = Device::flex().autodiff();
    device.seed(5);
    let dropped = values(drop_path(Tensor::<3>::ones([400, 2, 3], &device), 0.25));
    let mut left_out = 0;
    for row in dropped.chunks_exact(6) {
        assert!(row.iter().all(|value| *value == row[0]), "{row:?}");
        match row[0] {
            0.0 => left_out += 1,
            kept => assert!((kept - 1.0 / 0.75).abs() < 1e-6, "{kept}"),
        }
    }
    assert!((60..140).contains(&left_out), "{left_out} of 400");
}
