//! Models: open, ask, embed, free.

use std::ffi::{CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::object::{Object, free, known};
use super::types::{fill, log, qntx_embed_log_function, read_options};
use super::{array, boundary, buffer, handle, out_pointer, qntx_embed_error, qntx_embed_status, qntx_embed_str, token};
use crate::embedder::{EmbedOptions, Embedder, Embedding, ModelOptions, Prompt};
use crate::error::{Result, fail};
use crate::model::{Format, Precision};
use crate::schedule::CancelToken;
use crate::tokenize::Truncate;

/// An open model. Opened once, used by any number of threads at once through `const` pointers, freed once when no
/// call uses it any more.
#[cfg_attr(all(), repr(C))]
pub struct qntx_embed_model {
    pub(super) mark: u64,
    pub(super) embedder: Arc<Embedder>,
    name: CString,
    fingerprint: CString,
    onnxruntime: CString,
    default_prompt_name: Option<CString>,
    /// They point into the embedder's.
    prompts: Vec<qntx_embed_prompt>,
}

/// Run what the directory has: weights where their architecture is known, otherwise an ONNX file.
pub const QNTX_EMBED_FORMAT_AUTO: u32 = 0;
/// Run `model.safetensors`, or fail.
pub const QNTX_EMBED_FORMAT_SAFETENSORS: u32 = 1;
/// Run `onnx/model.onnx` or `model.onnx`, or fail.
pub const QNTX_EMBED_FORMAT_ONNX: u32 = 2;

/// The network computes in f32.
pub const QNTX_EMBED_PRECISION_FP32: u32 = 0;
/// Its linear layers compute in 8 bits: faster, with slightly other vectors, which can be compared with those of fp32.
/// For networks from weights, not from ONNX files.
pub const QNTX_EMBED_PRECISION_INT8: u32 = 1;

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
    /// Threads that compute; 0 is one for each processor.
    pub threads: usize,
    /// Texts of other calls that may wait when a call joins them; past it the call is refused with
    /// `QNTX_EMBED_STATUS_OVERLOADED`. 0 is 100,000. A call that comes alone may have any number.
    pub queue: usize,
    /// Bytes for the vectors of texts that came before: one that comes again, with the same options, is not computed
    /// again, and its vector is the same. 0 is no cache.
    pub cache_bytes: usize,
    /// One of `QNTX_EMBED_FORMAT_...`.
    pub format: u32,
    /// One of `QNTX_EMBED_PRECISION_...`.
    pub precision: u32,
    /// 1: a directory without a manifest is refused with `QNTX_EMBED_STATUS_MODEL_NOT_FOUND`, and one that is not as its
    /// manifest says with `QNTX_EMBED_STATUS_MODEL_INVALID`, before any file of it is parsed (see
    /// `qntx_embed_manifest_write`). 0: files are not compared with anything.
    pub require_manifest: u32,
    /// 0.
    pub reserved: u32,
    /// NULL, or what gets lines for the caller's log.
    pub log: qntx_embed_log_function,
    /// Given to `log`.
    pub log_context: *mut c_void,
}

/// The directory's default prompt, where it has one.
pub const QNTX_EMBED_PROMPT_DEFAULT: u32 = 0;
/// The directory's prompt that `prompt` names.
pub const QNTX_EMBED_PROMPT_NAMED: u32 = 1;
/// The words of `prompt`; empty is none.
pub const QNTX_EMBED_PROMPT_TEXT: u32 = 2;

/// Long texts are cut as the directory says, mostly at their end.
pub const QNTX_EMBED_TRUNCATE_DEFAULT: u32 = 0;
/// Their end is cut off.
pub const QNTX_EMBED_TRUNCATE_RIGHT: u32 = 1;
/// Their beginning is cut off.
pub const QNTX_EMBED_TRUNCATE_LEFT: u32 = 2;
/// They are refused with `QNTX_EMBED_STATUS_TOO_LONG`.
pub const QNTX_EMBED_TRUNCATE_ERROR: u32 = 3;

