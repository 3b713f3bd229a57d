//! Models: open, ask, embed, free.

use std::ffi::{CString, c_char};
use std::path::{Path, PathBuf};

use super::types::read_options;
use super::{array, boundary, buffer, handle, out_pointer, qntx_embed_error, qntx_embed_status, qntx_embed_str};
use crate::embedder::{EmbedOptions, Embedder, Embedding, ModelOptions};
use crate::error::{Result, fail};
use crate::model::Format;

/// An open model. Opened once, used by any number of threads at once through `const` pointers, freed once when no
/// call uses it any more.
pub struct qntx_embed_model {
    embedder: Embedder,
    name: CString,
    fingerprint: CString,
    onnxruntime: CString,
}

/// Run what the directory has: weights where their architecture is known, otherwise an ONNX file.
pub const QNTX_EMBED_FORMAT_AUTO: u32 = 0;
/// Run `model.safetensors`, or fail.
pub const QNTX_EMBED_FORMAT_SAFETENSORS: u32 = 1;
/// Run `onnx/model.onnx` or `model.onnx`, or fail.
pub const QNTX_EMBED_FORMAT_ONNX: u32 = 2;

/// How to open a model. Set all to 0, then `size`, then what should differ: 0 is the default of every field.
#[repr(C)]
pub struct qntx_embed_model_options {
    /// `sizeof(qntx_embed_model_options)`.
    pub size: usize,
    /// ONNX Runtime's library, or a directory that has it. Empty: `QNTX_EMBED_ONNXRUNTIME`, beside this library, the
    /// system's loader, in this order. A process loads it once: naming another one later is an error.
    pub onnxruntime: qntx_embed_str,
    /// Tokens of a text that are used, special ones counted; 0 is what the directory says.
    pub max_tokens: usize,
    /// Threads that compute, the caller's included; 0 is one for each processor.
    pub threads: usize,
    /// One of `QNTX_EMBED_FORMAT_...`.
    pub format: u32,
}

/// What an open model is. Set `size` before the call; a newer library fills only what an older caller's `size` holds.
/// The texts are NUL-terminated UTF-8 and live as long as the model.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct qntx_embed_model_info {
    /// `sizeof(qntx_embed_model_info)`, set by the caller.
    pub size: usize,
    /// The directory's name.
    pub name: *const c_char,
    /// SHA-256 in hex over all files of the directory that are used: vectors of equal fingerprints can be compared.
    pub fingerprint: *const c_char,
    /// Version of the ONNX Runtime in use.
    pub onnxruntime: *const c_char,
    /// Floats of a vector.
    pub dimensions: usize,
    /// Tokens of a text that are used, special ones counted; the rest is cut off.
    pub max_tokens: usize,
}

/// What was done with one text.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct qntx_embed_text_info {
    /// Tokens that were used, special ones counted.
    pub tokens: u32,
    /// Tokens that the whole text has, special ones counted.
    pub full_tokens: u32,
    /// 1 where the text was cut to the model's limit, otherwise 0.
    pub truncated: u32,
}

impl From<&Embedding> for qntx_embed_text_info {
    fn from(e: &Embedding) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { tokens: number(e.tokens()), full_tokens: number(e.full_tokens()), truncated: e.truncated().into() }
    }
}

/// Opens a directory as sentence-transformers publishes it and runs it once to see that it works. `options` may be
/// NULL. `*model` is the caller's to free with `qntx_embed_model_free`; it is NULL after a failure. Takes some hundred
/// milliseconds and any thread.
///
/// # Safety
/// The pointers are valid as their types say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_model_open(
    directory: qntx_embed_str,
    options: *const qntx_embed_model_options,
    model: *mut *mut qntx_embed_model,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let (out, directory) = unsafe { (out_pointer(model, "model")?, directory.text("directory")?) };
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let options = unsafe { rust_options(&read_options(options, "options")?) }?;
        let embedder = Embedder::open(Path::new(directory), &options)?;
        let info = embedder.info();
        let text = |s: &str| CString::new(s).unwrap_or_default();
        let (name, fingerprint, onnxruntime) = (text(&info.name), text(&info.fingerprint), text(&info.onnxruntime));
        *out = Box::into_raw(Box::new(qntx_embed_model { embedder, name, fingerprint, onnxruntime }));
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// # Safety
/// The texts in `options` are valid.
unsafe fn rust_options(options: &qntx_embed_model_options) -> Result<ModelOptions> {
    // SAFETY: by this function's contract.
    let onnxruntime = unsafe { options.onnxruntime.text("options.onnxruntime") }?;
    Ok(ModelOptions {
        onnxruntime: (!onnxruntime.is_empty()).then(|| PathBuf::from(onnxruntime)),
        format: match options.format {
            QNTX_EMBED_FORMAT_AUTO => Format::Auto,
            QNTX_EMBED_FORMAT_SAFETENSORS => Format::Safetensors,
            QNTX_EMBED_FORMAT_ONNX => Format::Onnx,
            other => fail!(InvalidArgument, "options.format is {other}; expected one of QNTX_EMBED_FORMAT_..."),
        },
        max_tokens: (options.max_tokens > 0).then_some(options.max_tokens),
        threads: options.threads,
    })
}

