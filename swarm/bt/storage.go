package bt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"
)

var errReadOnly = errors.New("the storage is read-only")

// noStorage is for torrents that were given none: there are no such.
type noStorage struct{}

func (noStorage) OpenTorrent(context.Context, *metainfo.Info, metainfo.Hash) (storage.TorrentImpl, error) {
	return storage.TorrentImpl{}, errors.New("a torrent has no storage of its own")
}

// memory holds a descriptor's content.
type memory struct {
	mu       sync.Mutex
	data     []byte
	complete []bool
}

// newMemory returns storage that holds content already, or nothing yet.
func newMemory(content []byte) *memory { return &memory{data: content} }

func (m *memory) OpenTorrent(_ context.Context, info *metainfo.Info, _ metainfo.Hash) (storage.TorrentImpl, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	size := info.TotalLength()
	if size > maxDescriptor || info.NumPieces() > maxDescriptor {
		return storage.TorrentImpl{}, fmt.Errorf("the torrent has %d bytes: it is no stream's descriptor", size)
	}
	m.complete = make([]bool, info.NumPieces())
	if m.data == nil {
		m.data = make([]byte, size)
	} else {
		for i := range m.complete {
			m.complete[i] = true
		}
	}
	return storage.TorrentImpl{Piece: func(p metainfo.Piece) storage.PieceImpl { return memoryPiece{m, p} }}, nil
}

type memoryPiece struct {
	*memory
	piece metainfo.Piece
}

func (p memoryPiece) ReadAt(b []byte, off int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.piece.Offset() + off
	if from >= int64(len(p.data)) {
		return 0, io.EOF
	}
	n := copy(b, p.data[from:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p memoryPiece) WriteAt(b []byte, off int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.piece.Offset() + off
	if from+int64(len(b)) > int64(len(p.data)) {
		return 0, io.ErrShortWrite
	}
	return copy(p.data[from:], b), nil
}

func (p memoryPiece) mark(complete bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complete[p.piece.Index()] = complete
	return nil
}

func (p memoryPiece) MarkComplete() error    { return p.mark(true) }
func (p memoryPiece) MarkNotComplete() error { return p.mark(false) }

func (p memoryPiece) Completion() storage.Completion {
	p.mu.Lock()
	defer p.mu.Unlock()
	return storage.Completion{Ok: true, Complete: p.complete[p.piece.Index()]}
}

// file serves one finished file; it is believed to be whole, as it was checked when it
// was written.
type file struct{ path string }

func (f file) OpenTorrent(_ context.Context, info *metainfo.Info, _ metainfo.Hash) (storage.TorrentImpl, error) {
	h, err := os.Open(f.path)
	if err != nil {
		return storage.TorrentImpl{}, err
	}
	stat, err := h.Stat()
	if err == nil && stat.Size() != info.TotalLength() {
		err = fmt.Errorf("%s has %d bytes, its torrent %d", f.path, stat.Size(), info.TotalLength())
	}
	if err != nil {
		return storage.TorrentImpl{}, errors.Join(err, h.Close())
	}
	return storage.TorrentImpl{
		Piece: func(p metainfo.Piece) storage.PieceImpl {
			return filePiece{io.NewSectionReader(h, p.Offset(), p.Length())}
		},
		Close: h.Close,
	}, nil
}

type filePiece struct{ *io.SectionReader }

func (filePiece) WriteAt([]byte, int64) (int, error) { return 0, errReadOnly }
func (filePiece) MarkComplete() error                { return nil }
func (filePiece) MarkNotComplete() error             { return errReadOnly }
func (filePiece) Completion() storage.Completion {
	return storage.Completion{Ok: true, Complete: true}
}
