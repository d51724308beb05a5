package pipeline

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/server/coding"
)

// document is a body that is the same as long as the process lives, in both codings.
type document struct {
	mediaType   string
	plain, gzip []byte
	etag        string // without quotes
}

func newDocument(mediaType string, body []byte) *document {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(body) // a buffer accepts every write
	_ = w.Close()
	sum := sha256.Sum256(body)
	return &document{mediaType: mediaType, plain: body, gzip: packed.Bytes(), etag: hex.EncodeToString(sum[:16])}
}

// serve sends the document, or a 304 to a caller that has it. The entity tag differs by coding, since the bytes do.
func (d *document) serve(c echo.Context) error {
	header, body, etag := c.Response().Header(), d.plain, d.etag
	if coding.AcceptsGzip(c.Request().Header.Values(echo.HeaderAcceptEncoding)) {
		body, etag = d.gzip, d.etag+"-gzip"
		header.Set(echo.HeaderContentEncoding, "gzip")
	}
	header.Set(echo.HeaderContentType, d.mediaType)
	header.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	header.Set(echo.HeaderCacheControl, "no-cache") // ask whether it has changed
	header.Set("ETag", `"`+etag+`"`)
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(body))
	return nil
}

// The contract, as it is served. Making them takes some milliseconds, which a start does not need.
var (
	openAPIYAML = sync.OnceValues(func() (*document, error) { return newDocument("application/yaml", api.Spec()), nil })
	openAPIJSON = sync.OnceValues(func() (*document, error) {
		data, err := api.JSON()
		return newDocument(echo.MIMEApplicationJSON, data), err
	})
	openAPI32JSON = sync.OnceValues(func() (*document, error) {
		data, err := api.JSON32()
		return newDocument(echo.MIMEApplicationJSON, data), err
	})
)

// serveDocument returns the handler of a document.
func serveDocument(load func() (*document, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		d, err := load()
		if err != nil {
			return err
		}
		return d.serve(c)
	}
}
