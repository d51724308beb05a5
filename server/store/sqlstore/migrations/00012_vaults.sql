-- +goose Up

CREATE TABLE vaults (
    account_id   TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    display_name TEXT   NOT NULL,
    metadata     TEXT   NOT NULL CHECK (metadata <> ''),
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    archived_at  BIGINT,
    deleted_at   BIGINT,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX vaults_all ON vaults (account_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX vaults_active ON vaults (account_id, created_at, id)
    WHERE deleted_at IS NULL AND archived_at IS NULL;

-- auth is what callers see of a credential, target what it is for. sealed is its secret, encrypted under the key key_id;
-- both are empty when the credential, or its vault, is archived or deleted.
CREATE TABLE vault_credentials (
    account_id       TEXT   NOT NULL,
    id               TEXT   NOT NULL,
    vault_id         TEXT   NOT NULL,
    target           TEXT   NOT NULL,
    auth             TEXT   NOT NULL CHECK (auth <> ''),
    protocol         TEXT   NOT NULL,
    metadata         TEXT   NOT NULL CHECK (metadata <> ''),
    key_id           TEXT   NOT NULL,
    sealed           TEXT   NOT NULL,
    refreshing_until BIGINT NOT NULL DEFAULT 0,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    archived_at      BIGINT,
    deleted_at       BIGINT,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, vault_id) REFERENCES vaults (account_id, id)
);
CREATE INDEX vault_credentials_all ON vault_credentials (account_id, vault_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX vault_credentials_active ON vault_credentials (account_id, vault_id, created_at, id)
    WHERE deleted_at IS NULL AND archived_at IS NULL;
CREATE INDEX vault_credentials_by_key ON vault_credentials (key_id)
    WHERE sealed <> '';

-- The key that secrets are sealed under, with a known text sealed under it; empty before the first key.
CREATE TABLE vault_keys (
    name   TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL,
    sealed TEXT NOT NULL
);
