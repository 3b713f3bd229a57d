//! Moving a store to another model.

use std::ffi::c_void;

use super::model::prompt_of;
use super::types::{fill, read_options, room};
use super::{
    boundary, handle, qntx_embed_cancel, qntx_embed_error, qntx_embed_model, qntx_embed_status, qntx_embed_store,
    qntx_embed_str, token,
};
use crate::embedder::Prompt;
use crate::error::{Result, fail};
use crate::reindex::{ReindexOptions, reindex};
use crate::schedule::Progress;

/// How to move a store to another model. Set all to 0, then `size`, then what should differ: 0 is the default of every field.
#[repr(C)]
pub struct qntx_embed_reindex_options {
    /// `sizeof(qntx_embed_reindex_options)`.
    pub size: usize,
    /// A name or words, as `prompt_kind` says: put before each text.
    pub prompt: qntx_embed_str,
    /// NULL, or what ends the call from another thread with `QNTX_EMBED_STATUS_CANCELLED`. Must live as long as the call.
    pub cancel: *const qntx_embed_cancel,
    /// NULL, or a function that is told how many rows of how many are done, those of earlier calls too, on the thread that
    /// makes the call. It must not leave by an exception or longjmp.
    pub progress: Option<unsafe extern "C" fn(context: *mut c_void, done: usize, total: usize)>,
    /// Given to `progress`.
    pub progress_context: *mut c_void,
    /// Only so many leading floats of each vector, as in the embed options; 0 is the model's.
    pub dimensions: usize,
    /// One of `QNTX_EMBED_PROMPT_...`; `QNTX_EMBED_PROMPT_DEFAULT` is here the prompt named "document".
    pub prompt_kind: u32,
    /// 1: the rows of other models stay.
    pub keep_old: u32,
}

/// What a move has done. Set `size` before the call; a newer library fills only what an older caller's `size` holds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct qntx_embed_reindex_report {
    /// `sizeof(qntx_embed_reindex_report)`, set by the caller.
    pub size: usize,
    /// Rows that were embedded and stored by this call.
    pub embedded: u64,
    /// How many of them have more tokens than the model takes, and were cut: split their sources again.
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
/// database. `options` may be NULL; `report` is NULL or gets what was done. Takes as long as embedding all texts; any thread,
/// while others search and write.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_reindex(
    store: Option<&qntx_embed_store>,
    model: Option<&qntx_embed_model>,
    options: *const qntx_embed_reindex_options,
    report: *mut qntx_embed_reindex_report,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let (store, model) = (handle(store, "store")?, handle(model, "model")?);
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let options: qntx_embed_reindex_options = unsafe { read_options(options, "options") }?;
        // SAFETY: by this function's contract.
        let (prompt, cancel) = unsafe { (options.prompt.text("options.prompt")?, token(options.cancel)?) };
        // Of version 0.1: the structure may grow, but this stays. Before the work, which may take hours.
        let oldest = std::mem::offset_of!(qntx_embed_reindex_report, deleted) + size_of::<u64>();
        if !report.is_null() {
            // SAFETY: by this function's contract.
            unsafe { room(report.cast_const(), oldest, "report") }?;
        }
        let progress: &Progress<'_> = &|done, total| {
            if let Some(progress) = options.progress {
                // SAFETY: the caller's own function and context, called on the caller's thread.
                unsafe { progress(options.progress_context, done, total) };
            }
        };
        let done = reindex(
            &store.store,
            &model.embedder,
            &ReindexOptions {
                prompt: match prompt_of(options.prompt_kind, prompt)? {
                    Prompt::Default => Prompt::Named("document"),
                    other => other,
                },
                dimensions: (options.dimensions > 0).then_some(options.dimensions),
                keep_old: match options.keep_old {
                    0 | 1 => options.keep_old == 1,
                    other => fail!(InvalidArgument, "options.keep_old is {other}, not 0 or 1"),
                },
                cancel,
                progress: options.progress.is_some().then_some(progress),
            },
        )?;
        if !report.is_null() {
            let filled = qntx_embed_reindex_report {
                size: 0,
                embedded: done.embedded,
                truncated: done.truncated,
                deleted: done.deleted,
            };
            // SAFETY: by this function's contract.
            unsafe { fill(report, oldest, "report", filled) }?;
        }
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}
