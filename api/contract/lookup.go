package contract

import "fmt"

// Property returns the schema of a property that the schema names. It panics for any other: what Go reads of the contract
// is read when the program starts.
func (s *Schema) Property(name string) *Schema {
	at := s.root.position(name)
	if !s.root.names(at) {
		panic(fmt.Sprintf("the contract has no property %q here", name))
	}
	return &Schema{root: s.root.at(at), maxDepth: s.maxDepth}
}

// MaxLength returns the most characters that a string may have. It panics when the schema sets no such bound.
func (s *Schema) MaxLength() int {
	if s.root.kind != stringKind || s.root.size.most < 0 {
		panic("the contract has no maxLength here")
	}
	return s.root.size.most
}

// CheckEnvelope is CheckBody for a JSON object whose array data is left out, as [], because its items were validated
// before; items is how many there are.
func (o *Operation) CheckEnvelope(status int, body []byte, items int) error {
	if err := o.CheckBody(status, jsonType, body); err != nil {
		return err
	}
	data := (&Schema{root: o.responses[status].content[jsonType]}).Property("data").root
	if data.size.over(items) || data.size.under(items) {
		return o.violation(status, &Violation{Pointer: "/data", Rule: "maxItems", Reason: fmt.Sprintf("there are %d items", items)})
	}
	return nil
}
