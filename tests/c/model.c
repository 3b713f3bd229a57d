// Models: opening, what they say of themselves, embedding; and what is refused.

#include "harness.h"

#include <errno.h>
#include <fcntl.h>

static const char *model_directory = "models/all-MiniLM-L6-v2";

// Whether two vectors are of the same text. The tiny model knows no words: its texts differ by how many they have.
static bool alike(const float *a, const float *b, size_t dimensions) { return cosine(a, b, dimensions) > 0.999999; }

// ---- Information

static void the_model_says_what_it_is(void) {
  qntx_embed_model *model = open_model(model_directory);
  const qntx_embed_model_info info = info_of(model);
  const char *slash = strrchr(model_directory, '/');
  CHECK_SAYS(strcmp(info.name, slash == NULL ? model_directory : slash + 1) == 0, "name: %s", info.name);
  CHECK(info.dimensions == 384);
  CHECK(info.max_tokens == 256);
  CHECK(strlen(info.fingerprint) == 64 && strspn(info.fingerprint, "0123456789abcdef") == 64);
  CHECK_SAYS(strncmp(info.onnxruntime, "1.", 2) == 0, "onnxruntime: %s", info.onnxruntime);
  qntx_embed_model_free(model);
}

static void the_name_is_that_of_the_directory_however_it_is_written(void) {
  static const char *const ways[] = {TINY, TINY "/", TINY "/.", "./" TINY, TINY "/1_Pooling/.."};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    qntx_embed_model *model = open_model(ways[i]);
    CHECK_SAYS(strcmp(info_of(model).name, "tiny-mean") == 0, "%s: %s", ways[i], info_of(model).name);
    qntx_embed_model_free(model);
  }
}

static void equal_files_have_equal_fingerprints_and_others_not(void) {
  const path copy = tiny_copy("fingerprint");
  qntx_embed_model *original = open_model(TINY), *copied = open_model(copy.text);
  CHECK(strcmp(info_of(original).fingerprint, info_of(copied).fingerprint) == 0);
  qntx_embed_model_free(copied);

  size_t len;
  const path weights = join(copy.text, "model.safetensors");
  char *bytes = read_file(weights.text, &len);
  bytes[len - 200] ^= 1;
  write_file(weights.text, bytes, len);
  free(bytes);
  copied = open_model(copy.text);
  CHECK(strcmp(info_of(original).fingerprint, info_of(copied).fingerprint) != 0);
  qntx_embed_model_free(copied);
  qntx_embed_model_free(original);
}

static void an_info_of_another_size_than_a_structure_has_is_refused(void) {
  qntx_embed_model *model = open_model(TINY);
  const size_t sizes[] = {0, 4, sizeof(size_t), sizeof(qntx_embed_model_info) - 1, 1 << 20, SIZE_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    qntx_embed_model_info info = {.size = sizes[i], .name = UNTOUCHED, .dimensions = 77};
    REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "info.size", qntx_embed_model_get_info, model, &info);
    CHECK(info.size == sizes[i] && (const void *)info.name == UNTOUCHED && info.dimensions == 77);
  }
  qntx_embed_model_free(model);
}

static void an_info_of_a_newer_header_is_filled_as_far_as_it_is_known(void) {
  struct {
    qntx_embed_model_info known;
    size_t unknown[4];
  } info = {.known = {.size = sizeof info}, .unknown = {7, 7, 7, 7}};
  qntx_embed_model *model = open_model(TINY);
  WORKS(qntx_embed_model_get_info, model, &info.known);
  CHECK(info.known.dimensions == 32 && info.known.max_tokens == 48);
  CHECK(strcmp(info.known.name, "tiny-mean") == 0);
  for (int i = 0; i < 4; i++) CHECK(info.unknown[i] == 7);
  WORKS(qntx_embed_model_get_info, model, &info.known);
  qntx_embed_model_free(model);
}

