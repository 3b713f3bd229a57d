//! Looking after databases: what a store has, whether it is whole, copies, space, and adopting old ones.

use std::path::Path;

use super::store::qntx_embed_store;
use super::types::read_options;
use super::{
    boundary, flag, handle, out_pointer, qntx_embed_error, qntx_embed_status, qntx_embed_str, qntx_embed_text,
};
use crate::error::{Result, fail};
use crate::store::{MigrateOptions, Store};

/// What a store has, as a JSON object: `rows`, `models` (an array of `model`, `fingerprint`, `dimensions`, `rows`,
/// `indexed`, and of the resident index `resident_rows` and `resident_bytes`), `bytes`, `free_bytes`, `log_bytes`,
/// `max_resident_bytes`, `sqlite` and `sqlite_vec` (their versions). Later versions may add fields. `*json` is the caller's to free with
/// `qntx_embed_text_free`; it is NULL after a failure. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_stats(
    store: Option<&qntx_embed_store>,
    json: *mut *mut qntx_embed_text,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(json, "json") }?;
        *out = text_of(&handle(store, "store")?.store.stats()?)?;
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Reads the whole database and says what is wrong, as a JSON object: `rows` (how many were read), `problems` (sentences;
/// none: it is whole), `repaired` (what was built anew). With `repair` 1, what follows from the rows (vec0 tables, the index
/// of words) is built anew where it is not what the rows say. Damage to the rows themselves stays, and needs a backup. Damage
/// that is found is no failure of the call. Of a file that can only be read, the index of words is compared with itself and
/// with the rows it has, not with their texts. `*json` is the caller's to free with `qntx_embed_text_free`. Any thread; writers
/// wait meanwhile.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_verify(
    store: Option<&qntx_embed_store>,
    repair: u32,
    json: *mut *mut qntx_embed_text,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(json, "json") }?;
        let store = handle(store, "store")?;
        *out = text_of(&store.store.verify(flag(repair, "repair")?)?)?;
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Copies the database to a new file while others read and write; the copy is of one moment. A file that is there already
/// is refused. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_backup(
    store: Option<&qntx_embed_store>,
    path: qntx_embed_str,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract.
        let path = unsafe { path.text("path") }?;
        if path.is_empty() {
            fail!(InvalidArgument, "path is empty; it names the new file");
        }
        store.store.backup(Path::new(path))?;
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Brings indexes into their best form and gives the space of deleted rows back to the file system. Takes as long as
/// copying the database, and as much room on the disk. Any thread; writers wait meanwhile.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_optimize(
    store: Option<&qntx_embed_store>,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        handle(store, "store")?.store.optimize()?;
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// How to adopt a database of the original system. Set all to 0, then `size`, then what should differ.
#[repr(C)]
pub struct qntx_embed_migrate_options {
    /// `sizeof(qntx_embed_migrate_options)`.
    pub size: usize,
    /// Where a copy of the file as it was goes; empty: beside it, as `<file>.backup`. One that is there is refused.
    pub backup: qntx_embed_str,
    /// 1: change the file. 0: everything is read and reported, and nothing is written.
    pub apply: u32,
    /// 1: make no copy.
    pub without_backup: u32,
}

/// Adopts a database of the original system, in its file: its rows become rows of the model `unknown`, which keep id, text,
/// times and vector, and are found again when they were embedded anew. Tables beside `embeddings` and `vec_embeddings` stay
/// as they are. All is done in one transaction, or nothing. With `options` NULL, or `apply` 0, it only says what it would do.
///
/// `*json` says what became of the rows: `applied`, `backup` (the copy's path; empty for none), `rows` (of the old table),
/// `kept`, and of these `new_ids` (the id was empty) and `without_vector` (the blob was none); `duplicates` (left out: a newer
/// row of the same source is kept), `unusable` (left out: no source, no text, or too long), `columns_left_out`, and `notes`, an
/// array of `id`, `source_type`, `source_id` and `note` (a sentence) for each row that is not kept as it was. It is the
/// caller's to free with `qntx_embed_text_free`.
///
/// A file that is none of the original system is refused, one of this library with `QNTX_EMBED_STATUS_STORE_VERSION`. The file
/// must not be open in this process. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_migrate(
    path: qntx_embed_str,
    options: *const qntx_embed_migrate_options,
    json: *mut *mut qntx_embed_text,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let (out, path) = unsafe { (out_pointer(json, "json")?, path.text("path")?) };
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let options: qntx_embed_migrate_options = unsafe { read_options(options, "options") }?;
        // SAFETY: by this function's contract.
        let backup = unsafe { options.backup.text("options.backup") }?;
        let report = Store::migrate(
            Path::new(path),
            &MigrateOptions {
                apply: flag(options.apply, "options.apply")?,
                backup: (!backup.is_empty()).then_some(Path::new(backup)),
                without_backup: flag(options.without_backup, "options.without_backup")?,
            },
        )?;
        *out = text_of(&report)?;
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

fn text_of(value: &impl serde::Serialize) -> Result<*mut qntx_embed_text> {
    match serde_json::to_string(value) {
        Ok(json) => Ok(qntx_embed_text::boxed(json)),
        Err(e) => fail!(Internal, "a result cannot be written as JSON: {e}"),
    }
}
