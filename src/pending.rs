//! A call that goes on while its caller does something else.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::embedder::{Embedder, Embedding, Plan};
use crate::error::{Code, Error, Result};
use crate::schedule::{Started, Tell};

/// A call that [`Embedder::start`] has started. Its result is waited for, by [`Pending::wait`] or as a future of any
/// executor; dropping it cancels the call. It keeps the model open.
#[must_use = "a call that is dropped is cancelled"]
pub struct Pending {
    // First: it is dropped before what may be the last of the model.
    started: Option<(Started, Plan<'static>)>,
    embedder: Arc<Embedder>,
}

impl Pending {
    pub(crate) fn new(embedder: Arc<Embedder>, plan: Plan<'static>, started: Started) -> Self {
        Self { started: Some((started, plan)), embedder }
    }

    /// Whether [`Pending::wait`] returns at once.
    pub fn is_ready(&self) -> bool {
        self.started.as_ref().is_none_or(|(started, _)| started.is_over())
    }

    /// Has `tell` called once, when the result is there: by a thread of the model's, which computes nothing meanwhile, or
    /// by this one, where it is there already. It takes the place of what was given before, and of a future's waker. After
    /// the call was dropped nobody is told.
    pub fn on_ready(&self, tell: impl FnOnce() + Send + 'static) {
        self.told(Box::new(tell));
    }

    fn told(&self, tell: Tell) {
        match &self.started {
            Some((started, _)) => started.tell(tell),
            None => tell(),
        }
    }

    /// Waits for the embeddings, which come in the texts' order.
    pub fn wait(mut self) -> Result<Vec<Embedding>> {
        self.result()
    }

    fn result(&mut self) -> Result<Vec<Embedding>> {
        match self.started.take() {
            Some((started, plan)) => self.embedder.complete(plan, started.wait()?),
            None => Err(Error::new(Code::InvalidArgument, "the call's result was taken already")),
        }
    }
}

impl Future for Pending {
    type Output = Result<Vec<Embedding>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.is_ready() {
            let waker = context.waker().clone();
            self.told(Box::new(move || waker.wake()));
            // It may have come in between; then it was told, and this is asked again.
            return Poll::Pending;
        }
        Poll::Ready(self.result())
    }
}