static void the_texts_of_an_info_live_as_long_as_the_model(void) {
  qntx_embed_model *model = open_model(TINY);
  const qntx_embed_model_info first = info_of(model);
  char fingerprint[65];
  strcpy(fingerprint, first.fingerprint);
  for (int i = 0; i < 10; i++) {
    float *vector = embed(model, str("whatever"));
    free(vector);
    info_of(model);
  }
  CHECK(strcmp(first.name, "tiny-mean") == 0 && strcmp(first.fingerprint, fingerprint) == 0);
  qntx_embed_model_free(model);
}

// ---- Options

static void check_opens_as_without_options(const qntx_embed_model_options *options) {
  qntx_embed_model *model = NULL, *plain = open_model(TINY);
  WORKS(qntx_embed_model_open, str(TINY), options, &model);
  const qntx_embed_model_info a = info_of(model), b = info_of(plain);
  CHECK(strcmp(a.fingerprint, b.fingerprint) == 0 && a.max_tokens == b.max_tokens && a.dimensions == b.dimensions);
  qntx_embed_model_free(plain);
  qntx_embed_model_free(model);
}

static void options_of_zeros_are_no_options(void) {
  const qntx_embed_model_options options = {.size = sizeof options};
  check_opens_as_without_options(&options);
}

static void options_of_an_older_header_are_taken(void) {
  // Only `size`: what the first version of a structure could be. The rest must not be looked at.
  const qntx_embed_model_options options = {.size = sizeof(size_t), .max_tokens = 99999, .format = 99};
  check_opens_as_without_options(&options);
}

static void options_of_a_newer_header_are_taken_where_they_set_nothing_new(void) {
  struct {
    qntx_embed_model_options known;
    size_t unknown[4];
  } options = {.known = {.size = sizeof options}};
  check_opens_as_without_options(&options.known);

  qntx_embed_model *model = UNTOUCHED;
  options.unknown[3] = 1;
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "options", qntx_embed_model_open, str(TINY), &options.known, &model);
  CHECK(model == NULL);
}

static void options_of_an_impossible_size_are_refused(void) {
  const size_t sizes[] = {0, 4, sizeof(size_t) - 1, 1 << 20, SIZE_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const qntx_embed_model_options options = {.size = sizes[i]};
    qntx_embed_model *model = UNTOUCHED;
    REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "options.size", qntx_embed_model_open, str(TINY), &options, &model);
    CHECK(model == NULL);
  }
}

static void check_options_refused(qntx_embed_model_options options, qntx_embed_status status, const char *word) {
  qntx_embed_model *model = UNTOUCHED;
  options.size = sizeof options;
  REFUSED(status, word, qntx_embed_model_open, str(TINY), &options, &model);
  CHECK(model == NULL);
}

static void options_that_make_no_sense_are_refused(void) {
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT;
  check_options_refused((qntx_embed_model_options){.format = 3}, invalid, "format");
  check_options_refused((qntx_embed_model_options){.format = UINT32_MAX}, invalid, "format");
  check_options_refused((qntx_embed_model_options){.require_manifest = 2}, invalid, "require_manifest");
  check_options_refused((qntx_embed_model_options){.reserved = 1}, invalid, "reserved");
  check_options_refused((qntx_embed_model_options){.max_tokens = 1}, invalid, "max_tokens");
  check_options_refused((qntx_embed_model_options){.max_tokens = 65}, invalid, "max_tokens");  // it has 64 positions
  check_options_refused((qntx_embed_model_options){.max_tokens = SIZE_MAX}, invalid, "max_tokens");
  check_options_refused((qntx_embed_model_options){.threads = 1 << 20}, invalid, "threads");
  check_options_refused((qntx_embed_model_options){.threads = SIZE_MAX}, invalid, "threads");
  check_options_refused((qntx_embed_model_options){.onnxruntime = {NULL, 3}}, invalid, "onnxruntime");
  check_options_refused((qntx_embed_model_options){.onnxruntime = not_utf8[0]}, QNTX_EMBED_STATUS_INVALID_UTF8,
                        "onnxruntime");
}

