//! Moving a store to another model: nothing is lost, whatever happens meanwhile, and old rows answer to the end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{fixture, options};
use qntx_embed::{
    CancelToken, Code, EmbedOptions, Embedder, ListOptions, Prompt, Query, Record, ReindexOptions, Reindexed, Row,
    SearchOptions, Store, reindex,
};

fn memory() -> Store {
    Store::open(Path::new(":memory:")).unwrap()
}

fn model() -> Embedder {
    Embedder::open(&fixture("mpnet"), &options()).unwrap()
}

fn old<'a>(source_id: &'a str, text: &'a str) -> Record<'a> {
    Record {
        source_type: "note",
        source_id,
        text,
        model: "old",
        fingerprint: "old",
        vector: &[1.0, 2.0, 3.0],
        metadata: r#"{"kind":"test"}"#,
        ..Record::default()
    }
}

/// Puts sources "0000", "0001", … of one text each.
fn fill(store: &Store, count: usize) {
    let names: Vec<String> = (0..count).map(|i| format!("{i:04}")).collect();
    let texts: Vec<String> = names.iter().map(|name| format!("the text of number {name}")).collect();
    let records: Vec<Record> = names.iter().zip(&texts).map(|(name, text)| old(name, text)).collect();
    store.put(&records).unwrap();
}

fn rows(store: &Store, fingerprint: &str) -> Vec<Row> {
    store.list(&ListOptions { fingerprint, limit: 10_000, ..ListOptions::default() }).unwrap()
}

fn text_of(store: &Store, model: &Embedder, source_id: &str) -> Option<String> {
    let mut found = store.get_source("note", source_id, &model.info().fingerprint).unwrap();
    assert!(found.len() < 2);
    found.pop().map(|row| row.text)
}

/// Whether rows have the vectors of their texts.
fn check_vectors(model: &Embedder, rows: &[Row]) {
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let document = EmbedOptions { prompt: Prompt::Named("document"), ..EmbedOptions::default() };
    for (row, embedding) in rows.iter().zip(model.embed_batch(&texts, &document).unwrap()) {
        assert_eq!((row.vector.as_slice(), row.model.as_str()), (embedding.vector(), "mpnet"), "{}", row.source_id);
    }
}

#[test]
fn each_row_gets_the_new_models_vector_and_keeps_all_else() {
    let (store, model) = (memory(), model());
    fill(&store, 700);
    store
        .put(&[
            Record { chunk: 3, chunk_start: 5, chunk_end: 9, ..old("chunked", "part") },
            old("long", &"word ".repeat(300)),
        ])
        .unwrap();
    let before = rows(&store, "old");
    let report = reindex(&store, &model, &ReindexOptions::default()).unwrap();
    assert_eq!(report, Reindexed { embedded: 702, truncated: 1, deleted: 702 });
    let after = rows(&store, "");
    check_vectors(&model, &after);
    let kept = |row: &Row| Row {
        vector: Vec::new(),
        dimensions: 0,
        model: String::new(),
        fingerprint: String::new(),
        updated_at: String::new(),
        ..row.clone()
    };
    assert_eq!(after.iter().map(kept).collect::<Vec<_>>(), before.iter().map(kept).collect::<Vec<_>>());
    assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
    // There is nothing to do any more.
    assert_eq!(reindex(&store, &model, &ReindexOptions::default()).unwrap(), Reindexed::default());
    assert_eq!(rows(&store, "").len(), 702);
}

