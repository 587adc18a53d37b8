package manifest_test

import (
	"crypto/ed25519"
	"fmt"

	"github.com/shoalcast/shoal/manifest"
)

// signRaw signs any payload, whatever it says; the pre-authentication encoding is
// spelled out here, so that it is checked against the library's.
func signRaw(k ed25519.PrivateKey, payloadType string, payload []byte) manifest.Envelope {
	pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
	return manifest.Envelope{
		PayloadType: payloadType, Payload: payload,
		KeyID: manifest.KeyID(public(k)), Sig: ed25519.Sign(k, []byte(pae)),
	}
}
