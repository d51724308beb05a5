-- +goose Up

-- A session's revision is raised by every statement that writes to its row.
ALTER TABLE sessions ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
