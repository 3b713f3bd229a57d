//! Manifests: sizes and hashes of a model directory's files.

use std::ffi::c_char;
use std::path::Path;

use super::types::{fill, room};
use super::{boundary, qntx_embed_error, qntx_embed_status, qntx_embed_str};
use crate::error::Result;
use crate::model::manifest::{self, Summary};

/// What a manifest says. Set `size` before the call; a newer library fills only what an older caller's `size` holds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct qntx_embed_manifest_info {
    /// `sizeof(qntx_embed_manifest_info)`, set by the caller.
    pub size: usize,
    /// Files that are listed.
    pub files: usize,
    /// The fingerprint of the model, opened without options: NUL-terminated.
    pub fingerprint: [c_char; 65],
}

/// Writes `qntx-embed.sha256.json` into a model directory, in place of one that is there: the sizes and hashes of the files
/// that the model is read from, and of its ONNX file where there is one. A directory that could not be opened gets none.
/// `info` may be NULL. Needs no ONNX Runtime. Any thread.
///
/// # Safety
/// `directory` is valid; `info` is NULL or points to a structure of `info->size` bytes; `error` is NULL or points to a
/// place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_manifest_write(
    directory: qntx_embed_str,
    info: *mut qntx_embed_manifest_info,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    // SAFETY: by this function's contract.
    unsafe { summary(manifest::write, directory, info, error) }
}

/// Compares a model directory with its `qntx-embed.sha256.json`. Without one the status is
/// `QNTX_EMBED_STATUS_MODEL_NOT_FOUND`; where a file is missing, is another, or would be used and is not listed, it is
/// `QNTX_EMBED_STATUS_MODEL_INVALID`, and the message names all that are not as listed. `info` may be NULL. Needs no ONNX
/// Runtime. Any thread.
///
/// # Safety
/// `directory` is valid; `info` is NULL or points to a structure of `info->size` bytes; `error` is NULL or points to a
/// place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_manifest_check(
    directory: qntx_embed_str,
    info: *mut qntx_embed_manifest_info,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    // SAFETY: by this function's contract.
    unsafe { summary(manifest::check, directory, info, error) }
}

/// # Safety
/// As for the two functions above.
unsafe fn summary(
    work: fn(&Path) -> Result<Summary>,
    directory: qntx_embed_str,
    info: *mut qntx_embed_manifest_info,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let directory = unsafe { directory.text("directory") }?;
        // All fields are of version 0.1.
        let oldest = size_of::<qntx_embed_manifest_info>();
        if !info.is_null() {
            // Before anything is written. SAFETY: by this function's contract.
            unsafe { room(info, oldest, "info") }?;
        }
        let Summary { files, fingerprint } = work(Path::new(directory))?;
        if info.is_null() {
            return Ok(());
        }
        let mut filled = qntx_embed_manifest_info { size: 0, files, fingerprint: [0; 65] };
        for (to, from) in filled.fingerprint[..64].iter_mut().zip(fingerprint.bytes()) {
            *to = from as c_char;
        }
        // SAFETY: by this function's contract.
        unsafe { fill(info, oldest, "info", filled) }
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}
