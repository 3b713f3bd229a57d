-- Texts with their embeddings, and the vec0 index over them.
--
-- embeddings is the truth; vec_embeddings follows from it and can be rebuilt. The number continues the
-- series of the service that this table was first designed for, whose databases can be adopted.

CREATE TABLE embeddings (
    id          TEXT PRIMARY KEY CHECK (id <> ''),           -- UUIDv7
    source_type TEXT NOT NULL CHECK (source_type <> ''),
    source_id   TEXT NOT NULL CHECK (source_id <> ''),
    text        TEXT NOT NULL,
    embedding   BLOB NOT NULL,                               -- FLOAT32_BLOB: little-endian f32
    model       TEXT NOT NULL,                               -- name, for people
    fingerprint TEXT NOT NULL CHECK (fingerprint <> ''),     -- SHA-256 of the model's files: only equal ones compare
    dimensions  INTEGER NOT NULL CHECK (dimensions > 0 AND length(embedding) = 4 * dimensions),
    created_at  TEXT NOT NULL,                               -- RFC 3339, UTC, milliseconds
    updated_at  TEXT NOT NULL,
    UNIQUE (source_type, source_id, fingerprint)
);

-- The vectors scaled to unit length, so that the nearest by L2 are the most similar by cosine. Models of other
-- sizes get a table of their own, vec_embeddings_<dimensions>, when their first row is stored.
CREATE VIRTUAL TABLE vec_embeddings USING vec0(
    embedding_id TEXT PRIMARY KEY,
    fingerprint  TEXT PARTITION KEY,
    embedding    FLOAT[384]
);
