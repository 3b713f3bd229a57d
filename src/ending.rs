//! The end of the process: nothing of ours may be in ONNX Runtime while its statics are destroyed.
//!
//! A program may end with models open and calls running; that is its right. `exit` then destroys the statics of every
//! library, ONNX Runtime's too, while our threads go on. So whoever enters ONNX Runtime says so here, and a handler of
//! `atexit` waits until all are out and lets nobody in again.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result};

/// A batch, or the making of a session, is over long before. Whoever is not may be the thread that ends the process
/// itself, from a signal's handler: it must not be waited for.
const PATIENCE: Duration = Duration::from_secs(5);

struct State {
    /// Calls that are in ONNX Runtime.
    inside: usize,
    ending: bool,
}

static STATE: Mutex<State> = Mutex::new(State { inside: 0, ending: false });
static CHANGED: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call in ONNX Runtime, until it is dropped.
pub struct Inside(());

/// Refused when the process is ending.
pub fn enter() -> Result<Inside> {
    let mut state = state();
    if state.ending {
        return Err(Error::new(Code::Inference, "the process is ending: nothing is computed any more"));
    }
    state.inside += 1;
    Ok(Inside(()))
}

impl Drop for Inside {
    fn drop(&mut self) {
        state().inside -= 1;
        CHANGED.notify_all();
    }
}

/// Whether ONNX Runtime may be half destroyed: what it made must be left to the operating system then.
pub fn begun() -> bool {
    state().ending
}

/// Has the process's end wait for calls. Handlers run in the reverse order of their registration, and statics that are made
/// in a function are registered when that runs first: so this is called when ONNX Runtime is loaded, and again when a first
/// model has run.
pub fn watch() {
    // SAFETY: the handler takes nothing, does not unwind, and stays loaded: the library is linked with -z nodelete. Where
    // there is no room for it, the process ends as it would without.
    let _ = unsafe { libc::atexit(wait) };
}

extern "C" fn wait() {
    let deadline = Instant::now() + PATIENCE;
    let mut state = state();
    state.ending = true;
    while state.inside > 0 {
        let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
        state = CHANGED.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}
