package mpegts

// sureOfEnd is how many pictures in a row must have ended where they seemed to.
const sureOfEnd = 30

// ending tells where a picture ends whose PES packet states no length, so that it need
// not wait for the next one. A PES packet begins a transport packet, so its predecessor's
// last one is filled up with stuffing, unless it happens to fit (H.222.0 section 2.4.3.3).
// Multiplexers may fill up others, too, hence that is believed of a track only after it
// held for a second or so, and never again once it did not.
type ending struct {
	padded  bool // the newest packet of the PES packet that is open was filled up
	held    int  // pictures that ended there
	refuted bool
}

// packet takes note of a packet of the PES packet that is open.
func (e *ending) packet(padded bool) {
	if e.padded {
		e.refuted = true
	}
	e.padded = padded
}

// begins takes note that the next picture begins. If whole, the one before has come to
// its end, whichever that is.
func (e *ending) begins(whole bool) {
	if whole && e.padded {
		e.held++
	}
	e.padded = false
}

// seen reports whether the picture that is open has ended with its newest packet.
func (e *ending) seen() bool { return e.padded && e.held >= sureOfEnd && !e.refuted }
