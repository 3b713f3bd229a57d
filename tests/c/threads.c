// One model, one store, many threads; and nothing that is tied to the thread that made it.

#include "harness.h"

enum { THREADS = 16, ROUNDS = 12, TEXTS = 24 };

// What all threads of a test share. They only read it.
typedef struct {
  const qntx_embed_model *model;
  const qntx_embed_store *store;
  path file;
  const char *fingerprint;
  qntx_embed_str texts[TEXTS];
  float wanted[TEXTS][32];  // their vectors, made before the threads were
} shared;

typedef struct {
  const shared *all;
  int number;
  bool done;  // the thread came to its end
} worker;

// Runs 16 threads at once, each with a number of its own.
static void run_threads(void *(*body)(void *), const shared *all) {
  pthread_t threads[THREADS];
  worker workers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){all, i, false};
    REQUIRE(pthread_create(&threads[i], NULL, body, &workers[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) CHECK_SAYS(workers[i].done, "thread %d did not come to its end", i);
}

// Texts of 1 to 24 words.
static void make_texts(shared *all, const qntx_embed_model *model) {
  static char words[TEXTS * 5 + 1];
  for (size_t i = 0; i < TEXTS; i++) memcpy(words + i * 5, "word ", 5);
  all->model = model;
  for (size_t i = 0; i < TEXTS; i++) {
    all->texts[i] = (qntx_embed_str){words, (i + 1) * 5};
    WORKS(qntx_embed_embed, model, all->texts[i], NULL, all->wanted[i], 32, NULL);
  }
}

// ---- Opening

static void *open_and_embed(void *argument) {
  worker *me = argument;
  qntx_embed_model *model = open_model(TINY);
  float *vector = embed(model, str("text"));
  free(vector);
  qntx_embed_model_free(model);
  me->done = true;
  return NULL;
}

static void many_threads_may_open_models_at_once(void) { run_threads(open_and_embed, NULL); }

static void *open_and_put(void *argument) {
  worker *me = argument;
  const float vector[] = {1, 0, 0};
  char id[32];
  qntx_embed_store *store = NULL;
  WORKS(qntx_embed_store_open, str(me->all->file.text), NULL, &store);
  for (int round = 0; round < 3; round++) {
    snprintf(id, sizeof id, "%d-%d", me->number, round);
    const qntx_embed_record record = {.size = sizeof(qntx_embed_record),
                                      .source_type = str("test"),
                                      .source_id = str(id),
                                      .text = str(id),
                                      .fingerprint = str("fingerprint"),
                                      .vector = vector,
                                      .dimensions = 3};
    WORKS(qntx_embed_store_put, store, &record, 1, NULL);
  }
  qntx_embed_store_free(store);
  me->done = true;
  return NULL;
}

static void many_threads_may_open_one_new_file_at_once(void) {
  for (int i = 0; i < 5; i++) {
    char name[32];
    snprintf(name, sizeof name, "new-%d.db", i);
    const shared all = {.file = temporary(name)};
    run_threads(open_and_put, &all);
    qntx_embed_store *store = NULL;
    size_t count = 0;
    WORKS(qntx_embed_store_open, str(all.file.text), NULL, &store);
    WORKS(qntx_embed_store_count, store, str(""), str(""), &count);
    CHECK_SAYS(count == THREADS * 3, "%zu rows", count);
    qntx_embed_store_free(store);
  }
}

// ---- Working

static void check_texts(const shared *all, size_t first, size_t count) {
  float *vectors = malloc(count * 32 * sizeof *vectors);
  qntx_embed_text_info infos[TEXTS];
  REQUIRE(vectors != NULL);
  WORKS(qntx_embed_embed_batch, all->model, all->texts + first, count, NULL, vectors, count * 32, infos);
  for (size_t i = 0; i < count; i++) {
    CHECK(cosine(vectors + i * 32, all->wanted[first + i], 32) > 0.999999);
    CHECK(infos[i].tokens == first + i + 3 && infos[i].truncated == 0);
  }
  free(vectors);
}

static void *use_the_model(void *argument) {
  worker *me = argument;
  const shared *all = me->all;
  for (size_t round = 0; round < ROUNDS; round++) {
    const size_t first = ((size_t)me->number * 5 + round * 7) % TEXTS;
    float *alone = embed(all->model, all->texts[first]);
    CHECK(cosine(alone, all->wanted[first], 32) > 0.999999);
    free(alone);
    check_texts(all, first, TEXTS - first);
    CHECK(strcmp(info_of(all->model).fingerprint, all->fingerprint) == 0);
  }
  me->done = true;
  return NULL;
}

static void sixteen_threads_use_one_model_at_once(void) {
  shared all = {0};
  qntx_embed_model *model = open_model(TINY);
  make_texts(&all, model);
  all.fingerprint = info_of(model).fingerprint;
  run_threads(use_the_model, &all);
  qntx_embed_model_free(model);
}

// Puts, gets, finds and deletes rows of its own, while all others do.
static void *use_the_store(void *argument) {
  worker *me = argument;
  const shared *all = me->all;
  const qntx_embed_search_options options = {
      .size = sizeof options, .fingerprint = str(all->fingerprint), .limit = 4096, .threshold = 0.9999f};
  for (size_t round = 0; round < ROUNDS; round++) {
    const size_t which = ((size_t)me->number + round) % TEXTS;
    char id[32];
    snprintf(id, sizeof id, "%d-%zu", me->number, round);
    float *vector = embed(all->model, all->texts[which]);
    const qntx_embed_record record = {.size = sizeof(qntx_embed_record),
                                      .source_type = str("test"),
                                      .source_id = str(id),
                                      .text = all->texts[which],
                                      .model = str("tiny"),
                                      .fingerprint = str(all->fingerprint),
                                      .vector = vector,
                                      .dimensions = 32};
    uint32_t outcome = 77;
    WORKS(qntx_embed_store_put, all->store, &record, 1, &outcome);
    CHECK(outcome == QNTX_EMBED_OUTCOME_INSERTED);

    qntx_embed_rows *rows = NULL;
    WORKS(qntx_embed_store_get_source, all->store, str("test"), str(id), str(all->fingerprint), &rows);
    const qntx_embed_row *row = qntx_embed_rows_get(rows, NULL)[0];
    CHECK(is(row->source_id, id) && same(row->text, all->texts[which]));
    CHECK(memcmp(row->vector, vector, 32 * sizeof *vector) == 0);
    qntx_embed_rows_free(rows);

    size_t count = 0;
    bool found = false;
    WORKS(qntx_embed_store_search, all->store, vector, 32, &options, &rows);
    const qntx_embed_row *const *hits = qntx_embed_rows_get(rows, &count);
    for (size_t i = 0; i < count; i++) found = found || is(hits[i]->source_id, id);
    CHECK_SAYS(found, "%s is not among the %zu rows that were found", id, count);
    qntx_embed_rows_free(rows);

    if (round % 2 == 1) {
      size_t deleted = 77;
      WORKS(qntx_embed_store_delete_source, all->store, str("test"), str(id), &deleted);
      CHECK(deleted == 1);
    }
    free(vector);
  }
  me->done = true;
  return NULL;
}

static void check_store_under_threads(const char *file) {
  shared all = {0};
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_store *store = NULL;
  WORKS(qntx_embed_store_open, str(file), NULL, &store);
  make_texts(&all, model);
  all.fingerprint = info_of(model).fingerprint;
  all.store = store;
  run_threads(use_the_store, &all);
  size_t count = 77;
  WORKS(qntx_embed_store_count, store, str(""), str(""), &count);
  CHECK_SAYS(count == THREADS * ROUNDS / 2, "%zu rows", count);
  qntx_embed_store_free(store);
  qntx_embed_model_free(model);
}

static void sixteen_threads_use_one_model_and_one_store_at_once(void) {
  check_store_under_threads(":memory:");
  check_store_under_threads(temporary("threads.db").text);
}

// ---- Errors

// Each thread names another path: a message that belongs to another thread's call would show.
static void *fail_and_read_the_message(void *argument) {
  worker *me = argument;
  for (int round = 0; round < 50; round++) {
    char wrong[64];
    snprintf(wrong, sizeof wrong, "/no/such/directory/%d-%d.", me->number, round);
    qntx_embed_model *model = UNTOUCHED;
    qntx_embed_store *store = UNTOUCHED;
    REFUSED(QNTX_EMBED_STATUS_MODEL_NOT_FOUND, wrong, qntx_embed_model_open, str(wrong), NULL, &model);
    REFUSED(QNTX_EMBED_STATUS_STORE, wrong, qntx_embed_store_open, str(wrong), NULL, &store);
    CHECK(model == NULL && store == NULL);
  }
  me->done = true;
  return NULL;
}

static void each_thread_has_the_message_of_its_own_call(void) { run_threads(fail_and_read_the_message, NULL); }

// ---- Things made in one thread, used and freed in another

typedef struct {
  qntx_embed_model *model;
  qntx_embed_store *store;
  qntx_embed_rows *rows;
  qntx_embed_error *error;
  qntx_embed_blob blob;
} things;

static void *make_things(void *argument) {
  things *made = argument;
  const float vector[] = {1, 0, 0};
  const qntx_embed_record record = {.size = sizeof(qntx_embed_record),
                                    .source_type = str("test"),
                                    .source_id = str("a"),
                                    .text = str("the text"),
                                    .fingerprint = str("fingerprint"),
                                    .vector = vector,
                                    .dimensions = 3};
  made->model = open_model(TINY);
  WORKS(qntx_embed_store_open, str(":memory:"), NULL, &made->store);
  WORKS(qntx_embed_store_put, made->store, &record, 1, NULL);
  WORKS(qntx_embed_store_get_source, made->store, str("test"), str("a"), str("fingerprint"), &made->rows);
  WORKS(qntx_embed_blob_serialize, vector, 3, &made->blob);
  qntx_embed_embed(made->model, not_utf8[0], NULL, NULL, 0, NULL, &made->error);
  return NULL;
}

static void what_one_thread_made_another_uses_and_frees(void) {
  things made = {0};
  pthread_t maker;
  REQUIRE(pthread_create(&maker, NULL, make_things, &made) == 0);
  REQUIRE(pthread_join(maker, NULL) == 0);
  REQUIRE(made.model != NULL && made.store != NULL && made.rows != NULL && made.error != NULL);

  float *vector = embed(made.model, str("text"));
  size_t count = 0;
  WORKS(qntx_embed_store_count, made.store, str(""), str(""), &count);
  CHECK(count == 1 && isfinite(vector[0]));
  free(vector);
  qntx_embed_model_free(made.model);
  qntx_embed_store_free(made.store);
  CHECK(is(qntx_embed_rows_get(made.rows, NULL)[0]->text, "the text"));
  qntx_embed_rows_free(made.rows);
  CHECK(qntx_embed_error_status(made.error) == QNTX_EMBED_STATUS_INVALID_UTF8);
  CHECK(strstr(qntx_embed_error_message(made.error), "UTF-8") != NULL);
  qntx_embed_error_free(made.error);
  CHECK(made.blob.len == 12);
  qntx_embed_blob_free(&made.blob);
}

int main(void) {
  // First, because ONNX Runtime is loaded and started by the first model of a process.
  TEST(many_threads_may_open_models_at_once);
  TEST(many_threads_may_open_one_new_file_at_once);
  TEST(sixteen_threads_use_one_model_at_once);
  TEST(sixteen_threads_use_one_model_and_one_store_at_once);
  TEST(each_thread_has_the_message_of_its_own_call);
  TEST(what_one_thread_made_another_uses_and_frees);
  return finish();
}
