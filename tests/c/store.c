// Stores: what is put is found, nearest first; what cannot be compared stays out; a file keeps it all.

#include "harness.h"

#define MODEL "fingerprint"

// Directions whose angles can be seen.
static const float east[] = {1, 0, 0}, northeast[] = {1, 1, 0}, north[] = {0, 1, 0}, west[] = {-1, 0, 0};

static qntx_embed_store *open_store(const char *file) {
  qntx_embed_store *store = UNTOUCHED;
  WORKS(qntx_embed_store_open, str(file), NULL, &store);
  REQUIRE(store != NULL && (void *)store != UNTOUCHED);
  return store;
}

static qntx_embed_record record_of(const char *source_id, const char *text, const float *vector, size_t dimensions) {
  return (qntx_embed_record){.size = sizeof(qntx_embed_record),
                             .source_type = str("test"),
                             .source_id = str(source_id),
                             .text = str(text),
                             .model = str("model"),
                             .fingerprint = str(MODEL),
                             .vector = vector,
                             .dimensions = dimensions};
}

// Puts one record and gives what was done.
static uint32_t put(const qntx_embed_store *store, qntx_embed_record record) {
  uint32_t outcome = 77;
  WORKS(qntx_embed_store_put, store, &record, 1, &outcome);
  return outcome;
}

static uint32_t put3(const qntx_embed_store *store, const char *source_id, const float *vector) {
  return put(store, record_of(source_id, source_id, vector, 3));
}

static size_t count_of(const qntx_embed_store *store) {
  size_t count = 77;
  WORKS(qntx_embed_store_count, store, str(""), str(""), &count);
  return count;
}

static qntx_embed_search_options options_of(size_t limit, float threshold) {
  return (qntx_embed_search_options){
      .size = sizeof(qntx_embed_search_options), .fingerprint = str(MODEL), .limit = limit, .threshold = threshold};
}

static qntx_embed_rows *search(const qntx_embed_store *store, const float *query, size_t dimensions, size_t limit,
                               float threshold) {
  const qntx_embed_search_options options = options_of(limit, threshold);
  qntx_embed_rows *rows = UNTOUCHED;
  WORKS(qntx_embed_store_search, store, query, dimensions, &options, &rows);
  REQUIRE(rows != NULL && (void *)rows != UNTOUCHED);
  return rows;
}

static size_t rows_in(const qntx_embed_rows *rows) {
  size_t count = 77;
  const qntx_embed_row *const *all = qntx_embed_rows_get(rows, &count);
  CHECK(count == 0 || all != NULL);
  return count;
}

static const qntx_embed_row *row_at(const qntx_embed_rows *rows, size_t i) {
  REQUIRE(i < rows_in(rows));
  return qntx_embed_rows_get(rows, NULL)[i];
}

// How many rows a search finds.
static size_t found(const qntx_embed_store *store, const float *query, size_t dimensions, size_t limit,
                    float threshold) {
  qntx_embed_rows *rows = search(store, query, dimensions, limit, threshold);
  const size_t count = rows_in(rows);
  qntx_embed_rows_free(rows);
  return count;
}

// The one row of a source, as rows of one row.
static qntx_embed_rows *get(const qntx_embed_store *store, const char *source_id) {
  qntx_embed_rows *rows = UNTOUCHED;
  WORKS(qntx_embed_store_get_source, store, str("test"), str(source_id), str(MODEL), &rows);
  REQUIRE(rows_in(rows) == 1);
  return rows;
}

// Compared: the source ids of what a search finds, in order, each of one character.
static void check_found(const qntx_embed_store *store, const float *query, size_t limit, float threshold,
                        const char *wanted) {
  char ids[64] = "";
  qntx_embed_rows *rows = search(store, query, 3, limit, threshold);
  for (size_t i = 0; i < rows_in(rows) && i < 60; i++) strncat(ids, row_at(rows, i)->source_id.ptr, 1);
  CHECK_SAYS(strcmp(ids, wanted) == 0, "found '%s', not '%s'", ids, wanted);
  qntx_embed_rows_free(rows);
}

static void sleep_milliseconds(long milliseconds) {
  const struct timespec time = {0, milliseconds * 1000000};
  nanosleep(&time, NULL);
}

// ---- Put and get

static void what_is_put_is_got_as_it_was_put(void) {
  qntx_embed_store *store = open_store(":memory:");
  const float vector[] = {3, -0.0f, 4e-20f, -1e20f};
  CHECK(count_of(store) == 0);
  CHECK(put(store, record_of("one", "the text", vector, 4)) == QNTX_EMBED_OUTCOME_INSERTED);
  CHECK(count_of(store) == 1);

  qntx_embed_rows *rows = get(store, "one");
  const qntx_embed_row *row = row_at(rows, 0);
  CHECK(is(row->source_type, "test"));
  CHECK(is(row->source_id, "one"));
  CHECK(is(row->text, "the text"));
  CHECK(is(row->model, "model"));
  CHECK(is(row->fingerprint, MODEL));
  CHECK(row->dimensions == 4 && memcmp(row->vector, vector, sizeof vector) == 0);
  CHECK(row->similarity == 0 && row->distance == 0);
  CHECK(row->id.len == 36 && row->id.ptr[14] == '7');
  // 2026-01-31T23:59:59.999Z
  CHECK(row->created_at.len == 24 && row->created_at.ptr[10] == 'T' && row->created_at.ptr[23] == 'Z');
  CHECK(same(row->created_at, row->updated_at));
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
}

static void a_replaced_row_keeps_its_id_and_creation_time(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  qntx_embed_rows *before = get(store, "a");
  sleep_milliseconds(5);
  CHECK(put(store, record_of("a", "new text", north, 3)) == QNTX_EMBED_OUTCOME_REPLACED);

  qntx_embed_rows *after = get(store, "a");
  const qntx_embed_row *old = row_at(before, 0), *new = row_at(after, 0);
  CHECK(same(old->id, new->id) && same(old->created_at, new->created_at));
  CHECK(new->updated_at.len == 24 && memcmp(new->updated_at.ptr, old->updated_at.ptr, 24) > 0);
  CHECK(is(new->text, "new text") && memcmp(new->vector, north, sizeof north) == 0);
  CHECK(is(old->text, "a"));  // what was got does not change
  CHECK(count_of(store) == 1);
  check_found(store, north, 10, 0.9f, "a");
  check_found(store, east, 10, 0.9f, "");
  qntx_embed_rows_free(after);
  qntx_embed_rows_free(before);
  qntx_embed_store_free(store);
}

static void an_equal_record_changes_nothing(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  qntx_embed_rows *before = get(store, "a");
  sleep_milliseconds(5);
  CHECK(put3(store, "a", east) == QNTX_EMBED_OUTCOME_UNCHANGED);
  qntx_embed_rows *after = get(store, "a");
  CHECK(same(row_at(before, 0)->updated_at, row_at(after, 0)->updated_at));
  CHECK(put(store, record_of("a", "other text", east, 3)) == QNTX_EMBED_OUTCOME_REPLACED);
  CHECK(put(store, record_of("a", "other text", north, 3)) == QNTX_EMBED_OUTCOME_REPLACED);
  qntx_embed_rows_free(after);
  qntx_embed_rows_free(before);
  qntx_embed_store_free(store);
}

