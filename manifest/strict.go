package manifest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/shoalcast/shoal/event"
)

// maxInteger is the largest integer that no other number turns into where JSON numbers
// are doubles.
const maxInteger = 1<<53 - 1

// maxDepth bounds nesting in members that are only passed over.
const maxDepth = 16

// A field is a member that this version knows: its exact name, where its value goes,
// and whether it may be absent.
type field struct {
	name     string
	into     any
	required bool
}

// decodeObject reads one JSON object so that everyone who accepts it reads the same
// thing: valid UTF-8, no duplicate names at any depth, every number an integer below
// 2^53 in size, names compared exactly. Members that are not in fields are passed
// over.
func decodeObject(b []byte, fields []field) error {
	_, err := decodeMembers(b, fields)
	return err
}

// decodeSigned is decodeObject for a signed payload: the member "crit", if there is
// one, may name only members that are present and known.
func decodeSigned(b []byte, fields []field, crit *[]string) error {
	if len(b) > MaxEnvelope {
		return fmt.Errorf("%w: a payload of %d bytes", ErrMalformed, len(b))
	}
	seen, err := decodeMembers(b, append(fields, field{"crit", crit, false}))
	if err != nil {
		return err
	}
	if seen.has("crit") && len(*crit) == 0 {
		return fmt.Errorf("%w: an empty crit", ErrMalformed)
	}
	for i, name := range *crit {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			return fmt.Errorf("%w %q", ErrCritical, name)
		}
		if !seen.has(name) || slices.Contains((*crit)[:i], name) {
			return fmt.Errorf("%w: crit names %q, which is absent or named twice", ErrMalformed, name)
		}
	}
	return nil
}

func decodeMembers(b []byte, fields []field) (names, error) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return names{}, fmt.Errorf("%w: not JSON in UTF-8", ErrMalformed)
	}
	w := walk{b: b}
	if w.peek() != '{' {
		return names{}, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	seen, err := w.object(0, func(name string, raw []byte) error {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			return nil
		}
		if err := assign(raw, fields[i].into); err != nil {
			return fmt.Errorf("%w: %q: %w", ErrMalformed, name, err)
		}
		return nil
	})
	if err != nil {
		return names{}, err
	}
	for _, f := range fields {
		if f.required && !seen.has(f.name) {
			return names{}, fmt.Errorf("%w: %q is missing", ErrMalformed, f.name)
		}
	}
	return seen, nil
}

// assign decodes a value as encoding/json does, but for null, which stands for nothing.
func assign(raw []byte, into any) error {
	if string(raw) == "null" {
		return fmt.Errorf("is null")
	}
	switch into := into.(type) {
	case *int64:
		return assignInt(raw, into)
	case *event.Ticks:
		return assignInt(raw, into)
	case *event.Epoch:
		return assignInt(raw, into)
	case *uint64:
		v, err := strconv.ParseUint(string(raw), 10, 64)
		*into = v
		return err
	case encoding.TextUnmarshaler:
		if text, ok := plain(raw); ok {
			return into.UnmarshalText(text)
		}
	}
	return json.Unmarshal(raw, into)
}

func assignInt[I ~int64](raw []byte, into *I) error {
	v, err := strconv.ParseInt(string(raw), 10, 64)
	*into = I(v)
	return err
}

// plain returns the content of a JSON string that holds no escapes.
func plain(raw []byte) ([]byte, bool) {
	if raw[0] != '"' || slices.Contains(raw, '\\') {
		return nil, false
	}
	return raw[1 : len(raw)-1], true
}

// walk goes once over bytes that are known to be JSON, for what JSON leaves open.
type walk struct {
	b  []byte
	at int
}

// peek skips white space and returns the next byte.
func (w *walk) peek() byte {
	for w.b[w.at] == ' ' || w.b[w.at] == '\t' || w.b[w.at] == '\r' || w.b[w.at] == '\n' {
		w.at++
	}
	return w.b[w.at]
}

// value passes over a value and returns its bytes.
func (w *walk) value(depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: nested more than %d deep", ErrMalformed, maxDepth)
	}
	c := w.peek()
	from := w.at
	var err error
	switch c {
	case '{':
		_, err = w.object(depth, nil)
	case '[':
		err = w.array(depth)
	case '"':
		w.text()
	default:
		for w.at < len(w.b) && !slices.Contains([]byte(" \t\r\n,]}"), w.b[w.at]) {
			w.at++
		}
		if c == '-' || c >= '0' && c <= '9' {
			err = checkNumber(w.b[from:w.at])
		}
	}
	return w.b[from:w.at], err
}

// object passes over an object and hands its members to each, which may be nil.
func (w *walk) object(depth int, each func(name string, raw []byte) error) (names, error) {
	var seen names
	w.at++ // {
	for w.peek() != '}' {
		raw := w.text()
		name := string(raw[1 : len(raw)-1])
		if _, ok := plain(raw); !ok {
			if err := json.Unmarshal(raw, &name); err != nil {
				return names{}, fmt.Errorf("%w: %w", ErrMalformed, err)
			}
		}
		if err := seen.add(name); err != nil {
			return names{}, err
		}
		w.peek()
		w.at++ // :
		value, err := w.value(depth + 1)
		if err == nil && each != nil {
			err = each(name, value)
		}
		if err != nil {
			return names{}, err
		}
		if w.peek() == ',' {
			w.at++
			w.peek()
		}
	}
	w.at++
	return seen, nil
}

func (w *walk) array(depth int) error {
	w.at++ // [
	for w.peek() != ']' {
		if _, err := w.value(depth + 1); err != nil {
			return err
		}
		if w.peek() == ',' {
			w.at++
		}
	}
	w.at++
	return nil
}

func (w *walk) text() []byte {
	from := w.at
	w.at++
	for w.b[w.at] != '"' {
		if w.b[w.at] == '\\' {
			w.at++
		}
		w.at++
	}
	w.at++
	return w.b[from:w.at]
}

func checkNumber(raw []byte) error {
	v, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || v > maxInteger || v < -maxInteger {
		return fmt.Errorf("%w: %s is not an integer below 2^53", ErrMalformed, raw)
	}
	return nil
}

// names are those of an object's members.
type names struct {
	few  []string
	many map[string]bool // when they are many
}

func (s *names) has(name string) bool {
	return s.many[name] || slices.Contains(s.few, name)
}

// add records a member's name within its object. __proto__ is refused because parsers
// in JavaScript give it a meaning.
func (s *names) add(name string) error {
	switch {
	case s.has(name):
		return fmt.Errorf("%w: %q stands twice", ErrMalformed, name)
	case name == "__proto__":
		return fmt.Errorf("%w: a member named %q", ErrMalformed, name)
	case s.few == nil:
		s.few = make([]string, 0, 24)
	case len(s.few) == cap(s.few) && s.many == nil:
		s.many = map[string]bool{}
	}
	if s.many != nil {
		s.many[name] = true
	} else {
		s.few = append(s.few, name)
	}
	return nil
}
