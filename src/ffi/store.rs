//! Stores: open, put, get, delete, count, free.

use std::ffi::c_void;
use std::path::Path;

use super::object::{Object, free};
use super::types::{log, qntx_embed_log_function, read_array, read_options};
use super::{
    array, boundary, buffer, handle, out_pointer, qntx_embed_error, qntx_embed_rows, qntx_embed_status, qntx_embed_str,
};
use crate::error::{Code, Error, Result, fail};
use crate::store::{Filter, Outcome, Record, Store, StoreOptions};

/// An open database. Any number of threads at once through `const` pointers; freed once when no call uses it any more.
#[cfg_attr(all(), repr(C))]
pub struct qntx_embed_store {
    pub(super) mark: u64,
    pub(super) store: Store,
}

/// How to open a store. Set all to 0, then `size`, then what should differ.
#[repr(C)]
pub struct qntx_embed_store_options {
    /// `sizeof(qntx_embed_store_options)`.
    pub size: usize,
    /// Bytes of memory that the resident indexes may take together, one for each model and size of vectors that is searched
    /// often: about 1,000 for a row of 384 dimensions, and its metadata. Where more is needed, vec0 and the rows answer. 0 is
    /// 2 GiB; 1 keeps nothing in memory.
    pub max_resident_bytes: usize,
    /// NULL, or what gets lines for the caller's log.
    pub log: qntx_embed_log_function,
    /// Given to `log`.
    pub log_context: *mut c_void,
}

/// A text with its vector, to be stored under its source. Set all to 0, then `size`, then the rest. In an array all have
/// the same size. All pointers are the caller's, read during the call.
#[repr(C)]
pub struct qntx_embed_record {
    /// `sizeof(qntx_embed_record)`.
    pub size: usize,
    /// The row's id; empty for a new UUIDv7. A row that is there keeps its own, so another one is refused then. At most
    /// 1,024 bytes, as the four names below.
    pub id: qntx_embed_str,
    /// What kind of thing the text comes from. Not empty.
    pub source_type: qntx_embed_str,
    /// Which of them. Not empty. Source, chunk and fingerprint together name a row.
    pub source_id: qntx_embed_str,
    /// The text, given back by searches. Not empty; at most 16 MiB.
    pub text: qntx_embed_str,
    /// Name of the model that made the vector, for people.
    pub model: qntx_embed_str,
    /// The model's fingerprint (`qntx_embed_model_info`): only vectors of equal ones are compared. Not empty.
    pub fingerprint: qntx_embed_str,
    /// A flat JSON object of strings, numbers, true, false and null, for filters; empty for none. At most 64 KiB.
    pub metadata: qntx_embed_str,
    /// The vector: finite numbers, not all zero. Its length does not matter to searches. NULL where the row is there
    /// with the same text (see `qntx_embed_store_has`): it keeps its vector.
    pub vector: *const f32,
    /// Its floats, 1 to 8192.
    pub dimensions: usize,
    /// Where in the source the text begins, in characters (Unicode scalar values); 0 for a whole text.
    pub chunk_start: u64,
    /// Where it ends; 0 for a whole text.
    pub chunk_end: u64,
    /// Which part of the source the text is; 0 for a whole text.
    pub chunk: u32,
    /// 0.
    pub reserved: u32,
}

/// There was no row of this source, chunk and model.
pub const QNTX_EMBED_OUTCOME_INSERTED: u32 = 0;
/// There was one; it keeps its id and creation time.
pub const QNTX_EMBED_OUTCOME_REPLACED: u32 = 1;
/// There was one with the same content.
pub const QNTX_EMBED_OUTCOME_UNCHANGED: u32 = 2;

/// A filter in JSON; `None` for the empty text.
///
/// # Safety
/// As for `qntx_embed_str::text`.
pub(super) unsafe fn filter(json: qntx_embed_str, name: &str) -> Result<Option<Filter>> {
    // SAFETY: by this function's contract.
    let json = unsafe { json.text(name) }?;
    if json.is_empty() { Ok(None) } else { Filter::parse(json).map(Some) }
}

/// # Safety
/// As for `read_array`; the pointers in the records are valid as their lengths say.
unsafe fn read_records(records: *const qntx_embed_record, count: usize) -> Result<Vec<qntx_embed_record>> {
    // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
    unsafe { read_array(records, count, "records") }
}

/// Writes a number that the caller may not want.
///
/// # Safety
/// `place` is NULL or points to a place.
unsafe fn put_count(place: *mut usize, count: usize) {
    if !place.is_null() {
        // SAFETY: not NULL; a place by this function's contract.
        unsafe { place.write(count) };
    }
}

