package swarm

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// trace is what one node is told, and what it does about it.
type trace struct {
	What   string      `json:"what"`
	Config traceConfig `json:"config"`
	Steps  []traceStep `json:"steps"`
}

type traceConfig struct {
	ID       string            `json:"id"`
	Role     string            `json:"role"`
	Up       int64             `json:"up"` // -1: no bound
	Wants    []event.Rendition `json:"wants"`
	NoOrigin bool              `json:"no_origin"`
	Random   uint32            `json:"random"`
	Tuning   Tuning            `json:"tuning"` // times in nanoseconds
}

type traceStep struct {
	At      int64            `json:"at_ms"`
	Input   map[string]any   `json:"input"`
	Effects []map[string]any `json:"effects"`
}

// traceInput is an input with every field that one can have.
type traceInput struct {
	Do                 string
	Conn               Conn
	Outbound           bool
	Message            traceMessage
	R                  event.Rendition
	Epoch              event.Epoch
	N                  uint64
	PTS                event.Ticks
	PlayMs             int64 `json:"play_ms"`
	Up                 int64
	Size, First, Count int
}

// traceMessage is a message with every field that one can have.
type traceMessage struct {
	Type, ID, Role   string
	Stream           event.StreamID
	Version          uint8
	Leaf, Urgent     bool
	Up               uint32
	R                event.Rendition
	Epoch            event.Epoch
	N                uint64
	Count, Index     int
	Data, Verdict    string
	Blocks           []int
	Lanes            LaneMask
	Depth, Branch    []uint8
	Spare            uint16
	Least            uint32
	Open             LaneMask
	Limit            uint64
	Token            uint32
	Size             int64
	MSN, Part        uint64
	Key, Gap         bool
	PTS, Dur         event.Ticks
	Total, Offset    int
	From, To, Body   string
	Root, Payload    string
	Leaves, KeyID    any
	Sig, Hints, Reas any
}

func (m *traceMessage) key() Key { return Key{m.R, event.Position{Epoch: m.Epoch, N: m.N}} }

func (m *traceMessage) head() *Head {
	h := &Head{Entry: manifest.Entry{
		V: 1, Stream: rigStream, R: m.R, Epoch: m.Epoch, N: m.N, Issued: 1, MSN: m.MSN, Part: m.Part,
		Key: m.Key, PTS: m.PTS, Dur: m.Dur, Size: m.Size, Gap: m.Gap,
	}}
	h.Sig[0] = byte(slices.Index([]string{"genuine", "false", "old"}, m.Verdict))
	h.Leaves = make([][32]byte, h.Blocks())
	return h
}

// message makes a message of its form in JSON.
func (m *traceMessage) message(t *testing.T, sizes map[Key]*Head) Message {
	switch m.Type {
	case "Hello":
		id, err := hex.DecodeString(m.ID)
		if err != nil {
			t.Fatal(err)
		}
		return &Hello{m.Version, m.Stream, PeerID(id), Role(slices.Index([]string{"viewer", "seed", "edge"}, m.Role)), m.Leaf, m.Up}
	case "Head":
		h := m.head()
		sizes[h.Key()] = h
		return h
	case "Block":
		b := block(sizes[m.key()], m.Index)
		if m.Data == "false" {
			b.Data[0] ^= 1
		}
		return b
	case "Have":
		return &Have{m.key(), m.Count}
	case "Want":
		return &Want{m.key(), mask(m.Blocks...)}
	case "Cancel":
		return &Cancel{m.key(), mask(m.Blocks...)}
	case "Deny":
		return &Deny{m.key(), mask(m.Blocks...)}
	case "GetHeads":
		return &GetHeads{m.key(), m.Count}
	case "Subscribe":
		return &Subscribe{m.R, m.Lanes, m.Urgent}
	case "Grant":
		return &Grant{m.R, m.Lanes}
	case "State":
		return &State{m.R, [allLanes]uint8(m.Depth), [allLanes]uint8(m.Branch), m.Spare, m.Least, m.Open}
	case "Credit":
		return &Credit{m.Limit}
	case "Pong":
		return &Pong{m.Token}
	case "Drain":
		return &Drain{}
	}
	t.Fatalf("a trace with a message of kind %q", m.Type)
	return nil
}

// shown is fields, with heads and blocks shortened to the rules that make them.
func shown(m Message) map[string]any {
	switch m := m.(type) {
	case *Head:
		e := &m.Entry
		f := map[string]any{
			"type": "Head", "r": e.R, "epoch": e.Epoch, "n": e.N, "size": e.Size, "msn": e.MSN, "part": e.Part,
			"key": e.Key, "pts": e.PTS, "dur": e.Dur, "verdict": []string{"genuine", "false", "old"}[m.Sig[0]],
		}
		if e.Gap {
			f["gap"] = true
		}
		return f
	case *Block:
		return map[string]any{"type": "Block", "r": m.R, "epoch": m.Epoch, "n": m.N, "index": m.Index, "data": "genuine"}
	}
	return fields(m)
}

// player plays a trace to a node.
type player struct {
	t     *testing.T
	n     *Node
	sizes map[Key]*Head
	trace trace
	now   int64
	token map[Conn]uint32 // of the pings that wait
}

