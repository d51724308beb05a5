-- +goose Up

-- Turns that may wait for a worker.
CREATE INDEX sessions_waiting ON sessions (updated_at)
    WHERE self_hosted = 1 AND turn_id <> '' AND status = 'idle' AND deleted_at IS NULL;
