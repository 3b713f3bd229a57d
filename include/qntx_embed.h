// libqntx_embed: sentence embeddings and semantic search inside your own process.
//
// In short
//   qntx_embed_model *model = NULL;
//   qntx_embed_error *error = NULL;
//   qntx_embed_str dir = {"models/all-MiniLM-L6-v2", 23};
//   if (qntx_embed_model_open(dir, NULL, &model, &error) != QNTX_EMBED_STATUS_OK) {
//     fprintf(stderr, "%s\n", qntx_embed_error_message(error));
//     qntx_embed_error_free(error);
//   }
//   ...
//   qntx_embed_model_free(model);
//
// Ownership
//   What a function gives through a pointer to a pointer is the caller's, and has a function ..._free of its own. It is
//   NULL after a failure. Freeing NULL is fine; freeing twice is not. What the caller passes in is read during the
//   call; nothing of it is kept.
//
// Mistakes
//   Each object begins with a word that says what it is, until it is freed. So one that was freed, or that is of another
//   type, is often noticed: it is then refused with QNTX_EMBED_STATUS_INVALID_ARGUMENT, and counts as NULL where there is no
//   status, also for ..._free. That finds mistakes in tests. It is no promise: the memory may be another object's by then.
//
// Threads
//   `const T *` means: any number of threads at once. `T *` means: one thread, and nobody else at that time. No function
//   ties its result to the thread that called it.
//
// fork
//   A child has none of its parent's threads, so nothing of this library works in it, exit() neither: it leaves with _exit(),
//   or becomes another program. The parent goes on as if nothing had happened.
//
// Errors
//   Every function that can fail returns a qntx_embed_status, 0 being success, and takes a last parameter
//   `qntx_embed_error **error`. It may be NULL; otherwise *error is NULL after success and an object after a failure,
//   which the caller frees. Nothing is printed, no signal is raised, no exception or panic leaves the library.
//
// Text
//   UTF-8 by pointer and length (qntx_embed_str). NUL bytes are text. Invalid UTF-8 is an error.
//
// Structures that can grow
//   Options start with their own size. Set all bytes to 0, then `size` to sizeof, then what should differ.
//
// Versions
//   Compare qntx_embed_abi_version() with QNTX_EMBED_ABI_VERSION where the library is loaded at run time.
//
// This file is generated from src/ffi: change it there, then run `make header`.


#ifndef QNTX_EMBED_H
#define QNTX_EMBED_H

#include <stddef.h>
#include <stdint.h>

// The ABI's number: it changes only when a program that was built for an older one would break.
#define QNTX_EMBED_ABI_VERSION 0

// Run what the directory has: weights where their architecture is known, otherwise an ONNX file.
#define QNTX_EMBED_FORMAT_AUTO 0

// Run `model.safetensors`, or fail.
#define QNTX_EMBED_FORMAT_SAFETENSORS 1

// Run `onnx/model.onnx` or `model.onnx`, or fail.
#define QNTX_EMBED_FORMAT_ONNX 2

// The network computes in f32.
#define QNTX_EMBED_PRECISION_FP32 0

// Its linear layers compute in 8 bits: faster, with slightly other vectors, which can be compared with those of fp32.
// For networks from weights, not from ONNX files.
#define QNTX_EMBED_PRECISION_INT8 1

// The directory's default prompt, where it has one.
#define QNTX_EMBED_PROMPT_DEFAULT 0

// The directory's prompt that `prompt` names.
#define QNTX_EMBED_PROMPT_NAMED 1

// The words of `prompt`; empty is none.
#define QNTX_EMBED_PROMPT_TEXT 2

// Long texts are cut as the directory says, mostly at their end.
#define QNTX_EMBED_TRUNCATE_DEFAULT 0

// Their end is cut off.
#define QNTX_EMBED_TRUNCATE_RIGHT 1

// Their beginning is cut off.
#define QNTX_EMBED_TRUNCATE_LEFT 2

// They are refused with `QNTX_EMBED_STATUS_TOO_LONG`.
#define QNTX_EMBED_TRUNCATE_ERROR 3

// The fastest index that can answer.
#define QNTX_EMBED_INDEX_AUTO 0

// The rows themselves are read.
#define QNTX_EMBED_INDEX_ROWS 1

// vec0; where it cannot answer (filters, many equal distances), the rows.
#define QNTX_EMBED_INDEX_VEC0 2

// The one in memory, which is built first where it is not there; where it has no room, or another search builds one just
// now, vec0 or the rows.
#define QNTX_EMBED_INDEX_RESIDENT 3

// There was no row of this source, chunk and model.
#define QNTX_EMBED_OUTCOME_INSERTED 0

// There was one; it keeps its id and creation time.
#define QNTX_EMBED_OUTCOME_REPLACED 1

// There was one with the same content.
#define QNTX_EMBED_OUTCOME_UNCHANGED 2

// Something did not work, and somebody should look at it.
#define QNTX_EMBED_LOG_ERROR 1

// It works, and is not as it should be: a file that is damaged or can only be read, what opens slowly, what ONNX Runtime
// warns of.
#define QNTX_EMBED_LOG_WARNING 2

// What was done that is not done often: a model opened, a migration applied, an index built.
#define QNTX_EMBED_LOG_INFO 3

// What a function says of its call. The numbers never change and are never reused; later versions may add some, so
// treat one that is unknown as a failure.
enum qntx_embed_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It worked.
  QNTX_EMBED_STATUS_OK = 0,
  // An argument is not what the function takes.
  QNTX_EMBED_STATUS_INVALID_ARGUMENT = 1,
  // The model directory, or a file that it must have, is not there.
  QNTX_EMBED_STATUS_MODEL_NOT_FOUND = 2,
  // A file of the model is damaged or contradicts another.
  QNTX_EMBED_STATUS_MODEL_INVALID = 3,
  // The model is well formed, but of a kind that this library does not run.
  QNTX_EMBED_STATUS_MODEL_UNSUPPORTED = 4,
  // No ONNX Runtime library was found, or it could not be loaded.
  QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND = 5,
  // The ONNX Runtime that was found is too old.
  QNTX_EMBED_STATUS_RUNTIME_VERSION = 6,
  // A text is empty where that is refused.
  QNTX_EMBED_STATUS_EMPTY_TEXT = 7,
  // A text has more tokens than the model takes, and truncation was not allowed.
  QNTX_EMBED_STATUS_TOO_LONG = 8,
  // A text is not valid UTF-8.
  QNTX_EMBED_STATUS_INVALID_UTF8 = 9,
  // A vector, buffer or option has the wrong number of dimensions.
  QNTX_EMBED_STATUS_DIMENSIONS = 10,
  // The queue is full; try again later.
  QNTX_EMBED_STATUS_OVERLOADED = 11,
  // The caller cancelled the call.
  QNTX_EMBED_STATUS_CANCELLED = 12,
  // There is no such row.
  QNTX_EMBED_STATUS_NOT_FOUND = 13,
  // The database file could not be opened, read or written.
  QNTX_EMBED_STATUS_STORE = 14,
  // The database is of another version: a newer library's, the original system's, or, to migrate, this one's already.
  QNTX_EMBED_STATUS_STORE_VERSION = 15,
  // The operating system refused to read or write a file.
  QNTX_EMBED_STATUS_IO = 16,
  // ONNX Runtime failed while it ran the model.
  QNTX_EMBED_STATUS_INFERENCE = 17,
  // A bug in this library; please report the message.
  QNTX_EMBED_STATUS_INTERNAL = 18,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum qntx_embed_status qntx_embed_status;
