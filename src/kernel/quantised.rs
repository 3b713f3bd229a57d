//! Matrix multiplication with 8-bit weights and activations.
//!
//! Both are cut into blocks of 32 along the dimension that is summed, each with a scale of its own: the weights of one
//! output, once, when the model is opened; the activations of one token, each time. So a token's result depends on
//! nothing but that token. The products within a block are summed exactly, in integers; the blocks in f32. Every kernel
//! computes the same integers.

use std::sync::OnceLock;

/// Values that share a scale.
const BLOCK: usize = 32;
/// Outputs that are computed side by side.
const PANEL: usize = 16;
/// Activations of this many bytes stay in a processor's own cache while all weights pass by.
const CACHED: usize = 128 << 10;
/// 1.5 * 2^23: adding it rounds to a whole number, ties to even, in the low mantissa bits.
const ROUND: f32 = 12_582_912.0;

/// A matrix `[outputs, inputs]` as the kernel of this machine wants it: one byte for a weight, and a scale for 32.
pub struct Weights {
    outputs: usize,
    /// Blocks of a row.
    blocks: usize,
    inputs: usize,
    /// `[panel, block]`, filled up with zeros.
    codes: Vec<Codes>,
    /// `[panel, block]`, one for each output of the panel.
    scales: Vec<[f32; PANEL]>,
    /// For VNNI, `[panel, block]`: what the 128 that is added to every activation makes the sum too large by, negated.
    offsets: Vec<[i32; PANEL]>,
    kernel: Kernel,
}

/// One block of a panel's outputs: `[inputs / 2, output, 2]`, or for VNNI `[inputs / 4, output, 4]`.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Codes([[i8; 2 * PANEL]; BLOCK / 2]);

/// Activations of a batch, in 8 bits; a buffer that a thread uses again.
#[derive(Default)]
pub struct Scratch {
    /// `[row, block]`: the codes in pairs, widened. Sizes are in the types, so that the inner loops check no index.
    wide: Vec<[[i16; 2]; BLOCK / 2]>,
    /// The same for VNNI, not widened, with 128 added.
    narrow: Vec<[[u8; 4]; BLOCK / 4]>,
    scales: Vec<f32>,
}

