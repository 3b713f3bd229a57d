//! Adopts a database of the original system: what its rows become, and the one transaction in which they do.
//!
//! The original kept `embeddings` (id, source_type, source_id, text, embedding, model, dimensions, created_at, updated_at)
//! and `vec_embeddings`. Its vectors were averaged over the padding of their texts, so none of them can be compared with a
//! query of today: the rows keep them, as those of an unknown model, until they are embedded anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;
use uuid::Uuid;

use super::connection::{self, Access};
use super::file::File;
use super::rows::{self, Record};
use super::vectors::{self, Space};
use super::{health, keywords, migrations};
use crate::blob;
use crate::error::{Result, fail};

/// The fingerprint of vectors of which nobody knows what made them.
pub const UNKNOWN: &str = "unknown";

/// The columns of the original's table.
const COLUMNS: [&str; 9] =
    ["id", "source_type", "source_id", "text", "embedding", "model", "dimensions", "created_at", "updated_at"];
/// What the old table is called while its rows are copied.
const OLD: &str = "qntx_embed_old_embeddings";

/// How to adopt a database. `MigrateOptions::default()` changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct MigrateOptions<'a> {
    /// Whether to change the file. Otherwise everything is read and reported, and nothing is written.
    pub apply: bool,
    /// Where a copy of the file as it was goes; `None`: beside it, as `<file>.backup`. One that is there is refused.
    pub backup: Option<&'a Path>,
    /// Whether to make no copy.
    pub without_backup: bool,
}

/// What [`Store::migrate`](super::Store::migrate) did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// Whether the file was changed.
    pub applied: bool,
    /// The copy of the file as it was; empty for none.
    pub backup: String,
    /// Rows of the old table: those kept, duplicates and unusable ones.
    pub rows: u64,
    /// Rows that are kept, with their texts.
    pub kept: u64,
    /// Of these, rows whose id was empty, and which get a new one.
    pub new_ids: u64,
    /// Of these, rows whose blob is no vector, and which are kept without.
    pub without_vector: u64,
    /// Rows that are left out because a newer one of the same source is kept.
    pub duplicates: u64,
    /// Rows that are left out because they have no source, no text, or one that cannot be stored.
    pub unusable: u64,
    /// Columns beside the original's, whose values are left out.
    pub columns_left_out: Vec<String>,
    /// What became of each row that is not kept as it was.
    pub notes: Vec<Note>,
}

/// What became of a row that is not kept as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its id, as it was.
    pub id: String,
    /// Its source.
    pub source_type: String,
    /// See `source_type`.
    pub source_id: String,
    /// A sentence for people.
    pub note: String,
}

/// See [`Store::migrate`](super::Store::migrate).
pub fn migrate(path: &Path, options: &MigrateOptions<'_>) -> Result<Migration> {
    let name = format!("database '{}'", path.display());
    if !path.is_file() {
        fail!(InvalidArgument, "{name} is not there, or is no file; name the old system's database");
    }
    let open = || connection::open_best(path, &name);
    // Held to the end: what else in this process has the file open is refused.
    let (opened, _file) = File::open(path, &name, open)?;
    let (mut connection, access) = opened;
    let failed = |e: rusqlite::Error| connection::error(&name, "migrated", &e);
    if !options.apply {
        let transaction = connection.unchecked_transaction().map_err(failed)?;
        let mut report = Migration { columns_left_out: refuse_others(&transaction, &name)?, ..Migration::default() };
        read(&transaction, "embeddings", &mut report, |_| Ok(())).map_err(failed)?;
        return Ok(report);
    }
    if access != Access::Write {
        fail!(Store, "{name} could not be migrated: the file, its directory or its file system is read-only");
    }
    let settings = || {
        // Otherwise dropping the old table would delete what other tables say of its rows, and renaming it would make
        // them and views follow it.
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.pragma_update(None, "legacy_alter_table", true)
    };
    settings().map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let mut report = Migration { columns_left_out: refuse_others(&transaction, &name)?, ..Migration::default() };
    let backup = (!options.without_backup).then(|| options.backup.map_or_else(|| beside(path), Path::to_path_buf));
    if let Some(backup) = &backup {
        // Nobody else writes now, and this transaction has not yet: a second connection reads what is adopted.
        health::backup(&connection::open(path, Access::Read, &name)?, backup)?;
        report.backup = backup.display().to_string();
    }
    let adopted = adopt(&transaction, &mut report, &name).and_then(|()| transaction.commit().map_err(failed));
    if let (Err(_), Some(backup)) = (&adopted, &backup) {
        // The file is as it was, and another try would be refused for the copy's sake.
        drop(std::fs::remove_file(backup));
    }
    adopted?;
    report.applied = true;
    Ok(report)
}

