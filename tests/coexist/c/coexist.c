// Works with a SQLite of its own and with our store at once: each must run on its own copy.
//
//   coexist OURS.db THEIRS.db

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qntx_embed.h"
#include "sqlite3-binding.h"

static void fail(const char *what, const char *found) {
  fprintf(stderr, "coexist: %s: %s\n", what, found);
  exit(EXIT_FAILURE);
}

static void ours_ok(qntx_embed_status status, qntx_embed_error *error) {
  if (status != QNTX_EMBED_STATUS_OK) fail("our store", qntx_embed_error_message(error));
}

static void theirs(sqlite3 *db, const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail(sql, message);
}

static qntx_embed_str str(const char *text) {
  qntx_embed_str result = {text, strlen(text)};
  return result;
}

int main(int argc, char **argv) {
  if (argc != 3) fail("usage", "coexist OURS.db THEIRS.db");
  qntx_embed_error *error = NULL;

  // Both open, both write, by turns.
  sqlite3 *db = NULL;
  if (sqlite3_open(argv[2], &db) != SQLITE_OK) fail("their database", sqlite3_errmsg(db));
  theirs(db, "CREATE TABLE notes (text TEXT)");
  qntx_embed_store *store = NULL;
  ours_ok(qntx_embed_store_open(str(argv[1]), NULL, &store, &error), error);
  for (int i = 0; i < 100; i++) {
    theirs(db, "INSERT INTO notes VALUES ('theirs')");
    float vector[4] = {1, (float)i, 0, 0};
    char id[16];
    snprintf(id, sizeof id, "%d", i);
    qntx_embed_record record;
    memset(&record, 0, sizeof record);
    record.size = sizeof record;
    record.source_type = str("note");
    record.source_id = str(id);
    record.text = str("ours");
    record.model = str("m");
    record.fingerprint = str("f");
    record.vector = vector;
    record.dimensions = 4;
    ours_ok(qntx_embed_store_put(store, &record, 1, NULL, &error), error);
  }

  // Each says its own version.
  qntx_embed_text *stats = NULL;
  ours_ok(qntx_embed_store_stats(store, &stats, &error), error);
  const char *line = qntx_embed_text_get(stats);
  char own[64];
  snprintf(own, sizeof own, "\"sqlite\":\"%s\"", sqlite3_libversion());
  if (strstr(line, "\"sqlite\":\"3.") == NULL) fail("our statistics name no SQLite", line);
  if (strstr(line, own) != NULL) fail("our store runs on the host's SQLite", line);
  if (strstr(line, "\"rows\":100") == NULL) fail("rows were lost", line);
  if (strcmp(sqlite3_libversion(), SQLITE_VERSION) != 0) fail("the host runs on our SQLite", sqlite3_libversion());
  // sqlite-vec is registered with our connections only.
  if (sqlite3_exec(db, "SELECT vec_version()", NULL, NULL, NULL) == SQLITE_OK)
    fail("the host's connection", "has our sqlite-vec");
  printf("host: SQLite %s; ours: %s\n", sqlite3_libversion(), line);
  qntx_embed_text_free(stats);

  // One file by both in one process would lose locks (sqlite.org/howtocorrupt.html, 2.2): it is refused.
  qntx_embed_store *both = NULL;
  if (qntx_embed_store_open(str(argv[2]), NULL, &both, &error) == QNTX_EMBED_STATUS_OK)
    fail("their database, still open", "was opened by our store");
  printf("refused: %s\n", qntx_embed_error_message(error));
  qntx_embed_error_free(error);

  qntx_embed_store_free(store);
  theirs(db, "INSERT INTO notes VALUES ('after ours was closed')");
  if (sqlite3_close(db) != SQLITE_OK) fail("their database", "did not close");
  return 0;
}
