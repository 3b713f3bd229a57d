//! The nearest rows as the options want them: past a page, above a threshold, one of each source.

use std::collections::HashSet;
use std::time::Instant;

use super::near::{Limits, Near, Reached, Target};
use super::{After, Candidate, Index, Named, Search, micros, not_read};
use crate::error::Result;
use crate::store::resident::Memory;
use crate::store::vectors::{self, Space};

impl<'a> Search<'a> {
    /// The first `want` rows after the page before, in the order of distance and id.
    pub(super) fn nearest(
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
        let memory = self.memory(&space)?;
        let filter = self.options.filter;
        let target = Target { connection: self.connection, name: self.name, space: &space, unit, filter };
        // The rows that are not wanted themselves are the nearest.
        let mut asked = want + usize::from(without.is_some()) + usize::from(self.options.after.is_some());
        let found = loop {
            let (index, reached) = self.reach(&target, memory.as_ref(), asked)?;
            self.explain.index = index;
            self.explain.compared += reached.compared;
            self.explain.refined += reached.refined;
            self.explain.rescored += reached.rescored;
            self.explain.rounds += 1;
            let found = self.walk(&reached, without, want, grouped)?;
            if found.len() >= want || reached.complete || self.ends_before(&reached) {
                break found;
            }
            asked = (reached.near.len().max(asked)) * 4;
        };
        let took = micros(start);
        self.explain.vector_us += took;
        match memory {
            Some(memory) => memory.share(),
            None if self.options.index == Index::Auto => self.resident.owes(&space, took),
            None => {}
        }
        Ok(found)
    }

    /// The space's resident index; `None` where another one is to answer.
    fn memory(&mut self, space: &Space) -> Result<Option<Memory<'a>>> {
        let Some(view) = self.view.take() else { return Ok(None) };
        let now = self.options.index == Index::Resident;
        let memory = view.into_memory(self.connection, space, now, self.options.progress);
        memory.map_err(|failure| not_read(self.name, failure))
    }

    fn reach(&self, target: &Target<'_>, memory: Option<&Memory<'_>>, k: usize) -> Result<(&'static str, Reached)> {
        if let Some(memory) = memory {
            // A page before has used up sources, so that its rows are needed.
            let after = self.options.after.filter(|_| !self.options.group_by_source);
            let limits = Limits { threshold: self.options.threshold, after: after.map(|after| after.distance) };
            return Ok(("resident", target.resident(memory, k, limits)?));
        }
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
            if found.len() == want {
                break;
            }
            // One that stands alone is not asked for its name, unless that decides.
            let after = self.options.after.as_ref().is_none_or(|after| equals[0].distance > after.distance);
            let named_by = |near: &Near| match equals.len() {
                1 if after && !grouped && without.is_none() => Ok(Named::default()),
                _ => self.name_of(near.key),
            };
            let mut named = equals.iter().map(|near| Ok((named_by(near)?, near))).collect::<Result<Vec<_>>>()?;
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
}
