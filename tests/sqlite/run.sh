#!/usr/bin/env bash
# Loads the extension into other people's SQLites: the sqlite3 shell, and Python's apsw. (Go's is tested in go/sqliteext.)
#
#   tests/sqlite/run.sh MODEL_DIRECTORY
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
extension=$root/target/release/libqntx_embed_sqlite.so
model=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export QNTX_EMBED_ONNXRUNTIME=$QNTX_EMBED_TEST_ONNXRUNTIME

echo "- exports"
exports=$(nm -D --defined-only "$extension" | awk '{ print $3 }' | sort | tr '\n' ' ')
[ "$exports" = "sqlite3_qntxembed_init sqlite3_qntxembedsqlite_init " ] ||
  { echo "sqlite: the extension exports $exports" >&2; exit 1; }

cat >"$work/session.sql" <<EOF
.load $extension
SELECT qntx_embed_open('$model');
CREATE VIRTUAL TABLE notes USING vec0(embedding float[384], +text TEXT);
INSERT INTO notes (embedding, text)
  SELECT qntx_embed(value), value
  FROM json_each('["Press the red button to stop the pump.", "Bread rises faster in a warm kitchen."]');
SELECT text FROM notes WHERE embedding MATCH qntx_embed('how do I switch off the pump?') AND k = 1;
SELECT round(qntx_similarity(qntx_embed('cat'), qntx_embed('kitten')), 2);
EOF
expected="all-MiniLM-L6-v2
Press the red button to stop the pump.
0.79"

check() {
  [ "$2" = "$expected" ] || { printf 'sqlite: %s says\n%s\nexpected\n%s\n' "$1" "$2" "$expected" >&2; exit 1; }
}

if command -v sqlite3 >/dev/null; then
  echo "- the sqlite3 shell, $(sqlite3 -version | cut -d' ' -f1)"
  check "the sqlite3 shell" "$(sqlite3 "$work/shell.db" <"$work/session.sql")"
else
  echo "skipped: no sqlite3 shell here"
fi

echo "- Python's apsw"
[ -x "$root/target/sqlite-venv/bin/python" ] || python3 -m venv "$root/target/sqlite-venv"
"$root/target/sqlite-venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/tests/sqlite/requirements.txt"
check "apsw" "$("$root/target/sqlite-venv/bin/python" "$root/tests/sqlite/session.py" "$work/session.sql" "$extension")"
