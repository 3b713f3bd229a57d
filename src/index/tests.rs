//! The index against brute force, and the numbers that its tests are made of.

use std::collections::BTreeMap;

use super::block::ROWS;
use super::*;
use crate::error::Code;

/// Numbers from 0 to 1 that look random and are the same every time.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// A vector that is not zero, of one of the kinds that arithmetic trips over.
pub fn awkward(numbers: &mut Numbers, dimensions: usize) -> Vec<f32> {
    let mut vector: Vec<f32> = (0..dimensions).map(|_| (numbers.next() - 0.5) as f32).collect();
    let at = numbers.below(dimensions);
    match numbers.below(8) {
        // One component that leaves nothing to the others, or all of it.
        0 => vector[at] = 1e6,
        1 => vector.iter_mut().for_each(|x| *x *= 1e-30),
        // The least and the greatest numbers there are.
        2 => vector.iter_mut().for_each(|x| *x = f32::from_bits((x.abs() * 100.0) as u32 + 1)),
        3 => vector.iter_mut().for_each(|x| *x *= f32::MAX),
        4 => vector = vec![-0.0; dimensions],
        5 => vector.iter_mut().for_each(|x| *x = x.signum()),
        6 => vector.iter_mut().for_each(|x| *x = 1.0 + *x * 1e-6),
        _ => {}
    }
    if vector.iter().all(|x| *x == 0.0) {
        vector[at] = -1.0;
    }
    vector
}

/// What is in an index, to be searched row by row.
type Truth = BTreeMap<i64, (Vec<f32>, u32)>;

/// All rows, best first, cut where the request says.
fn brute_force(truth: &Truth, query: &[f32], request: &Request<'_, u32>) -> Vec<(i64, f32)> {
    let mut all: Vec<(i64, f32)> = truth
        .iter()
        .filter(|(_, (_, payload))| request.keep.is_none_or(|keep| keep(payload)))
        .map(|(key, (vector, _))| (*key, blob::similarity(query, vector).unwrap()))
        .filter(|hit| hit.1 >= request.threshold)
        .collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
    let least = all.get(request.k - 1).map_or(f64::NEG_INFINITY, |hit| f64::from(hit.1) - f64::from(request.slack));
    all.into_iter().take_while(|hit| f64::from(hit.1) >= least).collect()
}

fn request<T>(k: usize, keep: Option<&(dyn Fn(&T) -> bool + Sync)>, threads: usize) -> Request<'_, T> {
    Request { k, slack: 0.0, threshold: -1.0, ceiling: f32::INFINITY, keep, threads }
}

fn search(index: &Index<u32>, truth: &Truth, query: &[f32], request: &Request<'_, u32>) -> Found {
    let mut exact = |key, vector: &mut [f32]| {
        vector.copy_from_slice(&truth[&key].0);
        Ok(())
    };
    index.search(query, request, &mut exact).unwrap()
}

#[test]
fn every_search_answers_what_brute_force_answers() {
    let mut numbers = Numbers(7);
    for round in 0..150 {
        let dimensions = [1, 2, 3, 7, 31, 32, 33, 64, 100, 384][numbers.below(10)];
        let (mut index, mut truth) = (Index::new(dimensions), Truth::new());
        let keys = 1 + numbers.below(600);
        let pool: Vec<Vec<f32>> = (0..1 + numbers.below(keys)).map(|_| awkward(&mut numbers, dimensions)).collect();
        for _ in 0..numbers.below(3 * keys) {
            let key = numbers.below(keys) as i64 - 100;
            if numbers.below(4) == 0 {
                assert_eq!(index.remove(key), truth.remove(&key).map(|row| row.1));
            } else {
                let mut vector = pool[numbers.below(pool.len())].clone();
                // Equal rows, rows at another length, and rows that differ in the last bit of one component.
                match numbers.below(4) {
                    0 => vector.iter_mut().for_each(|x| *x *= 0.5),
                    1 => vector[0] = vector[0].next_up().clamp(f32::MIN, f32::MAX),
                    _ => {}
                }
                if vector.iter().all(|x| *x == 0.0) {
                    continue;
                }
                let payload = numbers.below(100) as u32;
                // As the store does it: the unit vector goes into the index, the vector itself is what `exact` gives.
                let before = index.put(key, &blob::unit(&vector), payload).unwrap();
                assert_eq!(before, truth.insert(key, (vector, payload)).map(|row| row.1));
            }
            assert_eq!(index.len(), truth.len());
        }
        for _ in 0..10 {
            let query = match pool.get(numbers.below(2 * pool.len())) {
                Some(vector) => blob::unit(vector),
                None => blob::unit(&awkward(&mut numbers, dimensions)),
            };
            let share = [1, 50, 99][numbers.below(3)];
            let keep = move |payload: &u32| *payload < share;
            let request = Request {
                k: [1, 2, 10, 100, 10_000][numbers.below(5)],
                slack: [0.0, 0.0, 1e-6, 0.1][numbers.below(4)],
                threshold: [-1.0, -1.0, 0.0, 0.3, 0.9, 1.0][numbers.below(6)],
                ceiling: f32::INFINITY,
                keep: if numbers.below(2) == 0 { Some(&keep) } else { None },
                threads: 1,
            };
            let found = search(&index, &truth, &query, &request);
            assert_eq!(found.hits, brute_force(&truth, &query, &request), "round {round}, {dimensions} dimensions");
            let kept = truth.values().filter(|row| request.keep.is_none_or(|keep| keep(&row.1))).count();
            assert_eq!((found.scanned, found.kept), (truth.len(), kept));
            assert!(found.rescored <= found.refined && found.refined <= found.kept);
            // What comes after a page: of the rows above the ceiling only such as the bounds cannot tell from it.
            let ceiling = numbers.next() as f32;
            let below = search(&index, &truth, &query, &Request { k: 10_000, ceiling, ..request });
            let mut all = brute_force(&truth, &query, &Request { k: 10_000, ..request });
            assert!(below.hits.iter().all(|hit| hit.1 <= ceiling + 0.01));
            all.retain(|hit| hit.1 <= ceiling || below.hits.contains(hit));
            assert_eq!(below.hits, all);
        }
    }
}

