package state_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// scenario runs the lines of one file. Blocks are named by letters, nodes by
// numbers, sessions and uploads by words. A block has 100 plain and 60 stored
// bytes.
type scenario struct {
	m *machine
	// blocks are the names seen so far, to print hashes by name.
	blocks []string
	// held are commands gathered for one entry, between `entry` and `apply`.
	held     []*record.Command
	gather   bool
	starts   uint32
	lastMark *record.DigestResult
	// now is the proposer's clock, saved a backup of the table.
	now int64
	// request is who asks from now on.
	request string
	saved   []state.Mutation
	// without lists the rules that are left out.
	without []state.Rule
}

func (s *scenario) run(line string) string {
	verb, a := parseLine(s.m.tb, line)
	var out string
	if build, isCommand := s.commands()[verb]; isCommand {
		out = s.command(build(a))
	} else if build, isWork := s.work()[verb]; isWork {
		out = s.command(build(a))
	} else if build, isTrash := s.trash()[verb]; isTrash {
		out = s.command(build(a))
	} else if read, isRead := s.trashReads()[verb]; isRead {
		out = read(a)
	} else if build, isBulk := s.bulk()[verb]; isBulk {
		out = s.command(build(a))
	} else if build, isPlacement := s.placement()[verb]; isPlacement {
		out = s.command(build(a))
	} else if read, isRead := s.placementReads()[verb]; isRead {
		out = read(a)
	} else if read, isRead := s.reads()[verb]; isRead {
		out = read(a)
	} else {
		s.m.tb.Fatalf("no verb %s", verb)
	}
	a.allUsed()
	return out
}

func (s *scenario) command(c *record.Command) string {
	c.NowUnixMs, c.Request = s.now, s.request
	if s.gather {
		s.held = append(s.held, c)
		return ""
	}
	return s.printResult(s.m.one(c))
}

// commands make a command of a line.
func (s *scenario) commands() map[string]func(*arguments) *record.Command {
	return map[string]func(*arguments) *record.Command{
		"bootstrap": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_Bootstrap{Bootstrap: &record.Bootstrap{Cluster: id(a.text("cluster")), Settings: settingsOf(a)}}}
		},
		"settings": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{Settings: settingsOf(a), IfVersion: s.version(a, "if")}}}
		},
		"register": s.register,
		"session":  func(a *arguments) *record.Command { return openSession(a.word(0)) },
		"close": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: id(a.word(0))}}}
		},
		"expire": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: id(a.word(0)), Expire: true, IfHighest: a.number("highest", 0), IfUses: a.number("uses", 0)}}}
		},
		"commit": s.commit,
		"delete": s.delete,
		"create": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: s.call(a), Upload: id(a.word(0)), Bucket: bucketOf(a)}}}
		},
		"append": func(a *arguments) *record.Command {
			names := a.list("blocks")
			return &record.Command{Body: &record.Command_AppendUpload{AppendUpload: &pb.UploadAppendRequest{
				Call: s.call(a), Upload: id(a.word(0)), Page: uint32(a.number("page", 0)), Blocks: s.blocksNamed(names), Claims: s.claims(a, names),
			}}}
		},
		"abort": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_AbortUpload{AbortUpload: &pb.UploadAbortRequest{Call: s.call(a), Upload: id(a.word(0))}}}
		},
		"unreference": func(a *arguments) *record.Command {
			step := &record.UnreferenceStep{Job: s.version(a, "job"), Cursor: a.number("cursor", 0), Count: uint32(a.number("count", 1000))}
			return &record.Command{Body: &record.Command_Unreference{Unreference: &record.Unreference{Steps: []*record.UnreferenceStep{step}}}}
		},
		"copied": func(a *arguments) *record.Command {
			names := a.list("blocks")
			return &record.Command{Body: &record.Command_Copied{Copied: &pb.ClaimsRequest{Blocks: s.blocksNamed(names), Claims: s.claims(a, names)}}}
		},
		"member": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_PutMetaMember{PutMetaMember: &record.PutMetaMember{Member: &record.MetaMember{
				Id: a.word(0), ClientAddress: a.text("client"), RaftAddress: "raft", AdminAddress: "admin", FeatureLevel: uint32(a.number("feature", 0)),
			}}}}
		},
		"forget": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_RemoveMetaMember{RemoveMetaMember: &record.RemoveMetaMember{Id: a.word(0)}}}
		},
		"mark": func(*arguments) *record.Command {
			return &record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}}
		},
		"compare": func(a *arguments) *record.Command {
			return &record.Command{Body: &record.Command_CompareDigest{CompareDigest: &record.CompareDigest{Mark: s.version(a, "mark"), Digest: s.lastMark.GetDigest()}}}
		},
	}
}

func settingsOf(a *arguments) *record.Settings {
	return &record.Settings{
		Redundancy: uint32(a.number("redundancy", 3)), Quorum: uint32(a.number("quorum", 2)), FeatureLevel: uint32(a.number("feature", 0)),
		GraceMs: a.number("grace", 0), PausedClasses: uint32(a.number("paused", 0)), AuditKeepRows: uint32(a.number("audit", 0)),
		DownAfterMs: a.number("down", 0),
	}
}

