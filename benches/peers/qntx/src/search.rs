//! This library's search, as a measured program; with BENCH_MAX_RESIDENT_BYTES=1 without the index in memory.

#[path = "../../figures.rs"]
mod figures;
mod stream;

use std::collections::HashSet;
use std::hint::black_box;
use std::path::Path;
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs};

use figures::{milliseconds, number, percentile, status};
use qntx_embed::{Filter, Index, Query, Record, SearchOptions, Store, StoreOptions};
use serde_json::{Value, json};

const DIMENSIONS: usize = 384;
const K: usize = 10;
const BATCH: usize = 10_000;
const PARTS: usize = 10;
const CALLERS: [usize; 2] = [1, 8];
const FINGERPRINT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// As in ../../../search_data.py, where their names come from.
const FILTERS: [(&str, Option<&str>); 4] = [
    ("all", None),
    ("half", Some(r#"["=", "metadata.half", 1]"#)),
    ("percent", Some(r#"["=", "metadata.percent", 42]"#)),
    ("myriad", Some(r#"["=", "metadata.myriad", 4242]"#)),
];

/// Queries that were made, with the numbers of the rows found.
type Answers = HashSet<(usize, Vec<u64>)>;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["ingest", data, rows, store] => ingest(Path::new(data), number(rows), Path::new(store)),
        ["search", data, _, store, seconds, answers] => {
            search(Path::new(data), Path::new(store), number(seconds), Path::new(answers))
        }
        ["read", rows] => read(number(rows)),
        _ => panic!("no mode {arguments:?}, see benches/README.md"),
    };
    println!("{result}");
}

/// In tenths, each in batches of at most 10,000 rows; reading the vectors is not counted.
fn ingest(data: &Path, rows: usize, directory: &Path) -> Value {
    let start = Instant::now();
    let store = Store::open(&directory.join("rows.db")).expect("the store opens");
    let mut rest = start.elapsed();
    let vectors = fs::File::open(data.join("vectors.f32")).expect("vectors");
    let tags = fs::read(data.join("tags.u16")).expect("tags");
    let mut parts = Vec::new();
    for part in 0..PARTS {
        let mut seconds = 0.0;
        let end = rows * (part + 1) / PARTS;
        for first in (rows * part / PARTS..end).step_by(BATCH) {
            let batch = Batch::read(first..end.min(first + BATCH), &vectors, &tags);
            let records = batch.records();
            let start = Instant::now();
            store.put(&records).expect("rows are stored");
            seconds += start.elapsed().as_secs_f64();
        }
        parts.push(seconds);
    }
    let start = Instant::now();
    drop(store);
    rest += start.elapsed();
    json!({ "parts_s": parts, "finish_s": rest.as_secs_f64() })
}

/// Rows to store. Beside what the others store each has a text of about 25 words, of which the index of words is made.
struct Batch {
    names: Vec<String>,
    texts: Vec<String>,
    metadata: Vec<String>,
    vectors: Vec<f32>,
}

impl Batch {
    fn read(rows: std::ops::Range<usize>, mut vectors: &fs::File, tags: &[u8]) -> Self {
        use std::io::{Read, Seek, SeekFrom};
        let mut bytes = vec![0; rows.len() * DIMENSIONS * 4];
        vectors.seek(SeekFrom::Start((rows.start * DIMENSIONS * 4) as u64)).expect("the file can be sought in");
        vectors.read_exact(&mut bytes).expect("so many vectors");
        let tag = |row: usize| u16::from_le_bytes([tags[2 * row], tags[2 * row + 1]]);
        let fields = |row| {
            let tag = tag(row);
            json!({ "half": tag % 2, "percent": tag % 100, "myriad": tag }).to_string()
        };
        Self {
            names: rows.clone().map(|row| row.to_string()).collect(),
            texts: rows.clone().map(text).collect(),
            metadata: rows.map(fields).collect(),
            vectors: bytes.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)).collect(),
        }
    }

    fn records(&self) -> Vec<Record<'_>> {
        let records = self.vectors.chunks(DIMENSIONS).enumerate().map(|(i, vector)| Record {
            source_type: "document",
            source_id: &self.names[i],
            text: &self.texts[i],
            model: "clusters",
            fingerprint: FINGERPRINT,
            vector,
            metadata: &self.metadata[i],
            ..Record::default()
        });
        records.collect()
    }
}

/// The same each time: words of 200,000, each as common as its rank is low (Zipf 1935), as in texts that people write.
fn text(row: usize) -> String {
    let mut state = row as u64;
    let words: Vec<String> = (0..25)
        .map(|_| {
            // Steele, Lea and Flood's SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = state;
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^= x >> 31;
            // The logarithm of a rank is as likely here as there: so a rank is as likely as it is low.
            let share = (x >> 11) as f64 / (1u64 << 53) as f64;
            format!("w{}", 200_000f64.powf(share) as u64)
        })
        .collect();
    words.join(" ")
}

struct Searched {
    store: Store,
    queries: Vec<f32>,
    filters: Vec<Option<Filter>>,
}

impl Searched {
    fn queries(&self) -> usize {
        self.queries.len() / DIMENSIONS
    }

    /// The numbers of the nearest rows, best first, and which index has found them.
    fn search(&self, query: usize, filter: usize, index: Index) -> (Vec<u64>, &'static str) {
        let options = SearchOptions {
            fingerprint: FINGERPRINT,
            limit: K,
            filter: self.filters[filter].as_ref(),
            index,
            without_vectors: true,
            ..SearchOptions::default()
        };
        let query = Query::Vector(&self.queries[query * DIMENSIONS..][..DIMENSIONS]);
        let found = self.store.search(&query, &options).expect("an answer");
        (found.hits.iter().map(|hit| number(&hit.row.source_id)).collect(), found.explain.index)
    }
}

fn search(data: &Path, directory: &Path, seconds: f64, answers_file: &Path) -> Value {
    let queries = fs::read(data.join("queries.f32")).expect("queries");
    let queries = queries.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)).collect();
    let parsed = |(_, json): &(_, Option<&str>)| json.map(|json| Filter::parse(json).expect("a filter"));
    let filters = FILTERS.iter().map(parsed).collect();
    let max_resident_bytes = env::var("BENCH_MAX_RESIDENT_BYTES").map_or(0, |bytes| number(&bytes));
    let start = Instant::now();
    let store = Store::open_with(&directory.join("rows.db"), &StoreOptions { max_resident_bytes, ..StoreOptions::default() });
    let opened = start.elapsed();
    let searched = Searched { store: store.expect("the store opens"), queries, filters };
    let start = Instant::now();
    // Builds the index at once, where it may: otherwise some searches of those measured would have to come before.
    searched.search(0, 0, Index::Resident);
    let first = start.elapsed();

    let (mut answers, mut cells) = (json!({}), Vec::new());
    for (filter, (name, _)) in FILTERS.iter().enumerate() {
        let found = Mutex::default();
        for callers in CALLERS {
            let mut cell = cell(&searched, filter, callers, seconds, &found);
            cell["filter"] = json!(name);
            cells.push(cell);
        }
        answers[name] = json!(found.into_inner().expect("no caller panicked"));
    }
    fs::write(answers_file, answers.to_string()).expect("the answers can be written");
    json!({
        "open_ms": milliseconds(opened),
        "first_ms": milliseconds(first),
        "cells": cells,
        "rss_mb": status("VmRSS:"),
    })
}

