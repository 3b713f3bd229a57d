//! Finding rows: search, and pages of a list.

use std::ffi::c_void;

use super::store::{filter, qntx_embed_store};
use super::types::read_options;
use super::{
    array, boundary, flag, handle, out_pointer, qntx_embed_error, qntx_embed_rows, qntx_embed_status, qntx_embed_str,
};
use crate::error::{Result, fail};
use crate::store::{After, Diversity, Fusion, Index, ListOptions, Query, SearchOptions};

/// The fastest index that can answer.
pub const QNTX_EMBED_INDEX_AUTO: u32 = 0;
/// The rows themselves are read.
pub const QNTX_EMBED_INDEX_ROWS: u32 = 1;
/// vec0; where it cannot answer (filters, many equal distances), the rows.
pub const QNTX_EMBED_INDEX_VEC0: u32 = 2;
/// The one in memory, which is built first where it is not there; where it has no room, or another search builds one just
/// now, vec0 or the rows.
pub const QNTX_EMBED_INDEX_RESIDENT: u32 = 3;

/// What to search for. Set all to 0, then `size`, then what should differ.
#[repr(C)]
pub struct qntx_embed_search_options {
    /// `sizeof(qntx_embed_search_options)`.
    pub size: usize,
    /// Only rows of this model are searched. Not empty; with `like` it may be, and is then the row's.
    pub fingerprint: qntx_embed_str,
    /// Only rows that pass this filter, in JSON: `["and", ["=", "source_type", "manual"], [">=", "metadata.year", 2020]]`,
    /// with `and`, `or`, `not`, `=`, `!=`, `<`, `<=`, `>`, `>=`, `in` and `exists`; empty for all. It applies before the
    /// limit, and no other row has any influence on the answer.
    pub filter: qntx_embed_str,
    /// Rows with any of these words, best first by BM25; with a query vector too, both are fused by reciprocal rank.
    /// Empty: only the vector counts. Nothing in it is syntax.
    pub words: qntx_embed_str,
    /// The id of a row: rows near to it, without itself. There is no query vector then, and no words.
    pub like: qntx_embed_str,
    /// The page before's last id: only rows after that, in the order of distance and id. Empty for the first page. Not
    /// with words or diversity.
    pub after_id: qntx_embed_str,
    /// At most so many rows, 1 to 10,000; 0 is 10.
    pub limit: usize,
    /// Among how many of the nearest rows `diversity` chooses, up to 10,000; 0 is five times the limit, at least 50.
    pub candidates: usize,
    /// How many ranks of each kind are fused, up to 10,000; 0 is four times the limit, at least 100.
    pub depth: usize,
    /// Only rows of at least this cosine, -1 to 1; not for words. (0 is a threshold too: unrelated texts lie around it.)
    pub threshold: f32,
    /// The page before's last distance, where `after_id` is not empty.
    pub after_distance: f32,
    /// Less of the same, by maximal marginal relevance: 0 is the usual order, up to 1, where nothing but the distance to
    /// the hits before counts. Not with words.
    pub diversity: f32,
    /// What ranks by vector weigh in the fusion; 0 is 1, negative is nothing.
    pub vector_weight: f32,
    /// What ranks by words weigh; 0 is 1, negative is nothing.
    pub words_weight: f32,
    /// How little the first ranks differ in the fusion; 0 is 60.
    pub rank_constant: f32,
    /// One of `QNTX_EMBED_INDEX_...`; all give the same rows.
    pub index: u32,
    /// 1: only the best chunk of each source.
    pub group_by_source: u32,
    /// 1: rows come without their vectors.
    pub without_vectors: u32,
    /// 0.
    pub reserved: u32,
    /// NULL, or a function that is told how many rows of how many are in memory, some times a second, where the search
    /// builds the resident index first; on the thread that makes the call. It must not leave by an exception or longjmp.
    pub progress: Option<unsafe extern "C" fn(context: *mut c_void, done: usize, total: usize)>,
    /// Given to `progress`.
    pub progress_context: *mut c_void,
}

/// Which rows to list. Set all to 0, then `size`, then what should differ.
#[repr(C)]
pub struct qntx_embed_list_options {
    /// `sizeof(qntx_embed_list_options)`.
    pub size: usize,
    /// Only rows of this model; empty for all.
    pub fingerprint: qntx_embed_str,
    /// Only rows that pass this filter, as in the search options; empty for all.
    pub filter: qntx_embed_str,
    /// The page before's last id; empty for the first page.
    pub after_id: qntx_embed_str,
    /// At most so many rows, 1 to 10,000; 0 is 100.
    pub limit: usize,
    /// 1: rows come without their vectors.
    pub without_vectors: u32,
    /// 0.
    pub reserved: u32,
}

fn weight(value: f32) -> f32 {
    match value {
        0.0 => 1.0,
        negative if negative < 0.0 => 0.0,
        positive => positive,
    }
}

