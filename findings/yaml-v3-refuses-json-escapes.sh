#!/bin/sh
# go.yaml.in/yaml/v3 v3.0.5: JSON is not always YAML. It refuses the escape \/ ("found unknown escape character"), which YAML
# 1.2 has for the sake of JSON (section 5.7, ns-esc-slash), and a character outside the BMP that is escaped as a pair of
# surrogates ("found invalid Unicode character escape code"). PHP's json_encode writes the first and Python's json.dumps the
# second, so that a service that reads JSON by its YAML parser refuses a URL from PHP and an emoji from Python. Decode the
# escapes first, or read such bodies with encoding/json.
set -eu
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

func main() {
	for _, text := range []string{`{"a":"http:\/\/a.example"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\u00e9"}`} {
		var asYAML, asJSON map[string]string
		errYAML, errJSON := yaml.Unmarshal([]byte(text), &asYAML), json.Unmarshal([]byte(text), &asJSON)
		fmt.Println(text, asJSON["a"], errJSON, asYAML["a"], errYAML)
	}
}
GO
go mod init example.com/finding >/dev/null 2>&1
go get go.yaml.in/yaml/v3@v3.0.5 >/dev/null 2>&1
got=$(go run .)
echo "$got"
want='{"a":"http:\/\/a.example"} http://a.example <nil>  yaml: found unknown escape character
{"a":"\ud83d\ude00"} 😀 <nil>  yaml: found invalid Unicode character escape code
{"a":"\u00e9"} é <nil> é <nil>'
[ "$got" = "$want" ] || { echo 'changed: yaml.v3 used to refuse these escapes of JSON'; exit 1; }
