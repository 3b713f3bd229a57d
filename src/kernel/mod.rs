//! The arithmetic between matrix multiplications: plain loops that the compiler vectorises, once for each instruction
//! set, of which [`dispatch!`] chooses at run time.

pub mod attention;
pub mod gelu;
pub mod norm;

/// Lanes of f32 that inner loops are unrolled to: one AVX-512 register, two of AVX2, four of NEON.
const LANES: usize = 16;
type Lanes = [f32; LANES];

/// `dispatch!(body::<BLOCK for AVX-512, BLOCK otherwise>(argument: type, …))` calls `body::<FUSED, BLOCK>` compiled for
/// the best instruction set that the processor has. `body` must be `#[inline(always)]`.
macro_rules! dispatch {
    ($body:ident::<$wide:literal, $narrow:literal>($($argument:ident: $kind:ty),+ $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn avx512($($argument: $kind),+) {
                $body::<true, $wide>($($argument),+);
            }
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $kind),+) {
                $body::<true, $narrow>($($argument),+);
            }
            let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if has_avx2 && is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has just said that it has AVX-512F, AVX2 and FMA.
                return unsafe { avx512($($argument),+) };
            }
            if has_avx2 {
                // SAFETY: the processor has just said that it has AVX2 and FMA.
                return unsafe { avx2($($argument),+) };
            }
        }
        // NEON always has a fused multiply-add; plain x86-64 would call a library function for it.
        $body::<{ cfg!(target_arch = "aarch64") }, $narrow>($($argument),+);
    }};
}
use dispatch;

#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// The polynomial with these coefficients, highest power first.
#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for c in &coefficients[1..] {
        sum = multiply_add::<FUSED>(sum, x, *c);
    }
    sum
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
    // ln(2) in two parts, of which the first has so few bits that n times it is exact.
    let r = multiply_add::<FUSED>(n, -0.693_359_4, clamped);
    let r = multiply_add::<FUSED>(n, 2.121_944_4e-4, r);
    let p =
        polynomial::<FUSED, 6>(r, [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let e = multiply_add::<FUSED>(p * r, r, r) + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    if x >= -87.0 { e * power } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::exp;

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
