// The binary interface: layouts and numbers that programs of this version were compiled with.

#include "harness.h"

// A change of one of these breaks every program that exists: it needs a new QNTX_EMBED_ABI_VERSION.
_Static_assert(QNTX_EMBED_ABI_VERSION == 0, "the ABI's number");

_Static_assert(sizeof(qntx_embed_status) == 4, "a status is an int32_t");
_Static_assert(QNTX_EMBED_STATUS_OK == 0, "status");
_Static_assert(QNTX_EMBED_STATUS_INVALID_ARGUMENT == 1, "status");
_Static_assert(QNTX_EMBED_STATUS_MODEL_NOT_FOUND == 2, "status");
_Static_assert(QNTX_EMBED_STATUS_MODEL_INVALID == 3, "status");
_Static_assert(QNTX_EMBED_STATUS_MODEL_UNSUPPORTED == 4, "status");
_Static_assert(QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND == 5, "status");
_Static_assert(QNTX_EMBED_STATUS_RUNTIME_VERSION == 6, "status");
_Static_assert(QNTX_EMBED_STATUS_EMPTY_TEXT == 7, "status");
_Static_assert(QNTX_EMBED_STATUS_TOO_LONG == 8, "status");
_Static_assert(QNTX_EMBED_STATUS_INVALID_UTF8 == 9, "status");
_Static_assert(QNTX_EMBED_STATUS_DIMENSIONS == 10, "status");
_Static_assert(QNTX_EMBED_STATUS_OVERLOADED == 11, "status");
_Static_assert(QNTX_EMBED_STATUS_CANCELLED == 12, "status");
_Static_assert(QNTX_EMBED_STATUS_NOT_FOUND == 13, "status");
_Static_assert(QNTX_EMBED_STATUS_STORE == 14, "status");
_Static_assert(QNTX_EMBED_STATUS_STORE_VERSION == 15, "status");
_Static_assert(QNTX_EMBED_STATUS_IO == 16, "status");
_Static_assert(QNTX_EMBED_STATUS_INFERENCE == 17, "status");
_Static_assert(QNTX_EMBED_STATUS_INTERNAL == 18, "status");

_Static_assert(QNTX_EMBED_FORMAT_AUTO == 0, "format");
_Static_assert(QNTX_EMBED_FORMAT_SAFETENSORS == 1, "format");
_Static_assert(QNTX_EMBED_FORMAT_ONNX == 2, "format");
_Static_assert(QNTX_EMBED_OUTCOME_INSERTED == 0, "outcome");
_Static_assert(QNTX_EMBED_OUTCOME_REPLACED == 1, "outcome");
_Static_assert(QNTX_EMBED_OUTCOME_UNCHANGED == 2, "outcome");
_Static_assert(QNTX_EMBED_INDEX_AUTO == 0, "index");
_Static_assert(QNTX_EMBED_INDEX_ROWS == 1, "index");
_Static_assert(QNTX_EMBED_INDEX_VEC0 == 2, "index");

#define LAYOUT(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type)
#define FIELD(type, name, at) _Static_assert(offsetof(type, name) == (at), "place of " #type "." #name)

// LP64, as on 64-bit Linux and macOS.
#if UINTPTR_MAX == UINT64_MAX && SIZE_MAX == UINT64_MAX
LAYOUT(qntx_embed_str, 16);
FIELD(qntx_embed_str, ptr, 0);
FIELD(qntx_embed_str, len, 8);

LAYOUT(qntx_embed_blob, 16);
FIELD(qntx_embed_blob, data, 0);
FIELD(qntx_embed_blob, len, 8);

LAYOUT(qntx_embed_project_options, 32);
FIELD(qntx_embed_project_options, size, 0);
FIELD(qntx_embed_project_options, cancel, 8);
FIELD(qntx_embed_project_options, progress, 16);
FIELD(qntx_embed_project_options, progress_context, 24);

