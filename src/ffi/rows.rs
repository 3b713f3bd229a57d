//! Rows that a call gives, and texts.

use std::ffi::{CString, c_char};

use super::object::{Object, free, known};
use super::qntx_embed_str;
use crate::store::{Found, Hit, Row};

/// A stored row, and how it was found. Lives as long as the `qntx_embed_rows` that has it.
#[repr(C)]
pub struct qntx_embed_row {
    /// UUIDv7, given when the row was first stored, or what the caller gave then.
    pub id: qntx_embed_str,
    /// What kind of thing the text comes from.
    pub source_type: qntx_embed_str,
    /// Which of them.
    pub source_id: qntx_embed_str,
    /// The text.
    pub text: qntx_embed_str,
    /// Name of the model.
    pub model: qntx_embed_str,
    /// Fingerprint of the model.
    pub fingerprint: qntx_embed_str,
    /// A flat JSON object; `{}` for none.
    pub metadata: qntx_embed_str,
    /// When the row was first stored: RFC 3339, UTC, milliseconds.
    pub created_at: qntx_embed_str,
    /// When it was last replaced.
    pub updated_at: qntx_embed_str,
    /// The vector as it was put; NULL where the options leave vectors out.
    pub vector: *const f32,
    /// Its floats, also where it is left out.
    pub dimensions: usize,
    /// Where in the source the text begins, in characters (Unicode scalar values).
    pub chunk_start: u64,
    /// Where it ends; 0 for a whole text.
    pub chunk_end: u64,
    /// Which part of the source the text is; 0 for a whole text.
    pub chunk: u32,
    /// Cosine similarity to the query, -1 to 1; 0 where there was none.
    pub similarity: f32,
    /// L2 distance of the two at unit length, so that similarity = 1 - distance * distance / 2; 0 where there was none.
    pub distance: f32,
    /// What rows are ordered by, best first: the similarity, BM25 for words, the fused score for both.
    pub score: f32,
    /// The row's place by vector, from 1; 0 where it has none.
    pub vector_rank: u32,
    /// The row's place by words, from 1; 0 where it has none.
    pub words_rank: u32,
}

/// Rows that a call found; owned by the caller, never changing, freed with `qntx_embed_rows_free`.
#[cfg_attr(all(), repr(C))]
pub struct qntx_embed_rows {
    pub(super) mark: u64,
    /// Pointers to rows, not rows: `qntx_embed_row` can grow at its end without moving the next one.
    pointers: Vec<*const qntx_embed_row>,
    explain: CString,
    _rows: Vec<qntx_embed_row>,
    _owned: Vec<Hit>,
}

impl qntx_embed_rows {
    pub(super) fn found(found: Found) -> *mut Self {
        let explain = serde_json::to_string(&found.explain).unwrap_or_default();
        Self::boxed(found.hits, CString::new(explain).unwrap_or_default())
    }

    pub(super) fn rows(rows: Vec<Row>) -> *mut Self {
        let hit = |row| Hit { row, similarity: 0.0, distance: 0.0, score: 0.0, vector_rank: 0, words_rank: 0 };
        Self::boxed(rows.into_iter().map(hit).collect(), CString::default())
    }

    fn boxed(owned: Vec<Hit>, explain: CString) -> *mut Self {
        let view = |hit: &Hit| qntx_embed_row {
            id: qntx_embed_str::of(&hit.row.id),
            source_type: qntx_embed_str::of(&hit.row.source_type),
            source_id: qntx_embed_str::of(&hit.row.source_id),
            text: qntx_embed_str::of(&hit.row.text),
            model: qntx_embed_str::of(&hit.row.model),
            fingerprint: qntx_embed_str::of(&hit.row.fingerprint),
            metadata: qntx_embed_str::of(&hit.row.metadata),
            created_at: qntx_embed_str::of(&hit.row.created_at),
            updated_at: qntx_embed_str::of(&hit.row.updated_at),
            vector: if hit.row.vector.is_empty() { std::ptr::null() } else { hit.row.vector.as_ptr() },
            dimensions: hit.row.dimensions,
            chunk_start: hit.row.chunk_start,
            chunk_end: hit.row.chunk_end,
            chunk: hit.row.chunk,
            similarity: hit.similarity,
            distance: hit.distance,
            score: hit.score,
            vector_rank: hit.vector_rank,
            words_rank: hit.words_rank,
        };
        // The rows' texts and vectors stay where they are on the heap while the Vecs that own them move.
        let rows: Vec<qntx_embed_row> = owned.iter().map(view).collect();
        let pointers = rows.iter().map(std::ptr::from_ref).collect();
        Self { mark: Self::MARK, pointers, explain, _rows: rows, _owned: owned }.give()
    }
}

/// All rows: an array of `*count` pointers, valid until the rows are freed; NULL where there are none, also for NULL.
/// `count` may be NULL.
///
/// # Safety
/// `rows` is NULL or not yet freed; `count` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_rows_get(
    rows: Option<&qntx_embed_rows>,
    count: *mut usize,
) -> *const *const qntx_embed_row {
    let pointers = known(rows).map_or(&[][..], |r| r.pointers.as_slice());
    if !count.is_null() {
        // SAFETY: not NULL; a place by this function's contract.
        unsafe { count.write(pointers.len()) };
    }
    if pointers.is_empty() { std::ptr::null() } else { pointers.as_ptr() }
}

/// How a search has found the rows, as a JSON object: which index answered (`index`: `resident`, `vec0`, `rows` or `none`),
/// how many vectors it compared (`compared`: all that pass the filter), how many of these the resident index looked at more
/// closely (`refined`) and how many were read from the table (`rescored`), in how many rounds (`rounds`), how many rows have
/// words of the query (`matched`), and the times in microseconds (`vector_us`, `words_us`, `rows_us`, `total_us`). Later
/// versions may add fields. NUL-terminated, never NULL, valid until the rows are freed; "" for rows that no search has found,
/// and for NULL.
///
/// # Safety
/// `rows` is NULL or not yet freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_rows_explain(rows: Option<&qntx_embed_rows>) -> *const c_char {
    known(rows).map_or(c"".as_ptr(), |r| r.explain.as_ptr())
}

/// Frees rows and all that they point to. NULL is fine.
///
/// # Safety
/// `rows` came from a call of this library and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_rows_free(rows: *mut qntx_embed_rows) {
    // SAFETY: by this function's contract.
    unsafe { free(rows) };
}

/// A text that a call gives; owned by the caller, never changing, freed with `qntx_embed_text_free`.
#[cfg_attr(all(), repr(C))]
pub struct qntx_embed_text {
    pub(super) mark: u64,
    text: CString,
}

impl qntx_embed_text {
    pub(super) fn boxed(text: String) -> *mut Self {
        // JSON has no NUL in it.
        Self { mark: Self::MARK, text: CString::new(text).unwrap_or_default() }.give()
    }
}

/// The text: UTF-8, NUL-terminated, never NULL, valid until it is freed; "" for NULL.
///
/// # Safety
/// `text` is NULL or not yet freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_text_get(text: Option<&qntx_embed_text>) -> *const c_char {
    known(text).map_or(c"".as_ptr(), |t| t.text.as_ptr())
}

/// Frees a text. NULL is fine.
///
/// # Safety
/// `text` came from a call of this library and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_text_free(text: *mut qntx_embed_text) {
    // SAFETY: by this function's contract.
    unsafe { free(text) };
}
