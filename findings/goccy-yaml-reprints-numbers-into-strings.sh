#!/bin/sh
# github.com/goccy/go-yaml v1.19.2: a plain number that is decoded into a string field is not kept as it is written. It is
# parsed as a number and printed again: 1.10 arrives as "1.1", 012 as "10" (read as octal), 0x1F as "31". go.yaml.in/yaml/v3
# v3.0.4 keeps each of them. Versions and ids in configuration files change silently, so they need quotes, or the other
# library.
set -eu
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"

	goccy "github.com/goccy/go-yaml"
	v3 "go.yaml.in/yaml/v3"
)

func main() {
	for _, text := range []string{"1.10", "012", "0x1F", "1_000", "'1.10'"} {
		var a, b struct {
			Version string `yaml:"version"`
		}
		document := []byte("version: " + text + "\n")
		errA, errB := goccy.Unmarshal(document, &a), v3.Unmarshal(document, &b)
		fmt.Println(text, a.Version, errA, b.Version, errB)
	}
}
GO
go mod init example.com/finding >/dev/null 2>&1
go get github.com/goccy/go-yaml@v1.19.2 go.yaml.in/yaml/v3@v3.0.4 >/dev/null 2>&1
got=$(go run .)
echo "$got"
want="1.10 1.1 <nil> 1.10 <nil>
012 10 <nil> 012 <nil>
0x1F 31 <nil> 0x1F <nil>
1_000 1000 <nil> 1_000 <nil>
'1.10' 1.10 <nil> 1.10 <nil>"
[ "$got" = "$want" ] || { echo 'changed: goccy/go-yaml used to print plain numbers again, yaml.v3 to keep them'; exit 1; }
