//! What can be asked of a search, and what makes no sense.

use crate::error::{Error, Result, fail};
use crate::store::filter::Filter;
use crate::store::resident::Progress;
use crate::store::rows::{self, MAX_NAME};

/// Hits that a search gives at most.
pub const MAX_LIMIT: usize = 10_000;

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub enum Query<'a> {
    /// Rows near to this vector.
    Vector(&'a [f32]),
    /// Rows near to the row of this id, which is not among them.
    Like(&'a str),
    /// Rows that have words of this text, best first by BM25.
    Words(&'a str),
    /// Both, fused by reciprocal rank (Cormack, Clarke and Büttcher 2009).
    Both {
        /// See [`Query::Vector`].
        vector: &'a [f32],
        /// See [`Query::Words`].
        words: &'a str,
    },
}

/// How to search. `SearchOptions { fingerprint, ..SearchOptions::default() }` is the ten nearest rows, however far.
#[derive(Clone, Copy)]
pub struct SearchOptions<'a> {
    /// Only rows of this model are searched. Not empty, except with [`Query::Like`], where it is the row's.
    pub fingerprint: &'a str,
    /// At most so many hits, 1 to 10,000.
    pub limit: usize,
    /// Only hits of at least this cosine, -1 to 1; not for words.
    pub threshold: f32,
    /// Only rows that pass; applied before the limit. No other row has any influence on the answer.
    pub filter: Option<&'a Filter>,
    /// Only hits that come after this one: the last of the page before. Not for words, nor with `diversity`.
    pub after: Option<After<'a>>,
    /// Only the best chunk of each source.
    pub group_by_source: bool,
    /// Less of the same: maximal marginal relevance. Not for words.
    pub diversity: Option<Diversity>,
    /// How ranks are fused; only for [`Query::Both`].
    pub fusion: Fusion,
    /// Which index answers. They all give the same.
    pub index: Index,
    /// Leaves `vector` of the rows empty, which saves reading and copying them.
    pub without_vectors: bool,
    /// Told how many rows of how many are in memory, some times a second, where the search builds the resident index first;
    /// on the thread that makes the call.
    pub progress: Option<&'a Progress<'a>>,
}

impl Default for SearchOptions<'_> {
    fn default() -> Self {
        Self {
            fingerprint: "",
            limit: 10,
            threshold: -1.0,
            filter: None,
            after: None,
            group_by_source: false,
            diversity: None,
            fusion: Fusion::default(),
            index: Index::Auto,
            without_vectors: false,
            progress: None,
        }
    }
}

/// Where a page ends: hits are ordered by distance, then id.
#[derive(Clone, Copy, Debug)]
pub struct After<'a> {
    /// The last hit's distance, bit by bit.
    pub distance: f32,
    /// The last hit's id.
    pub id: &'a str,
}

/// Maximal marginal relevance (Carbonell and Goldstein 1998): each next hit is that with the largest
/// `lambda * similarity to the query - (1 - lambda) * largest similarity to a hit before it`.
#[derive(Clone, Copy, Debug)]
pub struct Diversity {
    /// 1 is the usual order, 0 looks at diversity only.
    pub lambda: f32,
    /// Among how many of the nearest rows hits are chosen, up to 10,000; 0 is five times the limit, at least 50.
    pub candidates: usize,
}

/// A row's score is `vector_weight / (k + its rank by vector) + words_weight / (k + its rank by words)`; a rank that it
/// does not have adds nothing.
#[derive(Clone, Copy, Debug)]
pub struct Fusion {
    /// 0 or more, finite.
    pub vector_weight: f32,
    /// 0 or more, finite; not both 0.
    pub words_weight: f32,
    /// How little the first ranks differ, 1 or more; 60 in the paper.
    pub k: f32,
    /// How many ranks of each kind count, up to 10,000; 0 is four times the limit, at least 100.
    pub depth: usize,
}

impl Default for Fusion {
    fn default() -> Self {
        Self { vector_weight: 1.0, words_weight: 1.0, k: 60.0, depth: 0 }
    }
}

/// What a search by vector reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The fastest that can answer. The resident one is built when it is worth it: see docs/search.md.
    Auto,
    /// The rows themselves.
    Rows,
    /// vec0; where it cannot answer (filters, many equal distances), the rows.
    Vec0,
    /// The one in memory, which is built first where it is not there; where it has no room, or another search builds one
    /// just now, vec0 or the rows.
    Resident,
}

/// Refuses what makes no sense, before anything is read.
pub fn check(query: &Query<'_>, options: &SearchOptions<'_>) -> Result<()> {
    let (vector, words) = match query {
        Query::Vector(vector) => (Some(*vector), None),
        Query::Like(id) => {
            if id.is_empty() || id.len() > MAX_NAME {
                fail!(InvalidArgument, "the id to search by has {} bytes, not 1 to {MAX_NAME}", id.len());
            }
            (None, None)
        }
        Query::Words(words) => (None, Some(*words)),
        Query::Both { vector, words } => (Some(*vector), Some(*words)),
    };
    if let Some(vector) = vector {
        rows::check_vector(vector).map_err(|e| Error::new(e.code(), format!("query: {e}")))?;
    }
    if options.fingerprint.is_empty() && !matches!(query, Query::Like(_)) {
        fail!(InvalidArgument, "fingerprint is empty; set it to that of the model whose rows are searched");
    }
    if options.limit == 0 || options.limit > MAX_LIMIT {
        fail!(InvalidArgument, "limit {} is out of range: 1 to {MAX_LIMIT}", options.limit);
    }
    if !(-1.0..=1.0).contains(&options.threshold) {
        fail!(InvalidArgument, "threshold {} is no cosine: -1 to 1", options.threshold);
    }
    if let Some(after) = &options.after {
        if words.is_some() || options.diversity.is_some() {
            fail!(
                InvalidArgument,
                "after is for searches by vector without diversity: only these are in order of distance"
            );
        }
        if !(0.0..=2.1).contains(&after.distance) {
            fail!(InvalidArgument, "after.distance {} is none of two unit vectors: 0 to 2", after.distance);
        }
    }
    if let Some(diversity) = &options.diversity {
        if words.is_some() {
            fail!(InvalidArgument, "diversity is for searches by vector only");
        }
        if !(0.0..=1.0).contains(&diversity.lambda) {
            fail!(InvalidArgument, "diversity.lambda {} is out of range: 0 to 1", diversity.lambda);
        }
        if diversity.candidates > MAX_LIMIT {
            fail!(InvalidArgument, "diversity.candidates {} is more than {MAX_LIMIT}", diversity.candidates);
        }
    }
    if let (Some(_), Some(_)) = (vector, words) {
        let fusion = &options.fusion;
        let weights = [("vector_weight", fusion.vector_weight), ("words_weight", fusion.words_weight)];
        for (name, weight) in weights {
            if !(0.0..=f32::MAX).contains(&weight) {
                fail!(InvalidArgument, "fusion.{name} {weight} is no weight: 0 or more, and finite");
            }
        }
        if fusion.vector_weight == 0.0 && fusion.words_weight == 0.0 {
            fail!(InvalidArgument, "both weights of the fusion are 0: nothing would have a rank");
        }
        if !(1.0..=f32::MAX).contains(&fusion.k) {
            fail!(InvalidArgument, "fusion.k {} is out of range: 1 or more, and finite", fusion.k);
        }
        if fusion.depth > MAX_LIMIT {
            fail!(InvalidArgument, "fusion.depth {} is more than {MAX_LIMIT}", fusion.depth);
        }
    }
    Ok(())
}