static void each_record_of_a_batch_has_its_outcome(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  put3(store, "b", east);
  const qntx_embed_record records[] = {record_of("c", "c", east, 3), record_of("a", "a", east, 3),
                                       record_of("b", "b", north, 3), record_of("c", "c", north, 3)};
  uint32_t outcomes[] = {77, 77, 77, 77, 77};
  WORKS(qntx_embed_store_put, store, records, 4, outcomes);
  CHECK(outcomes[0] == QNTX_EMBED_OUTCOME_INSERTED);
  CHECK(outcomes[1] == QNTX_EMBED_OUTCOME_UNCHANGED);
  CHECK(outcomes[2] == QNTX_EMBED_OUTCOME_REPLACED);
  CHECK(outcomes[3] == QNTX_EMBED_OUTCOME_REPLACED);  // the same source twice in one batch: the later one stays
  CHECK(outcomes[4] == 77);
  CHECK(count_of(store) == 3);
  WORKS(qntx_embed_store_put, store, records, 4, NULL);
  WORKS(qntx_embed_store_put, store, NULL, 0, NULL);
  CHECK(count_of(store) == 3);
  qntx_embed_store_free(store);
}

static void a_source_has_one_row_for_each_model(void) {
  qntx_embed_store *store = open_store(":memory:");
  qntx_embed_record record = record_of("a", "a", east, 3);
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_INSERTED);
  record.fingerprint = str("another model");
  record.vector = north;
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_INSERTED);
  record.source_type = str("another type");
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_INSERTED);
  CHECK(count_of(store) == 3);
  check_found(store, east, 10, -1, "a");  // only this model's

  size_t deleted = 77;
  WORKS(qntx_embed_store_delete_source, store, str("test"), str("a"), &deleted);
  CHECK(deleted == 2 && count_of(store) == 1);
  qntx_embed_store_free(store);
}

static void a_row_may_get_a_vector_of_another_length(void) {
  const float longer[] = {0, 1, 0, 0};
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  CHECK(put(store, record_of("a", "a", longer, 4)) == QNTX_EMBED_OUTCOME_REPLACED);
  CHECK(count_of(store) == 1 && found(store, east, 3, 10, -1) == 0 && found(store, longer, 4, 10, -1) == 1);
  qntx_embed_store_free(store);
}

static void a_row_that_is_not_there_is_not_found(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  static const char *const keys[][3] = {
      {"test", "b", MODEL}, {"other", "a", MODEL}, {"test", "a", "other"}, {"TEST", "a", MODEL}, {"", "", ""}};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    qntx_embed_rows *rows = UNTOUCHED;
    REFUSED(QNTX_EMBED_STATUS_NOT_FOUND, keys[i][1], qntx_embed_store_get_source, store, str(keys[i][0]), str(keys[i][1]),
            str(keys[i][2]), &rows);
    CHECK(rows == NULL);
  }
  qntx_embed_store_free(store);
}

static void a_message_is_not_cut_at_a_nul_byte(void) {
  qntx_embed_store *store = open_store(":memory:");
  qntx_embed_rows *rows = UNTOUCHED;
  REFUSED(QNTX_EMBED_STATUS_NOT_FOUND, "after", qntx_embed_store_get_source, store, str("test"), BYTES("before\0after"),
          str(MODEL), &rows);
  CHECK(rows == NULL);
  qntx_embed_store_free(store);
}

static void a_deleted_source_is_gone_from_rows_and_searches(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  put3(store, "b", east);
  size_t deleted = 77;
  WORKS(qntx_embed_store_delete_source, store, str("test"), str("a"), &deleted);
  CHECK(deleted == 1 && count_of(store) == 1);
  check_found(store, east, 10, -1, "b");
  WORKS(qntx_embed_store_delete_source, store, str("test"), str("a"), &deleted);
  CHECK(deleted == 0);
  WORKS(qntx_embed_store_delete_source, store, str("test"), str("b"), NULL);
  CHECK(count_of(store) == 0);
  CHECK(put3(store, "a", north) == QNTX_EMBED_OUTCOME_INSERTED);
  check_found(store, north, 10, -1, "a");
  qntx_embed_store_free(store);
}

static void nul_bytes_are_text_like_any_other(void) {
  qntx_embed_store *store = open_store(":memory:");
  qntx_embed_record record = record_of("", "", east, 3);
  record.source_id = BYTES("a\0b");
  record.text = BYTES("text\0more");
  record.model = BYTES("model\0");
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_INSERTED);
  record.text = BYTES("text\0less");
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_REPLACED);
  record.source_id = BYTES("a\0c");
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_INSERTED);
  record.source_id = BYTES("a");
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_INSERTED);
  CHECK(count_of(store) == 3);

  qntx_embed_rows *rows = UNTOUCHED;
  WORKS(qntx_embed_store_get_source, store, str("test"), BYTES("a\0b"), str(MODEL), &rows);
  CHECK(same(row_at(rows, 0)->source_id, BYTES("a\0b")));
  CHECK(same(row_at(rows, 0)->text, BYTES("text\0less")));
  CHECK(same(row_at(rows, 0)->model, BYTES("model\0")));
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
}

static void models_whose_fingerprints_differ_after_a_nul_byte_are_two(void) {
  qntx_embed_store *store = open_store(":memory:");
  qntx_embed_record record = record_of("a", "a", east, 3);
  record.fingerprint = BYTES("f\0one");
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_INSERTED);
  record.fingerprint = BYTES("f\0two");
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_INSERTED);

  qntx_embed_search_options options = options_of(10, -1);
  options.fingerprint = BYTES("f\0two");
  qntx_embed_rows *rows = NULL;
  WORKS(qntx_embed_store_search, store, east, 3, &options, &rows);
  CHECK(rows_in(rows) == 1);
  CHECK(rows_in(rows) < 1 || same(row_at(rows, 0)->fingerprint, BYTES("f\0two")));
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
}

static void a_text_may_be_long_and_of_any_script(void) {
  enum { LENGTH = 1 << 20 };
  char *text = malloc(LENGTH);
  REQUIRE(text != NULL);
  for (size_t i = 0; i < LENGTH; i++) text[i] = "\xf0\x9f\x98\x80"[i % 4];
  qntx_embed_store *store = open_store(":memory:");
  qntx_embed_record record = record_of("\xd8\xb4\xd9\x83", "", east, 3);
  record.text = (qntx_embed_str){text, LENGTH};
  put(store, record);
  qntx_embed_rows *rows = get(store, "\xd8\xb4\xd9\x83");
  CHECK(same(row_at(rows, 0)->text, record.text));
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
  free(text);
}

// ---- Search

static void a_search_finds_the_nearest_first_with_their_cosines(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "w", west);
  put3(store, "n", north);
  put3(store, "e", east);
  put3(store, "d", northeast);
  check_found(store, east, 10, -1, "ednw");
  check_found(store, west, 10, -1, "wnde");

  qntx_embed_rows *rows = search(store, (const float[]){2.5f, 0, 0}, 3, 10, -1);
  const double cosines[] = {1, sqrt(0.5), 0, -1};
  for (size_t i = 0; i < 4; i++) {
    const qntx_embed_row *row = row_at(rows, i);
    CHECK_SAYS(fabs(row->similarity - cosines[i]) < 1e-6, "similarity %g, not %g", row->similarity, cosines[i]);
    CHECK_SAYS(fabs(row->distance - sqrt(2 - 2 * cosines[i])) < 1e-3, "distance %g", row->distance);
    CHECK(fabs(row->similarity - (1 - row->distance * row->distance / 2)) < 1e-6);
  }
  CHECK(is(row_at(rows, 1)->text, "d") && memcmp(row_at(rows, 1)->vector, northeast, sizeof northeast) == 0);
  CHECK(is(row_at(rows, 1)->source_type, "test") && is(row_at(rows, 1)->model, "model"));
  CHECK(row_at(rows, 1)->id.len == 36 && row_at(rows, 1)->created_at.len == 24);
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
}

