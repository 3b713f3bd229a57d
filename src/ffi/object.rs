//! What C holds by a pointer: each object begins with a word that says what it is, until it is freed.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// An object that C holds by a pointer.
///
/// The `repr(C)` is written as `cfg_attr(all(), repr(C))`: cbindgen does not see it there, and C does not see the fields.
///
/// # Safety
/// It is `repr(C)`; its first field is a `u64` that was [`Object::MARK`] when the object was made, and that nobody writes to.
pub(super) unsafe trait Object: Sized {
    /// Its name in the header.
    const NAME: &str;
    /// What its first word is. No other type has the same.
    const MARK: u64;

    /// The pointer that C gets. [`free`] takes it back.
    fn give(self) -> *mut Self {
        Box::into_raw(Box::new(self))
    }
}

/// The object, unless it can be told that it was freed, or is of another type: then it counts as NULL. What lies in
/// memory that was freed nobody knows, so this finds mistakes, and proves nothing.
pub(super) fn known<T: Object>(object: Option<&T>) -> Option<&T> {
    object.filter(|object| {
        let word = std::ptr::from_ref(*object).cast::<u64>();
        // SAFETY: by the trait's contract an object begins with a u64. Volatile: what is looked for here is what the compiler
        // may take for impossible.
        word.is_aligned() && unsafe { word.read_volatile() } == T::MARK
    })
}

/// Frees what [`Object::give`] gave. Does nothing for NULL, and where it can be told that it is no such object any more.
///
/// # Safety
/// `object` is NULL or came from `give`, was not freed before, and nobody uses it.
pub(super) unsafe fn free<T: Object>(object: *mut T) {
    // SAFETY: by this function's contract, for a pointer that can be one.
    if !object.is_aligned() || known(unsafe { object.as_ref() }).is_none() {
        return;
    }
    // SAFETY: the object begins with this word. Volatile, because it is written for those who should not read it.
    unsafe { object.cast::<u64>().write_volatile(0) };
    // SAFETY: by this function's contract it is a box that `give` let go of.
    let object = unsafe { Box::from_raw(object) };
    // A panic of a destructor must not leave the library; there is nobody to tell.
    let _ = catch_unwind(AssertUnwindSafe(move || drop(object)));
}

/// Makes types of this folder objects, each with the eight letters that mark it.
macro_rules! objects {
    ($($name:ident $mark:literal)*) => {$(
        const _: () = assert!(std::mem::offset_of!(super::$name, mark) == 0);
        // SAFETY: the type is repr(C) in its file, `mark` is its first field (asserted above), and set where it is made.
        unsafe impl Object for super::$name {
            const NAME: &str = stringify!($name);
            const MARK: u64 = u64::from_ne_bytes(*$mark);
        }
    )*};
}

objects! {
    qntx_embed_model b"qe model"
    qntx_embed_store b"qe store"
    qntx_embed_cancel b"qecancel"
    qntx_embed_error b"qe error"
    qntx_embed_rows b"qe  rows"
    qntx_embed_text b"qe  text"
    qntx_embed_chunks b"qechunks"
    qntx_embed_call b"qe  call"
    qntx_embed_completions b"qecomplt"
}
