package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Exit codes, as in docs/reference/exit-codes.md.
const (
	ExitOK = 0
	// ExitFailed is any failure that has no code of its own.
	ExitFailed = 1
	// ExitUsage: the command line, a setting or a name is wrong; it can never work.
	ExitUsage = 2
	// ExitNotFound: no such object, block or file.
	ExitNotFound = 3
	// ExitPrecondition: --if-absent or --if-version did not hold, the layout has moved
	// on, or a node may not stop, be drained or be removed now.
	ExitPrecondition = 4
	// ExitUnavailable: nothing was done; try again later.
	ExitUnavailable = 5
	// ExitUnknown: it may or may not have taken effect; look before trying again.
	ExitUnknown = 6
	// ExitData: bytes are missing or not what they should be.
	ExitData = 7
	// ExitLimit: over a named limit, or no room.
	ExitLimit = 8
	// ExitRefused: another cluster, or an identity without the right.
	ExitRefused = 9
	// ExitPartial: some of many were done, and each failure was printed.
	ExitPartial = 10
	// ExitCanceled: stopped by a signal (128 + SIGINT).
	ExitCanceled = 130
)

// Partial is the error of a command that did some of many.
type Partial struct {
	Failed, All int
}

// Error counts the failures.
func (p *Partial) Error() string { return fmt.Sprintf("%d of %d failed", p.Failed, p.All) }

// exits maps each kind of error to its exit code; other kinds are ExitFailed.
var exits = map[protocol.Kind]int{
	protocol.InvalidArgument:    ExitUsage,
	protocol.MethodNotAllowed:   ExitUsage,
	protocol.RangeInvalid:       ExitUsage,
	protocol.Unsupported:        ExitUsage,
	protocol.NotFound:           ExitNotFound,
	protocol.PreconditionFailed: ExitPrecondition,
	protocol.Changed:            ExitPrecondition,
	protocol.NotLeader:          ExitUnavailable,
	protocol.Unavailable:        ExitUnavailable,
	protocol.Busy:               ExitUnavailable,
	protocol.NotRegistered:      ExitUnavailable,
	protocol.LayoutUnready:      ExitUnavailable,
	protocol.ClaimsRefused:      ExitUnavailable,
	protocol.UnknownOutcome:     ExitUnknown,
	protocol.SessionExpired:     ExitUnknown,
	protocol.StaleRequest:       ExitUnknown,
	protocol.HashMismatch:       ExitData,
	protocol.ShortBody:          ExitData,
	protocol.Quarantined:        ExitData,
	protocol.Corrupt:            ExitData,
	protocol.DataLost:           ExitData,
	protocol.TooLarge:           ExitLimit,
	protocol.SizeExceeded:       ExitLimit,
	protocol.Full:               ExitLimit,
	protocol.LimitExceeded:      ExitLimit,
	protocol.WrongCluster:       ExitRefused,
	protocol.Removed:            ExitRefused,
	protocol.OrderRefused:       ExitRefused,
	protocol.Unauthorized:       ExitRefused,
	protocol.Canceled:           ExitCanceled,
}

// hints name the next step after an error of a kind.
var hints = map[protocol.Kind]string{
	protocol.Unavailable: "is the cluster up, with a majority of its metaservers? `ashlar status --stale` asks any one of them; " +
		"--endpoints or ASHLAR_ENDPOINTS names the cluster, `ashlar dev` starts one here",
	protocol.LayoutUnready: "start more blockservers, or wait until they have registered; `ashlar status` shows them",
	protocol.Busy:          "try again later, or with less at once",
	protocol.UnknownOutcome: "it may still take effect; `ashlar stat` shows whether it did. " +
		"The same command again is safe for put and get",
	protocol.WrongCluster: "--endpoints names a cluster other than the one that is meant",
	protocol.Full:         "add disks or blockservers; `ashlar status` shows what is used",
	protocol.DataLost:     "`ashlar block stat HASH` shows where the copies should be",
}

// ExitCode says how a run that ended in err exits.
func ExitCode(err error) int {
	var partial *Partial
	var kinded *protocol.Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &partial):
		return ExitPartial
	case errors.As(err, &kinded):
		if code, ok := exits[kinded.Kind]; ok {
			return code
		}
	case errors.Is(err, context.Canceled):
		return ExitCanceled
	case errors.Is(err, os.ErrNotExist):
		return ExitNotFound
	}
	return ExitFailed
}

// Report prints err to standard error: as words, or as one JSON object with -o json.
func (a *App) Report(err error) {
	kind := protocol.KindOf(err).String()
	if ExitCode(err) == ExitPartial {
		kind = "partial"
	}
	hint := hints[protocol.KindOf(err)]
	// The command line may have been refused before it was settled.
	if !a.Screen.JSON && a.output != "json" {
		a.Screen.Notef("ashlar: %s", err)
		if hint != "" {
			a.Screen.Notef("        %s", hint)
		}
		return
	}
	text, _ := json.Marshal(map[string]any{"error": problem{
		Kind: kind, Detail: err.Error(), Hint: hint, ExitCode: ExitCode(err),
	}})
	a.Screen.Notef("%s", text)
}

type problem struct {
	Kind     string `json:"kind"`
	Detail   string `json:"detail"`
	Hint     string `json:"hint,omitempty"`
	ExitCode int    `json:"exit_code"`
}

func readable(path string) bool {
	if path == "" {
		return false
	}
	_, err := os.Stat(path)
	return err == nil
}
