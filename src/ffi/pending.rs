//! Calls that go on while their caller does something else, and the queue that says which of them are over.

use std::collections::{HashMap, VecDeque};
use std::ffi::c_int;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::model::{embed_options, give, lent, room_for};
use super::object::{Object, free, known};
use super::types::read_options;
use super::{
    boundary, buffer, handle, out_pointer, qntx_embed_embed_options, qntx_embed_error, qntx_embed_model,
    qntx_embed_status, qntx_embed_str, qntx_embed_text_info,
};
use crate::embedder::Embedding;
use crate::error::{Code, Error, Result, fail};
use crate::pending::Pending;

/// A call that was started, and what came of it. Freed with `qntx_embed_call_free`, which cancels what is not over. It keeps
/// the model: `qntx_embed_model_free` may come first.
#[cfg_attr(all(), repr(C))]
pub struct qntx_embed_call {
    pub(super) mark: u64,
    result: OnceLock<Result<Vec<Embedding>>>,
    /// Until somebody waits.
    pending: Mutex<Option<Pending>>,
    count: usize,
    dimensions: usize,
    _told: Option<Told>,
}

/// A queue of the tags of calls that are over, for a program that waits for many things at once (poll, epoll, kqueue, libuv,
/// Go's runtime): no thread of it waits in this library. Freed with `qntx_embed_completions_free`.
#[cfg_attr(all(), repr(C))]
pub struct qntx_embed_completions {
    pub(super) mark: u64,
    queue: Arc<Queue>,
}

/// Calls that are to be told of, by numbers of the queue's own: a tag may be given to several.
struct Queue {
    calls: Mutex<Calls>,
    /// Holds one byte while there is a call that is over, and so never blocks who writes or reads it.
    reader: PipeReader,
    writer: PipeWriter,
}

#[derive(Default)]
struct Calls {
    last: u64,
    tags: HashMap<u64, u64>,
    over: VecDeque<u64>,
}

impl Queue {
    fn new() -> Result<Self> {
        let (reader, writer) = pipe().map_err(|e| Error::new(Code::Io, format!("no pipe could be made: {e}")))?;
        Ok(Self { calls: Mutex::default(), reader, writer })
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // Whoever panicked while holding it left whole values behind.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call's number.
    fn expect(&self, tag: u64) -> u64 {
        let mut calls = self.lock();
        calls.last += 1;
        let number = calls.last;
        calls.tags.insert(number, tag);
        number
    }

    /// Notes that a call is over, unless it was freed.
    fn push(&self, number: u64) {
        let mut calls = self.lock();
        if calls.tags.contains_key(&number) {
            calls.over.push_back(number);
            if calls.over.len() == 1 {
                // Both ends are ours, and there is room for one byte.
                let _ = (&self.writer).write_all(&[0]);
            }
        }
    }

    fn take(&self, tags: &mut [u64]) -> usize {
        let mut calls = self.lock();
        let mut taken = 0;
        while taken < tags.len()
            && let Some(number) = calls.over.pop_front()
        {
            tags[taken] = calls.tags.remove(&number).unwrap_or_default();
            taken += 1;
        }
        if taken > 0 {
            self.quiet(&calls);
        }
        taken
    }

    fn forget(&self, number: u64) {
        let mut calls = self.lock();
        calls.tags.remove(&number);
        if let Some(at) = calls.over.iter().position(|&n| n == number) {
            calls.over.remove(at);
            self.quiet(&calls);
        }
    }

    /// The descriptor is readable no more where the last call was taken out.
    fn quiet(&self, calls: &Calls) {
        if calls.over.is_empty() {
            // One byte is in it, by `push`.
            let _ = (&self.reader).read_exact(&mut [0]);
        }
    }
}

/// A call's number in a queue, which forgets it with the call.
struct Told {
    queue: Arc<Queue>,
    number: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.queue.forget(self.number);
    }
}

/// A queue without calls. `*completions` is the caller's to free with `qntx_embed_completions_free`; it is NULL after a
/// failure. Takes two file descriptors. Any thread.
///
/// # Safety
/// `completions` points to a place; `error` is NULL or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_completions_new(
    completions: *mut *mut qntx_embed_completions,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(completions, "completions") }?;
        *out = qntx_embed_completions { mark: qntx_embed_completions::MARK, queue: Arc::new(Queue::new()?) }.give();
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// A file descriptor that is readable while a tag can be taken, for poll and its like, also edge-triggered. It is the
/// queue's: do not read, write or close it. -1 for NULL. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn qntx_embed_completions_descriptor(completions: Option<&qntx_embed_completions>) -> c_int {
    known(completions).map_or(-1, |completions| completions.queue.reader.as_raw_fd())
}

/// Takes the tags of up to `room` calls that are over, the earliest first, and returns how many these are. Never waits; 0
/// also for NULL. A call's tag comes once: after its success, its failure or its cancelling, and not at all where the call
/// was freed before its tag was taken. Any thread.
///
/// # Safety
/// `completions` is NULL or not yet freed; `tags` has room for `room` numbers, or `room` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_completions_take(
    completions: Option<&qntx_embed_completions>,
    tags: *mut u64,
    room: usize,
) -> usize {
    let Some(completions) = known(completions) else { return 0 };
    // SAFETY: by this function's contract.
    match unsafe { buffer(tags, room, "tags") } {
        Ok(tags) => completions.queue.take(tags),
        Err(_) => 0,
    }
}

