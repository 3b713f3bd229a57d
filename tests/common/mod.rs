//! What the integration tests share: where things lie, golden vectors, cosine.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

use std::path::{Path, PathBuf};

use base64::Engine;
use qntx_embed::{Embedder, ModelOptions};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Golden {
    pub text: String,
    pub tokens: Option<usize>,
    pub full_tokens: Option<usize>,
    pub truncated: Option<bool>,
    pub prompt_name: Option<String>,
    pub prompt: Option<String>,
    pub truncate_dim: Option<usize>,
    embedding_f32le_base64: String,
}

impl Golden {
    pub fn vector(&self) -> Vec<f32> {
        let bytes = base64::engine::general_purpose::STANDARD.decode(&self.embedding_f32le_base64).unwrap();
        qntx_embed::blob::from_bytes(&bytes).unwrap()
    }
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn fixture(name: &str) -> PathBuf {
    repository().join("tests/fixtures").join(name)
}

pub fn model_directory() -> PathBuf {
    std::env::var_os("QNTX_EMBED_TEST_MODEL")
        .map_or_else(|| repository().join("models/all-MiniLM-L6-v2"), PathBuf::from)
}

pub fn options() -> ModelOptions {
    let onnxruntime = std::env::var_os("QNTX_EMBED_TEST_ONNXRUNTIME")
        .map_or_else(|| repository().join("third_party/onnxruntime"), PathBuf::from);
    ModelOptions { onnxruntime: Some(onnxruntime), ..ModelOptions::default() }
}

pub fn minilm() -> Embedder {
    Embedder::open(&model_directory(), &options()).unwrap_or_else(|e| panic!("{e} (run 'make setup')"))
}

pub fn golden(file: &Path) -> Vec<Golden> {
    let lines = std::fs::read_to_string(file).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// 1 - cosine, in f64: `blob::similarity` rounds to f32, whose last place is 6e-8.
pub fn cosine_distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// A copy of a model directory to damage.
pub fn copy_of(directory: &Path) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in from.read_dir().unwrap().flatten() {
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target)
            } else {
                std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap()
            }
        }
    }
    let copied = tempfile::tempdir().unwrap();
    copy(directory, copied.path());
    copied
}
