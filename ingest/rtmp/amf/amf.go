// Package amf reads and writes AMF0 (Action Message Format, Adobe's specification of
// 2007), in which RTMP's commands and metadata are written.
//
// What is read comes from outside: Decode has limits for depth, number of values and
// length, and allocates no more than its input justifies.
package amf

import "errors"

// Value is one of: nil (null, undefined and unsupported), bool, float64, string,
// Date, Object, ECMAArray, StrictArray.
type Value any

// Property is one named value of an object.
type Property struct {
	Name  string
	Value Value
}

// Object is an anonymous or typed object, in the order of the wire.
type Object []Property

// ECMAArray is an associative array; it differs from Object on the wire only.
type ECMAArray []Property

// StrictArray is an array with indices 0..n-1.
type StrictArray []Value

// Date is milliseconds since 1970 in UTC.
type Date float64

// Limits of Decode. They leave ample room for the largest metadata encoders send.
const (
	MaxDepth  = 16   // objects and arrays inside each other
	MaxValues = 4096 // values in one message, names of properties not counted
)

// Errors of Decode.
var (
	ErrShort  = errors.New("AMF0 value is cut short")
	ErrDepth  = errors.New("AMF0 values are nested too deeply")
	ErrValues = errors.New("AMF0 message has too many values")
	ErrMarker = errors.New("AMF0 type is not known")
)

// Markers of section 2.1.
const (
	markerNumber      = 0x00
	markerBoolean     = 0x01
	markerString      = 0x02
	markerObject      = 0x03
	markerNull        = 0x05
	markerUndefined   = 0x06
	markerECMAArray   = 0x08
	markerObjectEnd   = 0x09
	markerStrictArray = 0x0A
	markerDate        = 0x0B
	markerLongString  = 0x0C
	markerUnsupported = 0x0D
	markerXML         = 0x0F
	markerTypedObject = 0x10
)

// Properties returns the named values of an Object or ECMAArray, and nil for any
// other value.
func Properties(v Value) []Property {
	switch v := v.(type) {
	case Object:
		return v
	case ECMAArray:
		return v
	}
	return nil
}

// Get returns the named property of an Object or ECMAArray, nil when there is none.
func Get(v Value, name string) Value {
	for _, p := range Properties(v) {
		if p.Name == name {
			return p.Value
		}
	}
	return nil
}

// String returns the named property when it is a string, else "".
func String(v Value, name string) string {
	s, _ := Get(v, name).(string)
	return s
}

// Number returns the named property when it is a number, else 0.
func Number(v Value, name string) float64 {
	f, _ := Get(v, name).(float64)
	return f
}
