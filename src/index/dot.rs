//! Products of a query with rows, by the instructions of the processor that it runs on.
//!
//! Components of 8 bits are widened to the query's 16, multiplied, and added in pairs, which is one instruction with AVX2
//! (`vpmaddwd`). That is faster than memory delivers rows, so wider registers and VNNI have nothing to add, and a
//! processor that has them runs the same code. What counts more is that rows are on their way before their turn.

use pulp::{Arch, NullaryFnOnce};

use super::quantise::{Form, Query};

/// Rows that are worked on together, so that a part of the query is loaded once for all of them.
const GROUP: usize = 2;

/// Rows are asked from memory so many groups before they are worked on.
const AHEAD: usize = 4;

/// The product of a row's plane with a query; both as long as each other, a multiple of [`super::quantise::LANES`].
pub fn dot(plane: &[i8], query: &[i16]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(One(avx2::Avx2(simd), plane, query));
    }
    Arch::new().dispatch(One(Plain, plane, query))
}

/// Writes the places of those of `chosen` whose similarity may reach `floor`, and gives their number.
///
/// `high` are the high planes of all rows and `forms` their forms; `reaching` is as long as `chosen`.
pub fn reaching(
    (high, forms): (&[i8], &[Form]),
    chosen: &[u16],
    query: &Query,
    floor: f64,
    reaching: &mut [u16],
) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(Reaching { kernel: avx2::Avx2(simd), high, forms, chosen, query, floor, reaching });
    }
    Arch::new().dispatch(Reaching { kernel: Plain, high, forms, chosen, query, floor, reaching })
}

/// What instruction sets do differently.
trait Kernel: Copy {
    /// The products of some rows with a query, all as long as each other.
    fn products<const ROWS: usize>(self, rows: [&[i8]; ROWS], query: &[i16]) -> [i32; ROWS];

    /// Asks memory for a row that is needed soon.
    fn prefetch(self, row: &[i8]);
}

/// A loop that compilers make the best of: on arm64 that is `smlal`.
#[derive(Clone, Copy)]
struct Plain;

impl Kernel for Plain {
    #[inline(always)]
    fn products<const ROWS: usize>(self, rows: [&[i8]; ROWS], query: &[i16]) -> [i32; ROWS] {
        rows.map(|row| row.iter().zip(query).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum())
    }

    #[inline(always)]
    fn prefetch(self, _: &[i8]) {}
}

struct One<'a, K>(K, &'a [i8], &'a [i16]);

impl<K: Kernel> NullaryFnOnce for One<'_, K> {
    type Output = i32;

    #[inline(always)]
    fn call(self) -> i32 {
        self.0.products([self.1], self.2)[0]
    }
}

struct Reaching<'a, K> {
    kernel: K,
    high: &'a [i8],
    forms: &'a [Form],
    chosen: &'a [u16],
    query: &'a Query,
    floor: f64,
    reaching: &'a mut [u16],
}

