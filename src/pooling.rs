//! Hidden states of one text to one row; arithmetic on ndarray views.
//!
//! The formulas are those of `sentence_transformers.models.Pooling`, without a mask: the rows given are the text's
//! own tokens and nothing else, so there is no padding to average.

use ndarray::{ArrayView2, Axis};

use crate::model::PoolingMode;

/// Pools `hidden` (`[tokens, dim]`, at least one token) by each mode; several are concatenated.
pub fn pool(hidden: ArrayView2<'_, f32>, modes: &[PoolingMode]) -> Vec<f32> {
    let mut row = Vec::with_capacity(modes.len() * hidden.ncols());
    for mode in modes {
        match mode {
            PoolingMode::Cls => row.extend(hidden.row(0)),
            PoolingMode::LastToken => row.extend(hidden.row(hidden.nrows() - 1)),
            PoolingMode::Mean => row.extend(weighted(hidden, |_| 1.0, |total| total)),
            PoolingMode::MeanSqrtLen => row.extend(weighted(hidden, |_| 1.0, f32::sqrt)),
            PoolingMode::WeightedMean => row.extend(weighted(hidden, |i| (i + 1) as f32, |total| total)),
            PoolingMode::Max => {
                row.extend(
                    hidden.axis_iter(Axis(1)).map(|column| column.iter().copied().fold(f32::NEG_INFINITY, f32::max)),
                );
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
        let one = |mode| pool(hidden.view(), &[mode]);
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
        assert_eq!(pool(hidden.view(), &[PoolingMode::Cls, PoolingMode::Mean]), [1.0, 2.0, 2.0, 3.0]);
    }
}
