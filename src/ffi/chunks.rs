//! Splitting long texts.

use super::model::prompt_of;
use super::object::{Object, free, known};
use super::types::read_options;
use super::{boundary, handle, out_pointer, qntx_embed_error, qntx_embed_model, qntx_embed_status, qntx_embed_str};
use crate::chunks::Chunk;
use crate::embedder::SplitOptions;
use crate::error::{Result, fail};

/// How to split. Set all to 0, then `size`, then what should differ: 0 is the default of every field.
#[repr(C)]
pub struct qntx_embed_split_options {
    /// `sizeof(qntx_embed_split_options)`.
    pub size: usize,
    /// A name or words, as `prompt_kind` says: what the chunks will be embedded with. Its tokens are counted for each.
    pub prompt: qntx_embed_str,
    /// Tokens that a chunk has at most, its prompt's and special ones counted; 0 is as many as the model takes, and more than
    /// that is refused.
    pub max_tokens: usize,
    /// Tokens by which a chunk may begin before the end of the one before it; less than `max_tokens`.
    pub overlap: usize,
    /// One of `QNTX_EMBED_PROMPT_...`.
    pub prompt_kind: u32,
    /// 0.
    pub reserved: u32,
}

/// A part of a text. Lives as long as the `qntx_embed_chunks` that has it.
#[repr(C)]
pub struct qntx_embed_chunk {
    /// The first of its bytes in the text.
    pub byte_start: usize,
    /// One past the last of them.
    pub byte_end: usize,
    /// Where in the text it begins, in characters (Unicode scalar values): `chunk_start` of a record.
    pub chunk_start: u64,
    /// Where it ends: `chunk_end` of a record.
    pub chunk_end: u64,
    /// Tokens that embedding it takes, its prompt's and special ones counted.
    pub tokens: usize,
}

/// The chunks of a text; owned by the caller, never changing, freed with `qntx_embed_chunks_free`.
#[cfg_attr(all(), repr(C))]
pub struct qntx_embed_chunks {
    pub(super) mark: u64,
    /// Pointers, so that `qntx_embed_chunk` can grow at its end.
    pointers: Vec<*const qntx_embed_chunk>,
    _chunks: Vec<qntx_embed_chunk>,
}

impl qntx_embed_chunks {
    fn boxed(chunks: &[Chunk]) -> *mut Self {
        let view = |chunk: &Chunk| qntx_embed_chunk {
            byte_start: chunk.bytes.start,
            byte_end: chunk.bytes.end,
            chunk_start: chunk.characters.start as u64,
            chunk_end: chunk.characters.end as u64,
            tokens: chunk.tokens,
        };
        // They stay where they are on the heap while the Vec that owns them moves.
        let chunks: Vec<qntx_embed_chunk> = chunks.iter().map(view).collect();
        let pointers = chunks.iter().map(std::ptr::from_ref).collect();
        Self { mark: Self::MARK, pointers, _chunks: chunks }.give()
    }
}

/// Cuts a text into chunks that the model takes whole, so that nothing of it is lost to truncation. They cover the text from
/// its first byte to its last, and each begins where the one before ends, or earlier where `overlap` allows it. A chunk ends
/// where a paragraph or a sentence does (UAX #29), and inside of a sentence that is longer than a chunk, where a line, a word
/// or a character does. A text that fits is one chunk, the empty one none. `options` may be NULL. `*chunks` is the caller's to
/// free with `qntx_embed_chunks_free`; it is NULL after a failure. Any thread.
///
/// # Safety
/// The pointers are valid as their types and lengths say; `error` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_model_split(
    model: Option<&qntx_embed_model>,
    text: qntx_embed_str,
    options: *const qntx_embed_split_options,
    chunks: *mut *mut qntx_embed_chunks,
    error: *mut *mut qntx_embed_error,
) -> qntx_embed_status {
    let body = || -> Result<()> {
        // SAFETY: by this function's contract.
        let out = unsafe { out_pointer(chunks, "chunks") }?;
        let model = handle(model, "model")?;
        // SAFETY: by this function's contract; the structure is repr(C), starts with its size and may be all 0.
        let options: qntx_embed_split_options = unsafe { read_options(options, "options") }?;
        // SAFETY: by this function's contract.
        let (text, prompt) = unsafe { (text.text("text")?, options.prompt.text("options.prompt")?) };
        if options.reserved != 0 {
            fail!(InvalidArgument, "options.reserved is {}; set it to 0", options.reserved);
        }
        let found = model.embedder.split(
            text,
            &SplitOptions {
                max_tokens: (options.max_tokens > 0).then_some(options.max_tokens),
                overlap: options.overlap,
                prompt: prompt_of(options.prompt_kind, prompt)?,
            },
        )?;
        *out = qntx_embed_chunks::boxed(&found);
        Ok(())
    };
    // SAFETY: by this function's contract.
    unsafe { boundary(error, body) }
}

/// All chunks, in their order: an array of `*count` pointers, valid until the chunks are freed; NULL where there are none,
/// also for NULL. `count` may be NULL.
///
/// # Safety
/// `chunks` is NULL or not yet freed; `count` is NULL or points to a place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_chunks_get(
    chunks: Option<&qntx_embed_chunks>,
    count: *mut usize,
) -> *const *const qntx_embed_chunk {
    let pointers = known(chunks).map_or(&[][..], |c| c.pointers.as_slice());
    if !count.is_null() {
        // SAFETY: not NULL; a place by this function's contract.
        unsafe { count.write(pointers.len()) };
    }
    if pointers.is_empty() { std::ptr::null() } else { pointers.as_ptr() }
}

/// Frees chunks. NULL is fine.
///
/// # Safety
/// `chunks` came from `qntx_embed_model_split` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qntx_embed_chunks_free(chunks: *mut qntx_embed_chunks) {
    // SAFETY: by this function's contract.
    unsafe { free(chunks) };
}
