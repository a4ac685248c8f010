package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"mcfs/credentials"
)

// How a fresh data key comes to be.
const (
	// DataKeyGenerate: KMS makes it (GenerateDataKey). The default.
	DataKeyGenerate = "generate"
	// DataKeyEncrypt: crypto/rand makes it, KMS wraps it (Encrypt).
	DataKeyEncrypt = "encrypt"
)

// maxWrapped is the longest ciphertext, in bytes, that KMS Decrypt accepts.
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
const maxWrapped = 6144

// DefaultTimeout bounds one call to KMS, its retries included.
const DefaultTimeout = 20 * time.Second

// KMSOptions says which KMS key wraps the data keys, and how to reach it.
type KMSOptions struct {
	// KeyID is the key's ARN, its id, an alias name ("alias/…") or an alias ARN.
	KeyID string
	// Region defaults to the one in an ARN KeyID, then to that of AWS.
	Region string
	// Endpoint is the URL of a KMS-compatible service; empty means AWS. Plain
	// http is accepted for this machine only, since data keys cross it in clear.
	Endpoint string
	// DualStack asks the address that answers by IPv6 as well as IPv4, FIPS the one
	// with validated cryptography.
	DualStack, FIPS bool
	// DataKey is DataKeyGenerate (also when empty) or DataKeyEncrypt.
	DataKey string
	// AWS holds credentials and transport. It is copied.
	AWS aws.Config
	// Timeout bounds each call, retries included; 0 means DefaultTimeout.
	Timeout time.Duration
	// MaxAttempts bounds the tries within one call; 0 means 4.
	MaxAttempts int
	// Log may be nil.
	Log *slog.Logger
}

// KMS is the keeper that AWS KMS is. Every call carries MediaConvert's
// encryption context, and no other.
type KMS struct {
	client *kms.Client
	direct *direct
	// What the client signs with.
	keyID    string // as configured
	region   string // that requests go to
	fixed    bool   // one endpoint, whatever the region
	generate bool
	timeout  time.Duration
	log      *slog.Logger
	arn      atomic.Pointer[string] // learned from responses
}

var _ Keeper = (*KMS)(nil)

// NewKMS checks the options; it makes no call.
func NewKMS(o KMSOptions) (*KMS, error) {
	region, err := chooseRegion(o.KeyID, o.Region, o.AWS.Region)
	if err != nil {
		return nil, err
	}
	k := &KMS{keyID: o.KeyID, region: region, log: o.Log, timeout: o.Timeout}
	switch o.DataKey {
	case "", DataKeyGenerate:
		k.generate = true
	case DataKeyEncrypt:
	default:
		return nil, fmt.Errorf("keys.data_key is %q: %q and %q exist", o.DataKey, DataKeyGenerate, DataKeyEncrypt)
	}
	if k.timeout <= 0 {
		k.timeout = DefaultTimeout
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if isKeyARN(o.KeyID) {
		k.arn.Store(&o.KeyID)
	}
	creds := &taggedCredentials{}
	if o.AWS.Credentials != nil {
		creds.inner = credentials.New(o.AWS.Credentials, k.timeout)
	}
	k.client = newKMSClient(o, creds, region, k.timeout)
	k.direct = newDirect(k.client)
	endpoint := aws.ToString(k.client.Options().BaseEndpoint)
	k.fixed = endpoint != ""
	return k, checkEndpoint(endpoint)
}

// New makes a data key of 128, 192 or 256 bits.
func (k *KMS) New(ctx context.Context, bits int) (DataKey, error) {
	if err := checkBits(bits); err != nil {
		return DataKey{}, err
	}
	if k.generate {
		return k.generateKey(ctx, bits)
	}
	plain := make([]byte, bits/8)
	rand.Read(plain) // never fails: it ends the program instead
	key, err := k.encrypt(ctx, plain)
	if err != nil {
		clear(plain)
	}
	return key, err
}

func (k *KMS) generateKey(ctx context.Context, bits int) (DataKey, error) {
	in := &kms.GenerateDataKeyInput{KeyId: &k.keyID, EncryptionContext: contextPairs}
	switch bits {
	case 128:
		in.KeySpec = types.DataKeySpecAes128
	case 192: // has no spec of its own
		in.NumberOfBytes = aws.Int32(24)
	case 256:
		in.KeySpec = types.DataKeySpecAes256
	}
	c, cancel := k.deadline(ctx)
	defer cancel()
	out, err := k.generateDataKey(c, in)
	if err != nil {
		return DataKey{}, k.failed(c, "GenerateDataKey", k.keyID, err)
	}
	if len(out.Plaintext) != bits/8 || len(out.CiphertextBlob) == 0 {
		clear(out.Plaintext)
		return DataKey{}, k.nonsense("GenerateDataKey", k.keyID, "an answer without a key of the size asked for")
	}
	return DataKey{Plain: out.Plaintext, Wrapped: out.CiphertextBlob, KeyID: k.learn(out.KeyId)}, nil
}

// encrypt wraps plain, which the key that it returns then owns.
func (k *KMS) encrypt(ctx context.Context, plain []byte) (DataKey, error) {
	c, cancel := k.deadline(ctx)
	defer cancel()
	out, err := k.client.Encrypt(c, &kms.EncryptInput{KeyId: &k.keyID, Plaintext: plain, EncryptionContext: contextPairs})
	if err != nil {
		return DataKey{}, k.failed(c, "Encrypt", k.keyID, err)
	}
	if len(out.CiphertextBlob) == 0 {
		return DataKey{}, k.nonsense("Encrypt", k.keyID, "an answer without a wrapped key")
	}
	return DataKey{Plain: plain, Wrapped: out.CiphertextBlob, KeyID: k.learn(out.KeyId)}, nil
}

// Wrap encrypts an existing key; the result holds a copy of plain.
func (k *KMS) Wrap(ctx context.Context, plain []byte) (DataKey, error) {
	if err := checkPlain(plain); err != nil {
		return DataKey{}, err
	}
	own := append([]byte(nil), plain...)
	key, err := k.encrypt(ctx, own)
	if err != nil {
		clear(own)
	}
	return key, err
}

// Unwrap returns the plaintext key; the caller wipes it. An ARN as keyID pins
// the KMS key, and the call goes to that ARN's region; without one KMS finds
// the key by the blob, among those that the caller's policy allows.
func (k *KMS) Unwrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, error) {
	if err := checkWrapped(wrapped, keyID); err != nil {
		return nil, err
	}
	in := &kms.DecryptInput{CiphertextBlob: wrapped, EncryptionContext: contextPairs, KeyId: pin(keyID)}
	c, cancel := k.deadline(ctx)
	defer cancel()
	out, err := k.decrypt(c, in)
	if err != nil {
		return nil, k.failed(c, "Decrypt", keyID, err)
	}
	if err := checkPlain(out.Plaintext); err != nil {
		clear(out.Plaintext)
		return nil, fmt.Errorf("kms Decrypt %s: %w: it holds %w", keyID, ErrMalformed, err)
	}
	return out.Plaintext, nil
}

