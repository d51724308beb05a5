-- +goose Up

-- request is the method and the path that a key was used for. resource_id is what the response shows: when that is
-- deleted, the response is erased. reference says what a response is made of that is not kept itself. size is what the
-- key occupies, in bytes. Only responses of 2xx are recorded from now on: a refused key is free again.
ALTER TABLE idempotency_keys ADD COLUMN request TEXT NOT NULL DEFAULT '';
ALTER TABLE idempotency_keys ADD COLUMN resource_id TEXT NOT NULL DEFAULT '';
ALTER TABLE idempotency_keys ADD COLUMN reference TEXT NOT NULL DEFAULT '';
ALTER TABLE idempotency_keys ADD COLUMN erased BIGINT NOT NULL DEFAULT 0;
ALTER TABLE idempotency_keys ADD COLUMN size BIGINT NOT NULL DEFAULT 0;
DELETE FROM idempotency_keys WHERE status >= 300;
UPDATE idempotency_keys SET size = 512 + length(body);
CREATE INDEX idempotency_keys_by_resource ON idempotency_keys (account_id, resource_id, size);

-- Random secrets of this database, in hexadecimal digits.
CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL CHECK (value <> '')
);
