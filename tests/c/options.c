// The options of an embed call: prompts, dimensions, truncation, cancelling, progress.

#include "harness.h"

static qntx_embed_embed_options defaults(void) {
  qntx_embed_embed_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  return options;
}

static qntx_embed_model *prompts(void) {
  qntx_embed_model *model = NULL;
  WORKS(qntx_embed_model_open, str("tests/fixtures/bert-prompts-excluded"), NULL, &model);
  return model;
}

static void a_prompt_by_name_is_the_prompt_by_its_words(void) {
  qntx_embed_model *model = prompts();
  qntx_embed_model_info info;
  memset(&info, 0, sizeof info);
  info.size = sizeof info;
  WORKS(qntx_embed_model_get_info, model, &info);
  CHECK(info.default_prompt_name != NULL && info.has_modules == 1 && info.full_dimensions == info.dimensions);
  qntx_embed_embed_options named = defaults(), none = defaults();
  named.prompt_kind = QNTX_EMBED_PROMPT_NAMED;
  named.prompt = str(info.default_prompt_name);
  none.prompt_kind = QNTX_EMBED_PROMPT_TEXT;
  float by_default[32], by_name[32], without[32];
  WORKS(qntx_embed_embed, model, str("the pump is failing"), NULL, by_default, 32, NULL);
  WORKS(qntx_embed_embed, model, str("the pump is failing"), &named, by_name, 32, NULL);
  WORKS(qntx_embed_embed, model, str("the pump is failing"), &none, without, 32, NULL);
  CHECK(memcmp(by_default, by_name, sizeof by_name) == 0);
  CHECK(memcmp(by_default, without, sizeof without) != 0);
  named.prompt = str("nonsense");
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "nonsense", qntx_embed_embed, model, str("x"), &named, without, 32, NULL);
  named.prompt_kind = QNTX_EMBED_PROMPT_DEFAULT;
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "prompt_kind", qntx_embed_embed, model, str("x"), &named, without, 32, NULL);
  qntx_embed_model_free(model);
}

static void the_prompts_are_those_of_the_directory(void) {
  qntx_embed_model *model = open_model("tests/fixtures/tiny-prompts");
  static const char *const names[] = {"document", "passage", "query"}, *const texts[] = {"", "passage: ", "query: "};
  size_t count = 0;
  const qntx_embed_prompt *list = qntx_embed_model_prompts(model, &count);
  REQUIRE(list != NULL && count == 3);
  for (size_t i = 0; i < count; i++) CHECK(is(list[i].name, names[i]) && is(list[i].text, texts[i]));
  CHECK(qntx_embed_model_prompts(model, NULL) == list);
  // What the list says is what its name stands for.
  qntx_embed_embed_options named = defaults(), words = defaults();
  named.prompt_kind = QNTX_EMBED_PROMPT_NAMED;
  words.prompt_kind = QNTX_EMBED_PROMPT_TEXT;
  for (size_t i = 0; i < count; i++) {
    float by_name[32], by_words[32];
    named.prompt = list[i].name;
    words.prompt = list[i].text;
    WORKS(qntx_embed_embed, model, str("the pump"), &named, by_name, 32, NULL);
    WORKS(qntx_embed_embed, model, str("the pump"), &words, by_words, 32, NULL);
    CHECK(memcmp(by_name, by_words, sizeof by_name) == 0);
  }
  qntx_embed_model_free(model);
}

static void a_cache_gives_the_same_vector_and_counts(void) {
  const qntx_embed_model_options options = {.size = sizeof options, .cache_bytes = 1 << 20};
  qntx_embed_model *model = NULL, *plain = open_model(TINY);
  WORKS(qntx_embed_model_open, str(TINY), &options, &model);
  float wanted[32], found[32];
  qntx_embed_text_info wanted_info, info;
  WORKS(qntx_embed_embed, plain, str("the pump"), NULL, wanted, 32, &wanted_info);
  for (int i = 0; i < 3; i++) {
    WORKS(qntx_embed_embed, model, str("the pump"), NULL, found, 32, &info);
    CHECK(memcmp(wanted, found, sizeof found) == 0 && memcmp(&wanted_info, &info, sizeof info) == 0);
  }
  struct {
    qntx_embed_model_stats known;
    size_t unknown;
  } stats = {.known = {.size = sizeof stats}, .unknown = 7};
  WORKS(qntx_embed_model_get_stats, model, &stats.known);
  CHECK(stats.known.cache_hits == 2 && stats.known.cache_misses == 1 && stats.known.cache_entries == 1);
  CHECK(stats.known.cache_bytes > 32 * sizeof(float) && stats.known.cache_bytes < 1 << 20);
  CHECK(stats.known.size == sizeof stats.known && stats.unknown == 7);
  WORKS(qntx_embed_model_get_stats, plain, &stats.known);
  CHECK(stats.known.cache_hits == 0 && stats.known.cache_misses == 0 && stats.known.cache_bytes == 0);
  qntx_embed_model_free(plain);
  qntx_embed_model_free(model);
}

