// ONNX Runtime: what is said where it is not found, and that a later call may succeed.
//
// A process loads it once, so these tests are one story: their order matters.

#include "harness.h"

static void check_open_refused(const char *library, qntx_embed_status status, const char *word) {
  const qntx_embed_model_options options = {.size = sizeof options, .onnxruntime = str(library)};
  qntx_embed_model *model = UNTOUCHED;
  REFUSED(status, word, qntx_embed_model_open, str(TINY), &options, &model);
  CHECK(model == NULL);
}

static void a_library_that_is_not_there_is_not_found_and_named(void) {
  check_open_refused("/does/not/exist.so", QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND, "/does/not/exist.so");
}

static void a_directory_without_the_library_is_not_found_and_named(void) {
  check_open_refused(TINY, QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND, TINY);
}

static void a_file_that_is_no_library_is_not_found_and_named(void) {
  check_open_refused(TINY "/config.json", QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND, TINY "/config.json");
}

static void another_library_is_not_found_and_named(void) {
#ifdef __APPLE__
  check_open_refused("/usr/lib/libSystem.dylib", QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND, "libSystem");
#else
  check_open_refused("libm.so.6", QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND, "libm.so.6");
#endif
}

static void a_wrong_environment_variable_is_not_found_and_named(void) {
  static char before[4096];
  const char *value = getenv("QNTX_EMBED_ONNXRUNTIME");
  snprintf(before, sizeof before, "%s", value == NULL ? "" : value);
  REQUIRE(setenv("QNTX_EMBED_ONNXRUNTIME", "/from/the/environment.so", 1) == 0);
  qntx_embed_model *model = UNTOUCHED;
  REFUSED(QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND, "/from/the/environment.so", qntx_embed_model_open, str(TINY), NULL,
          &model);
  CHECK(model == NULL);
  // The options come before the environment.
  check_open_refused("/from/the/options.so", QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND, "/from/the/options.so");
  REQUIRE((value == NULL ? unsetenv("QNTX_EMBED_ONNXRUNTIME") : setenv("QNTX_EMBED_ONNXRUNTIME", before, 1)) == 0);
}

static void stores_and_blobs_need_no_runtime(void) {
  const float vector[] = {1, 2};
  qntx_embed_store *store = NULL;
  qntx_embed_blob blob;
  WORKS(qntx_embed_store_open, str(":memory:"), NULL, &store);
  WORKS(qntx_embed_blob_serialize, vector, 2, &blob);
  qntx_embed_blob_free(&blob);
  qntx_embed_store_free(store);
}

static void after_all_failures_the_right_library_is_found(void) {
  qntx_embed_model *model = open_model(TINY);
  free(embed(model, str("text")));
  qntx_embed_model_free(model);
}

static void a_process_that_has_one_refuses_another(void) {
  check_open_refused("/does/not/exist.so", QNTX_EMBED_STATUS_INVALID_ARGUMENT, "/does/not/exist.so");
  qntx_embed_model_free(open_model(TINY));
}

int main(void) {
  TEST(a_library_that_is_not_there_is_not_found_and_named);
  TEST(a_directory_without_the_library_is_not_found_and_named);
  TEST(a_file_that_is_no_library_is_not_found_and_named);
  TEST(another_library_is_not_found_and_named);
  TEST(a_wrong_environment_variable_is_not_found_and_named);
  TEST(stores_and_blobs_need_no_runtime);
  TEST(after_all_failures_the_right_library_is_found);
  TEST(a_process_that_has_one_refuses_another);
  return finish();
}
