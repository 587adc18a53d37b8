package libsrt

import (
	"errors"
	"strings"
	"testing"
)

// Without the library, the error says what to install.
func TestWithoutTheLibraryTheErrorSaysWhatToInstall(t *testing.T) {
	was := names
	defer func() { names = was }()
	names = []string{"libsrt-that-nobody-has.so"}
	err := new(Library).load()
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "apt-get install libsrt1.5-openssl") {
		t.Errorf("the error is %v", err)
	}
}
