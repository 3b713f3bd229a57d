//! One resident index: read from the rows of its space, and brought from one moment of the database to a later one.

use std::collections::HashSet;

use rusqlite::{Connection, Row, params};

use crate::blob;
use crate::error::{Code, Error};
use crate::index::Index;
use crate::store::filter::Facts;
use crate::store::metadata::Metadata;
use crate::store::vectors::Space;
use crate::store::write::Failure;

/// Rows between two looks at how much room there is.
const LOOK: usize = 256;

/// A moment of the database, as `embedding_state` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The last transaction that wrote rows.
    pub revision: i64,
    /// The last one that deleted rows.
    pub deletion: i64,
}

impl Moment {
    /// That of the connection's snapshot.
    pub fn of(connection: &Connection) -> rusqlite::Result<Self> {
        connection
            .prepare_cached("SELECT revision, deletion FROM embedding_state")?
            .query_row([], |row| Ok(Self { revision: row.get(0)?, deletion: row.get(1)? }))
    }
}

/// How many rows a space has.
pub fn rows(connection: &Connection, space: &Space) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2")?
        .query_row(params![space.fingerprint, space.dimensions], |row| row.get(0))
}

/// The index of a space as of a moment.
pub struct Loaded {
    space: Space,
    moment: Moment,
    index: Index<Facts>,
    /// Bytes that what is kept beside the vectors points to.
    heap: usize,
}

impl Loaded {
    /// Reads all rows of a space from the connection's snapshot, which is of this moment; `None` where they need more than
    /// `room` bytes. `tell` is told now and then how many there are.
    pub fn build(
        connection: &Connection,
        space: &Space,
        moment: Moment,
        room: usize,
        tell: &mut dyn FnMut(usize),
    ) -> Result<Option<Self>, Failure> {
        let mut loaded = Self::empty(space.clone(), moment);
        Ok(loaded.read(connection, i64::MIN, room, tell)?.then_some(loaded))
    }

    fn empty(space: Space, moment: Moment) -> Self {
        Self { index: Index::new(space.dimensions), space, moment, heap: 0 }
    }

    pub fn space(&self) -> &Space {
        &self.space
    }

    pub fn is_of(&self, fingerprint: &str, dimensions: usize) -> bool {
        self.space.dimensions == dimensions && self.space.fingerprint == fingerprint
    }

    pub fn moment(&self) -> Moment {
        self.moment
    }

    pub fn index(&self) -> &Index<Facts> {
        &self.index
    }

    /// Bytes of memory that it holds, about.
    pub fn bytes(&self) -> usize {
        self.index.bytes() + self.heap
    }

    /// Brings it to the moment of the connection's snapshot; `gone` are the keys that were deleted meanwhile, where they are
    /// known. False where it needs more than `room` bytes: then it is of no use any more, as after an error.
    pub fn bring(
        &mut self,
        connection: &Connection,
        to: Moment,
        gone: Option<Vec<i64>>,
        room: usize,
    ) -> Result<bool, Failure> {
        if self.moment == to {
            return Ok(true);
        }
        let mut since = self.moment.revision;
        if since >= to.revision {
            // Time does not go back: an older state was copied into the file.
            *self = Self::empty(self.space.clone(), to);
            since = i64::MIN;
        } else if self.moment.deletion != to.deletion {
            for key in gone.map_or_else(|| self.missing(connection), Ok)? {
                self.heap -= self.index.remove(key).map_or(0, |facts| facts.heap_bytes());
            }
        }
        self.moment = to;
        // After what is gone: the key of a deleted row may be another one's now.
        self.read(connection, since, room, &mut |_| {})
    }

    /// The keys that the table does not have any more.
    fn missing(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let sql = "SELECT key FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2";
        let there: HashSet<i64> = connection
            .prepare_cached(sql)?
            .query_map(params![self.space.fingerprint, self.space.dimensions], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(self.index.keys().filter(|key| !there.contains(key)).collect())
    }

    /// Takes in the rows that were written after a revision; false where there is no room for them.
    fn read(
        &mut self,
        connection: &Connection,
        since: i64,
        room: usize,
        tell: &mut dyn FnMut(usize),
    ) -> Result<bool, Failure> {
        let sql = "SELECT key, embedding, chunk, metadata, id, source_type, source_id, model, created_at, updated_at
                   FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2 AND revision > ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![self.space.fingerprint, self.space.dimensions, since])?;
        let mut unit = vec![0f32; self.space.dimensions];
        let mut count = 0;
        while let Some(row) = rows.next()? {
            self.put(row, &mut unit)?;
            count += 1;
            if count % LOOK == 0 {
                tell(count);
                if self.bytes() > room {
                    return Ok(false);
                }
            }
        }
        Ok(self.bytes() <= room)
    }

    fn put(&mut self, row: &Row<'_>, unit: &mut [f32]) -> Result<(), Failure> {
        let key: i64 = row.get(0)?;
        let refused = |e: &dyn std::fmt::Display| Failure::Refused(Error::new(Code::Store, format!("row {key}: {e}")));
        let text = |column: usize| -> rusqlite::Result<&str> { Ok(row.get_ref(column)?.as_str()?) };
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        if !blob::unit_of_bytes(bytes, unit) {
            return Err(refused(&format!("its vector has {} bytes, not 4 for each of its dimensions", bytes.len())));
        }
        let texts = [text(4)?, text(5)?, text(6)?, text(7)?, text(8)?, text(9)?];
        let metadata = Metadata::parse(text(3)?).map_err(|e| refused(&e))?;
        let facts = Facts::new(texts, row.get(2)?, metadata).map_err(|e| refused(&e))?;
        self.heap += facts.heap_bytes();
        let before = self.index.put(key, unit, facts).map_err(|e| refused(&e))?;
        self.heap -= before.map_or(0, |facts| facts.heap_bytes());
        Ok(())
    }
}
