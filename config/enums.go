package config

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// The values of keys that take one word of a few. A word is spelled in the
// file as it is here.
type (
	StoreKind  string
	KeysKind   string
	DataKey    string
	Mode       string
	GCMReads   string
	SSE        string
	Payer      string
	Checksum   string
	Sidecars   string
	Durability string
	Keep       string
	LogLevel   string
	LogFormat  string
	Desktop    string
)

const (
	StoreS3  StoreKind = "s3"
	StoreDir StoreKind = "dir"

	KeysKMS   KeysKind = "kms"
	KeysLocal KeysKind = "local"

	DataKeyGenerate DataKey = "generate" // KMS GenerateDataKey
	DataKeyEncrypt  DataKey = "encrypt"  // a key made here, wrapped by KMS Encrypt

	CTR Mode = "CTR"
	CBC Mode = "CBC"
	GCM Mode = "GCM"

	ReadsVerified  GCMReads = "verified"  // nothing is released before the tag is checked
	ReadsStreaming GCMReads = "streaming" // bytes are released as they come

	SSENone    SSE = ""
	SSEAES256  SSE = "AES256"
	SSEKMS     SSE = "aws:kms"
	SSEKMSDSSE SSE = "aws:kms:dsse"

	PayerOwner     Payer = ""
	PayerRequester Payer = "requester"

	ChecksumCRC32C Checksum = "crc32c"
	ChecksumNone   Checksum = "none"

	SidecarsListed Sidecars = "listed"
	SidecarsHidden Sidecars = "hidden"

	DesktopFailures Desktop = "failures"
	DesktopOff      Desktop = "off"

	DurabilityUpload Durability = "upload" // close waits for the store
	DurabilitySpool  Durability = "spool"  // close waits for the fsynced spool

	KeepAuto Keep = "auto" // a file that left as fast as it was written goes when it is closed
	KeepAll  Keep = "all"

	LevelDebug LogLevel = "debug"
	LevelInfo  LogLevel = "info"
	LevelWarn  LogLevel = "warn"
	LevelError LogLevel = "error"

	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"
)

// word is a value that is one of a few.
type word interface{ words() []string }

func (StoreKind) words() []string  { return list(StoreS3, StoreDir) }
func (KeysKind) words() []string   { return list(KeysKMS, KeysLocal) }
func (DataKey) words() []string    { return list(DataKeyGenerate, DataKeyEncrypt) }
func (Mode) words() []string       { return list(CTR, CBC, GCM) }
func (GCMReads) words() []string   { return list(ReadsVerified, ReadsStreaming) }
func (SSE) words() []string        { return list(SSENone, SSEAES256, SSEKMS, SSEKMSDSSE) }
func (Payer) words() []string      { return list(PayerOwner, PayerRequester) }
func (Checksum) words() []string   { return list(ChecksumCRC32C, ChecksumNone) }
func (Sidecars) words() []string   { return list(SidecarsListed, SidecarsHidden) }
func (Durability) words() []string { return list(DurabilityUpload, DurabilitySpool) }
func (Keep) words() []string       { return list(KeepAuto, KeepAll) }
func (LogLevel) words() []string   { return list(LevelDebug, LevelInfo, LevelWarn, LevelError) }
func (LogFormat) words() []string  { return list(FormatText, FormatJSON) }

func (Desktop) words() []string { return list(DesktopFailures, DesktopOff) }

func list[T ~string](values ...T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// Slog is the level in the terms of log/slog.
func (l LogLevel) Slog() slog.Level {
	switch l {
	case LevelDebug:
		return slog.LevelDebug
	case LevelWarn:
		return slog.LevelWarn
	case LevelError:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// checkWord says which words there are if s is none of them.
func checkWord(s string, words []string) error {
	if slices.Contains(words, s) {
		return nil
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	last := len(quoted) - 1
	return fmt.Errorf("give %s or %s", strings.Join(quoted[:last], ", "), quoted[last])
}
