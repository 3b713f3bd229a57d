//! The operator `QuantisedLinear` of domain `qntx`: `x W^T` in 8 bits.
//!
//! `QuantisedLinear(x [tokens, inputs]) -> [tokens, outputs]`, attributes `weights` (which matrix) and `outputs`. The
//! matrices belong to the operator, not to the graph, so that all sessions have the same ones.

use std::cell::RefCell;
use std::sync::Arc;

use ort::operator::{
    BoxedKernel, ComputeContext, KernelContext, Operator, OperatorInput, OperatorOutput, ShapeInferenceContext,
};
use ort::value::TensorElementType::Float32;

use super::operators::{guarded, infer_rows, missing, wrong_shape};
use crate::error::{Result, fail};
use crate::kernel::quantised::{Columns, Scratch, Weights};
use crate::model::Tensor;

/// Tasks for each thread: the last one to end has not much left.
const TASKS: usize = 4;

/// Quantises matrices `[outputs, inputs]` with `threads` threads.
pub fn quantise(matrices: Vec<Tensor>, threads: usize) -> Result<Arc<[Weights]>> {
    let count = matrices.len();
    let weights = |m: &Tensor| Weights::new(&m.data, m.shape[0], m.shape[1]);
    let quantised: Vec<Weights> = std::thread::scope(|scope| {
        let work = matrices.chunks(count.div_ceil(threads.max(1)).max(1));
        let running: Vec<_> = work.map(|some| scope.spawn(|| some.iter().map(weights).collect::<Vec<_>>())).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    if quantised.len() != count {
        fail!(Internal, "a thread that quantises weights panicked");
    }
    Ok(quantised.into())
}

thread_local! {
    /// One for all matrices, so that it stays in the processor's cache.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

pub struct QuantisedLinear {
    pub weights: Arc<[Weights]>,
    pub threads: usize,
}

impl Operator for QuantisedLinear {
    type Kernel<'attr> = BoxedKernel<'attr>;

    fn name(&self) -> &str {
        "QuantisedLinear"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::required(Float32)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32)]
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let outputs = context.attr::<i64>("outputs")?;
        infer_rows(context, |_| outputs)
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        let place = context.get::<i64>("weights").and_then(|i| usize::try_from(i).ok());
        let place = place.filter(|&i| i < self.weights.len());
        let place = place.ok_or_else(|| ort::Error::new("QuantisedLinear needs an attribute 'weights', a place"))?;
        let (weights, threads) = (Arc::clone(&self.weights), self.threads);
        Ok(guarded(move |context| {
            SCRATCH.with_borrow_mut(|scratch| multiply(context, &weights[place], threads, scratch))
        }))
    }
}

fn multiply(context: &ComputeContext, weights: &Weights, threads: usize, scratch: &mut Scratch) -> ort::Result<()> {
    let x = context.input(0)?.ok_or_else(missing)?;
    let (shape, x) = x.try_extract_tensor::<f32>()?;
    let &[tokens, inputs] = &shape[..] else { return Err(wrong_shape()) };
    if inputs as usize != weights.inputs() {
        return Err(wrong_shape());
    }
    let mut output = context.output(0, [tokens as usize, weights.outputs()])?.ok_or_else(missing)?;
    let (_, out) = output.try_extract_tensor_mut::<f32>()?;
    weights.quantise(x, scratch);
    // SAFETY: the tasks below have different parts.
    let columns = unsafe { Columns::new(out, weights.outputs()) };
    let parts = weights.parts();
    if threads == 1 {
        weights.multiply(scratch, 0..parts, &columns);
        return Ok(());
    }
    let tasks = (threads * TASKS).min(parts).max(1);
    let scratch: &Scratch = scratch;
    context.par_for(tasks, tasks, |task| {
        weights.multiply(scratch, task * parts / tasks..(task + 1) * parts / tasks, &columns);
    })
}
