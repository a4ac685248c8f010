package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCompare: what has changed is named with both values, and whether it can change while a mount lasts.
func TestCompare(t *testing.T) {
	testHome(t)
	const watch = "[[watch]]\noutput = 's3://deliver/'\nrole = 'arn:aws:iam::111122223333:role/MediaConvert'\n"
	before := mustParse(t, minimal+"store.tags = ['a=b']\n")
	after := mustParse(t, minimal+"store.profile = 'studio'\n[upload]\nrate_limit = '1MiB'\ntimeout = '9s'\n[log]\nlevel = 'debug'\n[job]\nqueue = 'Fast'\n"+watch)
	want := []Change{
		{"store.profile", `""`, `"studio"`, true}, {"store.tags", "[a=b]", "[]", false},
		{"upload.timeout", "1m0s", "9s", false}, {"upload.rate_limit", `"off"`, `"1MiB"`, true},
		{"watch", "0", "1", false}, {"log.level", `"info"`, `"debug"`, true},
	}
	if diff := cmp.Diff(want, before.Compare(after)); diff != "" {
		t.Error(diff)
	}
	if got := after.Compare(after); len(got) > 0 {
		t.Errorf("nothing has changed, and yet %v", got)
	}
	before.TakeLive(after)
	for _, c := range before.Compare(after) {
		if c.Live {
			t.Errorf("%s was not taken over", c.Key)
		}
	}
}

// TestLiveKeys: each is a key, and each that says as whom AWS is asked is one.
func TestLiveKeys(t *testing.T) {
	known := strings.Join(allKeys(), " ") + " "
	for _, key := range live {
		if !strings.Contains(known, key+" ") {
			t.Errorf("%s is no key", key)
		}
	}
	all := strings.Join(live, " ") + " "
	_, names := fieldsOf(reflect.ValueOf(Access{}))
	for _, name := range names {
		if !strings.Contains(all, "store."+name+" ") {
			t.Errorf("store.%s is taken over, and not named", name)
		}
	}
}
