//! Attention over texts laid end to end (a "ragged" batch): each text attends to itself and to nothing else.
//!
//! ONNX Runtime's own operators would want a padded batch, a mask and four transpositions. Here every text's scores
//! are computed from its own rows of the fused query-key-value matrix, so there is no padding to compute or to mask,
//! and a text's result cannot depend on its neighbours.

use pulp::{Arch, Simd, WithSimd};

use super::transpose::{self, SIDE};
use super::{SUMS, exp};

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

/// Numbers in the largest register of all instruction sets.
const MOST_LANES: usize = 16;

/// Buffers that a thread uses again for each text. A lane is as many numbers as a register holds; tokens and the width
/// are filled up to whole lanes, queries to whole blocks.
#[derive(Default)]
pub struct Scratch {
    /// Queries with their bias, scaled by 1 / sqrt(width): `[block, width, query of the block]`.
    queries: Vec<f32>,
    /// Keys transposed: `[lane of tokens, width, token of the lane]`.
    keys: Vec<f32>,
    /// Values: `[lane of width, token, component of the lane]`.
    values: Vec<f32>,
    /// Scores of one block of queries: `[query of the block, token]`.
    scores: Vec<f32>,
}

/// Attention of one head of one text; its columns of `out` (`[tokens, heads * width]`) are written.
pub fn compute(head: Head<'_>, out: &mut [f32], scratch: &mut Scratch) {
    Arch::new().dispatch(Attention { head, out, scratch });
}

struct Attention<'a> {
    head: Head<'a>,
    out: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl WithSimd for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Queries are worked on in blocks, so that each key and value is loaded once for all of them. The sums of a
        // block and what they are made of must fit into the registers.
        if S::REGISTER_COUNT >= 32 { attend::<S, 8>(simd, self) } else { attend::<S, 4>(simd, self) }
    }
}

