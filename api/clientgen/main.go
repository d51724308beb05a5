// Command clientgen writes the Go code that follows mechanically from the contract and that oapi-codegen does not write:
// the unions of gen/types.
//
//	go run ./api/clientgen api/openapi.yaml
package main

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"os"
	"text/template"
)

// outputs are the files that the generator writes, by their templates.
var outputs = map[string]string{
	"unions.tmpl": "gen/types/unions.gen.go",
}

//go:embed *.tmpl
var templates embed.FS

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clientgen SPEC")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "clientgen:", err)
		os.Exit(1)
	}
}

func generate(spec string) error {
	data, err := os.ReadFile(spec)
	if err != nil {
		return err
	}
	doc, err := parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", spec, err)
	}
	functions := template.FuncMap{"camel": camel, "comment": comment, "list": list, "constant": constant}
	all, err := template.New("").Funcs(functions).ParseFS(templates, "*.tmpl")
	if err != nil {
		return err
	}
	for name, path := range outputs {
		var source bytes.Buffer
		if err := all.ExecuteTemplate(&source, name, doc); err != nil {
			return err
		}
		formatted, err := format.Source(source.Bytes())
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", path, err, source.Bytes())
		}
		if err := os.WriteFile(path, formatted, 0o644); err != nil {
			return err
		}
	}
	return nil
}
