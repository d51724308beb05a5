package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// jobVariable holds the job of the process that serves.
const jobVariable = "SESSIONS_HOSTILE_JOB"

// job says what the process serves.
type job struct {
	DB           string
	AddressSpace uint64
}

// serveJob serves until its standard input ends, which it does when the parent goes, too. It prints its address, then its
// memory for each line that it reads.
func serveJob(text string) (err error) {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	if err := limitAddressSpace(j.AddressSpace); err != nil {
		return err
	}
	debug.SetMemoryLimit(3 * 256 << 20) // as sessionsd serve does
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
			fmt.Println(ownMemory())
		}
	}()
	return s.Run(ctx, func(baseURL string) { fmt.Println(baseURL) })
}
