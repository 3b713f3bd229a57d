//! Exact search in the resident index beside a plain read of the bytes that it scans, in the same run.
//!
//!   cargo bench --bench search [-- --quick]
//!
//! Vectors are random, and with BENCH_MODEL, BENCH_CORPUS and BENCH_ONNXRUNTIME (see benches/README.md) those of real texts.

#[path = "../src/stream.rs"]
mod stream;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use qntx_embed::index::{Index, Request};
use qntx_embed::{EmbedOptions, Embedder, ModelOptions};
use stream::stream;

const DIMENSIONS: usize = 384;
const K: usize = 10;

/// Writes the vector of a key: the same each time, so that a million of them need no memory.
fn random(key: i64, vector: &mut [f32]) {
    let mut state = (key as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for x in vector {
        // Marsaglia's xorshift64; half of the bits are enough for a component.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *x = (state >> 40) as f32 / (1u32 << 24) as f32 - 0.5;
    }
}

/// Milliseconds of each of `runs` calls, in order of size.
fn times(runs: usize, mut call: impl FnMut(usize)) -> Vec<f64> {
    call(0);
    let mut times: Vec<f64> = (0..runs)
        .map(|run| {
            let start = Instant::now();
            call(run);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn show(name: &str, times: &[f64], more: &str) {
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!("{name:<44} p50 {:8.3} ms   p99 {:8.3} ms   {more}", at(0.5), at(0.99));
}

fn search_random(rows: usize, runs: usize, all: usize) {
    let mut index = Index::new(DIMENSIONS);
    let mut vector = vec![0.0; DIMENSIONS];
    let start = Instant::now();
    for key in 0..rows as i64 {
        random(key, &mut vector);
        index.put(key, &vector, (key.wrapping_mul(0x9e37_79b9) & 0x7fff_ffff) as u32 % 10_000).expect("a row");
    }
    println!(
        "\n{rows} x {DIMENSIONS}, random: {:.0} MB, {} bytes a row, {:.0} rows/s put",
        index.bytes() as f64 / 1e6,
        index.bytes() / rows,
        rows as f64 / start.elapsed().as_secs_f64()
    );
    let queries: Vec<Vec<f32>> = (0..64)
        .map(|i| {
            let mut query = vec![0.0; DIMENSIONS];
            random(-1 - i, &mut query);
            query
        })
        .collect();
    let bytes: Vec<u64> = (0..(rows * DIMENSIONS / 8) as u64).collect();
    for threads in [1, all] {
        let read = times(runs, |_| {
            black_box(stream(black_box(&bytes), threads));
        });
        let rate = (rows * DIMENSIONS) as f64 / read[runs / 2] / 1e6;
        show(&format!("{threads} threads: plain read of {DIMENSIONS} bytes a row"), &read, &format!("{rate:.1} GB/s"));
        for (name, of_10_000) in [("all", 10_000), ("50 %", 5_000), ("1 %", 100), ("0.01 %", 1)] {
            let keep = move |payload: &u32| *payload < of_10_000;
            let keep: Option<&(dyn Fn(&u32) -> bool + Sync)> = if of_10_000 < 10_000 { Some(&keep) } else { None };
            let request = Request { k: K, slack: 0.0, threshold: -1.0, ceiling: f32::INFINITY, keep, threads };
            let (mut refined, mut rescored, mut kept) = (0, 0, 0);
            let mut exact = |key, vector: &mut [f32]| {
                random(key, vector);
                Ok(())
            };
            let took = times(runs, |run| {
                let found = index.search(&queries[run % queries.len()], &request, &mut exact).expect("hits");
                (kept, refined, rescored) = (found.kept, refined + found.refined, rescored + found.rescored);
            });
            let each = |count: usize| count as f64 / (runs + 1) as f64;
            let ratio = took[runs / 2] / read[runs / 2];
            let more = format!(
                "{ratio:.2} of the read; {kept} kept, {:.0} refined, {:.1} rescored",
                each(refined),
                each(rescored)
            );
            show(&format!("{threads} threads: top {K} of {name}"), &took, &more);
        }
    }
}

/// How many rows of real texts the compact form leaves to the exact comparison.
fn search_texts(texts: &[&str], embedder: &Embedder) {
    let rows = embedder.embed_batch(texts, &EmbedOptions::default()).expect("texts are embedded");
    let mut index = Index::new(rows[0].vector().len());
    for (key, row) in rows.iter().enumerate() {
        index.put(key as i64, row.vector(), ()).expect("a row");
    }
    println!("\n{} texts of the corpus, each {}th of them as a query", rows.len(), rows.len() / 200 + 1);
    for k in [1, 10, 100] {
        let (mut refined, mut rescored, mut hits, mut searches) = (0, 0, 0, 0);
        for query in rows.iter().step_by(rows.len() / 200 + 1) {
            let request = Request { k, slack: 0.0, threshold: -1.0, ceiling: f32::INFINITY, keep: None, threads: 1 };
            let mut exact = |key: i64, vector: &mut [f32]| {
                vector.copy_from_slice(rows[key as usize].vector());
                Ok(())
            };
            let found = index.search(query.vector(), &request, &mut exact).expect("hits");
            (refined, rescored) = (refined + found.refined, rescored + found.rescored);
            (hits, searches) = (hits + found.hits.len(), searches + 1);
        }
        let each = |count: usize| count as f64 / f64::from(searches);
        println!("top {k}: {:.1} hits, {:.1} rescored, {:.0} refined", each(hits), each(rescored), each(refined));
    }
}

fn main() {
    let place = |name| std::env::var_os(name).map(PathBuf::from);
    if let (Some(model), Some(corpus), Some(onnxruntime)) =
        (place("BENCH_MODEL"), place("BENCH_CORPUS"), place("BENCH_ONNXRUNTIME"))
    {
        let corpus: serde_json::Value =
            serde_json::from_slice(&std::fs::read(corpus).expect("the corpus is there")).expect("JSON");
        let texts: Vec<&str> = corpus["texts"].as_array().expect("texts").iter().filter_map(|t| t.as_str()).collect();
        let options = ModelOptions { onnxruntime: Some(onnxruntime), ..Default::default() };
        search_texts(&texts[..5000.min(texts.len())], &Embedder::open(&model, &options).expect("the model opens"));
    }
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let quick = std::env::args().any(|argument| argument == "--quick");
    for (rows, runs) in [(10_000, 1000), (100_000, 300), (1_000_000, 100)] {
        search_random(rows, if quick { runs / 10 } else { runs }, all);
    }
}
