// Command hostile measures what one account that means harm costs the others. It starts a server, with a bound on its
// address space, and measures how long three friendly accounts wait for GET /sessions/{id}, each over one connection:
// alone, beside lawful requests of another account over 32 connections, and beside its hostile requests over 16. Build it
// with CGO_ENABLED=0, as releases are: threads of C libraries take much of the address space.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cloud-sessions/sessions/server/internal/child"
)

func main() {
	if job := os.Getenv(jobVariable); job != "" {
		fail(serveJob(job))
		return
	}
	duration := flag.Duration("duration", 20*time.Second, "how long each of the three measurements takes")
	space := flag.Uint64("address-space", 2<<30, "bytes of address space that the server may use; Linux only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fail(run(ctx, *duration, *space))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

// run starts the server, prepares what the accounts have, and prints the three measurements.
func run(ctx context.Context, duration time.Duration, space uint64) (err error) {
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	dsn := "sqlite:" + filepath.Join(dir, "sessions.db")
	process, baseURL, err := child.Start(ctx, jobVariable, job{DB: dsn, AddressSpace: space})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, process.Stop(20*time.Second)) }()
	target := strings.TrimSpace(baseURL)
	friends, enemy, err := prepare(ctx, target, dsn)
	if err != nil {
		return err
	}
	fmt.Println("GET /sessions/{id} of three accounts    requests  failed      p50      p95      max    memory      peak  address space")
	for _, phase := range []struct {
		name string
		load func(ctx context.Context)
	}{
		{"alone", func(context.Context) {}},
		{"beside lawful gets, 32 connections", enemy.lawful},
		{"beside hostile requests, 16 connections", enemy.hostile},
	} {
		result := beside(ctx, friends, duration, phase.load)
		memory, err := memoryOf(process)
		if err != nil {
			return fmt.Errorf("the server has ended: %w", err)
		}
		fmt.Printf("%-39s %s %s\n", phase.name, result, memory)
	}
	for range 2 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(15 * time.Second):
		}
		memory, err := memoryOf(process)
		if err != nil {
			return fmt.Errorf("the server has ended: %w", err)
		}
		fmt.Printf("%-76s %s\n", "15 seconds later", memory)
	}
	fmt.Println(enemy.summary())
	return nil
}

// memoryOf asks the server for its memory.
func memoryOf(p *child.Process) (string, error) {
	if _, err := io.WriteString(p.Stdin, "\n"); err != nil {
		return "", err
	}
	line, err := p.Stdout.ReadString('\n')
	return strings.TrimSpace(line), err
}

// ownMemory reads the resident memory of this process, now and at its peak, and the peak of its address space from /proc.
func ownMemory() string {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	var now, peak, space string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch name {
		case "VmRSS":
			now = strings.TrimSpace(value)
		case "VmHWM":
			peak = strings.TrimSpace(value)
		case "VmPeak":
			space = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%s  %s  %s", now, peak, space)
}
