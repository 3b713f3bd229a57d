//! Puts and deletes rows, and keeps every index beside them in step, in one transaction.

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::filter::{Filter, Sql};
use super::rows::{Outcome, Record};
use super::vectors::{Batch, CHUNK, Space};
use super::{keywords, vectors};
use crate::blob;
use crate::error::{Code, Error};

/// A transaction that writes rows.
pub struct Write<'c> {
    transaction: Transaction<'c>,
    /// The number of this transaction, where it has changed something.
    revision: Option<i64>,
    /// What that number is or would be.
    next: i64,
    now: String,
    /// The spaces that were used, mostly one, and the rows that are still to be written to their indexes.
    spaces: Vec<(Space, Batch)>,
    /// The keys of rows that are gone from a space.
    deleted: Vec<i64>,
}

/// What a transaction has done, for what is kept in memory.
#[derive(Debug, Default)]
pub struct Written {
    /// The transaction's number; 0 where it has changed nothing.
    pub revision: i64,
    /// The number of the last transaction before it that deleted rows.
    pub deletion_before: i64,
    /// The keys of rows that are gone, or have moved to vectors of another size.
    pub deleted: Vec<i64>,
}

/// Why a write failed: SQLite's reason, or one of the store's own.
pub enum Failure {
    Sqlite(rusqlite::Error),
    Refused(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(e)
    }
}

/// A row that is there already, compared with a record.
struct Old {
    key: i64,
    id: String,
    dimensions: usize,
    same_text: bool,
    same_vector: bool,
    same_rest: bool,
}

