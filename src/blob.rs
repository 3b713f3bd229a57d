//! Vectors as bytes (`FLOAT32_BLOB`: little-endian f32, as sqlite-vec stores them) and the arithmetic of similarity.

use crate::error::{Result, fail};

/// The bytes of a vector: 4 little-endian bytes for each component.
pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_bytes(&mut bytes, vector);
    bytes
}

/// Appends the bytes of a vector, four at a time.
pub(crate) fn append_bytes(bytes: &mut Vec<u8>, vector: &[f32]) {
    let start = bytes.len();
    bytes.resize(start + 4 * vector.len(), 0);
    for (bytes, x) in bytes[start..].as_chunks_mut::<4>().0.iter_mut().zip(vector) {
        *bytes = x.to_le_bytes();
    }
}

/// The vector of a blob. A length that is no multiple of 4 is an error.
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<f32>> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        fail!(
            InvalidArgument,
            "blob of {} bytes is no vector: its length must be a multiple of 4 (little-endian f32)",
            bytes.len()
        );
    }
    Ok(chunks.iter().map(|c| f32::from_le_bytes(*c)).collect())
}

/// Cosine similarity, from -1 to 1. A zero vector is similar to nothing: 0. Different lengths are an error.
pub fn similarity(a: &[f32], b: &[f32]) -> Result<f32> {
    if a.len() != b.len() {
        fail!(Dimensions, "cannot compare a vector of {} dimensions with one of {}", a.len(), b.len());
    }
    if let Some(i) = a.iter().chain(b).position(|x| !x.is_finite()) {
        fail!(InvalidArgument, "cannot compare vectors: component {} is not a finite number", i % a.len());
    }
    let (mut dot, mut aa, mut bb) = (0f64, 0f64, 0f64);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    if aa == 0.0 || bb == 0.0 {
        return Ok(0.0);
    }
    Ok((dot / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0) as f32)
}

/// The cosine of two unit vectors that lie `distance` (L2) apart: `1 - d²/2`.
pub fn cosine_of_distance(distance: f64) -> f64 {
    1.0 - distance * distance / 2.0
}

/// The L2 distance of two unit vectors of this cosine: the inverse of [`cosine_of_distance`].
pub fn distance_of_cosine(cosine: f64) -> f64 {
    (2.0 - 2.0 * cosine).max(0.0).sqrt()
}

/// Scales `vector` to unit length; a zero vector stays zero, as in `torch.nn.functional.normalize` (eps 1e-12).
pub(crate) fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt().max(1e-12);
    let scale = (1.0 / norm) as f32;
    vector.iter_mut().for_each(|x| *x *= scale);
}

/// `vector` at unit length, however short or long it is: the f64 sum of squares neither under- nor overflows.
/// It must have a finite component that is not zero.
pub(crate) fn unit(vector: &[f32]) -> Vec<f32> {
    let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    vector.iter().map(|&x| (f64::from(x) / norm) as f32).collect()
}

/// [`unit`] of a vector's bytes, into a vector that is used again; `false` where they are none of its length.
pub(crate) fn unit_of_bytes(bytes: &[u8], unit: &mut [f32]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || chunks.len() != unit.len() {
        return false;
    }
    let mut squares = 0f64;
    for (x, bytes) in unit.iter_mut().zip(chunks) {
        *x = f32::from_le_bytes(*bytes);
        squares += f64::from(*x) * f64::from(*x);
    }
    let norm = squares.sqrt();
    unit.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    true
}

/// The square of the L2 distance of two vectors of one length. The order of the sums is fixed, so the same two vectors
/// have the same distance everywhere, to the last bit; two equal ones have 0.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0f64; 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            let difference = f64::from(a[i]) - f64::from(b[i]);
            sums[i] += difference * difference;
        }
    }
    for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        let difference = f64::from(*a) - f64::from(*b);
        sums[i] += difference * difference;
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_survives_its_bytes_bit_by_bit() {
        let v = [0.0, -0.0, 1.5, f32::MIN_POSITIVE, f32::MAX, -3.25e-7, f32::INFINITY];
        let back = from_bytes(&to_bytes(&v)).expect("whole blob");
        assert_eq!(v.map(f32::to_bits).to_vec(), back.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
        assert_eq!(to_bytes(&[1.0]), [0, 0, 0x80, 0x3f]);
        assert!(from_bytes(&[1, 2, 3]).is_err());
    }

    #[test]
    fn similarity_is_the_cosine() {
        let near = |a: &[f32], b: &[f32]| similarity(a, b).expect("same length");
        assert_eq!(near(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        assert_eq!(near(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
        assert_eq!(near(&[1.0, 0.0], &[-5.0, 0.0]), -1.0);
        assert_eq!(near(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
        assert!(similarity(&[1.0], &[1.0, 2.0]).is_err());
        assert!(similarity(&[f32::NAN], &[1.0]).is_err());
        assert!(similarity(&[], &[]).is_ok_and(|s| s == 0.0));
    }

    #[test]
    fn distance_and_cosine_are_inverse() {
        for cosine in [-1.0, -0.3, 0.0, 0.3, 0.7882, 1.0] {
            assert!((cosine_of_distance(distance_of_cosine(cosine)) - cosine).abs() < 1e-12);
        }
    }

    #[test]
    fn a_zero_vector_stays_zero_when_normalised() {
        let mut v = [0.0; 3];
        normalize(&mut v);
        assert_eq!(v, [0.0; 3]);
    }
}
