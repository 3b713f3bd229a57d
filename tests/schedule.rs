//! The queue under many callers: cancelling, bounds, fairness, progress.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{fixture, minilm, model_directory, options};
use qntx_embed::{CancelToken, Code, EmbedOptions, Embedder, ModelOptions, Prompt, Truncate};

/// Texts that keep two processors busy for some seconds.
fn many() -> Vec<String> {
    (0..4000).map(|i| format!("{i}: {}", "the failing pump was repaired before the harvest ".repeat(4))).collect()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[test]
fn a_cancelled_call_returns_at_once_and_the_engine_goes_on() {
    let model = minilm();
    let texts = many();
    let cancel = CancelToken::new();
    let cancelled_at = std::thread::scope(|scope| {
        let canceller = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            cancel.cancel();
            Instant::now()
        });
        let result =
            model.embed_batch(&strs(&texts), &EmbedOptions { cancel: Some(&cancel), ..EmbedOptions::default() });
        let returned_at = Instant::now();
        assert_eq!(result.err().map(|e| e.code()), Some(Code::Cancelled));
        let cancelled_at = canceller.join().unwrap();
        assert!(returned_at.duration_since(cancelled_at) < Duration::from_secs(1));
        cancelled_at
    });
    model.embed("next", &EmbedOptions::default()).unwrap();
    assert!(cancelled_at.elapsed() < Duration::from_secs(5), "the engine was still busy with the cancelled call");
    let again = model.embed_batch(&["a", "b"], &EmbedOptions { cancel: Some(&cancel), ..EmbedOptions::default() });
    assert_eq!(again.err().map(|e| e.code()), Some(Code::Cancelled));
}

#[test]
fn a_single_text_is_not_stuck_behind_a_large_call() {
    let model = minilm();
    let texts = many();
    let cancel = CancelToken::new();
    let large_is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let options = EmbedOptions { cancel: Some(&cancel), ..EmbedOptions::default() };
            let _ = model.embed_batch(&strs(&texts), &options);
            large_is_done.store(true, Ordering::SeqCst);
        });
        std::thread::sleep(Duration::from_millis(300));
        for i in 0..10 {
            model.embed(&format!("a single text {i}"), &EmbedOptions::default()).unwrap();
        }
        assert!(!large_is_done.load(Ordering::SeqCst), "ten single texts had to wait for the large call");
        cancel.cancel();
    });
}

#[test]
fn a_full_queue_refuses_and_takes_again() {
    let options = ModelOptions { queue: 10, ..options() };
    let model = Embedder::open(&model_directory(), &options).unwrap();
    let texts = many();
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ =
                model.embed_batch(&strs(&texts), &EmbedOptions { cancel: Some(&cancel), ..EmbedOptions::default() });
        });
        std::thread::sleep(Duration::from_millis(300));
        let refused = model.embed("one more", &EmbedOptions::default()).expect_err("refused");
        assert_eq!(refused.code(), Code::Overloaded);
        assert!(refused.message().contains("try again later"), "{refused}");
        cancel.cancel();
    });
    model.embed("one more", &EmbedOptions::default()).unwrap();
}

#[test]
fn progress_ends_at_the_number_of_texts() {
    let model = minilm();
    let texts: Vec<String> = many().into_iter().take(100).collect();
    let seen = RefCell::new(Vec::new());
    let progress = |done, total| seen.borrow_mut().push((done, total));
    model.embed_batch(&strs(&texts), &EmbedOptions { progress: Some(&progress), ..EmbedOptions::default() }).unwrap();
    let seen = seen.into_inner();
    assert_eq!(seen.last(), Some(&(100, 100)));
    assert!(seen.is_sorted() && seen.len() > 1, "{seen:?}");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let model = Embedder::open(&fixture("tiny-prompts"), &options()).unwrap();
    let refused = |options: EmbedOptions| model.embed("a text of several words", &options).expect_err("refused");
    let e = refused(EmbedOptions { prompt: Prompt::Named("nonsense"), ..EmbedOptions::default() });
    assert_eq!(e.code(), Code::InvalidArgument);
    assert!(e.message().contains("document, passage, query"), "{e}");
    for dimensions in [0, 33] {
        let e = refused(EmbedOptions { dimensions: Some(dimensions), ..EmbedOptions::default() });
        assert_eq!(e.code(), Code::Dimensions);
    }
    let long = "word ".repeat(100);
    let options = EmbedOptions { truncate: Truncate::Error, ..EmbedOptions::default() };
    let e = model.embed(&long, &options).expect_err("refused");
    assert_eq!(e.code(), Code::TooLong);
    assert!(e.message().contains("the model takes 48"), "{e}");
    let cut = model.embed_batch(&["x", &long], &EmbedOptions::default()).unwrap();
    assert_eq!((cut[1].tokens(), cut[1].truncated()), (48, true));
}
