//! Attention over texts laid end to end (a "ragged" batch): each text attends to itself and to nothing else.
//!
//! ONNX Runtime's own operators would want a padded batch, a mask and four transpositions. Here every text's scores
//! are computed from its own rows of the fused query-key-value matrix, so there is no padding to compute or to mask,
//! and a text's result cannot depend on its neighbours.

use super::{LANES, Lanes, dispatch, exp, multiply_add};

/// One head of one text: `qkv` is `[tokens, 3 * heads * width]`, rows of query, key and value side by side, to which
/// `bias` (`[3 * heads * width]`) is still to be added.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    pub qkv: &'a [f32],
    pub bias: &'a [f32],
    /// Added to the scores by distance (key minus query), the distance 0 in the middle; at least `2 * tokens - 1`
    /// values, or none.
    pub relative: Option<&'a [f32]>,
    pub heads: usize,
    pub width: usize,
    pub head: usize,
}

/// Buffers that a thread uses again for each text.
#[derive(Default)]
pub struct Scratch {
    /// Queries with their bias, scaled by 1 / sqrt(width): `[tokens, width]`.
    queries: Vec<f32>,
    /// Keys transposed: `[width, tokens]`, the tokens filled up to whole lanes with zeros.
    keys: Vec<Lanes>,
    /// Values: `[tokens, width]`, the width filled up to whole lanes.
    values: Vec<Lanes>,
    /// Scores of one block of queries: `[block, tokens]`, filled up as well.
    scores: Vec<f32>,
}

