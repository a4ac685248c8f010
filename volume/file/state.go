package file

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

// Waits reports whether nothing has asked for the draft's commit.
func (s State) Waits() bool { return s == Local || s == Temporary || s == Interrupted }

// Event is what happens to a draft.
type Event uint8

const (
	EvWrite   Event = iota // content or attributes changed
	EvAsk                  // flush, release, sync or a rename to an ordinary name asks for the commit
	EvStart                // a commit attempt begins to send
	EvReady                // only the final requests are left
	evDone                 // object and sidecar are in the store
	EvFail                 // the attempt failed; it will be tried again
	EvMove                 // renamed while under way: start over at the new name
	EvKill                 // the writer was killed by a signal
	EvSpoil                // it was to be committed, but a write had failed
	EvAbandon              // it was killed while its close waited, and the commit was called off
	EvHide                 // it got a local-only name
	EvGuess                // it got a name that looks temporary
	evRemove               // unlinked
	EvLose                 // permanent failure
	evRestore              // brought back from quarantine
)

var eventNames = [...]string{"write", "ask", "start", "ready", "done", "fail", "move", "kill", "spoil", "abandon", "hide", "guess", "remove", "condemn", "restore"}

func (e Event) String() string { return eventNames[e] }

// transitions is the whole state machine: what is not in it must not happen.
var transitions = map[State]map[Event]State{
	Clean: {EvWrite: Writing, evRemove: Clean, evDone: Clean, EvMove: Clean, EvHide: Local, EvGuess: Temporary},
	Writing: {
		EvWrite: Writing, EvAsk: Queued, EvKill: Interrupted, EvSpoil: Interrupted, EvHide: Local, EvGuess: Temporary, EvMove: Writing,
		evRemove: Clean, EvLose: Lost,
	},
	Queued: {
		EvWrite: Queued, EvAsk: Queued, EvStart: Uploading, EvKill: Queued, EvSpoil: Queued, EvHide: Local, EvGuess: Temporary, EvMove: Queued,
		EvFail: Queued, EvAbandon: Interrupted, evRemove: Clean, EvLose: Lost,
	},
	Uploading: {
		EvWrite: Uploading, EvAsk: Uploading, EvReady: Publishing, EvFail: Queued, EvMove: Queued,
		EvKill: Uploading, EvSpoil: Uploading, EvAbandon: Interrupted, EvHide: Local, EvGuess: Temporary, evRemove: Clean, EvLose: Lost,
	},
	Publishing: {
		EvWrite: Publishing, EvAsk: Publishing, evDone: Clean, EvFail: Queued, EvKill: Publishing, EvSpoil: Publishing,
		EvMove: Publishing, evRemove: Publishing, EvLose: Lost,
	},
	Interrupted: {
		EvWrite: Writing, EvAsk: Queued, EvKill: Interrupted, EvSpoil: Interrupted, EvHide: Local, EvGuess: Interrupted, EvMove: Interrupted,
		evRemove: Clean, EvLose: Lost,
	},
	Local: {
		EvWrite: Local, EvAsk: Local, EvKill: Local, EvSpoil: Local, EvHide: Local, EvGuess: Temporary, EvMove: Writing,
		evRemove: Clean, EvLose: Lost,
	},
	Temporary: {
		EvWrite: Temporary, EvAsk: Queued, EvKill: Interrupted, EvSpoil: Interrupted, EvHide: Local, EvGuess: Temporary, EvMove: Writing,
		evRemove: Clean, EvLose: Lost,
	},
	// What is written to a lost draft is its emptying.
	Lost: {EvWrite: Writing, evRemove: Clean, EvMove: Lost, EvAsk: Lost, EvKill: Lost, evRestore: Interrupted},
}

// Next is the state after an event; an error where the table has none, which is
// a defect of this package and never a user's doing.
func (s State) Next(e Event) (State, error) {
	to, ok := transitions[s][e]
	if !ok {
		return s, fmt.Errorf("draft is %s: %s cannot happen", s, e)
	}
	return to, nil
}
