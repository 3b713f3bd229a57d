//! Stores: open, put, get, delete, search, free; and the rows that they give.

use std::path::Path;

use super::types::read_options;
use super::{array, boundary, buffer, handle, out_pointer, qntx_embed_error, qntx_embed_status, qntx_embed_str};
use crate::error::{Code, Error, Result, fail};
use crate::store::{Hit, Outcome, Record, Row, SearchOptions, Store};

/// An open database. Any number of threads at once through `const` pointers; freed once when no call uses it any more.
pub struct qntx_embed_store {
    store: Store,
}

/// A text with its vector, to be stored under its source. All pointers are the caller's, read during the call.
#[repr(C)]
pub struct qntx_embed_record {
    /// What kind of thing the text comes from. Not empty.
    pub source_type: qntx_embed_str,
    /// Which of them. Not empty. Source and fingerprint together name a row.
    pub source_id: qntx_embed_str,
    /// The text, given back by searches. Not empty.
    pub text: qntx_embed_str,
    /// Name of the model that made the vector, for people.
    pub model: qntx_embed_str,
    /// The model's fingerprint (`qntx_embed_model_info`): only vectors of equal ones are compared. Not empty.
    pub fingerprint: qntx_embed_str,
    /// The vector: finite numbers, not all zero. Its length does not matter to searches.
    pub vector: *const f32,
    /// Its floats, 1 to 8192.
    pub dimensions: usize,
}

/// There was no row of this source and model.
pub const QNTX_EMBED_OUTCOME_INSERTED: u32 = 0;
/// There was one; it keeps its id and creation time.
pub const QNTX_EMBED_OUTCOME_REPLACED: u32 = 1;
/// There was one with the same text and vector.
pub const QNTX_EMBED_OUTCOME_UNCHANGED: u32 = 2;

/// What to search for. Set all to 0, then `size`, then the rest.
#[repr(C)]
pub struct qntx_embed_search_options {
    /// `sizeof(qntx_embed_search_options)`.
    pub size: usize,
    /// Only rows of this model are searched. Not empty.
    pub fingerprint: qntx_embed_str,
    /// At most so many rows, 1 to 4096; 0 is 10.
    pub limit: usize,
    /// Only rows of at least this cosine, -1 to 1. (0 is a threshold too: unrelated texts lie around it.)
    pub threshold: f32,
    /// 0.
    pub reserved: u32,
}

/// A stored row, and how near it is to what was searched for. Lives as long as the `qntx_embed_rows` that has it.
#[repr(C)]
pub struct qntx_embed_row {
    /// UUIDv7, given when the row was first stored.
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
    /// When the row was first stored: RFC 3339, UTC, milliseconds.
    pub created_at: qntx_embed_str,
    /// When it was last replaced.
    pub updated_at: qntx_embed_str,
    /// The vector as it was put.
    pub vector: *const f32,
    /// Its floats.
    pub dimensions: usize,
    /// Cosine similarity to the query, -1 to 1; 0 where there was none.
    pub similarity: f32,
    /// L2 distance of the two at unit length, so that similarity = 1 - distance * distance / 2; 0 where there was none.
    pub distance: f32,
}

/// Rows that a call found; owned by the caller, never changing, freed with `qntx_embed_rows_free`.
pub struct qntx_embed_rows {
    /// Pointers to rows, not rows: `qntx_embed_row` can grow at its end without moving the next one.
    pointers: Vec<*const qntx_embed_row>,
    _rows: Vec<qntx_embed_row>,
    _owned: Vec<Row>,
}

