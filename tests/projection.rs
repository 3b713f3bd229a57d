//! Maps: the same each time, with near rows near each other, from any rows that there can be.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

use qntx_embed::projection::{ProjectOptions, place, project};
use qntx_embed::{CancelToken, Code};

const DIMENSIONS: usize = 48;

/// Numbers that follow from a seed, from -0.5 to 0.5.
fn numbers(mut state: u64) -> impl FnMut() -> f32 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

/// Rows around so many centres; row `i` belongs to centre `i % centres`.
fn groups(count: usize, centres: usize, noise: f32) -> Vec<f32> {
    let mut number = numbers(7);
    let centres: Vec<f32> = (0..centres * DIMENSIONS).map(|_| number()).collect();
    let mut rows = Vec::with_capacity(count * DIMENSIONS);
    for i in 0..count {
        let at = i * DIMENSIONS % centres.len();
        rows.extend(centres[at..at + DIMENSIONS].iter().map(|x| x + noise * number()));
    }
    rows
}

fn map(rows: &[f32]) -> Vec<[f32; 2]> {
    let points = project(rows, DIMENSIONS, &ProjectOptions::default()).unwrap();
    assert_eq!(points.len(), rows.len() / DIMENSIONS);
    assert!(points.iter().flatten().all(|x| x.abs() <= 1.0), "a point is outside of the square, or no number");
    points
}

/// Of the `k` points nearest to each, the share that belongs to the same group.
fn kept(points: &[[f32; 2]], k: usize, group: impl Fn(usize) -> usize) -> f64 {
    let mut same = 0;
    for (i, a) in points.iter().enumerate() {
        let mut others: Vec<usize> = (0..points.len()).filter(|&j| j != i).collect();
        let distance = |j: usize| (a[0] - points[j][0]).hypot(a[1] - points[j][1]);
        others.sort_by(|&x, &y| distance(x).total_cmp(&distance(y)));
        same += others[..k].iter().filter(|&&j| group(j) == group(i)).count();
    }
    same as f64 / (k * points.len()) as f64
}

#[test]
fn groups_of_rows_are_groups_of_points() {
    let points = map(&groups(600, 12, 0.5));
    let share = kept(&points, 10, |i| i % 12);
    assert!(share > 0.97, "{share}");
}

#[test]
fn the_same_rows_have_the_same_map_whatever_other_threads_do() {
    let rows = groups(5000, 30, 0.8); // enough that the crate would share the work among threads, if it had any
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| map(&rows));
        (map(&rows), other.join().unwrap())
    });
    assert!(first == second, "the maps differ");
}

#[test]
fn any_number_of_rows_has_a_map_of_as_many_points() {
    for count in 0..40 {
        map(&groups(count, 3, 0.3));
    }
    assert_eq!(map(&groups(1, 1, 0.0)), [[0.0, 0.0]]);
}

#[test]
fn rows_that_are_equal_or_zero_or_in_a_line_have_a_map() {
    let one = groups(1, 1, 0.0);
    assert!(map(&one.repeat(200)).iter().all(|point| *point == [0.0, 0.0]));
    map(&vec![0.0; 50 * DIMENSIONS]);
    // Three texts, each many times: their points lie far from those of the others.
    let three = groups(3, 3, 0.0);
    let points = map(&three.repeat(70));
    assert!(kept(&points, 20, |i| i % 3) > 0.99);
    let line: Vec<f32> =
        (0..100).flat_map(|i| (0..DIMENSIONS).map(move |j| if j == 0 { 1.0 } else { i as f32 / 100.0 })).collect();
    map(&line);
    let mut with_zeros = groups(100, 4, 0.4);
    with_zeros[..10 * DIMENSIONS].fill(0.0);
    map(&with_zeros);
}

#[test]
fn length_does_not_count() {
    let mut rows = groups(80, 4, 0.3);
    let points = map(&rows);
    // Powers of two, so that the rows at unit length are the same to the last bit.
    for (i, row) in rows.chunks_mut(DIMENSIONS).enumerate() {
        row.iter_mut().for_each(|x| *x *= [0.25, 1.0, 1024.0][i % 3]);
    }
    assert!(points == map(&rows));
}

#[test]
fn fewer_dimensions_than_components_are_enough() {
    for dimensions in [1, 2, 3] {
        let mut number = numbers(3);
        let rows: Vec<f32> = (0..60 * dimensions).map(|_| number()).collect();
        let points = project(&rows, dimensions, &ProjectOptions::default()).unwrap();
        assert!(points.iter().flatten().all(|x| x.abs() <= 1.0));
    }
}

#[test]
fn a_row_is_placed_on_its_point_and_another_among_its_like() {
    let rows = groups(300, 6, 0.4);
    let points = map(&rows);
    for (row, point) in rows.chunks(DIMENSIONS).zip(&points) {
        assert_eq!(place(&rows, DIMENSIONS, &points, row).unwrap(), *point);
    }
    let fresh = groups(360, 6, 0.4); // the first 300 of it are the same
    for (i, row) in fresh.chunks(DIMENSIONS).enumerate().skip(300) {
        let at = place(&rows, DIMENSIONS, &points, row).unwrap();
        let nearest = (0..300).min_by(|&a, &b| {
            let distance = |j: usize| (at[0] - points[j][0]).hypot(at[1] - points[j][1]);
            distance(a).total_cmp(&distance(b))
        });
        assert_eq!(nearest.unwrap() % 6, i % 6, "row {i} was placed at {at:?}");
    }
}

#[test]
fn a_cancelled_projection_ends_with_that_error_and_says_nothing_else() {
    let token = CancelToken::new();
    let cancel = |done: usize, total: usize| {
        assert!(done <= total);
        if done > 60 {
            token.cancel();
        }
    };
    let options = ProjectOptions { cancel: Some(&token), progress: Some(&cancel) };
    let error = project(&groups(400, 3, 0.3), DIMENSIONS, &options).unwrap_err();
    assert_eq!(error.code(), Code::Cancelled, "{error}");
}

#[test]
fn what_is_no_matrix_is_refused() {
    let code = |rows: &[f32], dimensions| project(rows, dimensions, &ProjectOptions::default()).unwrap_err().code();
    assert_eq!(code(&[1.0; 5], 2), Code::Dimensions);
    assert_eq!(code(&[1.0; 5], 0), Code::Dimensions);
    assert_eq!(code(&[1.0, f32::NAN], 2), Code::InvalidArgument);
    assert_eq!(place(&[1.0; 4], 2, &[[0.0; 2]], &[1.0; 2]).unwrap_err().code(), Code::Dimensions);
    assert_eq!(place(&[1.0; 4], 2, &[[0.0; 2]; 2], &[1.0; 3]).unwrap_err().code(), Code::Dimensions);
    assert_eq!(place(&[], 2, &[], &[1.0; 2]).unwrap_err().code(), Code::InvalidArgument);
}
