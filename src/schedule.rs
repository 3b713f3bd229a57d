//! Many texts of many callers to token-budget batches on a fixed set of workers.
//!
//! Every call joins one queue. A worker takes texts from the calls in turn until its batch is full, so a single text
//! waits for one batch at most, however large the others' calls are, and single texts of many callers share a batch.
//! Nothing of a batch belongs to a caller: one that is cancelled returns at once, whatever still runs.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result, fail};
use crate::session::{Interrupt, Rows, Session};

/// Batches of this many tokens keep a worker's activations in its cache, and are still large enough for the matrix
/// multiplications; docs/performance.md has the figures.
const BATCH_TOKENS: usize = 512;
/// Where there is less than that for each worker, batches are smaller, down to this: no worker computes for long while the
/// others have nothing to do, because all callers wait for its batch.
const LEAST_TOKENS: usize = 64;

/// Callers whose texts shared a batch mostly come again once they have its answers. For the first of them alone a worker would
/// read all weights, and meanwhile keep the others from the processor: it waits while texts come in at least this often,
const PAUSE: Duration = Duration::from_micros(500);
/// and for no longer than this part of what their last batch took.
const GATHERING: u32 = 8;

/// Makes a text's vector from what the network says of it.
pub type Finish = dyn Fn(Rows<'_>) -> Vec<f32> + Send + Sync;

/// Told how many texts of how many are done, by the thread that made the call.
pub type Progress<'a> = dyn Fn(usize, usize) + 'a;

/// Told once that a call is over, by whichever thread ended it.
pub type Tell = Box<dyn FnOnce() + Send>;

/// Ends calls from another thread. Clones are the same token; one token may be given to many calls.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Cancelled>);

#[derive(Default)]
struct Cancelled {
    yes: AtomicBool,
    calls: Mutex<Vec<Weak<Call>>>,
}

impl CancelToken {
    /// A token that nobody has cancelled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all calls that have this token, and those that will get it, with [`Code::Cancelled`].
    pub fn cancel(&self) {
        // Before the list is looked at: a call that is not on it yet will see this.
        self.0.yes.store(true, Ordering::SeqCst);
        // Taken out first: who is told that a call is over may make another one with this token.
        let calls = std::mem::take(&mut *lock(&self.0.calls));
        calls.iter().filter_map(Weak::upgrade).for_each(|call| call.abandon());
    }

    /// Whether [`CancelToken::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.yes.load(Ordering::SeqCst)
    }

    fn watch(&self, call: &Arc<Call>) {
        let mut calls = lock(&self.0.calls);
        calls.retain(|call| call.strong_count() > 0);
        calls.push(Arc::downgrade(call));
        drop(calls);
        if self.is_cancelled() {
            call.fail(cancelled());
        }
    }
}

