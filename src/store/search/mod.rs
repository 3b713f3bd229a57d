//! Search: what can be asked, and how an answer is put together from the nearest rows and the rows with the words.

mod fuse;
mod near;

use std::collections::HashSet;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

pub use near::{Near, Reached, Target};

use super::filter::Filter;
use super::rows::{self, MAX_NAME, Row};
use super::{connection, keywords, vectors};
use crate::blob;
use crate::error::{Code, Error, Result, fail};

/// Hits that a search gives at most.
pub const MAX_LIMIT: usize = 10_000;

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub enum Query<'a> {
    /// Rows near to this vector.
    Vector(&'a [f32]),
    /// Rows near to the row of this id, which is not among them.
    Like(&'a str),
    /// Rows that have words of this text, best first by BM25.
    Words(&'a str),
    /// Both, fused by reciprocal rank (Cormack, Clarke and Büttcher 2009).
    Both {
        /// See [`Query::Vector`].
        vector: &'a [f32],
        /// See [`Query::Words`].
        words: &'a str,
    },
}

/// How to search. `SearchOptions { fingerprint, ..SearchOptions::default() }` is the ten nearest rows, however far.
#[derive(Clone, Copy, Debug)]
pub struct SearchOptions<'a> {
    /// Only rows of this model are searched. Not empty, except with [`Query::Like`], where it is the row's.
    pub fingerprint: &'a str,
    /// At most so many hits, 1 to 10,000.
    pub limit: usize,
    /// Only hits of at least this cosine, -1 to 1; not for words.
    pub threshold: f32,
    /// Only rows that pass; applied before the limit. No other row has any influence on the answer.
    pub filter: Option<&'a Filter>,
    /// Only hits that come after this one: the last of the page before. Not for words, nor with `diversity`.
    pub after: Option<After<'a>>,
    /// Only the best chunk of each source.
    pub group_by_source: bool,
    /// Less of the same: maximal marginal relevance. Not for words.
    pub diversity: Option<Diversity>,
    /// How ranks are fused; only for [`Query::Both`].
    pub fusion: Fusion,
    /// Which index answers. They all give the same.
    pub index: Index,
    /// Leaves `vector` of the rows empty, which saves reading and copying them.
    pub without_vectors: bool,
}

impl Default for SearchOptions<'_> {
    fn default() -> Self {
        Self {
            fingerprint: "",
            limit: 10,
            threshold: -1.0,
            filter: None,
            after: None,
            group_by_source: false,
            diversity: None,
            fusion: Fusion::default(),
            index: Index::Auto,
            without_vectors: false,
        }
    }
}

/// Where a page ends: hits are ordered by distance, then id.
#[derive(Clone, Copy, Debug)]
pub struct After<'a> {
    /// The last hit's distance, bit by bit.
    pub distance: f32,
    /// The last hit's id.
    pub id: &'a str,
}

/// Maximal marginal relevance (Carbonell and Goldstein 1998): each next hit is that with the largest
/// `lambda * similarity to the query - (1 - lambda) * largest similarity to a hit before it`.
#[derive(Clone, Copy, Debug)]
pub struct Diversity {
    /// 1 is the usual order, 0 looks at diversity only.
    pub lambda: f32,
    /// Among how many of the nearest rows hits are chosen, up to 10,000; 0 is five times the limit, at least 50.
    pub candidates: usize,
}

/// A row's score is `vector_weight / (k + its rank by vector) + words_weight / (k + its rank by words)`; a rank that it
/// does not have adds nothing.
#[derive(Clone, Copy, Debug)]
pub struct Fusion {
    /// 0 or more, finite.
    pub vector_weight: f32,
    /// 0 or more, finite; not both 0.
    pub words_weight: f32,
    /// How little the first ranks differ, 1 or more; 60 in the paper.
    pub k: f32,
    /// How many ranks of each kind count, up to 10,000; 0 is four times the limit, at least 100.
    pub depth: usize,
}

impl Default for Fusion {
    fn default() -> Self {
        Self { vector_weight: 1.0, words_weight: 1.0, k: 60.0, depth: 0 }
    }
}

/// What a search by vector reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The fastest that can answer.
    Auto,
    /// The rows themselves.
    Rows,
    /// vec0; where it cannot answer (filters, many equal distances), the rows.
    Vec0,
}

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
    /// Which index answered for the vector: `rows`, `vec0`, or `none`.
    pub index: &'static str,
    /// How many vectors were compared with the query.
    pub compared: u64,
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
    pub explain: Explain,
}

