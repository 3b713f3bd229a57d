//! The operators of domain `qntx`, as ONNX Runtime calls them: shapes are checked here, the arithmetic is in
//! `crate::kernel`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use ort::operator::{
    BoxedKernel, ComputeContext, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::TensorElementType::{Float32, Int64};
use ort::value::{Shape, SymbolicDimensions, ValueType};

use super::quantised::QuantisedLinear;
use crate::kernel::quantised::Weights;
use crate::kernel::{attention, gelu, norm};
use crate::model::encoder::DOMAIN;

/// All of them, for a session of `threads` threads.
pub fn domain(quantised: &Arc<[Weights]>, threads: usize) -> ort::Result<OperatorDomain> {
    let domain = OperatorDomain::new(DOMAIN)?.add(Attention)?.add(AddLayerNorm)?.add(Gelu)?;
    domain.add(QuantisedLinear { weights: Arc::clone(quantised), threads })
}

/// Whether a session with the domain was made in this process.
static KNOWN: Mutex<bool> = Mutex::new(false);

/// Makes a session that has the domain, the first of them alone. ONNX Runtime keeps a map of the process's domains, which a
/// session looks into and adds to without a lock, and refuses to add one that it finds there after all.
pub fn first_alone<T>(make: impl FnOnce() -> ort::Result<T>) -> ort::Result<T> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if *known {
        drop(known);
        return make();
    }
    let made = make()?;
    *known = true;
    Ok(made)
}

/// A panic must not unwind into ONNX Runtime.
pub(super) fn guarded<'a>(mut compute: impl FnMut(&ComputeContext) -> ort::Result<()> + Send + 'a) -> BoxedKernel<'a> {
    Box::new(move |context: &ComputeContext| {
        catch_unwind(AssertUnwindSafe(|| compute(context)))
            .unwrap_or_else(|_| Err(ort::Error::new("an operator panicked")))
    })
}

pub(super) fn missing() -> ort::Error {
    ort::Error::new("an operator lacks an input or its output")
}

pub(super) fn wrong_shape() -> ort::Error {
    ort::Error::new("an operator got inputs whose shapes do not fit")
}

/// Gives `work` the output, which holds the values of input 0: ONNX Runtime may have put both in one place, and does
/// so where nothing else reads the input. No reference to the input lives while `work` writes.
fn in_place(context: &ComputeContext, work: impl FnOnce(&mut [f32]) -> ort::Result<()>) -> ort::Result<()> {
    let input = context.input(0)?.ok_or_else(missing)?;
    let (shape, from) = {
        let (shape, values) = input.try_extract_tensor::<f32>()?;
        (shape.to_vec(), values.as_ptr())
    };
    let mut output = context.output(0, shape)?.ok_or_else(missing)?;
    let to = output.try_extract_tensor_mut::<f32>()?.1.as_ptr();
    if !std::ptr::eq(from, to) {
        let (_, values) = input.try_extract_tensor::<f32>()?;
        output.try_extract_tensor_mut::<f32>()?.1.copy_from_slice(values);
    }
    work(output.try_extract_tensor_mut::<f32>()?.1)
}

/// The output has the shape of input 0. ONNX Runtime works in place only where it knows that.
fn infer_same_shape(context: &mut ShapeInferenceContext) -> ort::Result<()> {
    match context.inputs().first() {
        Some(input) => context.set_output(0, input),
        None => Err(missing()),
    }
}

/// The output has the rows of input 0, and as many columns as `columns` makes of its.
pub(super) fn infer_rows(context: &mut ShapeInferenceContext, columns: impl Fn(i64) -> i64) -> ort::Result<()> {
    let inputs = context.inputs();
    let Some(ValueType::Tensor { ty, shape, dimension_symbols }) = inputs.first() else { return Err(missing()) };
    let &[tokens, width] = &shape[..] else { return Err(wrong_shape()) };
    let output = ValueType::Tensor {
        ty: *ty,
        shape: Shape::new([tokens, columns(width)]),
        dimension_symbols: SymbolicDimensions::new([dimension_symbols[0].clone(), String::new()]),
    };
    context.set_output(0, &output)
}

/// `Attention(qkv [tokens, 3 * dim], bias [3 * dim], lengths [texts], relative [heads, distances]) -> [tokens, dim]`,
/// attribute `heads`; `relative` is optional.
struct Attention;

impl Operator for Attention {
    type Kernel<'attr> = BoxedKernel<'attr>;

    fn name(&self) -> &str {
        "Attention"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [
            OperatorInput::required(Float32),
            OperatorInput::required(Float32),
            OperatorInput::required(Int64),
            OperatorInput::optional(Float32),
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32)]
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        infer_rows(context, |width| width / 3)
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        let heads = context.get::<i64>("heads").and_then(|h| usize::try_from(h).ok()).filter(|&h| h > 0);
        let heads = heads.ok_or_else(|| ort::Error::new("Attention needs a positive attribute 'heads'"))?;
        let mut scratch = attention::Scratch::default();
        Ok(guarded(move |context| attend(context, heads, &mut scratch)))
    }
}

