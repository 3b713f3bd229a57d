//! Measures, not checks: `cargo test --release --test store speed -- --ignored --nocapture --test-threads 1`.

use std::path::Path;
use std::time::Instant;

use qntx_embed::index::{self, Request};
use qntx_embed::{Filter, Index, Query, Record, SearchOptions, Store, blob};
use rusqlite::{Connection, params};

use super::{Random, options, record, vectors};

const DIMENSIONS: usize = 384;
/// As long as a real one.
const FINGERPRINT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |n| n.parse().unwrap())
}

/// Rows, and rows of a batch.
fn sizes() -> (usize, usize) {
    (number("QNTX_EMBED_SPEED_ROWS", 100_000), number("QNTX_EMBED_SPEED_BATCH", 10_000))
}

/// Adds up the time of batches, and says at each hundred thousand rows how fast the last of them were.
#[derive(Default)]
struct Pace {
    rows: usize,
    seconds: f64,
    at: (usize, f64),
}

impl Pace {
    fn add(&mut self, rows: usize, start: Instant) {
        self.rows += rows;
        self.seconds += start.elapsed().as_secs_f64();
        let (before, seconds) = self.at;
        if self.rows / 100_000 > before / 100_000 {
            let rate = (self.rows - before) as f64 / (self.seconds - seconds);
            println!("  to {:>7} rows: {rate:.0} rows/s", self.rows);
            self.at = (self.rows, self.seconds);
        }
    }

    fn end(&self, what: &str) {
        println!("{what}: {} rows of {DIMENSIONS}: {:.0} rows/s", self.rows, self.rows as f64 / self.seconds);
    }
}

/// A store that is filled, with the time that it takes.
fn filled(path: &Path) -> Store {
    let (rows, batch) = sizes();
    let store = Store::open(path).unwrap();
    let mut random = Random(1);
    let pool = vectors(batch, DIMENSIONS, 2);
    let mut pace = Pace::default();
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
        pace.add(batch, start);
    }
    pace.end(&format!("ingest in batches of {batch}"));
    println!("{:?}", store.stats().unwrap());
    store
}

#[test]
#[ignore = "takes a minute; run it alone"]
fn ingest() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    drop(filled(&directory.path().join("speed.db")));
}

#[test]
#[ignore = "takes a minute; run it alone"]
fn ingest_and_search() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("speed.db");
    let store = filled(&path);
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
    let (rows, batch) = sizes();
    resident(&store, &vectors(batch, DIMENSIONS, 2), rows, &filter);
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

/// What SQLite alone does with such rows, in the same transactions: the table and its indexes; with FTS5; and with the
/// vectors a second time, in blobs of 1,024.
#[test]
#[ignore = "takes some minutes; run it alone"]
fn sqlite_alone() {
    let (rows, batch) = sizes();
    let all = [(false, false), (true, false), (true, true)];
    for (words, vectors_again) in all.into_iter().skip(number("QNTX_EMBED_SPEED_SKIP", 0)) {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut connection = Connection::open(directory.path().join("alone.db")).unwrap();
        let settings = "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                        PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4096;
                        CREATE TABLE again (vectors BLOB)";
        connection.execute_batch(settings).unwrap();
        connection.execute_batch(include_str!("../../src/store/migrations/019_create_embeddings_table.sql")).unwrap();
        let mut random = Random(1);
        let pool: Vec<Vec<u8>> = vectors(batch, DIMENSIONS, 2).iter().map(|v| blob::to_bytes(v)).collect();
        let mut pace = Pace::default();
        for first in (0..rows).step_by(batch) {
            let texts: Vec<String> = (first..first + batch).map(|i| text(&mut random, i)).collect();
            let start = Instant::now();
            let transaction = connection.transaction().unwrap();
            for (i, (text, vector)) in texts.iter().zip(&pool).enumerate() {
                let i = first + i;
                let insert = "INSERT INTO embeddings VALUES (?1, ?2, 'note', ?3, 0, 0, 0, 'm', ?4, ?5, ?6,
                                  '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 1, ?7, ?8)";
                transaction
                    .prepare_cached(insert)
                    .unwrap()
                    .execute(params![
                        i + 1,
                        format!("019a0000-0000-7000-8000-{i:012x}"),
                        format!("document-{i}"),
                        FINGERPRINT,
                        DIMENSIONS,
                        format!("{{\"year\":{}}}", i % 100),
                        text,
                        vector
                    ])
                    .unwrap();
                if words {
                    let insert = "INSERT INTO fts_embeddings (rowid, text) VALUES (?1, ?2)";
                    transaction.prepare_cached(insert).unwrap().execute(params![i + 1, text]).unwrap();
                }
            }
            if vectors_again {
                for chunk in pool.chunks(1024) {
                    transaction.execute("INSERT INTO again VALUES (?1)", [chunk.concat()]).unwrap();
                }
            }
            transaction.commit().unwrap();
            pace.add(batch, start);
        }
        let what = match (words, vectors_again) {
            (false, _) => "SQLite alone, the table",
            (true, false) => "SQLite alone, with FTS5",
            (true, true) => "SQLite alone, with FTS5 and the vectors twice",
        };
        pace.end(what);
    }
}

/// About 25 words, some of them common.
/// 24 words of 200,000, each as common as its rank is low (Zipf 1935), as in texts that people write.
fn text(random: &mut Random, i: usize) -> String {
    let mut text = format!("Passage {i}:");
    for _ in 0..24 {
        // The logarithm of a rank is as likely here as there: so a rank is as likely as it is low.
        let share = random.below(1 << 30) as f64 / f64::from(1 << 30);
        text.push_str(&format!(" w{}", 200_000f64.powf(share) as u64));
    }
    text
}
