//! A plain read of memory, which no search can be faster than that looks at as many bytes.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Words that a thread takes at a time: what 4,096 rows of 384 bytes have.
const PIECE: usize = 4096 * 384 / 8;

/// Reads all bytes once, piece by piece, as a scan does.
pub fn stream(bytes: &[u64], threads: usize) -> u64 {
    let next = AtomicUsize::new(0);
    let pieces: Vec<&[u64]> = bytes.chunks(PIECE).collect();
    let work = || {
        let mut sums = [0u64; 16];
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            for part in piece.as_chunks::<16>().0 {
                sums.iter_mut().zip(part).for_each(|(sum, x)| *sum ^= x);
            }
        }
        sums.iter().fold(0, |a, b| a ^ b)
    };
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        helpers.into_iter().fold(work(), |sum, helper| sum ^ helper.join().expect("no panic"))
    })
}
