//! The vec0 tables: one for all vectors of one model and size, derived from the rows.

use rusqlite::{Connection, MAIN_DB, OptionalExtension, params};

use super::rows::vector_of;
use crate::blob;

/// The most neighbours that vec0 gives.
pub const MAX_K: usize = 4096;
/// Rows of one of vec0's chunks: its default.
pub const CHUNK: usize = 1024;

/// Vectors that can be compared: those of one model and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    pub number: i64,
    pub fingerprint: String,
    pub dimensions: usize,
}

impl Space {
    /// The vec0 table's name.
    pub fn table(&self) -> String {
        if self.number == 1 { "vec_embeddings".into() } else { format!("vec_embeddings_{}", self.number) }
    }
}

/// The space of a model and size, where there is one.
pub fn space(connection: &Connection, fingerprint: &str, dimensions: usize) -> rusqlite::Result<Option<Space>> {
    connection
        .prepare_cached("SELECT number FROM embedding_spaces WHERE fingerprint = ?1 AND dimensions = ?2")?
        .query_row(params![fingerprint, dimensions], |row| {
            Ok(Space { number: row.get(0)?, fingerprint: fingerprint.to_owned(), dimensions })
        })
        .optional()
}

/// All spaces, in the order of their numbers.
pub fn spaces(connection: &Connection) -> rusqlite::Result<Vec<Space>> {
    connection
        .prepare_cached("SELECT number, fingerprint, dimensions FROM embedding_spaces ORDER BY number")?
        .query_map([], |row| Ok(Space { number: row.get(0)?, fingerprint: row.get(1)?, dimensions: row.get(2)? }))?
        .collect()
}

/// The space of a model and size, made where it is missing. A table that somebody has dropped is built from the rows.
pub fn ensure_space(connection: &Connection, fingerprint: &str, dimensions: usize) -> rusqlite::Result<Space> {
    if let Some(space) = space(connection, fingerprint, dimensions)? {
        if !exists(connection, &space)? {
            build(connection, &space)?;
        }
        return Ok(space);
    }
    let number = connection
        .prepare_cached(
            "INSERT INTO embedding_spaces (number, fingerprint, dimensions)
             SELECT ifnull(max(number), 0) + 1, ?1, ?2 FROM embedding_spaces RETURNING number",
        )?
        .query_row(params![fingerprint, dimensions], |row| row.get(0))?;
    let space = Space { number, fingerprint: fingerprint.to_owned(), dimensions };
    build(connection, &space)?;
    Ok(space)
}

/// Takes a space away that has no rows any more, or whose rows are about to go.
pub fn remove_space(connection: &Connection, space: &Space) -> rusqlite::Result<()> {
    drop_table(connection, &space.table())?;
    connection.execute("DELETE FROM embedding_spaces WHERE number = ?1", [space.number])?;
    Ok(())
}

/// Whether the space's table is there.
pub fn exists(connection: &Connection, space: &Space) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)")?
        .query_row([space.table()], |row| row.get(0))
}

/// Drops a vec0 table, whole or damaged.
pub fn drop_table(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    // vec0 does not drop a table some of whose own tables are gone, and is not asked where its own stayed alone.
    const OWN: [&str; 4] = ["info", "chunks", "rowids", "vector_chunks00"];
    for own in OWN {
        connection.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table}_{own} (x)"))?;
    }
    connection.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    for own in OWN {
        connection.execute_batch(&format!("DROP TABLE IF EXISTS {table}_{own}"))?;
    }
    Ok(())
}

/// Makes the space's table anew, with what the rows have.
pub fn build(connection: &Connection, space: &Space) -> rusqlite::Result<()> {
    let table = space.table();
    drop_table(connection, &table)?;
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {table} USING vec0(embedding_key INTEGER PRIMARY KEY, embedding FLOAT[{}], chunk_size={CHUNK})",
        space.dimensions
    ))?;
    let mut rows = connection
        .prepare("SELECT key, embedding FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2 ORDER BY key")?;
    let mut rows = rows.query(params![space.fingerprint, space.dimensions])?;
    let mut batch = Batch::default();
    while let Some(row) = rows.next()? {
        batch.push(row.get(0)?, &blob::unit(&vector_of(row.get_ref(1)?, 1)?));
        if batch.keys.len() == CHUNK {
            insert(connection, space, &mut batch)?;
        }
    }
    insert(connection, space, &mut batch)
}

/// Rows on their way into a vec0 table.
#[derive(Default)]
pub struct Batch {
    pub keys: Vec<i64>,
    /// Their vectors at unit length, end to end, as bytes.
    units: Vec<u8>,
}

impl Batch {
    pub fn push(&mut self, key: i64, unit: &[f32]) {
        self.keys.push(key);
        blob::append_bytes(&mut self.units, unit);
    }
}

