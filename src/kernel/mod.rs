//! The arithmetic between matrix multiplications. Each operation is compiled for every instruction set that `pulp`
//! knows (plain, AVX2, AVX-512, NEON) and chosen at run time.

pub mod attention;
pub mod gelu;
pub mod norm;
pub mod quantised;
mod transpose;

use pulp::Simd;

/// Sums that plain loops keep apart, so that they can be vectorised and lose less to rounding.
const SUMS: usize = 16;

/// `a * b + c`, in one rounding where the instruction set has it; elsewhere that would be a call of a function.
#[inline(always)]
fn multiply_add<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// The polynomial with these coefficients, highest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for c in &coefficients[1..] {
        sum = multiply_add::<S>(sum, x, *c);
    }
    sum
}

/// `e^x` for x <= 0, to 2 units in the last place; below -87 (and for -inf) it is 0.
///
/// Cody and Waite (1980): e^x = 2^n e^r with |r| <= ln(2)/2, and a polynomial for e^r (coefficients of Cephes expf).
#[inline(always)]
fn exp<S: Simd>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to a whole number in the low mantissa bits
    let clamped = if x > -87.0 { x } else { -87.0 };
    let shifted = multiply_add::<S>(clamped, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln(2) in two parts, of which the first has so few bits that n times it is exact.
    let r = multiply_add::<S>(n, -0.693_359_4, clamped);
    let r = multiply_add::<S>(n, 2.121_944_4e-4, r);
    let p = polynomial::<S, 6>(r, [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let e = multiply_add::<S>(p * r, r, r) + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    if x >= -87.0 { e * power } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::exp;
    use pulp::Scalar;

    /// Numbers from -2 to 2 that look random and are the same every time.
    pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ((state >> 40) as f32 / (1u32 << 24) as f32 - 0.5) * 4.0
            })
            .collect()
    }

    #[test]
    fn exp_is_exact_to_two_units() {
        for i in 0..=870_000 {
            let x = -(i as f32) * 1e-4;
            let (got, wanted) = (f64::from(exp::<Scalar>(x)), f64::from(x).exp());
            assert!(((got - wanted) / wanted).abs() < 2.5e-7, "exp({x}) = {got}, not {wanted}");
        }
        assert_eq!(exp::<Scalar>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<Scalar>(0.0), 1.0);
    }
}
