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
        let again = Command::new(std::env::current_exe().unwrap()).env(INSIDE, "1").output().unwrap();
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
    }
}
