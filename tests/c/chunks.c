// Chunks of long texts, sources that are put as a whole, and moving a store to another model.

#include "harness.h"

#define WORDY "tests/fixtures/mpnet"
static const float vector[] = {1, 2, 3};

static qntx_embed_split_options split_options(size_t max_tokens, size_t overlap) {
  return (qntx_embed_split_options){
      .size = sizeof(qntx_embed_split_options), .max_tokens = max_tokens, .overlap = overlap};
}

static qntx_embed_reindex_options reindex_options(void) {
  return (qntx_embed_reindex_options){.size = sizeof(qntx_embed_reindex_options)};
}

static qntx_embed_record record_of(const char *source_id, uint32_t chunk, const char *text) {
  return (qntx_embed_record){.size = sizeof(qntx_embed_record),
                             .source_type = str("test"),
                             .source_id = str(source_id),
                             .text = str(text),
                             .model = str("old"),
                             .fingerprint = str("old"),
                             .vector = vector,
                             .dimensions = 3,
                             .chunk = chunk};
}

static qntx_embed_store *open_store(void) {
  qntx_embed_store *store = NULL;
  WORKS(qntx_embed_store_open, str(":memory:"), NULL, &store);
  return store;
}

static size_t count_of(const qntx_embed_store *store, const char *fingerprint) {
  size_t count = 77;
  WORKS(qntx_embed_store_count, store, str(fingerprint), str(""), &count);
  return count;
}

// Sentences that begin with a character of two bytes. The caller frees them.
static char *sentences(size_t count) {
  static const char sentence[] = "\xc3\x84 short sentence about the pump. ";
  char *text = malloc(count * sizeof sentence + 1);
  REQUIRE(text != NULL);
  text[0] = '\0';
  for (size_t i = 0; i < count; i++) memcpy(text + i * (sizeof sentence - 1), sentence, sizeof sentence);
  return text;
}

// ---- Chunks

static void chunks_cover_a_text_and_are_embedded_whole(void) {
  qntx_embed_model *model = open_model(WORDY);
  char *text = sentences(200);
  qntx_embed_split_options options = split_options(100, 0);
  qntx_embed_chunks *chunks = UNTOUCHED;
  WORKS(qntx_embed_model_split, model, str(text), &options, &chunks);
  size_t count = 0, end = 0;
  const qntx_embed_chunk *const *all = qntx_embed_chunks_get(chunks, &count);
  REQUIRE(all != NULL && count > 10);
  qntx_embed_embed_options whole = {.size = sizeof whole, .truncate = QNTX_EMBED_TRUNCATE_ERROR};
  for (size_t i = 0; i < count; i++) {
    const qntx_embed_chunk *chunk = all[i];
    CHECK(chunk->byte_start == end && chunk->byte_end > end && chunk->tokens <= 100);
    // Each sentence has one character of two bytes, so it has one character less than bytes.
    const size_t each = strlen(text) / 200;
    CHECK(chunk->byte_start % each == 0 && chunk->chunk_start == chunk->byte_start / each * (each - 1));
    CHECK(chunk->byte_end % each == 0 && chunk->chunk_end == chunk->byte_end / each * (each - 1));
    float embedded[32];
    qntx_embed_text_info info;
    const qntx_embed_str part = {text + chunk->byte_start, chunk->byte_end - chunk->byte_start};
    WORKS(qntx_embed_embed, model, part, &whole, embedded, 32, &info);
    CHECK(info.full_tokens == chunk->tokens);
    end = chunk->byte_end;
  }
  CHECK(end == strlen(text));
  CHECK(qntx_embed_chunks_get(chunks, NULL) == all);
  qntx_embed_chunks_free(chunks);

  // They outlive their model, and overlap where that is asked for.
  options.overlap = 50;
  WORKS(qntx_embed_model_split, model, str(text), &options, &chunks);
  qntx_embed_model_free(model);
  all = qntx_embed_chunks_get(chunks, &count);
  REQUIRE(count > 10);
  for (size_t i = 1; i < count; i++) CHECK(all[i]->byte_start < all[i - 1]->byte_end);
  qntx_embed_chunks_free(chunks);
  free(text);
}

static void a_short_text_is_one_chunk_and_the_empty_one_none(void) {
  qntx_embed_model *model = open_model(WORDY);
  qntx_embed_chunks *chunks = NULL;
  size_t count = 77;
  WORKS(qntx_embed_model_split, model, str("short"), NULL, &chunks);
  const qntx_embed_chunk *const *all = qntx_embed_chunks_get(chunks, &count);
  REQUIRE(count == 1);
  CHECK(all[0]->byte_start == 0 && all[0]->byte_end == 5 && all[0]->chunk_start == 0 && all[0]->chunk_end == 5);
  qntx_embed_chunks_free(chunks);
  WORKS(qntx_embed_model_split, model, str(""), NULL, &chunks);
  CHECK(qntx_embed_chunks_get(chunks, &count) == NULL && count == 0);
  qntx_embed_chunks_free(chunks);
  CHECK(qntx_embed_chunks_get(NULL, &count) == NULL && count == 0);
  qntx_embed_chunks_free(NULL);
  qntx_embed_model_free(model);
}

