//! Precision int8: near to sentence-transformers, and as independent of neighbours as fp32.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use common::{cosine_distance, fixture, golden, model_directory, options};
use qntx_embed::{Code, EmbedOptions, Embedder, Format, ModelOptions, Precision};

fn int8() -> ModelOptions {
    ModelOptions { precision: Precision::Int8, ..options() }
}

fn minilm() -> Embedder {
    Embedder::open(&model_directory(), &int8()).unwrap()
}

#[test]
fn golden_texts_are_near_to_sentence_transformers() {
    let model = minilm();
    assert_eq!(model.info().precision, Precision::Int8);
    let cases = golden(&fixture("golden/golden.jsonl"));
    let (mut sum, mut worst) = (0f64, 0f64);
    for case in &cases {
        let embedding = model.embed(&case.text, &EmbedOptions::default()).unwrap();
        let distance = cosine_distance(embedding.vector(), &case.vector());
        (sum, worst) = (sum + distance, worst.max(distance));
        assert!(distance < 2e-3, "{:?}: cosine distance {distance}", case.text);
    }
    let mean = sum / cases.len() as f64;
    println!("mean cosine distance {mean:e}, largest {worst:e}");
    assert!(mean < 1e-3, "{mean}");
}

#[test]
fn a_text_alone_equals_the_same_text_in_any_batch_and_thread() {
    let model = minilm();
    let cases = golden(&fixture("golden/golden.jsonl"));
    let texts: Vec<&str> = cases.iter().map(|c| c.text.as_str()).collect();
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    let forward = model.embed_batch(&texts, &EmbedOptions::default()).unwrap();
    let backward = model.embed_batch(&reversed, &EmbedOptions::default()).unwrap();
    let one_thread = Embedder::open(&model_directory(), &ModelOptions { threads: 1, ..int8() }).unwrap();
    let mut worst = 0f64;
    for (i, text) in texts.iter().enumerate() {
        let alone = model.embed(text, &EmbedOptions::default()).unwrap();
        let elsewhere = one_thread.embed(text, &EmbedOptions::default()).unwrap();
        for other in [&forward[i], &backward[texts.len() - 1 - i], &elsewhere] {
            worst = worst.max(cosine_distance(alone.vector(), other.vector()));
        }
    }
    println!("largest cosine distance {worst:e}");
    // The bound is 1e-4; nothing in it depends on neighbours, so it is the rounding of a matrix product's last bits.
    assert!(worst < 1e-6, "{worst:e}");
}

#[test]
fn every_family_runs_in_int8() {
    for name in ["tiny-mean", "bert-sharded", "bert-relu", "distilbert", "roberta", "xlm-roberta", "mpnet"] {
        let directory = fixture(name);
        let model = Embedder::open(&directory, &int8()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut worst = 0f64;
        for case in
            golden(&directory.join("golden.jsonl")).iter().filter(|c| c.prompt_name.is_none() && c.prompt.is_none())
        {
            let options = EmbedOptions { dimensions: case.truncate_dim, ..EmbedOptions::default() };
            let found = model.embed(&case.text, &options).unwrap();
            worst = worst.max(cosine_distance(found.vector(), &case.vector()));
        }
        println!("{name}: largest cosine distance {worst:e}");
        assert!(worst < 5e-3, "{name}: {worst}");
    }
}

#[test]
fn an_onnx_file_is_refused_by_name() {
    let options = ModelOptions { format: Format::Onnx, ..int8() };
    let error = Embedder::open(&fixture("tiny-mean-onnx"), &options).err().expect("an error");
    assert_eq!(error.code(), Code::ModelUnsupported);
    assert!(error.message().contains("int8") && error.message().contains("fp32"), "{error}");
}
