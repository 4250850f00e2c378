package orders

import (
	"context"
	"fmt"
	"net/http"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// segment is how much of a large block one request fetches; a source that fails
// costs no more than that, since the next one goes on from there.
const segment = 4 << 20

// copy is Copy(h, o, sources) of reclamation.md: a good file that is here is
// touched, else one is fetched aside, verified and published at o.
func (w *Worker) copy(ctx context.Context, h protocol.Hash, o protocol.Version, sources []string) (*pb.OrderAnswer, error) {
	claim, err := w.cfg.Store.Touch(ctx, h, o)
	if absent(err) {
		claim, err = w.fetch(ctx, h, o, sources)
	}
	if err != nil {
		return nil, err
	}
	return claimed(pb.Outcome_OUTCOME_HELD, claim), nil
}

// fetch brings the block from the sources and stores it. Errors: NotFound if
// none of them has it, else that of the last source.
func (w *Worker) fetch(ctx context.Context, h protocol.Hash, o protocol.Version, sources []string) (protocol.Claim, error) {
	if len(sources) == 0 || len(sources) > protocol.MaxSources {
		return protocol.Claim{}, protocol.Errorf(protocol.InvalidArgument, "a copy order names 1 to %d sources, not %d", protocol.MaxSources, len(sources))
	}
	f := &fetched{worker: w, path: protocol.PathBlocks + "/" + h.String(), size: -1}
	defer f.release()
	var failed error
	for _, source := range sources {
		if failed = f.from(ctx, source); failed != nil {
			continue
		}
		var claim protocol.Claim
		claim, failed = w.cfg.Store.Put(ctx, store.PutRequest{Hash: h, Version: o, Body: f.body, Zstd: f.zstd, PlainSize: f.size, Ordered: true})
		if protocol.KindOf(failed) != protocol.HashMismatch && protocol.KindOf(failed) != protocol.Corrupt {
			return claim, failed
		}
		// Bytes of several sources may be in it: begin again with the next.
		f.forget()
	}
	return protocol.Claim{}, fmt.Errorf("fetch from %d sources: %w", len(sources), failed)
}

// fetched is what has been brought of one block so far.
type fetched struct {
	worker    *Worker
	path      string
	size      int
	body      []byte
	zstd      bool
	discharge func()
}

// from goes on with one source, up to the end of the block.
func (f *fetched) from(ctx context.Context, source string) error {
	if f.size < 0 {
		if err := f.measure(ctx, source); err != nil {
			return err
		}
	}
	if f.size <= segment {
		return f.whole(ctx, source)
	}
	for len(f.body) < f.size {
		if err := f.part(ctx, source); err != nil {
			return err
		}
	}
	return nil
}

// measure asks for the plain size and takes the memory for it.
func (f *fetched) measure(ctx context.Context, source string) error {
	return f.exchange(ctx, source, func(req *fasthttp.Request) { req.Header.SetMethod(fasthttp.MethodHead) }, func(resp *fasthttp.Response) error {
		size := resp.Header.ContentLength()
		if size < 0 || size > protocol.MaxBlockSize {
			return protocol.Errorf(protocol.TooLarge, "%s says that the block has %d bytes; at most %d", source, size, protocol.MaxBlockSize)
		}
		discharge, err := f.worker.cfg.Charge(size)
		if err != nil {
			return err
		}
		f.size, f.discharge = size, discharge
		return nil
	})
}

// whole brings a small block in its stored form, in one answer.
func (f *fetched) whole(ctx context.Context, source string) error {
	return f.exchange(ctx, source, func(req *fasthttp.Request) { req.Header.Set("Accept-Encoding", "zstd") }, func(resp *fasthttp.Response) error {
		f.zstd = string(resp.Header.ContentEncoding()) == "zstd"
		f.body = append(f.body[:0], resp.Body()...)
		return nil
	})
}

// part brings the next segment of a large block, as plain bytes.
func (f *fetched) part(ctx context.Context, source string) error {
	first := len(f.body)
	last := min(first+segment, f.size) - 1
	return f.exchange(ctx, source, func(req *fasthttp.Request) { req.Header.SetByteRange(first, last) }, func(resp *fasthttp.Response) error {
		if resp.StatusCode() != http.StatusPartialContent || len(resp.Body()) != last-first+1 {
			return protocol.Errorf(protocol.ShortBody, "%s answered %d with %d bytes for bytes %d to %d", source, resp.StatusCode(), len(resp.Body()), first, last)
		}
		f.body = append(f.body, resp.Body()...)
		return nil
	})
}

func (f *fetched) exchange(ctx context.Context, source string, ask func(*fasthttp.Request), take func(*fasthttp.Response) error) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	ask(req)
	if err := f.worker.cfg.Client.Do(ctx, source, f.path, req, resp); err != nil {
		return err
	}
	return take(resp)
}

// forget drops the bytes and keeps the size and its memory.
func (f *fetched) forget() { f.body, f.zstd = nil, false }

func (f *fetched) release() {
	if f.discharge != nil {
		f.discharge()
	}
}
