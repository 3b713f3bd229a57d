//! Transposition of small blocks, which compilers do not vectorise.

use pulp::Simd;

/// A block of `SIDE` by `SIDE`.
pub const SIDE: usize = 8;

/// Writes the columns of `rows` as rows of `out`.
#[inline(always)]
pub fn block<S: Simd>(_: S, rows: [&[f32; SIDE]; SIDE], out: &mut [[f32; SIDE]; SIDE]) {
    #[cfg(target_arch = "x86_64")]
    if !S::IS_SCALAR {
        // SAFETY: on x86-64 the instruction sets of `pulp` that are not scalar start with AVX2, and a value of type S
        // exists only where the processor has it.
        return unsafe { avx(rows, out) };
    }
    for (i, to) in out.iter_mut().enumerate() {
        *to = rows.map(|row| row[i]);
    }
}

/// Pairs, then quadruples, then halves are exchanged: 24 shuffles for 64 numbers.
///
/// # Safety
/// The processor has AVX.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
#[inline]
unsafe fn avx(rows: [&[f32; SIDE]; SIDE], out: &mut [[f32; SIDE]; SIDE]) {
    use std::arch::x86_64::{
        _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps,
        _mm256_unpacklo_ps,
    };
    // SAFETY: each row has SIDE numbers, which is what one load reads.
    let r = rows.map(|row| unsafe { _mm256_loadu_ps(row.as_ptr()) });
    let pairs = [0, 2, 4, 6].map(|i| (_mm256_unpacklo_ps(r[i], r[i + 1]), _mm256_unpackhi_ps(r[i], r[i + 1])));
    let quads = [0, 2].map(|i| {
        let ((low, high), (next_low, next_high)) = (pairs[i], pairs[i + 1]);
        [
            _mm256_shuffle_ps::<0x44>(low, next_low),
            _mm256_shuffle_ps::<0xee>(low, next_low),
            _mm256_shuffle_ps::<0x44>(high, next_high),
            _mm256_shuffle_ps::<0xee>(high, next_high),
        ]
    });
    for i in 0..4 {
        let (first, second) = (quads[0][i], quads[1][i]);
        // SAFETY: each row of `out` has SIDE numbers, which is what one store writes.
        unsafe {
            _mm256_storeu_ps(out[i].as_mut_ptr(), _mm256_permute2f128_ps::<0x20>(first, second));
            _mm256_storeu_ps(out[i + 4].as_mut_ptr(), _mm256_permute2f128_ps::<0x31>(first, second));
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, Scalar, Simd, WithSimd};

    use super::{SIDE, block};

    #[test]
    fn rows_become_columns() {
        let numbers: [[f32; SIDE]; SIDE] = std::array::from_fn(|i| std::array::from_fn(|j| (i * SIDE + j) as f32));
        let rows = std::array::from_fn(|i| &numbers[i]);
        let mut plain = [[0.0; SIDE]; SIDE];
        block(Scalar::new(), rows, &mut plain);
        for i in 0..SIDE {
            for j in 0..SIDE {
                assert_eq!(plain[i][j], numbers[j][i]);
            }
        }
        struct Best<'a>([&'a [f32; SIDE]; SIDE]);
        impl WithSimd for Best<'_> {
            type Output = [[f32; SIDE]; SIDE];
            fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
                let mut out = [[0.0; SIDE]; SIDE];
                block(simd, self.0, &mut out);
                out
            }
        }
        assert_eq!(Arch::new().dispatch(Best(rows)), plain);
    }
}
