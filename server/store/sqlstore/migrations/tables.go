package migrations

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
)

// Tables returns the names of the tables that all migrations together leave, in their order.
func Tables() []string {
	tables := map[string]bool{}
	names, _ := fs.Glob(files, "*.sql") // the pattern is right
	for _, name := range names {
		text, _ := files.ReadFile(name) // it was found
		for _, found := range tableChange.FindAllStringSubmatch(string(text), -1) {
			switch verb, table, renamed := found[1], found[2], found[3]; {
			case verb == "CREATE":
				tables[table] = true
			case verb == "DROP":
				delete(tables, table)
			case renamed != "":
				delete(tables, table)
				tables[renamed] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(tables))
}

var tableChange = regexp.MustCompile(`(?m)^(CREATE|DROP|ALTER) TABLE (\w+)(?: RENAME TO (\w+))?`)
