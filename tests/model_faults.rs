//! Model directories that are damaged, incomplete or of another kind are refused with words that help.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::path::Path;

use common::{copy_of, cosine_distance, fixture, golden, options};
use qntx_embed::{Code, EmbedOptions, Embedder, Error, Format, ModelOptions};

fn refused(directory: &Path) -> Error {
    match Embedder::open(directory, &options()) {
        Ok(_) => panic!("{} was opened", directory.display()),
        Err(e) => e,
    }
}

fn with_file(file: &str, content: &[u8]) -> Error {
    let copy = copy_of(&fixture("tiny-mean"));
    std::fs::write(copy.path().join(file), content).unwrap();
    refused(copy.path())
}

fn without_file(file: &str) -> Error {
    let copy = copy_of(&fixture("tiny-mean"));
    std::fs::remove_file(copy.path().join(file)).unwrap();
    refused(copy.path())
}

#[track_caller]
fn says(e: &Error, code: Code, parts: &[&str]) {
    assert_eq!(e.code(), code, "{e}");
    for part in parts {
        assert!(e.message().contains(part), "'{part}' is not in: {e}");
    }
}

#[test]
fn a_path_that_is_no_directory_is_named() {
    says(&refused(Path::new("/no/such/model")), Code::ModelNotFound, &["/no/such/model", "make setup"]);
    says(&refused(&fixture("tiny-mean/config.json")), Code::ModelNotFound, &["config.json", "is a file"]);
}

#[test]
fn a_missing_file_is_named() {
    for file in ["config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"] {
        says(&without_file(file), Code::ModelNotFound, &[file]);
    }
}

