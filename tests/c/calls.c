// Calls that go on while their caller does something else, and the queue that says which of them are over.

#include "harness.h"

#include <poll.h>

enum { CALLS = 500, DIMENSIONS = 32 };

static qntx_embed_completions *new_completions(void) {
  qntx_embed_completions *completions = NULL;
  WORKS(qntx_embed_completions_new, &completions);
  return completions;
}

static qntx_embed_call *start(const qntx_embed_model *model, const char *text, const qntx_embed_completions *completions, uint64_t tag) {
  qntx_embed_call *call = NULL;
  const qntx_embed_str lent = str(text);
  WORKS(qntx_embed_call_start, model, &lent, 1, NULL, completions, tag, &call);
  return call;
}

// Whether a tag can be taken within so many milliseconds, as the descriptor says.
static bool readable(const qntx_embed_completions *completions, int milliseconds) {
  struct pollfd descriptor = {.fd = qntx_embed_completions_descriptor(completions), .events = POLLIN};
  return poll(&descriptor, 1, milliseconds) == 1;
}

// Words that keep two processors busy for some seconds, in `count` texts. They are static.
static qntx_embed_str *long_texts(size_t count) {
  static char words[5 * 40 + 1];
  for (size_t i = 0; i < 40; i++) memcpy(words + i * 5, "word ", 5);
  static char numbered[4000][5 * 40 + 12];
  static qntx_embed_str texts[4000];
  REQUIRE(count <= 4000);
  for (size_t i = 0; i < count; i++) {
    snprintf(numbered[i], sizeof numbered[i], "%zu %s", i, words);
    texts[i] = str(numbered[i]);
  }
  return texts;
}

static void one_thread_has_many_calls_at_once(void) {
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_completions *completions = new_completions();
  CHECK(!readable(completions, 0));
  static char texts[CALLS][32];
  static qntx_embed_call *calls[CALLS];
  static bool told[CALLS];
  for (size_t i = 0; i < CALLS; i++) {
    snprintf(texts[i], sizeof texts[i], "text number %zu", i);
    calls[i] = start(model, texts[i], completions, i);
  }
  size_t taken = 0;
  while (taken < CALLS && readable(completions, 10000)) {
    uint64_t tags[7];
    const size_t count = qntx_embed_completions_take(completions, tags, 7);
    CHECK(count > 0 && count <= 7);
    for (size_t i = 0; i < count; i++) {
      REQUIRE(tags[i] < CALLS && !told[tags[i]]);
      told[tags[i]] = true;
      float vector[DIMENSIONS];
      qntx_embed_text_info info = {0, 0, 7};
      WORKS(qntx_embed_call_wait, calls[tags[i]], vector, DIMENSIONS, &info);
      float *expected = embed(model, str(texts[tags[i]]));
      CHECK(memcmp(vector, expected, sizeof vector) == 0 && info.tokens > 2 && info.truncated == 0);
      free(expected);
      qntx_embed_call_free(calls[tags[i]]);
    }
    taken += count;
  }
  CHECK_SAYS(taken == CALLS, "%zu of %d calls were told of", taken, CALLS);
  CHECK(!readable(completions, 0));
  qntx_embed_completions_free(completions);
  qntx_embed_model_free(model);
}

static void a_call_without_a_queue_is_waited_for_and_asked_again(void) {
  qntx_embed_model *model = open_model(TINY);
  const qntx_embed_str texts[3] = {str("one"), str("two"), str("one")};
  float expected[3 * 8], vectors[3 * 8];
  qntx_embed_embed_options options = {.size = sizeof options, .dimensions = 8};
  WORKS(qntx_embed_embed_batch, model, texts, 3, &options, expected, 3 * 8, NULL);
  qntx_embed_call *call = NULL;
  WORKS(qntx_embed_call_start, model, texts, 3, &options, NULL, 0, &call);
  for (int i = 0; i < 2; i++) {
    memset(vectors, 0, sizeof vectors);
    WORKS(qntx_embed_call_wait, call, vectors, 3 * 8, NULL);
    CHECK(memcmp(vectors, expected, sizeof vectors) == 0);
  }
  qntx_embed_call_free(call);
  WORKS(qntx_embed_call_start, model, NULL, 0, NULL, NULL, 0, &call);
  WORKS(qntx_embed_call_wait, call, NULL, 0, NULL);
  qntx_embed_call_free(call);
  qntx_embed_model_free(model);
}

