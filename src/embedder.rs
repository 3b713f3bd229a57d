//! A model that turns texts into vectors: composes directory, tokenizer, sessions and pooling.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use crate::blob;
use crate::cache::{Cache, CacheStats, Question};
use crate::chunks::{self, Chunk};
use crate::ending;
use crate::error::{Code, Error, Result, fail};
use crate::head;
use crate::log::{Level, Log};
use crate::model::{Directory, Format, Model, Module, Precision, SentenceTransformers};
use crate::pending::Pending;
use crate::runtime;
use crate::schedule::{CancelToken, Finish, Progress, Scheduler};
use crate::session::{Factory, Interrupt, Rows, Session};
use crate::tokenize::{Settings, Tokenizer, Tokens, Truncate};

/// How to open a model. The default is right for most.
#[derive(Clone, Debug, Default)]
pub struct ModelOptions {
    /// ONNX Runtime's library, or a directory that has it; `None` looks for it (see the README).
    pub onnxruntime: Option<PathBuf>,
    /// Which of the directory's networks to run.
    pub format: Format,
    /// How the network computes.
    pub precision: Precision,
    /// Tokens of a text that are used, special ones counted; `None` is what the directory says.
    pub max_tokens: Option<usize>,
    /// Threads that compute; 0 is one for each processor.
    pub threads: usize,
    /// Texts of other calls that may wait when a call joins them; past it the call is refused with
    /// [`Code::Overloaded`](crate::Code::Overloaded). 0 is 100,000. A call alone may have any number.
    pub queue: usize,
    /// Bytes for the vectors of texts that came before: one that comes again, with the same options, is not computed
    /// again. 0 is none.
    pub cache_bytes: usize,
    /// Opens only a directory that is as its manifest says (see [`manifest`](crate::manifest)).
    pub require_manifest: bool,
    /// Where lines go that say what took long, and what ONNX Runtime warns of.
    pub log: Log,
}

/// What [`Embedder::embed_iter`] embeds with one call, at most.
const ITER_TEXTS: usize = 256;
const ITER_BYTES: usize = 1 << 20;

const DEFAULT_QUEUE: usize = 100_000;
/// A model of some hundred megabytes opens in less.
const SLOW: Duration = Duration::from_secs(10);

/// What an open model is.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// The directory's name.
    pub name: String,
    /// SHA-256 (hex) over all files of the directory that were used.
    pub fingerprint: String,
    /// Components of a vector where the caller does not ask for fewer (or more, up to `full_dimensions`).
    pub dimensions: usize,
    /// Components that the model computes; the same, but where its configuration has a `truncate_dim`.
    pub full_dimensions: usize,
    /// Tokens of a text that are used, special ones counted; the rest is cut off.
    pub max_tokens: usize,
    /// How the network computes.
    pub precision: Precision,
    /// Version of the ONNX Runtime in use.
    pub onnxruntime: String,
    /// The directory's prompts by name.
    pub prompts: BTreeMap<String, String>,
    /// The prompt that is used where none is asked for.
    pub default_prompt_name: Option<String>,
    /// Whether the directory had a modules.json; without one hidden states are pooled by their mean.
    pub has_modules: bool,
}

/// How to embed. The default is what the directory says.
#[derive(Clone, Copy, Default)]
pub struct EmbedOptions<'a> {
    /// What is put before each text.
    pub prompt: Prompt<'a>,
    /// Which end of a text is cut off where it is too long.
    pub truncate: Truncate,
    /// Only so many leading components, at unit length again where the model normalises (Matryoshka representations,
    /// Kusupati et al. 2022).
    pub dimensions: Option<usize>,
    /// Ends the call from another thread: it returns at once with [`Code::Cancelled`](crate::Code::Cancelled).
    pub cancel: Option<&'a CancelToken>,
    /// Told how many texts of how many are done, by the thread that makes the call. A text that comes twice counts once.
    pub progress: Option<&'a Progress<'a>>,
}

/// How to split texts. The default is chunks as long as the model takes, one after another.
#[derive(Clone, Copy, Debug, Default)]
pub struct SplitOptions<'a> {
    /// Tokens that a chunk has at most, its prompt's and special ones counted; `None` is what the model takes, and more
    /// is refused.
    pub max_tokens: Option<usize>,
    /// Tokens by which a chunk may begin before the end of the one before it; less than `max_tokens`.
    pub overlap: usize,
    /// What chunks will be embedded with.
    pub prompt: Prompt<'a>,
}

