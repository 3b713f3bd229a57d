//! The part of the ONNX format (onnx.proto3, IR version 8) that a graph of our own needs, and the weights of others'.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
}

#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

impl Attribute {
    pub fn float(name: &str, value: f32) -> Self {
        Self { name: name.into(), f: Some(value), kind: 1, ..Self::default() }
    }

    pub fn int(name: &str, value: i64) -> Self {
        Self { name: name.into(), i: Some(value), kind: 2, ..Self::default() }
    }
}

/// The tensors of f32 that an ONNX file holds, by name, as far as sharing them is worth it.
pub fn weights(file: &[u8]) -> Vec<(String, super::Tensor)> {
    // What ONNX Runtime finds wrong with the file it says itself, and better.
    let Ok(Holder { graph: Some(Held { initializer }) }) = Holder::decode(file) else { return Vec::new() };
    let shared = initializer.into_iter().filter(|t| t.data_type == FLOAT && t.data_location == 0);
    let read = |Raw { dims, name, raw_data, .. }: Raw| {
        let shape: Vec<usize> = dims.iter().map(|&d| usize::try_from(d)).collect::<Result<_, _>>().ok()?;
        let floats = shape.iter().try_fold(1usize, |all, &d| all.checked_mul(d))?;
        let whole = raw_data.len() >= SHARED_BYTES && Some(raw_data.len()) == floats.checked_mul(4);
        let data = || raw_data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        whole.then(|| (name, super::Tensor { shape, data: data() }))
    };
    shared.filter_map(read).collect()
}

/// A smaller tensor may as well be in each session.
const SHARED_BYTES: usize = 1 << 14;

/// The same messages as below, with the weights and nothing else of the graph.
#[derive(Clone, PartialEq, Message)]
struct Holder {
    #[prost(message, optional, tag = "7")]
    graph: Option<Held>,
}

#[derive(Clone, PartialEq, Message)]
struct Held {
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Raw>,
}

#[derive(Clone, PartialEq, Message)]
struct Raw {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

/// `data_type` of f32 and i64 tensors.
pub const FLOAT: i32 = 1;
pub const INT64: i32 = 7;

#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

impl Tensor {
    /// A tensor whose data the session gets from memory, so that all sessions share it: only its shape is in the file.
    pub fn supplied(name: &str, dims: &[usize]) -> Self {
        let location = Entry { key: "location".into(), value: "supplied-by-the-session".into() };
        Self {
            dims: dims.iter().map(|&d| d as i64).collect(),
            data_type: FLOAT,
            name: name.into(),
            external_data: vec![location],
            data_location: 1,
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub kind: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub dim_param: Option<String>,
}

impl ValueInfo {
    /// A tensor of named (free) and fixed dimensions.
    pub fn tensor(name: &str, elem_type: i32, dims: &[Result<usize, &str>]) -> Self {
        let dim = dims
            .iter()
            .map(|d| match d {
                Ok(size) => Dimension { dim_value: Some(*size as i64), dim_param: None },
                Err(name) => Dimension { dim_value: None, dim_param: Some((*name).into()) },
            })
            .collect();
        let tensor_type = Some(TensorType { elem_type, shape: Some(Shape { dim }) });
        Self { name: name.into(), kind: Some(Type { tensor_type }) }
    }
}