#else
typedef int32_t qntx_embed_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A call that was started, and what came of it. Freed with `qntx_embed_call_free`, which cancels what is not over. It keeps
// the model: `qntx_embed_model_free` may come first.
typedef struct qntx_embed_call qntx_embed_call;

// Ends calls from another thread. It may be given to many calls; all of them end, and those to come.
typedef struct qntx_embed_cancel qntx_embed_cancel;

// The chunks of a text; owned by the caller, never changing, freed with `qntx_embed_chunks_free`.
typedef struct qntx_embed_chunks qntx_embed_chunks;

// A queue of the tags of calls that are over, for a program that waits for many things at once (poll, epoll, kqueue, libuv,
// Go's runtime): no thread of it waits in this library. Freed with `qntx_embed_completions_free`.
typedef struct qntx_embed_completions qntx_embed_completions;

// Why a call failed. Made by the call, owned by the caller, freed with `qntx_embed_error_free`. It never changes, so
// any thread may read it, also another than the one that made the call.
typedef struct qntx_embed_error qntx_embed_error;

// An open model. Opened once, used by any number of threads at once through `const` pointers, freed once when no
// call uses it any more.
typedef struct qntx_embed_model qntx_embed_model;

// Rows that a call found; owned by the caller, never changing, freed with `qntx_embed_rows_free`.
typedef struct qntx_embed_rows qntx_embed_rows;

// An open database. Any number of threads at once through `const` pointers; freed once when no call uses it any more.
typedef struct qntx_embed_store qntx_embed_store;

// A text that a call gives; owned by the caller, never changing, freed with `qntx_embed_text_free`.
typedef struct qntx_embed_text qntx_embed_text;

// Bytes that the library owns until `qntx_embed_blob_free`.
typedef struct qntx_embed_blob {
  // The first byte; NULL for an empty blob.
  uint8_t *data;
  // How many bytes.
  size_t len;
} qntx_embed_blob;

// Text that the caller owns: UTF-8, `len` bytes, not necessarily NUL-terminated; NUL bytes are text like any other.
// `ptr` may be NULL where `len` is 0. The library reads it during the call and keeps nothing of it.
typedef struct qntx_embed_str {
  // The first byte.
  const char *ptr;
  // How many bytes.
  size_t len;
} qntx_embed_str;

// How to split. Set all to 0, then `size`, then what should differ: 0 is the default of every field.
typedef struct qntx_embed_split_options {
  // `sizeof(qntx_embed_split_options)`.
  size_t size;
  // A name or words, as `prompt_kind` says: what the chunks will be embedded with. Its tokens are counted for each.
  struct qntx_embed_str prompt;
  // Tokens that a chunk has at most, its prompt's and special ones counted; 0 is as many as the model takes, and more than
  // that is refused.
  size_t max_tokens;
  // Tokens by which a chunk may begin before the end of the one before it; less than `max_tokens`.
  size_t overlap;
  // One of `QNTX_EMBED_PROMPT_...`.
  uint32_t prompt_kind;
  // 0.
  uint32_t reserved;
} qntx_embed_split_options;

// A part of a text. Lives as long as the `qntx_embed_chunks` that has it.
typedef struct qntx_embed_chunk {
  // The first of its bytes in the text.
  size_t byte_start;
  // One past the last of them.
  size_t byte_end;
  // Where in the text it begins, in characters (Unicode scalar values): `chunk_start` of a record.
  uint64_t chunk_start;
  // Where it ends: `chunk_end` of a record.
  uint64_t chunk_end;
  // Tokens that embedding it takes, its prompt's and special ones counted.
  size_t tokens;
} qntx_embed_chunk;

// What a manifest says. Set `size` before the call; a newer library fills only what an older caller's `size` holds.
typedef struct qntx_embed_manifest_info {
  // `sizeof(qntx_embed_manifest_info)`, set by the caller.
  size_t size;
  // Files that are listed.
  size_t files;
  // The fingerprint of the model, opened without options: NUL-terminated.
  char fingerprint[65];
} qntx_embed_manifest_info;

// Gets lines for the caller's log: one of `QNTX_EMBED_LOG_...`, later versions may add some, and a line of UTF-8 that is
// valid during the call and has no text of anybody's in it. It is called on any thread, from several at once, until the
// object is freed. It must not use that object, nor leave by an exception or longjmp.
typedef void (*qntx_embed_log_function)(void *context, uint32_t level, struct qntx_embed_str line);

// How to open a model. Set all to 0, then `size`, then what should differ: 0 is the default of every field.
typedef struct qntx_embed_model_options {
  // `sizeof(qntx_embed_model_options)`.
  size_t size;
  // ONNX Runtime's library, or a directory that has it. Empty: `QNTX_EMBED_ONNXRUNTIME`, beside this library, the
  // system's loader, in this order. A process loads it once: naming another one later is an error.
  struct qntx_embed_str onnxruntime;
  // Tokens of a text that are used, special ones counted; 0 is what the directory says.
  size_t max_tokens;
  // Threads that compute; 0 is one for each processor.
  size_t threads;
  // Texts of other calls that may wait when a call joins them; past it the call is refused with
  // `QNTX_EMBED_STATUS_OVERLOADED`. 0 is 100,000. A call that comes alone may have any number.
  size_t queue;
  // Bytes for the vectors of texts that came before: one that comes again, with the same options, is not computed
  // again, and its vector is the same. 0 is no cache.
  size_t cache_bytes;
  // One of `QNTX_EMBED_FORMAT_...`.
  uint32_t format;
  // One of `QNTX_EMBED_PRECISION_...`.
  uint32_t precision;
  // 1: a directory without a manifest is refused with `QNTX_EMBED_STATUS_MODEL_NOT_FOUND`, and one that is not as its
  // manifest says with `QNTX_EMBED_STATUS_MODEL_INVALID`, before any file of it is parsed (see
  // `qntx_embed_manifest_write`). 0: files are not compared with anything.
  uint32_t require_manifest;
  // 0.
  uint32_t reserved;
  // NULL, or what gets lines for the caller's log.
  qntx_embed_log_function log;
  // Given to `log`.
  void *log_context;
} qntx_embed_model_options;

