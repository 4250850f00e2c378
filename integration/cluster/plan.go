package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/integration/machines"
	"github.com/seed-7d21a5b5/ashlar/integration/proxy"
)

// portsPerMeta are the client, Raft and admin port.
const portsPerMeta = 3

// plan chooses the ports and command lines of all members.
func plan(cfg Config) (*Cluster, error) {
	if cfg.Machines && cfg.Proxied {
		return nil, errors.New("members behind proxies cannot be cut off from each other; choose one")
	}
	c := &Cluster{binary: cfg.Binary, cfg: cfg}
	if err := c.plan(); err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) plan() (err error) {
	if c.cfg.Machines {
		if c.Network, err = machines.New(); err != nil {
			return err
		}
	}
	for i := range orDefault(c.cfg.Metaservers) {
		if err := c.addMeta(fmt.Sprintf("meta-%d", i+1)); err != nil {
			return err
		}
	}
	for i := range orDefault(c.cfg.Blockservers) {
		if err := c.addBlock(fmt.Sprintf("block-%d", i+1), fmt.Sprintf("zone-%d", i+1)); err != nil {
			return err
		}
	}
	return nil
}

func orDefault(n int) int {
	if n == 0 {
		return 3
	}
	return n
}

// addMeta plans one more metaserver: the first begins the cluster, the others
// join through it.
func (c *Cluster) addMeta(name string) error {
	m, listen, advertise, err := c.member(name, portsPerMeta)
	if err != nil {
		return err
	}
	m.Address, m.Admin = advertise[0], advertise[2]
	m.args = []string{"metaserver", "--dir", m.Data}
	for i, port := range []string{"client", "raft", "admin"} {
		m.args = append(m.args, "--"+port+"-listen", listen[i], "--"+port+"-advertise", advertise[i])
	}
	m.args = append(m.args, c.insecure()...)
	m.args = append(m.args, c.cfg.MetaFlags...)
	m.begin = []string{"--bootstrap"}
	if len(c.Meta) > 0 {
		m.begin = []string{"--join", c.Meta[0].Admin}
	}
	c.Meta = append(c.Meta, m)
	return nil
}

func (c *Cluster) addBlock(name, zone string) error {
	m, listen, advertise, err := c.member(name, 1)
	if err != nil {
		return err
	}
	m.Address = advertise[0]
	m.args = []string{
		"blockserver", "--data", m.Data, "--listen", listen[0], "--advertise", advertise[0],
		"--metaservers", strings.Join(c.Endpoints(), ","), "--zone", zone,
	}
	m.args = append(m.args, c.insecure()...)
	m.args = append(m.args, c.cfg.BlockFlags...)
	c.Block = append(c.Block, m)
	return nil
}

// AddBlockserver starts one more blockserver, in a zone of its own. Stop ends it
// with the others.
func (c *Cluster) AddBlockserver() (*Member, error) {
	number := len(c.Block) + 1
	if err := c.addBlock(fmt.Sprintf("block-%d", number), fmt.Sprintf("zone-%d", number)); err != nil {
		return nil, err
	}
	m := c.Block[number-1]
	return m, m.Start()
}

// insecure is the flag that members need who listen beyond loopback.
func (c *Cluster) insecure() []string {
	if c.Network == nil {
		return nil
	}
	return []string{"--insecure"}
}

// member makes the places of one member: its machine, its disk and its ports, as
// it listens and as others reach it.
func (c *Cluster) member(name string, ports int) (m *Member, listen, advertise []string, err error) {
	m = &Member{Name: name, Data: filepath.Join(c.cfg.Dir, name), binary: c.binary, dir: c.cfg.Dir}
	if size := c.cfg.Disks[name]; size > 0 {
		if m.Disk, err = machines.NewDisk(m.Data, size); err != nil {
			return nil, nil, nil, err
		}
		c.disks = append(c.disks, m.Disk)
		m.Data = filepath.Join(m.Data, "data")
	}
	if c.Network != nil {
		if m.Machine, err = c.Network.Add(name); err != nil {
			return nil, nil, nil, err
		}
		for i := range ports {
			listen = append(listen, fmt.Sprintf("%s:%d", m.Machine.Address, 7400+10*i))
		}
		return m, listen, listen, nil
	}
	if listen, err = freeAddresses(ports); err != nil || !c.cfg.Proxied {
		return m, listen, listen, err
	}
	for i, to := range listen {
		// A metaserver's Raft port is the only one that does not speak HTTP.
		p, err := proxy.New("127.0.0.1:0", to, i != 1)
		if err != nil {
			return nil, nil, nil, err
		}
		m.Proxies = append(m.Proxies, p)
		c.proxies = append(c.proxies, p)
		advertise = append(advertise, p.Address())
	}
	return m, listen, advertise, nil
}

// release takes away what the members stood on.
func (c *Cluster) release() {
	for _, p := range c.proxies {
		p.Close()
	}
	for _, d := range c.disks {
		_ = d.Close()
	}
	if c.Network != nil {
		_ = c.Network.Close()
	}
	c.proxies, c.disks, c.Network = nil, nil, nil
}

// Members listen on ports from firstPort to lastPort, below those that systems
// give to outgoing connections: a member that is down for a while would otherwise
// find that a connection of another has taken its port.
const firstPort, lastPort = 10_000, 32_000

// given are the ports that this process has given out, to anybody.
var given sync.Map

// freeAddresses finds loopback addresses that nobody listens on, each once.
func freeAddresses(n int) ([]string, error) {
	const tries = 1000
	var addresses []string
	for range tries {
		if len(addresses) == n {
			return addresses, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		if _, before := given.LoadOrStore(port, true); before {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		addresses = append(addresses, l.Addr().String())
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d", n, firstPort, lastPort)
}