fn cancelled() -> Error {
    Error::new(Code::Cancelled, "the call was cancelled")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked while holding it left whole values behind: each critical section here is a few assignments.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One call: its texts, and what became of them.
struct Call {
    texts: Vec<Vec<u32>>,
    finish: Arc<Finish>,
    shared: Weak<Shared>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    vectors: Vec<Vec<f32>>,
    done: usize,
    error: Option<Error>,
    tell: Option<Tell>,
}

impl Call {
    fn new(texts: Vec<Vec<u32>>, finish: Arc<Finish>, shared: Weak<Shared>) -> Arc<Self> {
        let state = State { vectors: vec![Vec::new(); texts.len()], done: 0, error: None, tell: None };
        Arc::new(Self { texts, finish, shared, state: Mutex::new(state), changed: Condvar::new() })
    }

    fn fail(&self, error: Error) {
        let mut state = lock(&self.state);
        if !self.is_over(&state) {
            state.error = Some(error);
        }
        drop(state);
        self.changed();
    }

    /// Ends it, and what runs for it alone.
    fn abandon(self: &Arc<Self>) {
        self.fail(cancelled());
        if let Some(shared) = self.shared.upgrade() {
            shared.abandon(self);
        }
    }

    fn over(&self) -> bool {
        self.is_over(&lock(&self.state))
    }

    fn is_over(&self, state: &State) -> bool {
        state.error.is_some() || state.done == self.texts.len()
    }

    /// Says so to those who wait, and if it is over to the one who wants to be told.
    fn changed(&self) {
        self.changed.notify_all();
        let mut state = lock(&self.state);
        let tell = if self.is_over(&state) { state.tell.take() } else { None };
        drop(state);
        if let Some(tell) = tell {
            // It is not ours, and must not end a worker.
            let _ = catch_unwind(AssertUnwindSafe(tell));
        }
    }
}

/// A call whose caller does something else meanwhile. Dropping it cancels it.
pub struct Started(Arc<Call>);

impl Started {
    /// Has `tell` called when it is over, at once where it is; in place of the one before.
    pub fn tell(&self, tell: Tell) {
        let before = lock(&self.0.state).tell.replace(tell);
        drop(before); // without the lock: it is not ours
        self.0.changed();
    }

    /// Whether it has a result.
    pub fn is_over(&self) -> bool {
        self.0.over()
    }

    /// Waits for the vectors, which come in the texts' order.
    pub fn wait(self) -> Result<Vec<Vec<f32>>> {
        wait(&self.0, None)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        let tell = state.tell.take();
        let over = self.0.is_over(&state);
        drop(state);
        drop(tell); // without the lock: it is not ours
        if !over {
            self.0.abandon();
        }
    }
}

/// A call in the queue: texts from `next` on are not taken yet.
struct Waiting {
    call: Arc<Call>,
    next: usize,
}

/// Which text of which call.
type Place = (Arc<Call>, usize);

struct Queue {
    calls: VecDeque<Waiting>,
    /// Texts that nobody has taken yet.
    texts: usize,
    /// For each worker, the calls of its batch; empty while it has none.
    running: Vec<Vec<Arc<Call>>>,
    /// Workers that wait for callers to come again.
    gathering: usize,
    /// Whether a caller runs its text itself, with all threads.
    wide: bool,
    /// Why a worker did not start.
    broken: Option<Error>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    interrupts: Vec<Interrupt>,
    /// Padded batches cost their longest text times their number.
    padded: bool,
    limit: usize,
}

/// Workers, and the queue that they share.
pub struct Scheduler {
    shared: Arc<Shared>,
    /// For a text that comes alone: all threads work on it.
    wide: Mutex<Session>,
    /// The thread that starts the workers, and gives them.
    starter: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

impl Scheduler {
    /// `wide` for texts that come alone, and so many workers for all others, with sessions that they `make` one after
    /// another while this goes on. A call is refused where more than `limit` texts of others wait already.
    pub fn new(
        wide: Session,
        make: impl Fn(Interrupt) -> Result<Session> + Send + 'static,
        workers: usize,
        limit: usize,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(workers, wide.padded(), limit)?);
        let starting = Arc::clone(&shared);
        let starter = spawn("start".into(), move || starting.start(make, workers))?;
        Ok(Self { shared, wide: Mutex::new(wide), starter: Some(starter) })
    }

    /// Runs every text (ids, none empty); the vectors come in the texts' order.
    pub fn run(
        &self,
        texts: Vec<Vec<u32>>,
        finish: Arc<Finish>,
        cancel: Option<&CancelToken>,
        progress: Option<&Progress<'_>>,
    ) -> Result<Vec<Vec<f32>>> {
        if cancel.is_some_and(CancelToken::is_cancelled) {
            return Err(cancelled());
        }
        if texts.len() == 1
            && let Some(_turn) = self.turn_alone()
        {
            let vector = self.alone(&texts[0], &finish, cancel)?;
            if let Some(progress) = progress {
                progress(1, 1);
            }
            return Ok(vec![vector]);
        }
        wait(&self.start(texts, finish, cancel)?.0, progress)
    }

    /// Puts every text (ids, none empty) into the queue, and returns. A text that comes alone is computed by one thread.
    pub fn start(&self, texts: Vec<Vec<u32>>, finish: Arc<Finish>, cancel: Option<&CancelToken>) -> Result<Started> {
        if cancel.is_some_and(CancelToken::is_cancelled) {
            return Err(cancelled());
        }
        let call = Call::new(texts, finish, Arc::downgrade(&self.shared));
        if !call.texts.is_empty() {
            self.shared.admit(&call)?;
        }
        if let Some(token) = cancel {
            token.watch(&call);
        }
        Ok(Started(call))
    }

    /// The right to run one text with all threads; only where nothing else runs or waits.
    fn turn_alone(&self) -> Option<Turn<'_>> {
        let mut queue = lock(&self.shared.queue);
        let idle =
            queue.calls.is_empty() && !queue.wide && queue.gathering == 0 && queue.running.iter().all(Vec::is_empty);
        queue.wide |= idle;
        // Lazily: a Turn that is dropped takes the lock that is held here.
        idle.then(|| Turn(&self.shared))
    }

    fn alone(&self, ids: &[u32], finish: &Arc<Finish>, cancel: Option<&CancelToken>) -> Result<Vec<f32>> {
        let mut session = lock(&self.wide);
        let mut vector = Err(lost());
        let run = || {
            session.run(&[ids], |_, rows| {
                vector = Ok(finish(rows));
                Ok(())
            })
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(panicked()))?;
        if cancel.is_some_and(CancelToken::is_cancelled) { Err(cancelled()) } else { vector }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.work.notify_all();
        // One that tells somebody who drops the model for that is this thread: it ends when it gets to it.
        fn is_other<T>(thread: &JoinHandle<T>) -> bool {
            thread.thread().id() != std::thread::current().id()
        }
        let workers = self.starter.take().filter(is_other).and_then(|starter| starter.join().ok());
        for worker in workers.into_iter().flatten().filter(is_other) {
            // A worker catches what its batches panic with; it has nothing else to say.
            let _ = worker.join();
        }
    }
}