#[inline(always)]
fn attend<S: Simd, const BLOCK: usize>(simd: S, Attention { head, out, scratch }: Attention<'_>) {
    let (width, dim) = (head.width, head.heads * head.width);
    let tokens = head.qkv.len() / (3 * dim);
    let padded = tokens.next_multiple_of(S::F32_LANES);
    let column = head.head * width;
    pack::<S, BLOCK>(simd, head, scratch, tokens);
    let Scratch { queries, keys, values, scores } = scratch;
    scores.resize(BLOCK * padded, 0.0);
    let lanes = padded / S::F32_LANES;
    // What fills up the last lane weighs nothing.
    let mut beyond = [f32::NEG_INFINITY; MOST_LANES];
    beyond[..tokens - (lanes - 1) * S::F32_LANES].fill(0.0);
    let beyond = simd.partial_load_f32s(&beyond[..S::F32_LANES]);
    let (keys, values) = (S::as_simd_f32s(keys).0, S::as_simd_f32s(values).0);
    // The weights of a query add up to 1, so the values' bias is added once, to their sum. The keys' bias adds the
    // same to all scores of a query, which softmax does not see: it is left out.
    let bias = &head.bias[2 * dim + column..][..width];

    for (block, queries) in queries.as_chunks::<BLOCK>().0.chunks_exact(width).enumerate() {
        let first = block * BLOCK;
        let count = BLOCK.min(tokens - first);
        for (lane, keys) in keys.chunks_exact(width).enumerate().take(lanes) {
            let mut sums = [simd.splat_f32s(0.0); BLOCK];
            for (&keys, queries) in keys.iter().zip(queries) {
                for (sum, &query) in sums.iter_mut().zip(queries) {
                    *sum = simd.mul_add_e_f32s(simd.splat_f32s(query), keys, *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                let sum = if lane + 1 < lanes { sum } else { simd.add_f32s(sum, beyond) };
                S::as_mut_simd_f32s(&mut scores[i * padded..][..padded]).0[lane] = sum;
            }
        }
        let mut inverse = [0f32; BLOCK];
        for (i, row) in scores.chunks_exact_mut(padded).enumerate().take(count) {
            if let Some(relative) = head.relative {
                let from = relative.len() / 2 - (first + i);
                row[..tokens].iter_mut().zip(&relative[from..][..tokens]).for_each(|(s, r)| *s += r);
            }
            inverse[i] = 1.0 / softmax(simd, row);
        }
        let weights: [&[f32]; BLOCK] = std::array::from_fn(|i| &scores[i * padded..][..tokens]);
        for (lane, values) in values.chunks_exact(tokens).enumerate() {
            let mut sums = [simd.splat_f32s(0.0); BLOCK];
            for (token, &values) in values.iter().enumerate() {
                for (sum, weights) in sums.iter_mut().zip(&weights) {
                    *sum = simd.mul_add_e_f32s(simd.splat_f32s(weights[token]), values, *sum);
                }
            }
            let from = lane * S::F32_LANES;
            let size = S::F32_LANES.min(width - from);
            let bias = simd.partial_load_f32s(&bias[from..][..size]);
            for (i, (sum, inverse)) in sums.into_iter().zip(inverse).enumerate().take(count) {
                let row = simd.mul_add_e_f32s(sum, simd.splat_f32s(inverse), bias);
                simd.partial_store_f32s(&mut out[(first + i) * dim + column + from..][..size], row);
            }
        }
    }
}

/// Lays the head's queries, keys and values out as the loops want them.
#[inline(always)]
fn pack<S: Simd, const BLOCK: usize>(simd: S, head: Head<'_>, scratch: &mut Scratch, tokens: usize) {
    let Scratch { queries, keys, values, .. } = scratch;
    let (width, dim) = (head.width, head.heads * head.width);
    let column = head.head * width;
    let lanes = S::F32_LANES;
    queries.resize(tokens.next_multiple_of(BLOCK) * width, 0.0);
    keys.resize(width * tokens.next_multiple_of(lanes.max(SIDE)), 0.0);
    values.resize(tokens * width.next_multiple_of(lanes), 0.0);

    let values = S::as_mut_simd_f32s(values).0;
    let scale = 1.0 / (width as f32).sqrt();
    let bias = &head.bias[column..][..width];
    for (token, row) in head.qkv.chunks_exact(3 * dim).enumerate() {
        let block = &mut queries.as_chunks_mut::<BLOCK>().0[token / BLOCK * width..][..width];
        for ((to, q), b) in block.iter_mut().zip(&row[column..]).zip(bias) {
            to[token % BLOCK] = (q + b) * scale;
        }
        let (whole, rest) = S::as_simd_f32s(&row[2 * dim + column..][..width]);
        for (lane, value) in whole.iter().enumerate() {
            values[lane * tokens + token] = *value;
        }
        if !rest.is_empty() {
            values[whole.len() * tokens + token] = simd.partial_load_f32s(rest);
        }
    }

    for first in (0..tokens).step_by(SIDE) {
        // Tokens after the last one repeat it: their scores are not used.
        let rows: [&[f32]; SIDE] =
            std::array::from_fn(|i| &head.qkv[(first + i).min(tokens - 1) * 3 * dim + dim + column..][..width]);
        for d in (0..width).step_by(SIDE) {
            let mut block = [[0.0; SIDE]; SIDE];
            match rows.map(|row| row[d..].first_chunk()) {
                [Some(a), Some(b), Some(c), Some(e), Some(f), Some(g), Some(h), Some(i)] => {
                    transpose::block(simd, [a, b, c, e, f, g, h, i], &mut block);
                }
                // The last columns of a width that is no multiple of SIDE.
                _ => {
                    for (i, row) in rows.iter().enumerate() {
                        row[d..].iter().enumerate().for_each(|(j, &k)| block[j][i] = k);
                    }
                }
            }
            for (j, row) in block.iter().enumerate().take(width - d) {
                // SIDE tokens are a part of one lane, or several whole ones.
                for (part, tokens) in row.chunks(lanes).enumerate() {
                    let token = first + part * lanes;
                    let at = (token / lanes * width + d + j) * lanes + token % lanes;
                    keys[at..][..tokens.len()].copy_from_slice(tokens);
                }
            }
        }
    }
}

/// Makes scores, whole lanes of them, into `exp(score - max)`, and gives their sum.
#[inline(always)]
fn softmax<S: Simd>(simd: S, scores: &mut [f32]) -> f32 {
    let lanes = S::as_simd_f32s(scores).0;
    let max = lanes.iter().copied().fold(simd.splat_f32s(f32::NEG_INFINITY), |m, s| simd.max_f32s(m, s));
    let max = simd.reduce_max_f32s(max);
    let mut sums = [0f32; SUMS];
    let (chunks, rest) = scores.as_chunks_mut::<SUMS>();
    for chunk in chunks {
        exponentials::<S>(chunk, max, &mut sums);
    }
    // Half of a chunk is a lane of AVX2.
    let (halves, rest) = rest.as_chunks_mut::<{ SUMS / 2 }>();
    for half in halves {
        exponentials::<S>(half, max, &mut sums);
    }
    exponentials::<S>(rest, max, &mut sums);
    let sums = S::as_simd_f32s(&sums).0.iter().copied().fold(simd.splat_f32s(0.0), |a, b| simd.add_f32s(a, b));
    simd.reduce_sum_f32s(sums)
}

#[inline(always)]
fn exponentials<S: Simd>(scores: &mut [f32], max: f32, sums: &mut [f32; SUMS]) {
    for (sum, s) in sums.iter_mut().zip(scores) {
        *s = exp::<S>(*s - max);
        *sum += *s;
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::super::tests::numbers;
    use super::*;

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

    fn plain(head: Head<'_>, out: &mut [f32], scratch: &mut Scratch) {
        attend::<Scalar, 4>(Scalar::new(), Attention { head, out, scratch });
    }

    #[test]
    fn every_kernel_agrees_with_the_formula() {
        type Kernel = fn(Head<'_>, &mut [f32], &mut Scratch);
        let kernels: [(&str, Kernel); 2] = [("chosen", compute), ("plain", plain)];
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
