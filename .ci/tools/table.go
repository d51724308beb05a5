package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/cloud-sessions/sessions/api"
)

// tableFile is the table, from the root of the repository.
const tableFile = "api/tools.md"

// writeTable writes the table.
func writeTable() error {
	text, err := table()
	if err != nil {
		return err
	}
	return os.WriteFile(tableFile, text, 0o644)
}

// checkTable returns an error unless the table is what a run would write now.
func checkTable() error {
	want, err := table()
	if err != nil {
		return err
	}
	got, err := os.ReadFile(tableFile)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s is of another contract or of other tools: run 'make tools' and commit it", tableFile)
	}
	return nil
}

// table returns the table that a run in which all tools do as they should writes.
func table() ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprint(&out, intro)
	out.WriteString("\n| tool | version | verdict | what to set |\n| --- | --- | --- | --- |\n")
	for _, t := range list {
		name, version := t.pin()
		fmt.Fprintf(&out, "| %s (`%s`) | %s | %s | %s |\n", t.name, name, version, t.verdict, t.set)
	}
	contract, err := fingerprint()
	if err != nil {
		return nil, err
	}
	tools, err := listHash()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&out, "\nRun with the contract %s and the tools %s.\n", contract, tools)
	return out.Bytes(), nil
}

// intro is the text above the table.
const intro = `# Tools that read the contract

The contract is [` + "`openapi.yaml`" + `](openapi.yaml), OpenAPI 3.0.3, and is also served as OpenAPI 3.2 at ` + "`/openapi-3.2.json`" + `. These tools
were run with both, unless the table says otherwise. Code that a tool generates must compile: TypeScript by ` + "`tsc --strict`" + `, Go by
` + "`go vet`" + `. A viewer must show every operation in Chromium, without an exception in its scripts.

` + "`make tools`" + ` runs all of them and writes this file. ` + "`make lint`" + ` fails when the contract, texts aside, or a tool has changed since.
`

// fingerprint returns a hash of the contract without its descriptions and summaries, which may change without a new run.
func fingerprint() (string, error) {
	data, err := api.JSON()
	if err != nil {
		return "", err
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		return "", err
	}
	data, err = json.Marshal(withoutTexts(doc)) // which sorts the keys
	return shortHash(data), err
}

// withoutTexts returns a value of the document without its descriptions and summaries. A property with such a name is an
// object, and stays.
func withoutTexts(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if _, text := member.(string); text && (name == "description" || name == "summary" || name == "x-pattern-description") {
				delete(v, name)
				continue
			}
			v[name] = withoutTexts(member)
		}
	case []any:
		for i := range v {
			v[i] = withoutTexts(v[i])
		}
	}
	return value
}

// listHash returns a hash of the list of tools: of the versions, the settings and the steps.
func listHash() (string, error) {
	text, err := os.ReadFile(".ci/tools/list.go")
	return shortHash(text), err
}

func shortHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// pin returns the name and the version of the tool itself.
func (t tool) pin() (name, version string) {
	pin := t.module
	if len(t.npm) > 0 {
		pin = t.npm[0]
	}
	at := strings.LastIndex(pin, "@")
	return pin[:at], strings.TrimPrefix(pin[at+1:], "v")
}