// What an open model is. Set `size` before the call; a newer library fills only what an older caller's `size` holds.
// The texts are NUL-terminated UTF-8 and live as long as the model.
typedef struct qntx_embed_model_info {
  // `sizeof(qntx_embed_model_info)`, set by the caller.
  size_t size;
  // The directory's name.
  const char *name;
  // SHA-256 in hex over all files of the directory that are used: vectors of equal fingerprints can be compared.
  const char *fingerprint;
  // Version of the ONNX Runtime in use.
  const char *onnxruntime;
  // Floats of a vector.
  size_t dimensions;
  // Tokens of a text that are used, special ones counted; the rest is cut off.
  size_t max_tokens;
  // The most floats that `dimensions` of the embed options can ask for; mostly the same as `dimensions`.
  size_t full_dimensions;
  // The prompt that is put before texts where the options do not say otherwise; NULL for none.
  const char *default_prompt_name;
  // 0 where the directory has no modules.json: hidden states are then pooled by their mean.
  uint32_t has_modules;
  // One of `QNTX_EMBED_PRECISION_...`.
  uint32_t precision;
} qntx_embed_model_info;

// What an open model has done so far. Set `size` before the call; a newer library fills only what an older caller's
// `size` holds.
typedef struct qntx_embed_model_stats {
  // `sizeof(qntx_embed_model_stats)`, set by the caller.
  size_t size;
  // Texts that the cache had. One that comes twice in a call counts once.
  uint64_t cache_hits;
  // Texts that it did not have, and that were computed. 0 where the model has no cache.
  uint64_t cache_misses;
  // Vectors that it holds now.
  uint64_t cache_entries;
  // Bytes that they take, with their texts and what is needed to find them: `cache_bytes` of the options at most.
  uint64_t cache_bytes;
} qntx_embed_model_stats;

// A prompt of a model's directory. Its texts live as long as the model.
typedef struct qntx_embed_prompt {
  // What `QNTX_EMBED_PROMPT_NAMED` calls it.
  struct qntx_embed_str name;
  // What it puts before a text; may be empty.
  struct qntx_embed_str text;
} qntx_embed_prompt;

// How to embed. Set all to 0, then `size`, then what should differ: 0 is the default of every field.
typedef struct qntx_embed_embed_options {
  // `sizeof(qntx_embed_embed_options)`.
  size_t size;
  // A name or words, as `prompt_kind` says: put before each text.
  struct qntx_embed_str prompt;
  // NULL, or what ends the call from another thread: it returns with `QNTX_EMBED_STATUS_CANCELLED` at once (a text that
  // came alone is finished first). Must live as long as the call.
  const struct qntx_embed_cancel *cancel;
  // NULL, or a function that is told how many texts of how many are done, on the thread that makes the call. A text
  // that comes twice counts once. It must not leave by an exception or longjmp.
  void (*progress)(void *context, size_t done, size_t total);
  // Given to `progress`.
  void *progress_context;
  // Only so many leading floats of each vector, at unit length again where the model normalises (Matryoshka
  // models); 0 is the model's.
  size_t dimensions;
  // One of `QNTX_EMBED_PROMPT_...`.
  uint32_t prompt_kind;
  // One of `QNTX_EMBED_TRUNCATE_...`.
  uint32_t truncate;
} qntx_embed_embed_options;

// What was done with one text.
typedef struct qntx_embed_text_info {
  // Tokens that were used, special ones counted.
  uint32_t tokens;
  // Tokens that the whole text has, special ones counted.
  uint32_t full_tokens;
  // 1 where the text was cut to the model's limit, otherwise 0.
  uint32_t truncated;
} qntx_embed_text_info;

// How to project. Set all to 0, then `size`, then what should differ.
typedef struct qntx_embed_project_options {
  // `sizeof(qntx_embed_project_options)`.
  size_t size;
  // NULL, or what ends the call from another thread with `QNTX_EMBED_STATUS_CANCELLED`. Must live as long as the call.
  const struct qntx_embed_cancel *cancel;
  // NULL, or a function that is told how many steps of how many are done, on the thread that makes the call. It must
  // not leave by an exception or longjmp.
  void (*progress)(void *context, size_t done, size_t total);
  // Given to `progress`.
  void *progress_context;
} qntx_embed_project_options;

// How to move a store to another model. Set all to 0, then `size`, then what should differ: 0 is the default of every field.
typedef struct qntx_embed_reindex_options {
  // `sizeof(qntx_embed_reindex_options)`.
  size_t size;
  // A name or words, as `prompt_kind` says: put before each text.
  struct qntx_embed_str prompt;
  // NULL, or what ends the call from another thread with `QNTX_EMBED_STATUS_CANCELLED`. Must live as long as the call.
  const struct qntx_embed_cancel *cancel;
  // NULL, or a function that is told how many rows of how many are done, those of earlier calls too, on the thread that
  // makes the call. It must not leave by an exception or longjmp.
  void (*progress)(void *context, size_t done, size_t total);
  // Given to `progress`.
  void *progress_context;
  // Only so many leading floats of each vector, as in the embed options; 0 is the model's.
  size_t dimensions;
  // One of `QNTX_EMBED_PROMPT_...`; `QNTX_EMBED_PROMPT_DEFAULT` is here the prompt named "document".
  uint32_t prompt_kind;
  // 1: the rows of other models stay.
  uint32_t keep_old;
} qntx_embed_reindex_options;

// What a move has done. Set `size` before the call; a newer library fills only what an older caller's `size` holds.
typedef struct qntx_embed_reindex_report {
  // `sizeof(qntx_embed_reindex_report)`, set by the caller.
  size_t size;
  // Rows that were embedded and stored by this call.
  uint64_t embedded;
  // How many of them have more tokens than the model takes, and were cut: split their sources again.
  uint64_t truncated;
  // Rows of other models that were deleted at the end.
  uint64_t deleted;
} qntx_embed_reindex_report;

