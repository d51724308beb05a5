#!/bin/sh
# github.com/charmbracelet/x/ansi v0.11.9: Wordwrap takes every hyphen for a place to break a line, also those at the
# beginning and inside of a command line's flag, whatever its third argument: "use --base-url here", wrapped to 12 columns,
# has a line that ends in "--base-". Help that is wrapped this way cannot be copied. Wrap at spaces yourself where texts have
# flags.
set -eu
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

func main() {
	wrapped := ansi.Wordwrap("use --base-url here", 12, "")
	fmt.Printf("%q\n", wrapped)
	for line := range strings.SplitSeq(wrapped, "\n") {
		if strings.HasSuffix(line, "-") {
			return
		}
	}
	fmt.Println("no line ends inside a flag: the finding no longer holds")
	os.Exit(1)
}
GO
go mod init finding >/dev/null 2>&1
go get github.com/charmbracelet/x/ansi@v0.11.9 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go run .
