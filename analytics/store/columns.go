package store

import (
	"strings"

	"github.com/ClickHouse/ch-go/proto"
)

// words is a column of few different words: LowCardinality(String).
type words struct {
	dictionary proto.ColStr
	keys       proto.ColUInt32 // each row's place in the dictionary
	known      map[string]uint32
	last       string
	lastKey    uint32
}

func (w *words) add(s string) {
	if len(w.keys) == 0 || s != w.last { // most rows say what the one before did
		key, ok := w.known[s]
		if !ok {
			if w.known == nil {
				w.known = map[string]uint32{}
			}
			s = strings.Clone(s) // a report's words are parts of its line
			key = uint32(w.dictionary.Rows())
			w.known[s] = key
			w.dictionary.Append(s)
		}
		w.last, w.lastKey = w.dictionary.Row(int(key)), key
	}
	w.keys.Append(w.lastKey)
}

func (w *words) raw() proto.ColLowCardinalityRaw {
	return proto.ColLowCardinalityRaw{Index: &w.dictionary, Key: proto.KeyUInt32, Keys32: w.keys}
}

func (w *words) Type() proto.ColumnType       { return w.raw().Type() }
func (w *words) Rows() int                    { return len(w.keys) }
func (w *words) EncodeState(b *proto.Buffer)  { w.raw().EncodeState(b) }
func (w *words) EncodeColumn(b *proto.Buffer) { w.raw().EncodeColumn(b) }
func (w *words) WriteColumn(to *proto.Writer) { w.raw().WriteColumn(to) }
func (w *words) Row(i int) string             { return w.dictionary.Row(int(w.keys[i])) }

func (w *words) Reset() {
	w.dictionary.Reset()
	w.keys.Reset()
	clear(w.known)
	w.last = ""
}

// lists is a column of arrays that end where others of the same rows do.
type lists struct {
	ends *proto.ColUInt64
	of   proto.Column
}

func (l *lists) Type() proto.ColumnType { return proto.ColumnTypeArray.Sub(l.of.Type()) }
func (l *lists) Rows() int              { return len(*l.ends) }

func (l *lists) EncodeColumn(b *proto.Buffer) {
	l.ends.EncodeColumn(b)
	l.of.EncodeColumn(b)
}

func (l *lists) WriteColumn(w *proto.Writer) {
	l.ends.WriteColumn(w)
	l.of.WriteColumn(w)
}

func (l *lists) Reset() {
	l.ends.Reset()
	l.of.Reset()
}

// values are a column's as the native protocol's batches take them.
func values(c proto.ColInput) any {
	switch c := c.(type) {
	case *proto.ColUInt64:
		return []uint64(*c)
	case *proto.ColUInt32:
		return []uint32(*c)
	case *proto.ColInt32:
		return []int32(*c)
	case *proto.ColBool:
		return []bool(*c)
	case *proto.ColDate:
		return rowsOf(c.Rows(), c.Row)
	case *proto.ColDateTime64:
		return rowsOf(c.Rows(), c.Row)
	case *proto.ColStr:
		return rowsOf(c.Rows(), c.Row)
	case *words:
		return rowsOf(c.Rows(), c.Row)
	case *lists:
		switch of := values(c.of).(type) {
		case []string:
			return parted(of, *c.ends)
		case []uint32:
			return parted(of, *c.ends)
		}
	}
	return nil
}

func rowsOf[T any](n int, row func(int) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = row(i)
	}
	return out
}

// parted is all in parts that end where ends says.
func parted[T any](all []T, ends []uint64) [][]T {
	out := make([][]T, len(ends))
	from := uint64(0)
	for i, to := range ends {
		out[i], from = all[from:to], to
	}
	return out
}
