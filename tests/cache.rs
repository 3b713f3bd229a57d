//! The cache of a model, and embedding of sequences.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::cell::RefCell;

use common::{fixture, options};
use qntx_embed::{CacheStats, CancelToken, Code, EmbedOptions, Embedder, ModelOptions, Prompt, Truncate};

fn with_cache(cache_bytes: usize) -> Embedder {
    Embedder::open(&fixture("tiny-prompts"), &ModelOptions { cache_bytes, ..options() }).unwrap()
}

/// Texts of different vectors.
fn texts(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{i} {}", "! ".repeat(i % 29))).collect()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[test]
fn vectors_are_the_same_bits_with_and_without_a_cache() {
    let (cached, plain) = (with_cache(1 << 24), with_cache(0));
    let texts = texts(300);
    let ways = [
        EmbedOptions::default(),
        EmbedOptions { prompt: Prompt::Text(""), ..EmbedOptions::default() },
        EmbedOptions { prompt: Prompt::Named("query"), ..EmbedOptions::default() },
        EmbedOptions { dimensions: Some(7), ..EmbedOptions::default() },
        EmbedOptions { truncate: Truncate::Left, ..EmbedOptions::default() },
        EmbedOptions { truncate: Truncate::Right, ..EmbedOptions::default() },
    ];
    for round in 0..3 {
        for options in &ways {
            let (found, wanted) =
                (cached.embed_batch(&strs(&texts), options), plain.embed_batch(&strs(&texts), options));
            assert!(found.unwrap() == wanted.unwrap(), "round {round}");
        }
    }
    let CacheStats { hits, misses, entries, .. } = cached.cache_stats();
    let distinct = (ways.len() * texts.len()) as u64;
    assert_eq!((hits, misses, entries as u64), (2 * distinct, distinct, distinct));
    assert_eq!(plain.cache_stats(), CacheStats::default());
}

#[test]
fn a_prompt_and_a_text_are_not_taken_for_one_text() {
    let model = with_cache(1 << 20);
    let embed = |prompt, text| {
        model.embed(text, &EmbedOptions { prompt: Prompt::Text(prompt), ..EmbedOptions::default() }).unwrap()
    };
    embed("a ", "b c");
    embed("a b ", "c");
    embed("", "a b c");
    assert_eq!(model.cache_stats().hits, 0);
    // The default prompt and its words are one.
    model.embed("x", &EmbedOptions::default()).unwrap();
    embed("passage: ", "x");
    assert_eq!(model.cache_stats().hits, 1);
}

#[test]
fn a_text_that_was_cut_is_refused_where_that_is_not_allowed() {
    let model = with_cache(1 << 20);
    let text = "word ".repeat(200);
    assert!(model.embed(&text, &EmbedOptions::default()).unwrap().truncated());
    assert!(model.embed(&text, &EmbedOptions::default()).unwrap().truncated());
    let options = EmbedOptions { truncate: Truncate::Error, ..EmbedOptions::default() };
    assert_eq!(model.embed(&text, &options).unwrap_err().code(), Code::TooLong);
}

#[test]
fn a_text_that_comes_twice_in_a_call_counts_once() {
    let model = with_cache(1 << 20);
    for _ in 0..2 {
        model.embed_batch(&["a", "b", "a", "a"], &EmbedOptions::default()).unwrap();
    }
    let CacheStats { hits, misses, entries, bytes } = model.cache_stats();
    assert_eq!((hits, misses, entries), (2, 2, 2));
    assert!(bytes > 2 * 32 * 4, "{bytes}");
}

#[test]
fn the_bytes_stay_below_the_bound_whatever_comes() {
    for bound in [1, 500, 10_000, 300_000] {
        let model = with_cache(bound);
        for chunk in strs(&texts(5000)).chunks(100) {
            model.embed_batch(chunk, &EmbedOptions::default()).unwrap();
            let stats = model.cache_stats();
            assert!(stats.bytes <= bound as u64, "{stats:?} of {bound}");
        }
        let stats = model.cache_stats();
        assert_eq!(stats.misses, 5000);
        assert!(bound < 10_000 || stats.bytes > bound as u64 / 2, "{stats:?} of {bound}");
    }
    // A text that is larger than the whole is not kept, and what is there stays.
    let model = with_cache(100_000);
    model.embed("small", &EmbedOptions::default()).unwrap();
    model.embed(&"large ".repeat(50_000), &EmbedOptions::default()).unwrap();
    model.embed("small", &EmbedOptions::default()).unwrap();
    assert_eq!((model.cache_stats().hits, model.cache_stats().entries), (1, 1));
}

#[test]
fn progress_counts_what_the_cache_has() {
    let model = with_cache(1 << 20);
    let texts = texts(50);
    for known in [0, 25, 50] {
        model.embed_batch(&strs(&texts)[..known], &EmbedOptions::default()).unwrap();
        let reports = RefCell::new(Vec::new());
        let progress = |done, total| reports.borrow_mut().push((done, total));
        let options = EmbedOptions { progress: Some(&progress), ..EmbedOptions::default() };
        if known == 0 {
            with_cache(0).embed_batch(&strs(&texts), &options).unwrap();
        } else {
            model.embed_batch(&strs(&texts), &options).unwrap();
        }
        let reports = reports.into_inner();
        assert_eq!(reports.last(), Some(&(50, 50)));
        assert!(reports.is_sorted() && reports.iter().all(|r| r.1 == 50), "{reports:?}");
        assert!(known == 0 || reports[0].0 >= known, "{reports:?}");
    }
}

#[test]
fn a_cancelled_call_is_cancelled_though_the_cache_has_it_all() {
    let model = with_cache(1 << 20);
    model.embed("known", &EmbedOptions::default()).unwrap();
    let cancel = CancelToken::new();
    cancel.cancel();
    let options = EmbedOptions { cancel: Some(&cancel), ..EmbedOptions::default() };
    assert_eq!(model.embed("known", &options).unwrap_err().code(), Code::Cancelled);
}

#[test]
fn many_threads_share_a_cache() {
    let (cached, plain) = (with_cache(100_000), with_cache(0));
    let texts = texts(400);
    let wanted = plain.embed_batch(&strs(&texts), &EmbedOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (cached, texts, wanted) = (&cached, &texts, &wanted);
            scope.spawn(move || {
                for i in (0..texts.len()).map(|i| (i * (2 * thread + 1)) % texts.len()) {
                    assert_eq!(cached.embed(&texts[i], &EmbedOptions::default()).unwrap(), wanted[i]);
                }
            });
        }
    });
    assert!(cached.cache_stats().hits > 0);
}

