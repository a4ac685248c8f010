package verdict

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mcfs/internal/control"
	"mcfs/internal/demo"
	"mcfs/internal/drain"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/keys"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/wire"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume"
)

// Code is the word by which a program tells one failure from another. None is ever renamed.
type Code string

// The codes that commands give themselves.
const (
	Failed       Code = "failed"
	Usage        Code = "usage"
	Interrupted  Code = "interrupted"
	Config       Code = "configuration"
	Credentials  Code = "credentials"
	Directory    Code = "is_directory"
	NotMounted   Code = "not_mounted"
	NotInMount   Code = "not_in_mount"
	NotInVolume  Code = "not_in_volume"
	NotCommitted Code = "not_committed"
	NoSettings   Code = "no_settings"
	LocalKey     Code = "local_key"
	NoRegion     Code = "no_region"
	Keyring      Code = "keyring_missing"
	Place        Code = "unsafe_place"
	Exists       Code = "exists"
	Unconfirmed  Code = "not_confirmed"
	Tool         Code = "tool_missing"
	JobError     Code = "job_error"
	JobCanceled  Code = "job_canceled"
	JobRunning   Code = "job_running"
	Some         Code = "some_failed"
	Unsound      Code = "checks_failed"
	Incomplete   Code = "incomplete"
	Damaged      Code = "damaged"
	Unreachable  Code = "unreachable"
	Foreign      Code = "foreign"
	SameOutput   Code = "same_output"
	HashList     Code = "hash_list"
	Inventory    Code = "inventory"
)

// The codes of the errors of the rooms below.
const (
	JobUnclear         Code = "job_unclear"
	JobRefused         Code = "job_refused"
	JobDocument        Code = "job_document"
	JobField           Code = "job_field"
	OtherKeeper        Code = "other_keeper"
	KeyMalformed       Code = "key_malformed"
	KeyDenied          Code = "key_denied"
	KeyState           Code = "key_state"
	KeyUnavailable     Code = "key_unavailable"
	NoObject           Code = "no_object"
	NoBucket           Code = "no_bucket"
	StoreDenied        Code = "store_denied"
	StoreChanged       Code = "store_changed"
	StoreConflict      Code = "store_conflict"
	NoUpload           Code = "no_upload"
	Checksum           Code = "checksum"
	StoreUnavailable   Code = "store_unavailable"
	SpoolInUse         Code = "spool_in_use"
	SpoolFull          Code = "spool_full"
	SpoolLoose         Code = "spool_loose"
	NotInQuarantine    Code = "not_in_quarantine"
	Restored           Code = "restored"
	NoDaemon           Code = "no_daemon"
	DaemonRefused      Code = "daemon_refused"
	Stuck              Code = "stuck"
	SettingsIncomplete Code = "settings_incomplete"
	MetadataTooLarge   Code = "metadata_too_large"
	Timeout            Code = "timeout"
	NotFound           Code = "not_found"
	Permission         Code = "permission"
)

// Failure is an error that has a code and, where there is one, a cure. Its text is the error's.
type Failure struct {
	error
	code Code
	cure string
}

func (f Failure) Unwrap() error { return f.error }

// With gives an error a code and a cure, which its text says already, or need not say.
func With(err error, c Code, cure string) error { return Failure{err, c, cure} }

// Errorf is a failure with a code, whose text ends with the cure.
func Errorf(c Code, cure, format string, args ...any) error {
	return Failure{fmt.Errorf("%w: %s", fmt.Errorf(format, args...), cure), c, cure}
}

// Exit statuses that the rooms beside the commands know; docs/commands.md has all.
const (
	StatusFailed = 1
	StatusUsage  = 2
	StatusSome   = 3
	StatusDamage = 4
)

// Ended is an error that ends the program with a status of its own.
type Ended struct {
	Err    error
	Status int
}

func (e Ended) Error() string { return e.Err.Error() }
func (e Ended) Unwrap() error { return e.Err }

// kind is an error of the rooms below, as programs know it.
type kind struct {
	code Code
	cure string // where the error has none of its own
	is   func(error) bool
}

