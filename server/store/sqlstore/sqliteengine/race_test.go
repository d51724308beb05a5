//go:build race

package sqliteengine

func init() { underRace = true }
