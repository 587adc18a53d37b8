package analytics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/bus"
)

// leaseName is the sink under which holders of the schema's lease are recorded.
const leaseName = "schema"

const (
	leaseLife  = 30 * time.Second
	leaseRenew = leaseLife / 3
	leaseLook  = time.Second
)

// lease is who may change the schema, as it stands on the bus.
type lease struct {
	Holder string    `json:"holder"` // "": nobody
	Until  time.Time `json:"until"`  // by the holder's clock
}

// underLease calls do while nobody else with the same bus does: the record of who may is exchanged by compare-and-set. A holder
// that died is waited for until its time is over; do's context ends when the lease cannot be renewed.
func underLease(ctx context.Context, b Bus, holder string, do func(context.Context) error) error {
	seq, err := acquire(ctx, b, holder)
	if err != nil {
		return err
	}
	work, lost := context.WithCancelCause(ctx)
	done := make(chan struct{})
	renewed := make(chan uint64, 1)
	go func() {
		tick := time.NewTicker(leaseRenew)
		defer tick.Stop()
		for {
			select {
			case <-done:
				renewed <- seq
				return
			case <-tick.C:
				next, err := record(ctx, b, lease{holder, time.Now().Add(leaseLife)}, seq)
				if err != nil {
					lost(fmt.Errorf("keep the lease of the schema: %w", err))
					renewed <- 0
					return
				}
				seq = next
			}
		}
	}()
	err = do(work)
	close(done)
	if seq := <-renewed; seq != 0 {
		// Who waits then needs not wait until it ends.
		if _, e := record(ctx, b, lease{}, seq); e != nil && err == nil {
			err = e
		}
	}
	lost(nil)
	if cause := context.Cause(work); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return errors.Join(err, cause)
	}
	return err
}

// acquire waits until the lease is free, and takes it.
func acquire(ctx context.Context, b Bus, holder string) (seq uint64, err error) {
	for {
		state, seq, err := b.LastSinkState(ctx, leaseName)
		if err != nil {
			return 0, err
		}
		var l lease
		if seq != 0 {
			if err := json.Unmarshal(state, &l); err != nil {
				return 0, fmt.Errorf("read who changes the schema: %w", err)
			}
		}
		if l.Holder == "" || l.Holder == holder || time.Now().After(l.Until) {
			seq, err := record(ctx, b, lease{holder, time.Now().Add(leaseLife)}, seq)
			if !errors.Is(err, bus.ErrConflict) {
				return seq, err
			}
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(leaseLook):
		}
	}
}

func record(ctx context.Context, b Bus, l lease, expect uint64) (uint64, error) {
	state, err := json.Marshal(l)
	if err != nil {
		return 0, fmt.Errorf("encode the lease of the schema: %w", err)
	}
	return b.AppendSinkState(ctx, leaseName, state, expect, fmt.Sprintf("%s %s %d", leaseName, l.Holder, expect))
}
