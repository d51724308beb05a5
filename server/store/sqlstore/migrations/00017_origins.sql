-- +goose Up

-- Where the session's turn comes from: the request that started it and the trace of that; '' for a session without a turn.
ALTER TABLE sessions ADD COLUMN turn_origin TEXT NOT NULL DEFAULT '';
