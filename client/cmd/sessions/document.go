package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/cloud-sessions/sessions/api/yamlfile"
)

// readDocument reads an object from a file of JSON or YAML, or from standard input for "-". In YAML, a scalar that the
// request t holds as a string is the text as it is spelled.
func (a *app) readDocument(ctx context.Context, name string, t reflect.Type) (map[string]any, error) {
	data, err := a.readText(ctx, name)
	if err != nil {
		return nil, err
	}
	var doc any
	if json.Valid(data) || strings.EqualFold(filepath.Ext(name), ".json") {
		doc, err = parseJSON(name, data)
	} else {
		doc, err = yamlfile.Value(name, data, t)
	}
	if err != nil {
		return nil, err
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s must contain one object, such as {\"name\": \"notes\"}", name)
	}
	return object, nil
}

// parseJSON returns the only value in data. Name is what errors call it.
func parseJSON(name string, data []byte) (doc any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err = decoder.Decode(&doc)
	rest := bytes.TrimSpace(data[decoder.InputOffset():])
	syntax, malformed := errors.AsType[*json.SyntaxError](err)
	switch {
	case err == io.EOF:
		err = fmt.Errorf("%s: the file is empty", name)
	case malformed:
		err = fmt.Errorf("%s:%d: not valid JSON: %w", name, lineAt(data, syntax.Offset), err)
	case err != nil:
		err = fmt.Errorf("%s: not valid JSON: %w", name, err)
	case len(rest) > 0:
		err = fmt.Errorf("%s:%d: the file must be only one document; a second one begins here", name, lineAt(data, int64(len(data)-len(rest))))
	}
	return doc, err
}

// lineAt returns the number of the line of an offset of data, from 1.
func lineAt(data []byte, offset int64) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }
