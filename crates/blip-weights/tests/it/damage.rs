//! Real files, cut and flipped: whatever comes of it, nothing panics and nothing hangs.

use blip_weights::Checkpoint;

use crate::golden;

const FILES: [&str; 5] = [
    "model.safetensors",
    "wrapped.pth",
    "legacy.pth",
    "views.bin",
    "pytorch_model.bin",
];

/// Opens and reads everything, and returns whether all of it worked.
fn read_all(bytes: Vec<u8>) -> bool {
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes) else {
        return false;
    };
    let names: Vec<String> = checkpoint
        .tensors()
        .iter()
        .map(|info| info.name.clone())
        .collect();
    names.iter().all(|name| checkpoint.read_bytes(name).is_ok())
}

#[test]
fn a_cut_file_is_refused() {
    for file in FILES {
        let bytes = golden::bytes(file);
        // Every length near the ends, where the headers are, and every 61st between.
        let lengths =
            (0..bytes.len()).filter(|&length| length < 128 || bytes.len() - length < 128 || length % 61 == 0);
        for length in lengths {
            assert!(
                !read_all(bytes[..length].to_vec()),
                "{file}: {length} of {} bytes passed",
                bytes.len()
            );
        }
    }
}

#[test]
fn a_flipped_byte_never_panics() {
    for file in FILES {
        let bytes = golden::bytes(file);
        assert!(read_all(bytes.clone()), "{file}");
        let mut state = 1u32;
        for position in (0..bytes.len()).step_by(3) {
            // A linear congruential step: another flip at each place, the same in each run.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut bytes = bytes.clone();
            bytes[position] ^= ((state >> 24) as u8).max(1);
            read_all(bytes);
        }
    }
}

#[test]
fn flipped_lengths_never_allocate_what_they_claim() {
    // The largest values at every place of the header, one to eight bytes wide.
    for file in FILES {
        let bytes = golden::bytes(file);
        for position in (0..bytes.len()).step_by(7) {
            for width in [1, 4, 8] {
                let mut bytes = bytes.clone();
                let end = (position + width).min(bytes.len());
                bytes[position..end].fill(0xff);
                bytes[end - 1] = 0x7f;
                read_all(bytes);
            }
        }
    }
}
