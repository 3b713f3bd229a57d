//! Layer normalisation (Ba et al. 2016) with the additions before it.

use pulp::{Arch, Simd, WithSimd};

use super::{SUMS, multiply_add};

/// Each row of `values` becomes `(v - mean) / sqrt(variance + eps) * scale + shift` of `v = value + bias + residual`.
///
/// `values` and `residual` are `[rows, dim]`.
pub fn add_layer_norm(values: &mut [f32], residual: &[f32], norm: LayerNorm<'_>) {
    Arch::new().dispatch(AddLayerNorm { values, residual, norm });
}

/// The parameters: `bias`, `scale` and `shift` are `[dim]`.
#[derive(Clone, Copy)]
pub struct LayerNorm<'a> {
    pub bias: &'a [f32],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub eps: f32,
}

struct AddLayerNorm<'a> {
    values: &'a mut [f32],
    residual: &'a [f32],
    norm: LayerNorm<'a>,
}

impl WithSimd for AddLayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { values, residual, norm } = self;
        let LayerNorm { bias, scale, shift, eps } = norm;
        let dim = scale.len();
        for (row, residual) in values.chunks_exact_mut(dim).zip(residual.chunks_exact(dim)) {
            for ((v, residual), bias) in row.iter_mut().zip(residual).zip(bias) {
                *v += residual + bias;
            }
            let mean = sum(row, |v| v) / dim as f32;
            let variance = sum(row, |v| (v - mean) * (v - mean)) / dim as f32;
            let inverse = 1.0 / (variance + eps).sqrt();
            for ((v, scale), shift) in row.iter_mut().zip(scale).zip(shift) {
                *v = multiply_add::<S>((*v - mean) * inverse, *scale, *shift);
            }
        }
    }
}

/// Sixteen running sums: faster and more exact than one.
#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<SUMS>();
    let mut sums = [0f32; SUMS];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(s, v)| *s += term(*v));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|v| term(*v)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::{LayerNorm, add_layer_norm};

    #[test]
    fn rows_are_normalised_as_the_formula_says() {
        for dim in [1, 8, 32, 37, 384] {
            let numbers =
                |seed: usize| (0..2 * dim).map(|i| ((i * 7919 + seed) % 101) as f32 / 25.0 - 2.0).collect::<Vec<_>>();
            let [x, residual, scale, shift, bias] = [1, 2, 3, 4, 5].map(numbers);
            let mut found = x.clone();
            let norm = LayerNorm { bias: &bias[..dim], scale: &scale[..dim], shift: &shift[..dim], eps: 1e-5 };
            add_layer_norm(&mut found, &residual, norm);
            for row in 0..2 {
                let v: Vec<f64> = (0..dim)
                    .map(|i| f64::from(x[row * dim + i]) + f64::from(residual[row * dim + i]) + f64::from(bias[i]))
                    .collect();
                let mean = v.iter().sum::<f64>() / dim as f64;
                let variance = v.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / dim as f64;
                for i in 0..dim {
                    let wanted = (v[i] - mean) / (variance + 1e-5).sqrt() * f64::from(scale[i]) + f64::from(shift[i]);
                    assert!((f64::from(found[row * dim + i]) - wanted).abs() < 1e-5);
                }
            }
        }
    }
}
