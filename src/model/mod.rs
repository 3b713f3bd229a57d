//! A model directory, read and checked: what to run, and how its outputs become one vector.

mod architecture;
mod config;
pub mod encoder;
mod files;
pub mod manifest;
mod modules;
pub mod onnx;
mod weights;

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

pub use config::SentenceTransformers;
pub use modules::{Activation, Module, PoolingMode};
pub use weights::Tensor;

use crate::error::{Code, Error, Result, fail};
pub use files::Files;
use weights::Weights;

/// Which of the directory's networks to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The weights where their architecture is known, otherwise the ONNX file.
    #[default]
    Auto,
    /// `model.safetensors` (or its shards), or an error.
    Safetensors,
    /// `onnx/model.onnx` or `model.onnx`, or an error.
    Onnx,
}

/// How the network computes. Vectors of both kinds can be compared with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// In f32, as the reference does.
    #[default]
    Float32,
    /// The linear layers in 8 bits: weights and activations rounded in blocks of 32, each with its own scale. Faster, with
    /// vectors of a mean cosine of 0.9997 to those in f32; docs/performance.md has the figures.
    Int8,
}

/// What a directory's small files say.
pub struct Model {
    pub name: String,
    pub max_tokens: usize,
    /// Whether texts are to be lowercased before all else.
    pub lower_case: bool,
    pub modules: Vec<Module>,
    /// Whether there was a modules.json; otherwise the modules are mean pooling.
    pub has_modules: bool,
    pub defaults: SentenceTransformers,
    /// Whether the directory cuts long texts at their beginning.
    pub truncate_left: bool,
}

/// A directory whose small files were read.
pub struct Directory {
    pub model: Model,
    /// tokenizer.json.
    pub tokenizer: serde_json::Value,
    pub source: Source,
    pub files: Files,
}

/// What computes the hidden states.
pub enum Network {
    /// Built here from the weights.
    Built(Box<encoder::Network>),
    /// As published; `pad` is the id that fills short rows.
    Onnx { file: Arc<Vec<u8>>, pad: i64 },
}

impl Directory {
    /// Reads all but the weights; with `require_manifest` only what the manifest lists, after all of that was compared.
    pub fn read(path: &Path, format: Format, max_tokens: Option<usize>, require_manifest: bool) -> Result<Self> {
        let mut files = if require_manifest { Files::open_checked(path) } else { Files::open(path) }?;
        let (model, tokenizer, source) = Model::read(&mut files, format, max_tokens)?;
        Ok(Self { model, tokenizer, source, files })
    }
}

impl Model {
    fn read(files: &mut Files, format: Format, max_tokens: Option<usize>) -> Result<(Self, serde_json::Value, Source)> {
        let modules::Modules { transformer: path, modules, listed } = modules::read(files)?;
        let path = path.as_str();
        let basics = config::basics(files, path)?;
        let source = source(files, path, &basics, format)?;
        let positions = match &source {
            Source::Encoder(encoder, _) => encoder.max_tokens(),
            Source::Onnx { .. } => basics.max_position_embeddings.unwrap_or(512),
        };
        // Without modules.json sentence-transformers reads neither of its own two files.
        let (sentence_bert, defaults) = match listed {
            true => {
                (config::sentence_bert(files, path)?, config::optional(files, "config_sentence_transformers.json")?)
            }
            false => Default::default(),
        };
        let tokenizer_config: config::TokenizerConfig =
            config::optional(files, &format!("{path}tokenizer_config.json"))?;
        let limit = config::token_limit(&sentence_bert, &tokenizer_config, positions);
        let max_tokens = match max_tokens {
            Some(n) if n == 0 || n > positions => fail!(
                InvalidArgument,
                "max_tokens {n} is out of range: {} takes 1 to {positions} tokens of a text, special ones counted",
                files.name()
            ),
            Some(n) => n,
            None => limit,
        };
        let file = format!("{path}tokenizer.json");
        let bytes = files.read(&file)?;
        let tokenizer: serde_json::Value = parse(files, &file, &bytes)?;
        let truncate_left = match tokenizer_config.truncation_side.as_deref() {
            Some(side) => side == "left",
            None => tokenizer.pointer("/truncation/direction").is_some_and(|d| d == "Left"),
        };
        let model = Self {
            name: files.model_name(),
            max_tokens,
            lower_case: sentence_bert.do_lower_case,
            modules,
            has_modules: listed,
            defaults,
            truncate_left,
        };
        Ok((model, tokenizer, source))
    }
}

/// Where the network is made from.
pub enum Source {
    /// An architecture that is built here, and the files with its weights.
    Encoder(Box<architecture::Encoder>, Vec<String>),
    /// A file; `pad` is the id that fills short rows.
    Onnx { file: String, pad: i64 },
}

/// What the network is made from.
pub enum Content {
    Encoder(Box<architecture::Encoder>, Weights),
    Onnx { directory: String, file: Arc<Vec<u8>>, pad: i64 },
}

impl Source {
    /// Reads the weights.
    pub fn read(self, files: &mut Files) -> Result<Content> {
        Ok(match self {
            Self::Encoder(encoder, names) => Content::Encoder(encoder, Weights::of(files, &names)?),
            Self::Onnx { file, pad } => Content::Onnx { directory: files.name(), file: files.read(&file)?, pad },
        })
    }
}

impl Content {
    /// Builds the network: copies the weights as the sessions want them.
    pub fn network(self, precision: Precision) -> Result<Network> {
        Ok(match self {
            Self::Encoder(encoder, weights) => Network::Built(Box::new(encoder::build(*encoder, &weights, precision)?)),
            Self::Onnx { directory, .. } if precision == Precision::Int8 => fail!(
                ModelUnsupported,
                "{directory}: precision int8 is for networks built from model.safetensors, and this one is an ONNX file; \
                 use precision fp32"
            ),
            Self::Onnx { file, pad, .. } => Network::Onnx { file, pad },
        })
    }
}

fn source(files: &mut Files, path: &str, basics: &config::Basics, format: Format) -> Result<Source> {
    let model_type = basics.model_type.as_str();
    let known = architecture::KNOWN.contains(&model_type);
    let unsupported = format!(
        "model_type '{model_type}' is not supported from weights (supported: {})",
        architecture::KNOWN.join(", ")
    );
    if format == Format::Safetensors && !known {
        fail!(ModelUnsupported, "{}: {unsupported}", files.name());
    }
    if format != Format::Onnx && known {
        if let Some(names) = weights::files(files, path)? {
            return Ok(Source::Encoder(Box::new(architecture::read(files, path, model_type)?), names));
        }
        if format == Format::Safetensors {
            fail!(ModelNotFound, "{}: model.safetensors is missing", files.name());
        }
    }
    for file in ["onnx/model.onnx", "model.onnx"] {
        let file = format!("{path}{file}");
        if files.exists(&file) {
            return Ok(Source::Onnx { file, pad: basics.pad_token_id.unwrap_or(0) });
        }
    }
    if format == Format::Auto && !known {
        fail!(
            ModelUnsupported,
            "{}: {unsupported}, and there is no onnx/model.onnx or model.onnx to run instead",
            files.name()
        );
    }
    fail!(
        ModelNotFound,
        "{}: the weights are missing: expected {}onnx/model.onnx or model.onnx",
        files.name(),
        if format == Format::Onnx { "" } else { "model.safetensors, " }
    )
}

/// A JSON file of the directory.
fn parse<T: DeserializeOwned>(files: &Files, file: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::new(Code::ModelInvalid, format!("{}: {file} cannot be read: {e}", files.name())))
}
