package protocol

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// CheckBucket accepts 3 to 63 bytes of a-z, 0-9, '-' and '.', beginning and
// ending with a letter or digit, without two dots in a row. Anything else is
// InvalidArgument, in words.
func CheckBucket(bucket string) error {
	if len(bucket) < MinBucketLength || len(bucket) > MaxBucketLength {
		return Errorf(InvalidArgument, "a bucket has %d to %d characters; %s has %d", MinBucketLength, MaxBucketLength, quoteShort(bucket), len(bucket))
	}
	for i := range len(bucket) {
		c := bucket[i]
		alnum := (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
		edge := i == 0 || i == len(bucket)-1
		if !alnum && (edge || (c != '-' && c != '.')) {
			return Errorf(InvalidArgument, "a bucket is lower-case letters, digits, '-' and '.', with a letter or digit at both ends; %s is not", quoteShort(bucket))
		}
	}
	if strings.Contains(bucket, "..") {
		return Errorf(InvalidArgument, "a bucket has no two dots in a row; %s has", quoteShort(bucket))
	}
	return nil
}

// CheckName accepts 1 to MaxNameLength bytes of valid UTF-8 without control
// characters. Anything else is InvalidArgument, in words.
func CheckName(name string) error {
	switch {
	case name == "":
		return Errorf(InvalidArgument, "an object's name is empty; write BUCKET/NAME")
	case len(name) > MaxNameLength:
		return Errorf(InvalidArgument, "an object's name has at most %d bytes; this one has %d", MaxNameLength, len(name))
	}
	return checkText("an object's name", name)
}

// CheckPrefix accepts what can begin a name, the empty string included.
func CheckPrefix(prefix string) error {
	if len(prefix) > MaxNameLength {
		return Errorf(InvalidArgument, "a prefix has at most %d bytes; this one has %d", MaxNameLength, len(prefix))
	}
	return checkText("a prefix", prefix)
}

// CheckContentType accepts up to MaxContentTypeLength printable ASCII bytes,
// the empty string included.
func CheckContentType(s string) error {
	if len(s) > MaxContentTypeLength {
		return Errorf(InvalidArgument, "a content type has at most %d bytes; this one has %d", MaxContentTypeLength, len(s))
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return Errorf(InvalidArgument, "a content type is printable ASCII; byte %d is %#02x", i, s[i])
		}
	}
	return nil
}

// CheckUserMetadata accepts one key and value: a key of 1 or more bytes, both
// valid UTF-8 without control characters. The caller sums the sizes.
func CheckUserMetadata(key, value string) error {
	if key == "" {
		return Errorf(InvalidArgument, "a user metadata key is empty")
	}
	if err := checkText("a user metadata key", key); err != nil {
		return err
	}
	return checkText("a user metadata value", value)
}

// CheckAddress accepts host:port as one dials it: a host name, an IPv4 address or
// an IPv6 address in brackets, and a decimal port from 1. Anything else is
// InvalidArgument.
func CheckAddress(addr string) error {
	colon := strings.LastIndexByte(addr, ':')
	if len(addr) > MaxAddressLength || colon < 1 || !checkHost(addr[:colon]) || !checkPort(addr[colon+1:]) {
		return Errorf(InvalidArgument, "an address is HOST:PORT; %s is not", quoteShort(addr))
	}
	return nil
}

func checkHost(host string) bool {
	inner, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		host, bracketed = strings.CutSuffix(inner, "]")
		if !bracketed {
			return false
		}
	}
	for i := range len(host) {
		c := host[i]
		alnum := (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
		if !alnum && c != '.' && c != '-' && c != '_' && (!bracketed || c != ':') {
			return false
		}
	}
	return host != ""
}

func checkPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

func checkText(what, s string) error {
	if !utf8.ValidString(s) {
		return Errorf(InvalidArgument, "%s must be valid UTF-8; %s is not", what, quoteShort(s))
	}
	for i, r := range s {
		if r < 0x20 || r == 0x7f {
			return Errorf(InvalidArgument, "%s has no control characters; %#02x stands at byte %d", what, r, i)
		}
	}
	return nil
}

// quoteShort quotes at most 40 bytes of s, with everything unprintable escaped.
func quoteShort(s string) string {
	const most = 40
	if len(s) > most {
		return Quote(s[:most]) + "..."
	}
	return Quote(s)
}
