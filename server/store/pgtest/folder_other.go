//go:build !linux

package pgtest

// folder returns "", for a temporary folder.
func folder() string { return "" }
