package archive

import (
	"fmt"
	"iter"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// File is an archive file without its bytes.
type File struct {
	Kind  manifest.CloseKind
	Epoch event.Epoch
	First uint64
	Last  uint64
	At    int64 // Unix ms, entry First's
	Dur   event.Ticks
	Init  event.Root
	metainfo.Window
}

// Close returns the record that is to be signed of the file, but for its time.
func (f File) Close(id event.StreamID, r event.Rendition) manifest.Close {
	return manifest.Close{
		Stream: id, R: r, Kind: f.Kind, Epoch: f.Epoch, First: f.First, Last: f.Last, At: f.At, Dur: f.Dur,
		Init: f.Init, Size: f.Size, SHA256: f.SHA256, InfoHash: f.InfoHash,
	}
}

// FileName is the name of an archive file, in torrents, folders and URLs.
func FileName(name event.StreamName, r event.Rendition, kind manifest.CloseKind, first event.Position) string {
	suffix := ".mp4"
	if kind == manifest.CloseEpoch {
		suffix = "-whole.mp4"
	}
	return fmt.Sprintf("%s-%s-%d-%d%s", name, r, first.Epoch, first.N, suffix)
}

// NameOf is FileName for the file that a close record describes.
func NameOf(name event.StreamName, c manifest.Close) string {
	return FileName(name, c.R, c.Kind, c.FirstPosition())
}

// Derive returns the torrent of the file that consists of an init segment and pieces,
// gaps left out: whoever holds them can compare it with a signed close record, and seed.
func Derive(name string, init []byte, pieces iter.Seq[[]byte]) metainfo.Window {
	b := metainfo.NewBuilder()
	_, _ = b.Write(init) // it never fails
	for p := range pieces {
		_, _ = b.Write(p)
	}
	return b.Window(name)
}

// Matches reports whether a derived torrent is the one that was signed.
func Matches(w metainfo.Window, c manifest.Close) bool {
	return w.Size == c.Size && w.SHA256 == c.SHA256 && w.InfoHash == c.InfoHash
}
