//go:build !unix

package backup

// syncFolder does nothing: Windows makes names durable by itself.
func syncFolder(string) error { return nil }
