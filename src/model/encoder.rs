//! Encoders as ONNX graphs over a batch of texts laid end to end, without padding.
//!
//! Every linear layer sees one matrix `[tokens, features]` of all texts of the batch; only attention needs to know
//! where each text ends, and gets the `lengths`. The embedding tables stay out of the graph: looking rows up is no
//! work for a runtime, and so the largest tensor of a small model exists once, in one place.

use prost::Message;

use super::Precision;
use super::architecture::{Activation, BUCKETS, Encoder, bucket};
use super::onnx::{Attribute, FLOAT, Graph, INT64, Model, Node, OperatorSet, Tensor, ValueInfo};
use super::weights::{self, Weights};
use crate::error::{Result, fail};

/// The domain of the operators that `crate::session` implements.
pub const DOMAIN: &str = "qntx";

/// A model ready for sessions: the graph, the weights that all sessions share, and the embedding tables.
pub struct Network {
    /// The ONNX model; its initializers are named but not contained.
    pub graph: Vec<u8>,
    pub initializers: Vec<(String, weights::Tensor)>,
    /// The matrices of the `QuantisedLinear` nodes, whose attribute `weights` is the place here.
    pub quantised: Vec<weights::Tensor>,
    pub embeddings: Embeddings,
}

/// Word, position and segment embeddings.
pub struct Embeddings {
    encoder: Encoder,
    words: Vec<f32>,
    /// Position embeddings with that of segment 0 added: a text alone is always segment 0.
    positions: Vec<f32>,
}

impl Embeddings {
    pub fn dim(&self) -> usize {
        self.encoder.dim
    }

