//! Damage: whatever happens to the file, the store says so or repairs it, and never answers wrong.

use std::fs;
use std::path::Path;

use qntx_embed::{Code, Index, Query, Record, SearchOptions, Store};
use rusqlite::Connection;

use super::{Random, Short, ids, memory, options, record, refused, vectors};

/// A file with rows of two models; vec0's tables can be damaged through SQL without vec0.
fn filled(path: &Path, count: usize) {
    let store = Store::open(path).unwrap();
    let rows = vectors(count, 4, 3);
    let names: Vec<String> = (0..count).map(|i| format!("{i:04}")).collect();
    let texts: Vec<String> = (0..count).map(|i| format!("text number {i}")).collect();
    let mut records: Vec<Record> =
        rows.iter().zip(names.iter().zip(&texts)).map(|(v, (n, t))| record(n, t, v)).collect();
    records.push(Record { fingerprint: "g", ..record("other", "of another model", &[1.0, 2.0]) });
    store.put(&records).unwrap();
}

fn damage(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

fn problems(store: &Store) -> String {
    store.verify(false).unwrap().problems.join("; ")
}

#[test]
fn verify_finds_nothing_wrong_with_a_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    filled(&path, 50);
    let report = Store::open(&path).unwrap().verify(true).unwrap();
    assert_eq!((report.rows, report.problems.len(), report.repaired.len()), (51, 0, 0), "{report:?}");
}

#[test]
fn the_index_is_whole_after_batches_and_deletes_of_any_size() {
    let mut random = Random(4);
    let store = memory();
    let (mut there, mut put): (Vec<String>, usize) = (Vec::new(), 0);
    for round in 0..25 {
        let rows = vectors(random.one_of(&[1, 2, 30, 700, 1024, 1500, 2100]), 4, round);
        let names: Vec<String> = (put..put + rows.len()).map(|i| i.to_string()).collect();
        put += rows.len();
        store.put(&names.iter().zip(&rows).map(|(n, v)| record(n, "t", v)).collect::<Vec<_>>()).unwrap();
        there.extend(names);
        // Some at the end, where the last chunk has its rows, and some anywhere; or nearly all.
        let gone = random.one_of(&[0, 1, 40, there.len() * 9 / 10]).min(there.len());
        for i in 0..gone {
            let place = if i % 2 == 0 { there.len() - 1 } else { random.below(there.len()) };
            assert_eq!(store.delete_source("note", &there.swap_remove(place)).unwrap(), 1);
        }
        assert_eq!((problems(&store).as_str(), store.all()), ("", there.len() as u64), "round {round}");
        let found = |index| {
            let asked = SearchOptions { index, ..options(20, -1.0) };
            store.near(&rows[0], &asked).unwrap().into_iter().map(|hit| hit.row.id).collect::<Vec<_>>()
        };
        assert_eq!(found(Index::Vec0), found(Index::Rows), "round {round}");
    }
}

