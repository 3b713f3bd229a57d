//! Looks whether a database is whole, builds anew what is derived, copies it, and gives space back.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, MAIN_DB, Result, ToSql, params};
use serde::Serialize;

use super::metadata::Metadata;
use super::rows::check_vector;
use super::vectors::{self, Space};
use super::{connection, keywords, rows};
use crate::blob;
use crate::error::{self, fail};

/// Problems that a report has at most; a damaged file can have millions.
const MAX_PROBLEMS: usize = 100;

/// What [`verify`](super::Store::verify) found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Rows that were read.
    pub rows: u64,
    /// What is wrong, in sentences, at most 100. Empty: the database is whole.
    pub problems: Vec<String>,
    /// What was built anew.
    pub repaired: Vec<String>,
}

impl Report {
    fn add(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// What is wrong with what follows from the rows.
pub struct Damage {
    pub spaces: Vec<Space>,
    pub words: bool,
    /// Rows of these models and sizes have no space.
    pub unregistered: Vec<(String, usize)>,
}

/// Reads everything, in the transaction that is open on the connection.
pub fn verify(connection: &Connection, report: &mut Report) -> Result<Damage> {
    check_pages(connection, report)?;
    if let Err(e) = check_rows(connection, report) {
        report.add(format!("the rows cannot all be read: {e}"));
    }
    let mut damage = Damage { spaces: Vec::new(), words: false, unregistered: unregistered(connection)? };
    for (fingerprint, dimensions) in &damage.unregistered {
        report.add(format!("rows of model {fingerprint} with {dimensions} dimensions are in no index"));
    }
    for space in vectors::spaces(connection)? {
        if let Some(problem) = vectors_problem(connection, &space) {
            report.add(problem);
            damage.spaces.push(space);
        }
    }
    if let Some(problem) = words_problem(connection) {
        report.add(problem);
        damage.words = true;
    }
    Ok(damage)
}

/// Builds anew what is damaged and can be.
pub fn repair(connection: &Connection, damage: &Damage, report: &mut Report) -> Result<()> {
    for (fingerprint, dimensions) in &damage.unregistered {
        let space = vectors::ensure_space(connection, fingerprint, *dimensions)?;
        report.repaired.push(space.table());
    }
    for space in &damage.spaces {
        vectors::build(connection, space)?;
        report.repaired.push(space.table());
    }
    if damage.words {
        keywords::build(connection)?;
        report.repaired.push("fts_embeddings".into());
    }
    Ok(())
}

fn check_pages(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({MAX_PROBLEMS})"))?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>()?;
    // Virtual tables are looked at below, in better words, where that can be.
    let all = connection.is_readonly(MAIN_DB)?;
    for problem in found.into_iter().filter(|p| p != "ok" && (all || !p.contains("fts_embeddings"))) {
        report.add(format!("the file is damaged: {problem}"));
    }
    Ok(())
}

fn check_rows(connection: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = connection.prepare("SELECT id, embedding, metadata FROM embeddings")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let id: String = row.get(0)?;
        report.rows += 1;
        match rows::vector_of(row.get_ref(1)?, 1).map(|v| if v.is_empty() { Ok(()) } else { check_vector(&v) }) {
            Ok(Ok(())) => {}
            Ok(Err(e)) => report.add(format!("row '{id}': {e}")),
            Err(e) => report.add(format!("row '{id}': {e}")),
        }
        match row.get_ref(2)?.as_str().map(Metadata::parse) {
            Ok(Ok(_)) => {}
            Ok(Err(e)) => report.add(format!("row '{id}': {e}")),
            Err(e) => report.add(format!("row '{id}': {e}")),
        }
    }
    Ok(())
}

fn unregistered(connection: &Connection) -> Result<Vec<(String, usize)>> {
    connection
        .prepare(
            "SELECT DISTINCT fingerprint, dimensions FROM embeddings WHERE dimensions > 0
             EXCEPT SELECT fingerprint, dimensions FROM embedding_spaces",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Whether a vec0 table has exactly the vectors of the rows.
fn vectors_problem(connection: &Connection, space: &Space) -> Option<String> {
    let table = space.table();
    let compare = || -> Result<Option<String>> {
        if !vectors::exists(connection, space)? {
            return Ok(Some(format!("the index {table} is missing")));
        }
        let of_space: [&dyn ToSql; 2] = [&space.fingerprint, &space.dimensions];
        let sql = "SELECT key, embedding FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2 ORDER BY key";
        let mut rows = connection.prepare(sql)?;
        let mut rows = rows.query(of_space)?;
        let mut entry = connection.prepare(&format!("SELECT embedding FROM {table} WHERE embedding_key = ?1"))?;
        let mut count = 0u64;
        let mut unit = vec![0f32; space.dimensions];
        while let Some(row) = rows.next()? {
            count += 1;
            let key: i64 = row.get(0)?;
            if !blob::unit_of_bytes(row.get_ref(1)?.as_blob()?, &mut unit) {
                continue;
            }
            let mut entries = entry.query([key])?;
            match entries.next()? {
                None => return Ok(Some(format!("the index {table} has no vector of row {key}"))),
                Some(found) if found.get_ref(0)?.as_blob()? != blob::to_bytes(&unit) => {
                    return Ok(Some(format!("the index {table} has another vector of row {key}")));
                }
                Some(_) => {}
            }
        }
        let entries: u64 = connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        if entries != count {
            return Ok(Some(format!("the index {table} has {entries} vectors, the table {count} rows")));
        }
        // What a search goes through are the chunks: those must have as many valid places.
        let sql = format!("SELECT validity FROM {table}_chunks");
        let mut chunks = connection.prepare(&sql)?;
        let mut chunks = chunks.query([])?;
        let mut valid = 0u64;
        while let Some(chunk) = chunks.next()? {
            valid += chunk.get_ref(0)?.as_blob()?.iter().map(|b| u64::from(b.count_ones())).sum::<u64>();
        }
        Ok((valid != count).then(|| format!("the index {table} searches {valid} vectors, the table has {count} rows")))
    };
    compare().unwrap_or_else(|e| Some(format!("the index {table} cannot be read: {e}")))
}

/// Whether FTS5 has exactly the words of the rows.
fn words_problem(connection: &Connection) -> Option<String> {
    if connection.is_readonly(MAIN_DB).unwrap_or(false) {
        return words_keys_problem(connection);
    }
    // Rank 1 compares with the table, not only the index with itself.
    let sql = "INSERT INTO fts_embeddings (fts_embeddings, rank) VALUES ('integrity-check', 1)";
    connection.execute(sql, []).err().map(|e| format!("the index fts_embeddings is not what the rows say: {e}"))
}

/// Whether FTS5 has the keys of the rows: all that can be compared without writing, which is how FTS5 is asked.
fn words_keys_problem(connection: &Connection) -> Option<String> {
    let sql = "SELECT (SELECT count(*) FROM (SELECT key FROM embeddings EXCEPT SELECT id FROM fts_embeddings_docsize))
                    + (SELECT count(*) FROM (SELECT id FROM fts_embeddings_docsize EXCEPT SELECT key FROM embeddings))";
    match connection.query_row(sql, [], |row| row.get::<_, u64>(0)) {
        Ok(0) => None,
        Ok(differing) => {
            Some(format!("the index fts_embeddings is of other rows than the table has: {differing} differ"))
        }
        Err(e) => Some(format!("the index fts_embeddings cannot be read: {e}")),
    }
}

/// Copies what a connection reads to a new file.
pub fn backup(from: &Connection, to: &Path) -> error::Result<()> {
    let name = format!("backup '{}'", to.display());
    if to.exists() {
        fail!(InvalidArgument, "{name} is there already; name a new file");
    }
    let copy = || {
        let mut copy = Connection::open(to)?;
        let backup = Backup::new(from, &mut copy)?;
        // All in one step: another process's writes would start it anew. In WAL nobody waits for a reader.
        while backup.step(-1)? != StepResult::Done {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    copy().map_err(|e| connection::error(&name, "written", &e)).inspect_err(|_| drop(std::fs::remove_file(to)))
}

/// Merges the parts of the words' index, forgets indexes of models that have no rows any more, and tells SQLite's
/// planner what the tables are like.
pub fn optimize(connection: &Connection) -> Result<()> {
    for space in vectors::spaces(connection)? {
        let sql = "SELECT EXISTS (SELECT 1 FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2)";
        let used: bool = connection.query_row(sql, params![space.fingerprint, space.dimensions], |row| row.get(0))?;
        if used {
            // vec0 never fills the places of deleted rows again: only a new table is without them.
            if holes(connection, &space)? {
                vectors::build(connection, &space)?;
            }
        } else {
            vectors::remove_space(connection, &space)?;
        }
    }
    connection.execute_batch("INSERT INTO fts_embeddings (fts_embeddings) VALUES ('optimize'); PRAGMA optimize;")
}

/// Whether the index has many more places than its rows need.
fn holes(connection: &Connection, space: &Space) -> Result<bool> {
    let sql = format!("SELECT ifnull(sum(size), 0) FROM {}_chunks", space.table());
    let places: usize = connection.query_row(&sql, [], |row| row.get(0))?;
    let sql = "SELECT count(*) FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2";
    let rows: usize = connection.query_row(sql, params![space.fingerprint, space.dimensions], |row| row.get(0))?;
    // The last chunk is mostly not full: that is no hole.
    Ok(places > rows.next_multiple_of(vectors::CHUNK) + rows / 8)
}