fn beside(path: &Path) -> PathBuf {
    let mut backup = path.to_path_buf().into_os_string();
    backup.push(".backup");
    backup.into()
}

/// Refuses what is no database of the original system; gives the columns that it has beside the original's.
fn refuse_others(connection: &Connection, name: &str) -> Result<Vec<String>> {
    let failed = |e: rusqlite::Error| connection::error(name, "read", &e);
    if let Some(schema) = migrations::newest(connection).map_err(failed)? {
        fail!(StoreVersion, "{name} is of this library already (schema {schema}): there is nothing to migrate");
    }
    let columns: Vec<String> = connection
        .prepare("SELECT lower(name) FROM pragma_table_info('embeddings')")
        .and_then(|mut s| s.query_map([], |row| row.get(0))?.collect())
        .map_err(failed)?;
    if columns.is_empty() {
        fail!(InvalidArgument, "{name} has no table 'embeddings': it is no database of the original system");
    }
    let missing: Vec<&str> = COLUMNS.into_iter().filter(|known| !columns.iter().any(|c| c == known)).collect();
    if !missing.is_empty() {
        fail!(
            InvalidArgument,
            "{name} is no database of the original system: its table 'embeddings' has no column {}",
            missing.join(", ")
        );
    }
    Ok(columns.into_iter().filter(|column| !COLUMNS.contains(&column.as_str())).collect())
}

/// A row of the old table that is kept.
struct Kept<'a> {
    record: Record<'a>,
    metadata: String,
    created_at: &'a str,
    updated_at: &'a str,
}

/// The rest of the transaction: the old table makes room, the schema comes, the rows and what follows from them.
fn adopt(transaction: &Transaction<'_>, report: &mut Migration, name: &str) -> Result<()> {
    let failed = |e: rusqlite::Error| connection::error(name, "migrated", &e);
    let make_room = || {
        for table in old_vec_tables(transaction)? {
            vectors::drop_table(transaction, &table)?;
        }
        transaction.execute_batch(&format!("ALTER TABLE embeddings RENAME TO {OLD}"))
    };
    make_room().map_err(failed)?;
    migrations::apply_within(transaction, name)?;
    let mut copy = || {
        let mut sizes = BTreeSet::new();
        let mut insert = transaction.prepare(
            "INSERT INTO embeddings (id, source_type, source_id, chunk, chunk_start, chunk_end, model, fingerprint,
                                     dimensions, metadata, created_at, updated_at, revision, text, embedding)
             VALUES (?1, ?2, ?3, 0, 0, 0, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11)",
        )?;
        read(transaction, OLD, report, |Kept { record, metadata, created_at, updated_at }| {
            sizes.insert(record.vector.len());
            insert.execute(params![
                record.id,
                record.source_type,
                record.source_id,
                record.model,
                record.fingerprint,
                record.vector.len(),
                metadata,
                created_at,
                updated_at,
                record.text,
                blob::to_bytes(record.vector)
            ])?;
            Ok(())
        })?;
        drop(insert);
        transaction.execute("UPDATE embedding_state SET revision = 1", [])?;
        for dimensions in sizes.into_iter().filter(|&dimensions| dimensions > 0) {
            vectors::build(transaction, &unknown_space(transaction, dimensions)?)?;
        }
        keywords::build(transaction)?;
        transaction.execute_batch(&format!("DROP TABLE {OLD}"))
    };
    copy().map_err(failed)
}

/// The space of adopted vectors. Its number is none that a known model would get first: that one has `vec_embeddings`.
fn unknown_space(connection: &Connection, dimensions: usize) -> rusqlite::Result<Space> {
    let sql = "INSERT INTO embedding_spaces (number, fingerprint, dimensions)
               SELECT CASE WHEN max(number) IS NULL THEN 0 ELSE max(max(number), 1) + 1 END, ?1, ?2 FROM embedding_spaces
               RETURNING number";
    let number = connection.query_row(sql, params![UNKNOWN, dimensions], |row| row.get(0))?;
    Ok(Space { number, fingerprint: UNKNOWN.to_owned(), dimensions })
}

/// The original's vec0 tables: later versions had one for each model.
fn old_vec_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema
               WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%vec0%embedding_id%'
                     AND (name = 'vec_embeddings' OR name GLOB 'vec_embeddings_[a-z0-9_]*')";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// Reads the old rows, source by source and the newest of each first; gives each that is kept to `keep`.
