//! The mirror image.

use blip_processor::RgbImage;

/// A picture with left and right exchanged.
///
/// # Shapes
///
/// - image and result: `[height, width, 3]`, u8
pub fn flip_horizontal(image: RgbImage) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    let mut bytes = image.into_bytes();
    for row in bytes.chunks_exact_mut(3 * width) {
        row.as_chunks_mut::<3>().0.reverse();
    }
    picture(width, height, bytes)
}

/// A picture of bytes that an operation left as many as they were.
pub(crate) fn picture(width: usize, height: usize, bytes: Vec<u8>) -> RgbImage {
    RgbImage::new(width, height, bytes).expect("operations keep the number of bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_stay_whole() {
        let image = RgbImage::new(3, 2, (0..18).collect()).unwrap();
        let flipped = flip_horizontal(image.clone());
        assert_eq!(flipped.as_bytes()[..9], [6, 7, 8, 3, 4, 5, 0, 1, 2]);
        assert_eq!(flipped.as_bytes()[9..], [15, 16, 17, 12, 13, 14, 9, 10, 11]);
        assert_eq!(flip_horizontal(flipped), image);
    }
}
