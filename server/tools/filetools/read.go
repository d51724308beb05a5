package filetools

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/turn"
)

// maxText is the most bytes of a file that one use returns.
const maxText = 64 << 10

const readSchema = `{
	"type": "object",
	"properties": {
		"path": {"type": "string", "description": "Path of the file, as file_list has it."},
		"from_line": {"type": "integer", "minimum": 1, "description": "First line to return, from 1."},
		"lines": {"type": "integer", "minimum": 1, "description": "How many lines to return; by default all that fit."},
		"from_byte": {"type": "integer", "minimum": 0, "description": "First byte to return, from 0; not together with lines."},
		"bytes": {"type": "integer", "minimum": 1, "description": "How many bytes to return; by default all that fit."}
	},
	"required": ["path"],
	"additionalProperties": false
}`

// readInput is the input of file_read.
type readInput struct {
	Path     string `json:"path"`
	FromLine int64  `json:"from_line"`
	Lines    int64  `json:"lines"`
	FromByte int64  `json:"from_byte"`
	Bytes    int64  `json:"bytes"`
}

// failed is the output of a use that the model has to know to have failed.
func failed(format string, args ...any) (turn.Output, error) {
	return turn.Output{Text: fmt.Sprintf(format, args...), Failed: true}, nil
}

// read runs file_read.
func (b *box) read(ctx context.Context, input json.RawMessage) (turn.Output, error) {
	var in readInput
	if err := json.Unmarshal(input, &in); err != nil {
		return failed("The input is not what file_read accepts: %v.", err)
	}
	f, ok := b.find(in.Path)
	switch {
	case !ok:
		return failed("No attached file has the path %q; file_list lists the files.", in.Path)
	case f.deleted:
		return failed("The file at %s was deleted.", f.path)
	case in.FromLine < 0, in.Lines < 0, in.FromByte < 0, in.Bytes < 0:
		return failed("Ranges must not be negative.")
	case (in.FromLine > 0 || in.Lines > 0) && (in.FromByte > 0 || in.Bytes > 0):
		return failed("Give a range of lines or a range of bytes, not both.")
	}
	content := blob.NewReader(ctx, b.blobs, blob.Blob{Key: f.Blob, Size: f.Size})
	defer content.Close()
	var out turn.Output
	var err error
	if in.FromLine > 0 || in.Lines > 0 {
		out, err = readLines(content, f, max(in.FromLine, 1), in.Lines)
	} else {
		out, err = readBytes(content, f, in.FromByte, in.Bytes)
	}
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return turn.Output{}, ctx.Err()
	case errors.Is(err, errNotText):
		return failed("The file at %s is not text in UTF-8 (%s, %d bytes), so it cannot be read with file_read.", f.path, f.MediaType, f.Size)
	}
	return failed("The content of the file at %s is not available at the moment.", f.path)
}

var errNotText = errors.New("filetools: not text")

// readBytes returns a range of bytes, without characters that are cut off at its ends.
func readBytes(content io.ReadSeeker, f attached, from, n int64) (turn.Output, error) {
	if n == 0 || n > maxText {
		n = maxText
	}
	if from >= f.Size && f.Size > 0 {
		return failed("The file at %s has %d bytes; from_byte must be less.", f.path, f.Size)
	}
	if _, err := content.Seek(from, io.SeekStart); err != nil {
		return turn.Output{}, err
	}
	text, err := io.ReadAll(io.LimitReader(content, n))
	if err != nil {
		return turn.Output{}, err
	}
	end := from + int64(len(text))
	text, err = whole(text, from > 0, end < f.Size)
	if err != nil {
		return turn.Output{}, err
	}
	if end < f.Size {
		return turn.Output{Text: fmt.Sprintf("%s\n[This was up to byte %d of %d; continue with from_byte %d.]", text, end, f.Size, end)}, nil
	}
	return turn.Output{Text: string(text)}, nil
}

// whole returns a text without the characters that are cut off at its ends, or errNotText.
func whole(text []byte, cutBefore, cutAfter bool) ([]byte, error) {
	if cutBefore {
		for range utf8.UTFMax - 1 {
			if len(text) > 0 && !utf8.RuneStart(text[0]) {
				text = text[1:]
			}
		}
	}
	if cutAfter {
		for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
			if last := text[len(text)-i:]; utf8.RuneStart(last[0]) {
				if !utf8.FullRune(last) {
					text = text[:len(text)-i]
				}
				break
			}
		}
	}
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, errNotText
	}
	return text, nil
}

// readLines returns a range of lines; n is 0 for all that fit. A line that is longer than what fits is cut.
func readLines(content io.Reader, f attached, from, n int64) (turn.Output, error) {
	lines := bufio.NewReader(content)
	for at := int64(1); at < from; at++ {
		if err := skipLine(lines); err == io.EOF {
			return failed("The file at %s has %d lines; from_line must not be greater.", f.path, at-1)
		} else if err != nil {
			return turn.Output{}, err
		}
	}
	var text []byte
	next := from
	for ; n == 0 || next < from+n; next++ {
		line, err := readLine(lines, maxText+1)
		if err != nil && err != io.EOF {
			return turn.Output{}, err
		}
		if len(line) == 0 && err == io.EOF {
			if next == from && from > 1 {
				return failed("The file at %s has %d lines; from_line must not be greater.", f.path, from-1)
			}
			break
		}
		if len(text)+len(line) > maxText {
			return cutLines(text, line, next, from)
		}
		text = append(text, line...)
	}
	text, err := whole(text, false, false)
	if err != nil {
		return turn.Output{}, err
	}
	if _, err := lines.Peek(1); err == nil {
		return turn.Output{Text: fmt.Sprintf("%s[This was up to line %d; continue with from_line %d.]", text, next-1, next)}, nil
	}
	return turn.Output{Text: string(text)}, nil
}

// cutLines returns the lines that fit; the first one is cut if it alone does not.
func cutLines(text, line []byte, next, from int64) (turn.Output, error) {
	if next > from {
		text, err := whole(text, false, false)
		return turn.Output{Text: fmt.Sprintf("%s[This was up to line %d; continue with from_line %d.]", text, next-1, next)}, err
	}
	text, err := whole(line[:maxText], false, true)
	return turn.Output{Text: fmt.Sprintf("%s\n[Line %d is longer than this; read the file by from_byte.]", text, next)}, err
}

// readLine returns the next line with its end, at most so many bytes of it, and io.EOF with the last one.
func readLine(from *bufio.Reader, most int) (line []byte, err error) {
	for {
		piece, err := from.ReadSlice('\n')
		line = append(line, piece[:min(len(piece), most-len(line))]...)
		if err != bufio.ErrBufferFull || len(line) == most {
			if err == bufio.ErrBufferFull {
				err = nil
			}
			return line, err
		}
	}
}

// skipLine reads up to the end of the line. It returns io.EOF when no line is left.
func skipLine(from *bufio.Reader) error {
	for read := 0; ; {
		piece, err := from.ReadSlice('\n')
		read += len(piece)
		switch {
		case err == nil:
			return nil
		case err == io.EOF && read > 0:
			return nil
		case err != bufio.ErrBufferFull:
			return err
		}
	}
}
