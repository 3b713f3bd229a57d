//! BERT (Devlin et al. 2018) as an ONNX graph over a batch of texts laid end to end, without padding.
//!
//! Every linear layer sees one matrix `[tokens, features]` of all texts of the batch; only attention needs to know
//! where each text ends, and gets the `lengths`. The embedding tables stay out of the graph: looking rows up is no
//! work for a runtime, and so the largest tensor of a small model exists once, in one place.

use prost::Message;

use super::config::Bert;
use super::onnx::{Attribute, FLOAT, Graph, INT64, Model, Node, OperatorSet, Tensor, ValueInfo};
use super::weights::{self, Weights, prefixed};
use crate::error::{Result, fail};

/// The domain of the operators that `crate::session` implements.
pub const DOMAIN: &str = "qntx";

/// A model ready for sessions: the graph, the weights that all sessions share, and the embedding tables.
pub struct Network {
    /// The ONNX model; its initializers are named but not contained.
    pub graph: Vec<u8>,
    pub initializers: Vec<(String, weights::Tensor)>,
    pub embeddings: Embeddings,
}

/// Word, position and segment embeddings.
pub struct Embeddings {
    dim: usize,
    words: Vec<f32>,
    /// Position embeddings with that of segment 0 added: a text alone is always segment 0.
    positions: Vec<f32>,
}

impl Embeddings {
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Appends the input rows of one text to `out`.
    pub fn lookup(&self, ids: &[u32], out: &mut Vec<f32>) -> Result<()> {
        let dim = self.dim;
        for (position, &id) in ids.iter().enumerate() {
            let word = self.words.chunks_exact(dim).nth(id as usize);
            let place = self.positions.chunks_exact(dim).nth(position);
            let (Some(word), Some(place)) = (word, place) else {
                fail!(ModelInvalid, "token {id} at position {position} is outside of the embedding tables");
            };
            out.extend(word.iter().zip(place).map(|(w, p)| w + p));
        }
        Ok(())
    }
}

