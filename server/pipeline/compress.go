package pipeline

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"runtime"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/server/coding"
)

// leastCompressed is the least size, in bytes, of a body that is compressed: a smaller one fits into a packet anyway.
const leastCompressed = 1400

// compressor compresses JSON bodies (decision "Compressed responses"). It has few writers, each of which takes about a megabyte
// and a processor; when all of them are in use, bodies are sent as they are.
type compressor struct{ writers chan *gzip.Writer }

func newCompressor() *compressor {
	c := &compressor{writers: make(chan *gzip.Writer, max(2, runtime.GOMAXPROCS(0)))}
	for range cap(c.writers) {
		c.writers <- nil // made when it is first used
	}
	return c
}

// compress replaces the body of a held reply by a compressed one, if the caller accepts that and it is worth it.
func (c *compressor) compress(r *http.Request, reply *heldReply) {
	body := reply.bytes()
	if reply.open || len(body) < leastCompressed || !strings.HasPrefix(reply.Header().Get(echo.HeaderContentType), "application/json") {
		return
	}
	reply.Header().Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	if !coding.AcceptsGzip(r.Header.Values(echo.HeaderAcceptEncoding)) || reply.reserve(len(body), len(body)) != nil {
		return
	}
	var writer *gzip.Writer
	select {
	case writer = <-c.writers:
	default:
		return
	}
	if writer == nil {
		writer, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	}
	defer func() { c.writers <- writer }()
	var packed bytes.Buffer
	packed.Grow(len(body) / 4)
	writer.Reset(&packed)
	_, _ = writer.Write(body) // a buffer accepts every write
	_ = writer.Close()
	if packed.Len() < len(body) {
		reply.packed = packed.Bytes()
		reply.Header().Set(echo.HeaderContentEncoding, "gzip")
	}
}