func newPlayer(t *testing.T, c traceConfig) *player {
	id, err := hex.DecodeString(c.ID)
	if err != nil {
		t.Fatal(err)
	}
	up := c.Up
	if up < 0 {
		up = Unlimited
	}
	return &player{t: t, sizes: map[Key]*Head{}, trace: trace{Config: c}, token: map[Conn]uint32{}, n: New(Config{
		Stream: rigStream, ID: PeerID(id), Role: Role(slices.Index([]string{"viewer", "seed", "edge"}, c.Role)),
		Verifier: rigVerifier{}, Wants: c.Wants, Up: up, NoOrigin: c.NoOrigin, Random: c.Random, Tuning: c.Tuning,
	})}
}

// step gives the node one input and returns what it does.
func (p *player) step(at int64, input map[string]any) []map[string]any {
	p.t.Helper()
	var in traceInput
	text, err := json.Marshal(input)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &in); err != nil {
		p.t.Fatal(err)
	}
	now, n := time.Duration(at)*time.Millisecond, p.n
	pos := event.Position{Epoch: in.Epoch, N: in.N}
	switch in.Do {
	case "connected":
		n.Connected(now, in.Conn, Info{Outbound: in.Outbound})
	case "closed":
		n.Closed(now, in.Conn)
	case "receive":
		n.Receive(now, in.Conn, in.Message.message(p.t, p.sizes))
	case "tick":
		n.Tick(now)
	case "add", "add_head":
		h := in.Message.head()
		p.sizes[h.Key()] = h
		if in.Do == "add" {
			n.Add(now, h, rigData(h), FromOrigin)
		} else {
			n.AddHead(now, h)
		}
	case "follow":
		n.Follow(now, in.R, pos)
	case "play":
		n.Play(now, in.R, in.Epoch, in.PTS, time.Duration(in.PlayMs)*time.Millisecond)
	case "set_up":
		n.SetUp(now, in.Up)
	case "set_swarm":
		n.SetSwarm(in.Size)
	case "drain":
		n.Drain(now)
	case "fetched":
		data := rigData(p.sizes[Key{in.R, pos}])[in.First*event.BlockSize:]
		n.Fetched(now, Key{in.R, pos}, in.First, data[:min(len(data), in.Count*event.BlockSize)])
	case "fetch_failed":
		n.FetchFailed(now, Key{in.R, pos})
	default:
		p.t.Fatalf("a trace with the input %q", in.Do)
	}
	return p.effects(n.Effects())
}

func (p *player) effects(e *Effects) []map[string]any {
	out := []map[string]any{}
	named := func(kind string, k Key) map[string]any {
		return map[string]any{"do": kind, "r": k.R, "epoch": k.Epoch, "n": k.N}
	}
	for _, s := range e.Send {
		if ping, ok := s.Msg.(*Ping); ok {
			p.token[s.To] = ping.Token
		}
		out = append(out, map[string]any{"do": "send", "conn": s.To, "message": shown(s.Msg)})
	}
	for _, d := range e.Drop {
		out = append(out, map[string]any{"do": "drop", "conn": d.Conn, "reason": uint8(d.Reason), "bans": d.Reason.Bans()})
	}
	for _, h := range e.Heads {
		out = append(out, named("head", h.Key()))
	}
	for _, pc := range e.Pieces {
		f := named("piece", pc.Head.Key())
		f["bytes"], f["duplicate"], f["rejected"] = pc.Bytes, pc.Duplicate, pc.Rejected
		out = append(out, f)
	}
	for _, x := range e.Fetch {
		f := named("fetch", x.Head.Key())
		f["first"], f["last"] = x.First, x.Last
		out = append(out, f)
	}
	for _, d := range e.Dial {
		out = append(out, map[string]any{"do": "dial", "id": hex.EncodeToString(d.ID[:])})
	}
	return out
}

// do records one input; wait records the ticks that are due until then.
func (p *player) do(input map[string]any) {
	p.t.Helper()
	effects := p.step(p.now, input)
	p.trace.Steps = append(p.trace.Steps, traceStep{p.now, input, effects})
}

func (p *player) wait(ms int64) {
	p.t.Helper()
	until := p.now + ms
	for range 10_000 {
		wake := int64((p.n.Wake() + time.Millisecond - 1) / time.Millisecond)
		if wake > until {
			p.now = until
			return
		}
		p.now = max(p.now, wake)
		p.do(map[string]any{"do": "tick"})
	}
	p.t.Fatal("it wants to be woken for ever")
}

// write writes a trace with one step a line.
func (tr *trace) write(t *testing.T, path string) {
	var b bytes.Buffer
	line := func(v any) []byte {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	fmt.Fprintf(&b, "{\"what\": %s,\n \"config\": %s,\n \"steps\": [\n", line(tr.What), line(tr.Config))
	for i, s := range tr.Steps {
		b.WriteString("  ")
		b.Write(line(s))
		if i < len(tr.Steps)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString(" ]}\n")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTracesOfTheSchedulerHold(t *testing.T) {
	for name, script := range traceScripts {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", "traces", name+".json")
			if *update {
				p := newPlayer(t, script.config)
				p.trace.What = script.what
				script.run(p)
				p.trace.write(t, path)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var tr trace
			if err := json.Unmarshal(text, &tr); err != nil {
				t.Fatal(err)
			}
			p := newPlayer(t, tr.Config)
			for i, s := range tr.Steps {
				got := p.step(s.At, s.Input)
				if a, b := asJSON(t, got), asJSON(t, s.Effects); a != b {
					t.Fatalf("step %d, at %d ms, input %v:\n got %s\nwant %s", i, s.At, s.Input, a, b)
				}
			}
		})
	}
}
