//! One SQLite file with texts, their vectors and the vec0 index; the only folder that names `rusqlite`.

mod connection;
mod migrations;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use crate::blob;
use crate::error::{Error, Result, fail};

/// vec0 refuses more neighbours in one query.
const MAX_K: usize = 4096;
/// The size that migration 019 makes an index for.
const FIRST_DIMENSIONS: usize = 384;
/// vec0's own limit.
const MAX_DIMENSIONS: usize = 8192;

/// A text with its vector, to be stored under its source.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What kind of thing the text comes from, such as `attestation`. Not empty.
    pub source_type: &'a str,
    /// Which of them. Not empty. Source and model together name a row.
    pub source_id: &'a str,
    /// The text itself, given back by searches.
    pub text: &'a str,
    /// Name of the model that made the vector.
    pub model: &'a str,
    /// Its fingerprint: only vectors of equal fingerprints are compared.
    pub fingerprint: &'a str,
    /// The vector; finite numbers, not all zero.
    pub vector: &'a [f32],
}

/// What `put` did with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was no row of this source and model.
    Inserted,
    /// There was one; it keeps its id and creation time.
    Replaced,
    /// There was one with the same text and vector.
    Unchanged,
}

/// A stored row.
#[derive(Clone, Debug)]
pub struct Row {
    /// UUIDv7, given when the row was first stored.
    pub id: String,
    /// See [`Record::source_type`].
    pub source_type: String,
    /// See [`Record::source_id`].
    pub source_id: String,
    /// The text.
    pub text: String,
    /// Name of the model.
    pub model: String,
    /// Fingerprint of the model.
    pub fingerprint: String,
    /// The vector as it was put.
    pub vector: Vec<f32>,
    /// When the row was first stored: RFC 3339, UTC, milliseconds.
    pub created_at: String,
    /// When it was last replaced.
    pub updated_at: String,
}

/// A row that a search found.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The row.
    pub row: Row,
    /// Cosine similarity to the query, -1 to 1.
    pub similarity: f32,
    /// L2 distance between the two, both scaled to unit length: `similarity = 1 - distance²/2`.
    pub distance: f32,
}

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub struct SearchOptions<'a> {
    /// Only rows of this model are searched.
    pub fingerprint: &'a str,
    /// At most so many hits, 1 to 4096.
    pub limit: usize,
    /// Only hits of at least this cosine, -1 to 1.
    pub threshold: f32,
}

/// An open database. May be used from any number of threads at once.
pub struct Store {
    connection: Mutex<Connection>,
    name: String,
}

impl Store {
    /// Opens the file, makes it where it is missing, and brings it to the newest schema. `:memory:` is a store that
    /// is gone when it is closed.
    pub fn open(path: &Path) -> Result<Self> {
        let name = format!("database '{}'", path.display());
        let mut connection = connection::open(path, &name)?;
        // Before anything is written: a file of a newer version stays as it is.
        migrations::refuse_newer(&connection, &name)?;
        connection::configure(&connection, &name)?;
        migrations::apply(&mut connection, &name)?;
        Ok(Self { connection: Mutex::new(connection), name })
    }

    /// Stores records, all or none; says of each what was done. A source and model that has a row already gets the
    /// new text and vector in it.
    pub fn put(&self, records: &[Record<'_>]) -> Result<Vec<Outcome>> {
        for (i, record) in records.iter().enumerate() {
            check(record).map_err(|e| Error::new(e.code(), format!("record {i}: {e}")))?;
        }
        self.write("stored", |transaction| records.iter().map(|record| put(transaction, record)).collect())
    }

    /// The row of a source, made by the model of this fingerprint; `None` where there is none.
    pub fn get(&self, source_type: &str, source_id: &str, fingerprint: &str) -> Result<Option<Row>> {
        let sql = format!("{SELECT_ROW} WHERE source_type = ?1 AND source_id = ?2 AND fingerprint = ?3");
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql).map_err(|e| self.failed("read", &e))?;
        let row = statement.query_row(params![source_type, source_id, fingerprint], read_row).optional();
        row.map_err(|e| self.failed("read", &e))
    }

