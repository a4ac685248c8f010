package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/mounts"
	"mcfs/internal/status"
	"mcfs/internal/stored"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/document"
	"mcfs/sidecar"
	"mcfs/store"
)

// jobInput is a file that a job is made for.
type jobInput struct {
	document.Input
	volume  string         // address of the volume in which it lies, "" if that is not in S3
	stored  *stored.Volume // the same as its store has it; nil: that is not known
	address string         // of the object; "" if that is not known
	read    func(context.Context) (sidecar.Settings, error)
}

// jobInputs are the files of one job.
type jobInputs []jobInput

// reread reads the settings of the file at an address anew.
func (all jobInputs) reread(ctx context.Context, address string) (sidecar.Settings, error) {
	for _, in := range all {
		if in.Settings.FileInput == address {
			return in.read(ctx)
		}
	}
	return sidecar.Settings{}, errors.New("it was not named in this command")
}

// inputReader reads what jobs need of files. What it needs for many files it opens and asks once.
// Its methods may be called by any number of goroutines.
type inputReader struct {
	file       string // of the configuration, as the command line names it
	allowPlain bool

	mu      sync.Mutex
	stored  *stored.Volume            // nil until an address is read
	mounted map[string]*stored.Volume // by address; nil: its configuration cannot be read
	asked   status.Asked              // the daemons
}

func (r *inputReader) close() error {
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

// volume is the volume of the configuration.
func (r *inputReader) volume() (*stored.Volume, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stored != nil {
		return r.stored, nil
	}
	v, err := openStored(r.file)
	if err == nil {
		r.stored = v
	}
	return v, err
}

// readAll reads the settings of each path. What cannot be an input of a job is refused.
func (r *inputReader) readAll(ctx context.Context, paths []string) (jobInputs, error) {
	var all jobInputs
	for _, path := range paths {
		in, err := r.read(ctx, path)
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

// read reads the settings of a file in a mount, or at an address.
func (r *inputReader) read(ctx context.Context, path string) (in jobInput, err error) {
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

func (r *inputReader) atAddress(address string) (jobInput, error) {
	if strings.HasSuffix(address, "/") {
		return jobInput{}, verdict.Errorf(verdict.Directory, cureDirectory, "%s is a folder", address)
	}
	v, err := r.volume()
	if err != nil {
		return jobInput{}, err
	}
	return jobInput{volume: v.Address(), stored: v, address: strings.TrimSuffix(address, sidecar.Suffix), read: func(ctx context.Context) (sidecar.Settings, error) {
		return parseSettings(v.Settings(ctx, address))
	}}, nil
}

// cureDirectory is what to give in place of a directory.
const cureDirectory = "name the files in it, or give --recursive for a job of each"

func (r *inputReader) inMount(ctx context.Context, path string) (in jobInput, err error) {
	name := strings.TrimSuffix(path, sidecar.Suffix)
	if in.volume, in.address, err = r.committedIn(ctx, name); err != nil {
		return in, err
	}
	if in.address != "" {
		in.stored = r.volumeOf(ctx, name, in.volume)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		if path, err = fs.Resolve(path); err != nil { // the settings lie beside the file itself
			return in, fmt.Errorf("job: %w", err)
		}
	}
	in.read = func(ctx context.Context) (sidecar.Settings, error) { return parseSettings(mountedSettings(ctx, path)) }
	return in, nil
}

// plainTimeout bounds the look at an object that has no settings.
const plainTimeout = 10 * time.Second

// plain takes a file without settings as it is, where that is allowed and it was not encrypted by
// mcfs. Else it says why not.
func (r *inputReader) plain(ctx context.Context, in jobInput, why error) (jobInput, error) {
	if in.stored == nil {
		return in, why
	}
	ctx, cancel := context.WithTimeoutCause(ctx, plainTimeout, errors.New("no answer in time"))
	defer cancel()
	etag, foreign, err := in.stored.Foreign(ctx, in.address)
	switch {
	case errors.Is(err, stored.ErrLink), err != nil && r.allowPlain && !errors.Is(err, store.ErrNotExist):
		return in, err
	case err != nil || !foreign:
		return in, why
	case !r.allowPlain:
		return in, verdict.Errorf(verdict.Foreign, "give --allow-plain to have the job read it as it is", "%s was not encrypted by mcfs", in.Name)
	}
	in.Plain, in.Settings.FileInput = etag, in.address
	return in, nil
}

// volumeOf is the volume of the mount in which a path lies as its store has it, nil if this user
// cannot read its configuration.
func (r *inputReader) volumeOf(ctx context.Context, path, address string) *stored.Volume {
	if r.file != "" {
		if v, err := r.volume(); err == nil && v.Address() == address {
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
	if file := configOfMount(ctx, path); file != "" {
		if v, err := openStored(file); err == nil && v.Address() == address {
			r.mounted[address] = v
		}
	}
	return r.mounted[address]
}

// inS3 is a volume's name if that is an address in S3, else "".
func inS3(name string) string {
	if strings.HasPrefix(name, "s3://") {
		return name
	}
	return ""
}

func parseSettings(text []byte, err error) (sidecar.Settings, error) {
	if err != nil {
		return sidecar.Settings{}, err
	}
	return sidecar.Parse(text)
}

// daemonOf is the daemon of a mount.
func daemonOf(mountpoint string, m fs.Mounted) control.Client {
	return control.Client{Mountpoint: mountpoint, Users: mounts.Users(m)}
}

// committedIn returns the volume of the mount in which a path lies and the address that the file
// has, both "" if they are not in S3. It refuses a path whose last version or name is not in the
// store yet: a job would read another one.
func (r *inputReader) committedIn(ctx context.Context, path string) (volume, address string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", "", fmt.Errorf("job: %w", err)
	}
	if info.IsDir() {
		return "", "", verdict.Errorf(verdict.Directory, cureDirectory, "%s is a directory", path)
	}
	mountpoint, inside, m, err := mountOf(path)
	if err != nil {
		return "", "", verdict.Errorf(verdict.NotInMount, "give a file in a mount, or its s3:// address with --config", "%s is not in a mount of mcfs", path)
	}
	p, err := r.asked.Pending(ctx, daemonOf(mountpoint, m))
	if err != nil {
		return "", "", fmt.Errorf("%s: ask the daemon of %s whether it is committed: %w", path, mountpoint, err)
	}
	if why, cure := p.Why(inside); why != "" {
		return "", "", verdict.Errorf(verdict.NotCommitted, cure, "%s %s", path, why)
	}
	if volume = inS3(p.Volume); volume == "" || p.HasDraft(inside) {
		return volume, "", nil
	}
	return volume, volume + inside, nil
}
