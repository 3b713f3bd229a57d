//! Search: what can be asked, and how an answer is put together from the nearest rows and the rows with the words.

mod fuse;
mod near;
mod options;
mod walk;

use std::collections::HashSet;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

pub use options::{After, Diversity, Fusion, Index, Query, SearchOptions, check};

use self::near::Near;
use self::options::MAX_LIMIT;
use super::resident::{Resident, View};
use super::rows::{self, Row};
use super::write::Failure;
use super::{connection, keywords};
use crate::blob;
use crate::error::{Code, Error, Result, fail};

/// A row that a search found.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The row.
    pub row: Row,
    /// Cosine similarity to the query, -1 to 1; 0 where no vector was searched for.
    pub similarity: f32,
    /// L2 distance between the two, both scaled to unit length: `similarity = 1 - distance²/2`; 0 where there was none.
    pub distance: f32,
    /// What hits are ordered by, best first: the similarity, BM25 for words, the fused score for both.
    pub score: f32,
    /// The row's place by vector, from 1; 0 where it has none.
    pub vector_rank: u32,
    /// The row's place by words, from 1; 0 where it has none.
    pub words_rank: u32,
}

/// What a search found, and how.
#[derive(Clone, Debug)]
pub struct Found {
    /// Best first.
    pub hits: Vec<Hit>,
    /// What was done.
    pub explain: Explain,
}

/// What a search has done. Times are in microseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Explain {
    /// Which index answered for the vector: `resident`, `vec0`, `rows`, or `none`.
    pub index: &'static str,
    /// How many vectors were compared with the query: those of all rows that pass the filter.
    pub compared: u64,
    /// How many of these the resident index compared a second time, more closely.
    pub refined: u64,
    /// How many of these were read from the table for their exact distance.
    pub rescored: u64,
    /// How often the index was asked: more than once where equals, groups or pages needed more of the nearest.
    pub rounds: u32,
    /// How many rows have words of the query and pass the filter.
    pub matched: u64,
    /// Time for the vector.
    pub vector_us: u64,
    /// Time for the words.
    pub words_us: u64,
    /// Time for reading the rows of the hits.
    pub rows_us: u64,
    /// Time for all.
    pub total_us: u64,
}

/// A row on its way to be a hit.
#[derive(Clone, Debug, Default)]
struct Candidate {
    key: i64,
    similarity: f32,
    distance: f32,
    score: f32,
    vector_rank: u32,
    words_rank: u32,
}

/// One search, in one read transaction.
pub struct Search<'a> {
    pub connection: &'a Connection,
    pub name: &'a str,
    pub options: &'a SearchOptions<'a>,
    pub resident: &'a Resident,
    /// The resident indexes as of the transaction; `None` where they are not to answer.
    pub view: Option<View<'a>>,
    pub explain: Explain,
}

/// Whether the resident indexes may answer.
pub fn looks_in_memory(query: &Query<'_>, options: &SearchOptions<'_>) -> bool {
    !matches!(query, Query::Words(_)) && matches!(options.index, Index::Auto | Index::Resident)
}

/// What rows could not be read for, as an error of the database of this name.
pub fn not_read(name: &str, failure: Failure) -> Error {
    match failure {
        Failure::Sqlite(e) => connection::error(name, "searched", &e),
        Failure::Refused(e) => {
            Error::new(e.code(), format!("{name} could not be searched: {e}; let 'verify' say what is damaged"))
        }
    }
}