/// Fills `*info`, whose `size` the caller has set; `size` is then how much of it was filled. Any thread.
///
/// # Safety
/// `model` is open or NULL; `info` points to a structure of `info->size` bytes; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_model_get_info(
    model: Option<&qntx_embed_model>,
    info: *mut qntx_embed_model_info,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let model = handle(model, "model")?;
        if info.is_null() || !info.is_aligned() {
            fail!(InvalidArgument, "info is NULL or not aligned");
        }
        // SAFETY: not NULL and aligned; by this function's contract it starts with its size.
        let size = unsafe { info.cast::<usize>().read() };
        let oldest = std::mem::offset_of!(qntx_embed_model_info, max_tokens) + size_of::<usize>();
        if size < oldest || size > 4096 {
            fail!(InvalidArgument, "info.size is {size}; set it to sizeof(qntx_embed_model_info), {oldest} or more");
        }
        let facts = model.embedder.info();
        let filled = qntx_embed_model_info {
            size: size.min(size_of::<qntx_embed_model_info>()),
            name: model.name.as_ptr(),
            fingerprint: model.fingerprint.as_ptr(),
            onnxruntime: model.onnxruntime.as_ptr(),
            dimensions: facts.dimensions,
            max_tokens: facts.max_tokens,
        };
        let from = (&raw const filled).cast::<u8>();
        // SAFETY: both are at least `filled.size` bytes, and the caller's cannot overlap a local variable.
        unsafe { std::ptr::copy_nonoverlapping(from, info.cast::<u8>(), filled.size) };
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Embeds one text. `vector` has room for `dimensions` floats, which must be those of the model; `info` may be NULL.
/// Any number of threads at once. The empty text is a text.
///
/// # Safety
/// The pointers are valid as their types say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_embed(
    model: Option<&qntx_embed_model>,
    text: qntx_embed_str,
    vector: *mut f32,
    dimensions: usize,
    info: *mut qntx_embed_text_info,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    // SAFETY: one text is an array of one text; the rest by this function's contract.
    unsafe { qntx_embed_embed_batch(model, &raw const text, 1, vector, dimensions, info, error) }
}

/// Embeds `count` texts. Their vectors are laid end to end in `vectors`, in the texts' order; `vectors_len` is its
/// room in floats and must be `count` times the model's dimensions. `infos` has room for `count` or is NULL. Texts
/// are sorted by length, batched and spread over the model's threads inside; a text's vector does not depend on its
/// neighbours. After a failure the buffers' contents are undefined. Any number of threads at once.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_embed_batch(
    model: Option<&qntx_embed_model>,
    texts: *const qntx_embed_str,
    count: usize,
    vectors: *mut f32,
    vectors_len: usize,
    infos: *mut qntx_embed_text_info,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let model = handle(model, "model")?;
        // SAFETY: by this function's contract.
        let texts = unsafe { array(texts, count, "texts") }?;
        let text = |(i, text): (usize, &qntx_embed_str)| {
            // SAFETY: by this function's contract.
            unsafe { text.text(&format!("text {i}")) }
        };
        let texts = texts.iter().enumerate().map(text).collect::<Result<Vec<&str>>>()?;
        let dimensions = model.embedder.info().dimensions;
        if Some(vectors_len) != count.checked_mul(dimensions) {
            fail!(
                Dimensions,
                "{count} vectors of {dimensions} dimensions need room for exactly {count} * {dimensions} floats, \
                 not {vectors_len}"
            );
        }
        // SAFETY: by this function's contract.
        let vectors = unsafe { buffer(vectors, vectors_len, "vectors") }?;
        let infos = if infos.is_null() {
            &mut []
        } else {
            // SAFETY: by this function's contract.
            unsafe { buffer(infos, count, "infos") }?
        };
        let embeddings = model.embedder.embed_batch(&texts, &EmbedOptions::default())?;
        for (to, embedding) in vectors.chunks_exact_mut(dimensions).zip(&embeddings) {
            to.copy_from_slice(embedding.vector());
        }
        infos.iter_mut().zip(&embeddings).for_each(|(to, embedding)| *to = embedding.into());
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Frees a model. NULL is fine.
///
/// # Safety
/// `model` came from `qntx_embed_model_open`, was not freed before, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_model_free(model: *mut qntx_embed_model) {
    if !model.is_null() {
        // SAFETY: by this function's contract it is a box that `qntx_embed_model_open` let go of.
        let model = unsafe { Box::from_raw(model) };
        // A panic of a destructor must not leave this function either; there is nobody to tell.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(model)));
    }
}
