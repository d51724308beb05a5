package contract

import (
	"reflect"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract/compile"
	"github.com/cloud-sessions/sessions/api/contract/internal/compiled"
)

// TestTheContractIsCompiled tests that programs validate by the document as it is.
func TestTheContractIsCompiled(t *testing.T) {
	t.Parallel()
	doc, _ := document(t)
	want, err := compile.Document(doc)
	if err != nil {
		t.Fatal(err)
	}
	got := &compiled.Contract
	if got.Limits != want.Limits || len(got.Operations) != len(want.Operations) || len(got.Schemas) != len(want.Schemas) {
		t.Fatal("the compiled contract is stale: run 'make gen'")
	}
	for i := range want.Schemas {
		if !reflect.DeepEqual(got.Schemas[i], want.Schemas[i]) {
			t.Errorf("the compiled schema %s is stale: run 'make gen'", want.Schemas[i].Name)
		}
	}
	for i := range want.Operations {
		if !reflect.DeepEqual(got.Operations[i], want.Operations[i]) {
			t.Errorf("the compiled operation %s is stale: run 'make gen'", want.Operations[i].ID)
		}
	}
}