#[test]
fn truncated_weights_are_told_at_every_length() {
    let whole = std::fs::read(fixture("tiny-mean/model.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    for length in [0, 1, 7, 8, 100, header - 1, header, header + 1, whole.len() / 2, whole.len() - 1] {
        let e = with_file("model.safetensors", &whole[..length]);
        says(&e, Code::ModelInvalid, &["model.safetensors", "truncated download?"]);
    }
    let e = with_file("model.safetensors", &whole[..whole.len() - 1024]);
    says(&e, Code::ModelInvalid, &["1024 bytes shorter than its header says"]);
}

#[test]
fn weights_with_an_impossible_header_are_refused_without_allocating_it() {
    let mut bytes = std::fs::read(fixture("tiny-mean/model.safetensors")).unwrap();
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    says(&with_file("model.safetensors", &bytes), Code::ModelInvalid, &["model.safetensors is damaged"]);
    says(&with_file("model.safetensors", &[0xff; 64]), Code::ModelInvalid, &["model.safetensors is damaged"]);
}

#[test]
fn files_that_are_not_json_are_named() {
    for file in ["config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "tokenizer.json"]
    {
        says(&with_file(file, b"{ not json"), Code::ModelInvalid, &[file]);
        says(&with_file(file, b"\xff\xfe"), Code::ModelInvalid, &[file]);
    }
}

fn with_config(change: impl Fn(&mut serde_json::Value)) -> Error {
    let mut config = serde_json::from_slice(&std::fs::read(fixture("tiny-mean/config.json")).unwrap()).unwrap();
    change(&mut config);
    with_file("config.json", &serde_json::to_vec(&config).unwrap())
}

#[test]
fn sizes_that_contradict_the_weights_are_named() {
    says(&with_config(|c| c["hidden_size"] = 64.into()), Code::ModelInvalid, &["shape", "64"]);
    says(&with_config(|c| c["hidden_size"] = 0.into()), Code::ModelInvalid, &["hidden_size = 0"]);
    says(&with_config(|c| c["vocab_size"] = 1_000_000_000.into()), Code::ModelInvalid, &["vocab_size"]);
    says(&with_config(|c| c["num_hidden_layers"] = 3.into()), Code::ModelInvalid, &["encoder.layer.2"]);
    says(&with_config(|c| c["num_hidden_layers"] = 1_000_000.into()), Code::ModelInvalid, &["num_hidden_layers"]);
    says(&with_config(|c| c["num_attention_heads"] = 5.into()), Code::ModelInvalid, &["num_attention_heads 5"]);
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    says(&with_config(|c| c["model_type"] = "mamba".into()), Code::ModelUnsupported, &["'mamba'", "bert"]);
    says(&with_config(|c| c["hidden_act"] = "swiglu".into()), Code::ModelUnsupported, &["'swiglu'", "gelu"]);
    let relative = |c: &mut serde_json::Value| c["position_embedding_type"] = "relative_key".into();
    says(&with_config(relative), Code::ModelUnsupported, &["'relative_key'"]);
    let modules = br#"[{"path":"","type":"x.Transformer"},{"path":"1_CNN","type":"sentence_transformers.models.CNN"}]"#;
    says(&with_file("modules.json", modules), Code::ModelUnsupported, &["'CNN'"]);
    says(&with_file("1_Pooling/config.json", br#"{"pooling_mode":"median"}"#), Code::ModelUnsupported, &["'median'"]);
}

#[test]
fn a_module_path_does_not_lead_out_of_the_directory() {
    let modules = br#"[{"path":"","type":"x.Transformer"},{"path":"../../../etc","type":"x.Pooling"}]"#;
    says(&with_file("modules.json", modules), Code::ModelInvalid, &["leads out of the directory"]);
}

#[test]
fn a_vocabulary_larger_than_the_table_is_an_error_and_no_crash() {
    // The tokenizer's last ids are cut off the table.
    let e = with_config(|c| c["vocab_size"] = 16.into());
    says(&e, Code::ModelInvalid, &["word_embeddings"]);
}

#[test]
fn max_tokens_out_of_range_is_refused() {
    for (max_tokens, part) in [(1, "leaves no room"), (2, "leaves no room"), (65, "1 to 64"), (usize::MAX, "1 to 64")] {
        let options = ModelOptions { max_tokens: Some(max_tokens), ..options() };
        let e = Embedder::open(&fixture("tiny-mean"), &options).err().unwrap();
        says(&e, Code::InvalidArgument, &["max_tokens", part]);
    }
    let options = ModelOptions { max_tokens: Some(5), ..options() };
    let cut = Embedder::open(&fixture("tiny-mean"), &options)
        .unwrap()
        .embed("one two three four five six", &EmbedOptions::default())
        .unwrap();
    assert_eq!((cut.tokens(), cut.truncated()), (5, true));
}

#[test]
fn an_onnx_file_gives_the_same_vectors_as_the_weights() {
    for name in ["tiny-mean-onnx", "tiny-mean-onnx-pooled"] {
        for format in [Format::Auto, Format::Onnx] {
            let directory = fixture(name);
            let model = Embedder::open(&directory, &ModelOptions { format, ..options() }).unwrap();
            let cases = golden(&fixture("tiny-mean").join("golden.jsonl"));
            let texts: Vec<&str> = cases.iter().map(|c| c.text.as_str()).collect();
            for (case, batched) in cases.iter().zip(model.embed_batch(&texts, &EmbedOptions::default()).unwrap()) {
                for found in [batched, model.embed(&case.text, &EmbedOptions::default()).unwrap()] {
                    let distance = cosine_distance(found.vector(), &case.vector());
                    assert!(distance < 1e-5, "{name} {:?}: {distance}", case.text);
                }
            }
        }
    }
}

#[test]
fn the_format_that_was_asked_for_is_the_one_that_is_run() {
    let open = |name: &str, format| Embedder::open(&fixture(name), &ModelOptions { format, ..options() });
    says(&open("tiny-mean", Format::Onnx).err().unwrap(), Code::ModelNotFound, &["onnx/model.onnx"]);
    says(&open("tiny-mean-onnx", Format::Safetensors).err().unwrap(), Code::ModelNotFound, &["model.safetensors"]);
}

#[test]
fn a_damaged_onnx_file_is_named() {
    let copy = copy_of(&fixture("tiny-mean-onnx"));
    let file = copy.path().join("onnx/model.onnx");
    let whole = std::fs::read(&file).unwrap();
    for content in [&whole[..whole.len() / 2], b"", b"nonsense"] {
        std::fs::write(&file, content).unwrap();
        says(&refused(copy.path()), Code::ModelInvalid, &["model.onnx"]);
    }
}

#[test]
fn equal_files_have_equal_fingerprints_and_a_changed_byte_another() {
    let open = |path: &Path| Embedder::open(path, &options()).unwrap().info().fingerprint.clone();
    let copy = copy_of(&fixture("tiny-mean"));
    let first = open(copy.path());
    assert_eq!(first, open(&fixture("tiny-mean")));
    assert_eq!(first.len(), 64);
    let mut weights = std::fs::read(copy.path().join("model.safetensors")).unwrap();
    *weights.last_mut().unwrap() ^= 1;
    std::fs::write(copy.path().join("model.safetensors"), weights).unwrap();
    assert_ne!(first, open(copy.path()));
}
