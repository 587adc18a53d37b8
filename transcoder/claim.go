package transcoder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
)

const (
	// silence is how long nothing may come of who has claimed a stream's renditions before
	// somebody else makes them: less than what has the origin withdraw them.
	silence = 2 * time.Second
	// claimTries is how often other facts of the stream may come in between.
	claimTries = 8
)

// rival watches whether who has claimed renditions makes them.
type rival struct {
	claim event.RenditionsClaimed
	last  event.Position // of its pieces, as last seen
	since time.Time      // when that was new
}

// works reports whether it does, by the newest piece that there is of a rendition.
func (r *rival) works(claim event.RenditionsClaimed, last event.Position, now time.Time) bool {
	if claim != r.claim || last != r.last {
		*r = rival{claim, last, now}
	}
	return now.Sub(r.since) < silence
}

// claim reports whether this service is to make the renditions of an epoch: it has claimed
// them, or does so now as nobody else does or who did makes none any more.
func (j *job) claim(ctx context.Context, epoch event.Epoch, first event.Rendition) (bool, error) {
	state, _ := j.current()
	for range claimTries {
		held := state.Renditions
		switch {
		case held.Epoch > epoch:
			return false, nil // it is over
		case held.Epoch < epoch || held.Instance == "" || j.opts.Instance.Succeeds(held.Instance):
			// Nobody's, or an earlier run's of this node.
		case held.Instance == j.opts.Instance:
			return true, nil
		default:
			last, err := j.opts.Bus.LastPiece(ctx, j.id, first)
			if err != nil {
				return false, err
			}
			if j.rival.works(held, last, time.Now()) {
				return false, nil
			}
			j.log.Warn("another transcoder makes no renditions any more: they are taken over", "from", held.Instance)
		}
		seq, err := j.opts.Bus.AppendStreamFact(ctx, j.id, event.RenditionsClaimed{Epoch: epoch, Instance: j.opts.Instance}, state.Seq)
		if err == nil {
			j.claimed = seq
			return true, nil
		}
		if !errors.Is(err, bus.ErrConflict) {
			return false, fmt.Errorf("claim renditions: %w", err)
		}
		if state, err = j.opts.Bus.StreamState(ctx, j.id); err != nil {
			return false, fmt.Errorf("read stream %s: %w", j.id, err)
		}
	}
	return false, nil
}

// yield stops the encoder where another transcoder has claimed what it makes.
func (j *job) yield(state event.StreamState) {
	claim := state.Renditions
	if j.run == nil || state.Seq < j.claimed || claim.Epoch != j.run.epoch || claim.Instance == j.opts.Instance || claim.Instance == "" {
		return
	}
	j.log.Warn("another transcoder has taken the renditions over", "by", claim.Instance)
	j.run.stop()
	<-j.run.ended
	j.last, j.run = j.run.ended, nil
}

// release gives up what is claimed, so that nobody waits to take it over. Where that cannot be
// said in time, silence says it.
func (j *job) release(ctx context.Context) {
	state, _ := j.current()
	claim := state.Renditions
	if !state.Live() || claim.Epoch != state.LastEpoch || claim.Instance != j.opts.Instance {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hurried)
	defer cancel()
	if _, err := j.opts.Bus.AppendStreamFact(ctx, j.id, event.RenditionsClaimed{Epoch: claim.Epoch}, state.Seq); err != nil {
		j.log.Info("the renditions could not be given up, and are taken over later", obs.KeyError, err)
	}
}
