package pgengine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// message is a message with a body of that size.
func message(size int) []byte {
	m := make([]byte, headerSize+size)
	m[0] = 'D'
	binary.BigEndian.PutUint32(m[1:], uint32(size+headerSize-1))
	for i := range size {
		m[headerSize+i] = byte(i)
	}
	return m
}

// free reports whether that much room is left.
func (i *inbox) free(bytes int64) bool {
	ok := i.room.TryAcquire(bytes)
	if ok {
		i.room.Release(bytes)
	}
	return ok
}

// What is read is what was sent, in whatever pieces, and all room is given back.
func TestTheInboxPassesEverythingOn(t *testing.T) {
	t.Parallel()
	var sent []byte
	for _, size := range []int{0, 1, 100, largeMessage, 3 * largeMessage, 0, 7, largeMessage - 1, inboxBytes + 1, 5} {
		sent = append(sent, message(size)...)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for name, from := range map[string]io.Reader{"at once": bytes.NewReader(sent), "in halves": iotest.HalfReader(bytes.NewReader(sent))} {
		i := newInbox(time.Second)
		r := &messageReader{from: from, inbox: i}
		var got []byte
		for buffer := make([]byte, largeMessage); ; {
			n, err := r.Read(buffer[:1+random.IntN(len(buffer))])
			if got = append(got, buffer[:n]...); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, sent) || !i.free(inboxBytes) {
			t.Errorf("%s: %d of %d bytes; room was given back: %t", name, len(got), len(sent), i.free(inboxBytes))
		}
	}
}

// One connection reads a large message at a time when two would not fit. The other one waits, but not for small messages,
// and not for ever.
func TestLargeMessagesWaitForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := newInbox(time.Second)
		head := make([]byte, headerSize)
		begin := func(m []byte) (*messageReader, error) {
			r := &messageReader{from: bytes.NewReader(m), inbox: i}
			_, err := r.Read(head)
			return r, err
		}
		first, err := begin(append(message(inboxBytes*3/4), message(10)...))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := begin(message(largeMessage - 1)); err != nil {
			t.Errorf("a small message: %v", err)
		}
		start := time.Now()
		if _, err := begin(message(inboxBytes / 2)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("without room: %v after %s", err, time.Since(start))
		}
		began := make(chan error, 1)
		go func() {
			_, err := begin(message(inboxBytes / 2))
			began <- err
		}()
		synctest.Wait()
		select {
		case err := <-began:
			t.Errorf("it did not wait: %v", err)
		default:
		}
		buffer := make([]byte, inboxBytes)
		if n, err := io.ReadAtLeast(first, buffer, inboxBytes*3/4); err != nil || n != inboxBytes*3/4 {
			t.Errorf("%d bytes, %v: more than the message", n, err)
		}
		synctest.Wait()
		if err := <-began; err != nil {
			t.Error(err)
		}
	})
}

// A connection that breaks within a message gives its room back.
func TestABrokenConnectionGivesItsRoomBack(t *testing.T) {
	t.Parallel()
	i := newInbox(time.Second)
	r := &messageReader{from: iotest.TimeoutReader(bytes.NewReader(message(inboxBytes))), inbox: i}
	if _, err := r.Read(make([]byte, headerSize)); err != nil || i.free(inboxBytes) {
		t.Fatalf("%v, nothing is held: %t", err, i.free(inboxBytes))
	}
	if _, err := r.Read(make([]byte, 10)); err == nil || !i.free(inboxBytes) {
		t.Errorf("%v, everything was given back: %t", err, i.free(inboxBytes))
	}
}
