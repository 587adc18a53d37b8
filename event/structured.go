package event

import (
	"errors"
	"strings"
)

// structured reads a dictionary of structured fields (RFC 9651) from its first byte to its last, as far as reports
// need it: integers, tokens, strings and booleans, alone or in inner lists, with parameters. It makes no copies.
type structured struct {
	s string
	i int
}

// value is a bare item.
type value struct {
	shape shape // whole, truth, token or text
	n     int64
	yes   bool
	s     string // of a string, without its quotes, escapes as they were written
}

var errStructured = errors.New("not a dictionary of structured fields (RFC 9651)")

// dictionary calls member with each key; member reads the value by item or list.
func (p *structured) dictionary(member func(key string) error) error {
	p.spaces()
	for {
		key, err := p.key()
		if err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		p.spaces()
		if p.i == len(p.s) {
			return nil
		}
		if !p.take(',') {
			return errStructured
		}
		p.spaces()
	}
}

// memberValue reads what follows a member's key. Of an inner list it calls each with every item, whose parameters each reads;
// of an item alone likewise.
func (p *structured) memberValue(each func(v value) error) error {
	if !p.take('=') {
		return each(value{shape: truth, yes: true})
	}
	if !p.take('(') {
		v, err := p.item()
		if err != nil {
			return err
		}
		return each(v)
	}
	for {
		for p.take(' ') {
		}
		if p.take(')') {
			return p.parameters(nil)
		}
		v, err := p.item()
		if err != nil {
			return err
		}
		if err := each(v); err != nil {
			return err
		}
		if p.i < len(p.s) && p.s[p.i] != ' ' && p.s[p.i] != ')' {
			return errStructured
		}
	}
}

// parameters calls one, which may be nil, with each parameter.
func (p *structured) parameters(one func(key string, v value) error) error {
	for p.take(';') {
		for p.take(' ') {
		}
		key, err := p.key()
		if err != nil {
			return err
		}
		v := value{shape: truth, yes: true}
		if p.take('=') {
			if v, err = p.item(); err != nil {
				return err
			}
		}
		if one == nil {
			continue
		}
		if err := one(key, v); err != nil {
			return err
		}
	}
	return nil
}

func (p *structured) key() (string, error) {
	from := p.i
	if from < len(p.s) && kinds[p.s[from]]&beginsKey != 0 {
		for p.i++; p.i < len(p.s) && kinds[p.s[p.i]]&inKey != 0; p.i++ {
		}
		return p.s[from:p.i], nil
	}
	return "", errStructured
}

func (p *structured) item() (value, error) {
	if p.i == len(p.s) {
		return value{}, errStructured
	}
	switch c := p.s[p.i]; {
	case c == '-' || digit(c):
		return p.integer()
	case c == '"':
		return p.text()
	case c == '?':
		p.i++
		switch {
		case p.take('1'):
			return value{shape: truth, yes: true}, nil
		case p.take('0'):
			return value{shape: truth}, nil
		}
		return value{}, errStructured
	case lower(c) || upper(c) || c == '*':
		from := p.i
		for p.i < len(p.s) && kinds[p.s[p.i]]&inToken != 0 {
			p.i++
		}
		return value{shape: token, s: p.s[from:p.i]}, nil
	}
	return value{}, errStructured
}

// integer reads at most the 15 digits that there may be (RFC 9651, 3.3.1).
func (p *structured) integer() (value, error) {
	negative := p.take('-')
	from, n := p.i, int64(0)
	for ; p.i < len(p.s) && digit(p.s[p.i]); p.i++ {
		if p.i-from == 15 {
			return value{}, errStructured
		}
		n = 10*n + int64(p.s[p.i]-'0')
	}
	if p.i == from || p.i < len(p.s) && p.s[p.i] == '.' {
		return value{}, errStructured
	}
	if negative {
		n = -n
	}
	return value{shape: whole, n: n}, nil
}

func (p *structured) text() (value, error) {
	p.i++
	from := p.i
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return value{shape: text, s: p.s[from : p.i-1]}, nil
		case c == '\\':
			if p.i++; p.i == len(p.s) || p.s[p.i] != '"' && p.s[p.i] != '\\' {
				return value{}, errStructured
			}
		case c < 0x20 || c > 0x7e:
			return value{}, errStructured
		}
	}
	return value{}, errStructured
}

func (p *structured) spaces() {
	for p.take(' ') || p.take('\t') {
	}
}

func (p *structured) take(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func lower(c byte) bool { return c >= 'a' && c <= 'z' }
func upper(c byte) bool { return c >= 'A' && c <= 'Z' }
func digit(c byte) bool { return c >= '0' && c <= '9' }

// What a byte may be in: a key (RFC 9651, 3.1.2) or a token (3.3.4).
const (
	beginsKey = 1 << iota
	inKey
	inToken
)

var kinds = func() (kinds [256]uint8) {
	for i := range kinds {
		c := byte(i)
		if lower(c) || c == '*' {
			kinds[i] |= beginsKey
		}
		if lower(c) || digit(c) || strings.IndexByte("_-.*", c) >= 0 {
			kinds[i] |= inKey
		}
		if lower(c) || upper(c) || digit(c) || strings.IndexByte("!#$%&'*+-.^_`|~:/", c) >= 0 {
			kinds[i] |= inToken
		}
	}
	return kinds
}()