/// Frees a queue. Calls that were started with it go on, and tell nobody. NULL is fine.
///
/// # Safety
/// `completions` came from `qntx_embed_completions_new`, was not freed before, and nobody uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_completions_free(completions: *mut qntx_embed_completions) {
    // SAFETY: by this function's contract.
    unsafe { free(completions) };
}

/// Starts what `qntx_embed_embed_batch` does, and returns when the texts are tokenised and in the queue: nothing of what was
/// passed is used after that, the token of the options neither. A single text that comes alone is computed by one thread,
/// where `qntx_embed_embed` has all of them. `options` may be NULL, and has no `progress`. `completions` gets `tag` when the
/// call is over, and may be NULL: then `qntx_embed_call_wait` is all there is. `*call` is the caller's to free with
/// `qntx_embed_call_free`; it is NULL after a failure, which is also where the queue is full
/// (`QNTX_EMBED_STATUS_OVERLOADED`), and then no tag comes. Any number of threads at once.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_call_start(
    model: Option<&qntx_embed_model>,
    texts: *const qntx_embed_str,
    count: usize,
    options: *const qntx_embed_embed_options,
    completions: Option<&qntx_embed_completions>,
    tag: u64,
    call: *mut *mut qntx_embed_call,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(call, "call") }?;
        let model = handle(model, "model")?;
        let completions = completions.map(|c| handle(Some(c), "completions")).transpose()?;
        // SAFETY: by this function's contract.
        let texts = unsafe { lent(texts, count) }?;
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let options = unsafe { read_options(options, "options") }?;
        // SAFETY: by this function's contract.
        let options = unsafe { embed_options(&options, &|_, _| ()) }?;
        if options.progress.is_some() {
            fail!(
                InvalidArgument,
                "options.progress is set, but a call that is started has nobody who waits and could be told"
            );
        }
        let dimensions = model.embedder.dimensions(&options)?;
        let pending = model.embedder.start(&texts, &options)?;
        let told = completions.map(|completions| {
            let queue = Arc::clone(&completions.queue);
            let number = queue.expect(tag);
            let to = Arc::clone(&queue);
            pending.on_ready(move || to.push(number));
            Told { queue, number }
        });
        *out = qntx_embed_call {
            mark: qntx_embed_call::MARK,
            result: OnceLock::new(),
            pending: Mutex::new(Some(pending)),
            count,
            dimensions,
            _told: told,
        }
        .give();
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Waits until a call is over, not at all where its tag was taken, and gives what `qntx_embed_embed_batch` would: `vectors_len`
/// is the room in floats and must be the call's number of texts times its dimensions, `infos` has room for as many or is
/// NULL. After a failure the buffers are as they were, and a call with the wrong room does not wait. May be asked again,
/// and by any number of threads at once.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_call_wait(
    call: Option<&qntx_embed_call>,
    vectors: *mut f32,
    vectors_len: usize,
    infos: *mut qntx_embed_text_info,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let call = handle(call, "call")?;
        // SAFETY: by this function's contract.
        let (vectors, infos) = unsafe { room_for(call.count, call.dimensions, vectors, vectors_len, infos) }?;
        let wait = || {
            let pending = call.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
            pending.map_or_else(|| Err(Error::new(Code::Internal, "the call was lost")), Pending::wait)
        };
        match call.result.get_or_init(wait) {
            Ok(embeddings) => give(embeddings, call.dimensions, vectors, infos),
            Err(error) => return Err(error.clone()),
        }
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Frees a call, and cancels it where it is not over: what runs for it alone ends soon, and nobody is told. NULL is fine.
/// Any thread.
///
/// # Safety
/// `call` came from `qntx_embed_call_start`, was not freed before, and nobody uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_call_free(call: *mut qntx_embed_call) {
    // SAFETY: by this function's contract.
    unsafe { free(call) };
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
mod tests {
    use super::*;

    /// Whether the pipe has its byte, which it must have while a call is over, and only then.
    fn readable(queue: &Queue) -> bool {
        let mut descriptor = libc::pollfd { fd: queue.reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which is open, and no waiting.
        unsafe { libc::poll(&raw mut descriptor, 1, 0) == 1 }
    }

    /// Every sequence of up to seven steps with two calls, beside a list that is obviously right.
    #[test]
    fn a_tag_is_taken_once_and_the_descriptor_says_whether_there_is_one() {
        const STEPS: u32 = 5;
        for sequence in 0..STEPS.pow(7) {
            let queue = Queue::new().unwrap();
            let numbers = [queue.expect(10), queue.expect(20)];
            let (mut over, mut gone) = (Vec::new(), [false; 2]);
            let mut rest = sequence;
            for _ in 0..7 {
                let step = rest % STEPS;
                rest /= STEPS;
                match step {
                    0 | 1 => {
                        let call = step as usize;
                        // A call is over once.
                        if !gone[call] && !over.contains(&call) {
                            over.push(call);
                            queue.push(numbers[call]);
                        }
                    }
                    2 | 3 => {
                        let call = step as usize - 2;
                        queue.forget(numbers[call]);
                        gone[call] = true;
                        over.retain(|&c| c != call);
                        queue.push(numbers[call]); // too late: nobody is told
                    }
                    _ => {
                        let mut tag = [0];
                        let taken = queue.take(&mut tag);
                        assert_eq!(taken, usize::from(!over.is_empty()));
                        if taken == 1 {
                            let call = over.remove(0);
                            gone[call] = true;
                            assert_eq!(tag[0], [10, 20][call]);
                        }
                    }
                }
                assert_eq!(readable(&queue), !over.is_empty(), "{sequence}");
            }
        }
    }
}
