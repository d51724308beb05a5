-- +goose Up

-- A session's turn under way or waiting; the lease counts the workers that its turns were handed to.
ALTER TABLE sessions ADD COLUMN turn_id      TEXT   NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN turn_lease   BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN turn_pending TEXT   NOT NULL DEFAULT '[]';

-- The sessions that have a turn under way: few, whatever the number of sessions.
CREATE INDEX sessions_busy ON sessions (account_id, id)
    WHERE status IN ('processing', 'canceling', 'interrupting');

-- The logs. Ids ascend within a session. Rows never change; they go with their session.
CREATE TABLE events (
    account_id TEXT   NOT NULL,
    session_id TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    turn_id    TEXT   NOT NULL,
    type       TEXT   NOT NULL CHECK (type <> ''),
    payload    TEXT   NOT NULL CHECK (payload <> ''),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, session_id, id),
    FOREIGN KEY (account_id, session_id) REFERENCES sessions (account_id, id)
);