/// Attention of one head of one text; its columns of `out` (`[tokens, heads * width]`) are written.
pub fn compute(head: Head<'_>, out: &mut [f32], scratch: &mut Scratch) {
    dispatch!(kernel::<8, 4>(head: Head<'_>, out: &mut [f32], scratch: &mut Scratch))
}

/// `BLOCK` queries are worked on together, so that each key and value is loaded once for all of them; their sums
/// stay in registers, which is what bounds it.
#[inline(always)]
fn kernel<const FUSED: bool, const BLOCK: usize>(head: Head<'_>, out: &mut [f32], scratch: &mut Scratch) {
    let (width, dim) = (head.width, head.heads * head.width);
    let tokens = head.qkv.len() / (3 * dim);
    let (key_lanes, value_lanes) = (tokens.div_ceil(LANES), width.div_ceil(LANES));
    let padded = key_lanes * LANES;
    let column = head.head * width;
    pack(head, scratch, tokens, key_lanes, value_lanes);
    let Scratch { queries, keys, values, scores } = scratch;
    scores.resize(BLOCK * padded, 0.0);
    // The weights of a query add up to 1, so the values' bias is added once, to their sum. The keys' bias adds the
    // same to all scores of a query, which softmax does not see: it is left out.
    let bias = &head.bias[2 * dim + column..][..width];

    for first in (0..tokens).step_by(BLOCK) {
        let count = BLOCK.min(tokens - first);
        // A short last block repeats its last query: no second loop, and the result is not written.
        let queries: [&[f32]; BLOCK] = std::array::from_fn(|i| &queries[(first + i.min(count - 1)) * width..][..width]);
        for lane in 0..key_lanes {
            let mut sums = [[0f32; LANES]; BLOCK];
            for (d, keys) in keys.chunks_exact(key_lanes).enumerate() {
                let keys = &keys[lane];
                for (sum, query) in sums.iter_mut().zip(&queries) {
                    add_scaled::<FUSED>(sum, query[d], keys);
                }
            }
            for (sum, row) in sums.iter().zip(scores.chunks_exact_mut(padded)) {
                row[lane * LANES..][..LANES].copy_from_slice(sum);
            }
        }
        if let Some(relative) = head.relative {
            for (i, row) in scores.chunks_exact_mut(padded).enumerate() {
                let query = first + i.min(count - 1);
                let from = relative.len() / 2 - query;
                row[..tokens].iter_mut().zip(&relative[from..][..tokens]).for_each(|(s, r)| *s += r);
            }
        }

        let mut inverse = [0f32; BLOCK];
        for (inverse, row) in inverse.iter_mut().zip(scores.chunks_exact_mut(padded)) {
            *inverse = 1.0 / softmax::<FUSED>(row, tokens);
        }

        let weights: [&[f32]; BLOCK] = std::array::from_fn(|i| &scores[i * padded..][..tokens]);
        for lane in 0..value_lanes {
            let mut sums = [[0f32; LANES]; BLOCK];
            for (token, values) in values.chunks_exact(value_lanes).enumerate() {
                let values = &values[lane];
                for (sum, weights) in sums.iter_mut().zip(&weights) {
                    add_scaled::<FUSED>(sum, weights[token], values);
                }
            }
            let size = LANES.min(width - lane * LANES);
            let bias = &bias[lane * LANES..][..size];
            for ((i, sum), inverse) in sums.iter().enumerate().zip(inverse).take(count) {
                let to = &mut out[(first + i) * dim + column + lane * LANES..][..size];
                for ((o, s), b) in to.iter_mut().zip(sum).zip(bias) {
                    *o = multiply_add::<FUSED>(*s, inverse, *b);
                }
            }
        }
    }
}

/// Lays the head's queries, keys and values out as the loops want them.
#[inline(always)]
fn pack(head: Head<'_>, scratch: &mut Scratch, tokens: usize, key_lanes: usize, value_lanes: usize) {
    let Scratch { queries, keys, values, .. } = scratch;
    let (width, dim) = (head.width, head.heads * head.width);
    let column = head.head * width;
    let scale = 1.0 / (width as f32).sqrt();
    queries.resize(tokens * width, 0.0);
    keys.resize(width * key_lanes, [0.0; LANES]);
    values.resize(tokens * value_lanes, [0.0; LANES]);
    let bias = &head.bias[column..][..width];
    for ((to, value), row) in
        queries.chunks_exact_mut(width).zip(values.chunks_exact_mut(value_lanes)).zip(head.qkv.chunks_exact(3 * dim))
    {
        for ((to, q), b) in to.iter_mut().zip(&row[column..]).zip(bias) {
            *to = (q + b) * scale;
        }
        value.as_flattened_mut()[..width].copy_from_slice(&row[2 * dim + column..][..width]);
    }
    // Transposed in blocks of LANES tokens, so that what is written to stays in the nearest cache.
    for lane in 0..key_lanes {
        let rows = &head.qkv[lane * LANES * 3 * dim..];
        let count = LANES.min(tokens - lane * LANES);
        for d in 0..width {
            let mut gathered = [0.0; LANES];
            for (to, row) in gathered.iter_mut().zip(rows.chunks_exact(3 * dim)).take(count) {
                *to = row[dim + column + d];
            }
            keys[d * key_lanes + lane] = gathered;
        }
    }
}

#[inline(always)]
fn add_scaled<const FUSED: bool>(sum: &mut Lanes, factor: f32, lanes: &Lanes) {
    for (s, x) in sum.iter_mut().zip(lanes) {
        *s = multiply_add::<FUSED>(factor, *x, *s);
    }
}

/// Makes `scores[..tokens]` into `exp(score - max)`, the rest into 0, and gives their sum.
#[inline(always)]
fn softmax<const FUSED: bool>(scores: &mut [f32], tokens: usize) -> f32 {
    scores[tokens..].fill(f32::NEG_INFINITY);
    let mut max = [f32::NEG_INFINITY; LANES];
    for chunk in scores.chunks_exact(LANES) {
        for (m, s) in max.iter_mut().zip(chunk) {
            *m = if *s > *m { *s } else { *m };
        }
    }
    let max = max.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = [0f32; LANES];
    for chunk in scores.chunks_exact_mut(LANES) {
        for (total, s) in sum.iter_mut().zip(chunk) {
            *s = exp::<FUSED>(*s - max);
            *total += *s;
        }
    }
    sum.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ((state >> 40) as f32 / (1u32 << 24) as f32 - 0.5) * 4.0
            })
            .collect()
    }

    /// Softmax(q k^T / sqrt(width)) v, term by term in f64.
    fn oracle(qkv: &[f32], bias: &[f32], relative: Option<&[f32]>, heads: usize, width: usize) -> Vec<f64> {
        let dim = heads * width;
        let tokens = qkv.len() / (3 * dim);
        let at = |t: usize, part: usize, c: usize| {
            f64::from(qkv[t * 3 * dim + part * dim + c]) + f64::from(bias[part * dim + c])
        };
        let mut out = vec![0.0; tokens * dim];
        for c in (0..dim).step_by(width) {
            for i in 0..tokens {
                let score = |j: usize| {
                    let product: f64 = (c..c + width).map(|d| at(i, 0, d) * at(j, 1, d)).sum();
                    let distance = relative.map_or(0.0, |r| f64::from(r[r.len() / 2 + j - i]));
                    product / (width as f64).sqrt() + distance
                };
                let weights: Vec<f64> = (0..tokens).map(|j| score(j).exp()).collect();
                let total: f64 = weights.iter().sum();
                for d in c..c + width {
                    out[i * dim + d] = (0..tokens).map(|j| weights[j] / total * at(j, 2, d)).sum();
                }
            }
        }
        out
    }

    #[test]
    fn every_kernel_agrees_with_the_formula() {
        type Kernel = fn(Head<'_>, &mut [f32], &mut Scratch);
        let kernels: [(&str, Kernel); 2] = [("chosen", compute), ("generic", kernel::<false, 4>)];
        for (name, kernel) in kernels {
            let mut scratch = Scratch::default();
            for (heads, width) in [(1, 8), (4, 8), (12, 32), (3, 64), (2, 20)] {
                for (tokens, relative) in [65, 1, 2, 3, 15, 16, 17].map(|t| (t, t % 2 == 0)) {
                    let dim = heads * width;
                    let biases = numbers(2 * 70 - 1, 5);
                    let relative = relative.then_some(biases.as_slice());
                    let (qkv, bias) = (numbers(tokens * 3 * dim, tokens as u64), numbers(3 * dim, 99));
                    let mut out = vec![f32::NAN; tokens * dim];
                    for head in 0..heads {
                        kernel(Head { qkv: &qkv, bias: &bias, relative, heads, width, head }, &mut out, &mut scratch);
                    }
                    for (got, wanted) in out.iter().zip(oracle(&qkv, &bias, relative, heads, width)) {
                        assert!(
                            (f64::from(*got) - wanted).abs() < 5e-6,
                            "{name} {heads}x{width}, {tokens} tokens: {got} {wanted}"
                        );
                    }
                }
            }
        }
    }
}
