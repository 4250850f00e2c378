package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client/internal/cut"
	"github.com/seed-7d21a5b5/ashlar/client/internal/meta"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

const (
	// pagesAhead bounds the full pages that wait to be appended while the stream
	// is cut on.
	pagesAhead = 2
	// abortTimeout bounds the farewell to a failed upload; without it the pages
	// go when the session ends.
	abortTimeout = 5 * time.Second
	// keepAlive is how often an open upload's session is used at least, whatever
	// the source does. Servers expire sessions that are idle for minutes; this is
	// well below, and nothing but liveness depends on it.
	keepAlive = 90 * time.Second
)

// stream puts an object of several blocks. The caller's goroutine cuts and
// digests; each block is carried by a goroutine of its own, held back by the
// budget; full pages are appended in order by one more.
func (p *put) stream(ctx context.Context, k *cut.Cutter, first *cut.Piece) (Object, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	u := &upload{put: p, full: make(chan *page, pagesAhead), ended: make(chan struct{})}
	defer func() {
		cancel(nil)
		u.keeper.Wait()
	}()
	go u.run(ctx, cancel)
	last, err := p.cut(ctx, cancel, k, first, u.full)
	close(u.full)
	<-u.ended
	last.carried.Wait()
	if err == nil {
		err = last.failure()
	}
	if cause := context.Cause(ctx); cause != nil && (err == nil || protocol.KindOf(err) == protocol.Canceled) {
		// The first failure ended the others; it is the one to tell.
		err = canceled(cause)
	}
	if err == nil {
		p.request.Size = uint64(k.Offset())
		digest := p.digest.Sum()
		p.request.Digest = digest[:]
		return u.finish(ctx, last)
	}
	u.abort(ctx)
	return Object{}, err
}

// canceled gives cause a kind if it has none.
func canceled(cause error) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		if protocol.AsError(cause).Kind == protocol.Internal {
			return protocol.Errorf(protocol.Canceled, "put: %w", cause)
		}
	}
	return cause
}

// cut carries every piece and hands full pages to full. It returns the last
// page, which may be full or not but is not empty. While it waits for a page to
// be taken it holds none of the budget, which mending that page may need.
func (p *put) cut(ctx context.Context, cancel context.CancelCauseFunc, k *cut.Cutter, first *cut.Piece, full chan<- *page) (*page, error) {
	pg := newPage()
	for pc := first; ; {
		p.digest.Write(pc.Plain)
		p.launch(ctx, cancel, pg, pc)
		more, err := k.More()
		if err == nil && !more {
			return pg, nil
		}
		if err == nil && len(pg.blocks) == protocol.MaxBlocksPerPage {
			select {
			case full <- pg:
				pg = newPage()
			case <-ctx.Done():
				return pg, canceled(context.Cause(ctx))
			}
		}
		if err == nil {
			pc, err = k.Next(ctx)
		}
		if err != nil {
			cancel(err)
			return pg, err
		}
	}
}

func (p *put) launch(ctx context.Context, cancel context.CancelCauseFunc, pg *page, pc *cut.Piece) {
	b := pg.add(pc)
	pg.carried.Go(func() {
		p.carry(ctx, pg, b, pc, false)
		if b.err != nil {
			cancel(b.err)
		}
	})
}

func (pg *page) failure() error {
	for _, b := range pg.blocks {
		if b.err != nil {
			return b.err
		}
	}
	return nil
}

// upload appends the pages of an object that is too large for one entry.
type upload struct {
	put   *put
	full  chan *page
	ended chan struct{}
	id    []byte
	pages uint32
	// keeper is the goroutine that keeps the session in use.
	keeper sync.WaitGroup
}

// run appends full pages in order as their blocks arrive. A failure cancels the
// put, and the pages left are only waited for.
func (u *upload) run(ctx context.Context, cancel context.CancelCauseFunc) {
	defer close(u.ended)
	for pg := range u.full {
		pg.carried.Wait()
		if ctx.Err() != nil {
			continue
		}
		err := pg.failure()
		if err == nil {
			err = u.append(ctx, pg)
		}
		if err != nil {
			cancel(err)
		}
	}
}

