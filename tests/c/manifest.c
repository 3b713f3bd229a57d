// Manifests: written, checked, and needed where the options say so.

#include "harness.h"

#define NAME "qntx-embed.sha256.json"

static qntx_embed_model_options required(void) { return (qntx_embed_model_options){.size = sizeof(qntx_embed_model_options), .require_manifest = 1}; }

static void a_manifest_that_was_written_is_one_that_is_met(void) {
  const path copy = tiny_copy("manifest");
  qntx_embed_manifest_info written = {.size = sizeof written}, checked = {.size = sizeof checked};
  WORKS(qntx_embed_manifest_write, str(copy.text), &written);
  WORKS(qntx_embed_manifest_check, str(copy.text), &checked);
  CHECK(written.files >= 5 && written.files == checked.files && written.size == sizeof written);
  CHECK(strlen(written.fingerprint) == 64 && strcmp(written.fingerprint, checked.fingerprint) == 0);
  WORKS(qntx_embed_manifest_write, str(copy.text), NULL);
  WORKS(qntx_embed_manifest_check, str(copy.text), NULL);

  const qntx_embed_model_options options = required();
  qntx_embed_model *model = NULL;
  WORKS(qntx_embed_model_open, str(copy.text), &options, &model);
  CHECK(strcmp(info_of(model).fingerprint, checked.fingerprint) == 0);
  qntx_embed_model_free(model);
}

static void a_directory_without_one_is_not_found(void) {
  const qntx_embed_model_options options = required();
  qntx_embed_model *model = UNTOUCHED;
  qntx_embed_manifest_info info = {.size = sizeof info, .files = 77};
  REFUSED(QNTX_EMBED_STATUS_MODEL_NOT_FOUND, NAME, qntx_embed_model_open, str(TINY), &options, &model);
  REFUSED(QNTX_EMBED_STATUS_MODEL_NOT_FOUND, NAME, qntx_embed_manifest_check, str(TINY), &info);
  CHECK(model == NULL && info.files == 77);
}

static void one_changed_byte_of_a_file_is_refused_by_its_name(void) {
  static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"};
  const qntx_embed_model_options options = required();
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    const path copy = tiny_copy("changed"), file = join(copy.text, files[i]);
    WORKS(qntx_embed_manifest_write, str(copy.text), NULL);
    size_t len;
    char *bytes = read_file(file.text, &len);
    bytes[len / 2] ^= 1;
    write_file(file.text, bytes, len);
    free(bytes);
    qntx_embed_model *model = UNTOUCHED;
    REFUSED(QNTX_EMBED_STATUS_MODEL_INVALID, files[i], qntx_embed_model_open, str(copy.text), &options, &model);
    REFUSED(QNTX_EMBED_STATUS_MODEL_INVALID, files[i], qntx_embed_manifest_check, str(copy.text), NULL);
    CHECK(model == NULL);
  }
}

static void arguments_that_make_no_sense_are_refused(void) {
  const path copy = tiny_copy("arguments");
  const qntx_embed_str nothing = {NULL, 3};
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "directory", qntx_embed_manifest_write, nothing, NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "directory", qntx_embed_manifest_check, nothing, NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_UTF8, "directory", qntx_embed_manifest_write, not_utf8[0], NULL);
  REFUSED(QNTX_EMBED_STATUS_INVALID_UTF8, "directory", qntx_embed_manifest_check, not_utf8[0], NULL);
  REFUSED(QNTX_EMBED_STATUS_MODEL_NOT_FOUND, "/no/such", qntx_embed_manifest_write, str("/no/such/model"), NULL);
  REFUSED(QNTX_EMBED_STATUS_MODEL_NOT_FOUND, "/no/such", qntx_embed_manifest_check, str("/no/such/model"), NULL);
  const size_t sizes[] = {0, sizeof(size_t), sizeof(qntx_embed_manifest_info) - 1, SIZE_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    qntx_embed_manifest_info info = {.size = sizes[i]};
    REFUSED(QNTX_EMBED_STATUS_INVALID_ARGUMENT, "info.size", qntx_embed_manifest_write, str(copy.text), &info);
  }
  // Refused before anything was written.
  REFUSED(QNTX_EMBED_STATUS_MODEL_NOT_FOUND, NAME, qntx_embed_manifest_check, str(copy.text), NULL);
}

int main(void) {
  TEST(a_manifest_that_was_written_is_one_that_is_met);
  TEST(a_directory_without_one_is_not_found);
  TEST(one_changed_byte_of_a_file_is_refused_by_its_name);
  TEST(arguments_that_make_no_sense_are_refused);
  return finish();
}
