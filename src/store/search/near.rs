//! The nearest rows of a vector, exactly: whichever index answers, the same rows with the same distances.
//!
//! An index gives candidates; the distance is always computed from the row itself, in f64. What an index leaves out is
//! farther than what it gives, up to the error of its own arithmetic, so candidates that are within that error of the last
//! one do not count until more have been asked for.

use rusqlite::{Connection, ErrorCode, ToSql};

use crate::blob;
use crate::error::{Code, Error, Result};
use crate::index::Request;
use crate::store::connection;
use crate::store::filter::{Facts, Filter, Sql};
use crate::store::resident::Memory;
use crate::store::vectors::{self, MAX_K, Space};

/// How far the cosine by which the resident index orders may be from the one that belongs to a distance, with much to
/// spare: the cosine is rounded to f32 (2^-25), and distances are those of unit vectors in f32, each component of which is
/// rounded by 2^-24 of itself (so that the squared distance is off by less than 2^-21).
const SLACK: f32 = 4e-6;
/// What lies between the two, for squared distances: more than the error, and less than twice the slack less the error.
const SURE: f64 = 1e-6;

/// A row and how far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    pub key: i64,
    /// L2 at unit length: what rows are ordered by, ids deciding between equals.
    pub distance: f32,
    /// The cosine; never rises with the distance.
    pub similarity: f32,
}

impl Near {
    pub fn new(key: i64, squared: f64) -> Self {
        Self { key, distance: squared.sqrt() as f32, similarity: (1.0 - squared / 2.0).clamp(-1.0, 1.0) as f32 }
    }
}

/// The nearest rows in the order of their distance. No row that is left out, and is within the limits, is as near as the
/// last of them.
pub struct Reached {
    pub near: Vec<Near>,
    /// There are no others within the limits.
    pub complete: bool,
    /// How many vectors were compared with the query.
    pub compared: u64,
    /// How many of these were compared a second time, more closely.
    pub refined: u64,
    /// How many of these were read from the table.
    pub rescored: u64,
}

/// Which rows are of no use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Those of a smaller cosine.
    pub threshold: f32,
    /// Those that are nearer than this distance.
    pub after: Option<f32>,
}

/// What the nearest are wanted of.
pub struct Target<'a> {
    pub connection: &'a Connection,
    /// The database's name, for messages.
    pub name: &'a str,
    pub space: &'a Space,
    /// The query at unit length.
    pub unit: &'a [f32],
    pub filter: Option<&'a Filter>,
}

