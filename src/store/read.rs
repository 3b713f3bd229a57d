//! Reads rows by what they are: by id, by source, in pages, in numbers.

use rusqlite::{Connection, OptionalExtension, Result, ToSql, params};
use serde::Serialize;

use super::filter::{Filter, Sql};
use super::rows::{COLUMNS, Record, Row, read};

/// Rows that [`list`](super::Store::list) gives at most in one page.
pub const MAX_PAGE: usize = 10_000;

/// Which rows to list. `ListOptions::default()` is the first 100 of all.
#[derive(Clone, Copy, Debug)]
pub struct ListOptions<'a> {
    /// Only rows of this model; empty for all.
    pub fingerprint: &'a str,
    /// Only rows that pass.
    pub filter: Option<&'a Filter>,
    /// Only rows whose id comes after this one, the last of the page before; empty for the first page.
    pub after: &'a str,
    /// At most so many rows, 1 to 10,000.
    pub limit: usize,
    /// Leaves `vector` of the rows empty, which saves reading and copying them.
    pub without_vectors: bool,
}

impl Default for ListOptions<'_> {
    fn default() -> Self {
        Self { fingerprint: "", filter: None, after: "", limit: 100, without_vectors: false }
    }
}

/// What a store has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Rows of all models.
    pub rows: u64,
    /// The models, in the order in which they came.
    pub models: Vec<ModelStats>,
    /// Bytes of the database, without its log.
    pub bytes: u64,
    /// Bytes of it that rows have left behind; `optimize` gives them back.
    pub free_bytes: u64,
    /// Bytes of the log that are not in the file yet.
    pub log_bytes: u64,
    /// Version of the SQLite that this library carries, whatever the process has beside it.
    pub sqlite: &'static str,
    /// Version of sqlite-vec, likewise.
    pub sqlite_vec: String,
    /// Bytes of memory that the resident indexes may take together.
    pub max_resident_bytes: u64,
}

/// What a store has of one model and size of vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelStats {
    /// Name of the model, of the row that was written last.
    pub model: String,
    /// Fingerprint of the model.
    pub fingerprint: String,
    /// Floats of a vector.
    pub dimensions: usize,
    /// Rows.
    pub rows: u64,
    /// Whether the vec0 table is there.
    pub indexed: bool,
    /// Rows in the resident index, as of the last search that looked there; 0 where it is not there.
    pub resident_rows: u64,
    /// Bytes of memory that it takes, about.
    pub resident_bytes: u64,
}

/// The row of an id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<Row>> {
    let sql = format!("SELECT {COLUMNS} FROM embeddings e WHERE e.id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], |row| read(row, true)).optional()
}

/// All chunks of a source, in their order; of one model, or, where the fingerprint is empty, of all.
pub fn by_source(connection: &Connection, source_type: &str, source_id: &str, fingerprint: &str) -> Result<Vec<Row>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM embeddings e
         WHERE e.source_type = ?1 AND e.source_id = ?2 AND (?3 = '' OR e.fingerprint = ?3)
         ORDER BY e.chunk, e.id"
    );
    connection
        .prepare_cached(&sql)?
        .query_map(params![source_type, source_id, fingerprint], |row| read(row, true))?
        .collect()
}

/// A page of rows, in the order of their ids.
pub fn page(connection: &Connection, options: &ListOptions<'_>) -> Result<Vec<Row>> {
    let condition = Sql::of(options.filter, "e");
    let sql = format!(
        "SELECT {COLUMNS} FROM embeddings e
         WHERE e.id > ? AND (? = '' OR e.fingerprint = ?) AND ({}) ORDER BY e.id LIMIT ?",
        condition.text
    );
    let mut values: Vec<&dyn ToSql> = vec![&options.after, &options.fingerprint, &options.fingerprint];
    values.extend(condition.values.iter().map(|v| v as &dyn ToSql));
    values.push(&options.limit);
    connection.prepare_cached(&sql)?.query_map(values.as_slice(), |row| read(row, !options.without_vectors))?.collect()
}

/// How many rows there are of a model (of all where the fingerprint is empty) that pass.
pub fn count(connection: &Connection, fingerprint: &str, filter: Option<&Filter>) -> Result<u64> {
    let condition = Sql::of(filter, "e");
    let mut values: Vec<&dyn ToSql> = Vec::new();
    let model = if fingerprint.is_empty() {
        "TRUE"
    } else {
        values.push(&fingerprint);
        "e.fingerprint = ?"
    };
    values.extend(condition.values.iter().map(|v| v as &dyn ToSql));
    let sql = format!("SELECT count(*) FROM embeddings e WHERE {model} AND ({})", condition.text);
    connection.prepare_cached(&sql)?.query_row(values.as_slice(), |row| row.get(0))
}

/// Whether the row of the record's source, chunk and model is there with the record's text, and, where the record has a
/// vector, with one of as many floats.
pub fn has(connection: &Connection, record: &Record<'_>) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM embeddings
                              WHERE source_type = ?1 AND source_id = ?2 AND chunk = ?3 AND fingerprint = ?4 AND text = ?5
                                    AND ?6 IN (0, dimensions))";
    connection.prepare_cached(sql)?.query_row(
        params![
            record.source_type,
            record.source_id,
            record.chunk,
            record.fingerprint,
            record.text,
            record.vector.len()
        ],
        |row| row.get(0),
    )
}

/// What there is. The log's bytes are not in the database, so not in this.
pub fn stats(connection: &Connection) -> Result<Stats> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let page_size = pragma("page_size")?;
    let mut models = Vec::new();
    for space in super::vectors::spaces(connection)? {
        let sql = "SELECT count(*) FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2";
        let of_space = params![space.fingerprint, space.dimensions];
        let rows: u64 = connection.prepare_cached(sql)?.query_row(of_space, |row| row.get(0))?;
        if rows == 0 {
            continue;
        }
        let sql = "SELECT model FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2
                   ORDER BY revision DESC, key DESC LIMIT 1";
        models.push(ModelStats {
            model: connection.prepare_cached(sql)?.query_row(of_space, |row| row.get(0))?,
            indexed: super::vectors::exists(connection, &space)?,
            fingerprint: space.fingerprint,
            dimensions: space.dimensions,
            rows,
            resident_rows: 0,
            resident_bytes: 0,
        });
    }
    Ok(Stats {
        rows: count(connection, "", None)?,
        models,
        bytes: pragma("page_count")? * page_size,
        free_bytes: pragma("freelist_count")? * page_size,
        log_bytes: 0,
        sqlite: rusqlite::version(),
        sqlite_vec: connection.query_row("SELECT vec_version()", [], |row| row.get(0))?,
        max_resident_bytes: 0,
    })
}
