//! Moves pages from the write-ahead log to the file while the writer goes on: copying them and waiting for the disk would
//! take a fifth of the time of large batches.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::connection;

/// Pages in the log from which on they are moved beside the writer: a batch of rows must not be followed by a move each time.
const BESIDE: i32 = 4096;
/// Pages from which on the writer moves them itself and waits. Only then can the log start again at its beginning where
/// writes follow each other without a pause; most pages have been moved by then.
const WAITING: i32 = 3 * BESIDE;

/// Sees to the log of the file that `writer` writes, as long as that is open.
pub fn watch(writer: &mut Connection, path: &Path) -> rusqlite::Result<()> {
    // The process may go to another directory before the thread is needed.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mut worker = None;
    writer.wal_hook(Some(move |log: &mut Wal, pages| {
        if pages >= WAITING {
            // The transaction is on disk, whatever becomes of this: the next one tries again.
            let _ = log.checkpoint();
        } else if pages >= BESIDE {
            worker.get_or_insert_with(|| Worker::start(path.clone())).begin();
        }
        Ok(())
    }))
}

struct Worker {
    /// There until it is dropped, which ends the thread.
    wanted: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(path: PathBuf) -> Self {
        let (wanted, requests) = sync_channel(1);
        let work = move || {
            // Where something fails, for want of room or because somebody else is at it, the writer comes to it in the end.
            let Ok(connection) = connection::open_checkpointer(&path) else { return };
            for () in requests {
                let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            }
        };
        let thread = std::thread::Builder::new().name("qntx-checkpoint".into()).spawn(work).ok();
        Self { wanted: Some(wanted), thread }
    }

    fn begin(&self) {
        // Where one is waiting already, it will move these pages too.
        let _ = self.wanted.as_ref().map(|wanted| wanted.try_send(()));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.wanted.take();
        // It finishes what it is at.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
