package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"mcfs/internal/control"
	"mcfs/internal/drain"
	"mcfs/internal/human"
	"mcfs/keys"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/wire"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume"
)

// code is the word by which a program tells one failure from another. None is ever renamed.
type code string

// The codes that commands give themselves.
const (
	codeFailed       code = "failed"
	codeUsage        code = "usage"
	codeInterrupted  code = "interrupted"
	codeConfig       code = "configuration"
	codeCredentials  code = "credentials"
	codeDirectory    code = "is_directory"
	codeNotMounted   code = "not_mounted"
	codeNotInMount   code = "not_in_mount"
	codeNotInVolume  code = "not_in_volume"
	codeNotCommitted code = "not_committed"
	codeNoSettings   code = "no_settings"
	codeLocalKey     code = "local_key"
	codeNoRegion     code = "no_region"
	codeKeyring      code = "keyring_missing"
	codePlace        code = "unsafe_place"
	codeExists       code = "exists"
	codeUnconfirmed  code = "not_confirmed"
	codeTool         code = "tool_missing"
	codeJobError     code = "job_error"
	codeJobCanceled  code = "job_canceled"
	codeJobRunning   code = "job_running"
	codeSome         code = "some_failed"
	codeUnsound      code = "checks_failed"
	codeIncomplete   code = "incomplete"
	codeDamaged      code = "damaged"
	codeUnreachable  code = "unreachable"
	codeSameOutput   code = "same_output"
)

// The codes of the errors of the rooms below.
const (
	codeJobUnclear         code = "job_unclear"
	codeJobRefused         code = "job_refused"
	codeJobDocument        code = "job_document"
	codeJobField           code = "job_field"
	codeOtherKeeper        code = "other_keeper"
	codeKeyMalformed       code = "key_malformed"
	codeKeyDenied          code = "key_denied"
	codeKeyState           code = "key_state"
	codeKeyUnavailable     code = "key_unavailable"
	codeNoObject           code = "no_object"
	codeNoBucket           code = "no_bucket"
	codeStoreDenied        code = "store_denied"
	codeStoreChanged       code = "store_changed"
	codeStoreConflict      code = "store_conflict"
	codeNoUpload           code = "no_upload"
	codeChecksum           code = "checksum"
	codeStoreUnavailable   code = "store_unavailable"
	codeSpoolInUse         code = "spool_in_use"
	codeSpoolFull          code = "spool_full"
	codeSpoolLoose         code = "spool_loose"
	codeNotInQuarantine    code = "not_in_quarantine"
	codeRestored           code = "restored"
	codeNoDaemon           code = "no_daemon"
	codeDaemonRefused      code = "daemon_refused"
	codeStuck              code = "stuck"
	codeSettingsIncomplete code = "settings_incomplete"
	codeMetadataTooLarge   code = "metadata_too_large"
	codeTimeout            code = "timeout"
	codeNotFound           code = "not_found"
	codePermission         code = "permission"
)

const cureInterrupted = "run the same command again"

// coded is a failure that has a code and, where there is one, a cure. Its text is the error's.
type coded struct {
	error
	code code
	cure string
}

func (c coded) Unwrap() error { return c.error }

// failuref is a failure with a code, whose text ends with the cure.
func failuref(c code, cure, format string, args ...any) error {
	return coded{fmt.Errorf("%w: %s", fmt.Errorf(format, args...), cure), c, cure}
}

