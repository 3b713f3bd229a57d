//! Attention over texts laid end to end (a "ragged" batch): each text attends to itself and to nothing else.
//!
//! ONNX Runtime's own operators would want a padded batch, a mask and four transpositions. Here every text's scores
//! are computed from its own rows of the fused query-key-value matrix, so there is no padding to compute or to mask,
//! and a text's result cannot depend on its neighbours. The loops are plain; the compiler vectorises them, once for
//! each instruction set that `compute` chooses from at run time.

/// The shape of one call: `qkv` is `[tokens, 3 * heads * width]`, rows of query, key and value side by side.
#[derive(Clone, Copy)]
pub struct Shape {
    pub heads: usize,
    pub width: usize,
}

/// Lanes of f32 that the inner loops are unrolled to: one AVX-512 register, two of AVX2, four of NEON.
const LANES: usize = 16;
type Lanes = [f32; LANES];

/// Buffers that a thread uses again for each text.
#[derive(Default)]
pub struct Scratch {
    /// Keys transposed: `[width, tokens]`, the tokens filled up to whole lanes with zeros.
    keys: Vec<Lanes>,
    /// Values: `[tokens, width]`, the width filled up to whole lanes.
    values: Vec<Lanes>,
    /// Scores of one block of queries: `[block, tokens]`, filled up as well.
    scores: Vec<f32>,
}

/// Attention of one head of one text: rows `qkv` of the text in, the head's columns of `out` written.
///
/// `qkv` has `tokens` rows of `3 * heads * width`; `out` has `tokens` rows of `heads * width`.
pub fn compute(qkv: &[f32], out: &mut [f32], shape: Shape, head: usize, scratch: &mut Scratch) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has just said that it has AVX-512F.
            return unsafe { avx512(qkv, out, shape, head, scratch) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has just said that it has AVX2 and FMA.
            return unsafe { avx2(qkv, out, shape, head, scratch) };
        }
    }
    generic(qkv, out, shape, head, scratch);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn avx512(qkv: &[f32], out: &mut [f32], shape: Shape, head: usize, scratch: &mut Scratch) {
    kernel::<true, 8>(qkv, out, shape, head, scratch);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(qkv: &[f32], out: &mut [f32], shape: Shape, head: usize, scratch: &mut Scratch) {
    kernel::<true, 4>(qkv, out, shape, head, scratch);
}

fn generic(qkv: &[f32], out: &mut [f32], shape: Shape, head: usize, scratch: &mut Scratch) {
    // NEON always has a fused multiply-add; plain x86-64 would call a library function for it.
    kernel::<{ cfg!(target_arch = "aarch64") }, 4>(qkv, out, shape, head, scratch);
}

#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// `BLOCK` queries are worked on together, so that each key and value is loaded once for all of them; their sums
/// stay in registers, which is what bounds it.
#[inline(always)]
fn kernel<const FUSED: bool, const BLOCK: usize>(
    qkv: &[f32],
    out: &mut [f32],
    shape: Shape,
    head: usize,
    scratch: &mut Scratch,
) {
    let Shape { heads, width } = shape;
    let dim = heads * width;
    let tokens = qkv.len() / (3 * dim);
    let (key_lanes, value_lanes) = (tokens.div_ceil(LANES), width.div_ceil(LANES));
    let padded = key_lanes * LANES;
    let column = head * width;

    let Scratch { keys, values, scores } = scratch;
    keys.clear();
    keys.resize(width * key_lanes, [0.0; LANES]);
    values.clear();
    values.resize(tokens * value_lanes, [0.0; LANES]);
    scores.resize(BLOCK * padded, 0.0);
    for (token, row) in qkv.chunks_exact(3 * dim).enumerate() {
        let transposed = keys.as_flattened_mut();
        for (d, &k) in row[dim + column..][..width].iter().enumerate() {
            transposed[d * padded + token] = k;
        }
        values.as_flattened_mut()[token * value_lanes * LANES..][..width]
            .copy_from_slice(&row[2 * dim + column..][..width]);
    }
    let scale = 1.0 / (width as f32).sqrt();

    for first in (0..tokens).step_by(BLOCK) {
        let count = BLOCK.min(tokens - first);
        // A short last block repeats its last query: no second loop, and the result is not written.
        let queries: [&[f32]; BLOCK] =
            std::array::from_fn(|i| &qkv[(first + i.min(count - 1)) * 3 * dim + column..][..width]);
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

        let mut inverse = [0f32; BLOCK];
        for (inverse, row) in inverse.iter_mut().zip(scores.chunks_exact_mut(padded)) {
            *inverse = 1.0 / softmax::<FUSED>(row, tokens, scale);
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
            for ((i, sum), inverse) in sums.iter().enumerate().zip(inverse).take(count) {
                let to = &mut out[(first + i) * dim + column + lane * LANES..][..size];
                to.iter_mut().zip(sum).for_each(|(o, s)| *o = s * inverse);
            }
        }
    }
}

#[inline(always)]
fn add_scaled<const FUSED: bool>(sum: &mut Lanes, factor: f32, lanes: &Lanes) {
    for (s, x) in sum.iter_mut().zip(lanes) {
        *s = multiply_add::<FUSED>(factor, *x, *s);
    }
}

/// Makes `scores[..tokens]` into `exp(scale * (score - max))` and gives their sum.
#[inline(always)]
fn softmax<const FUSED: bool>(scores: &mut [f32], tokens: usize, scale: f32) -> f32 {
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
            *s = exp::<FUSED>((*s - max) * scale);
            *total += *s;
        }
    }
    sum.iter().sum()
}