func sentinel(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func ofType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// kinds are the errors of the rooms below. The first that matches counts.
var kinds = []kind{
	{JobUnclear, "run the same command again, which finds the job", sentinel(jobs.ErrUnclear)},
	{JobRefused, "see the service's message", ofType[*jobs.Refused]},
	{JobDocument, "correct the template or the options", ofType[*document.Refusal]},
	{JobField, "correct the template at the path that the message names", ofType[*wire.FieldError]},

	{OtherKeeper, "use the keyring or KMS key under which it was encrypted", sentinel(keys.ErrOtherKeeper)},
	{KeyMalformed, "restore the settings or the draft from a copy", sentinel(keys.ErrMalformed)},
	{KeyDenied, "allow the credentials in use to use the key, or correct the permissions of the keyring", sentinel(keys.ErrDenied)},
	{KeyState, "enable the key, or correct keys.key_id or keys.path", sentinel(keys.ErrKeyState)},
	{KeyUnavailable, "look at the network and keys.endpoint, and try again", sentinel(keys.ErrUnavailable)},

	{NoObject, "correct the path or address", sentinel(store.ErrNotExist)},
	{NoBucket, "correct store.bucket and store.region", sentinel(store.ErrNoBucket)},
	{StoreDenied, "give credentials that may use the bucket", sentinel(store.ErrDenied)},
	{StoreChanged, "try again", sentinel(store.ErrPrecondition)},
	{StoreConflict, "try again", sentinel(store.ErrConflict)},
	{NoUpload, "try again", sentinel(store.ErrNoUpload)},
	{Checksum, "try again; look at the network and the disk if it stays", sentinel(store.ErrChecksum)},
	{StoreUnavailable, "look at the network and store.endpoint, and try again", sentinel(store.ErrUnavailable)},

	{SpoolInUse, "unmount the other mount, or give this one a spool.dir of its own", sentinel(spool.ErrLocked)},
	{SpoolFull, "raise spool.max_size, or make room on its disk", sentinel(spool.ErrFull)},
	{SpoolLoose, "take the folder's permissions from others", sentinel(spool.ErrLoose)},
	{Damaged, "see mcfs help quarantine", sentinel(spool.ErrCorrupt)},
	{NotInQuarantine, "see mcfs quarantine list", sentinel(spool.ErrNoneSuch)},
	{Restored, "see mcfs status", sentinel(spool.ErrReinstated)},

	{NoDaemon, "mount it again", sentinel(control.ErrNoDaemon)},
	{NotInMount, "mount it", sentinel(mounts.ErrNotIn)},
	{NoDaemon, "mount it again", sentinel(control.ErrCutOff)},
	{NoDaemon, "mount it anew", sentinel(control.ErrOldDaemon)},
	{DaemonRefused, "see mcfs status, and the daemon's log", ofType[control.Failure]},
	{Stuck, "see mcfs status", sentinel(drain.ErrStuck)},
	{Incomplete, "see mcfs help quarantine", sentinel(volume.ErrIncomplete)},
	{SettingsIncomplete, "save the file again", sentinel(sidecar.ErrIncomplete)},
	{MetadataTooLarge, "remove extended attributes", sentinel(sidecar.ErrTooLarge)},

	{Tool, "install the package that has it", ofType[demo.ToolError]},
	{Timeout, "look at the network, and try again", sentinel(context.DeadlineExceeded)},
	{NotFound, "correct the path", sentinel(fs.ErrNotExist)},
	{Permission, "use a user who may, or correct the permissions", sentinel(fs.ErrPermission)},
}

// CodeOf is the word for an error.
func CodeOf(err error) Code { return LineOf(err).Code }

// Line is the last line on standard error of a command with --json that failed.
type Line struct {
	Type    string `json:"type,omitempty"` // "error"; in an item of several: ""
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Cure    string `json:"cure,omitempty"`
}

// LineOf puts a failure into its line. The message does not repeat the cure.
func LineOf(err error) Line {
	l := Line{Type: "error", Code: Failed, Message: human.OneLine(err)}
	if c, ok := errors.AsType[Failure](err); ok {
		l.Code, l.Cure = c.code, c.cure
	} else {
		for _, k := range kinds {
			if k.is(err) {
				l.Code, l.Cure = k.code, k.cure
				break
			}
		}
	}
	if own := ownCure(err); own != "" {
		l.Cure = own
	}
	l.Cure = human.Printable(l.Cure)
	l.Message = strings.TrimSuffix(l.Message, ": "+l.Cure)
	return l
}

// mostCures is for how many failures a cure is looked for at once.
const mostCures = 1000

// AddCures fills in what helps against the failures of drafts, the first of them if there are many.
func AddCures(s *volume.Status) {
	left := mostCures
	for _, d := range s.Drafts {
		if d.Failure == nil || d.Failure.Err == nil {
			continue
		}
		d.Failure.Cure = LineOf(d.Failure.Err).Cure
		if left--; left == 0 {
			return
		}
	}
}

// ownCure is the cure that an error of the rooms below names itself.
func ownCure(err error) string {
	if r, ok := errors.AsType[*document.Refusal](err); ok {
		return r.Cure
	}
	if r, ok := errors.AsType[*jobs.Refused](err); ok {
		return r.Cure
	}
	return ""
}