static void a_format_that_the_directory_does_not_have_is_not_found(void) {
  check_options_refused((qntx_embed_model_options){.format = QNTX_EMBED_FORMAT_ONNX}, QNTX_EMBED_STATUS_MODEL_NOT_FOUND,
                        "model.onnx");
  const path copy = tiny_copy("no-weights");
  REQUIRE(remove(join(copy.text, "model.safetensors").text) == 0);
  const qntx_embed_model_options options = {.size = sizeof options, .format = QNTX_EMBED_FORMAT_SAFETENSORS};
  qntx_embed_model *model = UNTOUCHED;
  REFUSED(QNTX_EMBED_STATUS_MODEL_NOT_FOUND, "model.safetensors", qntx_embed_model_open, str(copy.text), &options,
          &model);
  CHECK(model == NULL);
}

static void an_onnx_file_is_run_where_it_is_asked_for_or_all_there_is(void) {
  qntx_embed_model *model = open_model("tests/fixtures/tiny-mean-onnx"), *asked = NULL;
  const qntx_embed_model_options options = {.size = sizeof options, .format = QNTX_EMBED_FORMAT_ONNX};
  WORKS(qntx_embed_model_open, str("tests/fixtures/tiny-mean-onnx"), &options, &asked);
  const qntx_embed_model_info info = info_of(model), asked_info = info_of(asked);
  REQUIRE(info.dimensions == asked_info.dimensions);
  float *a = embed(model, str("one two")), *b = embed(asked, str("one two"));
  CHECK(alike(a, b, info.dimensions) && strcmp(info.fingerprint, asked_info.fingerprint) == 0);
  free(b);
  free(a);
  qntx_embed_model_free(asked);
  qntx_embed_model_free(model);
}

static void texts_are_cut_to_the_tokens_of_the_options(void) {
  const qntx_embed_model_options options = {.size = sizeof options, .max_tokens = 5};
  qntx_embed_model *model = NULL;
  WORKS(qntx_embed_model_open, str(TINY), &options, &model);
  CHECK(info_of(model).max_tokens == 5);
  float vector[32];
  qntx_embed_text_info info;
  WORKS(qntx_embed_embed, model, str("! ! !"), NULL, vector, 32, &info);
  CHECK(info.tokens == 5 && info.full_tokens == 5 && info.truncated == 0);
  WORKS(qntx_embed_embed, model, str("! ! ! !"), NULL, vector, 32, &info);
  CHECK(info.tokens == 5 && info.full_tokens == 6 && info.truncated == 1);
  qntx_embed_model_free(model);
}

static void any_number_of_threads_gives_the_same_vectors(void) {
  const size_t numbers[] = {1, 2, 7};
  qntx_embed_model *plain = open_model(TINY);
  float *wanted = embed(plain, str("The orchard tested a bowl of cold soup."));
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    const qntx_embed_model_options options = {.size = sizeof options, .threads = numbers[i]};
    qntx_embed_model *model = NULL;
    WORKS(qntx_embed_model_open, str(TINY), &options, &model);
    float *found = embed(model, str("The orchard tested a bowl of cold soup."));
    CHECK(alike(wanted, found, 32));
    free(found);
    qntx_embed_model_free(model);
  }
  free(wanted);
  qntx_embed_model_free(plain);
}

// ---- Embedding

static void a_vector_fills_its_buffer_and_no_more(void) {
  qntx_embed_model *model = open_model(TINY);
  float buffer[1 + 2 * 32 + 1];
  for (int i = 0; i < 66; i++) buffer[i] = 77;
  WORKS(qntx_embed_embed, model, str("one"), NULL, buffer + 1, 32, NULL);
  CHECK(buffer[0] == 77 && buffer[33] == 77);
  for (int i = 1; i <= 32; i++) CHECK(buffer[i] != 77 && isfinite(buffer[i]));

  const qntx_embed_str texts[] = {str("one"), str("two")};
  qntx_embed_text_info infos[] = {{77, 77, 77}, {77, 77, 77}, {77, 77, 77}};
  WORKS(qntx_embed_embed_batch, model, texts, 2, NULL, buffer + 1, 64, infos);
  CHECK(buffer[0] == 77 && buffer[65] == 77);
  CHECK(infos[0].truncated == 0 && infos[1].truncated == 0 && infos[2].truncated == 77);
  qntx_embed_model_free(model);
}

