// Package freeport finds ports for the programs that tests start.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Systems choose the ports of clients, and of listeners that leave the choice to them, from 32768 or above.
const first, end = 10_000, 32_768

// Address returns an address of loopback on which nobody listens. No listener that leaves the choice of its port to the system
// takes it before the caller's program does: tests that run beside this one have many of those.
func Address(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(end-first))
		if listener, err := net.Listen("tcp", address); err == nil {
			_ = listener.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