#[test]
fn what_is_derived_is_found_damaged_and_built_anew() {
    let query = [0.1, 0.2, -0.3, 0.4];
    for (sql, problem, repaired) in [
        (
            "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'vec_embeddings'",
            "vec_embeddings is missing",
            "vec_embeddings",
        ),
        ("DROP TABLE vec_embeddings_chunks", "vec_embeddings cannot be read", "vec_embeddings"),
        ("DELETE FROM vec_embeddings_chunks", "vec_embeddings", "vec_embeddings"),
        ("DELETE FROM vec_embeddings_rowids WHERE rowid = 7", "vec_embeddings", "vec_embeddings"),
        (
            "UPDATE vec_embeddings_vector_chunks00 SET vectors = zeroblob(length(vectors))",
            "another vector",
            "vec_embeddings",
        ),
        ("UPDATE vec_embeddings_vector_chunks00 SET vectors = x'00'", "vec_embeddings", "vec_embeddings"),
        (
            "UPDATE vec_embeddings_chunks SET validity = zeroblob(length(validity))",
            "searches 0 vectors",
            "vec_embeddings",
        ),
        ("DELETE FROM embedding_spaces WHERE number = 1", "in no index", "vec_embeddings"),
        ("DELETE FROM fts_embeddings_data WHERE id > 10", "fts_embeddings", "fts_embeddings"),
        (
            "INSERT INTO fts_embeddings (fts_embeddings, rowid, text) VALUES ('delete', 3, 'text number 2')",
            "fts_embeddings",
            "fts_embeddings",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        filled(&path, 50);
        let wanted = Store::open(&path).unwrap().near(&query, &options(10, -1.0)).unwrap();
        damage(&path, sql);
        let store = Store::open(&path).unwrap();
        assert!(problems(&store).contains(problem), "{sql}: {}", problems(&store));
        let report = store.verify(true).unwrap();
        assert!(report.repaired.iter().any(|r| r.starts_with(repaired)), "{sql}: {report:?}");
        assert_eq!(problems(&store), "", "{sql}");
        for index in [Index::Auto, Index::Vec0, Index::Rows] {
            let hits = store.near(&query, &SearchOptions { index, ..options(10, -1.0) }).unwrap();
            assert_eq!(ids(&hits), ids(&wanted), "{sql}");
        }
        let words = store.search(&Query::Words("number"), &options(100, -1.0)).unwrap();
        assert_eq!(words.hits.len(), 50, "{sql}");
    }
}

#[test]
fn a_damaged_index_never_gives_a_wrong_answer() {
    let query = [0.1, 0.2, -0.3, 0.4];
    for sql in [
        "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'vec_embeddings'",
        "DROP TABLE vec_embeddings_chunks",
        "DELETE FROM vec_embeddings_chunks",
        "UPDATE vec_embeddings_vector_chunks00 SET vectors = zeroblob(length(vectors))",
        "UPDATE vec_embeddings_vector_chunks00 SET vectors = x'00'",
        "UPDATE vec_embeddings_chunks SET validity = zeroblob(length(validity))",
        "DELETE FROM embeddings WHERE key = 5",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        filled(&path, 50);
        damage(&path, sql);
        let store = Store::open(&path).unwrap();
        let right = store.near(&query, &SearchOptions { index: Index::Rows, ..options(60, -1.0) }).unwrap();
        match store.near(&query, &SearchOptions { index: Index::Vec0, ..options(60, -1.0) }) {
            Ok(hits) => assert_eq!(ids(&hits), ids(&right), "{sql}"),
            Err(e) => assert!(e.code() == Code::Store && e.message().contains("vec_embeddings"), "{sql}: {e}"),
        }
    }
}

#[test]
fn a_missing_vec_table_is_built_by_the_next_put() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    filled(&path, 20);
    damage(&path, "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'vec_embeddings'");
    let store = Store::open(&path).unwrap();
    store.put(&[record("new", "t", &[1.0, 2.0, 3.0, 4.0])]).unwrap();
    assert_eq!(problems(&store), "");
    assert_eq!(store.near(&[1.0; 4], &SearchOptions { index: Index::Vec0, ..options(100, -1.0) }).unwrap().len(), 21);
}

#[test]
fn a_damaged_page_is_an_error_or_the_right_answer() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole.db");
    filled(&whole, 400);
    let bytes = fs::read(&whole).unwrap();
    let query = [0.1, 0.2, -0.3, 0.4];
    let right = Store::open(&whole).unwrap().near(&query, &options(10, -1.0)).unwrap();
    let path = directory.path().join("damaged.db");
    let mut found = 0;
    for page in 1..bytes.len() / 16384 {
        let mut damaged = bytes.clone();
        damaged[page * 16384..page * 16384 + 4].fill(0xa5);
        fs::write(&path, damaged).unwrap();
        if let Ok(store) = Store::open(&path) {
            for index in [Index::Rows, Index::Vec0] {
                match store.near(&query, &SearchOptions { index, ..options(10, -1.0) }) {
                    Ok(hits) => assert_eq!(ids(&hits), ids(&right), "page {page}"),
                    Err(e) => assert_eq!(e.code(), Code::Store, "page {page}: {e}"),
                }
            }
            found += usize::from(store.verify(false).map_or(true, |report| !report.problems.is_empty()));
        } else {
            found += 1;
        }
        for beside in ["damaged.db-wal", "damaged.db-shm"] {
            let _ = fs::remove_file(directory.path().join(beside));
        }
    }
    assert!(found > 3, "only {found} damaged pages were noticed");
}

