//! t-SNE: moves points until near rows lie near each other; the only file that names `bhtsne`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

use bhtsne::{Neighbor, tSNE};

use super::neighbours::Neighbour;
use crate::error::{Code, Error, Result};

/// Rounds of moving all points a little.
pub const EPOCHS: usize = 500;
/// So many of them with attraction twelve times as strong, so that groups find together.
const EARLY_EPOCHS: usize = 125;
/// How many neighbours of a point count about equally.
const PERPLEXITY: f32 = 15.0;
/// The points begin this close together, as is usual: with the order of the first components, and no distances yet.
const START: f32 = 1e-4;

/// How many neighbours of each row are wanted: three times the perplexity, or all where there are no more.
pub fn neighbours(count: usize) -> usize {
    (3.0 * perplexity(count)) as usize
}

fn perplexity(count: usize) -> f32 {
    PERPLEXITY.min(((count - 1) / 3) as f32)
}

/// Lays out points from where `start` has them, by the neighbours of each. `step` is told how many epochs are done, by the
/// thread that calls, and may end it.
///
/// The crate computes on the threads of a pool, and the order of its sums follows from how work is shared among them: so the
/// pool has one. It has no way to end early but that its callback unwinds.
pub fn layout(
    start: &[[f32; 2]],
    neighbours: Vec<Vec<Neighbour>>,
    mut step: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<[f32; 2]>> {
    let scale = START / super::extent(start);
    let start: Vec<f32> = start.iter().flatten().map(|x| x * scale).collect();
    let neighbours: Vec<Vec<Neighbor<f32>>> = neighbours
        .into_iter()
        .map(|row| row.into_iter().map(|n| Neighbor { index: n.index, distance: n.distance }).collect())
        .collect();
    let mut ended = Ok(());
    let fitted = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .thread_name(|_| "qntx-projection".to_owned())
        .build_scoped(
            |thread| thread.run(),
            |pool| {
                let mut fitted = None;
                let (sender, epochs) = mpsc::sync_channel(1);
                pool.in_place_scope(|scope| {
                    scope.spawn(|_| fitted = Some(catch_unwind(AssertUnwindSafe(|| fit(start, &neighbours, sender)))));
                    for epoch in epochs.iter() {
                        ended = step(epoch);
                        if ended.is_err() {
                            break;
                        }
                    }
                    drop(epochs); // which ends the fit
                });
                fitted
            },
        )
        .map_err(|e| Error::new(Code::Io, format!("a thread for the projection could not be started: {e}")))?;
    ended?;
    match fitted {
        Some(Ok(points)) => Ok(points.as_chunks::<2>().0.to_vec()),
        Some(Err(panic)) => resume_unwind(panic),
        None => Err(Error::new(Code::Internal, "the projection ended without a result")),
    }
}

/// The layout itself. It tells `epochs` how far it is, and unwinds when nobody listens any more.
fn fit(start: Vec<f32>, neighbours: &[Vec<Neighbor<f32>>], epochs: mpsc::SyncSender<usize>) -> Vec<f32> {
    // Only how many there are counts: the neighbours are known already.
    let rows = vec![(); neighbours.len()];
    let mut layout: tSNE<'_, f32, (), 2> = tSNE::new(&rows);
    layout
        .perplexity(perplexity(rows.len()))
        .epochs(EPOCHS)
        .stop_lying_epoch(EARLY_EPOCHS)
        .initial_embedding(start)
        .epoch_callback(move |epoch, _| {
            if epochs.send(epoch + 1).is_err() {
                resume_unwind(Box::new("the projection was cancelled")); // says nothing on stderr
            }
        })
        .fit_sne_with_neighbors(neighbours);
    layout.embedding()
}
