//! The configuration files of a sentence-transformers directory, of both generations (before and since 6.0).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::files::Files;
use crate::error::{Code, Error, Result, fail};

/// What `config.json` says of any transformer.
#[derive(Clone, Debug, Deserialize)]
pub struct Basics {
    pub model_type: String,
    pub max_position_embeddings: usize,
    pub pad_token_id: Option<i64>,
}

/// `config.json` of a BERT.
#[derive(Clone, Debug, Deserialize)]
pub struct Bert {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f32,
    #[serde(default = "gelu")]
    pub hidden_act: String,
    #[serde(default)]
    pub position_embedding_type: Option<String>,
}

fn two() -> usize {
    2
}
fn layer_norm_eps() -> f32 {
    1e-12
}
fn gelu() -> String {
    "gelu".into()
}

/// How hidden states become one row; the names are those of sentence-transformers 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolingMode {
    Cls,
    Mean,
    Max,
    MeanSqrtLen,
    WeightedMean,
    LastToken,
}

/// A module after the transformer, in the order of `modules.json`.
#[derive(Clone, Debug, PartialEq)]
pub enum Module {
    Pooling { modes: Vec<PoolingMode> },
    Normalize,
}

/// What the directory says about how to run it.
#[derive(Clone, Debug)]
pub struct Config {
    pub max_tokens: usize,
    pub modules: Vec<Module>,
}

#[derive(Deserialize)]
struct ModuleEntry {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
struct SentenceBert {
    max_seq_length: Option<usize>,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    // A float because transformers writes 1e30 for "no limit".
    model_max_length: Option<f64>,
}

/// Reads the configuration; `max_tokens` of the options wins over every file.
pub fn read(files: &mut Files, basics: &Basics, max_tokens: Option<usize>) -> Result<Config> {
    let modules = match files.read_optional("modules.json")? {
        Some(bytes) => modules(files, &parse::<Vec<ModuleEntry>>(files, "modules.json", &bytes)?)?,
        None => vec![Module::Pooling { modes: vec![PoolingMode::Mean] }],
    };
    Ok(Config { max_tokens: token_limit(files, basics.max_position_embeddings, max_tokens)?, modules })
}

/// `config.json`, as far as every model has it.
pub fn basics(files: &mut Files) -> Result<Basics> {
    let bytes = files.read("config.json")?;
    parse(files, "config.json", &bytes)
}

/// `config.json` of a directory whose `model_type` is bert.
pub fn bert(files: &mut Files) -> Result<Bert> {
    let bytes = files.read("config.json")?;
    let config: Bert = parse(files, "config.json", &bytes)?;
    if let Some(kind) = config.position_embedding_type.as_deref().filter(|k| *k != "absolute") {
        fail!(ModelUnsupported, "{}: position_embedding_type '{kind}' is not supported, only 'absolute'", files.name());
    }
    for (name, value) in [
        ("hidden_size", config.hidden_size),
        ("num_attention_heads", config.num_attention_heads),
        ("intermediate_size", config.intermediate_size),
        ("vocab_size", config.vocab_size),
        ("max_position_embeddings", config.max_position_embeddings),
        ("type_vocab_size", config.type_vocab_size),
    ] {
        // The bound keeps every product of two sizes far from overflow; real models stay below a million.
        if value == 0 || value > 1 << 24 {
            fail!(ModelInvalid, "{}: config.json says {name} = {value}", files.name());
        }
    }
    if config.num_hidden_layers > 1024 {
        fail!(ModelInvalid, "{}: config.json says num_hidden_layers = {}", files.name(), config.num_hidden_layers);
    }
    if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
        fail!(
            ModelInvalid,
            "{}: hidden_size {} is no multiple of num_attention_heads {}",
            files.name(),
            config.hidden_size,
            config.num_attention_heads
        );
    }
    Ok(config)
}

