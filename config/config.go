// Package config turns a TOML file into a validated Config.
//
// It promises that a Config it returns needs no further checks of its shape:
// every value lies in its range, every path is absolute, every default is
// filled in, and unknown keys are errors. Each error is one line that names
// file, line, key, value and cure. Whether a bucket or a key exists is not
// asked: this package reads one file and the environment, and touches no
// network. It imports sidecar, for what its documents can say.
package config

import (
	"time"
)

// Config is everything that a user can set. Its zero value is not valid: use
// Load, Parse or Default.
type Config struct {
	// Source is where it came from: the file's name, or "built-in default".
	Source string `toml:"-"`

	Store   Store   `toml:"store"`
	Keys    Keys    `toml:"keys"`
	Crypt   Crypt   `toml:"crypt"`
	Spool   Spool   `toml:"spool"`
	Upload  Upload  `toml:"upload"`
	Mount   Mount   `toml:"mount"`
	Job     Job     `toml:"job"`
	Watch   []Watch `toml:"watch"`
	Log     Log     `toml:"log"`
	Metrics Metrics `toml:"metrics"`
	Web     Web     `toml:"web"`
	Notify  Notify  `toml:"notify"`
}

// Store says where objects live.
type Store struct {
	Kind         StoreKind `toml:"kind"`
	Path         string    `toml:"path"`           // kind dir: the folder, absolute; by default store below the data folder
	Bucket       string    `toml:"bucket"`         // kind s3: required; kind dir: of the later home, may be empty
	Prefix       string    `toml:"prefix"`         // "", or without a leading and with a trailing "/"
	Region       string    `toml:"region"`         // empty: the AWS SDK's own search decides (environment, profile, instance)
	Endpoint     string    `toml:"endpoint"`       // URL without a trailing "/"; empty for Amazon
	InsecureHTTP bool      `toml:"insecure_http"`  // allows an http Endpoint on another machine
	PathStyle    bool      `toml:"path_style"`     // bucket in the path instead of the host name
	StorageClass string    `toml:"storage_class"`  // S3's name; empty for the bucket's default
	SSE          SSE       `toml:"sse"`            // server-side encryption, besides ours
	SSEKMSKeyID  string    `toml:"sse_kms_key_id"` // with SSE aws:kms and aws:kms:dsse only
	RequestPayer Payer     `toml:"request_payer"`  // requester, or empty

	Access
	Endpoints
	Marks
}

// Keys says what makes and wraps data keys.
type Keys struct {
	Kind     KeysKind `toml:"kind"`
	Path     string   `toml:"path"`     // kind local: the keyring's file, absolute; by default keyring below the data folder
	KeyID    string   `toml:"key_id"`   // kind kms: required; ARN, id, or alias/NAME
	Region   string   `toml:"region"`   // empty: from the ARN, else the AWS SDK's own search
	Endpoint string   `toml:"endpoint"` // URL of a KMS-compatible service; empty for Amazon
	DataKey  DataKey  `toml:"data_key"`
	Bits     int      `toml:"bits"` // 128, 192 or 256
}

// Crypt says how objects are encrypted.
type Crypt struct {
	Mode     Mode     `toml:"mode"`
	IVBytes  int      `toml:"iv_bytes"` // 16, or 12 for CTR and GCM
	GCMReads GCMReads `toml:"gcm_reads"`
}

// Spool says where drafts and cached blocks live.
type Spool struct {
	Dir     string   `toml:"dir"`      // absolute; by default the VolumeID below the state folder
	MaxSize ByteSize `toml:"max_size"` // bytes on disk; room for four parts at least
	Keep    Keep     `toml:"keep"`     // which saved files stay to be read
}

// Upload says how content travels to the store.
type Upload struct {
	PartSize    ByteSize      `toml:"part_size"`   // 5 MiB to 5 GiB, from 32 KiB for what is not Amazon's S3; grows with the file
	Concurrency int           `toml:"concurrency"` // parts under way at once, 1 to 64
	Timeout     time.Duration `toml:"timeout"`     // without progress; above 0
	Checksum    Checksum      `toml:"checksum"`
	RateLimit   string        `toml:"rate_limit"` // to S3, as ParseRateLimit reads it
}

// Mount says how the volume appears.
type Mount struct {
	Sidecars      Sidecars      `toml:"sidecars"`
	Durability    Durability    `toml:"durability"`
	LocalOnly     []string      `toml:"local_only"`      // patterns of path.Match, added to the defaults; "!" before one removes it
	CommitOnFsync []string      `toml:"commit_on_fsync"` // patterns of path.Match for names of files that an fsync has committed
	Grace         time.Duration `toml:"grace"`           // how long a closed file bears a temporary name until it is committed under it; above 0
	Fresh         time.Duration `toml:"fresh"`           // how old a listing or attribute may be; 0 or more
	AllowOther    bool          `toml:"allow_other"`

	UncheckedSymlinks bool `toml:"unchecked_symlinks"` // follow those that an older mcfs made, without a check of their own
}

// Log says what is logged.
type Log struct {
	Level  LogLevel  `toml:"level"`
	Format LogFormat `toml:"format"`
}

// Metrics says where Prometheus may ask.
type Metrics struct {
	Listen string `toml:"listen"` // host:port; empty: nowhere
}

// Web says where the status is shown as a page.
type Web struct {
	Listen string `toml:"listen"` // host:port of this machine alone; empty: nowhere
}

// Notify says what is shown on the desktop of who mounts.
type Notify struct {
	Desktop Desktop `toml:"desktop"`
}

// defaults are the values of keys that a file leaves out. Those that depend on
// others (paths, iv_bytes) are filled in by finish.
func defaults() Config {
	return Config{
		Store:  Store{Kind: StoreS3, Access: Access{MFACommand: []string{}}, Marks: Marks{Tags: []string{}}},
		Keys:   Keys{Kind: KeysKMS, DataKey: DataKeyGenerate, Bits: 256},
		Crypt:  Crypt{Mode: CTR, GCMReads: ReadsVerified},
		Spool:  Spool{MaxSize: 20 << 30, Keep: KeepAuto},
		Upload: Upload{PartSize: 8 << 20, Concurrency: 8, Timeout: 60 * time.Second, Checksum: ChecksumCRC32C, RateLimit: off},
		Mount:  Mount{Sidecars: SidecarsListed, Durability: DurabilityUpload, LocalOnly: []string{}, CommitOnFsync: []string{}, Grace: 30 * time.Second, Fresh: 5 * time.Second},
		Job:    Job{Making: Making{Tags: []string{}}, Case: CasePascal, Jobs: 4},
		Log:    Log{Level: LevelInfo, Format: FormatText},
		Notify: Notify{Desktop: DesktopFailures},
	}
}
