// What the tests in C share: a runner, checks that say where they failed, temporary files, short names for texts.
//
// A program runs its tests one after another, prints `ok name` or `not ok name` for each and a count at the end, and
// exits with 1 when one failed. It is included before anything else, because it chooses the POSIX version.

#ifndef QNTX_EMBED_TESTS_HARNESS_H
#define QNTX_EMBED_TESTS_HARNESS_H

#define _XOPEN_SOURCE 700

#include "qntx_embed.h"

#include <ftw.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TINY "tests/fixtures/tiny-mean"

static struct {
  int passed;
  int failed;
  _Atomic bool bad;  // the test that runs has failed; threads set it too
  jmp_buf end_of_test;
  pthread_t runner;
  char directory[512];  // the program's temporary files; empty until one is asked for
} harness;

// ---- Checks

#ifdef __GNUC__
static inline void complain(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#endif
static inline void complain(const char *file, int line, const char *format, ...) {
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  harness.bad = true;
  printf("# %s:%d: %s\n", file, line, text);
}

// Leaves the test; in a thread that a test started, the thread.
static inline void leave(void) {
  if (!pthread_equal(pthread_self(), harness.runner)) pthread_exit(NULL);
  longjmp(harness.end_of_test, 1);
}

// The test fails where the condition is false, and goes on.
#define CHECK(condition) ((condition) ? (void)0 : complain(__FILE__, __LINE__, "wrong: %s", #condition))

// The same with a message of its own, as for printf.
#define CHECK_SAYS(condition, ...) ((condition) ? (void)0 : complain(__FILE__, __LINE__, __VA_ARGS__))

// The test cannot go on where the condition is false.
#define REQUIRE(condition) \
  ((condition) ? (void)0 : (complain(__FILE__, __LINE__, "cannot go on without: %s", #condition), leave()))

// What an out-parameter holds before a call, so that it shows whether the call has written to it.
static char untouched;
#define UNTOUCHED ((void *)&untouched)

static inline void check_success(const char *file, int line, const char *function, qntx_embed_status status,
                                 qntx_embed_error *error) {
  if (status == QNTX_EMBED_STATUS_OK && error == NULL) return;
  complain(file, line, "%s: status %d: %s", function, (int)status,
           error == NULL        ? "no error object"
           : error == UNTOUCHED ? "*error was not written to"
                                : qntx_embed_error_message(error));
  if (error != UNTOUCHED) qntx_embed_error_free(error);
  leave();
}

static inline void check_refusal(const char *file, int line, const char *function, qntx_embed_status wanted,
                                 const char *word, qntx_embed_status status, qntx_embed_error *error) {
  if (error == UNTOUCHED || error == NULL) {
    complain(file, line, "%s: status %d, and *error was %s", function, (int)status,
             error == NULL ? "set to NULL" : "not written to");
    return;
  }
  const char *message = qntx_embed_error_message(error);
  if (status != wanted) complain(file, line, "%s: status %d, not %d: %s", function, (int)status, (int)wanted, message);
  if (qntx_embed_error_status(error) != status)
    complain(file, line, "%s: status %d, its error has %d", function, (int)status, (int)qntx_embed_error_status(error));
  if (message[0] == '\0' || strstr(message, word) == NULL)
    complain(file, line, "%s: the message does not name '%s': %s", function, word, message);
  qntx_embed_error_free(error);
}

// WORKS(function, arguments without the error): the call succeeds, or the test cannot go on.
#define WORKS(function, ...)                                                        \
  do {                                                                              \
    qntx_embed_error *works_error = UNTOUCHED;                                      \
    const qntx_embed_status works_status = function(__VA_ARGS__, &works_error);     \
    check_success(__FILE__, __LINE__, #function, works_status, works_error);        \
  } while (0)

// REFUSED(status, word, function, arguments without the error): the call fails with this status and a message that
// has the word in it, and in the same way for a caller who does not ask for the error object.
#define REFUSED(wanted, word, function, ...)                                                           \
  do {                                                                                                 \
    qntx_embed_error *refused_error = UNTOUCHED;                                                       \
    const qntx_embed_status refused_status = function(__VA_ARGS__, &refused_error);                    \
    check_refusal(__FILE__, __LINE__, #function, wanted, word, refused_status, refused_error);         \
    CHECK(function(__VA_ARGS__, NULL) == refused_status);                                              \
  } while (0)

// ---- Texts

static inline qntx_embed_str str(const char *text) { return (qntx_embed_str){text, strlen(text)}; }

// A literal with NUL bytes in it.
#define BYTES(literal) ((qntx_embed_str){(literal), sizeof(literal) - 1})

static inline bool same(qntx_embed_str a, qntx_embed_str b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool is(qntx_embed_str a, const char *b) { return same(a, str(b)); }

// Byte sequences that are not UTF-8, each for another reason.
static const qntx_embed_str not_utf8[] = {
    {"\x80", 1},              // a continuation without a start
    {"caf\xe9", 4},           // Latin-1
    {"\xc0\xaf", 2},          // overlong
    {"\xed\xa0\x80", 3},      // a surrogate
    {"\xf4\x90\x80\x80", 4},  // beyond U+10FFFF
    {"\xe4\xbd", 2},          // cut within a character
    {"\xff", 1},              // no byte of UTF-8
};
#define NOT_UTF8 (sizeof not_utf8 / sizeof *not_utf8)

// ---- Files

typedef struct {
  char text[1024];
} path;

static inline path join(const char *directory, const char *name) {
  path result;
  REQUIRE((size_t)snprintf(result.text, sizeof result.text, "%s/%s", directory, name) < sizeof result.text);
  return result;
}

// A path in the program's temporary directory, which goes when the program ends.
static inline path temporary(const char *name) {
  if (harness.directory[0] == '\0') {
    const char *parent = getenv("TMPDIR");
    snprintf(harness.directory, sizeof harness.directory, "%s/qntx-embed-test-XXXXXX",
             parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    if (mkdtemp(harness.directory) == NULL) {
      perror(harness.directory);
      exit(2);
    }
  }
  return join(harness.directory, name);
}

static inline void write_file(const char *file, const void *bytes, size_t len) {
  FILE *stream = fopen(file, "wb");
  REQUIRE(stream != NULL);
  const bool written = fwrite(bytes, 1, len, stream) == len;
  REQUIRE(fclose(stream) == 0 && written);
}

// The caller frees what it gives: the bytes and, after them, a NUL that `*len` does not count.
static inline char *read_file(const char *file, size_t *len) {
  FILE *stream = fopen(file, "rb");
  if (stream == NULL) complain(__FILE__, __LINE__, "cannot open %s (tests run from the repository's root)", file);
  REQUIRE(stream != NULL);
  char *bytes = NULL;
  size_t room = 0;
  *len = 0;
  do {
    if (room < *len + 65537) bytes = realloc(bytes, room = 2 * *len + 65537);
    REQUIRE(bytes != NULL);
    *len += fread(bytes + *len, 1, room - *len - 1, stream);
  } while (!feof(stream) && !ferror(stream));
  bytes[*len] = '\0';
  REQUIRE(!ferror(stream) && fclose(stream) == 0);
  return bytes;
}

static inline int remove_entry(const char *file, const struct stat *status, int kind, struct FTW *where) {
  (void)status, (void)kind, (void)where;
  return remove(file);
}

static inline void remove_tree(const char *directory) { nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS); }

static const char *const tiny_files[] = {
    "config.json",           "config_sentence_transformers.json", "model.safetensors",    "modules.json",
    "tokenizer.json",        "sentence_bert_config.json",         "tokenizer_config.json", "1_Pooling/config.json",
    "2_Normalize/config.json",
};
#define TINY_FILES (sizeof tiny_files / sizeof *tiny_files)

// A copy of the tiny model, for a test to damage.
static inline path tiny_copy(const char *name) {
  const path copy = temporary(name);
  remove_tree(copy.text);
  REQUIRE(mkdir(copy.text, 0700) == 0);
  REQUIRE(mkdir(join(copy.text, "1_Pooling").text, 0700) == 0);
  REQUIRE(mkdir(join(copy.text, "2_Normalize").text, 0700) == 0);
  for (size_t i = 0; i < TINY_FILES; i++) {
    size_t len;
    char *bytes = read_file(join(TINY, tiny_files[i]).text, &len);
    write_file(join(copy.text, tiny_files[i]).text, bytes, len);
    free(bytes);
  }
  return copy;
}

// ---- The library

static inline qntx_embed_model *open_model(const char *directory) {
  qntx_embed_model *model = UNTOUCHED;
  WORKS(qntx_embed_model_open, str(directory), NULL, &model);
  REQUIRE(model != NULL && (void *)model != UNTOUCHED);
  return model;
}

static inline qntx_embed_model_info info_of(const qntx_embed_model *model) {
  qntx_embed_model_info info = {.size = sizeof info};
  WORKS(qntx_embed_model_get_info, model, &info);
  return info;
}

// One text's vector; the caller frees it.
static inline float *embed(const qntx_embed_model *model, qntx_embed_str text) {
  const size_t dimensions = info_of(model).dimensions;
  float *vector = malloc(dimensions * sizeof *vector);
  REQUIRE(vector != NULL);
  WORKS(qntx_embed_embed, model, text, NULL, vector, dimensions, NULL);
  return vector;
}

// In double, and not by the library: it is what the library is measured with.
static inline double cosine(const float *a, const float *b, size_t dimensions) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < dimensions; i++) {
    ab += (double)a[i] * b[i];
    aa += (double)a[i] * a[i];
    bb += (double)b[i] * b[i];
  }
  return ab / sqrt(aa) / sqrt(bb);
}

// ---- The runner

// The test's name is the sentence that it proves.
#define TEST(name) run_test(#name, name)

static inline void run_test(const char *name, void (*test)(void)) {
  harness.bad = false;
  harness.runner = pthread_self();
  if (setjmp(harness.end_of_test) == 0) test();
  printf("%s %s\n", harness.bad ? "not ok" : "ok", name);
  fflush(stdout);
  if (harness.bad)
    harness.failed++;
  else
    harness.passed++;
}

// What main returns.
static inline int finish(void) {
  if (harness.directory[0] != '\0') remove_tree(harness.directory);
  printf("%d passed, %d failed\n", harness.passed, harness.failed);
  return harness.failed == 0 && harness.passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
