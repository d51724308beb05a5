// Package sqliteengine implements package engine on SQLite: group commit, statements without database/sql's conversions, a
// queue of turns in memory. No other package of the server uses the SQLite driver.
package sqliteengine