/// Reads the weights and draws the graph.
pub fn build(config: &Bert, weights: &Weights) -> Result<Network> {
    let dim = config.hidden_size;
    let names = weights.names()?;
    let marker = "embeddings.word_embeddings.weight";
    let prefix = if names.iter().any(|n| n == marker) { "" } else { "bert." };
    let read = |name: &str, shape: &[usize]| weights.tensor(&prefixed(prefix, name), shape);

    let mut positions = read("embeddings.position_embeddings.weight", &[config.max_position_embeddings, dim])?.data;
    let segments = read("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, dim])?.data;
    for row in positions.chunks_exact_mut(dim) {
        row.iter_mut().zip(&segments).for_each(|(p, s)| *p += s);
    }
    let words = read(marker, &[config.vocab_size, dim])?.data;

    let mut g = Drawing { nodes: Vec::new(), initializers: Vec::new() };
    let eps = config.layer_norm_eps;
    let mut h = g.layer_norm("embedded", &read, "embeddings.LayerNorm", dim, eps)?;
    for layer in 0..config.num_hidden_layers {
        let p = format!("encoder.layer.{layer}.");
        let (qkv, bias) = g.qkv(&h, &read, &p, dim)?;
        let heads = vec![Attribute::int("heads", config.num_attention_heads as i64)];
        let context = g.node("Attention", DOMAIN, &[&qkv, &bias, "lengths"], heads);
        let attended = g.linear(&context, &read, &format!("{p}attention.output.dense"), dim, dim)?;
        h = g.add_layer_norm(attended, &h, &read, &format!("{p}attention.output.LayerNorm"), dim, eps)?;
        let inner = g.linear(&h, &read, &format!("{p}intermediate.dense"), config.intermediate_size, dim)?;
        let active = g.activation(inner, &config.hidden_act)?;
        let outer = g.linear(&active, &read, &format!("{p}output.dense"), dim, config.intermediate_size)?;
        h = g.add_layer_norm(outer, &h, &read, &format!("{p}output.LayerNorm"), dim, eps)?;
    }
    g.nodes.push(Node {
        input: vec![h],
        output: vec!["last_hidden_state".into()],
        name: "result".into(),
        op_type: "Identity".into(),
        ..Node::default()
    });

    let model = Model {
        ir_version: 8,
        producer_name: "qntx_embed".into(),
        opset_import: vec![
            OperatorSet { domain: String::new(), version: 20 },
            OperatorSet { domain: DOMAIN.into(), version: 1 },
        ],
        graph: Some(Graph {
            name: "bert".into(),
            node: g.nodes,
            initializer: g.initializers.iter().map(|(n, t)| Tensor::supplied(n, &t.shape)).collect(),
            input: vec![
                ValueInfo::tensor("embedded", FLOAT, &[Err("tokens"), Ok(dim)]),
                ValueInfo::tensor("lengths", INT64, &[Err("texts")]),
            ],
            output: vec![ValueInfo::tensor("last_hidden_state", FLOAT, &[Err("tokens"), Ok(dim)])],
        }),
    };
    Ok(Network {
        graph: model.encode_to_vec(),
        initializers: g.initializers,
        embeddings: Embeddings { dim, words, positions },
    })
}

struct Drawing {
    nodes: Vec<Node>,
    initializers: Vec<(String, weights::Tensor)>,
}

type Read<'a> = dyn Fn(&str, &[usize]) -> Result<weights::Tensor> + 'a;

impl Drawing {
    /// Adds a node and gives its output's name.
    fn node(&mut self, op: &str, domain: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let output = format!("t{}", self.nodes.len());
        self.nodes.push(Node {
            input: inputs.iter().map(|&i| i.to_owned()).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op.into(),
            domain: domain.into(),
            attribute,
        });
        output
    }

    fn initializer(&mut self, name: String, tensor: weights::Tensor) -> String {
        self.initializers.push((name.clone(), tensor));
        name
    }

    /// `x W^T`, with W as PyTorch stores it (`[out, in]`), and the bias that is still to be added: the operators that
    /// come after it do that on the way, without a pass of its own.
    fn linear(&mut self, x: &str, read: &Read<'_>, name: &str, out: usize, input: usize) -> Result<(String, String)> {
        let w = read(&format!("{name}.weight"), &[out, input])?;
        let b = read(&format!("{name}.bias"), &[out])?;
        Ok(self.gemm(x, name, w, b))
    }

    fn gemm(&mut self, x: &str, name: &str, w: weights::Tensor, b: weights::Tensor) -> (String, String) {
        let w = self.initializer(format!("{name}.weight"), w);
        let b = self.initializer(format!("{name}.bias"), b);
        (self.node("Gemm", "", &[x, &w], vec![Attribute::int("transB", 1)]), b)
    }

    /// Query, key and value in one multiplication: `[tokens, 3 * dim]`.
    fn qkv(&mut self, x: &str, read: &Read<'_>, layer: &str, dim: usize) -> Result<(String, String)> {
        let mut w = weights::Tensor { shape: vec![3 * dim, dim], data: Vec::with_capacity(3 * dim * dim) };
        let mut b = weights::Tensor { shape: vec![3 * dim], data: Vec::with_capacity(3 * dim) };
        for part in ["query", "key", "value"] {
            let name = format!("{layer}attention.self.{part}");
            w.data.extend(read(&format!("{name}.weight"), &[dim, dim])?.data);
            b.data.extend(read(&format!("{name}.bias"), &[dim])?.data);
        }
        Ok(self.gemm(x, &format!("{layer}attention.self.qkv"), w, b))
    }

    fn add_layer_norm(
        &mut self,
        (x, bias): (String, String),
        residual: &str,
        read: &Read<'_>,
        name: &str,
        dim: usize,
        eps: f32,
    ) -> Result<String> {
        let (scale, shift) = self.scale_and_shift(read, name, dim)?;
        let attributes = vec![Attribute::float("epsilon", eps)];
        Ok(self.node("AddLayerNorm", DOMAIN, &[&x, residual, &bias, &scale, &shift], attributes))
    }

    fn layer_norm(&mut self, x: &str, read: &Read<'_>, name: &str, dim: usize, eps: f32) -> Result<String> {
        let (scale, shift) = self.scale_and_shift(read, name, dim)?;
        let attributes = vec![Attribute::int("axis", -1), Attribute::float("epsilon", eps)];
        Ok(self.node("LayerNormalization", "", &[x, &scale, &shift], attributes))
    }

    fn scale_and_shift(&mut self, read: &Read<'_>, name: &str, dim: usize) -> Result<(String, String)> {
        // Checkpoints converted from TensorFlow call them gamma and beta.
        let either = |new: &str, old: &str| {
            read(&format!("{name}.{new}"), &[dim]).or_else(|e| read(&format!("{name}.{old}"), &[dim]).map_err(|_| e))
        };
        let (scale, shift) = (either("weight", "gamma")?, either("bias", "beta")?);
        let scale = self.initializer(format!("{name}.weight"), scale);
        let shift = self.initializer(format!("{name}.bias"), shift);
        Ok((scale, shift))
    }

    fn activation(&mut self, (x, bias): (String, String), name: &str) -> Result<String> {
        Ok(match name {
            "gelu" => self.node("Gelu", DOMAIN, &[&x, &bias], vec![]),
            "gelu_new" | "gelu_pytorch_tanh" => {
                self.node("Gelu", DOMAIN, &[&x, &bias], vec![Attribute::int("tanh", 1)])
            }
            "relu" => {
                let sum = self.node("Add", "", &[&x, &bias], vec![]);
                self.node("Relu", "", &[&sum], vec![])
            }
            other => fail!(
                ModelUnsupported,
                "hidden_act '{other}' is not supported; supported: gelu, gelu_new, gelu_pytorch_tanh, relu"
            ),
        })
    }
}
