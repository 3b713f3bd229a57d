//! Vectors as blobs, and their similarity.

use super::{array, boundary, buffer, qntx_embed_error, qntx_embed_status};
use crate::blob;
use crate::error::{Result, fail};

/// Bytes that the library owns until `qntx_embed_blob_free`.
#[repr(C)]
pub struct qntx_embed_blob {
    /// The first byte; NULL for an empty blob.
    pub data: *mut u8,
    /// How many bytes.
    pub len: usize,
}

/// Writes a vector as FLOAT32_BLOB: 4 little-endian bytes for each component, as SQLite tables and sqlite-vec hold it.
/// `*blob` is the caller's to free with `qntx_embed_blob_free`; it is empty after a failure. Any thread.
///
/// # Safety
/// `vector` points to `dimensions` floats, `blob` to a place for a blob, `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_blob_serialize(
    vector: *const f32,
    dimensions: usize,
    blob: *mut qntx_embed_blob,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        if blob.is_null() {
            fail!(InvalidArgument, "blob is NULL: there is no place for the result");
        }
        // SAFETY: not NULL; a place by this function's contract.
        unsafe { blob.write(qntx_embed_blob { data: std::ptr::null_mut(), len: 0 }) };
        // SAFETY: by this function's contract.
        let bytes = blob::to_bytes(unsafe { array(vector, dimensions, "vector") }?).into_boxed_slice();
        let len = bytes.len();
        if len > 0 {
            let data = Box::into_raw(bytes).cast::<u8>();
            // SAFETY: as above.
            unsafe { blob.write(qntx_embed_blob { data, len }) };
        }
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Reads a FLOAT32_BLOB of `len` bytes into `vector`, which has room for `dimensions` floats: `len` must be
/// 4 * `dimensions` (`QNTX_EMBED_STATUS_DIMENSIONS` otherwise, or `_INVALID_ARGUMENT` where it is no multiple of 4).
/// Any thread.
///
/// # Safety
/// `data` points to `len` bytes, `vector` to `dimensions` floats, `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_blob_deserialize(
    data: *const u8,
    len: usize,
    vector: *mut f32,
    dimensions: usize,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let (bytes, to) = unsafe { (array(data, len, "data")?, buffer(vector, dimensions, "vector")?) };
        let from = blob::from_bytes(bytes)?;
        if from.len() != to.len() {
            fail!(Dimensions, "the blob holds {} dimensions, the buffer has room for {}", from.len(), to.len());
        }
        to.copy_from_slice(&from);
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Frees what `qntx_embed_blob_serialize` gave and empties `*blob`, so that a second call does nothing. NULL is fine.
///
/// # Safety
/// `blob` is NULL or points to a blob that `qntx_embed_blob_serialize` filled, or to an empty one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_blob_free(blob: *mut qntx_embed_blob) {
    // SAFETY: by this function's contract.
    let Some(blob) = (unsafe { blob.as_mut() }) else { return };
    if !blob.data.is_null() {
        // SAFETY: `data` and `len` are those of a boxed slice that `qntx_embed_blob_serialize` let go of.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(blob.data, blob.len)) });
    }
    *blob = qntx_embed_blob { data: std::ptr::null_mut(), len: 0 };
}

/// Cosine similarity of two vectors of finite numbers, from -1 to 1; 0 where one of them is zero. Any thread.
///
/// # Safety
/// `a` and `b` point to `dimensions` floats each, `similarity` to one, `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_similarity(
    a: *const f32,
    b: *const f32,
    dimensions: usize,
    similarity: *mut f32,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let (a, b) = unsafe { (array(a, dimensions, "a")?, array(b, dimensions, "b")?) };
        // SAFETY: by this function's contract.
        let Some(place) = (unsafe { buffer(similarity, 1, "similarity") }?).first_mut() else { return Ok(()) };
        *place = blob::similarity(a, b)?;
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}
