package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// runner is a process that runs one command line after another, each as a process of its own would: with its own variables,
// folder, standard input and outputs. To begin a process costs many times what most commands do. What a test starts, which it
// then sends signals, or gives a terminal or pipes, is a process of its own.
type runner struct {
	*exec.Cmd
	requests io.WriteCloser
	write    *json.Encoder
	read     *json.Decoder
}

// commandLine is what a runner runs; In is nil for no standard input.
type commandLine struct {
	Args, Env []string
	Dir       string
	In        []byte
}

// outcome is what came of a command line.
type outcome struct {
	Code     int
	Out, Err []byte
}

// runners are those that wait for a command line.
var runners struct {
	sync.Mutex
	idle []*runner
}

// takeRunner returns a runner that waits, or a new one: a command may wait for what another one does.
func takeRunner() (*runner, error) {
	runners.Lock()
	defer runners.Unlock()
	if last := len(runners.idle) - 1; last >= 0 {
		r := runners.idle[last]
		runners.idle = runners.idle[:last]
		return r, nil
	}
	r := &runner{Cmd: exec.Command(os.Args[0])}
	r.Env, r.Stderr = append(os.Environ(), asProgram+"="+asRunner), os.Stderr // for the race detector
	replies, err := r.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if r.requests, err = r.StdinPipe(); err != nil {
		return nil, err
	}
	r.write, r.read = json.NewEncoder(r.requests), json.NewDecoder(replies)
	return r, r.Start()
}

// runElsewhere runs a command line, which has not begun, in a runner, and returns its exit code.
func (p *program) runElsewhere(t *testing.T) int {
	t.Helper()
	line := commandLine{Args: p.Args[1:], Env: p.Env, Dir: p.Dir}
	switch in := p.Stdin.(type) {
	case nil:
	case *strings.Reader:
		line.In = make([]byte, in.Len())
		_, _ = io.ReadFull(in, line.In)
	default:
		t.Fatalf("%s: a runner gives no standard input from a %T", p.Args, in)
	}
	if p.Stdout != &p.out || p.Stderr != &p.err {
		t.Fatalf("%s: a runner writes nowhere else", p.Args)
	}
	r, err := takeRunner()
	if err != nil {
		t.Fatal(err)
	}
	var o outcome
	if err := r.write.Encode(line); err != nil {
		t.Fatalf("%s: %v", p.Args, err)
	}
	if err := r.read.Decode(&o); err != nil {
		t.Fatalf("%s: the process has ended: %v", p.Args, err)
	}
	p.out.Write(o.Out)
	p.err.Write(o.Err)
	runners.Lock()
	defer runners.Unlock()
	runners.idle = append(runners.idle, r)
	return o.Code
}

// endRunners ends the processes, and returns an error if one of them failed: the race detector ends a process with 66.
func endRunners() error {
	for _, r := range runners.idle {
		_ = r.requests.Close()
		if err := r.Wait(); err != nil {
			return fmt.Errorf("a process that ran commands: %w", err)
		}
	}
	return nil
}

// runCommandLines is the process of a runner.
func runCommandLines() error {
	requests, replies := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var line commandLine
		if err := requests.Decode(&line); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		o, err := line.run()
		if err != nil {
			return err
		}
		if err := replies.Encode(o); err != nil {
			return err
		}
	}
}

// run runs a command line in this process, whose variables, folder and standard files become those of the command line.
func (c commandLine) run() (o outcome, err error) {
	os.Clearenv()
	for _, variable := range c.Env {
		if name, value, ok := strings.Cut(variable, "="); ok && name != "" {
			if err := os.Setenv(name, value); err != nil {
				return o, err
			}
		}
	}
	if err := os.Chdir(c.Dir); err != nil {
		return o, err
	}
	if os.Stdin, err = os.Open(os.DevNull); err != nil {
		return o, err
	}
	var writer *os.File
	if c.In != nil {
		_ = os.Stdin.Close()
		if os.Stdin, writer, err = os.Pipe(); err != nil {
			return o, err
		}
	}
	out, fromOut, err := os.Pipe()
	if err != nil {
		return o, err
	}
	said, fromErr, err := os.Pipe()
	if err != nil {
		return o, err
	}
	os.Stdout, os.Stderr = fromOut, fromErr
	var outText, errText bytes.Buffer
	var group sync.WaitGroup
	group.Go(func() { _, _ = outText.ReadFrom(out) })
	group.Go(func() { _, _ = errText.ReadFrom(said) })
	if writer != nil {
		group.Go(func() {
			_, _ = writer.Write(c.In)
			_ = writer.Close()
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.Code = run(ctx, newApp(&signals{}), c.Args)
	cancel()
	for _, f := range []*os.File{os.Stdin, fromOut, fromErr} {
		_ = f.Close()
	}
	group.Wait()
	_, _ = out.Close(), said.Close()
	http.DefaultClient.CloseIdleConnections()
	o.Out, o.Err = outText.Bytes(), errText.Bytes()
	return o, os.Chdir(os.TempDir())
}