/// `e^x` for x <= 0, to 2 units in the last place; below -87 (and for -inf) it is 0.
///
/// Cody and Waite (1980): e^x = 2^n e^r with |r| <= ln(2)/2, and a polynomial for e^r (coefficients of Cephes expf).
#[inline(always)]
fn exp<const FUSED: bool>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to a whole number in the low mantissa bits
    let clamped = if x > -87.0 { x } else { -87.0 };
    let shifted = multiply_add::<FUSED>(clamped, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = multiply_add::<FUSED>(n, -0.693_359_4, clamped);
    let r = multiply_add::<FUSED>(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = multiply_add::<FUSED>(p, r, c);
    }
    let e = multiply_add::<FUSED>(p * r, r, r) + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    if x >= -87.0 { e * power } else { 0.0 }
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
    fn oracle(qkv: &[f32], shape: Shape, tokens: usize) -> Vec<f64> {
        let dim = shape.heads * shape.width;
        let at = |t: usize, part: usize, c: usize| f64::from(qkv[t * 3 * dim + part * dim + c]);
        let mut out = vec![0.0; tokens * dim];
        for c in (0..dim).step_by(shape.width) {
            for i in 0..tokens {
                let score = |j: usize| {
                    (c..c + shape.width).map(|d| at(i, 0, d) * at(j, 1, d)).sum::<f64>() / (shape.width as f64).sqrt()
                };
                let weights: Vec<f64> = (0..tokens).map(|j| score(j).exp()).collect();
                let total: f64 = weights.iter().sum();
                for d in c..c + shape.width {
                    out[i * dim + d] = (0..tokens).map(|j| weights[j] / total * at(j, 2, d)).sum();
                }
            }
        }
        out
    }

    #[test]
    fn every_kernel_agrees_with_the_formula() {
        type Kernel = fn(&[f32], &mut [f32], Shape, usize, &mut Scratch);
        let kernels: [(&str, Kernel); 2] = [("chosen", compute), ("generic", generic)];
        for (name, kernel) in kernels {
            for (heads, width) in [(1, 8), (4, 8), (12, 32), (3, 64), (2, 20)] {
                for tokens in [1, 2, 3, 15, 16, 17, 65] {
                    let shape = Shape { heads, width };
                    let qkv = numbers(tokens * 3 * heads * width, tokens as u64);
                    let mut out = vec![f32::NAN; tokens * heads * width];
                    let mut scratch = Scratch::default();
                    for head in 0..heads {
                        kernel(&qkv, &mut out, shape, head, &mut scratch);
                    }
                    for (got, wanted) in out.iter().zip(oracle(&qkv, shape, tokens)) {
                        assert!(
                            (f64::from(*got) - wanted).abs() < 2e-6,
                            "{name} {heads}x{width}, {tokens} tokens: {got} {wanted}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn exp_is_exact_to_two_units() {
        for i in 0..=870_000 {
            let x = -(i as f32) * 1e-4;
            let (got, wanted) = (f64::from(exp::<true>(x)), f64::from(x).exp());
            assert!(((got - wanted) / wanted).abs() < 2.5e-7, "exp({x}) = {got}, not {wanted}");
        }
        assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<true>(0.0), 1.0);
    }
}
