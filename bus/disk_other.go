//go:build !unix

package bus

import "errors"

// diskSpace is not known here; the server's own limits stand.
func diskSpace(string) (free, total int64, err error) {
	return 0, 0, errors.ErrUnsupported
}
