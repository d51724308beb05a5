// Command breaking reports the changes of the contract that break a caller or a server and that oasdiff, which the gate of the
// contract runs as well, does not count as breaking: a request object that is closed, a header that responses must have, a
// changed default, a field that responses no longer have, and a lower limit in one of the contract's own keywords.
//
//	go run ./api/breaking OLD NEW
//
// It prints a line for each of them and exits with 1; with 2 when it cannot read the documents.
package main

import (
	"fmt"
	"os"

	"github.com/getkin/kin-openapi/openapi3"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: breaking OLD NEW")
		os.Exit(2)
	}
	changes, err := compareFiles(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "breaking:", err)
		os.Exit(2)
	}
	for _, change := range changes {
		fmt.Println(change)
	}
	if len(changes) > 0 {
		os.Exit(1)
	}
}

func compareFiles(oldFile, newFile string) ([]string, error) {
	before, err := openapi3.NewLoader().LoadFromFile(oldFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", oldFile, err)
	}
	after, err := openapi3.NewLoader().LoadFromFile(newFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", newFile, err)
	}
	return compare(before, after), nil
}