static void a_buffer_of_another_length_is_refused(void) {
  qntx_embed_model *model = open_model(TINY);
  const qntx_embed_str texts[] = {str("one"), str("two")};
  float buffer[100];
  const size_t wrong_for_one[] = {0, 1, 31, 33, 64, SIZE_MAX};
  const size_t wrong_for_two[] = {0, 2, 32, 63, 65, 96, SIZE_MAX};
  for (size_t i = 0; i < sizeof wrong_for_one / sizeof(size_t); i++)
    REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "32", qntx_embed_embed, model, texts[0], NULL, buffer, wrong_for_one[i], NULL);
  for (size_t i = 0; i < sizeof wrong_for_two / sizeof(size_t); i++)
    REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "32", qntx_embed_embed_batch, model, texts, 2, NULL, buffer, wrong_for_two[i],
            NULL);
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "", qntx_embed_embed_batch, model, NULL, 0, NULL, buffer, 32, NULL);
  qntx_embed_model_free(model);
}

static void no_texts_give_no_vectors(void) {
  qntx_embed_model *model = open_model(TINY);
  float buffer = 77;
  qntx_embed_text_info info = {77, 77, 77};
  WORKS(qntx_embed_embed_batch, model, NULL, 0, NULL, NULL, 0, NULL);
  WORKS(qntx_embed_embed_batch, model, (const qntx_embed_str[]){str("x")}, 0, NULL, &buffer, 0, &info);
  CHECK(buffer == 77 && info.tokens == 77);
  qntx_embed_model_free(model);
}

static void the_empty_text_is_a_text(void) {
  qntx_embed_model *model = open_model(TINY);
  float null[32], empty[32], other[32];
  qntx_embed_text_info info;
  WORKS(qntx_embed_embed, model, ((qntx_embed_str){NULL, 0}), NULL, null, 32, &info);
  CHECK(info.tokens == 2 && info.full_tokens == 2 && info.truncated == 0);
  WORKS(qntx_embed_embed, model, str(""), NULL, empty, 32, NULL);
  WORKS(qntx_embed_embed, model, str("x"), NULL, other, 32, NULL);
  CHECK(alike(null, empty, 32) && !alike(null, other, 32));
  qntx_embed_model_free(model);
}

static void a_text_ends_where_its_length_says(void) {
  qntx_embed_model *model = open_model(TINY);
  // No byte follows: a reader of C strings would run on, and valgrind or a sanitizer would see it.
  char *unterminated = malloc(3);
  REQUIRE(unterminated != NULL);
  memcpy(unterminated, "cat", 3);
  float *cut = embed(model, (qntx_embed_str){unterminated, 3});
  float *within = embed(model, (qntx_embed_str){"cat and dog", 3});
  float *wanted = embed(model, str("cat")), *whole = embed(model, str("cat and dog"));
  CHECK(alike(cut, wanted, 32) && alike(within, wanted, 32) && !alike(whole, wanted, 32));
  free(whole);
  free(wanted);
  free(within);
  free(cut);
  free(unterminated);
  qntx_embed_model_free(model);
}

static void a_nul_byte_does_not_end_a_text(void) {
  qntx_embed_model *model = open_model(model_directory);
  const size_t dimensions = info_of(model).dimensions;
  float *cut = embed(model, str("cat")), *whole = embed(model, BYTES("cat\0 and an unrelated sentence about bread"));
  CHECK(cosine(cut, whole, dimensions) < 0.9);
  free(whole);
  free(cut);
  qntx_embed_model_free(model);
}

