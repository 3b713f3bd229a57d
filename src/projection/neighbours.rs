//! The nearest neighbours of every row among all others, exactly.

use ndarray::{Array1, ArrayView2, s};

use crate::error::Result;

/// Rows that are compared with all others at once.
pub const BLOCK: usize = 256;

/// Another row, and how far away it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    pub index: usize,
    pub distance: f32,
}

/// For each of `rows` (`[count, dimensions]`) its `wanted` nearest others, the nearest first; of those that are equally far
/// the earlier rows. `wanted` is less than the count. `step` is told how many blocks are done, and may end it.
pub fn of_all(
    rows: ArrayView2<'_, f32>,
    wanted: usize,
    mut step: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<Vec<Neighbour>>> {
    let count = rows.nrows();
    let squares: Array1<f32> = rows.outer_iter().map(|row| row.dot(&row)).collect();
    let mut all = Vec::with_capacity(count);
    let mut candidates: Vec<u64> = Vec::with_capacity(count);
    for (done, start) in (0..count).step_by(BLOCK).enumerate() {
        step(done)?;
        let block = rows.slice(s![start..(start + BLOCK).min(count), ..]);
        let products = block.dot(&rows.t());
        for (offset, products) in products.outer_iter().enumerate() {
            let own = start + offset;
            candidates.clear();
            candidates.extend(products.iter().zip(&squares).enumerate().filter(|(i, _)| *i != own).map(
                // Squares of distances are not negative, so their bits are in their order, and one number sorts by both.
                |(i, (product, square))| {
                    let squared = (squares[own] + square - 2.0 * product).max(0.0);
                    (u64::from(squared.to_bits()) << 32) | i as u64
                },
            ));
            if wanted < candidates.len() {
                candidates.select_nth_unstable(wanted);
                candidates.truncate(wanted);
            }
            candidates.sort_unstable();
            all.push(
                candidates
                    .iter()
                    .map(|&packed| Neighbour {
                        index: (packed & u64::from(u32::MAX)) as usize,
                        distance: f32::from_bits((packed >> 32) as u32).sqrt(),
                    })
                    .collect(),
            );
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn they_are_those_that_a_sort_of_all_distances_gives() {
        // Whole numbers: their distances are exact, and many are equal.
        let rows = Array2::from_shape_fn((300, 5), |(i, j)| ((i * 7 + j * 13 + i * i * j) % 11) as f32);
        let found = of_all(rows.view(), 12, |_| Ok(())).unwrap();
        for (i, found) in found.iter().enumerate() {
            let mut expected: Vec<(f32, usize)> = (0..300)
                .filter(|&j| j != i)
                .map(|j| ((&rows.row(i) - &rows.row(j)).iter().map(|x| x * x).sum::<f32>(), j))
                .collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let expected: Vec<Neighbour> =
                expected[..12].iter().map(|&(d, index)| Neighbour { index, distance: d.sqrt() }).collect();
            assert_eq!(*found, expected, "row {i}");
        }
    }
}