// kind is an error of the rooms below, as programs know it.
type kind struct {
	code code
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
	{codeUsage, "see mcfs help and the command's name", ofType[usageError]},
	{codeJobUnclear, "run the same command again, which finds the job", sentinel(jobs.ErrUnclear)},
	{codeJobRefused, "see the service's message", ofType[*jobs.Refused]},
	{codeJobDocument, "correct the template or the options", ofType[*document.Refusal]},
	{codeJobField, "correct the template at the path that the message names", ofType[*wire.FieldError]},

	{codeOtherKeeper, "use the keyring or KMS key under which it was encrypted", sentinel(keys.ErrOtherKeeper)},
	{codeKeyMalformed, "restore the settings or the draft from a copy", sentinel(keys.ErrMalformed)},
	{codeKeyDenied, "allow the credentials in use to use the key, or correct the permissions of the keyring", sentinel(keys.ErrDenied)},
	{codeKeyState, "enable the key, or correct keys.key_id or keys.path", sentinel(keys.ErrKeyState)},
	{codeKeyUnavailable, "look at the network and keys.endpoint, and try again", sentinel(keys.ErrUnavailable)},

	{codeNoObject, "correct the path or address", sentinel(store.ErrNotExist)},
	{codeNoBucket, "correct store.bucket and store.region", sentinel(store.ErrNoBucket)},
	{codeStoreDenied, "give credentials that may use the bucket", sentinel(store.ErrDenied)},
	{codeStoreChanged, "try again", sentinel(store.ErrPrecondition)},
	{codeStoreConflict, "try again", sentinel(store.ErrConflict)},
	{codeNoUpload, "try again", sentinel(store.ErrNoUpload)},
	{codeChecksum, "try again; look at the network and the disk if it stays", sentinel(store.ErrChecksum)},
	{codeStoreUnavailable, "look at the network and store.endpoint, and try again", sentinel(store.ErrUnavailable)},

	{codeSpoolInUse, "unmount the other mount, or give this one a spool.dir of its own", sentinel(spool.ErrLocked)},
	{codeSpoolFull, "raise spool.max_size, or make room on its disk", sentinel(spool.ErrFull)},
	{codeSpoolLoose, "take the folder's permissions from others", sentinel(spool.ErrLoose)},
	{codeDamaged, "see mcfs help quarantine", sentinel(spool.ErrCorrupt)},
	{codeNotInQuarantine, "see mcfs quarantine list", sentinel(spool.ErrNoneSuch)},
	{codeRestored, "see mcfs status", sentinel(spool.ErrReinstated)},

	{codeNoDaemon, "mount it again", sentinel(control.ErrNoDaemon)},
	{codeDaemonRefused, "see mcfs status, and the daemon's log", ofType[control.Failure]},
	{codeStuck, "see mcfs status", sentinel(drain.ErrStuck)},
	{codeIncomplete, "see mcfs help quarantine", sentinel(volume.ErrIncomplete)},
	{codeSettingsIncomplete, "save the file again", sentinel(sidecar.ErrIncomplete)},
	{codeMetadataTooLarge, "remove extended attributes", sentinel(sidecar.ErrTooLarge)},

	{codeTimeout, "look at the network, and try again", sentinel(context.DeadlineExceeded)},
	{codeNotFound, "correct the path", sentinel(fs.ErrNotExist)},
	{codePermission, "use a user who may, or correct the permissions", sentinel(fs.ErrPermission)},
}

// errorLine is the last line on standard error of a command with --json that failed.
type errorLine struct {
	Type    string `json:"type,omitempty"` // "error"; in an item of several: ""
	Code    code   `json:"code"`
	Message string `json:"message"`
	Cure    string `json:"cure,omitempty"`
}

// lineOfError puts a failure into its line. The message does not repeat the cure.
func lineOfError(err error) errorLine {
	l := errorLine{Type: "error", Code: codeFailed, Message: human.OneLine(err)}
	if c, ok := errors.AsType[coded](err); ok {
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

// tellError prints why a command failed: in a line for a person, or in one of --json.
func tellError(w io.Writer, err error, asJSON bool) {
	if !asJSON {
		fmt.Fprintln(w, "mcfs:", human.OneLine(err))
		return
	}
	text, merr := json.Marshal(lineOfError(err))
	if merr != nil {
		panic(merr) // it has only texts
	}
	fmt.Fprintln(w, string(text))
}
