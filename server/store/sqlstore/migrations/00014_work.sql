-- +goose Up

-- A token opens everything of its account, unless environment_id restricts it to that environment.
ALTER TABLE tokens ADD COLUMN environment_id TEXT NOT NULL DEFAULT '';

-- Whether the session's environment was self-hosted when the session was created: 0 or 1.
ALTER TABLE sessions ADD COLUMN self_hosted BIGINT NOT NULL DEFAULT 0;

-- Work items: what sessions in self-hosted environments have for workers. queued_at is when the item was last queued, and
-- not_before when it may be delivered at the earliest. delivered_at, token_hash and worker are those of the latest
-- delivery, last_token_hash is that of the one before it. free_at is when the lease of an item that a worker has ends,
-- and ttl how long it was, in microseconds; previous_heartbeat_at is the heartbeat before the latest one. by_token is
-- whether a heartbeat came with the token of the delivery, 0 or 1.
CREATE TABLE work_items (
    account_id            TEXT   NOT NULL,
    id                    TEXT   NOT NULL,
    environment_id        TEXT   NOT NULL,
    session_id            TEXT   NOT NULL,
    state                 TEXT   NOT NULL CHECK (state <> ''),
    metadata              TEXT   NOT NULL CHECK (metadata <> ''),
    created_at            BIGINT NOT NULL,
    queued_at             BIGINT NOT NULL,
    not_before            BIGINT NOT NULL DEFAULT 0,
    delivered_at          BIGINT,
    token_hash            TEXT   NOT NULL DEFAULT '',
    last_token_hash       TEXT   NOT NULL DEFAULT '',
    worker                TEXT   NOT NULL DEFAULT '',
    acknowledged_at       BIGINT,
    started_at            BIGINT,
    heartbeat_at          BIGINT,
    previous_heartbeat_at BIGINT,
    by_token              BIGINT NOT NULL DEFAULT 0,
    ttl                   BIGINT NOT NULL DEFAULT 0,
    free_at               BIGINT,
    stop_requested_at     BIGINT,
    stopped_at            BIGINT,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX work_items_list ON work_items (account_id, environment_id, created_at, id);
CREATE INDEX work_items_queued ON work_items (account_id, environment_id, queued_at, id) WHERE state = 'queued';
CREATE INDEX work_items_leased ON work_items (account_id, environment_id, free_at)
    WHERE state IN ('starting', 'active', 'stopping');
CREATE INDEX work_items_by_session ON work_items (account_id, session_id);
CREATE INDEX work_items_by_token ON work_items (token_hash) WHERE token_hash <> '';
CREATE INDEX work_items_by_last_token ON work_items (last_token_hash) WHERE last_token_hash <> '';

-- When the workers of an environment last polled, by the ids that they gave.
CREATE TABLE work_pollers (
    account_id     TEXT   NOT NULL,
    environment_id TEXT   NOT NULL,
    worker         TEXT   NOT NULL,
    polled_at      BIGINT NOT NULL,
    PRIMARY KEY (account_id, environment_id, worker)
);
