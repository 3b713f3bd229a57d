//! ONNX Runtime that is missing, too old or something else. One test: a process loads it once, and never unloads it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{fixture, options};
use qntx_embed::{Code, Embedder, Error, ModelOptions};

fn refused(onnxruntime: &Path) -> Error {
    let options = ModelOptions { onnxruntime: Some(onnxruntime.to_path_buf()), ..ModelOptions::default() };
    Embedder::open(&fixture("tiny-mean"), &options).err().expect("no usable ONNX Runtime")
}

#[track_caller]
fn says(e: &Error, code: Code, parts: &[&str]) {
    assert_eq!(e.code(), code, "{e}");
    for part in parts {
        assert!(e.message().contains(part), "'{part}' is not in: {e}");
    }
}

#[test]
fn a_missing_foreign_or_old_onnx_runtime_is_named_and_the_right_one_works_after_it() {
    let scratch = tempfile::tempdir().unwrap();
    let missing = scratch.path().join("libonnxruntime.so.1.99.0");
    says(&refused(&missing), Code::RuntimeNotFound, &["libonnxruntime.so.1.99.0", "no such file", "make setup"]);
    says(&refused(scratch.path()), Code::RuntimeNotFound, &["a directory without libonnxruntime"]);

    let text = scratch.path().join("libonnxruntime.so.1.98.0");
    std::fs::write(&text, "not a library").unwrap();
    says(&refused(&text), Code::RuntimeNotFound, &["libonnxruntime.so.1.98.0", "too short"]);

    let compile = |name: &str, source: &str| {
        let (c, so) = (scratch.path().join("x.c"), scratch.path().join(name));
        std::fs::write(&c, source).unwrap();
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let done = Command::new(compiler).args(["-shared", "-fPIC", "-o"]).arg(&so).arg(&c).status().unwrap();
        assert!(done.success());
        so
    };
    says(&refused(&compile("libother.so", "int x;")), Code::RuntimeNotFound, &["not an ONNX Runtime library"]);
    let old = compile(
        "libonnxruntime.so.1.9.0",
        "static const void *api(unsigned v) { (void)v; return 0; }\n\
         static const char *version(void) { return \"1.9.0\"; }\n\
         struct base { const void *(*api)(unsigned); const char *(*version)(void); };\n\
         const struct base *OrtGetApiBase(void) { static const struct base b = {api, version}; return &b; }\n",
    );
    says(&refused(&old), Code::RuntimeVersion, &["1.9.0, too old", "1.18 or newer is needed"]);

    let model = Embedder::open(&fixture("tiny-mean"), &options()).unwrap();
    assert!(model.info().onnxruntime.starts_with("1."));
    says(&refused(&old), Code::InvalidArgument, &["this process already runs"]);
}
