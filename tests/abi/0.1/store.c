// Stores a few texts with their vectors, then finds those that a question means, best first.
//
//   store [MODEL_DIRECTORY [QUESTION [DATABASE_FILE]]]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qntx_embed.h"

#define PASSAGES 5

static const char *const passages[PASSAGES] = {
    "To stop the pump, press the red button and close the valve.",
    "Bread rises faster in a warm kitchen.",
    "The night train to Vienna leaves from platform nine.",
    "Before maintenance, switch the motor off and wait until the shaft stands still.",
    "A database index makes reading faster and writing slower.",
};

static qntx_embed_str str(const char *text) {
  qntx_embed_str result = {text, strlen(text)};
  return result;
}

static float *room_for(size_t floats) {
  float *room = (float *)malloc(floats * sizeof *room);
  if (room != NULL) return room;
  fputs("store: no memory left\n", stderr);
  exit(EXIT_FAILURE);
}

// Embeds all passages in one call and stores them in one transaction. A second run with the same file changes nothing:
// source and fingerprint name a row.
static qntx_embed_status fill(const qntx_embed_store *store, const qntx_embed_model *model,
                              const qntx_embed_model_info *info, qntx_embed_error **error) {
  qntx_embed_str texts[PASSAGES];
  qntx_embed_record records[PASSAGES];
  char ids[PASSAGES][32];
  float *vectors = room_for(PASSAGES * info->dimensions);

  memset(records, 0, sizeof records);
  for (int i = 0; i < PASSAGES; i++) {
    snprintf(ids[i], sizeof ids[i], "passage-%d", i + 1);
    texts[i] = str(passages[i]);
    records[i].size = sizeof records[i];
    records[i].source_type = str("example");
    records[i].source_id = str(ids[i]);
    records[i].text = texts[i];
    records[i].model = str(info->name);
    records[i].fingerprint = str(info->fingerprint);
    records[i].vector = vectors + i * info->dimensions;
    records[i].dimensions = info->dimensions;
  }

  qntx_embed_status status =
      qntx_embed_embed_batch(model, texts, PASSAGES, NULL, vectors, PASSAGES * info->dimensions, NULL, error);
  if (status == QNTX_EMBED_STATUS_OK) status = qntx_embed_store_put(store, records, PASSAGES, NULL, error);
  free(vectors);
  return status;
}

// Prints the three nearest passages.
static qntx_embed_status ask(const qntx_embed_store *store, const qntx_embed_model *model,
                             const qntx_embed_model_info *info, const char *question, qntx_embed_error **error) {
  qntx_embed_rows *rows = NULL;
  qntx_embed_search_options options;
  float *query = room_for(info->dimensions);

  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.fingerprint = str(info->fingerprint);
  options.limit = 3;
  options.threshold = -1;  // everything, however far

  qntx_embed_status status = qntx_embed_embed(model, str(question), NULL, query, info->dimensions, NULL, error);
  if (status == QNTX_EMBED_STATUS_OK)
    status = qntx_embed_store_search(store, query, info->dimensions, &options, &rows, error);
  if (status == QNTX_EMBED_STATUS_OK) {
    size_t count = 0;
    const qntx_embed_row *const *all = qntx_embed_rows_get(rows, &count);
    printf("%s\n", question);
    for (size_t i = 0; i < count; i++) {
      // A row's texts have a length and no NUL at their end.
      printf("  %.4f  %.*s: %.*s\n", all[i]->similarity, (int)all[i]->source_id.len, all[i]->source_id.ptr,
             (int)all[i]->text.len, all[i]->text.ptr);
    }
  }
  qntx_embed_rows_free(rows);
  free(query);
  return status;
}

int main(int argc, char **argv) {
  const char *directory = argc > 1 ? argv[1] : "models/all-MiniLM-L6-v2";
  const char *question = argc > 2 ? argv[2] : "How do I turn the machine off?";
  const char *database = argc > 3 ? argv[3] : ":memory:";
  qntx_embed_model *model = NULL;
  qntx_embed_store *store = NULL;
  qntx_embed_error *error = NULL;
  qntx_embed_model_info info;
  memset(&info, 0, sizeof info);
  info.size = sizeof info;

  qntx_embed_status status = qntx_embed_model_open(str(directory), NULL, &model, &error);
  if (status == QNTX_EMBED_STATUS_OK) status = qntx_embed_model_get_info(model, &info, &error);
  if (status == QNTX_EMBED_STATUS_OK) status = qntx_embed_store_open(str(database), NULL, &store, &error);
  if (status == QNTX_EMBED_STATUS_OK) status = fill(store, model, &info, &error);
  if (status == QNTX_EMBED_STATUS_OK) status = ask(store, model, &info, question, &error);
  if (status != QNTX_EMBED_STATUS_OK) fprintf(stderr, "store: %s\n", qntx_embed_error_message(error));

  qntx_embed_error_free(error);
  qntx_embed_store_free(store);
  qntx_embed_model_free(model);
  return status == QNTX_EMBED_STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
