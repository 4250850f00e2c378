package protocol_test

import (
	"errors"
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// A block is named by what is in it, so whoever holds the name can check the
// bytes.
func ExampleHash_Verify() {
	h := protocol.HashOf([]byte("squared stone"))
	fmt.Println(h.Short(), h.Verify([]byte("squared stone")))
	fmt.Println(protocol.KindOf(h.Verify([]byte("rubble"))))
	// Output:
	// 9277b39265f2 <nil>
	// hash-mismatch
}

// Versions come from the log. A restore starts a generation, above all before it.
func ExampleVersion() {
	before := protocol.Version{Generation: 1, Counter: 4711}
	after := protocol.Version{Generation: 2, Counter: 1}
	fmt.Println(before, before.Next(), before.Less(after), before.Max(after))
	// Output: 1.4711 1.4712 true 2.1
}

// Callers branch on kinds, through any wrapping.
func ExampleError() {
	err := fmt.Errorf("put photos/1.jpg: %w", protocol.Errorf(protocol.PreconditionFailed, "the object exists"))
	fmt.Println(err)
	fmt.Println(errors.Is(err, &protocol.Error{Kind: protocol.PreconditionFailed}), protocol.KindOf(err).HTTPStatus())
	// Output:
	// put photos/1.jpg: precondition-failed: the object exists
	// true 412
}

func ExampleCheckBucket() {
	fmt.Println(protocol.CheckBucket("build-cache.eu"))
	fmt.Println(protocol.CheckBucket("Build Cache"))
	// Output:
	// <nil>
	// invalid-argument: a bucket is lower-case letters, digits, '-' and '.', with a letter or digit at both ends; "Build Cache" is not
}

func ExampleParseVersion() {
	v, err := protocol.ParseVersion("1.4711")
	fmt.Println(v.Generation, v.Counter, err)
	_, err = protocol.ParseVersion("01.4711")
	fmt.Println(err)
	// Output:
	// 1 4711 <nil>
	// invalid-argument: a version is written GENERATION.COUNTER, as in 1.4711, not "01.4711"
}

// An address is checked before it is kept or dialled.
func ExampleCheckAddress() {
	fmt.Println(protocol.CheckAddress("[::1]:7400"))
	fmt.Println(protocol.CheckAddress("node-1"))
	// Output:
	// <nil>
	// invalid-argument: an address is HOST:PORT; "node-1" is not
}
