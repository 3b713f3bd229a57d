//! Filters of any text: refused, or run. What a filter and its opposite pass is all there is.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use qntx_embed::{Filter, Query, Record, SearchOptions, Store};

const ROWS: u64 = 12;

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let store = Store::open(":memory:".as_ref()).expect("a store in memory");
    for i in 0..ROWS {
        let metadata = [
            "{}",
            r#"{"year": 2020, "lang": "de"}"#,
            r#"{"year": 2020.5, "lang": null, "open": true}"#,
            r#"{"year": "2020", "a.b": -1e300}"#,
        ][i as usize % 4];
        let (id, vector) = (i.to_string(), [1.0, i as f32, 0.5]);
        let record = Record {
            source_type: if i < 6 { "manual" } else { "note" },
            source_id: &id,
            text: "a text",
            model: "m",
            fingerprint: "f",
            metadata,
            vector: &vector,
            ..Record::default()
        };
        store.put(&[record]).expect("a record");
    }
    store
});

fuzz_target!(|json: &str| {
    let Ok(filter) = Filter::parse(json) else { return };
    let passed = STORE.count("f", Some(&filter)).expect("a filter that was taken runs");
    // In memory too: the search by vector tests rows there, or here, as it likes.
    let options = SearchOptions { fingerprint: "f", limit: 100, filter: Some(&filter), ..SearchOptions::default() };
    let found = STORE.search(&Query::Vector(&[1.0, 2.0, 3.0]), &options).expect("and searches");
    assert_eq!(found.hits.len() as u64, passed);
    if let Ok(opposite) = Filter::parse(&format!(r#"["not", {json}]"#)) {
        assert_eq!(STORE.count("f", Some(&opposite)).expect("its opposite runs"), ROWS - passed);
    }
});
