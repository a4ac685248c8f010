package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/fetch"
)

// version is one committed content of a file, as the store has it. What was
// encrypted never changes; where it is and how its sidecar looks do, and are
// guarded by mu (a leaf: nothing is done under it).
type version struct {
	mode  crypt.Mode // 0: a foreign object
	iv    []byte
	check string
	mac   string

	carriers int // changes that are queued for it; guarded by Volume.mu

	mu       sync.Mutex
	plain    int64
	cipher   int64
	key      string // in the store
	etag     string
	wrapped  []byte
	keyID    string
	region   string // of the KMS key, by a sidecar; where keyID is not known, it alone tells
	modified time.Time
	attr     sidecar.Attr
	side     sideInfo
	damage   error  // why it cannot be read: a malformed sidecar, say
	body     []byte // ciphertext of a symlink's target, if it is known
	journal  bool   // body is from this machine's journal, where an older program may have put it
	refused  error  // why a symlink is not followed; nil: nothing is known against it
	// over is what a commit is to replace by it, as long as it is not known to have
	// arrived: until then that one stands in the store.
	over  *version
	dated bool // what it is rests on when the object was modified, too
	told  bool // the store has described it when it was loaded, not what is remembered
	// unsure, if not 0, is after how long to look again: it was described so soon
	// after it was modified that a later change may bear the same time.
	unsure time.Duration
}

// sideInfo is the sidecar in the store; the zero value: there is none.
type sideInfo struct {
	etag     string
	size     int64
	modified time.Time // as it was told first: see as
	// itself is what the object states in place of a sidecar; nil: nothing.
	itself *sidecar.Attr
}

// none reports whether there is neither a sidecar, nor an object that states what it would:
// what is known of attributes then is no more than what the object was born with.
func (s sideInfo) none() bool { return s.etag == "" && s.itself == nil }

// sideOf is a sidecar that the store has described. Stores tell the time to the second in
// one answer, and more exactly in another.
func sideOf(info store.Info) sideInfo {
	return sideInfo{etag: info.ETag, size: info.Size, modified: info.Modified.Truncate(time.Second)}
}

// as gives s the time that has been shown of the same sidecar: what stat tells of one
// changes with its content, and not with who describes it.
func (s sideInfo) as(shown sideInfo) sideInfo {
	if s.etag == shown.etag && !shown.modified.IsZero() {
		s.modified = shown.modified
	}
	return s
}

// listing is what LIST said of a clean file and of its sidecar.
type listing struct {
	key      string // where the object is: not at the node's path while a directory above moves
	etag     string
	size     int64
	modified time.Time
	side     sideInfo
}

func (x *version) foreign() bool { return x.mode == 0 }

// hasSidecar says whether a sidecar belongs to it: not to a foreign object nor to a symlink.
func (x *version) hasSidecar() bool { return !x.foreign() && !x.isLink() }

// isLink reports whether it is called a symlink. The store's word for that is not
// checked before the target is read: see proveLink.
func (x *version) isLink() bool { return x.attrMode()&modeType == modeSymlink }

// place is where the version is now.
func (x *version) place() (key, etag string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.key, x.etag
}

// dataKey is the wrapped data key, and what it is wrapped under, by the latest word of a sidecar.
func (x *version) dataKey() (wrapped []byte, keyID string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.wrapped, x.keyID
}

func (x *version) sidecar() sideInfo {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.side
}

func (x *version) setSidecar(s sideInfo) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.side = s.as(x.side)
}

// published records a sidecar that states all there is to say.
func (x *version) published(s sideInfo) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.side, x.dated, x.unsure = s.as(x.side), false, 0
}

// linked records that a symlink's object, and its attributes with it, were put.
func (x *version) linked(key string, info store.Info) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.key, x.etag, x.modified = key, info.ETag, info.Modified
	x.dated, x.unsure = true, lookSoon
}

// moved records a new place.
func (x *version) moved(key, etag string, side sideInfo) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.key, x.etag, x.side, x.over = key, etag, side.as(x.side), nil
}

// bears says whether a draft that rests on base needs x, or what x was to replace.
func (x *version) bears(base *version) bool {
	for ; x != nil; x = x.instead() {
		if x == base {
			return true
		}
	}
	return false
}

// instead is what stands in its place, should it never have arrived; nil: nothing.
func (x *version) instead() *version {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.over
}

// before is the version that an object is, of those that stand in the place of x,
// one behind the other, should none have arrived; nil: it is none of them.
func (x *version) before(info store.Info) *version {
	if x == nil {
		return nil
	}
	for x = x.instead(); x != nil && !x.is(info); x = x.instead() {
	}
	return x
}

// arrived records that the object is in the store.
func (x *version) arrived(etag string, modified time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.etag, x.modified, x.over = etag, modified, nil
	if modified.IsZero() {
		x.modified = time.Now()
	}
}

// fetchable describes the version to the read pipeline.
func (x *version) fetchable() fetch.Version {
	x.mu.Lock()
	defer x.mu.Unlock()
	return fetch.Version{
		Mode: x.mode, IV: x.iv, Plain: x.plain, Cipher: x.cipher, MAC: x.mac, Check: x.check, Locate: x.place, Bears: x.bearer,
	}
}

