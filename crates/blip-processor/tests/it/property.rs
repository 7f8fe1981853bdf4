//! What holds for every picture and every text.

use blip_processor::{PassOrder, RgbImage, pre_caption, pre_question, resize_bicubic};
use proptest::prelude::*;

/// Any picture of up to 24 x 24.
fn picture() -> impl Strategy<Value = RgbImage> {
    (1..24_usize, 1..24_usize).prop_flat_map(|(width, height)| {
        prop::collection::vec(any::<u8>(), width * height * 3)
            .prop_map(move |data| RgbImage::new(width, height, data).unwrap())
    })
}

fn order() -> impl Strategy<Value = PassOrder> {
    prop_oneof![Just(PassOrder::Pillow12), Just(PassOrder::Pillow13)]
}

fn mirrored(image: &RgbImage) -> RgbImage {
    let data = image.as_bytes().chunks_exact(3 * image.width()).flat_map(|row| {
        let pixels: Vec<[u8; 3]> = row.as_chunks().0.iter().rev().copied().collect();
        pixels.into_flattened()
    });
    RgbImage::new(image.width(), image.height(), data.collect()).unwrap()
}

proptest! {
    #[test]
    fn one_colour_stays_one_colour(
        colour in any::<[u8; 3]>(), from in (1..40_usize, 1..40_usize), to in (1..40_usize, 1..40_usize),
        order in order(),
    ) {
        let image = RgbImage::new(from.0, from.1, colour.repeat(from.0 * from.1)).unwrap();
        let resized = resize_bicubic(&image, [to.1, to.0], order).unwrap();
        prop_assert_eq!(resized.into_bytes(), colour.repeat(to.0 * to.1));
    }

    #[test]
    fn its_own_size_is_the_identity(image in picture(), order in order()) {
        let resized = resize_bicubic(&image, [image.height(), image.width()], order).unwrap();
        prop_assert_eq!(resized, image);
    }

    #[test]
    fn the_passes_are_the_two_axes(image in picture(), to in (1..24_usize, 1..24_usize)) {
        let order = PassOrder::Pillow12;
        let wide = resize_bicubic(&image, [image.height(), to.0], order).unwrap();
        prop_assert_eq!(
            resize_bicubic(&wide, [to.1, to.0], order).unwrap(),
            resize_bicubic(&image, [to.1, to.0], order).unwrap()
        );
    }

    // A weight's fixed-point rounding is symmetric but its floating-point value need not be: one level.
    #[test]
    fn a_mirrored_picture_resizes_to_the_mirrored_result(
        image in picture(), to in (1..24_usize, 1..24_usize), order in order(),
    ) {
        let left = resize_bicubic(&mirrored(&image), [to.1, to.0], order).unwrap();
        let right = mirrored(&resize_bicubic(&image, [to.1, to.0], order).unwrap());
        for (left, right) in left.as_bytes().iter().zip(right.as_bytes()) {
            prop_assert!(left.abs_diff(*right) <= 1);
        }
    }

    #[test]
    fn clean_captions_stay_as_they_are(text in any::<String>(), max_words in 0..9_usize) {
        let caption = pre_caption(&text, max_words);
        prop_assert!(caption.split(' ').count() <= max_words.max(1));
        prop_assert!(!caption.contains("  "));
        let _ = pre_question(&text, max_words);
    }

    #[test]
    fn plain_captions_are_their_own_cleaning(text in "[a-z',?/-]{1,8}( [a-z',?/-]{1,8}){0,9}") {
        prop_assert_eq!(pre_caption(&text, 50), text.clone());
        prop_assert_eq!(pre_question(&text, 50), text);
    }
}

#[cfg(feature = "vocab")]
mod tokenizer {
    use std::sync::LazyLock;

    use blip_processor::{BertTokenizer, SpecialTokenPolicy};
    use blip_traits::Tokenizer;
    use proptest::prelude::*;

    static TOKENIZERS: LazyLock<[BertTokenizer; 3]> = LazyLock::new(|| {
        [
            SpecialTokenPolicy::Literal,
            SpecialTokenPolicy::HuggingFace,
            SpecialTokenPolicy::Salesforce,
        ]
        .map(|policy| BertTokenizer::new().with_special_token_policy(policy).unwrap())
    });

    proptest! {
        #[test]
        fn any_text_has_ids_within_the_vocabulary(text in any::<String>(), max_length in 2..40_usize) {
            for tokenizer in &*TOKENIZERS {
                let special = tokenizer.special_tokens();
                let ids = tokenizer.encode(&text, None).unwrap();
                prop_assert!(ids.iter().all(|id| (*id as usize) < tokenizer.vocab_size()));
                prop_assert_eq!((ids[0], ids[ids.len() - 1]), (special.cls, special.sep));

                let short = tokenizer.encode(&text, Some(max_length)).unwrap();
                prop_assert_eq!(short.len(), ids.len().min(max_length));
                prop_assert_eq!(&short[..short.len() - 1], &ids[..short.len() - 1]);
                prop_assert_eq!(short[short.len() - 1], special.sep);
                tokenizer.decode(&ids).unwrap();
            }
        }

        #[test]
        fn any_ids_have_a_text(ids in prop::collection::vec(prop_oneof![0..31_000_u32, any::<u32>()], 0..40)) {
            TOKENIZERS[0].decode(&ids).unwrap();
        }

        #[test]
        fn literal_text_never_becomes_special(
            parts in prop::collection::vec(
                prop_oneof![
                    "[a-z ]{0,5}",
                    Just("[DEC]".to_owned()), Just("[SEP]".to_owned()), Just("[MASK]".to_owned()),
                ],
                0..8,
            ),
        ) {
            let tokenizer = &TOKENIZERS[0];
            let ids = tokenizer.encode(&parts.concat(), None).unwrap();
            for id in &ids[1..ids.len() - 1] {
                prop_assert!(*id == 100 || !tokenizer.special_tokens().all().contains(id));
            }
        }

        #[test]
        fn plain_words_come_back(text in "[a-z]{1,9}( [a-z]{1,9}){0,9}") {
            let tokenizer = &TOKENIZERS[1];
            let ids = tokenizer.encode(&text, None).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        }
    }
}
