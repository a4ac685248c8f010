package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Access says as whom AWS is asked: by the store, by keys of kind kms, and by hot folders.
type Access struct {
	Profile         string   `toml:"profile"`           // of the AWS CLI's files; empty: AWS_PROFILE, or default
	RoleARN         string   `toml:"role_arn"`          // taken on with the credentials that are found; empty: none
	RoleExternalID  string   `toml:"role_external_id"`  // that the role's trust policy asks for
	RoleSessionName string   `toml:"role_session_name"` // in CloudTrail; empty: mcfs
	MFASerial       string   `toml:"mfa_serial"`        // of the device whose token the role asks for
	MFACommand      []string `toml:"mfa_command"`       // program and arguments that print the token
}

// Endpoints says which of Amazon's addresses are asked.
type Endpoints struct {
	DualStack  bool `toml:"dual_stack"` // IPv6 as well as IPv4, of S3, KMS and STS
	FIPS       bool `toml:"fips"`       // with validated cryptography, of S3, KMS and STS
	Accelerate bool `toml:"accelerate"` // S3 Transfer Acceleration
}

// Marks are what each new object and sidecar is given.
type Marks struct {
	Tags           []string `toml:"tags"`             // NAME=VALUE, at most ten
	ObjectLockMode LockMode `toml:"object_lock_mode"` // empty: the bucket's default
	ObjectLockDays int      `toml:"object_lock_days"` // with ObjectLockMode: 1 to MostLockDays
}

// LockMode is who may shorten a retention.
type LockMode string

// Nobody may where it is COMPLIANCE.
const (
	LockNone       LockMode = ""
	LockGovernance LockMode = "GOVERNANCE"
	LockCompliance LockMode = "COMPLIANCE"
)

func (LockMode) words() []string { return list(LockNone, LockGovernance, LockCompliance) }

// MostLockDays is a hundred years, S3's own limit.
const MostLockDays = 36500