#[test]
fn a_file_that_something_else_in_this_process_has_open_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    filled(&path, 3);
    let other = fs::File::open(&path).unwrap();
    refused(Store::open(&path), Code::Store, "open in this process already");
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    refused(Store::open(&link), Code::Store, "another copy of SQLite");
    drop(other);
    let store = Store::open(&path).unwrap();
    assert_eq!(Store::open(&link).unwrap().all(), store.all());
}

#[test]
fn a_file_that_was_replaced_or_removed_is_not_used_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (directory.path().join("a.db"), directory.path().join("b.db"));
    filled(&path, 3);
    filled(&other, 2);
    let store = Store::open(&path).unwrap();
    fs::rename(&other, &path).unwrap();
    refused(store.put(&[record("x", "t", &[1.0])]), Code::Store, "replaced by another");
    refused(store.near(&[1.0], &options(1, -1.0)), Code::Store, "replaced by another");
    refused(store.count("", None), Code::Store, "replaced by another");
    fs::remove_file(&path).unwrap();
    refused(store.count("", None), Code::Store, "removed or renamed");
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_half_written() {
    let directory = tempfile::tempdir().unwrap();
    let size = "size=12m";
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", size, "tmpfs"])
        .arg(directory.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        println!("skipped: mounting a small file system takes root");
        return;
    }
    let path = directory.path().join("a.db");
    let rows = vectors(100, 384, 3);
    let names: Vec<String> = (0..10_000).map(|i| i.to_string()).collect();
    let result = std::panic::catch_unwind(|| {
        let store = Store::open(&path).unwrap();
        let mut stored = 0;
        let error = loop {
            let batch = names[stored..stored + 20].iter().zip(&rows);
            match store.put(&batch.map(|(name, v)| record(name, "a text", v)).collect::<Vec<_>>()) {
                Ok(_) => stored += 20,
                Err(e) => break e,
            }
        };
        assert!(error.code() == Code::Store && error.message().contains("full"), "{error}");
        assert!(stored > 0);
        assert_eq!(store.all(), stored as u64);
        assert_eq!(store.near(&rows[0], &options(10_000, -1.0)).unwrap().len(), stored);
        drop(store);
        assert_eq!(Store::open(&path).unwrap().all(), stored as u64);
    });
    let unmounted = std::process::Command::new("umount").arg(directory.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    result.unwrap();
}

#[test]
fn a_backup_is_of_one_moment_and_whole_while_writes_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    filled(&path, 500);
    let store = Store::open(&path).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 0..100 {
                let id = format!("w{i}");
                // Two rows in one transaction: a copy has both or none.
                store.put(&[record(&id, "t", &[1.0; 4]), Record { chunk: 1, ..record(&id, "t", &[1.0; 4]) }]).unwrap();
            }
        });
        for i in 0..5 {
            let to = directory.path().join(format!("copy{i}.db"));
            store.backup(&to).unwrap();
            let copy = Store::open(&to).unwrap();
            assert_eq!(copy.verify(false).unwrap().problems, Vec::<String>::new());
            assert_eq!(copy.all() % 2, 1);
        }
        writer.join().unwrap();
    });
    refused(store.backup(&directory.path().join("copy0.db")), Code::InvalidArgument, "is there already");
    refused(store.backup(&directory.path().join("no/copy.db")), Code::Store, "no/copy.db");
}

#[test]
fn optimize_gives_the_space_of_deleted_rows_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Store::open(&path).unwrap();
    let rows = vectors(4000, 384, 3);
    let names: Vec<String> = (0..4000).map(|i| i.to_string()).collect();
    store.put(&rows.iter().zip(&names).map(|(v, n)| record(n, "some text", v)).collect::<Vec<_>>()).unwrap();
    store.optimize().unwrap();
    let before = fs::metadata(&path).unwrap().len();
    let gone: Vec<String> = names[..2000].iter().map(|n| store.one(n).unwrap().id).collect();
    assert_eq!(store.delete_ids(&gone.iter().map(String::as_str).collect::<Vec<_>>()).unwrap(), 2000);
    let right = store.near(&rows[3000], &options(10, -1.0)).unwrap();
    store.optimize().unwrap();
    let after = fs::metadata(&path).unwrap().len();
    assert!(after < before * 6 / 10, "{before} bytes, then {after}");
    assert_eq!(problems(&store), "");
    let index = Index::Vec0;
    assert_eq!(ids(&store.near(&rows[3000], &SearchOptions { index, ..options(10, -1.0) }).unwrap()), ids(&right));
}
