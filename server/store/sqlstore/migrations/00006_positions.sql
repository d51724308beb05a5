-- +goose Up

-- The order of a session's log is a position, from 1, that the store assigns; ids are opaque. Events that are stored
-- already keep the order of their ids, which was theirs until now. SQLite keeps the rows in the order of the primary
-- key, so that a page of a log is read in one place.
ALTER TABLE events RENAME TO events_by_id;

CREATE TABLE events (
    account_id TEXT   NOT NULL,
    session_id TEXT   NOT NULL,
    position   BIGINT NOT NULL CHECK (position >= 1),
    id         TEXT   NOT NULL,
    turn_id    TEXT   NOT NULL,
    type       TEXT   NOT NULL CHECK (type <> ''),
    payload    TEXT   NOT NULL CHECK (payload <> ''),
    created_at BIGINT NOT NULL,
    CONSTRAINT events_log PRIMARY KEY (account_id, session_id, position),
    FOREIGN KEY (account_id, session_id) REFERENCES sessions (account_id, id)
) WITHOUT ROWID;

INSERT INTO events (account_id, session_id, position, id, turn_id, type, payload, created_at)
    SELECT account_id, session_id, row_number() OVER (PARTITION BY account_id, session_id ORDER BY id),
        id, turn_id, type, payload, created_at
    FROM events_by_id;

DROP TABLE events_by_id;

CREATE UNIQUE INDEX events_ids ON events (account_id, session_id, id);
