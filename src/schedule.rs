//! Many texts to token-budget batches on a fixed set of workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::error::{Code, Error, Result};
use crate::session::{Factory, Rows, Session};

/// Batches of this many tokens keep a worker's activations in its cache; beyond about 1,000 they get slower again.
const BATCH_TOKENS: usize = 512;

/// Runs texts on its workers: one session of one thread for each processor while there is a queue, and one session
/// of all threads for a text that comes alone.
pub struct Scheduler {
    narrow: Pool,
    wide: Pool,
    workers: usize,
}

impl Scheduler {
    pub fn new(factory: &Factory, threads: usize) -> Result<Self> {
        let narrow = (0..threads).map(|_| factory.session(1)).collect::<Result<Vec<_>>>()?;
        let wide = if threads > 1 { vec![factory.session(threads)?] } else { Vec::new() };
        Ok(Self { narrow: Pool::new(narrow), wide: Pool::new(wide), workers: threads })
    }

    /// Runs every text (ids) and makes a value of its rows; the values come in the texts' order.
    pub fn run<T: Send>(&self, texts: &[&[u32]], make: impl Fn(usize, Rows<'_>) -> Result<T> + Sync) -> Result<Vec<T>> {
        if let [text] = texts
            && self.workers > 1
        {
            let mut value = None;
            self.wide.with(|session| session.run(&[text], |_, rows| make(0, rows).map(|v| value = Some(v))))?;
            return value.map(|v| vec![v]).ok_or_else(lost);
        }
        let batches = cut(texts, BATCH_TOKENS);
        let next = AtomicUsize::new(0);
        let values: Vec<Mutex<Option<T>>> = texts.iter().map(|_| Mutex::new(None)).collect();
        let work = || -> Result<()> {
            while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let ids: Vec<&[u32]> = batch.iter().map(|&i| texts[i]).collect();
                self.narrow.with(|session| {
                    session.run(&ids, |i, rows| {
                        *values[batch[i]].lock().unwrap_or_else(PoisonError::into_inner) = Some(make(batch[i], rows)?);
                        Ok(())
                    })
                })?;
            }
            Ok(())
        };
        let helpers = self.workers.min(batches.len()).saturating_sub(1);
        std::thread::scope(|scope| {
            let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
            let own = work();
            helpers.into_iter().fold(own, |result, helper| {
                let panicked = || Err(Error::new(Code::Internal, "a worker panicked"));
                let theirs = helper.join().unwrap_or_else(|_| panicked());
                result.and(theirs)
            })
        })?;
        values.into_iter().map(|v| v.into_inner().unwrap_or_else(PoisonError::into_inner).ok_or_else(lost)).collect()
    }
}

fn lost() -> Error {
    Error::new(Code::Internal, "the network gave no rows for a text")
}

/// Cuts texts, longest first, into batches of at most `budget` tokens (padding counted) or of one text.
fn cut(texts: &[&[u32]], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(texts[i].len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for i in order {
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * texts[batch[0]].len() <= budget => batch.push(i),
            _ => batches.push(vec![i]),
        }
    }
    batches
}

/// Sessions that are lent out, one call at a time each.
struct Pool {
    sessions: Mutex<Vec<Session>>,
    returned: Condvar,
}

impl Pool {
    fn new(sessions: Vec<Session>) -> Self {
        Self { sessions: Mutex::new(sessions), returned: Condvar::new() }
    }

    fn with<R>(&self, use_it: impl FnOnce(&mut Session) -> R) -> R {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = loop {
            match sessions.pop() {
                Some(session) => break session,
                None => sessions = self.returned.wait(sessions).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(sessions);
        let mut lent = Lent { pool: self, session: Some(session) };
        match lent.session.as_mut() {
            Some(session) => use_it(session),
            None => unreachable!("the session was put in above"),
        }
    }
}

/// Gives the session back also when its user panics.
struct Lent<'a> {
    pool: &'a Pool,
    session: Option<Session>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut sessions = self.pool.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.extend(self.session.take());
        self.pool.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn batches_hold_every_text_once_and_keep_the_budget() {
        let texts: Vec<Vec<u32>> = (0..100).map(|i| vec![1; 1 + (i * 37) % 90]).collect();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let batches = cut(&texts, 128);
        let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        for batch in &batches {
            assert!(batch.len() == 1 || batch.len() * texts[batch[0]].len() <= 128);
        }
    }
}