    /// Appends the input rows of one text to `out`.
    pub fn lookup(&self, ids: &[u32], out: &mut Vec<f32>) -> Result<()> {
        let dim = self.encoder.dim;
        for (position, &id) in self.encoder.positions_of(ids).zip(ids) {
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
pub fn build(encoder: Encoder, weights: &Weights, precision: Precision) -> Result<Network> {
    let Encoder { dim, layers, heads, inner, eps, names, .. } = encoder;
    let marker = "embeddings.word_embeddings.weight";
    let prefix = if weights.has(marker) { "" } else { names.prefix };
    let read = |name: &str, shape: &[usize]| weights.tensor(&format!("{prefix}{name}"), shape);

    let mut positions = read("embeddings.position_embeddings.weight", &[encoder.positions, dim])?.data;
    if let Some(segments) = encoder.segments {
        let segments = read("embeddings.token_type_embeddings.weight", &[segments, dim])?.data;
        for row in positions.chunks_exact_mut(dim) {
            row.iter_mut().zip(&segments).for_each(|(p, s)| *p += s);
        }
    }
    let words = read(marker, &[encoder.vocabulary, dim])?.data;

    let (nodes, initializers, quantised) = Default::default();
    let mut g = Drawing { nodes, initializers, quantised, precision, read: &read };
    let relative = match encoder.relative {
        true => Some(g.relative_bias(heads, encoder.max_tokens())?),
        false => None,
    };
    let mut h = g.layer_norm("embedded", "embeddings.LayerNorm", dim, eps)?;
    for layer in 0..layers {
        let p = format!("{}.{layer}.", names.layer);
        let (qkv, bias) = g.qkv(&h, &p, names.query_key_value, dim)?;
        let inputs: Vec<&str> = [qkv.as_str(), &bias, "lengths"].into_iter().chain(relative.as_deref()).collect();
        let context = g.node("Attention", DOMAIN, &inputs, vec![Attribute::int("heads", heads as i64)]);
        let attended = g.linear(&context, &format!("{p}{}", names.attended), dim, dim)?;
        h = g.add_layer_norm(attended, &h, &format!("{p}{}", names.attended_norm), dim, eps)?;
        let expanded = g.linear(&h, &format!("{p}{}", names.inner), inner, dim)?;
        let active = g.activation(expanded, encoder.activation);
        let outer = g.linear(&active, &format!("{p}{}", names.outer), dim, inner)?;
        h = g.add_layer_norm(outer, &h, &format!("{p}{}", names.outer_norm), dim, eps)?;
    }
    let Drawing { mut nodes, initializers, quantised, .. } = g;
    nodes.push(Node {
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
            OperatorSet { domain: String::new(), version: 17 },
            OperatorSet { domain: DOMAIN.into(), version: 1 },
        ],
        graph: Some(Graph {
            name: "encoder".into(),
            node: nodes,
            initializer: initializers.iter().map(|(n, t)| Tensor::supplied(n, &t.shape)).collect(),
            input: vec![
                ValueInfo::tensor("embedded", FLOAT, &[Err("tokens"), Ok(dim)]),
                ValueInfo::tensor("lengths", INT64, &[Err("texts")]),
            ],
            output: vec![ValueInfo::tensor("last_hidden_state", FLOAT, &[Err("tokens"), Ok(dim)])],
        }),
    };
    let graph = model.encode_to_vec();
    Ok(Network { graph, initializers, quantised, embeddings: Embeddings { encoder, words, positions } })
}

struct Drawing<'a> {
    nodes: Vec<Node>,
    initializers: Vec<(String, weights::Tensor)>,
    quantised: Vec<weights::Tensor>,
    precision: Precision,
    read: &'a dyn Fn(&str, &[usize]) -> Result<weights::Tensor>,
}

impl Drawing<'_> {
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
    fn linear(&mut self, x: &str, name: &str, out: usize, input: usize) -> Result<(String, String)> {
        let w = (self.read)(&format!("{name}.weight"), &[out, input])?;
        let b = (self.read)(&format!("{name}.bias"), &[out])?;
        Ok(self.gemm(x, name, w, b))
    }

    fn gemm(&mut self, x: &str, name: &str, w: weights::Tensor, b: weights::Tensor) -> (String, String) {
        let b = self.initializer(format!("{name}.bias"), b);
        let product = match self.precision {
            Precision::Float32 => {
                let w = self.initializer(format!("{name}.weight"), w);
                self.node("Gemm", "", &[x, &w], vec![Attribute::int("transB", 1)])
            }
            Precision::Int8 => {
                let (outputs, place) = (w.shape[0] as i64, self.quantised.len() as i64);
                self.quantised.push(w);
                let attributes = vec![Attribute::int("weights", place), Attribute::int("outputs", outputs)];
                self.node("QuantisedLinear", DOMAIN, &[x], attributes)
            }
        };
        (product, b)
    }

    /// Query, key and value in one multiplication: `[tokens, 3 * dim]`.
    fn qkv(&mut self, x: &str, layer: &str, parts: [&str; 3], dim: usize) -> Result<(String, String)> {
        let mut w = weights::Tensor { shape: vec![3 * dim, dim], data: Vec::with_capacity(3 * dim * dim) };
        let mut b = weights::Tensor { shape: vec![3 * dim], data: Vec::with_capacity(3 * dim) };
        for part in parts {
            w.data.extend((self.read)(&format!("{layer}{part}.weight"), &[dim, dim])?.data);
            b.data.extend((self.read)(&format!("{layer}{part}.bias"), &[dim])?.data);
        }
        Ok(self.gemm(x, &format!("{layer}qkv"), w, b))
    }

    /// The bias of each distance, by head: `[heads, 2 * longest - 1]`, the distance 0 in the middle.
    fn relative_bias(&mut self, heads: usize, longest: usize) -> Result<String> {
        let table = (self.read)("encoder.relative_attention_bias.weight", &[BUCKETS, heads])?.data;
        let distances = 1 - longest as i64..longest as i64;
        let by_head = |head: usize| distances.clone().map(move |d| (d, head));
        let data = (0..heads).flat_map(by_head).map(|(d, head)| table[bucket(d) * heads + head]).collect();
        let tensor = weights::Tensor { shape: vec![heads, 2 * longest - 1], data };
        Ok(self.initializer("relative_attention_bias".into(), tensor))
    }

    fn add_layer_norm(
        &mut self,
        (x, bias): (String, String),
        residual: &str,
        name: &str,
        dim: usize,
        eps: f32,
    ) -> Result<String> {
        let (scale, shift) = self.scale_and_shift(name, dim)?;
        let attributes = vec![Attribute::float("epsilon", eps)];
        Ok(self.node("AddLayerNorm", DOMAIN, &[&x, residual, &bias, &scale, &shift], attributes))
    }

    fn layer_norm(&mut self, x: &str, name: &str, dim: usize, eps: f32) -> Result<String> {
        let (scale, shift) = self.scale_and_shift(name, dim)?;
        let attributes = vec![Attribute::int("axis", -1), Attribute::float("epsilon", eps)];
        Ok(self.node("LayerNormalization", "", &[x, &scale, &shift], attributes))
    }

    fn scale_and_shift(&mut self, name: &str, dim: usize) -> Result<(String, String)> {
        // Checkpoints converted from TensorFlow call them gamma and beta.
        let either = |new: &str, old: &str| {
            (self.read)(&format!("{name}.{new}"), &[dim])
                .or_else(|e| (self.read)(&format!("{name}.{old}"), &[dim]).map_err(|_| e))
        };
        let (scale, shift) = (either("weight", "gamma")?, either("bias", "beta")?);
        let scale = self.initializer(format!("{name}.weight"), scale);
        let shift = self.initializer(format!("{name}.bias"), shift);
        Ok((scale, shift))
    }

    fn activation(&mut self, (x, bias): (String, String), activation: Activation) -> String {
        match activation {
            Activation::Gelu => self.node("Gelu", DOMAIN, &[&x, &bias], vec![]),
            Activation::GeluTanh => self.node("Gelu", DOMAIN, &[&x, &bias], vec![Attribute::int("tanh", 1)]),
            Activation::Relu => {
                let sum = self.node("Add", "", &[&x, &bias], vec![]);
                self.node("Relu", "", &[&sum], vec![])
            }
        }
    }
}