static void nothing_that_was_lent_is_used_after_the_start(void) {
  qntx_embed_model *model = NULL;
  qntx_embed_model_options cached = {.size = sizeof cached, .cache_bytes = 1 << 20};
  WORKS(qntx_embed_model_open, str(TINY), &cached, &model);
  char text[] = "a text";
  qntx_embed_str lent = str(text);
  qntx_embed_cancel *cancel = NULL;
  WORKS(qntx_embed_cancel_new, &cancel);
  qntx_embed_embed_options options = {.size = sizeof options, .cancel = cancel, .prompt = str(text), .prompt_kind = QNTX_EMBED_PROMPT_TEXT};
  qntx_embed_call *call = NULL;
  WORKS(qntx_embed_call_start, model, &lent, 1, &options, NULL, 0, &call);
  memset(text, 'x', sizeof text - 1);
  memset(&options, 0xff, sizeof options);
  lent = (qntx_embed_str){NULL, 77};
  qntx_embed_cancel_free(cancel);
  float vector[DIMENSIONS], expected[DIMENSIONS];
  WORKS(qntx_embed_call_wait, call, vector, DIMENSIONS, NULL);
  qntx_embed_call_free(call);
  const qntx_embed_embed_options again = {.size = sizeof again, .prompt = str("a text"), .prompt_kind = QNTX_EMBED_PROMPT_TEXT};
  WORKS(qntx_embed_embed, model, str("a text"), &again, expected, DIMENSIONS, NULL);
  CHECK(memcmp(vector, expected, sizeof vector) == 0);
  qntx_embed_model_stats stats = {.size = sizeof stats};
  WORKS(qntx_embed_model_get_stats, model, &stats);
  CHECK(stats.cache_hits == 1 && stats.cache_entries == 1);
  qntx_embed_model_free(model);
}

static void a_call_that_is_freed_is_cancelled_and_not_told_of(void) {
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_completions *completions = new_completions();
  qntx_embed_call *call = NULL;
  WORKS(qntx_embed_call_start, model, long_texts(4000), 4000, NULL, completions, 1, &call);
  qntx_embed_call_free(call);
  free(embed(model, str("next")));
  CHECK(!readable(completions, 0));
  // It was over, and its tag was not taken: the descriptor has nothing to say any more.
  call = start(model, "a text", completions, 2);
  CHECK(readable(completions, 10000));
  qntx_embed_call_free(call);
  CHECK(!readable(completions, 0));
  uint64_t tag = 77;
  CHECK(qntx_embed_completions_take(completions, &tag, 1) == 0 && tag == 77);
  // Others of the same tag are.
  call = start(model, "a text", completions, 2);
  qntx_embed_call *other = start(model, "another", completions, 2);
  qntx_embed_call_free(call);
  CHECK(readable(completions, 10000));
  CHECK(qntx_embed_completions_take(completions, &tag, 1) == 1 && tag == 2);
  CHECK(!readable(completions, 0));
  qntx_embed_call_free(other);
  qntx_embed_completions_free(completions);
  qntx_embed_model_free(model);
}

static void a_call_that_fails_is_told_of_and_says_why(void) {
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_completions *completions = new_completions();
  qntx_embed_cancel *cancel = NULL;
  WORKS(qntx_embed_cancel_new, &cancel);
  const qntx_embed_embed_options options = {.size = sizeof options, .cancel = cancel};
  qntx_embed_call *call = NULL;
  WORKS(qntx_embed_call_start, model, long_texts(4000), 4000, &options, completions, 1, &call);
  qntx_embed_cancel_now(cancel);
  CHECK(readable(completions, 10000));
  uint64_t tag = 77;
  CHECK(qntx_embed_completions_take(completions, &tag, 1) == 1 && tag == 1);
  float *vectors = calloc(4000, DIMENSIONS * sizeof *vectors);
  REQUIRE(vectors != NULL);
  REFUSED(QNTX_EMBED_STATUS_CANCELLED, "cancelled", qntx_embed_call_wait, call, vectors, 4000 * DIMENSIONS, NULL);
  for (size_t i = 0; i < 4000 * DIMENSIONS; i++) REQUIRE(vectors[i] == 0);
  free(vectors);
  qntx_embed_call_free(call);
  // Refused at the start: there is no call, and no tag.
  call = UNTOUCHED;
  REFUSED(QNTX_EMBED_STATUS_CANCELLED, "cancelled", qntx_embed_call_start, model, long_texts(1), 1, &options, completions, 2, &call);
  CHECK(call == NULL && !readable(completions, 0));
  qntx_embed_cancel_free(cancel);
  qntx_embed_completions_free(completions);
  qntx_embed_model_free(model);
}

