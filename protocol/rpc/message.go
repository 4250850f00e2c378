package rpc

import (
	"bytes"

	"google.golang.org/protobuf/proto"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc/jsonbody"
)

// Message is what the wire's generator makes.
type Message interface {
	proto.Message
	MarshalVT() ([]byte, error)
	MarshalToSizedBufferVT([]byte) (int, error)
	SizeVT() int
	UnmarshalVT([]byte) error
}

// form is how a body spells a message.
type form int

const (
	formUnknown form = iota
	formProtobuf
	formJSON
)

// bodyForm tells a body's form from its Content-Type. No type at all is
// protobuf only if there is no body, which is the empty message in any form.
func bodyForm(contentType []byte, size int) form {
	if i := bytes.IndexByte(contentType, ';'); i >= 0 {
		contentType = contentType[:i]
	}
	switch string(bytes.TrimSpace(contentType)) {
	case protocol.TypeProtobuf:
		return formProtobuf
	case protocol.TypeJSON:
		return formJSON
	}
	if size == 0 {
		return formJSON
	}
	return formUnknown
}

// answerForm picks the answer's form: what Accept names first, else the
// request's. curl, which accepts anything and says nothing, gets JSON.
func answerForm(accept, contentType []byte) form {
	pb := bytes.Index(accept, []byte(protocol.TypeProtobuf))
	js := bytes.Index(accept, []byte(protocol.TypeJSON))
	switch {
	case pb >= 0 && (js < 0 || pb < js):
		return formProtobuf
	case js >= 0:
		return formJSON
	case bodyForm(contentType, 1) == formProtobuf:
		return formProtobuf
	}
	return formJSON
}

// decode reads body into m, which must be empty. It keeps nothing of body.
func decode(f form, body []byte, m Message) error {
	switch {
	case len(body) == 0:
		return nil
	case f == formProtobuf:
		if err := m.UnmarshalVT(body); err != nil {
			return protocol.Errorf(protocol.InvalidArgument, "the body is not a protobuf %s: %v", m.ProtoReflect().Descriptor().Name(), err)
		}
		return nil
	case f == formJSON:
		if err := jsonbody.Decode(body, m); err != nil {
			return protocol.Errorf(protocol.InvalidArgument, "the body is not a JSON %s: %v", m.ProtoReflect().Descriptor().Name(), err)
		}
		return nil
	}
	return protocol.Errorf(protocol.Unsupported, "a body must say Content-Type: %s or %s", protocol.TypeJSON, protocol.TypeProtobuf)
}

// encode appends nothing: it writes m over buf, growing it where needed.
func encode(f form, buf []byte, m Message) ([]byte, error) {
	if f == formProtobuf {
		return encodeProtobuf(buf, m)
	}
	out := bytes.NewBuffer(buf[:0])
	jsonbody.Append(out, m)
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func encodeProtobuf(buf []byte, m Message) ([]byte, error) {
	n := m.SizeVT()
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := m.MarshalToSizedBufferVT(buf); err != nil {
		return buf, protocol.Errorf(protocol.Internal, "message as protobuf: %w", err)
	}
	return buf, nil
}
