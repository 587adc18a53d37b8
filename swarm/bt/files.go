package bt

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/metainfo"
)

// Seed offers the finished file at path, which its torrent file describes, to every
// BitTorrent client, and announces it to the torrent's trackers. The file is believed to
// be what the torrent says. Seeding it twice is no error.
func (c *Client) Seed(path string, torrentFile []byte) error {
	mi, err := metainfo.Load(bytes.NewReader(torrentFile))
	if err != nil {
		return fmt.Errorf("seed %s: read torrent: %w", path, err)
	}
	info, err := mi.UnmarshalInfo()
	if err != nil {
		return fmt.Errorf("seed %s: read info: %w", path, err)
	}
	if info.IsDir() || info.HasV2() {
		return fmt.Errorf("seed %s: only v1 torrents of one file are seeded", path)
	}
	hash := [20]byte(mi.HashInfoBytes())
	if err := c.free(hash); err != nil {
		return fmt.Errorf("seed %s: %w", path, err)
	}
	// The library's lock is taken here: ours must not be held.
	t, added, err := c.torrents.AddTorrentSpec(&torrent.TorrentSpec{
		AddTorrentOpts: torrent.AddTorrentOpts{
			InfoHash: hash, InfoBytes: mi.InfoBytes, Storage: file{path}, DisableInitialPieceCheck: true,
		},
		Trackers: mi.UpvertedAnnounceList(),
	})
	if err == nil && !added {
		return nil
	}
	if err == nil && t.BytesMissing() > 0 {
		// The library only logs why storage does not open.
		err = errors.New("the file does not open, or has another size than its torrent says")
	}
	if err != nil {
		t.Drop()
		return fmt.Errorf("seed %s: %w", path, err)
	}
	c.mu.Lock()
	c.files[hash] = t
	c.mu.Unlock()
	return nil
}

func (c *Client) free(hash [20]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return ErrClosed
	case c.swarms[hash] != nil:
		return errors.New("its torrent is a stream's descriptor")
	}
	return nil
}

// Unseed stops offering a file; it is not removed.
func (c *Client) Unseed(infoHash [20]byte) {
	c.mu.Lock()
	t := c.files[infoHash]
	delete(c.files, infoHash)
	c.mu.Unlock()
	if t != nil {
		t.Drop()
	}
}
