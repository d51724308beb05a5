package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// streams is a load: many streams of one session, and a turn that all of them read. Its latency is from the message to the
// end of the turn at the last of them.
type streams struct {
	program *program
	count   int
}

// streamsPerAddress is how many streams one local address opens: fewer than it has ports. The addresses after the first one,
// which the system chooses, are 127.0.0.2 and on.
const streamsPerAddress = 20_000

// streamsLoad are that many streams of a program of their own.
func streamsLoad(count int) func(context.Context, *side) (load, error) {
	return func(ctx context.Context, s *side) (load, error) {
		p, err := s.ownProgram(ctx, sqlite, "streams")
		return streams{p, count}, err
	}
}

// measure implements load, whatever the duration.
func (l streams) measure(ctx context.Context, _ time.Duration) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c, err := newConversation(ctx, l.program.addr)
	if err != nil {
		return sample{}, err
	}
	defer c.close()
	before := l.program.residentMB()
	readers := make([]*worker, l.count)
	defer func() {
		for _, w := range readers {
			if w != nil {
				_ = w.conn.Close()
			}
		}
	}()
	if err := eachOf(l.count, func(i int) (err error) {
		local := ""
		if block := i / streamsPerAddress; block > 0 {
			local = fmt.Sprintf("127.0.0.%d", 1+block)
		}
		if readers[i], err = newWorkerFrom(ctx, local, l.program.addr, 1<<10); err != nil {
			return err
		}
		return readers[i].openStream(c.session)
	}); err != nil {
		return sample{}, err
	}
	time.Sleep(settle)
	kib := (l.program.residentMB() - before) * 1e6 / 1024 / float64(l.count)
	latency, serverTime, err := l.turn(c, readers)
	return sample{perSecond: 1 / seconds(latency), p50: latency, p99: latency, serverCPU: serverTime, streamKiB: kib}, err
}

// turn has a turn and waits until all readers have its end.
func (l streams) turn(c *conversation, readers []*worker) (latency, serverTime time.Duration, err error) {
	errs := make([]error, len(readers))
	var reading sync.WaitGroup
	for i, w := range readers {
		reading.Go(func() { errs[i] = w.untilIdle() })
	}
	before, err := l.program.cpuTime()
	begin := time.Now()
	err = errors.Join(err, c.turn())
	reading.Wait()
	latency = time.Since(begin)
	after, err2 := l.program.cpuTime()
	return latency, after - before, errors.Join(append(errs, err, err2)...)
}
