//! One connection that writes, and some that read at the same time.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::connection::{self, Access};
use crate::error::Result;

/// The connections of a store. In WAL, readers see the last commit while the next one is written.
pub struct Pool {
    readers: Mutex<Readers>,
    returned: Condvar,
    /// `None` for a store in memory, which is its one connection.
    path: Option<PathBuf>,
    access: Access,
    name: String,
    most: usize,
    /// After the readers, because fields are dropped in this order and the last one out empties the log.
    writer: Mutex<Connection>,
}

struct Readers {
    idle: Vec<Connection>,
    open: usize,
}

/// A connection to read from, given back when it is dropped.
pub enum Reader<'a> {
    Own(&'a Pool, Option<Connection>),
    Writer(MutexGuard<'a, Connection>),
}

impl Pool {
    pub fn new(writer: Connection, path: Option<&Path>, access: Access, name: &str) -> Self {
        let most = std::thread::available_parallelism().map_or(4, |n| n.get().clamp(4, 64));
        Self {
            readers: Mutex::new(Readers { idle: Vec::new(), open: 0 }),
            returned: Condvar::new(),
            path: path.map(Path::to_path_buf),
            access,
            name: name.to_owned(),
            most,
            writer: Mutex::new(writer),
        }
    }

    /// The writer; others wait for it. A panic elsewhere rolled its transaction back when it unwound, so the connection
    /// is good.
    pub fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader: one that is idle, a new one, or, where there are many, the first that is given back.
    pub fn reader(&self) -> Result<Reader<'_>> {
        let Some(path) = &self.path else {
            return Ok(Reader::Writer(self.writer()));
        };
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = readers.idle.pop() {
                return Ok(Reader::Own(self, Some(connection)));
            }
            if readers.open < self.most {
                readers.open += 1;
                drop(readers);
                return match connection::open_reader(path, self.access, &self.name) {
                    Ok(connection) => Ok(Reader::Own(self, Some(connection))),
                    Err(e) => {
                        self.give_back(None);
                        Err(e)
                    }
                };
            }
            readers = self.returned.wait(readers).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, connection: Option<Connection>) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        match connection {
            Some(connection) => readers.idle.push(connection),
            None => readers.open -= 1,
        }
        drop(readers);
        self.returned.notify_one();
    }
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Reader::Own(_, Some(connection)) => connection,
            Reader::Own(_, None) => unreachable!("a reader has its connection until it is dropped"),
            Reader::Writer(guard) => guard,
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Reader::Own(pool, connection) = self
            && let Some(connection) = connection.take()
        {
            // One that is left inside of a transaction, by a panic, is not used again.
            pool.give_back(connection.is_autocommit().then_some(connection));
        }
    }
}
