package state

import (
	"encoding/binary"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

// firstPage returns the page of an upload that holds the byte at offset, with a
// copy of its key; nil if no page reaches beyond offset.
func firstPage(r Reader, upload []byte, offset uint64) (page *record.UploadPage, key []byte, err error) {
	var failed error
	upper := keysAbove(keyID(tablePages, upload))
	err = r.Scan(keyPage(upload, offset+1), upper, func(k, value []byte) bool {
		page, key = &record.UploadPage{}, append([]byte(nil), k...)
		failed = decode(k, value, page)
		return false
	})
	if err == nil {
		err = failed
	}
	return page, key, err
}

// endOfPage reads the end of a page's bytes, in the object, from its key.
func endOfPage(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }
