package limit

import (
	"net/netip"
	"testing"
	"time"
)

func TestAnAddressHasABurstAndThenItsRate(t *testing.T) {
	r := NewRates(2, 5, 100)
	now := time.Unix(1_700_000_000, 0)
	n, free := Remote("192.0.2.1:4000")
	if free {
		t.Fatal("an address of another machine is free")
	}
	for i := range 5 {
		if !r.Allow(n, now) {
			t.Fatalf("request %d of a burst of 5 is refused", i+1)
		}
	}
	if r.Allow(n, now) {
		t.Error("the sixth is allowed")
	}
	if other, _ := Remote("192.0.2.2:4000"); !r.Allow(other, now) {
		t.Error("another address pays for it")
	}
	now = now.Add(500 * time.Millisecond)
	if !r.Allow(n, now) || r.Allow(n, now) {
		t.Error("after half a second at 2 a second, it is not one more")
	}
}

func TestNoCrowdOfAddressesTakesMoreThanItsRoom(t *testing.T) {
	r := NewRates(1, 1, 10)
	now := time.Unix(1_700_000_000, 0)
	for i := range 1000 {
		n, _ := Network(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		r.Allow(n, now)
		if len(r.full) > 10 {
			t.Fatalf("%d addresses are kept, 10 may be", len(r.full))
		}
	}
	one, _ := Remote("192.0.2.1:1")
	if r.Allow(one, now.Add(time.Minute)); len(r.full) != 1 {
		t.Errorf("%d addresses are kept a minute later", len(r.full))
	}
}

func TestASubscribersIPv6NetworkIsOneAddress(t *testing.T) {
	a, _ := Remote("[2001:db8::1]:1")
	b, _ := Remote("[2001:db8::ffff:2]:2")
	c, _ := Remote("[2001:db8:0:1::1]:1")
	if a != b || a == c {
		t.Errorf("%v, %v, %v", a, b, c)
	}
	mapped, _ := Remote("[::ffff:192.0.2.1]:1")
	if four, _ := Remote("192.0.2.1:1"); mapped != four {
		t.Errorf("%v is not %v", mapped, four)
	}
	for _, home := range []string{"127.0.0.1:5", "[::1]:5"} {
		if _, free := Remote(home); !free {
			t.Errorf("%s is not free", home)
		}
	}
	if _, free := Remote("nonsense"); free {
		t.Error("who has no address is free")
	}
}
