//! Measures, not checks: `cargo test --release --test store speed -- --ignored --nocapture`.

use std::time::Instant;

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
        ("filter of 1 %", near, SearchOptions { filter: Some(&filter), ..plain }),
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
    let start = Instant::now();
    drop(store);
    let store = Store::open(&path).unwrap();
    println!("close and open: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    let start = Instant::now();
    assert!(store.verify(false).unwrap().problems.is_empty());
    println!("verify: {:.1} s", start.elapsed().as_secs_f64());
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