static void a_full_queue_refuses_the_start(void) {
  qntx_embed_model *model = NULL;
  const qntx_embed_model_options options = {.size = sizeof options, .queue = 10};
  WORKS(qntx_embed_model_open, str(TINY), &options, &model);
  qntx_embed_call *large = NULL, *more = UNTOUCHED;
  WORKS(qntx_embed_call_start, model, long_texts(4000), 4000, NULL, NULL, 0, &large);
  REFUSED(QNTX_EMBED_STATUS_OVERLOADED, "try again later", qntx_embed_call_start, model, long_texts(1), 1, NULL, NULL, 0, &more);
  CHECK(more == NULL);
  qntx_embed_call_free(large);
  qntx_embed_call_free(start(model, "a text", NULL, 0));
  qntx_embed_model_free(model);
}

static void model_queue_and_calls_may_be_freed_in_any_order(void) {
  for (int order = 0; order < 4; order++) {
    qntx_embed_model *model = open_model(TINY);
    qntx_embed_completions *completions = new_completions();
    qntx_embed_call *call = NULL;
    WORKS(qntx_embed_call_start, model, long_texts(20), 20, NULL, completions, 1, &call);
    if (order & 1) qntx_embed_model_free(model);
    if (order & 2) qntx_embed_completions_free(completions);
    float vectors[20 * DIMENSIONS];
    WORKS(qntx_embed_call_wait, call, vectors, 20 * DIMENSIONS, NULL);
    qntx_embed_call_free(call);
    if (!(order & 2)) qntx_embed_completions_free(completions);
    if (!(order & 1)) qntx_embed_model_free(model);
  }
}

// ---- Threads

typedef struct {
  const qntx_embed_model *model;
  const qntx_embed_completions *completions;
  const qntx_embed_call *call;
  size_t taken;
} shared;

static void *wait_for_it(void *argument) {
  const shared *all = argument;
  float vectors[200 * DIMENSIONS];
  if (qntx_embed_call_wait(all->call, vectors, 200 * DIMENSIONS, NULL, NULL) != QNTX_EMBED_STATUS_OK) return NULL;
  return argument;
}

static void many_threads_may_wait_for_one_call(void) {
  shared all = {.model = open_model(TINY)};
  qntx_embed_call *call = NULL;
  WORKS(qntx_embed_call_start, all.model, long_texts(200), 200, NULL, NULL, 0, &call);
  all.call = call;
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) REQUIRE(pthread_create(&threads[i], NULL, wait_for_it, &all) == 0);
  for (int i = 0; i < 8; i++) {
    void *result = NULL;
    pthread_join(threads[i], &result);
    CHECK(result == &all);
  }
  qntx_embed_call_free(call);
  qntx_embed_model_free((qntx_embed_model *)(uintptr_t)all.model);
}

static void *start_and_free(void *argument) {
  shared *all = argument;
  for (int i = 0; i < 100; i++) {
    qntx_embed_call *call = start(all->model, "a text", all->completions, 1);
    if (i % 2 == 0) {
      float vector[DIMENSIONS];
      WORKS(qntx_embed_call_wait, call, vector, DIMENSIONS, NULL);
    }
    uint64_t tags[3];
    if (i % 5 == 0) all->taken += qntx_embed_completions_take(all->completions, tags, 3);
    qntx_embed_call_free(call);
  }
  return argument;
}

static void threads_may_start_take_and_free_at_once(void) {
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_completions *completions = new_completions();
  pthread_t threads[8];
  shared all[8];
  for (int i = 0; i < 8; i++) {
    all[i] = (shared){model, completions, NULL, 0};
    REQUIRE(pthread_create(&threads[i], NULL, start_and_free, &all[i]) == 0);
  }
  for (int i = 0; i < 8; i++) {
    void *result = NULL;
    pthread_join(threads[i], &result);
    CHECK(result == &all[i]);
  }
  // All calls were freed: there is nothing to take.
  uint64_t tag = 77;
  CHECK(!readable(completions, 0) && qntx_embed_completions_take(completions, &tag, 1) == 0);
  qntx_embed_completions_free(completions);
  qntx_embed_model_free(model);
}

int main(void) {
  TEST(one_thread_has_many_calls_at_once);
  TEST(a_call_without_a_queue_is_waited_for_and_asked_again);
  TEST(nothing_that_was_lent_is_used_after_the_start);
  TEST(a_call_that_is_freed_is_cancelled_and_not_told_of);
  TEST(a_call_that_fails_is_told_of_and_says_why);
  TEST(a_full_queue_refuses_the_start);
  TEST(model_queue_and_calls_may_be_freed_in_any_order);
  TEST(many_threads_may_wait_for_one_call);
  TEST(threads_may_start_take_and_free_at_once);
  return finish();
}