static void a_threshold_leaves_out_what_is_farther(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "w", west);
  put3(store, "n", north);
  put3(store, "e", east);
  put3(store, "d", northeast);
  check_found(store, east, 10, 1, "e");
  check_found(store, east, 10, 0.71f, "e");
  check_found(store, east, 10, 0.70f, "ed");
  check_found(store, east, 10, -0.5f, "edn");
  check_found(store, (const float[]){0, 0, 1}, 10, 0.1f, "");
  qntx_embed_store_free(store);
}

static void a_limit_keeps_the_nearest_and_is_10_where_it_is_0(void) {
  enum { COUNT = 30 };
  qntx_embed_store *store = open_store(":memory:");
  for (int i = 0; i < COUNT; i++) {
    const char id[] = {(char)('A' + (i * 7) % COUNT), '\0'};
    const float vector[] = {1, (float)((i * 7) % COUNT) / COUNT, 0};
    put3(store, id, vector);
  }
  check_found(store, east, 1, -1, "A");
  check_found(store, east, 3, -1, "ABC");
  check_found(store, east, 0, -1, "ABCDEFGHIJ");
  CHECK(found(store, east, 3, COUNT, -1) == COUNT && found(store, east, 3, 4096, -1) == COUNT);
  qntx_embed_store_free(store);
}

static void rows_equally_near_are_ordered_by_id(void) {
  qntx_embed_store *store = open_store(":memory:");
  for (int i = 0; i < 12; i++) {
    const char id[] = {(char)('A' + (i * 5) % 12), '\0'};
    put3(store, id, east);
  }
  qntx_embed_rows *rows = search(store, east, 3, 12, -1);
  for (size_t i = 1; i < 12; i++) {
    CHECK(memcmp(row_at(rows, i - 1)->id.ptr, row_at(rows, i)->id.ptr, 36) < 0);
  }
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
}

static void the_length_of_a_vector_does_not_matter(void) {
  static const float lengths[] = {1e-30f, 1e-11f, 1e-6f, 1, 1e6f, 1e30f};
  enum { COUNT = sizeof lengths / sizeof *lengths };
  for (size_t stored = 0; stored < COUNT; stored++) {
    qntx_embed_store *store = open_store(":memory:");
    put3(store, "d", (const float[]){lengths[stored], lengths[stored], 0});
    for (size_t asked = 0; asked < COUNT; asked++) {
      qntx_embed_rows *rows = search(store, (const float[]){lengths[asked], 0, 0}, 3, 1, -1);
      const double similarity = row_at(rows, 0)->similarity;
      CHECK_SAYS(fabs(similarity - sqrt(0.5)) < 1e-5, "stored with length %g, asked with %g: %g, not %g",
                 lengths[stored], lengths[asked], similarity, sqrt(0.5));
      qntx_embed_rows_free(rows);
    }
    qntx_embed_store_free(store);
  }
}

static void a_search_of_an_empty_store_or_another_model_finds_nothing(void) {
  qntx_embed_store *store = open_store(":memory:");
  CHECK(found(store, east, 3, 10, -1) == 0);
  put3(store, "a", east);
  qntx_embed_search_options options = options_of(10, -1);
  options.fingerprint = str("another model");
  qntx_embed_rows *rows = NULL;
  WORKS(qntx_embed_store_search, store, east, 3, &options, &rows);
  CHECK(rows != NULL && rows_in(rows) == 0);
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
}

static void vectors_of_a_real_models_length_are_found_too(void) {
  enum { DIMENSIONS = 384, COUNT = 50 };
  static float vectors[COUNT][DIMENSIONS];
  uint32_t state = 1;
  qntx_embed_store *store = open_store(":memory:");
  for (int i = 0; i < COUNT; i++) {
    char id[16];
    snprintf(id, sizeof id, "%d", i);
    for (int k = 0; k < DIMENSIONS; k++) {
      state = state * 1664525u + 1013904223u;  // numbers that look random and are the same each time
      vectors[i][k] = (float)(state >> 8) / (1 << 24) - 0.5f;
    }
    put(store, record_of(id, id, vectors[i], DIMENSIONS));
  }
  for (int i = 0; i < COUNT; i++) {
    qntx_embed_rows *rows = search(store, vectors[i], DIMENSIONS, COUNT, -1);
    char id[16];
    snprintf(id, sizeof id, "%d", i);
    CHECK(rows_in(rows) == COUNT && is(row_at(rows, 0)->source_id, id));
    for (size_t r = 0; r < rows_in(rows); r++) {
      const qntx_embed_row *row = row_at(rows, r);
      CHECK(fabs(row->similarity - cosine(vectors[i], row->vector, DIMENSIONS)) < 1e-5);
      CHECK(r == 0 || row->similarity <= row_at(rows, r - 1)->similarity);
    }
    qntx_embed_rows_free(rows);
  }
  qntx_embed_store_free(store);
}

static void rows_outlive_their_store(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  qntx_embed_rows *one = get(store, "a"), *all = search(store, east, 3, 10, -1);
  put3(store, "a", north);
  qntx_embed_store_free(store);
  CHECK(is(row_at(one, 0)->text, "a") && memcmp(row_at(all, 0)->vector, east, sizeof east) == 0);
  qntx_embed_rows_free(all);
  qntx_embed_rows_free(one);
}

static void nothing_that_is_passed_in_is_kept(void) {
  char id[] = "a", text[] = "a";
  float vector[] = {1, 0, 0};
  qntx_embed_store *store = open_store(":memory:");
  qntx_embed_record *record = malloc(sizeof *record);
  REQUIRE(record != NULL);
  *record = record_of(id, text, vector, 3);
  put(store, *record);
  memset(record, 0xff, sizeof *record);
  free(record);
  id[0] = text[0] = '?';
  vector[0] = 0;
  qntx_embed_rows *rows = get(store, "a");
  CHECK(is(row_at(rows, 0)->text, "a") && row_at(rows, 0)->vector[0] == 1);
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
}

// ---- What rows have beside their vectors

static void put_documents(const qntx_embed_store *store) {
  static const char *const texts[] = {"stop the pump", "close the valve", "the pump and the valve"};
  const float *const vectors[] = {east, north, northeast};
  static const char *const metadata[] = {"{\"year\": 2020, \"kind\": \"manual\"}", "{\"year\": 2021}", ""};
  qntx_embed_record records[3];
  for (uint32_t i = 0; i < 3; i++) {
    records[i] = record_of(i < 2 ? "book" : "page", texts[i], vectors[i], 3);
    records[i].id = str(i == 0 ? "id-0" : i == 1 ? "id-1" : "id-2");
    records[i].chunk = i;
    records[i].chunk_start = 10 * i;
    records[i].chunk_end = 10 * i + 9;
    records[i].metadata = str(metadata[i]);
  }
  WORKS(qntx_embed_store_put, store, records, 3, NULL);
}

