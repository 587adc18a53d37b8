package media

import (
	"fmt"
	"time"
)

// Code tells warnings apart, for logs and counters.
type Code string

// Warning is something that was repaired, passed over or dropped, in a sentence for the log.
type Warning struct {
	Code    Code
	Message string
	// Repeated counts the warnings of this code that were held back since the last
	// one told.
	Repeated int
}

// warnEvery is how often warnings of one code are told.
const warnEvery = 10 * time.Second

type warned struct {
	at   time.Time
	held int
}

// Warnings holds back repeats: a publisher that is wrong in every frame must not
// fill the log. The zero value tells nobody.
type Warnings struct {
	Tell func(Warning)
	seen map[Code]*warned
}

// Add tells a warning, or counts it where one of its code was told lately.
func (w *Warnings) Add(now time.Time, code Code, format string, args ...any) {
	if w.Tell == nil {
		return
	}
	s := w.seen[code]
	if s == nil {
		if w.seen == nil {
			w.seen = map[Code]*warned{}
		}
		s = &warned{}
		w.seen[code] = s
	} else if d := now.Sub(s.at); d >= 0 && d < warnEvery {
		s.held++
		return
	}
	held := s.held
	s.at, s.held = now, 0
	w.Tell(Warning{Code: code, Message: fmt.Sprintf(format, args...), Repeated: held})
}