/// Adds rows, and empties the batch. They are written as vec0 0.1.9 would leave them, which `verify` reads through vec0: vec0
/// itself opens four blobs for each row, and goes through a chunk's pages for its vector, which would take most of the time
/// of a batch.
pub fn insert(connection: &Connection, space: &Space, batch: &mut Batch) -> rusqlite::Result<()> {
    let table = space.table();
    let bytes = 4 * space.dimensions;
    let (mut keys, mut units) = (batch.keys.as_slice(), batch.units.as_slice());
    while !keys.is_empty() {
        // vec0 fills the last chunk before it begins another.
        let written = match free_run(connection, &table)? {
            Some(free) => {
                let count = keys.len().min(free.places);
                fill(connection, &table, &free, &keys[..count], &units[..count * bytes])?;
                count
            }
            None => {
                let count = keys.len().min(CHUNK);
                insert_chunk(connection, &table, &keys[..count], &units[..count * bytes], CHUNK * bytes)?;
                count
            }
        };
        (keys, units) = (&keys[written..], &units[written * bytes..]);
    }
    batch.keys.clear();
    batch.units.clear();
    Ok(())
}

/// A chunk: a bit for each place that is taken, the keys as native integers, the vectors, and a row for each key that says
/// where it is. Places that are not taken are 0.
fn insert_chunk(connection: &Connection, table: &str, keys: &[i64], units: &[u8], size: usize) -> rusqlite::Result<()> {
    let mut taken = [0u8; CHUNK / 8];
    take(&mut taken, 0, keys.len());
    let mut rowids = rowids(keys);
    rowids.resize(8 * CHUNK, 0);
    let sql = format!("INSERT INTO {table}_chunks (size, validity, rowids) VALUES (?1, ?2, ?3)");
    connection.prepare_cached(&sql)?.execute(params![CHUNK, taken, rowids])?;
    let chunk = connection.last_insert_rowid();
    let sql = format!("INSERT INTO {table}_vector_chunks00 (_rowid_, rowid, vectors) VALUES (?1, ?1, ?2)");
    let mut statement = connection.prepare_cached(&sql)?;
    if units.len() == size {
        statement.execute(params![chunk, units])?;
    } else {
        let mut whole = units.to_vec();
        whole.resize(size, 0);
        statement.execute(params![chunk, whole])?;
    }
    insert_places(connection, table, chunk, 0, keys)
}

/// Places next to each other that are not taken.
struct Free {
    chunk: i64,
    taken: Vec<u8>,
    first: usize,
    places: usize,
}

/// The first free places of the last chunk.
fn free_run(connection: &Connection, table: &str) -> rusqlite::Result<Option<Free>> {
    let sql = format!("SELECT chunk_id, validity FROM {table}_chunks ORDER BY chunk_id DESC LIMIT 1");
    let last = connection.prepare_cached(&sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((chunk, taken)): Option<(i64, Vec<u8>)> = last else {
        return Ok(None);
    };
    let is_free = |&place: &usize| taken[place / 8] >> (place % 8) & 1 == 0;
    let Some(first) = (0..8 * taken.len()).find(is_free) else {
        return Ok(None);
    };
    let places = (first..8 * taken.len()).take_while(is_free).count();
    Ok(Some(Free { chunk, taken, first, places }))
}

fn fill(connection: &Connection, table: &str, free: &Free, keys: &[i64], units: &[u8]) -> rusqlite::Result<()> {
    let mut taken = free.taken.clone();
    take(&mut taken, free.first, keys.len());
    let write = |of: &str, column: &str, bytes: &[u8], start: usize| {
        let of = format!("{table}_{of}");
        connection.blob_open(MAIN_DB, of.as_str(), column, free.chunk, false)?.write_all_at(bytes, start)
    };
    write("chunks", "validity", &taken, 0)?;
    write("chunks", "rowids", &rowids(keys), 8 * free.first)?;
    write("vector_chunks00", "vectors", units, units.len() / keys.len() * free.first)?;
    insert_places(connection, table, free.chunk, free.first, keys)
}

fn take(taken: &mut [u8], first: usize, count: usize) {
    (first..first + count).for_each(|place| taken[place / 8] |= 1 << (place % 8));
}

fn rowids(keys: &[i64]) -> Vec<u8> {
    keys.iter().flat_map(|key| key.to_ne_bytes()).collect()
}

fn insert_places(connection: &Connection, table: &str, chunk: i64, first: usize, keys: &[i64]) -> rusqlite::Result<()> {
    // One statement for all: the table counts its rows in another one, once for each statement.
    let sql = format!(
        "INSERT INTO {table}_rowids (rowid, chunk_id, chunk_offset) SELECT value, ?2, key + ?3 FROM json_each(?1)"
    );
    connection.prepare_cached(&sql)?.execute(params![format!("{keys:?}"), chunk, first])?;
    Ok(())
}

/// Takes a row out. (vec0 has no UPSERT: to replace is to delete and insert.)
pub fn delete(connection: &Connection, space: &Space, key: i64) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM {} WHERE embedding_key = ?1", space.table());
    connection.prepare_cached(&sql)?.execute([key])?;
    Ok(())
}

/// The `k` rows that vec0 has for the nearest, with its distances (f32 arithmetic).
pub fn nearest(connection: &Connection, space: &Space, query: &[f32], k: usize) -> rusqlite::Result<Vec<(i64, f64)>> {
    let sql = format!("SELECT embedding_key, distance FROM {} WHERE embedding MATCH ?1 AND k = ?2", space.table());
    connection
        .prepare_cached(&sql)?
        .query_map(params![blob::to_bytes(query), k], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
