//! A model directory, read and checked: what to run, and how its outputs become one vector.

pub mod bert;
pub mod config;
mod files;
mod onnx;
mod weights;

use std::path::Path;

pub use config::{Module, PoolingMode};

use crate::error::{Result, fail};
use files::Files;
use weights::Weights;

/// Which of the directory's networks to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The weights where their architecture is known, otherwise the ONNX file.
    #[default]
    Auto,
    /// `model.safetensors`, or an error.
    Safetensors,
    /// `onnx/model.onnx` or `model.onnx`, or an error.
    Onnx,
}

/// Everything read of a directory; nothing is run yet.
pub struct Model {
    pub name: String,
    pub fingerprint: String,
    pub max_tokens: usize,
    pub modules: Vec<Module>,
    pub tokenizer: String,
    pub network: Network,
}

/// What computes the hidden states.
pub enum Network {
    /// Built here from the weights.
    Built(bert::Network),
    /// As published; `pad` is the id that fills short rows.
    Onnx { file: Vec<u8>, pad: i64 },
}

impl Model {
    /// Reads the directory. The fingerprint is taken beside the reading of the weights.
    pub fn read(directory: &Path, format: Format, max_tokens: Option<usize>) -> Result<Self> {
        let mut files = Files::open(directory)?;
        let basics = config::basics(&mut files)?;
        let config = config::read(&mut files, &basics, max_tokens)?;
        let tokenizer = files.read("tokenizer.json")?;
        let Ok(tokenizer) = String::from_utf8(tokenizer.to_vec()) else {
            fail!(ModelInvalid, "{}: tokenizer.json is not UTF-8", files.name());
        };
        let source = source(&mut files, &basics.model_type, format)?;
        let (network, fingerprint) = std::thread::scope(|scope| {
            let hashing = scope.spawn(|| files.fingerprint());
            let network = match source {
                Source::Bert(config, weights) => Network::Built(bert::build(&config, &weights)?),
                Source::Onnx(file) => Network::Onnx { file, pad: basics.pad_token_id.unwrap_or(0) },
            };
            let Ok(fingerprint) = hashing.join() else { fail!(Internal, "the hashing thread panicked") };
            Ok((network, fingerprint))
        })?;
        Ok(Self {
            name: files.model_name(),
            fingerprint,
            max_tokens: config.max_tokens,
            modules: config.modules,
            tokenizer,
            network,
        })
    }
}

/// What the network is made from.
enum Source {
    Bert(config::Bert, Weights),
    Onnx(Vec<u8>),
}

fn source(files: &mut Files, model_type: &str, format: Format) -> Result<Source> {
    let known = model_type == "bert";
    if format == Format::Safetensors && !known {
        fail!(
            ModelUnsupported,
            "{}: model_type '{model_type}' is not supported from weights; supported: bert",
            files.name()
        );
    }
    if format != Format::Onnx && known {
        if let Some(weights) = Weights::open(files)? {
            return Ok(Source::Bert(config::bert(files)?, weights));
        }
        if format == Format::Safetensors {
            fail!(ModelNotFound, "{}: model.safetensors is missing", files.name());
        }
    }
    for file in ["onnx/model.onnx", "model.onnx"] {
        if let Some(bytes) = files.read_optional(file)? {
            return Ok(Source::Onnx(bytes.to_vec()));
        }
    }
    if format == Format::Auto && !known {
        fail!(
            ModelUnsupported,
            "{}: model_type '{model_type}' is not supported from weights (supported: bert), and there is no \
             onnx/model.onnx or model.onnx to run instead",
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
