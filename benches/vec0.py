"""Measures what vec0 would gain by AVX: sqlite-vec compiled as the library has it, and with its AVX code, each beside the
same SQLite, on the same rows. Needs a C compiler, and an x86-64 processor with AVX.

    python3 benches/vec0.py
"""
import json
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "sqlite3.h"
#include "sqlite-vec.h"
enum { ROWS = 100000, DIMENSIONS = 384, QUERIES = 21 };
static float vector[DIMENSIONS];
static void random_vector(void) {
  for (int i = 0; i < DIMENSIONS; i++) vector[i] = (float)rand() / (float)RAND_MAX - 0.5f;
}
static int by_value(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}
int main(void) {
  sqlite3 *db;
  sqlite3_stmt *insert, *search;
  if (sqlite3_open(":memory:", &db) || sqlite3_vec_init(db, NULL, NULL)) return 1;
  sqlite3_exec(db, "CREATE VIRTUAL TABLE v USING vec0(key INTEGER PRIMARY KEY, e FLOAT[384]); BEGIN", NULL, NULL, NULL);
  if (sqlite3_prepare_v2(db, "INSERT INTO v VALUES (?1, ?2)", -1, &insert, NULL)) return 1;
  for (int i = 0; i < ROWS; i++) {
    random_vector();
    sqlite3_bind_int(insert, 1, i + 1);
    sqlite3_bind_blob(insert, 2, vector, sizeof vector, SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE) return 1;
    sqlite3_reset(insert);
  }
  sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
  if (sqlite3_prepare_v2(db, "SELECT key FROM v WHERE e MATCH ?1 AND k = 10", -1, &search, NULL)) return 1;
  double ms[QUERIES];
  long keys = 0;
  for (int i = 0; i < QUERIES; i++) {
    random_vector();
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    sqlite3_bind_blob(search, 1, vector, sizeof vector, SQLITE_STATIC);
    while (sqlite3_step(search) == SQLITE_ROW) keys += sqlite3_column_int(search, 0);
    sqlite3_reset(search);
    clock_gettime(CLOCK_MONOTONIC, &b);
    ms[i] = (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6;
  }
  qsort(ms, QUERIES, sizeof *ms, by_value);
  printf("%.1f ms (median of %d; keys add up to %ld)\n", ms[QUERIES / 2], QUERIES, keys);
}
"""


def sources():
    """Where cargo has the C sources that the library is compiled from."""
    told = subprocess.run(["cargo", "metadata", "--format-version", "1", "--offline"], cwd=ROOT, capture_output=True, check=True)
    packages = {p["name"]: pathlib.Path(p["manifest_path"]).parent for p in json.loads(told.stdout)["packages"]}
    return packages["libsqlite3-sys"] / "sqlite3", packages["sqlite-vec"]


sqlite, vec = sources()
with tempfile.TemporaryDirectory() as directory:
    scratch = pathlib.Path(directory)
    (scratch / "main.c").write_text(PROGRAM)

    def compile(source, to, *flags):
        subprocess.run(["cc", "-O3", "-w", "-DSQLITE_CORE", f"-I{sqlite}", f"-I{vec}", *flags, "-c", source, "-o", scratch / to], check=True)

    compile(sqlite / "sqlite3.c", "sqlite3.o")
    compile(scratch / "main.c", "main.o")
    compile(vec / "sqlite-vec.c", "plain.o")
    compile(vec / "sqlite-vec.c", "avx.o", "-mavx", "-DSQLITE_VEC_ENABLE_AVX")
    for kind in ("plain", "avx"):
        objects = [scratch / name for name in ("main.o", f"{kind}.o", "sqlite3.o")]
        subprocess.run(["cc", *objects, "-lm", "-lpthread", "-ldl", "-o", scratch / kind], check=True)
    for kind in ("plain", "avx"):
        done = subprocess.run([scratch / kind], capture_output=True, text=True, check=True)
        print(f"10 nearest of 100,000 x 384, {kind}: {done.stdout.strip()}")
