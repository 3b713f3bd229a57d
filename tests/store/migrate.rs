//! Databases of the original system: what is adopted, what is reported, and that a failure leaves them as they were.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use qntx_embed::{Code, ListOptions, MigrateOptions, Migration, Query, Row, SearchOptions, Store, blob};
use rusqlite::{Connection, params};

use super::{Random, Short, options, record, refused, vectors};

const APPLY: MigrateOptions = MigrateOptions { apply: true, backup: None, without_backup: false };

#[derive(Clone, Debug)]
struct Old {
    id: Option<String>,
    source_type: &'static str,
    source_id: String,
    text: String,
    embedding: Vec<u8>,
    dimensions: i64,
    updated_at: String,
}

impl Old {
    fn new(id: &str, source_id: &str, text: &str, vector: &[f32]) -> Self {
        Self {
            id: Some(id.into()),
            source_type: "attestation",
            source_id: source_id.into(),
            text: text.into(),
            embedding: blob::to_bytes(vector),
            dimensions: vector.len() as i64,
            updated_at: "2025-02-03T04:05:06Z".into(),
        }
    }
}

/// The table as the original makes it.
fn make(path: &Path, rows: &[Old]) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE embeddings (
                 id TEXT PRIMARY KEY, source_type TEXT NOT NULL, source_id TEXT NOT NULL, text TEXT NOT NULL,
                 embedding FLOAT32_BLOB(384) NOT NULL, model TEXT NOT NULL, dimensions INTEGER NOT NULL,
                 created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
             CREATE INDEX idx_embeddings_source ON embeddings (source_type, source_id);
             CREATE INDEX idx_embeddings_created_at ON embeddings (created_at);",
        )
        .unwrap();
    insert(&connection, rows);
    connection
}

fn insert(connection: &Connection, rows: &[Old]) {
    for row in rows {
        connection
            .execute(
                "INSERT INTO embeddings VALUES (?1, ?2, ?3, ?4, ?5, 'MiniLM', ?6, '2025-01-01T00:00:00Z', ?7)",
                params![
                    row.id,
                    row.source_type,
                    row.source_id,
                    row.text,
                    row.embedding,
                    row.dimensions,
                    row.updated_at
                ],
            )
            .unwrap();
    }
}

/// [`make`] in one transaction.
fn make_at_once(path: &Path, rows: &[Old]) -> Connection {
    let connection = make(path, &[]);
    connection.execute_batch("BEGIN").unwrap();
    insert(&connection, rows);
    connection.execute_batch("COMMIT").unwrap();
    connection
}

/// vec0's table and its own, as they are in a file; this connection does not know vec0.
fn add_vec_table(connection: &Connection, table: &str) {
    connection
        .execute_batch(&format!(
            "CREATE TABLE {table}_chunks (chunk_id INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER NOT NULL,
                                          validity BLOB NOT NULL, rowids BLOB NOT NULL);
             CREATE TABLE {table}_rowids (rowid INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL,
                                          chunk_id INTEGER, chunk_offset INTEGER);
             CREATE TABLE {table}_vector_chunks00 (rowid PRIMARY KEY, vectors BLOB NOT NULL);
             PRAGMA writable_schema = 1;
             INSERT INTO sqlite_schema VALUES ('table', '{table}', '{table}', 0,
                 'CREATE VIRTUAL TABLE {table} USING vec0(embedding_id TEXT PRIMARY KEY, embedding FLOAT32[384])');"
        ))
        .unwrap();
}

fn all_rows(store: &Store) -> Vec<Row> {
    store.list(&ListOptions { limit: 10_000, ..ListOptions::default() }).unwrap()
}

fn note<'a>(report: &'a Migration, id: &str) -> &'a str {
    let notes: Vec<&str> = report.notes.iter().filter(|n| n.id == id).map(|n| n.note.as_str()).collect();
    assert_eq!(notes.len(), 1, "{id}: {report:?}");
    notes[0]
}

