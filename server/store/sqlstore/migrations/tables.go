package migrations

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
)

// Tables returns the names of the tables that all migrations together leave, sorted.
func Tables() []string { return slices.Sorted(maps.Keys(Columns())) }

// Columns returns the columns of each table that all migrations together leave.
func Columns() map[string][]string {
	tables := map[string][]string{}
	names, _ := fs.Glob(files, pattern) // the pattern is valid
	for _, name := range names {
		text, _ := files.ReadFile(name) // Glob has found it
		for _, statement := range tableChange.FindAllStringSubmatch(string(text), -1) {
			verb, table, rest := statement[1], statement[2], statement[3]
			renamed := tableName.FindStringSubmatch(rest)
			switch {
			case verb == "DROP":
				delete(tables, table)
			case renamed != nil:
				tables[renamed[1]] = tables[table]
				delete(tables, table)
			default:
				for _, column := range newColumn.FindAllStringSubmatch(rest, -1) {
					tables[table] = append(tables[table], column[1])
				}
			}
		}
	}
	return tables
}

var (
	tableChange = regexp.MustCompile(`(?ms)^(CREATE|DROP|ALTER) TABLE (\w+)(.*?);$`)
	tableName   = regexp.MustCompile(`^ RENAME TO (\w+)`)
	newColumn   = regexp.MustCompile(`(?m)^(?: {4}| ADD COLUMN )(\w+) +(?:TEXT|BIGINT)\b`)
)