impl qntx_embed_rows {
    fn boxed(hits: Vec<Hit>) -> *mut Self {
        let near: Vec<(f32, f32)> = hits.iter().map(|h| (h.similarity, h.distance)).collect();
        let owned: Vec<Row> = hits.into_iter().map(|h| h.row).collect();
        let view = |(row, (similarity, distance)): (&Row, (f32, f32))| qntx_embed_row {
            id: qntx_embed_str::of(&row.id),
            source_type: qntx_embed_str::of(&row.source_type),
            source_id: qntx_embed_str::of(&row.source_id),
            text: qntx_embed_str::of(&row.text),
            model: qntx_embed_str::of(&row.model),
            fingerprint: qntx_embed_str::of(&row.fingerprint),
            created_at: qntx_embed_str::of(&row.created_at),
            updated_at: qntx_embed_str::of(&row.updated_at),
            vector: row.vector.as_ptr(),
            dimensions: row.vector.len(),
            similarity,
            distance,
        };
        // The rows' texts and vectors stay where they are on the heap while the Vecs that own them move.
        let rows: Vec<qntx_embed_row> = owned.iter().zip(near).map(view).collect();
        let pointers = rows.iter().map(std::ptr::from_ref).collect();
        Box::into_raw(Box::new(Self { pointers, _rows: rows, _owned: owned }))
    }
}

