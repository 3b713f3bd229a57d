//! What the move to another model asks of the store: the rows that it has yet to make, and the switch.
//!
//! How far it is stands in the database: a row of another model is done where the new model has the same source and chunk,
//! written later or with the same content, or where it was copied and has not changed since. So a move can stop at any moment
//! and go on, and what is written meanwhile is found as well. `embedding_copies` tells copies from what others have written:
//! a copy whose original was deleted must go with it, and an original whose copy was deleted must not come back.

use rusqlite::{Connection, params};

use super::Store;
use super::rows::{COLUMNS, Record, Row, check_vector, read};
use super::write::{Failure, Write};
use crate::error::Result;

/// Rows and bytes of text that are embedded and stored together.
const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// A row of another model that the new one has yet to make. Without its vector.
pub struct Pending {
    pub row: Row,
    pub key: i64,
    revision: i64,
}

/// Condition of a row `e`: it is of another model than ?1, the newest of its source and chunk.
const OLD: &str = "e.fingerprint <> ?1 AND NOT EXISTS (
        SELECT 1 FROM embeddings o
        WHERE o.source_type = e.source_type AND o.source_id = e.source_id AND o.chunk = e.chunk AND o.fingerprint <> ?1
              AND (o.revision, o.key) > (e.revision, e.key))";

/// Condition of such a row: model ?1 has yet to make it.
const TO_DO: &str = "NOT EXISTS (
        SELECT 1 FROM embedding_copies c
        WHERE c.original = e.id AND c.fingerprint = ?1 AND c.revision >= e.revision)
    AND NOT EXISTS (
        SELECT 1 FROM embeddings n
        WHERE n.source_type = e.source_type AND n.source_id = e.source_id AND n.chunk = e.chunk AND n.fingerprint = ?1
              AND (n.revision >= e.revision
                   OR n.text = e.text AND n.metadata = e.metadata
                      AND n.chunk_start = e.chunk_start AND n.chunk_end = e.chunk_end))";

/// Copies for model ?1 as `c`, with their rows as `n`: those that nobody else has written since.
const COPIES: &str = "embedding_copies c JOIN embeddings n ON n.key = c.key AND n.revision = c.revision
        AND n.fingerprint = c.fingerprint AND c.fingerprint = ?1";

impl Store {
    /// How many rows of other models there are (of each source and chunk the newest), and how many of them are to do.
    pub(crate) fn reindex_state(&self, fingerprint: &str) -> Result<(u64, u64)> {
        let sql = format!("SELECT count(*), count(*) FILTER (WHERE {TO_DO}) FROM embeddings e WHERE {OLD}");
        self.read("read", |connection| connection.query_row(&sql, [fingerprint], |row| Ok((row.get(0)?, row.get(1)?))))
    }

    /// The next rows to do, in the order of their keys, after one of them.
    pub(crate) fn reindex_pending(&self, fingerprint: &str, after: i64) -> Result<Vec<Pending>> {
        self.read("read", |connection| pending(connection, fingerprint, after))
    }

    /// Puts the new model's rows beside the old ones; none for those that are not to do any more.
    pub(crate) fn reindex_put(
        &self,
        rows: &[Pending],
        model: &str,
        fingerprint: &str,
        vectors: &[&[f32]],
    ) -> Result<()> {
        vectors.iter().try_for_each(|vector| check_vector(vector))?;
        self.write("stored", |write| {
            for (old, vector) in rows.iter().zip(vectors) {
                copy(write, old, model, fingerprint, vector)?;
            }
            Ok(())
        })
    }

    /// Ends the move in one transaction: copies of deleted rows go, and the other models' rows, unless they are kept; their
    /// copies get their ids. `None` where there is still something to do; otherwise how many rows of other models went.
    pub(crate) fn reindex_switch(&self, fingerprint: &str, keep_old: bool) -> Result<Option<usize>> {
        self.write("changed", |write| {
            let gone = "c.original NOT IN (SELECT id FROM embeddings)";
            let sql = format!("SELECT n.key, n.fingerprint, n.dimensions FROM {COPIES} WHERE {gone}");
            write.delete_all(&sql, &[&fingerprint])?;
            write.connection().execute(&format!("DELETE FROM embedding_copies AS c WHERE {gone}"), [])?;
            if !pending(write.connection(), fingerprint, i64::MIN)?.is_empty() {
                return Ok(None);
            }
            if keep_old {
                return Ok(Some(0));
            }
            let deleted = write.delete_other_models(fingerprint)?;
            if deleted > 0 {
                let revision = write.revision()?;
                let sql = format!(
                    "UPDATE embeddings SET id = copy.original, revision = ?2
                     FROM (SELECT n.key, c.original FROM {COPIES}) copy WHERE embeddings.key = copy.key"
                );
                write.connection().execute(&sql, params![fingerprint, revision])?;
                write.connection().execute("DELETE FROM embedding_copies", [])?;
            }
            Ok(Some(deleted))
        })
    }
}

fn pending(connection: &Connection, fingerprint: &str, after: i64) -> rusqlite::Result<Vec<Pending>> {
    let sql = format!(
        "SELECT {COLUMNS}, e.key, e.revision FROM embeddings e WHERE e.key > ?2 AND {OLD} AND {TO_DO} ORDER BY e.key"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(params![fingerprint, after])?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while rows.len() < BATCH_ROWS
        && bytes < BATCH_BYTES
        && let Some(row) = found.next()?
    {
        let pending = Pending { row: read(row, false)?, key: row.get("key")?, revision: row.get("revision")? };
        bytes += pending.row.text.len();
        rows.push(pending);
    }
    Ok(rows)
}

fn copy(write: &mut Write<'_>, old: &Pending, model: &str, fingerprint: &str, vector: &[f32]) -> Result<(), Failure> {
    let Row { id, source_type, source_id, chunk, chunk_start, chunk_end, text, metadata, created_at, .. } = &old.row;
    let sql =
        format!("SELECT EXISTS (SELECT 1 FROM embeddings e WHERE e.id = ?2 AND e.revision = ?3 AND {OLD} AND {TO_DO})");
    let still_to_do: bool =
        write.connection().prepare_cached(&sql)?.query_row(params![fingerprint, id, old.revision], |row| row.get(0))?;
    if !still_to_do {
        return Ok(());
    }
    let record = Record {
        id: "",
        source_type,
        source_id,
        chunk: *chunk,
        chunk_start: *chunk_start,
        chunk_end: *chunk_end,
        text,
        model,
        fingerprint,
        vector,
        metadata,
    };
    write.put(&record, metadata)?;
    let key: i64 = write
        .connection()
        .prepare_cached(
            "UPDATE embeddings SET created_at = min(created_at, ?5)
             WHERE source_type = ?1 AND source_id = ?2 AND chunk = ?3 AND fingerprint = ?4 RETURNING key",
        )?
        .query_row(params![source_type, source_id, chunk, fingerprint, created_at], |row| row.get(0))?;
    let revision = write.revision()?;
    write
        .connection()
        .prepare_cached("INSERT OR REPLACE INTO embedding_copies VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, fingerprint, key, revision])?;
    Ok(())
}
