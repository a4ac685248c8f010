package main

import (
	"context"
	"errors"
	"time"

	"mcfs/internal/control"
	"mcfs/internal/status"
)

// answer is what the daemon of a mount told at a time.
type answer struct {
	*status.Pending
	at     time.Time
	volume string // address; "" if that is not in S3
}

// pendingAge is how old what a daemon told may be. Many files then take one question.
const pendingAge = time.Second

// pendingIn asks the daemon of a mount what is pending, unless it has just told.
func (r *inputReader) pendingIn(ctx context.Context, daemon control.Client) (*answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.told[daemon.Mountpoint]; p != nil && time.Since(p.at) < pendingAge {
		return p, nil
	}
	begun := time.Now()
	report, err := status.Ask(ctx, daemon, "")
	if err == nil && report.Status == nil {
		err = errors.New("it tells nothing of its files")
	}
	if err != nil {
		return nil, err
	}
	p := &answer{status.NewPending(report), begun, inS3(report.Volume)}
	if r.told == nil {
		r.told = make(map[string]*answer)
	}
	r.told[daemon.Mountpoint] = p
	return p, nil
}
