//! Lines for the log of the program that this is in. Where it asks for none, nothing is written anywhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something did not work, and somebody should look at it.
    Error,
    /// It works, and is not as it should be.
    Warning,
    /// What was done, and how long it took, where that is seldom or long.
    Info,
}

type Function = dyn Fn(Level, &str) + Send + Sync;

/// Where a model's or a store's lines go; by default nowhere. Clones lead to the same place.
#[derive(Clone, Default)]
pub struct Log(Option<Arc<Function>>);

impl Log {
    /// Lines go to a function, on any thread, from several at once, also on those of ONNX Runtime. It must not call the model
    /// or store whose line it is; should it panic, the line is lost.
    pub fn to(function: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(function)))
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// The line is made only where somebody reads it.
    pub(crate) fn write(&self, level: Level, line: impl FnOnce() -> String) {
        if let Some(function) = &self.0 {
            // Below may be frames of C++, which a panic must not unwind.
            let _ = catch_unwind(AssertUnwindSafe(|| function(level, &line())));
        }
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_wanted() { "Log(to a function)" } else { "Log(to nowhere)" })
    }
}
