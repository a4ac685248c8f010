package volume

import "fmt"

// State is what a draft is in. The zero State is a clean file: no draft at all.
type State uint8

const (
	// Clean: the file is as the store has it.
	Clean State = iota
	// Open: being written; nothing has asked for its commit.
	Writing
	// Queued: a close, a release or a rename asked for its commit, which waits for its turn or its next try.
	Queued
	// Uploading: its parts are leaving.
	Uploading
	// Publishing: all has been sent but the request that makes the object visible, or its sidecar.
	Publishing
	// Interrupted: its writer was killed, or a write failed; it stays until it is written (whole) and
	// closed again, or synced by hand.
	Interrupted
	// Local: it bears a local-only name and stays in the spool.
	Local
	// Temporary: its name looks like one that a program uses in passing; it waits in the spool for another, and not for ever.
	Temporary
	// Lost: it cannot be committed any more; its bytes are in quarantine.
	Lost
)

var stateNames = [...]string{"clean", "writing", "queued", "uploading", "publishing", "interrupted", "local", "temporary", "lost"}

func (s State) String() string { return stateNames[s] }

// waits reports whether nothing has asked for the draft's commit.
func (s State) waits() bool { return s == Local || s == Temporary || s == Interrupted }

// event is what happens to a draft.
type event uint8

const (
	evWrite   event = iota // content or attributes changed
	evAsk                  // flush, release, sync or a rename to an ordinary name asks for the commit
	evStart                // a commit attempt begins to send
	evReady                // only the final requests are left
	evDone                 // object and sidecar are in the store
	evFail                 // the attempt failed; it will be tried again
	evMove                 // renamed while under way: start over at the new name
	evKill                 // the writer was killed by a signal
	evSpoil                // it was to be committed, but a write had failed
	evAbandon              // it was killed while its close waited, and the commit was called off
	evHide                 // it got a local-only name
	evGuess                // it got a name that looks temporary
	evRemove               // unlinked
	evCondemn              // permanent failure
	evRestore              // brought back from quarantine
)

var eventNames = [...]string{"write", "ask", "start", "ready", "done", "fail", "move", "kill", "spoil", "abandon", "hide", "guess", "remove", "condemn", "restore"}

func (e event) String() string { return eventNames[e] }

// transitions is the whole state machine: what is not in it must not happen.
var transitions = map[State]map[event]State{
	Clean: {evWrite: Writing, evRemove: Clean, evDone: Clean, evMove: Clean, evHide: Local, evGuess: Temporary},
	Writing: {
		evWrite: Writing, evAsk: Queued, evKill: Interrupted, evSpoil: Interrupted, evHide: Local, evGuess: Temporary, evMove: Writing,
		evRemove: Clean, evCondemn: Lost,
	},
	Queued: {
		evWrite: Queued, evAsk: Queued, evStart: Uploading, evKill: Queued, evSpoil: Queued, evHide: Local, evGuess: Temporary, evMove: Queued,
		evFail: Queued, evAbandon: Interrupted, evRemove: Clean, evCondemn: Lost,
	},
	Uploading: {
		evWrite: Uploading, evAsk: Uploading, evReady: Publishing, evFail: Queued, evMove: Queued,
		evKill: Uploading, evSpoil: Uploading, evAbandon: Interrupted, evHide: Local, evGuess: Temporary, evRemove: Clean, evCondemn: Lost,
	},
	Publishing: {
		evWrite: Publishing, evAsk: Publishing, evDone: Clean, evFail: Queued, evKill: Publishing, evSpoil: Publishing,
		evMove: Publishing, evRemove: Publishing, evCondemn: Lost,
	},
	Interrupted: {
		evWrite: Writing, evAsk: Queued, evKill: Interrupted, evSpoil: Interrupted, evHide: Local, evGuess: Interrupted, evMove: Interrupted,
		evRemove: Clean, evCondemn: Lost,
	},
	Local: {
		evWrite: Local, evAsk: Local, evKill: Local, evSpoil: Local, evHide: Local, evGuess: Temporary, evMove: Writing,
		evRemove: Clean, evCondemn: Lost,
	},
	Temporary: {
		evWrite: Temporary, evAsk: Queued, evKill: Interrupted, evSpoil: Interrupted, evHide: Local, evGuess: Temporary, evMove: Writing,
		evRemove: Clean, evCondemn: Lost,
	},
	// What is written to a lost draft is its emptying.
	Lost: {evWrite: Writing, evRemove: Clean, evMove: Lost, evAsk: Lost, evKill: Lost, evRestore: Interrupted},
}

// next is the state after an event; an error where the table has none, which is
// a defect of this package and never a user's doing.
func (s State) next(e event) (State, error) {
	to, ok := transitions[s][e]
	if !ok {
		return s, fmt.Errorf("draft is %s: %s cannot happen", s, e)
	}
	return to, nil
}
