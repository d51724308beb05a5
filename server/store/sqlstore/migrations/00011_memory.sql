-- +goose Up

-- Memory stores. memories and bytes count what is in the store now, without earlier versions.
CREATE TABLE memory_stores (
    account_id  TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    metadata    TEXT   NOT NULL CHECK (metadata <> ''),
    memories    BIGINT NOT NULL DEFAULT 0 CHECK (memories >= 0),
    bytes       BIGINT NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    archived_at BIGINT,
    deleted_at  BIGINT,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX memory_stores_all ON memory_stores (account_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX memory_stores_active ON memory_stores (account_id, created_at, id)
    WHERE deleted_at IS NULL AND archived_at IS NULL;

-- What changes about a memory; its content is that of its current version. The row of a deleted memory stays as long as
-- its store: its id is a list cursor.
CREATE TABLE memories (
    account_id TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    store_id   TEXT   NOT NULL,
    path       TEXT   NOT NULL CHECK (path <> ''),
    version    BIGINT NOT NULL CHECK (version >= 1),
    version_id TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, store_id) REFERENCES memory_stores (account_id, id)
);
CREATE INDEX memories_by_store ON memories (account_id, store_id);
CREATE INDEX memories_by_age ON memories (account_id, store_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX memories_by_path ON memories (account_id, store_id, path)
    WHERE deleted_at IS NULL;

-- Each change of a memory: written_in is the session, written_with the token of who made it. occupied is what the row counts for in
-- memory_bytes.
CREATE TABLE memory_versions (
    account_id     TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    store_id       TEXT   NOT NULL,
    memory_id      TEXT   NOT NULL,
    operation      TEXT   NOT NULL CHECK (operation <> ''),
    number         BIGINT NOT NULL CHECK (number >= 1),
    path           TEXT   NOT NULL CHECK (path <> ''),
    content        TEXT   NOT NULL,
    metadata       TEXT   NOT NULL CHECK (metadata <> ''),
    size           BIGINT NOT NULL CHECK (size >= 0),
    sha256         TEXT   NOT NULL,
    written_in     TEXT   NOT NULL,
    written_with   TEXT   NOT NULL,
    occupied       BIGINT NOT NULL CHECK (occupied >= 0),
    created_at     BIGINT NOT NULL,
    redacted_at    BIGINT,
    redacted_by    TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, store_id) REFERENCES memory_stores (account_id, id)
);
CREATE INDEX memory_versions_by_age ON memory_versions (account_id, store_id, created_at, id);
CREATE UNIQUE INDEX memory_versions_by_memory ON memory_versions (account_id, memory_id, number);

-- What the memories of an account occupy with their versions.
CREATE TABLE memory_bytes (
    account_id TEXT   NOT NULL PRIMARY KEY,
    bytes      BIGINT NOT NULL CHECK (bytes >= 0)
);

-- Deleted memory stores that held too much to go with them at once: it is removed in small steps.
CREATE TABLE memory_erasures (
    account_id TEXT NOT NULL,
    store_id   TEXT NOT NULL,
    PRIMARY KEY (account_id, store_id),
    FOREIGN KEY (account_id, store_id) REFERENCES memory_stores (account_id, id)
);
