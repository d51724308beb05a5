// Package pgengine implements package engine on PostgreSQL: a pool of connections that batches statements, notifications
// with LISTEN and NOTIFY, a queue of turns on river. It is the only package that imports pgx and river.
package pgengine
