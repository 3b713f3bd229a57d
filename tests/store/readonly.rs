//! A file that cannot be written to: it is read, searched and verified, and what would write is refused.

use std::fs;
use std::path::Path;
use std::process::Command;

use qntx_embed::{Code, MigrateOptions, Query, Store};
use rusqlite::Connection;

use super::{Short, ids, options, record, refused, vectors};

/// Calls `test` with a directory that is filled, and then cannot be written to. To root every file is writable, so that a
/// file system is made for it.
fn in_read_only_directory(fill: impl FnOnce(&Path), test: impl FnOnce(&Path) + std::panic::UnwindSafe) {
    let directory = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).arg(directory.path()).output();
        done.is_ok_and(|output| output.status.success())
    };
    let mounted = run("mount", &["-t", "tmpfs", "-o", "size=64m", "tmpfs"]);
    fill(directory.path());
    if mounted {
        assert!(run("mount", &["-o", "remount,ro"]));
    } else {
        // Not root, then.
        assert!(run("chmod", &["-R", "a-w"]));
    }
    let result = std::panic::catch_unwind(|| test(directory.path()));
    if mounted {
        assert!(run("umount", &[]));
    } else {
        assert!(run("chmod", &["-R", "u+w"]));
    }
    result.unwrap();
}

fn fill(path: &Path) {
    let store = Store::open(path).unwrap();
    let rows = vectors(50, 4, 3);
    let names: Vec<String> = (0..50).map(|i| format!("{i:04}")).collect();
    store.put(&names.iter().zip(&rows).map(|(n, v)| record(n, "words of a text", v)).collect::<Vec<_>>()).unwrap();
}

#[test]
fn it_is_searched_and_verified_and_nothing_is_written() {
    let rows = vectors(50, 4, 3);
    let test = |directory: &Path| {
        let path = directory.join("a.db");
        let before = fs::read(&path).unwrap();
        let store = Store::open(&path).unwrap();
        assert_eq!(ids(&store.near(&rows[7], &options(1, -1.0)).unwrap()), ["0007"]);
        assert_eq!(store.search(&Query::Words("words"), &options(100, -1.0)).unwrap().hits.len(), 50);
        assert_eq!((store.all(), store.stats().unwrap().rows), (50, 50));
        let report = store.verify(false).unwrap();
        assert_eq!((report.rows, report.problems), (50, Vec::new()));
        let copy = tempfile::tempdir().unwrap();
        store.backup(&copy.path().join("copy.db")).unwrap();
        assert_eq!(Store::open(&copy.path().join("copy.db")).unwrap().all(), 50);

        let why = "is open for reading only, because the file";
        refused(store.put(&[record("x", "t", &[1.0])]), Code::Store, why);
        refused(store.delete_source("note", "0001"), Code::Store, why);
        refused(store.verify(true), Code::Store, why);
        refused(store.optimize(), Code::Store, why);
        drop(store);
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    };
    in_read_only_directory(|directory| fill(&directory.join("a.db")), test);
}

#[test]
fn many_read_it_at_once() {
    let rows = vectors(50, 4, 3);
    let test = |directory: &Path| {
        let store = Store::open(&directory.join("a.db")).unwrap();
        std::thread::scope(|scope| {
            for row in rows.chunks(10) {
                let store = &store;
                scope.spawn(move || {
                    for row in row {
                        assert_eq!(store.near(row, &options(3, -1.0)).unwrap().len(), 3);
                    }
                });
            }
        });
    };
    in_read_only_directory(|directory| fill(&directory.join("a.db")), test);
}

#[test]
fn damage_to_it_is_found() {
    for (sql, part) in [
        ("DELETE FROM vec_embeddings_rowids WHERE rowid = 7", "vec_embeddings"),
        ("DELETE FROM fts_embeddings_docsize WHERE id = 9", "fts_embeddings"),
        ("DELETE FROM fts_embeddings_data WHERE id > 10", "fts_embeddings"),
        ("UPDATE embeddings SET embedding = zeroblob(16) WHERE key = 3", "the vector is zero"),
    ] {
        let damaged = |directory: &Path| {
            let path = directory.join("a.db");
            fill(&path);
            let connection = Connection::open(&path).unwrap();
            connection.execute_batch(sql).unwrap();
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        };
        let test = |directory: &Path| {
            let report = Store::open(&directory.join("a.db")).unwrap().verify(false).unwrap();
            assert!(report.problems.join("; ").contains(part), "{sql}: {report:?}");
        };
        in_read_only_directory(damaged, test);
    }
}

#[test]
fn what_is_not_of_this_version_is_refused() {
    let old = |directory: &Path| {
        let sql =
            "CREATE TABLE embeddings (id TEXT PRIMARY KEY, source_type, source_id, text, embedding, model, dimensions,
                                            created_at, updated_at);
                   INSERT INTO embeddings VALUES ('a', 'note', '1', 'one', x'0000803f', 'm', 1, '', '')";
        Connection::open(directory.join("old.db")).unwrap().execute_batch(sql).unwrap();
        Connection::open(directory.join("other.db")).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    };
    let test = |directory: &Path| {
        let path = directory.join("old.db");
        refused(Store::open(&path), Code::StoreVersion, "adopts a database of the original system");
        refused(Store::open(&directory.join("other.db")), Code::StoreVersion, "cannot bring it up to date");
        refused(Store::open(&directory.join("none.db")), Code::Store, "none.db");
        assert_eq!(Store::migrate(&path, &MigrateOptions::default()).unwrap().kept, 1);
        refused(
            Store::migrate(&path, &MigrateOptions { apply: true, ..MigrateOptions::default() }),
            Code::Store,
            "could not be migrated: the file, its directory",
        );
    };
    in_read_only_directory(old, test);
}

#[test]
fn a_file_in_a_directory_that_takes_no_files_may_not_change_while_it_is_read() {
    // Read through a mount that cannot be written to, written through another.
    let (directory, view) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = directory.path().join("a.db");
    fill(&path);
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let (from, to) = (directory.path().as_os_str(), view.path().as_os_str());
    if !run("mount", &["--bind".as_ref(), from, to]) {
        println!("skipped: mounting takes root");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        assert!(run("mount", &["-o".as_ref(), "remount,ro,bind".as_ref(), to]));
        let store = Store::open(&view.path().join("a.db")).unwrap();
        assert_eq!(store.all(), 50);
        Connection::open(&path).unwrap().execute_batch("UPDATE embeddings SET updated_at = 'now'").unwrap();
        refused(store.count("", None), Code::Store, "was written to");
    });
    assert!(run("umount", &[to]));
    result.unwrap();
}
