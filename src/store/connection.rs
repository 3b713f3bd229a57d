//! Opens SQLite connections as the store needs them: vec0 on each, settings, and errors in words.

use std::ffi::{c_char, c_int};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::error::{Code, Error, Result};

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The signature that SQLite gives every extension's entry point (https://sqlite.org/loadext.html).
type Entry = unsafe extern "C" fn(*mut ffi::sqlite3, *mut *mut c_char, *const ffi::sqlite3_api_routines) -> c_int;

/// Opens the file, or makes it. Nothing is written to it yet.
pub fn open(path: &Path, name: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        register_vec0(&connection)?;
        Ok(connection)
    };
    open().map_err(|e| error(name, "opened", &e))
}

/// Brings the connection (and the file, to WAL) to the settings of the store.
pub fn configure(connection: &Connection, name: &str) -> Result<()> {
    let configure = || {
        write_ahead_log(connection)?;
        // In WAL, FULL syncs each commit: what was acknowledged survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)
    };
    configure().map_err(|e| error(name, "opened", &e))
}

/// The change to WAL needs the file alone and does not wait for it (busy_timeout is not asked), so this does.
fn write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
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
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)) }
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
        Some(ErrorCode::DatabaseCorrupt) => "; restore a backup",
        _ => "",
    };
    Error::new(Code::Store, format!("{name} could not be {done}: {e}{way_out}"))
}
