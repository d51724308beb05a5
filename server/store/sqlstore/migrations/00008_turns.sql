-- +goose Up

-- The queue of turns, where several processes share the database. A turn waits while worker is '', the name of the process
-- that runs it; queued_at is in microseconds since 1970. dispatched counts the processes that it was dispatched to.
CREATE TABLE queued_turns (
    id         TEXT   NOT NULL PRIMARY KEY,
    account_id TEXT   NOT NULL,
    session_id TEXT   NOT NULL,
    turn_id    TEXT   NOT NULL,
    queued_at  BIGINT NOT NULL,
    worker     TEXT   NOT NULL DEFAULT '',
    dispatched BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX queued_turns_waiting ON queued_turns (account_id, queued_at, id) WHERE worker = '';
CREATE INDEX queued_turns_running ON queued_turns (worker) WHERE worker <> '';
CREATE INDEX queued_turns_by_session ON queued_turns (session_id, account_id);

-- When a turn of the account was last dispatched, in microseconds since 1970: the account served longest ago is next.
CREATE TABLE served_accounts (
    account_id TEXT   NOT NULL PRIMARY KEY,
    served_at  BIGINT NOT NULL
);

-- Usage beyond the contract's bounds, which earlier versions stored, made sessions unreadable.
UPDATE sessions SET input_tokens = 9007199254740991 WHERE input_tokens > 9007199254740991;
UPDATE sessions SET output_tokens = 9007199254740991 WHERE output_tokens > 9007199254740991;
UPDATE sessions SET cache_read_input_tokens = 9007199254740991 WHERE cache_read_input_tokens > 9007199254740991;
UPDATE sessions SET cache_creation_5m = 9007199254740991 WHERE cache_creation_5m > 9007199254740991;
UPDATE sessions SET cache_creation_1h = 9007199254740991 WHERE cache_creation_1h > 9007199254740991;
UPDATE sessions SET credit_cents = 100000000000 WHERE credit_cents > 100000000000;