static void invalid_utf8_is_refused(void) {
  qntx_embed_model *model = open_model(TINY);
  float buffer[96];
  for (size_t i = 0; i < NOT_UTF8; i++) {
    const qntx_embed_str texts[] = {str("good"), not_utf8[i], str("good")};
    qntx_embed_model *other = UNTOUCHED;
    REFUSED(QNTX_EMBED_STATUS_INVALID_UTF8, "UTF-8", qntx_embed_embed, model, not_utf8[i], NULL, buffer, 32, NULL);
    REFUSED(QNTX_EMBED_STATUS_INVALID_UTF8, "text 1", qntx_embed_embed_batch, model, texts, 3, NULL, buffer, 96, NULL);
    REFUSED(QNTX_EMBED_STATUS_INVALID_UTF8, "directory", qntx_embed_model_open, not_utf8[i], NULL, &other);
    CHECK(other == NULL);
  }
  qntx_embed_model_free(model);
}

static void null_is_refused_where_something_is_needed(void) {
  const qntx_embed_status invalid = QNTX_EMBED_STATUS_INVALID_ARGUMENT;
  const qntx_embed_str null_text = {NULL, 3};
  qntx_embed_model *model = open_model(TINY), *other = UNTOUCHED;
  qntx_embed_model_info info = {.size = sizeof info};
  const qntx_embed_str texts[] = {str("good"), null_text};
  float buffer[64];

  REFUSED(invalid, "directory", qntx_embed_model_open, null_text, NULL, &other);
  CHECK(other == NULL);
  REFUSED(invalid, "model", qntx_embed_model_open, str(TINY), NULL, NULL);

  REFUSED(invalid, "model", qntx_embed_model_get_info, NULL, &info);
  REFUSED(invalid, "info", qntx_embed_model_get_info, model, NULL);

  REFUSED(invalid, "model", qntx_embed_embed, NULL, texts[0], NULL, buffer, 32, NULL);
  REFUSED(invalid, "text", qntx_embed_embed, model, null_text, NULL, buffer, 32, NULL);
  REFUSED(invalid, "vector", qntx_embed_embed, model, texts[0], NULL, NULL, 32, NULL);

  REFUSED(invalid, "model", qntx_embed_embed_batch, NULL, texts, 2, NULL, buffer, 64, NULL);
  REFUSED(invalid, "texts", qntx_embed_embed_batch, model, NULL, 2, NULL, buffer, 64, NULL);
  REFUSED(invalid, "text 1", qntx_embed_embed_batch, model, texts, 2, NULL, buffer, 64, NULL);
  REFUSED(invalid, "vectors", qntx_embed_embed_batch, model, texts, 1, NULL, NULL, 32, NULL);
  qntx_embed_model_free(model);
}

static void a_length_beyond_memory_is_refused(void) {
  qntx_embed_model *model = open_model(TINY);
  const qntx_embed_str text = str("x"), endless = {"x", SIZE_MAX};
  float buffer[32];
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "text", qntx_embed_embed, model, endless, NULL, buffer, 32, NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "texts", qntx_embed_embed_batch, model, &text, SIZE_MAX, NULL, buffer, 32,
          NULL);
  // Times 16 bytes for each text it is 16, times 32 floats it is 32.
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "texts", qntx_embed_embed_batch, model, &text, SIZE_MAX / 16 + 2, NULL, buffer,
          32, NULL);
  qntx_embed_model_free(model);
}