// Rewrap moves a wrapped key to the keeper's key by ReEncrypt: the plaintext
// stays in KMS. ReEncrypt does not reach across regions: a key of another
// region comes through this machine's memory, and is wiped at once.
func (k *KMS) Rewrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, string, error) {
	if err := checkWrapped(wrapped, keyID); err != nil {
		return nil, "", err
	}
	if r := arnRegion(keyID); r != "" && r != k.region && !k.fixed {
		return k.carry(ctx, wrapped, keyID)
	}
	c, cancel := k.deadline(ctx)
	defer cancel()
	out, err := k.client.ReEncrypt(c, &kms.ReEncryptInput{
		CiphertextBlob:               wrapped,
		SourceKeyId:                  pin(keyID),
		SourceEncryptionContext:      contextPairs,
		DestinationKeyId:             &k.keyID,
		DestinationEncryptionContext: contextPairs,
	})
	if err != nil {
		return nil, "", k.failed(c, "ReEncrypt", keyID, err)
	}
	if len(out.CiphertextBlob) == 0 {
		return nil, "", k.nonsense("ReEncrypt", keyID, "an answer without a wrapped key")
	}
	return out.CiphertextBlob, k.learn(out.KeyId), nil
}

func (k *KMS) carry(ctx context.Context, wrapped []byte, keyID string) ([]byte, string, error) {
	plain, err := k.Unwrap(ctx, wrapped, keyID)
	if err != nil {
		return nil, "", err
	}
	defer clear(plain)
	key, err := k.encrypt(ctx, plain)
	return key.Wrapped, key.KeyID, err
}

// KeyID is the key's ARN once a call has resolved it, else the id as configured.
func (k *KMS) KeyID() string {
	if p := k.arn.Load(); p != nil {
		return *p
	}
	return k.keyID
}

// Region is the region in the key's ARN; until one is known, the region that requests go to.
func (k *KMS) Region() string {
	if r := arnRegion(k.KeyID()); r != "" {
		return r
	}
	return k.region
}

// learn keeps the ARN that KMS answered with. An alias can be moved to another
// key at any time: the last answer counts, and each data key carries its own.
func (k *KMS) learn(id *string) string {
	if id == nil || *id == "" {
		return k.KeyID()
	}
	if old := k.KeyID(); isKeyARN(*id) && old != *id {
		k.arn.Store(id)
		k.log.Info("kms key resolved", "key_id", k.keyID, "arn", *id)
	}
	return *id
}

func (k *KMS) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, k.timeout, errTooSlow)
}

// toRegionOf sends one call to the region of an ARN, unless the endpoint is fixed.
func (k *KMS) toRegionOf(keyID string) func(*kms.Options) {
	return func(o *kms.Options) {
		if r := arnRegion(keyID); r != "" && !k.fixed {
			o.Region = r
		}
	}
}

// checkWrapped answers what needs no call: empty, far too long, or not of KMS.
func checkWrapped(wrapped []byte, keyID string) error {
	switch {
	case strings.HasPrefix(keyID, localPrefix):
		return fmt.Errorf("kms Decrypt: %w: it was wrapped by the keyring %s, not by KMS", ErrOtherKeeper, keyID)
	case len(wrapped) == 0:
		return fmt.Errorf("kms Decrypt: %w: it is empty", ErrMalformed)
	case len(wrapped) > maxWrapped:
		return fmt.Errorf("kms Decrypt: %w: it has %d bytes, KMS knows none above %d", ErrMalformed, len(wrapped), maxWrapped)
	}
	return nil
}

// pin is the KeyId of a Decrypt: an ARN, or nothing.
func pin(keyID string) *string {
	if arnRegion(keyID) == "" {
		return nil
	}
	return &keyID
}

// errTooSlow is the cause of a call ended by the keeper's own deadline.
var errTooSlow = errors.New("no answer before the deadline")
