// Package jsonbody spells the wire's messages as JSON, for people with curl.
//
// It is protobuf's own mapping with names as in the .proto files, every field
// present and in its order, and one difference: hashes and ids are the lower-case
// hexadecimal digits that the rest of Ashlar shows and takes. Content (a bytes
// field named "inline") stays base64.
//
// Invariants: what [Append] writes, [Decode] reads back as the same message. A
// name that stands twice, a name that is not known, anything after the value and
// deep nesting are refused.
package jsonbody

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// maxJSONDepth bounds how deep a JSON body nests; no message of ours comes near.
const maxJSONDepth = 16

func isContent(fd protoreflect.FieldDescriptor) bool { return fd.Name() == "inline" }

// Append writes m to out, on one line without an end.
func Append(out *bytes.Buffer, m proto.Message) { writeMessage(out, m.ProtoReflect()) }

func writeMessage(out *bytes.Buffer, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	out.WriteByte('{')
	for i := range fields.Len() {
		if i > 0 {
			out.WriteByte(',')
		}
		fd := fields.Get(i)
		writeString(out, string(fd.Name()))
		out.WriteByte(':')
		writeField(out, fd, m)
	}
	out.WriteByte('}')
}

func writeField(out *bytes.Buffer, fd protoreflect.FieldDescriptor, m protoreflect.Message) {
	switch {
	case fd.IsList():
		list := m.Get(fd).List()
		out.WriteByte('[')
		for i := range list.Len() {
			if i > 0 {
				out.WriteByte(',')
			}
			writeValue(out, fd, list.Get(i))
		}
		out.WriteByte(']')
	case fd.Message() != nil && !m.Has(fd):
		out.WriteString("null")
	default:
		writeValue(out, fd, m.Get(fd))
	}
}

func writeValue(out *bytes.Buffer, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		writeMessage(out, v.Message())
	case protoreflect.BytesKind:
		if isContent(fd) {
			writeString(out, base64.StdEncoding.EncodeToString(v.Bytes()))
			return
		}
		writeString(out, hex.EncodeToString(v.Bytes()))
	case protoreflect.EnumKind:
		if known := fd.Enum().Values().ByNumber(v.Enum()); known != nil {
			writeString(out, string(known.Name()))
			return
		}
		out.WriteString(strconv.Itoa(int(v.Enum())))
	case protoreflect.BoolKind:
		out.WriteString(strconv.FormatBool(v.Bool()))
	case protoreflect.StringKind:
		writeString(out, v.String())
	case protoreflect.Uint64Kind, protoreflect.Int64Kind, protoreflect.Fixed64Kind:
		writeString(out, v.String())
	default:
		out.WriteString(v.String())
	}
}

func writeString(out *bytes.Buffer, s string) {
	// A string always marshals; invalid UTF-8 becomes U+FFFD.
	text, _ := json.Marshal(s)
	out.Write(text)
}

// Decode reads what Append writes into m, which must be empty. An error says in
// words what is wrong with the body.
func Decode(body []byte, m proto.Message) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	tree, err := readTree(d, 0)
	if err != nil {
		return err
	}
	if d.More() {
		return protocol.Errorf(protocol.InvalidArgument, "more follows after the JSON value")
	}
	if err := digitsToBase64(tree, m.ProtoReflect().Descriptor()); err != nil {
		return err
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	return protojson.Unmarshal(text, m)
}

// readTree reads one JSON value; unlike encoding/json it refuses a name that
// stands twice in an object.
func readTree(d *json.Decoder, depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, protocol.Errorf(protocol.InvalidArgument, "a JSON body nests at most %d deep", maxJSONDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		object := map[string]any{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			if _, twice := object[name.(string)]; twice {
				return nil, protocol.Errorf(protocol.InvalidArgument, "%q stands twice", name)
			}
			if object[name.(string)], err = readTree(d, depth+1); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return object, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			value, err := readTree(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = d.Token()
		return list, err
	}
	return token, nil
}

// digitsToBase64 turns the digits of bytes fields into what protojson reads.
func digitsToBase64(tree any, md protoreflect.MessageDescriptor) error {
	object, ok := tree.(map[string]any)
	if !ok {
		return nil
	}
	fields := md.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		names := []string{string(fd.Name()), fd.JSONName()}
		for _, name := range slices.Compact(names) {
			value, given := object[name]
			if !given {
				continue
			}
			changed, err := fieldFromDigits(value, fd)
			if err != nil {
				return err
			}
			object[name] = changed
		}
	}
	return nil
}

func fieldFromDigits(value any, fd protoreflect.FieldDescriptor) (any, error) {
	if list, ok := value.([]any); ok && fd.IsList() {
		for i := range list {
			changed, err := fieldFromDigits(list[i], fd)
			if err != nil {
				return nil, err
			}
			list[i] = changed
		}
		return list, nil
	}
	if fd.Message() != nil {
		return value, digitsToBase64(value, fd.Message())
	}
	digits, isText := value.(string)
	if fd.Kind() != protoreflect.BytesKind || isContent(fd) || !isText {
		return value, nil
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return nil, protocol.Errorf(protocol.InvalidArgument, "%s is written as hexadecimal digits: %v", fd.Name(), err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
