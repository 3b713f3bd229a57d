//! The store from the outside: what is put is found, in the right order, and nothing is half-written.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod faults;
mod filter;
mod kill;
mod migrate;
mod readonly;
mod resident;
mod search;
mod sources;
mod speed;

use std::path::Path;

use qntx_embed::{Code, Error, Hit, Outcome, Query, Record, Row, SearchOptions, Store, blob};

fn memory() -> Store {
    Store::open(Path::new(":memory:")).unwrap()
}

fn record<'a>(source_id: &'a str, text: &'a str, vector: &'a [f32]) -> Record<'a> {
    Record { source_type: "note", source_id, text, model: "m", fingerprint: "f", vector, ..Record::default() }
}

fn options(limit: usize, threshold: f32) -> SearchOptions<'static> {
    SearchOptions { fingerprint: "f", limit, threshold, ..SearchOptions::default() }
}

fn ids(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|h| h.row.source_id.as_str()).collect()
}

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as u32
    }

    /// From 0 to `end`, without it.
    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// From -0.5 to 0.5.
    fn float(&mut self) -> f32 {
        self.next() as f32 / (1u32 << 31) as f32 - 0.5
    }
}

fn vectors(count: usize, dimensions: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut random = Random(seed);
    (0..count).map(|_| (0..dimensions).map(|_| random.float()).collect()).collect()
}

/// What the tests ask most, in short.
trait Short {
    fn near(&self, query: &[f32], options: &SearchOptions<'_>) -> Result<Vec<Hit>, Error>;
    fn one(&self, source_id: &str) -> Option<Row>;
    fn all(&self) -> u64;
}

impl Short for Store {
    fn near(&self, query: &[f32], options: &SearchOptions<'_>) -> Result<Vec<Hit>, Error> {
        self.search(&Query::Vector(query), options).map(|found| found.hits)
    }

    fn one(&self, source_id: &str) -> Option<Row> {
        self.get_source("note", source_id, "f").unwrap().into_iter().next()
    }

