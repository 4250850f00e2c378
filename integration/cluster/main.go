package cluster

import (
	"fmt"
	"os"

	"github.com/seed-7d21a5b5/ashlar/integration/machines"
)

// built is the variable that hands the binary on to the process that runs the
// tests, see Main.
const built = "ASHLAR_TEST_BINARY"

// Main builds the command, goes where machines can be made, runs the tests with
// the binary's path and returns the exit code. It is for TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(func(b string) int { binary = b; return m.Run() })) }
func Main(run func(binary string) int) int {
	if os.Getenv(built) == "" {
		dir, err := os.MkdirTemp("", "ashlar-integration")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary, err := Build(dir, false)
		if err == nil {
			err = os.Setenv(built, binary)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return machines.Main(func() int { return run(os.Getenv(built)) })
}
