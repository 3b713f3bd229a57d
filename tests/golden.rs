//! Vectors against those of sentence-transformers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use common::{cosine_distance, fixture, golden, minilm, options};
use qntx_embed::{EmbedOptions, Embedder, Prompt, blob};

#[test]
fn every_golden_text_alone_equals_sentence_transformers() {
    let model = minilm();
    let mut worst = 0f64;
    for case in golden(&fixture("golden/golden.jsonl")) {
        let embedding = model.embed(&case.text, &EmbedOptions::default()).unwrap();
        let distance = cosine_distance(embedding.vector(), &case.vector());
        worst = worst.max(distance);
        assert!(distance < 1e-5, "{:?}: cosine distance {distance}", case.text);
        assert_eq!(Some(embedding.tokens()), case.tokens, "{:?}", case.text);
        assert_eq!(Some(embedding.full_tokens()), case.full_tokens, "{:?}", case.text);
        assert_eq!(Some(embedding.truncated()), case.truncated, "{:?}", case.text);
    }
    println!("largest cosine distance {worst:e}");
}

#[test]
fn every_golden_text_in_one_batch_equals_sentence_transformers() {
    let cases = golden(&fixture("golden/golden.jsonl"));
    let texts: Vec<&str> = cases.iter().map(|c| c.text.as_str()).collect();
    for (case, embedding) in cases.iter().zip(minilm().embed_batch(&texts, &EmbedOptions::default()).unwrap()) {
        let distance = cosine_distance(embedding.vector(), &case.vector());
        assert!(distance < 1e-5, "{:?}: cosine distance {distance}", case.text);
        assert_eq!(Some(embedding.tokens()), case.tokens);
    }
}

#[test]
fn the_pair_table_holds() {
    let model = minilm();
    let vector = |text: &str| model.embed(text, &EmbedOptions::default()).unwrap().vector().to_vec();
    for (a, b, wanted) in [("cat", "kitten", 0.7882), ("cat", "dog", 0.6606), ("cat", "car", 0.4633)] {
        let found = blob::similarity(&vector(a), &vector(b)).unwrap();
        assert!((found - wanted).abs() < 1e-4, "{a}/{b}: {found}");
    }
}

#[test]
fn a_text_alone_equals_the_same_text_in_any_batch() {
    let model = minilm();
    let cases = golden(&fixture("golden/golden.jsonl"));
    let texts: Vec<&str> = cases.iter().map(|c| c.text.as_str()).collect();
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    let forward = model.embed_batch(&texts, &EmbedOptions::default()).unwrap();
    let backward = model.embed_batch(&reversed, &EmbedOptions::default()).unwrap();
    let mut worst = 0f64;
    for (i, text) in texts.iter().enumerate() {
        let alone = model.embed(text, &EmbedOptions::default()).unwrap();
        for other in [&forward[i], &backward[texts.len() - 1 - i]] {
            worst = worst.max(cosine_distance(alone.vector(), other.vector()));
        }
    }
    println!("largest cosine distance {worst:e}");
    assert!(worst < 1e-6, "{worst:e}");
}

/// Every directory below tests/fixtures that has golden vectors of its own (see its README for what each is).
#[test]
fn every_kind_of_directory_equals_sentence_transformers() {
    let mut directories: Vec<_> = fixture("").read_dir().unwrap().flatten().map(|e| e.path()).collect();
    directories.retain(|d| d.join("golden.jsonl").exists() && d.join("config.json").exists());
    directories.sort();
    assert!(directories.len() >= 5, "{directories:?}");
    for directory in directories {
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        let model = Embedder::open(&directory, &options()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut worst = 0f64;
        for case in golden(&directory.join("golden.jsonl")) {
            let prompt = match (&case.prompt, &case.prompt_name) {
                (Some(text), _) => Prompt::Text(text),
                (None, Some(name)) => Prompt::Named(name),
                (None, None) => Prompt::Default,
            };
            let options = EmbedOptions { prompt, dimensions: case.truncate_dim, ..EmbedOptions::default() };
            let (found, wanted) = (model.embed(&case.text, &options).unwrap(), case.vector());
            let length = wanted.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert_eq!(found.vector().len(), wanted.len(), "{name} {:?}", case.text);
            for (x, y) in found.vector().iter().zip(&wanted) {
                assert!((x - y).abs() <= 1e-4 * length, "{name} {:?} {prompt:?}: {x} {y}", case.text);
            }
            // A zero vector, where nothing is left to pool, has no direction.
            let distance = if length > 0.0 { cosine_distance(found.vector(), &wanted) } else { 0.0 };
            worst = worst.max(distance);
            assert!(distance < 1e-5, "{name} {:?}: {distance}", case.text);
            for (found, wanted) in [(found.tokens(), case.tokens), (found.full_tokens(), case.full_tokens)] {
                assert_eq!(found, wanted.unwrap_or(found), "{name} {:?}", case.text);
            }
        }
        println!("{name}: largest cosine distance {worst:e}");
    }
}

#[test]
fn a_text_that_comes_twice_gets_the_same_vector_twice() {
    let rows = minilm().embed_batch(&["same", "other", "same"], &EmbedOptions::default()).unwrap();
    assert_eq!(rows[0].vector(), rows[2].vector());
    assert_ne!(rows[0].vector(), rows[1].vector());
}

#[test]
fn no_texts_give_no_vectors() {
    assert!(minilm().embed_batch(&[], &EmbedOptions::default()).unwrap().is_empty());
}

#[test]
fn calls_of_many_threads_give_each_its_own_vectors() {
    let model = minilm();
    let cases = golden(&fixture("golden/golden.jsonl"));
    let texts: Vec<&str> = cases.iter().map(|c| c.text.as_str()).collect();
    let alone = model.embed_batch(&texts, &EmbedOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (model, texts, alone) = (&model, &texts, &alone);
            scope.spawn(move || {
                for i in (thread..texts.len()).step_by(16) {
                    let found = model.embed(texts[i], &EmbedOptions::default()).unwrap();
                    assert!(cosine_distance(found.vector(), alone[i].vector()) < 1e-6, "{:?}", texts[i]);
                }
                let some = &texts[thread..thread + 5];
                for (i, found) in model.embed_batch(some, &EmbedOptions::default()).unwrap().iter().enumerate() {
                    assert!(cosine_distance(found.vector(), alone[thread + i].vector()) < 1e-6);
                }
            });
        }
    });
}
