//! A process that is killed at any moment loses nothing that it was told is stored.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use qntx_embed::{ListOptions, Store};

use super::{Random, record, vectors};

const BATCH: usize = 20;

/// Not a test: what the killed process does. It puts batches, deletes some again, and says on stdout what is done.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn ingest_until_killed() {
    let Some(path) = std::env::var_os("QNTX_EMBED_TEST_KILL") else { return };
    let store = Store::open(path.as_ref()).unwrap();
    let rows = vectors(BATCH, 64, 5);
    let first = store.list(&ListOptions { limit: 10_000, ..ListOptions::default() }).unwrap().len();
    for batch in 0.. {
        let name = format!("{first}-{batch}");
        let names: Vec<String> = (0..BATCH).map(|i| format!("{name}-{i}")).collect();
        store.put(&names.iter().zip(&rows).map(|(n, v)| record(n, "words of a text", v)).collect::<Vec<_>>()).unwrap();
        writeln!(std::io::stdout(), "\nput {name}").unwrap();
        if batch % 3 == 2 {
            store.delete_source("note", &names[0]).unwrap();
            writeln!(std::io::stdout(), "\ndeleted {}", names[0]).unwrap();
        }
    }
}

#[test]
fn a_killed_process_has_lost_nothing_that_was_acknowledged() {
    let times = std::env::var("QNTX_EMBED_TEST_KILLS").map_or(20, |n| n.parse().unwrap());
    let mut random = Random(u64::from(std::process::id()));
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..times {
        let path = directory.path().join(format!("{}.db", round % 4));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::ingest_until_killed", "--ignored", "--nocapture"])
            .env("QNTX_EMBED_TEST_KILL", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || lines.lines().map_while(Result::ok).collect::<Vec<String>>());
        std::thread::sleep(Duration::from_millis(u64::from(20 + random.next() % 250)));
        child.kill().unwrap();
        child.wait().unwrap();
        // A line that was cut has no end, and no batch whose name it could be taken for.
        let lines = reader.join().unwrap();

        let store = Store::open(&path).unwrap();
        assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new(), "round {round}");
        let deleted: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("deleted ")).collect();
        for name in lines.iter().filter_map(|line| line.strip_prefix("put ")) {
            acknowledged += 1;
            for i in 0..BATCH {
                let source = format!("{name}-{i}");
                let there = !store.get_source("note", &source, "f").unwrap().is_empty();
                // The first of every third batch may be gone before its end was told.
                assert!(there != deleted.contains(&source.as_str()) || (i == 0 && !there), "round {round}: {source}");
            }
        }
    }
    assert!(acknowledged > times, "only {acknowledged} batches were stored in {times} rounds");
}
