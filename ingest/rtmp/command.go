package rtmp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/rtmp/amf"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
)

// Levels and codes of onStatus.
const (
	levelStatus = "status"
	levelError  = "error"

	codeStart     = "NetStream.Publish.Start"
	codeBadName   = "NetStream.Publish.BadName"
	codeFailed    = "NetStream.Publish.Failed"
	codeUnpublish = "NetStream.Unpublish.Success"
	codeNoPlay    = "NetStream.Play.Failed"
)

// codeOf names a fault: of a publish that was accepted, or of one that was not.
func codeOf(p *publish) string {
	if p != nil {
		return codeFailed
	}
	return codeBadName
}

// maxStreams bounds createStream on a connection.
const maxStreams = 16

// command handles a command message (section 7.2): its name, the transaction, the
// command object and arguments.
func (c *conn) command(ctx context.Context, streamID uint32, payload []byte) error {
	vs, err := amf.Decode(payload)
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	name, ok := arg[string](vs, 0)
	if !ok {
		return protocol("a command without a name")
	}
	transaction, _ := arg[float64](vs, 1)
	if !c.connected && name != "connect" {
		return protocol("command %.40q before connect", name)
	}
	switch name {
	case "connect":
		return c.connect(transaction, vs)
	case "createStream":
		if c.streams >= maxStreams {
			return c.answer("_error", transaction, nil, info(levelError, "NetConnection.Call.Failed", "Too many streams"))
		}
		c.streams++
		return c.answer("_result", transaction, nil, float64(c.streams))
	case "releaseStream", "FCPublish", "_checkbw":
		return c.answer("_result", transaction, nil)
	case "publish":
		return c.publish(ctx, streamID, vs)
	case "FCUnpublish":
		return c.unpublish()
	case "closeStream":
		if c.pub != nil && c.pub.streamID == streamID {
			return c.unpublish()
		}
		return nil
	case "deleteStream":
		if id, _ := arg[float64](vs, 3); c.pub != nil && uint32(id) == c.pub.streamID {
			return c.unpublish()
		}
		return nil
	case "play", "play2":
		return c.status(streamID, levelError, codeNoPlay, "This server only takes streams by RTMP; watch them by HTTP")
	case "_result", "_error", "onStatus":
		return nil
	}
	if transaction == 0 {
		return nil
	}
	return c.answer("_error", transaction, nil, info(levelError, "NetConnection.Call.Failed", "This server does not know the command"))
}

func arg[T any](vs []amf.Value, i int) (T, bool) {
	var zero T
	if i >= len(vs) {
		return zero, false
	}
	v, ok := vs[i].(T)
	return v, ok
}

func (c *conn) connect(transaction float64, vs []amf.Value) error {
	if c.connected {
		return protocol("a second connect")
	}
	if len(vs) < 3 || amf.Properties(vs[2]) == nil {
		return protocol("connect without its object")
	}
	c.connected = true
	c.app, c.tcURL = amf.String(vs[2], "app"), amf.String(vs[2], "tcUrl")
	c.encoder = clip(amf.String(vs[2], "flashVer"), 128)
	c.sent = windowAckSize
	if err := c.out.Control(chunk.TypeWindowAckSize, windowAckSize); err != nil {
		return err
	}
	const dynamic = 2
	peerBandwidth := []byte{windowAckSize >> 24, windowAckSize >> 16 & 0xFF, windowAckSize >> 8 & 0xFF, windowAckSize & 0xFF, dynamic}
	if err := c.out.Write(2, chunk.Message{Type: chunk.TypeSetPeerBandwidth, Payload: peerBandwidth}); err != nil {
		return err
	}
	if err := c.out.SetSize(ownChunkSize); err != nil {
		return err
	}
	success := append(info(levelStatus, "NetConnection.Connect.Success", "Connection succeeded."),
		amf.Property{Name: "objectEncoding", Value: 0.0})
	return c.answer("_result", transaction, capabilities(), success)
}

