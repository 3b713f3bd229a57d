// Errors on purpose, to see that a sanitizer is really there: planted overflow|leak|undefined|uninitialised
//
// The library has a part in each: it is not enough that the program alone is watched.

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qntx_embed.h"

int main(int argc, char **argv) {
  const char *error = argc > 1 ? argv[1] : "";
  volatile int one = 1;
  float vector[4] = {1, 2, 3, 4};
  qntx_embed_blob blob;
  if (qntx_embed_blob_serialize(vector, 4, &blob, NULL) != QNTX_EMBED_STATUS_OK) return 2;

  if (strcmp(error, "overflow") == 0) {
    // One byte past what the library gave.
    volatile unsigned char *bytes = blob.data;
    bytes[blob.len - 1 + (size_t)one] = 1;
  } else if (strcmp(error, "leak") == 0) {
    memset(&blob, 0, sizeof blob);
  } else if (strcmp(error, "undefined") == 0) {
    volatile int most = INT_MAX;
    printf("%d\n", most + one);
  } else if (strcmp(error, "uninitialised") == 0) {
    float *unset = malloc(16 * sizeof *unset);
    float similarity = 0;
    if (unset == NULL || qntx_embed_similarity(unset, unset + 8, 8, &similarity, NULL) != QNTX_EMBED_STATUS_OK) puts("refused");
    if (similarity > 0.5f) puts("alike");
    free(unset);
  } else {
    fprintf(stderr, "planted: '%s' is none of overflow, leak, undefined, uninitialised\n", error);
    return 2;
  }
  qntx_embed_blob_free(&blob);
  return 0;
}
