//! The C ABI: every exported function. Each body is one call inward, behind [`boundary`].
//!
//! Types here bear the names that C sees, and their comments are the header's: `include/qntx_embed.h` is generated
//! from this folder and compared in the tests.
#![allow(non_camel_case_types, reason = "the names are those of the header")]

mod blob;
mod chunks;
mod error;
mod manifest;
mod model;
mod object;
mod pending;
mod projection;
mod reindex;
mod rows;
mod search;
mod store;
mod types;
mod upkeep;

pub use blob::*;
pub use chunks::*;
pub use error::*;
pub use manifest::*;
pub use model::*;
pub use pending::*;
pub use projection::*;
pub use reindex::*;
pub use rows::*;
pub use search::*;
pub use store::*;
pub use types::*;
pub use upkeep::*;

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use object::{Object, free, known};

use crate::error::{Code, Error, Result, fail};
use crate::schedule::CancelToken;

/// The ABI's number: it changes only when a program that was built for an older one would break.
pub const QNTX_EMBED_ABI_VERSION: u32 = 0;

/// The ABI's number in the library that is loaded. A program compares it with `QNTX_EMBED_ABI_VERSION` of the header
/// that it was compiled with. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn qntx_embed_abi_version() -> u32 {
    QNTX_EMBED_ABI_VERSION
}

/// Exists under this name as long as the ABI's number is 0. A program that names it fails at link time, or when it
/// starts, where the library has another ABI. Gives the same as `qntx_embed_abi_version`.
#[unsafe(no_mangle)]
pub extern "C" fn qntx_embed_abi_0() -> u32 {
    QNTX_EMBED_ABI_VERSION
}

/// The library's version, such as "0.1.0": NUL-terminated, static, not to be freed. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn qntx_embed_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Runs the body of an exported function: a panic becomes a status, an error goes to `*error` where the caller wants
/// it, and `*error` is NULL after success.
///
/// # Safety
/// `error` is NULL or points to a place for a pointer.
unsafe fn boundary(error: *mut *mut qntx_embed_error, body: impl FnOnce() -> Result<()>) -> qntx_embed_status {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("no message");
        Err(Error::new(Code::Internal, format!("a bug in libqntx_embed, please report it: {text}")))
    });
    let (status, object) = match result {
        Ok(()) => (qntx_embed_status::Ok, std::ptr::null_mut()),
        Err(e) => (qntx_embed_status::from(e.code()), qntx_embed_error::boxed(&e)),
    };
    if error.is_null() {
        // SAFETY: the object was made above, and nobody else has it.
        unsafe { free(object) };
    } else {
        // SAFETY: by this function's contract.
        unsafe { error.write(object) };
    }
    status
}

/// The reference behind a handle, or an error that names it.
fn handle<'a, T: Object>(handle: Option<&'a T>, name: &str) -> Result<&'a T> {
    if handle.is_none() {
        fail!(InvalidArgument, "{name} is NULL");
    }
    match known(handle) {
        Some(handle) => Ok(handle),
        None => fail!(InvalidArgument, "{name} is no {}: it was freed, or is a handle of another kind", T::NAME),
    }
}

/// The token of an options structure, which may be NULL.
///
/// # Safety
/// `cancel` is NULL or not yet freed.
unsafe fn token<'a>(cancel: *const qntx_embed_cancel) -> Result<Option<&'a CancelToken>> {
    // SAFETY: by this function's contract.
    let cancel = unsafe { cancel.as_ref() };
    cancel.map(|cancel| Ok(&handle(Some(cancel), "options.cancel")?.token)).transpose()
}

/// An out-parameter, set to NULL until the function succeeds.
///
/// # Safety
/// `out` is NULL or points to a place for a pointer, for as long as the result is used.
unsafe fn out_pointer<'a, T>(out: *mut *mut T, name: &str) -> Result<&'a mut *mut T> {
    // SAFETY: by this function's contract; a pointer has no invalid values.
    match unsafe { out.as_mut() } {
        Some(out) => {
            *out = std::ptr::null_mut();
            Ok(out)
        }
        None => fail!(InvalidArgument, "{name} is NULL: there is no place for the result"),
    }
}

/// A flag of a structure: 0 or 1, so that other values can get a meaning.
fn flag(value: u32, name: &str) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => fail!(InvalidArgument, "{name} is {value}, not 0 or 1"),
    }
}

/// An array given by pointer and length; NULL is fine where the length is 0.
///
/// # Safety
/// `ptr` is NULL or points to `len` values that nobody writes to while the slice is used.
unsafe fn array<'a, T>(ptr: *const T, len: usize, name: &str) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    check_array(ptr, len, name)?;
    // SAFETY: not NULL, aligned, not longer than memory can be; the rest by this function's contract.
    Ok(unsafe { std::slice::from_raw_parts(ptr, len) })
}

/// A buffer of the caller's to write to.
///
/// # Safety
/// `ptr` is NULL or points to `len` values that nobody else uses while the slice is used.
unsafe fn buffer<'a, T>(ptr: *mut T, len: usize, name: &str) -> Result<&'a mut [T]> {
    if len == 0 {
        return Ok(&mut []);
    }
    check_array(ptr.cast_const(), len, name)?;
    // SAFETY: as in `array`; the values are numbers, for which every bit pattern is valid.
    Ok(unsafe { std::slice::from_raw_parts_mut(ptr, len) })
}

fn check_array<T>(ptr: *const T, len: usize, name: &str) -> Result<()> {
    if ptr.is_null() {
        fail!(InvalidArgument, "{name} is NULL, but its length is {len}");
    }
    if !ptr.is_aligned() {
        fail!(InvalidArgument, "{name} is not aligned to {} bytes", align_of::<T>());
    }
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        fail!(InvalidArgument, "{name} has a length of {len}, more than memory can hold");
    }
    Ok(())
}
