//! Vectors as small whole numbers, with a bound on what that costs: how far a similarity that is computed from them can
//! lie from the exact one.
//!
//! A row is stored as `scale * (high + low / 254)`, two planes of 8 bits; `high` alone is the form that is scanned. With
//! unit vectors `q`, `x` and their forms `q'`, `x'`,
//!
//! ```text
//! |q·x - q'·x'| = |q·(x - x') + (q - q')·x'| <= ‖x - x'‖ + ‖q - q'‖ (1 + ‖x - x'‖)
//! ```
//!
//! by Cauchy and Schwarz. Both lengths on the right are known, and `q'·x'` is a product of whole numbers without
//! rounding.

/// Components are filled up with zeros to a multiple of this, so that kernels need no code for a rest.
pub const LANES: usize = 32;

/// The largest number in a plane: what i8 has on both sides of zero.
const TOP: f64 = 127.0;

/// One unit of `high` is this many of `low`: half a unit on either side fills it.
const STEPS: f64 = 2.0 * TOP;

/// What the bound above does not have: a similarity is returned as f32 (2^-25), the stored vector may be the row at another
/// length and so rounded once more for each component (2^-24), and f64 rounds too (below 2^-35 for 8,192 dimensions).
/// Their sum is below 2^-23; twice that.
const SLACK: f64 = 1.0 / (1u64 << 22) as f64;

/// A range that holds the exact similarity, as the f32 that [`crate::blob::similarity`] gives.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub lower: f64,
    pub upper: f64,
}

/// A row in both planes, each filled up to whole [`LANES`].
#[derive(Clone)]
pub struct Row {
    pub high: Vec<i8>,
    pub low: Vec<i8>,
    pub form: Form,
}

/// What is known of a row besides its planes.
#[derive(Clone, Copy)]
pub struct Form {
    /// One unit of `high`.
    pub scale: f32,
    /// The distance of the row from what `high` says it is, or a little more.
    pub error: f32,
}

impl Row {
    /// The row of a finite vector, which is brought to unit length first; a zero vector stays zero.
    pub fn new(vector: &[f32]) -> Self {
        let unit = unit(vector);
        let scale = up(unit.iter().fold(0f64, |top, x| top.max(x.abs())) / TOP);
        let mut high = vec![0; unit.len().next_multiple_of(LANES)];
        let mut low = high.clone();
        let mut squares = 0.0;
        if scale > 0.0 {
            for ((x, high), low) in unit.iter().zip(&mut high).zip(&mut low) {
                let x = x / f64::from(scale);
                let rest = x - x.round();
                *high = x.round() as i8;
                *low = (rest * STEPS).round() as i8;
                squares += rest * rest;
            }
        }
        Self { high, low, form: Form { scale, error: up(squares.sqrt() * f64::from(scale)) } }
    }
}

/// A query: 16 bits a component, filled up like a row. Its products with a plane of a row fit in an i32.
pub struct Query {
    pub values: Vec<i16>,
    /// One unit of `values`.
    scale: f64,
    /// The distance of the query from what `values` says it is.
    error: f64,
    /// The distance of a row from what both planes say it is, in units of its scale.
    both: f64,
}

impl Query {
    /// The query of a finite vector; its length does not matter.
    pub fn new(vector: &[f32]) -> Self {
        let unit = unit(vector);
        let count = unit.len() as f64;
        let top = unit.iter().fold(0f64, |top, x| top.max(x.abs()));
        // |dot| is at most 127 times the sum of |values|, and rounding adds at most half a unit to each of those.
        let sum: f64 = unit.iter().map(|x| x.abs()).sum();
        let scale = (top / f64::from(i16::MAX)).max(sum / (f64::from(i32::MAX) / TOP - count));
        let mut values = vec![0; unit.len().next_multiple_of(LANES)];
        let mut squares = 0.0;
        if scale > 0.0 {
            for (x, value) in unit.iter().zip(&mut values) {
                let x = x / scale;
                *value = x.round() as i16;
                squares += (x - x.round()).powi(2);
            }
        }
        // Each component is at most half a step of `low` off; the last factor is for rounding.
        let both = count.sqrt() * 0.5 / STEPS * (1.0 + 1e-9);
        Self { values, scale, error: squares.sqrt() * scale, both }
    }