// A stored row, and how it was found. Lives as long as the `qntx_embed_rows` that has it.
typedef struct qntx_embed_row {
  // UUIDv7, given when the row was first stored, or what the caller gave then.
  struct qntx_embed_str id;
  // What kind of thing the text comes from.
  struct qntx_embed_str source_type;
  // Which of them.
  struct qntx_embed_str source_id;
  // The text.
  struct qntx_embed_str text;
  // Name of the model.
  struct qntx_embed_str model;
  // Fingerprint of the model.
  struct qntx_embed_str fingerprint;
  // A flat JSON object; `{}` for none.
  struct qntx_embed_str metadata;
  // When the row was first stored: RFC 3339, UTC, milliseconds.
  struct qntx_embed_str created_at;
  // When it was last replaced.
  struct qntx_embed_str updated_at;
  // The vector as it was put; NULL where the options leave vectors out.
  const float *vector;
  // Its floats, also where it is left out.
  size_t dimensions;
  // Where in the source the text begins, in characters (Unicode scalar values).
  uint64_t chunk_start;
  // Where it ends; 0 for a whole text.
  uint64_t chunk_end;
  // Which part of the source the text is; 0 for a whole text.
  uint32_t chunk;
  // Cosine similarity to the query, -1 to 1; 0 where there was none.
  float similarity;
  // L2 distance of the two at unit length, so that similarity = 1 - distance * distance / 2; 0 where there was none.
  float distance;
  // What rows are ordered by, best first: the similarity, BM25 for words, the fused score for both.
  float score;
  // The row's place by vector, from 1; 0 where it has none.
  uint32_t vector_rank;
  // The row's place by words, from 1; 0 where it has none.
  uint32_t words_rank;
} qntx_embed_row;

// What to search for. Set all to 0, then `size`, then what should differ.
typedef struct qntx_embed_search_options {
  // `sizeof(qntx_embed_search_options)`.
  size_t size;
  // Only rows of this model are searched. Not empty; with `like` it may be, and is then the row's.
  struct qntx_embed_str fingerprint;
  // Only rows that pass this filter, in JSON: `["and", ["=", "source_type", "manual"], [">=", "metadata.year", 2020]]`,
  // with `and`, `or`, `not`, `=`, `!=`, `<`, `<=`, `>`, `>=`, `in` and `exists`; empty for all. It applies before the
  // limit, and no other row has any influence on the answer.
  struct qntx_embed_str filter;
  // Rows with any of these words, best first by BM25; with a query vector too, both are fused by reciprocal rank.
  // Empty: only the vector counts. Nothing in it is syntax.
  struct qntx_embed_str words;
  // The id of a row: rows near to it, without itself. There is no query vector then, and no words.
  struct qntx_embed_str like;
  // The page before's last id: only rows after that, in the order of distance and id. Empty for the first page. Not
  // with words or diversity.
  struct qntx_embed_str after_id;
  // At most so many rows, 1 to 10,000; 0 is 10.
  size_t limit;
  // Among how many of the nearest rows `diversity` chooses, up to 10,000; 0 is five times the limit, at least 50.
  size_t candidates;
  // How many ranks of each kind are fused, up to 10,000; 0 is four times the limit, at least 100.
  size_t depth;
  // Only rows of at least this cosine, -1 to 1; not for words. (0 is a threshold too: unrelated texts lie around it.)
  float threshold;
  // The page before's last distance, where `after_id` is not empty.
  float after_distance;
  // Less of the same, by maximal marginal relevance: 0 is the usual order, up to 1, where nothing but the distance to
  // the hits before counts. Not with words.
  float diversity;
  // What ranks by vector weigh in the fusion; 0 is 1, negative is nothing.
  float vector_weight;
  // What ranks by words weigh; 0 is 1, negative is nothing.
  float words_weight;
  // How little the first ranks differ in the fusion; 0 is 60.
  float rank_constant;
  // One of `QNTX_EMBED_INDEX_...`; all give the same rows.
  uint32_t index;
  // 1: only the best chunk of each source.
  uint32_t group_by_source;
  // 1: rows come without their vectors.
  uint32_t without_vectors;
  // 0.
  uint32_t reserved;
  // NULL, or a function that is told how many rows of how many are in memory, some times a second, where the search
  // builds the resident index first; on the thread that makes the call. It must not leave by an exception or longjmp.
  void (*progress)(void *context, size_t done, size_t total);
  // Given to `progress`.
  void *progress_context;
} qntx_embed_search_options;

// Which rows to list. Set all to 0, then `size`, then what should differ.
typedef struct qntx_embed_list_options {
  // `sizeof(qntx_embed_list_options)`.
  size_t size;
  // Only rows of this model; empty for all.
  struct qntx_embed_str fingerprint;
  // Only rows that pass this filter, as in the search options; empty for all.
  struct qntx_embed_str filter;
  // The page before's last id; empty for the first page.
  struct qntx_embed_str after_id;
  // At most so many rows, 1 to 10,000; 0 is 100.
  size_t limit;
  // 1: rows come without their vectors.
  uint32_t without_vectors;
  // 0.
  uint32_t reserved;
} qntx_embed_list_options;

// How to open a store. Set all to 0, then `size`, then what should differ.
typedef struct qntx_embed_store_options {
  // `sizeof(qntx_embed_store_options)`.
  size_t size;
  // Bytes of memory that the resident indexes may take together, one for each model and size of vectors that is searched
  // often: about 1,000 for a row of 384 dimensions, and its metadata. Where more is needed, vec0 and the rows answer. 0 is
  // 2 GiB; 1 keeps nothing in memory.
  size_t max_resident_bytes;
  // NULL, or what gets lines for the caller's log.
  qntx_embed_log_function log;
  // Given to `log`.
  void *log_context;
} qntx_embed_store_options;

