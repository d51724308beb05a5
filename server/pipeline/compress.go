package pipeline

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
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
	if !acceptsGzip(r.Header.Values(echo.HeaderAcceptEncoding)) || reply.reserve(len(body), len(body)) != nil {
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

// acceptsGzip reports whether a caller accepts gzip (RFC 9110, section 12.5.3): by name, or as any coding, unless the weight
// is zero. A caller without the header gets no coding: it may know none.
func acceptsGzip(headers []string) bool {
	named, any := -1.0, -1.0 // the weights; negative for none
	for _, header := range headers {
		for coding := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(coding, ";")
			weight := 1.0
			if q, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q="); found {
				var err error
				if weight, err = strconv.ParseFloat(q, 64); err != nil {
					weight = 0
				}
			}
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip":
				named = weight
			case "*":
				any = weight
			}
		}
	}
	if named >= 0 {
		return named > 0
	}
	return any > 0
}
