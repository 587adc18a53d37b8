package publish

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shoalcast/shoal/internal/ffmpeg"
)

// RefusedError means that the server does not want this publish, or that ffmpeg cannot
// do it: trying again would change nothing.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// verdict is what the end of a run means.
type verdict struct {
	reason  string
	refused bool // the server said no
	final   bool // however often it is tried
}

// errSilent ends a run that gets nothing out any more.
var errSilent = errors.New("the server takes nothing any more")

// What ffmpeg and libsrt say: the first is before the server's own words, over SRT there
// are none of these.
const (
	saidByServer  = "Server error: "
	saidByShoal   = "the publish key is wrong"
	srtRejection  = "REJECT reported from HS processing: "
	srtByServer   = "Application-defined rejection reason"
	srtPassphrase = "Incorrect passphrase"
	srtOneSided   = "Password required or unexpected"
	noProtocol    = "Protocol not found"
)

// ofTheNetwork are words of errors that may be others in a moment.
var ofTheNetwork = []string{
	"Connection to ", "Connection refused", "Cannot open connection", "Broken pipe", "Input/output error", "Connection reset",
	"timed out", "unreachable", "No route to host", "Failed to resolve", "Cannot assign requested address", "End of file",
}

// judge tells what the end of a run means. accepted says whether the server has ever
// taken media of this publish.
func judge(err error, t Target, accepted bool) verdict {
	var exit *ffmpeg.ExitError
	if !errors.As(err, &exit) {
		return verdict{reason: t.redact(err.Error()), final: !errors.Is(err, errSilent)}
	}
	for _, line := range exit.Said {
		if _, words, ok := strings.Cut(line, saidByServer); ok {
			wrong := strings.Contains(words, saidByShoal)
			return verdict{reason: "the server refuses it: " + t.redact(words), refused: true, final: wrong || !accepted}
		}
		if _, words, ok := strings.Cut(line, srtRejection); ok {
			return judgeSRT(words, accepted)
		}
	}
	all := t.redact(strings.Join(exit.Said, "\n"))
	if strings.Contains(all, noProtocol) {
		return verdict{reason: fmt.Sprintf("this ffmpeg does not speak %s: install another one, or publish over another protocol (--over)", t.Protocol), final: true}
	}
	if accepted {
		return verdict{reason: "the connection was lost" + lastWords(exit, t)}
	}
	for _, words := range ofTheNetwork {
		if strings.Contains(all, words) {
			return verdict{reason: "no connection" + lastWords(exit, t)}
		}
	}
	return verdict{reason: t.redact(exit.Error()), final: true}
}

// lastWords are the last that ffmpeg says, in parentheses, without whom it says them of.
func lastWords(e *ffmpeg.ExitError, t Target) string {
	if len(e.Said) == 0 {
		return ""
	}
	words := t.redact(e.Said[len(e.Said)-1])
	if at := strings.LastIndex(words, ": "); at >= 0 {
		words = words[at+2:]
	}
	return " (" + words + ")"
}

// judgeSRT tells what a rejection of libsrt's means (docs/features/access-control.md of
// Haivision/srt). ffmpeg does not say with which code a server refuses.
func judgeSRT(words string, accepted bool) verdict {
	words, _, _ = strings.Cut(words, " - ")
	switch words {
	case srtPassphrase:
		return verdict{reason: "the passphrase is wrong: use the srt_url that `shoal stream list --json` prints", refused: true, final: true}
	case srtOneSided:
		return verdict{reason: "the server wants a passphrase and the address has none, or the other way round: use the srt_url that `shoal stream list --json` prints", refused: true, final: true}
	case srtByServer:
		return verdict{
			reason:  "the server refuses it: the publish key is wrong, there is no such stream, or it has a publisher already; the server's log says which",
			refused: true, final: !accepted,
		}
	}
	return verdict{reason: "SRT: " + words, final: false}
}