/// # Safety
/// The record's pointers are valid as their lengths say.
unsafe fn record<'a>((i, r): (usize, &'a qntx_embed_record)) -> Result<Record<'a>> {
    let named = |e: Error| Error::new(e.code(), format!("record {i}: {e}"));
    if r.reserved != 0 {
        fail!(InvalidArgument, "record {i}: reserved is {}; set it to 0", r.reserved);
    }
    // SAFETY: by this function's contract.
    let read = || unsafe {
        Ok(Record {
            id: r.id.text("id")?,
            source_type: r.source_type.text("source_type")?,
            source_id: r.source_id.text("source_id")?,
            chunk: r.chunk,
            chunk_start: r.chunk_start,
            chunk_end: r.chunk_end,
            text: r.text.text("text")?,
            model: r.model.text("model")?,
            fingerprint: r.fingerprint.text("fingerprint")?,
            vector: array(r.vector, r.dimensions, "vector")?,
            metadata: r.metadata.text("metadata")?,
        })
    };
    read().map_err(named)
}

/// Opens a database file, makes it where it is missing, and brings it to this version's schema: its tables are added
/// beside those that another program may have in the file, which is set to write-ahead logging. A file of a newer
/// version of this library is refused and left as it is. `:memory:` is a store that is gone when it is freed. `options` may
/// be NULL. `*store` is the caller's to free with `qntx_embed_store_free`; it is NULL after a failure. Any thread.
///
/// A file that may not be written to is opened for reading: what would write is refused with `QNTX_EMBED_STATUS_STORE`. A
/// database of the original system is refused with `QNTX_EMBED_STATUS_STORE_VERSION`: `qntx_embed_store_migrate` adopts it.
///
/// The file must not be open through another copy of SQLite in the same process, at any time: POSIX locks cannot tell two
/// copies apart, and the file would be destroyed. Where it is when the store is opened, that is refused. So is a file on a
/// network file system.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_open(
    path: qntx_embed_str,
    options: *const qntx_embed_store_options,
    store: *mut *mut qntx_embed_store,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let (out, path) = unsafe { (out_pointer(store, "store")?, path.text("path")?) };
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let options: qntx_embed_store_options = unsafe { read_options(options, "options") }?;
        // SAFETY: by this function's contract.
        let log = unsafe { log(options.log, options.log_context) };
        let options = StoreOptions { max_resident_bytes: options.max_resident_bytes, log };
        let store = Store::open_with(Path::new(path), &options)?;
        *out = qntx_embed_store { mark: qntx_embed_store::MARK, store }.give();
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Stores `count` records, all or none, in one transaction that is on disk when the call returns. A source, chunk and
/// fingerprint that has a row already gets the new content in it; of equal ones in one call the last stays. `outcomes` is
/// NULL or has room for `count` values of `QNTX_EMBED_OUTCOME_...`. Any thread; writers wait for each other.
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
        let records = unsafe { read_records(records, count) }?;
        // SAFETY: by this function's contract.
        let records = records.iter().enumerate().map(|r| unsafe { record(r) }).collect::<Result<Vec<_>>>()?;
        // SAFETY: by this function's contract.
        let places = unsafe { places(outcomes, count) }?;
        let done = store.store.put(&records)?;
        tell(places, &done);
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// The places for what becomes of `count` records; none where `outcomes` is NULL.
///
/// # Safety
/// `outcomes` is NULL or points to `count` places that nobody else uses.
unsafe fn places<'a>(outcomes: *mut u32, count: usize) -> Result<&'a mut [u32]> {
    if outcomes.is_null() {
        return Ok(&mut []);
    }
    // SAFETY: by this function's contract.
    unsafe { buffer(outcomes, count, "outcomes") }
}

fn tell(places: &mut [u32], outcomes: &[Outcome]) {
    for (place, outcome) in places.iter_mut().zip(outcomes) {
        *place = match outcome {
            Outcome::Inserted => QNTX_EMBED_OUTCOME_INSERTED,
            Outcome::Replaced => QNTX_EMBED_OUTCOME_REPLACED,
            Outcome::Unchanged => QNTX_EMBED_OUTCOME_UNCHANGED,
        };
    }
}

