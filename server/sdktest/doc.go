// Package sdktest runs official SDKs, unchanged, against the server. It has only tests.
package sdktest
