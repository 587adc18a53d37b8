package srt_test

import (
	"strings"
	"testing"

	"github.com/shoalcast/shoal/ingest/srt"
)

// Publishers may write the stream id in either form, with keys in any order and what
// would be mistaken percent-escaped.
func TestStreamIDs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want srt.StreamID
		ok   bool
	}{
		{"#!::r=camera,m=publish,s=k", srt.StreamID{Name: "camera", Key: "k"}, true},
		{"#!::s=k,u=ann,m=publish,r=live/camera", srt.StreamID{Name: "camera", Key: "k", User: "ann"}, true},
		{"#!::m=publish,r=a%2Cb,s=x%3Dy+z%25", srt.StreamID{Name: "a,b", Key: "x=y+z%"}, true},
		{"#!::r=camera,m=publish,t=stream,h=host,x=1", srt.StreamID{Name: "camera"}, true},
		{"%23%21%3A%3Ar%3Dcamera%2Cm%3Dpublish%2Cs%3Dk", srt.StreamID{Name: "camera", Key: "k"}, true},
		{"camera?key=k", srt.StreamID{Name: "camera", Key: "k"}, true},
		{"live/camera?a=b&key=a%26b", srt.StreamID{Name: "camera", Key: "a&b"}, true},
		{"camera%3Fkey%3Dk", srt.StreamID{Name: "camera", Key: "k"}, true},
		{"camera", srt.StreamID{Name: "camera"}, true},
		{"#!::r=camera,m=publish,s=k,program=2", srt.StreamID{Name: "camera", Key: "k", Program: 2}, true},
		{"camera?key=k&program=65535", srt.StreamID{Name: "camera", Key: "k", Program: 65535}, true},
		{"camera?program=7&key=k", srt.StreamID{Name: "camera", Key: "k", Program: 7}, true},
		{"#!::r=camera,m=publish,s=k,program=", srt.StreamID{}, false},
		{"#!::r=camera,m=publish,s=k,program=two", srt.StreamID{}, false},
		{"camera?key=k&program=0", srt.StreamID{}, false}, // the network's own table
		{"camera?key=k&program=65536", srt.StreamID{}, false},
		{"camera?key=k&program=-1", srt.StreamID{}, false},
		{"camera?program=1&program=2", srt.StreamID{}, false},
		{"", srt.StreamID{}, false},
		{"?key=k", srt.StreamID{}, false},
		{"live/", srt.StreamID{}, false},
		{"#!::", srt.StreamID{}, false},
		{"#!::r=camera", srt.StreamID{}, false},           // asks to be sent something
		{"#!::r=camera,m=request", srt.StreamID{}, false}, // likewise
		{"#!::r=camera,m=bidirectional,s=k", srt.StreamID{}, false},
		{"#!::r=camera,m=publish,t=file", srt.StreamID{}, false},
		{"#!::r=camera,r=other,m=publish", srt.StreamID{}, false},
		{"#!::r=camera,m=publish,", srt.StreamID{}, false},
		{"#!::r=%zz,m=publish", srt.StreamID{}, false},
		{"#!:{r=camera,m=publish}", srt.StreamID{}, false},
		{"#!r=camera,s=k", srt.StreamID{}, false},
		{"came\nra?key=k", srt.StreamID{}, false},
		{"came%0Ara?key=k", srt.StreamID{}, false},
		{"#!::r=a%ff,m=publish", srt.StreamID{}, false},
		{strings.Repeat("a", 513), srt.StreamID{}, false},
	} {
		got, err := srt.ParseStreamID(tt.in)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%q: %+v, %v", tt.in, got, err)
		}
	}
}

// Whatever a stranger sends is read without a panic, and what is read is fit for a log.
func FuzzStreamID(f *testing.F) {
	for _, s := range []string{"#!::r=camera,m=publish,s=k", "camera?key=k", "%23%21%3A%3Ar%3Da", "#!:{", "a%", "#!::r=%2Flive/,m=publish", "a?program=1&key=b", "#!::program=2,r=a,m=publish"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := srt.ParseStreamID(s)
		if err != nil {
			if id != (srt.StreamID{}) {
				t.Errorf("%q: an error, and %+v", s, id)
			}
			return
		}
		if id.Name == "" || len(id.Name)+len(id.Key)+len(id.User) > 512 || strings.ContainsAny(id.Name+id.Key+id.User, "\x00\n\r\x7f") {
			t.Errorf("%q: %+v", s, id)
		}
	})
}
