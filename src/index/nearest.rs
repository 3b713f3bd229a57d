//! The rows that may be among the `k` nearest, as far as a thread has seen, and how similar a row must be to join them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::quantise::Range;

/// A similarity that all threads of a search raise. It is never above that of the k-th nearest row less the slack.
pub struct Floor(AtomicU64);

impl Floor {
    /// Added before a floor becomes bits: positive floats have the order of their bits. The rounding of the sum (2^-51)
    /// is in the slack of the bounds.
    const OFFSET: f64 = 2.0;

    /// The threshold of the search; less than -2 is the same as -2.
    pub fn new(threshold: f32) -> Self {
        Self(AtomicU64::new(Self::bits(f64::from(threshold))))
    }

    /// What a row must reach.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed)) - Self::OFFSET
    }

    pub fn raise(&self, to: f64) {
        self.0.fetch_max(Self::bits(to), Ordering::Relaxed);
    }

    fn bits(floor: f64) -> u64 {
        (floor + Self::OFFSET).max(0.0).to_bits()
    }
}

/// A row that may be among the nearest.
pub struct Candidate {
    pub key: i64,
    pub range: Range,
}

/// The candidates of a thread.
pub struct Nearest {
    k: usize,
    /// How far behind the `k`-th one may be.
    slack: f64,
    candidates: Vec<Candidate>,
    /// At this many those are let go that the others have left behind.
    full: usize,
}

impl Nearest {
    pub fn new(k: usize, slack: f64) -> Self {
        Self { k, slack, candidates: Vec::new(), full: k.saturating_mul(2).saturating_add(16) }
    }

    /// Takes a candidate; raises the floor now and then.
    pub fn offer(&mut self, candidate: Candidate, floor: &Floor) {
        self.candidates.push(candidate);
        if self.candidates.len() >= self.full {
            self.prune(floor);
            // Rows too alike to be told apart stay; twice as many makes the cost of looking through them constant a row.
            self.full = self.full.max(self.candidates.len().saturating_mul(2));
        }
    }

    /// Those of all threads that can still be among the nearest.
    pub fn join(threads: Vec<Self>, k: usize, slack: f64, floor: &Floor) -> Vec<Candidate> {
        let mut all = Self::new(k, slack);
        all.candidates = threads.into_iter().flat_map(|thread| thread.candidates).collect();
        all.prune(floor);
        all.candidates
    }

    fn prune(&mut self, floor: &Floor) {
        if self.candidates.len() >= self.k {
            let by_lower = |a: &Candidate, b: &Candidate| b.range.lower.total_cmp(&a.range.lower);
            let (_, kth, _) = self.candidates.select_nth_unstable_by(self.k - 1, by_lower);
            floor.raise(kth.range.lower - self.slack);
        }
        let floor = floor.get();
        self.candidates.retain(|candidate| candidate.range.upper >= floor);
    }
}
