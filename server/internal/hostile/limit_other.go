//go:build !linux

package main

// limitAddressSpace does nothing: not every system has such a bound.
func limitAddressSpace(uint64) error { return nil }