/// Callers in threads of their own, after one search each that does not count. All searches that begin within the
/// window count, and the time until the last of them has ended.
fn cell(searched: &Searched, filter: usize, callers: usize, seconds: f64, answers: &Mutex<Answers>) -> Value {
    let window = Duration::from_secs_f64(seconds);
    let barrier = Barrier::new(callers);
    let caller = |number: usize| {
        let (_, index) = searched.search(number, filter, Index::Auto);
        let (mut found, mut latencies) = (Answers::new(), Vec::new());
        barrier.wait();
        let begin = Instant::now();
        let mut place = number;
        while begin.elapsed() < window {
            let query = place % searched.queries();
            let start = Instant::now();
            let (ids, _) = searched.search(query, filter, Index::Auto);
            latencies.push(start.elapsed());
            found.insert((query, ids));
            place += callers;
        }
        let elapsed = begin.elapsed();
        answers.lock().expect("no caller panicked").extend(found);
        (latencies, elapsed, index)
    };
    let done: Vec<(Vec<Duration>, Duration, &str)> = std::thread::scope(|scope| {
        let caller = &caller;
        let threads: Vec<_> = (0..callers).map(|number| scope.spawn(move || caller(number))).collect();
        threads.into_iter().map(|t| t.join().expect("a caller does not panic")).collect()
    });
    let elapsed = done.iter().map(|d| d.1).max().unwrap_or_default();
    let index = done[0].2;
    let mut latencies: Vec<Duration> = done.into_iter().flat_map(|d| d.0).collect();
    json!({
        "callers": callers,
        "index": index,
        "searches": latencies.len(),
        "seconds": elapsed.as_secs_f64(),
        "p50_ms": percentile(&mut latencies, 0.5),
        "p99_ms": percentile(&mut latencies, 0.99),
    })
}

/// One byte a component of so many rows, by all threads.
fn read(rows: usize) -> Value {
    let bytes: Vec<u64> = (0..(rows * DIMENSIONS / 8) as u64).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut times: Vec<Duration> = (0..51)
        .map(|_| {
            let start = Instant::now();
            black_box(stream::stream(black_box(&bytes), threads));
            start.elapsed()
        })
        .collect();
    json!({ "read_p50_ms": percentile(&mut times, 0.5), "read_p99_ms": percentile(&mut times, 0.99) })
}
