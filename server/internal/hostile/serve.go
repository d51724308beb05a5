package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// jobVariable holds the job of the process that serves.
const jobVariable = "SESSIONS_HOSTILE_JOB"

// job says what the process serves.
type job struct {
	DB           string
	AddressSpace uint64
	Pprof        bool
}

// serveJob serves until its standard input ends, as it does when the parent ends. It prints its address, then its
// memory for each line that it reads.
func serveJob(text string) (err error) {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	if err := limitAddressSpace(j.AddressSpace); err != nil {
		return err
	}
	if j.Pprof {
		serveProfiles()
	}
	debug.SetMemoryLimit(server.MemoryLimit(server.DefaultMaxBytesInFlight)) // as sessionsd serve does
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := server.New(ctx, server.Config{DB: j.DB, Demo: true, DemoToken: enemyToken, ShutdownTimeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	go func() {
		defer stop()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			m := ownMemory()
			fmt.Println(m.resident, m.peak, m.space)
		}
	}()
	return s.Run(ctx, func(baseURL string) { fmt.Println(baseURL) })
}

// serveProfiles serves net/http/pprof, for go tool pprof.
func serveProfiles() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		return
	}
	fmt.Fprintf(os.Stderr, "profiles at http://%s/debug/pprof/\n", listener.Addr())
	go func() { _ = http.Serve(listener, nil) }()
}

// ownMemory reads the resident memory of this process, now and at its peak, and the peak of its address space from /proc;
// three zeros where there is none.
func ownMemory() memory {
	var m memory
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return m
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			m.resident = kib << 10
		case "VmHWM":
			m.peak = kib << 10
		case "VmPeak":
			m.space = kib << 10
		}
	}
	return m
}