/// Codes and scales of some rows.
#[cfg(target_arch = "x86_64")]
type Rows<'a, const ROWS: usize, C> = ([&'a [C]; ROWS], [&'a [f32]; ROWS]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Kernel {
    /// The fastest one of this machine.
    fn chosen() -> Self {
        static CHOSEN: OnceLock<Kernel> = OnceLock::new();
        *CHOSEN.get_or_init(|| Self::all().pop().unwrap_or(Self::Plain))
    }

    /// Those that this machine can run, the fastest last.
    fn all() -> Vec<Self> {
        let mut kernels = vec![Self::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                kernels.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                kernels.push(Self::Vnni);
            }
        }
        kernels
    }

    fn vnni(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Self::Vnni;
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

/// Does something with each block of rows of so many values, one after another; a row's last one is filled up with zeros. The
/// compiler would not inline a closure into functions with target features.
macro_rules! blocks {
    ($x:ident, $inputs:ident, |$block:ident| $body:block) => {
        for row in $x.chunks_exact($inputs.max(1)) {
            let (whole, rest) = row.as_chunks::<BLOCK>();
            let mut last = [[0f32; BLOCK]];
            last[0][..rest.len()].copy_from_slice(rest);
            for $block in whole.iter().chain(&last[..usize::from(!rest.is_empty())]) $body
        }
    };
}

/// The scale of a block and what divides by it; both are 0 for a block of zeros.
#[inline(always)]
fn scale(block: &[f32]) -> (f32, f32) {
    scale_of(block.iter().fold(0f32, |m, x| if x.abs() > m { x.abs() } else { m }))
}

/// The same for a block whose largest value is this.
#[inline(always)]
fn scale_of(largest: f32) -> (f32, f32) {
    let inverse = 127.0 / largest;
    // So small that the quotient is infinite: as good as zero beside all that is added to it.
    if inverse.is_finite() { (largest / 127.0, inverse) } else { (0.0, 0.0) }
}

/// The nearest code, -127 to 127.
#[inline(always)]
fn code(x: f32, inverse: f32) -> i32 {
    (x * inverse + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

impl Weights {
    /// Quantises `values`, `[outputs, inputs]`.
    pub fn new(values: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::with_kernel(values, outputs, inputs, Kernel::chosen())
    }

    fn with_kernel(values: &[f32], outputs: usize, inputs: usize, kernel: Kernel) -> Self {
        assert_eq!(values.len(), outputs * inputs, "a weight for each output and input");
        let blocks = inputs.div_ceil(BLOCK);
        let panels = outputs.div_ceil(PANEL);
        let group = if kernel.vnni() { 4 } else { 2 };
        let mut codes = vec![Codes([[0; 2 * PANEL]; BLOCK / 2]); panels * blocks];
        let mut scales = vec![[0f32; PANEL]; panels * blocks];
        let mut offsets = vec![[0i32; PANEL]; if kernel.vnni() { panels * blocks } else { 0 }];
        for (output, row) in values.chunks_exact(inputs.max(1)).enumerate() {
            for (b, block) in row.chunks(BLOCK).enumerate() {
                let at = output / PANEL * blocks + b;
                let (step, inverse) = scale(block);
                scales[at][output % PANEL] = step;
                let mut sum = 0;
                for (i, &x) in block.iter().enumerate() {
                    let place = (i / group * PANEL + output % PANEL) * group + i % group;
                    let code = code(x, inverse);
                    codes[at].0.as_flattened_mut()[place] = code as i8;
                    sum += code;
                }
                if let Some(offsets) = offsets.get_mut(at) {
                    offsets[output % PANEL] = -128 * sum;
                }
            }
        }
        Self { outputs, blocks, inputs, codes, scales, offsets, kernel }
    }

    /// Rows that the product has for each row of activations.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Length of a row of activations.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Quantises `x`, `[rows, inputs]`.
    pub fn quantise(&self, x: &[f32], scratch: &mut Scratch) {
        scratch.fill(x, self.inputs, self.kernel);
    }

    /// How many parts [`Weights::multiply`] can be divided into.
    pub fn parts(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// Writes the outputs of some of the [`Weights::parts`] for all rows that [`Weights::quantise`] left in `scratch`.
    pub fn multiply(&self, scratch: &Scratch, parts: std::ops::Range<usize>, out: &Columns<'_>) {
        assert!(out.width == self.outputs && parts.end <= self.parts(), "the output has the shape of the product");
        let rows = scratch.scales.len() / self.blocks.max(1);
        assert!(out.len >= rows * out.width, "the output has a place for each row");
        let together = (CACHED / (self.blocks * BLOCK * 2).max(1)).max(1).next_multiple_of(12);
        for first in (0..rows).step_by(together) {
            for panel in parts.clone() {
                self.panel(scratch, first..rows.min(first + together), panel, out);
            }
        }
    }

    fn panel(&self, scratch: &Scratch, rows: std::ops::Range<usize>, panel: usize, out: &Columns<'_>) {
        let own = panel * self.blocks..(panel + 1) * self.blocks;
        let (codes, scales) = (&self.codes[own.clone()], &self.scales[own.clone()]);
        let panel = Panel { codes, scales, offsets: self.offsets.get(own).unwrap_or_default(), column: panel * PANEL };
        match self.kernel {
            Kernel::Plain => plain::rows(panel, scratch, rows, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Kernel::all` has it only where the processor has AVX2 and FMA.
            Kernel::Avx2 => unsafe { avx2::rows(panel, scratch, rows, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Kernel::all` has it only where the processor has AVX-512F and VNNI.
            Kernel::Vnni => unsafe { vnni::rows(panel, scratch, rows, out) },
        }
    }
}

impl Scratch {
    fn fill(&mut self, x: &[f32], inputs: usize, kernel: Kernel) {
        self.scales.clear();
        self.wide.clear();
        self.narrow.clear();
        match kernel {
            Kernel::Plain => self.fill_here(x, inputs),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Kernel::all` has it only where the processor has AVX2 and FMA.
            Kernel::Avx2 => unsafe { avx2::fill(self, x, inputs) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Kernel::all` has it only where the processor has AVX-512F and VNNI.
            Kernel::Vnni => unsafe { vnni::fill(self, x, inputs) },
        }
    }

    #[inline(always)]
    fn fill_here(&mut self, x: &[f32], inputs: usize) {
        blocks!(x, inputs, |block| {
            let (step, inverse) = scale(block);
            let mut codes = [0i16; BLOCK];
            for (to, &x) in codes.iter_mut().zip(block) {
                *to = code(x, inverse) as i16;
            }
            self.scales.push(step);
            self.wide.push(pulp::cast(codes));
        });
    }

    /// `blocks` codes and scales of each row from `first` on.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn of<'a, const ROWS: usize, C>(&'a self, codes: &'a [C], first: usize, blocks: usize) -> Rows<'a, ROWS, C> {
        // By a loop: the compiler does not inline closures into functions with target features.
        let mut rows: Rows<'a, ROWS, C> = ([&[]; ROWS], [&[]; ROWS]);
        for r in 0..ROWS {
            let own = (first + r) * blocks..(first + r + 1) * blocks;
            rows.0[r] = &codes[own.clone()];
            rows.1[r] = &self.scales[own];
        }
        rows
    }
}

/// A matrix `[rows, width]` whose columns are written by several threads, each its own.
pub struct Columns<'a> {
    to: *mut f32,
    len: usize,
    width: usize,
    values: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: `multiply` writes only the columns of its parts, and its caller gives each part to one thread.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    /// All of `values`, in rows of `width`. While the result lives each part is multiplied once.
    ///
    /// # Safety
    /// No two calls of [`Weights::multiply`] with the same part run at the same time.
    pub unsafe fn new(values: &'a mut [f32], width: usize) -> Self {
        Self { to: values.as_mut_ptr(), len: values.len(), width, values: std::marker::PhantomData }
    }

    #[inline(always)]
    fn write(&self, row: usize, column: usize, values: &[f32; PANEL]) {
        let at = row * self.width + column;
        let count = PANEL.min(self.width - column);
        debug_assert!(at + count <= self.len, "inside of the matrix");
        // SAFETY: `multiply` has checked that the matrix has the row, `count` ends with it, and nobody else writes
        // these columns now, by the contract of `new`.
        unsafe {
            let to = self.to.add(at);
            if count == PANEL {
                // Of a known size: no call of memcpy.
                to.cast::<[f32; PANEL]>().write_unaligned(*values);
            } else {
                std::ptr::copy_nonoverlapping(values.as_ptr(), to, count);
            }
        }
    }
}

/// Some outputs' weights: `[block]`.
#[derive(Clone, Copy)]
struct Panel<'a> {
    codes: &'a [Codes],
    scales: &'a [[f32; PANEL]],
    /// For VNNI.
    offsets: &'a [[i32; PANEL]],
    column: usize,
}

/// Cuts rows into tiles of at most `MOST` and hands each to `tile::<its number of rows>`.
macro_rules! tiles {
    ($panel:ident, $scratch:ident, $rows:ident, $out:ident, $most:literal, $tile:ident, [$($n:literal)*]) => {{
        let mut first = $rows.start;
        while first < $rows.end {
            let count = ($rows.end - first).min($most);
            match count {
                $($n => $tile::<$n>($panel, $scratch, first, $out),)*
                _ => unreachable!("a tile has at most {} rows", $most),
            }
            first += count;
        }
    }};
}

mod plain {
    use super::{BLOCK, Columns, PANEL, Panel, Scratch};

    pub fn rows(panel: Panel<'_>, scratch: &Scratch, rows: std::ops::Range<usize>, out: &Columns<'_>) {
        let blocks = panel.codes.len();
        for row in rows {
            let mut sums = [0f32; PANEL];
            for block in 0..blocks {
                let (codes, own) = (&panel.codes[block].0, &scratch.wide[row * blocks + block]);
                let mut exact = [0i32; PANEL];
                for (pairs, a) in codes.iter().zip(own) {
                    for (sum, w) in exact.iter_mut().zip(pairs.as_chunks::<2>().0) {
                        *sum += i32::from(w[0]) * i32::from(a[0]) + i32::from(w[1]) * i32::from(a[1]);
                    }
                }
                let scale = scratch.scales[row * blocks + block];
                for ((sum, exact), w) in sums.iter_mut().zip(exact).zip(&panel.scales[block]) {
                    *sum += exact as f32 * (w * scale);
                }
            }
            out.write(row, panel.column, &sums);
        }
    }

    const _: () = assert!(BLOCK.is_multiple_of(4), "codes come in groups of two or four");
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Columns, Panel, Scratch};

    /// The loops of `fill_here`, compiled for AVX2.
    #[target_feature(enable = "avx2,fma")]
    pub fn fill(scratch: &mut Scratch, x: &[f32], inputs: usize) {
        scratch.fill_here(x, inputs);
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn rows(panel: Panel<'_>, scratch: &Scratch, rows: std::ops::Range<usize>, out: &Columns<'_>) {
        tiles!(panel, scratch, rows, out, 6, tile, [1 2 3 4 5 6]);
    }

    /// Without `VPMADDUBSW`, which saturates: codes are widened to 16 bits, and `VPMADDWD` adds two exact products.
    #[target_feature(enable = "avx2,fma")]
    fn tile<const ROWS: usize>(panel: Panel<'_>, scratch: &Scratch, first: usize, out: &Columns<'_>) {
        let blocks = panel.codes.len();
        let (rows, scales) = scratch.of::<ROWS, _>(&scratch.wide, first, blocks);
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        for block in 0..blocks {
            let mut exact = [[_mm256_setzero_si256(); 2]; ROWS];
            let mut own = [&rows[0][block]; ROWS];
            for r in 1..ROWS {
                own[r] = &rows[r][block];
            }
            for (pair, w) in panel.codes[block].0.iter().enumerate() {
                let [low, high]: [__m128i; 2] = pulp::cast(*w);
                let (low, high) = (_mm256_cvtepi8_epi16(low), _mm256_cvtepi8_epi16(high));
                for r in 0..ROWS {
                    let a = _mm256_set1_epi32(pulp::cast(own[r][pair]));
                    exact[r][0] = _mm256_add_epi32(exact[r][0], _mm256_madd_epi16(a, low));
                    exact[r][1] = _mm256_add_epi32(exact[r][1], _mm256_madd_epi16(a, high));
                }
            }
            let w: [__m256; 2] = pulp::cast(panel.scales[block]);
            for r in 0..ROWS {
                let a = _mm256_set1_ps(scales[r][block]);
                for half in 0..2 {
                    let scale = _mm256_mul_ps(w[half], a);
                    sums[r][half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(exact[r][half]), scale, sums[r][half]);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            out.write(first + r, panel.column, &pulp::cast(sums));
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod vnni {
    use std::arch::x86_64::*;

    use super::{BLOCK, Columns, Panel, Scratch, scale_of};

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn rows(panel: Panel<'_>, scratch: &Scratch, rows: std::ops::Range<usize>, out: &Columns<'_>) {
        tiles!(panel, scratch, rows, out, 12, tile, [1 2 3 4 5 6 7 8 9 10 11 12]);
    }

    /// What `scale` and `code` say, a block at a time.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn fill(scratch: &mut Scratch, x: &[f32], inputs: usize) {
        blocks!(x, inputs, |block| {
            let [low, high]: [__m512; 2] = pulp::cast(*block);
            let largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
            let (step, inverse) = scale_of(largest);
            scratch.scales.push(step);
            scratch.narrow.push(pulp::cast([codes(low, inverse), codes(high, inverse)]));
        });
    }

    /// What `code` says, with 128 added.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn codes(x: __m512, inverse: f32) -> __m128i {
        // To the nearest, ties to even.
        let codes = _mm512_cvtps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(inverse)));
        _mm512_cvtepi32_epi8(_mm512_add_epi32(codes, _mm512_set1_epi32(128)))
    }

    /// `VPDPBUSD` multiplies unsigned codes with signed ones and adds four products. The activations' are the unsigned ones,
    /// with 128 added; what that makes too much is known for each block of weights, and taken away first.
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn tile<const ROWS: usize>(panel: Panel<'_>, scratch: &Scratch, first: usize, out: &Columns<'_>) {
        let blocks = panel.codes.len();
        let (rows, scales) = scratch.of::<ROWS, _>(&scratch.narrow, first, blocks);
        let mut sums = [_mm512_setzero_ps(); ROWS];
        for block in 0..blocks {
            let mut exact = [pulp::cast(panel.offsets[block]); ROWS];
            let mut own = [&rows[0][block]; ROWS];
            for r in 1..ROWS {
                own[r] = &rows[r][block];
            }
            let codes: [__m512i; BLOCK / 4] = pulp::cast(panel.codes[block].0);
            for (four, &w) in codes.iter().enumerate() {
                for r in 0..ROWS {
                    exact[r] = _mm512_dpbusd_epi32(exact[r], _mm512_set1_epi32(pulp::cast(own[r][four])), w);
                }
            }
            let w: __m512 = pulp::cast(panel.scales[block]);
            for r in 0..ROWS {
                let scale = _mm512_mul_ps(w, _mm512_set1_ps(scales[r][block]));
                sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact[r]), scale, sums[r]);
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            out.write(first + r, panel.column, &pulp::cast(sums));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::numbers;
    use super::*;

    fn product(kernel: Kernel, x: &[f32], w: &[f32], outputs: usize, inputs: usize) -> Vec<f32> {
        let weights = Weights::with_kernel(w, outputs, inputs, kernel);
        let mut scratch = Scratch::default();
        weights.quantise(x, &mut scratch);
        let mut out = vec![f32::NAN; x.len() / inputs * outputs];
        // SAFETY: each part is multiplied once.
        let columns = unsafe { Columns::new(&mut out, outputs) };
        let parts = weights.parts();
        // Two threads, as where a text comes alone.
        std::thread::scope(|scope| {
            scope.spawn(|| weights.multiply(&scratch, 0..parts / 2, &columns));
            weights.multiply(&scratch, parts / 2..parts, &columns);
        });
        out
    }

    /// A block as its codes and scale say.
    fn rounded(row: &[f32]) -> Vec<f64> {
        let block = |block: &[f32]| {
            let largest = block.iter().fold(0f32, |m, x| m.max(x.abs()));
            let step = f64::from(largest) / 127.0;
            let near = move |x: &f32| if step == 0.0 { 0.0 } else { (f64::from(*x) / step).round_ties_even() * step };
            block.iter().map(near).collect::<Vec<_>>()
        };
        row.chunks(32).flat_map(block).collect()
    }

    #[test]
    fn every_kernel_multiplies_what_was_rounded() {
        for kernel in Kernel::all() {
            for (rows, outputs, inputs) in
                [(1, 16, 32), (7, 48, 64), (13, 17, 33), (5, 1, 1), (30, 40, 96), (65, 384, 384), (3, 32, 1536)]
            {
                let (x, w) = (numbers(rows * inputs, 3), numbers(outputs * inputs, 7));
                let out = product(kernel, &x, &w, outputs, inputs);
                let w: Vec<Vec<f64>> = w.chunks_exact(inputs).map(rounded).collect();
                for (row, x) in x.chunks_exact(inputs).map(rounded).enumerate() {
                    for (column, w) in w.iter().enumerate() {
                        let wanted: f64 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                        let got = f64::from(out[row * outputs + column]);
                        // A value in the middle of two codes may go either way in f32 and f64.
                        let slack = 1e-5 * (inputs as f64) + 0.04;
                        assert!((got - wanted).abs() < slack, "{kernel:?} {rows}x{inputs}x{outputs}: {got} {wanted}");
                    }
                }
            }
        }
    }

    /// tests/avx512/run.sh asks for one.
    #[test]
    fn the_kernel_that_is_asked_for_is_chosen() {
        let chosen = format!("{:?}", Kernel::chosen());
        assert_eq!(std::env::var("QNTX_EMBED_TEST_KERNEL").unwrap_or_else(|_| chosen.clone()), chosen);
    }

    #[test]
    fn all_kernels_agree_nearly_to_the_bit() {
        let (rows, outputs, inputs) = (29, 112, 416);
        let (x, w) = (numbers(rows * inputs, 11), numbers(outputs * inputs, 12));
        let plain = product(Kernel::Plain, &x, &w, outputs, inputs);
        for kernel in Kernel::all() {
            let out = product(kernel, &x, &w, outputs, inputs);
            let furthest = plain.iter().zip(&out).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            assert!(furthest < 1e-4, "{kernel:?}: {furthest}");
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_others() {
        let (outputs, inputs) = (64, 96);
        let (x, w) = (numbers(31 * inputs, 5), numbers(outputs * inputs, 6));
        for kernel in Kernel::all() {
            let all = product(kernel, &x, &w, outputs, inputs);
            for (row, x) in x.chunks_exact(inputs).enumerate() {
                let alone = product(kernel, x, &w, outputs, inputs);
                assert_eq!(alone, all[row * outputs..][..outputs], "{kernel:?} row {row}");
            }
        }
    }

    #[test]
    fn zeros_tiny_numbers_and_outliers_are_no_trouble() {
        let (outputs, inputs) = (16, 64);
        for kernel in Kernel::all() {
            let w = numbers(outputs * inputs, 9);
            assert!(product(kernel, &[0.0; 64], &w, outputs, inputs).iter().all(|&y| y == 0.0));
            assert!(product(kernel, &[1e-42; 64], &w, outputs, inputs).iter().all(|y| y.abs() < 1e-30));
            let mut x = numbers(inputs, 10);
            x[5] = 1e30;
            assert!(product(kernel, &x, &w, outputs, inputs).iter().all(|y| y.is_finite()));
            assert!(product(kernel, &x, &vec![0.0; outputs * inputs], outputs, inputs).iter().all(|&y| y == 0.0));
        }
    }
}
