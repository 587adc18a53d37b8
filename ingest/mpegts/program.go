package mpegts

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/asticode/go-astits"

	"github.com/shoalcast/shoal/ingest/media"
)

// tables is what the stream says of its programs.
type tables struct {
	pat      sections
	version  int // of the PAT; -1 before the first
	parts    map[byte][]byte
	wanted   int // how many parts the PAT has
	programs []*program
	byPID    map[uint16]*sections // of PMTs
	chosen   *program
}

// program is one entry of the PAT.
type program struct {
	number uint16
	pid    uint16
	raw    []byte // its PMT's section; nil before the first
	tracks [2]*found
}

// found is a track in a PMT.
type found struct {
	pid    uint16
	codec  media.Codec
	latm   bool
	record []byte // of Opus: what descriptors say
}

func newTables() tables {
	return tables{version: -1, parts: map[byte][]byte{}, byPID: map[uint16]*sections{}}
}

func (t *tables) sections(pid uint16) *sections {
	if pid == 0 {
		return &t.pat
	}
	return t.byPID[pid]
}

// section takes a section of a PAT or PMT. Most are repeats of the one before.
func (d *Demuxer) section(pid uint16, b []byte) {
	const least = 8 + 4 // header and checksum
	if len(b) < least || b[1]&0x80 == 0 || b[5]&1 == 0 {
		return // no table with versions, or one that holds later
	}
	if pid == 0 && b[0] != tablePAT || pid != 0 && b[0] != tablePMT {
		return
	}
	known := d.tables.parts[b[6]]
	var of *program
	if pid != 0 {
		number := binary.BigEndian.Uint16(b[3:])
		for _, p := range d.tables.programs {
			if p.pid == pid && p.number == number {
				of = p
			}
		}
		if of == nil {
			return
		}
		known = of.raw
	}
	if bytes.Equal(known, b) {
		return
	}
	if crc(b) != 0 {
		d.warnings.Add(d.now, BadTable, "a table with a wrong checksum was dropped")
		return
	}
	data, err := readSection(b)
	if err != nil {
		d.warnings.Add(d.now, BadTable, "a table was dropped: %v", err)
		return
	}
	if of == nil {
		d.programs(b, data.PAT)
	} else {
		of.raw = bytes.Clone(b)
		d.readTracks(of, data.PMT)
	}
	d.choose()
}

// programs takes a section of the PAT. Programs that are still there keep what is
// known of them.
func (d *Demuxer) programs(b []byte, pat *astits.PATData) {
	t := &d.tables
	version := int(b[5] >> 1 & 31)
	var before []*program
	if version != t.version || t.parts[b[6]] != nil {
		before, t.programs = t.programs, nil
		t.version, t.parts = version, map[byte][]byte{}
		d.packets = 0
	}
	t.parts[b[6]] = bytes.Clone(b)
	t.wanted = int(b[7]) + 1
	for _, e := range pat.Programs {
		if e.ProgramNumber == 0 || len(t.programs) >= maxPrograms { // 0 is the network's table
			continue
		}
		p := &program{number: e.ProgramNumber, pid: e.ProgramMapID}
		for _, o := range before {
			if o.number == p.number && o.pid == p.pid {
				p = o
			}
		}
		t.programs = append(t.programs, p)
	}
	of := map[uint16]*sections{}
	for _, p := range t.programs {
		if of[p.pid] = t.byPID[p.pid]; of[p.pid] == nil {
			of[p.pid] = &sections{}
		}
	}
	t.byPID = of
	if int(b[7]) == int(b[6]) && t.chosen != nil && !slices.Contains(t.programs, t.chosen) {
		// The same program with its table on another PID is the same to a viewer; its
		// tracks go on until the new table is there.
		t.chosen = nil
	}
}

// choose decides which program is taken, and takes its tracks.
func (d *Demuxer) choose() {
	t := &d.tables
	if t.chosen == nil {
		t.chosen = d.pick()
	}
	if t.chosen == nil {
		return
	}
	for k := range d.tracks {
		d.follow(media.Kind(k), t.chosen.tracks[k])
	}
}

func (d *Demuxer) pick() *program {
	var sound *program
	for _, p := range d.tables.programs {
		switch {
		case d.opts.Program != 0:
			if p.number == d.opts.Program && p.raw != nil {
				return p
			}
		case p.raw == nil:
			if d.packets <= patience {
				return nil // it may be the first with video
			}
		case p.tracks[media.Video] != nil:
			return p
		case p.tracks[media.Audio] != nil && sound == nil:
			sound = p
		}
	}
	if d.opts.Program != 0 && len(d.tables.parts) == d.tables.wanted && len(d.tables.programs) > 0 && !slices.ContainsFunc(d.tables.programs, func(p *program) bool { return p.number == d.opts.Program }) {
		d.warnings.once(NoProgram, "the stream has no program %d", d.opts.Program)
	}
	return sound
}

