package union

import "encoding/json"

// Model is a model's id (schema ModelRef). It is read from the short form, "ultimate", and from
// the long one, {"id": "ultimate"}, and written short.
type Model string

// UnmarshalJSON reads either form.
func (m *Model) UnmarshalJSON(data []byte) error {
	if isString(data) {
		return json.Unmarshal(data, (*string)(m))
	}
	var long struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal(data, &long)
	*m = Model(long.ID)
	return err
}
