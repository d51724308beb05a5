package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// rawStream opens a stream over a connection of its own, without net/http's client, which would add its own memory.
func (h *harness) rawStream(path string) net.Conn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.web.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET /v1%s/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, aliceToken); err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// readUntil reads up to the next text that ends with end, or up to it.
func readUntil(conn io.Reader, buffer []byte, end string) error {
	n := 0
	for {
		m, err := conn.Read(buffer[n:])
		if err != nil {
			return err
		}
		n += m
		if bytes.Contains(buffer[:n], []byte(end)) {
			return nil
		}
	}
}

// BenchmarkIdleStreams opens 5,000 streams of 1,000 sessions and reports the memory that one of them uses, including the
// caller's end of the connection but not the sockets' buffers in the kernel.
func BenchmarkIdleStreams(b *testing.B) {
	const streams, sessions = 5000, 1000
	for range b.N {
		h := start(b, func(c *server.Config) { c.MaxStreams = streams })
		paths := make([]string, sessions)
		for i := range paths {
			paths[i] = h.session()
		}
		buffer := make([]byte, 4096)
		before := memory()
		conns := make([]net.Conn, streams)
		for i := range conns {
			conn := h.rawStream(paths[i%sessions])
			conns[i] = conn
			if err := readUntil(conn, buffer, "\r\n\r\n"); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(memory()-before)/streams/1024, "KiB/stream")
		b.ReportMetric(0, "ns/op")
		for _, conn := range conns {
			_ = conn.Close()
		}
		h.web.Close()
	}
}

// memory is what the program has in use: heap and stacks.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapInuse + stats.StackInuse)
}

// BenchmarkFanOut sends events to a session with 1,000 readers and measures how long it takes until all have one.
// The readers share the machine with the server.
func BenchmarkFanOut(b *testing.B) {
	const readers = 1000
	h := start(b, func(c *server.Config) { c.MaxStreams = readers })
	path := h.session()
	arrived := make(chan struct{}, readers)
	var all sync.WaitGroup
	b.Cleanup(all.Wait)
	for range readers {
		conn := h.rawStream(path)
		all.Go(func() {
			lines := bufio.NewReaderSize(conn, 4096)
			for {
				line, err := lines.ReadSlice('\n')
				if err != nil {
					return
				}
				if bytes.HasPrefix(line, []byte("event: user.interrupt")) {
					arrived <- struct{}{}
				}
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); !bytes.Contains(h.do(request{method: "GET", path: "//metrics"}).body, fmt.Appendf(nil, "\nsessions_open_streams %d\n", readers)); {
		if time.Now().After(deadline) {
			b.Fatal("the readers are not there")
		}
	}
	for b.Loop() {
		if got := h.post(path+"/events", `{"events":[{"type":"user.interrupt"}]}`); got.status != 200 {
			b.Fatalf("%d %s", got.status, got.body)
		}
		for range readers {
			<-arrived
		}
	}
	b.ReportMetric(float64(readers)*float64(b.N)/b.Elapsed().Seconds(), "frames/s")
}

// BenchmarkShutdown stops a server with 1,000 open streams, and measures how long it takes until Run has returned and
// every caller has seen the end of its stream.
func BenchmarkShutdown(b *testing.B) {
	const streams = 1000
	var took time.Duration
	for range b.N {
		url, stop, ran := running(b, server.Config{Demo: true, DemoToken: "pt-demo", ShutdownTimeout: time.Minute, MaxStreams: streams})
		host := strings.TrimPrefix(url, "http://")
		id := demoSession(b, url)
		var ended sync.WaitGroup
		for range streams {
			conn, err := net.Dial("tcp", host)
			if err != nil {
				b.Fatal(err)
			}
			fmt.Fprintf(conn, "GET /v1/sessions/%s/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer pt-demo\r\n\r\n", id)
			if err := readUntil(conn, make([]byte, 4096), "\r\n\r\n"); err != nil {
				b.Fatal(err)
			}
			ended.Go(func() {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			})
		}
		start := time.Now()
		stop()
		if err := <-ran; err != nil {
			b.Fatal(err)
		}
		ended.Wait()
		took += time.Since(start)
	}
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/shutdown")
	b.ReportMetric(0, "ns/op")
}
