//! The modules after the transformer: pooling, and what is done with the row that it gives.

use crate::blob;
use crate::kernel::gelu;
use crate::kernel::norm::{LayerNorm, add_layer_norm};
use crate::model::{Activation, Module};
use crate::pooling;
use crate::session::Rows;

/// `torch.nn.LayerNorm`'s default, which sentence-transformers leaves as it is.
const LAYER_NORM_EPS: f32 = 1e-5;

/// Applies `modules` to what the network says of one text, whose first `prompt` tokens are a prompt's.
pub fn apply(modules: &[Module], rows: Rows<'_>, prompt: usize) -> Vec<f32> {
    let (mut row, modules) = match (rows, modules.split_first()) {
        (Rows::Tokens(hidden), Some((Module::Pooling { modes, include_prompt }, rest))) => {
            let skipped = if *include_prompt { 0 } else { prompt };
            (pooling::pool(hidden, skipped, modes), rest)
        }
        // A network that pools by itself.
        (Rows::Sentence(row), Some((Module::Pooling { .. }, rest))) => (row.to_vec(), rest),
        (Rows::Tokens(_), _) | (Rows::Sentence(_), _) => unreachable!("the first module is always Pooling"),
    };
    for module in modules {
        match module {
            Module::Pooling { .. } => unreachable!("there is one Pooling, and it is the first module"),
            Module::Normalize => blob::normalize(&mut row),
            Module::Dense { weight, bias, activation } => row = dense(&row, weight, bias, *activation),
            Module::LayerNorm { scale, shift } => {
                let zeros = vec![0.0; row.len()];
                let norm = LayerNorm { bias: &zeros, scale, shift, eps: LAYER_NORM_EPS };
                add_layer_norm(&mut row, &zeros, norm);
            }
        }
    }
    row
}

fn dense(row: &[f32], weight: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
    let sum = |(w, b): (&[f32], &f32)| w.iter().zip(row).map(|(w, x)| w * x).sum::<f32>() + b;
    let mut out: Vec<f32> = weight.chunks_exact(row.len()).zip(bias).map(sum).collect();
    match activation {
        Activation::Identity => {}
        Activation::Tanh => out.iter_mut().for_each(|x| *x = x.tanh()),
        Activation::Gelu => gelu::exact(&mut out, &[0.0]),
        Activation::Relu => out.iter_mut().for_each(|x| *x = x.max(0.0)),
        Activation::Sigmoid => out.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp())),
    }
    out
}

/// How many components `modules` make of `dim` hidden ones, or the pair of sizes that do not fit each other.
pub fn dimensions(modules: &[Module], dim: usize) -> Result<usize, (usize, usize)> {
    modules.iter().try_fold(dim, |dim, module| {
        let (wanted, gives) = match module {
            Module::Pooling { modes, .. } => (dim, dim * modes.len()),
            Module::Normalize => (dim, dim),
            Module::Dense { weight, bias, .. } => (weight.len() / bias.len().max(1), bias.len()),
            Module::LayerNorm { scale, .. } => (scale.len(), scale.len()),
        };
        if wanted == dim { Ok(gives) } else { Err((dim, wanted)) }
    })
}