/// Ends calls from another thread. It may be given to many calls; all of them end, and those to come.
#[cfg_attr(all(), repr(C))]
pub struct qntx_embed_cancel {
    pub(super) mark: u64,
    pub(super) token: CancelToken,
}

/// How to embed. Set all to 0, then `size`, then what should differ: 0 is the default of every field.
#[repr(C)]
pub struct qntx_embed_embed_options {
    /// `sizeof(qntx_embed_embed_options)`.
    pub size: usize,
    /// A name or words, as `prompt_kind` says: put before each text.
    pub prompt: qntx_embed_str,
    /// NULL, or what ends the call from another thread: it returns with `QNTX_EMBED_STATUS_CANCELLED` at once (a text that
    /// came alone is finished first). Must live as long as the call.
    pub cancel: *const qntx_embed_cancel,
    /// NULL, or a function that is told how many texts of how many are done, on the thread that makes the call. A text
    /// that comes twice counts once. It must not leave by an exception or longjmp.
    pub progress: Option<unsafe extern "C" fn(context: *mut c_void, done: usize, total: usize)>,
    /// Given to `progress`.
    pub progress_context: *mut c_void,
    /// Only so many leading floats of each vector, at unit length again where the model normalises (Matryoshka
    /// models); 0 is the model's.
    pub dimensions: usize,
    /// One of `QNTX_EMBED_PROMPT_...`.
    pub prompt_kind: u32,
    /// One of `QNTX_EMBED_TRUNCATE_...`.
    pub truncate: u32,
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
    /// The most floats that `dimensions` of the embed options can ask for; mostly the same as `dimensions`.
    pub full_dimensions: usize,
    /// The prompt that is put before texts where the options do not say otherwise; NULL for none.
    pub default_prompt_name: *const c_char,
    /// 0 where the directory has no modules.json: hidden states are then pooled by their mean.
    pub has_modules: u32,
    /// One of `QNTX_EMBED_PRECISION_...`.
    pub precision: u32,
}

/// What an open model has done so far. Set `size` before the call; a newer library fills only what an older caller's
/// `size` holds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct qntx_embed_model_stats {
    /// `sizeof(qntx_embed_model_stats)`, set by the caller.
    pub size: usize,
    /// Texts that the cache had. One that comes twice in a call counts once.
    pub cache_hits: u64,
    /// Texts that it did not have, and that were computed. 0 where the model has no cache.
    pub cache_misses: u64,
    /// Vectors that it holds now.
    pub cache_entries: u64,
    /// Bytes that they take, with their texts and what is needed to find them: `cache_bytes` of the options at most.
    pub cache_bytes: u64,
}