LAYOUT(qntx_embed_model_options, 88);
FIELD(qntx_embed_model_options, size, 0);
FIELD(qntx_embed_model_options, onnxruntime, 8);
FIELD(qntx_embed_model_options, max_tokens, 24);
FIELD(qntx_embed_model_options, threads, 32);
FIELD(qntx_embed_model_options, queue, 40);
FIELD(qntx_embed_model_options, cache_bytes, 48);
FIELD(qntx_embed_model_options, format, 56);
FIELD(qntx_embed_model_options, precision, 60);
FIELD(qntx_embed_model_options, require_manifest, 64);
FIELD(qntx_embed_model_options, reserved, 68);
FIELD(qntx_embed_model_options, log, 72);
FIELD(qntx_embed_model_options, log_context, 80);

LAYOUT(qntx_embed_embed_options, 64);
FIELD(qntx_embed_embed_options, size, 0);
FIELD(qntx_embed_embed_options, prompt, 8);
FIELD(qntx_embed_embed_options, cancel, 24);
FIELD(qntx_embed_embed_options, progress, 32);
FIELD(qntx_embed_embed_options, progress_context, 40);
FIELD(qntx_embed_embed_options, dimensions, 48);
FIELD(qntx_embed_embed_options, prompt_kind, 56);
FIELD(qntx_embed_embed_options, truncate, 60);

LAYOUT(qntx_embed_model_info, 72);
FIELD(qntx_embed_model_info, size, 0);
FIELD(qntx_embed_model_info, name, 8);
FIELD(qntx_embed_model_info, fingerprint, 16);
FIELD(qntx_embed_model_info, onnxruntime, 24);
FIELD(qntx_embed_model_info, dimensions, 32);
FIELD(qntx_embed_model_info, max_tokens, 40);
FIELD(qntx_embed_model_info, full_dimensions, 48);
FIELD(qntx_embed_model_info, default_prompt_name, 56);
FIELD(qntx_embed_model_info, has_modules, 64);
FIELD(qntx_embed_model_info, precision, 68);

LAYOUT(qntx_embed_model_stats, 40);
FIELD(qntx_embed_model_stats, size, 0);
FIELD(qntx_embed_model_stats, cache_hits, 8);
FIELD(qntx_embed_model_stats, cache_misses, 16);
FIELD(qntx_embed_model_stats, cache_entries, 24);
FIELD(qntx_embed_model_stats, cache_bytes, 32);

LAYOUT(qntx_embed_prompt, 32);
FIELD(qntx_embed_prompt, name, 0);
FIELD(qntx_embed_prompt, text, 16);

LAYOUT(qntx_embed_manifest_info, 88);
FIELD(qntx_embed_manifest_info, size, 0);
FIELD(qntx_embed_manifest_info, files, 8);
FIELD(qntx_embed_manifest_info, fingerprint, 16);

LAYOUT(qntx_embed_text_info, 12);
FIELD(qntx_embed_text_info, tokens, 0);
FIELD(qntx_embed_text_info, full_tokens, 4);
FIELD(qntx_embed_text_info, truncated, 8);

LAYOUT(qntx_embed_split_options, 48);
FIELD(qntx_embed_split_options, size, 0);
FIELD(qntx_embed_split_options, prompt, 8);
FIELD(qntx_embed_split_options, max_tokens, 24);
FIELD(qntx_embed_split_options, overlap, 32);
FIELD(qntx_embed_split_options, prompt_kind, 40);
FIELD(qntx_embed_split_options, reserved, 44);

LAYOUT(qntx_embed_chunk, 40);
FIELD(qntx_embed_chunk, byte_start, 0);
FIELD(qntx_embed_chunk, byte_end, 8);
FIELD(qntx_embed_chunk, chunk_start, 16);
FIELD(qntx_embed_chunk, chunk_end, 24);
FIELD(qntx_embed_chunk, tokens, 32);

