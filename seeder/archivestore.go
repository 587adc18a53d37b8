package seeder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shoalcast/shoal/archive"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/atomicfile"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// Archived is one file of the archive, complete and as it was signed.
type Archived struct {
	Stream   event.StreamID
	Name     event.StreamName
	File     string // its name, in the torrent too
	Path     string
	Close    manifest.Close
	Envelope json.RawMessage // the close record as signed, DSSE
	Info     []byte          // the torrent's info dictionary
	InitSize int64           // bytes of the init segment at its start
}

// Ends is when its last media arrived: what its age counts from.
func (a *Archived) Ends() time.Time {
	return time.UnixMilli(a.Close.At).Add(a.Close.Dur.Duration())
}

// sidecar stands beside each file, and is written last: a file without one is not whole.
type sidecar struct {
	V        int              `json:"v"`
	Name     event.StreamName `json:"name"`
	Close    json.RawMessage  `json:"close"`
	Info     []byte           `json:"info"`
	InitSize int64            `json:"init_size"`
}

const (
	sidecarVersion = 1
	sidecarSuffix  = ".json"
	unfinished     = ".unfinished-"
)

// archiveStore keeps archive files on disk: one folder a stream, named by its id; in it
// the files, each with its sidecar. Safe for concurrent use.
type archiveStore struct {
	dir string
	log *slog.Logger

	mu      sync.Mutex
	files   map[event.StreamID]map[string]*Archived // by stream and file name
	bytes   int64
	changed chan struct{} // closed and replaced when files are
}

// openArchive finds what an earlier run left: unfinished files go, whole ones are kept.
func openArchive(dir string, log *slog.Logger) (*archiveStore, error) {
	a := &archiveStore{dir: dir, log: log, files: map[event.StreamID]map[string]*Archived{}, changed: make(chan struct{})}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the archive's folder: %w", err)
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the archive's folder: %w", err)
	}
	for _, f := range folders {
		id, err := event.ParseStreamID(f.Name())
		if err != nil || !f.IsDir() {
			continue // not ours
		}
		if err := a.recover(id); err != nil {
			return nil, fmt.Errorf("recover the archive of %s: %w", id, err)
		}
	}
	return a, nil
}

func (a *archiveStore) folder(id event.StreamID) string { return filepath.Join(a.dir, string(id)) }

// recover reads one stream's folder.
func (a *archiveStore) recover(id event.StreamID) error {
	folder := a.folder(id)
	names, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	whole := map[string]bool{}
	for _, f := range names {
		file, ok := strings.CutSuffix(f.Name(), sidecarSuffix)
		if !ok || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		got, err := readArchived(folder, id, file)
		if err != nil {
			a.log.Warn("a file of the archive is not what was signed: it is removed", keyFile, file, keyErr, err)
			continue
		}
		whole[file], whole[f.Name()] = true, true
		a.add(got)
	}
	for _, f := range names {
		name := f.Name()
		ours := strings.HasPrefix(name, ".tmp-") || strings.HasPrefix(name, unfinished) ||
			strings.HasSuffix(name, ".mp4") || strings.HasSuffix(name, ".mp4"+sidecarSuffix)
		if !whole[name] && ours && f.Type().IsRegular() {
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// readArchived reads a sidecar and checks that its parts fit each other and the file's
// size. The signature was verified before it was written.
func readArchived(folder string, id event.StreamID, file string) (*Archived, error) {
	b, err := os.ReadFile(filepath.Join(folder, file+sidecarSuffix))
	if err != nil {
		return nil, err
	}
	var s sidecar
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, err
	}
	if s.V != sidecarVersion {
		return nil, fmt.Errorf("version %d", s.V)
	}
	env, err := manifest.ParseEnvelope(s.Close)
	if err != nil {
		return nil, err
	}
	rec, err := manifest.DecodeClose(env)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, file)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case rec.Stream != id || archive.NameOf(s.Name, rec) != file || info.Size() != rec.Size:
		return nil, errors.New("name or size differ")
	case metainfo.HashInfo(s.Info) != rec.InfoHash:
		return nil, errors.New("the infohash differs")
	case s.InitSize <= 0 || s.InitSize >= rec.Size:
		return nil, errors.New("the init segment's size is out of bounds")
	}
	return &Archived{
		Stream: id, Name: s.Name, File: file, Path: path, Close: rec, Envelope: env.JSON(), Info: s.Info, InitSize: s.InitSize,
	}, nil
}

