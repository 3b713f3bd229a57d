//! The configuration files of a sentence-transformers directory, of both generations (before and since 6.0).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::files::Files;
use super::parse;
use crate::error::Result;

/// What `config.json` says of any transformer.
#[derive(Clone, Debug, Deserialize)]
pub struct Basics {
    pub model_type: String,
    pub max_position_embeddings: Option<usize>,
    pub pad_token_id: Option<i64>,
}

/// One entry of `modules.json`.
#[derive(Deserialize)]
pub struct ModuleEntry {
    #[serde(default)]
    pub path: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// `config_sentence_transformers.json`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SentenceTransformers {
    #[serde(default)]
    pub prompts: BTreeMap<String, String>,
    #[serde(default)]
    pub default_prompt_name: Option<String>,
    /// Components that are kept where the caller does not say.
    #[serde(default)]
    pub truncate_dim: Option<usize>,
}

/// `sentence_bert_config.json`, which has other names in the oldest directories.
#[derive(Default, Deserialize)]
pub struct SentenceBert {
    max_seq_length: Option<usize>,
    #[serde(default)]
    pub do_lower_case: bool,
    #[serde(alias = "tokenizer_args")]
    processor_kwargs: Option<TokenizerConfig>,
}

const SENTENCE_BERT: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// `tokenizer_config.json`.
#[derive(Default, Deserialize)]
pub struct TokenizerConfig {
    // A float because transformers writes 1e30 for "no limit".
    model_max_length: Option<f64>,
    pub truncation_side: Option<String>,
}

/// `config.json` of the transformer in folder `path` (empty, or ending with a slash).
pub fn basics(files: &mut Files, path: &str) -> Result<Basics> {
    let file = format!("{path}config.json");
    let bytes = files.read(&file)?;
    parse(files, &file, &bytes)
}

/// The first of `sentence_bert_config.json` and its older names that is there.
pub fn sentence_bert(files: &mut Files, path: &str) -> Result<SentenceBert> {
    for name in SENTENCE_BERT {
        let file = format!("{path}{name}");
        if files.read_optional(&file)?.is_some() {
            return optional(files, &file);
        }
    }
    Ok(SentenceBert::default())
}

/// `modules.json`; `None` where there is none.
pub fn modules(files: &mut Files) -> Result<Option<Vec<ModuleEntry>>> {
    match files.read_optional("modules.json")? {
        Some(bytes) => parse(files, "modules.json", &bytes).map(Some),
        None => Ok(None),
    }
}

/// A file that may be missing.
pub fn optional<T: DeserializeOwned + Default>(files: &mut Files, file: &str) -> Result<T> {
    match files.read_optional(file)? {
        Some(bytes) => parse(files, file, &bytes),
        None => Ok(T::default()),
    }
}

/// Tokens of a text that are used: sentence_bert_config.json, then tokenizer_config.json, then `positions`, which is
/// also the most.
pub fn token_limit(sentence_bert: &SentenceBert, tokenizer: &TokenizerConfig, positions: usize) -> usize {
    let of_processor = sentence_bert.processor_kwargs.as_ref().and_then(|k| k.model_max_length);
    let limit = sentence_bert.max_seq_length.map(|n| n as f64).or(of_processor).or(tokenizer.model_max_length);
    limit.filter(|&l| l < positions as f64).map_or(positions, |l| l as usize)
}