static void a_batch_keeps_the_order_of_its_texts(void) {
  enum { COUNT = 40 };
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_str texts[COUNT];
  char long_text[COUNT * 8];
  float vectors[COUNT * 32], alone[32];
  qntx_embed_text_info infos[COUNT], info;
  // Long and short ones in turn, so that sorting by length moves all of them; some come twice, two are empty.
  for (size_t i = 0; i < sizeof long_text; i++) long_text[i] = "abcdefg "[i % 8];
  for (size_t i = 0; i < COUNT; i++) texts[i] = (qntx_embed_str){long_text, i % 20 * (i % 2 == 0 ? 8 : 1)};
  WORKS(qntx_embed_embed_batch, model, texts, COUNT, NULL, vectors, COUNT * 32, infos);
  for (size_t i = 0; i < COUNT; i++) {
    WORKS(qntx_embed_embed, model, texts[i], NULL, alone, 32, &info);
    CHECK_SAYS(alike(alone, vectors + i * 32, 32), "text %zu is not that of its place", i);
    CHECK(infos[i].tokens == info.tokens && infos[i].full_tokens == info.full_tokens &&
          infos[i].truncated == info.truncated);
  }
  qntx_embed_model_free(model);
}

static void nothing_that_is_passed_in_is_kept(void) {
  qntx_embed_model *model = NULL;
  char *directory = malloc(sizeof TINY);
  qntx_embed_model_options *options = calloc(1, sizeof *options);
  REQUIRE(directory != NULL && options != NULL);
  memcpy(directory, TINY, sizeof TINY);
  options->size = sizeof *options;
  WORKS(qntx_embed_model_open, ((qntx_embed_str){directory, sizeof TINY - 1}), options, &model);
  memset(directory, '?', sizeof TINY);
  memset(options, 0xff, sizeof *options);
  free(options);
  free(directory);

  char text[] = "first";  // five letters, one word
  float first[32], second[32], wanted[32];
  WORKS(qntx_embed_embed, model, str(text), NULL, first, 32, NULL);
  memcpy(text, "a b c", 5);
  WORKS(qntx_embed_embed, model, str(text), NULL, second, 32, NULL);
  WORKS(qntx_embed_embed, model, str("a b c"), NULL, wanted, 32, NULL);
  CHECK(!alike(first, second, 32) && alike(second, wanted, 32));
  CHECK(strcmp(info_of(model).name, "tiny-mean") == 0);
  qntx_embed_model_free(model);
}

// ---- Directories that are wrong

static void check_open_refused(const char *directory, qntx_embed_status status, const char *word) {
  qntx_embed_model *model = UNTOUCHED;
  REFUSED(status, word, qntx_embed_model_open, str(directory), NULL, &model);
  CHECK(model == NULL);
}

static void a_wrong_path_is_not_found_and_named(void) {
  const qntx_embed_status not_found = QNTX_EMBED_STATUS_MODEL_NOT_FOUND;
  check_open_refused("/does/not/exist", not_found, "/does/not/exist");
  check_open_refused("", not_found, "''");
  check_open_refused(TINY "/config.json", not_found, TINY "/config.json");
  check_open_refused(TINY "/config.json/x", not_found, TINY "/config.json/x");
  check_open_refused("tests", not_found, "config.json");

  qntx_embed_model *model = UNTOUCHED;
  REFUSED(not_found, TINY, qntx_embed_model_open, BYTES(TINY "\0/x"), NULL, &model);
  CHECK(model == NULL);
}

static void a_missing_file_is_not_found_and_named(void) {
  static const char *const needed[] = {"config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"};
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
    const path copy = tiny_copy("missing");
    REQUIRE(remove(join(copy.text, needed[i]).text) == 0);
    check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_NOT_FOUND, needed[i]);
  }
}

static void a_damaged_file_is_invalid_and_named(void) {
  static const char *const needed[] = {"config.json",          "tokenizer.json",        "modules.json",
                                       "tokenizer_config.json", "1_Pooling/config.json", "sentence_bert_config.json"};
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
    const path copy = tiny_copy("damaged");
    const path file = join(copy.text, needed[i]);
    size_t len;
    char *bytes = read_file(file.text, &len);
    write_file(file.text, bytes, len / 2);
    check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_INVALID, needed[i]);
    write_file(file.text, "", 0);
    check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_INVALID, needed[i]);
    bytes[len / 3] = '\xff';
    write_file(file.text, bytes, len);
    check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_INVALID, needed[i]);
    free(bytes);
  }
}

