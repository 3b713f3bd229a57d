// Vectors and token counts against those that sentence-transformers gave (golden.jsonl of each fixture).

#include "harness.h"

static const char *model_directory = "models/all-MiniLM-L6-v2";

#define UNKNOWN (-1)

typedef struct {
  char *text;
  size_t text_len;
  float *vector;
  size_t dimensions;
  long tokens;  // UNKNOWN where the file does not say; so the next two
  long full_tokens;
  long truncated;
} golden_case;

typedef struct {
  golden_case *cases;
  size_t count;
} golden_file;

// ---- Reading: objects of JSON whose values are strings, numbers, true, false and null, one on each line

typedef struct {
  const char *at;
  const char *end;
} reader;

static void skip_space(reader *r) {
  while (r->at < r->end && strchr(" \t\r", *r->at) != NULL) r->at++;
}

// Whether the next character is this one; it is taken then.
static bool take(reader *r, char wanted) {
  skip_space(r);
  if (r->at == r->end || *r->at != wanted) return false;
  r->at++;
  return true;
}

static unsigned read_hex4(reader *r) {
  unsigned value = 0;
  REQUIRE(r->end - r->at >= 4);
  for (int i = 0; i < 4; i++) {
    const char *digits = "0123456789abcdef";
    const char c = *r->at++;
    const char *digit = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    REQUIRE(digit != NULL);
    value = value * 16 + (unsigned)(digit - digits);
  }
  return value;
}

