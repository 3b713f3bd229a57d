//! Filters: what they mean, and that SQL and memory agree on it.

use qntx_embed::{Code, Filter, Index, ListOptions, Query, Record, SearchOptions, Store};

use super::{Random, memory, refused};

fn filled(random: &mut Random) -> Store {
    let store = memory();
    let types = ["note", "mail", "Note", "é"];
    let mut rows = Vec::new();
    for i in 0..120 {
        let metadata = metadata(random);
        rows.push((random.one_of(&types), format!("s{}", random.below(20)), i, metadata));
    }
    let records: Vec<Record> = rows
        .iter()
        .map(|(source_type, source_id, chunk, metadata)| Record {
            source_type,
            source_id,
            chunk: *chunk,
            text: "text",
            model: "m",
            fingerprint: "f",
            vector: &[1.0, 0.5],
            metadata,
            ..Record::default()
        })
        .collect();
    store.put(&records).unwrap();
    store
}

const KEYS: [&str; 4] = ["a", "b", "with \\\"quotes\\\" and $.[0]", "a.b"];
const VALUES: [&str; 22] = [
    "0",
    "1",
    "1.0",
    "-1",
    "1.5",
    "0.1",
    "0.30000000000000004",
    "1e300",
    "-1e-300",
    "9007199254740993",
    "9007199254740992.0",
    "9223372036854775807",
    "9223372036854775808.0",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\"",
    "\"A\"",
    "\"1\"",
    "\"é\\u0000x\"",
    "\"\u{10ffff}\"",
];

fn metadata(random: &mut Random) -> String {
    let mut parts = Vec::new();
    for key in KEYS {
        if random.below(2) == 0 {
            parts.push(format!("\"{key}\":{}", random.one_of(&VALUES)));
        }
    }
    format!("{{{}}}", parts.join(","))
}

fn condition(random: &mut Random, depth: usize) -> String {
    let kind = random.below(if depth == 0 { 8 } else { 12 });
    let operator = random.one_of(&["=", "!=", "<", "<=", ">", ">="]);
    match kind {
        0 => format!("[\"{operator}\",\"source_type\",\"{}\"]", random.one_of(&["note", "mail", "z", ""])),
        1 => format!("[\"{operator}\",\"chunk\",{}]", random.below(130)),
        2 => format!("[\"in\",\"source_id\",[\"s{}\",\"s{}\",\"s3\"]]", random.below(25), random.below(25)),
        3 => format!("[\"{operator}\",\"created_at\",\"20{}6-01-01T00:00:00Z\"]", random.below(10)),
        4 => format!("[\"exists\",\"metadata.{}\"]", random.one_of(&KEYS)),
        5 => {
            let values: Vec<&str> = (0..random.below(4)).map(|_| random.one_of(&VALUES)).collect();
            format!("[\"in\",\"metadata.{}\",[{}]]", random.one_of(&KEYS), values.join(","))
        }
        6 | 7 => {
            let value = random.one_of(&VALUES);
            let ordered = !matches!(value, "true" | "false" | "null");
            let operator = if ordered { operator } else { "!=" };
            format!("[\"{operator}\",\"metadata.{}\",{value}]", random.one_of(&KEYS))
        }
        8 => format!("[\"not\",{}]", condition(random, depth - 1)),
        _ => {
            let parts: Vec<String> =
                (0..random.below(4)).map(|_| format!(",{}", condition(random, depth - 1))).collect();
            format!("[\"{}\"{}]", random.one_of(&["and", "or"]), parts.concat())
        }
    }
}

