//! What crosses the C ABI, as C passes it: pointers, lengths, objects, structures of older and newer headers. Without ONNX Runtime
//! and SQLite, so that miri can run it (`make test-miri`); the programs in tests/c have all the rest.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::ffi::{CStr, c_void};
use std::mem::{size_of, zeroed};
use std::ptr::{null, null_mut};

use qntx_embed::ffi::*;

/// The status of a call and its message, which must agree; frees the error.
fn said(status: qntx_embed_status, error: *mut qntx_embed_error) -> (qntx_embed_status, String) {
    // SAFETY: an error of the library's, or NULL.
    unsafe {
        assert_eq!(qntx_embed_error_status(error.as_ref()), status);
        let message = CStr::from_ptr(qntx_embed_error_message(error.as_ref())).to_str().unwrap().to_owned();
        assert_eq!(message.is_empty(), status == qntx_embed_status::Ok, "{message}");
        qntx_embed_error_free(error);
        (status, message)
    }
}

/// Makes a call with a place for its error.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {{
        let mut error = null_mut();
        // SAFETY: the test lends what the function asks for.
        let status = unsafe { $function($($argument,)* &mut error) };
        said(status, error)
    }};
}

fn ok(said: (qntx_embed_status, String)) {
    assert_eq!(said.0, qntx_embed_status::Ok, "{}", said.1);
}

fn refused(said: (qntx_embed_status, String), status: qntx_embed_status, why: &str) {
    assert_eq!(said.0, status, "{}", said.1);
    assert!(said.1.contains(why), "{}", said.1);
}

#[test]
fn blobs_are_made_read_and_freed() {
    let vector = [1.0f32, -0.5, 0.25];
    // SAFETY: a structure of a pointer and a number.
    let mut blob: qntx_embed_blob = unsafe { zeroed() };
    ok(call!(qntx_embed_blob_serialize(vector.as_ptr(), vector.len(), &mut blob)));
    assert_eq!(blob.len, 12);
    let mut back = [0.0f32; 3];
    ok(call!(qntx_embed_blob_deserialize(blob.data, blob.len, back.as_mut_ptr(), back.len())));
    assert_eq!(back, vector);
    refused(
        call!(qntx_embed_blob_deserialize(blob.data, blob.len, back.as_mut_ptr(), 2)),
        qntx_embed_status::Dimensions,
        "3 dimensions",
    );
    // The bytes may lie anywhere.
    let mut moved = vec![0u8; blob.len + 1];
    // SAFETY: the blob's own bytes.
    moved[1..].copy_from_slice(unsafe { std::slice::from_raw_parts(blob.data, blob.len) });
    ok(call!(qntx_embed_blob_deserialize(moved[1..].as_ptr(), blob.len, back.as_mut_ptr(), back.len())));
    // SAFETY: the library's blob; freed twice, which is fine.
    unsafe {
        qntx_embed_blob_free(&mut blob);
        qntx_embed_blob_free(&mut blob);
        qntx_embed_blob_free(null_mut());
    }
    ok(call!(qntx_embed_blob_serialize(null(), 0, &mut blob)));
    assert!(blob.data.is_null() && blob.len == 0);
}

#[test]
fn arrays_are_refused_that_cannot_be_one() {
    let vector = [1.0f32, 0.0];
    let mut similarity = 0.0f32;
    ok(call!(qntx_embed_similarity(vector.as_ptr(), vector.as_ptr(), 2, &mut similarity)));
    assert_eq!(similarity, 1.0);
    let mut compare = |a: *const f32, dimensions, why| {
        let said = call!(qntx_embed_similarity(a, vector.as_ptr(), dimensions, &mut similarity));
        refused(said, qntx_embed_status::InvalidArgument, why);
    };
    compare(null(), 2, "a is NULL");
    compare(vector.as_ptr(), usize::MAX, "more than memory can hold");
    compare(vector.as_ptr().cast::<u8>().wrapping_add(1).cast(), 1, "not aligned");
    compare([f32::NAN, 0.0].as_ptr(), 2, "not a finite number");
    // Without a place for the error nothing is lost, and nothing is left over.
    // SAFETY: NULL is what the function says it refuses.
    let status = unsafe { qntx_embed_similarity(null(), null(), 1, &mut similarity, null_mut()) };
    assert_eq!(status, qntx_embed_status::InvalidArgument);
}

