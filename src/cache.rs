//! Vectors of texts that came before, bounded by bytes; the only file that names `quick_cache`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::{Cache as Inner, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};

use crate::embedder::Embedding;
use crate::error::{Code, Error, Result};
use crate::tokenize::Truncate;

/// What an entry takes beside its text, prompt and vector: key, value, what the allocator adds, its place in the table,
/// and places for those that were thrown out lately. The test measures whether it is enough.
const OVERHEAD: usize = 256;

/// An entry of usual size, from which the number of entries is estimated.
const USUAL: usize = 2048;

/// Embeddings by all that they depend on. May be used from any number of threads at once.
pub struct Cache {
    inner: Inner<Key, Arc<Embedding>, Bytes>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What an embedding depends on, beside the model. Keys are compared whole, not by their hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Question<'a> {
    pub prompt: &'a str,
    pub text: &'a str,
    pub dimensions: usize,
    pub truncate: Truncate,
}

// Its hash must be that of a `Question`: the same fields in the same order.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    prompt: Box<str>,
    text: Box<str>,
    dimensions: usize,
    truncate: Truncate,
}

impl Equivalent<Key> for Question<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        let Key { prompt, text, dimensions, truncate } = key;
        *self == Question { prompt, text, dimensions: *dimensions, truncate: *truncate }
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Arc<Embedding>> for Bytes {
    fn weight(&self, key: &Key, embedding: &Arc<Embedding>) -> u64 {
        (key.prompt.len() + key.text.len() + size_of_val(embedding.vector()) + OVERHEAD) as u64
    }
}

impl Cache {
    pub fn new(bytes: usize) -> Result<Self> {
        let options = OptionsBuilder::new()
            .weight_capacity(bytes as u64)
            .estimated_items_capacity(bytes / USUAL)
            .build()
            .map_err(|e| Error::new(Code::Internal, format!("the cache could not be made: {e}")))?;
        let inner = Inner::with_options(options, Bytes, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Ok(Self { inner, hits: AtomicU64::new(0), misses: AtomicU64::new(0) })
    }

    pub fn get(&self, question: &Question<'_>) -> Option<Arc<Embedding>> {
        let found = self.inner.get(question);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub fn put(&self, question: &Question<'_>, embedding: Arc<Embedding>) {
        let &Question { prompt, text, dimensions, truncate } = question;
        self.inner.insert(Key { prompt: prompt.into(), text: text.into(), dimensions, truncate }, embedding);
    }

    pub fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.inner.len(),
            bytes: self.inner.weight(),
        }
    }
}

/// What a model's cache has done since it was opened, and what it holds. All 0 where the model has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Texts that were found. One that comes twice in a call counts once.
    pub hits: u64,
    /// Texts that were not, and were computed.
    pub misses: u64,
    /// Embeddings that it holds.
    pub entries: usize,
    /// Bytes that they take: texts, prompts, vectors and what it needs to find them.
    pub bytes: u64,
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
mod tests {
    use super::*;

    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    /// In a process of its own: what other tests allocate meanwhile would be counted too.
    #[test]
    fn the_bound_is_what_the_process_grows_by() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["cache::tests::growth", "--exact", "--ignored", "--nocapture"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    /// Short texts and vectors, for which the overhead counts most, and usual ones.
    #[test]
    #[ignore = "started by the_bound_is_what_the_process_grows_by"]
    fn growth() {
        let mut kept = Vec::new(); // or the next one would get the memory of the last
        for (dimensions, words) in [(8, 1), (32, 4), (384, 20)] {
            const BOUND: usize = 64 << 20;
            let cache = Cache::new(BOUND).unwrap();
            let before = resident();
            let mut bytes = 0;
            for i in 0..300_000 {
                let text = format!("{i} {}", "word ".repeat(words));
                let vector = Embedding::for_tests(vec![i as f32; dimensions]);
                let question = Question { prompt: "", text: &text, dimensions, truncate: Truncate::Default };
                cache.put(&question, Arc::new(vector));
                bytes = bytes.max(cache.stats().bytes);
            }
            let grown = resident().saturating_sub(before);
            println!("{dimensions} dimensions: {:?}, the process has grown by {grown}", cache.stats());
            assert!(bytes as usize <= BOUND, "{bytes}");
            kept.push(cache);
            assert!(grown <= BOUND + BOUND / 10, "{dimensions} dimensions: {grown} for {BOUND}");
        }
    }
}
