package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Distances from the base port to each kind of port.
const (
	clientPorts = 0
	raftPorts   = 10
	blockPorts  = 20
	adminPorts  = 30
	// maxMembers keeps the kinds of ports apart.
	maxMembers = 10
)

// portsFile is the name of the folder's list of ports, the JSON of book.
const (
	portsFile   = "ashlar-ports.json"
	portsFormat = 1
	maxPortFile = 16 << 10
)

// book says which ports a folder's members have.
type book struct {
	Format int        `json:"format"`
	Meta   []metaPort `json:"metaservers"`
	Block  []int      `json:"blockservers"`
}

type metaPort struct {
	Client int `json:"client"`
	Raft   int `json:"raft"`
	Admin  int `json:"admin"`
}

// opened are the listeners of all members, in the order of the book.
type opened struct {
	meta  [][3]net.Listener // client, raft, admin
	block []net.Listener
}

func (o *opened) close() {
	for _, m := range o.meta {
		for _, ln := range m {
			if ln != nil {
				_ = ln.Close()
			}
		}
	}
	for _, ln := range o.block {
		_ = ln.Close()
	}
}

// listen opens every port of cfg: those that the folder has written down, or
// else those of BasePort, or else free ones; and writes them down.
func listen(ctx context.Context, cfg Config) (book, *opened, error) {
	b, err := readBook(cfg.Dir)
	fresh := errors.Is(err, fs.ErrNotExist)
	switch {
	case fresh:
		b = planned(cfg)
	case err != nil:
		return book{}, nil, err
	default:
		if err := b.fits(cfg); err != nil {
			return book{}, nil, err
		}
	}
	o := &opened{}
	if err := b.open(ctx, o); err != nil {
		o.close()
		return book{}, nil, err
	}
	if fresh {
		if err := b.write(cfg.Dir); err != nil {
			o.close()
			return book{}, nil, err
		}
	}
	return b, o, nil
}

// planned lists the ports of BasePort, or zeros for free ones.
func planned(cfg Config) book {
	at := func(kind, i int) int {
		if cfg.BasePort == 0 {
			return 0
		}
		return cfg.BasePort + kind + i
	}
	b := book{Format: portsFormat}
	for i := range cfg.Metaservers {
		b.Meta = append(b.Meta, metaPort{at(clientPorts, i), at(raftPorts, i), at(adminPorts, i)})
	}
	for i := range cfg.Blockservers {
		b.Block = append(b.Block, at(blockPorts, i))
	}
	return b
}

// fits tells whether the folder's cluster is the one that cfg describes.
func (b book) fits(cfg Config) error {
	if len(b.Meta) != cfg.Metaservers || len(b.Block) != cfg.Blockservers {
		return protocol.Errorf(protocol.InvalidArgument, "%s holds a cluster of %d metaservers and %d blockservers, not of %d and %d", cfg.Dir, len(b.Meta), len(b.Block), cfg.Metaservers, cfg.Blockservers)
	}
	if cfg.BasePort != 0 && cfg.BasePort != b.Meta[0].Client {
		return protocol.Errorf(protocol.InvalidArgument, "%s holds a cluster whose first port is %d; start it with --base-port %d, or use another folder", cfg.Dir, b.Meta[0].Client, b.Meta[0].Client)
	}
	return nil
}

// open listens on every port and fills in those that were 0.
func (b *book) open(ctx context.Context, o *opened) (err error) {
	for i := range b.Meta {
		o.meta = append(o.meta, [3]net.Listener{})
		for j, p := range []*int{&b.Meta[i].Client, &b.Meta[i].Raft, &b.Meta[i].Admin} {
			if o.meta[i][j], err = listenOn(ctx, p); err != nil {
				return err
			}
		}
	}
	for i := range b.Block {
		ln, err := listenOn(ctx, &b.Block[i])
		if err != nil {
			return err
		}
		o.block = append(o.block, ln)
	}
	return nil
}

func listenOn(ctx context.Context, port *int) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", loopback(*port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, protocol.Errorf(protocol.Unavailable, "port %d is taken by another program (%s); stop it, or choose other ports with --base-port (and, for a folder that was used before, another folder): %w", *port, loopback(*port), err)
	}
	if err != nil {
		return nil, protocol.Errorf(protocol.Unavailable, "port %d: %w", *port, err)
	}
	*port = ln.Addr().(*net.TCPAddr).Port
	return ln, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func readBook(dir string) (b book, err error) {
	path := filepath.Join(dir, portsFile)
	body, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
		return b, protocol.Errorf(protocol.Disk, "%w", err)
	}
	if len(body) > maxPortFile || json.Unmarshal(body, &b) != nil || b.Format != portsFormat || len(b.Meta) == 0 || len(b.Meta) > maxMembers || len(b.Block) > maxMembers {
		return b, protocol.Errorf(protocol.Corrupt, "%s is not a list of ports; restore it, or use another folder", path)
	}
	return b, nil
}

// write keeps the ports durably: the members' addresses in the log mean them.
func (b book) write(dir string) error {
	body, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return protocol.Errorf(protocol.Disk, "%w", err)
	}
	path := filepath.Join(dir, portsFile)
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return protocol.Errorf(protocol.Disk, "%w", err)
	}
	_, err = f.Write(append(body, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err == nil {
		err = syncFolder(dir)
	}
	if err != nil {
		return protocol.Errorf(protocol.Disk, "%w", err)
	}
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
