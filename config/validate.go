package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"mcfs/sidecar"
)

// finish fills in what depends on other values and checks everything that the
// types do not.
func (f *file) finish(c *Config) {
	f.store(&c.Store)
	f.keys(&c.Keys)
	f.access(&c.Store.Access)
	f.endpoints(&c.Store, &c.Keys)
	f.marks(&c.Store.Marks, c.Upload.Checksum)
	f.crypt(&c.Crypt)
	f.upload(&c.Upload, &c.Store)
	f.mount(&c.Mount)
	f.job(&c.Job)
	f.watches(c)
	f.listen("metrics.listen", c.Metrics.Listen, "127.0.0.1:9464")
	if f.listen("web.listen", c.Web.Listen, "127.0.0.1:9465") {
		f.check("web.listen", c.Web.Listen, checkLoopback)
	}
	if len(f.faults) == 0 { // the VolumeID needs a valid store
		f.spool(c)
	}
}

func (f *file) store(s *Store) {
	f.path("store.path", &s.Path, s.Kind == StoreDir, "store")
	switch {
	case s.Bucket != "":
		f.check("store.bucket", s.Bucket, checkBucket)
	case s.Kind == StoreS3:
		f.faultf(f.lines["store.bucket"], `store.bucket: missing; name the bucket, or set store.kind = "dir"`)
	}
	f.check("store.prefix", s.Prefix, checkPrefix)
	if s.Prefix != "" && !strings.HasSuffix(s.Prefix, "/") {
		s.Prefix += "/"
	}
	f.endpoint("store", &s.Endpoint, s.InsecureHTTP)
	f.region("store.region", s.Region, s.Endpoint)
	if s.StorageClass != "" {
		f.check("store.storage_class", s.StorageClass, func(class string) error { return checkClass(class, s.Endpoint != "") })
	}
	if s.SSEKMSKeyID != "" {
		if s.SSE != SSEKMS && s.SSE != SSEKMSDSSE {
			f.reject("store.sse_kms_key_id", s.SSEKMSKeyID, errors.New(`it goes with store.sse = "aws:kms" or "aws:kms:dsse"; set that, or remove the key`))
		}
		f.check("store.sse_kms_key_id", s.SSEKMSKeyID, checkKeyID)
	}
}

func (f *file) keys(k *Keys) {
	f.path("keys.path", &k.Path, k.Kind == KeysLocal, "keyring")
	switch {
	case k.KeyID != "":
		f.check("keys.key_id", k.KeyID, checkDataKeyID)
	case k.Kind == KeysKMS:
		f.faultf(f.lines["keys.key_id"], `keys.key_id: missing; give the ARN of a KMS key, or set keys.kind = "local"`)
	}
	f.endpoint("keys", &k.Endpoint, false)
	f.region("keys.region", k.Region, k.Endpoint)
	if r := regionOf(k.KeyID); r != "" && k.Region != "" && k.Region != r {
		f.reject("keys.region", k.Region, fmt.Errorf("the ARN in keys.key_id says %s; remove one of them", r))
	}
	if k.Kind == KeysKMS {
		f.keyRegion(k)
	}
	switch k.Bits {
	case 128, 192, 256:
	default:
		f.reject("keys.bits", k.Bits, errors.New("give 128, 192 or 256"))
	}
}

// keyRegion refuses a region that the settings documents could not name: every commit
// would fail.
func (f *file) keyRegion(k *Keys) {
	key, value, region := "keys.key_id", k.KeyID, regionOf(k.KeyID)
	if region == "" {
		key, value, region = "keys.region", k.Region, k.Region
	}
	if err := sidecar.CheckRegion(region); err != nil {
		f.reject(key, value, fmt.Errorf("its region %w", err))
	}
}

func (f *file) crypt(c *Crypt) {
	if _, set := f.lines["crypt.iv_bytes"]; !set {
		c.IVBytes = 16
		if c.Mode == GCM {
			c.IVBytes = 12
		}
	}
	switch {
	case c.IVBytes == 16, c.IVBytes == 12 && c.Mode != CBC:
	case c.Mode == CBC:
		f.reject("crypt.iv_bytes", c.IVBytes, errors.New(`with crypt.mode = "CBC" give 16`))
	default:
		f.reject("crypt.iv_bytes", c.IVBytes, errors.New("give 16 or 12"))
	}
}

// Limits of a part: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	minPart = 5 << 20
	maxPart = 5 << 30
	// Other stores may take any; less than a block of the spool makes no room there when it has left.
	minPartElsewhere = 32 << 10
)

// minSpool is the least that a spool works with, in bytes.
const minSpool = 1 << 20

func (f *file) upload(u *Upload, s *Store) {
	elsewhere := s.Kind == StoreDir || s.Endpoint != ""
	switch {
	case u.PartSize >= minPart && u.PartSize <= maxPart, elsewhere && u.PartSize >= minPartElsewhere && u.PartSize <= maxPart:
	case elsewhere:
		f.reject("upload.part_size", u.PartSize, errors.New(`give "32KiB" to "5GiB"`))
	default:
		f.reject("upload.part_size", u.PartSize, errors.New(`S3 takes parts of "5MiB" to "5GiB"`))
	}
	if u.Concurrency < 1 || u.Concurrency > 64 {
		f.reject("upload.concurrency", u.Concurrency, errors.New("give 1 to 64"))
	}
	if u.Timeout <= 0 {
		f.reject("upload.timeout", u.Timeout, errors.New(`give a time above 0, like "60s"`))
	}
	if _, err := ParseRateLimit(u.RateLimit); err != nil {
		f.reject("upload.rate_limit", u.RateLimit, err)
	}
}

