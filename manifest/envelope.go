package manifest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// PublicKey is an Ed25519 public key, 32 bytes.
type PublicKey = ed25519.PublicKey

// The payload types of the signed documents. The type is covered by the signature,
// so a document of one kind can never be taken for another.
const (
	TypeGenesis  = "application/vnd.shoal.genesis.v1+json"
	TypeRotation = "application/vnd.shoal.rotation.v1+json"
	TypeSession  = "application/vnd.shoal.session.v1+json"
	TypeEntry    = "application/vnd.shoal.entry.v1+json"
	TypeClose    = "application/vnd.shoal.close.v1+json"
)

// MaxEnvelope is the most bytes an envelope's JSON may have.
const MaxEnvelope = 64 << 10

// Envelope is a DSSE envelope with exactly one Ed25519 signature over the pre-
// authentication encoding of its type and the exact bytes of its payload.
type Envelope struct {
	PayloadType string
	Payload     []byte
	KeyID       string // KeyID of the signer; a hint that must be right
	Sig         []byte // 64 bytes
}

var (
	// ErrSignature means that a signature does not fit its payload and key.
	ErrSignature = errors.New("the signature does not verify")
	// ErrMalformed means that bytes do not have the form of the document they claim to be.
	ErrMalformed = errors.New("malformed")
	// ErrCritical means that a document demands to be understood beyond what this
	// version of Shoal knows.
	ErrCritical = errors.New("a newer version of Shoal is needed: unknown critical field")
)

// KeyID names a public key: the first 8 bytes of its SHA-256 in hexadecimal.
func KeyID(pub PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:8])
}

// Fingerprint writes a key for people to compare: the first 16 bytes of its SHA-256 in
// hexadecimal, in groups of four digits.
func Fingerprint(pub PublicKey) string {
	sum := sha256.Sum256(pub)
	digits := hex.EncodeToString(sum[:16])
	groups := make([]string, 0, len(digits)/4)
	for i := 0; i < len(digits); i += 4 {
		groups = append(groups, digits[i:i+4])
	}
	return strings.Join(groups, " ")
}

type wireEnvelope struct {
	PayloadType string          `json:"payloadType"`
	Payload     string          `json:"payload"`
	Signatures  []wireSignature `json:"signatures"`
}

type wireSignature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

// MarshalJSON writes the envelope as DSSE JSON, compact and with its members in a
// fixed order.
func (e Envelope) MarshalJSON() ([]byte, error) {
	return json.Marshal(wireEnvelope{
		PayloadType: e.PayloadType,
		Payload:     base64.StdEncoding.EncodeToString(e.Payload),
		Signatures:  []wireSignature{{KeyID: e.KeyID, Sig: base64.StdEncoding.EncodeToString(e.Sig)}},
	})
}

// UnmarshalJSON is ParseEnvelope for envelopes inside other documents.
func (e *Envelope) UnmarshalJSON(b []byte) error {
	parsed, err := ParseEnvelope(b)
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}

// JSON returns the envelope as DSSE JSON: what stands on the bus and in HTTP.
func (e Envelope) JSON() []byte {
	b, err := e.MarshalJSON()
	if err != nil { // strings and base64 always encode
		panic("manifest: encode envelope: " + err.Error())
	}
	return b
}

// ParseEnvelope reads DSSE JSON of at most MaxEnvelope bytes with one signature. It
// checks the form only; the signature is checked against a key by Verify.
func ParseEnvelope(b []byte) (Envelope, error) {
	if len(b) > MaxEnvelope {
		return Envelope{}, fmt.Errorf("parse envelope: %w: %d bytes, at most %d are allowed", ErrMalformed, len(b), MaxEnvelope)
	}
	var w wireEnvelope
	var signatures []json.RawMessage
	err := decodeObject(b, []field{
		{"payloadType", &w.PayloadType, true},
		{"payload", &w.Payload, true},
		{"signatures", &signatures, true},
	})
	if err != nil {
		return Envelope{}, fmt.Errorf("parse envelope: %w", err)
	}
	if len(signatures) != 1 {
		return Envelope{}, fmt.Errorf("parse envelope: %w: %d signatures, exactly one is needed", ErrMalformed, len(signatures))
	}
	var sig wireSignature
	err = decodeObject(signatures[0], []field{{"keyid", &sig.KeyID, true}, {"sig", &sig.Sig, true}})
	if err != nil {
		return Envelope{}, fmt.Errorf("parse envelope's signature: %w", err)
	}
	e := Envelope{PayloadType: w.PayloadType, KeyID: sig.KeyID}
	if e.Payload, err = decodeBase64(w.Payload); err != nil {
		return Envelope{}, fmt.Errorf("parse envelope's payload: %w", err)
	}
	if e.Sig, err = decodeBase64(sig.Sig); err != nil {
		return Envelope{}, fmt.Errorf("parse envelope's signature: %w", err)
	}
	if len(e.Sig) != ed25519.SignatureSize {
		return Envelope{}, fmt.Errorf("parse envelope: %w: a signature of %d bytes", ErrMalformed, len(e.Sig))
	}
	return e, nil
}

// decodeBase64 reads RFC 4648 section 4 with padding, and no other spelling of the
// same bytes.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // encoding/base64 passes over line breaks
		return nil, fmt.Errorf("%w: a line break inside base64", ErrMalformed)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return b, nil
}

// base64Into lets a member of a document be read by decodeBase64.
type base64Into struct{ into *[]byte }

// UnmarshalJSON reads a JSON string.
func (b *base64Into) UnmarshalJSON(raw []byte) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	decoded, err := decodeBase64(s)
	*b.into = decoded
	return err
}

// Verify checks that pub signed the envelope and that its payload has the type
// wanted.
func (e Envelope) Verify(pub PublicKey, wantType string) error {
	if e.PayloadType != wantType {
		return fmt.Errorf("%w: payload type %q where %q belongs", ErrMalformed, e.PayloadType, wantType)
	}
	if e.KeyID != KeyID(pub) || !signed(pub, dsse.PAE(e.PayloadType, e.Payload), e.Sig) {
		return ErrSignature
	}
	return nil
}

func sign(key ed25519.PrivateKey, payloadType string, document any) (Envelope, error) {
	payload, err := json.Marshal(document)
	if err != nil {
		return Envelope{}, fmt.Errorf("encode %s: %w", payloadType, err)
	}
	return seal(key, payloadType, payload), nil
}

func seal(key ed25519.PrivateKey, payloadType string, payload []byte) Envelope {
	return Envelope{
		PayloadType: payloadType,
		Payload:     payload,
		KeyID:       KeyID(key.Public().(ed25519.PublicKey)),
		Sig:         ed25519.Sign(key, dsse.PAE(payloadType, payload)),
	}
}
