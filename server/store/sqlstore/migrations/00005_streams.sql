-- +goose Up

-- How many event streams each process has open: counts is JSON, by account. A row that is old does not count.
CREATE TABLE open_streams (
    process     TEXT   NOT NULL PRIMARY KEY,
    counts      TEXT   NOT NULL CHECK (counts <> ''),
    reported_at BIGINT NOT NULL
);
