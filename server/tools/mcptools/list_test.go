package mcptools

import (
	"strings"
	"testing"
)

// A caller chooses the URLs, and so how many lists there are: each counts, however little its server lists.
func TestEveryListHasAFootprint(t *testing.T) {
	t.Parallel()
	key := listKey{account: "acme", url: "https://mcp.example/" + strings.Repeat("x", 2000)}
	none := list{}.footprint(key)
	if none < len(key.url)+len(key.account)+100 {
		t.Errorf("a list without tools counts for %d bytes", none)
	}
	if one := (list{tools: make([]listed, 3), size: 10}).footprint(key); one < none+3*100 {
		t.Errorf("three tools count for %d bytes", one-none)
	}
}