impl Search<'_> {
    fn failed(&self, e: &rusqlite::Error) -> Error {
        connection::error(self.name, "searched", e)
    }

    /// The answer to a query that was checked.
    pub fn run(mut self, query: &Query<'_>) -> Result<Found> {
        let start = Instant::now();
        self.explain.index = "none";
        let limit = self.options.limit;
        let fingerprint = self.options.fingerprint;
        let candidates = match query {
            Query::Vector(vector) => self.by_vector(fingerprint, &blob::unit(vector), None)?,
            Query::Like(id) => {
                let (fingerprint, vector) = self.row_to_be_like(id)?;
                self.by_vector(&fingerprint, &blob::unit(&vector), Some(id))?
            }
            Query::Words(words) => {
                let found = self.by_words(words)?;
                self.first_of_each_source(found, limit)?
            }
            Query::Both { vector, words } => {
                let fusion = &self.options.fusion;
                let depth = if fusion.depth == 0 { (4 * limit).clamp(100, MAX_LIMIT) } else { fusion.depth };
                let near = self.nearest(fingerprint, &blob::unit(vector), None, depth, false)?;
                let mut matched = self.by_words(words)?;
                matched.truncate(depth);
                let fused = fuse::by_rank(near, matched, fusion);
                let mut found = self.first_of_each_source(fused, limit)?;
                self.add_distances(&mut found, &blob::unit(vector))?;
                found
            }
        };
        let reading = Instant::now();
        let hits = self.hits(candidates)?;
        self.explain.rows_us = micros(reading);
        self.explain.total_us = micros(start);
        Ok(Found { hits, explain: self.explain })
    }

    fn by_vector(&mut self, fingerprint: &str, unit: &[f32], without: Option<&str>) -> Result<Vec<Candidate>> {
        let limit = self.options.limit;
        let grouped = self.options.group_by_source;
        let Some(diversity) = &self.options.diversity else {
            return self.nearest(fingerprint, unit, without, limit, grouped);
        };
        let among = match diversity.candidates {
            0 => (5 * limit).clamp(50, MAX_LIMIT),
            some => some.max(limit),
        };
        let near = self.nearest(fingerprint, unit, without, among, grouped)?;
        let units = near.iter().map(|c| self.unit_of(c.key, unit.len())).collect::<Result<Vec<_>>>()?;
        Ok(fuse::diverse(near, &units, diversity.lambda, limit))
    }

    fn row_to_be_like(&self, id: &str) -> Result<(String, Vec<f32>)> {
        let sql = "SELECT fingerprint, embedding FROM embeddings WHERE id = ?1";
        let find = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([id], |row| Ok((row.get(0)?, rows::vector_of(row.get_ref(1)?, 1)?))).optional()
        };
        let Some((fingerprint, vector)): Option<(String, Vec<f32>)> = find().map_err(|e| self.failed(&e))? else {
            return Err(Error::new(Code::NotFound, format!("there is no row with the id '{id}' to search by")));
        };
        if !self.options.fingerprint.is_empty() && self.options.fingerprint != fingerprint {
            fail!(
                InvalidArgument,
                "the row '{id}' was made by another model than the fingerprint in the options names"
            );
        }
        if vector.is_empty() {
            fail!(InvalidArgument, "the row '{id}' has no vector to search by; 'reindex' gives it one");
        }
        Ok((fingerprint, vector))
    }

    fn name_of(&self, key: i64) -> Result<Named> {
        let sql = "SELECT id, source_type, source_id FROM embeddings WHERE key = ?1";
        let read = || {
            self.connection
                .prepare_cached(sql)?
                .query_row([key], |row| Ok(Named { id: row.get(0)?, source: (row.get(1)?, row.get(2)?) }))
        };
        read().map_err(|e| self.failed(&e))
    }

    fn by_words(&mut self, words: &str) -> Result<Vec<Candidate>> {
        let start = Instant::now();
        let query = keywords::query(words)?;
        let matches = keywords::matches(self.connection, &query, self.options.fingerprint, self.options.filter);
        let matches = matches.map_err(|e| self.failed(&e))?;
        self.explain.matched = matches.len() as u64;
        self.explain.words_us += micros(start);
        let candidate = |(rank, found): (usize, keywords::Match)| Candidate {
            key: found.key,
            score: found.score as f32,
            words_rank: u32::try_from(rank + 1).unwrap_or(u32::MAX),
            ..Candidate::default()
        };
        Ok(matches.into_iter().enumerate().map(candidate).collect())
    }

    /// The first `limit`; of each source only the best, where the options say so.
    fn first_of_each_source(&self, mut found: Vec<Candidate>, limit: usize) -> Result<Vec<Candidate>> {
        if self.options.group_by_source {
            let (mut sources, mut kept) = (HashSet::new(), Vec::new());
            for candidate in found {
                if kept.len() < limit && sources.insert(self.name_of(candidate.key)?.source) {
                    kept.push(candidate);
                }
            }
            return Ok(kept);
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Rows that came by their words alone have a distance too.
    fn add_distances(&self, found: &mut [Candidate], query: &[f32]) -> Result<()> {
        for candidate in found.iter_mut().filter(|c| c.vector_rank == 0) {
            let unit = self.unit_of(candidate.key, query.len())?;
            // A row of the same model may have fewer dimensions.
            if unit.len() == query.len() {
                let near = Near::new(candidate.key, blob::squared_distance(query, &unit));
                (candidate.distance, candidate.similarity) = (near.distance, near.similarity);
            }
        }
        Ok(())
    }

    /// A row's vector at unit length; empty where it is not of these dimensions.
    fn unit_of(&self, key: i64, dimensions: usize) -> Result<Vec<f32>> {
        let mut unit = vec![0f32; dimensions];
        let mut read = || {
            let mut statement = self.connection.prepare_cached("SELECT embedding FROM embeddings WHERE key = ?1")?;
            statement.query_row([key], |row| Ok(blob::unit_of_bytes(row.get_ref(0)?.as_blob()?, &mut unit)))
        };
        let found: rusqlite::Result<bool> = read();
        Ok(if found.map_err(|e| self.failed(&e))? { unit } else { Vec::new() })
    }

    fn hits(&self, candidates: Vec<Candidate>) -> Result<Vec<Hit>> {
        let sql = format!("SELECT {} FROM embeddings e WHERE e.key = ?1", rows::COLUMNS);
        let mut statement = self.connection.prepare_cached(&sql).map_err(|e| self.failed(&e))?;
        let hit = |c: Candidate| {
            let row = statement.query_row([c.key], |row| rows::read(row, !self.options.without_vectors));
            Ok(Hit {
                row: row.map_err(|e| self.failed(&e))?,
                similarity: c.similarity,
                distance: c.distance,
                score: c.score,
                vector_rank: c.vector_rank,
                words_rank: c.words_rank,
            })
        };
        candidates.into_iter().map(hit).collect()
    }
}

/// What decides between equals, and what groups.
#[derive(Default)]
struct Named {
    id: String,
    source: (String, String),
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
