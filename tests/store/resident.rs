//! The resident index beside the others and brute force, while rows come, change and go, from here and from elsewhere.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use qntx_embed::{After, Diversity, Filter, Found, Index, Query, Record, SearchOptions, Store, StoreOptions};

use super::search::distance;
use super::{Random, memory, options, record, vectors};

const INDEXES: [Index; 4] = [Index::Auto, Index::Rows, Index::Vec0, Index::Resident];

/// What names a row: source, chunk and fingerprint.
type Name = (String, u32, &'static str);

/// What a row has beside that.
struct Row {
    id: String,
    vector: Vec<f32>,
    n: usize,
}

/// What must be in the store.
#[derive(Default)]
struct Truth {
    rows: BTreeMap<Name, Row>,
    ids: usize,
}

/// What a filter says of a row.
type Passes = Box<dyn Fn(&Name, &Row) -> bool>;

/// A row as a search is to find it: distance, id, source.
type Wanted<'a> = (f32, &'a str, &'a str);

impl Truth {
    /// Puts some rows, new ones and such as are there, with other vectors, of other sizes, or with the same.
    fn put(&mut self, store: &Store, random: &mut Random) {
        let mut given = Vec::new();
        for _ in 0..=random.below(12) {
            let name = (format!("s{}", random.below(25)), random.below(3) as u32, random.one_of(&["f", "f", "f", "g"]));
            let mut vector = some_vector(random);
            let old = self.rows.get(&name);
            if let Some(old) = old.filter(|_| random.below(3) == 0) {
                vector.clone_from(&old.vector);
            }
            let id = old.map_or_else(
                || {
                    self.ids += 1;
                    format!("{:08x}-{}", random.next(), self.ids)
                },
                |old| old.id.clone(),
            );
            let row = Row { id, vector, n: random.below(4) };
            given.push((name.clone(), row.id.clone(), row.vector.clone(), format!("{{\"n\":{}}}", row.n)));
            self.rows.insert(name, row);
        }
        let records: Vec<Record> = given
            .iter()
            .map(|((source, chunk, fingerprint), id, vector, metadata)| Record {
                id,
                chunk: *chunk,
                fingerprint,
                metadata,
                ..record(source, "some text", vector)
            })
            .collect();
        store.put(&records).unwrap();
    }

    fn delete(&mut self, store: &Store, random: &mut Random) {
        let before = self.rows.len();
        let deleted = match random.below(3) {
            0 => {
                let source = format!("s{}", random.below(25));
                self.rows.retain(|name, _| name.0 != source);
                store.delete_source("note", &source).unwrap()
            }
            1 => {
                let n = random.below(4);
                let filter = format!(r#"["and",["=","metadata.n",{n}],["<","source_id","s15"]]"#);
                self.rows.retain(|name, row| row.n != n || name.0.as_str() >= "s15");
                store.delete_where(&Filter::parse(&filter).unwrap()).unwrap()
            }
            _ => {
                let ids: Vec<String> = self.rows.values().map(|row| row.id.clone()).collect();
                let some: Vec<&str> = ids.iter().filter(|_| random.below(10) == 0).map(String::as_str).collect();
                self.rows.retain(|_, row| !some.contains(&row.id.as_str()));
                store.delete_ids(&some).unwrap()
            }
        };
        assert_eq!(deleted, before - self.rows.len());
    }

    /// All rows that a query is compared with, best first.
    fn near(&self, query: &[f32], fingerprint: &str, passes: impl Fn(&Name, &Row) -> bool) -> Vec<Wanted<'_>> {
        let mut all: Vec<Wanted<'_>> = self
            .rows
            .iter()
            .filter(|(name, row)| name.2 == fingerprint && row.vector.len() == query.len() && passes(name, row))
            .map(|(name, row)| (distance(query, &row.vector), row.id.as_str(), name.0.as_str()))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        all
    }
}

/// Of few directions, so that many are equal, and of two sizes and several lengths.
fn some_vector(random: &mut Random) -> Vec<f32> {
    let dimensions = if random.below(8) == 0 { 3 } else { 5 };
    let direction = u64::from(random.next() % 12);
    let length = random.one_of(&[1.0, 1.0, 3.0, 1e-20]);
    vectors(1, dimensions, 100 + direction).remove(0).iter().map(|x| x * length).collect()
}

fn found(found: &Found) -> Vec<(f32, &str)> {
    found.hits.iter().map(|h| (h.distance, h.row.id.as_str())).collect()
}

/// A filter, and what it means.
fn some_filter(random: &mut Random) -> (String, Passes) {
    match random.below(4) {
        0 => {
            let n = random.below(5);
            (format!(r#"["<","metadata.n",{n}]"#), Box::new(move |_, row| row.n < n))
        }
        1 => (r#"["=","source_id","s7"]"#.into(), Box::new(|name, _| name.0 == "s7")),
        2 => {
            let filter = r#"["or",["=","chunk",1],["not",["in","source_id",["s1","s2","s3"]]]]"#;
            (filter.into(), Box::new(|name, _| name.1 == 1 || !["s1", "s2", "s3"].contains(&name.0.as_str())))
        }
        _ => (r#"[">","created_at","2026-01-01T00:00:00Z"]"#.into(), Box::new(|_, _| true)),
    }
}

/// One search with some options, by every index, against brute force.
fn check(store: &Store, truth: &Truth, random: &mut Random) {
    let fingerprint = random.one_of(&["f", "f", "g"]);
    let some_row = truth.rows.iter().find(|(name, _)| name.2 == fingerprint && random.below(8) == 0);
    let query = match some_row {
        Some((_, row)) => row.vector.clone(),
        None => vectors(1, if random.below(8) == 0 { 3 } else { 5 }, u64::from(random.next())).remove(0),
    };
    let (json, passes) = some_filter(random);
    let filter = (random.below(2) == 0).then(|| Filter::parse(&json).unwrap());
    let all = truth.near(&query, fingerprint, |name, row| filter.is_none() || passes(name, row));

    let threshold = random.one_of(&[-1.0, -1.0, 0.0, 0.45]);
    let grouped = random.below(3) == 0;
    let after = all.get(random.below(2 * all.len() + 1)).map(|row| After { distance: row.0, id: row.1 });
    let limit = random.one_of(&[1, 3, 10, 10_000]);
    let mut sources = HashSet::new();
    let wanted: Vec<(f32, &str)> = all
        .iter()
        .filter(|row| 1.0 - row.0 * row.0 / 2.0 >= threshold)
        .filter(|row| !grouped || sources.insert(row.2))
        .map(|row| (row.0, row.1))
        .filter(|row| after.is_none_or(|after| *row > (after.distance, after.id)))
        .take(limit)
        .collect();
    let asked = SearchOptions {
        fingerprint,
        filter: filter.as_ref(),
        after,
        group_by_source: grouped,
        ..options(limit, threshold)
    };
    for index in INDEXES {
        let given = store.search(&Query::Vector(&query), &SearchOptions { index, ..asked }).unwrap();
        assert_eq!(found(&given), wanted, "{index:?} {json} {threshold} {grouped} {after:?} {limit}");
        if index == Index::Resident && !all.is_empty() {
            let explain = &given.explain;
            assert_eq!(explain.index, "resident");
            assert_eq!(explain.compared, all.len() as u64 * u64::from(explain.rounds), "{explain:?}");
        }
    }

    let asked = SearchOptions { after: None, ..asked };
    let diversity = Some(Diversity { lambda: 0.4, candidates: 20 });
    for query in [Query::Vector(&query), Query::Both { vector: &query, words: "text" }] {
        let diversity = diversity.filter(|_| matches!(query, Query::Vector(_)));
        let by = |index| {
            let given = store.search(&query, &SearchOptions { index, diversity, ..asked }).unwrap();
            given.hits.into_iter().map(|h| (h.row.id, h.score.to_bits(), h.vector_rank)).collect::<Vec<_>>()
        };
        assert_eq!(by(Index::Resident), by(Index::Rows), "{diversity:?}");
    }
    if let Some((_, row)) = some_row {
        let all = truth.near(&row.vector, fingerprint, |_, _| true);
        let wanted: Vec<&str> = all.iter().map(|near| near.1).filter(|id| *id != row.id).take(5).collect();
        for index in INDEXES {
            let asked = SearchOptions { fingerprint, index, ..options(5, -1.0) };
            let given = store.search(&Query::Like(&row.id), &asked);
            assert_eq!(found(&given.unwrap()).iter().map(|g| g.1).collect::<Vec<_>>(), wanted, "{index:?}");
        }
    }
}

#[test]
fn it_answers_as_brute_force_whoever_writes() {
    let seeds = std::env::var("QNTX_EMBED_TEST_SEEDS").map_or(6, |n| n.parse().unwrap());
    for seed in 0..seeds {
        let mut random = Random(seed);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let stores = [Store::open(&path).unwrap(), Store::open(&path).unwrap()];
        let mut truth = Truth::default();
        for step in 0..60 {
            let store = &stores[random.below(2)];
            match random.below(10) {
                0..=5 => truth.put(store, &mut random),
                6..=8 => truth.delete(store, &mut random),
                _ => {
                    // A store that is gone again, or one in another process.
                    let source = format!("child-{step}");
                    if random.below(2) == 0 {
                        write_elsewhere(&path, &source)
                    } else {
                        in_a_process(&path, &source)
                    }
                    truth.rows.retain(|name, _| name.0 != "s1");
                    let row = Row { id: source.clone(), vector: vec![1.0, 2.0, 3.0, -4.0, 0.5], n: 1 };
                    truth.rows.insert((source, 0, "f"), row);
                }
            }
            for store in &stores {
                if random.below(3) > 0 {
                    check(store, &truth, &mut random);
                }
            }
        }
        for store in &stores {
            assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
        }
    }
}

/// Deletes a source and puts another, from a store of its own.
fn write_elsewhere(path: &Path, source: &str) {
    let store = Store::open(path).unwrap();
    store.delete_source("note", "s1").unwrap();
    let vector = [1.0, 2.0, 3.0, -4.0, 0.5];
    store.put(&[Record { id: source, metadata: r#"{"n":1}"#, ..record(source, "some text", &vector) }]).unwrap();
}

/// Not a test: what the other process does.
#[test]
#[ignore = "run by the test above, in a process of its own"]
fn write_from_another_process() {
    let variable = |name| std::env::var(name).ok();
    if let (Some(path), Some(source)) = (variable("QNTX_EMBED_TEST_PATH"), variable("QNTX_EMBED_TEST_SOURCE")) {
        write_elsewhere(path.as_ref(), &source);
    }
}

fn in_a_process(path: &Path, source: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resident::write_from_another_process", "--ignored"])
        .env("QNTX_EMBED_TEST_PATH", path)
        .env("QNTX_EMBED_TEST_SOURCE", source)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

fn filled(store: &Store, count: usize, dimensions: usize) {
    let rows = vectors(count, dimensions, 7);
    let names: Vec<String> = (0..count).map(|i| i.to_string()).collect();
    store.put(&rows.iter().zip(&names).map(|(v, n)| record(n, "t", v)).collect::<Vec<_>>()).unwrap();
}

fn by(store: &Store, index: Index) -> &'static str {
    let query = vectors(1, 16, 8).remove(0);
    store.search(&Query::Vector(&query), &SearchOptions { index, ..options(5, -1.0) }).unwrap().explain.index
}

#[test]
fn it_is_built_when_searches_are_many_enough_to_pay_for_it() {
    let store = memory();
    filled(&store, 2000, 16);
    assert_eq!(by(&store, Index::Auto), "vec0", "one search does not pay");
    assert!((2..1000).any(|_| by(&store, Index::Auto) == "resident"), "it is never built");
    let model = &store.stats().unwrap().models[0];
    assert_eq!((model.resident_rows, model.rows), (2000, 2000));
    assert!(model.resident_bytes > 2000 * 32 && model.resident_bytes < 2000 * 500, "{model:?}");
}

#[test]
fn what_has_no_room_in_memory_is_answered_by_another_index() {
    let open = |bytes| {
        Store::open_with(Path::new(":memory:"), &StoreOptions { max_resident_bytes: bytes, ..StoreOptions::default() })
            .unwrap()
    };
    let none = open(1);
    filled(&none, 500, 16);
    for _ in 0..200 {
        assert_eq!(by(&none, Index::Auto), "vec0");
    }
    assert_eq!(by(&none, Index::Resident), "vec0");

    let store = open(500_000);
    assert_eq!(store.stats().unwrap().max_resident_bytes, 500_000);
    filled(&store, 500, 16);
    assert_eq!(by(&store, Index::Resident), "resident");
    // It grows out of its room, and has room again.
    filled(&store, 5000, 16);
    assert_eq!(by(&store, Index::Resident), "vec0");
    assert_eq!(store.stats().unwrap().models[0].resident_bytes, 0);
    let many = Filter::parse(r#"[">=","source_id","2"]"#).unwrap();
    store.delete_where(&many).unwrap();
    assert_eq!(by(&store, Index::Resident), "resident");
}

#[test]
fn a_model_without_rows_takes_no_memory() {
    let store = memory();
    filled(&store, 100, 16);
    assert_eq!(by(&store, Index::Resident), "resident");
    store.delete_where(&Filter::parse(r#"["and"]"#).unwrap()).unwrap();
    assert_eq!(by(&store, Index::Resident), "vec0");
    store.optimize().unwrap();
    filled(&store, 100, 16);
    assert_eq!(by(&store, Index::Resident), "resident");
}

#[test]
fn searches_of_many_threads_see_whole_transactions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let (store, other) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
    let names: Vec<String> = (0..10).map(|i| format!("s{i}")).collect();
    let half = Filter::parse(r#"["<","source_id","s5"]"#).unwrap();
    let rows = vectors(10, 16, 3);
    let put = |store: &Store, generation: usize| {
        let text = generation.to_string();
        store.put(&names.iter().zip(&rows).map(|(n, v)| record(n, &text, v)).collect::<Vec<_>>()).unwrap();
    };
    put(&store, 0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let searchers: Vec<_> = (0..3)
            .map(|i| {
                let (store, done) = (if i == 0 { &other } else { &store }, &done);
                scope.spawn(move || {
                    let query = vectors(1, 16, 4).remove(0);
                    let (mut searches, mut newest) = (0, 0);
                    while !done.load(Ordering::Relaxed) || searches == 0 {
                        let asked = SearchOptions { index: Index::Resident, ..options(100, -1.0) };
                        let given = store.search(&Query::Vector(&query), &asked).unwrap();
                        let generation: usize = given.hits[0].row.text.parse().unwrap();
                        assert!(given.hits.iter().all(|h| h.row.text == given.hits[0].row.text));
                        assert!(given.hits.len() == 10 || given.hits.len() == 5, "{} rows", given.hits.len());
                        assert!(generation >= newest, "generation {generation} after {newest}");
                        newest = generation;
                        searches += 1;
                    }
                    searches
                })
            })
            .collect();
        for generation in 1..150 {
            let store = if generation % 5 == 0 { &other } else { &store };
            put(store, generation);
            assert_eq!(store.delete_where(&half).unwrap(), 5);
        }
        done.store(true, Ordering::Relaxed);
        for searcher in searchers {
            assert!(searcher.join().unwrap() > 0);
        }
    });
}

#[test]
fn an_older_state_that_was_copied_into_the_file_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("a.db"), directory.path().join("copy.db"));
    let store = Store::open(&path).unwrap();
    filled(&store, 50, 16);
    store.backup(&copy).unwrap();
    store.delete_source("note", "7").unwrap();
    filled(&store, 80, 16);
    assert_eq!(by(&store, Index::Resident), "resident");
    {
        let copy = rusqlite::Connection::open(&copy).unwrap();
        let mut file = rusqlite::Connection::open(&path).unwrap();
        let backup = rusqlite::backup::Backup::new(&copy, &mut file).unwrap();
        backup.run_to_completion(i32::MAX, std::time::Duration::ZERO, None).unwrap();
    }
    let query = vectors(1, 16, 8).remove(0);
    let by = |index| {
        let given = store.search(&Query::Vector(&query), &SearchOptions { index, ..options(1000, -1.0) }).unwrap();
        (given.explain.index, given.hits.into_iter().map(|h| h.row.id).collect::<Vec<_>>())
    };
    let (index, ids) = by(Index::Resident);
    assert_eq!((index, ids.len()), ("resident", 50));
    assert_eq!(ids, by(Index::Rows).1);
}

#[test]
fn a_row_that_it_cannot_take_in_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Store::open(&path).unwrap();
    filled(&store, 20, 16);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE embeddings SET metadata = '[]' WHERE key = 5", []).unwrap();
    let query = vectors(1, 16, 8).remove(0);
    let asked = SearchOptions { index: Index::Resident, ..options(5, -1.0) };
    super::refused(store.search(&Query::Vector(&query), &asked), qntx_embed::Code::Store, "row 5: metadata is no flat");
}

#[test]
fn more_equals_than_are_wanted_cost_one_round() {
    let store = memory();
    let vector = vectors(1, 16, 1).remove(0);
    let names: Vec<String> = (0..6000).map(|i| format!("{i:04}")).collect();
    store.put(&names.iter().map(|n| Record { id: n, ..record(n, "t", &vector) }).collect::<Vec<_>>()).unwrap();
    filled(&store, 100, 16);
    let asked = SearchOptions { index: Index::Resident, ..options(10, -1.0) };
    let given = store.search(&Query::Vector(&vector), &asked).unwrap();
    assert_eq!(given.hits.iter().map(|h| h.row.id.as_str()).collect::<Vec<_>>(), names[..10]);
    assert_eq!((given.explain.index, given.explain.rounds), ("resident", 1));
}

#[test]
fn a_late_page_costs_no_more_than_the_first() {
    let store = memory();
    filled(&store, 5000, 16);
    let query = vectors(1, 16, 8).remove(0);
    let asked = SearchOptions { index: Index::Resident, ..options(4000, -1.0) };
    let all = store.search(&Query::Vector(&query), &asked).unwrap().hits;
    let after = Some(After { distance: all[3499].distance, id: &all[3499].row.id });
    let page = store.search(&Query::Vector(&query), &SearchOptions { after, limit: 10, ..asked }).unwrap();
    assert_eq!(
        page.hits.iter().map(|h| &h.row.id).collect::<Vec<_>>(),
        all[3500..3510].iter().map(|h| &h.row.id).collect::<Vec<_>>()
    );
    assert!(page.explain.rounds == 1 && page.explain.rescored < 30, "{:?}", page.explain);
}