#[test]
fn an_old_database_becomes_a_store_that_keeps_texts_ids_times_and_vectors() {
    for vec_tables in [&[][..], &["vec_embeddings"], &["vec_embeddings", "vec_embeddings_all_minilm_l6_v2"]] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("old.db");
        let rows = vectors(30, 384, 7);
        let old: Vec<Old> = (0..30)
            .map(|i| Old::new(&format!("OLD{i:02}"), &format!("AS{i}"), &format!("text {i}"), &rows[i]))
            .collect();
        let connection = make(&path, &old);
        vec_tables.iter().for_each(|table| add_vec_table(&connection, table));
        drop(connection);

        let report = Store::migrate(&path, &APPLY).unwrap();
        assert_eq!((report.applied, report.rows, report.kept, report.notes.len()), (true, 30, 30, 0), "{report:?}");
        let store = Store::open(&path).unwrap();
        assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
        for (row, old) in all_rows(&store).iter().zip(&old) {
            assert_eq!((Some(&row.id), &row.text, &row.source_id), (old.id.as_ref(), &old.text, &old.source_id));
            assert_eq!((blob::to_bytes(&row.vector), row.metadata.as_str()), (old.embedding.clone(), "{}"));
            assert_eq!((row.model.as_str(), row.fingerprint.as_str()), ("MiniLM", "unknown"));
            assert_eq!(row.created_at, "2025-01-01T00:00:00.000Z");
            assert_eq!(row.updated_at, "2025-02-03T04:05:06.000Z");
        }
        // No query of a known model finds a vector of an unknown one.
        assert!(store.near(&rows[0], &options(10, -1.0)).unwrap().is_empty());
        store.put(&[record("new", "a new text", &rows[0])]).unwrap();
        assert_eq!(store.near(&rows[0], &options(10, -1.0)).unwrap().len(), 1);
        // The first known model has the table that other tools know.
        let others = Connection::open(&path).unwrap();
        let number = |sql: &str| others.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(number("SELECT number FROM embedding_spaces WHERE fingerprint = 'f'"), 1);
        assert_eq!(number("SELECT count(*) FROM sqlite_schema WHERE name GLOB 'vec_embeddings_all*'"), 0);
        let unknown = SearchOptions { fingerprint: "unknown", ..options(10, -1.0) };
        let like = store.search(&Query::Like("OLD03"), &unknown).unwrap();
        assert_eq!(like.hits.len(), 10);
        let words = store.search(&Query::Words("29"), &unknown).unwrap();
        assert_eq!(words.hits[0].row.id, "OLD29");
        store.optimize().unwrap();
        assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
    }
}

#[test]
fn what_else_is_in_the_file_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.db");
    let connection = make(&path, &[Old::new("a", "1", "one", &[1.0, 2.0]), Old::new("b", "2", "two", &[1.0, 2.0])]);
    connection
        .execute_batch(
            "CREATE TABLE projections (embedding_id TEXT PRIMARY KEY REFERENCES embeddings (id) ON DELETE CASCADE, x REAL);
             INSERT INTO projections VALUES ('a', 0.5), ('b', 0.25);
             CREATE VIEW texts AS SELECT id, text FROM embeddings;
             CREATE TABLE attestations (id TEXT); INSERT INTO attestations VALUES ('x');
             ALTER TABLE embeddings ADD COLUMN cluster_id INTEGER DEFAULT -1;",
        )
        .unwrap();
    drop(connection);
    let report = Store::migrate(&path, &APPLY).unwrap();
    assert_eq!(report.columns_left_out, ["cluster_id"]);
    drop(Store::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("SELECT count(*) FROM projections"), 2);
    assert_eq!(number("SELECT count(*) FROM texts WHERE text IN ('one', 'two')"), 2);
    assert_eq!(number("SELECT count(*) FROM attestations"), 1);
    assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_eq!(number("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%old%' OR name LIKE 'idx_emb%'"), 0);
}

