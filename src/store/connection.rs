//! Opens SQLite connections as the store needs them: vec0 and functions on each, settings, and errors in words.

use std::ffi::{c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, ffi};

use super::{checkpoint, filter, keywords};
use crate::error::{Code, Error, Result, fail};

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a new file. A vector of 384 floats fills a third of it; vec0 writes vectors into rows of some hundred kilobytes,
/// whose chain of pages it follows from the start each time, so fewer and larger pages make it faster.
const PAGE_SIZE: u32 = 16384;
/// Kibibytes of pages that a connection keeps, as SQLite wants to be told it.
const WRITER_CACHE: i64 = -65536;
const READER_CACHE: i64 = -16384;
/// What the log's file is cut to after that.
const LOG_BYTES: u32 = 64 << 20;

/// The signature that SQLite gives every extension's entry point (https://sqlite.org/loadext.html).
type Entry = unsafe extern "C" fn(*mut ffi::sqlite3, *mut *mut c_char, *const ffi::sqlite3_api_routines) -> c_int;

/// What can be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Write,
    /// The file can only be read.
    Read,
    /// Nothing can be made beside the file either: no log, and no shared memory to see that others write.
    Frozen,
}

/// Opens the file or, to write, makes it. Nothing is written to it yet.
pub fn open(path: &Path, access: Access, name: &str) -> Result<Connection> {
    connect(path, access).map_err(|e| error(name, "opened", &e))
}

/// Opens the file to read and write it or, where that cannot be, to read it.
pub fn open_best(path: &Path, name: &str) -> Result<(Connection, Access)> {
    let best = || {
        let connection = connect(path, Access::Write)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        // SQLite opens a file that may not be written to for reading.
        let access = if connection.is_readonly(MAIN_DB)? { Access::Read } else { Access::Write };
        Ok((connection, access))
    };
    best().or_else(|e: rusqlite::Error| {
        // A file in WAL cannot even be read where its directory takes no files, unless SQLite is told that it stays as
        // it is. What is in a log beside it would be missing then.
        let closed = matches!(e.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly));
        if closed && path.is_file() && !log_has_pages(path) {
            return Ok((open(path, Access::Frozen, name)?, Access::Frozen));
        }
        Err(error(name, "opened", &e))
    })
}

fn connect(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let read = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let write = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match access {
        Access::Write => Connection::open_with_flags(path, write)?,
        Access::Read => Connection::open_with_flags(path, read)?,
        Access::Frozen => Connection::open_with_flags(frozen(path), read | OpenFlags::SQLITE_OPEN_URI)?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    register_vec0(&connection)?;
    filter::register(&connection)?;
    register_word_counts(&connection)?;
    Ok(connection)
}

fn log_has_pages(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|m| m.len() > 0)
}

/// The name by which SQLite takes no locks and looks for no log.
fn frozen(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes().iter();
    let escaped: String = bytes.map(|b| format!("%{b:02x}")).collect();
    format!("file:{escaped}?immutable=1")
}

/// Brings the writer (and the file, to WAL) to the settings of the store.
pub fn configure_writer(connection: &mut Connection, path: &Path, name: &str) -> Result<()> {
    let mut configure = || {
        // Takes effect on a file without pages only.
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        let mode = write_ahead_log(connection)?;
        // In WAL, FULL syncs each commit: what was acknowledged survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        checkpoint::watch(connection, path)?;
        Ok(mode)
    };
    let mode: String = configure().map_err(|e| error(name, "opened", &e))?;
    if mode != "wal" && mode != "memory" {
        fail!(
            Store,
            "{name} could not be opened: it stays in journal mode '{mode}', because its file system has no shared \
             memory or no locks for a write-ahead log; put it on a local disk"
        );
    }
    Ok(())
}

/// A connection that only reads.
pub fn open_reader(path: &Path, access: Access, name: &str) -> Result<Connection> {
    let connection = open(path, access, name)?;
    let configure = || {
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", READER_CACHE)
    };
    configure().map_err(|e| error(name, "opened", &e))?;
    Ok(connection)
}

/// A connection that only moves pages from the log to the file.
pub fn open_checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path, Access::Write)?;
    // The log is on disk before the file changes.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// The change to WAL needs the file alone and does not wait for it (busy_timeout is not asked), so this does.
fn write_ahead_log(connection: &Connection) -> rusqlite::Result<String> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// vec0 on this connection alone: `sqlite3_auto_extension` would give it to every connection of the process.
fn register_vec0(connection: &Connection) -> rusqlite::Result<()> {
    let entry: unsafe extern "C" fn() = sqlite_vec::sqlite3_vec_init;
    // SAFETY: the crate declares `sqlite3_vec_init` without its parameters; sqlite-vec.h has the type `Entry`.
    let entry: Entry = unsafe { std::mem::transmute(entry) };
    // SAFETY: the handle is open and ours; sqlite-vec was built with SQLITE_CORE, so it takes no API pointer and
    // calls the same SQLite that the handle belongs to. No message is asked for.
    let code = unsafe { entry(connection.handle(), std::ptr::null_mut(), std::ptr::null()) };
    result(code)
}