func (f *file) mount(m *Mount) {
	for _, pattern := range m.LocalOnly {
		f.check("mount.local_only", pattern, checkPattern)
	}
	for _, pattern := range m.CommitOnFsync {
		f.check("mount.commit_on_fsync", pattern, checkNamePattern)
	}
	if m.Grace <= 0 {
		f.reject("mount.grace", m.Grace, errors.New(`give a time above 0, like "30s"`))
	}
	if m.Fresh < 0 {
		f.reject("mount.fresh", m.Fresh, errors.New(`give "0s" or more`))
	}
}

// spool comes last: its folder is named after the volume, its size follows the parts'.
func (f *file) spool(c *Config) {
	// An upload holds back the first part and the last two, and a further one is being filled.
	switch least := 4 * c.Upload.PartSize; {
	case c.Spool.MaxSize < least:
		f.reject("spool.max_size", c.Spool.MaxSize, fmt.Errorf("give at least %v, four times upload.part_size", least))
	case c.Spool.MaxSize < minSpool:
		f.reject("spool.max_size", c.Spool.MaxSize, errors.New(`give at least "1MiB"`))
	}
	if c.Spool.Dir != "" {
		f.path("spool.dir", &c.Spool.Dir, false, "")
		return
	}
	dir, err := xdg("XDG_STATE_HOME", ".local/state")
	if err != nil {
		f.faultf(0, "spool.dir: %v, or set spool.dir", err)
		return
	}
	c.Spool.Dir = filepath.Join(dir, c.VolumeID())
}

// path makes *p absolute. An empty one that is needed gets its default, name
// below the data folder.
func (f *file) path(key string, p *string, needed bool, name string) {
	switch {
	case *p != "":
		full, err := expandPath(*p)
		if err != nil {
			f.reject(key, *p, err)
			return
		}
		*p = full
	case needed:
		dir, err := xdg("XDG_DATA_HOME", ".local/share")
		if err != nil {
			f.faultf(0, "%s: %v, or set %s", key, err, key)
			return
		}
		*p = filepath.Join(dir, name)
	}
}

func (f *file) check(key, value string, ok func(string) error) {
	if err := ok(value); err != nil {
		f.reject(key, value, err)
	}
}

// endpoint checks a URL and takes the "/" off its end. http is for this
// machine, unless the user says in so many words that it may go further; to a
// key service, whose answers carry data keys, never.
func (f *file) endpoint(section string, endpoint *string, insecure bool) {
	if *endpoint == "" {
		return
	}
	key := section + ".endpoint"
	u, err := url.Parse(*endpoint)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", !validPort(u.Port()):
		f.reject(key, *endpoint, errors.New("give a URL like https://s3.example.com"))
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "", strings.HasSuffix(*endpoint, "#"):
		f.reject(key, *endpoint, errors.New("give scheme, host and port only; credentials go where the AWS SDK looks for them"))
	case u.Scheme == "http" && section == "keys" && !loopback(u.Hostname()):
		f.reject(key, *endpoint, errors.New("use https: the answers carry data keys"))
	case u.Scheme == "http" && (section == "job" || section == "watch") && !loopback(u.Hostname()):
		f.reject(key, *endpoint, errors.New("use https: who reads a request learns what the job is"))
	case u.Scheme == "http" && !insecure && !loopback(u.Hostname()):
		f.reject(key, *endpoint, fmt.Errorf("use https, or set %s.insecure_http = true to send requests readable and unprotected over the network", section))
	default:
		*endpoint = strings.TrimRight(*endpoint, "/")
	}
}

// validPort accepts no port, too.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// loopback names are this machine's: RFC 6761, section 6.3, and RFC 6890.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// listen reports whether an address to listen at is one.
func (f *file) listen(key, addr, example string) bool {
	if addr == "" {
		return false
	}
	host, port, err := net.SplitHostPort(addr)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '/' }) {
		f.reject(key, addr, fmt.Errorf("give a host and a port, like %q", example))
		return false
	}
	return true
}

// checkLoopback refuses an address that other machines may reach.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if ip, e := netip.ParseAddr(host); err == nil && (host == "localhost" || e == nil && ip.Unmap().IsLoopback()) {
		return nil
	}
	return errors.New(`other machines may reach that: give 127.0.0.1 and a port; "ssh -L" leads to it from elsewhere`)
}

// checkNamePattern refuses what matches the name of no file.
func checkNamePattern(pattern string) error {
	if strings.HasPrefix(pattern, "!") || strings.Contains(pattern, "/") || pattern == "" {
		return errors.New(`give a pattern like "*.aup3" for the names of files`)
	}
	return checkPattern(pattern)
}

// checkPattern accepts what path.Match does, after an optional "!".
func checkPattern(pattern string) error {
	p := strings.TrimPrefix(pattern, "!")
	if _, err := path.Match(p, ""); err != nil {
		return errors.New(`the pattern is not complete; * ? and [a-z] match, a \ before them takes them as they are`)
	}
	if p == "" || !utf8.ValidString(p) || strings.ContainsFunc(p, isControl) {
		return errors.New(`give a pattern like "*.part", or "!*~" to remove a default`)
	}
	return nil
}
