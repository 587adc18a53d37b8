package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxInteger is the largest integer that no other number turns into where JSON numbers
// are doubles.
const maxInteger = 1<<53 - 1

// maxDepth bounds nesting in fields that are only passed over.
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
	if seen["crit"] && len(*crit) == 0 {
		return fmt.Errorf("%w: an empty crit", ErrMalformed)
	}
	for i, name := range *crit {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			return fmt.Errorf("%w %q", ErrCritical, name)
		}
		if !seen[name] || slices.Contains((*crit)[:i], name) {
			return fmt.Errorf("%w: crit names %q, which is absent or named twice", ErrMalformed, name)
		}
	}
	return nil
}

func decodeMembers(b []byte, fields []field) (seen map[string]bool, err error) {
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	seen = make(map[string]bool, len(fields))
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		name := t.(string) // the decoder allows nothing else here
		if err := note(seen, name); err != nil {
			return nil, err
		}
		if err := decodeMember(dec, name, fields); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(bytes.TrimLeft(b[dec.InputOffset():], " \t\r\n")) != 0 {
		return nil, fmt.Errorf("%w: something follows the object", ErrMalformed)
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			return nil, fmt.Errorf("%w: %q is missing", ErrMalformed, f.name)
		}
	}
	return seen, nil
}

// note records a member's name within its object. __proto__ is refused because parsers
// in JavaScript give it a meaning.
func note(seen map[string]bool, name string) error {
	if seen[name] {
		return fmt.Errorf("%w: %q stands twice", ErrMalformed, name)
	}
	if name == "__proto__" {
		return fmt.Errorf("%w: a member named %q", ErrMalformed, name)
	}
	seen[name] = true
	return nil
}

func decodeMember(dec *json.Decoder, name string, fields []field) error {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := checkValue(raw); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	if string(raw) == "null" {
		return fmt.Errorf("%w: %q is null", ErrMalformed, name)
	}
	if err := json.Unmarshal(raw, fields[i].into); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrMalformed, name, err)
	}
	return nil
}

// checkValue applies the rules on numbers and names to a value of any shape.
func checkValue(raw json.RawMessage) error {
	switch raw[0] {
	case '{', '[':
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		return checkNested(dec, 1)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return checkNumber(string(raw))
	}
	return nil
}

func checkNested(dec *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested more than %d deep", ErrMalformed, maxDepth)
	}
	t, err := dec.Token()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch t := t.(type) {
	case json.Number:
		return checkNumber(t.String())
	case json.Delim:
		seen := make(map[string]bool)
		for dec.More() {
			if t == '{' {
				name, err := dec.Token()
				if err != nil {
					return fmt.Errorf("%w: %w", ErrMalformed, err)
				}
				if err := note(seen, name.(string)); err != nil {
					return err
				}
			}
			if err := checkNested(dec, depth+1); err != nil {
				return err
			}
		}
		if _, err := dec.Token(); err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	return nil
}

func checkNumber(s string) error {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v > maxInteger || v < -maxInteger {
		return fmt.Errorf("%w: %s is not an integer below 2^53", ErrMalformed, s)
	}
	return nil
}