/// What is put before a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prompt<'a> {
    /// The directory's default prompt, where it has one.
    #[default]
    Default,
    /// The directory's prompt of this name.
    Named(&'a str),
    /// These words; empty is none.
    Text(&'a str),
}

/// One text's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    vector: Vec<f32>,
    tokens: usize,
    full_tokens: usize,
}

impl Embedding {
    #[cfg(test)]
    pub(crate) fn for_tests(vector: Vec<f32>) -> Self {
        Self { vector, tokens: 1, full_tokens: 1 }
    }

    /// The vector, [`ModelInfo::dimensions`] long.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// Tokens that were used, special ones counted.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Tokens that the whole text has, special ones counted.
    pub fn full_tokens(&self) -> usize {
        self.full_tokens
    }

    /// Whether the text was cut.
    pub fn truncated(&self) -> bool {
        self.full_tokens > self.tokens
    }
}

/// Token ids of texts.
type Ids = Vec<Vec<u32>>;

/// What is known of a call's texts before those that are missing are computed.
pub(crate) struct Plan<'a> {
    prompt: Cow<'a, str>,
    dimensions: usize,
    truncate: Truncate,
    /// For each text, which of the distinct ones it is.
    places: Vec<usize>,
    /// What the cache has of each distinct text.
    distinct: Vec<Option<Arc<Embedding>>>,
    missing: Vec<Missing<'a>>,
}

/// A text to be computed.
struct Missing<'a> {
    place: usize,
    text: Cow<'a, str>,
    used: usize,
    full: usize,
}

impl Plan<'_> {
    fn question<'q>(&'q self, text: &'q str) -> Question<'q> {
        Question { prompt: &self.prompt, text, dimensions: self.dimensions, truncate: self.truncate }
    }

    /// The same without the caller's texts: copied where they are needed, for the cache.
    fn kept(self, needed: bool) -> Plan<'static> {
        let keep = |text: Cow<'_, str>| Cow::Owned(if needed { text.into_owned() } else { String::new() });
        let keep_missing = |Missing { place, text, used, full }| Missing { place, text: keep(text), used, full };
        let Self { prompt, dimensions, truncate, places, distinct, missing } = self;
        let missing = missing.into_iter().map(keep_missing).collect();
        Plan { prompt: keep(prompt), dimensions, truncate, places, distinct, missing }
    }
}

/// An open model. May be used from any number of threads at once.
pub struct Embedder {
    info: ModelInfo,
    tokenizer: Tokenizer,
    scheduler: Scheduler,
    modules: Arc<[Module]>,
    cache: Option<Cache>,
}

