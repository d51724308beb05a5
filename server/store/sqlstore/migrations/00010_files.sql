-- +goose Up

-- What is known of files. blob is the key of the content in the store of blobs; '' in a deleted file whose blob was deleted.
-- A deleted file keeps what lists need; everything else is emptied.
CREATE TABLE files (
    account_id TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    media_type TEXT   NOT NULL,
    size       BIGINT NOT NULL CHECK (size >= 0),
    sha256     TEXT   NOT NULL,
    purpose    TEXT   NOT NULL,
    metadata   TEXT   NOT NULL CHECK (metadata <> ''),
    blob       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT,
    deleted_at BIGINT,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX files_all ON files (account_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX files_sizes ON files (account_id, deleted_at, size);
CREATE INDEX files_expiring ON files (expires_at)
    WHERE deleted_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX files_deleted ON files (deleted_at)
    WHERE deleted_at IS NOT NULL AND blob <> '';
CREATE INDEX files_blobs ON files (blob)
    WHERE blob <> '';

-- The files that a session refers to, once each.
CREATE TABLE session_files (
    account_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    file_id    TEXT NOT NULL,
    PRIMARY KEY (account_id, session_id, file_id)
);
CREATE INDEX session_files_by_file ON session_files (account_id, file_id, session_id);
