"""Makes a small database as the original system left them: a row without an id, a source that is there twice, a blob that
was cut, and the table vec_embeddings.

    python3 tests/old_database.py FILE

vec0 is not needed for that: what the file has of its table are plain tables and a line in the schema.
"""
import math
import sqlite3
import struct
import sys

DIMENSIONS = 384


def vector(seed):
    values = [math.sin(seed * 1000 + i) for i in range(DIMENSIONS)]
    length = math.sqrt(sum(x * x for x in values))
    return struct.pack(f"<{DIMENSIONS}f", *(x / length for x in values))


ROWS = [
    ("E1", "AS1", "Close the discharge valve slowly, then press the red OFF button.", vector(1), "2025-01-01T10:00:00Z"),
    ("E2", "AS2", "Bread keeps longest in a cool, dark place.", vector(2), "2025-01-01T10:00:01Z"),
    ("", "AS3", "The night train leaves from platform 4.", vector(3), "2025-01-01T10:00:02Z"),
    ("E4", "AS4", "The index is built anew at midnight.", vector(4), "2025-01-01T10:00:03Z"),
    ("E5", "AS4", "The index is built anew every hour.", vector(5), "2025-06-01T10:00:00Z"),
    ("E6", "AS5", "Oil the motor twice a year.", vector(6)[:100], "2025-01-01T10:00:04Z"),
]

database = sqlite3.connect(sys.argv[1])
database.executescript("""
    CREATE TABLE embeddings (
        id TEXT PRIMARY KEY, source_type TEXT NOT NULL, source_id TEXT NOT NULL, text TEXT NOT NULL,
        embedding FLOAT32_BLOB(384) NOT NULL, model TEXT NOT NULL, dimensions INTEGER NOT NULL,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
    CREATE INDEX idx_embeddings_source ON embeddings (source_type, source_id);
    CREATE INDEX idx_embeddings_created_at ON embeddings (created_at);
    CREATE TABLE vec_embeddings_chunks (
        chunk_id INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER NOT NULL, validity BLOB NOT NULL, rowids BLOB NOT NULL);
    CREATE TABLE vec_embeddings_rowids (
        rowid INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, chunk_id INTEGER, chunk_offset INTEGER);
    CREATE TABLE vec_embeddings_vector_chunks00 (rowid PRIMARY KEY, vectors BLOB NOT NULL);
    PRAGMA writable_schema = ON;
""")
database.execute("INSERT INTO sqlite_master VALUES ('table', 'vec_embeddings', 'vec_embeddings', 0, ?)",
                 ("CREATE VIRTUAL TABLE vec_embeddings USING vec0(\n"
                  "    embedding_id TEXT PRIMARY KEY, embedding FLOAT32[384])",))
size = 1024
vectors = b"".join(blob.ljust(4 * DIMENSIONS, b"\0") for _, _, _, blob, _ in ROWS).ljust(size * 4 * DIMENSIONS, b"\0")
taken = ((1 << len(ROWS)) - 1).to_bytes(size // 8, "little")
database.execute("INSERT INTO vec_embeddings_chunks VALUES (1, ?, ?, ?)",
                 (size, taken, struct.pack(f"<{size}q", *range(1, len(ROWS) + 1), *[0] * (size - len(ROWS)))))
database.execute("INSERT INTO vec_embeddings_vector_chunks00 VALUES (1, ?)", (vectors,))
for i, (id, source, text, blob, updated) in enumerate(ROWS):
    database.execute("INSERT INTO embeddings VALUES (?, 'attestation', ?, ?, ?, 'all-MiniLM-L6-v2', ?, ?, ?)",
                     (id, source, text, blob, DIMENSIONS, "2025-01-01T10:00:00Z", updated))
    database.execute("INSERT INTO vec_embeddings_rowids VALUES (?, ?, 1, ?)", (i + 1, id, i))
database.commit()
database.close()
