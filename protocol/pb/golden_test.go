package pb

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

var update = flag.Bool("update", false, "write testdata/fields.golden anew; only lines for new fields may appear")

// wireMessage is what the generator gives every message.
type wireMessage interface {
	proto.Message
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
	SizeVT() int
}

// TestFieldsGolden pins the bytes of every field of every message, each alone,
// and every enum value: they are sent and kept. Lines are added, never changed.
func TestFieldsGolden(t *testing.T) {
	var b strings.Builder
	enums := File_wire_proto.Enums()
	for i := range enums.Len() {
		writeEnum(&b, enums.Get(i))
	}
	forEachMessage(t, func(m wireMessage) {
		d := m.ProtoReflect().Descriptor()
		for i := range d.Enums().Len() {
			writeEnum(&b, d.Enums().Get(i))
		}
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			one := m.ProtoReflect().New()
			fill(one, f)
			raw := roundTrip(t, one.Interface().(wireMessage))
			fmt.Fprintf(&b, "%s %s %s\n", f.FullName(), f.Kind(), hex.EncodeToString(raw))
		}
	})
	const golden = "testdata/fields.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	compareLines(t, strings.Split(string(want), "\n"), strings.Split(b.String(), "\n"))
}

func writeEnum(b *strings.Builder, e protoreflect.EnumDescriptor) {
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		fmt.Fprintf(b, "%s %d\n", v.FullName(), v.Number())
	}
}

func compareLines(t *testing.T, want, got []string) {
	t.Helper()
	has := map[string]bool{}
	for _, line := range got {
		has[line] = true
	}
	for _, line := range want {
		if !has[line] {
			t.Errorf("gone or changed, which breaks what is stored and sent: %s", line)
		}
		delete(has, line)
	}
	for line := range has {
		if line != "" {
			t.Errorf("new; pin it with -update: %s", line)
		}
	}
}

func forEachMessage(t *testing.T, fn func(wireMessage)) {
	t.Helper()
	all := File_wire_proto.Messages()
	for i := range all.Len() {
		typ, err := protoregistry.GlobalTypes.FindMessageByName(all.Get(i).FullName())
		if err != nil {
			t.Fatal(err)
		}
		fn(typ.New().Interface().(wireMessage))
	}
}

// roundTrip encodes m, checks that both encoders agree and that it decodes to
// itself, and returns the bytes.
func roundTrip(t *testing.T, m wireMessage) []byte {
	t.Helper()
	raw, err := m.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	std, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil || !bytes.Equal(std, raw) || len(raw) != m.SizeVT() {
		t.Errorf("%T: the two encoders give %x and %x (size %d), %v", m, raw, std, m.SizeVT(), err)
	}
	back := m.ProtoReflect().New().Interface().(wireMessage)
	if err := back.UnmarshalVT(raw); err != nil || !proto.Equal(back, m) {
		t.Errorf("%T: decodes to %v, %v; want %v", m, back, err, m)
	}
	return raw
}

// fill sets f in m to a value that shows its encoding; messages get the first
// field of theirs.
func fill(m protoreflect.Message, f protoreflect.FieldDescriptor) {
	if f.IsList() {
		list := m.Mutable(f).List()
		for i := range 2 {
			if f.Message() != nil {
				fillFirst(list.AppendMutable().Message())
			} else {
				list.Append(scalar(f, uint64(i+1)*300))
			}
		}
		return
	}
	if f.Message() != nil {
		fillFirst(m.Mutable(f).Message())
		return
	}
	m.Set(f, scalar(f, 300))
}

func fillFirst(m protoreflect.Message) {
	if fields := m.Descriptor().Fields(); fields.Len() > 0 {
		fill(m, fields.Get(0))
	}
}

func scalar(f protoreflect.FieldDescriptor, n uint64) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(n)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(-int64(n))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprint(n))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(fmt.Append(nil, n))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	}
	return protoreflect.Value{}
}

// FuzzDecode feeds bytes from outside to every message: no panic, no memory out
// of proportion, and what decodes encodes to something that decodes the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x0a\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
	f.Add([]byte("\x0a\xff\xff\xff\xff\x0f"))
	f.Add([]byte("\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"))
	f.Add([]byte("\x0b\x0b\x0b\x0c\x0c\x0c"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all := File_wire_proto.Messages()
		for i := range all.Len() {
			typ, err := protoregistry.GlobalTypes.FindMessageByName(all.Get(i).FullName())
			if err != nil {
				t.Fatal(err)
			}
			m := typ.New().Interface().(wireMessage)
			if m.UnmarshalVT(raw) != nil {
				continue
			}
			out, err := m.MarshalVT()
			if err != nil {
				t.Fatalf("%T decodes %x but does not encode again: %v", m, raw, err)
			}
			again := typ.New().Interface().(wireMessage)
			if err := again.UnmarshalVT(out); err != nil {
				t.Fatalf("%T: %x decodes, its encoding %x does not: %v", m, raw, out, err)
			}
			if second, err := again.MarshalVT(); err != nil || !bytes.Equal(second, out) {
				t.Fatalf("%T: encodings of one value differ: %x and %x, %v", m, out, second, err)
			}
		}
	})
}
