-- +goose Up

-- What runners keep with events of the logs: a table of its own, so that nothing that reads a log for callers reads it.
CREATE TABLE event_memos (
    account_id TEXT   NOT NULL,
    session_id TEXT   NOT NULL,
    position   BIGINT NOT NULL,
    event_id   TEXT   NOT NULL,
    memo       TEXT   NOT NULL CHECK (memo <> ''),
    CONSTRAINT event_memos_log PRIMARY KEY (account_id, session_id, position),
    FOREIGN KEY (account_id, session_id) REFERENCES sessions (account_id, id)
);
