// Every function, with each of its arguments wrong: the right status, a message that names the argument, and nothing
// else happens. tests/header.rs reads the rows of this table and asks for one for each parameter of each function.

#include "harness.h"

// What each function takes, under the header's names, and a call with it. `error` is the caller's.
#define FUNCTION(name, arguments, ...)                                                    \
  typedef struct arguments name##_arguments;                                              \
  static qntx_embed_status call_##name(const name##_arguments *a, qntx_embed_error **error) { \
    return name(__VA_ARGS__, error);                                                      \
  }

// ---- Rows of the table. Each is about one parameter; the other arguments are those of `right`, which the call takes.

#define REFUSED_WITH(function, status, word, change)            \
  do {                                                          \
    function##_arguments wrong = right;                         \
    change;                                                     \
    REFUSED(status, word, call_##function, &wrong);             \
  } while (0)
#define INVALID(function, word, change) REFUSED_WITH(function, QNTX_EMBED_STATUS_INVALID_ARGUMENT, word, change)

// All arguments are right.
#define RIGHT(function)                                                    \
  do {                                                                     \
    qntx_embed_error *right_error = UNTOUCHED;                             \
    const qntx_embed_status right_status = call_##function(&right, &right_error); \
    check_success(__FILE__, __LINE__, #function, right_status, right_error); \
  } while (0)

// A pointer that must not be NULL.
#define NULL_REFUSED(function, parameter) INVALID(function, #parameter, wrong.parameter = NULL)

// A pointer that may be NULL.
#define NULL_TAKEN(function, parameter)                                     \
  do {                                                                      \
    const function##_arguments all = right;                                 \
    function##_arguments right = all;                                       \
    right.parameter = NULL;                                                 \
    RIGHT(function);                                                        \
  } while (0)

// A handle: not NULL, not a handle of another kind, not one that was freed.
#define HANDLE(function, parameter)                                         \
  do {                                                                      \
    NULL_REFUSED(function, parameter);                                      \
    HANDLE_OR_NULL(function, parameter);                                    \
  } while (0)

// The same for one that may be NULL.
#define HANDLE_OR_NULL(function, parameter)                                 \
  do {                                                                      \
    INVALID(function, #parameter " is no qntx_embed_" #parameter, wrong.parameter = (const void *)some.zeros); \
    INVALID(function, #parameter " is no qntx_embed_" #parameter, wrong.parameter = (const void *)some.error); \
    INVALID(function, #parameter " is no qntx_embed_" #parameter, wrong.parameter = (const void *)freed_##parameter()); \
  } while (0)

// A text: not NULL with a length, not longer than memory, not other bytes than UTF-8.
#define TEXT(function, parameter)                                           \
  do {                                                                      \
    INVALID(function, #parameter, (wrong.parameter.ptr = NULL, wrong.parameter.len = 3)); \
    INVALID(function, #parameter, (wrong.parameter.ptr = "text", wrong.parameter.len = SIZE_MAX)); \
    for (size_t bytes = 0; bytes < NOT_UTF8; bytes++)                       \
      REFUSED_WITH(function, QNTX_EMBED_STATUS_INVALID_UTF8, #parameter, wrong.parameter = not_utf8[bytes]); \
  } while (0)

// A structure that begins with its size: none that it cannot have, and no place where it cannot lie.
#define SIZE(function, parameter, type)                                     \
  do {                                                                      \
    static const size_t sizes[] = {0, 1, sizeof(size_t) - 1, 4097, SIZE_MAX}; \
    for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {    \
      type value;                                                           \
      memset(&value, 0, sizeof value);                                      \
      value.size = sizes[size];                                             \
      INVALID(function, #parameter, wrong.parameter = &value);              \
    }                                                                       \
    type places[2];                                                         \
    memset(places, 0, sizeof places);                                       \
    INVALID(function, #parameter, wrong.parameter = (const void *)((const char *)places + 1)); \
  } while (0)

// The same for one that the library fills.
#define SIZE_FILLED(function, parameter, type)                              \
  do {                                                                      \
    static const size_t sizes[] = {0, 1, sizeof(size_t), sizeof(type) - 1, 4097, SIZE_MAX}; \
    for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {    \
      type value;                                                           \
      memset(&value, 0, sizeof value);                                      \
      value.size = sizes[size];                                             \
      INVALID(function, #parameter, wrong.parameter = &value);              \
    }                                                                       \
    type places[2];                                                         \
    memset(places, 0, sizeof places);                                       \
    INVALID(function, #parameter, wrong.parameter = (void *)((char *)places + 1)); \
  } while (0)

// A number of things: none that memory cannot hold. The status is that which a wrong number has.
#define LENGTH(function, parameter, status)                                 \
  do {                                                                      \
    REFUSED_WITH(function, status, "", wrong.parameter = SIZE_MAX);         \
    REFUSED_WITH(function, status, "", wrong.parameter = SIZE_MAX / 2 + 1); \
  } while (0)

// A number that is none of its values.
#define NUMBER(function, parameter) INVALID(function, #parameter, wrong.parameter = 77)

// A handle of a function that cannot say that it is wrong: what is none counts as NULL, which is what `expected` says.
#define COUNTS_AS_NULL(function, parameter, type, expected)                 \
  do {                                                                      \
    const type *const wrongs[] = {NULL, (const type *)(const void *)some.zeros, (const type *)(const void *)some.blob}; \
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {           \
      const type *parameter = wrongs[i];                                    \
      CHECK_SAYS(expected, #function " of a wrong " #parameter " (%zu)", i); \
    }                                                                       \
  } while (0)

// A function that frees: NULL, and what is no handle of its kind, stay as they are.
#define FREES_ONLY_ITS_OWN(function, parameter, type)                       \
  do {                                                                      \
    function(NULL);                                                         \
    function((type *)(void *)some.zeros);                                   \
    function((type *)(void *)some.blob);                                    \
    for (size_t i = 0; i < sizeof some.zeros; i++) CHECK(((const char *)some.zeros)[i] == 0); \
  } while (0)

// ---- What is right

static struct {
  qntx_embed_model *model;
  qntx_embed_store *store;
  qntx_embed_error *error;          // a handle of another kind
  uint64_t zeros[64];               // memory that is no handle
  uint64_t blob[64];                // other memory
  path database;
} some;

static void what_the_table_needs_is_there(void) {
  some.model = open_model(TINY);
  some.database = temporary("misuse.db");
  WORKS(qntx_embed_store_open, str(some.database.text), NULL, &some.store);
  qntx_embed_model *none = NULL;
  REQUIRE(qntx_embed_model_open(str("/no/such"), NULL, &none, &some.error) == QNTX_EMBED_STATUS_MODEL_NOT_FOUND);
  memset(some.blob, 0xa5, sizeof some.blob);
}

static void what_the_table_needed_can_be_freed(void) {
  qntx_embed_model_free(some.model);
  qntx_embed_store_free(some.store);
  qntx_embed_error_free(some.error);
}

static const qntx_embed_model *freed_model(void) {
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_model_free(model);
  return model;
}

static const qntx_embed_store *freed_store(void) {
  qntx_embed_store *store = NULL;
  WORKS(qntx_embed_store_open, str(":memory:"), NULL, &store);
  qntx_embed_store_free(store);
  return store;
}

static const qntx_embed_cancel *freed_cancel(void) {
  qntx_embed_cancel *cancel = NULL;
  WORKS(qntx_embed_cancel_new, &cancel);
  qntx_embed_cancel_free(cancel);
  return cancel;
}

static const qntx_embed_completions *freed_completions(void) {
  qntx_embed_completions *completions = NULL;
  WORKS(qntx_embed_completions_new, &completions);
  qntx_embed_completions_free(completions);
  return completions;
}

static qntx_embed_call *started_call(void) {
  qntx_embed_call *call = NULL;
  const qntx_embed_str texts[2] = {str("one"), str("two")};
  WORKS(qntx_embed_call_start, some.model, texts, 2, NULL, NULL, 0, &call);
  return call;
}

static const qntx_embed_call *freed_call(void) {
  qntx_embed_call *call = started_call();
  qntx_embed_call_free(call);
  return call;
}

static const float unit[3] = {1, 0, 0};

static qntx_embed_record record_of(const char *source_id) {
  return (qntx_embed_record){.size = sizeof(qntx_embed_record),
                             .source_type = str("test"),
                             .source_id = str(source_id),
                             .text = str("a text"),
                             .model = str("m"),
                             .fingerprint = str("f"),
                             .vector = unit,
                             .dimensions = 3};
}

// ---- Vectors

FUNCTION(qntx_embed_blob_serialize, { const float *vector; size_t dimensions; qntx_embed_blob *blob; },
         a->vector, a->dimensions, a->blob)
FUNCTION(qntx_embed_blob_deserialize, { const uint8_t *data; size_t len; float *vector; size_t dimensions; },
         a->data, a->len, a->vector, a->dimensions)
FUNCTION(qntx_embed_similarity, { const float *a; const float *b; size_t dimensions; float *similarity; },
         a->a, a->b, a->dimensions, a->similarity)

FUNCTION(qntx_embed_project,
         { const float *vectors; size_t count; size_t dimensions; const qntx_embed_project_options *options; float *points;
           size_t points_len; },
         a->vectors, a->count, a->dimensions, a->options, a->points, a->points_len)
FUNCTION(qntx_embed_project_place,
         { const float *vectors; size_t count; size_t dimensions; const float *points; const float *vector; float *point; },
         a->vectors, a->count, a->dimensions, a->points, a->vector, a->point)

static void wrong_vectors_and_blobs_are_refused(void) {
  {
    qntx_embed_blob blob = {NULL, 0};
    const qntx_embed_blob_serialize_arguments right = {unit, 3, &blob};
    RIGHT(qntx_embed_blob_serialize);
    qntx_embed_blob_free(&blob);
    NULL_REFUSED(qntx_embed_blob_serialize, vector);
    LENGTH(qntx_embed_blob_serialize, dimensions, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    NULL_REFUSED(qntx_embed_blob_serialize, blob);
    CHECK(blob.data == NULL && blob.len == 0);
    // It is a structure of the caller's; what it holds is freed once.
    qntx_embed_blob_free(&blob);
    qntx_embed_blob_free(NULL);
  }
  {
    const uint8_t data[12] = {0};
    float vector[3] = {7, 7, 7};
    const qntx_embed_blob_deserialize_arguments right = {data, 12, vector, 3};
    RIGHT(qntx_embed_blob_deserialize);
    NULL_REFUSED(qntx_embed_blob_deserialize, data);
    NULL_REFUSED(qntx_embed_blob_deserialize, vector);
    LENGTH(qntx_embed_blob_deserialize, len, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    LENGTH(qntx_embed_blob_deserialize, dimensions, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    REFUSED_WITH(qntx_embed_blob_deserialize, QNTX_EMBED_STATUS_DIMENSIONS, "room", wrong.dimensions = 2);
    REFUSED_WITH(qntx_embed_blob_deserialize, QNTX_EMBED_STATUS_DIMENSIONS, "room", wrong.len = 0);
    INVALID(qntx_embed_blob_deserialize, "11", wrong.len = 11);
  }
  {
    float similarity = 7;
    const qntx_embed_similarity_arguments right = {unit, unit, 3, &similarity};
    RIGHT(qntx_embed_similarity);
    NULL_REFUSED(qntx_embed_similarity, a);
    NULL_REFUSED(qntx_embed_similarity, b);
    NULL_REFUSED(qntx_embed_similarity, similarity);
    LENGTH(qntx_embed_similarity, dimensions, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
  }
}

static void wrong_arguments_of_maps_are_refused(void) {
  static const float vectors[6] = {1, 0, 0, 0, 1, 0};
  float points[4] = {7, 7, 7, 7};
  {
    qntx_embed_project_options options = {.size = sizeof options};
    const qntx_embed_project_arguments right = {vectors, 2, 3, &options, points, 4};
    NULL_REFUSED(qntx_embed_project, vectors);
    LENGTH(qntx_embed_project, count, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    LENGTH(qntx_embed_project, dimensions, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    SIZE(qntx_embed_project, options, qntx_embed_project_options);
    options.cancel = freed_cancel();
    INVALID(qntx_embed_project, "options.cancel is no qntx_embed_cancel", (void)0);
    options.cancel = NULL;
    NULL_REFUSED(qntx_embed_project, points);
    LENGTH(qntx_embed_project, points_len, QNTX_EMBED_STATUS_DIMENSIONS);
    REFUSED_WITH(qntx_embed_project, QNTX_EMBED_STATUS_DIMENSIONS, "3", wrong.points_len = 3);
    for (size_t i = 0; i < 4; i++) CHECK(points[i] == 7);
    RIGHT(qntx_embed_project);
    NULL_TAKEN(qntx_embed_project, options);
  }
  {
    float point[2] = {7, 7};
    const qntx_embed_project_place_arguments right = {vectors, 2, 3, points, vectors, point};
    NULL_REFUSED(qntx_embed_project_place, vectors);
    LENGTH(qntx_embed_project_place, count, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    LENGTH(qntx_embed_project_place, dimensions, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    NULL_REFUSED(qntx_embed_project_place, points);
    NULL_REFUSED(qntx_embed_project_place, vector);
    NULL_REFUSED(qntx_embed_project_place, point);
    CHECK(point[0] == 7 && point[1] == 7);
    RIGHT(qntx_embed_project_place);
  }
}

// ---- Models

FUNCTION(qntx_embed_model_open,
         { qntx_embed_str directory; const qntx_embed_model_options *options; qntx_embed_model **model; },
         a->directory, a->options, a->model)
FUNCTION(qntx_embed_model_get_info, { const qntx_embed_model *model; qntx_embed_model_info *info; }, a->model, a->info)
FUNCTION(qntx_embed_model_get_stats, { const qntx_embed_model *model; qntx_embed_model_stats *stats; }, a->model, a->stats)
FUNCTION(qntx_embed_manifest_write, { qntx_embed_str directory; qntx_embed_manifest_info *info; }, a->directory, a->info)
FUNCTION(qntx_embed_manifest_check, { qntx_embed_str directory; qntx_embed_manifest_info *info; }, a->directory, a->info)
FUNCTION(qntx_embed_cancel_new, { qntx_embed_cancel **cancel; }, a->cancel)

static void wrong_arguments_of_models_are_refused(void) {
  {
    qntx_embed_model *model = UNTOUCHED;
    qntx_embed_model_options options = {.size = sizeof options};
    const qntx_embed_model_open_arguments right = {str(TINY), &options, &model};
    TEXT(qntx_embed_model_open, directory);
    SIZE(qntx_embed_model_open, options, qntx_embed_model_options);
    NULL_REFUSED(qntx_embed_model_open, model);
    CHECK(model == NULL);
    options.reserved = 1;
    INVALID(qntx_embed_model_open, "reserved", (void)0);
    options.reserved = 0, options.format = 77;
    INVALID(qntx_embed_model_open, "format", (void)0);
    options.format = 0, options.precision = 77;
    INVALID(qntx_embed_model_open, "precision", (void)0);
    options.precision = 0, options.require_manifest = 77;
    INVALID(qntx_embed_model_open, "require_manifest", (void)0);
    options.require_manifest = 0, options.onnxruntime = not_utf8[0];
    REFUSED_WITH(qntx_embed_model_open, QNTX_EMBED_STATUS_INVALID_UTF8, "onnxruntime", (void)0);
    // What a later version may add, and this one does not know.
    struct {
      qntx_embed_model_options known;
      size_t unknown;
    } later = {.known = {.size = sizeof later}, .unknown = 1};
    INVALID(qntx_embed_model_open, "does not know", wrong.options = &later.known);
    CHECK(model == NULL);
    const qntx_embed_model_open_arguments all = right;
    {
      qntx_embed_model_open_arguments right = all;
      right.options = NULL;
      RIGHT(qntx_embed_model_open);  // NULL_TAKEN(qntx_embed_model_open, options)
      qntx_embed_model_free(model);
    }
  }
  {
    qntx_embed_model_info info = {.size = sizeof info};
    const qntx_embed_model_get_info_arguments right = {some.model, &info};
    RIGHT(qntx_embed_model_get_info);
    HANDLE(qntx_embed_model_get_info, model);
    NULL_REFUSED(qntx_embed_model_get_info, info);
    SIZE_FILLED(qntx_embed_model_get_info, info, qntx_embed_model_info);
  }
  {
    qntx_embed_model_stats stats = {.size = sizeof stats};
    const qntx_embed_model_get_stats_arguments right = {some.model, &stats};
    RIGHT(qntx_embed_model_get_stats);
    HANDLE(qntx_embed_model_get_stats, model);
    NULL_REFUSED(qntx_embed_model_get_stats, stats);
    SIZE_FILLED(qntx_embed_model_get_stats, stats, qntx_embed_model_stats);
  }
  {
    const path copy = tiny_copy("misuse");
    qntx_embed_manifest_info info = {.size = sizeof info};
    const qntx_embed_manifest_write_arguments right = {str(copy.text), &info};
    RIGHT(qntx_embed_manifest_write);
    NULL_TAKEN(qntx_embed_manifest_write, info);
    TEXT(qntx_embed_manifest_write, directory);
    SIZE_FILLED(qntx_embed_manifest_write, info, qntx_embed_manifest_info);
  }
  {
    const path copy = temporary("misuse");
    qntx_embed_manifest_info info = {.size = sizeof info};
    const qntx_embed_manifest_check_arguments right = {str(copy.text), &info};
    RIGHT(qntx_embed_manifest_check);
    NULL_TAKEN(qntx_embed_manifest_check, info);
    TEXT(qntx_embed_manifest_check, directory);
    SIZE_FILLED(qntx_embed_manifest_check, info, qntx_embed_manifest_info);
  }
  {
    const qntx_embed_cancel_new_arguments right = {NULL};
    NULL_REFUSED(qntx_embed_cancel_new, cancel);
  }
}

// ---- Embedding

FUNCTION(qntx_embed_embed,
         { const qntx_embed_model *model; qntx_embed_str text; const qntx_embed_embed_options *options; float *vector;
           size_t dimensions; qntx_embed_text_info *info; },
         a->model, a->text, a->options, a->vector, a->dimensions, a->info)
FUNCTION(qntx_embed_embed_batch,
         { const qntx_embed_model *model; const qntx_embed_str *texts; size_t count; const qntx_embed_embed_options *options;
           float *vectors; size_t vectors_len; qntx_embed_text_info *infos; },
         a->model, a->texts, a->count, a->options, a->vectors, a->vectors_len, a->infos)
FUNCTION(qntx_embed_completions_new, { qntx_embed_completions **completions; }, a->completions)
FUNCTION(qntx_embed_call_start,
         { const qntx_embed_model *model; const qntx_embed_str *texts; size_t count; const qntx_embed_embed_options *options;
           const qntx_embed_completions *completions; uint64_t tag; qntx_embed_call **call; },
         a->model, a->texts, a->count, a->options, a->completions, a->tag, a->call)
FUNCTION(qntx_embed_call_wait,
         { const qntx_embed_call *call; float *vectors; size_t vectors_len; qntx_embed_text_info *infos; },
         a->call, a->vectors, a->vectors_len, a->infos)
FUNCTION(qntx_embed_model_split,
         { const qntx_embed_model *model; qntx_embed_str text; const qntx_embed_split_options *options;
           qntx_embed_chunks **chunks; },
         a->model, a->text, a->options, a->chunks)

static void nobody(void *context, size_t done, size_t total) { (void)context, (void)done, (void)total; }

static void wrong_arguments_of_calls_are_refused(void) {
  {
    const qntx_embed_completions_new_arguments right = {NULL};
    NULL_REFUSED(qntx_embed_completions_new, completions);
  }
  {
    const qntx_embed_str texts[2] = {str("one"), str("two")};
    qntx_embed_embed_options options = {.size = sizeof options};
    qntx_embed_completions *completions = NULL;
    WORKS(qntx_embed_completions_new, &completions);
    qntx_embed_call *call = UNTOUCHED;
    const qntx_embed_call_start_arguments right = {some.model, texts, 2, &options, completions, 7, &call};
    HANDLE(qntx_embed_call_start, model);
    CHECK(call == NULL);
    NULL_REFUSED(qntx_embed_call_start, texts);
    LENGTH(qntx_embed_call_start, count, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    SIZE(qntx_embed_call_start, options, qntx_embed_embed_options);
    HANDLE_OR_NULL(qntx_embed_call_start, completions);
    NULL_REFUSED(qntx_embed_call_start, call);
    options.progress = nobody;
    INVALID(qntx_embed_call_start, "options.progress", (void)0);
    options.progress = NULL, options.cancel = freed_cancel();
    INVALID(qntx_embed_call_start, "options.cancel is no qntx_embed_cancel", (void)0);
    options.cancel = NULL, options.dimensions = 33;
    REFUSED_WITH(qntx_embed_call_start, QNTX_EMBED_STATUS_DIMENSIONS, "33", (void)0);
    options.dimensions = 0;
    const qntx_embed_str second[2] = {str("one"), not_utf8[0]};
    REFUSED_WITH(qntx_embed_call_start, QNTX_EMBED_STATUS_INVALID_UTF8, "text 1", wrong.texts = second);
    // Nothing of all that is told of.
    uint64_t tag = 77;
    CHECK(qntx_embed_completions_take(completions, &tag, 1) == 0 && tag == 77);
    RIGHT(qntx_embed_call_start);
    qntx_embed_call_free(call);
    NULL_TAKEN(qntx_embed_call_start, options);
    qntx_embed_call_free(call);
    NULL_TAKEN(qntx_embed_call_start, completions);
    qntx_embed_call_free(call);
    // No place for tags: none are taken.
    CHECK(qntx_embed_completions_take(completions, NULL, 1) == 0);
    CHECK(qntx_embed_completions_take(completions, &tag, 0) == 0);
    CHECK(qntx_embed_completions_take(completions, &tag, SIZE_MAX) == 0);
    CHECK(qntx_embed_completions_take(completions, (uint64_t *)(void *)((char *)some.blob + 1), 1) == 0);
    qntx_embed_completions_free(completions);
  }
  {
    float vectors[64];
    qntx_embed_text_info infos[2];
    qntx_embed_call *call = started_call();
    const qntx_embed_call_wait_arguments right = {call, vectors, 64, infos};
    for (size_t i = 0; i < 64; i++) vectors[i] = 7;
    HANDLE(qntx_embed_call_wait, call);
    NULL_REFUSED(qntx_embed_call_wait, vectors);
    LENGTH(qntx_embed_call_wait, vectors_len, QNTX_EMBED_STATUS_DIMENSIONS);
    REFUSED_WITH(qntx_embed_call_wait, QNTX_EMBED_STATUS_DIMENSIONS, "63", wrong.vectors_len = 63);
    INVALID(qntx_embed_call_wait, "aligned", wrong.infos = (void *)((char *)infos + 1));
    for (size_t i = 0; i < 64; i++) CHECK(vectors[i] == 7);
    RIGHT(qntx_embed_call_wait);
    NULL_TAKEN(qntx_embed_call_wait, infos);
    qntx_embed_call_free(call);
  }
}

static void wrong_arguments_of_embedding_are_refused(void) {
  float vectors[64];
  qntx_embed_text_info infos[2];
  qntx_embed_embed_options options = {.size = sizeof options};
  {
    const qntx_embed_embed_arguments right = {some.model, str("a text"), &options, vectors, 32, infos};
    RIGHT(qntx_embed_embed);
    for (size_t i = 0; i < 64; i++) vectors[i] = 7;
    HANDLE(qntx_embed_embed, model);
    INVALID(qntx_embed_embed, "text 0", (wrong.text.ptr = NULL, wrong.text.len = 3));
    INVALID(qntx_embed_embed, "text 0", wrong.text.len = SIZE_MAX);
    TEXT(qntx_embed_embed, text);
    SIZE(qntx_embed_embed, options, qntx_embed_embed_options);
    NULL_REFUSED(qntx_embed_embed, vector);
    LENGTH(qntx_embed_embed, dimensions, QNTX_EMBED_STATUS_DIMENSIONS);
    REFUSED_WITH(qntx_embed_embed, QNTX_EMBED_STATUS_DIMENSIONS, "31", wrong.dimensions = 31);
    REFUSED_WITH(qntx_embed_embed, QNTX_EMBED_STATUS_DIMENSIONS, "33", wrong.dimensions = 33);
    REFUSED_WITH(qntx_embed_embed, QNTX_EMBED_STATUS_DIMENSIONS, "0", wrong.dimensions = 0);
    qntx_embed_embed_options wrong_options = options;
    wrong_options.cancel = (const qntx_embed_cancel *)(const void *)some.error;
    INVALID(qntx_embed_embed, "options.cancel is no qntx_embed_cancel", wrong.options = &wrong_options);
    wrong_options.cancel = freed_cancel();
    INVALID(qntx_embed_embed, "options.cancel is no qntx_embed_cancel", wrong.options = &wrong_options);
    wrong_options = options, wrong_options.prompt_kind = 77;
    INVALID(qntx_embed_embed, "prompt_kind", wrong.options = &wrong_options);
    wrong_options = options, wrong_options.truncate = 77;
    INVALID(qntx_embed_embed, "truncate", wrong.options = &wrong_options);
    // After a failure the buffer is as it was.
    for (size_t i = 0; i < 64; i++) CHECK(vectors[i] == 7);
    NULL_TAKEN(qntx_embed_embed, options);
    NULL_TAKEN(qntx_embed_embed, info);
  }
  {
    const qntx_embed_str texts[2] = {str("one"), str("two")};
    const qntx_embed_embed_batch_arguments right = {some.model, texts, 2, &options, vectors, 64, infos};
    RIGHT(qntx_embed_embed_batch);
    NULL_TAKEN(qntx_embed_embed_batch, options);
    NULL_TAKEN(qntx_embed_embed_batch, infos);
    for (size_t i = 0; i < 64; i++) vectors[i] = 7;
    HANDLE(qntx_embed_embed_batch, model);
    NULL_REFUSED(qntx_embed_embed_batch, texts);
    SIZE(qntx_embed_embed_batch, options, qntx_embed_embed_options);
    NULL_REFUSED(qntx_embed_embed_batch, vectors);
    LENGTH(qntx_embed_embed_batch, count, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    LENGTH(qntx_embed_embed_batch, vectors_len, QNTX_EMBED_STATUS_DIMENSIONS);
    REFUSED_WITH(qntx_embed_embed_batch, QNTX_EMBED_STATUS_DIMENSIONS, "63", wrong.vectors_len = 63);
    REFUSED_WITH(qntx_embed_embed_batch, QNTX_EMBED_STATUS_DIMENSIONS, "32", wrong.vectors_len = 32);
    INVALID(qntx_embed_embed_batch, "aligned", wrong.texts = (const void *)((const char *)texts + 1));
    const qntx_embed_str second[2] = {str("one"), not_utf8[0]};
    REFUSED_WITH(qntx_embed_embed_batch, QNTX_EMBED_STATUS_INVALID_UTF8, "text 1", wrong.texts = second);
    for (size_t i = 0; i < 64; i++) CHECK(vectors[i] == 7);
    // No texts are no mistake.
    WORKS(qntx_embed_embed_batch, some.model, NULL, 0, NULL, NULL, 0, NULL);
  }
  {
    qntx_embed_chunks *chunks = UNTOUCHED;
    qntx_embed_split_options split = {.size = sizeof split};
    const qntx_embed_model_split_arguments right = {some.model, str("a text"), &split, &chunks};
    HANDLE(qntx_embed_model_split, model);
    TEXT(qntx_embed_model_split, text);
    SIZE(qntx_embed_model_split, options, qntx_embed_split_options);
    split.reserved = 1;
    INVALID(qntx_embed_model_split, "reserved", (void)0);
    split.reserved = 0, split.prompt_kind = 77;
    INVALID(qntx_embed_model_split, "prompt_kind", (void)0);
    split.prompt_kind = 0, split.overlap = SIZE_MAX;
    INVALID(qntx_embed_model_split, "overlap", (void)0);
    split.overlap = 0;
    NULL_REFUSED(qntx_embed_model_split, chunks);
    CHECK(chunks == NULL);
    RIGHT(qntx_embed_model_split);
    qntx_embed_chunks_free(chunks);
    NULL_TAKEN(qntx_embed_model_split, options);
    qntx_embed_chunks_free(chunks);
  }
}

// ---- Stores

FUNCTION(qntx_embed_store_open,
         { qntx_embed_str path; const qntx_embed_store_options *options; qntx_embed_store **store; },
         a->path, a->options, a->store)
FUNCTION(qntx_embed_store_put,
         { const qntx_embed_store *store; const qntx_embed_record *records; size_t count; uint32_t *outcomes; },
         a->store, a->records, a->count, a->outcomes)
FUNCTION(qntx_embed_store_put_sources,
         { const qntx_embed_store *store; const qntx_embed_record *records; size_t count; uint32_t *outcomes; size_t *deleted; },
         a->store, a->records, a->count, a->outcomes, a->deleted)
FUNCTION(qntx_embed_store_has,
         { const qntx_embed_store *store; const qntx_embed_record *records; size_t count; uint8_t *has; },
         a->store, a->records, a->count, a->has)

// What an array of records can have wrong.
#define RECORDS(function)                                                                        \
  do {                                                                                           \
    HANDLE(function, store);                                                                     \
    NULL_REFUSED(function, records);                                                             \
    SIZE(function, records, qntx_embed_record);                                                  \
    LENGTH(function, count, QNTX_EMBED_STATUS_INVALID_ARGUMENT);                                 \
    INVALID(function, "records", wrong.count = SIZE_MAX / sizeof(qntx_embed_record) / 2);        \
    qntx_embed_record two[2] = {record_of("1"), record_of("2")};                                 \
    two[1].size -= 8;                                                                            \
    INVALID(function, "records[1].size", (wrong.records = two, wrong.count = 2));                \
    two[1] = record_of("2"), two[1].reserved = 1;                                                \
    INVALID(function, "record 1", (wrong.records = two, wrong.count = 2));                       \
    two[1] = record_of("2"), two[1].text = not_utf8[0];                                          \
    REFUSED_WITH(function, QNTX_EMBED_STATUS_INVALID_UTF8, "record 1", (wrong.records = two, wrong.count = 2)); \
    two[1] = record_of("2"), two[1].dimensions = SIZE_MAX;                                       \
    INVALID(function, "record 1", (wrong.records = two, wrong.count = 2));                       \
    two[1] = record_of("2"), two[1].text.len = SIZE_MAX;                                         \
    INVALID(function, "record 1", (wrong.records = two, wrong.count = 2));                       \
  } while (0)

static size_t rows_of_the_store(void) {
  size_t count = 77;
  WORKS(qntx_embed_store_count, some.store, str(""), str(""), &count);
  return count;
}

static void wrong_arguments_of_writing_are_refused(void) {
  {
    qntx_embed_store *store = UNTOUCHED;
    qntx_embed_store_options options = {.size = sizeof options};
    const qntx_embed_store_open_arguments right = {str(":memory:"), &options, &store};
    TEXT(qntx_embed_store_open, path);
    SIZE(qntx_embed_store_open, options, qntx_embed_store_options);
    NULL_REFUSED(qntx_embed_store_open, store);
    REFUSED_WITH(qntx_embed_store_open, QNTX_EMBED_STATUS_STORE, "/no/such", wrong.path = str("/no/such/file.db"));
    REFUSED_WITH(qntx_embed_store_open, QNTX_EMBED_STATUS_STORE, "nul byte", wrong.path = BYTES("a\0b"));
    CHECK(store == NULL);
    RIGHT(qntx_embed_store_open);
    qntx_embed_store_free(store);
    NULL_TAKEN(qntx_embed_store_open, options);
    qntx_embed_store_free(store);
  }
  const qntx_embed_record record = record_of("1");
  uint32_t outcome = 77;
  {
    const qntx_embed_store_put_arguments right = {some.store, &record, 1, &outcome};
    RECORDS(qntx_embed_store_put);
    INVALID(qntx_embed_store_put, "outcomes", wrong.outcomes = (uint32_t *)(void *)((char *)some.zeros + 1));
    CHECK(rows_of_the_store() == 0 && outcome == 77);
    RIGHT(qntx_embed_store_put);
    NULL_TAKEN(qntx_embed_store_put, outcomes);
    WORKS(qntx_embed_store_put, some.store, NULL, 0, NULL);
  }
  {
    size_t deleted = 77;
    const qntx_embed_store_put_sources_arguments right = {some.store, &record, 1, &outcome, &deleted};
    RECORDS(qntx_embed_store_put_sources);
    CHECK(rows_of_the_store() == 1 && deleted == 77);
    RIGHT(qntx_embed_store_put_sources);
    NULL_TAKEN(qntx_embed_store_put_sources, outcomes);
    NULL_TAKEN(qntx_embed_store_put_sources, deleted);
    WORKS(qntx_embed_store_put_sources, some.store, NULL, 0, NULL, NULL);
  }
  {
    uint8_t has = 77;
    const qntx_embed_store_has_arguments right = {some.store, &record, 1, &has};
    RECORDS(qntx_embed_store_has);
    NULL_REFUSED(qntx_embed_store_has, has);
    CHECK(has == 77);
    RIGHT(qntx_embed_store_has);
    WORKS(qntx_embed_store_has, some.store, NULL, 0, NULL);
  }
}

FUNCTION(qntx_embed_store_get, { const qntx_embed_store *store; qntx_embed_str id; qntx_embed_rows **rows; },
         a->store, a->id, a->rows)
FUNCTION(qntx_embed_store_get_source,
         { const qntx_embed_store *store; qntx_embed_str source_type; qntx_embed_str source_id; qntx_embed_str fingerprint;
           qntx_embed_rows **rows; },
         a->store, a->source_type, a->source_id, a->fingerprint, a->rows)
FUNCTION(qntx_embed_store_list,
         { const qntx_embed_store *store; const qntx_embed_list_options *options; qntx_embed_rows **rows; },
         a->store, a->options, a->rows)
FUNCTION(qntx_embed_store_count,
         { const qntx_embed_store *store; qntx_embed_str fingerprint; qntx_embed_str filter; size_t *count; },
         a->store, a->fingerprint, a->filter, a->count)
FUNCTION(qntx_embed_store_revision, { const qntx_embed_store *store; uint64_t *revision; }, a->store, a->revision)
FUNCTION(qntx_embed_store_search,
         { const qntx_embed_store *store; const float *query; size_t dimensions; const qntx_embed_search_options *options;
           qntx_embed_rows **rows; },
         a->store, a->query, a->dimensions, a->options, a->rows)

static void wrong_arguments_of_reading_are_refused(void) {
  qntx_embed_rows *rows = UNTOUCHED;
  {
    const qntx_embed_store_get_arguments right = {some.store, str("none"), &rows};
    HANDLE(qntx_embed_store_get, store);
    TEXT(qntx_embed_store_get, id);
    NULL_REFUSED(qntx_embed_store_get, rows);
    REFUSED_WITH(qntx_embed_store_get, QNTX_EMBED_STATUS_NOT_FOUND, "none", (void)0);
  }
  {
    const qntx_embed_store_get_source_arguments right = {some.store, str("test"), str("1"), str("f"), &rows};
    HANDLE(qntx_embed_store_get_source, store);
    TEXT(qntx_embed_store_get_source, source_type);
    TEXT(qntx_embed_store_get_source, source_id);
    TEXT(qntx_embed_store_get_source, fingerprint);
    NULL_REFUSED(qntx_embed_store_get_source, rows);
    CHECK(rows == NULL);
    RIGHT(qntx_embed_store_get_source);
    qntx_embed_rows_free(rows);
  }
  {
    qntx_embed_list_options options = {.size = sizeof options};
    const qntx_embed_store_list_arguments right = {some.store, &options, &rows};
    HANDLE(qntx_embed_store_list, store);
    SIZE(qntx_embed_store_list, options, qntx_embed_list_options);
    NULL_REFUSED(qntx_embed_store_list, rows);
    options.limit = SIZE_MAX;
    INVALID(qntx_embed_store_list, "limit", (void)0);
    options.limit = 0, options.reserved = 1;
    INVALID(qntx_embed_store_list, "reserved", (void)0);
    options.reserved = 0, options.without_vectors = 77;
    INVALID(qntx_embed_store_list, "without_vectors", (void)0);
    options.without_vectors = 0, options.filter = str("[");
    INVALID(qntx_embed_store_list, "", (void)0);
    CHECK(rows == NULL);
    NULL_TAKEN(qntx_embed_store_list, options);
    qntx_embed_rows_free(rows);
  }
  {
    uint64_t revision = 77;
    const qntx_embed_store_revision_arguments right = {some.store, &revision};
    HANDLE(qntx_embed_store_revision, store);
    NULL_REFUSED(qntx_embed_store_revision, revision);
    CHECK(revision == 77);
    RIGHT(qntx_embed_store_revision);
  }
  {
    size_t count = 77;
    const qntx_embed_store_count_arguments right = {some.store, str("f"), str(""), &count};
    HANDLE(qntx_embed_store_count, store);
    TEXT(qntx_embed_store_count, fingerprint);
    TEXT(qntx_embed_store_count, filter);
    NULL_REFUSED(qntx_embed_store_count, count);
    INVALID(qntx_embed_store_count, "", wrong.filter = str("[\"=\"]"));
    CHECK(count == 77);
    RIGHT(qntx_embed_store_count);
  }
  {
    qntx_embed_search_options options = {.size = sizeof options, .fingerprint = str("f")};
    const qntx_embed_store_search_arguments right = {some.store, unit, 3, &options, &rows};
    HANDLE(qntx_embed_store_search, store);
    NULL_REFUSED(qntx_embed_store_search, query);
    LENGTH(qntx_embed_store_search, dimensions, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    NULL_REFUSED(qntx_embed_store_search, rows);
    SIZE(qntx_embed_store_search, options, qntx_embed_search_options);
    INVALID(qntx_embed_store_search, "fingerprint", wrong.options = NULL);  // NULL_REFUSED(qntx_embed_store_search, options)
    const float infinite[3] = {INFINITY, 0, 0}, no_number[3] = {NAN, 0, 0};
    INVALID(qntx_embed_store_search, "", wrong.query = infinite);
    INVALID(qntx_embed_store_search, "", wrong.query = no_number);
    options.index = 77;
    INVALID(qntx_embed_store_search, "index", (void)0);
    options.index = 0, options.group_by_source = 77;
    INVALID(qntx_embed_store_search, "group_by_source", (void)0);
    options.group_by_source = 0, options.without_vectors = 77;
    INVALID(qntx_embed_store_search, "without_vectors", (void)0);
    options.without_vectors = 0, options.reserved = 77;
    INVALID(qntx_embed_store_search, "reserved", (void)0);
    options.reserved = 0, options.limit = SIZE_MAX;
    INVALID(qntx_embed_store_search, "limit", (void)0);
    options.limit = 0, options.threshold = NAN;
    INVALID(qntx_embed_store_search, "threshold", (void)0);
    options.threshold = 0, options.diversity = 2;
    INVALID(qntx_embed_store_search, "diversity", (void)0);
    options.diversity = 0;
    CHECK(rows == NULL);
    RIGHT(qntx_embed_store_search);
    qntx_embed_rows_free(rows);
  }
}

FUNCTION(qntx_embed_store_delete_source,
         { const qntx_embed_store *store; qntx_embed_str source_type; qntx_embed_str source_id; size_t *deleted; },
         a->store, a->source_type, a->source_id, a->deleted)
FUNCTION(qntx_embed_store_delete_ids,
         { const qntx_embed_store *store; const qntx_embed_str *ids; size_t count; size_t *deleted; },
         a->store, a->ids, a->count, a->deleted)
FUNCTION(qntx_embed_store_delete_where,
         { const qntx_embed_store *store; qntx_embed_str filter; size_t *deleted; }, a->store, a->filter, a->deleted)

static void wrong_arguments_of_deleting_are_refused(void) {
  size_t deleted = 77;
  {
    const qntx_embed_store_delete_source_arguments right = {some.store, str("test"), str("none"), &deleted};
    HANDLE(qntx_embed_store_delete_source, store);
    TEXT(qntx_embed_store_delete_source, source_type);
    TEXT(qntx_embed_store_delete_source, source_id);
    CHECK(deleted == 77);
    RIGHT(qntx_embed_store_delete_source);
    NULL_TAKEN(qntx_embed_store_delete_source, deleted);
  }
  {
    const qntx_embed_str ids[2] = {str("none"), str("neither")}, second[2] = {str("none"), not_utf8[0]};
    deleted = 77;
    const qntx_embed_store_delete_ids_arguments right = {some.store, ids, 2, &deleted};
    HANDLE(qntx_embed_store_delete_ids, store);
    NULL_REFUSED(qntx_embed_store_delete_ids, ids);
    LENGTH(qntx_embed_store_delete_ids, count, QNTX_EMBED_STATUS_INVALID_ARGUMENT);
    REFUSED_WITH(qntx_embed_store_delete_ids, QNTX_EMBED_STATUS_INVALID_UTF8, "ids[1]", wrong.ids = second);
    CHECK(deleted == 77);
    RIGHT(qntx_embed_store_delete_ids);
    NULL_TAKEN(qntx_embed_store_delete_ids, deleted);
  }
  {
    deleted = 77;
    const qntx_embed_store_delete_where_arguments right = {some.store, str("[\"=\", \"source_id\", \"none\"]"), &deleted};
    HANDLE(qntx_embed_store_delete_where, store);
    TEXT(qntx_embed_store_delete_where, filter);
    INVALID(qntx_embed_store_delete_where, "filter is empty", wrong.filter = str(""));
    CHECK(deleted == 77);
    RIGHT(qntx_embed_store_delete_where);
    NULL_TAKEN(qntx_embed_store_delete_where, deleted);
  }
  CHECK(rows_of_the_store() == 1);
}

FUNCTION(qntx_embed_store_stats, { const qntx_embed_store *store; qntx_embed_text **json; }, a->store, a->json)
FUNCTION(qntx_embed_store_verify, { const qntx_embed_store *store; uint32_t repair; qntx_embed_text **json; },
         a->store, a->repair, a->json)
FUNCTION(qntx_embed_store_backup, { const qntx_embed_store *store; qntx_embed_str path; }, a->store, a->path)
FUNCTION(qntx_embed_store_optimize, { const qntx_embed_store *store; }, a->store)
FUNCTION(qntx_embed_store_migrate,
         { qntx_embed_str path; const qntx_embed_migrate_options *options; qntx_embed_text **json; },
         a->path, a->options, a->json)
FUNCTION(qntx_embed_store_reindex,
         { const qntx_embed_store *store; const qntx_embed_model *model; const qntx_embed_reindex_options *options;
           qntx_embed_reindex_report *report; },
         a->store, a->model, a->options, a->report)

static void wrong_arguments_of_upkeep_are_refused(void) {
  qntx_embed_text *json = UNTOUCHED;
  {
    const qntx_embed_store_stats_arguments right = {some.store, &json};
    HANDLE(qntx_embed_store_stats, store);
    NULL_REFUSED(qntx_embed_store_stats, json);
    CHECK(json == NULL);
    RIGHT(qntx_embed_store_stats);
    qntx_embed_text_free(json);
  }
  {
    const qntx_embed_store_verify_arguments right = {some.store, 0, &json};
    HANDLE(qntx_embed_store_verify, store);
    NUMBER(qntx_embed_store_verify, repair);
    NULL_REFUSED(qntx_embed_store_verify, json);
    CHECK(json == NULL);
    RIGHT(qntx_embed_store_verify);
    qntx_embed_text_free(json);
  }
  {
    const path copy = temporary("copy.db");
    const qntx_embed_store_backup_arguments right = {some.store, str(copy.text)};
    HANDLE(qntx_embed_store_backup, store);
    TEXT(qntx_embed_store_backup, path);
    RIGHT(qntx_embed_store_backup);
    INVALID(qntx_embed_store_backup, "copy.db", (void)0);
  }
  {
    const qntx_embed_store_optimize_arguments right = {some.store};
    HANDLE(qntx_embed_store_optimize, store);
    RIGHT(qntx_embed_store_optimize);
  }
  {
    qntx_embed_migrate_options options = {.size = sizeof options};
    // A file of this library's, so the right call is one that is refused too.
    const path copy = temporary("copy.db");
    const qntx_embed_store_migrate_arguments right = {str(copy.text), &options, &json};
    TEXT(qntx_embed_store_migrate, path);
    SIZE(qntx_embed_store_migrate, options, qntx_embed_migrate_options);
    NULL_REFUSED(qntx_embed_store_migrate, json);
    options.apply = 77;
    INVALID(qntx_embed_store_migrate, "apply", (void)0);
    options.apply = 0;
    CHECK(json == NULL);
    REFUSED_WITH(qntx_embed_store_migrate, QNTX_EMBED_STATUS_STORE_VERSION, "", (void)0);
    // NULL_TAKEN(qntx_embed_store_migrate, options): as far as with options.
    REFUSED_WITH(qntx_embed_store_migrate, QNTX_EMBED_STATUS_STORE_VERSION, "", wrong.options = NULL);
  }
  {
    qntx_embed_reindex_options options = {.size = sizeof options};
    qntx_embed_reindex_report report = {.size = sizeof report};
    const qntx_embed_store_reindex_arguments right = {some.store, some.model, &options, &report};
    HANDLE(qntx_embed_store_reindex, store);
    HANDLE(qntx_embed_store_reindex, model);
    SIZE(qntx_embed_store_reindex, options, qntx_embed_reindex_options);
    SIZE_FILLED(qntx_embed_store_reindex, report, qntx_embed_reindex_report);
    options.keep_old = 77;
    INVALID(qntx_embed_store_reindex, "keep_old", (void)0);
    options.keep_old = 0, options.prompt_kind = 77;
    INVALID(qntx_embed_store_reindex, "prompt_kind", (void)0);
    options.prompt_kind = 0, options.cancel = freed_cancel();
    INVALID(qntx_embed_store_reindex, "options.cancel", (void)0);
    options.cancel = NULL;
    RIGHT(qntx_embed_store_reindex);
    NULL_TAKEN(qntx_embed_store_reindex, options);
    NULL_TAKEN(qntx_embed_store_reindex, report);
  }
}

// ---- Functions without a status

static void what_is_no_handle_counts_as_null(void) {
  size_t count = 77;
  uint64_t tag = 77;
  COUNTS_AS_NULL(qntx_embed_error_status, error, qntx_embed_error, qntx_embed_error_status(error) == QNTX_EMBED_STATUS_OK);
  COUNTS_AS_NULL(qntx_embed_error_message, error, qntx_embed_error, qntx_embed_error_message(error)[0] == '\0');
  COUNTS_AS_NULL(qntx_embed_rows_get, rows, qntx_embed_rows,
                 (count = 77, qntx_embed_rows_get(rows, &count) == NULL && count == 0 && qntx_embed_rows_get(rows, NULL) == NULL));
  COUNTS_AS_NULL(qntx_embed_rows_explain, rows, qntx_embed_rows, qntx_embed_rows_explain(rows)[0] == '\0');
  COUNTS_AS_NULL(qntx_embed_text_get, text, qntx_embed_text, qntx_embed_text_get(text)[0] == '\0');
  COUNTS_AS_NULL(qntx_embed_chunks_get, chunks, qntx_embed_chunks,
                 (count = 77, qntx_embed_chunks_get(chunks, &count) == NULL && count == 0 && qntx_embed_chunks_get(chunks, NULL) == NULL));
  COUNTS_AS_NULL(qntx_embed_model_prompts, model, qntx_embed_model,
                 (count = 77, qntx_embed_model_prompts(model, &count) == NULL && count == 0 && qntx_embed_model_prompts(model, NULL) == NULL));
  COUNTS_AS_NULL(qntx_embed_completions_descriptor, completions, qntx_embed_completions,
                 qntx_embed_completions_descriptor(completions) == -1);
  COUNTS_AS_NULL(qntx_embed_completions_take, completions, qntx_embed_completions,
                 (tag = 77, qntx_embed_completions_take(completions, &tag, 1) == 0 && tag == 77));
  COUNTS_AS_NULL(qntx_embed_cancel_now, cancel, qntx_embed_cancel, (qntx_embed_cancel_now(cancel), true));
}

static void what_is_no_handle_is_not_freed(void) {
  FREES_ONLY_ITS_OWN(qntx_embed_model_free, model, qntx_embed_model);
  FREES_ONLY_ITS_OWN(qntx_embed_store_free, store, qntx_embed_store);
  FREES_ONLY_ITS_OWN(qntx_embed_cancel_free, cancel, qntx_embed_cancel);
  FREES_ONLY_ITS_OWN(qntx_embed_completions_free, completions, qntx_embed_completions);
  FREES_ONLY_ITS_OWN(qntx_embed_call_free, call, qntx_embed_call);
  FREES_ONLY_ITS_OWN(qntx_embed_error_free, error, qntx_embed_error);
  FREES_ONLY_ITS_OWN(qntx_embed_rows_free, rows, qntx_embed_rows);
  FREES_ONLY_ITS_OWN(qntx_embed_text_free, text, qntx_embed_text);
  FREES_ONLY_ITS_OWN(qntx_embed_chunks_free, chunks, qntx_embed_chunks);
  qntx_embed_blob_free(NULL);  // FREES_ONLY_ITS_OWN(qntx_embed_blob_free, blob): a structure of the caller's, not a handle
  // A handle of another kind is not freed either, and goes on.
  qntx_embed_model_free((qntx_embed_model *)(void *)some.store);
  CHECK(rows_of_the_store() == 1);
}

static void what_was_freed_is_not_freed_again(void) {
  qntx_embed_model_free((qntx_embed_model *)(void *)(uintptr_t)freed_model());
  qntx_embed_store_free((qntx_embed_store *)(void *)(uintptr_t)freed_store());
  qntx_embed_cancel_free((qntx_embed_cancel *)(void *)(uintptr_t)freed_cancel());
  qntx_embed_cancel_now(freed_cancel());
  qntx_embed_completions_free((qntx_embed_completions *)(void *)(uintptr_t)freed_completions());
  qntx_embed_call_free((qntx_embed_call *)(void *)(uintptr_t)freed_call());
  CHECK(rows_of_the_store() == 1);
}

int main(void) {
  TEST(what_the_table_needs_is_there);
  TEST(wrong_vectors_and_blobs_are_refused);
  TEST(wrong_arguments_of_maps_are_refused);
  TEST(wrong_arguments_of_models_are_refused);
  TEST(wrong_arguments_of_embedding_are_refused);
  TEST(wrong_arguments_of_calls_are_refused);
  TEST(wrong_arguments_of_writing_are_refused);
  TEST(wrong_arguments_of_reading_are_refused);
  TEST(wrong_arguments_of_deleting_are_refused);
  TEST(wrong_arguments_of_upkeep_are_refused);
  TEST(what_is_no_handle_counts_as_null);
  TEST(what_is_no_handle_is_not_freed);
  TEST(what_was_freed_is_not_freed_again);
  TEST(what_the_table_needed_can_be_freed);
  return finish();
}
