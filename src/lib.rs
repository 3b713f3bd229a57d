//! Sentence embeddings and semantic search inside the process that uses them.
//!
//! [`Embedder`] opens a model directory as sentence-transformers publishes it and turns texts into vectors;
//! [`Store`] keeps texts with their vectors in one SQLite file and finds the nearest ones. The C ABI over both is in
//! [`ffi`] and, as its users read it, in `include/qntx_embed.h`.
//!
//! ```no_run
//! use qntx_embed::{EmbedOptions, Embedder, ModelOptions, blob};
//!
//! let model = Embedder::open("models/all-MiniLM-L6-v2".as_ref(), &ModelOptions::default())?;
//! let rows = model.embed_batch(&["a cat", "a kitten"], &EmbedOptions::default())?;
//! println!("{:.4}", blob::similarity(rows[0].vector(), rows[1].vector())?);
//! # Ok::<(), qntx_embed::Error>(())
//! ```

pub mod blob;
mod cache;
mod chunks;
mod embedder;
mod ending;
mod error;
pub mod ffi;
mod head;
#[doc(hidden)]
pub mod index;
mod kernel;
mod log;
mod model;
mod pending;
mod pooling;
pub mod projection;
mod reindex;
mod runtime;
mod schedule;
mod session;
mod store;
mod tokenize;

pub use cache::CacheStats;
pub use chunks::Chunk;
pub use embedder::{EmbedOptions, Embedder, Embedding, ModelInfo, ModelOptions, Prompt, SplitOptions};
pub use error::{Code, Error, Result};
pub use log::{Level, Log};
pub use model::{Format, Precision, manifest};
pub use pending::Pending;
pub use reindex::{ReindexOptions, Reindexed, reindex};
pub use schedule::CancelToken;
pub use store::{
    After, Diversity, Explain, Filter, Found, Fusion, Hit, Index, ListOptions, MigrateOptions, Migration, ModelStats,
    Note, Outcome, Query, Record, Report, Row, SearchOptions, Stats, Store, StoreOptions,
};
pub use tokenize::Truncate;