// capabilities says what the server understands (E-RTMP v2, "Enhancing NetConnection
// connect Command"). fmsVer and capabilities are what encoders expect to find.
func capabilities() amf.Object {
	const (
		canForward = 4

		multitrack, modEx, timestampNanoOffset = 2, 4, 8
	)
	return amf.Object{
		{Name: "fmsVer", Value: "FMS/3,0,1,123"},
		{Name: "capabilities", Value: 31.0},
		{Name: "fourCcList", Value: amf.StrictArray{"av01", "hvc1", "avc1", "Opus", "mp4a"}},
		{Name: "videoFourCcInfoMap", Value: amf.Object{
			{Name: "av01", Value: float64(canForward)},
			{Name: "hvc1", Value: float64(canForward)},
			{Name: "avc1", Value: float64(canForward)},
		}},
		{Name: "audioFourCcInfoMap", Value: amf.Object{
			{Name: "Opus", Value: float64(canForward)},
			{Name: "mp4a", Value: float64(canForward)},
		}},
		{Name: "capsEx", Value: float64(multitrack | modEx | timestampNanoOffset)},
	}
}

func (c *conn) publish(ctx context.Context, streamID uint32, vs []amf.Value) error {
	raw, ok := arg[string](vs, 3)
	if !ok || len(raw) > maxName {
		return protocol("publish without a name of at most %d bytes", maxName)
	}
	if c.pub != nil {
		return protocol("a second publish on one connection")
	}
	if streamID == 0 || streamID > c.streams {
		return protocol("publish on stream %d, which was not created", streamID)
	}
	r := Request{Remote: c.wire.RemoteAddr().String(), Encoder: c.encoder}
	r.App, r.Name, r.Key = parseName(raw, c.app, c.tcURL)
	actx, cancel := context.WithDeadlineCause(ctx, c.wire.until,
		errors.New("the decision took longer than a connection may take to set up"))
	defer cancel()
	sink, err := c.server.authorize(actx, r)
	if err != nil {
		return refused(CauseRefused, fmt.Sprintf("publish %q to %q", shown(r.Name), shown(r.App)), err)
	}
	c.begin(streamID, r, sink)
	if err := c.event(eventStreamBegin, streamID); err != nil {
		return err
	}
	return c.status(streamID, levelStatus, codeStart, "Publishing "+shown(r.Name))
}

func (c *conn) begin(streamID uint32, r Request, sink Sink) {
	c.pub = &publish{
		sink: sink, request: r, streamID: streamID,
		log:     c.log().With("app", shown(r.App), "name", shown(r.Name)),
		metrics: c.server.metrics,
		rates:   newRates(c.server.limits),
		started: time.Now(),
	}
	c.pub.clock.Bits = 32
	c.pub.log.Info("a publish began", "encoder", r.Encoder)
	c.server.metrics.Publishers.Inc()
	c.server.table.publishing(c.place, true)
	c.in.SetLimits(c.server.limits.publishing())
	c.in.Grow(mediaBuffer)
	c.wire.expectMedia(c.server.limits.Idle)
}

// unpublish ends the publish because the publisher says so; the connection may
// begin another.
func (c *conn) unpublish() error {
	if c.pub == nil {
		return nil
	}
	id := c.pub.streamID
	c.endPublish(nil)
	l := c.server.limits
	c.readBefore = c.wire.read
	c.in.SetLimits(l.setup())
	c.wire.expect("publish", time.Now().Add(l.Setup))
	c.server.table.publishing(c.place, false)
	return c.status(id, levelStatus, codeUnpublish, "Unpublished")
}

func (c *conn) endPublish(f *fault) {
	p := c.pub
	c.pub = nil
	c.server.metrics.Publishers.Dec()
	p.end(f)
}

func info(level, code, description string) amf.Object {
	return amf.Object{
		{Name: "level", Value: level},
		{Name: "code", Value: code},
		{Name: "description", Value: description},
	}
}

func (c *conn) status(streamID uint32, level, code, description string) error {
	return c.send(5, streamID, "onStatus", 0.0, nil, info(level, code, clip(description, 1024)))
}

func (c *conn) answer(name string, transaction float64, values ...amf.Value) error {
	return c.send(3, 0, append([]amf.Value{name, transaction}, values...)...)
}

func (c *conn) send(chunkStream, streamID uint32, values ...amf.Value) error {
	b, err := amf.Append(nil, values...)
	if err != nil {
		return err
	}
	return c.out.Write(chunkStream, chunk.Message{Type: chunk.TypeCommandAMF0, StreamID: streamID, Payload: b})
}

// shown is what may be logged or sent of the name or application that a publisher
// gave: only the beginning that can be one, since many a mistake, such as
// name&key=KEY, puts the key behind it.
func shown(s string) string {
	if name := event.NamePrefix(s); name != s {
		return name + "…"
	}
	return s
}

// clip shortens text from outside before it is logged or sent on.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
