package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
)

// TestReadOnlyMappings tests that only pages that equal the file are given up.
func TestReadOnlyMappings(t *testing.T) {
	t.Parallel()
	const smaps = `00400000-00500000 r-xp 00000000 fe:00 1234 /bin/sessionsd
Size:               1024 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00500000-00600000 r--p 00100000 fe:00 1234 /bin/sessionsd
Anonymous:             4 kB
00600000-00700000 rw-p 00200000 fe:00 1234 /bin/sessionsd
Anonymous:             0 kB
00700000-00800000 r--p 00200000 fe:00 1234 /bin/sessionsd
Anonymous:             0 kB
00800000-00900000 r--p 00000000 fe:00 99 /data/sessions.db
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:          4096 kB
`
	want := []mapping{{0x400000, 0x500000}, {0x700000, 0x800000}}
	if d := diff.Diff(want, readOnly(smaps, "/bin/sessionsd"), diff.AllowUnexported(mapping{})); d != "" {
		t.Error(d)
	}
}

// TestUnmapProgram tests that code and constants work afterwards, and that the test's program is found at all.
func TestUnmapProgram(t *testing.T) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil || len(readOnly(string(smaps), program)) == 0 {
		t.Errorf("no mapping of %s, %v", program, err)
	}
	unmapProgram()
	words := strings.Fields("many functions are called here")
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	if got := fmt.Sprint(words); got != "[functions called many here are]" {
		t.Error(got)
	}
}
