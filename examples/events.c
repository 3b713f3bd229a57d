// Many calls at once from one thread, which waits for them with poll as it would for sockets.
//
//   events [MODEL_DIRECTORY] [TEXT...]

#include "qntx_embed.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

static qntx_embed_str str(const char *text) {
  qntx_embed_str result = {text, strlen(text)};
  return result;
}

// Prints what a call gave, and frees it.
static qntx_embed_status finish(qntx_embed_call *call, const char *text, float *vector, size_t dimensions, qntx_embed_error **error) {
  qntx_embed_text_info info;
  const qntx_embed_status status = qntx_embed_call_wait(call, vector, dimensions, &info, error);
  if (status == QNTX_EMBED_STATUS_OK) printf("%3u tokens, first component %7.4f  \"%s\"\n", info.tokens, vector[0], text);
  qntx_embed_call_free(call);
  return status;
}

int main(int argc, char **argv) {
  const char *samples[] = {"A cat sleeps on the sofa.", "The kitten is napping on the couch.", "Interest rates rose again."};
  const char **texts = argc > 2 ? (const char **)argv + 2 : samples;
  size_t count = argc > 2 ? (size_t)argc - 2 : 3;
  if (count > MOST) count = MOST;

  qntx_embed_model *model = NULL;
  qntx_embed_completions *completions = NULL;
  qntx_embed_error *error = NULL;
  qntx_embed_call *calls[MOST];
  float *vector = NULL;
  size_t started = 0;
  qntx_embed_model_info info;
  memset(&info, 0, sizeof info);
  info.size = sizeof info;

  qntx_embed_status status = qntx_embed_model_open(str(argc > 1 ? argv[1] : "models/all-MiniLM-L6-v2"), NULL, &model, &error);
  if (status == QNTX_EMBED_STATUS_OK) status = qntx_embed_model_get_info(model, &info, &error);
  if (status == QNTX_EMBED_STATUS_OK) status = qntx_embed_completions_new(&completions, &error);
  // Nothing waits here. The tag, a number of ours, says later which call it was.
  while (status == QNTX_EMBED_STATUS_OK && started < count) {
    const qntx_embed_str text = str(texts[started]);
    status = qntx_embed_call_start(model, &text, 1, NULL, completions, started, &calls[started], &error);
    if (status == QNTX_EMBED_STATUS_OK) started++;
  }

  vector = (float *)malloc(info.dimensions * sizeof *vector);
  struct pollfd descriptors[1];  // and a program's others
  descriptors[0].fd = qntx_embed_completions_descriptor(completions);
  descriptors[0].events = POLLIN;
  size_t finished = 0;
  while (status == QNTX_EMBED_STATUS_OK && finished < started && poll(descriptors, 1, -1) > 0) {
    uint64_t tags[MOST];
    const size_t over = qntx_embed_completions_take(completions, tags, MOST);
    for (size_t i = 0; i < over; i++) {
      const qntx_embed_status own = finish(calls[tags[i]], texts[tags[i]], vector, info.dimensions, status ? NULL : &error);
      calls[tags[i]] = NULL;
      if (status == QNTX_EMBED_STATUS_OK) status = own;
    }
    finished += over;
  }

  if (status != QNTX_EMBED_STATUS_OK) fprintf(stderr, "events: %s\n", qntx_embed_error_message(error));
  for (size_t i = 0; i < started; i++) qntx_embed_call_free(calls[i]);  // those that were not finished
  free(vector);
  qntx_embed_error_free(error);
  qntx_embed_completions_free(completions);
  qntx_embed_model_free(model);
  return status == QNTX_EMBED_STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
