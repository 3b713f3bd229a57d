//! Vectors as points of a plane.

use std::ffi::c_void;

use super::types::read_options;
use super::{array, boundary, buffer, qntx_embed_cancel, qntx_embed_error, qntx_embed_status};
use crate::error::{Result, fail};
use crate::projection::{self, ProjectOptions};
use crate::schedule::Progress;

/// How to project. Set all to 0, then `size`, then what should differ.
#[repr(C)]
pub struct qntx_embed_project_options {
    /// `sizeof(qntx_embed_project_options)`.
    pub size: usize,
    /// NULL, or what ends the call from another thread with `QNTX_EMBED_STATUS_CANCELLED`. Must live as long as the call.
    pub cancel: *const qntx_embed_cancel,
    /// NULL, or a function that is told how many steps of how many are done, on the thread that makes the call. It must
    /// not leave by an exception or longjmp.
    pub progress: Option<unsafe extern "C" fn(context: *mut c_void, done: usize, total: usize)>,
    /// Given to `progress`.
    pub progress_context: *mut c_void,
}

/// Makes a map: `count` vectors of `dimensions` floats, end to end, become points of a plane, on which what means the same
/// lies together. `points` gets two floats for each, so `points_len` must be 2 * `count`; the points lie in the square from -1
/// to 1. Vectors are taken at unit length; a zero vector stays zero.
///
/// Principal components, then t-SNE. The same vectors have the same map on the same kind of processor. One thread computes, for
/// seconds where there are 10,000 vectors; what is in `points` after a failure is not said. `options` may be NULL. Any thread.
///
/// # Safety
/// `vectors` points to `count` times `dimensions` floats, `points` to `points_len`; `options` is NULL or valid as its type
/// says; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_project(
    vectors: *const f32,
    count: usize,
    dimensions: usize,
    options: *const qntx_embed_project_options,
    points: *mut f32,
    points_len: usize,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let options: qntx_embed_project_options = unsafe { read_options(options, "options") }?;
        // SAFETY: by this function's contract.
        let (vectors, cancel) = unsafe { (matrix(vectors, count, dimensions)?, options.cancel.as_ref()) };
        if points_len / 2 != count || !points_len.is_multiple_of(2) {
            fail!(Dimensions, "points_len is {points_len} for {count} vectors; expected two floats for each");
        }
        // SAFETY: by this function's contract.
        let to = unsafe { buffer(points, points_len, "points") }?;
        let progress: &Progress<'_> = &|done, total| {
            if let Some(progress) = options.progress {
                // SAFETY: the caller's own function and context, called on the caller's thread.
                unsafe { progress(options.progress_context, done, total) };
            }
        };
        let options = ProjectOptions {
            cancel: cancel.map(|cancel| &cancel.token),
            progress: options.progress.is_some().then_some(progress),
        };
        let found = projection::project(vectors, dimensions, &options)?;
        to.copy_from_slice(found.as_flattened());
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Says where another vector lies on a map that `qntx_embed_project` has made, without making it anew: between the points of
/// its nearest vectors, the nearer the more they count; the vector of a point lies on that point. `vectors` and `points` are
/// those of the map, which has one point at least; `vector` has `dimensions` floats, and `point` gets two. Takes as long as
/// comparing `vector` with all of them. Any thread.
///
/// # Safety
/// `vectors` points to `count` times `dimensions` floats, `points` to twice `count`, `vector` to `dimensions`, `point` to two;
/// `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_project_place(
    vectors: *const f32,
    count: usize,
    dimensions: usize,
    points: *const f32,
    vector: *const f32,
    point: *mut f32,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let Some(floats) = count.checked_mul(2) else {
            fail!(InvalidArgument, "points has a length of 2 * {count}, more than memory can hold");
        };
        // SAFETY: by this function's contract.
        let (vectors, points, vector, to) = unsafe {
            (
                matrix(vectors, count, dimensions)?,
                array(points, floats, "points")?,
                array(vector, dimensions, "vector")?,
                buffer(point, 2, "point")?,
            )
        };
        to.copy_from_slice(&projection::place(vectors, dimensions, points.as_chunks().0, vector)?);
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Rows of floats end to end.
///
/// # Safety
/// `vectors` points to `count` times `dimensions` floats that nobody writes to while they are used.
unsafe fn matrix<'a>(vectors: *const f32, count: usize, dimensions: usize) -> Result<&'a [f32]> {
    let Some(floats) = count.checked_mul(dimensions) else {
        fail!(InvalidArgument, "vectors has a length of {count} * {dimensions}, more than memory can hold");
    };
    // SAFETY: by this function's contract.
    unsafe { array(vectors, floats, "vectors") }
}
