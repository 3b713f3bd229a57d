// Embeds two texts and prints how alike they are in meaning: 1 is the same, around 0 is unrelated.
//
//   similarity [MODEL_DIRECTORY [TEXT TEXT]]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qntx_embed.h"

static qntx_embed_str str(const char *text) {
  qntx_embed_str result = {text, strlen(text)};
  return result;
}

int main(int argc, char **argv) {
  qntx_embed_str directory = str(argc > 1 ? argv[1] : "models/all-MiniLM-L6-v2");
  qntx_embed_str texts[2] = {str(argc > 3 ? argv[2] : "A cat sleeps on the sofa."),
                             str(argc > 3 ? argv[3] : "The kitten is napping on the couch.")};
  qntx_embed_model *model = NULL;
  qntx_embed_error *error = NULL;
  float *vectors = NULL;
  float similarity = 0;
  qntx_embed_model_info info;
  memset(&info, 0, sizeof info);
  info.size = sizeof info;

  qntx_embed_status status = qntx_embed_model_open(directory, NULL, &model, &error);
  if (status == QNTX_EMBED_STATUS_OK) status = qntx_embed_model_get_info(model, &info, &error);
  if (status == QNTX_EMBED_STATUS_OK) {
    // Both vectors, end to end. Should malloc fail, the call refuses its NULL.
    vectors = (float *)malloc(2 * info.dimensions * sizeof *vectors);
    status = qntx_embed_embed_batch(model, texts, 2, NULL, vectors, 2 * info.dimensions, NULL, &error);
  }
  if (status == QNTX_EMBED_STATUS_OK)
    status = qntx_embed_similarity(vectors, vectors + info.dimensions, info.dimensions, &similarity, &error);

  if (status == QNTX_EMBED_STATUS_OK)
    printf("%.4f  \"%s\"  \"%s\"\n", similarity, texts[0].ptr, texts[1].ptr);
  else
    fprintf(stderr, "similarity: %s\n", qntx_embed_error_message(error));

  free(vectors);
  qntx_embed_error_free(error);
  qntx_embed_model_free(model);
  return status == QNTX_EMBED_STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
