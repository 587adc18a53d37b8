package bus

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/shoalcast/shoal/internal/atomicfile"
)

// authority is who may use the embedded server, in NATS's operator mode: an operator
// signs two accounts, one for the server itself and SHOAL for everything of ours.
// Users are signed by scoped keys of SHOAL, one key a role, so that what a role may
// do stands in the account and not in the users' own tokens. Only the keys and the
// services' credentials are kept; the tokens above them are made anew at each start,
// so that they follow this build.
type authority struct {
	operator, system, account nkeys.KeyPair
	services                  nkeys.KeyPair // scoped signing key of the role "service"
	pages                     nkeys.KeyPair // scoped signing key of the role "page"
	creds                     []byte        // a service's token and key
	credsFile                 string
}

const accountName = "SHOAL"

// openAuthority reads the keys in dir, or makes those that are missing.
func openAuthority(dir string) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the bus's key directory: %w", err)
	}
	a := &authority{credsFile: filepath.Join(dir, "services.creds")}
	for _, k := range []struct {
		file string
		make func() (nkeys.KeyPair, error)
		kind nkeys.PrefixByte
		into *nkeys.KeyPair
	}{
		{"operator.nk", nkeys.CreateOperator, nkeys.PrefixByteOperator, &a.operator},
		{"system.nk", nkeys.CreateAccount, nkeys.PrefixByteAccount, &a.system},
		{"account.nk", nkeys.CreateAccount, nkeys.PrefixByteAccount, &a.account},
		{"services.nk", nkeys.CreateAccount, nkeys.PrefixByteAccount, &a.services},
		{"pages.nk", nkeys.CreateAccount, nkeys.PrefixByteAccount, &a.pages},
	} {
		kp, err := openKey(filepath.Join(dir, k.file), k.make, k.kind)
		if err != nil {
			return nil, err
		}
		*k.into = kp
	}
	return a, a.openCreds()
}

func openKey(path string, create func() (nkeys.KeyPair, error), kind nkeys.PrefixByte) (nkeys.KeyPair, error) {
	seed, err := os.ReadFile(path)
	if err == nil {
		seed = bytes.TrimSpace(seed)
		if got, _, err := nkeys.DecodeSeed(seed); err != nil || got != kind {
			return nil, fmt.Errorf("read %s: this is not the key that belongs there; restore it from a copy, or remove the directory it is in to make new keys", path)
		}
		return nkeys.FromSeed(seed)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read a key of the bus: %w", err)
	}
	kp, err := create()
	if err != nil {
		return nil, fmt.Errorf("make a key of the bus: %w", err)
	}
	if seed, err = kp.Seed(); err != nil {
		return nil, fmt.Errorf("make a key of the bus: %w", err)
	}
	if err := atomicfile.Write(path, append(seed, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("keep a key of the bus: %w", err)
	}
	return kp, nil
}

// openCreds reads the services' credentials and makes them anew if they are missing
// or of another account.
func (a *authority) openCreds() error {
	b, err := os.ReadFile(a.credsFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the services' credentials: %w", err)
	}
	if err == nil && a.issued(b) {
		a.creds = b
		return nil
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		return fmt.Errorf("make the services' credentials: %w", err)
	}
	c := jwt.NewUserClaims(publicKey(user))
	c.Name = "service"
	c.IssuerAccount = publicKey(a.account)
	c.SetScoped(true)
	token, err := c.Encode(a.services)
	if err != nil {
		return fmt.Errorf("sign the services' credentials: %w", err)
	}
	seed, err := user.Seed()
	if err != nil {
		return fmt.Errorf("make the services' credentials: %w", err)
	}
	if a.creds, err = jwt.FormatUserConfig(token, seed); err != nil {
		return fmt.Errorf("write the services' credentials: %w", err)
	}
	if err := atomicfile.Write(a.credsFile, a.creds, 0o600); err != nil {
		return fmt.Errorf("keep the services' credentials: %w", err)
	}
	return nil
}

// issued reports whether creds were signed by our service role.
func (a *authority) issued(creds []byte) bool {
	token, err := jwt.ParseDecoratedJWT(creds)
	if err != nil {
		return false
	}
	c, err := jwt.DecodeUserClaims(token)
	return err == nil && c.Issuer == publicKey(a.services) && c.IssuerAccount == publicKey(a.account)
}

// apply puts the operator and both accounts into the server's options.
func (a *authority) apply(o *server.Options) error {
	op := jwt.NewOperatorClaims(publicKey(a.operator))
	op.Name = "shoal"
	op.SystemAccount = publicKey(a.system)
	token, err := op.Encode(a.operator)
	if err != nil {
		return fmt.Errorf("sign the operator: %w", err)
	}
	if op, err = jwt.DecodeOperatorClaims(token); err != nil {
		return fmt.Errorf("read the operator: %w", err)
	}
	o.TrustedOperators = []*jwt.OperatorClaims{op}
	o.SystemAccount = publicKey(a.system)

	sys := jwt.NewAccountClaims(publicKey(a.system))
	sys.Name = "SYS"
	resolver := &server.MemAccResolver{}
	for _, c := range []*jwt.AccountClaims{sys, a.accountClaims()} {
		token, err := c.Encode(a.operator)
		if err != nil {
			return fmt.Errorf("sign account %s: %w", c.Name, err)
		}
		if err := resolver.Store(c.Subject, token); err != nil {
			return fmt.Errorf("load account %s: %w", c.Name, err)
		}
	}
	o.AccountResolver = resolver
	return nil
}

// accountClaims describes the account SHOAL: its JetStream limits and its roles.
func (a *authority) accountClaims() *jwt.AccountClaims {
	c := jwt.NewAccountClaims(publicKey(a.account))
	c.Name = accountName
	c.Limits.JetStreamLimits = jwt.JetStreamLimits{
		DiskStorage:   jwt.NoLimit, // the server's own limit stands
		MemoryStorage: 64 << 20,
		Streams:       16,
		Consumer:      8192,
		MaxAckPending: jwt.NoLimit,
	}
	service := jwt.NewUserScope()
	service.Key = publicKey(a.services)
	service.Role = "service"
	service.Template.Pub.Allow.Add(subjectRoot+".>", "$JS.API.>", "$JS.ACK.>", "_INBOX.>")
	service.Template.Sub.Allow.Add(subjectRoot+".>", "_INBOX.>")
	c.SigningKeys.AddScopedSigner(service)

	page := jwt.NewUserScope()
	page.Key = publicKey(a.pages)
	page.Role = "page"
	page.Template.Sub.Allow.Add(manifestSubject(ofToken, "*"), controlSubject(ofToken, ofName))
	page.Template.Pub.Allow.Add(telemetrySubject(ofToken, ofName))
	page.Template.Subs = pageSubs
	page.Template.Payload = pagePayload
	// A pass is given to whoever asks for it: a key beside it would come by the same way
	// and prove nothing more, and a page without one needs no signature to connect.
	page.Template.BearerToken = true
	// Good for /nats alone, whose rates it would go around anywhere else.
	page.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeInProcess)
	c.SigningKeys.AddScopedSigner(page)
	return c
}

func publicKey(kp nkeys.KeyPair) string {
	p, err := kp.PublicKey()
	if err != nil { // only for a key pair that was wiped, which we never do
		panic(fmt.Sprintf("public key of a key pair: %v", err))
	}
	return p
}
