package ffmpeg

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// orphanage makes the test's program a parent that starts a child and waits to be killed.
const orphanage = "SHOAL_FFMPEG_ORPHANAGE"

func TestMain(m *testing.M) {
	if os.Getenv(orphanage) != "" {
		leaveAnOrphan()
	}
	goleak.VerifyTestMain(m)
}

// leaveAnOrphan prints the child's process id.
func leaveAnOrphan() {
	p, err := Find()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	child, err := p.Start(context.Background(), Command{Args: forever()})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(child.PID())
	_ = child.Wait()
}
