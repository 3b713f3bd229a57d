// A loadable SQLite extension: vec0 and embeddings in the host's own SQLite.
//
//   .load libqntx_embed_sqlite
//
// sqlite-vec is compiled into this library against the host's SQLite, so that it works on the host's connections; models
// come from libqntx_embed. docs/sqlite.md says what each function does. Models are shared by all connections of the
// process that name the same directory, and closed with the last of them.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite3ext.h"
#include "qntx_embed.h"

// Defined, and set, by sqlite-vec.c too: one pointer for the two files.
SQLITE_EXTENSION_INIT3

int sqlite3_vec_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

#define ENVIRONMENT_VARIABLE "QNTX_EMBED_MODEL"

// A model that some connections use.
typedef struct Model {
  struct Model *next;
  qntx_embed_model *model;
  qntx_embed_model_info info;
  unsigned users;
  char directory[];
} Model;

static Model *models;
static pthread_mutex_t models_lock = PTHREAD_MUTEX_INITIALIZER;

// What a connection has. SQLite uses a connection from one thread at a time.
typedef struct Connection {
  Model *model;
  unsigned functions;  // that point here
} Connection;

// Makes the library's error the SQL call's.
static void result_error(sqlite3_context *context, qntx_embed_error *error) {
  sqlite3_result_error(context, qntx_embed_error_message(error), -1);
  qntx_embed_error_free(error);
}

// The model of a directory, open for one more user; NULL after a failure. Opening holds the lock: the second connection
// that names a directory waits for the first one's model.
static Model *acquire(const char *directory, size_t length, qntx_embed_error **error) {
  pthread_mutex_lock(&models_lock);
  Model *found = models;
  while (found != NULL && (strlen(found->directory) != length || memcmp(found->directory, directory, length) != 0))
    found = found->next;
  if (found == NULL && (found = calloc(1, sizeof *found + length + 1)) != NULL) {
    memcpy(found->directory, directory, length);
    found->info.size = sizeof found->info;
    qntx_embed_str path = {directory, length};
    if (qntx_embed_model_open(path, NULL, &found->model, error) != QNTX_EMBED_STATUS_OK ||
        qntx_embed_model_get_info(found->model, &found->info, error) != QNTX_EMBED_STATUS_OK) {
      qntx_embed_model_free(found->model);
      free(found);
      found = NULL;
    } else {
      found->next = models;
      models = found;
    }
  }
  if (found != NULL) found->users++;
  pthread_mutex_unlock(&models_lock);
  return found;
}

static void release(Model *model) {
  if (model == NULL) return;
  pthread_mutex_lock(&models_lock);
  if (--model->users == 0) {
    Model **place = &models;
    while (*place != model) place = &(*place)->next;
    *place = model->next;
    qntx_embed_model_free(model->model);
    free(model);
  }
  pthread_mutex_unlock(&models_lock);
}

// Opens a model for the connection, in place of the one that it has. 0 after a failure, which is the call's error then.
static int use(sqlite3_context *context, const char *directory, size_t length) {
  Connection *connection = sqlite3_user_data(context);
  qntx_embed_error *error = NULL;
  Model *model = acquire(directory, length, &error);
  if (model == NULL) {
    if (error == NULL) sqlite3_result_error_nomem(context);
    else result_error(context, error);
    return 0;
  }
  release(connection->model);
  connection->model = model;
  return 1;
}

// The connection's model; the environment's where it has opened none. NULL after a failure.
static Model *model_of(sqlite3_context *context) {
  Connection *connection = sqlite3_user_data(context);
  if (connection->model != NULL) return connection->model;
  const char *directory = getenv(ENVIRONMENT_VARIABLE);
  if (directory == NULL || *directory == 0) {
    sqlite3_result_error(context,
                         "no model is open: call qntx_embed_open('DIRECTORY') on this connection, or set "
                         ENVIRONMENT_VARIABLE " in the environment",
                         -1);
    return NULL;
  }
  return use(context, directory, strlen(directory)) ? connection->model : NULL;
}

