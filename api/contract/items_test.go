package contract

import (
	"testing"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// Items that were validated as responses of their own are not validated again in lists: the schema must be the same.
func TestAListHasTheItemsOfItsResource(t *testing.T) {
	t.Parallel()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	item := func(list string) *rules.Schema {
		root := c.Operation(list).rules.Response(200).Body(jsonType)
		return (&Schema{root: root}).At("data", Items).root
	}
	if item("listSessions") != c.Operation("getSession").rules.Response(200).Body(jsonType) {
		t.Error("listSessions has other items than getSession returns")
	}
	for _, list := range []string{"listEvents", "sendEvents"} {
		if item(list) != c.Schema("Event").root {
			t.Errorf("%s has other items than events", list)
		}
	}
}
