package chdb

import (
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ClickHouse/ch-go/compress"
)

// stall is how long a client may send nothing of a body, or take nothing of an answer.
const stall = time.Minute

// moving is a body whose client must go on sending it.
type moving struct {
	body io.Reader
	rc   *http.ResponseController
}

func (m moving) Read(p []byte) (int, error) {
	if err := m.rc.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, fmt.Errorf("bound the wait for the body: %w", err)
	}
	n, err := m.body.Read(p)
	if err != nil {
		// Else it would end the statement, as if its client had gone.
		_ = m.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// plain undoes the encodings of a body.
func plain(body io.Reader, encoding string, packed bool) (io.Reader, error) {
	var err error
	switch encoding {
	case "", "identity":
	case "gzip":
		if body, err = gzip.NewReader(body); err != nil {
			return nil, failed(codeBadArguments, "The body is no gzip: %v", err)
		}
	case "deflate":
		if body, err = zlib.NewReader(body); err != nil {
			return nil, failed(codeBadArguments, "The body is no deflate: %v", err)
		}
	default:
		return nil, failed(codeNotImplemented, "Content-Encoding %q is not known here: send gzip, deflate or none", clip(encoding))
	}
	if packed {
		body = compress.NewReader(body)
	}
	return body, nil
}
