// The log: lines come where a function is given for them, on levels that there are, and nowhere else.

#include "harness.h"

typedef struct {
  pthread_mutex_t lock;
  size_t lines;
  char text[8192];
} notes;

static void note(void *context, uint32_t level, qntx_embed_str line) {
  notes *n = (notes *)context;
  pthread_mutex_lock(&n->lock);
  const size_t used = strlen(n->text);
  CHECK(level >= QNTX_EMBED_LOG_ERROR && level <= QNTX_EMBED_LOG_INFO);
  CHECK(line.len > 0 && memchr(line.ptr, '\n', line.len) == NULL);
  snprintf(n->text + used, sizeof n->text - used, "%u %.*s\n", level, (int)line.len, line.ptr);
  n->lines++;
  pthread_mutex_unlock(&n->lock);
}

static void opening_a_model_is_a_line(void) {
  notes n = {.lock = PTHREAD_MUTEX_INITIALIZER};
  const qntx_embed_model_options options = {.size = sizeof options, .log = note, .log_context = &n};
  qntx_embed_model *model = NULL;
  WORKS(qntx_embed_model_open, str(TINY), &options, &model);
  // Where it took long, as under valgrind, it is a warning.
  CHECK_SAYS(strstr(n.text, " model 'tiny-mean' took ") != NULL, "the log has %s", n.text);
  const size_t lines = n.lines;
  free(embed(model, str("a text of somebody's")));
  qntx_embed_model_free(model);
  // An embedding is no line, and no text is in any.
  CHECK_SAYS(n.lines == lines && strstr(n.text, "somebody") == NULL, "the log has %s", n.text);
}

static void what_a_store_does_to_its_file_is_a_line(void) {
  notes n = {.lock = PTHREAD_MUTEX_INITIALIZER};
  const path file = temporary("log.db");
  const qntx_embed_store_options options = {.size = sizeof options, .log = note, .log_context = &n};
  qntx_embed_store *store = NULL;
  WORKS(qntx_embed_store_open, str(file.text), &options, &store);
  CHECK_SAYS(strstr(n.text, "3 database '") != NULL && strstr(n.text, "019_create_embeddings_table.sql was applied") != NULL,
             "the log has %s", n.text);
  qntx_embed_store_free(store);

  memset(n.text, 0, sizeof n.text);
  n.lines = 0;
  WORKS(qntx_embed_store_open, str(file.text), &options, &store);
  CHECK_SAYS(n.lines == 0, "a second opening: %s", n.text);
  const float vector[2] = {1, 0};
  const qntx_embed_record record = {.size = sizeof record,
                                    .source_type = str("test"),
                                    .source_id = str("1"),
                                    .text = str("a text of somebody's"),
                                    .model = str("m"),
                                    .fingerprint = str("f"),
                                    .vector = vector,
                                    .dimensions = 2};
  WORKS(qntx_embed_store_put, store, &record, 1, NULL);
  qntx_embed_search_options search = {.size = sizeof search, .fingerprint = str("f"), .index = QNTX_EMBED_INDEX_RESIDENT};
  qntx_embed_rows *rows = NULL;
  WORKS(qntx_embed_store_search, store, vector, 2, &search, &rows);
  qntx_embed_rows_free(rows);
  CHECK_SAYS(n.lines == 1 && strstr(n.text, "3 the index in memory of model f with 2 dimensions was built: 1 rows") != NULL &&
                 strstr(n.text, "somebody") == NULL,
             "the log has %s", n.text);
  qntx_embed_store_free(store);
}

static void an_index_without_room_is_a_warning(void) {
  notes n = {.lock = PTHREAD_MUTEX_INITIALIZER};
  const qntx_embed_store_options options = {.size = sizeof options, .max_resident_bytes = 4096, .log = note, .log_context = &n};
  qntx_embed_store *store = NULL;
  WORKS(qntx_embed_store_open, str(":memory:"), &options, &store);
  for (int i = 0; i < 40; i++) {
    char id[16];
    snprintf(id, sizeof id, "%d", i);
    float vector[64];
    for (int j = 0; j < 64; j++) vector[j] = (float)(i + j + 1);
    const qntx_embed_record record = {.size = sizeof record,
                                      .source_type = str("test"),
                                      .source_id = str(id),
                                      .text = str("t"),
                                      .model = str("m"),
                                      .fingerprint = str("f"),
                                      .vector = vector,
                                      .dimensions = 64};
    WORKS(qntx_embed_store_put, store, &record, 1, NULL);
  }
  qntx_embed_search_options search = {.size = sizeof search, .fingerprint = str("f"), .index = QNTX_EMBED_INDEX_RESIDENT};
  float query[64] = {1};
  for (int i = 0; i < 2; i++) {
    qntx_embed_rows *rows = NULL;
    WORKS(qntx_embed_store_search, store, query, 64, &search, &rows);
    qntx_embed_rows_free(rows);
  }
  CHECK_SAYS(strstr(n.text, "2 the index in memory of model f with 64 dimensions has no room") != NULL, "the log has %s", n.text);
  qntx_embed_store_free(store);
}

int main(void) {
  TEST(opening_a_model_is_a_line);
  TEST(what_a_store_does_to_its_file_is_a_line);
  TEST(an_index_without_room_is_a_warning);
  return finish();
}