// A text with its vector, to be stored under its source. Set all to 0, then `size`, then the rest. In an array all have
// the same size. All pointers are the caller's, read during the call.
typedef struct qntx_embed_record {
  // `sizeof(qntx_embed_record)`.
  size_t size;
  // The row's id; empty for a new UUIDv7. A row that is there keeps its own, so another one is refused then. At most
  // 1,024 bytes, as the four names below.
  struct qntx_embed_str id;
  // What kind of thing the text comes from. Not empty.
  struct qntx_embed_str source_type;
  // Which of them. Not empty. Source, chunk and fingerprint together name a row.
  struct qntx_embed_str source_id;
  // The text, given back by searches. Not empty; at most 16 MiB.
  struct qntx_embed_str text;
  // Name of the model that made the vector, for people.
  struct qntx_embed_str model;
  // The model's fingerprint (`qntx_embed_model_info`): only vectors of equal ones are compared. Not empty.
  struct qntx_embed_str fingerprint;
  // A flat JSON object of strings, numbers, true, false and null, for filters; empty for none. At most 64 KiB.
  struct qntx_embed_str metadata;
  // The vector: finite numbers, not all zero. Its length does not matter to searches. NULL where the row is there
  // with the same text (see `qntx_embed_store_has`): it keeps its vector.
  const float *vector;
  // Its floats, 1 to 8192.
  size_t dimensions;
  // Where in the source the text begins, in characters (Unicode scalar values); 0 for a whole text.
  uint64_t chunk_start;
  // Where it ends; 0 for a whole text.
  uint64_t chunk_end;
  // Which part of the source the text is; 0 for a whole text.
  uint32_t chunk;
  // 0.
  uint32_t reserved;
} qntx_embed_record;

// How to adopt a database of the original system. Set all to 0, then `size`, then what should differ.
typedef struct qntx_embed_migrate_options {
  // `sizeof(qntx_embed_migrate_options)`.
  size_t size;
  // Where a copy of the file as it was goes; empty: beside it, as `<file>.backup`. One that is there is refused.
  struct qntx_embed_str backup;
  // 1: change the file. 0: everything is read and reported, and nothing is written.
  uint32_t apply;
  // 1: make no copy.
  uint32_t without_backup;
} qntx_embed_migrate_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The ABI's number in the library that is loaded. A program compares it with `QNTX_EMBED_ABI_VERSION` of the header
// that it was compiled with. Any thread.
uint32_t qntx_embed_abi_version(void);

// Exists under this name as long as the ABI's number is 0. A program that names it fails at link time, or when it
// starts, where the library has another ABI. Gives the same as `qntx_embed_abi_version`.
uint32_t qntx_embed_abi_0(void);

// The library's version, such as "0.1.0": NUL-terminated, static, not to be freed. Any thread.
const char *qntx_embed_version(void);

// Writes a vector as FLOAT32_BLOB: 4 little-endian bytes for each component, as SQLite tables and sqlite-vec hold it.
// `*blob` is the caller's to free with `qntx_embed_blob_free`; it is empty after a failure. Any thread.
qntx_embed_status qntx_embed_blob_serialize(const float *vector,
                                            size_t dimensions,
                                            struct qntx_embed_blob *blob,
                                            struct qntx_embed_error **error);

// Reads a FLOAT32_BLOB of `len` bytes into `vector`, which has room for `dimensions` floats: `len` must be
// 4 * `dimensions` (`QNTX_EMBED_STATUS_DIMENSIONS` otherwise, or `_INVALID_ARGUMENT` where it is no multiple of 4).
// Any thread.
qntx_embed_status qntx_embed_blob_deserialize(const uint8_t *data,
                                              size_t len,
                                              float *vector,
                                              size_t dimensions,
                                              struct qntx_embed_error **error);

// Frees what `qntx_embed_blob_serialize` gave and empties `*blob`, so that a second call does nothing. NULL is fine.
void qntx_embed_blob_free(struct qntx_embed_blob *blob);

// Cosine similarity of two vectors of finite numbers, from -1 to 1; 0 where one of them is zero. Any thread.
qntx_embed_status qntx_embed_similarity(const float *a,
                                        const float *b,
                                        size_t dimensions,
                                        float *similarity,
                                        struct qntx_embed_error **error);

// Cuts a text into chunks that the model takes whole, so that nothing of it is lost to truncation. They cover the text from
// its first byte to its last, and each begins where the one before ends, or earlier where `overlap` allows it. A chunk ends
// where a paragraph or a sentence does (UAX #29), and inside of a sentence that is longer than a chunk, where a line, a word
// or a character does. A text that fits is one chunk, the empty one none. `options` may be NULL. `*chunks` is the caller's to
// free with `qntx_embed_chunks_free`; it is NULL after a failure. Any thread.
qntx_embed_status qntx_embed_model_split(const struct qntx_embed_model *model,
                                         struct qntx_embed_str text,
                                         const struct qntx_embed_split_options *options,
                                         struct qntx_embed_chunks **chunks,
                                         struct qntx_embed_error **error);

// All chunks, in their order: an array of `*count` pointers, valid until the chunks are freed; NULL where there are none,
// also for NULL. `count` may be NULL.
const struct qntx_embed_chunk *const *qntx_embed_chunks_get(const struct qntx_embed_chunks *chunks,
                                                            size_t *count);

// Frees chunks. NULL is fine.
void qntx_embed_chunks_free(struct qntx_embed_chunks *chunks);

// The status that the failed call returned; `QNTX_EMBED_STATUS_OK` for NULL.
qntx_embed_status qntx_embed_error_status(const struct qntx_embed_error *error);

// The message: UTF-8, NUL-terminated, never NULL, valid until the error is freed; "" for NULL. It names what was
// wrong, what was expected and what to do, and is meant for people: its wording may change.
const char *qntx_embed_error_message(const struct qntx_embed_error *error);

// Frees an error. NULL is fine.
void qntx_embed_error_free(struct qntx_embed_error *error);

// Writes `qntx-embed.sha256.json` into a model directory, in place of one that is there: the sizes and hashes of the files
// that the model is read from, and of its ONNX file where there is one. A directory that could not be opened gets none.
// `info` may be NULL. Needs no ONNX Runtime. Any thread.
qntx_embed_status qntx_embed_manifest_write(struct qntx_embed_str directory,
                                            struct qntx_embed_manifest_info *info,
                                            struct qntx_embed_error **error);

// Compares a model directory with its `qntx-embed.sha256.json`. Without one the status is
// `QNTX_EMBED_STATUS_MODEL_NOT_FOUND`; where a file is missing, is another, or would be used and is not listed, it is
// `QNTX_EMBED_STATUS_MODEL_INVALID`, and the message names all that are not as listed. `info` may be NULL. Needs no ONNX
// Runtime. Any thread.
qntx_embed_status qntx_embed_manifest_check(struct qntx_embed_str directory,
                                            struct qntx_embed_manifest_info *info,
                                            struct qntx_embed_error **error);