impl Target<'_> {
    fn failed(&self, e: &rusqlite::Error) -> Error {
        connection::error(self.name, "searched", e)
    }

    fn index_is_wrong(&self, what: &str) -> Error {
        let table = self.space.table();
        Error::new(
            Code::Store,
            format!("{}: the index {table} is not what the rows say: {what}; let 'verify' repair it", self.name),
        )
    }

    /// vec0 tells what is wrong with its tables by a plain error; other codes are SQLite's own.
    fn vec0_failed(&self, e: &rusqlite::Error) -> Error {
        match e.sqlite_error_code() {
            Some(ErrorCode::Unknown) => self.index_is_wrong(&e.to_string()),
            _ => self.failed(e),
        }
    }

    /// All rows, by reading them.
    pub fn scan(&self) -> Result<Reached> {
        let mut near = self.read_all().map_err(|e| self.failed(&e))?;
        let compared = near.len() as u64;
        near.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance));
        Ok(Reached { near, complete: true, compared, refined: 0, rescored: compared })
    }

    fn read_all(&self) -> rusqlite::Result<Vec<Near>> {
        let condition = Sql::of(self.filter, "e");
        let sql = format!(
            "SELECT e.key, e.embedding FROM embeddings e WHERE e.fingerprint = ? AND e.dimensions = ? AND ({})",
            condition.text
        );
        let mut values: Vec<&dyn ToSql> = vec![&self.space.fingerprint, &self.space.dimensions];
        values.extend(condition.values.iter().map(|v| v as &dyn ToSql));
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(values.as_slice())?;
        let mut unit = vec![0f32; self.unit.len()];
        let mut near = Vec::new();
        while let Some(row) = rows.next()? {
            if blob::unit_of_bytes(row.get_ref(1)?.as_blob()?, &mut unit) {
                near.push(Near::new(row.get(0)?, blob::squared_distance(self.unit, &unit)));
            }
        }
        Ok(near)
    }

    /// At least the `k` nearest within the limits, from memory.
    pub fn resident(&self, memory: &Memory<'_>, k: usize, limits: Limits) -> Result<Reached> {
        let filter = self.filter;
        let keep = move |facts: &Facts| filter.is_none_or(|filter| filter.matches(facts));
        let cosine = |distance: f32| blob::cosine_of_distance(distance.into()) as f32;
        let request = Request {
            k,
            slack: SLACK,
            threshold: limits.threshold - SLACK,
            ceiling: limits.after.map_or(f32::INFINITY, |distance| cosine(distance) + SLACK),
            keep: filter.is_some().then_some(&keep as &(dyn Fn(&Facts) -> bool + Sync)),
            threads: 0,
        };
        let mut near: Vec<(f64, Near)> = Vec::new();
        let mut exact = |key, unit: &mut [f32]| {
            if !self.unit_of(key, unit)? {
                return Err(self.row_is_gone(key));
            }
            let squared = blob::squared_distance(self.unit, unit);
            near.push((squared, Near::new(key, squared)));
            Ok(())
        };
        let found = memory.search(self.unit, &request, &mut exact)?;
        // Where it gives fewer than k, these are all within the limits.
        let complete = found.hits.len() < k || found.hits.len() == found.kept;
        if let Some(&(_, kth)) = found.hits.get(k - 1).filter(|_| !complete) {
            near.retain(|(squared, _)| *squared <= 2.0 - 2.0 * f64::from(kth) + SURE);
        }
        let mut near: Vec<Near> = near.into_iter().map(|(_, near)| near).collect();
        near.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance));
        let count = |rows: usize| rows as u64;
        let (refined, rescored) = (count(found.refined), count(found.rescored));
        Ok(Reached { near, complete, compared: count(found.kept), refined, rescored })
    }

    fn row_is_gone(&self, key: i64) -> Error {
        let what = "the resident index has it, the table has not";
        let why = "something else than this library has written to the table; open the store anew";
        Error::new(Code::Store, format!("{} could not be searched: row {key}: {what}: {why}", self.name))
    }

    /// At least the `k` nearest by vec0, or `None` where it cannot tell: filters, too many equals, a missing table.
    pub fn vec0(&self, k: usize) -> Result<Option<Reached>> {
        if self.filter.is_some() || !vectors::exists(self.connection, self.space).map_err(|e| self.failed(&e))? {
            return Ok(None);
        }
        let compared = self.rows()?;
        let (mut asked, mut rescored) = (k + 16, 0);
        while asked <= MAX_K {
            let found = vectors::nearest(self.connection, self.space, self.unit, asked);
            let found = found.map_err(|e| self.vec0_failed(&e))?;
            let complete = found.len() < asked;
            if complete && found.len() as u64 != compared {
                return Err(self.index_is_wrong(&format!("it has {} of {compared} rows", found.len())));
            }
            rescored += found.len() as u64;
            let last = found.iter().map(|f| f.1).fold(0.0, f64::max);
            let mut near = Vec::with_capacity(found.len());
            for (key, distance) in found {
                let exact = self.exact(key)?.ok_or_else(|| self.index_is_wrong(&format!("row {key} is gone")))?;
                // Where the two differ by more than rounding, the entry is not this row's vector.
                if (f64::from(exact.distance) - distance).abs() > self.error_at(distance) {
                    return Err(self.index_is_wrong(&format!("the vector of row {key} is another")));
                }
                near.push(exact);
            }
            near.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance));
            if !complete {
                let sure = (last - self.error_at(last)) as f32;
                near.retain(|n| n.distance < sure);
            }
            if complete || near.len() >= k {
                return Ok(Some(Reached { near, complete, compared, refined: 0, rescored }));
            }
            if asked == MAX_K {
                break;
            }
            asked = (asked * 4).min(MAX_K);
        }
        Ok(None)
    }

    /// How far off a distance may be that was summed in f32: each of the n + 3 roundings by 2^-24 of the square. Near zero
    /// the square root makes more of it, so there is a least.
    fn error_at(&self, distance: f64) -> f64 {
        let squared = distance * distance * (self.unit.len() as f64 + 3.0) * 2f64.powi(-24);
        if distance > 0.0 { (squared / distance).max(1e-7) } else { 1e-7 }
    }

    /// How many rows the space has.
    fn rows(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM embeddings WHERE fingerprint = ?1 AND dimensions = ?2";
        let count = || {
            self.connection
                .prepare_cached(sql)?
                .query_row(rusqlite::params![self.space.fingerprint, self.space.dimensions], |row| row.get(0))
        };
        count().map_err(|e| self.failed(&e))
    }

    /// A row's own distance; `None` where it is not there.
    fn exact(&self, key: i64) -> Result<Option<Near>> {
        let mut unit = vec![0f32; self.unit.len()];
        Ok(self.unit_of(key, &mut unit)?.then(|| Near::new(key, blob::squared_distance(self.unit, &unit))))
    }

    /// A row's vector at unit length into `unit`; `false` where it is not there.
    fn unit_of(&self, key: i64, unit: &mut [f32]) -> Result<bool> {
        let mut read = || {
            let mut statement = self.connection.prepare_cached("SELECT embedding FROM embeddings WHERE key = ?1")?;
            let mut rows = statement.query([key])?;
            match rows.next()? {
                Some(row) => Ok(blob::unit_of_bytes(row.get_ref(0)?.as_blob()?, unit)),
                None => Ok(false),
            }
        };
        read().map_err(|e| self.failed(&e))
    }
}
