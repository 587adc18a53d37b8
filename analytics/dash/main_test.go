package dash_test

import (
	"os"
	"testing"

	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
)

func TestMain(m *testing.M) { os.Exit(chdbtest.Main(m)) }