#[test]
fn a_sequence_of_any_length_is_embedded_in_order() {
    let model = with_cache(0);
    for n in [0, 1, 255, 256, 257, 700] {
        let texts = texts(n);
        let wanted = model.embed_batch(&strs(&texts), &EmbedOptions::default()).unwrap();
        let taken = RefCell::new(0);
        let counted = texts.iter().inspect(|_| *taken.borrow_mut() += 1);
        for (i, found) in model.embed_iter(counted, &EmbedOptions::default()).enumerate() {
            assert_eq!(found.unwrap(), wanted[i]);
            assert!(*taken.borrow() <= i + 256, "text {i}: {} were taken", taken.borrow());
        }
        assert_eq!(*taken.borrow(), n);
    }
}

#[test]
fn an_error_ends_a_sequence() {
    let model = with_cache(0);
    let long = "word ".repeat(200);
    let texts = (0..).map(|i| if i == 300 { long.clone() } else { format!("text {i}") });
    let options = EmbedOptions { truncate: Truncate::Error, ..EmbedOptions::default() };
    let found: Vec<_> = model.embed_iter(texts, &options).collect();
    assert_eq!(found.len(), 257);
    let error = found.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Code::TooLong);
    assert!(error.message().contains("from 256 on: text 44"), "{error}");
}
