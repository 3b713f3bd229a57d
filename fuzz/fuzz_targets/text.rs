//! Texts of any kind, embedded by a tiny model: a vector of finite numbers, the same alone and with a neighbour.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use qntx_embed::{EmbedOptions, Embedder, ModelOptions};

static MODEL: LazyLock<Embedder> = LazyLock::new(|| {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let onnxruntime = std::env::var_os("QNTX_EMBED_TEST_ONNXRUNTIME");
    let onnxruntime = onnxruntime.map_or_else(|| repository.join("third_party/onnxruntime"), PathBuf::from);
    let options = ModelOptions { onnxruntime: Some(onnxruntime), threads: 1, ..ModelOptions::default() };
    Embedder::open(&repository.join("tests/fixtures/tiny-mean"), &options).expect("a tiny model (run 'make setup')")
});

fuzz_target!(|text: &str| {
    let options = EmbedOptions::default();
    let alone = MODEL.embed(text, &options).expect("any text has a vector");
    assert!(alone.vector().iter().all(|x| x.is_finite()));
    assert!(alone.tokens() <= alone.full_tokens());
    let together = MODEL.embed_batch(&["a neighbour, longer than most", text], &options).expect("any text has a vector");
    let distance: f32 = alone.vector().iter().zip(together[1].vector()).map(|(a, b)| (a - b).abs()).sum();
    assert!(distance < 1e-3, "{distance}");
});
