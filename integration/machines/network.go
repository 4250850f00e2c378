package machines

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// networks counts the networks of this process, for names and addresses.
var networks atomic.Int64

// Network is a bridge and the machines on it. It is safe for concurrent use.
type Network struct {
	number int64
	here   *Machine

	mu       sync.Mutex
	machines []*Machine
}

// Machine is one host of a network.
type Machine struct {
	// Name is what it was added as.
	Name string
	// Address is its only one, without a port.
	Address string

	// space is the name of its network namespace, empty for the test process.
	space string
	// cuts are addresses from which nothing arrives, loss is how many percent of
	// what arrives from anywhere is dropped, slow whether sending is slowed down.
	cuts []string
	loss int
	slow bool
}

// New makes a network that has only the test process on it.
func New() (*Network, error) {
	n := &Network{number: networks.Add(1)}
	n.here = &Machine{Name: "test", Address: n.address(1)}
	for _, line := range []string{
		"ip link add " + n.bridge() + " type bridge",
		"ip addr add " + n.here.Address + "/24 dev " + n.bridge(),
		"ip link set " + n.bridge() + " up",
	} {
		if err := command(line); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Network) bridge() string { return fmt.Sprintf("bridge%d", n.number) }

func (n *Network) address(i int) string { return fmt.Sprintf("10.77.%d.%d", n.number%250, i) }

// Here is the test process's own place on the network.
func (n *Network) Here() *Machine { return n.here }

// Add makes a machine; its name is unique in the network.
func (n *Network) Add(name string) (*Machine, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := len(n.machines) + 10
	m := &Machine{Name: name, Address: n.address(i), space: fmt.Sprintf("net%d-%s", n.number, name)}
	port := fmt.Sprintf("port%d-%d", n.number, i)
	for _, line := range []string{
		"ip netns add " + m.space,
		"ip link add " + port + " type veth peer name eth0 netns " + m.space,
		"ip link set " + port + " master " + n.bridge() + " up",
		"ip -n " + m.space + " addr add " + m.Address + "/24 dev eth0",
		"ip -n " + m.space + " link set eth0 up",
		"ip -n " + m.space + " link set lo up",
	} {
		if err := command(line); err != nil {
			return nil, err
		}
	}
	n.machines = append(n.machines, m)
	return m, nil
}

// Close takes the network and its machines away; their processes have ended.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.heal()
	for _, m := range n.machines {
		if failed := command("ip netns del " + m.space); failed != nil {
			err = failed
		}
	}
	if failed := command("ip link del " + n.bridge()); failed != nil {
		err = failed
	}
	return err
}

// Enter returns the words to put before a command line so that it runs on m.
func (m *Machine) Enter() []string {
	if m.space == "" {
		return nil
	}
	return []string{"nsenter", "--net=/run/netns/" + m.space, "--"}
}

// Cut drops everything that from sends to to. The other direction stays.
func (n *Network) Cut(from, to *Machine) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Contains(to.cuts, from.Address) {
		to.cuts = append(to.cuts, from.Address)
	}
	return to.filter()
}

// Part cuts a and b off from each other.
func (n *Network) Part(a, b *Machine) error {
	if err := n.Cut(a, b); err != nil {
		return err
	}
	return n.Cut(b, a)
}

// Isolate parts m from all others but those named.
func (n *Network) Isolate(m *Machine, but ...*Machine) error {
	if err := n.Mute(m, but...); err != nil {
		return err
	}
	return n.Deafen(m, but...)
}

// Mute drops everything that m sends, except to those named.
func (n *Network) Mute(m *Machine, but ...*Machine) error {
	for _, other := range n.others(m, but) {
		if err := n.Cut(m, other); err != nil {
			return err
		}
	}
	return nil
}

// Deafen drops everything that is sent to m, except by those named.
func (n *Network) Deafen(m *Machine, but ...*Machine) error {
	for _, other := range n.others(m, but) {
		if err := n.Cut(other, m); err != nil {
			return err
		}
	}
	return nil
}

func (n *Network) others(m *Machine, but []*Machine) []*Machine {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := append([]*Machine{n.here}, n.machines...)
	return slices.DeleteFunc(all, func(o *Machine) bool { return o == m || slices.Contains(but, o) })
}

// Lose drops that many percent of the packets that arrive at m, by chance.
func (n *Network) Lose(m *Machine, percent int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.loss = percent
	return m.filter()
}

// Slow bounds what m sends, in bits a second.
func (n *Network) Slow(m *Machine, rate int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	m.slow = true
	return command(fmt.Sprintf("ip netns exec %s tc qdisc replace dev eth0 root tbf rate %dbit burst 16kbit latency 400ms", m.space, rate))
}

// Heal undoes all cuts, losses and bounds of this network.
func (n *Network) Heal() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.heal()
}

func (n *Network) heal() error {
	for _, m := range append([]*Machine{n.here}, n.machines...) {
		if len(m.cuts) > 0 || m.loss > 0 {
			m.cuts, m.loss = nil, 0
			if err := m.filter(); err != nil {
				return err
			}
		}
		if m.slow {
			if err := command("ip netns exec " + m.space + " tc qdisc del dev eth0 root"); err != nil {
				return err
			}
			m.slow = false
		}
	}
	return nil
}

// filter writes the machine's rules anew, in one transaction.
func (m *Machine) filter() error {
	var b strings.Builder
	b.WriteString("add table ip faults\ndelete table ip faults\nadd table ip faults\n")
	b.WriteString("add chain ip faults input { type filter hook input priority 0 ; }\n")
	for _, from := range m.cuts {
		fmt.Fprintf(&b, "add rule ip faults input ip saddr %s drop\n", from)
	}
	if m.loss > 0 {
		fmt.Fprintf(&b, "add rule ip faults input iif != lo numgen random mod 100 <= %d drop\n", m.loss-1)
	}
	words := append(m.Enter(), "nft", "-f", "-")
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(b.String())
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft on %s: %w: %s", m.Name, err, strings.TrimSpace(string(text)))
	}
	return nil
}
