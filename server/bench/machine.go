package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// fsyncs is how many writes are timed.
const fsyncs = 50

// describeMachine prints what a reader needs to know of the machine. What cannot be found out is "?".
func describeMachine(out io.Writer, dir string) {
	fmt.Fprintf(out, "%s, %d CPUs (GOMAXPROCS %d), %s %s/%s, kernel %s, load average %s, fsync of 4 KiB %s\n",
		cpuModel(), runtime.NumCPU(), runtime.GOMAXPROCS(0), runtime.Version(), runtime.GOOS, runtime.GOARCH,
		firstWords("/proc/sys/kernel/osrelease", 1), firstWords("/proc/loadavg", 3), fsyncTime(dir))
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "?"
}

func firstWords(path string, n int) string {
	text, err := os.ReadFile(path)
	words := strings.Fields(string(text))
	if err != nil || len(words) < n {
		return "?"
	}
	return strings.Join(words[:n], " ")
}

// fsyncTime is how long the folder's disk takes to make a small append durable; the median.
func fsyncTime(dir string) string {
	file, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return "?"
	}
	defer os.Remove(filepath.Clean(file.Name()))
	defer file.Close()
	var times []time.Duration
	for range fsyncs {
		begin := time.Now()
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			return "?"
		}
		if err := file.Sync(); err != nil {
			return "?"
		}
		times = append(times, time.Since(begin))
	}
	return median(times).Round(time.Microsecond).String()
}
