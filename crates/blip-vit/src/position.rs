//! The position table at another image size.
//!
//! The table has one row for the class token and one for each patch of the size that it was trained for. For another
//! size the patches' rows are read as a picture and resized by PyTorch's bicubic: a = -0.75, half-pixel centres, taps
//! clamped at the border, no antialiasing (also when the table shrinks, as VQA's 30 x 30 to 24 x 24).
//!
//! Source: salesforce/BLIP@056a169 `models/vit.py` `interpolate_pos_embed`; transformers 5.23
//! `BlipVisionEmbeddings.interpolate_pos_encoding`; ATen `UpSampleBicubic2d`.

/// PyTorch's cubic convolution coefficient. Pillow's is -0.5.
const A: f64 = -0.75;

/// Resizes a position table from one grid of patches to another. The class token's row stays.
///
/// # Shapes
///
/// - table: `[1 + from_rows * from_columns, hidden_size]`, row-major
/// - output: `[1 + to_rows * to_columns, hidden_size]`
///
/// # Panics
///
/// If the table's length is not that of its grid, or a side of a grid is 0.
pub fn interpolate_pos_embed(
    table: &[f32],
    hidden_size: usize,
    from: [usize; 2],
    to: [usize; 2],
) -> Vec<f32> {
    assert!(
        !from.contains(&0) && !to.contains(&0),
        "a grid has rows and columns"
    );
    assert_eq!(
        table.len(),
        (1 + from[0] * from[1]) * hidden_size,
        "the table has its grid's rows"
    );
    let (class, patches) = table.split_at(hidden_size);
    let row_taps = taps(from[0], to[0]);
    let column_taps = taps(from[1], to[1]);

    let mut output = Vec::with_capacity((1 + to[0] * to[1]) * hidden_size);
    output.extend_from_slice(class);
    let mut sum = vec![0.0; hidden_size];
    for rows in &row_taps {
        for columns in &column_taps {
            sum.fill(0.0);
            for &(row, row_weight) in rows {
                for &(column, column_weight) in columns {
                    let start = (row * from[1] + column) * hidden_size;
                    let weight = row_weight * column_weight;
                    for (sum, &value) in sum.iter_mut().zip(&patches[start..start + hidden_size]) {
                        *sum += weight * f64::from(value);
                    }
                }
            }
            output.extend(sum.iter().map(|&value| value as f32));
        }
    }
    output
}

/// For each output index the four input indices it reads, with their weights.
fn taps(from: usize, to: usize) -> Vec<[(usize, f64); 4]> {
    let scale = from as f64 / to as f64;
    let last = from as i64 - 1;
    (0..to)
        .map(|index| {
            let source = (index as f64 + 0.5) * scale - 0.5;
            let floor = source.floor();
            let t = source - floor;
            [-1, 0, 1, 2].map(|offset| {
                let at = (floor as i64 + offset).clamp(0, last) as usize;
                (at, cubic((t - offset as f64).abs()))
            })
        })
        .collect()
}

/// The cubic convolution kernel at distance `x >= 0`.
fn cubic(x: f64) -> f64 {
    if x <= 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_grid_gives_the_same_table() {
        let table: Vec<f32> = (0..(1 + 6) * 2).map(|i| i as f32).collect();
        assert_eq!(interpolate_pos_embed(&table, 2, [2, 3], [2, 3]), table);
    }

    #[test]
    fn a_constant_table_stays_constant() {
        let table = vec![0.25; 1 + 9];
        let resized = interpolate_pos_embed(&table, 1, [3, 3], [5, 2]);
        assert_eq!(resized.len(), 11);
        assert!(resized.iter().all(|value| (value - 0.25).abs() < 1e-7));
    }

    #[test]
    fn it_is_pytorchs_bicubic() {
        // torch 2.14: F.interpolate(torch.tensor([[[[0., 1., 4.]]]]), size=(1, 5), mode="bicubic")
        let want = [-0.096, 0.172, 1.0, 2.908, 4.288];
        let got = interpolate_pos_embed(&[9.0, 0.0, 1.0, 4.0], 1, [1, 3], [1, 5]);
        assert_eq!(got[0], 9.0);
        for (got, want) in got[1..].iter().zip(want) {
            assert!((got - want).abs() < 1e-4, "{got} is not {want}");
        }
    }
}