// follow makes a track of what the table says, unless it is the one there is.
func (d *Demuxer) follow(k media.Kind, f *found) {
	t := d.tracks[k]
	if t != nil && f != nil && t.pid == f.pid && t.codec == f.codec && t.latm == f.latm && bytes.Equal(t.record, f.record) {
		return
	}
	if t != nil {
		t.end()
	}
	d.tracks[k] = nil
	if f != nil {
		d.tracks[k] = newTrack(d, k, *f)
	}
}

// readTracks finds the tracks that can be carried, and names the others.
func (d *Demuxer) readTracks(p *program, pmt *astits.PMTData) {
	p.tracks = [2]*found{}
	for _, es := range pmt.ElementaryStreams {
		f, name := identify(es)
		if f == nil {
			d.warnings.once(Unsupported, "track %d of program %d is passed over: %s is not carried", es.ElementaryPID, p.number, name)
			continue
		}
		k := f.codec.Kind()
		if p.tracks[k] != nil {
			d.warnings.once(ExtraTrack, "track %d of program %d is passed over: only the first %s track is carried", es.ElementaryPID, p.number, k)
			continue
		}
		p.tracks[k] = f
	}
}

// Format identifiers of registration descriptors (H.222.0 section 2.6.8).
const (
	formatAV1  = 'A'<<24 | 'V'<<16 | '0'<<8 | '1'
	formatOpus = 'O'<<24 | 'p'<<16 | 'u'<<8 | 's'
	formatAC3  = 'A'<<24 | 'C'<<16 | '-'<<8 | '3'
	formatKLV  = 'K'<<24 | 'L'<<16 | 'V'<<8 | 'A'
)

// identify says what an elementary stream is: a track, or the name of what it is else.
func identify(es *astits.PMTElementaryStream) (*found, string) {
	f := &found{pid: es.ElementaryPID}
	switch es.StreamType {
	case astits.StreamTypeH264Video:
		f.codec = media.H264
	case astits.StreamTypeHEVCVideo:
		f.codec = media.HEVC
	case astits.StreamTypeAACAudio:
		f.codec = media.AAC
	case astits.StreamTypeAACLATMAudio:
		f.codec, f.latm = media.AAC, true
	case astits.StreamTypePrivateData:
		return identifyPrivate(f, es)
	case astits.StreamTypeMPEG1Audio, astits.StreamTypeMPEG2Audio:
		return nil, "MPEG audio (MP2, MP3)"
	case astits.StreamTypeMPEG1Video, astits.StreamTypeMPEG2Video:
		return nil, "MPEG-1 or MPEG-2 video"
	case astits.StreamTypeAC3Audio:
		return nil, "AC-3"
	case astits.StreamTypeEAC3Audio:
		return nil, "E-AC-3"
	case astits.StreamTypeDTSAudio:
		return nil, "DTS"
	case astits.StreamTypeSCTE35:
		return nil, "SCTE 35 cues"
	case astits.StreamTypeMetadata:
		return nil, "timed metadata"
	default:
		return nil, fmt.Sprintf("stream type %#02x", uint8(es.StreamType))
	}
	return f, ""
}

// identifyPrivate goes by descriptors, which alone say what private data is.
func identifyPrivate(f *found, es *astits.PMTElementaryStream) (*found, string) {
	name := "private data"
	for _, d := range es.ElementaryStreamDescriptors {
		switch {
		case d.Registration != nil:
			switch d.Registration.FormatIdentifier {
			case formatAV1:
				f.codec = media.AV1
			case formatOpus:
				f.codec = media.Opus
			case formatAC3:
				name = "AC-3"
			case formatKLV:
				name = "KLV metadata"
			}
		case d.Extension != nil && d.Extension.Unknown != nil && d.Extension.Tag == extensionOpus:
			f.record = opusHead(*d.Extension.Unknown)
		case d.Tag == astits.DescriptorTagAC3:
			name = "AC-3"
		case d.Tag == astits.DescriptorTagEnhancedAC3:
			name = "E-AC-3"
		case d.Tag == astits.DescriptorTagTeletext:
			name = "teletext"
		case d.Tag == astits.DescriptorTagSubtitling:
			name = "DVB subtitles"
		}
	}
	switch {
	case f.codec == media.Opus && f.record == nil:
		return nil, "Opus without a channel configuration that can be read"
	case f.codec == "":
		return nil, name
	}
	return f, ""
}
