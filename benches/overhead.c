// What go/embeddings' BenchmarkBatch does, in C: batches of 1,000 short texts, each embedded, and then once more from the
// cache. Prints the medians; benches/overhead.sh compares them with Go's.
//
//   overhead MODEL_DIRECTORY ONNXRUNTIME ROUNDS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "qntx_embed.h"

#define TEXTS 1000

static double now(void) {
  struct timespec t;
  timespec_get(&t, TIME_UTC);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void must(qntx_embed_status status, qntx_embed_error *error) {
  if (status == QNTX_EMBED_STATUS_OK) return;
  fprintf(stderr, "overhead: %s\n", qntx_embed_error_message(error));
  exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
  if (argc != 4) return EXIT_FAILURE;
  const int rounds = atoi(argv[3]);
  const qntx_embed_str directory = {argv[1], strlen(argv[1])};
  const qntx_embed_model_options options = {
      .size = sizeof options, .onnxruntime = {argv[2], strlen(argv[2])}, .cache_bytes = 1 << 28};
  qntx_embed_error *error = NULL;
  qntx_embed_model *model = NULL;
  must(qntx_embed_model_open(directory, &options, &model, &error), error);
  qntx_embed_model_info info = {.size = sizeof info};
  must(qntx_embed_model_get_info(model, &info, &error), error);

  static char words[TEXTS][80];
  static qntx_embed_str texts[TEXTS];
  static qntx_embed_text_info infos[TEXTS];
  double *computed = calloc((size_t)rounds, sizeof *computed), *known = calloc((size_t)rounds, sizeof *known);
  if (computed == NULL || known == NULL) return EXIT_FAILURE;
  for (int n = 0; n < rounds; n++) {
    for (int i = 0; i < TEXTS; i++) {
      const int len = snprintf(words[i], sizeof words[i], "note %d of batch %d says that the pump stopped", i, n);
      texts[i] = (qntx_embed_str){words[i], (size_t)len};
    }
    double *times[2] = {&computed[n], &known[n]};
    for (int i = 0; i < 2; i++) {
      // A new buffer each time, as Go has it.
      float *vectors = malloc(TEXTS * info.dimensions * sizeof *vectors);
      const double start = now();
      must(qntx_embed_embed_batch(model, texts, TEXTS, NULL, vectors, TEXTS * info.dimensions, infos, &error), error);
      *times[i] = now() - start;
      free(vectors);
    }
  }
  qsort(computed, (size_t)rounds, sizeof *computed, ascending);
  qsort(known, (size_t)rounds, sizeof *known, ascending);
  printf("%.0f %.0f\n", 1e6 * computed[rounds / 2], 1e6 * known[rounds / 2]);
  free(computed);
  free(known);
  qntx_embed_model_free(model);
  return EXIT_SUCCESS;
}