// add shows a file; a.mu is held, or nobody else knows a yet.
func (a *archiveStore) add(f *Archived) {
	if a.files[f.Stream] == nil {
		a.files[f.Stream] = map[string]*Archived{}
	}
	a.files[f.Stream][f.File] = f
	a.bytes += f.Close.Size
}

func (a *archiveStore) announce() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// get returns a file, nil if there is none with exactly this name.
func (a *archiveStore) get(id event.StreamID, file string) *Archived {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.files[id][file]
}

// list returns the files of one stream, or of all if id is empty, the newest first.
func (a *archiveStore) list(id event.StreamID) []*Archived {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*Archived
	for stream, files := range a.files {
		if id == "" || id == stream {
			for _, f := range files {
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(x, y *Archived) int {
		if c := y.Ends().Compare(x.Ends()); c != 0 {
			return c
		}
		return strings.Compare(string(x.Stream)+x.File, string(y.Stream)+y.File)
	})
	return out
}

// size returns how many bytes and files are kept.
func (a *archiveStore) size() (total int64, files int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.files {
		files += len(f)
	}
	return a.bytes, files
}

// news is closed when files come or go.
func (a *archiveStore) news() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

var errNoRoom = errors.New("there is no room for it within the archive's limit of bytes")

// room removes the oldest files until size more bytes fit within limit. Files that keep
// wants stay; if it cannot be done without them, nothing is removed.
func (a *archiveStore) room(size, limit int64, keep func(*Archived) bool) error {
	total, _ := a.size()
	var victims []*Archived
	for _, f := range slices.Backward(a.list("")) {
		if total+size <= limit {
			break
		}
		if keep == nil || !keep(f) {
			victims = append(victims, f)
			total -= f.Close.Size
		}
	}
	if total+size > limit {
		return errNoRoom
	}
	return a.remove(victims)
}

// expire removes the files whose media is older than age.
func (a *archiveStore) expire(now time.Time, age time.Duration) error {
	var old []*Archived
	for _, f := range a.list("") {
		if now.Sub(f.Ends()) > age {
			old = append(old, f)
		}
	}
	return a.remove(old)
}

// remove deletes files, sidecars first: what a crash leaves is then not whole.
func (a *archiveStore) remove(files []*Archived) error {
	if len(files) == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.announce()
	var errs []error
	for _, f := range files {
		if a.files[f.Stream][f.File] != f {
			continue
		}
		err := os.Remove(f.Path + sidecarSuffix)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = os.Remove(f.Path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove from the archive: %w", err))
			continue
		}
		delete(a.files[f.Stream], f.File)
		a.bytes -= f.Close.Size
	}
	return errors.Join(errs...)
}

// begin opens an unfinished file in a stream's folder.
func (a *archiveStore) begin(id event.StreamID) (*os.File, error) {
	folder := a.folder(id)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fmt.Errorf("make the stream's folder in the archive: %w", err)
	}
	f, err := os.CreateTemp(folder, unfinished+"*")
	if err != nil {
		return nil, fmt.Errorf("begin a file of the archive: %w", err)
	}
	return f, nil
}

// publish puts a finished file, synced and closed, in place and shows it.
func (a *archiveStore) publish(temp string, f *Archived) error {
	f.Path = filepath.Join(a.folder(f.Stream), f.File)
	if err := os.Chmod(temp, 0o644); err != nil {
		return fmt.Errorf("open a file of the archive to readers: %w", err)
	}
	if err := os.Rename(temp, f.Path); err != nil {
		return fmt.Errorf("put a file of the archive in place: %w", err)
	}
	var b bytes.Buffer
	err := json.NewEncoder(&b).Encode(sidecar{V: sidecarVersion, Name: f.Name, Close: f.Envelope, Info: f.Info, InitSize: f.InitSize})
	if err != nil {
		return fmt.Errorf("describe a file of the archive: %w", err)
	}
	if err := atomicfile.Write(f.Path+sidecarSuffix, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("describe a file of the archive: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(f)
	a.announce()
	return nil
}
