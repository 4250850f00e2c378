package sim

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// upload stores an object of pages: create, append, and commit, abort or forget.
func (c *client) upload() {
	w := c.w
	id := w.id()
	c.call(protocol.Version{}, func(call *pb.Call) *record.Command {
		return &record.Command{Body: &record.Command_CreateUpload{CreateUpload: &record.CreateUpload{Call: call, Upload: id}}}
	}, func(r *record.Result) {
		a := r.GetCreateUpload()
		if a == nil || r.Kind != 0 {
			c.done()
			return
		}
		c.page(a.Upload, 0, uint32(1+w.n(2)), 0)
	})
}

func (c *client) page(upload []byte, page, pages uint32, size uint64) {
	if page == pages || c.session == nil {
		c.finish(upload, size)
		return
	}
	j := c.begin()
	c.think(func() {
		j.send(func() {
			if c.session == nil {
				c.done()
				return
			}
			q := &pb.UploadAppendRequest{Upload: upload, Page: page}
			added := uint64(0)
			q.Blocks, q.Claims, added = j.content()
			c.call(j.at, func(call *pb.Call) *record.Command {
				q.Call = call
				return &record.Command{Body: &record.Command_AppendUpload{AppendUpload: q}}
			}, func(r *record.Result) {
				if r == nil || r.Kind != 0 {
					c.finish(upload, size)
					return
				}
				c.page(upload, page+1, pages, size+added)
			})
		})
	})
}

func (c *client) finish(upload []byte, size uint64) {
	w := c.w
	switch {
	case c.session == nil || w.chance(0.2):
		c.done()
	case w.chance(0.3):
		c.call(protocol.Version{}, func(call *pb.Call) *record.Command {
			return &record.Command{Body: &record.Command_AbortUpload{AbortUpload: &pb.UploadAbortRequest{Call: call, Upload: upload}}}
		}, func(*record.Result) { c.done() })
	default:
		q := &pb.CommitRequest{Bucket: bucket, Name: c.name(), Upload: upload, Size: size}
		c.call(protocol.Version{}, func(call *pb.Call) *record.Command {
			q.Call = call
			return &record.Command{Body: &record.Command_Commit{Commit: q}}
		}, func(*record.Result) { c.done() })
	}
}
