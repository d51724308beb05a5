package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// median returns the middle value, the upper one of two; the zero value for none.
func median[T cmp.Ordered](values []T) T {
	if len(values) == 0 {
		var zero T
		return zero
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// most returns the largest value; the zero value for none. It is for memory, of which a program has most to take in its first
// round: in the others it uses again what that has left.
func most[T cmp.Ordered](values []T) (largest T) {
	for i, v := range values {
		if i == 0 || v > largest {
			largest = v
		}
	}
	return largest
}

// each returns what of takes from every sample.
func each[T any](samples []sample, of func(sample) T) []T {
	list := make([]T, len(samples))
	for i, s := range samples {
		list[i] = of(s)
	}
	return list
}

func perSecond(s sample) float64          { return s.perSecond }
func p50(s sample) time.Duration          { return s.p50 }
func p99(s sample) time.Duration          { return s.p99 }
func serverCPU(s sample) time.Duration    { return s.serverCPU }
func clientCPU(s sample) time.Duration    { return s.clientCPU }
func p99Seconds(s sample) float64         { return seconds(s.p99) }
func streamKiB(s sample) float64          { return s.streamKiB }
func tail(s sample) float64               { return seconds(s.p99) / seconds(s.p50) }
func seconds(d time.Duration) float64     { return d.Seconds() }
func p50Seconds(s sample) float64         { return seconds(s.p50) }
func serverCPUSeconds(s sample) float64   { return seconds(s.serverCPU) }
func microseconds(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/1e3) }

// ratio is a quotient over several rounds. A quotient is taken within one round, where both sides had
// the same machine.
type ratio struct{ middle, low, high float64 }

// ratioOf divides round by round.
func ratioOf(samples, base []sample, of func(sample) float64) ratio {
	quotients := make([]float64, 0, len(samples))
	for i := range min(len(samples), len(base)) {
		if divisor := of(base[i]); divisor > 0 {
			quotients = append(quotients, of(samples[i])/divisor)
		}
	}
	if len(quotients) == 0 {
		return ratio{}
	}
	return ratio{median(quotients), slices.Min(quotients), slices.Max(quotients)}
}

// String is "-" when nothing was divided.
func (r ratio) String() string {
	if r == (ratio{}) {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", r.middle, r.low, r.high)
}

// target is a ratio, or another number, and the bound that it is to keep.
type target struct {
	what   string
	got    float64
	format string
	bound  float64
	atMost bool
}

func (t target) String() string {
	sign, reached := ">=", t.got >= t.bound
	if t.atMost {
		sign, reached = "<=", t.got <= t.bound
	}
	verdict := "missed"
	if reached {
		verdict = "reached"
	}
	return fmt.Sprintf("%s\t"+t.format+"\t%s "+t.format+"\t%s", t.what, t.got, sign, t.bound, verdict)
}
