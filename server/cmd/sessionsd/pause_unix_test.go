//go:build unix

package main

import (
	"os"
	"syscall"
	"time"
)

// pause lets a process hang for a time.
func pause(p *os.Process, lasts time.Duration) {
	_ = p.Signal(syscall.SIGSTOP)
	time.AfterFunc(lasts, func() { _ = p.Signal(syscall.SIGCONT) })
}
