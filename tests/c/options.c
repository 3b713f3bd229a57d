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
  TEST(fewer_dimensions_are_the_leading_ones);
  TEST(a_long_text_is_refused_where_truncation_is_not_allowed);
  TEST(a_cancelled_token_ends_every_call_that_has_it);
  TEST(progress_reaches_the_number_of_texts);
  return finish();
}
