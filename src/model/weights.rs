//! Named tensors from safetensors files, as f32; sizes are checked against the bytes that are there.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::files::Files;
use super::parse;
use crate::error::{Code, Error, Result, fail};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The tensors of one model. Nothing is copied before it is asked for.
pub struct Weights {
    directory: String,
    shards: Vec<Shard>,
}

struct Shard {
    file: String,
    bytes: Arc<Vec<u8>>,
    entries: HashMap<String, Entry>,
}

/// Where a tensor lies, checked to be inside of the file.
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    range: Range<usize>,
}

/// A tensor as f32, with its shape.
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The names of `model.safetensors` in folder `path`, or of the shards that `model.safetensors.index.json` names; `None`
/// where there is neither.
pub fn files(files: &mut Files, path: &str) -> Result<Option<Vec<String>>> {
    let single = format!("{path}{SINGLE}");
    if files.exists(&single) {
        return Ok(Some(vec![single]));
    }
    let index = format!("{path}{INDEX}");
    let Some(bytes) = files.read_optional(&index)? else { return Ok(None) };
    let Index { weight_map } = parse(files, &index, &bytes)?;
    let mut shards: Vec<String> = weight_map.into_values().map(|file| format!("{path}{file}")).collect();
    shards.sort();
    shards.dedup();
    Ok(Some(shards))
}

impl Weights {
    /// These files, which must be there.
    pub fn of(files: &mut Files, names: &[String]) -> Result<Self> {
        let directory = files.name();
        let mut shards = Vec::with_capacity(names.len());
        for file in names {
            let bytes = files.read(file)?;
            let entries = entries(&directory, file, &bytes)?;
            shards.push(Shard { file: file.clone(), bytes, entries });
        }
        Ok(Self { directory, shards })
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.shards.iter().any(|s| s.entries.contains_key(name))
    }

    /// The tensor `name`, which must have this shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let directory = &self.directory;
        let Some((shard, entry)) = self.shards.iter().find_map(|s| Some((s, s.entries.get(name)?))) else {
            let files: Vec<&str> = self.shards.iter().map(|s| s.file.as_str()).collect();
            fail!(ModelInvalid, "{directory}: there is no tensor '{name}' in {}", files.join(", "));
        };
        if entry.shape != shape {
            fail!(
                ModelInvalid,
                "{directory}: tensor '{name}' has shape {:?}, the configuration asks for {shape:?}",
                entry.shape
            );
        }
        let bytes = &shard.bytes[entry.range.clone()];
        let mut data = Vec::with_capacity(shape.iter().product());
        match entry.dtype {
            Dtype::F32 => data.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
            Dtype::F16 => data.extend(bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
            Dtype::BF16 => data.extend(bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32())),
            other => fail!(ModelUnsupported, "{directory}: tensor '{name}' is {other:?}; supported: F32, F16, BF16"),
        };
        Ok(Tensor { shape: shape.to_vec(), data })
    }
}

fn entries(directory: &str, file: &str, bytes: &[u8]) -> Result<HashMap<String, Entry>> {
    whole_file(directory, file, bytes)?;
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::new(Code::ModelInvalid, format!("{directory}: {file} is damaged: {e}")))?;
    let entry = |view: &TensorView<'_>| {
        let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        Entry { dtype: view.dtype(), shape: view.shape().to_vec(), range: start..start + view.data().len() }
    };
    Ok(tensors.iter().map(|(name, view)| (name.to_owned(), entry(&view))).collect())
}

/// The commonest damage deserves its own words.
fn whole_file(directory: &str, file: &str, bytes: &[u8]) -> Result<()> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        fail!(ModelInvalid, "{directory}: {file} has only {} bytes (truncated download?)", bytes.len());
    };
    let length = u64::from_le_bytes(*length);
    if length > rest.len() as u64 {
        fail!(
            ModelInvalid,
            "{directory}: {file} is damaged: its header should be {length} bytes long, the whole file has {} \
             (truncated download?)",
            bytes.len()
        );
    }
    let (header, data) = rest.split_at(length as usize);
    if let Some(end) = data_end(header)
        && end > data.len() as u64
    {
        fail!(
            ModelInvalid,
            "{directory}: {file} is {} bytes shorter than its header says (truncated download?)",
            end - data.len() as u64
        );
    }
    Ok(())
}

/// The largest end offset in a safetensors header; `None` where the header is no such JSON.
fn data_end(header: &[u8]) -> Option<u64> {
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    header.values().filter_map(|v| v.get("data_offsets")?.get(1)?.as_u64()).max()
}
