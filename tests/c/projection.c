// Maps of vectors: the same each time, ended when that is wanted, refused where they cannot be.

#include "harness.h"

enum { COUNT = 60, DIMENSIONS = 8 };

static float vectors[COUNT * DIMENSIONS];

// Three groups of 20, each around an axis of its own.
static void fill(void) {
  for (int i = 0; i < COUNT; i++)
    for (int j = 0; j < DIMENSIONS; j++)
      vectors[i * DIMENSIONS + j] = (i % 3 == j ? 1.0f : 0.0f) + 0.02f * (float)((i * 7 + j * 5) % 11 - 5);
}

static void the_same_vectors_have_the_same_map_and_groups_stay_together(void) {
  float points[2 * COUNT], again[2 * COUNT];
  WORKS(qntx_embed_project, vectors, COUNT, DIMENSIONS, NULL, points, 2 * COUNT);
  WORKS(qntx_embed_project, vectors, COUNT, DIMENSIONS, NULL, again, 2 * COUNT);
  CHECK(memcmp(points, again, sizeof points) == 0);
  for (int i = 0; i < COUNT; i++) {
    CHECK(fabsf(points[2 * i]) <= 1 && fabsf(points[2 * i + 1]) <= 1);
    int nearest = -1;
    float least = INFINITY;
    for (int j = 0; j < COUNT; j++) {
      const float distance = hypotf(points[2 * i] - points[2 * j], points[2 * i + 1] - points[2 * j + 1]);
      if (j != i && distance < least) nearest = j, least = distance;
    }
    CHECK_SAYS(nearest % 3 == i % 3, "the point nearest to %d is %d, of another group", i, nearest);
  }
}

static void a_vector_of_the_map_lies_on_its_point(void) {
  float points[2 * COUNT], point[2];
  WORKS(qntx_embed_project, vectors, COUNT, DIMENSIONS, NULL, points, 2 * COUNT);
  for (int i = 0; i < COUNT; i++) {
    WORKS(qntx_embed_project_place, vectors, COUNT, DIMENSIONS, points, vectors + i * DIMENSIONS, point);
    CHECK(point[0] == points[2 * i] && point[1] == points[2 * i + 1]);
  }
}

typedef struct {
  size_t calls, last, total, cancel_at;
  qntx_embed_cancel *cancel;
} told;

static void tell(void *context, size_t done, size_t total) {
  told *t = (told *)context;
  CHECK(done <= total && (t->calls == 0 || done >= t->last));
  t->calls++, t->last = done, t->total = total;
  if (t->cancel && done >= t->cancel_at) qntx_embed_cancel_now(t->cancel);
}

static void progress_goes_up_to_the_whole(void) {
  float points[2 * COUNT];
  told t = {0, 0, 0, 0, NULL};
  qntx_embed_project_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options, options.progress = tell, options.progress_context = &t;
  WORKS(qntx_embed_project, vectors, COUNT, DIMENSIONS, &options, points, 2 * COUNT);
  CHECK(t.calls > 100 && t.last == t.total);
}

static void a_cancelled_call_ends_at_the_next_step(void) {
  float points[2 * COUNT];
  const size_t places[] = {0, 1, 100};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    told t = {0, 0, 0, places[i], NULL};
    WORKS(qntx_embed_cancel_new, &t.cancel);
    qntx_embed_project_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options, options.cancel = t.cancel, options.progress = tell, options.progress_context = &t;
    REFUSED(QNTX_EMBED_STATUS_CANCELLED, "projection", qntx_embed_project, vectors, COUNT, DIMENSIONS, &options, points,
            2 * COUNT);
    CHECK_SAYS(t.last <= places[i] + 1, "it went on from step %zu to %zu", places[i], t.last);
    qntx_embed_cancel_free(t.cancel);
  }
}

static void what_cannot_be_a_map_is_refused(void) {
  float points[2 * COUNT], point[2];
  const float bad[] = {1, NAN, 0, 1};
  WORKS(qntx_embed_project, NULL, 0, DIMENSIONS, NULL, NULL, 0);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "vectors", qntx_embed_project, NULL, COUNT, DIMENSIONS, NULL, points, 2 * COUNT);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "points", qntx_embed_project, vectors, COUNT, DIMENSIONS, NULL, NULL, 2 * COUNT);
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "", qntx_embed_project, vectors, COUNT, DIMENSIONS, NULL, points, COUNT);
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "", qntx_embed_project, vectors, COUNT, DIMENSIONS, NULL, points, 2 * COUNT - 1);
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "", qntx_embed_project, vectors, COUNT, 0, NULL, points, 2 * COUNT);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "component 1 of row 0", qntx_embed_project, bad, 2, 2, NULL, points, 4);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "memory", qntx_embed_project, vectors, SIZE_MAX, 2, NULL, points, 4);
  qntx_embed_project_options options;
  memset(&options, 0, sizeof options);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "options.size", qntx_embed_project, vectors, COUNT, DIMENSIONS, &options, points,
          2 * COUNT);

  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "no points", qntx_embed_project_place, NULL, 0, DIMENSIONS, NULL, vectors, point);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "vectors", qntx_embed_project_place, NULL, 1, DIMENSIONS, points, vectors, point);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "points", qntx_embed_project_place, vectors, 1, DIMENSIONS, NULL, vectors, point);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "vector", qntx_embed_project_place, vectors, 1, DIMENSIONS, points, NULL, point);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "point", qntx_embed_project_place, vectors, 1, DIMENSIONS, points, vectors, NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "memory", qntx_embed_project_place, vectors, SIZE_MAX, 1, points, vectors, point);
}

int main(void) {
  fill();
  TEST(the_same_vectors_have_the_same_map_and_groups_stay_together);
  TEST(a_vector_of_the_map_lies_on_its_point);
  TEST(progress_goes_up_to_the_whole);
  TEST(a_cancelled_call_ends_at_the_next_step);
  TEST(what_cannot_be_a_map_is_refused);
  return finish();
}
