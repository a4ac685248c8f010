package remote

import (
	"bytes"
	"sync"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/fetch"
)

// Content is what was encrypted. It never changes.
type Content struct {
	Mode   crypt.Mode // 0: a foreign object
	IV     []byte     // names the version; nil: foreign, or only listed so far
	MAC    string
	Plain  int64 // bytes
	Cipher int64 // bytes
}

// State is where a version stands in the store, and what is said of it there.
type State struct {
	Key      string
	ETag     string // "": the object is not known to have arrived
	Check    string
	Wrapped  []byte // the data key, by the latest word of a sidecar
	KeyID    string // what Wrapped is wrapped under
	Region   string // of the KMS key, by a sidecar; where KeyID is not known, it alone tells
	Modified time.Time
	Attr     sidecar.Attr
	Job      string // that was made of the version, by a sidecar; "": none
	Sidecar  Sidecar
	Body     []byte   // ciphertext of a symlink's target, if it is known
	Fallback *Version // what stands in its place, should it not have arrived
}

// Version is one committed content of a file, as the store has it. Its methods may be
// called by several goroutines.
type Version struct {
	Content
	Damage    error // why it cannot be read: a malformed sidecar, say. It does not change
	FromStore bool  // the store has described it when it was loaded, and not the metadata cache

	mu          sync.Mutex // over what follows; a leaf: nothing is done under it
	now         State
	fromJournal bool  // the body is from this machine's journal, where an older program may have put it
	refused     error // why a symlink is not followed; nil: nothing is known against it
	byTime      bool  // what it is rests on when the object was modified, too
	// recheck, if not 0, is after how long to look again: it was described so soon
	// after it was modified that a later change may bear the same time.
	recheck time.Duration
}

// NewVersion makes a version.
func NewVersion(c Content, now State) *Version { return &Version{Content: c, now: now} }

// Sidecar is a sidecar as the store has it; the zero value: there is none.
type Sidecar struct {
	ETag     string
	Size     int64
	Modified time.Time // as it was told first: see as
	// Itself is what the object states in place of a sidecar; nil: nothing.
	Itself *sidecar.Attr
}

// IsNone reports whether there is neither a sidecar, nor an object that states what it would:
// what is known of attributes then is no more than what the object was born with.
func (s Sidecar) IsNone() bool { return s.ETag == "" && s.Itself == nil }

// SidecarOf is a sidecar that the store has described. Stores tell the time to the
// second in one answer, and more exactly in another.
func SidecarOf(info store.Info) Sidecar {
	return Sidecar{ETag: info.ETag, Size: info.Size, Modified: info.Modified.Truncate(time.Second)}
}

// as gives s the time that has been shown of the same sidecar: what stat tells of one
// changes with its content, and not with who describes it.
func (s Sidecar) as(shown Sidecar) Sidecar {
	if s.ETag == shown.ETag && !shown.Modified.IsZero() {
		s.Modified = shown.Modified
	}
	return s
}

// Foreign reports whether mcfs has not encrypted the object.
func (x *Version) Foreign() bool { return x.Mode == 0 }

// WantsSidecar reports whether a sidecar belongs to the version: not to a foreign
// object nor to a symlink.
func (x *Version) WantsSidecar() bool { return !x.Foreign() && !x.IsSymlink() }

// IsSymlink reports whether the version is called a symlink. The store's word for that
// is not checked before the target is read.
func (x *Version) IsSymlink() bool { return x.State().Attr.Mode&typeBits == symlinkBits }

// State returns what is known by now. What it points to is the version's.
func (x *Version) State() State {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now
}

// Facts are what a version tells of itself to who lists files.
type Facts struct {
	ETag, KeyID, Job string // empty: not known, or there is none
	IV               []byte // nil: the object is foreign
}

// Facts returns them; nothing of no version.
func (x *Version) Facts() Facts {
	if x == nil {
		return Facts{}
	}
	now := x.State()
	return Facts{ETag: now.ETag, KeyID: now.KeyID, Job: now.Job, IV: x.IV}
}

// Place returns where the version is now; etag "": it is not known to have arrived.
func (x *Version) Place() (key, etag string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now.Key, x.now.ETag
}

// DataKey returns the wrapped data key, and what it is wrapped under.
func (x *Version) DataKey() (wrapped []byte, keyID string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now.Wrapped, x.now.KeyID
}

// Sidecar returns the sidecar that is known to be in the store.
func (x *Version) Sidecar() Sidecar { return x.State().Sidecar }

// SetSidecar notes another one.
func (x *Version) SetSidecar(s Sidecar) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.Sidecar = s.as(x.now.Sidecar)
}

// Attr returns the attributes that the store states of the version, or will.
func (x *Version) Attr() sidecar.Attr { return x.State().Attr }

// SetAttr notes other ones.
func (x *Version) SetAttr(a sidecar.Attr) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.Attr = a
}

// Recheck returns after how long the store is to be asked once more; 0: no need.
func (x *Version) Recheck() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.recheck
}

// Moved records another place, and that the object stands there.
func (x *Version) Moved(key, etag string, side Sidecar) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.Key, x.now.ETag, x.now.Sidecar, x.now.Fallback = key, etag, side.as(x.now.Sidecar), nil
}