static void truncated_weights_are_invalid_wherever_they_are_cut(void) {
  const path copy = tiny_copy("truncated");
  const path file = join(copy.text, "model.safetensors");
  size_t len;
  char *bytes = read_file(file.text, &len);
  const size_t cuts[] = {0, 1, 7, 8, 9, 100, 3975, 3976, 3977, 4000, len / 2, len - 1024, len - 1};
  for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
    write_file(file.text, bytes, cuts[i]);
    check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_INVALID, "model.safetensors");
  }
  write_file(file.text, bytes, len - 1024);
  check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_INVALID, "1024 bytes shorter");
  write_file(file.text, bytes, len);
  free(bytes);
  qntx_embed_model_free(open_model(copy.text));
}

static void weights_with_a_damaged_header_are_invalid(void) {
  const path copy = tiny_copy("damaged-header");
  const path file = join(copy.text, "model.safetensors");
  size_t len;
  char *bytes = read_file(file.text, &len);
  // The length of the header, the first 8 bytes: shorter, longer, beyond the file, beyond memory.
  static const char lengths[][9] = {"\0\0\0\0\0\0\0\0", "\x01\0\0\0\0\0\0\0", "\x10\x0f\0\0\0\0\0\0",
                                    "\0\0\x10\0\0\0\0\0", "\xff\xff\xff\xff\xff\xff\xff\xff"};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    char *damaged = malloc(len);
    REQUIRE(damaged != NULL);
    memcpy(damaged, bytes, len);
    memcpy(damaged, lengths[i], 8);
    write_file(file.text, damaged, len);
    check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_INVALID, "model.safetensors");
    free(damaged);
  }
  // A name that nobody asks for leaves one missing that is needed.
  char *name = strstr(bytes + 8, "word_embeddings");
  REQUIRE(name != NULL);
  name[0] = 'x';
  write_file(file.text, bytes, len);
  check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_INVALID, "model.safetensors");
  free(bytes);
}

static void what_is_not_supported_is_named(void) {
  static const char recurrent[] = "[{\"idx\": 0, \"name\": \"0\", \"path\": \"\", \"type\": \"x.Transformer\"},"
                                  "{\"idx\": 1, \"name\": \"1\", \"path\": \"1_Pooling\", \"type\": \"x.LSTM\"}]";
  path copy = tiny_copy("unsupported");
  write_file(join(copy.text, "modules.json").text, recurrent, sizeof recurrent - 1);
  check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_UNSUPPORTED, "LSTM");

  copy = tiny_copy("unsupported");
  const path config = join(copy.text, "config.json");
  size_t len;
  char *bytes = read_file(config.text, &len);
  char *kind = strstr(bytes, "\"bert\"");
  REQUIRE(kind != NULL);
  memcpy(kind, "\"gptx\"", 6);
  write_file(config.text, bytes, len);
  free(bytes);
  check_open_refused(copy.text, QNTX_EMBED_STATUS_MODEL_UNSUPPORTED, "gptx");
}

static void a_directory_in_a_files_place_is_named(void) {
  const path copy = tiny_copy("directory");
  const path file = join(copy.text, "tokenizer.json");
  REQUIRE(remove(file.text) == 0 && mkdir(file.text, 0700) == 0);
  check_open_refused(copy.text, QNTX_EMBED_STATUS_IO, "tokenizer.json");
}

static void a_failure_leaves_the_library_as_it_was(void) {
  qntx_embed_model *model = open_model(TINY);
  float *before = embed(model, str("before")), refused[32];
  check_open_refused("/does/not/exist", QNTX_EMBED_STATUS_MODEL_NOT_FOUND, "");
  REFUSED(QNTX_EMBED_STATUS_INVALID_UTF8, "", qntx_embed_embed, model, not_utf8[0], NULL, refused, 32, NULL);
  float *after = embed(model, str("before"));
  CHECK(alike(before, after, 32));
  free(after);
  free(before);
  qntx_embed_model_free(model);
}