// Opens a directory as sentence-transformers publishes it and runs it once to see that it works. `options` may be
// NULL. `*model` is the caller's to free with `qntx_embed_model_free`; it is NULL after a failure. Takes some hundred
// milliseconds and any thread.
qntx_embed_status qntx_embed_model_open(struct qntx_embed_str directory,
                                        const struct qntx_embed_model_options *options,
                                        struct qntx_embed_model **model,
                                        struct qntx_embed_error **error);

// Fills `*info`, whose `size` the caller has set; `size` is then how much of it was filled. Any thread.
qntx_embed_status qntx_embed_model_get_info(const struct qntx_embed_model *model,
                                            struct qntx_embed_model_info *info,
                                            struct qntx_embed_error **error);

// Fills `*stats`, whose `size` the caller has set; `size` is then how much of it was filled. Cheap; any thread, also
// while calls run.
qntx_embed_status qntx_embed_model_get_stats(const struct qntx_embed_model *model,
                                             struct qntx_embed_model_stats *stats,
                                             struct qntx_embed_error **error);

// The directory's prompts: an array of `*count`, ordered by name, that lives as long as the model; NULL for NULL. Every
// model has "query" and "document", which are empty where the directory does not say. `count` may be NULL. Any thread.
const struct qntx_embed_prompt *qntx_embed_model_prompts(const struct qntx_embed_model *model, size_t *count);

// Embeds one text. `vector` has room for `dimensions` floats, which must be those of the model, or of the options;
// `options` and `info` may be NULL. Any number of threads at once. The empty text is a text.
qntx_embed_status qntx_embed_embed(const struct qntx_embed_model *model,
                                   struct qntx_embed_str text,
                                   const struct qntx_embed_embed_options *options,
                                   float *vector,
                                   size_t dimensions,
                                   struct qntx_embed_text_info *info,
                                   struct qntx_embed_error **error);

// Embeds `count` texts. Their vectors are laid end to end in `vectors`, in the texts' order; `vectors_len` is its
// room in floats and must be `count` times the model's dimensions, or those of the options. `infos` has room for
// `count` or is NULL; `options` may be NULL. The calls of all threads share one queue and its batches; a text's vector
// does not depend on its neighbours. After a failure the buffers are as they were. Any number of threads at once.
qntx_embed_status qntx_embed_embed_batch(const struct qntx_embed_model *model,
                                         const struct qntx_embed_str *texts,
                                         size_t count,
                                         const struct qntx_embed_embed_options *options,
                                         float *vectors,
                                         size_t vectors_len,
                                         struct qntx_embed_text_info *infos,
                                         struct qntx_embed_error **error);

// A token that nobody has cancelled yet. `*cancel` is the caller's to free with `qntx_embed_cancel_free`. Any thread.
qntx_embed_status qntx_embed_cancel_new(struct qntx_embed_cancel **cancel, struct qntx_embed_error **error);

// Ends all calls that have this token, and those that will get it. Does nothing the second time, or for NULL. Any
// thread, also while calls use it.
void qntx_embed_cancel_now(const struct qntx_embed_cancel *cancel);

// Frees a token. NULL is fine.
void qntx_embed_cancel_free(struct qntx_embed_cancel *cancel);

// Frees a model. NULL is fine.
void qntx_embed_model_free(struct qntx_embed_model *model);

// A queue without calls. `*completions` is the caller's to free with `qntx_embed_completions_free`; it is NULL after a
// failure. Takes two file descriptors. Any thread.
qntx_embed_status qntx_embed_completions_new(struct qntx_embed_completions **completions,
                                             struct qntx_embed_error **error);

// A file descriptor that is readable while a tag can be taken, for poll and its like, also edge-triggered. It is the
// queue's: do not read, write or close it. -1 for NULL. Any thread.
int qntx_embed_completions_descriptor(const struct qntx_embed_completions *completions);

// Takes the tags of up to `room` calls that are over, the earliest first, and returns how many these are. Never waits; 0
// also for NULL. A call's tag comes once: after its success, its failure or its cancelling, and not at all where the call
// was freed before its tag was taken. Any thread.
size_t qntx_embed_completions_take(const struct qntx_embed_completions *completions,
                                   uint64_t *tags,
                                   size_t room);

// Frees a queue. Calls that were started with it go on, and tell nobody. NULL is fine.
void qntx_embed_completions_free(struct qntx_embed_completions *completions);

// Starts what `qntx_embed_embed_batch` does, and returns when the texts are tokenised and in the queue: nothing of what was
// passed is used after that, the token of the options neither. A single text that comes alone is computed by one thread,
// where `qntx_embed_embed` has all of them. `options` may be NULL, and has no `progress`. `completions` gets `tag` when the
// call is over, and may be NULL: then `qntx_embed_call_wait` is all there is. `*call` is the caller's to free with
// `qntx_embed_call_free`; it is NULL after a failure, which is also where the queue is full
// (`QNTX_EMBED_STATUS_OVERLOADED`), and then no tag comes. Any number of threads at once.
qntx_embed_status qntx_embed_call_start(const struct qntx_embed_model *model,
                                        const struct qntx_embed_str *texts,
                                        size_t count,
                                        const struct qntx_embed_embed_options *options,
                                        const struct qntx_embed_completions *completions,
                                        uint64_t tag,
                                        struct qntx_embed_call **call,
                                        struct qntx_embed_error **error);

// Waits until a call is over, not at all where its tag was taken, and gives what `qntx_embed_embed_batch` would: `vectors_len`
// is the room in floats and must be the call's number of texts times its dimensions, `infos` has room for as many or is
// NULL. After a failure the buffers are as they were, and a call with the wrong room does not wait. May be asked again,
// and by any number of threads at once.
qntx_embed_status qntx_embed_call_wait(const struct qntx_embed_call *call,
                                       float *vectors,
                                       size_t vectors_len,
                                       struct qntx_embed_text_info *infos,
                                       struct qntx_embed_error **error);

// Frees a call, and cancels it where it is not over: what runs for it alone ends soon, and nobody is told. NULL is fine.
// Any thread.
void qntx_embed_call_free(struct qntx_embed_call *call);

// Makes a map: `count` vectors of `dimensions` floats, end to end, become points of a plane, on which what means the same
// lies together. `points` gets two floats for each, so `points_len` must be 2 * `count`; the points lie in the square from -1
// to 1. Vectors are taken at unit length; a zero vector stays zero.
//
// Principal components, then t-SNE. The same vectors have the same map on the same kind of processor. One thread computes, for
// seconds where there are 10,000 vectors; what is in `points` after a failure is not said. `options` may be NULL. Any thread.
qntx_embed_status qntx_embed_project(const float *vectors,
                                     size_t count,
                                     size_t dimensions,
                                     const struct qntx_embed_project_options *options,
                                     float *points,
                                     size_t points_len,
                                     struct qntx_embed_error **error);

