//go:build !unix

package main

import (
	"os"
	"time"
)

// pause does nothing: this system cannot let a process hang.
func pause(*os.Process, time.Duration) {}
