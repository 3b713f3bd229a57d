//! Types that more than one group of functions uses.

use std::ffi::{c_char, c_void};

use crate::error::{Result, fail};
use crate::log::{Level, Log};

/// Text that the caller owns: UTF-8, `len` bytes, not necessarily NUL-terminated; NUL bytes are text like any other.
/// `ptr` may be NULL where `len` is 0. The library reads it during the call and keeps nothing of it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct qntx_embed_str {
    /// The first byte.
    pub ptr: *const c_char,
    /// How many bytes.
    pub len: usize,
}

impl qntx_embed_str {
    /// Points into `text`, which must live at least as long.
    pub(super) fn of(text: &str) -> Self {
        Self { ptr: text.as_ptr().cast(), len: text.len() }
    }

    /// # Safety
    /// `ptr` is NULL or points to `len` bytes that nobody writes to while the text is used.
    pub(super) unsafe fn text<'a>(self, name: &str) -> Result<&'a str> {
        // SAFETY: by this function's contract; c_char and u8 have the same layout.
        let bytes = unsafe { super::array(self.ptr.cast::<u8>(), self.len, name) }?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(e) => fail!(InvalidUtf8, "{name} is not valid UTF-8: the byte at {} is wrong", e.valid_up_to()),
        }
    }
}

/// Something did not work, and somebody should look at it.
pub const QNTX_EMBED_LOG_ERROR: u32 = 1;
/// It works, and is not as it should be: a file that is damaged or can only be read, what opens slowly, what ONNX Runtime
/// warns of.
pub const QNTX_EMBED_LOG_WARNING: u32 = 2;
/// What was done that is not done often: a model opened, a migration applied, an index built.
pub const QNTX_EMBED_LOG_INFO: u32 = 3;

/// Gets lines for the caller's log: one of `QNTX_EMBED_LOG_...`, later versions may add some, and a line of UTF-8 that is
/// valid during the call and has no text of anybody's in it. It is called on any thread, from several at once, until the
/// object is freed. It must not use that object, nor leave by an exception or longjmp.
pub type qntx_embed_log_function = Option<unsafe extern "C" fn(context: *mut c_void, level: u32, line: qntx_embed_str)>;

/// A caller's function and its context.
struct Sink(unsafe extern "C" fn(*mut c_void, u32, qntx_embed_str), *mut c_void);

// SAFETY: by the contract of `qntx_embed_log_function` the two are used from any thread.
unsafe impl Send for Sink {}
// SAFETY: as above, from several at once.
unsafe impl Sync for Sink {}

impl Sink {
    fn line(&self, level: Level, line: &str) {
        let level = match level {
            Level::Error => QNTX_EMBED_LOG_ERROR,
            Level::Warning => QNTX_EMBED_LOG_WARNING,
            Level::Info => QNTX_EMBED_LOG_INFO,
        };
        // SAFETY: the caller's own function and context, which by its contract outlive the object whose options these are.
        unsafe { (self.0)(self.1, level, qntx_embed_str::of(line)) };
    }
}

/// # Safety
/// The two are valid for as long as what gets the log.
pub(super) unsafe fn log(function: qntx_embed_log_function, context: *mut c_void) -> Log {
    match function {
        Some(function) => {
            let sink = Sink(function, context);
            Log::to(move |level, line| sink.line(level, line))
        }
        None => Log::default(),
    }
}

/// Fills a structure of the caller's, whose first field is its size: no more than that, and what it then says is how much
/// was filled. `oldest` is the least it must hold.
///
/// # Safety
/// `to` is NULL or points to a structure that starts with its size in bytes, as `size_t`, and is that large. `T` is
/// `repr(C)` and starts with that field.
pub(super) unsafe fn fill<T>(to: *mut T, oldest: usize, name: &str, mut value: T) -> Result<()> {
    // SAFETY: by this function's contract.
    let filled = unsafe { room(to, oldest, name) }?.min(size_of::<T>());
    // SAFETY: by this function's contract the first field is a size_t.
    unsafe { (&raw mut value).cast::<usize>().write(filled) };
    // SAFETY: both are at least `filled` bytes, and the caller's cannot overlap a local variable.
    unsafe { std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), to.cast::<u8>(), filled) };
    Ok(())
}