// Says where another vector lies on a map that `qntx_embed_project` has made, without making it anew: between the points of
// its nearest vectors, the nearer the more they count; the vector of a point lies on that point. `vectors` and `points` are
// those of the map, which has one point at least; `vector` has `dimensions` floats, and `point` gets two. Takes as long as
// comparing `vector` with all of them. Any thread.
qntx_embed_status qntx_embed_project_place(const float *vectors,
                                           size_t count,
                                           size_t dimensions,
                                           const float *points,
                                           const float *vector,
                                           float *point,
                                           struct qntx_embed_error **error);

// Moves a store to a model: each row of any other model gets one of this model, with the same source, chunk, range, text,
// metadata and creation time; when none is missing, the others are deleted, in one transaction, and the new rows get their
// ids. Of several models' rows of one source and chunk, that which was written last is taken; one that this model has
// already, written later or with the same content, stays as it is.
//
// Until that transaction the old rows are all there, so a search by the old model answers as before; one by the new model
// finds what is done. What others write meanwhile, also in other processes, is not lost: new and changed rows of other
// models are embedded too, before the switch, and of a row that is deleted the copy goes as well.
//
// A call that was cancelled, or whose process was killed, is gone on with by another one: how far it is stands in the
// database. `options` may be NULL; `report` is NULL or gets what was done. Takes as long as embedding all texts; any thread,
// while others search and write.
qntx_embed_status qntx_embed_store_reindex(const struct qntx_embed_store *store,
                                           const struct qntx_embed_model *model,
                                           const struct qntx_embed_reindex_options *options,
                                           struct qntx_embed_reindex_report *report,
                                           struct qntx_embed_error **error);

// All rows: an array of `*count` pointers, valid until the rows are freed; NULL where there are none, also for NULL.
// `count` may be NULL.
const struct qntx_embed_row *const *qntx_embed_rows_get(const struct qntx_embed_rows *rows, size_t *count);

// How a search has found the rows, as a JSON object: which index answered (`index`: `resident`, `vec0`, `rows` or `none`),
// how many vectors it compared (`compared`: all that pass the filter), how many of these the resident index looked at more
// closely (`refined`) and how many were read from the table (`rescored`), in how many rounds (`rounds`), how many rows have
// words of the query (`matched`), and the times in microseconds (`vector_us`, `words_us`, `rows_us`, `total_us`). Later
// versions may add fields. NUL-terminated, never NULL, valid until the rows are freed; "" for rows that no search has found,
// and for NULL.
const char *qntx_embed_rows_explain(const struct qntx_embed_rows *rows);

// Frees rows and all that they point to. NULL is fine.
void qntx_embed_rows_free(struct qntx_embed_rows *rows);

// The text: UTF-8, NUL-terminated, never NULL, valid until it is freed; "" for NULL.
const char *qntx_embed_text_get(const struct qntx_embed_text *text);

// Frees a text. NULL is fine.
void qntx_embed_text_free(struct qntx_embed_text *text);

// Finds rows, best first; equals in the order of their ids. The query is a vector (only rows of its dimensions are near
// to it), or `options.words` (`query` is then NULL and `dimensions` 0), or both, or `options.like`. `*rows` is the caller's
// to free with `qntx_embed_rows_free`; it is NULL after a failure, and has no rows where nothing was found. Any thread.
qntx_embed_status qntx_embed_store_search(const struct qntx_embed_store *store,
                                          const float *query,
                                          size_t dimensions,
                                          const struct qntx_embed_search_options *options,
                                          struct qntx_embed_rows **rows,
                                          struct qntx_embed_error **error);

// A page of rows in the order of their ids; `options` may be NULL. The next page is that after the last row's id; the
// last page has fewer rows than the limit. `*rows` is the caller's to free with `qntx_embed_rows_free`; it is NULL after
// a failure. Any thread.
qntx_embed_status qntx_embed_store_list(const struct qntx_embed_store *store,
                                        const struct qntx_embed_list_options *options,
                                        struct qntx_embed_rows **rows,
                                        struct qntx_embed_error **error);

// Opens a database file, makes it where it is missing, and brings it to this version's schema: its tables are added
// beside those that another program may have in the file, which is set to write-ahead logging. A file of a newer
// version of this library is refused and left as it is. `:memory:` is a store that is gone when it is freed. `options` may
// be NULL. `*store` is the caller's to free with `qntx_embed_store_free`; it is NULL after a failure. Any thread.
//
// A file that may not be written to is opened for reading: what would write is refused with `QNTX_EMBED_STATUS_STORE`. A
// database of the original system is refused with `QNTX_EMBED_STATUS_STORE_VERSION`: `qntx_embed_store_migrate` adopts it.
//
// The file must not be open through another copy of SQLite in the same process, at any time: POSIX locks cannot tell two
// copies apart, and the file would be destroyed. Where it is when the store is opened, that is refused. So is a file on a
// network file system.
qntx_embed_status qntx_embed_store_open(struct qntx_embed_str path,
                                        const struct qntx_embed_store_options *options,
                                        struct qntx_embed_store **store,
                                        struct qntx_embed_error **error);

// Stores `count` records, all or none, in one transaction that is on disk when the call returns. A source, chunk and
// fingerprint that has a row already gets the new content in it; of equal ones in one call the last stays. `outcomes` is
// NULL or has room for `count` values of `QNTX_EMBED_OUTCOME_...`. Any thread; writers wait for each other.
qntx_embed_status qntx_embed_store_put(const struct qntx_embed_store *store,
                                       const struct qntx_embed_record *records,
                                       size_t count,
                                       uint32_t *outcomes,
                                       struct qntx_embed_error **error);

// Stores records as `qntx_embed_store_put` does, as all that their sources have: rows of a record's source and fingerprint
// whose chunk is not among the records are deleted in the same transaction. So the chunks of a text that was split again
// take the place of those that it had. `deleted` is NULL or gets how many rows that were. Any thread.
qntx_embed_status qntx_embed_store_put_sources(const struct qntx_embed_store *store,
                                               const struct qntx_embed_record *records,
                                               size_t count,
                                               uint32_t *outcomes,
                                               size_t *deleted,
                                               struct qntx_embed_error **error);