static char *write_utf8(char *to, unsigned c) {
  if (c < 0x80) {
    *to++ = (char)c;
  } else if (c < 0x800) {
    *to++ = (char)(0xc0 | c >> 6);
    *to++ = (char)(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *to++ = (char)(0xe0 | c >> 12);
    *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    *to++ = (char)(0x80 | (c & 0x3f));
  } else {
    *to++ = (char)(0xf0 | c >> 18);
    *to++ = (char)(0x80 | (c >> 12 & 0x3f));
    *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    *to++ = (char)(0x80 | (c & 0x3f));
  }
  return to;
}

static char *read_escape(reader *r, char *to) {
  static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  REQUIRE(r->at < r->end);
  const char c = *r->at++;
  if (c != 'u') {
    const char *escape = c == '\0' ? NULL : strchr(escapes, c);
    REQUIRE(escape != NULL);
    *to++ = meanings[escape - escapes];
    return to;
  }
  unsigned code = read_hex4(r);
  if (code >= 0xd800 && code < 0xdc00) {
    REQUIRE(r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u');
    r->at += 2;
    const unsigned low = read_hex4(r);
    REQUIRE(low >= 0xdc00 && low < 0xe000);
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  REQUIRE(code < 0xd800 || code >= 0xe000);
  return write_utf8(to, code);
}

// The caller frees the text. It may have NUL bytes in it; one more follows it.
static char *read_string(reader *r, size_t *len) {
  REQUIRE(take(r, '"'));
  char *text = malloc((size_t)(r->end - r->at) + 1);  // no escape is shorter than what it stands for
  REQUIRE(text != NULL);
  char *to = text;
  for (;;) {
    REQUIRE(r->at < r->end);
    const char c = *r->at++;
    if (c == '"') break;
    if (c == '\\')
      to = read_escape(r, to);
    else
      *to++ = c;
  }
  *to = '\0';
  *len = (size_t)(to - text);
  return text;
}

static bool take_word(reader *r, const char *word) {
  skip_space(r);
  const size_t len = strlen(word);
  if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) return false;
  r->at += len;
  return true;
}

// A number, or 1 for true and 0 for false.
static long read_number(reader *r) {
  if (take_word(r, "true")) return 1;
  if (take_word(r, "false")) return 0;
  skip_space(r);
  char *end;
  const long value = strtol(r->at, &end, 10);
  REQUIRE(end > r->at && end <= r->end);
  r->at = end;
  return value;
}

static uint8_t *read_base64(const char *text, size_t len, size_t *bytes_len) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint8_t *bytes = malloc(len / 4 * 3 + 1);
  REQUIRE(bytes != NULL && len % 4 == 0);
  size_t n = 0;
  unsigned bits = 0;
  for (size_t i = 0; i < len; i++) {
    const bool padding = text[i] == '=' && i + 2 >= len;
    const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
    REQUIRE(padding || digit != NULL);
    bits = bits << 6 | (padding ? 0 : (unsigned)(digit - digits));
    if (i % 4 == 3) {
      bytes[n++] = (uint8_t)(bits >> 16);
      bytes[n++] = (uint8_t)(bits >> 8);
      bytes[n++] = (uint8_t)bits;
    }
  }
  for (size_t i = len; i > 0 && text[i - 1] == '='; i--) n--;
  *bytes_len = n;
  return bytes;
}

static float *read_vector(reader *r, size_t *dimensions) {
  size_t len, bytes_len;
  char *base64 = read_string(r, &len);
  uint8_t *bytes = read_base64(base64, len, &bytes_len);
  *dimensions = bytes_len / 4;
  float *vector = malloc(bytes_len + 1);
  REQUIRE(vector != NULL && bytes_len % 4 == 0);
  WORKS(qntx_embed_blob_deserialize, bytes, bytes_len, vector, *dimensions);
  free(bytes);
  free(base64);
  return vector;
}

static golden_case read_case(reader *r) {
  golden_case read = {.tokens = UNKNOWN, .full_tokens = UNKNOWN, .truncated = UNKNOWN};
  REQUIRE(take(r, '{'));
  do {
    size_t len;
    char *key = read_string(r, &len);
    REQUIRE(take(r, ':'));
    skip_space(r);
    if (strcmp(key, "text") == 0) {
      read.text = read_string(r, &read.text_len);
    } else if (strcmp(key, "embedding_f32le_base64") == 0) {
      read.vector = read_vector(r, &read.dimensions);
    } else if (strcmp(key, "tokens") == 0) {
      read.tokens = read_number(r);
    } else if (strcmp(key, "full_tokens") == 0) {
      read.full_tokens = read_number(r);
    } else if (strcmp(key, "truncated") == 0) {
      read.truncated = read_number(r);
    } else if (r->at < r->end && *r->at == '"') {
      free(read_string(r, &len));
    } else if (!take_word(r, "null")) {
      read_number(r);
    }
    free(key);
  } while (take(r, ','));
  REQUIRE(take(r, '}'));
  REQUIRE(read.text != NULL && read.vector != NULL);
  return read;
}

static golden_file read_golden(const char *file) {
  golden_file golden = {NULL, 0};
  size_t len;
  char *bytes = read_file(file, &len);
  for (const char *line = bytes; line < bytes + len;) {
    const char *end = memchr(line, '\n', (size_t)(bytes + len - line));
    if (end == NULL) end = bytes + len;
    reader r = {line, end};
    golden.cases = realloc(golden.cases, (golden.count + 1) * sizeof *golden.cases);
    REQUIRE(golden.cases != NULL);
    golden.cases[golden.count++] = read_case(&r);
    skip_space(&r);
    REQUIRE(r.at == r.end);
    line = end + 1;
  }
  free(bytes);
  REQUIRE(golden.count > 0);
  return golden;
}

static void free_case(golden_case golden) {
  free(golden.text);
  free(golden.vector);
}

static void free_golden(golden_file golden) {
  for (size_t i = 0; i < golden.count; i++) free_case(golden.cases[i]);
  free(golden.cases);
}

// ---- Tests

static void check_case(const golden_case *wanted, const float *vector, size_t dimensions, qntx_embed_text_info info) {
  const int shown = wanted->text_len < 60 ? (int)wanted->text_len : 60;
  REQUIRE(wanted->dimensions == dimensions);
  const double near = cosine(wanted->vector, vector, dimensions);
  CHECK_SAYS(near >= 0.99999, "cosine %.7f: '%.*s'", near, shown, wanted->text);
  CHECK_SAYS(wanted->tokens == UNKNOWN || wanted->tokens == (long)info.tokens, "%u tokens, not %ld: '%.*s'",
             info.tokens, wanted->tokens, shown, wanted->text);
  CHECK_SAYS(wanted->full_tokens == UNKNOWN || wanted->full_tokens == (long)info.full_tokens,
             "%u full tokens, not %ld: '%.*s'", info.full_tokens, wanted->full_tokens, shown, wanted->text);
  CHECK_SAYS(wanted->truncated == UNKNOWN || wanted->truncated == (long)info.truncated, "truncated is %u: '%.*s'",
             info.truncated, shown, wanted->text);
}

static void check_alone(const qntx_embed_model *model, golden_file golden) {
  const size_t dimensions = info_of(model).dimensions;
  float *vector = malloc(dimensions * sizeof *vector);
  REQUIRE(vector != NULL);
  for (size_t i = 0; i < golden.count; i++) {
    const qntx_embed_str text = {golden.cases[i].text, golden.cases[i].text_len};
    qntx_embed_text_info info = {77, 77, 77};
    WORKS(qntx_embed_embed, model, text, NULL, vector, dimensions, &info);
    check_case(&golden.cases[i], vector, dimensions, info);
  }
  free(vector);
}

static void check_in_one_batch(const qntx_embed_model *model, golden_file golden) {
  const size_t dimensions = info_of(model).dimensions;
  const size_t floats = golden.count * dimensions;
  float *vectors = malloc(floats * sizeof *vectors);
  qntx_embed_str *texts = malloc(golden.count * sizeof *texts);
  qntx_embed_text_info *infos = malloc(golden.count * sizeof *infos);
  REQUIRE(vectors != NULL && texts != NULL && infos != NULL);
  for (size_t i = 0; i < golden.count; i++) texts[i] = (qntx_embed_str){golden.cases[i].text, golden.cases[i].text_len};
  WORKS(qntx_embed_embed_batch, model, texts, golden.count, NULL, vectors, floats, infos);
  for (size_t i = 0; i < golden.count; i++)
    check_case(&golden.cases[i], vectors + i * dimensions, dimensions, infos[i]);
  free(infos);
  free(texts);
  free(vectors);
}

static void the_reader_of_these_tests_reads_json(void) {
  const char line[] = "{\"kind\": \"a \\\"text\\\": \", \"text\" : \"\\u0000\\t\\\"\\u00e9\\ud83d\\uDE00\xc3\xa9\", "
                      "\"n\":null,\"tokens\":-12,\"truncated\":true,\"embedding_f32le_base64\":\"AACAPwAAAMA=\"}";
  const char wanted[] = "\0\t\"\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9";
  reader r = {line, line + sizeof line - 1};
  golden_case read = read_case(&r);
  CHECK(read.text_len == sizeof wanted - 1 && memcmp(read.text, wanted, sizeof wanted) == 0);
  CHECK(read.tokens == -12 && read.truncated == 1 && read.full_tokens == UNKNOWN);
  CHECK(read.dimensions == 2 && read.vector[0] == 1 && read.vector[1] == -2);
  free_case(read);
}

static void every_golden_text_alone_equals_sentence_transformers(void) {
  qntx_embed_model *model = open_model(model_directory);
  golden_file golden = read_golden("tests/fixtures/golden/golden.jsonl");
  check_alone(model, golden);
  free_golden(golden);
  qntx_embed_model_free(model);
}

static void every_golden_text_in_one_batch_equals_sentence_transformers(void) {
  qntx_embed_model *model = open_model(model_directory);
  golden_file golden = read_golden("tests/fixtures/golden/golden.jsonl");
  check_in_one_batch(model, golden);
  free_golden(golden);
  qntx_embed_model_free(model);
}

static void tiny_models_equal_sentence_transformers(void) {
  const char *const directories[] = {TINY, "tests/fixtures/tiny-cls-unnormalised", "tests/fixtures/tiny-mean-sqrt-len"};
  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
    qntx_embed_model *model = open_model(directories[i]);
    golden_file golden = read_golden(join(directories[i], "golden.jsonl").text);
    check_alone(model, golden);
    check_in_one_batch(model, golden);
    free_golden(golden);
    qntx_embed_model_free(model);
  }
}

static void the_pair_table_holds(void) {
  static const struct {
    const char *a, *b;
    double similarity;
  } pairs[] = {{"cat", "kitten", 0.7882}, {"cat", "dog", 0.6606}, {"cat", "car", 0.4633}};
  qntx_embed_model *model = open_model(model_directory);
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    float *a = embed(model, str(pairs[i].a)), *b = embed(model, str(pairs[i].b));
    float similarity = 7;
    WORKS(qntx_embed_similarity, a, b, info_of(model).dimensions, &similarity);
    CHECK_SAYS(fabs(similarity - pairs[i].similarity) <= 1e-4, "%s/%s: %.5f", pairs[i].a, pairs[i].b, similarity);
    free(b);
    free(a);
  }
  qntx_embed_model_free(model);
}

int main(int argc, char **argv) {
  if (argc > 1) model_directory = argv[1];
  TEST(the_reader_of_these_tests_reads_json);
  TEST(tiny_models_equal_sentence_transformers);
  TEST(every_golden_text_alone_equals_sentence_transformers);
  TEST(every_golden_text_in_one_batch_equals_sentence_transformers);
  TEST(the_pair_table_holds);
  return finish();
}
