package control

import "encoding/json"

// request is what a client asks for.
type request struct {
	Op     string   `json:"op"`               // "unmount", "sync", "wrong", "status", "events", "restore" or "reload"
	Now    bool     `json:"now,omitempty"`    // of unmount: do not wait for what is pending, and end what is open
	Wait   bool     `json:"wait,omitempty"`   // of unmount: until nothing is open for writing
	Paths  []string `json:"paths,omitempty"`  // of sync, wrong, status and events, in the volume; "" is all of it
	Repair bool     `json:"repair,omitempty"` // of sync: look at all sidecars first
	ID     string   `json:"id,omitempty"`     // of restore, in quarantine
	Since  string   `json:"since,omitempty"`  // of events: the last that is known
}

// answer is one line back.
type answer struct {
	Text  string `json:"text,omitempty"`  // progress, for a person
	Done  bool   `json:"done,omitempty"`  // the last line: unmounted, or in sync
	Error string `json:"error,omitempty"` // with Done: what could not be finished

	Status int `json:"status,omitempty"` // with Error: see Failure

	Report json.RawMessage `json:"report,omitempty"` // to status, with Done

	Event json.RawMessage `json:"event,omitempty"`

	Path string `json:"path,omitempty"` // in the volume: of a wrong sidecar's file, or where something is restored
}

// Failure is what a daemon could not do, as it tells its client.
type Failure struct {
	Text   string // one line
	Status int    // with which the client's process should exit; 0: as after any failure
}

func (f Failure) Error() string { return f.Text }
