package sender

import (
	"errors"
	"net/netip"
	"testing"
)

func TestAddressesThatMessagesGoTo(t *testing.T) {
	const no, near, yes = 0, 1, 2 // never; when private ones are allowed; always
	for address, want := range map[string]int{
		"93.184.216.34": yes, "8.8.8.8": yes, "172.32.0.1": yes, "100.128.0.1": yes, "2606:4700::1111": yes, "2a00:1450:4001::200e": yes,

		"127.0.0.1": near, "127.8.8.8": near, "::1": near, "10.1.2.3": near, "172.16.0.1": near, "172.31.255.255": near, "192.168.1.1": near,
		"100.64.0.1": near, "fd12:3456::1": near, "::ffff:127.0.0.1": near, "::ffff:10.0.0.1": near,

		"169.254.169.254": no, "169.254.1.1": no, "::ffff:169.254.169.254": no, "fe80::1": no, "fe80::1%eth0": no, "fd00:ec2::254": no,
		"100.100.100.200": no, "168.63.129.16": no, "0.0.0.0": no, "0.1.2.3": no, "::": no, "224.0.0.1": no, "ff02::1": no,
		"255.255.255.255": no, "240.0.0.1": no, "192.0.2.1": no, "198.18.0.1": no, "64:ff9b::7f00:1": no, "2002:7f00:1::": no, "2001::1": no,
		"2001:db8::1": no, "::7f00:1": no, "fec0::1": no, "100::1": no,
	} {
		a := netip.MustParseAddr(address)
		for _, private := range []bool{false, true} {
			err := permit(a, private)
			if allowed := want == yes || want == near && private; (err == nil) != allowed || (err != nil && !errors.Is(err, ErrAddress)) {
				t.Errorf("%s, private allowed %t: %v", address, private, err)
			}
		}
	}
	if err := permit(netip.Addr{}, true); err == nil {
		t.Error("no address is an address")
	}
	for _, c := range [][2]string{{"udp4", "8.8.8.8:53"}, {"unix", "/tmp/s"}, {"tcp4", "8.8.8.8"}, {"tcp4", "host:80"}} {
		if err := permitDial(c[0], c[1], true); !errors.Is(err, ErrAddress) {
			t.Errorf("%v: %v", c, err)
		}
	}
}