#[test]
fn each_row_that_is_not_kept_as_it_was_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.db");
    let good = [0.6f32, 0.8];
    let at = |time: &str, old: Old| Old { updated_at: time.into(), ..old };
    let raw = |embedding: Vec<u8>, dimensions, old: Old| Old { embedding, dimensions, ..old };
    make(
        &path,
        &[
            Old::new("", "empty-id", "kept under a new id", &good),
            Old { id: None, ..Old::new("", "null-id", "kept too", &good) },
            at("2025-01-01T00:00:00Z", Old::new("older", "twice", "new text", &good)),
            at("2025-01-01 02:30:00+02:00", Old::new("newest", "twice", "new text", &good)),
            at("2024-12-31 23:59:59.999", Old::new("oldest", "twice", "old text", &good)),
            at("yesterday", Old::new("no-time", "when", "kept", &good)),
            raw(vec![1, 2, 3], 2, Old::new("cut", "b1", "blob of three bytes", &good)),
            raw(vec![], 2, Old::new("none", "b2", "empty blob", &good)),
            raw(blob::to_bytes(&[f32::NAN, 1.0]), 2, Old::new("nan", "b3", "not a number", &good)),
            raw(blob::to_bytes(&[0.0, 0.0]), 2, Old::new("zero", "b4", "zero", &good)),
            raw(blob::to_bytes(&good), 384, Old::new("short", "b5", "two floats, said to be 384", &good)),
            Old::new("no-text", "t", "", &good),
            Old::new("no-source", "", "a text of nothing", &good),
        ],
    );
    let report = Store::migrate(&path, &APPLY).unwrap();
    assert_eq!((report.rows, report.kept, report.duplicates, report.unusable), (13, 9, 2, 2), "{report:#?}");
    assert_eq!((report.new_ids, report.without_vector, report.notes.len()), (2, 5, 11), "{report:#?}");
    assert!(note(&report, "older").contains("'newest', is kept, with the same text"), "{report:#?}");
    assert!(note(&report, "oldest").contains("'newest', is kept, with another text"), "{report:#?}");
    for (id, part) in
        [("cut", "3 bytes"), ("nan", "NaN"), ("zero", "zero"), ("none", "0 dimensions"), ("short", "2 floats")]
    {
        assert!(
            note(&report, id).starts_with("kept without its vector: ") && note(&report, id).contains(part),
            "{report:#?}"
        );
    }
    assert!(
        note(&report, "no-text").contains("empty") && note(&report, "no-source").contains("source_id"),
        "{report:#?}"
    );

    let store = Store::open(&path).unwrap();
    assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
    assert_eq!((store.all(), store.count("unknown", None).unwrap()), (9, 9));
    let get = |source: &str| store.get_source("attestation", source, "unknown").unwrap().remove(0);
    assert_eq!((get("twice").id.as_str(), get("twice").updated_at.as_str()), ("newest", "2025-01-01T00:30:00.000Z"));
    assert_eq!(get("empty-id").id.len(), 36);
    assert_ne!(get("empty-id").id, get("null-id").id);
    assert_eq!((get("b1").dimensions, get("b1").vector.len(), get("b1").text.as_str()), (0, 0, "blob of three bytes"));
    // A row without a vector can be everything but searched by.
    refused(
        store.search(&Query::Like("cut"), &SearchOptions { fingerprint: "", ..options(10, -1.0) }),
        Code::InvalidArgument,
        "has no vector",
    );
    let again = |vector| qntx_embed::Record {
        source_type: "attestation",
        fingerprint: "unknown",
        ..record("b1", "blob of three bytes", vector)
    };
    store.put(&[again(&good)]).unwrap();
    assert_eq!(get("b1").vector, good);
    assert_eq!(store.delete_ids(&["none", "zero", "cut"]).unwrap(), 3);
    store.optimize().unwrap();
    assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
}