// Compared: the ids of what a search finds, in order: "012" for id-0, id-1, id-2.
static void check_ids(const qntx_embed_rows *rows, const char *wanted) {
  char ids[64] = "";
  for (size_t i = 0; i < rows_in(rows) && i < 60; i++) strncat(ids, row_at(rows, i)->id.ptr + 3, 1);
  CHECK_SAYS(strcmp(ids, wanted) == 0, "found '%s', not '%s'", ids, wanted);
}

static void check_search(const qntx_embed_store *store, const float *query, qntx_embed_search_options options,
                         const char *wanted) {
  qntx_embed_rows *rows = NULL;
  WORKS(qntx_embed_store_search, store, query, query == NULL ? 0 : 3, &options, &rows);
  check_ids(rows, wanted);
  CHECK(strstr(qntx_embed_rows_explain(rows), "\"total_us\":") != NULL);
  qntx_embed_rows_free(rows);
}

static void a_row_has_its_id_chunk_and_metadata(void) {
  qntx_embed_store *store = open_store(":memory:");
  put_documents(store);
  qntx_embed_rows *rows = NULL;
  WORKS(qntx_embed_store_get, store, str("id-1"), &rows);
  REQUIRE(rows_in(rows) == 1);
  const qntx_embed_row *row = row_at(rows, 0);
  CHECK(is(row->id, "id-1") && is(row->metadata, "{\"year\":2021}"));
  CHECK(row->chunk == 1 && row->chunk_start == 10 && row->chunk_end == 19);
  CHECK(qntx_embed_rows_explain(rows)[0] == '\0');
  qntx_embed_rows_free(rows);

  WORKS(qntx_embed_store_get_source, store, str("test"), str("book"), str(""), &rows);
  check_ids(rows, "01");
  qntx_embed_rows_free(rows);
  rows = UNTOUCHED;
  REFUSED(QNTX_EMBED_STATUS_NOT_FOUND, "id-9", qntx_embed_store_get, store, str("id-9"), &rows);
  CHECK(rows == NULL);
  qntx_embed_store_free(store);
}

static void a_text_that_is_there_needs_no_vector(void) {
  qntx_embed_store *store = open_store(":memory:");
  put_documents(store);
  qntx_embed_record records[] = {record_of("book", "stop the pump", NULL, 0), record_of("book", "other", NULL, 0),
                                 record_of("book", "stop the pump", east, 2)};
  uint8_t has[] = {7, 7, 7, 7};
  WORKS(qntx_embed_store_has, store, records, 3, has);
  CHECK(has[0] == 1 && has[1] == 0 && has[2] == 0 && has[3] == 7);
  records[0].metadata = str("{\"new\":true}");
  CHECK(put(store, records[0]) == QNTX_EMBED_OUTCOME_REPLACED);
  CHECK(put(store, records[0]) == QNTX_EMBED_OUTCOME_UNCHANGED);
  check_search(store, east, options_of(1, 0.9f), "0");
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "same text", qntx_embed_store_put, store, &records[1], 1, NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "has", qntx_embed_store_has, store, records, 3, NULL);
  qntx_embed_store_free(store);
}

static void an_id_is_never_shared_or_changed(void) {
  qntx_embed_store *store = open_store(":memory:");
  put_documents(store);
  qntx_embed_record record = record_of("new", "new", east, 3);
  record.id = str("id-0");
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "another row", qntx_embed_store_put, store, &record, 1, NULL);
  record = record_of("book", "new", east, 3);
  record.id = str("id-7");
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "id-0", qntx_embed_store_put, store, &record, 1, NULL);
  CHECK(count_of(store) == 3);
  qntx_embed_store_free(store);
}

static void a_list_comes_in_pages(void) {
  qntx_embed_store *store = open_store(":memory:");
  put_documents(store);
  qntx_embed_list_options options = {.size = sizeof options, .limit = 2, .without_vectors = 1};
  qntx_embed_rows *rows = NULL;
  WORKS(qntx_embed_store_list, store, &options, &rows);
  check_ids(rows, "01");
  CHECK(row_at(rows, 0)->vector == NULL && row_at(rows, 0)->dimensions == 3);
  options.after_id = row_at(rows, 1)->id;
  qntx_embed_rows *next = NULL;
  WORKS(qntx_embed_store_list, store, &options, &next);
  check_ids(next, "2");
  qntx_embed_rows_free(next);
  qntx_embed_rows_free(rows);
  WORKS(qntx_embed_store_list, store, NULL, &rows);
  check_ids(rows, "012");
  qntx_embed_rows_free(rows);

  options = (qntx_embed_list_options){.size = sizeof options, .filter = str("[\"exists\",\"metadata.year\"]")};
  WORKS(qntx_embed_store_list, store, &options, &rows);
  check_ids(rows, "01");
  qntx_embed_rows_free(rows);
  options.limit = 10001;
  rows = UNTOUCHED;
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "limit", qntx_embed_store_list, store, &options, &rows);
  CHECK(rows == NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "rows", qntx_embed_store_list, store, NULL, NULL);
  qntx_embed_store_free(store);
}

static void a_search_takes_words_filters_pages_and_rows(void) {
  qntx_embed_store *store = open_store(":memory:");
  put_documents(store);
  qntx_embed_search_options options = options_of(10, -1);
  check_search(store, east, options, "021");
  options.filter = str("[\"<\",\"metadata.year\",2021]");
  check_search(store, east, options, "0");
  options = options_of(10, -1);
  options.words = str("valve");
  check_search(store, NULL, options, "12");
  options.words_weight = -1;
  check_search(store, east, options, "021");
  options = options_of(10, -1);
  options.like = str("id-2");
  check_search(store, NULL, options, "01");
  options = options_of(10, -1);
  options.group_by_source = 1;
  check_search(store, east, options, "02");
  for (uint32_t index = QNTX_EMBED_INDEX_AUTO; index <= QNTX_EMBED_INDEX_VEC0; index++) {
    options = options_of(1, -1);
    options.index = index;
    qntx_embed_rows *rows = NULL;
    WORKS(qntx_embed_store_search, store, east, 3, &options, &rows);
    options.after_id = row_at(rows, 0)->id;
    options.after_distance = row_at(rows, 0)->distance;
    check_search(store, east, options, "2");
    qntx_embed_rows_free(rows);
  }

  qntx_embed_rows *rows = UNTOUCHED;
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT;
  options = options_of(10, -1);
  options.filter = str("[\"=\",\"colour\",\"red\"]");
  REFUSED(invalid, "colour", qntx_embed_store_search, store, east, 3, &options, &rows);
  options = options_of(10, -1);
  options.like = str("id-2");
  REFUSED(invalid, "like", qntx_embed_store_search, store, east, 3, &options, &rows);
  options.like = str("id-9");
  REFUSED(QNTX_EMBED_STATUS_NOT_FOUND, "id-9", qntx_embed_store_search, store, NULL, 0, &options, &rows);
  options = options_of(10, -1);
  options.index = 99;
  REFUSED(invalid, "index", qntx_embed_store_search, store, east, 3, &options, &rows);
  options = options_of(10, -1);
  options.group_by_source = 2;
  REFUSED(invalid, "group_by_source", qntx_embed_store_search, store, east, 3, &options, &rows);
  options = options_of(10, -1);
  options.diversity = NAN;
  REFUSED(invalid, "diversity", qntx_embed_store_search, store, east, 3, &options, &rows);
  options = options_of(10, -1);
  options.reserved = 1;
  REFUSED(invalid, "reserved", qntx_embed_store_search, store, east, 3, &options, &rows);
  CHECK(rows == NULL);
  qntx_embed_store_free(store);
}

