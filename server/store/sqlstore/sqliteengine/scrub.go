package sqliteengine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// scrubber erases what secure_delete leaves. When SQLite moves rows between pages, it leaves copies of them in the gap of a
// page between its list of cells and its cells, where they would outlive the rows. All pages that SQLite has changed are in
// the write-ahead log until that is copied into the database, so the scrubber looks for such pages there, and clears their
// gaps, before each time that the log is copied.
type scrubber struct {
	path string // of the log
	// salts identify the log that was read, up to the offset next: each time that SQLite begins anew at the file's
	// beginning, they are others.
	salts uint64
	next  int64
}

// The format of a write-ahead log: a header, then frames of a header and a page each.
const (
	logHeader   = 32
	frameHeader = 24
)

// holds reports whether the log holds at least limit bytes. Its file may be longer: when SQLite begins the log anew, it writes
// over what the file has, and the frames that are left over from before have other salts than the header.
func (s *scrubber) holds(limit int64) bool {
	log, err := os.Open(s.path)
	if err != nil {
		return false
	}
	defer log.Close()
	var header [logHeader]byte
	if _, err := log.ReadAt(header[:], 0); err != nil {
		return false
	}
	size := frameHeader + int64(binary.BigEndian.Uint32(header[8:]))
	var last [16]byte // of the frame that the limit falls into
	if _, err := log.ReadAt(last[:], logHeader+(limit-logHeader)/size*size); err != nil {
		return false
	}
	return bytes.Equal(last[8:], header[16:24])
}

// scrub clears the gaps of all pages in the part of the log that is new.
func (s *scrubber) scrub(ctx context.Context, c *rawConn) error {
	if _, err := c.run(ctx, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	err := s.clear(ctx, c)
	if err == nil {
		_, err = c.run(ctx, "COMMIT", nil)
	}
	if err != nil {
		s.next = 0 // so that it is read again
		return errors.Join(err, c.rollback())
	}
	return nil
}

// clear does it within a transaction, during which nobody else writes into the log.
func (s *scrubber) clear(ctx context.Context, c *rawConn) error {
	vacuum, err := c.number(ctx, "PRAGMA auto_vacuum")
	if err != nil {
		return err
	}
	pages, salts, next, err := s.dirty(vacuum != 0)
	if err != nil {
		return err
	}
	for number := range pages {
		var data []byte
		err := c.read(ctx, "SELECT data FROM sqlite_dbpage WHERE pgno = $1", []any{int64(number)}, func(row engine.Scanner) error {
			var value any
			err := row.Scan(&value)
			data, _ = value.([]byte)
			return err
		})
		if err != nil {
			return err
		}
		gap := gapOf(number, data)
		if allZero(gap) { // also for a page that has been cut off meanwhile
			continue
		}
		clear(gap)
		if _, err := c.run(ctx, "UPDATE sqlite_dbpage SET data = $1 WHERE pgno = $2", []any{data, int64(number)}); err != nil {
			return err
		}
	}
	s.salts, s.next = salts, next
	return nil
}

// dirty returns the pages that have something in their gaps, in any of the frames that are new, and how far it has read.
func (s *scrubber) dirty(vacuum bool) (pages map[uint32]struct{}, salts uint64, next int64, err error) {
	log, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, 0, nil
	}
	if err != nil {
		return nil, 0, 0, err
	}
	defer log.Close()
	var header [logHeader]byte
	if _, err := log.ReadAt(header[:], 0); err != nil {
		return nil, 0, 0, ignoreEOF(err)
	}
	size := int64(binary.BigEndian.Uint32(header[8:]))
	if size < 512 || size > 65536 {
		return nil, 0, 0, fmt.Errorf("%s has pages of %d bytes", s.path, size)
	}
	salts, next = binary.BigEndian.Uint64(header[16:]), logHeader
	if salts == s.salts && s.next > next {
		next = s.next
	}
	pages = map[uint32]struct{}{}
	frames := make([]byte, 64*(frameHeader+size))
	for {
		n, err := log.ReadAt(frames, next)
		for rest := frames[:n]; int64(len(rest)) >= frameHeader+size; rest = rest[frameHeader+size:] {
			if binary.BigEndian.Uint64(rest[8:]) != salts {
				return pages, salts, next, nil // left over from before
			}
			number := binary.BigEndian.Uint32(rest)
			if !(vacuum && isPointerMap(number, size)) && !allZero(gapOf(number, rest[frameHeader:frameHeader+size])) {
				pages[number] = struct{}{}
			}
			next += frameHeader + size
		}
		if err != nil {
			return pages, salts, next, ignoreEOF(err)
		}
	}
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// isPointerMap reports whether a page of a database with auto_vacuum is one that says where other pages belong. Of the
// pages that are not part of a tree, only these may begin like one.
func isPointerMap(number uint32, size int64) bool {
	const pendingByte = 1 << 30
	each := uint32(size/5) + 1
	if number < 2 {
		return false
	}
	pointers := (number-2)/each*each + 2
	if pointers == uint32(pendingByte/size)+1 {
		pointers++
	}
	return number == pointers
}

// gapOf returns the part of a tree's page that belongs to nothing, and nothing of another page.
func gapOf(number uint32, page []byte) []byte {
	header := 0
	if number == 1 {
		header = 100 // the database's own
	}
	if len(page) < header+12 {
		return nil
	}
	begin := header
	switch page[header] {
	case 2, 5: // an inner page
		begin += 12
	case 10, 13: // a leaf
		begin += 8
	default:
		return nil
	}
	begin += 2 * int(binary.BigEndian.Uint16(page[header+3:]))
	end := int(binary.BigEndian.Uint16(page[header+5:]))
	if end == 0 {
		end = 65536
	}
	if begin > end || end > len(page) {
		return nil
	}
	return page[begin:end]
}

// zeros is as long as a page can be.
var zeros [65536]byte

func allZero(data []byte) bool { return bytes.Equal(data, zeros[:len(data)]) }