/// A prompt of a model's directory. Its texts live as long as the model.
#[repr(C)]
pub struct qntx_embed_prompt {
    /// What `QNTX_EMBED_PROMPT_NAMED` calls it.
    pub name: qntx_embed_str,
    /// What it puts before a text; may be empty.
    pub text: qntx_embed_str,
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
        let embedder = Arc::new(Embedder::open(Path::new(directory), &options)?);
        let info = embedder.info();
        let text = |s: &str| CString::new(s).unwrap_or_default();
        let (name, fingerprint, onnxruntime) = (text(&info.name), text(&info.fingerprint), text(&info.onnxruntime));
        let default_prompt_name = info.default_prompt_name.as_deref().map(text);
        let prompt = |(name, text): (&String, &String)| qntx_embed_prompt {
            name: qntx_embed_str::of(name),
            text: qntx_embed_str::of(text),
        };
        // The strings do not move with the embedder, and nothing changes them.
        let prompts = info.prompts.iter().map(prompt).collect();
        let mark = qntx_embed_model::MARK;
        let model = qntx_embed_model { mark, embedder, name, fingerprint, onnxruntime, default_prompt_name, prompts };
        *out = model.give();
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// # Safety
/// The texts in `options` are valid, and its log for as long as the model.
unsafe fn rust_options(options: &qntx_embed_model_options) -> Result<ModelOptions> {
    // SAFETY: by this function's contract.
    let onnxruntime = unsafe { options.onnxruntime.text("options.onnxruntime") }?;
    if options.reserved != 0 {
        fail!(InvalidArgument, "options.reserved is {}; set it to 0", options.reserved);
    }
    Ok(ModelOptions {
        onnxruntime: (!onnxruntime.is_empty()).then(|| PathBuf::from(onnxruntime)),
        format: match options.format {
            QNTX_EMBED_FORMAT_AUTO => Format::Auto,
            QNTX_EMBED_FORMAT_SAFETENSORS => Format::Safetensors,
            QNTX_EMBED_FORMAT_ONNX => Format::Onnx,
            other => fail!(InvalidArgument, "options.format is {other}; expected one of QNTX_EMBED_FORMAT_..."),
        },
        precision: match options.precision {
            QNTX_EMBED_PRECISION_FP32 => Precision::Float32,
            QNTX_EMBED_PRECISION_INT8 => Precision::Int8,
            other => fail!(InvalidArgument, "options.precision is {other}; expected one of QNTX_EMBED_PRECISION_..."),
        },
        max_tokens: (options.max_tokens > 0).then_some(options.max_tokens),
        threads: options.threads,
        queue: options.queue,
        cache_bytes: options.cache_bytes,
        require_manifest: match options.require_manifest {
            0 | 1 => options.require_manifest == 1,
            other => fail!(InvalidArgument, "options.require_manifest is {other}; expected 0 or 1"),
        },
        // SAFETY: by this function's contract.
        log: unsafe { log(options.log, options.log_context) },
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
        // Of version 0.1: the structure may grow, but this stays.
        let oldest = std::mem::offset_of!(qntx_embed_model_info, precision) + size_of::<u32>();
        let facts = model.embedder.info();
        let filled = qntx_embed_model_info {
            size: 0,
            name: model.name.as_ptr(),
            fingerprint: model.fingerprint.as_ptr(),
            onnxruntime: model.onnxruntime.as_ptr(),
            dimensions: facts.dimensions,
            max_tokens: facts.max_tokens,
            full_dimensions: facts.full_dimensions,
            default_prompt_name: model.default_prompt_name.as_ref().map_or(std::ptr::null(), |n| n.as_ptr()),
            has_modules: facts.has_modules.into(),
            precision: match facts.precision {
                Precision::Float32 => QNTX_EMBED_PRECISION_FP32,
                Precision::Int8 => QNTX_EMBED_PRECISION_INT8,
            },
        };
        // SAFETY: by this function's contract.
        unsafe { fill(info, oldest, "info", filled) }
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Fills `*stats`, whose `size` the caller has set; `size` is then how much of it was filled. Cheap; any thread, also
/// while calls run.
///
/// # Safety
/// `model` is open or NULL; `stats` points to a structure of `stats->size` bytes; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_model_get_stats(
    model: Option<&qntx_embed_model>,
    stats: *mut qntx_embed_model_stats,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let stats_now = handle(model, "model")?.embedder.cache_stats();
        let filled = qntx_embed_model_stats {
            size: 0,
            cache_hits: stats_now.hits,
            cache_misses: stats_now.misses,
            cache_entries: stats_now.entries as u64,
            cache_bytes: stats_now.bytes,
        };
        // Of version 0.1.
        let oldest = std::mem::offset_of!(qntx_embed_model_stats, cache_bytes) + size_of::<u64>();
        // SAFETY: by this function's contract.
        unsafe { fill(stats, oldest, "stats", filled) }
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// The directory's prompts: an array of `*count`, ordered by name, that lives as long as the model; NULL for NULL. Every
/// model has "query" and "document", which are empty where the directory does not say. `count` may be NULL. Any thread.
///
/// # Safety
/// `model` is open or NULL; `count` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_model_prompts(
    model: Option<&qntx_embed_model>,
    count: *mut usize,
) -> *const qntx_embed_prompt {
    let model = known(model);
    if !count.is_null() {
        // SAFETY: not NULL; a place by this function's contract.
        unsafe { count.write(model.map_or(0, |m| m.prompts.len())) };
    }
    model.map_or(std::ptr::null(), |m| m.prompts.as_ptr())
}

/// Embeds one text. `vector` has room for `dimensions` floats, which must be those of the model, or of the options;
/// `options` and `info` may be NULL. Any number of threads at once. The empty text is a text.
///
/// # Safety
/// The pointers are valid as their types say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_embed(
    model: Option<&qntx_embed_model>,
    text: qntx_embed_str,
    options: *const qntx_embed_embed_options,
    vector: *mut f32,
    dimensions: usize,
    info: *mut qntx_embed_text_info,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    // SAFETY: one text is an array of one text; the rest by this function's contract.
    unsafe { qntx_embed_embed_batch(model, &raw const text, 1, options, vector, dimensions, info, error) }
}

/// Embeds `count` texts. Their vectors are laid end to end in `vectors`, in the texts' order; `vectors_len` is its
/// room in floats and must be `count` times the model's dimensions, or those of the options. `infos` has room for
/// `count` or is NULL; `options` may be NULL. The calls of all threads share one queue and its batches; a text's vector
/// does not depend on its neighbours. After a failure the buffers are as they were. Any number of threads at once.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_embed_batch(
    model: Option<&qntx_embed_model>,
    texts: *const qntx_embed_str,
    count: usize,
    options: *const qntx_embed_embed_options,
    vectors: *mut f32,
    vectors_len: usize,
    infos: *mut qntx_embed_text_info,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        let model = handle(model, "model")?;
        // SAFETY: by this function's contract.
        let texts = unsafe { lent(texts, count) }?;
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let options = unsafe { read_options(options, "options") }?;
        let progress = |done: usize, total: usize| {
            if let Some(progress) = options.progress {
                // SAFETY: the caller's own function and context, called on the caller's thread.
                unsafe { progress(options.progress_context, done, total) };
            }
        };
        // SAFETY: by this function's contract.
        let options = unsafe { embed_options(&options, &progress) }?;
        let dimensions = model.embedder.dimensions(&options)?;
        // SAFETY: by this function's contract.
        let (vectors, infos) = unsafe { room_for(count, dimensions, vectors, vectors_len, infos) }?;
        give(&model.embedder.embed_batch(&texts, &options)?, dimensions, vectors, infos);
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// The caller's texts.
///
/// # Safety
/// `texts` is NULL or points to `count` valid ones, for as long as the result is used.
pub(super) unsafe fn lent<'a>(texts: *const qntx_embed_str, count: usize) -> Result<Vec<&'a str>> {
    // SAFETY: by this function's contract.
    let texts: &'a [qntx_embed_str] = unsafe { array(texts, count, "texts") }?;
    let text = |(i, text): (usize, &'a qntx_embed_str)| {
        // SAFETY: by this function's contract.
        unsafe { text.text(&format!("text {i}")) }
    };
    texts.iter().enumerate().map(text).collect()
}

/// The caller's buffers for the results of `count` texts; the second is empty where it is not wanted.
///
/// # Safety
/// `vectors` is NULL or has room for `vectors_len` floats, `infos` for `count` structures; nobody else uses them while the
/// result is used.
pub(super) unsafe fn room_for<'a>(
    count: usize,
    dimensions: usize,
    vectors: *mut f32,
    vectors_len: usize,
    infos: *mut qntx_embed_text_info,
) -> Result<(&'a mut [f32], &'a mut [qntx_embed_text_info])> {
    if Some(vectors_len) != count.checked_mul(dimensions) {
        fail!(
            Dimensions,
            "{count} vectors of {dimensions} dimensions need room for exactly {count} * {dimensions} floats, \
             not {vectors_len}"
        );
    }
    // SAFETY: by this function's contract.
    let vectors = unsafe { buffer(vectors, vectors_len, "vectors") }?;
    // SAFETY: by this function's contract.
    let infos = unsafe { buffer(infos, if infos.is_null() { 0 } else { count }, "infos") }?;
    Ok((vectors, infos))
}

/// Writes results to where the caller wants them.
pub(super) fn give(
    embeddings: &[Embedding],
    dimensions: usize,
    vectors: &mut [f32],
    infos: &mut [qntx_embed_text_info],
) {
    for (to, embedding) in vectors.chunks_exact_mut(dimensions).zip(embeddings) {
        to.copy_from_slice(embedding.vector());
    }
    infos.iter_mut().zip(embeddings).for_each(|(to, embedding)| *to = embedding.into());
}

/// # Safety
/// The text and the token in `options` are valid, for as long as the result is used.
pub(super) unsafe fn embed_options<'a>(
    options: &'a qntx_embed_embed_options,
    progress: &'a dyn Fn(usize, usize),
) -> Result<EmbedOptions<'a>> {
    // SAFETY: by this function's contract.
    let (prompt, cancel) = unsafe { (options.prompt.text("options.prompt")?, token(options.cancel)?) };
    Ok(EmbedOptions {
        prompt: prompt_of(options.prompt_kind, prompt)?,
        truncate: match options.truncate {
            QNTX_EMBED_TRUNCATE_DEFAULT => Truncate::Default,
            QNTX_EMBED_TRUNCATE_RIGHT => Truncate::Right,
            QNTX_EMBED_TRUNCATE_LEFT => Truncate::Left,
            QNTX_EMBED_TRUNCATE_ERROR => Truncate::Error,
            other => fail!(InvalidArgument, "options.truncate is {other}; expected one of QNTX_EMBED_TRUNCATE_..."),
        },
        dimensions: (options.dimensions > 0).then_some(options.dimensions),
        cancel,
        progress: options.progress.is_some().then_some(progress),
    })
}

