package event

// StreamState is what a stream's facts add up to: the fold every service keeps
// instead of asking another. It trusts nothing that is signed; whoever uses an
// envelope verifies it.
type StreamState struct {
	ID        StreamID
	Name      StreamName
	Unlisted  bool
	Sensitive bool
	Removed   bool
	Seq       uint64 // subject sequence of the last fact applied, for compare-and-set
	Genesis   []byte // DSSE
	Rotations [][]byte
	Sessions  [][]byte // DSSE, oldest first, at most maxSessions
	Key       Digest   // SHA-256 of the publish key

	LastEpoch Epoch
	Instance  Instance // who holds LastEpoch
	Ended     bool     // LastEpoch was closed
	EndReason string
	Tracks    []TracksAnnounced // newest last, at most maxTracks

	Renditions RenditionsClaimed // the newest
}

// Bounds of what a fold keeps: a creator that rotates every 10 s, or an encoder
// that changes its parameters with every GOP, must not grow it without end.
const (
	maxSessions = 64
	maxTracks   = 64
)

// Live reports whether an epoch is open.
func (s *StreamState) Live() bool { return s.LastEpoch != 0 && !s.Ended && !s.Removed }

// NextEpoch returns the epoch that a publish starting at unixMilli claims.
func (s *StreamState) NextEpoch(unixMilli int64) Epoch {
	return max(Epoch(unixMilli), s.LastEpoch+1)
}

// Init returns the init segment with the given root.
func (s *StreamState) Init(root Root) (TracksAnnounced, bool) {
	for i := len(s.Tracks) - 1; i >= 0; i-- {
		if s.Tracks[i].Root == root {
			return s.Tracks[i], true
		}
	}
	return TracksAnnounced{}, false
}

// Apply folds the fact recorded at subject sequence seq into s. Facts already
// applied are passed over, so replaying is harmless.
func (s *StreamState) Apply(seq uint64, f StreamFact) {
	if seq <= s.Seq {
		return
	}
	s.Seq = seq
	switch f := f.(type) {
	case GenesisPublished:
		s.Name, s.Genesis, s.Removed = f.Name, f.Envelope, false
		s.Unlisted, s.Sensitive = f.Unlisted, f.Sensitive
	case RootRotated:
		s.Rotations = append(s.Rotations, f.Envelope)
	case SessionPublished:
		s.Sessions = keepLast(append(s.Sessions, f.Envelope), maxSessions)
	case PublishKeySet:
		s.Key = f.Key
	case EpochClaimed:
		s.LastEpoch, s.Instance, s.Ended, s.EndReason = f.Epoch, f.Instance, false, ""
	case TracksAnnounced:
		s.Tracks = keepLast(append(s.Tracks, f), maxTracks)
	case RenditionsClaimed:
		s.Renditions = f
	case EpochEnded:
		if f.Epoch == s.LastEpoch {
			s.Ended, s.EndReason = true, f.Reason
		}
	case StreamRemoved:
		s.Removed, s.Ended = true, true
	}
}

// Clone returns a copy that shares no slice headers with s.
func (s *StreamState) Clone() StreamState {
	c := *s
	c.Rotations = append([][]byte(nil), s.Rotations...)
	c.Sessions = append([][]byte(nil), s.Sessions...)
	c.Tracks = append([]TracksAnnounced(nil), s.Tracks...)
	return c
}

func keepLast[T any](s []T, n int) []T {
	if len(s) <= n {
		return s
	}
	return append([]T(nil), s[len(s)-n:]...)
}