/// The size that a structure of the caller's says it has.
///
/// # Safety
/// As for [`fill`].
pub(super) unsafe fn room<T>(of: *const T, oldest: usize, name: &str) -> Result<usize> {
    if of.is_null() || !of.is_aligned() {
        fail!(InvalidArgument, "{name} is NULL or not aligned");
    }
    // SAFETY: not NULL and aligned; by this function's contract it starts with its size.
    let size = unsafe { of.cast::<usize>().read() };
    if size < oldest || size > 4096 {
        fail!(InvalidArgument, "{name}.size is {size}; set it to sizeof of the structure, {oldest} or more");
    }
    Ok(size)
}

/// The number of an options structure's bytes that the caller's header knows comes first in it. Newer fields are
/// zero, their default, for an older caller; a newer caller may only use with an older library what that knows.
///
/// # Safety
/// `options` is NULL or points to a structure whose first field is its size in bytes, as `size_t`, and which is that
/// large. `T` is `repr(C)`, starts with that field, and is valid when all its bytes are 0.
pub(super) unsafe fn read_options<T>(options: *const T, name: &str) -> Result<T> {
    let mut read = std::mem::MaybeUninit::<T>::zeroed();
    if !options.is_null() {
        if !options.is_aligned() {
            fail!(InvalidArgument, "{name} is not aligned");
        }
        // SAFETY: not NULL and aligned; the first field is a size_t.
        let size = unsafe { options.cast::<usize>().read() };
        if size < size_of::<usize>() || size > 4096 {
            fail!(
                InvalidArgument,
                "{name}.size is {size}; set it to sizeof of the structure ({} in this version) and the rest to 0",
                size_of::<T>()
            );
        }
        // SAFETY: the caller's structure is `size` bytes large.
        let bytes = unsafe { std::slice::from_raw_parts(options.cast::<u8>(), size) };
        let known = size.min(size_of::<T>());
        if bytes[known..].iter().any(|&b| b != 0) {
            fail!(
                InvalidArgument,
                "{name} sets a field that this version of the library ({}) does not know",
                env!("CARGO_PKG_VERSION")
            );
        }
        // SAFETY: `read` has size_of::<T>() bytes, at least `known`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), read.as_mut_ptr().cast(), known) };
    }
    // SAFETY: all bytes are zero or the caller's; by this function's contract any such T is valid.
    Ok(unsafe { read.assume_init() })
}

/// The structures of an array, each of which starts with its size, all with the same; they lie that far apart.
///
/// # Safety
/// As for [`read_options`], for `count` structures one after another.
pub(super) unsafe fn read_array<T>(first: *const T, count: usize, name: &str) -> Result<Vec<T>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if first.is_null() {
        fail!(InvalidArgument, "{name} is NULL, but its length is {count}");
    }
    if !first.is_aligned() {
        fail!(InvalidArgument, "{name} is not aligned");
    }
    // SAFETY: not NULL and aligned; the first field is a size_t.
    let size = unsafe { first.cast::<usize>().read() };
    if count > isize::MAX as usize / size.max(size_of::<T>()) {
        fail!(InvalidArgument, "{name} has a length of {count}, more than memory can hold");
    }
    let mut all = Vec::new();
    // A number that is none of an array must not end the process.
    if all.try_reserve_exact(count).is_err() {
        fail!(InvalidArgument, "{name} has a length of {count}, more than memory can hold");
    }
    for i in 0..count {
        let name = format!("{name}[{i}]");
        // SAFETY: by this function's contract the structures lie `size` bytes apart; the first is at `first`.
        let place = unsafe { first.byte_add(i * size) };
        // SAFETY: by this function's contract.
        all.push(unsafe { read_options(place, &name) }?);
        // SAFETY: `read_options` has found the place aligned, and its first field is a size_t.
        let own = unsafe { place.cast::<usize>().read() };
        if own != size {
            fail!(InvalidArgument, "{name}.size is {own}, that of the first is {size}; all are of one size");
        }
    }
    Ok(all)
}
