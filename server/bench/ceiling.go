package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// prepareCeiling answers every request with the same bytes and reads no more of it than where it ends.
// How fast that goes is the most that the load generator can ask for on this machine.
func prepareCeiling(context.Context, string) (*subject, error) {
	list, err := createRequests(nil)
	body := strings.Repeat("x", 1000) // about as long as a session
	answer := []byte("HTTP/1.1 201 Created\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	size := len(list.Wire[0])
	return &subject{
		handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }),
		serve: func(ctx context.Context, listening func(string)) error {
			return serveFixed(ctx, listening, size, answer)
		},
		requests: list, close: func() error { return nil },
	}, err
}

// serveFixed reads size bytes and writes answer, over and over.
func serveFixed(ctx context.Context, listening func(string), size int, answer []byte) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	listening("http://" + listener.Addr().String())
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		conn, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		connections.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			defer conn.Close()
			in := bufio.NewReader(conn)
			for {
				if _, err := in.Discard(size); err != nil {
					return
				}
				if _, err := conn.Write(answer); err != nil {
					return
				}
			}
		})
	}
}

// readRequest parses a request's head.
func readRequest(head []byte) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(bytes.NewReader(append(bytes.Clone(head), "\r\n\r\n"...))))
}
