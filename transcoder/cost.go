package transcoder

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/internal/ffmpeg"
)

// What Cost encodes: two seconds of a moving test picture as a camera would send it.
const (
	sampleHeight  = 1080
	sampleSeconds = 2
)

// Cost measures how many processor cores a ladder takes for one stream of 1080 lines and 30
// pictures a second on this machine. The error is ffmpeg.ErrMissing where there is none.
func Cost(ctx context.Context, l Ladder, limits Limits) (cores float64, err error) {
	l = l.Below(sampleHeight + 1)
	if len(l) == 0 {
		return 0, nil
	}
	source, err := sample(ctx)
	if err != nil {
		return 0, err
	}
	c, err := startChild(ctx, l, false, limits)
	if err != nil {
		return 0, err
	}
	var g errgroup.Group
	g.Go(func() error {
		defer c.closeInput()
		return c.write(source)
	})
	for _, from := range c.outputs {
		g.Go(func() error {
			_, err := io.Copy(io.Discard, from)
			return err
		})
	}
	failed := g.Wait()
	if err := c.wait(); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, fmt.Errorf("encode a sample: %w", failed)
	}
	return c.CPUTime().Seconds() / sampleSeconds, nil
}

// sample makes the source that the ladder is measured with.
func sample(ctx context.Context) ([]byte, error) {
	program, err := ffmpeg.Find()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := program.Run(ctx, ffmpeg.Command{Stdout: &out, Args: []string{
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=1920x%d:rate=30", sampleHeight), "-t", strconv.Itoa(sampleSeconds),
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-pix_fmt", "yuv420p",
		"-movflags", "empty_moov+default_base_moof+frag_keyframe", "-f", "mp4", "pipe:1",
	}}); err != nil {
		return nil, fmt.Errorf("make a sample: %w", err)
	}
	return out.Bytes(), nil
}
