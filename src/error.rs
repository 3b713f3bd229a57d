//! The one error of the library: a stable code for programs and a sentence for people.

use std::fmt;

/// What kind of thing went wrong. The numbers are part of the C ABI: they never change and are never reused.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
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

/// What went wrong: the [`Code`] is for programs, the message names the thing, what was found, what was expected and
/// the way out.
#[derive(Clone, Debug)]
pub struct Error {
    code: Code,
    message: String,
}

/// The result of every fallible function here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The kind of the error.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence for people, without the code.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// `fail!(ModelInvalid, "…{}", x)` is `Err(Error::new(Code::ModelInvalid, format!(…)))`, returned.
macro_rules! fail {
    ($code:ident, $($arg:tt)*) => {
        return Err($crate::error::Error::new($crate::error::Code::$code, format!($($arg)*)))
    };
}
pub(crate) use fail;

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn codes_keep_their_numbers() {
        let numbers = [
            (Code::InvalidArgument, 1),
            (Code::ModelNotFound, 2),
            (Code::ModelInvalid, 3),
            (Code::ModelUnsupported, 4),
            (Code::RuntimeNotFound, 5),
            (Code::RuntimeVersion, 6),
            (Code::EmptyText, 7),
            (Code::TooLong, 8),
            (Code::InvalidUtf8, 9),
            (Code::Dimensions, 10),
            (Code::Overloaded, 11),
            (Code::Cancelled, 12),
            (Code::NotFound, 13),
            (Code::Store, 14),
            (Code::StoreVersion, 15),
            (Code::Io, 16),
            (Code::Inference, 17),
            (Code::Internal, 18),
        ];
        for (code, number) in numbers {
            assert_eq!(code as i32, number, "{code:?}");
        }
    }
}