LAYOUT(qntx_embed_reindex_options, 64);
FIELD(qntx_embed_reindex_options, size, 0);
FIELD(qntx_embed_reindex_options, prompt, 8);
FIELD(qntx_embed_reindex_options, cancel, 24);
FIELD(qntx_embed_reindex_options, progress, 32);
FIELD(qntx_embed_reindex_options, progress_context, 40);
FIELD(qntx_embed_reindex_options, dimensions, 48);
FIELD(qntx_embed_reindex_options, prompt_kind, 56);
FIELD(qntx_embed_reindex_options, keep_old, 60);

LAYOUT(qntx_embed_reindex_report, 32);
FIELD(qntx_embed_reindex_report, size, 0);
FIELD(qntx_embed_reindex_report, embedded, 8);
FIELD(qntx_embed_reindex_report, truncated, 16);
FIELD(qntx_embed_reindex_report, deleted, 24);

LAYOUT(qntx_embed_store_options, 32);
FIELD(qntx_embed_store_options, size, 0);
FIELD(qntx_embed_store_options, max_resident_bytes, 8);
FIELD(qntx_embed_store_options, log, 16);
FIELD(qntx_embed_store_options, log_context, 24);

LAYOUT(qntx_embed_record, 160);
FIELD(qntx_embed_record, size, 0);
FIELD(qntx_embed_record, id, 8);
FIELD(qntx_embed_record, source_type, 24);
FIELD(qntx_embed_record, source_id, 40);
FIELD(qntx_embed_record, text, 56);
FIELD(qntx_embed_record, model, 72);
FIELD(qntx_embed_record, fingerprint, 88);
FIELD(qntx_embed_record, metadata, 104);
FIELD(qntx_embed_record, vector, 120);
FIELD(qntx_embed_record, dimensions, 128);
FIELD(qntx_embed_record, chunk_start, 136);
FIELD(qntx_embed_record, chunk_end, 144);
FIELD(qntx_embed_record, chunk, 152);
FIELD(qntx_embed_record, reserved, 156);

LAYOUT(qntx_embed_search_options, 168);
FIELD(qntx_embed_search_options, size, 0);
FIELD(qntx_embed_search_options, fingerprint, 8);
FIELD(qntx_embed_search_options, filter, 24);
FIELD(qntx_embed_search_options, words, 40);
FIELD(qntx_embed_search_options, like, 56);
FIELD(qntx_embed_search_options, after_id, 72);
FIELD(qntx_embed_search_options, limit, 88);
FIELD(qntx_embed_search_options, candidates, 96);
FIELD(qntx_embed_search_options, depth, 104);
FIELD(qntx_embed_search_options, threshold, 112);
FIELD(qntx_embed_search_options, after_distance, 116);
FIELD(qntx_embed_search_options, diversity, 120);
FIELD(qntx_embed_search_options, vector_weight, 124);
FIELD(qntx_embed_search_options, words_weight, 128);
FIELD(qntx_embed_search_options, rank_constant, 132);
FIELD(qntx_embed_search_options, index, 136);
FIELD(qntx_embed_search_options, group_by_source, 140);
FIELD(qntx_embed_search_options, without_vectors, 144);
FIELD(qntx_embed_search_options, reserved, 148);
FIELD(qntx_embed_search_options, progress, 152);
FIELD(qntx_embed_search_options, progress_context, 160);

LAYOUT(qntx_embed_migrate_options, 32);
FIELD(qntx_embed_migrate_options, size, 0);
FIELD(qntx_embed_migrate_options, backup, 8);
FIELD(qntx_embed_migrate_options, apply, 24);
FIELD(qntx_embed_migrate_options, without_backup, 28);