func (u *upload) append(ctx context.Context, pg *page) error {
	if u.id == nil {
		if err := u.create(ctx); err != nil {
			return err
		}
	}
	if u.pages == protocol.MaxPagesPerUpload {
		return protocol.Errorf(protocol.TooLarge, "an object has at most %d blocks; use larger ones", protocol.MaxPagesPerUpload*protocol.MaxBlocksPerPage)
	}
	q := &pb.UploadAppendRequest{Upload: u.id, Page: u.pages}
	err := u.put.settle(ctx, pg, func() error {
		return u.put.client.meta.Mutate(ctx, u.put.session, protocol.PathUploadAppend, func(call *pb.Call) rpc.Message {
			q.Call = call
			q.Blocks, q.Claims = pg.wire()
			return q
		}, &pb.UploadAppendAnswer{})
	})
	if err == nil && u.pages == 0 {
		first := &pb.Blocks{Hashes: q.GetBlocks().GetHashes()[:protocol.HashSize], PlainSizes: q.GetBlocks().GetPlainSizes()[:1], StoredSizes: q.GetBlocks().GetStoredSizes()[:1]}
		u.keeper.Go(func() { u.keep(ctx, first) })
	}
	if err == nil {
		u.pages++
	}
	return err
}

// keep uses the session now and then until ctx ends, by sending page 0 again: it
// is there already, so that changes nothing.
func (u *upload) keep(ctx context.Context, first *pb.Blocks) {
	c := u.put.client
	tick := time.NewTicker(c.keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := c.meta.Mutate(ctx, u.put.session, protocol.PathUploadAppend, func(call *pb.Call) rpc.Message {
			return &pb.UploadAppendRequest{Call: call, Upload: u.id, Blocks: first}
		}, &pb.UploadAppendAnswer{})
		if protocol.KindOf(err) != protocol.Changed && ctx.Err() == nil {
			c.cfg.Logger.Debug("upload was not kept alive", "err", err)
		}
	}
}

// create opens the upload. It is carried through even if ctx ends meanwhile, and
// then aborted: an upload that nobody knows of would count against its session.
func (u *upload) create(ctx context.Context) error {
	c := u.put.client
	session, err := c.meta.Pin(ctx)
	if err != nil {
		return err
	}
	created := make(chan error)
	var ans pb.UploadCreateAnswer
	// The call under way has begun, so Close waits for this one too.
	c.calls.Go(func() {
		through, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		err := c.meta.Mutate(through, session, protocol.PathUploadCreate, func(call *pb.Call) rpc.Message {
			return &pb.UploadCreateRequest{Call: call, Bucket: u.put.request.GetBucket()}
		}, &ans)
		select {
		case created <- err:
		case <-ctx.Done():
			if err == nil {
				c.abort(ctx, session, ans.GetUpload())
			}
		}
	})
	select {
	case err = <-created:
	case <-ctx.Done():
		return canceled(context.Cause(ctx))
	}
	if err == nil {
		u.id, u.put.session = ans.GetUpload(), session
	}
	return err
}

// finish commits the last page by itself, or as the upload's last.
func (u *upload) finish(ctx context.Context, last *page) (Object, error) {
	if u.id == nil {
		return u.put.commit(ctx, last)
	}
	if err := u.append(ctx, last); err != nil {
		u.abort(ctx)
		return Object{}, err
	}
	u.put.request.Upload = u.id
	obj, err := u.put.commit(ctx, nil)
	if err != nil && protocol.KindOf(err) != protocol.UnknownOutcome {
		u.abort(ctx)
	}
	return obj, err
}

// abort gives the pages back early.
func (u *upload) abort(ctx context.Context) {
	if u.id != nil {
		u.put.client.abort(ctx, u.put.session, u.id)
	}
}

// abort ends an upload. It outlives ctx, which may be why the put has failed.
func (c *Client) abort(ctx context.Context, session *meta.Session, upload []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	err := c.meta.Mutate(ctx, session, protocol.PathUploadAbort, func(call *pb.Call) rpc.Message {
		return &pb.UploadAbortRequest{Call: call, Upload: upload}
	}, &pb.UploadAbortAnswer{})
	if err != nil {
		c.cfg.Logger.Debug("upload left to its session", "err", err)
	}
}