// The patterns of STS, https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
var (
	externalIDPattern  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`) // and mostExternalID
	sessionNamePattern = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	serialPattern      = regexp.MustCompile(`^[\w+=/:,.@-]{9,256}$`)
)

const mostExternalID = 1224

func validExternalID(id string) bool {
	return len(id) <= mostExternalID && externalIDPattern.MatchString(id)
}

func (f *file) access(a *Access) {
	if strings.ContainsFunc(a.Profile, isControl) || strings.ContainsAny(a.Profile, "[]") {
		f.reject("store.profile", a.Profile, errors.New("give the name of a profile in ~/.aws/config, without brackets"))
	}
	f.given("store.role_arn", a.RoleARN, rolePattern.MatchString, "give an ARN like arn:aws:iam::111122223333:role/Ingest")
	f.given("store.role_external_id", a.RoleExternalID, validExternalID, "give 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / -")
	f.given("store.role_session_name", a.RoleSessionName, sessionNamePattern.MatchString, "give 2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -")
	f.given("store.mfa_serial", a.MFASerial, serialPattern.MatchString, "give the ARN of a device, like arn:aws:iam::111122223333:mfa/anna, or its serial number")
	for key, value := range map[string]string{"role_external_id": a.RoleExternalID, "role_session_name": a.RoleSessionName, "mfa_serial": a.MFASerial} {
		if value != "" && a.RoleARN == "" {
			f.reject("store."+key, value, errors.New("it goes with store.role_arn; set that, or remove the key"))
		}
	}
	f.mfa(a)
}

// mfa checks how a token is come by. A profile may name a device by itself.
func (f *file) mfa(a *Access) {
	switch {
	case len(a.MFACommand) == 0 && a.MFASerial != "":
		f.reject("store.mfa_serial", a.MFASerial, errors.New(`it goes with store.mfa_command, which prints the token, like ["ykman", "oath", "accounts", "code", "--single", "aws"]`))
	case len(a.MFACommand) == 0:
	case a.MFASerial == "" && a.Profile == "":
		f.reject("store.mfa_command", a.MFACommand, errors.New("it goes with store.role_arn and store.mfa_serial, or with a store.profile that has both; set these, or remove the key"))
	case !validProgram(a.MFACommand[0]):
		f.reject("store.mfa_command", a.MFACommand, errors.New(`give the program, by its name or an absolute path, and each argument as a text of its own; no shell reads them`))
	}
	for _, arg := range a.MFACommand {
		if strings.ContainsRune(arg, 0) {
			f.reject("store.mfa_command", a.MFACommand, errors.New("remove the NUL characters"))
		}
	}
}

// validProgram takes what is found in PATH or is at an absolute path, and no command line.
func validProgram(name string) bool {
	return filepath.IsAbs(name) || name != "" && !strings.ContainsAny(name, "/ \t\n")
}

// endpoints refuses what the services do not offer together.
func (f *file) endpoints(s *Store, k *Keys) {
	for _, x := range []struct {
		key string
		set bool
	}{{"store.dual_stack", s.DualStack}, {"store.fips", s.FIPS}, {"store.accelerate", s.Accelerate}} {
		if x.set && s.Endpoint != "" {
			f.reject(x.key, true, errors.New("it says which of Amazon's addresses is asked, and store.endpoint gives another one; remove one of them"))
		}
	}
	for _, x := range []struct {
		key string
		set bool
	}{{"store.dual_stack", s.DualStack}, {"store.fips", s.FIPS}} {
		if x.set && k.Endpoint != "" {
			f.reject(x.key, true, errors.New("it is for KMS, too, and keys.endpoint gives another address; remove one of them"))
		}
	}
	if !s.Accelerate {
		return
	}
	switch {
	case s.PathStyle:
		f.reject("store.accelerate", true, errors.New("it needs the bucket's name in the host name; remove store.path_style"))
	case s.FIPS:
		f.reject("store.accelerate", true, errors.New("it has no FIPS endpoints; remove it, or store.fips"))
	case strings.Contains(s.Bucket, "."):
		f.reject("store.accelerate", true, errors.New(`it takes no bucket with a "." in its name; remove it`))
	}
}

// Limits of an object's tags, https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
const (
	mostTags     = 10
	mostTagName  = 128 // characters
	mostTagValue = 256
)

func (f *file) marks(m *Marks, sum Checksum) {
	names := make(map[string]bool)
	for _, tag := range m.Tags {
		name, value, ok := strings.Cut(tag, "=")
		switch {
		case !ok, name == "":
			f.reject("store.tags", tag, errors.New(`give NAME=VALUE, like "project=show7"`))
		case strings.HasPrefix(strings.ToLower(name), "aws:"):
			f.reject("store.tags", tag, errors.New(`names that begin with "aws:" are Amazon's own; give another`))
		case names[name]:
			f.reject("store.tags", tag, errors.New("there are two tags of this name; remove one"))
		case utf8.RuneCountInString(name) > mostTagName, utf8.RuneCountInString(value) > mostTagValue:
			f.reject("store.tags", tag, fmt.Errorf("a name has at most %d characters, a value %d", mostTagName, mostTagValue))
		case !utf8.ValidString(tag), strings.ContainsFunc(tag, notInTag):
			f.reject("store.tags", tag, errors.New("S3 takes letters, digits, spaces and + - = . _ : / @ in tags"))
		}
		names[name] = true
	}
	if len(m.Tags) > mostTags {
		f.reject("store.tags", m.Tags, fmt.Errorf("S3 takes at most %d tags of an object", mostTags))
	}
	locked := m.ObjectLockMode != LockNone
	switch {
	case locked && (m.ObjectLockDays < 1 || m.ObjectLockDays > MostLockDays):
		f.reject("store.object_lock_days", m.ObjectLockDays, fmt.Errorf("with store.object_lock_mode give 1 to %d", MostLockDays))
	case !locked && m.ObjectLockDays != 0:
		f.reject("store.object_lock_days", m.ObjectLockDays, errors.New(`it goes with store.object_lock_mode = "GOVERNANCE" or "COMPLIANCE"; set that, or remove the key`))
	case locked && sum == ChecksumNone:
		f.reject("store.object_lock_mode", string(m.ObjectLockMode), errors.New(`S3 locks no object that comes without a checksum; remove upload.checksum = "none"`))
	}
}

func notInTag(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != ' ' && !strings.ContainsRune("+-=._:/@", r)
}

// TagSet are the tags by their names.
func (m Marks) TagSet() map[string]string {
	set := make(map[string]string, len(m.Tags))
	for _, tag := range m.Tags {
		name, value, _ := strings.Cut(tag, "=")
		set[name] = value
	}
	return set
}