/// The prompt that `options.prompt_kind` and `options.prompt` say.
pub(super) fn prompt_of(kind: u32, prompt: &str) -> Result<Prompt<'_>> {
    Ok(match kind {
        QNTX_EMBED_PROMPT_DEFAULT if prompt.is_empty() => Prompt::Default,
        QNTX_EMBED_PROMPT_NAMED => Prompt::Named(prompt),
        QNTX_EMBED_PROMPT_TEXT => Prompt::Text(prompt),
        QNTX_EMBED_PROMPT_DEFAULT => fail!(
            InvalidArgument,
            "options.prompt is set, but options.prompt_kind is not: QNTX_EMBED_PROMPT_NAMED or ..._TEXT"
        ),
        other => fail!(InvalidArgument, "options.prompt_kind is {other}; expected one of QNTX_EMBED_PROMPT_..."),
    })
}

/// A token that nobody has cancelled yet. `*cancel` is the caller's to free with `qntx_embed_cancel_free`. Any thread.
///
/// # Safety
/// `cancel` points to a place; `error` is NULL or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_cancel_new(
    cancel: *mut *mut qntx_embed_cancel,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(cancel, "cancel") }?;
        *out = qntx_embed_cancel { mark: qntx_embed_cancel::MARK, token: CancelToken::new() }.give();
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// Ends all calls that have this token, and those that will get it. Does nothing the second time, or for NULL. Any
/// thread, also while calls use it.
#[unsafe(no_mangle)]
pub extern "C" fn qntx_embed_cancel_now(cancel: Option<&qntx_embed_cancel>) {
    if let Some(cancel) = known(cancel) {
        // Nothing in it panics; should it ever, there is nobody to tell.
        let _ = catch_unwind(AssertUnwindSafe(|| cancel.token.cancel()));
    }
}

/// Frees a token. NULL is fine.
///
/// # Safety
/// `cancel` came from `qntx_embed_cancel_new`, was not freed before, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_cancel_free(cancel: *mut qntx_embed_cancel) {
    // SAFETY: by this function's contract.
    unsafe { free(cancel) };
}

/// Frees a model. NULL is fine.
///
/// # Safety
/// `model` came from `qntx_embed_model_open`, was not freed before, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_model_free(model: *mut qntx_embed_model) {
    // SAFETY: by this function's contract.
    unsafe { free(model) };
}