#[test]
fn old_rows_answer_until_the_switch_and_stay_where_they_are_kept() {
    let (store, model) = (memory(), model());
    fill(&store, 600);
    let search = |fingerprint: &str, vector: &[f32]| {
        let options = SearchOptions { fingerprint, limit: 1000, ..SearchOptions::default() };
        store.search(&Query::Vector(vector), &options).unwrap().hits.len()
    };
    let told = RefCell::new(Vec::new());
    let progress = |done, total| {
        assert_eq!(search("old", &[1.0, 1.0, 1.0]), 600);
        told.borrow_mut().push((done, total));
    };
    let keep = ReindexOptions { keep_old: true, progress: Some(&progress), ..ReindexOptions::default() };
    assert_eq!(reindex(&store, &model, &keep).unwrap(), Reindexed { embedded: 600, truncated: 0, deleted: 0 });
    assert_eq!(*told.borrow(), [(0, 600), (256, 600), (512, 600), (600, 600)]);
    let query = model.embed("the text of number 0042", &EmbedOptions::default()).unwrap();
    assert_eq!((search("old", &[1.0, 1.0, 1.0]), search(&model.info().fingerprint, query.vector())), (600, 600));

    let report = reindex(&store, &model, &ReindexOptions::default()).unwrap();
    assert_eq!(report, Reindexed { embedded: 0, truncated: 0, deleted: 600 });
    assert_eq!((search("old", &[1.0, 1.0, 1.0]), search(&model.info().fingerprint, query.vector())), (0, 600));
    assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_cancelled_move_goes_on_where_it_was() {
    let (store, model) = (memory(), model());
    fill(&store, 600);
    let cancel = CancelToken::new();
    let progress = |done, _| {
        if done >= 256 {
            cancel.cancel();
        }
    };
    let stopped = ReindexOptions { cancel: Some(&cancel), progress: Some(&progress), ..ReindexOptions::default() };
    let error = reindex(&store, &model, &stopped).unwrap_err();
    assert_eq!(error.code(), Code::Cancelled);
    assert!(error.message().contains("256 of 600"), "{error}");
    assert_eq!(rows(&store, "old").len(), 600);

    let first = Cell::new(None);
    let progress = |done, total| first.set(first.get().or(Some((done, total))));
    let again = ReindexOptions { progress: Some(&progress), ..ReindexOptions::default() };
    assert_eq!(reindex(&store, &model, &again).unwrap(), Reindexed { embedded: 344, truncated: 0, deleted: 600 });
    assert_eq!(first.get(), Some((256, 600)));
    check_vectors(&model, &rows(&store, ""));
}

#[test]
fn what_is_written_meanwhile_is_not_lost() {
    let (store, model) = (memory(), model());
    fill(&store, 600);
    let part = |chunk, text| Record { chunk, ..old("parts", text) };
    store.put(&[part(1, "one"), part(2, "two"), part(3, "three")]).unwrap();
    let id_of = |source: &str| store.get_source("note", source, "old").unwrap()[0].id.clone();
    let (by_id, kept_id) = (id_of("0001"), id_of("0002"));
    let fingerprint = model.info().fingerprint.clone();
    let document = EmbedOptions { prompt: Prompt::Named("document"), ..EmbedOptions::default() };
    let mine = model.embed("the new model's own", &document).unwrap();
    let progress = |done, _| match done {
        // The first ones are done, the last ones are not.
        256 => {
            store.put(&[old("0002", "changed after it was done"), old("0500", "changed before it was done")]).unwrap();
            store.put(&[Record { metadata: r#"{"kind":"other"}"#, ..old("0003", "the text of number 0003") }]).unwrap();
            store.put(&[old("new", "a new one")]).unwrap();
            assert_eq!(store.delete_ids(&[&by_id]).unwrap(), 1);
            assert_eq!(store.delete_source("note", "0004").unwrap(), 2);
            assert_eq!(store.delete_source("note", "0501").unwrap(), 1);
            let copy = store.get_source("note", "0006", &fingerprint).unwrap()[0].id.clone();
            assert_eq!(store.delete_ids(&[&copy]).unwrap(), 1);
            let record = |source_id| Record {
                model: "mpnet",
                fingerprint: &fingerprint,
                vector: mine.vector(),
                ..old(source_id, "the new model's own")
            };
            store.put(&[record("0005"), record("0502"), record("alone")]).unwrap();
        }
        // All are done.
        n if n >= 603 && store.get_source("note", "parts", "old").unwrap().len() == 3 => {
            store.put_sources(&[part(1, "one and two")]).unwrap();
        }
        _ => {}
    };
    let report =
        reindex(&store, &model, &ReindexOptions { progress: Some(&progress), ..ReindexOptions::default() }).unwrap();
    assert!(report.embedded >= 603, "{report:?}");

    let text = |source| text_of(&store, &model, source);
    assert_eq!(text("0002").as_deref(), Some("changed after it was done"));
    assert_eq!(text("0500").as_deref(), Some("changed before it was done"));
    assert_eq!(text("new").as_deref(), Some("a new one"));
    assert_eq!(text("parts").as_deref(), Some("one and two"));
    for source in ["0005", "0502", "alone"] {
        assert_eq!(text(source).as_deref(), Some("the new model's own"));
    }
    for source in ["0001", "0004", "0501", "0006"] {
        assert_eq!(text(source), None, "{source} was deleted");
    }
    let other = store.get_source("note", "0003", "").unwrap();
    assert_eq!(other[0].metadata, r#"{"kind":"other"}"#);
    assert_eq!(store.get_source("note", "0002", "").unwrap()[0].id, kept_id);
    assert_eq!(rows(&store, "").len(), 600 - 4 + 3);
    assert_eq!(rows(&store, &fingerprint).len(), 599);
    check_vectors(&model, &rows(&store, ""));
    assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
}

#[test]
fn of_several_models_the_row_that_was_written_last_is_taken() {
    let (store, model) = (memory(), model());
    let of = |fingerprint, text, vector| Record { fingerprint, model: fingerprint, vector, ..old("1", text) };
    store.put(&[of("unknown", "first", &[1.0])]).unwrap();
    store.put(&[of("a", "second", &[1.0, 2.0])]).unwrap();
    store.put(&[of("b", "third", &[1.0, 2.0, 3.0])]).unwrap();
    store.put(&[of("a", "fourth", &[1.0, 2.0])]).unwrap();
    let unknown = Record { fingerprint: "unknown", model: "", ..old("2", "of nobody knows whom") };
    store.put(&[unknown]).unwrap();
    let report = reindex(&store, &model, &ReindexOptions::default()).unwrap();
    assert_eq!(report, Reindexed { embedded: 2, truncated: 0, deleted: 4 });
    assert_eq!(text_of(&store, &model, "1").as_deref(), Some("fourth"));
    assert_eq!(text_of(&store, &model, "2").as_deref(), Some("of nobody knows whom"));
    check_vectors(&model, &rows(&store, ""));
}

#[test]
fn an_empty_store_is_moved_at_once() {
    let (store, model) = (memory(), model());
    assert_eq!(reindex(&store, &model, &ReindexOptions::default()).unwrap(), Reindexed::default());
    let wrong = ReindexOptions { prompt: Prompt::Named("nonsense"), ..ReindexOptions::default() };
    fill(&store, 1);
    assert_eq!(reindex(&store, &model, &wrong).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(rows(&store, "old").len(), 1);
}

const KILLED_ROWS: usize = 2000;

/// Not a test: what the killed process does. It says on stdout how far it is.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn reindex_until_killed() {
    let Some(path) = std::env::var_os("QNTX_EMBED_TEST_KILL") else { return };
    let store = Store::open(path.as_ref()).unwrap();
    let progress = |done, _| writeln!(std::io::stdout(), "\ndone {done}").unwrap();
    reindex(&store, &model(), &ReindexOptions { progress: Some(&progress), ..ReindexOptions::default() }).unwrap();
    writeln!(std::io::stdout(), "\nswitched").unwrap();
}

#[test]
fn a_killed_move_has_lost_nothing_and_goes_on() {
    let times: usize = std::env::var("QNTX_EMBED_TEST_KILLS").map_or(20, |n| n.parse().unwrap());
    let mut random = u64::from(std::process::id());
    let mut below = |end: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % end
    };
    let model = model();
    let fingerprint = &model.info().fingerprint;
    let directory = tempfile::tempdir().unwrap();
    let (mut stores, mut halfway) = (0, 0);
    let new_store = |stores: &mut usize| {
        *stores += 1;
        let path = directory.path().join(format!("{stores}.db"));
        fill(&Store::open(&path).unwrap(), KILLED_ROWS);
        (path, 0)
    };
    let (mut path, mut known) = new_store(&mut stores);
    for round in 0..times {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "reindex_until_killed", "--ignored", "--nocapture"])
            .env("QNTX_EMBED_TEST_KILL", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Some batches, and some of the next.
        let mut wanted = below(4) + 1;
        let mut told = known;
        // Kept until the process is killed, which would otherwise end by what it cannot say.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        for line in lines.by_ref() {
            if let Some(done) = line.strip_prefix("done ") {
                told = told.max(done.parse().unwrap());
                wanted -= 1;
                if wanted == 0 {
                    break;
                }
            }
        }
        std::thread::sleep(Duration::from_micros(below(60_000)));
        child.kill().unwrap();
        child.wait().unwrap();

        let store = Store::open(&path).unwrap();
        assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new(), "round {round}");
        let count = |fingerprint: &str| store.count(fingerprint, None).unwrap() as usize;
        let (old, new) = (count("old"), count(fingerprint));
        assert!(new >= told, "round {round}: {told} were told to be done, {new} are");
        if old == 0 {
            assert_eq!(new, KILLED_ROWS, "round {round}");
            drop(store);
            (path, known) = new_store(&mut stores);
        } else {
            assert_eq!(old, KILLED_ROWS, "round {round}");
            halfway += usize::from(new > 0 && new < KILLED_ROWS);
            known = new;
        }
    }
    assert!(halfway > times / 4, "only {halfway} of {times} kills came halfway");

    let store = Store::open(&path).unwrap();
    reindex(&store, &model, &ReindexOptions::default()).unwrap();
    let rows = rows(&store, "");
    assert_eq!(rows.len(), KILLED_ROWS);
    check_vectors(&model, &rows);
    assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
}