// A text argument; 0 after a failure. The bytes live until the next call on the same value.
static int text_of(sqlite3_context *context, sqlite3_value *value, const char *what, qntx_embed_str *text) {
  if (sqlite3_value_type(value) != SQLITE_TEXT) {
    char message[96];
    snprintf(message, sizeof message, "%s must be text", what);
    sqlite3_result_error(context, message, -1);
    return 0;
  }
  text->ptr = (const char *)sqlite3_value_text(value);
  text->len = (size_t)sqlite3_value_bytes(value);
  if (text->ptr == NULL) {
    sqlite3_result_error_nomem(context);
    return 0;
  }
  return 1;
}

// qntx_embed_open(directory) -> the model's name.
static void sql_open(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  qntx_embed_str directory;
  if (!text_of(context, values[0], "qntx_embed_open: the model's directory", &directory)) return;
  if (!use(context, directory.ptr, directory.len)) return;
  Connection *connection = sqlite3_user_data(context);
  sqlite3_result_text(context, connection->model->info.name, -1, SQLITE_TRANSIENT);
}

// qntx_embed(text [, prompt name]) -> FLOAT32_BLOB. NULL gives NULL.
static void sql_embed(sqlite3_context *context, int count, sqlite3_value **values) {
  if (sqlite3_value_type(values[0]) == SQLITE_NULL) return;
  qntx_embed_str text;
  if (!text_of(context, values[0], "qntx_embed: its first argument", &text)) return;
  qntx_embed_embed_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  if (count == 2) {
    options.prompt_kind = QNTX_EMBED_PROMPT_NAMED;
    if (!text_of(context, values[1], "qntx_embed: the prompt's name", &options.prompt)) return;
  }
  Model *model = model_of(context);
  if (model == NULL) return;

  qntx_embed_error *error = NULL;
  qntx_embed_blob blob;
  size_t dimensions = model->info.dimensions;
  float *vector = sqlite3_malloc64(dimensions * sizeof *vector);
  if (vector == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  if (qntx_embed_embed(model->model, text, &options, vector, dimensions, NULL, &error) != QNTX_EMBED_STATUS_OK ||
      qntx_embed_blob_serialize(vector, dimensions, &blob, &error) != QNTX_EMBED_STATUS_OK) {
    result_error(context, error);
  } else {
    sqlite3_result_blob64(context, blob.data, blob.len, SQLITE_TRANSIENT);
    qntx_embed_blob_free(&blob);
  }
  sqlite3_free(vector);
}

// A FLOAT32_BLOB argument as floats, to be freed with sqlite3_free; NULL after a failure.
static float *floats_of(sqlite3_context *context, sqlite3_value *value, size_t *dimensions) {
  if (sqlite3_value_type(value) != SQLITE_BLOB) {
    sqlite3_result_error(context, "qntx_similarity: both arguments must be FLOAT32_BLOBs", -1);
    return NULL;
  }
  const uint8_t *bytes = sqlite3_value_blob(value);
  size_t length = (size_t)sqlite3_value_bytes(value);
  float *floats = sqlite3_malloc64(length + 1);
  if (floats == NULL) {
    sqlite3_result_error_nomem(context);
    return NULL;
  }
  qntx_embed_error *error = NULL;
  *dimensions = length / 4;
  if (qntx_embed_blob_deserialize(bytes, length, floats, *dimensions, &error) != QNTX_EMBED_STATUS_OK) {
    result_error(context, error);
    sqlite3_free(floats);
    return NULL;
  }
  return floats;
}

// qntx_similarity(a, b) -> cosine of two FLOAT32_BLOBs. NULL gives NULL.
static void sql_similarity(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  if (sqlite3_value_type(values[0]) == SQLITE_NULL || sqlite3_value_type(values[1]) == SQLITE_NULL) return;
  size_t of_a, of_b;
  float *a = floats_of(context, values[0], &of_a);
  if (a == NULL) return;
  float *b = floats_of(context, values[1], &of_b);
  if (b == NULL) {
    sqlite3_free(a);
    return;
  }
  float similarity;
  qntx_embed_error *error = NULL;
  if (of_a != of_b) {
    char message[96];
    snprintf(message, sizeof message, "qntx_similarity: one vector has %zu dimensions, the other %zu", of_a, of_b);
    sqlite3_result_error(context, message, -1);
  } else if (qntx_embed_similarity(a, b, of_a, &similarity, &error) != QNTX_EMBED_STATUS_OK) {
    result_error(context, error);
  } else {
    sqlite3_result_double(context, similarity);
  }
  sqlite3_free(a);
  sqlite3_free(b);
}

// qntx_embed_info() -> JSON: what the connection's model is.
static void sql_info(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  (void)values;
  Model *model = model_of(context);
  if (model == NULL) return;
  const qntx_embed_model_info *info = &model->info;
  sqlite3_str *json = sqlite3_str_new(NULL);
  sqlite3_str_appendall(json, "{\"model\":\"");
  // A directory's name may have what JSON escapes.
  for (const unsigned char *c = (const unsigned char *)info->name; *c; c++)
    sqlite3_str_appendf(json, *c < ' ' ? "\\u%04x" : *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
  sqlite3_str_appendf(json,
                      "\",\"fingerprint\":\"%s\",\"dimensions\":%llu,\"max_tokens\":%llu,\"library\":\"%s\","
                      "\"onnxruntime\":\"%s\"}",
                      info->fingerprint, (unsigned long long)info->dimensions, (unsigned long long)info->max_tokens,
                      qntx_embed_version(), info->onnxruntime);
  char *text = sqlite3_str_finish(json);
  if (text == NULL) sqlite3_result_error_nomem(context);
  else sqlite3_result_text(context, text, -1, sqlite3_free);
}

// Called for each function that goes; the connection's state goes with the last.
static void drop(void *state) {
  Connection *connection = state;
  if (--connection->functions > 0) return;
  release(connection->model);
  free(connection);
}

__attribute__((visibility("default"))) int sqlite3_qntxembed_init(sqlite3 *db, char **message, const sqlite3_api_routines *api) {
  SQLITE_EXTENSION_INIT2(api);
  if (qntx_embed_abi_version() != QNTX_EMBED_ABI_VERSION) {
    *message = sqlite3_mprintf("libqntx_embed that was loaded has ABI %u, this extension was built for %u: install both of "
                               "the same version", qntx_embed_abi_version(), QNTX_EMBED_ABI_VERSION);
    return SQLITE_ERROR;
  }
  int status = sqlite3_vec_init(db, message, api);
  if (status != SQLITE_OK) return status;

  static const struct {
    const char *name;
    int arguments;
    int flags;
    void (*function)(sqlite3_context *, int, sqlite3_value **);
  } functions[] = {
      // What a text gives does not change within a statement, so a constant one is embedded once.
      {"qntx_embed", 1, SQLITE_DETERMINISTIC, sql_embed},
      {"qntx_embed", 2, SQLITE_DETERMINISTIC, sql_embed},
      {"qntx_similarity", 2, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, sql_similarity},
      {"qntx_embed_info", 0, 0, sql_info},
      // Reads files: not from a view or trigger that came with a database.
      {"qntx_embed_open", 1, SQLITE_DIRECTONLY, sql_open},
  };
  Connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) return SQLITE_NOMEM;
  connection->functions = 1;  // this function's own
  for (size_t i = 0; i < sizeof functions / sizeof *functions && status == SQLITE_OK; i++) {
    // SQLite calls `drop` also where it fails.
    connection->functions++;
    status = sqlite3_create_function_v2(db, functions[i].name, functions[i].arguments, SQLITE_UTF8 | functions[i].flags,
                                        connection, functions[i].function, NULL, NULL, drop);
  }
  drop(connection);
  // ONNX Runtime is never unloaded, and knows functions of libqntx_embed: that must stay as well.
  return status == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : status;
}

// The name that SQLite makes of the file's, where none is given.
__attribute__((visibility("default"))) int sqlite3_qntxembedsqlite_init(sqlite3 *db, char **message,
                                                                       const sqlite3_api_routines *api) {
  return sqlite3_qntxembed_init(db, message, api);
}
