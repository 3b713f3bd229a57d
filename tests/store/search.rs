//! Searches: every index gives what brute force gives, whatever the options.

use qntx_embed::{After, Code, Diversity, Filter, Found, Fusion, Index, Query, Record, SearchOptions, Store};

use super::{Random, Short, ids, memory, options, record, refused, vectors};

/// Rows with few different directions, so that many are equally far from anything; chunks of fewer sources.
struct World {
    store: Store,
    rows: Vec<(String, String, Vec<f32>)>,
}

fn world(random: &mut Random, count: usize, dimensions: usize, directions: usize) -> World {
    let pool = vectors(directions, dimensions, u64::from(random.next()));
    let store = memory();
    let rows: Vec<(String, String, Vec<f32>)> = (0..count)
        .map(|i| {
            let vector = pool[random.below(directions)].clone();
            (format!("{:08x}-{i}", random.next()), format!("s{}", random.below(count / 3 + 1)), vector)
        })
        .collect();
    let metadata: Vec<String> = (0..count).map(|_| format!("{{\"n\":{}}}", random.below(10))).collect();
    let records: Vec<Record> = rows
        .iter()
        .zip(&metadata)
        .enumerate()
        .map(|(i, ((id, source, vector), metadata))| Record {
            id,
            chunk: i as u32,
            metadata,
            ..record(source, "some text", vector)
        })
        .collect();
    store.put(&records).unwrap();
    World { store, rows }
}

/// The distance as the store computes it, by another way: f32 vectors of unit length, the rest in f64.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    let unit = |v: &[f32]| {
        let norm = v.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        v.iter().map(|&x| f64::from((f64::from(x) / norm) as f32)).collect::<Vec<f64>>()
    };
    let mut sums = [0f64; 8];
    for (i, (x, y)) in unit(a).iter().zip(unit(b)).enumerate() {
        sums[i % 8] += (x - y) * (x - y);
    }
    sums.iter().sum::<f64>().sqrt() as f32
}

/// All rows of the world, best first: distance, id, source.
fn brute_force<'a>(world: &'a World, query: &[f32]) -> Vec<(f32, &'a str, &'a str)> {
    let mut all: Vec<(f32, &str, &str)> =
        world.rows.iter().map(|(id, source, v)| (distance(query, v), id.as_str(), source.as_str())).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    all
}

fn found(found: &Found) -> Vec<(f32, &str)> {
    found.hits.iter().map(|h| (h.distance, h.row.id.as_str())).collect()
}

const INDEXES: [Index; 4] = [Index::Auto, Index::Rows, Index::Vec0, Index::Resident];

#[test]
fn every_index_gives_what_brute_force_gives_ties_included() {
    let mut random = Random(11);
    for (count, dimensions, directions) in
        [(400, 8, 400), (400, 8, 25), (300, 3, 4), (200, 5, 1), (40, 384, 40), (5, 1, 2)]
    {
        let world = world(&mut random, count, dimensions, directions);
        for query in vectors(4, dimensions, u64::from(random.next())).into_iter().chain([world.rows[0].2.clone()]) {
            let all = brute_force(&world, &query);
            for limit in [1, 7, 50, count, 10_000] {
                let wanted: Vec<(f32, &str)> = all.iter().take(limit).map(|w| (w.0, w.1)).collect();
                for index in INDEXES {
                    let given =
                        world.store.search(&Query::Vector(&query), &SearchOptions { index, ..options(limit, -1.0) });
                    assert_eq!(found(&given.unwrap()), wanted, "{count} {dimensions} {directions} {limit} {index:?}");
                }
            }
        }
    }
}

#[test]
fn more_equals_than_vec0_can_give_are_read_from_the_rows() {
    let mut random = Random(5);
    let world = world(&mut random, 5000, 2, 1);
    let all = brute_force(&world, &[1.0, 0.0]);
    let given = world.store.search(&Query::Vector(&[1.0, 0.0]), &options(10, -1.0)).unwrap();
    assert_eq!(found(&given), all[..10].iter().map(|w| (w.0, w.1)).collect::<Vec<_>>());
    assert_eq!(given.explain.index, "rows");
}

#[test]
fn pages_give_every_row_once_and_in_order() {
    let mut random = Random(3);
    let world = world(&mut random, 300, 4, 20);
    let query = [0.3, -0.2, 0.9, 0.1];
    let all = brute_force(&world, &query);
    for index in INDEXES {
        for (size, threshold) in [(7, -1.0), (100, -1.0), (13, 0.2)] {
            let mut got: Vec<(f32, String)> = Vec::new();
            loop {
                let after = got.last().map(|(distance, id)| After { distance: *distance, id });
                let page = SearchOptions { after, index, ..options(size, threshold) };
                let page = world.store.search(&Query::Vector(&query), &page).unwrap();
                let full = page.hits.len() == size;
                got.extend(page.hits.into_iter().map(|h| (h.distance, h.row.id)));
                if !full {
                    break;
                }
            }
            let wanted: Vec<(f32, String)> = all
                .iter()
                .filter(|w| (1.0 - f64::from(w.0) * f64::from(w.0) / 2.0) as f32 >= threshold)
                .map(|w| (w.0, w.1.to_owned()))
                .collect();
            assert_eq!(got, wanted, "{index:?} {size} {threshold}");
        }
    }
}