static void stats_have_no_place_in_null_or_another_structure(void) {
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_model_stats stats = {.size = sizeof stats};
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "model", qntx_embed_model_get_stats, NULL, &stats);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "stats", qntx_embed_model_get_stats, model, NULL);
  const size_t sizes[] = {0, sizeof(size_t), sizeof stats - 1, SIZE_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    stats.size = sizes[i];
    REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "stats.size", qntx_embed_model_get_stats, model, &stats);
  }
  qntx_embed_model_free(model);
}

static void fewer_dimensions_are_the_leading_ones(void) {
  qntx_embed_model *model = prompts();
  qntx_embed_embed_options options = defaults();
  options.dimensions = 8;
  float all[32], some[8], similarity = 0;
  WORKS(qntx_embed_embed, model, str("the pump"), NULL, all, 32, NULL);
  WORKS(qntx_embed_embed, model, str("the pump"), &options, some, 8, NULL);
  WORKS(qntx_embed_similarity, all, some, 8, &similarity);
  CHECK(similarity > 0.99999f);
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "8", qntx_embed_embed, model, str("x"), &options, all, 32, NULL);
  options.dimensions = 33;
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "33", qntx_embed_embed, model, str("x"), &options, all, 33, NULL);
  qntx_embed_model_free(model);
}

static void a_long_text_is_refused_where_truncation_is_not_allowed(void) {
  qntx_embed_model *model = prompts();
  qntx_embed_embed_options options = defaults();
  char text[1000];
  memset(text, 0, sizeof text);
  for (size_t i = 0; i + 2 < sizeof text; i += 2) memcpy(text + i, "! ", 2);
  float left[32], right[32];
  options.truncate = QNTX_EMBED_TRUNCATE_ERROR;
  REFUSED(QNTX_EMBED_STATUS_TOO_LONG, "tokens", qntx_embed_embed, model, str(text), &options, left, 32, NULL);
  options.truncate = QNTX_EMBED_TRUNCATE_LEFT;
  WORKS(qntx_embed_embed, model, str(text), &options, left, 32, NULL);
  options.truncate = QNTX_EMBED_TRUNCATE_RIGHT;
  WORKS(qntx_embed_embed, model, str(text), &options, right, 32, NULL);
  options.truncate = 4;
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "truncate", qntx_embed_embed, model, str("x"), &options, left, 32, NULL);
  qntx_embed_model_free(model);
}

static void a_cancelled_token_ends_every_call_that_has_it(void) {
  qntx_embed_model *model = prompts();
  qntx_embed_cancel *cancel = NULL;
  WORKS(qntx_embed_cancel_new, &cancel);
  qntx_embed_embed_options options = defaults();
  options.cancel = cancel;
  float vector[32];
  WORKS(qntx_embed_embed, model, str("before"), &options, vector, 32, NULL);
  qntx_embed_cancel_now(cancel);
  qntx_embed_cancel_now(cancel);
  REFUSED(QNTX_EMBED_STATUS_CANCELLED, "cancelled", qntx_embed_embed, model, str("after"), &options, vector, 32, NULL);
  qntx_embed_cancel_free(cancel);
  qntx_embed_cancel_now(NULL);
  qntx_embed_cancel_free(NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "cancel", qntx_embed_cancel_new, NULL);
  qntx_embed_model_free(model);
}

static void count(void *context, size_t done, size_t total) {
  size_t *last = (size_t *)context;
  CHECK(done > *last && done <= total && total == 3);
  *last = done;
}

static void progress_reaches_the_number_of_texts(void) {
  qntx_embed_model *model = prompts();
  qntx_embed_embed_options options = defaults();
  size_t last = 0;
  options.progress = count;
  options.progress_context = &last;
  qntx_embed_str texts[3] = {str("a"), str("b"), str("c")};
  float vectors[96];
  WORKS(qntx_embed_embed_batch, model, texts, 3, &options, vectors, 96, NULL);
  CHECK(last == 3);
  qntx_embed_model_free(model);
}

int main(void) {
  TEST(a_prompt_by_name_is_the_prompt_by_its_words);
  TEST(the_prompts_are_those_of_the_directory);
  TEST(a_cache_gives_the_same_vector_and_counts);
  TEST(stats_have_no_place_in_null_or_another_structure);
  TEST(fewer_dimensions_are_the_leading_ones);
  TEST(a_long_text_is_refused_where_truncation_is_not_allowed);
  TEST(a_cancelled_token_ends_every_call_that_has_it);
  TEST(progress_reaches_the_number_of_texts);
  return finish();
}