#[test]
fn sql_and_memory_agree_on_every_filter() {
    let mut random = Random(7);
    let store = filled(&mut random);
    let all = store.list(&ListOptions { limit: 1000, ..ListOptions::default() }).unwrap();
    let (mut some, mut none) = (0, 0);
    for _ in 0..3000 {
        let json = condition(&mut random, 3);
        let filter = Filter::parse(&json).unwrap();
        let options = ListOptions { filter: Some(&filter), limit: 1000, ..ListOptions::default() };
        let by_sql: Vec<String> = store.list(&options).unwrap().into_iter().map(|row| row.id).collect();
        let in_memory: Vec<String> =
            all.iter().filter(|row| filter.passes(row).unwrap()).map(|row| row.id.clone()).collect();
        assert_eq!(by_sql, in_memory, "{json}");
        // All rows are equally near, so in the order of their ids here too.
        let asked = SearchOptions { filter: Some(&filter), index: Index::Resident, ..super::options(1000, -1.0) };
        let resident = store.search(&Query::Vector(&[1.0, 0.5]), &asked).unwrap();
        assert_eq!(resident.hits.into_iter().map(|hit| hit.row.id).collect::<Vec<_>>(), by_sql, "{json}");
        assert_eq!(resident.explain.index, "resident");
        assert_eq!(store.count("f", Some(&filter)).unwrap(), by_sql.len() as u64, "{json}");
        if by_sql.is_empty() { none += 1 } else { some += 1 }
    }
    assert!(some > 1000 && none > 100, "the filters say too little: {some} found some, {none} none");
}

#[test]
fn a_missing_key_is_not_null_and_types_do_not_mix() {
    let store = memory();
    for (id, metadata) in
        [("missing", "{}"), ("null", r#"{"k":null}"#), ("one", r#"{"k":1}"#), ("text", r#"{"k":"1"}"#)]
    {
        let record = super::record(id, "t", &[1.0]);
        store.put(&[Record { metadata, ..record }]).unwrap();
    }
    let found = |json: &str| {
        let filter = Filter::parse(json).unwrap();
        let options = ListOptions { filter: Some(&filter), ..ListOptions::default() };
        let mut ids: Vec<String> = store.list(&options).unwrap().into_iter().map(|row| row.source_id).collect();
        ids.sort();
        ids.join(" ")
    };
    assert_eq!(found(r#"["=","metadata.k",1.0]"#), "one");
    assert_eq!(found(r#"["!=","metadata.k",1]"#), "missing null text");
    assert_eq!(found(r#"["=","metadata.k",null]"#), "null");
    assert_eq!(found(r#"["exists","metadata.k"]"#), "null one text");
    assert_eq!(found(r#"[">","metadata.k",0]"#), "one");
    assert_eq!(found(r#"[">","metadata.k",""]"#), "text");
    assert_eq!(found(r#"["in","metadata.k",["1",null]]"#), "null text");
    assert_eq!(found(r#"["and"]"#), "missing null one text");
    assert_eq!(found(r#"["or"]"#), "");
}

#[test]
fn rows_are_deleted_by_filter_from_every_index() {
    let store = memory();
    let vectors = [[1.0, 0.0], [0.9, 0.1], [0.8, 0.2]];
    for (i, vector) in vectors.iter().enumerate() {
        let metadata = format!("{{\"year\":{}}}", 2020 + i);
        let id = i.to_string();
        store.put(&[Record { metadata: &metadata, ..super::record(&id, "some words", vector) }]).unwrap();
    }
    let old = Filter::parse(r#"["<","metadata.year",2022]"#).unwrap();
    assert_eq!(store.count("", Some(&old)).unwrap(), 2);
    assert_eq!(store.delete_where(&old).unwrap(), 2);
    assert_eq!(store.delete_where(&old).unwrap(), 0);
    assert_eq!(store.count("", None).unwrap(), 1);
    assert_eq!(store.verify(false).unwrap().problems, Vec::<String>::new());
}

#[test]
fn metadata_is_kept_in_the_order_of_its_keys_or_refused() {
    let store = memory();
    let put = |metadata| store.put(&[Record { metadata, ..super::record("1", "t", &[1.0]) }]);
    put(r#" {"b":1.0, "a":"x"} "#).unwrap();
    assert_eq!(super::Short::one(&store, "1").unwrap().metadata, r#"{"a":"x","b":1.0}"#);
    refused(put("[1]"), Code::InvalidArgument, "record 0: metadata is no flat JSON object");
    refused(put(r#"{"a":{"b":1}}"#), Code::InvalidArgument, "metadata");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 16));
    refused(put(&long), Code::InvalidArgument, "too long: at most 65536");
}