struct Turn<'a>(&'a Shared);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).wide = false;
    }
}

fn spawn<T: Send + 'static>(name: String, run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(format!("qntx-embed-{name}"))
        .spawn(run)
        .map_err(|e| Error::new(Code::Io, format!("a worker thread could not be started: {e}")))
}

fn lost() -> Error {
    Error::new(Code::Internal, "the network gave no rows for a text")
}

fn panicked() -> Error {
    Error::new(Code::Internal, "a worker panicked; please report what the log says")
}

/// Waits until all texts are done or one has failed, and reports progress.
fn wait(call: &Call, progress: Option<&Progress<'_>>) -> Result<Vec<Vec<f32>>> {
    let total = call.texts.len();
    let mut reported = 0;
    let mut state = lock(&call.state);
    loop {
        if let Some(error) = &state.error {
            return Err(error.clone());
        }
        if let Some(progress) = progress.filter(|_| state.done > reported) {
            reported = state.done;
            drop(state);
            progress(reported, total);
            state = lock(&call.state);
            continue;
        }
        if state.done == total {
            return Ok(std::mem::take(&mut state.vectors));
        }
        state = call.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

impl Shared {
    fn new(workers: usize, padded: bool, limit: usize) -> Result<Self> {
        let queue = Queue {
            calls: VecDeque::new(),
            texts: 0,
            running: vec![Vec::new(); workers],
            gathering: 0,
            wide: false,
            broken: None,
            closed: false,
        };
        let interrupts = (0..workers).map(|_| Interrupt::new()).collect::<Result<_>>()?;
        Ok(Self { queue: Mutex::new(queue), work: Condvar::new(), interrupts, padded, limit })
    }

    fn admit(&self, call: &Arc<Call>) -> Result<()> {
        let mut queue = lock(&self.queue);
        if let Some(error) = &queue.broken {
            return Err(error.clone());
        }
        let waiting = queue.texts;
        if waiting > 0 && waiting + call.texts.len() > self.limit {
            fail!(
                Overloaded,
                "{waiting} texts wait already, and with {} more there would be more than the {} that the queue takes; \
                 try again later",
                call.texts.len(),
                self.limit
            );
        }
        queue.texts += call.texts.len();
        queue.calls.push_back(Waiting { call: Arc::clone(call), next: 0 });
        drop(queue);
        self.work.notify_all();
        Ok(())
    }

    /// Starts the workers. Their sessions are made by one thread, one after another: each packs the weights before it finds
    /// them packed, and what several threads allocate for that stays with each of them.
    fn start(self: Arc<Self>, make: impl Fn(Interrupt) -> Result<Session>, workers: usize) -> Vec<JoinHandle<()>> {
        let mut running = Vec::new();
        for number in 0..workers {
            if lock(&self.queue).closed {
                break;
            }
            let session = || make(self.interrupts[number].clone());
            let session = catch_unwind(AssertUnwindSafe(session)).unwrap_or_else(|_| Err(panicked()));
            let worker = session.and_then(|session| {
                let shared = Arc::clone(&self);
                spawn(number.to_string(), move || shared.serve(number, session))
            });
            match worker {
                Ok(worker) => running.push(worker),
                Err(error) => {
                    self.fail_all(error);
                    break;
                }
            }
        }
        running
    }

    /// Ends all calls, and those to come: without one of its workers an engine would only be slow, and nobody knew why.
    fn fail_all(&self, error: Error) {
        let error = Error::new(error.code(), format!("a worker did not start: {error}"));
        let mut queue = lock(&self.queue);
        queue.broken.get_or_insert(error.clone());
        queue.texts = 0;
        let calls = std::mem::take(&mut queue.calls);
        drop(queue); // who is told may ask for more
        for waiting in calls {
            waiting.call.fail(error.clone());
        }
    }

    fn serve(&self, number: usize, mut session: Session) {
        while let Some(batch) = self.take(number) {
            let start = Instant::now();
            self.run(&mut session, &batch);
            self.gather(number, start.elapsed());
        }
    }

    /// Ends a batch of worker `number` that took so long. Where several callers shared it, waits until as many texts are there as
    /// they were, or no more of them seem to come.
    fn gather(&self, number: usize, took: Duration) {
        let end = Instant::now() + took / GATHERING;
        let mut queue = lock(&self.queue);
        let callers = std::mem::take(&mut queue.running[number]).len();
        if callers < 2 {
            return;
        }
        queue.gathering += 1;
        let mut seen = usize::MAX;
        while !queue.closed && queue.texts < callers && queue.texts != seen && Instant::now() < end {
            seen = queue.texts;
            drop(queue);
            // Not by the condition variable: each text would wake this thread.
            std::thread::sleep(PAUSE);
            queue = lock(&self.queue);
        }
        queue.gathering -= 1;
    }

    /// The next batch of worker `number`; `None` when the scheduler closes.
    fn take(&self, number: usize) -> Option<Vec<Place>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return None;
            }
            let batch = queue.batch(self.padded);
            if !batch.is_empty() {
                let mut calls: Vec<Arc<Call>> = Vec::new();
                for (call, _) in &batch {
                    if !calls.iter().any(|c| Arc::ptr_eq(c, call)) {
                        calls.push(Arc::clone(call));
                    }
                }
                queue.running[number] = calls;
                return Some(batch);
            }
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, session: &mut Session, batch: &[Place]) {
        let Err(error) = run_batch(session, batch) else { return };
        // One caller's text must not fail another's: where the batch was shared, each call runs by itself.
        let shared = batch.iter().any(|(call, _)| !Arc::ptr_eq(call, &batch[0].0));
        if !shared {
            return batch[0].0.fail(error);
        }
        let mut rest = batch;
        while let Some((call, _)) = rest.first() {
            let (own, others) = rest.split_at(rest.iter().take_while(|(c, _)| Arc::ptr_eq(c, call)).count());
            if !call.over()
                && let Err(error) = run_batch(session, own)
            {
                call.fail(error);
            }
            rest = others;
        }
    }

    /// Takes a call that is over out of the queue, and ends the batches in which no other goes on.
    fn abandon(&self, call: &Arc<Call>) {
        let mut queue = lock(&self.queue);
        if let Some(at) = queue.calls.iter().position(|waiting| Arc::ptr_eq(&waiting.call, call)) {
            let waiting = queue.calls.remove(at);
            queue.texts -= waiting.map_or(0, |waiting| waiting.call.texts.len() - waiting.next);
        }
        for (calls, interrupt) in queue.running.iter().zip(&self.interrupts) {
            if calls.iter().any(|c| Arc::ptr_eq(c, call)) && calls.iter().all(|call| call.over()) {
                interrupt.now();
            }
        }
    }
}