static void rows_are_deleted_by_id_and_by_filter(void) {
  qntx_embed_store *store = open_store(":memory:");
  put_documents(store);
  const qntx_embed_str ids[] = {str("id-0"), str("id-9"), str("id-0")};
  size_t deleted = 77;
  WORKS(qntx_embed_store_delete_ids, store, ids, 3, &deleted);
  CHECK(deleted == 1 && count_of(store) == 2);
  size_t count = 77;
  WORKS(qntx_embed_store_count, store, str(MODEL), str("[\"=\",\"source_id\",\"book\"]"), &count);
  CHECK(count == 1);
  WORKS(qntx_embed_store_delete_where, store, str("[\"=\",\"source_id\",\"book\"]"), &deleted);
  CHECK(deleted == 1 && count_of(store) == 1);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "filter is empty", qntx_embed_store_delete_where, store, str(""), NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "filter", qntx_embed_store_delete_where, store, str("{}"), NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "ids", qntx_embed_store_delete_ids, store, NULL, 1, NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_UTF8, "ids[0]", qntx_embed_store_delete_ids, store, not_utf8, 1, NULL);
  WORKS(qntx_embed_store_delete_where, store, str("[\"and\"]"), NULL);
  CHECK(count_of(store) == 0);
  qntx_embed_store_free(store);
}

static uint64_t revision_of(const qntx_embed_store *store) {
  uint64_t revision = 77;
  WORKS(qntx_embed_store_revision, store, &revision);
  return revision;
}

static void the_revision_changes_when_rows_do_and_only_then(void) {
  qntx_embed_store *store = open_store(":memory:");
  uint64_t last = revision_of(store);
  put_documents(store);
  CHECK(revision_of(store) > last);
  last = revision_of(store);
  put_documents(store);
  CHECK(count_of(store) > 0 && revision_of(store) == last);
  size_t deleted = 77;
  WORKS(qntx_embed_store_delete_where, store, str("[\"=\",\"source_id\",\"none\"]"), &deleted);
  CHECK(deleted == 0 && revision_of(store) == last);
  WORKS(qntx_embed_store_delete_where, store, str("[\"and\"]"), &deleted);
  CHECK(deleted > 0 && revision_of(store) > last);
  uint64_t revision = 77;
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "store", qntx_embed_store_revision, NULL, &revision);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "revision", qntx_embed_store_revision, store, NULL);
  qntx_embed_store_free(store);
}

static void records_of_an_array_have_one_size(void) {
  struct {
    qntx_embed_record known;
    size_t unknown;
  } newer[2] = {{.known = record_of("a", "a", east, 3)}, {.known = record_of("b", "b", north, 3)}};
  newer[0].known.size = newer[1].known.size = sizeof newer[0];
  qntx_embed_store *store = open_store(":memory:");
  WORKS(qntx_embed_store_put, store, &newer[0].known, 2, NULL);
  CHECK(count_of(store) == 2);
  check_found(store, north, 1, -1, "b");
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT;
  newer[1].unknown = 1;
  REFUSED(invalid, "records[1]", qntx_embed_store_put, store, &newer[0].known, 2, NULL);
  newer[1].unknown = 0;
  newer[1].known.size = sizeof(qntx_embed_record);
  REFUSED(invalid, "records[1].size", qntx_embed_store_put, store, &newer[0].known, 2, NULL);
  qntx_embed_record record = record_of("a", "a", east, 3);
  record.size = 0;
  REFUSED(invalid, "records[0].size", qntx_embed_store_put, store, &record, 1, NULL);
  qntx_embed_store_free(store);
}

static void stats_verify_backup_and_optimize_say_what_they_did(void) {
  const path file = temporary("care.db"), copy = temporary("copy.db");
  qntx_embed_store *store = open_store(file.text);
  put_documents(store);
  qntx_embed_text *json = NULL;
  WORKS(qntx_embed_store_stats, store, &json);
  CHECK(strstr(qntx_embed_text_get(json), "{\"rows\":3,\"models\":[{\"model\":\"model\"") != NULL);
  qntx_embed_text_free(json);
  WORKS(qntx_embed_store_verify, store, 1, &json);
  CHECK(strcmp(qntx_embed_text_get(json), "{\"rows\":3,\"problems\":[],\"repaired\":[]}") == 0);
  qntx_embed_text_free(json);
  WORKS(qntx_embed_store_optimize, store);
  WORKS(qntx_embed_store_backup, store, str(copy.text));
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "there already", qntx_embed_store_backup, store, str(copy.text));
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "path", qntx_embed_store_backup, store, str(""));
  json = UNTOUCHED;
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "repair", qntx_embed_store_verify, store, 2, &json);
  CHECK(json == NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "json", qntx_embed_store_stats, store, NULL);
  qntx_embed_store *other = open_store(copy.text);
  CHECK(count_of(other) == 3);
  qntx_embed_store_free(other);
  qntx_embed_store_free(store);
}

static void a_null_store_is_refused_everywhere(void) {
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT;
  qntx_embed_rows *rows = UNTOUCHED;
  qntx_embed_text *json = UNTOUCHED;
  uint8_t has;
  REFUSED(invalid, "store", qntx_embed_store_has, NULL, NULL, 0, &has);
  REFUSED(invalid, "store", qntx_embed_store_get, NULL, str("x"), &rows);
  REFUSED(invalid, "store", qntx_embed_store_list, NULL, NULL, &rows);
  CHECK(rows == NULL);
  REFUSED(invalid, "store", qntx_embed_store_delete_ids, NULL, NULL, 0, NULL);
  REFUSED(invalid, "store", qntx_embed_store_delete_where, NULL, str("[\"and\"]"), NULL);
  REFUSED(invalid, "store", qntx_embed_store_stats, NULL, &json);
  CHECK(json == NULL);
  REFUSED(invalid, "store", qntx_embed_store_verify, NULL, 0, &json);
  REFUSED(invalid, "store", qntx_embed_store_backup, NULL, str("x"));
  REFUSED(invalid, "store", qntx_embed_store_optimize, NULL);
}

// ---- What is refused

// The record stands between two good ones; nothing of the three is stored.
static void check_put_refused(const qntx_embed_store *store, qntx_embed_record record, qntx_embed_status status,
                              const char *word) {
  const qntx_embed_record records[] = {record_of("good", "good", north, 3), record, record_of("fine", "fine", west, 3)};
  REFUSED(status, "record 1", qntx_embed_store_put, store, records, 3, NULL);
  REFUSED(status, word, qntx_embed_store_put, store, records, 3, NULL);
  CHECK(count_of(store) == 1);
  check_found(store, east, 10, -1, "a");
}

