package fmp4

import "encoding/binary"

// boxes appends ISO base media boxes to a byte slice. Boxes nest: each box's size is
// filled in when its body has been written.
type boxes struct{ b []byte }

func (w *boxes) box(kind string, body func()) {
	at := len(w.b)
	w.u32(0)
	w.b = append(w.b, kind...)
	body()
	binary.BigEndian.PutUint32(w.b[at:], uint32(len(w.b)-at))
}

func (w *boxes) full(kind string, version byte, flags uint32, body func()) {
	w.box(kind, func() {
		w.u32(uint32(version)<<24 | flags)
		body()
	})
}

func (w *boxes) u8(v ...byte)   { w.b = append(w.b, v...) }
func (w *boxes) u16(v uint16)   { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *boxes) u32(v uint32)   { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *boxes) u64(v uint64)   { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *boxes) zero(n int)     { w.b = append(w.b, make([]byte, n)...) }
func (w *boxes) text(s string)  { w.b = append(w.b, s...) }
func (w *boxes) bytes(b []byte) { w.b = append(w.b, b...) }