impl Queue {
    /// Forgets the calls that are over, though some of their texts were not taken.
    fn purge(&mut self) {
        let texts = &mut self.texts;
        self.calls.retain(|waiting| {
            let over = waiting.call.over();
            if over {
                *texts -= waiting.call.texts.len() - waiting.next;
            }
            !over
        });
    }

    /// Tokens of the next batch.
    fn budget(&self) -> usize {
        let workers = self.running.len();
        let mut tokens = 0;
        for Waiting { call, next } in &self.calls {
            for text in &call.texts[*next..] {
                tokens += text.len();
                if tokens >= workers * BATCH_TOKENS {
                    return BATCH_TOKENS;
                }
            }
        }
        let share = tokens.div_ceil(workers).max(LEAST_TOKENS);
        // What would be left for a batch of its own is taken too.
        if tokens < share + LEAST_TOKENS / 2 { tokens.min(BATCH_TOKENS) } else { share }
    }

    /// Takes texts from the calls in turn until the budget is used; the texts of a call stay together.
    fn batch(&mut self, padded: bool) -> Vec<Place> {
        self.purge();
        let budget = self.budget();
        let mut batch: Vec<Place> = Vec::new();
        let (mut used, mut longest) = (0, 0);
        for _ in 0..self.calls.len() {
            let Some(mut waiting) = self.calls.pop_front() else { break };
            while let Some(text) = waiting.call.texts.get(waiting.next) {
                let cost = match padded {
                    true => (batch.len() + 1) * text.len().max(longest),
                    false => used + text.len(),
                };
                if !batch.is_empty() && cost > budget {
                    break;
                }
                used += text.len();
                longest = longest.max(text.len());
                batch.push((Arc::clone(&waiting.call), waiting.next));
                waiting.next += 1;
                self.texts -= 1;
            }
            if waiting.next < waiting.call.texts.len() {
                // It has had its turn.
                self.calls.push_back(waiting);
                if used >= BATCH_TOKENS / 2 {
                    break;
                }
            }
        }
        batch
    }
}

