// The resident index: asked for, bounded, told about.

#include "harness.h"

#define ROWS 20000
#define DIMENSIONS 64

static qntx_embed_store *open_store(const qntx_embed_store_options *options) {
  qntx_embed_store *store = UNTOUCHED;
  WORKS(qntx_embed_store_open, str(":memory:"), options, &store);
  return store;
}

// Rows in directions that look random and are the same every time.
static void fill(const qntx_embed_store *store, size_t count) {
  float *vectors = malloc(count * DIMENSIONS * sizeof *vectors);
  char(*names)[24] = malloc(count * sizeof *names);
  qntx_embed_record *records = calloc(count, sizeof *records);
  REQUIRE(vectors != NULL && names != NULL && records != NULL);
  uint32_t state = 1;
  for (size_t i = 0; i < count * DIMENSIONS; i++) {
    state = state * 1664525 + 1013904223;
    vectors[i] = (float)(state >> 8) / (1 << 24) - 0.5f;
  }
  for (size_t i = 0; i < count; i++) {
    snprintf(names[i], sizeof names[i], "%zu", i);
    records[i] = (qntx_embed_record){.size = sizeof *records,
                                     .source_type = str("test"),
                                     .source_id = str(names[i]),
                                     .text = str("text"),
                                     .fingerprint = str("f"),
                                     .vector = vectors + i * DIMENSIONS,
                                     .dimensions = DIMENSIONS};
  }
  WORKS(qntx_embed_store_put, store, records, count, NULL);
  free(records);
  free(names);
  free(vectors);
}

static qntx_embed_search_options options_of(uint32_t index) {
  return (qntx_embed_search_options){
      .size = sizeof(qntx_embed_search_options), .fingerprint = str("f"), .limit = 5, .threshold = -1, .index = index};
}

// Searches; the answer says that this index gave it. The caller frees the rows.
static qntx_embed_rows *search(const qntx_embed_store *store, qntx_embed_search_options options, const char *index) {
  float query[DIMENSIONS] = {1, 0.5f, -0.25f};
  qntx_embed_rows *rows = NULL;
  WORKS(qntx_embed_store_search, store, query, DIMENSIONS, &options, &rows);
  char wanted[64];
  snprintf(wanted, sizeof wanted, "{\"index\":\"%s\",", index);
  CHECK_SAYS(strncmp(qntx_embed_rows_explain(rows), wanted, strlen(wanted)) == 0, "%s: %s", index,
             qntx_embed_rows_explain(rows));
  return rows;
}

// The stats have this in them.
static void check_stats(const qntx_embed_store *store, const char *wanted) {
  qntx_embed_text *json = NULL;
  WORKS(qntx_embed_store_stats, store, &json);
  CHECK_SAYS(strstr(qntx_embed_text_get(json), wanted) != NULL, "no %s in %s", wanted, qntx_embed_text_get(json));
  qntx_embed_text_free(json);
}

static void it_gives_the_rows_of_the_others_and_says_how_large_it_is(void) {
  qntx_embed_store *store = open_store(NULL);
  fill(store, 1000);
  check_stats(store, "\"resident_rows\":0,\"resident_bytes\":0");
  check_stats(store, "\"max_resident_bytes\":2147483648");
  qntx_embed_rows *resident = search(store, options_of(QNTX_EMBED_INDEX_RESIDENT), "resident");
  qntx_embed_rows *rows = search(store, options_of(QNTX_EMBED_INDEX_ROWS), "rows");
  CHECK(strstr(qntx_embed_rows_explain(resident), "\"compared\":1000,\"refined\":") != NULL);
  size_t count = 0, other = 0;
  const qntx_embed_row *const *a = qntx_embed_rows_get(resident, &count), *const *b = qntx_embed_rows_get(rows, &other);
  REQUIRE(count == 5 && other == 5);
  for (size_t i = 0; i < count; i++) CHECK(same(a[i]->id, b[i]->id) && a[i]->distance == b[i]->distance);
  qntx_embed_rows_free(resident);
  qntx_embed_rows_free(rows);
  // It is there now, and so the fastest.
  qntx_embed_rows_free(search(store, options_of(QNTX_EMBED_INDEX_AUTO), "resident"));
  check_stats(store, "\"resident_rows\":1000,\"resident_bytes\":");
  qntx_embed_store_free(store);
}

static void past_its_bound_another_index_answers(void) {
  const qntx_embed_store_options options = {.size = sizeof options, .max_resident_bytes = 100000};
  qntx_embed_store *store = open_store(&options);
  fill(store, 1000);
  qntx_embed_rows_free(search(store, options_of(QNTX_EMBED_INDEX_RESIDENT), "vec0"));
  check_stats(store, "\"resident_rows\":0,");
  check_stats(store, "\"max_resident_bytes\":100000}");
  qntx_embed_store_free(store);
}

typedef struct told {
  size_t calls, done, total;
  pthread_t thread;
} told;

static void tell(void *context, size_t done, size_t total) {
  told *told = context;
  CHECK(done > told->done && done <= total && pthread_equal(pthread_self(), told->thread));
  told->calls++;
  told->done = done;
  told->total = total;
}

static void who_builds_it_is_told_how_far_it_is(void) {
  qntx_embed_store *store = open_store(NULL);
  fill(store, ROWS);
  told told = {.thread = pthread_self()};
  qntx_embed_search_options options = options_of(QNTX_EMBED_INDEX_RESIDENT);
  options.progress = tell;
  options.progress_context = &told;
  qntx_embed_rows_free(search(store, options, "resident"));
  // Where it takes less than a tenth of a second, nobody is told.
  CHECK(told.calls == 0 || (told.calls > 1 && told.done == ROWS && told.total == ROWS));
  const size_t calls = told.calls;
  qntx_embed_rows_free(search(store, options, "resident"));
  CHECK(told.calls == calls);
  qntx_embed_store_free(store);
}

static void options_that_make_no_sense_are_refused(void) {
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT;
  qntx_embed_store *store = UNTOUCHED;
  struct {
    qntx_embed_store_options known;
    size_t unknown;
  } larger = {.known = {.size = sizeof larger}, .unknown = 0};
  WORKS(qntx_embed_store_open, str(":memory:"), &larger.known, &store);
  qntx_embed_store_free(store);
  larger.unknown = 1;
  REFUSED(invalid, "options sets a field", qntx_embed_store_open, str(":memory:"), &larger.known, &store);
  const qntx_embed_store_options small = {.size = 1};
  REFUSED(invalid, "options.size", qntx_embed_store_open, str(":memory:"), &small, &store);

  store = open_store(NULL);
  const float query[1] = {1};
  const qntx_embed_search_options options = options_of(QNTX_EMBED_INDEX_RESIDENT + 1);
  qntx_embed_rows *rows = UNTOUCHED;
  REFUSED(invalid, "options.index is 4", qntx_embed_store_search, store, query, 1, &options, &rows);
  CHECK(rows == NULL);
  qntx_embed_store_free(store);
}

int main(void) {
  TEST(it_gives_the_rows_of_the_others_and_says_how_large_it_is);
  TEST(past_its_bound_another_index_answers);
  TEST(who_builds_it_is_told_how_far_it_is);
  TEST(options_that_make_no_sense_are_refused);
  return finish();
}