static void what_cannot_be_compared_is_refused_and_nothing_of_the_batch_stored(void) {
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT, dimensions = QNTX_EMBED_STATUS_DIMENSIONS;
  const float nan[] = {1, 0, NAN}, infinite[] = {1, INFINITY, 0}, minus_infinite[] = {-INFINITY, 0, 0};
  const float zero[] = {0, -0.0f, 0};
  static float too_long[8193] = {1};
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  check_put_refused(store, record_of("b", "b", nan, 3), invalid, "component 2");
  check_put_refused(store, record_of("b", "b", infinite, 3), invalid, "component 1");
  check_put_refused(store, record_of("b", "b", minus_infinite, 3), invalid, "component 0");
  check_put_refused(store, record_of("b", "b", zero, 3), invalid, "zero");
  check_put_refused(store, record_of("b", "b", east, 0), dimensions, "0 dimensions");
  check_put_refused(store, record_of("b", "b", NULL, 0), dimensions, "0 dimensions");
  check_put_refused(store, record_of("b", "b", NULL, 3), invalid, "vector");
  check_put_refused(store, record_of("b", "b", too_long, 8193), dimensions, "8193");
  check_put_refused(store, record_of("b", "b", east, SIZE_MAX), invalid, "vector");
  qntx_embed_store_free(store);
}

static void a_record_without_name_or_text_is_refused(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  for (int absent = 0; absent < 2; absent++) {
    const qntx_embed_str empty = absent ? (qntx_embed_str){NULL, 0} : str("");
    qntx_embed_record record = record_of("b", "b", east, 3);
    record.source_type = empty;
    check_put_refused(store, record, QNTX_EMBED_STATUS_INVALID_ARGUMENT, "source_type");
    record = record_of("b", "b", east, 3);
    record.source_id = empty;
    check_put_refused(store, record, QNTX_EMBED_STATUS_INVALID_ARGUMENT, "source_id");
    record = record_of("b", "b", east, 3);
    record.fingerprint = empty;
    check_put_refused(store, record, QNTX_EMBED_STATUS_INVALID_ARGUMENT, "fingerprint");
    record = record_of("b", "b", east, 3);
    record.text = empty;
    check_put_refused(store, record, QNTX_EMBED_STATUS_EMPTY_TEXT, "text");
  }
  // The model's name is for people: it may be missing.
  qntx_embed_record record = record_of("b", "b", east, 3);
  record.model = (qntx_embed_str){NULL, 0};
  CHECK(put(store, record) == QNTX_EMBED_OUTCOME_INSERTED);
  qntx_embed_store_free(store);
}

// Every text of a record in turn.
static qntx_embed_str *text_of(qntx_embed_record *record, int which) {
  qntx_embed_str *const texts[] = {&record->source_type, &record->source_id, &record->text, &record->model,
                                   &record->fingerprint, &record->id,        &record->metadata};
  return texts[which];
}
static const char *const names[] = {"source_type", "source_id", "text", "model", "fingerprint", "id", "metadata"};

static void invalid_utf8_is_refused(void) {
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_UTF8;
  qntx_embed_store *store = open_store(":memory:"), *other = UNTOUCHED;
  put3(store, "a", east);
  for (size_t i = 0; i < NOT_UTF8; i++) {
    const qntx_embed_str good = str("good"), bad = not_utf8[i];
    for (int which = 0; which < 7; which++) {
      qntx_embed_record record = record_of("b", "b", east, 3);
      *text_of(&record, which) = bad;
      check_put_refused(store, record, invalid, names[which]);
    }
    qntx_embed_rows *rows = UNTOUCHED;
    REFUSED(invalid, "source_type", qntx_embed_store_get_source, store, bad, good, good, &rows);
    REFUSED(invalid, "source_id", qntx_embed_store_get_source, store, good, bad, good, &rows);
    REFUSED(invalid, "fingerprint", qntx_embed_store_get_source, store, good, good, bad, &rows);
    CHECK(rows == NULL);
    REFUSED(invalid, "source_type", qntx_embed_store_delete_source, store, bad, good, NULL);
    REFUSED(invalid, "source_id", qntx_embed_store_delete_source, store, good, bad, NULL);
    qntx_embed_search_options options = options_of(1, 0);
    options.fingerprint = bad;
    rows = UNTOUCHED;
    REFUSED(invalid, "fingerprint", qntx_embed_store_search, store, east, 3, &options, &rows);
    CHECK(rows == NULL);
    other = UNTOUCHED;
    REFUSED(invalid, "path", qntx_embed_store_open, bad, NULL, &other);
    CHECK(other == NULL);
  }
  qntx_embed_store_free(store);
}

static void null_is_refused_where_something_is_needed(void) {
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT;
  const qntx_embed_str good = str("good"), null_text = {NULL, 3};
  const qntx_embed_record record = record_of("b", "b", east, 3);
  qntx_embed_search_options options = options_of(1, 0);
  qntx_embed_store *store = open_store(":memory:"), *other = UNTOUCHED;
  qntx_embed_rows *rows = UNTOUCHED;
  size_t number;
  put3(store, "a", east);

  REFUSED(invalid, "path", qntx_embed_store_open, null_text, NULL, &other);
  CHECK(other == NULL);
  REFUSED(invalid, "store", qntx_embed_store_open, str(":memory:"), NULL, NULL);

  REFUSED(invalid, "store", qntx_embed_store_put, NULL, &record, 1, NULL);
  REFUSED(invalid, "records", qntx_embed_store_put, store, NULL, 1, NULL);
  for (int which = 0; which < 7; which++) {
    qntx_embed_record bad = record;
    *text_of(&bad, which) = null_text;
    check_put_refused(store, bad, invalid, names[which]);
  }

  REFUSED(invalid, "store", qntx_embed_store_get_source, NULL, good, good, good, &rows);
  CHECK(rows == NULL);
  REFUSED(invalid, "rows", qntx_embed_store_get_source, store, good, good, good, NULL);
  REFUSED(invalid, "source_type", qntx_embed_store_get_source, store, null_text, good, good, &rows);
  REFUSED(invalid, "source_id", qntx_embed_store_get_source, store, good, null_text, good, &rows);
  REFUSED(invalid, "fingerprint", qntx_embed_store_get_source, store, good, good, null_text, &rows);

  REFUSED(invalid, "store", qntx_embed_store_delete_source, NULL, good, good, &number);
  REFUSED(invalid, "source_type", qntx_embed_store_delete_source, store, null_text, good, &number);
  REFUSED(invalid, "source_id", qntx_embed_store_delete_source, store, good, null_text, &number);

  REFUSED(invalid, "store", qntx_embed_store_count, NULL, str(""), str(""), &number);
  REFUSED(invalid, "count", qntx_embed_store_count, store, str(""), str(""), NULL);

  rows = UNTOUCHED;
  REFUSED(invalid, "store", qntx_embed_store_search, NULL, east, 3, &options, &rows);
  CHECK(rows == NULL);
  REFUSED(invalid, "query", qntx_embed_store_search, store, NULL, 3, &options, &rows);
  REFUSED(invalid, "options", qntx_embed_store_search, store, east, 3, NULL, &rows);
  REFUSED(invalid, "rows", qntx_embed_store_search, store, east, 3, &options, NULL);
  options.fingerprint = null_text;
  REFUSED(invalid, "fingerprint", qntx_embed_store_search, store, east, 3, &options, &rows);
  CHECK(rows == NULL && count_of(store) == 1);
  qntx_embed_store_free(store);
}

static void check_search_refused(const qntx_embed_store *store, const float *query, size_t dimensions,
                                 const qntx_embed_search_options *options, qntx_embed_status status, const char *word) {
  qntx_embed_rows *rows = UNTOUCHED;
  REFUSED(status, word, qntx_embed_store_search, store, query, dimensions, options, &rows);
  CHECK(rows == NULL);
}

