//! A model that turns texts into vectors: composes directory, tokenizer, sessions and pooling.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::blob;
use crate::error::{Result, fail};
use crate::model::{Format, Model, Module};
use crate::pooling;
use crate::runtime;
use crate::schedule::Scheduler;
use crate::session::{Factory, Rows};
use crate::tokenize::{Tokenizer, Tokens};

/// How to open a model. The default is right for most.
#[derive(Clone, Debug, Default)]
pub struct ModelOptions {
    /// ONNX Runtime's library, or a directory that has it; `None` looks for it (see the README).
    pub onnxruntime: Option<PathBuf>,
    /// Which of the directory's networks to run.
    pub format: Format,
    /// Tokens of a text that are used, special ones counted; `None` is what the directory says.
    pub max_tokens: Option<usize>,
    /// Threads that compute, the caller's included; 0 is one for each processor.
    pub threads: usize,
}

/// What an open model is.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// The directory's name.
    pub name: String,
    /// SHA-256 (hex) over all files of the directory that were used.
    pub fingerprint: String,
    /// Components of a vector.
    pub dimensions: usize,
    /// Tokens of a text that are used, special ones counted; the rest is cut off.
    pub max_tokens: usize,
    /// Version of the ONNX Runtime in use.
    pub onnxruntime: String,
}

/// One text's result.
#[derive(Clone, Debug)]
pub struct Embedding {
    vector: Vec<f32>,
    tokens: usize,
    full_tokens: usize,
}

impl Embedding {
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

/// An open model. May be used from any number of threads at once.
pub struct Embedder {
    info: ModelInfo,
    tokenizer: Tokenizer,
    scheduler: Scheduler,
    modules: Vec<Module>,
}

impl Embedder {
    /// Opens a directory as sentence-transformers publishes it, and runs it once to see that it works.
    pub fn open(directory: &Path, options: &ModelOptions) -> Result<Self> {
        let runtime = runtime::load(options.onnxruntime.as_deref())?;
        let onnxruntime = runtime.version.clone();
        let model = Model::read(directory, options.format, options.max_tokens)?;
        let tokenizer = Tokenizer::new(&model.tokenizer, model.max_tokens)?;
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n if n <= 1024 => n,
            n => fail!(InvalidArgument, "{n} threads are too many; 0 is one for each processor"),
        };
        let scheduler = Scheduler::new(&Factory::new(runtime, model.network)?, threads)?;
        let mut embedder = Self {
            info: ModelInfo {
                name: model.name,
                fingerprint: model.fingerprint,
                dimensions: 0,
                max_tokens: model.max_tokens,
                onnxruntime,
            },
            tokenizer,
            scheduler,
            modules: model.modules,
        };
        embedder.info.dimensions = embedder.embed("warm up")?.vector.len();
        Ok(embedder)
    }

    /// What this model is.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// One text's embedding.
    pub fn embed(&self, text: &str) -> Result<Embedding> {
        match self.embed_batch(&[text])?.pop() {
            Some(embedding) => Ok(embedding),
            None => fail!(Internal, "one text gave no embedding"),
        }
    }

    /// The embeddings of many texts, in their order. A text that comes twice is computed once.
    pub fn embed_batch(&self, texts: &[&str]) -> Result<Vec<Embedding>> {
        let mut place_of: HashMap<&str, usize> = HashMap::with_capacity(texts.len());
        let mut distinct: Vec<Tokens> = Vec::with_capacity(texts.len());
        let mut places = Vec::with_capacity(texts.len());
        for &text in texts {
            let place = match place_of.get(text) {
                Some(&place) => place,
                None => {
                    distinct.push(self.tokenizer.encode(text)?);
                    place_of.insert(text, distinct.len() - 1);
                    distinct.len() - 1
                }
            };
            places.push(place);
        }
        let ids: Vec<&[u32]> = distinct.iter().map(|t| t.ids.as_slice()).collect();
        let vectors = self.scheduler.run(&ids, |rows| Ok(self.finish(rows)))?;
        Ok(places
            .into_iter()
            .map(|place| Embedding {
                vector: vectors[place].clone(),
                tokens: distinct[place].ids.len(),
                full_tokens: distinct[place].full,
            })
            .collect())
    }

    /// The modules after the transformer.
    fn finish(&self, rows: Rows<'_>) -> Vec<f32> {
        let mut vector = match rows {
            Rows::Sentence(row) => row.to_vec(),
            Rows::Tokens(hidden) => match self.modules.first() {
                Some(Module::Pooling { modes }) => pooling::pool(hidden, modes),
                _ => pooling::pool(hidden, &[crate::model::PoolingMode::Mean]),
            },
        };
        if self.modules.contains(&Module::Normalize) {
            blob::normalize(&mut vector);
        }
        vector
    }
}
