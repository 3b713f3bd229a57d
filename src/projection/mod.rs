//! Vectors as points of a plane: a map on which what means the same lies together.
//!
//! Principal components first (`pca.rs`), then the nearest neighbours of each row in these (`neighbours.rs`), then t-SNE
//! from both (`layout.rs`). Nothing is drawn by lot and all of it is computed by one thread in a fixed order: the same
//! vectors on the same kind of processor have the same map, to the last bit, and other cores stay free for searches.

mod layout;
mod neighbours;
mod pca;

use ndarray::{Array2, ArrayView1};

use crate::blob;
use crate::error::{Result, fail};
use crate::schedule::{CancelToken, Progress};

/// Components that are kept of a vector: as many as is usual before t-SNE. What they leave out is mostly noise.
const COMPONENTS: usize = 50;
/// With fewer rows there are no neighbourhoods to keep, and the first two components say all there is to say.
const LEAST_FOR_LAYOUT: usize = 10;
/// A new point is placed by so many of its nearest.
const PLACED_BY: usize = 8;

/// How to project. The default reports nothing and cannot be ended.
#[derive(Clone, Copy, Default)]
pub struct ProjectOptions<'a> {
    /// Ends the call from another thread with [`Code::Cancelled`](crate::Code::Cancelled).
    pub cancel: Option<&'a CancelToken>,
    /// Told how many steps of how many are done, by the thread that makes the call.
    pub progress: Option<&'a Progress<'a>>,
}

/// What a long computation asks and tells now and then.
struct Watch<'a> {
    options: ProjectOptions<'a>,
    total: usize,
}

impl Watch<'_> {
    fn step(&self, done: usize) -> Result<()> {
        if self.options.cancel.is_some_and(CancelToken::is_cancelled) {
            fail!(Cancelled, "cancelled with {done} of {} steps of the projection done", self.total);
        }
        if let Some(progress) = self.options.progress {
            progress(done, self.total);
        }
        Ok(())
    }
}

/// The map of `vectors`, rows of `dimensions` floats end to end: a point for each row, in their order, in the square from
/// -1 to 1 around their middle. Rows are taken at unit length; a zero vector stays zero. Rows that are equal may lie a
/// little apart. The time grows a little faster than the number of rows: docs/performance.md has figures for 10,000.
///
/// A length that is no multiple of `dimensions` is [`Code::Dimensions`](crate::Code::Dimensions), a component that is not
/// finite [`Code::InvalidArgument`](crate::Code::InvalidArgument).
pub fn project(vectors: &[f32], dimensions: usize, options: &ProjectOptions<'_>) -> Result<Vec<[f32; 2]>> {
    let rows = unit_rows(vectors, dimensions, "vectors")?;
    let count = rows.nrows();
    let blocks = count.div_ceil(neighbours::BLOCK);
    let watch = Watch { options: *options, total: 1 + blocks + layout::EPOCHS };
    watch.step(0)?;
    let components = pca::components(rows, COMPONENTS);
    let mut points: Vec<[f32; 2]> =
        (0..count).map(|i| [0, 1].map(|axis| components.get([i, axis]).copied().unwrap_or(0.0))).collect();
    watch.step(1)?;
    // Rows that are all equal have no directions, and so no layout either.
    if count >= LEAST_FOR_LAYOUT && extent(&points) > 0.0 {
        let neighbours =
            neighbours::of_all(components.view(), layout::neighbours(count), |block| watch.step(1 + block))?;
        points = layout::layout(&points, neighbours, |epoch| watch.step(1 + blocks + epoch))?;
    }
    fit_square(&mut points);
    watch.step(watch.total)?;
    Ok(points)
}

/// Where a new vector lies on a map that [`project`] has made of `vectors`, without making it anew: between the points of
/// its nearest rows, the nearer the more they count. The vector of a row lies on that row's point.
///
/// Errors as for [`project`]; `points` must be one for each row, of which there must be one at least.
pub fn place(vectors: &[f32], dimensions: usize, points: &[[f32; 2]], vector: &[f32]) -> Result<[f32; 2]> {
    if dimensions == 0 || vectors.len() != points.len() * dimensions {
        fail!(
            Dimensions,
            "vectors has {} floats for {} points of {dimensions} dimensions; expected {}",
            vectors.len(),
            points.len(),
            points.len() * dimensions
        );
    }
    if vector.len() != dimensions {
        fail!(Dimensions, "the vector has {} dimensions, those of the map have {dimensions}", vector.len());
    }
    if points.is_empty() {
        fail!(InvalidArgument, "the map has no points to place another between");
    }
    let (rows, vector) = (unit_rows(vectors, dimensions, "vectors")?, unit_rows(vector, dimensions, "vector")?);
    let distance = |row: ArrayView1<'_, f32>| {
        blob::squared_distance(row.to_slice().unwrap_or_default(), vector.as_slice().unwrap_or_default())
    };
    let mut nearest: Vec<(f64, usize)> = rows.outer_iter().map(distance).zip(0..).collect();
    nearest.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    nearest.truncate(PLACED_BY);
    let (least, first) = nearest[0];
    if least < 1e-9 {
        return Ok(points[first]);
    }
    // Shepard's interpolation. Distances of texts differ little, so the power is high: the nearest decide.
    let (mut sum, mut weights) = ([0f64; 2], 0f64);
    for (squared, i) in nearest {
        let weight = (least / squared).powi(8);
        weights += weight;
        sum[0] += weight * f64::from(points[i][0]);
        sum[1] += weight * f64::from(points[i][1]);
    }
    Ok(sum.map(|x| (x / weights) as f32))
}

/// The rows at unit length.
fn unit_rows(vectors: &[f32], dimensions: usize, name: &str) -> Result<Array2<f32>> {
    if dimensions == 0 || !vectors.len().is_multiple_of(dimensions) {
        fail!(Dimensions, "{name} has {} floats, which are no rows of {dimensions} dimensions", vectors.len());
    }
    if let Some(i) = vectors.iter().position(|x| !x.is_finite()) {
        fail!(InvalidArgument, "{name}: component {} of row {} is not a finite number", i % dimensions, i / dimensions);
    }
    let mut rows = Array2::zeros((vectors.len() / dimensions, dimensions));
    for (mut to, from) in rows.outer_iter_mut().zip(vectors.chunks_exact(dimensions)) {
        if from.iter().any(|&x| x != 0.0) {
            to.assign(&ArrayView1::from(&blob::unit(from)[..]));
        }
    }
    Ok(rows)
}

/// The largest coordinate.
fn extent(points: &[[f32; 2]]) -> f32 {
    points.iter().flatten().fold(0f32, |most, x| most.max(x.abs()))
}

/// Moves and scales the points into the square from -1 to 1: the middle of what they span is at 0, and neither axis is
/// stretched against the other.
fn fit_square(points: &mut [[f32; 2]]) {
    for axis in 0..2 {
        let values = points.iter().map(|point| point[axis]);
        let low = values.clone().fold(f32::INFINITY, f32::min);
        let high = values.fold(f32::NEG_INFINITY, f32::max);
        points.iter_mut().for_each(|point| point[axis] -= (low + high) / 2.0);
    }
    let extent = extent(points);
    if extent > 0.0 {
        points.iter_mut().flatten().for_each(|x| *x = (*x / extent).clamp(-1.0, 1.0));
    }
}