/// What should be kept of rows, by another way than the store's: for each source the newest that has text and source.
fn oracle(rows: &[Old]) -> BTreeMap<String, String> {
    let mut kept: BTreeMap<String, (String, usize, String)> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate().filter(|(_, row)| !row.text.is_empty() && !row.source_id.is_empty()) {
        let this = (row.updated_at.clone(), i, row.text.clone());
        let newest = kept.entry(row.source_id.clone()).or_insert_with(|| this.clone());
        if this > *newest {
            *newest = this;
        }
    }
    kept.into_iter().map(|(source, (_, _, text))| (source, text)).collect()
}

#[test]
fn of_each_source_the_newest_usable_row_is_kept_whatever_there_is() {
    let mut random = Random(11);
    for round in 0..30 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("old.db");
        let rows: Vec<Old> = (0..random.below(60))
            .map(|i| {
                let source = random.one_of(&["", "a", "b", "c", "d", "e"]);
                let text = random.one_of(&["", "one", "two", "three"]);
                let mut row = Old::new(&format!("{i}"), source, text, &[random.float(), 1.0, random.float()]);
                row.updated_at = format!("2025-01-0{}T00:00:00Z", 1 + random.below(9));
                row.embedding.truncate(random.one_of(&[12, 12, 12, 8, 5, 0]));
                row
            })
            .collect();
        make(&path, &rows);
        let before = fs::read(&path).unwrap();
        let dry = Store::migrate(&path, &MigrateOptions::default()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), before, "a dry run has changed the file");
        let done = Store::migrate(&path, &APPLY).unwrap();
        assert_eq!(fs::read(directory.path().join("old.db.backup")).unwrap().len(), before.len());
        assert_eq!(Migration { applied: true, backup: done.backup.clone(), ..dry }, done, "round {round}");
        let left = done.duplicates + done.unusable;
        assert_eq!((done.rows, done.kept + left), (rows.len() as u64, rows.len() as u64), "round {round}: {done:?}");
        let store = Store::open(&path).unwrap();
        assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new(), "round {round}");
        let kept: BTreeMap<String, String> =
            all_rows(&store).into_iter().map(|row| (row.source_id, row.text)).collect();
        assert_eq!(kept, oracle(&rows), "round {round}");
        assert_eq!(kept.len() as u64, done.kept);
    }
}

#[test]
fn the_backup_is_the_file_as_it_was_and_is_never_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.db");
    let rows = [Old::new("a", "1", "one", &[1.0, 2.0]), Old::new("b", "1", "two", &[1.0, 2.0])];
    let other = directory.path().join("other.db");
    for journal in ["DELETE", "WAL"] {
        let connection = make(&path, &rows);
        connection.pragma_update_and_check(None, "journal_mode", journal, |_| Ok(())).unwrap();
        drop(connection);
        let report = Store::migrate(&path, &MigrateOptions { backup: Some(&other), ..APPLY }).unwrap();
        assert_eq!(report.backup, other.display().to_string());
        let copy = Connection::open(&other).unwrap();
        let ids: Vec<String> = copy
            .prepare("SELECT id FROM embeddings ORDER BY id")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(ids, ["a", "b"]);
        drop(copy);
        fs::remove_file(&path).unwrap();

        make(&path, &rows);
        let before = fs::read(&path).unwrap();
        let again = Store::migrate(&path, &MigrateOptions { backup: Some(&other), ..APPLY });
        refused(again, Code::InvalidArgument, "other.db' is there already");
        assert_eq!(fs::read(&path).unwrap(), before);
        let report = Store::migrate(&path, &MigrateOptions { without_backup: true, ..APPLY }).unwrap();
        assert_eq!((report.backup.as_str(), report.kept), ("", 1));
        fs::remove_file(&path).unwrap();
        fs::remove_file(&other).unwrap();
    }
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.db");
    // Something of the file's own has a name that is needed, which shows when half of the work is done.
    let connection = make(&path, &[Old::new("a", "1", "one", &[1.0, 2.0])]);
    connection.execute_batch("CREATE TABLE embedding_state (x)").unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    refused(Store::migrate(&path, &APPLY), Code::Store, "could not be migrated: table embedding_state already exists");
    assert_eq!(fs::read(&path).unwrap(), before);
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["old.db"]);
}