// bearer says whether an object with that metadata can be x. The IV names the
// version, and the check its type; where the object states none there is nothing
// to compare.
func (x *version) bearer(metadata map[string]string) bool {
	obj, err := statedBy(metadata)
	if err != nil || x.foreign() {
		return err == nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return obj.agrees(x.mode.String(), x.iv) && (obj.Check == "" || x.check == "" || obj.Check == x.check)
}

// proven notes the check that a version opened as a file must have: a sidecar alone
// does not state it.
func (x *version) proven(check string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.check == "" {
		x.check = check
	}
}

// object is the metadata that stands with the object.
func (x *version) object() sidecar.Object {
	x.mu.Lock()
	defer x.mu.Unlock()
	return sidecar.Object{Mode: x.mode.String(), Key: x.wrapped, KeyID: x.keyID, IV: x.iv, Check: x.check}
}

// settings is the document of the version's sidecar at key.
func (v *Volume) settings(x *version, key string) sidecar.Settings {
	x.mu.Lock()
	defer x.mu.Unlock()
	region := x.region
	if x.keyID != "" {
		region = regionOf(x.keyID)
	}
	return sidecar.Settings{
		FileInput: v.store.Address(key), Mode: "AES_" + x.mode.String(), Key: x.wrapped, IV: x.iv, Region: region,
	}
}

// meta is the metadata of the version's sidecar.
func (x *version) meta() sidecar.Meta {
	x.mu.Lock()
	defer x.mu.Unlock()
	return sidecar.Meta{ETag: x.etag, Size: x.plain, MAC: x.mac, KeyID: x.keyID, Attr: x.attr}
}

// regionOf is the fourth element of an ARN; empty for anything else (a local keyring).
func regionOf(keyID string) string {
	parts := bytes.Split([]byte(keyID), []byte(":"))
	if len(parts) < 6 || string(parts[0]) != "arn" {
		return ""
	}
	return string(parts[3])
}

// load gives the description of an object that was listed, from the store where
// it is not remembered.
func (v *Volume) load(ctx context.Context, l listing) (*version, error) {
	if x := v.recall(l); x != nil {
		return x, nil
	}
	x, err := v.describeObject(ctx, l)
	if err == nil {
		x.told = true
		v.remember(x)
	}
	return x, err
}

// describeObject asks the store: one GET of the sidecar where there is one, else
// one HEAD. What is malformed, or belongs to another object, gives a version that
// can be listed but not read (damage).
func (v *Volume) describeObject(ctx context.Context, l listing) (*version, error) {
	x, err := v.askFor(ctx, l)
	if err != nil && !transient(err) { // it may have been well when it left the store: damage is remembered
		x, err = v.askFor(ctx, l)
	}
	if err != nil && transient(err) {
		return nil, fmt.Errorf("describe %s: %w", l.key, err)
	}
	if err != nil {
		v.log.Error("file cannot be read", "path", l.key, "cause", err)
		x.plain, x.damage = x.cipher, errors.Join(ErrIO, err)
	}
	return x, nil
}

// askFor gives as much of the description as could be had, also with an error.
func (v *Volume) askFor(ctx context.Context, l listing) (*version, error) {
	x := &version{
		key: l.key, etag: l.etag, cipher: l.size, modified: l.modified,
		attr: sidecar.Attr{Mode: modeFile | 0o644, UID: v.o.UID, GID: v.o.GID, Mtime: l.modified},
	}
	if l.side.etag != "" {
		return x, v.loadSidecar(ctx, x)
	}
	return x, v.loadObject(ctx, x)
}

// readSmall reads an object of at most limit bytes. The store repeats a request
// by itself, but not one whose answer breaks off in its body: this does, once.
func (v *Volume) readSmall(ctx context.Context, key string, limit int64) (p []byte, info store.Info, err error) {
	for range 2 {
		var body io.ReadCloser
		if body, info, err = v.store.Get(ctx, key, store.Range{}, ""); err != nil {
			return nil, info, err
		}
		p, err = io.ReadAll(io.LimitReader(body, limit))
		_ = body.Close()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return p, info, err
}

// transient says that another try may give another answer.
func transient(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrChecksum) ||
		errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrNoBucket) || errors.Is(err, store.ErrConflict) ||
		errors.Is(err, keys.ErrUnavailable) || errors.Is(err, keys.ErrDenied) || errors.Is(err, keys.ErrKeyState) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errStopping)
}

