//! What the resident index costs, in memory of the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

use std::path::Path;
use std::process::{Command, Stdio};

use qntx_embed::{Index, Query, Record, SearchOptions, Store, StoreOptions};

const ROWS: usize = 40_000;
const DIMENSIONS: usize = 384;
const MIB: f64 = 1024.0 * 1024.0;

fn vector(i: usize) -> Vec<f32> {
    (0..DIMENSIONS).map(|j| ((i * 31 + j * 17) % 101) as f32 - 50.0).collect()
}

/// Not a test: fills the file, in a process of its own, whose memory is not measured.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn fill() {
    let Some(path) = std::env::var_os("QNTX_EMBED_TEST_PATH") else { return };
    let store = Store::open(path.as_ref()).unwrap();
    for first in (0..ROWS).step_by(4000) {
        let vectors: Vec<_> = (first..first + 4000).map(vector).collect();
        let names: Vec<_> = (first..first + 4000).map(|i| format!("document-{i}")).collect();
        let record = |i: usize| Record {
            source_type: "note",
            source_id: &names[i],
            text: "text",
            fingerprint: "f",
            metadata: r#"{"language":"en","year":2026}"#,
            vector: &vectors[i],
            ..Record::default()
        };
        store.put(&(0..names.len()).map(record).collect::<Vec<_>>()).unwrap();
    }
}

/// Resident memory of this process in bytes.
fn used() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() * 1024.0
}

fn search(store: &Store, index: Index) -> &'static str {
    let options = SearchOptions { fingerprint: "f", index, ..SearchOptions::default() };
    store.search(&Query::Vector(&vector(5)), &options).unwrap().explain.index
}

fn open(path: &Path, max_resident_bytes: usize) -> Store {
    let store = Store::open_with(path, &StoreOptions { max_resident_bytes, ..StoreOptions::default() }).unwrap();
    // Fills SQLite's caches.
    search(&store, Index::Rows);
    store
}

#[test]
fn the_resident_index_takes_what_it_says_and_no_more_than_it_may() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("a.db");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fill", "--ignored"])
        .env("QNTX_EMBED_TEST_PATH", &path)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());

    // There is room for the compact forms, but not for what filters ask for: it begins, and gives up.
    let bound = ROWS * 950;
    let store = open(&path, bound);
    let before = used();
    let added = || used() - before;
    assert_eq!(search(&store, Index::Resident), "vec0");
    assert_eq!(store.stats().unwrap().models[0].resident_bytes, 0);
    assert!(added() < bound as f64 + 8.0 * MIB, "{:.1} MiB", added() / MIB);
    drop(store);

    let store = open(&path, 0);
    assert_eq!(search(&store, Index::Resident), "resident");
    let said = store.stats().unwrap().models[0].resident_bytes as f64;
    let told =
        format!("{:.1} MiB, said to be {:.1} MiB, {:.0} bytes a row", added() / MIB, said / MIB, said / ROWS as f64);
    println!("{told}");
    // The allocator keeps some more, and so do SQLite's caches.
    assert!(added() < said * 1.1 + 8.0 * MIB, "{told}");
    assert!(added() > said * 0.9, "{told}");
}