#[test]
fn rows_that_differ_by_less_than_the_compact_form_can_say_keep_their_order() {
    let mut numbers = Numbers(8);
    let base: Vec<f32> = (0..384).map(|_| (numbers.next() - 0.5) as f32).collect();
    let (mut index, mut truth) = (Index::new(384), Truth::new());
    for key in 0..5000 {
        let mut vector = base.clone();
        for _ in 0..3 {
            vector[numbers.below(384)] *= 1.0 + (numbers.below(3) as f32) * 1e-7;
        }
        index.put(key, &blob::unit(&vector), 0).unwrap();
        truth.insert(key, (blob::unit(&vector), 0));
    }
    let request = request(10, None, 2);
    let found = search(&index, &truth, &blob::unit(&base), &request);
    assert_eq!(found.hits, brute_force(&truth, &blob::unit(&base), &request));
}

#[test]
fn threads_share_blocks_and_answer_as_one_does() {
    let mut numbers = Numbers(9);
    let (mut index, mut truth) = (Index::new(1000), Truth::new());
    let rows = 5 * ROWS + 17;
    for key in 0..rows as i64 {
        let vector: Vec<f32> = (0..1000).map(|_| (numbers.next() - 0.5) as f32).collect();
        index.put(key, &vector, (key % 100) as u32).unwrap();
        truth.insert(key, (vector, (key % 100) as u32));
    }
    let half = |payload: &u32| *payload < 50;
    for (k, keep) in [(1, None), (10, None), (10, Some(&half as &(dyn Fn(&u32) -> bool + Sync))), (3000, None)] {
        let query: Vec<f32> = (0..1000).map(|_| (numbers.next() - 0.5) as f32).collect();
        let wanted = brute_force(&truth, &query, &request(k, keep, 1));
        for threads in [0, 1, 2, 3, 64] {
            let found = search(&index, &truth, &query, &request(k, keep, threads));
            assert_eq!(found.hits, wanted, "k {k}, {threads} threads");
            assert!(found.rescored < k + k / 10 + 10, "k {k}: {} rows were asked for", found.rescored);
        }
    }
    // Half of the rows go, and their memory with them.
    let before = index.bytes();
    for key in (0..rows as i64).step_by(2) {
        assert!(index.remove(key).is_some());
        truth.remove(&key);
    }
    assert!(index.bytes() < before * 2 / 3, "{} {before}", index.bytes());
    let request = request(10, None, 2);
    let query = awkward(&mut numbers, 1000);
    assert_eq!(search(&index, &truth, &query, &request).hits, brute_force(&truth, &query, &request));
}

#[test]
fn what_a_row_costs_is_what_is_said_before() {
    for dimensions in [3, 384] {
        let mut index = Index::new(dimensions);
        for key in 0..3 * ROWS as i64 {
            index.put(key, &vec![1.0; dimensions], key).unwrap();
        }
        let said = Index::<i64>::bytes_per_row(dimensions) * index.len();
        assert!(index.bytes() <= said + 1000, "{} {said}", index.bytes());
        assert!(index.bytes() + 25 * index.len() >= said, "{} {said}", index.bytes());
    }
}

#[test]
fn an_empty_index_finds_nothing_and_forgets_nothing() {
    let mut index: Index<u32> = Index::new(5);
    let request = request(1, None, 8);
    assert!(index.is_empty() && index.remove(1).is_none());
    assert!(search(&index, &Truth::new(), &[1.0; 5], &request).hits.is_empty());
    index.put(1, &[1.0; 5], 0).unwrap();
    assert!(index.remove(1).is_some() && index.is_empty());
    assert_eq!(index.len(), 0);
}

#[test]
fn what_cannot_be_compared_is_refused_by_name() {
    #[track_caller]
    fn refused<R>(result: Result<R>, code: Code, part: &str) {
        let e = result.err().expect("an error");
        assert_eq!(e.code(), code, "{e}");
        assert!(e.message().contains(part), "'{part}' is not in: {e}");
    }
    let mut index = Index::new(2);
    refused(index.put(1, &[1.0], ()), Code::Dimensions, "the vector has 1 dimensions");
    refused(index.put(1, &[1.0, f32::NAN], ()), Code::InvalidArgument, "component 1 of the vector");
    index.put(1, &[1.0, 0.0], ()).unwrap();
    let search = |query: &[f32], k, threshold| {
        let request = Request { threshold, ..request(k, None, 1) };
        index.search(query, &request, &mut |_, _| fail!(Store, "the row is gone"))
    };
    refused(search(&[1.0; 3], 1, 0.0), Code::Dimensions, "the query has 3 dimensions");
    refused(search(&[f32::INFINITY, 0.0], 1, 0.0), Code::InvalidArgument, "component 0 of the query");
    refused(search(&[1.0, 0.0], 0, 0.0), Code::InvalidArgument, "k is 0");
    refused(search(&[1.0, 0.0], 1, f32::NAN), Code::InvalidArgument, "threshold");
    refused(search(&[1.0, 0.0], 1, 0.0), Code::Store, "the row is gone");
}
