//! The first models of a process, opened by many threads at once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::process::Command;
use std::sync::Barrier;

use common::{fixture, options};
use qntx_embed::Embedder;

const INSIDE: &str = "QNTX_EMBED_TEST_INSIDE";

/// What many threads do first may go wrong once in some hundred processes: so there are many processes.
#[test]
fn the_first_models_of_a_process_can_be_opened_at_once() {
    if std::env::var_os(INSIDE).is_some() {
        let all = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    all.wait();
                    let model = Embedder::open(&fixture("tiny-mean"), &options()).unwrap();
                    assert_eq!(model.embed("a text", &Default::default()).unwrap().vector().len(), 32);
                });
            }
        });
        return;
    }
    for _ in 0..40 {
        run(&mut again("the_first_models_of_a_process_can_be_opened_at_once"));
    }
}

/// Official builds of ONNX Runtime report to their maker, and keep a database and an identifier in the user's cache, unless they
/// are told not to before they start. (They do not where they see a CI, whose variables are taken away here.)
#[test]
fn onnx_runtime_keeps_nothing_of_its_own() {
    if std::env::var_os(INSIDE).is_some() {
        let before: Vec<_> = std::env::vars_os().collect();
        let embedder = Embedder::open(&fixture("tiny-mean"), &options()).unwrap();
        assert_eq!(std::env::vars_os().collect::<Vec<_>>(), before, "the environment is the host's");
        Embedder::open(&fixture("tiny-prompts"), &options()).unwrap();
        embedder.embed("a text", &Default::default()).unwrap();
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut command = again("onnx_runtime_keeps_nothing_of_its_own");
    for (name, _) in std::env::vars_os() {
        if !name.to_string_lossy().starts_with("QNTX_EMBED_") && name != "PATH" && name != "LD_LIBRARY_PATH" {
            command.env_remove(name);
        }
    }
    run(command.env("HOME", home.path()));
    let kept: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(kept.is_empty(), "{kept:?}");
}

/// A new process that has this test alone, and knows that it is inside.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env(INSIDE, "1");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
