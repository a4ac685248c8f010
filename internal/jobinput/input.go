package jobinput

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"mcfs/fs"
	"mcfs/internal/mounts"
	"mcfs/internal/status"
	"mcfs/internal/stored"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/document"
	"mcfs/sidecar"
	"mcfs/store"
)

// Input is a file that a job is made for.
type Input struct {
	document.Input
	Volume  string         // address of the volume in which it lies, "" if that is not in S3
	stored  *stored.Volume // the same as its store has it; nil: that is not known
	address string         // of the object; "" if that is not known
	read    func(context.Context) (sidecar.Settings, error)
}

// Inputs are the files of one job.
type Inputs []Input

// Reread reads the settings of the file at an address anew.
func (all Inputs) Reread(ctx context.Context, address string) (sidecar.Settings, error) {
	for _, in := range all {
		if in.Settings.FileInput == address {
			return in.read(ctx)
		}
	}
	return sidecar.Settings{}, errors.New("it was not named in this command")
}

// Reader reads what jobs need of files. What it needs for many files it opens and asks once.
// Its methods may be called by any number of goroutines.
type Reader struct {
	File       string                               // of the configuration, as the command line names it; "": none was named
	Open       func(string) (*stored.Volume, error) // the volume of a configuration; Reader closes it
	AllowPlain bool                                 // a file that mcfs has not encrypted is an input as it is

	mu      sync.Mutex
	stored  *stored.Volume            // nil until an address is read
	mounted map[string]*stored.Volume // by address; nil: its configuration cannot be read
	asked   status.Asked              // the daemons
}

// Close closes what was opened.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, v := range r.mounted {
		if v != nil {
			errs = append(errs, v.Close())
		}
	}
	if r.stored != nil {
		errs = append(errs, r.stored.Close())
	}
	return errors.Join(errs...)
}

// Volume is the volume of the configuration.
func (r *Reader) Volume() (*stored.Volume, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stored != nil {
		return r.stored, nil
	}
	v, err := r.Open(r.File)
	if err == nil {
		r.stored = v
	}
	return v, err
}

