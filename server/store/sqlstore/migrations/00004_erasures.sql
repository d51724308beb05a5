-- +goose Up

-- Deleted sessions whose logs were too long to go with them at once: they are removed in small steps.
CREATE TABLE erasures (
    account_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    PRIMARY KEY (account_id, session_id),
    FOREIGN KEY (account_id, session_id) REFERENCES sessions (account_id, id)
);