fn attend(context: &ComputeContext, heads: usize, scratch: &mut attention::Scratch) -> ort::Result<()> {
    let qkv = context.input(0)?.ok_or_else(missing)?;
    let bias = context.input(1)?.ok_or_else(missing)?;
    let lengths = context.input(2)?.ok_or_else(missing)?;
    let (shape, qkv) = qkv.try_extract_tensor::<f32>()?;
    let (_, bias) = bias.try_extract_tensor::<f32>()?;
    let (_, lengths) = lengths.try_extract_tensor::<i64>()?;
    let &[tokens, width] = &shape[..] else { return Err(wrong_shape()) };
    let (tokens, dim) = (tokens as usize, width as usize / 3);
    let fits = lengths.iter().sum::<i64>() == tokens as i64 && lengths.iter().all(|&l| l >= 0);
    let relative = if context.num_inputs()? > 3 { context.input(3)? } else { None };
    let relative = match &relative {
        Some(relative) => Some(relative.try_extract_tensor::<f32>()?.1),
        None => None,
    };
    let longest = lengths.iter().max().map_or(0, |&l| l as usize);
    let fits = fits && relative.is_none_or(|r| r.len() % heads == 0 && r.len() / heads + 1 >= 2 * longest);
    if !fits || bias.len() != 3 * dim || dim % heads != 0 {
        return Err(wrong_shape());
    }
    let mut output = context.output(0, [tokens, dim])?.ok_or_else(missing)?;
    let (_, mut out) = output.try_extract_tensor_mut::<f32>()?;
    let mut rest = qkv;
    for &length in lengths {
        let (text, after) = rest.split_at(length as usize * 3 * dim);
        let (to, after_out) = out.split_at_mut(length as usize * dim);
        for head in 0..heads {
            let relative = relative.map(|r| &r[head * (r.len() / heads)..][..r.len() / heads]);
            let head = attention::Head { qkv: text, bias, relative, heads, width: dim / heads, head };
            attention::compute(head, to, scratch);
        }
        (rest, out) = (after, after_out);
    }
    Ok(())
}

/// `AddLayerNorm(x [tokens, dim], residual [tokens, dim], bias [dim], scale [dim], shift [dim]) -> [tokens, dim]`,
/// attribute `epsilon`.
struct AddLayerNorm;

impl Operator for AddLayerNorm {
    type Kernel<'attr> = BoxedKernel<'attr>;

    const INPLACES: &[(u32, u32)] = &[(0, 0)];

    fn name(&self) -> &str {
        "AddLayerNorm"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [const { OperatorInput::required(Float32) }; 5]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32)]
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        infer_same_shape(context)
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        let eps = context
            .get::<f32>("epsilon")
            .ok_or_else(|| ort::Error::new("AddLayerNorm needs an attribute 'epsilon'"))?;
        Ok(guarded(move |context| {
            let [residual, bias, scale, shift] =
                [context.input(1)?, context.input(2)?, context.input(3)?, context.input(4)?]
                    .map(|i| i.ok_or_else(missing));
            let (residual, bias, scale, shift) = (residual?, bias?, scale?, shift?);
            let (_, residual) = residual.try_extract_tensor::<f32>()?;
            let (_, bias) = bias.try_extract_tensor::<f32>()?;
            let (_, scale) = scale.try_extract_tensor::<f32>()?;
            let (_, shift) = shift.try_extract_tensor::<f32>()?;
            in_place(context, |values| {
                let dim = bias.len();
                if values.len() != residual.len() || scale.len() != dim || shift.len() != dim || dim == 0 {
                    return Err(wrong_shape());
                }
                norm::add_layer_norm(values, residual, norm::LayerNorm { bias, scale, shift, eps });
                Ok(())
            })
        }))
    }
}

/// `Gelu(x [tokens, dim], bias [dim]) -> [tokens, dim]`, attribute `tanh`: 1 for the approximation by tanh.
struct Gelu;

impl Operator for Gelu {
    type Kernel<'attr> = BoxedKernel<'attr>;

    const INPLACES: &[(u32, u32)] = &[(0, 0)];

    fn name(&self) -> &str {
        "Gelu"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [const { OperatorInput::required(Float32) }; 2]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(Float32)]
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        infer_same_shape(context)
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        let gelu = if context.get::<i64>("tanh") == Some(1) { gelu::tanh } else { gelu::exact };
        Ok(guarded(move |context| {
            let bias = context.input(1)?.ok_or_else(missing)?;
            let (_, bias) = bias.try_extract_tensor::<f32>()?;
            in_place(context, |values| {
                if bias.is_empty() || !values.len().is_multiple_of(bias.len()) {
                    return Err(wrong_shape());
                }
                gelu(values, bias);
                Ok(())
            })
        }))
    }
}
