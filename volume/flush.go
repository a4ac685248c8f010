package volume

import (
	"context"
	"fmt"

	"mcfs/volume/commit"
	"mcfs/volume/file"
)

// commitNow is what the close of a writer does: it asks for the commit, also of
// what a killed one had left, and waits for it.
func (n *Node) commitNow(ctx context.Context) error {
	v := n.v
	v.track(n)
	v.judgeAtClose(ctx, n)
	v.mu.Lock()
	gone, staged := n.gone, n.staged
	v.mu.Unlock()
	if !gone {
		if err := n.holdBack(); err != nil {
			return err
		}
	}
	if n.holdUnfinished() {
		return n.keepUnfinished()
	}
	n.content.Lock()
	state, gen, divided, told := n.content.State, n.content.Gen, n.content.Divided, n.content.LeavesForFinalNameLocked()
	n.content.Divided = false
	if divided {
		n.content.Displaced = gen
	}
	n.content.SupersedeOlderLocked() // from here on this close's content is to be safe
	n.content.Unlock()
	switch {
	case divided && state != Clean:
		if err := n.content.Keep(file.Closed); err != nil {
			return err
		}
		n.commit.Ask(commit.Itself)
		return n.commit.Await(ctx, gen)
	case gone, state == Clean:
		return nil // a file without a name is not published
	case state == Lost:
		return fmt.Errorf("its draft is in quarantine: %w", ErrIO)
	case state == Temporary && staged: // its program means it as it is, and renames many at once
		if err := n.content.Keep(file.Closed); !file.IsSent(err) {
			return err
		} // else the spool was too small for its folder, and parts of it have left meanwhile
	case state == Local, state == Temporary, told:
		return n.content.KeepFast()
	case v.o.SpoolDurable:
		n.content.Want(gen) // which the journal is to know
		if err := n.content.Keep(file.Closed); !file.IsSent(err) {
			n.commit.Ask(commit.Closing)
			return err
		} // else the spool is too small for it, and it is safe once it is in the store
	}
	n.content.TryToHold()
	n.commit.Ask(commit.Closing)
	n.content.Expect(1)
	defer n.content.Expect(-1)
	return n.commit.Await(ctx, gen)
}

// askAtShutdown asks for what a close or a release would have committed by itself.
func (v *Volume) askAtShutdown(n *Node) {
	n.content.Lock()
	due := n.content.State == Writing && n.content.Writers == 0
	n.leaveUnfinished()
	n.content.Unlock()
	if due {
		n.commit.Ask(commit.Itself)
	}
}
