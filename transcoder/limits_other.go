//go:build !linux

package transcoder

// apply does nothing: how many threads an encoder has is all that bounds it here.
func (l Limits) apply(int) {}