impl Embedder {
    /// Opens a directory as sentence-transformers publishes it, and runs it once to see that it works.
    pub fn open(directory: &Path, options: &ModelOptions) -> Result<Self> {
        let began = Instant::now();
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n if n <= 1024 => n,
            n => fail!(InvalidArgument, "{n} threads are too many; 0 is one for each processor"),
        };
        let Opened { model, tokenizer, fingerprint, onnxruntime, factory, mut wide } =
            load(directory, options, threads)?;
        let SentenceTransformers { mut prompts, default_prompt_name, truncate_dim } = model.defaults;
        // sentence-transformers has these two in every model.
        for name in ["query", "document"] {
            prompts.entry(name.to_owned()).or_default();
        }
        if let Some(name) = default_prompt_name.as_ref().filter(|n| !prompts.contains_key(*n)) {
            fail!(
                ModelInvalid,
                "config_sentence_transformers.json has a default_prompt_name '{name}', but no such prompt"
            );
        }
        let mut hidden = None;
        wide.run(&[&[tokenizer.any_token()?]], |_, rows| {
            hidden = Some(match rows {
                Rows::Tokens(rows) => (rows.ncols(), true),
                Rows::Sentence(row) => (row.len(), false),
            });
            Ok(())
        })?;
        static FIRST: Once = Once::new();
        FIRST.call_once(ending::watch);
        let queue = if options.queue == 0 { DEFAULT_QUEUE } else { options.queue };
        let scheduler = Scheduler::new(wide, move |interrupt| factory.session(1, interrupt), threads, queue)?;
        let Some((dim, by_token)) = hidden else { fail!(Internal, "the network gave nothing") };
        // A network that pools by itself has done the first module already.
        let rest = if by_token { &model.modules[..] } else { &model.modules[1..] };
        let full_dimensions = match head::dimensions(rest, dim) {
            Ok(dimensions) => dimensions,
            Err((found, wanted)) => fail!(
                ModelInvalid,
                "model directory '{}': a module of modules.json takes {wanted} dimensions, but gets {found}",
                directory.display()
            ),
        };
        let dimensions = match truncate_dim {
            None => full_dimensions,
            Some(n) if n > 0 && n <= full_dimensions => n,
            Some(n) => fail!(
                ModelInvalid,
                "config_sentence_transformers.json has a truncate_dim {n}, but the model gives {full_dimensions} dimensions"
            ),
        };
        options.log.write(if began.elapsed() < SLOW { Level::Info } else { Level::Warning }, || {
            format!("model '{}' took {} ms to open", model.name, began.elapsed().as_millis())
        });
        let cache = (options.cache_bytes > 0).then(|| Cache::new(options.cache_bytes)).transpose()?;
        Ok(Self {
            info: ModelInfo {
                name: model.name,
                fingerprint,
                dimensions,
                full_dimensions,
                max_tokens: model.max_tokens,
                precision: options.precision,
                onnxruntime,
                prompts,
                default_prompt_name,
                has_modules: model.has_modules,
            },
            tokenizer,
            scheduler,
            modules: model.modules.into(),
            cache,
        })
    }

    /// What this model is.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// What the cache has done so far. Cheap.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.as_ref().map_or_else(CacheStats::default, Cache::stats)
    }

    /// One text's embedding.
    pub fn embed(&self, text: &str, options: &EmbedOptions<'_>) -> Result<Embedding> {
        match self.embed_batch(&[text], options)?.pop() {
            Some(embedding) => Ok(embedding),
            None => fail!(Internal, "one text gave no embedding"),
        }
    }

    /// The embeddings of many texts, in their order. A text that comes twice is computed once.
    pub fn embed_batch(&self, texts: &[&str], options: &EmbedOptions<'_>) -> Result<Vec<Embedding>> {
        let (plan, ids, finish) = self.plan(texts, options)?;
        let (total, known) = (plan.distinct.len(), plan.distinct.len() - plan.missing.len());
        let all = options.progress.map(|progress| move |done: usize, _| progress(known + done, total));
        if let Some(progress) = all.as_ref().filter(|_| known > 0) {
            progress(0, total);
        }
        let progress = all.as_ref().map(|progress| progress as &Progress<'_>);
        let vectors = self.scheduler.run(ids, finish, options.cancel, progress)?;
        self.complete(plan, vectors)
    }

    /// [`Embedder::embed_batch`] for a caller that does something else meanwhile: it tokenises, puts the texts into the
    /// queue and returns. A single text that finds nothing else to do is computed by one thread, where
    /// [`Embedder::embed`] has all of them. `options.progress` is refused: nobody waits who could be told.
    pub fn start(self: &Arc<Self>, texts: &[&str], options: &EmbedOptions<'_>) -> Result<Pending> {
        if options.progress.is_some() {
            fail!(InvalidArgument, "a call that is started has no progress: nobody waits who could be told");
        }
        let (plan, ids, finish) = self.plan(texts, options)?;
        let started = self.scheduler.start(ids, finish, options.cancel)?;
        Ok(Pending::new(Arc::clone(self), plan.kept(self.cache.is_some()), started))
    }

    /// Looks up what is known of the texts, and tokenises the others.
    fn plan<'a>(&'a self, texts: &[&'a str], options: &EmbedOptions<'a>) -> Result<(Plan<'a>, Ids, Arc<Finish>)> {
        let prompt = self.prompt(options.prompt)?;
        let prompt_tokens = if prompt.is_empty() { 0 } else { self.tokenizer.prompt_tokens(prompt)? };
        let dimensions = self.dimensions(options)?;
        let mut plan = Plan {
            prompt: prompt.into(),
            dimensions,
            truncate: options.truncate,
            places: Vec::with_capacity(texts.len()),
            distinct: Vec::with_capacity(texts.len()),
            missing: Vec::new(),
        };
        let mut ids = Vec::new();
        let mut place_of: HashMap<&str, usize> = HashMap::with_capacity(texts.len());
        for (i, &text) in texts.iter().enumerate() {
            let place = *place_of.entry(text).or_insert(plan.distinct.len());
            plan.places.push(place);
            if place < plan.distinct.len() {
                continue;
            }
            let known = self.cache.as_ref().and_then(|cache| cache.get(&plan.question(text)));
            if known.is_none() {
                let tokens = if prompt.is_empty() {
                    self.tokenizer.encode(text, options.truncate)
                } else {
                    self.tokenizer.encode(&format!("{prompt}{text}"), options.truncate)
                };
                let Tokens { ids: own, used, full } =
                    tokens.map_err(|e| Error::new(e.code(), format!("text {i}: {e}")))?;
                ids.push(own);
                plan.missing.push(Missing { place, text: text.into(), used, full });
            }
            plan.distinct.push(known);
        }
        let modules = Arc::clone(&self.modules);
        let finish = move |rows: Rows<'_>| {
            let mut vector = head::apply(&modules, rows, prompt_tokens);
            if dimensions < vector.len() {
                vector.truncate(dimensions);
                if modules.last() == Some(&Module::Normalize) {
                    blob::normalize(&mut vector);
                }
            }
            vector
        };
        Ok((plan, ids, Arc::new(finish)))
    }

    /// Components of a vector with these options.
    pub(crate) fn dimensions(&self, options: &EmbedOptions<'_>) -> Result<usize> {
        let dimensions = options.dimensions.unwrap_or(self.info.dimensions);
        if dimensions == 0 || dimensions > self.info.full_dimensions {
            let most = self.info.full_dimensions;
            fail!(
                Dimensions,
                "{dimensions} dimensions cannot be had: the model '{}' gives 1 to {most}",
                self.info.name
            );
        }
        Ok(dimensions)
    }

    /// The embeddings of all texts, with the vectors of those that were missing.
    pub(crate) fn complete(&self, mut plan: Plan<'_>, vectors: Vec<Vec<f32>>) -> Result<Vec<Embedding>> {
        for (Missing { place, text, used, full }, vector) in std::mem::take(&mut plan.missing).into_iter().zip(vectors)
        {
            let embedding = Arc::new(Embedding { vector, tokens: used, full_tokens: full });
            if let Some(cache) = &self.cache {
                cache.put(&plan.question(&text), Arc::clone(&embedding));
            }
            plan.distinct[place] = Some(embedding);
        }
        let embedding = |&place: &usize| match &plan.distinct[place] {
            Some(embedding) => Ok(Embedding::clone(embedding)),
            None => fail!(Internal, "a text has no vector"),
        };
        plan.places.iter().map(embedding).collect()
    }

    /// The embeddings of any number of texts, in their order, in constant memory: they are taken and embedded in batches
    /// of 256, or of a megabyte. An error is the last item. `options.progress` is told of each batch by itself.
    pub fn embed_iter<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
        options: &EmbedOptions<'_>,
    ) -> impl Iterator<Item = Result<Embedding>> {
        let mut texts = texts.into_iter().fuse();
        let mut ready = Vec::new().into_iter();
        let (mut taken, mut failed) = (0, false);
        std::iter::from_fn(move || {
            if let Some(embedding) = ready.next() {
                return Some(Ok(embedding));
            }
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while !failed && batch.len() < ITER_TEXTS && bytes < ITER_BYTES {
                let Some(text) = texts.next() else { break };
                bytes += text.as_ref().len();
                batch.push(text);
            }
            if batch.is_empty() {
                return None;
            }
            let batch: Vec<&str> = batch.iter().map(AsRef::as_ref).collect();
            match self.embed_batch(&batch, options) {
                Ok(embeddings) => {
                    taken += batch.len();
                    ready = embeddings.into_iter();
                    ready.next().map(Ok)
                }
                Err(e) => {
                    failed = true;
                    Some(Err(Error::new(e.code(), format!("of the texts from {taken} on: {e}"))))
                }
            }
        })
    }

    /// A text in chunks that the model takes whole, so that nothing is cut off. They cover the text from its first byte
    /// to its last, white space too, and each begins where the one before ends, or earlier where `overlap` allows it. A
    /// chunk ends at the best place in its second half: where a paragraph ends (an empty line follows), or a sentence
    /// (UAX #29); inside of a sentence that is longer than a chunk, where a line, a word or a character does. Chunks
    /// overlap by whole sentences, by words where none is short enough, and not at all where what follows would not
    /// fit. A text that fits is one chunk, the empty one none. Tokenises the text some times over, on the caller's
    /// thread; any thread.
    pub fn split(&self, text: &str, options: &SplitOptions<'_>) -> Result<Vec<Chunk>> {
        let max_tokens = options.max_tokens.unwrap_or(self.info.max_tokens);
        if max_tokens > self.info.max_tokens {
            let most = self.info.max_tokens;
            fail!(
                InvalidArgument,
                "chunks of {max_tokens} tokens: the model '{}' takes at most {most}",
                self.info.name
            );
        }
        if options.overlap >= max_tokens {
            let overlap = options.overlap;
            fail!(InvalidArgument, "an overlap of {overlap} tokens must be less than the {max_tokens} of a chunk");
        }
        let prompt = self.prompt(options.prompt)?;
        let tokens = |part: &str| {
            if prompt.is_empty() {
                self.tokenizer.count(part)
            } else {
                self.tokenizer.count(&format!("{prompt}{part}"))
            }
        };
        chunks::split(text, max_tokens, options.overlap, &tokens)
    }

    fn prompt<'a>(&'a self, prompt: Prompt<'a>) -> Result<&'a str> {
        let named = |name: &str| self.info.prompts.get(name).map(String::as_str);
        Ok(match prompt {
            Prompt::Text(text) => text,
            Prompt::Default => self.info.default_prompt_name.as_deref().and_then(named).unwrap_or_default(),
            Prompt::Named(name) => match named(name) {
                Some(text) => text,
                None => {
                    let names: Vec<&str> = self.info.prompts.keys().map(String::as_str).collect();
                    let has =
                        if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) };
                    fail!(InvalidArgument, "model '{}' has no prompt named '{name}': {has}", self.info.name)
                }
            },
        })
    }
}