impl<K: Kernel> NullaryFnOnce for Reaching<'_, K> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let Self { kernel, high, forms, chosen, query, floor, reaching } = self;
        let values = query.values.as_slice();
        let row = |at: u16| &high[usize::from(at) * values.len()..][..values.len()];
        let mut count = 0;
        // Written in any case, counted if it reaches the floor: no branch.
        let mut keep = |at: u16, product: i32| {
            reaching[count] = at;
            count += usize::from(query.upper(forms[usize::from(at)], product) >= floor);
        };
        let (groups, rest) = chosen.as_chunks::<GROUP>();
        for (i, group) in groups.iter().enumerate() {
            if let Some(group) = groups.get(i + AHEAD) {
                group.iter().for_each(|at| kernel.prefetch(row(*at)));
            }
            let products = kernel.products(group.map(row), values);
            group.iter().zip(products).for_each(|(at, product)| keep(*at, product));
        }
        for at in rest {
            keep(*at, kernel.products([row(*at)], values)[0]);
        }
        count
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    //! The products with AVX2.

    use std::arch::x86_64::{__m256i, _MM_HINT_T0, _mm_prefetch};

    use pulp::{cast, x86::V3};

    use super::Kernel;

    /// Components that a register has room for.
    const WIDTH: usize = 16;

    /// Bytes that memory delivers at once.
    const LINE: usize = 64;

    /// The token says that the processor has AVX2.
    #[derive(Clone, Copy)]
    pub struct Avx2(pub V3);

    impl Kernel for Avx2 {
        #[inline(always)]
        fn products<const ROWS: usize>(self, rows: [&[i8]; ROWS], query: &[i16]) -> [i32; ROWS] {
            let Self(V3 { avx, avx2, .. }) = self;
            let rows = rows.map(|row| row.as_chunks::<WIDTH>().0);
            let mut sums: [__m256i; ROWS] = [avx._mm256_setzero_si256(); ROWS];
            for (i, query) in query.as_chunks::<WIDTH>().0.iter().enumerate() {
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    let row = avx2._mm256_cvtepi8_epi16(cast(row[i]));
                    *sum = avx2._mm256_add_epi32(*sum, avx2._mm256_madd_epi16(row, cast(*query)));
                }
            }
            sums.map(|sum| cast::<__m256i, [i32; 8]>(sum).iter().sum())
        }

        #[inline(always)]
        fn prefetch(self, row: &[i8]) {
            for line in row.chunks(LINE) {
                // SAFETY: a prefetch is a hint: it reads nothing that the program could see, and faults at no address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::quantise::LANES;
    use crate::index::quantise::Row;
    use crate::index::tests::{Numbers, awkward};

    #[test]
    fn every_kernel_agrees_with_the_sum_of_products() {
        let mut numbers = Numbers(3);
        for width in [1, 2, 3, 12, 32, 33].map(|n| n * LANES) {
            for _ in 0..50 {
                let plane: Vec<i8> = (0..width).map(|_| (numbers.next() * 255.0 - 127.0) as i8).collect();
                let most = f64::from(i32::MAX) / 127.0 / width as f64;
                let most = most.min(f64::from(i16::MAX));
                let query: Vec<i16> = (0..width).map(|_| ((numbers.next() * 2.0 - 1.0) * most) as i16).collect();
                let wanted: i64 = plane.iter().zip(&query).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
                assert_eq!(i64::from(dot(&plane, &query)), wanted, "chosen, {width}");
                let plain = One(Plain, &plane, &query).call();
                assert_eq!(i64::from(plain), wanted, "plain, {width}");
            }
            let (plane, query) = (vec![-127; width], vec![-(i32::MAX / 127 / width as i32).min(32767) as i16; width]);
            assert_eq!(i64::from(dot(&plane, &query)), 127 * width as i64 * -i64::from(query[0]), "largest, {width}");
        }
    }

    #[test]
    fn those_and_only_those_whose_bound_reaches_the_floor_are_written() {
        let mut numbers = Numbers(4);
        for dimensions in [1, 20, 64, 384] {
            let rows: Vec<Row> = (0..100).map(|_| Row::new(&awkward(&mut numbers, dimensions))).collect();
            let high: Vec<i8> = rows.iter().flat_map(|row| row.high.clone()).collect();
            let forms: Vec<Form> = rows.iter().map(|row| row.form).collect();
            let query = Query::new(&awkward(&mut numbers, dimensions));
            for count in [0, 1, 2, 3, 4, 5, 7, 8, 33] {
                let chosen: Vec<u16> = (0..count).map(|_| (numbers.next() * 100.0) as u16).collect();
                for floor in [-2.0, -0.1, 0.0, 0.05, 0.5, 2.0] {
                    let mut got = vec![u16::MAX; count];
                    let length = reaching((&high, &forms), &chosen, &query, floor, &mut got);
                    let bound = |at: &u16| {
                        let row = &rows[usize::from(*at)];
                        query.upper(row.form, dot(&row.high, &query.values))
                    };
                    let wanted: Vec<u16> = chosen.iter().copied().filter(|at| bound(at) >= floor).collect();
                    assert_eq!(got[..length], wanted, "{dimensions} {count} {floor}");
                    let (high, forms, reaching) = (high.as_slice(), forms.as_slice(), got.as_mut_slice());
                    let length =
                        Reaching { kernel: Plain, high, forms, chosen: &chosen, query: &query, floor, reaching }.call();
                    assert_eq!(got[..length], wanted, "plain, {dimensions} {count} {floor}");
                }
            }
        }
    }
}