impl<'c> Write<'c> {
    pub fn begin(connection: &'c mut rusqlite::Connection) -> rusqlite::Result<Self> {
        // IMMEDIATE: a transaction that starts as a reader cannot wait for the write lock (busy_timeout is ignored).
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (now, next) = transaction
            .prepare_cached("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), revision + 1 FROM embedding_state")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { transaction, revision: None, next, now, spaces: Vec::new(), deleted: Vec::new() })
    }

    /// Ends the transaction.
    pub fn commit(mut self) -> rusqlite::Result<Written> {
        for (space, batch) in &mut self.spaces {
            vectors::insert(&self.transaction, space, batch)?;
        }
        let mut written = Written { revision: self.revision.unwrap_or(0), deletion_before: 0, deleted: self.deleted };
        if !written.deleted.is_empty() {
            let sql = "SELECT deletion FROM embedding_state";
            written.deletion_before = self.transaction.query_row(sql, [], |row| row.get(0))?;
            self.transaction.execute("UPDATE embedding_state SET deletion = revision", [])?;
        }
        self.transaction.commit()?;
        Ok(written)
    }

    /// What is written so far, and what was there before.
    pub fn connection(&self) -> &rusqlite::Connection {
        &self.transaction
    }

    /// The number of this transaction, which is one that changes something.
    pub fn revision(&mut self) -> rusqlite::Result<i64> {
        if let Some(revision) = self.revision {
            return Ok(revision);
        }
        self.transaction.prepare_cached("UPDATE embedding_state SET revision = ?1")?.execute([self.next])?;
        self.revision = Some(self.next);
        Ok(self.next)
    }

    /// The place of a space in `spaces`.
    fn space(&mut self, fingerprint: &str, dimensions: usize) -> rusqlite::Result<usize> {
        let known = |(s, _): &(Space, Batch)| s.dimensions == dimensions && s.fingerprint == fingerprint;
        if let Some(place) = self.spaces.iter().position(known) {
            return Ok(place);
        }
        let space = vectors::ensure_space(&self.transaction, fingerprint, dimensions)?;
        self.spaces.push((space, Batch::default()));
        Ok(self.spaces.len() - 1)
    }

    fn add_vector(&mut self, place: usize, key: i64, vector: &[f32]) -> rusqlite::Result<()> {
        let (space, batch) = &mut self.spaces[place];
        batch.push(key, &blob::unit(vector));
        // Some chunks at a time, so that a large call does not hold all of its vectors twice.
        if batch.keys.len() >= 8 * CHUNK { vectors::insert(&self.transaction, space, batch) } else { Ok(()) }
    }

    fn remove_vector(&mut self, place: usize, key: i64) -> rusqlite::Result<()> {
        let (space, batch) = &mut self.spaces[place];
        // It may be one of this transaction.
        vectors::insert(&self.transaction, space, batch)?;
        vectors::delete(&self.transaction, space, key)
    }

    /// Puts a record that was checked; `metadata` is its metadata as it is stored.
    pub fn put(&mut self, record: &Record<'_>, metadata: &str) -> Result<Outcome, Failure> {
        let bytes = blob::to_bytes(record.vector);
        // Most rows are new: that is tried first, and the index of sources looked through once.
        if !bytes.is_empty() && self.insert(record, &bytes, metadata)? {
            return Ok(Outcome::Inserted);
        }
        let old = self.find(record, &bytes, metadata)?;
        if let Some(old) = &old {
            if !record.id.is_empty() && old.id != record.id {
                return Err(refused(format!(
                    "the row of {} '{}' has the id '{}' and keeps it; leave id empty, or delete the row first ('{}' was given)",
                    record.source_type, record.source_id, old.id, record.id
                )));
            }
            if old.same_text && (old.same_vector || bytes.is_empty()) && old.same_rest {
                return Ok(Outcome::Unchanged);
            }
        }
        let Some(old) = old.filter(|old| old.same_text || !bytes.is_empty()) else {
            return Err(Failure::Refused(Error::new(
                Code::Dimensions,
                format!(
                    "a vector of 0 dimensions cannot be stored: 1 to {} (none is needed only where the row is there \
                     with the same text)",
                    super::rows::MAX_DIMENSIONS
                ),
            )));
        };
        let revision = self.revision()?;
        self.replace(&old, record, &bytes, metadata, revision)?;
        Ok(Outcome::Replaced)
    }

    fn find(&self, record: &Record<'_>, bytes: &[u8], metadata: &str) -> rusqlite::Result<Option<Old>> {
        let sql = "SELECT key, id, dimensions, text = ?5, embedding = ?6,
                          model = ?7 AND metadata = ?8 AND chunk_start = ?9 AND chunk_end = ?10
                   FROM embeddings WHERE source_type = ?1 AND source_id = ?2 AND chunk = ?3 AND fingerprint = ?4";
        self.transaction
            .prepare_cached(sql)?
            .query_row(
                params![
                    record.source_type,
                    record.source_id,
                    record.chunk,
                    record.fingerprint,
                    record.text,
                    bytes,
                    record.model,
                    metadata,
                    record.chunk_start,
                    record.chunk_end
                ],
                |row| {
                    Ok(Old {
                        key: row.get(0)?,
                        id: row.get(1)?,
                        dimensions: row.get(2)?,
                        same_text: row.get(3)?,
                        same_vector: row.get(4)?,
                        same_rest: row.get(5)?,
                    })
                },
            )
            .optional()
    }

    /// `false` where the source, chunk and model has a row.
    fn insert(&mut self, record: &Record<'_>, bytes: &[u8], metadata: &str) -> Result<bool, Failure> {
        // Before the row: a table that must be built takes in all rows that are there.
        let space = self.space(record.fingerprint, record.vector.len())?;
        let id = if record.id.is_empty() { Uuid::now_v7().to_string() } else { record.id.to_owned() };
        let sql =
            "INSERT INTO embeddings (id, source_type, source_id, chunk, chunk_start, chunk_end, model, fingerprint,
                                           dimensions, metadata, created_at, updated_at, revision, text, embedding)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12, ?13, ?14)
             ON CONFLICT (source_type, source_id, chunk, fingerprint) DO NOTHING";
        let inserted = self.transaction.prepare_cached(sql)?.execute(params![
            id,
            record.source_type,
            record.source_id,
            record.chunk,
            record.chunk_start,
            record.chunk_end,
            record.model,
            record.fingerprint,
            record.vector.len(),
            metadata,
            self.now,
            self.next,
            record.text,
            bytes
        ]);
        match inserted {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(rusqlite::Error::SqliteFailure(_, Some(m))) if m.ends_with("embeddings.id") => {
                return Err(refused(format!("the id '{id}' is that of another row; ids are never shared")));
            }
            Err(e) => return Err(e.into()),
        }
        let key = self.transaction.last_insert_rowid();
        self.revision()?;
        self.add_vector(space, key, record.vector)?;
        keywords::insert(&self.transaction, key, record.text)?;
        Ok(true)
    }

    fn replace(
        &mut self,
        old: &Old,
        record: &Record<'_>,
        bytes: &[u8],
        metadata: &str,
        revision: i64,
    ) -> rusqlite::Result<()> {
        if !old.same_text {
            // FTS5 takes words out by the text that they came from.
            keywords::delete(&self.transaction, old.key)?;
        }
        let sql = "UPDATE embeddings
                   SET chunk_start = ?2, chunk_end = ?3, model = ?4, metadata = ?5, updated_at = ?6, revision = ?7
                   WHERE key = ?1";
        self.transaction.prepare_cached(sql)?.execute(params![
            old.key,
            record.chunk_start,
            record.chunk_end,
            record.model,
            metadata,
            self.now,
            revision
        ])?;
        if !old.same_text {
            let sql = "UPDATE embeddings SET text = ?2 WHERE key = ?1";
            self.transaction.prepare_cached(sql)?.execute(params![old.key, record.text])?;
            keywords::insert(&self.transaction, old.key, record.text)?;
        }
        if !old.same_vector && !bytes.is_empty() {
            if old.dimensions > 0 {
                let from = self.space(record.fingerprint, old.dimensions)?;
                self.remove_vector(from, old.key)?;
            }
            let to = self.space(record.fingerprint, record.vector.len())?;
            let sql = "UPDATE embeddings SET embedding = ?2, dimensions = ?3 WHERE key = ?1";
            if old.dimensions > 0 && old.dimensions != record.vector.len() {
                self.deleted.push(old.key);
            }
            self.transaction.prepare_cached(sql)?.execute(params![old.key, bytes, record.vector.len()])?;
            self.add_vector(to, old.key, record.vector)?;
        }
        Ok(())
    }

    /// Deletes a row that is there.
    fn delete(&mut self, key: i64, fingerprint: &str, dimensions: usize) -> rusqlite::Result<()> {
        self.revision()?;
        keywords::delete(&self.transaction, key)?;
        if dimensions > 0 {
            let space = self.space(fingerprint, dimensions)?;
            self.remove_vector(space, key)?;
        }
        self.transaction.prepare_cached("DELETE FROM embeddings WHERE key = ?1")?.execute([key])?;
        self.deleted.push(key);
        Ok(())
    }

    /// Deletes the rows of a source, of all models; gives how many there were.
    pub fn delete_source(&mut self, source_type: &str, source_id: &str) -> rusqlite::Result<usize> {
        let sql = "SELECT key, fingerprint, dimensions FROM embeddings WHERE source_type = ?1 AND source_id = ?2";
        self.delete_all(sql, &[&source_type, &source_id])
    }

    /// Deletes the row with this id; gives how many there were.
    pub fn delete_id(&mut self, id: &str) -> rusqlite::Result<usize> {
        self.delete_all("SELECT key, fingerprint, dimensions FROM embeddings WHERE id = ?1", &[&id])
    }

    /// Deletes the rows that a filter lets through; gives how many there were.
    pub fn delete_where(&mut self, filter: &Filter) -> rusqlite::Result<usize> {
        let condition = Sql::of(Some(filter), "e");
        let sql = format!("SELECT key, fingerprint, dimensions FROM embeddings e WHERE {}", condition.text);
        let values: Vec<&dyn rusqlite::ToSql> = condition.values.iter().map(|v| v as &dyn rusqlite::ToSql).collect();
        self.delete_all(&sql, &values)
    }

    /// Deletes the chunks of a source, of one model, but for some; gives how many there were.
    pub fn delete_other_chunks(
        &mut self,
        source_type: &str,
        source_id: &str,
        fingerprint: &str,
        kept: &[u32],
    ) -> rusqlite::Result<usize> {
        let sql = "SELECT key, fingerprint, dimensions FROM embeddings
                   WHERE source_type = ?1 AND source_id = ?2 AND fingerprint = ?3
                         AND chunk NOT IN (SELECT value FROM json_each(?4))";
        self.delete_all(sql, &[&source_type, &source_id, &fingerprint, &format!("{kept:?}")])
    }

    /// Deletes the rows of all models but one; gives how many there were. Their vectors' tables go whole.
    pub fn delete_other_models(&mut self, fingerprint: &str) -> rusqlite::Result<usize> {
        let sql = "SELECT EXISTS (SELECT 1 FROM embeddings WHERE fingerprint <> ?1)";
        if !self.transaction.query_row(sql, [fingerprint], |row| row.get::<_, bool>(0))? {
            return Ok(0);
        }
        self.revision()?;
        for space in vectors::spaces(&self.transaction)?.iter().filter(|space| space.fingerprint != fingerprint) {
            vectors::remove_space(&self.transaction, space)?;
        }
        let sql = "INSERT INTO fts_embeddings (fts_embeddings, rowid, text)
                   SELECT 'delete', key, text FROM embeddings WHERE fingerprint <> ?1";
        self.transaction.execute(sql, [fingerprint])?;
        let sql = "DELETE FROM embeddings WHERE fingerprint <> ?1 RETURNING key";
        let keys: Vec<i64> = self
            .transaction
            .prepare(sql)?
            .query_map([fingerprint], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let deleted = keys.len();
        self.deleted.extend(keys);
        Ok(deleted)
    }

    /// Deletes the rows whose `key`, `fingerprint` and `dimensions` a statement gives; gives how many there were.
    pub fn delete_all(&mut self, select: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<usize> {
        let rows: Vec<(i64, String, usize)> = self
            .transaction
            .prepare_cached(select)?
            .query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (key, fingerprint, dimensions) in &rows {
            self.delete(*key, fingerprint, *dimensions)?;
        }
        Ok(rows.len())
    }
}

fn refused(message: String) -> Failure {
    Failure::Refused(Error::new(Code::InvalidArgument, message))
}
