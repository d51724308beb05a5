#!/bin/sh
# Go 1.26, cmd/link and the race detector: leaving one package out of it, with -gcflags=PACKAGE=-race=false, can make it report
# races elsewhere that are none. A package with a variable of type sync.Map compiles the map's generic methods too, here without
# the detector's calls. The linker keeps one copy of each for the whole program, the largest; if methods that are inlined make
# the copy of that package the largest, every sync.Map of the program synchronizes unseen. With encoding/json it happens. With
# -l as well, for no inlining, the instrumented copies are larger and win, and a race of a value with json.Marshal is still
# found, because package reflect reads it; with inlining, parts of reflect end up in encoding/json, and it is missed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >go.mod <<'MOD'
module example.com/finding

go 1.26
MOD
cat >finding_test.go <<'GO'
package finding

import (
	"encoding/json"
	"runtime"
	"sync"
	"testing"
)

// TestNoRace has none: the map is written after x, and read before it.
func TestNoRace(t *testing.T) {
	var m sync.Map
	x := 0
	go func() {
		x = 1
		m.Store("written", true)
	}()
	for {
		if _, ok := m.Load("written"); ok {
			break
		}
		runtime.Gosched()
	}
	if x != 1 {
		t.Error(x)
	}
}

// TestRace has one: a field is read by Marshal and written.
func TestRace(t *testing.T) {
	value := &struct{ A int }{}
	var both sync.WaitGroup
	both.Go(func() { _, _ = json.Marshal(value) })
	both.Go(func() { value.A = 1 })
	both.Wait()
}
GO
reported() {
	for test in TestNoRace TestRace; do
		if go test -vet=off -race "-gcflags=encoding/json=$1" -run "^$test\$" . 2>&1 | grep -q 'DATA RACE'; then echo "$test"; fi
	done | paste -sd ' ' -
}
go version
all=$(reported '') && off=$(reported -race=false) && apart=$(reported '-race=false -l')
echo "reported: with everything instrumented '$all', without encoding/json '$off', and without inlining into it '$apart'"
[ "$all" = TestRace ] && [ "$off" = TestNoRace ] && [ "$apart" = TestRace ] ||
	{ echo "changed: it used to be 'TestRace', 'TestNoRace', 'TestRace'"; exit 1; }
