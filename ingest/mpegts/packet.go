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

// packet takes one transport packet.
func (d *Demuxer) packet(b *[packetSize]byte) {
	d.await()
	if b[1]&0x80 != 0 { // not even its PID can be believed; the counter tells whose it was
		d.warnings.Add(d.now, TransportError, "a packet that its receiver marked as damaged was dropped")
		return
	}
	pid := uint16(b[1]&0x1f)<<8 | uint16(b[2])
	start := b[1]&0x40 != 0
	if b[3]&0x10 == 0 { // no payload: its counter stands still
		return
	}
	at, restarts := 4, false
	if b[3]&0x20 != 0 {
		n := int(b[4])
		at += 1 + n
		if at >= packetSize {
			return
		}
		restarts = n > 0 && b[5]&0x80 != 0
	}
	payload, counter, scrambled := b[at:], b[3]&15, b[3]&0xc0 != 0
	for _, t := range d.tracks {
		if t != nil && t.pid == pid {
			t.packet(payload, start, counter, scrambled, restarts)
			return
		}
	}
	if s := d.tables.sections(pid); s != nil && !scrambled {
		s.packet(payload, start, counter, restarts, func(section []byte) { d.section(pid, section) })
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
