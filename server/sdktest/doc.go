// Package sdktest runs the official SDK of a similar API, unmodified, against the server: anthropic-sdk-go. Each of its test
// files is about one kind of resource. The package has tests only.
package sdktest