static void a_search_that_makes_no_sense_is_refused(void) {
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT, dimensions = QNTX_EMBED_STATUS_DIMENSIONS;
  const float nan[] = {1, 0, NAN}, infinite[] = {1, INFINITY, 0}, zero[] = {0, 0, 0};
  static float too_long[8193] = {1};
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);

  qntx_embed_search_options options = options_of(10, -1);
  check_search_refused(store, nan, 3, &options, invalid, "query");
  check_search_refused(store, infinite, 3, &options, invalid, "query");
  check_search_refused(store, zero, 3, &options, invalid, "query");
  check_search_refused(store, NULL, 0, &options, dimensions, "query");
  check_search_refused(store, too_long, 8193, &options, dimensions, "query");
  check_search_refused(store, east, SIZE_MAX, &options, invalid, "query");

  const size_t limits[] = {10001, 1 << 30, SIZE_MAX};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    options = options_of(limits[i], -1);
    check_search_refused(store, east, 3, &options, invalid, "limit");
  }
  const float thresholds[] = {1.0001f, -1.0001f, NAN, INFINITY, -INFINITY, 80};
  for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++) {
    options = options_of(10, thresholds[i]);
    check_search_refused(store, east, 3, &options, invalid, "threshold");
  }
  options = options_of(10, -1);
  options.fingerprint = str("");
  check_search_refused(store, east, 3, &options, invalid, "fingerprint");
  qntx_embed_store_free(store);
}

static void search_options_may_grow(void) {
  qntx_embed_store *store = open_store(":memory:");
  put3(store, "a", east);
  struct {
    qntx_embed_search_options known;
    size_t unknown[4];
  } newer = {.known = options_of(10, -1)};
  newer.known.size = sizeof newer;
  qntx_embed_rows *rows = NULL;
  WORKS(qntx_embed_store_search, store, east, 3, &newer.known, &rows);
  CHECK(rows_in(rows) == 1);
  qntx_embed_rows_free(rows);
  newer.unknown[0] = 1;
  check_search_refused(store, east, 3, &newer.known, QNTX_EMBED_STATUS_INVALID_ARGUMENT, "options");

  const size_t sizes[] = {0, 4, sizeof(size_t) - 1, 1 << 20, SIZE_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    qntx_embed_search_options options = options_of(10, -1);
    options.size = sizes[i];
    check_search_refused(store, east, 3, &options, QNTX_EMBED_STATUS_INVALID_ARGUMENT, "options.size");
  }
  // Before there was a threshold, say: what is not in the structure is 0.
  qntx_embed_search_options older = options_of(10, NAN);
  older.size = offsetof(qntx_embed_search_options, threshold);
  WORKS(qntx_embed_store_search, store, east, 3, &older, &rows);
  CHECK(rows_in(rows) == 1);
  qntx_embed_rows_free(rows);
  qntx_embed_store_free(store);
}

// ---- Files

static void a_file_opened_again_gives_the_same(void) {
  const path file = temporary("again.db");
  qntx_embed_store *store = open_store(file.text);
  put3(store, "e", east);
  put3(store, "n", north);
  put3(store, "d", northeast);
  qntx_embed_rows *before = search(store, east, 3, 10, -1);
  qntx_embed_store_free(store);

  store = open_store(file.text);
  CHECK(count_of(store) == 3);
  qntx_embed_rows *after = search(store, east, 3, 10, -1);
  REQUIRE(rows_in(before) == 3 && rows_in(after) == 3);
  for (size_t i = 0; i < 3; i++) {
    const qntx_embed_row *a = row_at(before, i), *b = row_at(after, i);
    CHECK(same(a->id, b->id) && same(a->source_type, b->source_type) && same(a->source_id, b->source_id));
    CHECK(same(a->text, b->text) && same(a->model, b->model) && same(a->fingerprint, b->fingerprint));
    CHECK(same(a->created_at, b->created_at) && same(a->updated_at, b->updated_at));
    CHECK(a->dimensions == b->dimensions && memcmp(a->vector, b->vector, sizeof east) == 0);
    CHECK(a->similarity == b->similarity && a->distance == b->distance);
  }
  CHECK(put3(store, "e", east) == QNTX_EMBED_OUTCOME_UNCHANGED);
  qntx_embed_rows_free(after);
  qntx_embed_rows_free(before);
  qntx_embed_store_free(store);
}

static void a_file_opened_twice_shows_what_the_other_has_put(void) {
  const path file = temporary("twice.db");
  qntx_embed_store *one = open_store(file.text), *two = open_store(file.text);
  put3(one, "a", east);
  check_found(two, east, 10, -1, "a");
  put3(two, "b", east);
  WORKS(qntx_embed_store_delete_source, one, str("test"), str("a"), NULL);
  check_found(one, east, 10, -1, "b");
  check_found(two, east, 10, -1, "b");
  qntx_embed_store_free(two);
  check_found(one, east, 10, -1, "b");
  qntx_embed_store_free(one);
}

static void stores_in_memory_are_apart(void) {
  qntx_embed_store *one = open_store(":memory:"), *two = open_store(":memory:");
  put3(one, "a", east);
  CHECK(count_of(one) == 1 && count_of(two) == 0);
  CHECK(access(":memory:", F_OK) != 0);
  qntx_embed_store_free(two);
  qntx_embed_store_free(one);
}

static void check_open_refused(const char *file, qntx_embed_status status, const char *word) {
  qntx_embed_store *store = UNTOUCHED;
  REFUSED(status, word, qntx_embed_store_open, str(file), NULL, &store);
  CHECK(store == NULL);
}

static void a_path_without_its_directory_is_refused_and_named(void) {
  const path file = temporary("no/such/directory.db");
  check_open_refused(file.text, QNTX_EMBED_STATUS_STORE, file.text);
  CHECK(access(temporary("no").text, F_OK) != 0);
}

static void a_directory_or_an_empty_path_is_refused(void) {
  const path directory = temporary("directory");
  REQUIRE(mkdir(directory.text, 0700) == 0);
  check_open_refused(directory.text, QNTX_EMBED_STATUS_STORE, directory.text);
  check_open_refused("", QNTX_EMBED_STATUS_INVALID_ARGUMENT, "path");
}

static void a_path_with_a_nul_byte_is_refused(void) {
  const path file = temporary("cut");
  char bytes[sizeof file.text + 8];
  const size_t len = strlen(file.text);
  memcpy(bytes, file.text, len);
  memcpy(bytes + len, "\0.db", 4);
  qntx_embed_store *store = UNTOUCHED;
  REFUSED(QNTX_EMBED_STATUS_STORE, "cut", qntx_embed_store_open, ((qntx_embed_str){bytes, len + 4}), NULL, &store);
  CHECK(store == NULL && access(file.text, F_OK) != 0);
}

static void a_file_that_is_no_database_is_refused_named_and_left_as_it_is(void) {
  // Not 0 and 1: SQLite takes a file of at most one byte for a new one.
  static const size_t sizes[] = {2, 10, 99, 100, 512, 4096, 10000};
  const path file = temporary("note.txt");
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char text[10000];
    for (size_t k = 0; k < sizes[i]; k++) text[k] = "Not a database.\n"[k % 16];
    write_file(file.text, text, sizes[i]);
    check_open_refused(file.text, QNTX_EMBED_STATUS_STORE, file.text);
    size_t len;
    char *after = read_file(file.text, &len);
    CHECK_SAYS(len == sizes[i] && memcmp(after, text, len) == 0, "a file of %zu bytes was changed", sizes[i]);
    free(after);
  }
}

