//! Manifests: what they list, and that nothing else than that is opened.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::path::{Path, PathBuf};

use common::{copy_of, fixture, options};
use qntx_embed::{Code, EmbedOptions, Embedder, Error, Format, ModelOptions, manifest};

const NAME: &str = "qntx-embed.sha256.json";

fn open(directory: &Path, format: Format) -> Result<Embedder, Error> {
    Embedder::open(directory, &ModelOptions { require_manifest: true, format, ..options() })
}

#[track_caller]
fn refused(directory: &Path, code: Code, parts: &[&str]) {
    let errors = [open(directory, Format::Auto).err(), manifest::check(directory).err()];
    for e in errors.map(|e| e.expect("it was opened")) {
        assert_eq!(e.code(), code, "{e}");
        for part in parts {
            assert!(e.message().contains(part), "'{part}' is not in: {e}");
        }
    }
}

fn with_manifest(name: &str) -> (tempfile::TempDir, serde_json::Value) {
    let copy = copy_of(&fixture(name));
    manifest::write(copy.path()).unwrap();
    let json = serde_json::from_slice(&std::fs::read(copy.path().join(NAME)).unwrap()).unwrap();
    (copy, json)
}

fn files(directory: &Path) -> Vec<String> {
    fn walk(directory: &Path, below: &str, found: &mut Vec<String>) {
        for entry in directory.read_dir().unwrap().flatten() {
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            match entry.path().is_dir() {
                true => walk(&entry.path(), &format!("{name}/"), found),
                false => found.push(name),
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, "", &mut found);
    found.sort();
    found
}

fn flip(path: PathBuf, at: usize) {
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_manifest_lists_what_is_used_and_nothing_else() {
    let copy = copy_of(&fixture("tiny-mean"));
    std::fs::write(copy.path().join("notes.txt"), "not of the model").unwrap();
    let written = manifest::write(copy.path()).unwrap();
    let again = std::fs::read(copy.path().join(NAME)).unwrap();
    assert_eq!(manifest::write(copy.path()).unwrap(), written);
    assert_eq!(std::fs::read(copy.path().join(NAME)).unwrap(), again, "the order is not stable");
    assert_eq!(manifest::check(copy.path()).unwrap(), written);

    let json: serde_json::Value = serde_json::from_slice(&again).unwrap();
    assert_eq!(json["version"], 1);
    let listed = json["files"].as_object().unwrap();
    assert_eq!(listed.len(), written.files);
    // golden.jsonl and the configuration of Normalize are there too, but nobody reads them.
    for file in ["1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "tokenizer.json"] {
        let size = std::fs::metadata(copy.path().join(file)).unwrap().len();
        assert_eq!(listed[file]["size"], size, "{file}");
        assert_eq!(listed[file]["sha256"].as_str().unwrap().len(), 64, "{file}");
    }
    for file in ["notes.txt", "golden.jsonl", NAME] {
        assert!(!listed.contains_key(file), "{file}");
    }
    let names: Vec<&String> = listed.keys().collect();
    assert!(names.is_sorted(), "{names:?}");
    assert!(!files(copy.path()).iter().any(|f| f.contains(".sha256.json.")), "a temporary file was left");
}

#[test]
fn a_checked_model_is_the_same_model() {
    for name in ["tiny-mean", "tiny-mean-onnx", "bert-sharded", "tiny-max-dense", "albert-onnx", "bert-no-modules"] {
        let (copy, _) = with_manifest(name);
        let (plain, checked) =
            (Embedder::open(&fixture(name), &options()).unwrap(), open(copy.path(), Format::Auto).unwrap());
        assert_eq!(plain.info().fingerprint, checked.info().fingerprint, "{name}");
        assert_eq!(manifest::check(copy.path()).unwrap().fingerprint, checked.info().fingerprint, "{name}");
        let embed = |model: &Embedder| model.embed("the pump", &EmbedOptions::default()).unwrap();
        assert_eq!(embed(&plain), embed(&checked), "{name}");
    }
}

#[test]
fn a_manifest_is_good_for_weights_and_for_the_onnx_file() {
    let copy = copy_of(&fixture("tiny-mean-onnx"));
    std::fs::copy(fixture("tiny-mean/model.safetensors"), copy.path().join("model.safetensors")).unwrap();
    manifest::write(copy.path()).unwrap();
    let fingerprint = |format| open(copy.path(), format).unwrap().info().fingerprint.clone();
    let (weights, onnx) = (fingerprint(Format::Safetensors), fingerprint(Format::Onnx));
    assert_ne!(weights, onnx);
    assert_eq!(fingerprint(Format::Auto), weights);
    assert_eq!(manifest::check(copy.path()).unwrap().fingerprint, weights);
    let plain = Embedder::open(copy.path(), &options()).unwrap();
    assert_eq!(plain.info().fingerprint, weights, "the manifest or the other format is in the fingerprint");
    // Whichever is run, all that is listed must be as it is listed.
    flip(copy.path().join("onnx/model.onnx"), 100);
    refused(copy.path(), Code::ModelInvalid, &["onnx/model.onnx has SHA-256"]);
}

#[test]
fn a_directory_without_a_manifest_is_refused() {
    refused(&fixture("tiny-mean"), Code::ModelNotFound, &[NAME, "--write"]);
    refused(Path::new("/no/such/model"), Code::ModelNotFound, &["/no/such/model"]);
}

#[test]
fn one_changed_byte_of_any_listed_file_is_refused_before_anything_is_parsed() {
    let (copy, json) = with_manifest("tiny-prompts");
    for (file, entry) in json["files"].as_object().unwrap() {
        let path = copy.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            flip(path.clone(), at);
            let wanted = entry["sha256"].as_str().unwrap();
            refused(copy.path(), Code::ModelInvalid, &[&format!("{file} has SHA-256 "), wanted, NAME]);
            std::fs::write(&path, &whole).unwrap();
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        refused(
            copy.path(),
            Code::ModelInvalid,
            &[&format!("{file} has {} bytes, not {}", whole.len() - 1, whole.len())],
        );
        std::fs::remove_file(&path).unwrap();
        refused(copy.path(), Code::ModelInvalid, &[&format!("{file} is missing")]);
        std::fs::create_dir(&path).unwrap();
        refused(copy.path(), Code::ModelInvalid, &[&format!("{file} is not a file")]);
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(open(copy.path(), Format::Auto).is_ok());
}

#[test]
fn all_files_that_differ_are_named() {
    let (copy, _) = with_manifest("tiny-mean");
    // Neither is parsed: the errors would be others.
    std::fs::write(copy.path().join("config.json"), "{ not json").unwrap();
    std::fs::write(copy.path().join("modules.json"), "[]").unwrap();
    std::fs::remove_file(copy.path().join("tokenizer.json")).unwrap();
    let parts = ["config.json has 10 bytes", "modules.json has 2 bytes", "tokenizer.json is missing"];
    refused(copy.path(), Code::ModelInvalid, &parts);
}

#[test]
fn a_file_that_would_be_used_but_is_not_listed_is_refused_unread() {
    // Each of these would be read where it is there.
    for file in
        ["sentence_bert_config.json", "config_sentence_transformers.json", "tokenizer_config.json", "modules.json"]
    {
        let copy = copy_of(&fixture("tiny-mean"));
        let content = std::fs::read(copy.path().join(file)).unwrap();
        std::fs::remove_file(copy.path().join(file)).unwrap();
        manifest::write(copy.path()).unwrap();
        assert!(open(copy.path(), Format::Auto).is_ok(), "{file}");
        for content in [content, b"{ not json".to_vec()] {
            std::fs::write(copy.path().join(file), content).unwrap();
            refused(copy.path(), Code::ModelInvalid, &[file, "does not list it"]);
        }
    }
}

#[test]
fn a_manifest_that_cannot_be_trusted_is_refused() {
    let (copy, json) = with_manifest("tiny-mean");
    let write = |content: &[u8]| std::fs::write(copy.path().join(NAME), content).unwrap();
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = json.clone();
        change(&mut json);
        write(&serde_json::to_vec(&json).unwrap());
    };
    for content in [&b""[..], b"{ not json", b"\xff", b"[]", b"{\"files\": {}}", b"{\"version\": 1}"] {
        write(content);
        refused(copy.path(), Code::ModelInvalid, &[NAME, "cannot be read"]);
    }
    changed(&|json| json["version"] = 2.into());
    refused(copy.path(), Code::ModelInvalid, &["has version 2", "reads 1"]);
    changed(&|json| json["signature"] = "x".into());
    refused(copy.path(), Code::ModelInvalid, &["signature"]);
    for hash in ["", "abc", &"A".repeat(64), &"g".repeat(64)] {
        changed(&|json| json["files"]["config.json"]["sha256"] = hash.into());
        refused(copy.path(), Code::ModelInvalid, &["config.json", "expected 64 lowercase hex digits"]);
    }
    changed(&|json| json["files"]["config.json"]["size"] = (-1).into());
    refused(copy.path(), Code::ModelInvalid, &["cannot be read"]);
    changed(&|json| json["files"]["config.json"]["size"] = u64::MAX.into());
    refused(copy.path(), Code::ModelInvalid, &["config.json has "]);
    for file in ["../tiny-mean/config.json", "/etc/passwd", "a/../../b", "", ".."] {
        changed(&|json| json["files"][file] = serde_json::json!({"sha256": "0".repeat(64), "size": 1}));
        refused(copy.path(), Code::ModelInvalid, &["leads out of the directory"]);
    }
    write(&[b' '; (1 << 20) + 1]);
    refused(copy.path(), Code::ModelInvalid, &["larger than"]);
    std::fs::remove_file(copy.path().join(NAME)).unwrap();
    std::fs::create_dir(copy.path().join(NAME)).unwrap();
    refused(copy.path(), Code::ModelInvalid, &["is not a file"]);
    assert_eq!(manifest::write(copy.path()).unwrap_err().code(), Code::Io);
    assert!(!files(copy.path()).iter().any(|f| f.contains(".sha256.json.")), "a temporary file was left");
}

#[test]
fn a_damaged_model_gets_no_manifest() {
    let copy = copy_of(&fixture("tiny-mean"));
    std::fs::write(copy.path().join("config.json"), "{ not json").unwrap();
    assert_eq!(manifest::write(copy.path()).unwrap_err().code(), Code::ModelInvalid);
    assert!(!copy.path().join(NAME).exists());
}