struct Opened {
    model: Model,
    tokenizer: Tokenizer,
    fingerprint: String,
    onnxruntime: String,
    factory: Factory,
    /// A session of all threads.
    wide: Session,
}

/// Reads the weights and makes a session of them, which is half of what there is to do; the rest goes beside that.
fn load(path: &Path, options: &ModelOptions, threads: usize) -> Result<Opened> {
    std::thread::scope(|scope| {
        let runtime = scope.spawn(|| runtime::load(options.onnxruntime.as_deref()));
        let read = Directory::read(path, options.format, options.max_tokens, options.require_manifest);
        let read = read.and_then(|Directory { model, tokenizer, source, mut files }| {
            let Model { max_tokens, lower_case, truncate_left, .. } = model;
            let settings = Settings { max_tokens, lower_case, truncate_left };
            let tokenizer = scope.spawn(move || Tokenizer::new(tokenizer, settings));
            let content = source.read(&mut files)?;
            // The files' bytes go with it, before the session has packed its own.
            let fingerprint = scope.spawn(move || files.fingerprint());
            Ok((model, tokenizer, fingerprint, content.network(options.precision)?))
        });
        // Without it nothing else is worth a message.
        let runtime = joined(runtime)??;
        let (model, tokenizer, fingerprint, network) = read?;
        let onnxruntime = runtime.version.clone();
        let factory = Factory::new(runtime, network, threads, &options.log)?;
        let wide = factory.session(threads, Interrupt::new()?)?;
        let (tokenizer, fingerprint) = (joined(tokenizer)??, joined(fingerprint)?);
        Ok(Opened { model, tokenizer, fingerprint, onnxruntime, factory, wide })
    })
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T> {
    thread.join().map_err(|_| Error::new(Code::Internal, "a thread that opens the model panicked"))
}