static void a_cut_database_is_refused_or_read_but_never_more(void) {
  const path whole = temporary("whole.db"), cut = temporary("cut.db");
  qntx_embed_store *store = open_store(whole.text);
  for (int i = 0; i < 200; i++) {
    char id[16];
    snprintf(id, sizeof id, "%d", i);
    put3(store, id, northeast);
  }
  qntx_embed_store_free(store);
  size_t len;
  char *bytes = read_file(whole.text, &len);
  for (size_t part = 1; part < 16; part++) {
    write_file(cut.text, bytes, len * part / 16);
    store = NULL;
    qntx_embed_error *error = NULL;
    const qntx_embed_status opened = qntx_embed_store_open(str(cut.text), NULL, &store, &error);
    CHECK((opened == QNTX_EMBED_STATUS_OK) == (store != NULL) && (opened != QNTX_EMBED_STATUS_OK) == (error != NULL));
    qntx_embed_error_free(error);
    if (store != NULL) {
      // Whatever the calls say: they return, and say why.
      const qntx_embed_search_options options = options_of(10, -1);
      const qntx_embed_record record = record_of("x", "x", east, 3);
      qntx_embed_rows *rows = NULL;
      error = NULL;
      const qntx_embed_status searched = qntx_embed_store_search(store, east, 3, &options, &rows, &error);
      CHECK((searched == QNTX_EMBED_STATUS_OK) == (rows != NULL) && (rows == NULL) == (error != NULL));
      qntx_embed_error_free(error);
      qntx_embed_rows_free(rows);
      qntx_embed_store_put(store, &record, 1, NULL, NULL);
      qntx_embed_store_delete_source(store, str("test"), str("7"), NULL, NULL);
    }
    qntx_embed_store_free(store);
    remove(join(harness.directory, "cut.db-wal").text);
    remove(join(harness.directory, "cut.db-shm").text);
  }
  free(bytes);
}

static void only_a_database_of_the_original_system_is_migrated(void) {
  const path ours = temporary("ours.db"), none = temporary("none.db"), note = temporary("old.txt");
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT;
  qntx_embed_store_free(open_store(ours.text));
  write_file(note.text, "Not a database.", 15);
  qntx_embed_text *json = UNTOUCHED;
  REFUSED(QNTX_EMBED_STATUS_STORE_VERSION, "ours.db", qntx_embed_store_migrate, str(ours.text), NULL, &json);
  CHECK(json == NULL);
  REFUSED(QNTX_EMBED_STATUS_STORE, "old.txt", qntx_embed_store_migrate, str(note.text), NULL, &json);
  REFUSED(invalid, "none.db", qntx_embed_store_migrate, str(none.text), NULL, &json);
  CHECK(access(none.text, F_OK) != 0);
  REFUSED(invalid, "json", qntx_embed_store_migrate, str(ours.text), NULL, NULL);
  REFUSED(invalid, "not there", qntx_embed_store_migrate, str(""), NULL, &json);
  qntx_embed_migrate_options options = {.size = sizeof options, .apply = 2};
  REFUSED(invalid, "apply", qntx_embed_store_migrate, str(ours.text), &options, &json);
  options = (qntx_embed_migrate_options){.size = sizeof options, .without_backup = 2};
  REFUSED(invalid, "without_backup", qntx_embed_store_migrate, str(ours.text), &options, &json);
  options = (qntx_embed_migrate_options){.size = 3};
  REFUSED(invalid, "options.size", qntx_embed_store_migrate, str(ours.text), &options, &json);
  options = (qntx_embed_migrate_options){.size = sizeof options, .backup = {"\xff", 1}};
  REFUSED(QNTX_EMBED_STATUS_INVALID_UTF8, "backup", qntx_embed_store_migrate, str(ours.text), &options, &json);
}

static void nothing_is_left_beside_a_file_when_its_store_is_freed(void) {
  const path file = temporary("alone.db");
  qntx_embed_store *store = open_store(file.text);
  put3(store, "a", east);
  qntx_embed_store_free(store);
  CHECK(access(file.text, F_OK) == 0);
  CHECK(access(temporary("alone.db-wal").text, F_OK) != 0 && access(temporary("alone.db-shm").text, F_OK) != 0);
}

int main(void) {
  TEST(what_is_put_is_got_as_it_was_put);
  TEST(a_replaced_row_keeps_its_id_and_creation_time);
  TEST(an_equal_record_changes_nothing);
  TEST(each_record_of_a_batch_has_its_outcome);
  TEST(a_source_has_one_row_for_each_model);
  TEST(a_row_may_get_a_vector_of_another_length);
  TEST(a_row_that_is_not_there_is_not_found);
  TEST(a_message_is_not_cut_at_a_nul_byte);
  TEST(a_deleted_source_is_gone_from_rows_and_searches);
  TEST(nul_bytes_are_text_like_any_other);
  TEST(models_whose_fingerprints_differ_after_a_nul_byte_are_two);
  TEST(a_text_may_be_long_and_of_any_script);
  TEST(a_search_finds_the_nearest_first_with_their_cosines);
  TEST(a_threshold_leaves_out_what_is_farther);
  TEST(a_limit_keeps_the_nearest_and_is_10_where_it_is_0);
  TEST(rows_equally_near_are_ordered_by_id);
  TEST(the_length_of_a_vector_does_not_matter);
  TEST(a_search_of_an_empty_store_or_another_model_finds_nothing);
  TEST(vectors_of_a_real_models_length_are_found_too);
  TEST(rows_outlive_their_store);
  TEST(nothing_that_is_passed_in_is_kept);
  TEST(a_row_has_its_id_chunk_and_metadata);
  TEST(a_text_that_is_there_needs_no_vector);
  TEST(an_id_is_never_shared_or_changed);
  TEST(a_list_comes_in_pages);
  TEST(a_search_takes_words_filters_pages_and_rows);
  TEST(rows_are_deleted_by_id_and_by_filter);
  TEST(the_revision_changes_when_rows_do_and_only_then);
  TEST(records_of_an_array_have_one_size);
  TEST(stats_verify_backup_and_optimize_say_what_they_did);
  TEST(a_null_store_is_refused_everywhere);
  TEST(what_cannot_be_compared_is_refused_and_nothing_of_the_batch_stored);
  TEST(a_record_without_name_or_text_is_refused);
  TEST(invalid_utf8_is_refused);
  TEST(null_is_refused_where_something_is_needed);
  TEST(a_search_that_makes_no_sense_is_refused);
  TEST(search_options_may_grow);
  TEST(a_file_opened_again_gives_the_same);
  TEST(a_file_opened_twice_shows_what_the_other_has_put);
  TEST(stores_in_memory_are_apart);
  TEST(a_path_without_its_directory_is_refused_and_named);
  TEST(a_directory_or_an_empty_path_is_refused);
  TEST(a_path_with_a_nul_byte_is_refused);
  TEST(a_file_that_is_no_database_is_refused_named_and_left_as_it_is);
  TEST(a_cut_database_is_refused_or_read_but_never_more);
  TEST(only_a_database_of_the_original_system_is_migrated);
  TEST(nothing_is_left_beside_a_file_when_its_store_is_freed);
  return finish();
}