    /// Deletes all rows of a source, of every model; gives how many there were.
    pub fn delete(&self, source_type: &str, source_id: &str) -> Result<usize> {
        self.write("deleted from", |transaction| {
            let sql = "DELETE FROM embeddings WHERE source_type = ?1 AND source_id = ?2 RETURNING id, dimensions";
            let gone: Vec<(String, usize)> = transaction
                .prepare_cached(sql)?
                .query_map(params![source_type, source_id], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            for (id, dimensions) in &gone {
                delete_indexed(transaction, id, *dimensions)?;
            }
            Ok(gone.len())
        })
    }

    /// How many rows there are, of all models.
    pub fn count(&self) -> Result<usize> {
        let counted = self.lock().query_row("SELECT count(*) FROM embeddings", [], |row| row.get(0));
        counted.map_err(|e| self.failed("read", &e))
    }

    /// The rows nearest to `query`, best first; equals are ordered by id. Where some equals have no room within the
    /// limit, vec0 chooses which.
    pub fn search(&self, query: &[f32], options: &SearchOptions<'_>) -> Result<Vec<Hit>> {
        check_vector(query).map_err(|e| Error::new(e.code(), format!("query: {e}")))?;
        if options.limit == 0 || options.limit > MAX_K {
            fail!(InvalidArgument, "limit {} is out of range: 1 to {MAX_K}", options.limit);
        }
        if !(-1.0..=1.0).contains(&options.threshold) {
            fail!(InvalidArgument, "threshold {} is no cosine: -1 to 1", options.threshold);
        }
        let query = blob::unit(query);
        let connection = self.lock();
        self.nearest(&connection, &query, options).map_err(|e| self.failed("searched", &e))
    }

    fn nearest(
        &self,
        connection: &Connection,
        query: &[f32],
        options: &SearchOptions<'_>,
    ) -> rusqlite::Result<Vec<Hit>> {
        let table = index_table(query.len());
        if !has_table(connection, &table)? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "WITH nearest AS (SELECT embedding_id, distance FROM {table}
                              WHERE embedding MATCH ?1 AND k = ?2 AND fingerprint = ?3)
             SELECT e.id, e.source_type, e.source_id, e.text, e.model, e.fingerprint, e.embedding, e.created_at,
                    e.updated_at, n.distance
             FROM nearest n JOIN embeddings e ON e.id = n.embedding_id
             ORDER BY n.distance, e.id"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let hits = statement.query_map(params![blob::to_bytes(query), options.limit, options.fingerprint], |row| {
            let distance: f64 = row.get(9)?;
            Ok(Hit {
                row: read_row(row)?,
                similarity: blob::cosine_of_distance(distance).clamp(-1.0, 1.0) as f32,
                distance: distance as f32,
            })
        })?;
        // The hits are the nearest of all, so a threshold on them is one on all.
        hits.filter(|hit| hit.as_ref().map_or(true, |h| h.similarity >= options.threshold)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere rolled its transaction back when it unwound, so the connection is good.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, done: &str, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.lock();
        let result = (|| {
            // IMMEDIATE: a transaction that starts as a reader cannot wait for the write lock (busy_timeout is ignored).
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })();
        result.map_err(|e| self.failed(done, &e))
    }

    fn failed(&self, done: &str, e: &rusqlite::Error) -> Error {
        connection::error(&self.name, done, e)
    }
}

