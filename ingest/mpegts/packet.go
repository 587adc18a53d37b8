package mpegts

// continuity follows the continuity counter of one PID (H.222.0 section 2.4.3.3).
type continuity struct {
	started bool
	last    byte
}

// verdict is what a packet's counter says.
type verdict uint8

const (
	follows   verdict = iota
	duplicate         // sent twice: the second is to be ignored
	gap               // packets are missing before it
)

func (c *continuity) next(counter byte, allowed bool) verdict {
	last, started := c.last, c.started
	c.started, c.last = true, counter
	switch {
	case !started || counter == (last+1)&15:
		return follows
	case allowed: // the stream says that its counter starts anew
		return follows
	case counter == last:
		return duplicate
	}
	return gap
}

// packet is a transport packet that carries something (H.222.0 section 2.4.3.2).
type packet struct {
	pid       uint16
	payload   []byte
	counter   byte
	start     bool // a PES packet or a section begins in it
	scrambled bool
	restarts  bool // its counter need not follow
	padded    bool // it was filled up, and has nothing else beside its payload but a clock
}

// readPacket reads what has a payload; others leave their PID's counter as it is.
func readPacket(b *[packetSize]byte) (packet, bool) {
	p := packet{
		pid: uint16(b[1]&0x1f)<<8 | uint16(b[2]), counter: b[3] & 15,
		start: b[1]&0x40 != 0, scrambled: b[3]&0xc0 != 0,
	}
	if b[3]&0x10 == 0 {
		return p, false
	}
	at := 4
	if b[3]&0x20 != 0 {
		const discontinuity, clock, others = 0x80, 0x10, 0x0f
		n := int(b[4])
		at += 1 + n
		if at >= packetSize {
			return p, false
		}
		if n > 0 {
			flags := b[5]
			p.restarts = flags&discontinuity != 0
			p.padded = flags&others == 0 && (flags&clock == 0 || n > 1+6)
		} else {
			p.padded = true
		}
	}
	p.payload = b[at:]
	return p, true
}

// packet takes one transport packet.
func (d *Demuxer) packet(b *[packetSize]byte) {
	d.await()
	if b[1]&0x80 != 0 { // not even its PID can be believed; the counter tells whose it was
		d.warnings.Add(d.now, TransportError, "a packet that its receiver marked as damaged was dropped")
		return
	}
	p, ok := readPacket(b)
	if !ok {
		return
	}
	for _, t := range d.tracks {
		if t != nil && t.pid == p.pid {
			t.packet(p)
			return
		}
	}
	if s := d.tables.sections(p.pid); s != nil && !p.scrambled {
		s.packet(p, func(section []byte) { d.section(p.pid, section) })
	}
}

// await says so when tables do not come, and stops waiting for those of some programs.
func (d *Demuxer) await() {
	if d.packets > patience {
		return
	}
	d.packets++
	if d.packets <= patience {
		return
	}
	if d.tables.chosen == nil {
		d.choose()
	}
	if d.tables.chosen == nil {
		d.warnings.Add(d.now, NoTables, "%d packets came, and no tables (PAT and PMT) that say which tracks there are", patience)
	}
}