    /// At most this much is the similarity to a row whose `high` has the product `dot` with the query.
    #[inline(always)]
    pub fn upper(&self, form: Form, dot: i32) -> f64 {
        let estimate = f64::from(dot) * (self.scale * f64::from(form.scale));
        estimate + self.margin(f64::from(form.error))
    }

    /// Where the similarity lies to a row whose planes have these products with the query.
    pub fn range(&self, form: Form, high: i32, low: i32) -> Range {
        let scale = f64::from(form.scale);
        let estimate = (f64::from(high) + f64::from(low) / STEPS) * (self.scale * scale);
        let margin = self.margin(self.both * scale);
        Range { lower: estimate - margin, upper: estimate + margin }
    }

    /// The bound at the head of this file.
    #[inline(always)]
    fn margin(&self, error: f64) -> f64 {
        error * (1.0 + self.error) + (self.error + SLACK)
    }
}

/// `vector` at unit length in f64, however short or long it is.
fn unit(vector: &[f32]) -> Vec<f64> {
    let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let norm = if norm > 0.0 { norm } else { 1.0 };
    vector.iter().map(|&x| f64::from(x) / norm).collect()
}

/// The nearest f32 that is not below `x`, or the one after it; 0 stays 0.
fn up(x: f64) -> f32 {
    if x == 0.0 { 0.0 } else { (x as f32).next_up() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob;
    use crate::index::dot::dot;
    use crate::index::tests::{Numbers, awkward};

    #[test]
    fn the_exact_similarity_lies_within_both_bounds() {
        let mut numbers = Numbers(1);
        for dimensions in [1, 2, 3, 31, 32, 33, 100, 384, 1024, 8192] {
            for _ in 0..if dimensions > 500 { 20 } else { 200 } {
                let (vector, other) = (awkward(&mut numbers, dimensions), awkward(&mut numbers, dimensions));
                let (query, row) = (Query::new(&other), Row::new(&vector));
                let exact = f64::from(blob::similarity(&other, &vector).unwrap());
                let scaled = blob::unit(&vector).iter().map(|x| x * 3.7).collect::<Vec<_>>();
                let again = f64::from(blob::similarity(&other, &scaled).unwrap());
                let (high, low) = (dot(&row.high, &query.values), dot(&row.low, &query.values));
                let range = query.range(row.form, high, low);
                for exact in [exact, again] {
                    assert!(
                        exact <= query.upper(row.form, high),
                        "{dimensions}: {exact} {row:?}",
                        row = row.form.scale
                    );
                    assert!(range.lower <= exact && exact <= range.upper, "{dimensions}: {exact} {range:?}");
                }
                assert!(range.upper <= query.upper(row.form, high) + 2.0 * query.margin(query.both));
            }
        }
    }

    #[test]
    fn the_products_of_the_largest_vectors_fit() {
        for dimensions in [1, 384, 8192, 65_536] {
            let query = Query::new(&vec![1.0; dimensions]);
            let sum: i64 = query.values.iter().map(|&v| i64::from(v).abs() * 127).sum();
            assert!(sum <= i64::from(i32::MAX), "{dimensions}: {sum}");
            assert!(sum > i64::from(i32::MAX) / 2 || query.values[0] == i16::MAX, "{dimensions}: {sum}");
        }
    }

    #[test]
    fn a_zero_vector_is_similar_to_nothing() {
        let (query, row) = (Query::new(&[1.0, 2.0]), Row::new(&[0.0, -0.0]));
        let range = query.range(row.form, dot(&row.high, &query.values), dot(&row.low, &query.values));
        assert!(range.lower <= 0.0 && range.upper >= 0.0 && range.upper < 1e-3);
        let query = Query::new(&[0.0, 0.0]);
        assert!(query.values.iter().all(|v| *v == 0));
    }
}
