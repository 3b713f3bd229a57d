//! The resident index: vectors in memory in a compact form, all of which every search looks at, and whose answers are
//! exact. docs/search-index.md has the form, the proof and the figures.

mod block;
mod dot;
mod nearest;
mod quantise;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;

use crate::blob;
use crate::error::{Result, fail};

use block::{Block, ROWS};
use nearest::Floor;
use quantise::{Form, LANES, Query, Row};
use scan::Scan;

/// Vectors of one size by key, each with a payload that filters look at.
///
/// A search may run on any number of threads at once; a change needs the index for itself.
pub struct Index<T> {
    dimensions: usize,
    /// All but the last are full.
    blocks: Vec<Block<T>>,
    /// The number of each key's row, counted through all blocks.
    places: HashMap<i64, usize>,
}

/// What to search for.
pub struct Request<'a, T> {
    /// How many rows, at least 1.
    pub k: usize,
    /// Rows less similar than the `k`-th by no more than this are there too: for a caller whose own order is a little
    /// different. 0 or more.
    pub slack: f32,
    /// The least cosine; -1 lets all pass.
    pub threshold: f32,
    /// Rows that are surely more similar than this may be left out; infinity lets all pass.
    pub ceiling: f32,
    /// Which rows take part. All others are as if they were not there. It is called from several threads, once a row.
    pub keep: Option<&'a (dyn Fn(&T) -> bool + Sync)>,
    /// How many threads may work on it, the caller's among them; 0 is taken as 1.
    pub threads: usize,
}

/// What a search found, and what that took.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Keys with their similarity as [`blob::similarity`] gives it, best first, equal ones by key. All rows as similar as
    /// the `k`-th are there, and those that the slack lets in, so there may be more than `k`.
    pub hits: Vec<(i64, f32)>,
    /// Rows that the search looked at: all.
    pub scanned: usize,
    /// Those of them that `keep` let pass.
    pub kept: usize,
    /// Those of them whose 8 bits a component did not tell, and whose next 8 bits were read.
    pub refined: usize,
    /// Those of them that 16 bits did not tell, and whose vector was asked for. The hits are among them.
    pub rescored: usize,
}

impl<T> Index<T> {
    /// An empty index for vectors of so many dimensions.
    pub fn new(dimensions: usize) -> Self {
        Self { dimensions, blocks: Vec::new(), places: HashMap::new() }
    }

    /// Stores a vector, in place of that of the same key, whose payload it gives back. It is taken at unit length,
    /// whatever its own is.
    ///
    /// Another number of dimensions is an error, and so is a component that is not a finite number.
    pub fn put(&mut self, key: i64, vector: &[f32], payload: T) -> Result<Option<T>> {
        self.check(vector, "the vector")?;
        let row = Row::new(vector);
        if let Some(&place) = self.places.get(&key) {
            return Ok(Some(self.blocks[place / ROWS].set(place % ROWS, &row, key, payload)));
        }
        self.places.insert(key, self.len());
        if self.blocks.last().is_none_or(|block| block.len() == ROWS) {
            self.blocks.push(Block::new(row.high.len()));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(&row, key, payload);
        }
        Ok(None)
    }

    /// Forgets a key, and gives its payload; the last row moves to its place.
    pub fn remove(&mut self, key: i64) -> Option<T> {
        let place = self.places.remove(&key)?;
        let (row, last, mut payload) = self.blocks.last_mut().and_then(Block::pop)?;
        if last != key {
            payload = self.blocks[place / ROWS].set(place % ROWS, &row, last, payload);
            self.places.insert(last, place);
        }
        if self.blocks.last().is_some_and(|block| block.len() == 0) {
            self.blocks.pop();
        }
        Some(payload)
    }

    /// The keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = i64> {
        self.places.keys().copied()
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * ROWS + last.len())
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The bytes of memory that it holds, what payloads point to not counted.
    pub fn bytes(&self) -> usize {
        let blocks = self.blocks.capacity() * size_of::<Block<T>>();
        // The table of places has a control byte for each slot, and is at most 7/8 full.
        let places = self.places.capacity() / 7 * 8 * (size_of::<(i64, usize)>() + 1);
        size_of::<Self>() + blocks + places + self.blocks.iter().map(Block::bytes).sum::<usize>()
    }

    /// About what a row of so many dimensions adds to [`Index::bytes`]; between two growths of the table of keys up to
    /// 20 bytes less.
    pub fn bytes_per_row(dimensions: usize) -> usize {
        let planes = 2 * dimensions.next_multiple_of(LANES);
        let place = (size_of::<(i64, usize)>() + 1) * 16 / 7;
        planes + size_of::<Form>() + size_of::<i64>() + size_of::<T>() + place
    }

    fn check(&self, vector: &[f32], what: &str) -> Result<()> {
        if vector.len() != self.dimensions {
            let (found, wanted) = (vector.len(), self.dimensions);
            fail!(Dimensions, "{what} has {found} dimensions, and the index is for vectors of {wanted}");
        }
        if let Some(i) = vector.iter().position(|x| !x.is_finite()) {
            fail!(InvalidArgument, "component {i} of {what} is not a finite number");
        }
        Ok(())
    }
}

impl<T: Sync> Index<T> {
    /// The rows nearest to `query`, exactly as if all vectors had been compared by [`blob::similarity`].
    ///
    /// `exact` writes the vector of a key: the one that was put, or the one of which that was the unit vector in f32. It
    /// is called on the caller's thread, for hardly more rows than are found; its error ends the search.
    /// A query of other dimensions or with a component that is not finite is an error, and so are `k` 0 and a threshold,
    /// slack or ceiling that is not a number.
    pub fn search(
        &self,
        query: &[f32],
        request: &Request<'_, T>,
        exact: &mut dyn FnMut(i64, &mut [f32]) -> Result<()>,
    ) -> Result<Found> {
        let &Request { k, slack, threshold, ceiling, keep, threads } = request;
        self.check(query, "the query")?;
        if k == 0 {
            fail!(InvalidArgument, "k is 0: a search must ask for at least 1 row");
        }
        if threshold.is_nan() {
            fail!(InvalidArgument, "threshold is not a number; it is a cosine from -1 to 1");
        }
        if slack.is_nan() || slack < 0.0 || ceiling.is_nan() {
            fail!(InvalidArgument, "slack {slack} or ceiling {ceiling} is out of range: 0 or more, and any cosine");
        }
        let form = Query::new(query);
        let (floor, next) = (Floor::new(threshold), AtomicUsize::new(0));
        let (slack, ceiling) = (f64::from(slack), f64::from(ceiling));
        let scan = Scan { blocks: &self.blocks, query: &form, keep, k, slack, ceiling, floor, next };
        let (candidates, counts) = scan.run(threads);

        let mut vector = vec![0.0; self.dimensions];
        let mut hits = Vec::with_capacity(candidates.len());
        for candidate in &candidates {
            exact(candidate.key, &mut vector)?;
            // -0 becomes 0, so that the order of f32 is that of numbers.
            let similarity = blob::similarity(query, &vector)? + 0.0;
            if similarity >= threshold {
                hits.push((candidate.key, similarity));
            }
        }
        hits.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if let Some(&(_, kth)) = hits.get(k - 1) {
            let least = f64::from(kth) - slack;
            hits.truncate(hits.partition_point(|hit| f64::from(hit.1) >= least));
        }
        Ok(Found { hits, scanned: self.len(), kept: counts.kept, refined: counts.refined, rescored: candidates.len() })
    }
}