// register: identity, address and zone of a node; every line is a new start
// unless it names one; disks=name:acks,...
func (s *scenario) register(a *arguments) *record.Command {
	name := a.word(0)
	s.starts++
	q := &pb.RegisterRequest{Identity: id(name), Address: name + ":1", Zone: a.text("zone"), Start: numbered("start", s.starts)}
	if start, named := a.get("start"); named {
		q.Start = id(start)
	}
	if _, said := a.get("seen"); said {
		q.HighestSeen = s.version(a, "seen")
	}
	for _, d := range a.list("disks") {
		disk, acks, _ := strings.Cut(d, ":")
		n, _ := strconv.ParseUint(acks, 10, 64)
		q.Disks = append(q.Disks, &pb.DiskInfo{Disk: id(name + disk), Acks: n, CapacityBytes: 1000})
	}
	return &record.Command{Body: &record.Command_Register{Register: q}}
}

func (s *scenario) commit(a *arguments) *record.Command {
	names := a.list("blocks")
	q := &pb.CommitRequest{
		Call: s.call(a), Bucket: bucketOf(a), Name: a.word(0), Precondition: s.precondition(a),
		Inline: []byte(a.text("inline")), Claims: s.claims(a, names),
	}
	if len(names) > 0 {
		q.Blocks = s.blocksNamed(names)
	}
	if upload, ok := a.get("upload"); ok {
		q.Upload = id(upload)
	}
	q.Size = a.number("size", uint64(len(q.Inline)+100*len(names)))
	return commitCommand(q)
}

func bucketOf(a *arguments) string {
	if bucket, ok := a.get("bucket"); ok {
		return bucket
	}
	return "photos"
}

func (s *scenario) delete(a *arguments) *record.Command {
	q := &pb.DeleteRequest{Call: s.call(a), Bucket: bucketOf(a)}
	for _, name := range a.words {
		q.Items = append(q.Items, &pb.DeleteItem{Name: name, Precondition: s.precondition(a)})
	}
	return &record.Command{Body: &record.Command_Delete{Delete: q}}
}

// precondition: if=absent or if=VERSION.
func (s *scenario) precondition(a *arguments) *pb.Precondition {
	switch value, ok := a.get("if"); {
	case !ok:
		return nil
	case value == "absent":
		return &pb.Precondition{Kind: pb.Precondition_IF_ABSENT}
	default:
		return &pb.Precondition{Kind: pb.Precondition_IF_VERSION, Version: s.version(a, "if")}
	}
}

// call: call=SESSION:SEQUENCE or call=SESSION:SEQUENCE:LOWEST, opened=VERSION for the
// opening that it names, where that is not the present one, oldest=VERSION for the
// session's low-water mark, idle=yes if no upload is in flight after it.
func (s *scenario) call(a *arguments) *pb.Call {
	value, ok := a.get("call")
	if !ok {
		return nil
	}
	parts := strings.Split(value, ":")
	numbers := []uint64{0, 0}
	for i, p := range parts[1:] {
		numbers[i], _ = strconv.ParseUint(p, 10, 64)
	}
	c := s.m.call(parts[0], numbers[0], numbers[1])
	if _, named := a.get("opened"); named {
		c.Opened = s.version(a, "opened")
	}
	if _, reported := a.get("oldest"); reported {
		c.OldestUpload = s.version(a, "oldest")
	}
	_, c.NoneUploading = a.get("idle")
	return c
}

func (s *scenario) version(a *arguments, key string) *pb.Version {
	return versionPB(s.parseVersion(a.text(key)))
}

func (s *scenario) parseVersion(text string) protocol.Version {
	v, err := protocol.ParseVersion(text)
	if err != nil {
		s.m.tb.Fatal(err)
	}
	return v
}

func (s *scenario) blocksNamed(names []string) *pb.Blocks {
	for _, name := range names {
		known := false
		for _, b := range s.blocks {
			known = known || b == name
		}
		if !known {
			s.blocks = append(s.blocks, name)
		}
	}
	return blocksOf(names...)
}

// claims=A:1,2;B:1@1.4,2/3,4#1:9 has node 1 and 2 claim A at the present version,
// and for B node 1 at version 1.4, node 2 in incarnation 3, node 4 on disk 1 with
// acknowledgement 9.
func (s *scenario) claims(a *arguments, names []string) []*pb.Claim {
	var out []*pb.Claim
	value, _ := a.get("claims")
	for group := range strings.SplitSeq(value, ";") {
		name, nodes, _ := strings.Cut(group, ":")
		for i, n := range names {
			if n != name {
				continue
			}
			for claim := range strings.SplitSeq(nodes, ",") {
				out = append(out, s.claim(uint32(i), claim))
			}
			break
		}
	}
	return out
}

func (s *scenario) claim(block uint32, text string) *pb.Claim {
	present := s.m.Version()
	c := &pb.Claim{Block: block, Generation: present.Generation, Counter: present.Counter}
	text, disk, hasDisk := strings.Cut(text, "#")
	if hasDisk {
		fmt.Sscanf(disk, "%d:%d", &c.Disk, &c.Ack)
	}
	text, incarnation, hasIncarnation := strings.Cut(text, "/")
	text, version, hasVersion := strings.Cut(text, "@")
	fmt.Sscanf(text, "%d", &c.Node)
	c.Incarnation = s.incarnation(c.Node)
	if hasIncarnation {
		fmt.Sscanf(incarnation, "%d", &c.Incarnation)
	}
	if hasVersion {
		v := s.parseVersion(version)
		c.Generation, c.Counter = v.Generation, v.Counter
	}
	return c
}

func (s *scenario) incarnation(node uint32) uint64 {
	status, err := state.Status(s.m.table)
	if err != nil {
		s.m.tb.Fatal(err)
	}
	for _, n := range status.Nodes {
		if n.Node == node {
			return n.Incarnation
		}
	}
	return 1
}
