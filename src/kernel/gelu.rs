//! GELU (Hendrycks and Gimpel 2016), exact and in its tanh form, with the addition of the bias before it.

use pulp::{Arch, Simd, WithSimd};

use super::{exp, multiply_add, polynomial};

/// Each row of `values` becomes `x * (1 + erf(x / sqrt 2)) / 2` of `x = value + bias`.
pub fn exact(values: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(Exact { values, bias });
}

/// The same for `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x³))) / 2`.
pub fn tanh(values: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(Tanh { values, bias });
}

struct Exact<'a> {
    values: &'a mut [f32],
    bias: &'a [f32],
}

impl WithSimd for Exact<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        each(self.values, self.bias, |x| {
            let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
            let z = if z < 4.0 { z } else { 4.0 };
            // erf(z) = 1 - e^-q(z), where q = -ln(erfc) is nearly a parabola: the minimax polynomial of degree 8 on [0, 4]
            // (weighted by erfc, fitted by iterated least squares) leaves an error of 6e-8 in erf.
            let q = polynomial::<S, 8>(
                z,
                [
                    3.144_018_4e-5,
                    -3.088_023_5e-4,
                    1.032_402_3e-3,
                    5.369_324e-4,
                    -1.958_396e-2,
                    1.029_196_2e-1,
                    6.365_977_5e-1,
                    1.128_380_3,
                ],
            ) * z;
            let tail = exp::<S>(-q);
            // 1 + erf(x / sqrt 2) is 2 - tail on the right and tail on the left, where the difference would cancel.
            x * 0.5 * if x >= 0.0 { 2.0 - tail } else { tail }
        });
    }
}

struct Tanh<'a> {
    values: &'a mut [f32],
    bias: &'a [f32],
}

impl WithSimd for Tanh<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        each(self.values, self.bias, |x| {
            // (1 + tanh(u)) / 2 is the logistic function of 2u.
            let twice = multiply_add::<S>(x * x, 0.044_715, 1.0) * x * (2.0 * 0.797_884_6);
            let e = exp::<S>(-twice.abs());
            x * if twice >= 0.0 { 1.0 } else { e } / (1.0 + e)
        });
    }
}

#[inline(always)]
fn each(values: &mut [f32], bias: &[f32], f: impl Fn(f32) -> f32) {
    for row in values.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(v, b)| *v = f(*v + b));
    }
}

#[cfg(test)]
mod tests {
    /// Integral of the normal density by Simpson's rule: nothing in common with the polynomial.
    fn normal(x: f64) -> f64 {
        let (n, from) = (4000, -12.0);
        let h = (x - from) / f64::from(n);
        let density = |i: i32| (-(from + h * f64::from(i)).powi(2) / 2.0).exp();
        let inner: f64 = (1..n).map(|i| if i % 2 == 0 { 2.0 } else { 4.0 } * density(i)).sum();
        (density(0) + inner + density(n)) * h / 3.0 / (2.0 * std::f64::consts::PI).sqrt()
    }

    #[test]
    fn both_forms_agree_with_their_formulas() {
        let inputs: Vec<f32> = (-900..=900).map(|i| i as f32 * 0.01).collect();
        let (mut exact, mut tanh) = (inputs.clone(), inputs.clone());
        super::exact(&mut exact, &[0.0]);
        super::tanh(&mut tanh, &[0.0]);
        for (i, &x) in inputs.iter().enumerate() {
            let x = f64::from(x);
            let wanted = x * normal(x);
            assert!((f64::from(exact[i]) - wanted).abs() < 3e-7 * x.abs().max(1.0), "{x}: {} {wanted}", exact[i]);
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            let wanted = x * (1.0 + u.tanh()) / 2.0;
            assert!((f64::from(tanh[i]) - wanted).abs() < 5e-7 * x.abs().max(1.0), "{x}: {} {wanted}", tanh[i]);
        }
    }
}