// loadSidecar believes the sidecar if its hint names the object's ETag, else if its IV is the object's.
func (v *Volume) loadSidecar(ctx context.Context, x *version) error {
	text, info, err := v.readSmall(ctx, sidecar.Name(x.key), sidecar.MaxSize+1) // Parse refuses what is longer
	if errors.Is(err, store.ErrNotExist) {
		return v.loadObject(ctx, x)
	}
	if err != nil {
		return err
	}
	doc, err := sidecar.Parse(text)
	if err != nil {
		return v.loadLink(ctx, x, fmt.Errorf("sidecar: %w", err))
	}
	meta, own, err := sidecar.ParseMeta(info.Metadata)
	if err != nil {
		return fmt.Errorf("sidecar metadata: %w", err)
	}
	if !own || meta.ETag != x.etag {
		believed, err := v.compareIV(ctx, x, doc)
		if err != nil || !believed {
			return err
		}
	}
	if x.mode, err = crypt.ParseMode(doc.Mode); err != nil {
		return fmt.Errorf("sidecar: %w", err)
	}
	x.iv, x.wrapped, x.keyID, x.mac, x.region = doc.IV, doc.Key, meta.KeyID, meta.MAC, doc.Region
	v.noteAddress(x.key, doc.FileInput)
	x.side = sideOf(info)
	mergeAttr(&x.attr, meta.Attr)
	x.dated = meta.Attr.Mtime.IsZero()
	if own {
		x.plain = meta.Size
		return nil
	}
	return v.deriveSize(ctx, x)
}

// loadLink describes an object beside which something stands that is called as its
// sidecar is and is none: a symlink has no sidecar, so that may be anybody's file.
// Of any other object the cause says why it cannot be described.
func (v *Volume) loadLink(ctx context.Context, x *version, cause error) error {
	info, err := v.store.Head(ctx, x.key)
	if err != nil {
		return err
	}
	if attr, err := sidecar.ParseAttr(info.Metadata); err != nil || attr.Mode&modeType != modeSymlink {
		return cause
	}
	return v.loadObject(ctx, x)
}

// compareIV looks at the object itself. A sidecar with another IV is not
// believed: then x is what the object says of itself.
func (v *Volume) compareIV(ctx context.Context, x *version, doc sidecar.Settings) (believed bool, err error) {
	info, err := v.store.Head(ctx, x.key)
	if err != nil {
		return false, err
	}
	x.etag, x.cipher, x.modified = info.ETag, info.Size, info.Modified
	obj, err := statedBy(info.Metadata)
	if err != nil {
		return false, fmt.Errorf("object metadata: %w", err)
	}
	if obj.agrees(strings.TrimPrefix(doc.Mode, "AES_"), doc.IV) { // or is silent: the sidecar is all there is
		x.check = obj.Check
		return true, nil
	}
	v.log.Warn("sidecar belongs to another object and is ignored", "path", x.key)
	if obj.lacks != nil {
		return false, fmt.Errorf("object metadata: %w", obj.lacks)
	}
	return false, v.fromObject(ctx, x, obj.Object, info.Metadata)
}

// loadObject describes an object that has no sidecar by its own metadata.
func (v *Volume) loadObject(ctx context.Context, x *version) error {
	info, err := v.store.Head(ctx, x.key)
	if err != nil {
		return err
	}
	x.etag, x.cipher, x.modified = info.ETag, info.Size, info.Modified
	x.attr.Mtime = info.Modified
	x.dated = true
	if info.Answered.Sub(info.Modified) < racily {
		x.unsure = lookSoon
	}
	obj, ours, err := sidecar.ParseObject(info.Metadata)
	if err != nil { // nothing beside it says what is missing
		return fmt.Errorf("object metadata: %w", err)
	}
	if !ours {
		x.plain = info.Size
		return nil
	}
	if attr, err := sidecar.ParseAttr(info.Metadata); err == nil && attr.Mode&modeType == modeSymlink {
		x.attr = attr // a symlink states its attributes itself
	}
	return v.fromObject(ctx, x, obj, info.Metadata)
}

// fromObject describes it by its metadata, which has been read, and may state what a
// sidecar would.
func (v *Volume) fromObject(ctx context.Context, x *version, obj sidecar.Object, metadata map[string]string) error {
	mode, err := crypt.ParseMode(obj.Mode)
	if err != nil {
		return fmt.Errorf("object metadata: %w", err)
	}
	x.mode, x.iv, x.wrapped, x.keyID, x.check = mode, obj.IV, obj.Key, obj.KeyID, obj.Check
	if x.hasSidecar() && x.stated(metadata) {
		return nil
	}
	return v.deriveSize(ctx, x)
}

// deriveSize finds the plaintext's size from the ciphertext's: by arithmetic,
// or in CBC from the padding of the last block.
func (v *Volume) deriveSize(ctx context.Context, x *version) error {
	size, exact, err := x.mode.PlainSize(x.cipher)
	if err != nil {
		return err
	}
	x.plain = size
	if exact {
		return nil
	}
	key, err := v.unwrap(ctx, x.wrapped, x.keyID)
	if err != nil {
		return err
	}
	defer clear(key)
	x.plain, err = v.fetches.PlainSize(ctx, x.fetchable(), key)
	return err
}

// mergeAttr takes what a sidecar's metadata states; a hand-made one may state nothing.
func mergeAttr(to *sidecar.Attr, from sidecar.Attr) {
	if from.Mode != 0 {
		to.Mode = modeFile | from.Mode&0o7777
		to.UID, to.GID = from.UID, from.GID
	}
	if !from.Mtime.IsZero() {
		to.Mtime = from.Mtime
	}
	to.Xattr = from.Xattr
}
