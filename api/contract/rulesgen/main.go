// Command rulesgen compiles the contract and writes the result as Go code, so that programs neither parse nor compile it.
//
//	go run ./api/contract/rulesgen api/openapi.yaml api/contract/internal/compiled/contract.gen.go
package main

import (
	"fmt"
	"os"

	"github.com/cloud-sessions/sessions/api/contract/compile"
	"github.com/cloud-sessions/sessions/api/openapi"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: rulesgen SPEC FILE")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "rulesgen:", err)
		os.Exit(1)
	}
}

func generate(spec, file string) error {
	data, err := os.ReadFile(spec)
	if err != nil {
		return err
	}
	doc, err := openapi.Parse(data)
	if err != nil {
		return err
	}
	contract, names, err := compile.Named(doc)
	if err != nil {
		return fmt.Errorf("%s: %w", spec, err)
	}
	code, err := source(contract, names)
	if err != nil {
		return err
	}
	return os.WriteFile(file, code, 0o644)
}
