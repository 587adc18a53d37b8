package amf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Append writes values after b. Values of other types than Value lists, and names
// of properties over 65,535 bytes, are the programmer's mistake and are an error.
func Append(b []byte, values ...Value) ([]byte, error) {
	for _, v := range values {
		var err error
		if b, err = appendValue(b, v); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendValue(b []byte, v Value) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, markerNull), nil
	case bool:
		if v {
			return append(b, markerBoolean, 1), nil
		}
		return append(b, markerBoolean, 0), nil
	case float64:
		return appendNumber(append(b, markerNumber), v), nil
	case int:
		return appendNumber(append(b, markerNumber), float64(v)), nil
	case Date:
		return append(appendNumber(append(b, markerDate), float64(v)), 0, 0), nil
	case string:
		if len(v) > math.MaxUint16 {
			b = binary.BigEndian.AppendUint32(append(b, markerLongString), uint32(len(v)))
			return append(b, v...), nil
		}
		return appendName(append(b, markerString), v)
	case Object:
		return appendProperties(append(b, markerObject), v)
	case ECMAArray:
		b = binary.BigEndian.AppendUint32(append(b, markerECMAArray), uint32(len(v)))
		return appendProperties(b, v)
	case StrictArray:
		b = binary.BigEndian.AppendUint32(append(b, markerStrictArray), uint32(len(v)))
		return Append(b, v...)
	default:
		return nil, fmt.Errorf("write AMF0: no encoding for %T", v)
	}
}

func appendNumber(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(b, math.Float64bits(f))
}

func appendName(b []byte, s string) ([]byte, error) {
	if len(s) > math.MaxUint16 {
		return nil, fmt.Errorf("write AMF0: a name of %d bytes", len(s))
	}
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...), nil
}

func appendProperties(b []byte, ps []Property) ([]byte, error) {
	for _, p := range ps {
		var err error
		if b, err = appendName(b, p.Name); err != nil {
			return nil, err
		}
		if b, err = appendValue(b, p.Value); err != nil {
			return nil, err
		}
	}
	return append(b, 0, 0, markerObjectEnd), nil
}
