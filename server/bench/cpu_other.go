//go:build !unix

package main

import "time"

// cpuTime returns 0: the tables then have no CPU times.
func cpuTime() time.Duration { return 0 }
