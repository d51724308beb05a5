#!/bin/sh
# charm.land/bubbles/v2 v2.2.1, textarea: MaxHeight, which reads like the height of the widget on the screen, also bounds how
# many lines a person may type: with SetHeight(3), MaxHeight 3 and MaxContentHeight unset, the fourth line is refused without
# a sign, although the widget scrolls. MaxContentHeight is the bound of the text; set it too.
set -eu
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"
)

// lines returns how many lines are there after six Enters.
func lines(maxContentHeight int) int {
	t := textarea.New()
	t.MaxHeight = 3
	t.MaxContentHeight = maxContentHeight
	t.SetHeight(3)
	t.Focus()
	for range 6 {
		t, _ = t.Update(tea.KeyPressMsg{Code: 'a', Text: "a"})
		t, _ = t.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
	}
	return t.LineCount()
}

func main() {
	unset, set := lines(0), lines(100)
	fmt.Printf("after six Enters with MaxHeight 3: %d lines, with MaxContentHeight 100: %d lines\n", unset, set)
	if unset != 3 || set != 7 {
		fmt.Println("the finding no longer holds")
		os.Exit(1)
	}
}
GO
go mod init finding >/dev/null 2>&1
go get charm.land/bubbles/v2@v2.2.1 charm.land/bubbletea/v2@v2.1.1 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go run .
