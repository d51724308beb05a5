-- +goose Up

-- Times are BIGINT microseconds since 1970 in UTC; JSON is TEXT. Rows of agents, environments and
-- sessions are never removed: deleted_at hides them, and their ids go on working as list cursors. Each
-- of them has two indexes for its list, with and without the archived rows; where both would do, SQLite
-- takes the one made last.

CREATE TABLE tokens (
    account_id TEXT   NOT NULL,
    id         TEXT   NOT NULL UNIQUE,
    name       TEXT   NOT NULL,
    hash       TEXT   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX tokens_by_age ON tokens (account_id, created_at, id);

-- What changes about an agent; version is the latest. updated_at is when that was made, or when the
-- agent was archived.
CREATE TABLE agents (
    account_id  TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    version     BIGINT NOT NULL CHECK (version >= 1),
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    archived_at BIGINT,
    deleted_at  BIGINT,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX agents_all ON agents (account_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX agents_active ON agents (account_id, created_at, id)
    WHERE deleted_at IS NULL AND archived_at IS NULL;

-- What an agent is in each of its versions. Rows never change: sessions refer to them.
CREATE TABLE agent_versions (
    account_id          TEXT   NOT NULL,
    agent_id            TEXT   NOT NULL,
    version             BIGINT NOT NULL CHECK (version >= 1),
    name                TEXT   NOT NULL,
    description         TEXT   NOT NULL,
    model               TEXT   NOT NULL,
    system              TEXT   NOT NULL,
    tools               TEXT   NOT NULL CHECK (tools <> ''),
    mcp_servers         TEXT   NOT NULL CHECK (mcp_servers <> ''),
    skills              TEXT   NOT NULL CHECK (skills <> ''),
    default_environment TEXT   NOT NULL,
    metadata            TEXT   NOT NULL CHECK (metadata <> ''),
    created_at          BIGINT NOT NULL,
    PRIMARY KEY (account_id, agent_id, version),
    FOREIGN KEY (account_id, agent_id) REFERENCES agents (account_id, id)
);

CREATE TABLE environments (
    account_id  TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    config      TEXT   NOT NULL CHECK (config <> ''),
    metadata    TEXT   NOT NULL CHECK (metadata <> ''),
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    archived_at BIGINT,
    deleted_at  BIGINT,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX environments_all ON environments (account_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX environments_active ON environments (account_id, created_at, id)
    WHERE deleted_at IS NULL AND archived_at IS NULL;

-- A deleted session keeps what lists and references need; everything else is emptied.
CREATE TABLE sessions (
    account_id              TEXT   NOT NULL,
    id                      TEXT   NOT NULL,
    agent_id                TEXT   NOT NULL,
    agent_version           BIGINT NOT NULL,
    environment_id          TEXT   NOT NULL,
    title                   TEXT   NOT NULL,
    status                  TEXT   NOT NULL CHECK (status <> ''),
    metadata                TEXT   NOT NULL CHECK (metadata <> ''),
    environment_variables   TEXT   NOT NULL CHECK (environment_variables <> ''),
    delta_flush_interval    BIGINT NOT NULL CHECK (delta_flush_interval >= 0), -- microseconds
    memory_store_ids        TEXT   NOT NULL CHECK (memory_store_ids <> ''),
    vault_ids               TEXT   NOT NULL CHECK (vault_ids <> ''),
    resources               TEXT   NOT NULL CHECK (resources <> ''),
    input_tokens            BIGINT NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
    output_tokens           BIGINT NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
    cache_read_input_tokens BIGINT NOT NULL DEFAULT 0 CHECK (cache_read_input_tokens >= 0),
    cache_creation_5m       BIGINT NOT NULL DEFAULT 0 CHECK (cache_creation_5m >= 0),
    cache_creation_1h       BIGINT NOT NULL DEFAULT 0 CHECK (cache_creation_1h >= 0),
    credit_cents            BIGINT NOT NULL DEFAULT 0 CHECK (credit_cents >= 0),
    created_at              BIGINT NOT NULL,
    updated_at              BIGINT NOT NULL,
    archived_at             BIGINT,
    deleted_at              BIGINT,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, agent_id, agent_version)
        REFERENCES agent_versions (account_id, agent_id, version),
    FOREIGN KEY (account_id, environment_id) REFERENCES environments (account_id, id)
);
CREATE INDEX sessions_by_environment ON sessions (account_id, environment_id)
    WHERE deleted_at IS NULL;
CREATE INDEX sessions_by_agent ON sessions (account_id, agent_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX sessions_all ON sessions (account_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX sessions_active ON sessions (account_id, created_at, id)
    WHERE deleted_at IS NULL AND archived_at IS NULL;

-- A key without a status is claimed but has no reply; once its transaction has ended, it counts as
-- absent. created_at is when the reply was recorded, or else when the key was claimed.
CREATE TABLE idempotency_keys (
    account_id   TEXT   NOT NULL,
    key          TEXT   NOT NULL,
    fingerprint  TEXT   NOT NULL,
    status       BIGINT,
    content_type TEXT   NOT NULL DEFAULT '',
    body         TEXT   NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (account_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
