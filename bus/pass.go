package bus

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/shoalcast/shoal/event"
)

// PassLife is how long a pass admits. When it ends, so does the connection, and the page
// asks for another: that is how what a page may do can change, and how long a pass that
// fell into other hands is of use.
const PassLife = 10 * time.Minute

// Pass admits one page to /nats (Pages): what to connect with, and the subjects it may use.
type Pass struct {
	JWT       string `json:"jwt"`     // a bearer's: nothing is to be signed
	Expires   int64  `json:"expires"` // Unix s
	Session   string `json:"session"` // of the page: a random name
	Manifest  string `json:"manifest"`
	Control   string `json:"control"`
	Telemetry string `json:"telemetry"` // the one to publish to
}

// Pass issues a pass for a stream and a new session.
func (s *Server) Pass(stream event.StreamID) (Pass, error) {
	return s.auth.pass(stream, time.Now().Add(PassLife))
}

func (a *authority) pass(stream event.StreamID, until time.Time) (Pass, error) {
	if _, err := event.ParseStreamID(string(stream)); err != nil { // a template must not get anything else
		return Pass{}, fmt.Errorf("issue a pass: %w", err)
	}
	user, err := nkeys.CreateUser() // only to have a subject: it never signs
	if err != nil {
		return Pass{}, fmt.Errorf("issue a pass: %w", err)
	}
	session := strings.ToLower(rand.Text())
	c := jwt.NewUserClaims(publicKey(user))
	c.Name = session
	c.Tags.Add("stream:" + string(stream))
	c.IssuerAccount = publicKey(a.account)
	c.Expires = until.Unix()
	c.SetScoped(true)
	token, err := c.Encode(a.pages)
	if err != nil {
		return Pass{}, fmt.Errorf("sign a pass: %w", err)
	}
	return Pass{
		JWT: token, Expires: c.Expires, Session: session, Manifest: manifestSubject(stream, "*"),
		Control: controlSubject(stream, session), Telemetry: telemetrySubject(stream, session),
	}, nil
}
