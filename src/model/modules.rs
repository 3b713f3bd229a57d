//! The modules after the transformer, in the order of `modules.json`, with their weights.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::config::{self, ModuleEntry};
use super::files::Files;
use super::parse;
use super::weights::Weights;
use crate::error::{Code, Error, Result, fail};

/// How hidden states become one row; the names are those of sentence-transformers 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolingMode {
    Cls,
    Max,
    Mean,
    MeanSqrtLen,
    WeightedMean,
    LastToken,
}

/// A module that is applied to hidden states (`Pooling`) or to a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Module {
    /// Several modes are laid side by side.
    Pooling {
        modes: Vec<PoolingMode>,
        include_prompt: bool,
    },
    /// `activation(x W^T + b)`; `weight` is `[out, in]`.
    Dense {
        weight: Vec<f32>,
        bias: Vec<f32>,
        activation: Activation,
    },
    LayerNorm {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    /// To unit length.
    Normalize,
}

/// An activation of a Dense module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Identity,
    Tanh,
    Gelu,
    Relu,
    Sigmoid,
}

/// What `modules.json` says.
pub struct Modules {
    /// The folder of the transformer: empty, or with a slash at its end.
    pub transformer: String,
    /// Those after it. The first one is Pooling, and no other is.
    pub modules: Vec<Module>,
    /// Whether there was a modules.json.
    pub listed: bool,
}

/// Reads `modules.json` and what it names; mean pooling where there is none.
pub fn read(files: &mut Files) -> Result<Modules> {
    let mut transformer = String::new();
    let Some(entries) = config::modules(files)? else {
        let mean = Module::Pooling { modes: vec![PoolingMode::Mean], include_prompt: true };
        return Ok(Modules { transformer, modules: vec![mean], listed: false });
    };
    let mut modules = Vec::new();
    for (i, ModuleEntry { path, kind }) in entries.iter().enumerate() {
        // The type is a Python path that moved between generations; its last part did not.
        let class = kind.rsplit('.').next().unwrap_or_default();
        let pooled = !modules.is_empty();
        modules.push(match class {
            "Transformer" if i == 0 => {
                if !path.is_empty() {
                    transformer = format!("{}/", path.trim_end_matches('/'));
                }
                continue;
            }
            "Pooling" if !pooled => pooling(files, path)?,
            "Dense" if pooled => dense(files, path)?,
            "LayerNorm" if pooled => layer_norm(files, path)?,
            "Normalize" if pooled => Module::Normalize,
            other => fail!(
                ModelUnsupported,
                "{}: module {i} in modules.json is a '{other}', which is not supported there; supported are Transformer, \
                 Pooling, and then any of Dense, LayerNorm, Normalize",
                files.name()
            ),
        });
    }
    if modules.is_empty() {
        fail!(ModelUnsupported, "{}: modules.json names no Pooling, so there is no sentence embedding", files.name());
    }
    Ok(Modules { transformer, modules, listed: true })
}

fn pooling(files: &mut Files, path: &str) -> Result<Module> {
    let file = format!("{path}/config.json");
    let bytes = files.read(&file)?;
    let config: BTreeMap<String, serde_json::Value> = parse(files, &file, &bytes)?;
    let names: Vec<String> = match config.get("pooling_mode") {
        Some(serde_json::Value::String(name)) => vec![name.clone()],
        Some(serde_json::Value::Array(names)) if names.iter().all(serde_json::Value::is_string) => {
            names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect()
        }
        Some(other) => fail!(ModelInvalid, "{}: {file}: pooling_mode {other} is no name", files.name()),
        // The old generation has a flag for each; concatenations come in this order.
        None => ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
            .into_iter()
            .filter(|flag| config.get(&format!("pooling_mode_{flag}")).is_some_and(|v| v.as_bool() == Some(true)))
            .map(str::to_owned)
            .collect(),
    };
    let mode = |name: &String| {
        Ok(match name.as_str() {
            "cls" | "cls_token" => PoolingMode::Cls,
            "max" | "max_tokens" => PoolingMode::Max,
            "mean" | "mean_tokens" => PoolingMode::Mean,
            "mean_sqrt_len_tokens" => PoolingMode::MeanSqrtLen,
            "weightedmean" | "weightedmean_tokens" => PoolingMode::WeightedMean,
            "lasttoken" => PoolingMode::LastToken,
            _ => fail!(ModelUnsupported, "{}: {file}: pooling mode '{name}' is not supported", files.name()),
        })
    };
    let modes = names.iter().map(mode).collect::<Result<Vec<_>>>()?;
    // As sentence-transformers has it: no flag at all means mean.
    let modes = if modes.is_empty() { vec![PoolingMode::Mean] } else { modes };
    let include_prompt = config.get("include_prompt").and_then(serde_json::Value::as_bool).unwrap_or(true);
    Ok(Module::Pooling { modes, include_prompt })
}

