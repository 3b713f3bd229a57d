//! Statuses and error objects.

use std::ffi::{CString, c_char};

use super::object::{Object, free, known};
use crate::error::{Code, Error};

/// What a function says of its call. The numbers never change and are never reused; later versions may add some, so
/// treat one that is unknown as a failure.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum qntx_embed_status {
    /// It worked.
    Ok = 0,
    /// An argument is not what the function takes.
    InvalidArgument = 1,
    /// The model directory, or a file that it must have, is not there.
    ModelNotFound = 2,
    /// A file of the model is damaged or contradicts another.
    ModelInvalid = 3,
    /// The model is well formed, but of a kind that this library does not run.
    ModelUnsupported = 4,
    /// No ONNX Runtime library was found, or it could not be loaded.
    RuntimeNotFound = 5,
    /// The ONNX Runtime that was found is too old.
    RuntimeVersion = 6,
    /// A text is empty where that is refused.
    EmptyText = 7,
    /// A text has more tokens than the model takes, and truncation was not allowed.
    TooLong = 8,
    /// A text is not valid UTF-8.
    InvalidUtf8 = 9,
    /// A vector, buffer or option has the wrong number of dimensions.
    Dimensions = 10,
    /// The queue is full; try again later.
    Overloaded = 11,
    /// The caller cancelled the call.
    Cancelled = 12,
    /// There is no such row.
    NotFound = 13,
    /// The database file could not be opened, read or written.
    Store = 14,
    /// The database is of another version: a newer library's, the original system's, or, to migrate, this one's already.
    StoreVersion = 15,
    /// The operating system refused to read or write a file.
    Io = 16,
    /// ONNX Runtime failed while it ran the model.
    Inference = 17,
    /// A bug in this library; please report the message.
    Internal = 18,
}

impl From<Code> for qntx_embed_status {
    fn from(code: Code) -> Self {
        match code {
            Code::InvalidArgument => Self::InvalidArgument,
            Code::ModelNotFound => Self::ModelNotFound,
            Code::ModelInvalid => Self::ModelInvalid,
            Code::ModelUnsupported => Self::ModelUnsupported,
            Code::RuntimeNotFound => Self::RuntimeNotFound,
            Code::RuntimeVersion => Self::RuntimeVersion,
            Code::EmptyText => Self::EmptyText,
            Code::TooLong => Self::TooLong,
            Code::InvalidUtf8 => Self::InvalidUtf8,
            Code::Dimensions => Self::Dimensions,
            Code::Overloaded => Self::Overloaded,
            Code::Cancelled => Self::Cancelled,
            Code::NotFound => Self::NotFound,
            Code::Store => Self::Store,
            Code::StoreVersion => Self::StoreVersion,
            Code::Io => Self::Io,
            Code::Inference => Self::Inference,
            Code::Internal => Self::Internal,
        }
    }
}

/// Why a call failed. Made by the call, owned by the caller, freed with `qntx_embed_error_free`. It never changes, so
/// any thread may read it, also another than the one that made the call.
#[cfg_attr(all(), repr(C))]
pub struct qntx_embed_error {
    pub(super) mark: u64,
    status: qntx_embed_status,
    message: CString,
}

impl qntx_embed_error {
    pub(super) fn boxed(error: &Error) -> *mut Self {
        // A message can quote a text that has a NUL in it; C would stop reading there.
        let message = CString::new(error.message().replace('\0', "\\0")).unwrap_or_default();
        Self { mark: Self::MARK, status: error.code().into(), message }.give()
    }
}

/// The status that the failed call returned; `QNTX_EMBED_STATUS_OK` for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn qntx_embed_error_status(error: Option<&qntx_embed_error>) -> qntx_embed_status {
    known(error).map_or(qntx_embed_status::Ok, |e| e.status)
}

/// The message: UTF-8, NUL-terminated, never NULL, valid until the error is freed; "" for NULL. It names what was
/// wrong, what was expected and what to do, and is meant for people: its wording may change.
#[unsafe(no_mangle)]
pub extern "C" fn qntx_embed_error_message(error: Option<&qntx_embed_error>) -> *const c_char {
    known(error).map_or(c"".as_ptr(), |e| e.message.as_ptr())
}

/// Frees an error. NULL is fine.
///
/// # Safety
/// `error` came from a call of this library and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_error_free(error: *mut qntx_embed_error) {
    // SAFETY: by this function's contract.
    unsafe { free(error) };
}