static void nothing_is_printed(void) {
  const path file = temporary("printed");
  fflush(NULL);
  const int out = dup(1), err = dup(2), to = open(file.text, O_RDWR | O_CREAT | O_TRUNC, 0600);
  REQUIRE(out >= 0 && err >= 0 && to >= 0);
  REQUIRE(dup2(to, 1) == 1 && dup2(to, 2) == 2);

  // No check of the harness in here: it would print.
  qntx_embed_model *model = NULL, *none = NULL;
  qntx_embed_store *store = NULL;
  qntx_embed_error *error = NULL;
  float vector[32];
  const qntx_embed_status opened = qntx_embed_model_open(str(TINY), NULL, &model, NULL);
  qntx_embed_embed(model, str("text"), NULL, vector, 32, NULL, NULL);
  qntx_embed_embed(model, not_utf8[0], NULL, vector, 32, NULL, NULL);
  qntx_embed_embed(model, str("text"), NULL, vector, 31, NULL, &error);
  qntx_embed_model_open(str("/does/not/exist"), NULL, &none, NULL);
  qntx_embed_store_open(str("/does/not/exist"), NULL, &store, NULL);
  qntx_embed_error_free(error);
  qntx_embed_model_free(model);

  fflush(NULL);
  const off_t printed = lseek(to, 0, SEEK_END);
  dup2(out, 1);
  dup2(err, 2);
  close(out);
  close(err);
  close(to);
  CHECK(opened == QNTX_EMBED_STATUS_OK && none == NULL && store == NULL);
  size_t len;
  char *text = read_file(file.text, &len);
  CHECK_SAYS(printed == 0, "%ld bytes were printed: %s", (long)printed, text);
  free(text);
}

int main(int argc, char **argv) {
  if (argc > 1) model_directory = argv[1];
  // First, because ONNX Runtime is loaded and started by the first model of a process.
  TEST(nothing_is_printed);
  TEST(the_model_says_what_it_is);
  TEST(the_name_is_that_of_the_directory_however_it_is_written);
  TEST(equal_files_have_equal_fingerprints_and_others_not);
  TEST(an_info_of_another_size_than_a_structure_has_is_refused);
  TEST(an_info_of_a_newer_header_is_filled_as_far_as_it_is_known);
  TEST(the_texts_of_an_info_live_as_long_as_the_model);
  TEST(options_of_zeros_are_no_options);
  TEST(options_of_an_older_header_are_taken);
  TEST(options_of_a_newer_header_are_taken_where_they_set_nothing_new);
  TEST(options_of_an_impossible_size_are_refused);
  TEST(options_that_make_no_sense_are_refused);
  TEST(a_format_that_the_directory_does_not_have_is_not_found);
  TEST(an_onnx_file_is_run_where_it_is_asked_for_or_all_there_is);
  TEST(texts_are_cut_to_the_tokens_of_the_options);
  TEST(any_number_of_threads_gives_the_same_vectors);
  TEST(a_vector_fills_its_buffer_and_no_more);
  TEST(a_buffer_of_another_length_is_refused);
  TEST(no_texts_give_no_vectors);
  TEST(the_empty_text_is_a_text);
  TEST(a_text_ends_where_its_length_says);
  TEST(a_nul_byte_does_not_end_a_text);
  TEST(invalid_utf8_is_refused);
  TEST(null_is_refused_where_something_is_needed);
  TEST(a_length_beyond_memory_is_refused);
  TEST(a_batch_keeps_the_order_of_its_texts);
  TEST(nothing_that_is_passed_in_is_kept);
  TEST(a_wrong_path_is_not_found_and_named);
  TEST(a_missing_file_is_not_found_and_named);
  TEST(a_damaged_file_is_invalid_and_named);
  TEST(truncated_weights_are_invalid_wherever_they_are_cut);
  TEST(weights_with_a_damaged_header_are_invalid);
  TEST(what_is_not_supported_is_named);
  TEST(a_directory_in_a_files_place_is_named);
  TEST(a_failure_leaves_the_library_as_it_was);
  return finish();
}