// Says of each record whether its text is there already, under its source, chunk and fingerprint, so that it needs no
// new vector: `has[i]` is 1 or 0. Only these fields of a record count, and, where it has a vector, its `dimensions`, which
// must be the row's. `has` has room for `count`. Any thread.
qntx_embed_status qntx_embed_store_has(const struct qntx_embed_store *store,
                                       const struct qntx_embed_record *records,
                                       size_t count,
                                       uint8_t *has,
                                       struct qntx_embed_error **error);

// The row of an id, as `*rows` of one row; `QNTX_EMBED_STATUS_NOT_FOUND` where there is none. Any thread.
qntx_embed_status qntx_embed_store_get(const struct qntx_embed_store *store,
                                       struct qntx_embed_str id,
                                       struct qntx_embed_rows **rows,
                                       struct qntx_embed_error **error);

// All chunks of a source, in their order: of the model of this fingerprint or, where it is empty, of all.
// `QNTX_EMBED_STATUS_NOT_FOUND` where there is none. Any thread.
qntx_embed_status qntx_embed_store_get_source(const struct qntx_embed_store *store,
                                              struct qntx_embed_str source_type,
                                              struct qntx_embed_str source_id,
                                              struct qntx_embed_str fingerprint,
                                              struct qntx_embed_rows **rows,
                                              struct qntx_embed_error **error);

// Deletes all chunks of a source, of every model. `deleted` is NULL or gets how many rows there were; none is no error.
// Any thread.
qntx_embed_status qntx_embed_store_delete_source(const struct qntx_embed_store *store,
                                                 struct qntx_embed_str source_type,
                                                 struct qntx_embed_str source_id,
                                                 size_t *deleted,
                                                 struct qntx_embed_error **error);

// Deletes the rows of `count` ids, all or none. `deleted` is NULL or gets how many of them there were; none is no error.
// Any thread.
qntx_embed_status qntx_embed_store_delete_ids(const struct qntx_embed_store *store,
                                              const struct qntx_embed_str *ids,
                                              size_t count,
                                              size_t *deleted,
                                              struct qntx_embed_error **error);

// Deletes the rows that pass a filter (see `qntx_embed_search_options`), which must not be empty: `["and"]` is all rows.
// `deleted` is NULL or gets how many there were; none is no error. Any thread.
qntx_embed_status qntx_embed_store_delete_where(const struct qntx_embed_store *store,
                                                struct qntx_embed_str filter,
                                                size_t *deleted,
                                                struct qntx_embed_error **error);

// How many rows there are that pass a filter (see `qntx_embed_search_options`; empty for all): of the model of this
// fingerprint or, where it is empty, of all. Any thread.
qntx_embed_status qntx_embed_store_count(const struct qntx_embed_store *store,
                                         struct qntx_embed_str fingerprint,
                                         struct qntx_embed_str filter,
                                         size_t *count,
                                         struct qntx_embed_error **error);

// A number that is greater after every change of rows, also by another process: what was computed from the rows holds as long as
// it is the same. It survives closing. Any thread; takes microseconds.
qntx_embed_status qntx_embed_store_revision(const struct qntx_embed_store *store,
                                            uint64_t *revision,
                                            struct qntx_embed_error **error);

// Closes a store. NULL is fine.
void qntx_embed_store_free(struct qntx_embed_store *store);

// What a store has, as a JSON object: `rows`, `models` (an array of `model`, `fingerprint`, `dimensions`, `rows`,
// `indexed`, and of the resident index `resident_rows` and `resident_bytes`), `bytes`, `free_bytes`, `log_bytes`,
// `max_resident_bytes`, `sqlite` and `sqlite_vec` (their versions). Later versions may add fields. `*json` is the caller's to free with
// `qntx_embed_text_free`; it is NULL after a failure. Any thread.
qntx_embed_status qntx_embed_store_stats(const struct qntx_embed_store *store,
                                         struct qntx_embed_text **json,
                                         struct qntx_embed_error **error);

// Reads the whole database and says what is wrong, as a JSON object: `rows` (how many were read), `problems` (sentences;
// none: it is whole), `repaired` (what was built anew). With `repair` 1, what follows from the rows (vec0 tables, the index
// of words) is built anew where it is not what the rows say. Damage to the rows themselves stays, and needs a backup. Damage
// that is found is no failure of the call. Of a file that can only be read, the index of words is compared with itself and
// with the rows it has, not with their texts. `*json` is the caller's to free with `qntx_embed_text_free`. Any thread; writers
// wait meanwhile.
qntx_embed_status qntx_embed_store_verify(const struct qntx_embed_store *store,
                                          uint32_t repair,
                                          struct qntx_embed_text **json,
                                          struct qntx_embed_error **error);

// Copies the database to a new file while others read and write; the copy is of one moment. A file that is there already
// is refused. Any thread.
qntx_embed_status qntx_embed_store_backup(const struct qntx_embed_store *store,
                                          struct qntx_embed_str path,
                                          struct qntx_embed_error **error);

// Brings indexes into their best form and gives the space of deleted rows back to the file system. Takes as long as
// copying the database, and as much room on the disk. Any thread; writers wait meanwhile.
qntx_embed_status qntx_embed_store_optimize(const struct qntx_embed_store *store, struct qntx_embed_error **error);

// Adopts a database of the original system, in its file: its rows become rows of the model `unknown`, which keep id, text,
// times and vector, and are found again when they were embedded anew. Tables beside `embeddings` and `vec_embeddings` stay
// as they are. All is done in one transaction, or nothing. With `options` NULL, or `apply` 0, it only says what it would do.
//
// `*json` says what became of the rows: `applied`, `backup` (the copy's path; empty for none), `rows` (of the old table),
// `kept`, and of these `new_ids` (the id was empty) and `without_vector` (the blob was none); `duplicates` (left out: a newer
// row of the same source is kept), `unusable` (left out: no source, no text, or too long), `columns_left_out`, and `notes`, an
// array of `id`, `source_type`, `source_id` and `note` (a sentence) for each row that is not kept as it was. It is the
// caller's to free with `qntx_embed_text_free`.
//
// A file that is none of the original system is refused, one of this library with `QNTX_EMBED_STATUS_STORE_VERSION`. The file
// must not be open in this process. Any thread.
qntx_embed_status qntx_embed_store_migrate(struct qntx_embed_str path,
                                           const struct qntx_embed_migrate_options *options,
                                           struct qntx_embed_text **json,
                                           struct qntx_embed_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QNTX_EMBED_H */
