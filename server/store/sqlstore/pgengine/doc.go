// Package pgengine implements package engine on PostgreSQL: a pool of connections that batches statements, notifications
// with LISTEN and NOTIFY, a queue of turns. No other package of the server uses pgx.
package pgengine
