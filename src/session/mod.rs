//! Token ids to hidden states; the only folder that names `ort` for running models.

mod operators;
mod quantised;

use std::sync::Arc;

use ndarray::{ArrayView2, Ix2, Ix3};
use ort::logging::LogLevel;
use ort::session::RunOptions;
use ort::session::builder::{PrepackedWeights, SessionBuilder};
use ort::value::{DynValue, Tensor, TensorRef};

use crate::ending;
use crate::error::{Code, Error, Result, fail};
use crate::kernel::quantised::Weights;
use crate::log::{Level, Log};
use crate::model::{Network, encoder, onnx};
use crate::runtime::Runtime;

/// What a network says of one text.
pub enum Rows<'a> {
    /// One row for each token of the text: `[tokens, dim]`.
    Tokens(ArrayView2<'a, f32>),
    /// The network pools by itself: one row.
    Sentence(&'a [f32]),
}

/// Makes sessions of one network; all of them share the weights, packed ones included.
pub struct Factory {
    runtime: Runtime,
    source: Source,
    log: Log,
}

enum Source {
    Built {
        graph: Vec<u8>,
        initializers: Vec<(String, Arc<DynValue>)>,
        quantised: Arc<[Weights]>,
        packed: PrepackedWeights,
        embeddings: Arc<encoder::Embeddings>,
    },
    Onnx {
        file: Arc<Vec<u8>>,
        initializers: Vec<(String, Arc<DynValue>)>,
        packed: PrepackedWeights,
        pad: i64,
    },
}

fn shareable(tensors: Vec<(String, crate::model::Tensor)>) -> Result<Vec<(String, Arc<DynValue>)>> {
    let value = |(name, tensor): (String, crate::model::Tensor)| {
        let value = Tensor::from_array((tensor.shape, tensor.data)).map_err(failed)?;
        Ok((name, Arc::new(value.into_dyn())))
    };
    tensors.into_iter().map(value).collect()
}

/// One call at a time.
pub struct Session {
    /// There until it is dropped.
    inner: Option<ort::session::Session>,
    interrupt: Interrupt,
    kind: Kind,
}

/// Ends what its session runs, from another thread. The session can be used again afterwards.
#[derive(Clone)]
pub struct Interrupt(Arc<RunOptions>);

impl Interrupt {
    /// One for a session that is still to be made.
    pub fn new() -> Result<Self> {
        Ok(Self(Arc::new(RunOptions::new().map_err(failed)?)))
    }

    pub fn now(&self) {
        // It can only fail for a null pointer; the batch would then run to its end, for nobody.
        let _ = self.0.terminate();
    }
}

enum Kind {
    Built { embeddings: Arc<encoder::Embeddings>, embedded: Vec<f32> },
    Onnx { inputs: Vec<Input>, output: String, pooled: bool, pad: i64 },
}

#[derive(Clone, Copy)]
enum Input {
    Ids,
    Mask,
    Types,
}

fn failed(e: impl std::fmt::Display) -> Error {
    Error::new(Code::Inference, format!("ONNX Runtime: {e}"))
}

impl Factory {
    /// `threads` is how many may work on it.
    pub fn new(runtime: Runtime, network: Network, threads: usize, log: &Log) -> Result<Self> {
        let source = match network {
            Network::Onnx { file, pad } => {
                let initializers = shareable(onnx::weights(&file))?;
                Source::Onnx { file, initializers, packed: PrepackedWeights::new(), pad }
            }
            Network::Built(built) => Source::Built {
                graph: built.graph,
                initializers: shareable(built.initializers)?,
                quantised: quantised::quantise(built.quantised, threads)?,
                packed: PrepackedWeights::new(),
                embeddings: Arc::new(built.embeddings),
            },
        };
        Ok(Self { runtime, source, log: log.clone() })
    }

    /// A session that works with `threads` threads, the caller's included.
    pub fn session(&self, threads: usize, interrupt: Interrupt) -> Result<Session> {
        let _inside = ending::enter()?;
        let builder = ort::session::Session::builder(&self.runtime.environment).map_err(failed)?;
        let mut builder = configure(builder, threads).map_err(failed)?;
        if self.log.is_wanted() {
            builder = logged(builder, self.log.clone()).map_err(failed)?;
        }
        match &self.source {
            Source::Built { graph, initializers, quantised, packed, embeddings } => {
                let domain = operators::domain(quantised, threads).map_err(failed)?;
                #[allow(clippy::arc_with_non_send_sync, reason = "ort takes an Arc, and keeps it with the session")]
                let domain = Arc::new(domain);
                builder = builder.with_operators(domain).map_err(failed)?;
                builder = builder.with_prepacked_weights(packed).map_err(failed)?;
                for (name, value) in initializers {
                    // The first gives the graph its data; the second lets ONNX Runtime share what it packs of it.
                    builder = builder.with_external_initializer(name, Arc::clone(value)).map_err(failed)?;
                    builder = builder.with_initializer(name, Arc::clone(value)).map_err(failed)?;
                }
                let inner = operators::first_alone(|| builder.commit_from_memory(graph)).map_err(failed)?;
                let kind = Kind::Built { embeddings: Arc::clone(embeddings), embedded: Vec::new() };
                Ok(Session { inner: Some(inner), interrupt, kind })
            }
            Source::Onnx { file, initializers, packed, pad } => {
                builder = builder.with_prepacked_weights(packed).map_err(failed)?;
                for (name, value) in initializers {
                    // In place of the file's own, which is the same.
                    builder = builder.with_initializer(name, Arc::clone(value)).map_err(failed)?;
                }
                let inner = builder
                    .commit_from_memory(file)
                    .map_err(|e| Error::new(Code::ModelInvalid, format!("model.onnx cannot be loaded: {e}")))?;
                let kind = onnx_kind(&inner, *pad)?;
                Ok(Session { inner: Some(inner), interrupt, kind })
            }
        }
    }
}

fn configure(builder: SessionBuilder, threads: usize) -> ort::Result<SessionBuilder> {
    Ok(builder
        .with_intra_threads(threads)?
        // Initializers are read where they are, which `ort` keeps as long as the session, and not from a copy. An ONNX
        // Runtime that does not know the key makes one.
        .with_config_entry("session.use_external_initializer_file_buffers_directly", "1")?
        // Batches differ in size, so a plan made for one fits no other.
        .with_memory_pattern(false)?)
}

/// What ONNX Runtime says of a session, from warnings upwards.
fn logged(builder: SessionBuilder, log: Log) -> ort::Result<SessionBuilder> {
    let say = move |level: LogLevel, _: &str, _: &str, _: &str, message: &str| {
        let level = match level {
            LogLevel::Error | LogLevel::Fatal => Level::Error,
            LogLevel::Warning => Level::Warning,
            LogLevel::Info | LogLevel::Verbose => Level::Info,
        };
        log.write(level, || format!("ONNX Runtime: {}", message.trim_end()));
    };
    Ok(builder.with_logger(Arc::new(say))?.with_log_level(LogLevel::Warning)?)
}

fn onnx_kind(session: &ort::session::Session, pad: i64) -> Result<Kind> {
    let mut inputs = Vec::new();
    for input in session.inputs() {
        inputs.push(match input.name() {
            "input_ids" => Input::Ids,
            "attention_mask" => Input::Mask,
            "token_type_ids" => Input::Types,
            other => fail!(
                ModelUnsupported,
                "model.onnx wants an input '{other}'; supported: input_ids, attention_mask, token_type_ids"
            ),
        });
    }
    let names: Vec<&str> = session.outputs().iter().map(|o| o.name()).collect();
    for (name, pooled) in [("last_hidden_state", false), ("token_embeddings", false), ("sentence_embedding", true)] {
        if names.contains(&name) {
            return Ok(Kind::Onnx { inputs, output: name.into(), pooled, pad });
        }
    }
    fail!(
        ModelUnsupported,
        "model.onnx has the outputs {names:?}; one of last_hidden_state, token_embeddings, sentence_embedding is needed"
    )
}

impl Drop for Session {
    fn drop(&mut self) {
        if ending::begun() {
            std::mem::forget(self.inner.take());
        }
    }
}

impl Session {
    /// Whether texts of a batch are filled up to the longest.
    pub fn padded(&self) -> bool {
        matches!(self.kind, Kind::Onnx { .. })
    }

    /// Runs a batch of texts (ids, none empty) and hands each text's rows to `each`, in their order.
    pub fn run(&mut self, texts: &[&[u32]], mut each: impl FnMut(usize, Rows<'_>) -> Result<()>) -> Result<()> {
        let _inside = ending::enter()?;
        // An interrupt that came between two runs was for the one before.
        self.interrupt.0.unterminate().map_err(failed)?;
        let Some(inner) = &mut self.inner else { fail!(Internal, "the session was dropped") };
        match &mut self.kind {
            Kind::Built { embeddings, embedded } => {
                let tokens: usize = texts.iter().map(|t| t.len()).sum();
                embedded.clear();
                for ids in texts {
                    embeddings.lookup(ids, embedded)?;
                }
                let lengths: Vec<i64> = texts.iter().map(|t| t.len() as i64).collect();
                let dim = embeddings.dim();
                let inputs = ort::inputs![
                    TensorRef::from_array_view(([tokens, dim], embedded.as_slice())).map_err(failed)?,
                    TensorRef::from_array_view(([texts.len()], lengths.as_slice())).map_err(failed)?,
                ];
                let outputs = inner.run_with_options(inputs, &self.interrupt.0).map_err(failed)?;
                let hidden = outputs["last_hidden_state"].try_extract_array::<f32>().map_err(failed)?;
                let hidden = hidden.into_dimensionality::<Ix2>().map_err(failed)?;
                let mut from = 0;
                for (i, ids) in texts.iter().enumerate() {
                    each(i, Rows::Tokens(hidden.slice(ndarray::s![from..from + ids.len(), ..])))?;
                    from += ids.len();
                }
                Ok(())
            }
            Kind::Onnx { inputs, output, pooled, pad } => {
                let width = texts.iter().map(|t| t.len()).max().unwrap_or(0);
                let size = texts.len() * width;
                let (mut ids, mut mask) = (vec![*pad; size], vec![0i64; size]);
                for (i, text) in texts.iter().enumerate() {
                    let row = i * width..i * width + text.len();
                    ids[row.clone()].iter_mut().zip(*text).for_each(|(to, &id)| *to = i64::from(id));
                    mask[row].fill(1);
                }
                let types = vec![0i64; size];
                let mut values = Vec::with_capacity(inputs.len());
                for (input, outlet) in inputs.iter().zip(inner.inputs()) {
                    let data = match input {
                        Input::Ids => &ids,
                        Input::Mask => &mask,
                        Input::Types => &types,
                    };
                    let value = TensorRef::from_array_view(([texts.len(), width], data.as_slice())).map_err(failed)?;
                    values.push((outlet.name().to_owned(), value));
                }
                let outputs = inner.run_with_options(values, &self.interrupt.0).map_err(failed)?;
                let array = outputs[output.as_str()].try_extract_array::<f32>().map_err(failed)?;
                if *pooled {
                    let rows = array.into_dimensionality::<Ix2>().map_err(failed)?;
                    for (i, row) in rows.outer_iter().enumerate() {
                        each(i, Rows::Sentence(&row.to_vec()))?;
                    }
                } else {
                    let rows = array.into_dimensionality::<Ix3>().map_err(failed)?;
                    for (i, (text, hidden)) in texts.iter().zip(rows.outer_iter()).enumerate() {
                        each(i, Rows::Tokens(hidden.slice(ndarray::s![..text.len(), ..])))?;
                    }
                }
                Ok(())
            }
        }
    }
}