/// Not a test: what the killed process does.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn migrate_until_killed() {
    let Some(path) = std::env::var_os("QNTX_EMBED_TEST_KILL") else { return };
    Store::migrate(path.as_ref(), &APPLY).unwrap();
}

#[test]
fn a_killed_migration_is_done_or_was_never_begun() {
    let mut random = Random(u64::from(std::process::id()));
    let directory = tempfile::tempdir().unwrap();
    let rows = vectors(1500, 64, 3);
    let old: Vec<Old> =
        rows.iter().enumerate().map(|(i, v)| Old::new(&i.to_string(), &i.to_string(), "a text", v)).collect();
    let (mut done, mut not) = (0, 0);
    for round in 0..12 {
        let path = directory.path().join(format!("{round}.db"));
        drop(make_at_once(&path, &old));
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "migrate::migrate_until_killed", "--ignored"])
            .env("QNTX_EMBED_TEST_KILL", &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(u64::from(random.next() % 120)));
        child.kill().unwrap();
        child.wait().unwrap();
        match Store::open(&path) {
            Ok(store) => {
                assert_eq!((store.all(), store.verify(false).unwrap().problems), (1500, Vec::new()), "round {round}");
                done += 1;
            }
            Err(e) => {
                assert_eq!(e.code(), Code::StoreVersion, "round {round}: {e}");
                let _ = fs::remove_file(directory.path().join(format!("{round}.db.backup")));
                assert_eq!(Store::migrate(&path, &APPLY).unwrap().kept, 1500, "round {round}");
                assert_eq!(Store::open(&path).unwrap().all(), 1500, "round {round}");
                not += 1;
            }
        }
    }
    println!("{done} were done, {not} were not begun");
}

#[test]
fn what_is_no_old_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let dry = MigrateOptions::default();
    refused(Store::migrate(&path, &APPLY), Code::InvalidArgument, "is not there");
    refused(Store::migrate(directory.path(), &dry), Code::InvalidArgument, "is no file");
    assert!(!path.exists());
    drop(Store::open(&path).unwrap());
    refused(Store::migrate(&path, &APPLY), Code::StoreVersion, "of this library already (schema 19)");
    refused(Store::migrate(&path, &dry), Code::StoreVersion, "nothing to migrate");
    for (sql, part) in [
        ("CREATE TABLE x (y)", "no table 'embeddings'"),
        ("CREATE TABLE embeddings (id, text)", "no column source_type, source_id, embedding, model, dimensions"),
    ] {
        fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        refused(Store::migrate(&path, &APPLY), Code::InvalidArgument, part);
        refused(Store::migrate(&path, &dry), Code::InvalidArgument, part);
        assert!(!directory.path().join("x.db.backup").exists());
    }
    fs::write(&path, vec![7u8; 8192]).unwrap();
    refused(Store::migrate(&path, &dry), Code::Store, "the file is something else");
}

#[test]
fn an_old_database_is_not_opened_as_a_store_and_the_way_out_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.db");
    make(&path, &[Old::new("a", "1", "one", &[1.0, 2.0])]);
    let before = fs::read(&path).unwrap();
    refused(Store::open(&path), Code::StoreVersion, "'qntx-embed migrate' adopts");
    assert_eq!(fs::read(&path).unwrap(), before);
    Store::migrate(&path, &APPLY).unwrap();
    refused(Store::migrate(&path, &APPLY), Code::StoreVersion, "nothing to migrate");
    assert_eq!(Store::open(&path).unwrap().all(), 1);
}
