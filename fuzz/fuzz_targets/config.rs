//! Model directories one of whose files is any bytes: read, or refused; without ONNX Runtime.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use qntx_embed::manifest;
use tempfile::TempDir;

const FILES: [&str; 8] = [
    "config.json",
    "modules.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "model.safetensors",
];

static MODEL: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = TempDir::new().expect("a temporary directory");
    copy(&published(), directory.path());
    directory
});

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tiny-mean")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in from.read_dir().expect("a directory").flatten() {
        let place = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(std::fs::copy(entry.path(), place).expect("a file")),
        }
    }
}

// The first byte says which file, the rest what is in it.
fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = input.split_first() else { return };
    let file = FILES[*which as usize % FILES.len()];
    let place = MODEL.path().join(file);
    std::fs::write(&place, bytes).expect("a file");
    // Reads and checks all, and builds the network.
    let read = manifest::write(MODEL.path());
    if read.is_ok() {
        manifest::check(MODEL.path()).expect("what was written is what is there");
    }
    match std::fs::read(published().join(file)) {
        Ok(whole) => std::fs::write(place, whole).expect("a file"),
        Err(_) => std::fs::remove_file(place).expect("a file"),
    }
});
