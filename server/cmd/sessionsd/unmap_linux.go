package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// unmapProgram gives up the pages of the program's code and constants that are in memory. A start touches most of them once,
// since each package initialises itself and the kernel maps 16 pages for one that is touched; serving needs less than half.
// They stay in the page cache, from which those in use come back at once, and other programs can have that memory. It is only
// an optimisation: on an error it leaves the rest as it is.
func unmapProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	mappings, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range readOnly(string(mappings), program) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// readOnly returns the mappings of a file that are exactly what the file has: those that cannot be written to and hold no page
// of the process's own, such as a relocated address or a debugger's breakpoint. The text is that of /proc/PID/smaps.
func readOnly(smaps, file string) (found []mapping) {
	var m mapping
	ours := false
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		var start, end uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &start, &end); n == 2 {
			m = mapping{start, end}
			ours = len(fields) == 6 && fields[5] == file && (fields[1] == "r-xp" || fields[1] == "r--p")
		} else if ours && len(fields) == 3 && fields[0] == "Anonymous:" && fields[1] == "0" {
			found = append(found, m)
		}
	}
	return found
}
