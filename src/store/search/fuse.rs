//! New orders from old ones: two ranks into one, and less of the same.

use std::collections::HashMap;

use super::{Candidate, Fusion};

/// Reciprocal rank fusion; equals stay in the order of their vector ranks, then of their words'.
pub fn by_rank(near: Vec<Candidate>, matched: Vec<Candidate>, fusion: &Fusion) -> Vec<Candidate> {
    let part = |weight: f32, rank: u32| {
        if rank == 0 { 0.0 } else { f64::from(weight) / (f64::from(fusion.k) + f64::from(rank)) }
    };
    let mut places = HashMap::new();
    let mut fused: Vec<Candidate> = Vec::with_capacity(near.len() + matched.len());
    // A kind without weight does not bring its rows in.
    let near = near.into_iter().filter(|_| fusion.vector_weight > 0.0);
    let matched = matched.into_iter().filter(|_| fusion.words_weight > 0.0);
    for candidate in near.chain(matched) {
        match places.get(&candidate.key) {
            Some(&place) => {
                let known: &mut Candidate = &mut fused[place];
                known.words_rank = candidate.words_rank;
            }
            None => {
                places.insert(candidate.key, fused.len());
                fused.push(candidate);
            }
        }
    }
    let score = |c: &Candidate| part(fusion.vector_weight, c.vector_rank) + part(fusion.words_weight, c.words_rank);
    // Stable, and by the score before it is rounded for the caller.
    fused.sort_by(|a, b| score(b).total_cmp(&score(a)));
    for candidate in &mut fused {
        candidate.score = score(candidate) as f32;
    }
    fused
}

/// Maximal marginal relevance; of equals the one nearer to the query. `units` are the candidates' vectors.
pub fn diverse(mut near: Vec<Candidate>, units: &[Vec<f32>], lambda: f32, limit: usize) -> Vec<Candidate> {
    let similarity = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let mut closest = vec![f32::NEG_INFINITY; near.len()];
    let mut left: Vec<usize> = (0..near.len()).collect();
    let mut chosen = Vec::new();
    while chosen.len() < limit && !left.is_empty() {
        let value = |&i: &usize| {
            let same = if closest[i] == f32::NEG_INFINITY { 0.0 } else { closest[i] };
            lambda * near[i].similarity - (1.0 - lambda) * same
        };
        let mut best = 0;
        for place in 1..left.len() {
            if value(&left[place]) > value(&left[best]) {
                best = place;
            }
        }
        near[left[best]].score = value(&left[best]);
        let next = left.remove(best);
        for &i in &left {
            closest[i] = closest[i].max(similarity(&units[i], &units[next]));
        }
        chosen.push(next);
    }
    chosen.into_iter().map(|i| near[i].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(keys: &[i64], by_words: bool) -> Vec<Candidate> {
        let candidate = |(i, &key): (usize, &i64)| {
            let rank = i as u32 + 1;
            let (vector_rank, words_rank) = if by_words { (0, rank) } else { (rank, 0) };
            Candidate { key, vector_rank, words_rank, ..Candidate::default() }
        };
        keys.iter().enumerate().map(candidate).collect()
    }

    fn keys(found: &[Candidate]) -> Vec<i64> {
        found.iter().map(|c| c.key).collect()
    }

    #[test]
    fn a_row_with_two_good_ranks_comes_before_one_with_one() {
        let fuse = |fusion: &Fusion| by_rank(candidates(&[1, 2, 3], false), candidates(&[4, 3, 5], true), fusion);
        let fused = fuse(&Fusion::default());
        assert_eq!(keys(&fused), [3, 1, 4, 2, 5]);
        assert_eq!((fused[0].vector_rank, fused[0].words_rank), (3, 2));
        assert!((f64::from(fused[0].score) - (1.0 / 63.0 + 1.0 / 62.0)).abs() < 1e-8);
        assert_eq!(keys(&fuse(&Fusion { words_weight: 0.0, ..Fusion::default() })), [1, 2, 3]);
        assert_eq!(keys(&fuse(&Fusion { vector_weight: 0.0, ..Fusion::default() })), [4, 3, 5]);
        assert_eq!(keys(&fuse(&Fusion { words_weight: 3.0, ..Fusion::default() }))[..2], [3, 4]);
    }

    #[test]
    fn diversity_takes_another_direction_before_a_copy() {
        let near: Vec<Candidate> = [(1, 0.9), (2, 0.9), (3, 0.5)]
            .map(|(key, similarity)| Candidate { key, similarity, ..Candidate::default() })
            .to_vec();
        let units = [vec![1.0, 0.0], vec![1.0, 0.0], vec![0.0, 1.0]];
        assert_eq!(keys(&diverse(near.clone(), &units, 1.0, 3)), [1, 2, 3]);
        assert_eq!(keys(&diverse(near.clone(), &units, 0.5, 3)), [1, 3, 2]);
        assert_eq!(keys(&diverse(near, &units, 0.5, 1)), [1]);
    }
}
