package event

import (
	"errors"
	"strconv"
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
	for p.i < len(p.s) {
		c := p.s[p.i]
		if !lower(c) && c != '*' && (p.i == from || !digit(c) && c != '_' && c != '-' && c != '.') {
			break
		}
		p.i++
	}
	if p.i == from {
		return "", errStructured
	}
	return p.s[from:p.i], nil
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
		for p.i < len(p.s) && tokenByte(p.s[p.i]) {
			p.i++
		}
		return value{shape: token, s: p.s[from:p.i]}, nil
	}
	return value{}, errStructured
}

func (p *structured) integer() (value, error) {
	from := p.i
	p.take('-')
	for p.i < len(p.s) && digit(p.s[p.i]) {
		p.i++
	}
	n, err := strconv.ParseInt(p.s[from:p.i], 10, 64)
	if err != nil || n > maxWhole || n < -maxWhole || p.i < len(p.s) && p.s[p.i] == '.' {
		return value{}, errStructured
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

func tokenByte(c byte) bool {
	return lower(c) || upper(c) || digit(c) || strings.IndexByte("!#$%&'*+-.^_`|~:/", c) >= 0
}
