package union

import "encoding/json"

// Policy is a permission policy's name (schema PermissionPolicy). It is read from the short form,
// "always_ask", and from the long one, {"type": "always_ask"}, and written short.
type Policy string

// UnmarshalJSON reads either form.
func (p *Policy) UnmarshalJSON(data []byte) error {
	if isString(data) {
		return json.Unmarshal(data, (*string)(p))
	}
	var long struct {
		Type string `json:"type"`
	}
	err := json.Unmarshal(data, &long)
	*p = Policy(long.Type)
	return err
}
