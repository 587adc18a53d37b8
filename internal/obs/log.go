package obs

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// Keys of log attributes, so that one search finds a thing in every service's lines.
const (
	KeyService   = "service"
	KeyStream    = "stream"    // event.StreamID
	KeyName      = "name"      // event.StreamName
	KeyRendition = "rendition" // event.Rendition
	KeyEpoch     = "epoch"     // event.Epoch, Unix ms
	KeyN         = "n"         // index of a piece in its epoch
	KeyRemote    = "remote"    // address of the other side
	KeyAddr      = "addr"      // address of this side
	KeyError     = "error"
	KeyReason    = "reason" // why something was refused, dropped or stopped
	KeyTook      = "took"   // a duration
	KeyBytes     = "bytes"
	KeyPath      = "path" // file or URL path
)

// Formats of log lines.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// NewLogger writes lines of the format to w, down to level, which may change at any
// time. An unknown format is an error.
func NewLogger(w io.Writer, format string, level slog.Leveler) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: level}
	switch format {
	case FormatText, "":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case FormatJSON:
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q is unknown: use %s or %s", format, FormatText, FormatJSON)
}

// ParseLevel reads debug, info, warn or error, in any case.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level %q is unknown: use debug, info, warn or error", s)
}

// OpenLogFile opens a file to append log lines to, readable by its owner only.
func OpenLogFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	return f, nil
}
