//! Hidden states of one text to one row; arithmetic on ndarray views.
//!
//! The formulas are those of `sentence_transformers.models.Pooling`, without a mask: the rows given are the text's
//! own tokens and nothing else, so there is no padding to average.

use ndarray::{ArrayView1, ArrayView2, Axis, s};

use crate::model::PoolingMode;

/// Pools `hidden` (`[tokens, dim]`, at least one token) by each mode, laid side by side. The first `skipped` tokens,
/// a prompt's, do not count; where none is left, the result is zero, but for the first token, which is the text's.
pub fn pool(hidden: ArrayView2<'_, f32>, skipped: usize, modes: &[PoolingMode]) -> Vec<f32> {
    let counted = hidden.slice(s![skipped.min(hidden.nrows()).., ..]);
    let mut row = Vec::with_capacity(modes.len() * hidden.ncols());
    for mode in modes {
        match mode {
            PoolingMode::Cls if counted.is_empty() => row.extend(hidden.row(0)),
            _ if counted.is_empty() => row.resize(row.len() + hidden.ncols(), 0.0),
            PoolingMode::Cls => row.extend(counted.row(0)),
            PoolingMode::LastToken => row.extend(counted.row(counted.nrows() - 1)),
            PoolingMode::Mean => row.extend(weighted(counted, |_| 1.0, |total| total)),
            PoolingMode::MeanSqrtLen => row.extend(weighted(counted, |_| 1.0, f32::sqrt)),
            // A token keeps the weight of its place in the whole text.
            PoolingMode::WeightedMean => row.extend(weighted(counted, |i| (skipped + i + 1) as f32, |total| total)),
            PoolingMode::Max => {
                let largest = |column: ArrayView1<'_, f32>| column.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.extend(counted.axis_iter(Axis(1)).map(largest));
            }
        }
    }
    row
}

fn weighted(hidden: ArrayView2<'_, f32>, weight: impl Fn(usize) -> f32, divisor: impl Fn(f32) -> f32) -> Vec<f32> {
    let mut sum = vec![0f32; hidden.ncols()];
    let mut total = 0f32;
    for (i, token) in hidden.outer_iter().enumerate() {
        let w = weight(i);
        total += w;
        sum.iter_mut().zip(token).for_each(|(s, &x)| *s += w * x);
    }
    let scale = 1.0 / divisor(total);
    sum.iter_mut().for_each(|s| *s *= scale);
    sum
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn each_mode_does_what_its_name_says() {
        let hidden = array![[1.0, -2.0], [3.0, 4.0], [5.0, -8.0]];
        let one = |mode| pool(hidden.view(), 0, &[mode]);
        assert_eq!(one(PoolingMode::Cls), [1.0, -2.0]);
        assert_eq!(one(PoolingMode::LastToken), [5.0, -8.0]);
        assert_eq!(one(PoolingMode::Mean), [3.0, -2.0]);
        assert_eq!(one(PoolingMode::Max), [5.0, 4.0]);
        let root = 3f32.sqrt();
        assert!((one(PoolingMode::MeanSqrtLen)[0] - 9.0 / root).abs() < 1e-6);
        assert!((one(PoolingMode::WeightedMean)[0] - 22.0 / 6.0).abs() < 1e-6);
    }

    #[test]
    fn several_modes_are_laid_side_by_side() {
        let hidden = array![[1.0, 2.0], [3.0, 4.0]];
        assert_eq!(pool(hidden.view(), 0, &[PoolingMode::Cls, PoolingMode::Mean]), [1.0, 2.0, 2.0, 3.0]);
    }

    #[test]
    fn a_skipped_prompt_does_not_count_but_keeps_its_place() {
        let hidden = array![[9.0], [1.0], [4.0]];
        let one = |mode| pool(hidden.view(), 1, &[mode])[0];
        assert_eq!(one(PoolingMode::Cls), 1.0);
        assert_eq!(one(PoolingMode::Mean), 2.5);
        assert_eq!(one(PoolingMode::Max), 4.0);
        assert!((one(PoolingMode::WeightedMean) - (2.0 * 1.0 + 3.0 * 4.0) / 5.0).abs() < 1e-6);
        assert_eq!(pool(hidden.view(), 7, &[PoolingMode::Cls, PoolingMode::Max, PoolingMode::Mean]), [9.0, 0.0, 0.0]);
    }
}
