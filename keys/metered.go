package keys

import (
	"context"
	"time"
)

// Calls of a Keeper, as a Metered one names them.
const (
	CallNew    = "new"
	CallUnwrap = "unwrap"
	CallWrap   = "wrap"
	CallRewrap = "rewrap"
	CallCheck  = "check"
)

// Metered is a Keeper that tells of each call which may go over the network: its name, how long
// it took, retries included, and its error.
type Metered struct {
	Keeper
	Tell func(call string, took time.Duration, err error) // may be called from several goroutines
}

// New implements Keeper.
func (m Metered) New(ctx context.Context, bits int) (DataKey, error) {
	begun := time.Now()
	k, err := m.Keeper.New(ctx, bits)
	m.Tell(CallNew, time.Since(begun), err)
	return k, err
}

// Unwrap implements Keeper.
func (m Metered) Unwrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, error) {
	begun := time.Now()
	plain, err := m.Keeper.Unwrap(ctx, wrapped, keyID)
	m.Tell(CallUnwrap, time.Since(begun), err)
	return plain, err
}

// Wrap implements Keeper.
func (m Metered) Wrap(ctx context.Context, plain []byte) (DataKey, error) {
	begun := time.Now()
	k, err := m.Keeper.Wrap(ctx, plain)
	m.Tell(CallWrap, time.Since(begun), err)
	return k, err
}

// Rewrap implements Keeper.
func (m Metered) Rewrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, string, error) {
	begun := time.Now()
	again, id, err := m.Keeper.Rewrap(ctx, wrapped, keyID)
	m.Tell(CallRewrap, time.Since(begun), err)
	return again, id, err
}

// Check implements Keeper.
func (m Metered) Check(ctx context.Context) error {
	begun := time.Now()
	err := m.Keeper.Check(ctx)
	m.Tell(CallCheck, time.Since(begun), err)
	return err
}