static void the_prompt_counts(void) {
  qntx_embed_model *model = open_model(WORDY);
  qntx_embed_split_options options = split_options(0, 0);
  options.prompt_kind = QNTX_EMBED_PROMPT_TEXT;
  options.prompt = str("one two three: ");
  qntx_embed_chunks *chunks = NULL;
  WORKS(qntx_embed_model_split, model, str("text"), &options, &chunks);
  qntx_embed_embed_options same = {
      .size = sizeof same, .prompt = options.prompt, .prompt_kind = QNTX_EMBED_PROMPT_TEXT};
  float embedded[32];
  qntx_embed_text_info info;
  WORKS(qntx_embed_embed, model, str("text"), &same, embedded, 32, &info);
  CHECK(qntx_embed_chunks_get(chunks, NULL)[0]->tokens == info.full_tokens);
  qntx_embed_chunks_free(chunks);
  qntx_embed_model_free(model);
}

static void what_cannot_be_split_is_refused(void) {
  qntx_embed_model *model = open_model(WORDY);
  qntx_embed_chunks *chunks = UNTOUCHED;
  qntx_embed_split_options options = split_options(0, 0);
#define REFUSED_SPLIT(word) \
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, word, qntx_embed_model_split, model, str("x"), &options, &chunks)
  options = split_options(161, 0);
  REFUSED_SPLIT("at most 160");
  CHECK(chunks == NULL);
  options = split_options(20, 20);
  REFUSED_SPLIT("less than the 20");
  options = split_options(2, 0);
  REFUSED_SPLIT("no room");
  options = split_options(0, 0);
  options.prompt_kind = QNTX_EMBED_PROMPT_NAMED;
  options.prompt = str("nonsense");
  REFUSED_SPLIT("nonsense");
  options = split_options(0, 0);
  options.reserved = 1;
  REFUSED_SPLIT("reserved");
  options = split_options(0, 0);
  options.size = 1;
  REFUSED_SPLIT("options.size is 1");
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "model", qntx_embed_model_split, NULL, str("x"), NULL, &chunks);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "chunks", qntx_embed_model_split, model, str("x"), NULL, NULL);
  for (size_t i = 0; i < NOT_UTF8; i++)
    REFUSED(QNTX_EMBED_STATUS_INVALID_UTF8, "text", qntx_embed_model_split, model, not_utf8[i], NULL, &chunks);
  const qntx_embed_str nowhere = {NULL, 3};
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "text", qntx_embed_model_split, model, nowhere, NULL, &chunks);
  qntx_embed_model_free(model);
}

// ---- Sources

static void a_source_that_is_put_again_has_no_other_chunks(void) {
  qntx_embed_store *store = open_store();
  const qntx_embed_record first[] = {record_of("a", 1, "one"), record_of("a", 2, "two"), record_of("b", 1, "other")};
  uint32_t outcomes[3] = {77, 77, 77};
  size_t deleted = 77;
  WORKS(qntx_embed_store_put_sources, store, first, 3, outcomes, &deleted);
  CHECK(deleted == 0 && count_of(store, "old") == 3);
  for (size_t i = 0; i < 3; i++) CHECK(outcomes[i] == QNTX_EMBED_OUTCOME_INSERTED);
  const qntx_embed_record again = record_of("a", 1, "one");
  WORKS(qntx_embed_store_put_sources, store, &again, 1, outcomes, &deleted);
  CHECK(deleted == 1 && outcomes[0] == QNTX_EMBED_OUTCOME_UNCHANGED && count_of(store, "old") == 2);
  WORKS(qntx_embed_store_put_sources, store, NULL, 0, NULL, NULL);
  CHECK(count_of(store, "old") == 2);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "store", qntx_embed_store_put_sources, NULL, first, 3, outcomes, &deleted);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "records", qntx_embed_store_put_sources, store, NULL, 3, outcomes, &deleted);
  qntx_embed_store_free(store);
}

// ---- Another model

typedef struct {
  size_t calls, done, total;
  qntx_embed_cancel *cancel;
} course;

static void watch(void *context, size_t done, size_t total) {
  course *seen = (course *)context;
  CHECK(done >= seen->done && done <= total);
  seen->calls++;
  seen->done = done;
  seen->total = total;
  if (done > 0 && seen->cancel != NULL) qntx_embed_cancel_now(seen->cancel);
}