fn result(code: c_int) -> rusqlite::Result<()> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)) }
}

/// The FTS5 function that `keywords` reads: how often each word of the query is in the row, and how many words the row
/// has. FTS5's own `bm25()` would count words of rows that a filter leaves out.
fn register_word_counts(connection: &Connection) -> rusqlite::Result<()> {
    let mut api: *mut ffi::fts5_api = std::ptr::null_mut();
    let mut statement: *mut ffi::sqlite3_stmt = std::ptr::null_mut();
    // This is the way that https://sqlite.org/fts5.html gives, under "Extending FTS5".
    // SAFETY: the handle is open and ours, the SQL is NUL-terminated.
    let code = unsafe {
        let sql = c"SELECT fts5(?1)".as_ptr();
        ffi::sqlite3_prepare_v2(connection.handle(), sql, -1, &mut statement, std::ptr::null_mut())
    };
    result(code)?;
    // SAFETY: the statement was prepared above, nobody else has it, and `api` outlives it.
    let code = unsafe {
        let place = std::ptr::from_mut(&mut api).cast();
        ffi::sqlite3_bind_pointer(statement, 1, place, c"fts5_api_ptr".as_ptr(), None);
        ffi::sqlite3_step(statement);
        // Gives the step's failure too.
        ffi::sqlite3_finalize(statement)
    };
    result(code)?;
    // SAFETY: where the statement succeeded, `api` points to the module's table of functions, which lives as long as
    // the connection.
    let Some((create, api)) = (unsafe { api.as_mut() }).and_then(|a| Some((a.xCreateFunction?, a))) else {
        return result(ffi::SQLITE_ERROR);
    };
    // SAFETY: the name is static, there is no user data, and `word_counts` keeps to the signature.
    let code = unsafe { create(api, keywords::WORD_COUNTS.as_ptr(), std::ptr::null_mut(), Some(word_counts), None) };
    result(code)
}

/// Gives a blob of native i32: the words in the row, then, for each phrase of the query, how often it is there.
///
/// # Safety
/// Called by FTS5 alone.
unsafe extern "C" fn word_counts(
    api: *const ffi::Fts5ExtensionApi,
    row: *mut ffi::Fts5Context,
    context: *mut ffi::sqlite3_context,
    _: c_int,
    _: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: FTS5 gives its own table of functions and the row that the query is at; all are valid during the call.
    let counted = unsafe { count_words(api, row) };
    match counted {
        // SAFETY: the context is FTS5's; SQLITE_TRANSIENT makes SQLite copy the bytes.
        Some(counts) => unsafe {
            let bytes = c_int::try_from(size_of_val(counts.as_slice())).unwrap_or(0);
            ffi::sqlite3_result_blob(context, counts.as_ptr().cast(), bytes, ffi::SQLITE_TRANSIENT());
        },
        // SAFETY: the context is FTS5's.
        None => unsafe { ffi::sqlite3_result_error_code(context, ffi::SQLITE_CORRUPT) },
    }
}

/// # Safety
/// `api` and `row` are those that FTS5 gave for the call that is running.
unsafe fn count_words(api: *const ffi::Fts5ExtensionApi, row: *mut ffi::Fts5Context) -> Option<Vec<c_int>> {
    // SAFETY: by this function's contract.
    unsafe {
        let api = &*api;
        let phrases = (api.xPhraseCount?)(row);
        let mut counts = vec![0; usize::try_from(phrases).ok()? + 1];
        let mut instances = 0;
        let sized = (api.xColumnSize?)(row, 0, &mut counts[0]) == ffi::SQLITE_OK;
        if !sized || (api.xInstCount?)(row, &mut instances) != ffi::SQLITE_OK {
            return None;
        }
        for i in 0..instances {
            let (mut phrase, mut column, mut offset) = (0, 0, 0);
            if (api.xInst?)(row, i, &mut phrase, &mut column, &mut offset) != ffi::SQLITE_OK {
                return None;
            }
            *counts.get_mut(usize::try_from(phrase).ok()? + 1)? += 1;
        }
        Some(counts)
    }
}

/// A failure of SQLite as an error of this library.
pub fn error(name: &str, done: &str, e: &rusqlite::Error) -> Error {
    let way_out = match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "; another process holds its write lock for longer than 10 s"
        }
        Some(ErrorCode::DiskFull) => "; the disk is full, nothing was written",
        Some(ErrorCode::ReadOnly) => "; the file or its directory is read-only",
        Some(ErrorCode::CannotOpen) => "; does its directory exist, and may it be written to?",
        Some(ErrorCode::NotADatabase) => "; the file is something else",
        Some(ErrorCode::DatabaseCorrupt) => "; let 'verify' say what is damaged and repair it, or restore a backup",
        Some(ErrorCode::FileLockingProtocolFailed) => "; locks do not work on its file system: put it on a local disk",
        _ => "",
    };
    Error::new(Code::Store, format!("{name} could not be {done}: {e}{way_out}"))
}
