//! Words that people search for, of any text: never an error of FTS5.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use qntx_embed::{Query, Record, SearchOptions, Store};

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let store = Store::open(":memory:".as_ref()).expect("a store in memory");
    for (i, text) in ["Press the red button", "naïve café — 東京 \"quoted\" AND NEAR(x) *", "C++ a-b under_score"].iter().enumerate() {
        let id = i.to_string();
        let record = Record {
            source_type: "note",
            source_id: &id,
            text,
            model: "m",
            fingerprint: "f",
            vector: &[1.0, 0.5],
            ..Record::default()
        };
        store.put(&[record]).expect("a record");
    }
    store
});

fuzz_target!(|words: &str| {
    let options = SearchOptions { fingerprint: "f", ..SearchOptions::default() };
    match STORE.search(&Query::Words(words), &options) {
        Ok(found) => assert!(found.hits.iter().all(|hit| hit.words_rank > 0)),
        Err(e) => assert_eq!(e.code(), qntx_embed::Code::InvalidArgument, "{e}"),
    }
});