#[derive(Deserialize)]
struct DenseConfig {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default)]
    activation_function: Option<String>,
    #[serde(default)]
    use_residual: bool,
    #[serde(default)]
    module_input_name: Option<String>,
}

fn yes() -> bool {
    true
}

fn dense(files: &mut Files, path: &str) -> Result<Module> {
    let file = format!("{path}/config.json");
    let bytes = files.read(&file)?;
    let config: DenseConfig = parse(files, &file, &bytes)?;
    let name = files.name();
    if config.use_residual {
        fail!(ModelUnsupported, "{name}: {file}: use_residual is not supported");
    }
    if let Some(input) = config.module_input_name.as_deref().filter(|n| *n != "sentence_embedding") {
        fail!(
            ModelUnsupported,
            "{name}: {file}: module_input_name '{input}' is not supported, only 'sentence_embedding'"
        );
    }
    if config.in_features.max(config.out_features) > 1 << 20 {
        fail!(ModelInvalid, "{name}: {file} says {} to {} features", config.in_features, config.out_features);
    }
    let class = config.activation_function.as_deref().unwrap_or("torch.nn.modules.activation.Tanh");
    let activation = match class.rsplit('.').next().unwrap_or_default() {
        "Identity" => Activation::Identity,
        "Tanh" => Activation::Tanh,
        "GELU" => Activation::Gelu,
        "ReLU" => Activation::Relu,
        "Sigmoid" => Activation::Sigmoid,
        _ => fail!(
            ModelUnsupported,
            "{name}: {file}: activation_function '{class}' is not supported; supported: Identity, Tanh, GELU, ReLU, Sigmoid"
        ),
    };
    let weights = weights_of(files, path)?;
    let weight = weights.tensor("linear.weight", &[config.out_features, config.in_features])?.data;
    let bias = match config.bias {
        true => weights.tensor("linear.bias", &[config.out_features])?.data,
        false => vec![0.0; config.out_features],
    };
    Ok(Module::Dense { weight, bias, activation })
}

#[derive(Deserialize)]
struct LayerNormConfig {
    dimension: usize,
}

fn layer_norm(files: &mut Files, path: &str) -> Result<Module> {
    let file = format!("{path}/config.json");
    let bytes = files.read(&file)?;
    let LayerNormConfig { dimension } = parse(files, &file, &bytes)?;
    let weights = weights_of(files, path)?;
    let read = |name: &str| weights.tensor(name, &[dimension]);
    Ok(Module::LayerNorm { scale: read("norm.weight")?.data, shift: read("norm.bias")?.data })
}

fn weights_of(files: &mut Files, path: &str) -> Result<Weights> {
    let file = format!("{path}/model.safetensors");
    if files.read_optional(&file)?.is_none() && files.read_optional(&format!("{path}/pytorch_model.bin"))?.is_some() {
        return Err(Error::new(
            Code::ModelUnsupported,
            format!(
                "{}: the weights of {path} are in pytorch_model.bin, which can run code when it is read and is not \
                 supported; save the model again with sentence-transformers to get model.safetensors",
                files.name()
            ),
        ));
    }
    Weights::of(files, &[file])
}
