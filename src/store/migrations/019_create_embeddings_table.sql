-- Texts with their embeddings, and the indexes over them.
--
-- embeddings is the truth; vec_embeddings and fts_embeddings follow from it and can be rebuilt. The number continues the
-- series of the service that this table was first designed for, whose databases can be adopted.

CREATE TABLE embeddings (
    key         INTEGER PRIMARY KEY,                         -- what the indexes call the row
    id          TEXT NOT NULL UNIQUE CHECK (id <> ''),       -- UUIDv7, or what the caller gave
    source_type TEXT NOT NULL CHECK (source_type <> ''),
    source_id   TEXT NOT NULL CHECK (source_id <> ''),
    chunk       INTEGER NOT NULL CHECK (chunk >= 0),         -- which part of the source; 0 for the whole
    chunk_start INTEGER NOT NULL,                            -- the part's characters in the source
    chunk_end   INTEGER NOT NULL,
    model       TEXT NOT NULL,                               -- name, for people
    fingerprint TEXT NOT NULL CHECK (fingerprint <> ''),     -- SHA-256 of the model's files: only equal ones compare
    dimensions  INTEGER NOT NULL                             -- 0: adopted without a vector, to be embedded anew
                CHECK (dimensions >= 0 AND length(embedding) = 4 * dimensions),
    metadata    TEXT NOT NULL,                               -- a flat JSON object
    created_at  TEXT NOT NULL,                               -- RFC 3339, UTC, milliseconds
    updated_at  TEXT NOT NULL,
    revision    INTEGER NOT NULL,                            -- of the transaction that wrote the row last
    text        TEXT NOT NULL,
    embedding   BLOB NOT NULL,                               -- FLOAT32_BLOB: little-endian f32
    UNIQUE (source_type, source_id, chunk, fingerprint)
);

-- The rows of a model are counted, and what has changed since a revision is found, without reading their vectors.
CREATE INDEX embeddings_by_model ON embeddings (fingerprint, dimensions, revision);

-- Vectors that can be compared, those of one model and size, have a vec0 table of their own, made with their first row:
-- vec_embeddings for number 1, vec_embeddings_<number> for the others. Vectors in it are scaled to unit length, so that
-- the nearest by L2 are the most similar by cosine.
CREATE TABLE embedding_spaces (
    number      INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    dimensions  INTEGER NOT NULL,
    UNIQUE (fingerprint, dimensions)
);

-- The words of the texts.
CREATE VIRTUAL TABLE fts_embeddings USING fts5(
    text, content = 'embeddings', content_rowid = 'key', tokenize = 'unicode61 remove_diacritics 2'
);
-- A transaction's words become one part of the index and not one for each MiB, and parts are merged 16 at a time and
-- not four: each is then written less often as the index grows.
INSERT INTO fts_embeddings (fts_embeddings, rank) VALUES ('hashsize', 16777216), ('automerge', 16);

-- How often rows were written, and which of these times was the last that deleted some: what is kept in memory asks here
-- whether it is behind.
CREATE TABLE embedding_state (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision    INTEGER NOT NULL,
    deletion    INTEGER NOT NULL
);
INSERT INTO embedding_state VALUES (1, 0, 0);

-- While a store is moved to another model: which of the new rows was made from which row, and when. A copy has the revision
-- that stands here until somebody else writes it.
CREATE TABLE embedding_copies (
    original    TEXT NOT NULL,                               -- a row's id
    fingerprint TEXT NOT NULL,                               -- of the new model
    key         INTEGER NOT NULL,                            -- its row
    revision    INTEGER NOT NULL,
    PRIMARY KEY (original, fingerprint)
) WITHOUT ROWID;
