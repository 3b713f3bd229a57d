// Vectors as blobs, and the similarity of two vectors.

#include "harness.h"

#include <float.h>

static void a_vector_survives_its_blob_bit_by_bit(void) {
  const float vector[] = {0, -0.0f, 1.5f, FLT_MIN, FLT_MIN / 8, FLT_MAX, -3.25e-7f, INFINITY, -INFINITY, NAN};
  const size_t dimensions = sizeof vector / sizeof *vector;
  float back[sizeof vector / sizeof *vector];
  qntx_embed_blob blob;
  WORKS(qntx_embed_blob_serialize, vector, dimensions, &blob);
  CHECK(blob.len == sizeof vector);
  WORKS(qntx_embed_blob_deserialize, blob.data, blob.len, back, dimensions);
  CHECK(memcmp(vector, back, sizeof vector) == 0);
  qntx_embed_blob_free(&blob);
}

static void a_blob_is_little_endian(void) {
  const float vector[] = {1, -2};
  const uint8_t wanted[] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0};
  qntx_embed_blob blob;
  WORKS(qntx_embed_blob_serialize, vector, 2, &blob);
  CHECK(blob.len == sizeof wanted && memcmp(blob.data, wanted, sizeof wanted) == 0);
  qntx_embed_blob_free(&blob);
}

static void a_blob_need_not_be_aligned(void) {
  uint8_t bytes[9] = {0xaa, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0};
  float vector[2];
  WORKS(qntx_embed_blob_deserialize, bytes + 1, 8, vector, 2);
  CHECK(vector[0] == 1 && vector[1] == -2);
}

static void an_empty_vector_is_an_empty_blob_and_back(void) {
  qntx_embed_blob blob = {UNTOUCHED, 3};
  float vector = 7;
  WORKS(qntx_embed_blob_serialize, NULL, 0, &blob);
  CHECK(blob.data == NULL && blob.len == 0);
  WORKS(qntx_embed_blob_serialize, &vector, 0, &blob);
  CHECK(blob.data == NULL && blob.len == 0);
  WORKS(qntx_embed_blob_deserialize, NULL, 0, NULL, 0);
  WORKS(qntx_embed_blob_deserialize, blob.data, blob.len, &vector, 0);
  CHECK(vector == 7);
  qntx_embed_blob_free(&blob);
}

static void a_blob_freed_twice_is_freed_once(void) {
  const float vector[] = {1, 2, 3};
  qntx_embed_blob blob;
  WORKS(qntx_embed_blob_serialize, vector, 3, &blob);
  qntx_embed_blob_free(&blob);
  CHECK(blob.data == NULL && blob.len == 0);
  qntx_embed_blob_free(&blob);
  CHECK(blob.data == NULL && blob.len == 0);
}

static void a_blob_is_empty_after_a_failure(void) {
  const float vector[] = {1, 2, 3};
  qntx_embed_blob blob = {UNTOUCHED, 3};
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "vector", qntx_embed_blob_serialize, NULL, 3, &blob);
  CHECK(blob.data == NULL && blob.len == 0);
  blob = (qntx_embed_blob){UNTOUCHED, 3};
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "vector", qntx_embed_blob_serialize, vector, SIZE_MAX, &blob);
  CHECK(blob.data == NULL && blob.len == 0);
  qntx_embed_blob_free(&blob);
}

static void a_blob_of_another_length_is_refused_and_the_vector_stays(void) {
  const uint8_t bytes[16] = {0};
  float vector[] = {7, 7, 7};
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "", qntx_embed_blob_deserialize, bytes, 8, vector, 3);
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "", qntx_embed_blob_deserialize, bytes, 16, vector, 3);
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "", qntx_embed_blob_deserialize, bytes, 0, vector, 3);
  REFUSED(QNTX_EMBED_STATUS_DIMENSIONS, "", qntx_embed_blob_deserialize, bytes, 4, vector, 0);
  // Cut within a float: it is no vector of any length.
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "multiple of 4", qntx_embed_blob_deserialize, bytes, 11, vector, 3);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "multiple of 4", qntx_embed_blob_deserialize, bytes, 13, vector, 3);
  CHECK(vector[0] == 7 && vector[1] == 7 && vector[2] == 7);
}

