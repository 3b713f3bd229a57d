//! Rows: what one holds, what is refused, and how it is read from the table.

use rusqlite::types::{Type, ValueRef};

use super::metadata::Metadata;
use crate::blob;
use crate::error::{Result, fail};

/// Floats that a vector may have: vec0's own limit.
pub const MAX_DIMENSIONS: usize = 8192;
/// Bytes that a text may have.
pub const MAX_TEXT: usize = 16 << 20;
/// Bytes that an id or a name may have.
pub const MAX_NAME: usize = 1024;

/// A text with its vector, to be stored under its source.
///
/// `Record { source_type, source_id, text, model, fingerprint, vector, ..Record::default() }` is a whole text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// The row's id; empty for a new UUIDv7. A row that is there keeps its own, so another one is refused then.
    pub id: &'a str,
    /// What kind of thing the text comes from, such as `attestation`. Not empty; at most 1,024 bytes, as all names here.
    pub source_type: &'a str,
    /// Which of them. Not empty. Source, chunk and fingerprint together name a row.
    pub source_id: &'a str,
    /// Which part of the source the text is; 0 for a whole text.
    pub chunk: u32,
    /// Where in the source the text begins and ends, in characters (Unicode scalar values); both 0 for a whole text.
    pub chunk_start: u64,
    /// See `chunk_start`.
    pub chunk_end: u64,
    /// The text itself, given back by searches. Not empty; at most 16 MiB.
    pub text: &'a str,
    /// Name of the model that made the vector, for people.
    pub model: &'a str,
    /// Its fingerprint: only vectors of equal fingerprints are compared. Not empty.
    pub fingerprint: &'a str,
    /// The vector; 1 to 8,192 finite numbers, not all zero. Empty: the row that is there keeps its vector, if it has the
    /// same text.
    pub vector: &'a [f32],
    /// A flat JSON object of strings, numbers, true, false and null, for filters; empty for none. At most 64 KiB.
    pub metadata: &'a str,
}

/// What `put` did with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was no row of this source, chunk and model.
    Inserted,
    /// There was one; it keeps its id and creation time.
    Replaced,
    /// There was one with the same content.
    Unchanged,
}

/// A stored row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// UUIDv7, given when the row was first stored, or what the caller gave then.
    pub id: String,
    /// See [`Record::source_type`].
    pub source_type: String,
    /// See [`Record::source_id`].
    pub source_id: String,
    /// See [`Record::chunk`].
    pub chunk: u32,
    /// See [`Record::chunk_start`].
    pub chunk_start: u64,
    /// See [`Record::chunk_start`].
    pub chunk_end: u64,
    /// The text.
    pub text: String,
    /// Name of the model.
    pub model: String,
    /// Fingerprint of the model.
    pub fingerprint: String,
    /// How many floats the vector has.
    pub dimensions: usize,
    /// The vector as it was put; empty where the call was told to leave vectors out.
    pub vector: Vec<f32>,
    /// A flat JSON object; `{}` for none.
    pub metadata: String,
    /// When the row was first stored: RFC 3339, UTC, milliseconds.
    pub created_at: String,
    /// When it was last replaced.
    pub updated_at: String,
}

/// The columns that [`read`] reads, of the table or alias `e`.
pub const COLUMNS: &str = "e.id, e.source_type, e.source_id, e.chunk, e.chunk_start, e.chunk_end, e.text, e.model, \
                           e.fingerprint, e.dimensions, e.metadata, e.created_at, e.updated_at, e.embedding";
const EMBEDDING: usize = 13;

/// A row from a statement whose first columns are [`COLUMNS`].
pub fn read(row: &rusqlite::Row<'_>, with_vector: bool) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        source_type: row.get(1)?,
        source_id: row.get(2)?,
        chunk: row.get(3)?,
        chunk_start: row.get(4)?,
        chunk_end: row.get(5)?,
        text: row.get(6)?,
        model: row.get(7)?,
        fingerprint: row.get(8)?,
        dimensions: row.get(9)?,
        metadata: row.get(10)?,
        created_at: row.get(11)?,
        updated_at: row.get(12)?,
        vector: if with_vector { vector_of(row.get_ref(EMBEDDING)?, EMBEDDING)? } else { Vec::new() },
    })
}

/// The vector of a column.
pub fn vector_of(value: ValueRef<'_>, column: usize) -> rusqlite::Result<Vec<f32>> {
    blob::from_bytes(value.as_blob()?)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(e)))
}

/// Refuses what cannot be stored, by name; gives the metadata as it will be stored.
pub fn check(record: &Record<'_>) -> Result<String> {
    for (name, value, needed) in [
        ("id", record.id, false),
        ("source_type", record.source_type, true),
        ("source_id", record.source_id, true),
        ("model", record.model, false),
        ("fingerprint", record.fingerprint, true),
    ] {
        if value.is_empty() && needed {
            fail!(InvalidArgument, "{name} is empty");
        }
        if value.len() > MAX_NAME {
            fail!(InvalidArgument, "{name} has {} bytes; at most {MAX_NAME}", value.len());
        }
    }
    if record.text.is_empty() {
        fail!(EmptyText, "text of {} '{}' is empty", record.source_type, record.source_id);
    }
    if record.text.len() > MAX_TEXT {
        fail!(
            TooLong,
            "text of {} '{}' has {} bytes; at most {MAX_TEXT}: store it in chunks",
            record.source_type,
            record.source_id,
            record.text.len()
        );
    }
    if record.chunk_start > record.chunk_end || i64::try_from(record.chunk_end).is_err() {
        fail!(InvalidArgument, "the chunk's characters {} to {} are no range", record.chunk_start, record.chunk_end);
    }
    if !record.vector.is_empty() {
        check_vector(record.vector)?;
    }
    Metadata::parse(record.metadata)?.to_json()
}

/// What neither vec0 nor a distance can make sense of never enters the store.
pub fn check_vector(vector: &[f32]) -> Result<()> {
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
