package sender

import (
	"fmt"
	"net"
	"net/netip"
)

// refused is an address that messages are not sent to.
type refused struct {
	address netip.Addr
	why     string
}

func (r *refused) Error() string {
	return fmt.Sprintf("the address %s is refused: %s", r.address, r.why)
}

// Is says that it is ErrAddress.
func (r *refused) Is(target error) bool { return target == ErrAddress }

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, p := range list {
		all[i] = netip.MustParsePrefix(p)
	}
	return all
}

var (
	// near are networks that a ledger may share with what nobody else should reach; they can be allowed.
	near = prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
	// never are those where no endpoint is: this network, link-local (where clouds keep their metadata), multicast, documentation,
	// benchmarks, and what is reserved.
	never = prefixes("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128", "fd20:ce::254/128")
	// global is where IPv6's public addresses are, and tunnels are what among them leads to IPv4 or nowhere.
	global  = netip.MustParsePrefix("2000::/3")
	tunnels = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)

func in(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// permit says whether a message may be sent to an address; private says that those near by may be.
func permit(a netip.Addr, private bool) error {
	a = a.Unmap()
	switch {
	case !a.IsValid() || a.Zone() != "" || in(never, a):
		return &refused{a, "no endpoint is there"}
	case in(near, a):
		if private {
			return nil
		}
		return &refused{a, "it is of this machine or a private network"}
	case a.Is4(), global.Contains(a) && !in(tunnels, a):
		return nil
	}
	return &refused{a, "it is not on the public internet"}
}

// permitDial is permit for what a dialer is about to connect to.
func permitDial(network, address string, private bool) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", ErrAddress, network)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return permit(a, private)
}