static void null_is_refused_where_a_place_is_needed(void) {
  const float a[] = {1, 0}, b[] = {0, 1};
  const uint8_t bytes[8] = {0};
  float vector[2], similarity;
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "blob", qntx_embed_blob_serialize, a, 2, NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "data", qntx_embed_blob_deserialize, NULL, 8, vector, 2);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "vector", qntx_embed_blob_deserialize, bytes, 8, NULL, 2);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "a is NULL", qntx_embed_similarity, NULL, b, 2, &similarity);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "b is NULL", qntx_embed_similarity, a, NULL, 2, &similarity);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "similarity", qntx_embed_similarity, a, b, 2, NULL);
}

static void a_length_beyond_memory_is_refused(void) {
  const float a[] = {1, 0};
  const uint8_t bytes[8] = {0};
  float vector[2], similarity;
  const size_t huge = SIZE_MAX / 4 + 1;  // in bytes it is 0
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "", qntx_embed_blob_deserialize, bytes, SIZE_MAX, vector, 2);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "", qntx_embed_blob_deserialize, bytes, 8, vector, huge);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "", qntx_embed_similarity, a, a, huge, &similarity);
}

static float similarity_of(const float *a, const float *b, size_t dimensions) {
  float similarity = 7, mirrored = 7;
  WORKS(qntx_embed_similarity, a, b, dimensions, &similarity);
  WORKS(qntx_embed_similarity, b, a, dimensions, &mirrored);
  CHECK(similarity == mirrored);
  CHECK(similarity >= -1 && similarity <= 1);
  return similarity;
}

static void similarity_is_the_cosine(void) {
  const float east[] = {1, 0}, north[] = {0, 2}, west[] = {-5, 0}, northeast[] = {3, 3};
  CHECK(similarity_of(east, east, 2) == 1);
  CHECK(similarity_of(east, north, 2) == 0);
  CHECK(similarity_of(east, west, 2) == -1);
  CHECK(fabs(similarity_of(east, northeast, 2) - sqrt(0.5)) < 1e-7);
}

static void similarity_does_not_depend_on_lengths(void) {
  const float direction[] = {3, 4, -12};
  const float other[] = {4, 3, -12};
  const float scales[] = {FLT_MIN, 1e-30f, 1e-12f, 1, 1e12f, 2e37f};
  const double wanted = cosine(direction, other, 3);
  for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
    for (size_t j = 0; j < sizeof scales / sizeof *scales; j++) {
      float a[3], b[3];
      for (int k = 0; k < 3; k++) a[k] = direction[k] * scales[i], b[k] = other[k] * scales[j];
      const float found = similarity_of(a, b, 3);
      CHECK_SAYS(fabs(found - wanted) < 1e-6, "lengths %g and %g: %g, not %g", scales[i], scales[j], found, wanted);
    }
  }
}

static void a_zero_or_empty_vector_is_similar_to_nothing(void) {
  const float zero[] = {0, -0.0f}, east[] = {1, 0};
  CHECK(similarity_of(zero, east, 2) == 0);
  CHECK(similarity_of(zero, zero, 2) == 0);
  CHECK(similarity_of(zero, east, 0) == 0);
  CHECK(similarity_of(NULL, NULL, 0) == 0);
}

static void what_is_no_number_has_no_similarity(void) {
  const float east[] = {1, 0};
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    const float vector[] = {1, bad[i]};
    float similarity;
    REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "component 1", qntx_embed_similarity, vector, east, 2, &similarity);
    REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "component 1", qntx_embed_similarity, east, vector, 2, &similarity);
  }
}

int main(void) {
  TEST(a_vector_survives_its_blob_bit_by_bit);
  TEST(a_blob_is_little_endian);
  TEST(a_blob_need_not_be_aligned);
  TEST(an_empty_vector_is_an_empty_blob_and_back);
  TEST(a_blob_freed_twice_is_freed_once);
  TEST(a_blob_is_empty_after_a_failure);
  TEST(a_blob_of_another_length_is_refused_and_the_vector_stays);
  TEST(null_is_refused_where_a_place_is_needed);
  TEST(a_length_beyond_memory_is_refused);
  TEST(similarity_is_the_cosine);
  TEST(similarity_does_not_depend_on_lengths);
  TEST(a_zero_or_empty_vector_is_similar_to_nothing);
  TEST(what_is_no_number_has_no_similarity);
  return finish();
}
