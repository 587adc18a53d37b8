package seeder

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/shoalcast/shoal/archive"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

const (
	// fetchable is how long after a window was closed its pieces are looked for: the
	// bus keeps them for less.
	fetchable = 10 * time.Minute
	// fetchIdle is how long the bus may bring no piece while a window is fetched.
	fetchIdle = 3 * time.Second
	// fetchRewind is how far before a window's first media its pieces are looked for:
	// clocks of ingest and bus may differ.
	fetchRewind = 10 * time.Second
	// expireInterval paces what goes by age.
	expireInterval = 5 * time.Second

	keyFile = "file"
)

// archiver keeps the files that the packager closed. All of it is a fold: a close
// record whose file is not there is fetched from the bus, or joined from the files of
// its windows, and published if its bytes are what was signed.
type archiver struct {
	s     *Service
	store *archiveStore
}

// Archive returns the files of the archive, of all streams, the newest first.
func (s *Service) Archive() []*Archived {
	if s.archive == nil {
		return nil
	}
	return s.archive.store.list("")
}

// ArchiveChanged is closed when the answer of Archive has changed; nil if nothing is
// archived here.
func (s *Service) ArchiveChanged() <-chan struct{} {
	if s.archive == nil {
		return nil
	}
	return s.archive.store.news()
}

// ArchiveTorrent returns the torrent file of an archived file, with the trackers of
// Options and this origin as web seed.
func (s *Service) ArchiveTorrent(f *Archived) []byte {
	return s.archiveTorrent(f, s.archiveBase("", f.Name))
}

// newArchiver opens the archive; nil without one.
func newArchiver(s *Service) (*archiver, error) {
	if s.opts.ArchiveDir == "" {
		return nil, nil
	}
	store, err := openArchive(s.opts.ArchiveDir, s.opts.Log)
	if err != nil {
		return nil, err
	}
	return &archiver{s: s, store: store}, nil
}

// run follows what is closed until ctx ends.
func (a *archiver) run(ctx context.Context) error {
	if err := a.s.opts.Bus.FollowCloses(ctx, a.take); ctx.Err() == nil {
		return fmt.Errorf("follow closed files: %w", err)
	}
	return nil
}

// tick keeps the archive within its age until ctx ends.
func (a *archiver) tick(ctx context.Context) error {
	t := time.NewTicker(expireInterval)
	defer t.Stop()
	for {
		if err := a.store.expire(time.Now(), a.s.opts.ArchiveAge); err != nil {
			a.s.opts.Log.Warn("old files of the archive stay", keyErr, err)
		}
		a.count()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *archiver) count() {
	total, files := a.store.size()
	a.s.opts.Metrics.ArchiveBytes.Set(float64(total))
	a.s.opts.Metrics.ArchiveFiles.Set(float64(files))
}

// take handles one close record. Its error means that it is to be tried again.
func (a *archiver) take(ctx context.Context, id event.StreamID, r event.Rendition, f event.FileClosed) error {
	a.s.mu.RLock()
	st := a.s.streams[id]
	a.s.mu.RUnlock()
	if st == nil {
		return nil // removed
	}
	env, err := manifest.ParseEnvelope(f.Envelope)
	if err != nil {
		a.reject(st, "", err)
		return nil
	}
	rec, err := manifest.DecodeClose(env)
	if err == nil && rec.R != r {
		err = fmt.Errorf("signed for rendition %s", rec.R)
	}
	if err == nil {
		_, err = st.trust.OpenClose(env)
	}
	if errors.Is(err, manifest.ErrUnknownSession) && time.Since(time.UnixMilli(rec.Issued)) < fetchable {
		return err // facts come by another way
	}
	if err != nil {
		a.reject(st, "", err)
		return nil
	}
	file := &Archived{Stream: id, Name: st.name, File: archive.NameOf(st.name, rec), Close: rec, Envelope: env.JSON()}
	if a.store.get(id, file.File) != nil || time.Since(file.Ends()) > a.s.opts.ArchiveAge {
		return nil
	}
	err = a.build(ctx, st, file)
	if st.state().Removed { // meanwhile
		a.forget(id)
	}
	a.count()
	switch {
	case err == nil:
		a.result("archived")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errGone):
		a.result("missed")
	default:
		a.reject(st, file.File, err)
	}
	return nil
}

func (a *archiver) result(what string) { a.s.opts.Metrics.Archived.WithLabelValues(what).Inc() }

func (a *archiver) reject(st *stream, file string, err error) {
	a.result("rejected")
	a.s.opts.Log.Warn("a closed file is not archived", keyStream, st.id, keyName, st.name, keyFile, file, keyErr, err)
}