const SELECT_ROW: &str =
    "SELECT id, source_type, source_id, text, model, fingerprint, embedding, created_at, updated_at
                          FROM embeddings";

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let bytes = row.get_ref(6)?.as_blob()?;
    let vector = blob::from_bytes(bytes)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Blob, Box::new(e)))?;
    Ok(Row {
        id: row.get(0)?,
        source_type: row.get(1)?,
        source_id: row.get(2)?,
        text: row.get(3)?,
        model: row.get(4)?,
        fingerprint: row.get(5)?,
        vector,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
}

fn check(record: &Record<'_>) -> Result<()> {
    for (name, value) in
        [("source_type", record.source_type), ("source_id", record.source_id), ("fingerprint", record.fingerprint)]
    {
        if value.is_empty() {
            fail!(InvalidArgument, "{name} is empty");
        }
    }
    if record.text.is_empty() {
        fail!(EmptyText, "text of {} '{}' is empty", record.source_type, record.source_id);
    }
    check_vector(record.vector)
}

/// What neither vec0 nor a distance can make sense of never enters the store.
fn check_vector(vector: &[f32]) -> Result<()> {
    if vector.is_empty() || vector.len() > MAX_DIMENSIONS {
        fail!(Dimensions, "a vector of {} dimensions cannot be stored: 1 to {MAX_DIMENSIONS}", vector.len());
    }
    if let Some(i) = vector.iter().position(|x| !x.is_finite()) {
        fail!(InvalidArgument, "component {i} of the vector is {}: only finite numbers can be compared", vector[i]);
    }
    if vector.iter().all(|&x| x == 0.0) {
        fail!(InvalidArgument, "the vector is zero: it has no direction to compare");
    }
    Ok(())
}

fn index_table(dimensions: usize) -> String {
    if dimensions == FIRST_DIMENSIONS { "vec_embeddings".into() } else { format!("vec_embeddings_{dimensions}") }
}

fn has_table(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    connection.prepare_cached(sql)?.query_row([table], |row| row.get(0))
}

fn put(transaction: &Transaction<'_>, record: &Record<'_>) -> rusqlite::Result<Outcome> {
    let bytes = blob::to_bytes(record.vector);
    let old: Option<(String, usize, bool)> = transaction
        .prepare_cached(
            "SELECT id, dimensions, text = ?4 AND embedding = ?5 FROM embeddings
             WHERE source_type = ?1 AND source_id = ?2 AND fingerprint = ?3",
        )?
        .query_row(params![record.source_type, record.source_id, record.fingerprint, record.text, bytes], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    let (id, outcome) = match old {
        Some((_, _, true)) => return Ok(Outcome::Unchanged),
        Some((id, dimensions, false)) => {
            // vec0 has no UPSERT: the old entry goes, the new one comes.
            delete_indexed(transaction, &id, dimensions)?;
            let sql = format!(
                "UPDATE embeddings SET text = ?2, embedding = ?3, model = ?4, dimensions = ?5, updated_at = {now}
                 WHERE id = ?1"
            );
            transaction.prepare_cached(&sql)?.execute(params![
                id,
                record.text,
                bytes,
                record.model,
                record.vector.len()
            ])?;
            (id, Outcome::Replaced)
        }
        None => {
            let id = Uuid::now_v7().to_string();
            let sql = format!(
                "INSERT INTO embeddings (id, source_type, source_id, text, embedding, model, fingerprint, dimensions,
                                         created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, {now}, {now})"
            );
            transaction.prepare_cached(&sql)?.execute(params![
                id,
                record.source_type,
                record.source_id,
                record.text,
                bytes,
                record.model,
                record.fingerprint,
                record.vector.len()
            ])?;
            (id, Outcome::Inserted)
        }
    };
    let unit = blob::unit(record.vector);
    let table = index_table(unit.len());
    if unit.len() != FIRST_DIMENSIONS {
        transaction.execute_batch(&format!(
            "CREATE VIRTUAL TABLE IF NOT EXISTS {table} USING vec0(
                 embedding_id TEXT PRIMARY KEY, fingerprint TEXT PARTITION KEY, embedding FLOAT[{}])",
            unit.len()
        ))?;
    }
    transaction
        .prepare_cached(&format!("INSERT INTO {table} (embedding_id, fingerprint, embedding) VALUES (?1, ?2, ?3)"))?
        .execute(params![id, record.fingerprint, blob::to_bytes(&unit)])?;
    Ok(outcome)
}

fn delete_indexed(transaction: &Transaction<'_>, id: &str, dimensions: usize) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM {} WHERE embedding_id = ?1", index_table(dimensions));
    transaction.prepare_cached(&sql)?.execute([id])?;
    Ok(())
}
