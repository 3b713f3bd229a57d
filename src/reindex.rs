//! Moves a store to another model: its texts are embedded again, beside the rows that answer meanwhile.

use crate::embedder::{EmbedOptions, Embedder, Prompt};
use crate::error::{Result, fail};
use crate::schedule::{CancelToken, Progress};
use crate::store::Store;

/// How to move. The default is what most want.
#[derive(Clone, Copy)]
pub struct ReindexOptions<'a> {
    /// What is put before each text; by default the prompt named `document`, which every model has.
    pub prompt: Prompt<'a>,
    /// Only so many leading components of each vector, as in [`EmbedOptions`].
    pub dimensions: Option<usize>,
    /// Leaves the other models' rows where they are.
    pub keep_old: bool,
    /// Ends the call from another thread with [`Code::Cancelled`](crate::Code::Cancelled). What is done stays done.
    pub cancel: Option<&'a CancelToken>,
    /// Told how many rows of how many are done, those of earlier calls too, by the thread that makes the call. Rows that are
    /// written meanwhile can raise the number of all.
    pub progress: Option<&'a Progress<'a>>,
}

impl Default for ReindexOptions<'_> {
    fn default() -> Self {
        Self { prompt: Prompt::Named("document"), dimensions: None, keep_old: false, cancel: None, progress: None }
    }
}

/// What a move has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reindexed {
    /// Rows that were embedded and stored by this call.
    pub embedded: u64,
    /// How many of them have more tokens than the model takes, and were cut: split their sources again (see
    /// [`Embedder::split`]).
    pub truncated: u64,
    /// Rows of other models that were deleted at the end.
    pub deleted: u64,
}

/// Moves a store to a model: each row of any other model gets one of this model, with the same source, chunk, range, text,
/// metadata and creation time; when none is missing, the others are deleted, in one transaction, and the new rows get their
/// ids. Of several models' rows of one source and chunk, that which was written last is taken; one that this model has
/// already, written later or with the same content, stays as it is.
///
/// Until that transaction the old rows are all there, so a search by the old model answers as before; one by the new model
/// finds what is done. What others write meanwhile, also in other processes, is not lost: new and changed rows of other
/// models are embedded too, before the switch, and of a row that is deleted the copy goes as well.
///
/// A call that was cancelled, or whose process was killed, is gone on with by another one: how far it is stands in the
/// database. Rows are embedded in batches of 256, or of a megabyte, each of which is a transaction.
pub fn reindex(store: &Store, model: &Embedder, options: &ReindexOptions<'_>) -> Result<Reindexed> {
    let info = model.info();
    let embed = EmbedOptions {
        prompt: options.prompt,
        dimensions: options.dimensions,
        cancel: options.cancel,
        ..EmbedOptions::default()
    };
    let (mut total, to_do) = store.reindex_state(&info.fingerprint)?;
    let mut done = total - to_do;
    let tell = |done, total| {
        if let Some(progress) = options.progress {
            let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            progress(number(done), number(total));
        }
    };
    tell(done, total);
    let mut report = Reindexed::default();
    loop {
        let mut after = i64::MIN;
        loop {
            if options.cancel.is_some_and(CancelToken::is_cancelled) {
                fail!(Cancelled, "cancelled with {done} of {total} rows done; another call goes on from there");
            }
            let rows = store.reindex_pending(&info.fingerprint, after)?;
            let Some(last) = rows.last() else { break };
            after = last.key;
            let texts: Vec<&str> = rows.iter().map(|pending| pending.row.text.as_str()).collect();
            let embeddings = model.embed_batch(&texts, &embed)?;
            let vectors: Vec<&[f32]> = embeddings.iter().map(|embedding| embedding.vector()).collect();
            store.reindex_put(&rows, &info.name, &info.fingerprint, &vectors)?;
            report.embedded += rows.len() as u64;
            report.truncated += embeddings.iter().filter(|embedding| embedding.truncated()).count() as u64;
            done += rows.len() as u64;
            total = total.max(done);
            tell(done, total);
        }
        // What was written behind the place where this was is found now, before anything is deleted.
        if let Some(deleted) = store.reindex_switch(&info.fingerprint, options.keep_old)? {
            report.deleted = deleted as u64;
            return Ok(report);
        }
    }
}
