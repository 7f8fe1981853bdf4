//! Which frames of a film are looked at.

use crate::TaskError;

/// The frames that the original looks at of a film of `length`: every `length / count`-th, rounded down, from the first.
///
/// The step is a whole number, so the last frames of most films are not reached; of a film shorter than `count` frames, it
/// is the first frame again and again. For some lengths there is one frame more than asked for, as in the original.
///
/// ```
/// assert_eq!(blip_tasks::frame_indices(100, 8)?, [0, 12, 24, 36, 48, 60, 72, 84]);
/// # Ok::<(), blip_tasks::TaskError>(())
/// ```
///
/// Source: salesforce/BLIP@056a169 `data/video_dataset.py` `_load_video_from_path_decord`, 'uniform':
/// `numpy.arange(0, length, length / count, dtype=int)`, which computes the first two values, makes them whole, and
/// goes on with their difference.
///
/// # Errors
///
/// [`TaskError::Setting`] if `length` or `count` is 0, or `count` is above 4096.
pub fn frame_indices(length: usize, count: usize) -> Result<Vec<usize>, TaskError> {
    const MOST: usize = 4096;
    if length == 0 {
        return Err(TaskError::setting("length", "at least one frame", length));
    }
    if count == 0 || count > MOST {
        return Err(TaskError::setting("count", format!("1 to {MOST}"), count));
    }
    let step = length as f64 / count as f64;
    // numpy's own rule for the number of values, with its rounding.
    let values = (length as f64 / step).ceil() as usize;
    Ok((0..values).map(|index| index * step as usize).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_film_is_its_first_frame() {
        assert_eq!(frame_indices(3, 4).unwrap(), [0; 4]);
        assert_eq!(frame_indices(8, 8).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn no_frame_is_an_error() {
        let error = frame_indices(0, 8).unwrap_err().to_string();
        assert_eq!(error, "length: expected at least one frame, got 0");
        assert!(frame_indices(8, 0).is_err() && frame_indices(8, 5000).is_err());
    }
}