fn read(
    connection: &Connection,
    table: &str,
    report: &mut Migration,
    mut keep: impl FnMut(Kept<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    // As RFC 3339 in UTC, whatever SQLite can read; what it cannot is "now".
    const TIME: &str = "strftime('%Y-%m-%dT%H:%M:%fZ'";
    let time = |column: &str| format!("ifnull({TIME}, {column}), {TIME}, 'now'))");
    let (created, updated) = (time("created_at"), time("updated_at"));
    // Keys are sorted, not rows, which hold texts and vectors.
    let mut keys = connection.prepare(&format!(
        "SELECT rowid FROM {table}
         ORDER BY source_type, source_id, {TIME}, updated_at) DESC, {TIME}, created_at) DESC, rowid DESC"
    ))?;
    let mut row = connection.prepare(&format!(
        "SELECT id, source_type, source_id, text, embedding, model, dimensions, {created}, {updated}
         FROM {table} WHERE rowid = ?1"
    ))?;
    let mut newest = None;
    let mut found = keys.query([])?;
    while let Some(key) = found.next()? {
        let mut rows = row.query([key.get::<_, i64>(0)?])?;
        if let Some(row) = rows.next()? {
            report.rows += 1;
            decide(row, &mut newest, report, &mut keep)?;
        }
    }
    Ok(())
}

/// The row that is kept of the source that is read now.
struct Newest {
    source: (String, String),
    id: String,
    text: String,
}

/// Keeps a row or leaves it out, and says so in the report.
fn decide(
    row: &rusqlite::Row<'_>,
    newest: &mut Option<Newest>,
    report: &mut Migration,
    keep: &mut impl FnMut(Kept<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut texts: [String; 5] = Default::default();
    let mut wrong = None;
    for (i, column) in [(0, "id"), (1, "source_type"), (2, "source_id"), (3, "text"), (5, "model")] {
        let (text, error) = text_of(row.get_ref(i)?, column);
        texts[i.min(4)] = text;
        wrong = wrong.or(error);
    }
    let [id, source_type, source_id, text, model] = texts;
    let source = (source_type, source_id);
    let mut notes = Vec::new();
    let older = newest.as_ref().filter(|newest| newest.source == source);
    if let Some(e) = wrong {
        report.unusable += 1;
        notes.push(format!("left out: {e}"));
    } else if let Some(newest) = older {
        report.duplicates += 1;
        let text = if newest.text == text { "the same" } else { "another" };
        notes.push(format!("left out: a newer row of its source, '{}', is kept, with {text} text", newest.id));
    } else {
        let (vector, no_vector) = match vector_of(row.get_ref(4)?, row.get_ref(6)?) {
            Ok(vector) => (vector, None),
            Err(e) => (Vec::new(), Some(e)),
        };
        let new_id = if id.is_empty() { Uuid::now_v7().to_string() } else { id.clone() };
        let record = Record {
            id: &new_id,
            source_type: &source.0,
            source_id: &source.1,
            text: &text,
            model: &model,
            fingerprint: UNKNOWN,
            vector: &vector,
            ..Record::default()
        };
        match rows::check(&record) {
            Err(e) => {
                report.unusable += 1;
                notes.push(format!("left out: {e}"));
            }
            Ok(metadata) => {
                let (created_at, updated_at) = (row.get_ref(7)?.as_str()?, row.get_ref(8)?.as_str()?);
                keep(Kept { record, metadata, created_at, updated_at })?;
                report.kept += 1;
                if id.is_empty() {
                    report.new_ids += 1;
                    notes.push("its id was empty; it gets a new one".into());
                }
                if let Some(e) = no_vector {
                    report.without_vector += 1;
                    notes.push(format!("kept without its vector: {e}"));
                }
                *newest = Some(Newest { source: source.clone(), id: new_id, text });
            }
        }
    }
    let note = |note| Note { id: id.clone(), source_type: source.0.clone(), source_id: source.1.clone(), note };
    report.notes.extend(notes.into_iter().map(note));
    Ok(())
}

/// A value of a text column, and what is wrong with it.
fn text_of(value: ValueRef<'_>, column: &str) -> (String, Option<String>) {
    match value {
        ValueRef::Null => (String::new(), None),
        ValueRef::Integer(number) => (number.to_string(), None),
        ValueRef::Real(number) => (number.to_string(), None),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Some(format!("{column} is not valid UTF-8"))),
        },
    }
}

/// The vector of a blob that has as many floats as the row says.
fn vector_of(value: ValueRef<'_>, dimensions: ValueRef<'_>) -> Result<Vec<f32>> {
    let ValueRef::Blob(bytes) = value else {
        fail!(InvalidArgument, "it has no blob");
    };
    let vector = blob::from_bytes(bytes)?;
    rows::check_vector(&vector)?;
    if dimensions.as_i64().ok() != i64::try_from(vector.len()).ok() {
        fail!(Dimensions, "its blob has {} floats, which is not what its dimensions say", vector.len());
    }
    Ok(vector)
}
