//! One call from inside the process: a short text, a text as long as the model takes, and a batch.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use qntx_embed::{EmbedOptions, Embedder, ModelOptions};

fn embed(criterion: &mut Criterion) {
    let place = |name| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: make bench")));
    let corpus: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place("BENCH_CORPUS")).expect("the corpus is there")).expect("JSON");
    let texts: Vec<&str> = corpus["texts"].as_array().expect("texts").iter().filter_map(|t| t.as_str()).collect();
    let batch = &texts[..64.min(texts.len())];
    let options = ModelOptions { onnxruntime: Some(place("BENCH_ONNXRUNTIME")), ..Default::default() };
    let embedder = Embedder::open(&place("BENCH_MODEL"), &options).expect("the model opens");
    let defaults = EmbedOptions::default();
    let short = "how do I stop the pump before it floods";
    let long = "pump ".repeat(1_000);

    let mut group = criterion.benchmark_group("embed");
    for (name, texts) in [("one short text", &[short][..]), ("one long text", &[&long[..]]), ("batch of 64", batch)] {
        let used = embedder.embed_batch(texts, &defaults).expect("texts are embedded");
        group.throughput(Throughput::Elements(used.iter().map(|e| e.tokens() as u64).sum()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| embedder.embed_batch(black_box(texts), &defaults).expect("texts are embedded"));
        });
    }
    group.finish();
}

criterion_group!(benches, embed);
criterion_main!(benches);
