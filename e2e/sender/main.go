// Command sender publishes a test picture over Enhanced RTMP in real time, in codecs
// that Debian's ffmpeg cannot put into FLV. Browser tests drive it: it says what it
// does on standard output, one word a line, and takes its orders on standard input.
//
//	ready    the publish was accepted, and the first round begins
//	changed  an order "change" was followed: the next keyframe is of the other picture
//
// It publishes until standard input ends, so that it never outlives the test that
// started it.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

func main() {
	var e rtmptest.Encoding
	video := flag.String("video", "", "codec as its FourCC (avc1, hvc1, av01); none for sound only")
	audio := flag.String("audio", "", "codec as its FourCC (mp4a, Opus); none for picture only")
	flag.DurationVar(&e.Duration, "round", 2*time.Second, "length of the picture, which is repeated")
	flag.IntVar(&e.FPS, "fps", 30, "frames per second")
	flag.IntVar(&e.GOP, "gop", 0, "frames from one keyframe to the next; 0: one second of them")
	flag.IntVar(&e.BFrames, "bframes", 0, "B-frames between others")
	flag.IntVar(&e.Width, "width", 320, "pixels")
	flag.IntVar(&e.Height, "height", 180, "pixels")
	then := flag.String("then", "", "size of the other picture, as 640x360, for the order to change")
	flag.Parse()
	e.Video, e.Audio = media.Codec(*video), media.Codec(*audio)
	if err := run(e, *then, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "sender:", err)
		os.Exit(1)
	}
}

func run(e rtmptest.Encoding, then, url string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	clips := make([]*rtmptest.Clip, 1, 2)
	var err error
	if clips[0], err = rtmptest.Encode(ctx, e); err != nil {
		return err
	}
	if then != "" {
		if _, err := fmt.Sscanf(then, "%dx%d", &e.Width, &e.Height); err != nil {
			return fmt.Errorf("read the size %q: %w", then, err)
		}
		other, err := rtmptest.Encode(ctx, e)
		if err != nil {
			return err
		}
		clips = append(clips, other)
	}
	client, err := rtmptest.Dial(ctx, url, rtmptest.Options{})
	if err != nil {
		return err
	}
	orders := make(chan string)
	go listen(orders)
	if err := play(client, clips, orders); err != nil {
		_ = client.Abandon()
		return err
	}
	return client.Close()
}

// listen reads orders until standard input ends.
func listen(orders chan<- string) {
	defer close(orders)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		orders <- in.Text()
	}
}

// play sends one round after another; the clip changes between rounds only, because
// a round begins with a keyframe.
func play(client *rtmptest.Client, clips []*rtmptest.Clip, orders <-chan string) error {
	fmt.Println("ready")
	begin := time.Now()
	var now int
	var offset event.Ticks
	change := true // a configuration goes first
	for {
		clip := clips[now]
		if change {
			if err := client.Configs(clip, offset); err != nil {
				return err
			}
			change = false
		}
		for _, u := range clip.Round(offset) {
			due := time.NewTimer(time.Until(begin.Add(u.DTS.Duration())))
		wait:
			for {
				select {
				case <-due.C:
					break wait
				case order, more := <-orders:
					if !more {
						return nil
					}
					change = order == "change" && len(clips) > 1
				case <-client.Done():
					return fmt.Errorf("the server ended the publish: %w", client.Status())
				}
			}
			if err := client.Push(u.Codec, u.AccessUnit); err != nil {
				return err
			}
		}
		offset += clip.Length()
		if change {
			now = (now + 1) % len(clips)
			fmt.Println("changed")
		}
	}
}
