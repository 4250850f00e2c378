package metaserver

import (
	"context"
	"net"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// port is a listener and the address that others dial.
type port struct {
	net.Listener
	advertise string
}

// ports are a metaserver's three.
type ports struct{ client, raft, admin port }

// listen opens all three ports, or none.
func listen(ctx context.Context, cfg Config) (p ports, err error) {
	all := []struct {
		name      string
		address   string
		ready     net.Listener
		advertise string
		into      *port
	}{
		{"client", cfg.ClientListen, cfg.ClientListener, cfg.ClientAdvertise, &p.client},
		{"raft", cfg.RaftListen, cfg.RaftListener, cfg.RaftAdvertise, &p.raft},
		{"admin", cfg.AdminListen, cfg.AdminListener, cfg.AdminAdvertise, &p.admin},
	}
	for _, one := range all {
		*one.into, err = open(ctx, one.name, one.address, one.ready, one.advertise, cfg.Insecure)
		if err != nil {
			p.close()
			return ports{}, err
		}
	}
	return p, nil
}

func open(ctx context.Context, name, address string, ready net.Listener, advertise string, insecure bool) (port, error) {
	if ready == nil {
		if address == "" {
			return port{}, protocol.Errorf(protocol.InvalidArgument, "the %s port has no address to listen on", name)
		}
		var err error
		if ready, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err != nil {
			return port{}, protocol.Errorf(protocol.Unavailable, "the %s port: %w", name, err)
		}
	}
	p := port{Listener: ready, advertise: advertise}
	if err := p.check(name, insecure); err != nil {
		_ = ready.Close()
		return port{}, err
	}
	return p, nil
}

// check enforces Loopback or insecure and settles the advertised address.
func (p *port) check(name string, insecure bool) error {
	tcp, ok := p.Addr().(*net.TCPAddr)
	if ok && !tcp.IP.IsLoopback() && !insecure {
		return protocol.Errorf(protocol.InvalidArgument, "the %s port at %s can be reached from other machines and has no TLS; listen on 127.0.0.1, or accept that with --insecure", name, p.Addr())
	}
	if p.advertise != "" {
		return nil
	}
	if ok && tcp.IP.IsUnspecified() {
		return protocol.Errorf(protocol.InvalidArgument, "the %s port listens on every address (%s); say which one others dial", name, p.Addr())
	}
	p.advertise = p.Addr().String()
	return nil
}

// close closes what is open.
func (p ports) close() {
	for _, one := range []port{p.client, p.raft, p.admin} {
		if one.Listener != nil {
			_ = one.Close()
		}
	}
}
