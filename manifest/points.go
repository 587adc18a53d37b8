package manifest

import (
	"crypto/ed25519"
	"encoding/hex"
)

// small are the y of all points of small order, as they are written, without their sign.
var small = [...][32]byte{
	{},
	{1},
	y("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
	y("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
	y("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
}

func y(s string) (out [32]byte) {
	if n, err := hex.Decode(out[:], []byte(s)); err != nil || n != len(out) {
		panic("manifest: a constant is no point")
	}
	return out
}

// sound reports whether bytes may stand for a point in a key or a signature
// (docs/spec/manifest.md 2.2), by their looks alone: they are written as RFC 8032 5.1.2
// does, and are no point of small order. Verifiers differ about the others.
func sound(point []byte) bool {
	if len(point) != 32 {
		return false
	}
	p := [32]byte(point)
	p[31] &= 0x7f
	// 2^255 - 19 and more are y again, written another way.
	again := p[31] == 0x7f && p[0] >= 0xed
	for _, b := range p[1:31] {
		again = again && b == 0xff
	}
	for _, s := range small {
		again = again || p == s
	}
	return !again
}

// signed reports whether sig is pub's signature of message.
func signed(pub PublicKey, message, sig []byte) bool {
	return sound(pub) && len(sig) == ed25519.SignatureSize && sound(sig[:32]) && ed25519.Verify(pub, message, sig)
}
