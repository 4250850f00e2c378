package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/history"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// One operation of a client may take patient, which is longer than an election; some
// take hasty, so that they are given up at any point of their way.
const (
	patient = 4 * time.Second
	hasty   = 20 * time.Millisecond
)

// worker is one client: it does one thing after the other, at a bounded rate.
type worker struct {
	id       int
	sdk      *client.Client
	r        *rand.Rand
	keys     *keys
	contents *contents
	record   *history.Recorder
	// pause lies between two operations.
	pause time.Duration
	// surprise is told of errors that no fault excuses.
	surprise func(error)
	// careful workers are always patient.
	careful bool
	made    int
}

// run works until stop is closed.
func (w *worker) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		w.once(context.Background(), w.draw())
		timer := time.NewTimer(w.pause/2 + time.Duration(w.r.Int64N(int64(w.pause))))
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return
		}
	}
}

// draw decides what to ask for next.
func (w *worker) draw() history.Operation {
	prefix, key := w.keys.draw(w.r)
	o := history.Operation{Client: w.id, Key: key, Level: history.Linearizable}
	switch k := w.r.IntN(100); {
	case k < 32:
		o.Verb, o.Condition = history.Put, w.condition(history.IfAbsent)
	case k < 45:
		o.Verb, o.Condition = history.Delete, w.condition(history.Always)
	case k < 70:
		o.Verb = history.Get
	case k < 88:
		o.Verb = history.Stat
	default:
		o.Verb, o.Key = history.List, prefix
	}
	if o.Reads() {
		switch k := w.r.IntN(10); {
		case k < 2:
			o.Level = history.Session
		case k < 3:
			o.Level = history.Stale
		}
	}
	if o.Condition == history.IfVersion {
		if o.If = w.keys.version(key); o.If.IsZero() {
			o.Condition = history.Always
		}
	}
	return o
}

// condition draws a precondition: none, another, or if-version.
func (w *worker) condition(other history.Condition) history.Condition {
	switch w.r.IntN(4) {
	case 0:
		return other
	case 1:
		return history.IfVersion
	}
	return history.Always
}

// once does one operation and records it.
func (w *worker) once(ctx context.Context, o history.Operation) history.Operation {
	ctx, cancel := context.WithTimeout(ctx, w.deadline())
	defer cancel()
	var content []byte
	if o.Verb == history.Put {
		w.made++
		o.Tag = fmt.Sprintf("test/c%02d-%05d", w.id, w.made)
		content = w.contents.draw(w.r, o.Tag)
		o.Size, o.Digest = int64(len(content)), protocol.HashOf(content)
	}
	o = w.record.Begin(o)
	err := w.ask(ctx, &o, content)
	w.classify(&o, err)
	o = w.record.End(o)
	if o.Seen != nil {
		w.keys.tell(o.Key, o.Seen.Version)
	}
	return o
}

// deadline draws how long the next operation may take.
func (w *worker) deadline() time.Duration {
	if w.careful || w.r.IntN(5) > 0 {
		return patient
	}
	return hasty << w.r.IntN(7)
}

func (w *worker) ask(ctx context.Context, o *history.Operation, content []byte) error {
	var opts []client.Option
	switch o.Condition {
	case history.IfAbsent:
		opts = append(opts, client.IfAbsent())
	case history.IfVersion:
		opts = append(opts, client.IfVersion(o.If))
	}
	if o.Reads() {
		opts = append(opts, client.WithLevel(levels[o.Level]))
	}
	switch o.Verb {
	case history.Put:
		opts = append(opts, client.WithBlockSize(blockSize), client.WithContentType(o.Tag))
		obj, err := w.sdk.Put(ctx, bucket, o.Key, bytes.NewReader(content), opts...)
		if err == nil {
			o.Seen = &history.Seen{Version: obj.Version, Tag: obj.ContentType, Size: obj.Size, Digest: o.Digest}
		}
		return err
	case history.Delete:
		return w.sdk.Delete(ctx, bucket, o.Key, opts...)
	case history.Stat:
		obj, err := w.sdk.Stat(ctx, bucket, o.Key, opts...)
		if err == nil {
			o.Seen = seen(obj)
		}
		return err
	case history.List:
		return w.list(ctx, o, opts)
	}
	return w.get(ctx, o, opts)
}

var levels = map[history.Level]client.Level{
	history.Linearizable: client.Linearizable, history.Session: client.Session, history.Stale: client.Stale,
}

func seen(obj client.Object) *history.Seen {
	return &history.Seen{Version: obj.Version, Tag: obj.ContentType, Size: obj.Size, Digest: obj.Digest}
}

func (w *worker) list(ctx context.Context, o *history.Operation, opts []client.Option) error {
	for e, err := range w.sdk.List(ctx, bucket, append(opts, client.WithPrefix(o.Key))...) {
		if err != nil {
			o.Listed = nil
			return err
		}
		s := seen(e.Object)
		s.Key = e.Name
		o.Listed = append(o.Listed, *s)
	}
	return nil
}

// errReading marks an error that came after the object had been found.
var errReading = errors.New("while reading")

// get takes the digest of the bytes that really came.
func (w *worker) get(ctx context.Context, o *history.Operation, opts []client.Option) error {
	r, err := w.sdk.Get(ctx, bucket, o.Key, opts...)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	content, err := io.ReadAll(r)
	if err != nil {
		return errors.Join(errReading, err)
	}
	o.Seen = seen(r.Object())
	o.Seen.Size, o.Seen.Digest = int64(len(content)), protocol.HashOf(content)
	return nil
}

// excused are the errors that a store under faults may give instead of an answer.
var excused = map[protocol.Kind]bool{
	protocol.Unavailable: true, protocol.Busy: true, protocol.Canceled: true, protocol.UnknownOutcome: true,
	protocol.Full: true, protocol.LayoutUnready: true, protocol.ClaimsRefused: true,
}

// classify takes the SDK at its word: an error that is not UnknownOutcome says
// that nothing was changed, and the history holds it to that.
func (w *worker) classify(o *history.Operation, err error) {
	kind := protocol.KindOf(err)
	if err != nil {
		o.Error = kind.String() + ": " + err.Error()
	}
	switch {
	case err == nil:
		o.Outcome = history.Done
	case errors.Is(err, errReading):
		o.Outcome = history.Nothing
		if kind != protocol.Changed && !excused[kind] {
			w.surprise(fmt.Errorf("%s: %w", o, err))
		}
	case kind == protocol.NotFound && o.Verb != history.Put:
		o.Outcome = history.Absent
	case kind == protocol.PreconditionFailed && !o.Reads(), kind == protocol.Changed && o.Reads() && o.Condition == history.IfVersion:
		o.Outcome = history.Refused
	case kind == protocol.UnknownOutcome && !o.Reads():
		o.Outcome = history.Unknown
	default:
		o.Outcome = history.Nothing
		if !excused[kind] {
			w.surprise(fmt.Errorf("%s: %w", o, err))
		}
	}
}
