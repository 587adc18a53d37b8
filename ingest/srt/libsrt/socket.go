package libsrt

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Socket is a socket of the library. The zero value is none.
type Socket int32

// Socket makes a socket in live mode that does not block.
func (l *Library) Socket() (Socket, error) {
	r, err := l.do(l.create)
	if err != nil {
		return 0, fmt.Errorf("make SRT socket: %w", err)
	}
	u := Socket(r)
	for _, o := range []Option{optSendSync, optReceiveSync} {
		if err := l.SetInt(u, o, 0); err != nil {
			l.Close(u)
			return 0, err
		}
	}
	return u, nil
}

// Close closes a socket. It does not wait for what has not been sent.
func (l *Library) Close(u Socket) { l.closeSocket(int32(u)) }

// SetInt sets an option that is an integer, or a switch (0 or 1).
func (l *Library) SetInt(u Socket, o Option, v int) error {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(v))
	return l.set(u, o, b[:])
}

// SetText sets an option that is text.
func (l *Library) SetText(u Socket, o Option, v string) error {
	return l.set(u, o, append([]byte(v), 0)[:len(v):len(v)+1])
}

func (l *Library) set(u Socket, o Option, b []byte) error {
	p := &make([]byte, 1)[0]
	if len(b) > 0 {
		p = &b[0]
	}
	_, err := l.do(func() int32 { return l.setFlag(int32(u), int32(o), p, int32(len(b))) })
	if err != nil {
		return fmt.Errorf("set option %d of SRT socket: %w", o, err)
	}
	return nil
}

// Int reads an option that is an integer.
func (l *Library) Int(u Socket, o Option) (int, error) {
	b, err := l.get(u, o, 4)
	if err != nil {
		return 0, err
	}
	return int(int32(binary.NativeEndian.Uint32(b[:4]))), nil
}

// Text reads an option that is text.
func (l *Library) Text(u Socket, o Option) (string, error) {
	b, err := l.get(u, o, MaxStreamID+1)
	return string(b), err
}

func (l *Library) get(u Socket, o Option, size int) ([]byte, error) {
	b, n := make([]byte, size), new(int32)
	*n = int32(size)
	_, err := l.do(func() int32 { return l.getFlag(int32(u), int32(o), &b[0], n) })
	if err != nil {
		return nil, fmt.Errorf("read option %d of SRT socket: %w", o, err)
	}
	if size == 4 {
		return b, nil
	}
	return b[:min(max(int(*n), 0), size)], nil
}

// Listen binds a socket to an address and takes handshakes there; backlog bounds those
// that nobody has accepted.
func (l *Library) Listen(u Socket, a netip.AddrPort, backlog int) error {
	s, n := encode(a)
	p := new(sockaddr)
	*p = s
	if _, err := l.do(func() int32 { return l.bind(int32(u), &p[0], n) }); err != nil {
		return fmt.Errorf("bind SRT socket to %s: %w", a, err)
	}
	if _, err := l.do(func() int32 { return l.listen(int32(u), int32(backlog)) }); err != nil {
		return fmt.Errorf("listen for SRT on %s: %w", a, err)
	}
	return nil
}

// Addr is the address a socket is bound to.
func (l *Library) Addr(u Socket) (netip.AddrPort, error) {
	p, n := new(sockaddr), new(int32)
	*n = sizeIPv6
	if _, err := l.do(func() int32 { return l.sockName(int32(u), &p[0], n) }); err != nil {
		return netip.AddrPort{}, fmt.Errorf("read address of SRT socket: %w", err)
	}
	return decode(*p), nil
}

// Accept takes the next connection of a listener and the peer's address.
func (l *Library) Accept(u Socket) (Socket, netip.AddrPort, error) {
	p, n := new(sockaddr), new(int32)
	*n = sizeIPv6
	r, err := l.do(func() int32 { return l.accept(int32(u), &p[0], n) })
	if err != nil {
		return 0, netip.AddrPort{}, fmt.Errorf("accept SRT connection: %w", err)
	}
	return Socket(r), decode(*p), nil
}

// Connect begins a handshake; State and an Epoll tell how it goes.
func (l *Library) Connect(u Socket, a netip.AddrPort) error {
	s, n := encode(a)
	p := new(sockaddr)
	*p = s
	if _, err := l.do(func() int32 { return l.connect(int32(u), &p[0], n) }); err != nil {
		return fmt.Errorf("connect to %s by SRT: %w", a, err)
	}
	return nil
}

// State says how a socket is.
func (l *Library) State(u Socket) State { return State(l.state(int32(u))) }

// Receive reads one message into b, which has room for MaxPayload bytes.
func (l *Library) Receive(u Socket, b []byte) (int, error) {
	n, err := l.do(func() int32 { return l.receive(int32(u), &b[0], int32(len(b))) })
	return int(max(n, 0)), err
}

// Send sends one message of 1 to MaxPayload bytes.
func (l *Library) Send(u Socket, b []byte) error {
	_, err := l.do(func() int32 { return l.send(int32(u), &b[0], int32(len(b))) })
	return err
}

// RejectReason says why a socket's handshake was refused.
func (l *Library) RejectReason(u Socket) Reject { return Reject(l.rejectReason(int32(u))) }

// RejectText names a reason of the library's own.
func (l *Library) RejectText(r Reject) string { return l.rejectText(int32(r)) }