#[test]
fn handles_are_known_and_freed_from_any_thread() {
    let mut token = null_mut();
    ok(call!(qntx_embed_cancel_new(&mut token)));
    assert!(!token.is_null());
    // SAFETY: it lives until the end of this test.
    let lent = unsafe { token.as_ref() };
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| qntx_embed_cancel_now(lent));
        }
    });
    // SAFETY: all 0 is a value of it.
    let mut options: qntx_embed_project_options = unsafe { zeroed() };
    options.size = size_of::<qntx_embed_project_options>();
    options.cancel = token;
    let (vectors, mut points) = ([1.0f32, 0.0, 0.0, 1.0], [0.0f32; 4]);
    let said = call!(qntx_embed_project(vectors.as_ptr(), 2, 2, &options, points.as_mut_ptr(), 4));
    assert_eq!(said.0, qntx_embed_status::Cancelled, "{}", said.1);
    // SAFETY: the library's token, freed once; NULL.
    unsafe {
        qntx_embed_cancel_free(token);
        qntx_embed_cancel_free(null_mut());
        qntx_embed_error_free(null_mut());
    }
}

#[test]
fn a_queue_without_calls_has_a_descriptor_and_nothing_to_take() {
    let mut queue = null_mut();
    ok(call!(qntx_embed_completions_new(&mut queue)));
    let mut tags = [7u64; 3];
    // SAFETY: it lives until it is freed below, once; room for three numbers, or for none.
    unsafe {
        let lent = queue.as_ref();
        assert!(qntx_embed_completions_descriptor(lent) >= 0);
        assert_eq!(qntx_embed_completions_take(lent, tags.as_mut_ptr(), tags.len()), 0);
        assert_eq!(qntx_embed_completions_take(lent, null_mut(), 0), 0);
        assert_eq!(qntx_embed_completions_take(lent, null_mut(), 3), 0);
        qntx_embed_completions_free(queue);
    }
    assert_eq!(tags, [7; 3]);
}

unsafe extern "C" fn count(context: *mut c_void, done: usize, total: usize) {
    assert!(done <= total);
    // SAFETY: the test's own number, on the test's own thread.
    unsafe { *context.cast::<usize>() += 1 };
}

#[test]
fn structures_of_other_headers_are_read_as_far_as_they_go() {
    /// What a header of later has: zero means what it meant before.
    #[repr(C)]
    struct Later {
        known: qntx_embed_project_options,
        new: u64,
    }
    let (vectors, mut points) = ([1.0f32, 0.0, 0.0, 1.0, 0.6, 0.8], [0.0f32; 6]);
    let mut told = 0usize;
    // SAFETY: all 0 is a value of it.
    let mut later: Later = unsafe { zeroed() };
    later.known.size = size_of::<Later>();
    later.known.progress = Some(count);
    later.known.progress_context = (&raw mut told).cast();
    let mut project = |later: &Later, count: usize| {
        let options = (&raw const *later).cast();
        call!(qntx_embed_project(vectors.as_ptr(), count, 2, options, points.as_mut_ptr(), 2 * count))
    };
    ok(project(&later, 3));
    later.new = 1;
    refused(project(&later, 3), qntx_embed_status::InvalidArgument, "options");
    // As far as `cancel`, which is all that there was once.
    later.known.size = 2 * size_of::<usize>();
    ok(project(&later, 3));
    later.known.size = 3;
    refused(project(&later, 3), qntx_embed_status::InvalidArgument, "size");
    assert!(told > 0);

    let mut point = [0.0f32; 2];
    ok(call!(qntx_embed_project_place(
        vectors.as_ptr(),
        3,
        2,
        points.as_ptr(),
        [0.6f32, 0.8].as_ptr(),
        point.as_mut_ptr()
    )));
    assert_eq!(point, points[4..]);
}

#[test]
fn null_is_refused_by_name_or_means_nothing() {
    let mut out = null_mut();
    for (said, why) in [
        (call!(qntx_embed_store_get(None, qntx_embed_str { ptr: null(), len: 0 }, &mut out)), "store is NULL"),
        (call!(qntx_embed_cancel_new(null_mut())), "NULL"),
        (call!(qntx_embed_completions_new(null_mut())), "NULL"),
        (call!(qntx_embed_call_wait(None, null_mut(), 0, null_mut())), "call is NULL"),
    ] {
        refused(said, qntx_embed_status::InvalidArgument, why);
    }
    assert!(out.is_null());
    qntx_embed_cancel_now(None);
    // SAFETY: NULL is what these take.
    unsafe {
        qntx_embed_model_free(null_mut());
        qntx_embed_store_free(null_mut());
        qntx_embed_rows_free(null_mut());
        qntx_embed_text_free(null_mut());
        qntx_embed_chunks_free(null_mut());
        qntx_embed_call_free(null_mut());
        qntx_embed_completions_free(null_mut());
    }
    let mut tag = 7;
    // SAFETY: NULL is what these take; a place for one number.
    unsafe {
        assert_eq!(qntx_embed_completions_descriptor(None), -1);
        assert_eq!((qntx_embed_completions_take(None, &mut tag, 1), tag), (0, 7));
    }
    // SAFETY: static, and NUL-terminated.
    let version = unsafe { CStr::from_ptr(qntx_embed_version()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    assert_eq!(qntx_embed_abi_version(), QNTX_EMBED_ABI_VERSION);
}