/// Stores records as `qntx_embed_store_put` does, as all that their sources have: rows of a record's source and fingerprint
/// whose chunk is not among the records are deleted in the same transaction. So the chunks of a text that was split again
/// take the place of those that it had. `deleted` is NULL or gets how many rows that were. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_put_sources(
    store: Option<&qntx_embed_store>,
    records: *const qntx_embed_record,
    count: usize,
    outcomes: *mut u32,
    deleted: *mut usize,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let records = unsafe { read_records(records, count) }?;
        // SAFETY: by this function's contract.
        let records = records.iter().enumerate().map(|r| unsafe { record(r) }).collect::<Result<Vec<_>>>()?;
        // SAFETY: by this function's contract.
        let places = unsafe { places(outcomes, count) }?;
        let (done, others) = store.store.put_sources(&records)?;
        tell(places, &done);
        if !deleted.is_null() {
            // SAFETY: not NULL; a place by this function's contract.
            unsafe { deleted.write(others) };
        }
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Says of each record whether its text is there already, under its source, chunk and fingerprint, so that it needs no
/// new vector: `has[i]` is 1 or 0. Only these fields of a record count, and, where it has a vector, its `dimensions`, which
/// must be the row's. `has` has room for `count`. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_has(
    store: Option<&qntx_embed_store>,
    records: *const qntx_embed_record,
    count: usize,
    has: *mut u8,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let (records, places) = unsafe { (read_records(records, count)?, buffer(has, count, "has")?) };
        // SAFETY: by this function's contract.
        let records = records.iter().enumerate().map(|r| unsafe { record(r) }).collect::<Result<Vec<_>>>()?;
        for (place, has) in places.iter_mut().zip(store.store.has(&records)?) {
            *place = u8::from(has);
        }
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// The row of an id, as `*rows` of one row; `QNTX_EMBED_STATUS_NOT_FOUND` where there is none. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_get(
    store: Option<&qntx_embed_store>,
    id: qntx_embed_str,
    rows: *mut *mut qntx_embed_rows,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(rows, "rows") }?;
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let id = unsafe { id.text("id") }?;
        match store.store.get(id)? {
            Some(row) => *out = qntx_embed_rows::rows(vec![row]),
            None => return Err(Error::new(Code::NotFound, format!("there is no row with the id '{id}'"))),
        }
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// All chunks of a source, in their order: of the model of this fingerprint or, where it is empty, of all.
/// `QNTX_EMBED_STATUS_NOT_FOUND` where there is none. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_get_source(
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
        let found = store.store.get_source(source_type, source_id, fingerprint)?;
        if found.is_empty() {
            let by = if fingerprint.is_empty() { "" } else { " made by this model" };
            return Err(Error::new(Code::NotFound, format!("there is no row of {source_type} '{source_id}'{by}")));
        }
        *out = qntx_embed_rows::rows(found);
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Deletes all chunks of a source, of every model. `deleted` is NULL or gets how many rows there were; none is no error.
/// Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_delete_source(
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
        let count = store.store.delete_source(source_type, source_id)?;
        // SAFETY: by this function's contract.
        unsafe { put_count(deleted, count) };
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Deletes the rows of `count` ids, all or none. `deleted` is NULL or gets how many of them there were; none is no error.
/// Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_delete_ids(
    store: Option<&qntx_embed_store>,
    ids: *const qntx_embed_str,
    count: usize,
    deleted: *mut usize,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let ids = unsafe { array(ids, count, "ids") }?;
        // SAFETY: by this function's contract.
        let text = |(i, id): (usize, &qntx_embed_str)| unsafe { id.text(&format!("ids[{i}]")) };
        let ids = ids.iter().enumerate().map(text).collect::<Result<Vec<_>>>()?;
        let count = store.store.delete_ids(&ids)?;
        // SAFETY: by this function's contract.
        unsafe { put_count(deleted, count) };
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Deletes the rows that pass a filter (see `qntx_embed_search_options`), which must not be empty: `["and"]` is all rows.
/// `deleted` is NULL or gets how many there were; none is no error. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_delete_where(
    store: Option<&qntx_embed_store>,
    filter: qntx_embed_str,
    deleted: *mut usize,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let Some(filter) = (unsafe { self::filter(filter, "filter") })? else {
            fail!(InvalidArgument, "filter is empty; to delete all rows, say so: [\"and\"]");
        };
        let count = store.store.delete_where(&filter)?;
        // SAFETY: by this function's contract.
        unsafe { put_count(deleted, count) };
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// How many rows there are that pass a filter (see `qntx_embed_search_options`; empty for all): of the model of this
/// fingerprint or, where it is empty, of all. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_count(
    store: Option<&qntx_embed_store>,
    fingerprint: qntx_embed_str,
    filter: qntx_embed_str,
    count: *mut usize,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        if count.is_null() {
            fail!(InvalidArgument, "count is NULL: there is no place for the result");
        }
        // SAFETY: by this function's contract.
        let (fingerprint, filter) = unsafe { (fingerprint.text("fingerprint")?, self::filter(filter, "filter")?) };
        let rows = store.store.count(fingerprint, filter.as_ref())?;
        // SAFETY: not NULL; a place by this function's contract.
        unsafe { count.write(usize::try_from(rows).unwrap_or(usize::MAX)) };
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// A number that is greater after every change of rows, also by another process: what was computed from the rows holds as long as
/// it is the same. It survives closing. Any thread; takes microseconds.
///
/// # Safety
/// `revision` points to a place; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_revision(
    store: Option<&qntx_embed_store>,
    revision: *mut u64,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let Some(place) = (unsafe { buffer(revision, 1, "revision") }?).first_mut() else { return Ok(()) };
        *place = store.store.revision()?;
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Closes a store. NULL is fine.
///
/// # Safety
/// `store` came from `qntx_embed_store_open`, was not freed before, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_free(store: *mut qntx_embed_store) {
    // SAFETY: by this function's contract.
    unsafe { free(store) };
}