/// Refuses what makes no sense, before anything is read.
pub fn check(query: &Query<'_>, options: &SearchOptions<'_>) -> Result<()> {
    let (vector, words) = match query {
        Query::Vector(vector) => (Some(*vector), None),
        Query::Like(id) => {
            if id.is_empty() || id.len() > MAX_NAME {
                fail!(InvalidArgument, "the id to search by has {} bytes, not 1 to {MAX_NAME}", id.len());
            }
            (None, None)
        }
        Query::Words(words) => (None, Some(*words)),
        Query::Both { vector, words } => (Some(*vector), Some(*words)),
    };
    if let Some(vector) = vector {
        rows::check_vector(vector).map_err(|e| Error::new(e.code(), format!("query: {e}")))?;
    }
    if options.fingerprint.is_empty() && !matches!(query, Query::Like(_)) {
        fail!(InvalidArgument, "fingerprint is empty; set it to that of the model whose rows are searched");
    }
    if options.limit == 0 || options.limit > MAX_LIMIT {
        fail!(InvalidArgument, "limit {} is out of range: 1 to {MAX_LIMIT}", options.limit);
    }
    if !(-1.0..=1.0).contains(&options.threshold) {
        fail!(InvalidArgument, "threshold {} is no cosine: -1 to 1", options.threshold);
    }
    if let Some(after) = &options.after {
        if words.is_some() || options.diversity.is_some() {
            fail!(
                InvalidArgument,
                "after is for searches by vector without diversity: only these are in order of distance"
            );
        }
        if !(0.0..=2.1).contains(&after.distance) {
            fail!(InvalidArgument, "after.distance {} is none of two unit vectors: 0 to 2", after.distance);
        }
    }
    if let Some(diversity) = &options.diversity {
        if words.is_some() {
            fail!(InvalidArgument, "diversity is for searches by vector only");
        }
        if !(0.0..=1.0).contains(&diversity.lambda) {
            fail!(InvalidArgument, "diversity.lambda {} is out of range: 0 to 1", diversity.lambda);
        }
        if diversity.candidates > MAX_LIMIT {
            fail!(InvalidArgument, "diversity.candidates {} is more than {MAX_LIMIT}", diversity.candidates);
        }
    }
    if let (Some(_), Some(_)) = (vector, words) {
        let fusion = &options.fusion;
        let weights = [("vector_weight", fusion.vector_weight), ("words_weight", fusion.words_weight)];
        for (name, weight) in weights {
            if !(0.0..=f32::MAX).contains(&weight) {
                fail!(InvalidArgument, "fusion.{name} {weight} is no weight: 0 or more, and finite");
            }
        }
        if fusion.vector_weight == 0.0 && fusion.words_weight == 0.0 {
            fail!(InvalidArgument, "both weights of the fusion are 0: nothing would have a rank");
        }
        if !(1.0..=f32::MAX).contains(&fusion.k) {
            fail!(InvalidArgument, "fusion.k {} is out of range: 1 or more, and finite", fusion.k);
        }
        if fusion.depth > MAX_LIMIT {
            fail!(InvalidArgument, "fusion.depth {} is more than {MAX_LIMIT}", fusion.depth);
        }
    }
    Ok(())
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

    /// The first `want` rows after the page before, in the order of distance and id.
    fn nearest(
        &mut self,
        fingerprint: &str,
        unit: &[f32],
        without: Option<&str>,
        want: usize,
        grouped: bool,
    ) -> Result<Vec<Candidate>> {
        let start = Instant::now();
        let space = vectors::space(self.connection, fingerprint, unit.len()).map_err(|e| self.failed(&e))?;
        let Some(space) = space else {
            return Ok(Vec::new());
        };
        let filter = self.options.filter;
        let target = Target { connection: self.connection, name: self.name, space: &space, unit, filter };
        let mut asked = want + usize::from(without.is_some());
        let found = loop {
            let (index, reached) = self.reach(&target, asked)?;
            self.explain.index = index;
            self.explain.compared += reached.compared;
            self.explain.rounds += 1;
            let found = self.walk(&reached, without, want, grouped)?;
            if found.len() >= want || reached.complete || self.ends_before(&reached) {
                break found;
            }
            asked = (reached.near.len().max(asked)) * 4;
        };
        self.explain.vector_us += micros(start);
        Ok(found)
    }

    fn reach(&self, target: &Target<'_>, k: usize) -> Result<(&'static str, Reached)> {
        if self.options.index != Index::Rows
            && let Some(reached) = target.vec0(k)?
        {
            return Ok(("vec0", reached));
        }
        Ok(("rows", target.scan()?))
    }

    /// Whether what was reached goes past the threshold, so that more of it is of no use.
    fn ends_before(&self, reached: &Reached) -> bool {
        reached.near.last().is_some_and(|last| last.similarity < self.options.threshold)
    }

    /// Goes through the nearest, equals by id, and takes what the options let through.
    fn walk(&self, reached: &Reached, without: Option<&str>, want: usize, grouped: bool) -> Result<Vec<Candidate>> {
        let mut sources = HashSet::new();
        let mut found = Vec::new();
        for equals in reached.near.chunk_by(|a, b| a.distance == b.distance) {
            let passed = self.options.after.as_ref().is_some_and(|after| equals[0].distance < after.distance);
            // Nothing of the page before is looked at, unless it has used up sources.
            if passed && !grouped {
                continue;
            }
            let mut named = equals.iter().map(|n| Ok((self.name_of(n.key)?, n))).collect::<Result<Vec<_>>>()?;
            named.sort_by(|a, b| a.0.id.cmp(&b.0.id));
            for (row, near) in named {
                if found.len() == want || near.similarity < self.options.threshold {
                    return Ok(found);
                }
                if without == Some(row.id.as_str()) || (grouped && !sources.insert(row.source)) {
                    continue;
                }
                let past = |after: &After<'_>| (near.distance, row.id.as_str()) > (after.distance, after.id);
                if self.options.after.as_ref().is_none_or(past) {
                    found.push(Candidate {
                        key: near.key,
                        similarity: near.similarity,
                        distance: near.distance,
                        score: near.similarity,
                        vector_rank: u32::try_from(found.len() + 1).unwrap_or(u32::MAX),
                        words_rank: 0,
                    });
                }
            }
        }
        Ok(found)
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
struct Named {
    id: String,
    source: (String, String),
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
