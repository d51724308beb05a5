// Package sqliteengine implements package engine on SQLite: group commit, statements without database/sql's conversions, a
// queue of turns in memory. It is the only package that imports the SQLite driver.
package sqliteengine
