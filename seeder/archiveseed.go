package seeder

import (
	"context"
	"time"

	"github.com/shoalcast/shoal/swarm/metainfo"
)

// Files offers finished files to BitTorrent clients; swarm/bt has the real one.
type Files interface {
	Seed(path string, torrentFile []byte) error
	Unseed(infoHash [20]byte)
}

// maxSeeded bounds the files that are offered at once, the newest of all streams: each
// is a torrent that announces. Older ones have the web seed.
const maxSeeded = 512

// seedFiles offers what the archive holds until ctx ends.
func (s *Service) seedFiles(ctx context.Context) {
	offered := map[[20]byte]bool{}
	for {
		changed := s.ArchiveChanged()
		files := s.shared()
		now := map[[20]byte]bool{}
		for _, f := range files[:min(len(files), maxSeeded)] {
			hash := [20]byte(f.Close.InfoHash)
			now[hash] = true
			if offered[hash] {
				continue
			}
			if err := s.opts.Files.Seed(f.Path, metainfo.File(f.Info, s.opts.Announce, nil)); err != nil {
				s.opts.Log.Warn("an archive file is not offered to BitTorrent clients", keyStream, f.Stream, keyErr, err)
				delete(now, hash)
			}
		}
		for hash := range offered {
			if !now[hash] {
				s.opts.Files.Unseed(hash)
			}
		}
		offered = now
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		// Several files that finish together are taken together.
		settle := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
			settle.Stop()
			return
		case <-settle.C:
		}
	}
}
