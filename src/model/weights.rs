//! Named tensors from safetensors files, as f32; sizes are checked against the bytes that are there.

use std::borrow::Cow;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::files::Files;
use crate::error::{Code, Error, Result, fail};

const SINGLE: &str = "model.safetensors";

/// The tensors of one model. Nothing is copied before it is asked for.
pub struct Weights {
    name: String,
    bytes: Arc<Vec<u8>>,
}

/// A tensor as f32, with its shape.
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

impl Weights {
    /// `None` where the directory has no safetensors weights.
    pub fn open(files: &mut Files) -> Result<Option<Self>> {
        let Some(bytes) = files.read_optional(SINGLE)? else { return Ok(None) };
        let weights = Self { name: files.name(), bytes };
        weights.parsed()?;
        Ok(Some(weights))
    }

    fn parsed(&self) -> Result<SafeTensors<'_>> {
        self.whole_file()?;
        SafeTensors::deserialize(&self.bytes)
            .map_err(|e| Error::new(Code::ModelInvalid, format!("{}: {SINGLE} is damaged: {e}", self.name)))
    }

    /// The commonest damage deserves its own words.
    fn whole_file(&self) -> Result<()> {
        let Some((length, rest)) = self.bytes.split_first_chunk::<8>() else {
            fail!(ModelInvalid, "{}: {SINGLE} has only {} bytes (truncated download?)", self.name, self.bytes.len());
        };
        let length = u64::from_le_bytes(*length);
        if length > rest.len() as u64 {
            fail!(
                ModelInvalid,
                "{}: {SINGLE} is damaged: its header should be {length} bytes long, the whole file has {} \
                 (truncated download?)",
                self.name,
                self.bytes.len()
            );
        }
        let (header, data) = rest.split_at(length as usize);
        if let Some(end) = data_end(header)
            && end > data.len() as u64
        {
            fail!(
                ModelInvalid,
                "{}: {SINGLE} is {} bytes shorter than its header says (truncated download?)",
                self.name,
                end - data.len() as u64
            );
        }
        Ok(())
    }

    /// All names, for choosing an architecture's prefix.
    pub fn names(&self) -> Result<Vec<String>> {
        Ok(self.parsed()?.names().into_iter().map(str::to_owned).collect())
    }

    /// The tensor `name`, which must have this shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let tensors = self.parsed()?;
        let view = tensors
            .tensor(name)
            .map_err(|_| Error::new(Code::ModelInvalid, format!("{}: {SINGLE} has no tensor '{name}'", self.name)))?;
        if view.shape() != shape {
            fail!(
                ModelInvalid,
                "{}: tensor '{name}' has shape {:?}, config.json asks for {shape:?}",
                self.name,
                view.shape()
            );
        }
        let bytes = view.data();
        let data = match view.dtype() {
            Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            other => fail!(ModelUnsupported, "{}: tensor '{name}' is {other:?}; supported: F32, F16, BF16", self.name),
        };
        Ok(Tensor { shape: shape.to_vec(), data })
    }
}

/// The largest end offset in a safetensors header; `None` where the header is no such JSON.
fn data_end(header: &[u8]) -> Option<u64> {
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    header.values().filter_map(|v| v.get("data_offsets")?.get(1)?.as_u64()).max()
}

/// `prefix` + `name` without an allocation where there is no prefix.
pub fn prefixed<'a>(prefix: &str, name: &'a str) -> Cow<'a, str> {
    if prefix.is_empty() { Cow::Borrowed(name) } else { Cow::Owned(format!("{prefix}{name}")) }
}
