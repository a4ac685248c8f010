package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"mcfs/internal/control"
	"mcfs/internal/status"
	"mcfs/volume"
)

// pending is what a mount has that its store has not, as its daemon told it at a time.
type pending struct {
	at     time.Time
	volume string                         // address; "" if that is not in S3
	drafts map[string]string              // states, by path
	moved  map[string]volume.ChangeStatus // by the paths that are not the store's
}

// pendingAge is how old what a daemon told may be. Many files then take one question.
const pendingAge = time.Second

// pendingIn asks the daemon of a mount what is pending, unless it has just told.
func (r *inputReader) pendingIn(ctx context.Context, daemon control.Client) (*pending, error) {
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
	p := newPending(report)
	p.at = begun
	if r.told == nil {
		r.told = make(map[string]*pending)
	}
	r.told[daemon.Mountpoint] = p
	return p, nil
}

func newPending(r status.Report) *pending {
	p := &pending{volume: inS3(r.Volume), drafts: make(map[string]string), moved: make(map[string]volume.ChangeStatus)}
	for _, d := range r.Drafts {
		p.drafts[d.Path] = d.State
	}
	for _, c := range r.Changes {
		if c.What == "attr" || c.What == "mkdir" { // neither moves an object, nor gives it another key
			continue
		}
		for _, at := range []string{c.Path, c.To} {
			if _, there := p.moved[at]; at != "" && !there {
				p.moved[at] = c
			}
		}
	}
	return p
}

// isLocal reports whether a file stays on this machine under its name.
func (p *pending) isLocal(inside string) bool { return p.drafts[inside] == volume.Local.String() }

// why returns why a file of the mount is not in the store as it is here, and the cure; else "".
func (p *pending) why(inside string) (why, cure string) {
	const wait = "wait for it with mcfs sync and its path"
	switch state, there := p.drafts[inside]; {
	case !there:
	case state == volume.Interrupted.String():
		return "is interrupted: its writer was killed or a write to it failed", "save it again, or commit it as it is with mcfs sync and its path"
	case state == volume.Lost.String():
		return "cannot be committed", "see mcfs status and mcfs help quarantine"
	case state == volume.Local.String(), state == volume.Temporary.String():
		return "", "" // which settings tells better
	case state == volume.Writing.String():
		return "is open for writing, and not committed yet", "close it first"
	default:
		return "is not committed yet", wait
	}
	for at := inside; at != "." && at != "/"; at = path.Dir(at) {
		if c, there := p.moved[at]; there {
			return fmt.Sprintf("is not in the store as it is here (%s of %s)", c.What, c.Path), wait
		}
	}
	return "", ""
}