fn run_batch(session: &mut Session, batch: &[Place]) -> Result<()> {
    let ids: Vec<&[u32]> = batch.iter().map(|(call, text)| call.texts[*text].as_slice()).collect();
    let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(batch.len());
    let run = || {
        session.run(&ids, |i, rows| {
            vectors.push((batch[i].0.finish)(rows));
            Ok(())
        })
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(panicked()))?;
    if vectors.len() != batch.len() {
        return Err(lost());
    }
    let mut vectors = vectors.into_iter();
    let mut rest = batch;
    let mut calls = Vec::new();
    while let Some((call, _)) = rest.first() {
        let (own, others) = rest.split_at(rest.iter().take_while(|(c, _)| Arc::ptr_eq(c, call)).count());
        let mut state = lock(&call.state);
        for ((_, text), vector) in own.iter().zip(vectors.by_ref()) {
            state.vectors[*text] = vector;
            state.done += 1;
        }
        drop(state);
        calls.push(call);
        rest = others;
    }
    // All at once: who is told of the first finds the others.
    calls.into_iter().for_each(|call| call.changed());
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
mod tests {
    use std::path::Path;

    use super::*;

    fn call(shared: Weak<Shared>, texts: Vec<Vec<u32>>) -> Arc<Call> {
        Call::new(texts, Arc::new(|_| Vec::new()), shared)
    }

    /// The tokens of each batch of two workers, who take them by turns, until all texts are taken.
    fn batches(calls: &[Vec<Vec<u32>>]) -> Vec<usize> {
        let mut queue = Queue {
            calls: calls.iter().map(|texts| Waiting { call: call(Weak::new(), texts.clone()), next: 0 }).collect(),
            texts: calls.iter().map(Vec::len).sum(),
            running: vec![Vec::new(); 2],
            gathering: 0,
            wide: false,
            broken: None,
            closed: false,
        };
        let mut sizes = Vec::new();
        for worker in (0..2).cycle() {
            queue.running[worker].clear();
            let batch = queue.batch(false);
            if batch.is_empty() {
                break;
            }
            sizes.push(batch.iter().map(|(call, text)| call.texts[*text].len()).sum());
            queue.running[worker] = batch.into_iter().map(|(call, _)| call).collect();
        }
        sizes
    }

    #[test]
    fn what_is_less_than_enough_is_shared_by_the_workers() {
        assert_eq!(batches(&[vec![vec![1; 10]; 200]]), [510, 510, 490, 240, 120, 60, 70]);
        assert_eq!(batches(&[vec![vec![1; 256]; 3]]), [256, 256, 256]);
        assert_eq!(batches(&[vec![vec![1; 10]; 4]]), [40]);
        assert_eq!(batches(&vec![vec![vec![1; 10]]; 120]), [510, 340, 170, 90, 90]);
        assert_eq!(batches(&vec![vec![vec![1; 10]]; 9]), [90]);
    }

    #[test]
    fn calls_fail_when_a_worker_cannot_make_its_session() {
        let library = std::env::var_os("QNTX_EMBED_TEST_ONNXRUNTIME");
        let library = library.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/third_party/onnxruntime").into());
        crate::runtime::load(Some(Path::new(&library))).unwrap();
        let make = |panics: bool| {
            move |_| match panics {
                true => panic!("not what an engine should do"),
                false => fail!(Inference, "no room for the weights"),
            }
        };
        for (panics, why) in [(false, "a worker did not start: no room for the weights"), (true, "a worker panicked")] {
            let shared = Arc::new(Shared::new(1, false, 10).unwrap());
            let two = || call(Arc::downgrade(&shared), vec![vec![1], vec![2]]);
            let early = Started(two());
            shared.admit(&early.0).unwrap();
            let (again, refused) = (Arc::clone(&shared), Arc::new(Mutex::new(None)));
            let (told, another) = (Arc::clone(&refused), two());
            let tell = move || *lock(&told) = again.admit(&another).err();
            early.tell(Box::new(tell));
            let worker = Arc::clone(&shared);
            assert!(worker.start(make(panics), 1).is_empty());
            assert!(lock(&refused).is_some(), "who is told may ask for more, and is refused");
            let error = early.wait().unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            let error = shared.admit(&two()).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
