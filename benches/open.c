// Opens a model once, as a program that has just started does, and prints what that took. benches/open.sh runs it.

#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "qntx_embed.h"

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double ms(struct timeval t) { return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3; }

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: open MODEL\n");
    return 2;
  }
  const qntx_embed_str directory = {argv[1], strlen(argv[1])};
  qntx_embed_model *model = NULL;
  qntx_embed_error *error = NULL;
  const double start = now_ms();
  if (qntx_embed_model_open(directory, NULL, &model, &error) != QNTX_EMBED_STATUS_OK) {
    fprintf(stderr, "%s\n", qntx_embed_error_message(error));
    qntx_embed_error_free(error);
    return 1;
  }
  const double took = now_ms() - start;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("%6.1f ms; processor %.0f ms of the program's, %.0f ms of the system's; %ld page faults\n", took, ms(used.ru_utime),
         ms(used.ru_stime), used.ru_minflt);
  qntx_embed_model_free(model);
  return 0;
}
