//! Measures, not checks: `cargo test --release --test store speed -- --ignored --nocapture`.

use std::time::Instant;

use qntx_embed::index::{self, Request};
use qntx_embed::{Filter, Index, Query, Record, SearchOptions, Store};

use super::{Random, options, record, vectors};

const DIMENSIONS: usize = 384;
/// As long as a real one.
const FINGERPRINT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
#[ignore = "takes a minute; run it alone"]
fn ingest_and_search() {
    let number = |name: &str, default: usize| std::env::var(name).map_or(default, |n| n.parse().unwrap());
    let rows = number("QNTX_EMBED_SPEED_ROWS", 100_000);
    let batch = number("QNTX_EMBED_SPEED_BATCH", 10_000);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("speed.db");
    let store = Store::open(&path).unwrap();
    let mut random = Random(1);
    let pool = vectors(batch, DIMENSIONS, 2);
    let mut putting = 0.0;
    for first in (0..rows).step_by(batch) {
        let texts: Vec<String> = (first..first + batch).map(|i| text(&mut random, i)).collect();
        let names: Vec<String> = (first..first + batch).map(|i| format!("document-{i}")).collect();
        let metadata: Vec<String> = (first..first + batch).map(|i| format!("{{\"year\":{}}}", i % 100)).collect();
        let records: Vec<Record> = (0..batch)
            .map(|i| Record {
                fingerprint: FINGERPRINT,
                metadata: &metadata[i],
                ..record(&names[i], &texts[i], &pool[i])
            })
            .collect();
        let start = Instant::now();
        store.put(&records).unwrap();
        putting += start.elapsed().as_secs_f64();
    }
    println!("ingest: {rows} rows of {DIMENSIONS} in batches of {batch}: {:.0} rows/s", rows as f64 / putting);
    println!("{:?}", store.stats().unwrap());

    let filter = Filter::parse(r#"["=","metadata.year",7]"#).unwrap();
    let query = &vectors(1, DIMENSIONS, 9)[0];
    let near = Query::Vector(query);
    let plain = SearchOptions { fingerprint: FINGERPRINT, ..options(10, -1.0) };
    for (what, query, asked) in [
        ("by rows", near, SearchOptions { index: Index::Rows, ..plain }),
        ("by vec0", near, SearchOptions { index: Index::Vec0, ..plain }),
        ("filter of 1 %, by rows", near, SearchOptions { index: Index::Rows, filter: Some(&filter), ..plain }),
        ("words", Query::Words("pump kitchen7"), plain),
        ("both", Query::Both { vector: query, words: "pump kitchen7" }, plain),
    ] {
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                let start = Instant::now();
                store.search(&query, &asked).unwrap();
                start.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("search, {what}: {:.2} ms (median of 9)", times[4]);
    }
    resident(&store, &pool, rows, &filter);
    let start = Instant::now();
    drop(store);
    let store = Store::open(&path).unwrap();
    println!("close and open: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    let start = Instant::now();
    assert!(store.verify(false).unwrap().problems.is_empty());
    println!("verify: {:.1} s", start.elapsed().as_secs_f64());
}

/// The store's resident index beside the same index alone.
fn resident(store: &Store, pool: &[Vec<f32>], rows: usize, filter: &Filter) {
    let plain = SearchOptions { fingerprint: FINGERPRINT, index: Index::Resident, ..options(10, -1.0) };
    let queries = vectors(64, DIMENSIONS, 9);
    let start = Instant::now();
    store.search(&Query::Vector(&queries[0]), &plain).unwrap();
    println!("resident: built in {:.2} s", start.elapsed().as_secs_f64());
    println!("{:?}", store.stats().unwrap().models);

    let mut alone = index::Index::new(DIMENSIONS);
    for key in 0..rows {
        alone.put(key as i64, &pool[key % pool.len()], ()).unwrap();
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let request = Request { k: 10, slack: 0.0, threshold: -1.0, ceiling: f32::INFINITY, keep: None, threads };
    let mut exact = |key: i64, vector: &mut [f32]| {
        vector.copy_from_slice(&pool[key as usize % pool.len()]);
        Ok(())
    };
    // In turns, so that what else the machine does is in both.
    let (mut of_store, mut bare, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for query in queries.iter().cycle().take(300) {
        let start = Instant::now();
        let found = alone.search(query, &request, &mut exact).unwrap();
        bare.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let given = store.search(&Query::Vector(query), &plain).unwrap();
        of_store.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        store.search(&Query::Vector(query), &SearchOptions { without_vectors: true, ..plain }).unwrap();
        without.push(start.elapsed().as_secs_f64() * 1e3);
        assert!((found.hits[0].1 - given.hits[0].similarity).abs() < 1e-6);
    }
    let show = |what: &str, mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        println!("{what}: p50 {:.3} ms, p99 {:.3} ms", times[times.len() / 2], times[times.len() * 99 / 100]);
    };
    show("the index alone", bare);
    show("resident", of_store);
    show("resident, rows without vectors", without);
    let timed = |what: &str, asked: &SearchOptions<'_>| {
        let time = |query: &Vec<f32>| {
            let start = Instant::now();
            store.search(&Query::Vector(query), asked).unwrap();
            start.elapsed().as_secs_f64() * 1e3
        };
        show(what, queries.iter().cycle().take(100).map(time).collect());
    };
    timed("resident, filter of 1 %", &SearchOptions { filter: Some(filter), ..plain });
    let source = Filter::parse(r#"["=","source_type","note"]"#).unwrap();
    timed("resident, filter of all", &SearchOptions { filter: Some(&source), ..plain });
    let explain = store.search(&Query::Vector(&queries[1]), &plain).unwrap().explain;
    println!("{explain:?}");

    let one = [record("new", "a new text", &queries[0])];
    let after_a_write = |write: &dyn Fn()| {
        let times = (0..50).map(|_| {
            write();
            let start = Instant::now();
            store.search(&Query::Vector(&queries[0]), &plain).unwrap();
            start.elapsed().as_secs_f64() * 1e3
        });
        times.collect::<Vec<_>>()
    };
    let put = after_a_write(&|| {
        store.put(&[Record { fingerprint: FINGERPRINT, ..one[0] }]).unwrap();
        store.put(&[Record { fingerprint: FINGERPRINT, metadata: "{\"a\":1}", ..one[0] }]).unwrap();
    });
    show("resident, after a put", put);
    let delete = after_a_write(&|| {
        store.put(&[Record { fingerprint: FINGERPRINT, ..one[0] }]).unwrap();
        store.delete_source("note", "new").unwrap();
    });
    show("resident, after a delete", delete);
}

/// About 25 words, some of them common.
fn text(random: &mut Random, i: usize) -> String {
    const WORDS: [&str; 12] =
        ["the", "pump", "valve", "of", "kitchen", "train", "index", "database", "bread", "platform", "motor", "shift"];
    let mut text = format!("Passage {i}:");
    for _ in 0..24 {
        text.push(' ');
        text.push_str(random.one_of(&WORDS));
        let variant = random.below(200);
        if variant < 100 {
            text.push_str(&variant.to_string());
        }
    }
    text
}
