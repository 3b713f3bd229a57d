//! Principal components: the directions in which rows differ most, and where each row lies along them.

use ndarray::{Array1, Array2, Axis};

/// Directions that are looked for beside those that are wanted: the more, the fewer rounds are needed.
const SPARE: usize = 10;
/// Rounds of the iteration. Each makes what is outside of the directions smaller by the ratio of the variances.
const ROUNDS: usize = 6;

/// The first `wanted` components of `rows` (`[count, dimensions]`), or as many as there are: `[count, components]`, in
/// descending order of variance. Columns sum to 0.
///
/// By block iteration with the rows themselves; the matrix of covariances, which costs the square of the dimensions for
/// each row, is never made.
pub fn components(mut rows: Array2<f32>, wanted: usize) -> Array2<f32> {
    let (count, dimensions) = rows.dim();
    let wanted = wanted.min(dimensions).min(count);
    if wanted == 0 {
        return Array2::zeros((count, 0));
    }
    let mean = rows.map_axis(Axis(0), |column| column.iter().map(|&x| f64::from(x)).sum::<f64>() / count as f64);
    rows -= &mean.mapv(|x| x as f32);
    let width = (wanted + SPARE).min(dimensions).min(count);
    let mut directions = start(dimensions, width);
    for _ in 0..ROUNDS {
        directions = rows.t().dot(&rows.dot(&directions));
        orthonormalise(&mut directions);
    }
    let scores = rows.dot(&directions);
    // What is left is small: turn the block so that its columns are the components themselves.
    let (order, turned) = eigenvectors(scores.t().dot(&scores).mapv(f64::from));
    let turn = Array2::from_shape_fn((width, wanted), |(row, column)| turned[[row, order[column]]] as f32);
    let mut components = scores.dot(&turn);
    for mut column in components.columns_mut() {
        // A direction has no sign of its own: its largest score is positive.
        let largest = column.iter().fold(0f32, |most, &x| if x.abs() > most.abs() { x } else { most });
        if largest < 0.0 {
            column.mapv_inplace(|x| -x);
        }
    }
    components
}

/// Directions to begin with: numbers that follow from their places, and are as good as random ones.
fn start(dimensions: usize, width: usize) -> Array2<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut directions = Array2::from_shape_simple_fn((dimensions, width), || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    });
    orthonormalise(&mut directions);
    directions
}

/// Makes columns orthogonal and of length 1 (Gram-Schmidt, twice); one that depends on those before it becomes 0.
fn orthonormalise(columns: &mut Array2<f32>) {
    let before = columns.map_axis(Axis(0), |column| column.dot(&column).sqrt());
    for i in 0..columns.ncols() {
        for _ in 0..2 {
            let (done, mut rest) = columns.view_mut().split_at(Axis(1), i);
            let mut column = rest.column_mut(0);
            let along: Array1<f32> = done.t().dot(&column);
            column -= &done.dot(&along);
        }
        let mut column = columns.column_mut(i);
        let length = column.dot(&column).sqrt();
        if length > before[i] * 1e-5 && length > f32::MIN_POSITIVE {
            column.mapv_inplace(|x| x / length);
        } else {
            column.fill(0.0);
        }
    }
}

/// The eigenvectors of a symmetric matrix as columns, and the order that puts the largest eigenvalue first. Jacobi's
/// method: slow for large matrices, exact and simple for one as small as a block.
fn eigenvectors(mut matrix: Array2<f64>) -> (Vec<usize>, Array2<f64>) {
    let n = matrix.nrows();
    let mut vectors = Array2::eye(n);
    for _ in 0..30 {
        let rest: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|at| matrix[at] * matrix[at]).sum();
        if rest <= 1e-24 * matrix.diag().dot(&matrix.diag()) {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| matrix[[b, b]].total_cmp(&matrix[[a, a]]).then(a.cmp(&b)));
    (order, vectors)
}

/// Turns the plane of `p` and `q` so that the two no longer depend on each other.
fn rotate(matrix: &mut Array2<f64>, vectors: &mut Array2<f64>, p: usize, q: usize) {
    if matrix[[p, q]] == 0.0 {
        return;
    }
    let theta = (matrix[[q, q]] - matrix[[p, p]]) / (2.0 * matrix[[p, q]]);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    for k in 0..matrix.nrows() {
        let (a, b) = (matrix[[k, p]], matrix[[k, q]]);
        (matrix[[k, p]], matrix[[k, q]]) = (cosine * a - sine * b, sine * a + cosine * b);
        let (a, b) = (vectors[[k, p]], vectors[[k, q]]);
        (vectors[[k, p]], vectors[[k, q]]) = (cosine * a - sine * b, sine * a + cosine * b);
    }
    for k in 0..matrix.nrows() {
        let (a, b) = (matrix[[p, k]], matrix[[q, k]]);
        (matrix[[p, k]], matrix[[q, k]]) = (cosine * a - sine * b, sine * a + cosine * b);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    #[test]
    fn the_components_of_rows_along_known_directions_are_these() {
        // 40 rows that differ by 5 along one diagonal, by 1 along another, and along nothing else.
        let (first, second) = ([0.5f32, 0.5, 0.5, 0.5], [0.5f32, -0.5, 0.5, -0.5]);
        let rows = Array2::from_shape_fn((40, 4), |(i, j)| {
            let (a, b) = ((i as f32 * 0.7).sin(), (i as f32 * 1.3).cos());
            7.0 + 5.0 * a * first[j] + b * second[j]
        });
        let found = components(rows.clone(), 3);
        assert_eq!(found.dim(), (40, 3));
        for (column, direction) in [(0, first), (1, second)] {
            let mut expected: Vec<f32> =
                rows.outer_iter().map(|r| r.iter().zip(direction).map(|(x, d)| x * d).sum()).collect();
            let mean = expected.iter().sum::<f32>() / 40.0;
            expected.iter_mut().for_each(|x| *x -= mean);
            let found = found.column(column);
            let dot: f32 = found.iter().zip(&expected).map(|(a, b)| a * b).sum();
            let lengths = (found.dot(&found) * expected.iter().map(|x| x * x).sum::<f32>()).sqrt();
            assert!((dot.abs() / lengths) > 0.99, "{column}: {dot} of {lengths}");
        }
        assert!(found.column(2).iter().all(|x| x.abs() < 1e-4));
    }

    #[test]
    fn variances_descend_and_are_those_of_the_whole() {
        let rows = Array2::from_shape_fn((60, 8), |(i, j)| ((i * 31 + j * 17 + i * j) % 23) as f32 / (j + 1) as f32);
        let mean = rows.mean_axis(Axis(0)).unwrap();
        let total: f32 = (&rows - &mean).iter().map(|x| x * x).sum();
        let found = components(rows, 8);
        let variances: Vec<f32> = found.columns().into_iter().map(|c| c.dot(&c)).collect();
        assert!(variances.is_sorted_by(|a, b| a * 1.0001 >= *b), "{variances:?}");
        assert!((variances.iter().sum::<f32>() / total - 1.0).abs() < 1e-3);
        assert!(found.slice(s![.., 0]).sum().abs() < 1e-2);
    }
}