    fn all(&self) -> u64 {
        self.count("", None).unwrap()
    }
}

#[test]
fn rows_come_in_the_order_of_brute_force() {
    for dimensions in [384, 32] {
        let store = memory();
        let rows = vectors(500, dimensions, 1);
        let names: Vec<String> = (0..rows.len()).map(|i| i.to_string()).collect();
        let records: Vec<Record> = rows.iter().zip(&names).map(|(v, n)| record(n, n, v)).collect();
        store.put(&records).unwrap();
        for query in vectors(5, dimensions, 2) {
            let mut wanted: Vec<(f32, &str)> =
                rows.iter().zip(&names).map(|(v, n)| (blob::similarity(&query, v).unwrap(), n.as_str())).collect();
            wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
            let hits = store.near(&query, &options(20, -1.0)).unwrap();
            assert_eq!(ids(&hits), wanted[..20].iter().map(|w| w.1).collect::<Vec<_>>());
            for (hit, wanted) in hits.iter().zip(&wanted) {
                assert!((hit.similarity - wanted.0).abs() < 1e-5);
                assert!((1.0 - hit.distance * hit.distance / 2.0 - hit.similarity).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn an_empty_store_finds_nothing() {
    assert!(memory().near(&[1.0; 384], &options(10, -1.0)).unwrap().is_empty());
    assert!(memory().near(&[1.0; 7], &options(10, -1.0)).unwrap().is_empty());
}

#[test]
fn the_threshold_is_a_cosine() {
    let store = memory();
    let turned = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
    let rows: Vec<[f32; 2]> = [0.0, 30.0, 60.0, 90.0, 180.0].map(turned).to_vec();
    let names = ["0", "30", "60", "90", "180"];
    let records: Vec<Record> = rows.iter().zip(names).map(|(v, n)| record(n, n, v)).collect();
    store.put(&records).unwrap();
    let found = |threshold| store.near(&[2.0, 0.0], &options(10, threshold)).unwrap();
    assert_eq!(ids(&found(-1.0)), names);
    assert_eq!(ids(&found(0.49)), ["0", "30", "60"]);
    assert_eq!(ids(&found(0.87)), ["0"]);
    assert!((found(-1.0)[1].similarity - 3f32.sqrt() / 2.0).abs() < 1e-6);
    assert!((found(-1.0)[4].similarity + 1.0).abs() < 1e-6);
}

#[test]
fn putting_again_replaces_and_keeps_id_and_creation_time() {
    let store = memory();
    let put = |text, vector: &[f32]| store.put(&[record("1", text, vector)]).unwrap()[0];
    let get = || store.one("1").unwrap();
    assert_eq!(put("old", &[1.0, 0.0]), Outcome::Inserted);
    let first = get();
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(put("new", &[0.0, 1.0]), Outcome::Replaced);
    let second = get();
    assert_eq!((&first.id, &first.created_at), (&second.id, &second.created_at));
    assert!(second.updated_at > first.updated_at);
    assert_eq!((second.text.as_str(), second.vector.as_slice()), ("new", &[0.0, 1.0][..]));
    assert_eq!(put("new", &[0.0, 1.0]), Outcome::Unchanged);
    assert_eq!(get().updated_at, second.updated_at);
    let hits = store.near(&[0.0, 1.0], &options(10, -1.0)).unwrap();
    assert_eq!((hits.len(), hits[0].similarity), (1, 1.0));
    assert_eq!(store.all(), 1);
}

#[test]
fn deleting_takes_the_row_out_of_the_search_and_a_missing_one_is_no_error() {
    let store = memory();
    store.put(&[record("1", "a", &[1.0, 0.0]), record("2", "b", &[0.9, 0.1])]).unwrap();
    assert_eq!(store.delete_source("note", "1").unwrap(), 1);
    assert_eq!(store.delete_source("note", "1").unwrap(), 0);
    assert!(store.one("1").is_none());
    assert_eq!(ids(&store.near(&[1.0, 0.0], &options(10, -1.0)).unwrap()), ["2"]);
}

#[test]
fn models_do_not_see_each_other() {
    let store = memory();
    let of = |fingerprint, vector| Record { fingerprint, ..record("1", "t", vector) };
    store.put(&[of("f", &[1.0, 0.0]), of("g", &[1.0, 0.1]), of("h", &[1.0, 0.0, 0.0])]).unwrap();
    assert_eq!(store.all(), 3);
    let hits = store.near(&[1.0, 0.0], &options(10, -1.0)).unwrap();
    assert_eq!(hits.iter().map(|h| h.row.fingerprint.as_str()).collect::<Vec<_>>(), ["f"]);
    assert_eq!(store.delete_source("note", "1").unwrap(), 3);
}

#[track_caller]
fn refused<T>(result: Result<T, Error>, code: Code, part: &str) {
    let e = result.err().expect("an error");
    assert_eq!(e.code(), code, "{e}");
    assert!(e.message().contains(part), "'{part}' is not in: {e}");
}

#[test]
fn what_cannot_be_compared_never_enters_and_takes_its_batch_with_it() {
    let store = memory();
    let good = [1.0, 2.0];
    let bad: [(&[f32], Code, &str); 5] = [
        (&[1.0, f32::NAN], Code::InvalidArgument, "component 1"),
        (&[f32::INFINITY, 0.0], Code::InvalidArgument, "component 0"),
        (&[0.0, -0.0], Code::InvalidArgument, "zero"),
        (&[], Code::Dimensions, "0 dimensions"),
        (&[1.0; 8193], Code::Dimensions, "8193"),
    ];
    for (vector, code, part) in bad {
        refused(store.put(&[record("good", "t", &good), record("bad", "t", vector)]), code, part);
        refused(store.near(vector, &options(1, 0.0)), code, part);
    }
    refused(store.put(&[record("", "t", &good)]), Code::InvalidArgument, "source_id is empty");
    refused(store.put(&[record("1", "", &good)]), Code::EmptyText, "record 0");
    refused(store.near(&good, &options(0, 0.0)), Code::InvalidArgument, "limit 0");
    refused(store.near(&good, &options(10_001, 0.0)), Code::InvalidArgument, "limit 10001");
    refused(store.near(&good, &options(1, 1.5)), Code::InvalidArgument, "threshold 1.5");
    refused(store.near(&good, &options(1, f32::NAN)), Code::InvalidArgument, "threshold NaN");
    assert_eq!(store.all(), 0);
}

#[test]
fn a_text_may_have_anything_in_it() {
    let store = memory();
    let text = "NUL\0 inside, ' quote, 😀, \u{202e}, ); DROP TABLE embeddings; --";
    store.put(&[record("x\0y", text, &[1.0])]).unwrap();
    assert_eq!(store.one("x\0y").unwrap().text, text);
    assert!(store.one("x").is_none());
}

#[test]
fn a_file_keeps_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let query = vectors(1, 384, 9).remove(0);
    let before = {
        let store = Store::open(&path).unwrap();
        let rows = vectors(50, 384, 3);
        let names: Vec<String> = (0..50).map(|i| format!("{i:02}")).collect();
        store.put(&rows.iter().zip(&names).map(|(v, n)| record(n, n, v)).collect::<Vec<_>>()).unwrap();
        store.near(&query, &options(10, -1.0)).unwrap()
    };
    let after = Store::open(&path).unwrap().near(&query, &options(10, -1.0)).unwrap();
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
}

#[test]
fn two_stores_on_one_file_see_each_others_rows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let (a, b) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
    std::thread::scope(|scope| {
        for (store, name) in [(&a, "a"), (&b, "b")] {
            scope.spawn(move || {
                for i in 0..20 {
                    store.put(&[record(&format!("{name}{i}"), "t", &[1.0, i as f32])]).unwrap();
                }
            });
        }
    });
    assert_eq!((a.all(), b.all()), (40, 40));
    assert_eq!(a.near(&[1.0, 0.0], &options(100, -1.0)).unwrap().len(), 40);
}

#[test]
fn a_newer_or_foreign_file_is_refused_and_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let newer = directory.path().join("newer.db");
    drop(Store::open(&newer).unwrap());
    let connection = rusqlite::Connection::open(&newer).unwrap();
    connection.execute("INSERT INTO qntx_embed_migrations VALUES (9999, 'x', 'y', 'z')", []).unwrap();
    connection.pragma_update(None, "journal_mode", "DELETE").unwrap();
    drop(connection);
    let before = std::fs::read(&newer).unwrap();
    refused(Store::open(&newer), Code::StoreVersion, "schema 9999");
    assert_eq!(std::fs::read(&newer).unwrap(), before);

    let foreign = directory.path().join("foreign.db");
    std::fs::write(&foreign, vec![7u8; 8192]).unwrap();
    refused(Store::open(&foreign), Code::Store, "the file is something else");
    assert_eq!(std::fs::read(&foreign).unwrap(), vec![7u8; 8192]);

    refused(Store::open(&directory.path().join("no/such/dir.db")), Code::Store, "does its directory exist");
}

#[test]
fn a_database_of_another_program_keeps_its_tables() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE attestations (id TEXT); INSERT INTO attestations VALUES ('x')").unwrap();
    drop(connection);
    Store::open(&path).unwrap().put(&[record("1", "t", &[1.0])]).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let rows: u32 = connection.query_row("SELECT count(*) FROM attestations", [], |r| r.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn the_length_of_a_vector_does_not_matter() {
    let store = memory();
    store.put(&[record("short", "t", &[1e-30, 0.0]), record("long", "t", &[1e30, 1e30])]).unwrap();
    for scale in [1e-30, 1.0, 1e38] {
        let hits = store.near(&[scale, 0.0], &options(10, -1.0)).unwrap();
        assert_eq!(ids(&hits), ["short", "long"]);
        assert!((hits[0].similarity - 1.0).abs() < 1e-6 && (hits[1].similarity - 0.5f32.sqrt()).abs() < 1e-6);
    }
}

#[test]
fn a_new_file_may_be_opened_by_many_at_once() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| Store::open(&path).unwrap());
            }
        });
    }
}