/// Finds rows, best first; equals in the order of their ids. The query is a vector (only rows of its dimensions are near
/// to it), or `options.words` (`query` is then NULL and `dimensions` 0), or both, or `options.like`. `*rows` is the caller's
/// to free with `qntx_embed_rows_free`; it is NULL after a failure, and has no rows where nothing was found. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_search(
    store: Option<&qntx_embed_store>,
    query: *const f32,
    dimensions: usize,
    options: *const qntx_embed_search_options,
    rows: *mut *mut qntx_embed_rows,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(rows, "rows") }?;
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let (vector, options) = unsafe { (array(query, dimensions, "query")?, read_options(options, "options")?) };
        // SAFETY: by this function's contract.
        let (fingerprint, words, like, after, filter) = unsafe {
            (
                options.fingerprint.text("options.fingerprint")?,
                options.words.text("options.words")?,
                options.like.text("options.like")?,
                options.after_id.text("options.after_id")?,
                filter(options.filter, "options.filter")?,
            )
        };
        if options.reserved != 0 {
            fail!(InvalidArgument, "options.reserved is {}; set it to 0", options.reserved);
        }
        if fingerprint.is_empty() && like.is_empty() {
            fail!(InvalidArgument, "options.fingerprint is empty; set it to that of the model whose rows are searched");
        }
        let query = match (vector, words, like) {
            (vector, "", "") => Query::Vector(vector),
            ([], words, "") => Query::Words(words),
            (vector, words, "") => Query::Both { vector, words },
            ([], "", like) => Query::Like(like),
            _ => fail!(InvalidArgument, "options.like is set, so there must be no query vector and no options.words"),
        };
        let progress = |done: usize, total: usize| {
            if let Some(progress) = options.progress {
                // SAFETY: the caller's own function and context, called on the caller's thread.
                unsafe { progress(options.progress_context, done, total) };
            }
        };
        let found = SearchOptions {
            fingerprint,
            limit: if options.limit == 0 { 10 } else { options.limit },
            threshold: options.threshold,
            filter: filter.as_ref(),
            after: (!after.is_empty()).then_some(After { distance: options.after_distance, id: after }),
            group_by_source: flag(options.group_by_source, "options.group_by_source")?,
            diversity: match options.diversity {
                0.0 => None,
                some if (0.0..=1.0).contains(&some) => {
                    Some(Diversity { lambda: 1.0 - some, candidates: options.candidates })
                }
                other => fail!(InvalidArgument, "options.diversity {other} is out of range: 0 to 1"),
            },
            fusion: Fusion {
                vector_weight: weight(options.vector_weight),
                words_weight: weight(options.words_weight),
                k: if options.rank_constant == 0.0 { 60.0 } else { options.rank_constant },
                depth: options.depth,
            },
            index: match options.index {
                QNTX_EMBED_INDEX_AUTO => Index::Auto,
                QNTX_EMBED_INDEX_ROWS => Index::Rows,
                QNTX_EMBED_INDEX_VEC0 => Index::Vec0,
                QNTX_EMBED_INDEX_RESIDENT => Index::Resident,
                other => fail!(InvalidArgument, "options.index is {other}, none of QNTX_EMBED_INDEX_..."),
            },
            without_vectors: flag(options.without_vectors, "options.without_vectors")?,
            progress: options.progress.is_some().then_some(&progress as &dyn Fn(usize, usize)),
        };
        *out = qntx_embed_rows::found(store.store.search(&query, &found)?);
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// A page of rows in the order of their ids; `options` may be NULL. The next page is that after the last row's id; the
/// last page has fewer rows than the limit. `*rows` is the caller's to free with `qntx_embed_rows_free`; it is NULL after
/// a failure. Any thread.
///
/// # Safety
/// The pointers are valid as their types say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_store_list(
    store: Option<&qntx_embed_store>,
    options: *const qntx_embed_list_options,
    rows: *mut *mut qntx_embed_rows,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(rows, "rows") }?;
        let store = handle(store, "store")?;
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let options: qntx_embed_list_options = unsafe { read_options(options, "options") }?;
        // SAFETY: by this function's contract.
        let (fingerprint, after, filter) = unsafe {
            (
                options.fingerprint.text("options.fingerprint")?,
                options.after_id.text("options.after_id")?,
                filter(options.filter, "options.filter")?,
            )
        };
        if options.reserved != 0 {
            fail!(InvalidArgument, "options.reserved is {}; set it to 0", options.reserved);
        }
        *out = qntx_embed_rows::rows(store.store.list(&ListOptions {
            fingerprint,
            filter: filter.as_ref(),
            after,
            limit: if options.limit == 0 { 100 } else { options.limit },
            without_vectors: flag(options.without_vectors, "options.without_vectors")?,
        })?);
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}