#[test]
fn groups_have_the_best_chunk_of_each_source_on_every_page() {
    let mut random = Random(4);
    let world = world(&mut random, 300, 4, 40);
    let query = [0.3, -0.2, 0.9, 0.1];
    let mut seen = std::collections::HashSet::new();
    let wanted: Vec<(f32, &str)> =
        brute_force(&world, &query).into_iter().filter(|w| seen.insert(w.2)).map(|w| (w.0, w.1)).collect();
    assert!(wanted.len() > 50 && wanted.len() < 150);
    for index in INDEXES {
        let mut got: Vec<(f32, String)> = Vec::new();
        loop {
            let after = got.last().map(|(distance, id)| After { distance: *distance, id });
            let page = SearchOptions { after, index, group_by_source: true, ..options(9, -1.0) };
            let page = world.store.search(&Query::Vector(&query), &page).unwrap();
            let full = page.hits.len() == 9;
            got.extend(page.hits.into_iter().map(|h| (h.distance, h.row.id)));
            if !full {
                break;
            }
        }
        assert_eq!(got.iter().map(|g| (g.0, g.1.as_str())).collect::<Vec<_>>(), wanted, "{index:?}");
    }
}

#[test]
fn a_filter_applies_before_the_limit() {
    let mut random = Random(6);
    let world = world(&mut random, 300, 4, 60);
    let query = [0.3, -0.2, 0.9, 0.1];
    let filter = Filter::parse(r#"["=","metadata.n",3]"#).unwrap();
    let wanted: Vec<(f32, String)> = {
        let all = world.store.near(&query, &options(1000, -1.0)).unwrap();
        let passing = all.into_iter().filter(|h| filter.passes(&h.row).unwrap());
        passing.map(|h| (h.distance, h.row.id)).take(12).collect()
    };
    for index in INDEXES {
        let asked = SearchOptions { filter: Some(&filter), index, ..options(12, -1.0) };
        let given = world.store.search(&Query::Vector(&query), &asked).unwrap();
        assert_eq!(found(&given), wanted.iter().map(|w| (w.0, w.1.as_str())).collect::<Vec<_>>());
        assert_eq!(given.explain.compared, world.store.count("f", Some(&filter)).unwrap());
    }
}

#[test]
fn a_row_is_not_among_those_that_are_like_it() {
    let store = memory();
    store.put(&[record("a", "t", &[1.0, 0.0]), record("b", "t", &[1.0, 0.0]), record("c", "t", &[0.0, 1.0])]).unwrap();
    let a = store.one("a").unwrap().id;
    let like = |id: &str, fingerprint| {
        store.search(&Query::Like(id), &SearchOptions { fingerprint, ..options(2, -1.0) }).map(|found| found.hits)
    };
    assert_eq!(ids(&like(&a, "f").unwrap()), ["b", "c"]);
    assert_eq!(ids(&like(&a, "").unwrap()), ["b", "c"]);
    refused(like("none", ""), Code::NotFound, "no row with the id 'none'");
    refused(like(&a, "g"), Code::InvalidArgument, "another model");
}

#[test]
fn diversity_leaves_copies_for_later() {
    let store = memory();
    let rows = [("a", [1.0, 0.05]), ("copy", [1.0, 0.06]), ("b", [0.8, -0.6]), ("far", [-1.0, 0.0])];
    store.put(&rows.each_ref().map(|(id, v)| record(id, "t", v))).unwrap();
    let chosen = |lambda| {
        let diversity = Some(Diversity { lambda, candidates: 0 });
        let found = store.near(&[1.0, 0.0], &SearchOptions { diversity, ..options(3, -1.0) }).unwrap();
        ids(&found).join(" ")
    };
    assert_eq!(chosen(1.0), "a copy b");
    assert_eq!(chosen(0.5), "a b copy");
}

fn library() -> Store {
    let store = memory();
    store
        .put(&[
            record("pump", "Stop the pump with the red button", &[1.0, 0.0]),
            record("bread", "Bread rises in a warm kitchen", &[0.0, 1.0]),
            record("valve", "Close the valve of the pump, then the pump rests", &[0.6, 0.8]),
            Record { fingerprint: "g", ..record("other", "pump pump pump", &[1.0, 0.0]) },
        ])
        .unwrap();
    store
}

#[test]
fn words_find_the_rows_of_one_model_by_bm25() {
    let store = library();
    let by_words = |words| store.search(&Query::Words(words), &options(10, -1.0)).unwrap();
    let given = by_words("Pump BUTTON");
    assert_eq!(ids(&given.hits), ["pump", "valve"]);
    assert_eq!((given.hits[0].words_rank, given.hits[0].vector_rank, given.explain.matched), (1, 0, 2));
    assert!(given.hits[0].score > given.hits[1].score && given.hits[0].similarity == 0.0);
    assert_eq!(ids(&by_words("kitchens kitchen\" OR pump NEAR(").hits), ["bread", "valve", "pump"]);
    for nothing in ["", "  ", "*", "\"", "text:", "- NOT", "\0", "unknown"] {
        assert!(by_words(nothing).hits.is_empty(), "{nothing}");
    }
    let filter = Filter::parse(r#"["!=","source_id","pump"]"#).unwrap();
    let asked = SearchOptions { filter: Some(&filter), ..options(10, -1.0) };
    assert_eq!(ids(&store.search(&Query::Words("pump"), &asked).unwrap().hits), ["valve"]);
}

#[test]
fn rows_that_a_filter_leaves_out_do_not_move_the_scores() {
    let store = library();
    let filter = Filter::parse(r#"["in","source_id",["pump","valve","bread"]]"#).unwrap();
    let asked = SearchOptions { filter: Some(&filter), ..options(10, -1.0) };
    let scores = || {
        let found = store.search(&Query::Words("stop pump"), &asked).unwrap();
        found.hits.iter().map(|h| (h.row.source_id.clone(), h.score)).collect::<Vec<_>>()
    };
    let before = scores();
    for i in 0..50 {
        let id = i.to_string();
        store.put(&[record(&id, "stop stop stop at the pump", &[1.0, 1.0])]).unwrap();
    }
    assert_eq!(scores(), before);
}

#[test]
fn both_ranks_are_fused_and_told() {
    let store = library();
    let both = |fusion| {
        let asked = SearchOptions { fusion, ..options(10, -1.0) };
        store.search(&Query::Both { vector: &[0.0, 1.0], words: "pump" }, &asked).unwrap()
    };
    let given = both(Fusion::default());
    // By vector: bread, valve, pump; by words: pump is in valve twice.
    let told: Vec<(&str, u32, u32)> =
        given.hits.iter().map(|h| (h.row.source_id.as_str(), h.vector_rank, h.words_rank)).collect();
    assert_eq!(told, [("valve", 2, 1), ("pump", 3, 2), ("bread", 1, 0)]);
    assert!((given.hits[0].score - (1.0 / 62.0 + 1.0 / 61.0) as f32).abs() < 1e-7);
    assert!((given.hits[0].similarity - 0.8).abs() < 1e-6);
    assert_eq!(ids(&both(Fusion { words_weight: 0.0, ..Fusion::default() }).hits), ["bread", "valve", "pump"]);
    assert_eq!(ids(&both(Fusion { vector_weight: 0.0, ..Fusion::default() }).hits), ["valve", "pump"]);
}

#[test]
fn a_row_that_came_by_words_alone_has_its_distance() {
    let store = library();
    let asked = SearchOptions { threshold: 0.9, ..options(10, 0.9) };
    let given = store.search(&Query::Both { vector: &[0.0, 1.0], words: "button" }, &asked).unwrap();
    let pump = given.hits.iter().find(|h| h.row.source_id == "pump").unwrap();
    assert_eq!((pump.vector_rank, pump.words_rank), (0, 1));
    assert!((pump.distance - 2f32.sqrt()).abs() < 1e-6);
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let store = library();
    let vector = Query::Vector(&[1.0, 0.0]);
    let words = Query::Words("pump");
    let both = Query::Both { vector: &[1.0, 0.0], words: "pump" };
    let default = options(10, 0.0);
    let after = Some(After { distance: 0.5, id: "x" });
    let diversity = Some(Diversity { lambda: 0.5, candidates: 0 });
    for (query, asked, part) in [
        (&vector, SearchOptions { fingerprint: "", ..default }, "fingerprint is empty"),
        (&words, SearchOptions { after, ..default }, "after is for searches by vector"),
        (&vector, SearchOptions { after, diversity, ..default }, "after is for searches by vector"),
        (
            &vector,
            SearchOptions { after: Some(After { distance: f32::NAN, id: "x" }), ..default },
            "after.distance NaN",
        ),
        (&both, SearchOptions { diversity, ..default }, "diversity is for searches by vector"),
        (&vector, SearchOptions { diversity: Some(Diversity { lambda: 1.5, candidates: 0 }), ..default }, "lambda 1.5"),
        (
            &vector,
            SearchOptions { diversity: Some(Diversity { lambda: 1.0, candidates: 10_001 }), ..default },
            "candidates",
        ),
        (&both, SearchOptions { fusion: Fusion { k: 0.0, ..Fusion::default() }, ..default }, "fusion.k 0"),
        (
            &both,
            SearchOptions { fusion: Fusion { depth: 10_001, ..Fusion::default() }, ..default },
            "fusion.depth 10001",
        ),
        (
            &both,
            SearchOptions { fusion: Fusion { words_weight: -1.0, ..Fusion::default() }, ..default },
            "words_weight -1",
        ),
    ] {
        refused(store.search(query, &asked), Code::InvalidArgument, part);
    }
    let neither = Fusion { words_weight: 0.0, vector_weight: 0.0, ..Fusion::default() };
    let asked = SearchOptions { fusion: neither, ..default };
    refused(store.search(&both, &asked), Code::InvalidArgument, "both weights");
}