static void a_store_is_moved_to_another_model(void) {
  qntx_embed_model *model = open_model(WORDY);
  const char *fingerprint = info_of(model).fingerprint;
  qntx_embed_store *store = open_store();
  enum { ROWS = 300 };
  static char names[ROWS][16];
  qntx_embed_record records[ROWS];
  for (size_t i = 0; i < ROWS; i++) {
    snprintf(names[i], sizeof names[i], "source %zu", i);
    records[i] = record_of(names[i], 0, names[i]);
  }
  WORKS(qntx_embed_store_put, store, records, ROWS, NULL);

  // Cancelled after the first batch, it goes on where it was.
  course seen = {0, 0, 0, NULL};
  WORKS(qntx_embed_cancel_new, &seen.cancel);
  qntx_embed_reindex_options options = reindex_options();
  options.cancel = seen.cancel;
  options.progress = watch;
  options.progress_context = &seen;
  qntx_embed_error *error = NULL;
  CHECK(qntx_embed_store_reindex(store, model, &options, NULL, &error) == QNTX_EMBED_STATUS_CANCELLED);
  CHECK(strstr(qntx_embed_error_message(error), "of 300 rows") != NULL);
  qntx_embed_error_free(error);
  CHECK(seen.done == 256 && seen.total == ROWS && count_of(store, fingerprint) == 256);
  CHECK(count_of(store, "old") == ROWS);
  qntx_embed_cancel_free(seen.cancel);

  seen = (course){0, 0, 0, NULL};
  options.cancel = NULL;
  options.keep_old = 1;
  qntx_embed_reindex_report report = {.size = sizeof report};
  WORKS(qntx_embed_store_reindex, store, model, &options, &report);
  CHECK(report.embedded == ROWS - 256 && report.truncated == 0 && report.deleted == 0);
  CHECK(seen.calls == 2 && seen.done == ROWS && count_of(store, "old") == ROWS);
  WORKS(qntx_embed_store_reindex, store, model, NULL, &report);
  CHECK(report.embedded == 0 && report.deleted == ROWS);
  CHECK(count_of(store, "old") == 0 && count_of(store, fingerprint) == ROWS);

  // Each row has its text's vector.
  qntx_embed_rows *rows = NULL;
  WORKS(qntx_embed_store_get_source, store, str("test"), str(names[7]), str(fingerprint), &rows);
  size_t count = 0;
  const qntx_embed_row *const *all = qntx_embed_rows_get(rows, &count);
  REQUIRE(count == 1 && all[0]->dimensions == 32);
  float *wanted = embed(model, str(names[7]));
  CHECK(memcmp(all[0]->vector, wanted, 32 * sizeof *wanted) == 0);
  free(wanted);
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
  qntx_embed_model_free(model);
}

static void a_move_that_makes_no_sense_is_refused(void) {
  qntx_embed_model *model = open_model(WORDY);
  qntx_embed_store *store = open_store();
  const qntx_embed_record record = record_of("a", 0, "text");
  WORKS(qntx_embed_store_put, store, &record, 1, NULL);
  qntx_embed_reindex_options options = reindex_options();
  qntx_embed_reindex_report report = {.size = sizeof report};
#define REFUSED_MOVE(status, word) REFUSED(status, word, qntx_embed_store_reindex, store, model, &options, &report)
  options.keep_old = 2;
  REFUSED_MOVE(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "keep_old");
  options = reindex_options();
  options.prompt = str("nonsense");
  options.prompt_kind = QNTX_EMBED_PROMPT_NAMED;
  REFUSED_MOVE(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "nonsense");
  options = reindex_options();
  options.dimensions = 33;
  REFUSED_MOVE(QNTX_EMBED_STATUS_DIMENSIONS, "33");
  options = reindex_options();
  options.size = 2;
  REFUSED_MOVE(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "options.size is 2");
  options = reindex_options();
  report.size = 8;
  REFUSED_MOVE(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "report.size is 8");
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "store", qntx_embed_store_reindex, NULL, model, NULL, NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "model", qntx_embed_store_reindex, store, NULL, NULL, NULL);
  CHECK(count_of(store, "old") == 1);
  qntx_embed_store_free(store);
  qntx_embed_model_free(model);
}

int main(void) {
  TEST(chunks_cover_a_text_and_are_embedded_whole);
  TEST(a_short_text_is_one_chunk_and_the_empty_one_none);
  TEST(the_prompt_counts);
  TEST(what_cannot_be_split_is_refused);
  TEST(a_source_that_is_put_again_has_no_other_chunks);
  TEST(a_store_is_moved_to_another_model);
  TEST(a_move_that_makes_no_sense_is_refused);
  return finish();
}
