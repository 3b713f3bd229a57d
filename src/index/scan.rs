//! The pass over all rows: which of them may be among the nearest.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::block::Block;
use super::dot::{dot, reaching};
use super::nearest::{Candidate, Floor, Nearest};
use super::quantise::Query;

/// Rows between two looks at what a row must reach: few at first, when any row reaches it.
const STRIPE: std::ops::RangeInclusive<usize> = 32..=1024;

/// Bytes of high planes that pay for a thread: it takes about as long to start one as to scan a tenth of them.
const BYTES_OF_A_THREAD: usize = 4 << 20;

/// A pass for one query.
pub struct Scan<'a, T> {
    pub blocks: &'a [Block<T>],
    pub query: &'a Query,
    pub keep: Option<&'a (dyn Fn(&T) -> bool + Sync)>,
    pub k: usize,
    pub slack: f64,
    pub ceiling: f64,
    pub floor: Floor,
    /// The block that the next thread without work takes.
    pub next: AtomicUsize,
}

/// What a thread did.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Rows that passed the filter.
    pub kept: usize,
    /// Rows whose low plane was read.
    pub refined: usize,
}

impl<T: Sync> Scan<'_, T> {
    /// Runs on at most so many threads, the caller's among them; a small index is not worth a second one.
    pub fn run(&self, threads: usize) -> (Vec<Candidate>, Counts) {
        let bytes: usize = self.blocks.iter().map(|block| block.high.len()).sum();
        let helpers = threads.min(self.blocks.len()).min(bytes / BYTES_OF_A_THREAD + 1).saturating_sub(1);
        let (nearest, counts): (Vec<_>, Vec<_>) = std::thread::scope(|scope| {
            // A thread that the system does not give is a thread less: the others do its work.
            let start = |_| std::thread::Builder::new().spawn_scoped(scope, || self.work()).ok();
            let helpers: Vec<_> = (0..helpers).filter_map(start).collect();
            let own = self.work();
            let join = |helper: std::thread::ScopedJoinHandle<'_, _>| {
                helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            std::iter::once(own).chain(helpers.into_iter().map(join)).unzip()
        });
        let sum = |sum: Counts, counts: &Counts| Counts {
            kept: sum.kept + counts.kept,
            refined: sum.refined + counts.refined,
        };
        (Nearest::join(nearest, self.k, self.slack, &self.floor), counts.iter().fold(Counts::default(), sum))
    }

    /// Takes blocks until none is left.
    fn work(&self) -> (Nearest, Counts) {
        let (mut nearest, mut counts) = (Nearest::new(self.k, self.slack), Counts::default());
        while let Some(block) = self.blocks.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            self.block(block, &mut nearest, &mut counts);
        }
        (nearest, counts)
    }

    fn block(&self, block: &Block<T>, nearest: &mut Nearest, counts: &mut Counts) {
        let (mut chosen, mut near) = ([0u16; *STRIPE.end()], [0u16; *STRIPE.end()]);
        let mut first = 0;
        while first < block.len() {
            // Until a thread has seen enough rows, a stripe is as long as all that it has seen.
            let stripe = counts.kept.clamp(*STRIPE.start(), *STRIPE.end());
            let rows = first..block.len().min(first + stripe);
            first = rows.end;
            let kept = match self.keep {
                None => {
                    chosen.iter_mut().zip(rows.clone()).for_each(|(chosen, row)| *chosen = row as u16);
                    rows.len()
                }
                Some(keep) => {
                    let mut kept = 0;
                    for row in rows {
                        // Written in any case, counted if kept: a filter that half of the rows pass is no branch to guess.
                        chosen[kept] = row as u16;
                        kept += usize::from(keep(&block.payloads[row]));
                    }
                    kept
                }
            };
            counts.kept += kept;
            let planes = (block.high.as_slice(), block.forms.as_slice());
            let count = reaching(planes, &chosen[..kept], self.query, self.floor.get(), &mut near[..kept]);
            counts.refined += count;
            for row in near[..count].iter().map(|row| usize::from(*row)) {
                let (high, low) = block.planes(row);
                let values = &self.query.values;
                let range = self.query.range(block.forms[row], dot(high, values), dot(low, values));
                if range.upper >= self.floor.get() && range.lower <= self.ceiling {
                    nearest.offer(Candidate { key: block.keys[row], range }, &self.floor);
                }
            }
        }
    }
}
