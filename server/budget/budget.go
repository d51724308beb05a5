// Package budget bounds the memory that requests and their responses hold together: bytes are reserved before they are
// allocated and given back when the request has ended. Each account has a share, so that one cannot take what the others
// need. It knows neither HTTP nor the store.
package budget

import (
	"context"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Budget is a number of bytes that grants reserve. Its methods are safe for concurrent use.
type Budget struct {
	total, share int64
	work         *semaphore.Weighted // of goroutines that work on something large

	mu        sync.Mutex
	used      int64
	peak      int64 // the most that was reserved since Peak was called
	byAccount map[string]int64
	waiting   int
	freed     chan struct{} // closed and replaced when bytes are given back while somebody waits
}

// shares is how many accounts it takes to use up a budget.
const shares = 4

// New returns a budget of that many bytes, of which one account may reserve a quarter.
func New(total int64) *Budget {
	return &Budget{
		total: total, share: total / shares, work: semaphore.NewWeighted(int64(max(runtime.GOMAXPROCS(0)/2, 1))),
		byAccount: map[string]int64{}, freed: make(chan struct{}),
	}
}

// Used returns how many bytes are reserved.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Peak returns how many bytes were reserved at the most since it was last called.
func (b *Budget) Peak() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	peak := b.peak
	b.peak = b.used
	return peak
}

// Open returns a grant of no bytes for an account; "" stands for all callers that are not known yet. The caller must close
// it. The grants of a nil budget are nil.
func (b *Budget) Open(account string) *Grant {
	if b == nil {
		return nil
	}
	return &Grant{budget: b, account: account}
}

// Grant is what one request, or one stream, has reserved. It is for one goroutine. A nil grant reserves without bounds.
type Grant struct {
	budget  *Budget
	account string
	// bytes is what the holder asked for. It counts up to half of a share, so that the largest request there may be
	// succeeds beside another one.
	bytes   int64
	working bool
}

// LargeWork is from how many bytes on work on them is large: it takes milliseconds.
const LargeWork = 1 << 20

// Work waits until the holder may encode, decode or validate a number of bytes, or returns ctx's error. Grants that work on
// something large together use half of the processors, so that requests that are small find one. The holder must not wait
// for anybody else until it calls Rest, or closes the grant.
func (g *Grant) Work(ctx context.Context, bytes int) error {
	if g == nil || g.working || bytes < LargeWork {
		return nil
	}
	if err := g.budget.work.Acquire(ctx, 1); err != nil {
		return err
	}
	g.working = true
	return nil
}

// Rest ends what Work began. It may be called repeatedly.
func (g *Grant) Rest() {
	if g != nil && g.working {
		g.working = false
		g.budget.work.Release(1)
	}
}

// counted returns how many of a grant's bytes count.
func (b *Budget) counted(bytes int64) int64 { return min(bytes, b.share/2) }

// Grow reserves more bytes, or returns an *ExceededError and reserves nothing.
func (g *Grant) Grow(bytes int) error {
	if g == nil {
		return nil
	}
	g.budget.mu.Lock()
	defer g.budget.mu.Unlock()
	return g.grow(int64(bytes))
}

// grow is Grow with the budget locked.
func (g *Grant) grow(bytes int64) error {
	b := g.budget
	more := b.counted(g.bytes+bytes) - b.counted(g.bytes)
	switch {
	case b.byAccount[g.account]+more > b.share:
		return &ExceededError{Account: true}
	case b.used+more > b.total:
		return &ExceededError{}
	}
	g.bytes += bytes
	b.take(g.account, more)
	return nil
}

// take counts bytes, or gives them back when there are fewer than none.
func (b *Budget) take(account string, bytes int64) {
	b.used += bytes
	b.peak = max(b.peak, b.used)
	if b.byAccount[account] += bytes; b.byAccount[account] == 0 {
		delete(b.byAccount, account)
	}
	if bytes < 0 && b.waiting > 0 {
		close(b.freed)
		b.freed = make(chan struct{})
	}
}

// Wait is Grow that waits until the bytes are there, or returns ctx's error.
func (g *Grant) Wait(ctx context.Context, bytes int) error {
	if g == nil {
		return nil
	}
	b := g.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
	defer func() { b.waiting-- }()
	for g.grow(int64(bytes)) != nil {
		freed := b.freed
		b.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
		}
		b.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// patience is how long Ahead waits for bytes.
const patience = time.Second

// Ahead reserves bytes for what is about to be read, whose size is not known before it is in memory. It waits a second for
// them, then it returns an *ExceededError: a caller whose share is used up is refused before its next read, not after it.
// The advance must be settled.
func (g *Grant) Ahead(ctx context.Context, bytes int) (*Advance, error) {
	if g == nil {
		return &Advance{}, nil
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if g.Wait(waiting, bytes) == nil {
		return &Advance{grant: g, left: bytes}, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := g.Grow(bytes); err != nil {
		return nil, err
	}
	return &Advance{grant: g, left: bytes}, nil
}

// Advance is what a grant has reserved ahead of a read. It is for one goroutine.
type Advance struct {
	grant *Grant
	left  int
}

// Use takes bytes of the advance, and reserves those that are missing, or returns an *ExceededError.
func (a *Advance) Use(bytes int) error {
	missing := max(bytes-a.left, 0)
	a.left -= bytes - missing
	return a.grant.Grow(missing)
}

// Settle gives back what was not used.
func (a *Advance) Settle() {
	if a.grant != nil {
		a.grant.Keep(int(a.grant.bytes) - a.left)
		a.left = 0
	}
}

// Keep gives back what exceeds that many bytes.
func (g *Grant) Keep(bytes int) {
	if g == nil || int64(bytes) >= g.bytes {
		return
	}
	g.budget.mu.Lock()
	defer g.budget.mu.Unlock()
	g.budget.take(g.account, g.budget.counted(int64(bytes))-g.budget.counted(g.bytes))
	g.bytes = int64(bytes)
}

// Close gives everything back. It may be called repeatedly.
func (g *Grant) Close() {
	g.Rest()
	g.Keep(0)
}

// Move makes the grant another account's. It returns an *ExceededError, and moves nothing, when that account has no room
// for it.
func (g *Grant) Move(account string) error {
	if g == nil {
		return nil
	}
	b := g.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	bytes := b.counted(g.bytes)
	if b.byAccount[account]+bytes > b.share {
		return &ExceededError{Account: true}
	}
	b.take(g.account, -bytes)
	b.take(account, bytes)
	g.account = account
	return nil
}

// ExceededError is a reservation that the budget has no room for. Its text is for callers.
type ExceededError struct {
	// Account is whether it is the account's share that is used up, not the whole budget.
	Account bool
}

func (e *ExceededError) Error() string {
	if e.Account {
		return "The account has too many large requests under way; wait for one to end and try again."
	}
	return "The server has too many large requests under way; try again."
}

// Problem implements problem.Error.
func (e *ExceededError) Problem() problem.Problem {
	p := problem.Problem{Type: types.ErrorTypeOverloadedError, Message: e.Error(), RetryAfter: time.Second}
	if e.Account {
		p.Type = types.ErrorTypeRateLimitError
	}
	return p
}
