package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// settle finds out from git and the environment what was not said.
func (r *release) settle(epoch int64) error {
	if epoch == 0 {
		if said := os.Getenv("SOURCE_DATE_EPOCH"); said != "" {
			n, err := strconv.ParseInt(said, 10, 64)
			if err != nil {
				return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
			}
			epoch = n
		}
	}
	if r.revision == "" || epoch == 0 {
		revision, committed, err := r.head()
		if err != nil {
			return fmt.Errorf("%w; without git say -version, -revision and -epoch", err)
		}
		if r.revision == "" {
			r.revision = revision
		}
		if epoch == 0 {
			epoch = committed
		}
	}
	r.time = time.Unix(epoch, 0).UTC()
	if r.version == "" {
		r.version = r.describe()
	}
	r.version = strings.TrimPrefix(r.version, "v")
	if !sound.MatchString(r.version) {
		return fmt.Errorf("version %q: give it as 1.2.3, or 1.2.3-rc1", r.version)
	}
	return nil
}

// sound is a version that each kind of package can have, and so have its order.
var sound = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-(alpha|beta|pre|rc|git)[0-9]*)?$`)

func (r release) git(args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", r.source}, args...)...).Output()
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(failed.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// head is the revision, with a mark if files differ from it, and its time.
func (r release) head() (revision string, committed int64, err error) {
	line, err := r.git("log", "-1", "--format=%H %ct")
	if err != nil {
		return "", 0, err
	}
	if _, err := fmt.Sscan(line, &revision, &committed); err != nil {
		return "", 0, fmt.Errorf("git log says %q: %w", line, err)
	}
	changed, err := r.git("status", "--porcelain")
	if changed != "" {
		revision += "+changes"
	}
	return revision, committed, err
}

var tag = regexp.MustCompile(`^v(\d+)\.(\d+)\.(\d+)$`)

// describe is the version by git: that of a tag, or what comes before the next one, in the order of time.
func (r release) describe() string {
	if exact, err := r.git("describe", "--tags", "--exact-match", "--match=v[0-9]*"); err == nil {
		return exact
	}
	next := "0.0.0"
	if last, err := r.git("describe", "--tags", "--abbrev=0", "--match=v[0-9]*"); err == nil {
		if m := tag.FindStringSubmatch(last); m != nil {
			patch, _ := strconv.Atoi(m[3])
			next = fmt.Sprintf("%s.%s.%d", m[1], m[2], patch+1)
		}
	}
	return next + "-git" + r.time.Format("20060102150405")
}
