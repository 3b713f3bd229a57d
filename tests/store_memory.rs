//! What the resident index costs, in memory of the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

use qntx_embed::{Index, Query, Record, SearchOptions, Store, StoreOptions};

const ROWS: usize = 40_000;
const DIMENSIONS: usize = 384;
const MIB: f64 = 1024.0 * 1024.0;

/// Resident memory of this process in bytes.
fn used() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() * 1024.0
}

#[test]
fn the_resident_index_takes_what_it_says_and_no_more_than_it_may() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("a.db");
    let vector = |i: usize| (0..DIMENSIONS).map(|j| ((i * 31 + j * 17) % 101) as f32 - 50.0).collect::<Vec<f32>>();
    {
        let store = Store::open(&path).unwrap();
        for first in (0..ROWS).step_by(4000) {
            let vectors: Vec<_> = (first..first + 4000).map(vector).collect();
            let names: Vec<_> = (first..first + 4000).map(|i| format!("document-{i}")).collect();
            let metadata = r#"{"language":"en","year":2026}"#;
            let records: Vec<Record> = names
                .iter()
                .zip(&vectors)
                .map(|(name, vector)| Record {
                    source_type: "note",
                    source_id: name,
                    text: "text",
                    fingerprint: "f",
                    metadata,
                    vector,
                    ..Record::default()
                })
                .collect();
            store.put(&records).unwrap();
        }
    }
    let search = |store: &Store, index| {
        let options = SearchOptions { fingerprint: "f", index, ..SearchOptions::default() };
        store.search(&Query::Vector(&vector(5)), &options).unwrap().explain.index
    };

    // Half of what is needed: nothing is built, and nothing stays behind.
    let store = Store::open_with(&path, &StoreOptions { max_resident_bytes: ROWS * 500 }).unwrap();
    search(&store, Index::Rows);
    let before = used();
    assert_eq!(search(&store, Index::Resident), "vec0");
    let after = used() - before;
    assert!(after < ROWS as f64 * 500.0 + 8.0 * MIB, "{:.1} MiB", after / MIB);
    drop(store);

    let store = Store::open(&path).unwrap();
    // Fills the caches of SQLite.
    search(&store, Index::Rows);
    let before = used();
    assert_eq!(search(&store, Index::Resident), "resident");
    let after = used() - before;
    let said = store.stats().unwrap().models[0].resident_bytes as f64;
    println!("{:.1} MiB, said to be {:.1} MiB, {:.0} bytes a row", after / MIB, said / MIB, said / ROWS as f64);
    // The allocator keeps some more, and so do SQLite's caches.
    assert!(after < said * 1.1 + 8.0 * MIB, "{:.1} MiB, said to be {:.1} MiB", after / MIB, said / MIB);
    assert!(after > said * 0.8, "{:.1} MiB, said to be {:.1} MiB", after / MIB, said / MIB);
}
