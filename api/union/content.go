package union

import (
	"encoding/json"
	"strings"
)

// Content is the content of a message or a result (schemas Content, ResultContent, TextBlocks and ResultBlocks): texts, one
// for each block. It is read from the short form, "hello", and from the long one, [{"type": "text", "text": "hello"}], and
// written long.
type Content []string

// block is a text block of the long form.
type block struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// MarshalJSON writes the long form.
func (c Content) MarshalJSON() ([]byte, error) {
	blocks := make([]block, len(c))
	for i, text := range c {
		blocks[i] = block{Type: "text", Text: text}
	}
	return json.Marshal(blocks)
}

// UnmarshalJSON reads either form; an empty string has no block.
func (c *Content) UnmarshalJSON(data []byte) error {
	*c = Content{}
	if isString(data) {
		var text string
		if err := json.Unmarshal(data, &text); err != nil || text == "" {
			return err
		}
		*c = Content{text}
		return nil
	}
	var blocks []block
	err := json.Unmarshal(data, &blocks)
	for _, b := range blocks {
		*c = append(*c, b.Text)
	}
	return err
}

// Text returns the texts, separated by line breaks.
func (c Content) Text() string { return strings.Join(c, "\n") }