// ReadAll reads the settings of each path. What cannot be an input of a job is refused.
func (r *Reader) ReadAll(ctx context.Context, paths []string) (Inputs, error) {
	var all Inputs
	for _, path := range paths {
		in, err := r.Read(ctx, path)
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

// Read reads the settings of a file in a mount, or at an address.
func (r *Reader) Read(ctx context.Context, path string) (in Input, err error) {
	if strings.HasPrefix(path, "s3://") {
		in, err = r.atAddress(path)
	} else {
		in, err = r.inMount(ctx, path)
	}
	if err != nil {
		return in, err
	}
	in.Name = path
	in.Settings, err = in.read(ctx)
	if err != nil && verdict.CodeOf(err) == verdict.NoSettings {
		return r.plain(ctx, in, err)
	}
	if err != nil {
		return in, err
	}
	if in.Settings.IsLocal() {
		return in, verdict.Errorf(verdict.LocalKey, `save it in a mount whose configuration has keys.kind = "kms"`, "%s was encrypted under a local keyring, whose keys MediaConvert cannot have", path)
	}
	return in, nil
}

func (r *Reader) atAddress(address string) (Input, error) {
	if strings.HasSuffix(address, "/") {
		return Input{}, verdict.Errorf(verdict.Directory, cureDirectory, "%s is a folder", address)
	}
	v, err := r.Volume()
	if err != nil {
		return Input{}, err
	}
	return Input{Volume: v.Address(), stored: v, address: strings.TrimSuffix(address, sidecar.Suffix), read: func(ctx context.Context) (sidecar.Settings, error) {
		return ParseSettings(v.Settings(ctx, address))
	}}, nil
}

// cureDirectory is what to give in place of a directory.
const cureDirectory = "name the files in it, or give --recursive for a job of each"

func (r *Reader) inMount(ctx context.Context, path string) (in Input, err error) {
	name := strings.TrimSuffix(path, sidecar.Suffix)
	if in.Volume, in.address, err = r.committedIn(ctx, name); err != nil {
		return in, err
	}
	if in.address != "" {
		in.stored = r.volumeOf(ctx, name, in.Volume)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		if path, err = fs.Resolve(path); err != nil { // the settings lie beside the file itself
			return in, fmt.Errorf("job: %w", err)
		}
	}
	in.read = func(ctx context.Context) (sidecar.Settings, error) { return ParseSettings(MountedSettings(ctx, path)) }
	return in, nil
}

// plainTimeout bounds the look at an object that has no settings.
const plainTimeout = 10 * time.Second

// plain takes a file without settings as it is, where that is allowed and it was not encrypted by
// mcfs. Else it says why not.
func (r *Reader) plain(ctx context.Context, in Input, why error) (Input, error) {
	if in.stored == nil {
		return in, why
	}
	ctx, cancel := context.WithTimeoutCause(ctx, plainTimeout, errors.New("no answer in time"))
	defer cancel()
	etag, foreign, err := in.stored.Foreign(ctx, in.address)
	switch {
	case errors.Is(err, stored.ErrLink), err != nil && r.AllowPlain && !errors.Is(err, store.ErrNotExist):
		return in, err
	case err != nil || !foreign:
		return in, why
	case !r.AllowPlain:
		return in, verdict.Errorf(verdict.Foreign, "give --allow-plain to have the job read it as it is", "%s was not encrypted by mcfs", in.Name)
	}
	in.Plain, in.Settings.FileInput = etag, in.address
	return in, nil
}

// volumeOf is the volume of the mount in which a path lies as its store has it, nil if this user
// cannot read its configuration.
func (r *Reader) volumeOf(ctx context.Context, path, address string) *stored.Volume {
	if r.File != "" {
		if v, err := r.Volume(); err == nil && v.Address() == address {
			return v
		}
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, known := r.mounted[address]; known {
		return v
	}
	if r.mounted == nil {
		r.mounted = make(map[string]*stored.Volume)
	}
	r.mounted[address] = nil
	if file := status.ConfigOf(ctx, path); file != "" {
		if v, err := r.Open(file); err == nil && v.Address() == address {
			r.mounted[address] = v
		}
	}
	return r.mounted[address]
}

// IsLocal reports whether a file stays on this machine under its name.
func (r *Reader) IsLocal(ctx context.Context, path string) bool {
	daemon, inside, err := mounts.DaemonAt(path)
	if err != nil {
		return false
	}
	p, err := r.asked.Pending(ctx, daemon)
	return err == nil && p.IsLocal(inside)
}

// committedIn returns the volume of the mount in which a path lies and the address that the file
// has, both "" if they are not in S3. It refuses a path whose last version or name is not in the
// store yet: a job would read another one.
func (r *Reader) committedIn(ctx context.Context, path string) (volume, address string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", "", fmt.Errorf("job: %w", err)
	}
	if info.IsDir() {
		return "", "", verdict.Errorf(verdict.Directory, cureDirectory, "%s is a directory", path)
	}
	daemon, inside, err := mounts.DaemonAt(path)
	if err != nil {
		return "", "", verdict.Errorf(verdict.NotInMount, "give a file in a mount, or its s3:// address with --config", "%s is not in a mount of mcfs", path)
	}
	p, err := r.asked.Pending(ctx, daemon)
	if err != nil {
		return "", "", fmt.Errorf("%s: ask the daemon of %s whether it is committed: %w", path, daemon.Mountpoint, err)
	}
	if why, cure := p.Why(inside); why != "" {
		return "", "", verdict.Errorf(verdict.NotCommitted, cure, "%s %s", path, why)
	}
	if volume = status.InS3(p.Volume); volume == "" || p.HasDraft(inside) {
		return volume, "", nil
	}
	return volume, volume + inside, nil
}
