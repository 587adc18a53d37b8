package chdb

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestTheLibraryIsFoundOrASentenceSaysWhatToDo(t *testing.T) {
	want := pin{version: "1.2", size: 10}
	const cached = "/cache/shoal/chdb/1.2/libchdb.so"
	for _, c := range []struct {
		name  string
		named string
		files map[string]int64
		path  string
		says  string // part of the error
	}{
		{"it is where set-up puts it", "", map[string]int64{cached: 10}, cached, ""},
		{"it is nowhere", "", nil, "", "run `make setup`, or set SHOAL_CHDB to its path"},
		{"a part of it is there", "", map[string]int64{cached: 9}, "", "has 9 bytes instead of 10: remove it and run `make setup`"},
		{"somebody names it", "/mine.so", map[string]int64{"/mine.so": 3, cached: 10}, "/mine.so", ""},
		{"what somebody names is not there", "/mine.so", map[string]int64{cached: 10}, "", "SHOAL_CHDB names /mine.so, which cannot be used"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, err := locate(c.named, "/cache", want, func(path string) (int64, error) {
				if n, ok := c.files[path]; ok {
					return n, nil
				}
				return 0, fs.ErrNotExist
			})
			switch {
			case path != c.path:
				t.Errorf("found %q, want %q (%v)", path, c.path, err)
			case c.says != "" && (!errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n")):
				t.Errorf("the error is %v, want one with %q", err, c.says)
			}
		})
	}
}

func TestADirectoryIsNoLibrary(t *testing.T) {
	if _, err := Find(t.TempDir()); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestThePinIsWhole(t *testing.T) {
	p := readPin(librarySum)
	if p.version == "" || p.size < 1<<20 {
		t.Errorf("it says %+v", p)
	}
	digest := regexp.MustCompile(`(?m)^integrity sha512-(\S+)$`).FindStringSubmatch(librarySum)
	if digest == nil {
		t.Fatal("there is no SHA-512 of the package")
	}
	if sum, err := base64.StdEncoding.DecodeString(digest[1]); err != nil || len(sum) != 64 {
		t.Errorf("%s is no SHA-512", digest[1])
	}
	if !regexp.MustCompile(`(?m)^sha256 [0-9a-f]{64}$`).MatchString(librarySum) {
		t.Error("there is no SHA-256 of the library")
	}
	path, err := Find(os.Getenv("SHOAL_CHDB"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := size(path); err != nil || os.Getenv("SHOAL_CHDB") == "" && n != p.size {
		t.Errorf("%s has %d bytes, %v", path, n, err)
	}
}