LAYOUT(qntx_embed_list_options, 72);
FIELD(qntx_embed_list_options, size, 0);
FIELD(qntx_embed_list_options, fingerprint, 8);
FIELD(qntx_embed_list_options, filter, 24);
FIELD(qntx_embed_list_options, after_id, 40);
FIELD(qntx_embed_list_options, limit, 56);
FIELD(qntx_embed_list_options, without_vectors, 64);
FIELD(qntx_embed_list_options, reserved, 68);

LAYOUT(qntx_embed_row, 200);
FIELD(qntx_embed_row, id, 0);
FIELD(qntx_embed_row, source_type, 16);
FIELD(qntx_embed_row, source_id, 32);
FIELD(qntx_embed_row, text, 48);
FIELD(qntx_embed_row, model, 64);
FIELD(qntx_embed_row, fingerprint, 80);
FIELD(qntx_embed_row, metadata, 96);
FIELD(qntx_embed_row, created_at, 112);
FIELD(qntx_embed_row, updated_at, 128);
FIELD(qntx_embed_row, vector, 144);
FIELD(qntx_embed_row, dimensions, 152);
FIELD(qntx_embed_row, chunk_start, 160);
FIELD(qntx_embed_row, chunk_end, 168);
FIELD(qntx_embed_row, chunk, 176);
FIELD(qntx_embed_row, similarity, 180);
FIELD(qntx_embed_row, distance, 184);
FIELD(qntx_embed_row, score, 188);
FIELD(qntx_embed_row, vector_rank, 192);
FIELD(qntx_embed_row, words_rank, 196);
#endif

static void the_loaded_library_has_the_abi_of_the_header(void) {
  CHECK(qntx_embed_abi_version() == QNTX_EMBED_ABI_VERSION);
  CHECK(qntx_embed_abi_0() == QNTX_EMBED_ABI_VERSION);
}

static void the_version_is_three_numbers(void) {
  unsigned major, minor, patch;
  int end = 0;
  const char *version = qntx_embed_version();
  REQUIRE(version != NULL);
  CHECK(sscanf(version, "%u.%u.%u%n", &major, &minor, &patch, &end) == 3 && version[end] == '\0');
  CHECK(qntx_embed_version() == version);
}

static void freeing_null_does_nothing(void) {
  for (int i = 0; i < 2; i++) {
    qntx_embed_error_free(NULL);
    qntx_embed_blob_free(NULL);
    qntx_embed_model_free(NULL);
    qntx_embed_store_free(NULL);
    qntx_embed_rows_free(NULL);
    qntx_embed_text_free(NULL);
  }
}

static void no_error_is_ok_and_has_an_empty_message(void) {
  CHECK(qntx_embed_error_status(NULL) == QNTX_EMBED_STATUS_OK);
  REQUIRE(qntx_embed_error_message(NULL) != NULL);
  CHECK(qntx_embed_error_message(NULL)[0] == '\0');
}

static void no_prompts_are_null_and_zero(void) {
  size_t count = 7;
  CHECK(qntx_embed_model_prompts(NULL, &count) == NULL);
  CHECK(count == 0);
  CHECK(qntx_embed_model_prompts(NULL, NULL) == NULL);
}

static void no_rows_are_null_and_zero(void) {
  size_t count = 7;
  CHECK(qntx_embed_rows_get(NULL, &count) == NULL);
  CHECK(count == 0);
  CHECK(qntx_embed_rows_get(NULL, NULL) == NULL);
  REQUIRE(qntx_embed_rows_explain(NULL) != NULL && qntx_embed_text_get(NULL) != NULL);
  CHECK(qntx_embed_rows_explain(NULL)[0] == '\0' && qntx_embed_text_get(NULL)[0] == '\0');
}

int main(void) {
  TEST(the_loaded_library_has_the_abi_of_the_header);
  TEST(the_version_is_three_numbers);
  TEST(freeing_null_does_nothing);
  TEST(no_error_is_ok_and_has_an_empty_message);
  TEST(no_prompts_are_null_and_zero);
  TEST(no_rows_are_null_and_zero);
  return finish();
}