// FoundAt records another place that a look at the store has shown, unless the version has
// left the place (from, old) in which it was known to be when the look began: who moves it
// knows better than an answer of before.
func (x *Version) FoundAt(from, old, key, etag string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.now.Key == from && x.now.ETag == old {
		x.now.Key, x.now.ETag, x.now.Fallback = key, etag, nil
	}
}

// Arrived records that the object is in the store.
func (x *Version) Arrived(etag string, modified time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.ETag, x.now.Modified, x.now.Fallback = etag, modified, nil
	if modified.IsZero() {
		x.now.Modified = time.Now()
	}
}

// sidecarPut records a sidecar that states all there is to say.
func (x *Version) sidecarPut(s Sidecar) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.Sidecar, x.byTime, x.recheck = s.as(x.now.Sidecar), false, 0
}

// symlinkPut records that a symlink's object, and its attributes with it, were put.
func (x *Version) symlinkPut(key string, info store.Info) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.Key, x.now.ETag, x.now.Modified = key, info.ETag, info.Modified
	x.byTime, x.recheck = true, RecheckSoon
}

// Fallback returns what stands in its place, should it never have arrived; nil: nothing.
func (x *Version) Fallback() *Version { return x.State().Fallback }

// SetFallback notes another one.
func (x *Version) SetFallback(f *Version) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.Fallback = f
}

// FallbackThatIs returns which of the versions that stand in the place of x, one behind
// the other, an object is. It is nil where it is none of them, or x is nil.
func (x *Version) FallbackThatIs(info store.Info) *Version {
	if x == nil {
		return nil
	}
	for x = x.Fallback(); x != nil && !x.Is(info); x = x.Fallback() {
	}
	return x
}

// takeJob notes the job that a sidecar of the version names, and reports whether it was not known.
func (x *Version) takeJob(job string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	news := job != "" && job != x.now.Job
	if news {
		x.now.Job = job
	}
	return news
}

// Needs reports whether base is x, or one that stands in its place.
func (x *Version) Needs(base *Version) bool {
	for ; x != nil; x = x.Fallback() {
		if x == base {
			return true
		}
	}
	return false
}

// TakeAttr takes the attributes over from another description of the same version, or
// of one that stands in that one's place. It reports whether there were any.
func (x *Version) TakeAttr(other *Version) bool {
	for ; other != nil; other = other.Fallback() {
		if len(other.IV) == 0 || !bytes.Equal(other.IV, x.IV) {
			continue
		}
		x.SetAttr(other.Attr())
		return true
	}
	return false
}

// Refresh takes over a later description of the same version. It returns the attributes
// of before, and whether the later description says anything of attributes: one without
// the sidecar that belongs to it, as on its way between two names, does not.
func (x *Version) Refresh(later *Version) (before sidecar.Attr, stated bool) {
	stated = !later.WantsSidecar() || !later.Sidecar().IsNone()
	next := later.State()
	later.mu.Lock()
	byTime, recheck := later.byTime, later.recheck
	later.mu.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if before = x.now.Attr; stated {
		x.now.Attr, x.now.Job = next.Attr, next.Job
	}
	if stated || next.Key == x.now.Key {
		x.now.Sidecar = next.Sidecar.as(x.now.Sidecar)
	}
	x.now.Modified = next.Modified
	x.now.Wrapped, x.now.KeyID, x.now.Region = next.Wrapped, next.KeyID, next.Region
	x.byTime, x.recheck = byTime, recheck
	return before, stated
}

// Rechecked takes over what a later look at an object without a sidecar has shown.
func (x *Version) Rechecked(later *Version) {
	next, recheck := later.State(), later.Recheck()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.Attr, x.now.Modified, x.recheck = next.Attr, next.Modified, recheck
	x.now.Sidecar.Itself = next.Sidecar.Itself
}

// Fetchable describes the version to the read pipeline.
func (x *Version) Fetchable() fetch.Version {
	return fetch.Version{
		Mode: x.Mode, IV: x.IV, Plain: x.Plain, Cipher: x.Cipher, MAC: x.MAC, Check: x.State().Check,
		Locate: x.Place, Bears: x.Matches,
	}
}

// NoteCheck notes the check that a version opened as a file must have: a sidecar alone
// does not state it.
func (x *Version) NoteCheck(check string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.now.Check == "" {
		x.now.Check = check
	}
}

// SetJournaled gives a symlink the ciphertext of its target that this machine's journal kept.
func (x *Version) SetJournaled(body []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now.Body, x.fromJournal = body, true
}

// Object returns the metadata that stands with the object.
func (x *Version) Object() sidecar.Object {
	now := x.State()
	return sidecar.Object{Mode: x.Mode.String(), Key: now.Wrapped, KeyID: now.KeyID, IV: x.IV, Check: now.Check}
}

// meta is the metadata of the version's sidecar.
func (x *Version) meta() sidecar.Meta {
	now := x.State()
	return sidecar.Meta{ETag: now.ETag, Size: x.Plain, MAC: x.MAC, KeyID: now.KeyID, Job: now.Job, Attr: now.Attr}
}