// errGone means that the bytes of a closed file cannot be had any more.
var errGone = errors.New("its pieces are not to be had any more")

var errFetched = errors.New("all of it was fetched")

var errFileBytes = errors.New("its bytes are not those that were signed")

// build makes a file and publishes it if it is what was signed.
func (a *archiver) build(ctx context.Context, st *stream, file *Archived) (err error) {
	source := a.fetch
	var keep func(*Archived) bool
	if file.Close.Kind == manifest.CloseEpoch {
		windows := a.windows(file)
		if len(windows) == 0 {
			return errGone
		}
		source = func(_ context.Context, _ *stream, _ manifest.Close, w io.Writer) error { return join(windows, w) }
		keep = func(f *Archived) bool { return slices.Contains(windows, f) }
	} else if time.Since(time.UnixMilli(file.Close.Issued)) > fetchable {
		return errGone
	}
	init, ok := st.init(file.Close.Init)
	if !ok {
		return errGone
	}
	file.InitSize = int64(len(init.Init))
	if err := a.store.room(file.Close.Size, a.s.opts.ArchiveBytes, keep); err != nil {
		return err
	}
	temp, err := a.store.begin(st.id)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	hashes := metainfo.NewBuilder()
	out := bufio.NewWriterSize(temp, 256<<10)
	to := &bounded{w: io.MultiWriter(out, hashes), left: file.Close.Size}
	_, err = to.Write(init.Init)
	if err == nil {
		err = source(ctx, st, file.Close, to)
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	window := hashes.Window(file.File)
	if !archive.Matches(window, file.Close) {
		return errFileBytes
	}
	file.Info = window.Info
	return a.store.publish(temp.Name(), file)
}

// bounded writes no more than was signed.
type bounded struct {
	w    io.Writer
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errFileBytes
	}
	n, err := b.w.Write(p)
	b.left -= int64(n)
	return n, err
}

// fetch writes a window's pieces as the bus has them; whether they are the right ones
// is told by the signed digest of the file.
func (a *archiver) fetch(ctx context.Context, st *stream, rec manifest.Close, w io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(fetchIdle, func() { cancel(errGone) })
	defer idle.Stop()
	to := w.(*bounded)
	next, ended := rec.First, false
	stop := func(why error) {
		ended = true
		cancel(why)
	}
	since := time.UnixMilli(rec.At).Add(-fetchRewind)
	err := a.s.opts.Bus.FollowPieces(ctx, st.id, rec.R, since, func(_ context.Context, p *event.Piece) error {
		idle.Reset(fetchIdle)
		switch {
		case ended || p.Epoch < rec.Epoch || p.Epoch == rec.Epoch && p.N < next:
		case p.Epoch > rec.Epoch || p.N > rec.Last:
			stop(errGone)
		default:
			next = p.N + 1
			if _, err := w.Write(p.Data); err != nil {
				stop(err)
			} else if to.left == 0 {
				stop(errFetched)
			}
		}
		return nil
	})
	if errors.Is(err, errFetched) {
		return nil
	}
	return err
}

// windows returns the files that an epoch's file consists of, in order, if none is
// missing.
func (a *archiver) windows(file *Archived) []*Archived {
	rec := file.Close
	var out []*Archived
	left := rec.Size
	for _, f := range slices.Backward(a.store.list(file.Stream)) {
		c := f.Close
		if c.Kind == manifest.CloseWindow && c.R == rec.R && c.Epoch == rec.Epoch && c.Init == rec.Init &&
			c.First >= rec.First && c.Last <= rec.Last {
			out = append(out, f)
			left -= c.Size - f.InitSize
		}
	}
	if len(out) == 0 || left != out[0].InitSize {
		return nil
	}
	slices.SortFunc(out, func(x, y *Archived) int { return cmp.Compare(x.Close.First, y.Close.First) })
	return out
}

// join writes the pieces of windows, one after the other.
func join(windows []*Archived, w io.Writer) error {
	for _, f := range windows {
		if err := appendPieces(f, w); err != nil {
			return fmt.Errorf("join the epoch's windows: %w", err)
		}
	}
	return nil
}

func appendPieces(f *Archived, w io.Writer) error {
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	if _, err := in.Seek(f.InitSize, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}

// forget removes the files of a stream that was removed.
func (a *archiver) forget(id event.StreamID) {
	if err := a.store.remove(a.store.list(id)); err != nil {
		a.s.opts.Log.Warn("files of a removed stream stay in the archive", keyStream, id, keyErr, err)
	}
}