/// Opens a database file, makes it where it is missing, and brings it to this version's schema: its tables are added
/// beside those that another program may have in the file, which is set to write-ahead logging. A file of a newer
/// version of this library is refused and left as it is. `:memory:` is a store that is gone when it is freed. `*store` is the caller's
/// to free with `qntx_embed_store_free`; it is NULL after a failure. Any thread.
///
/// The file must not be open through another copy of SQLite in the same process: POSIX locks cannot tell two copies
/// apart, and the file would be destroyed.
///
/// # Safety
/// The pointers are valid as their types say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_open(
    path: qntx_embed_str,
    store: *mut *mut qntx_embed_store,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let (out, path) = unsafe { (out_pointer(store, "store")?, path.text("path")?) };
        if path.is_empty() {
            fail!(InvalidArgument, "path is empty; ':memory:' is a store without a file");
        }
        *out = Box::into_raw(Box::new(qntx_embed_store { store: Store::open(Path::new(path))? }));
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Stores `count` records, all or none, in one transaction that is on disk when the call returns. A source and
/// fingerprint that has a row already gets the new text and vector in it. `outcomes` is NULL or has room for `count`
/// values of `QNTX_EMBED_OUTCOME_...`. Any thread; writers wait for each other.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_put(
    store: Option<&qntx_embed_store>,
    records: *const qntx_embed_record,
    count: usize,
    outcomes: *mut u32,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let records = unsafe { array(records, count, "records") }?;
        let record = |(i, r): (usize, &qntx_embed_record)| -> Result<Record<'_>> {
            // SAFETY: by this function's contract.
            unsafe {
                Ok(Record {
                    source_type: r.source_type.text(&format!("record {i}: source_type"))?,
                    source_id: r.source_id.text(&format!("record {i}: source_id"))?,
                    text: r.text.text(&format!("record {i}: text"))?,
                    model: r.model.text(&format!("record {i}: model"))?,
                    fingerprint: r.fingerprint.text(&format!("record {i}: fingerprint"))?,
                    vector: array(r.vector, r.dimensions, &format!("record {i}: vector"))?,
                })
            }
        };
        let records = records.iter().enumerate().map(record).collect::<Result<Vec<_>>>()?;
        let places = if outcomes.is_null() {
            &mut []
        } else {
            // SAFETY: by this function's contract.
            unsafe { buffer(outcomes, count, "outcomes") }?
        };
        let done = store.store.put(&records)?;
        for (place, outcome) in places.iter_mut().zip(done) {
            *place = match outcome {
                Outcome::Inserted => QNTX_EMBED_OUTCOME_INSERTED,
                Outcome::Replaced => QNTX_EMBED_OUTCOME_REPLACED,
                Outcome::Unchanged => QNTX_EMBED_OUTCOME_UNCHANGED,
            };
        }
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// The row of a source that the model of this fingerprint made, as `*rows` of one row;
/// `QNTX_EMBED_STATUS_NOT_FOUND` where there is none. Any thread.
///
/// # Safety
/// The pointers are valid as their types say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_get(
    store: Option<&qntx_embed_store>,
    source_type: qntx_embed_str,
    source_id: qntx_embed_str,
    fingerprint: qntx_embed_str,
    rows: *mut *mut qntx_embed_rows,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(rows, "rows") }?;
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let (source_type, source_id, fingerprint) = unsafe {
            (source_type.text("source_type")?, source_id.text("source_id")?, fingerprint.text("fingerprint")?)
        };
        match store.store.get(source_type, source_id, fingerprint)? {
            Some(row) => *out = qntx_embed_rows::boxed(vec![Hit { row, similarity: 0.0, distance: 0.0 }]),
            None => {
                let message = format!("there is no row of {source_type} '{source_id}' made by this model");
                return Err(Error::new(Code::NotFound, message));
            }
        }
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Deletes all rows of a source, of every model. `deleted` is NULL or gets how many there were; none is no error.
/// Any thread.
///
/// # Safety
/// The pointers are valid as their types say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_delete(
    store: Option<&qntx_embed_store>,
    source_type: qntx_embed_str,
    source_id: qntx_embed_str,
    deleted: *mut usize,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let (source_type, source_id) = unsafe { (source_type.text("source_type")?, source_id.text("source_id")?) };
        let count = store.store.delete(source_type, source_id)?;
        if !deleted.is_null() {
            // SAFETY: not NULL; a place by this function's contract.
            unsafe { deleted.write(count) };
        }
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// How many rows there are, of all models. Any thread.
///
/// # Safety
/// The pointers are valid as their types say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_count(
    store: Option<&qntx_embed_store>,
    count: *mut usize,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        if count.is_null() {
            fail!(InvalidArgument, "count is NULL: there is no place for the result");
        }
        let rows = store.store.count()?;
        // SAFETY: not NULL; a place by this function's contract.
        unsafe { count.write(rows) };
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// The rows nearest to `query`, best first, equals by id (which of them, where the limit leaves out some, is not
/// defined). Only rows of the query's dimensions are searched. `*rows` is the caller's to free with
/// `qntx_embed_rows_free`; it is NULL after a failure, and has no rows where nothing is near. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_search(
    store: Option<&qntx_embed_store>,
    query: *const f32,
    dimensions: usize,
    options: *const qntx_embed_search_options,
    rows: *mut *mut qntx_embed_rows,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(rows, "rows") }?;
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let (query, options) = unsafe { (array(query, dimensions, "query")?, read_options(options, "options")?) };
        // SAFETY: by this function's contract.
        let fingerprint = unsafe { options.fingerprint.text("options.fingerprint") }?;
        if fingerprint.is_empty() {
            fail!(InvalidArgument, "options.fingerprint is empty; set it to that of the model that made the query");
        }
        if options.reserved != 0 {
            fail!(InvalidArgument, "options.reserved is {}; set it to 0", options.reserved);
        }
        let limit = if options.limit == 0 { 10 } else { options.limit };
        let found = SearchOptions { fingerprint, limit, threshold: options.threshold };
        *out = qntx_embed_rows::boxed(store.store.search(query, &found)?);
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
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
    let pointers = rows.map_or(&[][..], |r| r.pointers.as_slice());
    if !count.is_null() {
        // SAFETY: not NULL; a place by this function's contract.
        unsafe { count.write(pointers.len()) };
    }
    if pointers.is_empty() { std::ptr::null() } else { pointers.as_ptr() }
}

/// Frees rows and all that they point to. NULL is fine.
///
/// # Safety
/// `rows` came from a call of this library and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_rows_free(rows: *mut qntx_embed_rows) {
    if !rows.is_null() {
        // SAFETY: by this function's contract it is a box that `boxed` made.
        drop(unsafe { Box::from_raw(rows) });
    }
}

/// Closes a store. NULL is fine.
///
/// # Safety
/// `store` came from `qntx_embed_store_open`, was not freed before, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_free(store: *mut qntx_embed_store) {
    if !store.is_null() {
        // SAFETY: by this function's contract it is a box that `qntx_embed_store_open` let go of.
        let store = unsafe { Box::from_raw(store) };
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(store)));
    }
}