fn modules(files: &mut Files, entries: &[ModuleEntry]) -> Result<Vec<Module>> {
    let mut modules = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        // The type is a Python path that moved between generations; its last part did not.
        let class = entry.kind.rsplit('.').next().unwrap_or_default();
        match class {
            "Transformer" if i == 0 => {}
            "Pooling" => modules.push(Module::Pooling { modes: pooling(files, &entry.path)? }),
            "Normalize" => modules.push(Module::Normalize),
            other => fail!(
                ModelUnsupported,
                "{}: module {i} in modules.json is a '{other}', which is not supported; \
                 supported: Transformer (first), Pooling, Normalize",
                files.name()
            ),
        }
    }
    if !modules.iter().any(|m| matches!(m, Module::Pooling { .. })) {
        fail!(ModelUnsupported, "{}: modules.json names no Pooling, so there is no sentence embedding", files.name());
    }
    Ok(modules)
}

fn pooling(files: &mut Files, path: &str) -> Result<Vec<PoolingMode>> {
    let file = format!("{path}/config.json");
    let bytes = files.read(&file)?;
    let config: BTreeMap<String, serde_json::Value> = parse(files, &file, &bytes)?;
    let by_name = |name: &str| {
        Some(match name {
            "cls" => PoolingMode::Cls,
            "max" => PoolingMode::Max,
            "mean" => PoolingMode::Mean,
            "mean_sqrt_len_tokens" => PoolingMode::MeanSqrtLen,
            "weightedmean" => PoolingMode::WeightedMean,
            "lasttoken" => PoolingMode::LastToken,
            _ => return None,
        })
    };
    let names: Vec<String> = match config.get("pooling_mode") {
        Some(serde_json::Value::String(name)) => vec![name.clone()],
        Some(other) => {
            fail!(ModelUnsupported, "{}: {file}: pooling_mode {other} is not a name", files.name())
        }
        // The old generation has a flag for each; concatenations come in this order.
        None => [
            ("pooling_mode_cls_token", "cls"),
            ("pooling_mode_max_tokens", "max"),
            ("pooling_mode_mean_tokens", "mean"),
            ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
            ("pooling_mode_weightedmean_tokens", "weightedmean"),
            ("pooling_mode_lasttoken", "lasttoken"),
        ]
        .into_iter()
        .filter(|(flag, _)| config.get(*flag).and_then(serde_json::Value::as_bool).unwrap_or(false))
        .map(|(_, name)| name.to_owned())
        .collect(),
    };
    if names.is_empty() {
        fail!(ModelInvalid, "{}: {file} sets no pooling mode", files.name());
    }
    names
        .iter()
        .map(|name| {
            by_name(name).ok_or_else(|| {
                let message = format!("{}: {file}: pooling mode '{name}' is not supported", files.name());
                Error::new(Code::ModelUnsupported, message)
            })
        })
        .collect()
}

/// Option, sentence_bert_config.json, tokenizer_config.json, max_position_embeddings; never more than the last.
fn token_limit(files: &mut Files, positions: usize, option: Option<usize>) -> Result<usize> {
    if let Some(limit) = option {
        if limit < 3 || limit > positions {
            fail!(
                InvalidArgument,
                "max_tokens {limit} is out of range: {} takes 3 to {positions} tokens of a text",
                files.name()
            );
        }
        return Ok(limit);
    }
    let sentence_bert: SentenceBert = optional(files, "sentence_bert_config.json")?;
    let tokenizer: TokenizerConfig = optional(files, "tokenizer_config.json")?;
    let limit = match (sentence_bert.max_seq_length, tokenizer.model_max_length) {
        (Some(limit), _) => limit,
        (None, Some(limit)) if limit < positions as f64 => limit as usize,
        _ => positions,
    };
    let limit = limit.min(positions);
    if limit < 3 {
        fail!(ModelInvalid, "{}: its configuration allows only {limit} tokens a text", files.name());
    }
    Ok(limit)
}

fn optional<T: DeserializeOwned + Default>(files: &mut Files, file: &str) -> Result<T> {
    match files.read_optional(file)? {
        Some(bytes) => parse(files, file, &bytes),
        None => Ok(T::default()),
    }
}

fn parse<T: DeserializeOwned>(files: &Files, file: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::new(Code::ModelInvalid, format!("{}: {file} cannot be read: {e}", files.name())))
}
