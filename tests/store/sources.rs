//! A source's chunks are put as a whole: what it has no more is gone.

use qntx_embed::{Code, Outcome, Record, Store};

use super::{Short, memory, options, record, refused};

fn part<'a>(source_id: &'a str, chunk: u32, text: &'a str, vector: &'a [f32]) -> Record<'a> {
    let start = u64::from(chunk) * 100;
    Record { chunk, chunk_start: start, chunk_end: start + 100, ..record(source_id, text, vector) }
}

fn chunks(store: &Store, source_id: &str) -> Vec<(u32, String)> {
    let rows = store.get_source("note", source_id, "f").unwrap();
    rows.into_iter().map(|row| (row.chunk, row.text)).collect()
}

#[test]
fn chunks_that_a_source_has_no_more_are_deleted() {
    let store = memory();
    let (a, b, c) = ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0]);
    let first = [part("x", 1, "one", &a), part("x", 2, "two", &b), part("x", 3, "three", &c), part("y", 3, "y", &a)];
    let (outcomes, deleted) = store.put_sources(&first).unwrap();
    assert_eq!((outcomes, deleted), (vec![Outcome::Inserted; 4], 0));
    let id = store.get_source("note", "x", "f").unwrap()[1].id.clone();

    let second = [part("x", 1, "one", &[]), part("x", 2, "two and three", &c)];
    let (outcomes, deleted) = store.put_sources(&second).unwrap();
    assert_eq!((outcomes, deleted), (vec![Outcome::Unchanged, Outcome::Replaced], 1));
    assert_eq!(chunks(&store, "x"), [(1, "one".into()), (2, "two and three".into())]);
    assert_eq!(store.get_source("note", "x", "f").unwrap()[1].id, id);
    assert_eq!(chunks(&store, "y"), [(3, "y".into())]);

    // As a whole again.
    let (outcomes, deleted) = store.put_sources(&[record("x", "all of it", &a)]).unwrap();
    assert_eq!((outcomes, deleted), (vec![Outcome::Inserted], 2));
    assert_eq!(chunks(&store, "x"), [(0, "all of it".into())]);
    assert_eq!(store.near(&a, &options(10, -1.0)).unwrap().len(), 2);
    assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
    assert_eq!(store.put_sources(&[]).unwrap(), (vec![], 0));
}

#[test]
fn other_models_and_kinds_of_sources_keep_their_chunks() {
    let store = memory();
    let other_model = Record { fingerprint: "g", ..part("x", 2, "two", &[1.0]) };
    let other_kind = Record { source_type: "mail", ..part("x", 2, "two", &[1.0]) };
    store.put(&[other_model, other_kind, part("x", 2, "two", &[1.0])]).unwrap();
    assert_eq!(store.put_sources(&[part("x", 1, "one", &[1.0])]).unwrap().1, 1);
    assert_eq!(store.get_source("note", "x", "g").unwrap().len(), 1);
    assert_eq!(store.get_source("mail", "x", "f").unwrap().len(), 1);
}

#[test]
fn a_source_that_is_refused_keeps_its_chunks() {
    let store = memory();
    store.put_sources(&[part("x", 1, "one", &[1.0]), part("x", 2, "two", &[1.0])]).unwrap();
    let wrong = [part("x", 1, "other", &[1.0]), part("y", 1, "new", &[])];
    refused(store.put_sources(&wrong), Code::Dimensions, "record 1: a vector of 0 dimensions");
    assert_eq!(chunks(&store, "x"), [(1, "one".into()), (2, "two".into())]);
}
