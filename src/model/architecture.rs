//! The encoders that are built from their weights: what `config.json` says of them, and what their tensors are called.

use serde::Deserialize;

use super::files::Files;
use super::parse;
use crate::error::{Result, fail};

/// The values of `model_type` that are known.
pub const KNOWN: [&str; 6] = ["bert", "camembert", "distilbert", "mpnet", "roberta", "xlm-roberta"];

/// A transformer encoder as BERT made it (Devlin et al. 2018): the families differ in what is optional here.
#[derive(Clone, Debug)]
pub struct Encoder {
    pub dim: usize,
    pub layers: usize,
    pub heads: usize,
    pub inner: usize,
    pub vocabulary: usize,
    /// Rows of the position table.
    pub positions: usize,
    /// Rows of the segment table; none in DistilBERT and MPNet.
    pub segments: Option<usize>,
    /// RoBERTa counts positions from `padding id + 1`, and gives padding tokens the padding id as their position.
    pub padding: Option<u32>,
    /// MPNet adds a bias for each distance of two tokens.
    pub relative: bool,
    pub eps: f32,
    pub activation: Activation,
    pub names: Names,
}

/// What stands between the two matrices of the feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Gelu,
    GeluTanh,
    Relu,
}

/// Names of tensors, of those in layers without the layer.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// What published checkpoints may have before every name.
    pub prefix: &'static str,
    pub layer: &'static str,
    pub query_key_value: [&'static str; 3],
    pub attended: &'static str,
    pub attended_norm: &'static str,
    pub inner: &'static str,
    pub outer: &'static str,
    pub outer_norm: &'static str,
}

const BERT: Names = Names {
    prefix: "bert.",
    layer: "encoder.layer",
    query_key_value: ["attention.self.query", "attention.self.key", "attention.self.value"],
    attended: "attention.output.dense",
    attended_norm: "attention.output.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    outer_norm: "output.LayerNorm",
};

const MPNET: Names = Names {
    prefix: "mpnet.",
    query_key_value: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    attended: "attention.attn.o",
    attended_norm: "attention.LayerNorm",
    ..BERT
};

const DISTILBERT: Names = Names {
    prefix: "distilbert.",
    layer: "transformer.layer",
    query_key_value: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    attended: "attention.out_lin",
    attended_norm: "sa_layer_norm",
    inner: "ffn.lin1",
    outer: "ffn.lin2",
    outer_norm: "output_layer_norm",
};

/// `config.json`; DistilBERT has names of its own.
#[derive(Deserialize)]
struct Json {
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f32>,
    #[serde(alias = "activation")]
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
    pad_token_id: Option<u32>,
}

/// Reads `config.json` in folder `path` of one of the [`KNOWN`] model types.
pub fn read(files: &mut Files, path: &str, model_type: &str) -> Result<Encoder> {
    let file = format!("{path}config.json");
    let bytes = files.read(&file)?;
    let json: Json = parse(files, &file, &bytes)?;
    let directory = files.name();
    if let Some(kind) = json.position_embedding_type.as_deref().filter(|k| *k != "absolute") {
        fail!(ModelUnsupported, "{directory}: position_embedding_type '{kind}' is not supported, only 'absolute'");
    }
    let encoder = Encoder {
        dim: json.hidden_size,
        layers: json.num_hidden_layers,
        heads: json.num_attention_heads,
        inner: json.intermediate_size,
        vocabulary: json.vocab_size,
        positions: json.max_position_embeddings,
        segments: (!matches!(model_type, "distilbert" | "mpnet")).then_some(json.type_vocab_size.unwrap_or(2)),
        padding: match model_type {
            // transformers has the number in the code, whatever config.json says.
            "mpnet" => Some(1),
            "roberta" | "xlm-roberta" | "camembert" => Some(json.pad_token_id.unwrap_or(1)),
            _ => None,
        },
        relative: model_type == "mpnet",
        eps: json.layer_norm_eps.unwrap_or(1e-12),
        activation: match json.hidden_act.as_deref().unwrap_or("gelu") {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            other => fail!(
                ModelUnsupported,
                "{directory}: hidden_act '{other}' is not supported; supported: gelu, gelu_new, gelu_pytorch_tanh, relu"
            ),
        },
        names: match model_type {
            "distilbert" => DISTILBERT,
            "mpnet" => MPNET,
            "bert" => BERT,
            _ => Names { prefix: "roberta.", ..BERT },
        },
    };
    encoder.check(&directory)?;
    Ok(encoder)
}

impl Encoder {
    fn check(&self, directory: &str) -> Result<()> {
        for (name, value) in [
            ("hidden_size", self.dim),
            ("num_attention_heads", self.heads),
            ("intermediate_size", self.inner),
            ("vocab_size", self.vocabulary),
            ("max_position_embeddings", self.positions),
            ("type_vocab_size", self.segments.unwrap_or(1)),
        ] {
            // The bound keeps every product of two sizes far from overflow; real models stay below a million.
            if value == 0 || value > 1 << 24 {
                fail!(ModelInvalid, "{directory}: config.json says {name} = {value}");
            }
        }
        if self.layers > 1024 {
            fail!(ModelInvalid, "{directory}: config.json says num_hidden_layers = {}", self.layers);
        }
        if !self.dim.is_multiple_of(self.heads) {
            fail!(
                ModelInvalid,
                "{directory}: hidden_size {} is no multiple of num_attention_heads {}",
                self.dim,
                self.heads
            );
        }
        if self.first_position() >= self.positions {
            fail!(ModelInvalid, "{directory}: max_position_embeddings {} leaves no room for text", self.positions);
        }
        Ok(())
    }

    fn first_position(&self) -> usize {
        self.padding.map_or(0, |padding| padding as usize + 1)
    }

    /// Tokens of a text that have a position of their own.
    pub fn max_tokens(&self) -> usize {
        self.positions - self.first_position()
    }

    /// The row of the position table for each id.
    pub fn positions_of(&self, ids: &[u32]) -> impl Iterator<Item = usize> {
        let mut next = self.first_position();
        ids.iter().map(move |&id| match self.padding {
            Some(padding) if id == padding => padding as usize,
            _ => {
                next += 1;
                next - 1
            }
        })
    }
}

/// Buckets of distances in MPNet; transformers has the number in the code, whatever config.json says.
pub const BUCKETS: usize = 32;

/// MPNet's bucket of a distance (key minus query), as T5 made them (Raffel et al. 2020): half for each direction, those
/// up to 7 exact, then logarithmic. The bounds are written out because a rounding error in the logarithm would move
/// those that are powers of two.
pub fn bucket(distance: i64) -> usize {
    const FROM: [u64; 7] = [12, 16, 23, 32, 46, 64, 91];
    let away = distance.unsigned_abs();
    let within = if away < 8 { away as usize } else { 8 + FROM.iter().filter(|&&from| away >= from).count() };
    if distance > 0 { BUCKETS / 2 + within } else { within }
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn near_distances_have_buckets_of_their_own_and_far_ones_share() {
        assert_eq!([0, -1, -7, 1, 7].map(bucket), [0, 1, 7, 17, 23]);
        assert_eq!([-8, -11, -12, -15, -16, -90, -91, -1000].map(bucket), [8, 8, 9, 9, 10, 14, 15, 15]);
        assert_eq!([64, 1000].map(bucket), [30, 31]);
    }
}
