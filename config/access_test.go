package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const role = "store.role_arn = 'arn:aws:iam::111122223333:role/Ingest'\n"

// TestErrorsOfAccess: as whom and where AWS is asked, and what objects are given.
func TestErrorsOfAccess(t *testing.T) {
	testHome(t)
	long := strings.Repeat("x", 129)
	for _, c := range []struct{ line, want string }{
		{"store.profile = 'a]'", `config.toml:3: store.profile: "a]": give the name of a profile`},
		{"store.role_arn = 'Ingest'", `config.toml:3: store.role_arn: "Ingest": give an ARN like arn:aws:iam::111122223333:role/Ingest`},
		{"store.role_external_id = 'x-1'", `config.toml:3: store.role_external_id: "x-1": it goes with store.role_arn`},
		{"store.role_session_name = 'mcfs'", `config.toml:3: store.role_session_name: "mcfs": it goes with store.role_arn`},
		{"store.role_session_name = 'a b'\n" + role, `config.toml:3: store.role_session_name: "a b": give 2 to 64 of the characters`},
		{"store.role_external_id = 'a b'\n" + role, `config.toml:3: store.role_external_id: "a b": give 2 to 1224 of the characters`},
		{"store.role_external_id = '" + strings.Repeat("x", 1225) + "'\n" + role, `give 2 to 1224 of the characters`},
		{"store.mfa_serial = 'arn:aws:iam::111122223333:mfa/anna'\nstore.mfa_command = ['otp']", `config.toml:3: store.mfa_serial: "arn:aws:iam::111122223333:mfa/anna": it goes with store.role_arn`},
		{"store.mfa_serial = 'anna'\nstore.mfa_command = ['otp']\n" + role, `config.toml:3: store.mfa_serial: "anna": give the ARN of a device`},
		{"store.mfa_serial = 'arn:aws:iam::111122223333:mfa/anna'\n" + role, `config.toml:3: store.mfa_serial: "arn:aws:iam::111122223333:mfa/anna": it goes with store.mfa_command`},
		{"store.mfa_command = ['otp']", `config.toml:3: store.mfa_command: [otp]: it goes with store.role_arn and store.mfa_serial, or with a store.profile`},
		{"store.mfa_command = 'otp aws'", `config.toml:3: store.mfa_command: "otp aws": give a list of texts`},
		{"store.mfa_command = ['otp aws']\nstore.profile = 'p'", `config.toml:3: store.mfa_command: [otp aws]: give the program, by its name or an absolute path, and each argument as a text of its own`},
		{"store.mfa_command = ['./otp']\nstore.profile = 'p'", `config.toml:3: store.mfa_command: [./otp]: give the program`},
		{"store.mfa_command = [\"otp\", \"a\\u0000\"]\nstore.profile = 'p'", `remove the NUL characters`},
		{"store.dual_stack = true\nstore.endpoint = 'https://h'", `config.toml:3: store.dual_stack: true: it says which of Amazon's addresses is asked, and store.endpoint gives another`},
		{"store.fips = true\nstore.endpoint = 'https://h'", `config.toml:3: store.fips: true: it says which of Amazon's addresses`},
		{"store.fips = true\nkeys.endpoint = 'https://h'", `config.toml:3: store.fips: true: it is for KMS, too, and keys.endpoint gives another address`},
		{"store.dual_stack = true\nkeys.endpoint = 'https://h'", `config.toml:3: store.dual_stack: true: it is for KMS, too`},
		{"store.accelerate = true\nstore.endpoint = 'https://h'", `config.toml:3: store.accelerate: true: it says which of Amazon's addresses`},
		{"store.accelerate = true\nstore.path_style = true", `config.toml:3: store.accelerate: true: it needs the bucket's name in the host name; remove store.path_style`},
		{"store.accelerate = true\nstore.fips = true", `config.toml:3: store.accelerate: true: it has no FIPS endpoints`},
		{"store.tags = ['show7']", `config.toml:3: store.tags: "show7": give NAME=VALUE`},
		{"store.tags = ['=show7']", `config.toml:3: store.tags: "=show7": give NAME=VALUE`},
		{"store.tags = ['AWS:a=b']", `config.toml:3: store.tags: "AWS:a=b": names that begin with "aws:"`},
		{"store.tags = ['a=b', 'a=c']", `config.toml:3: store.tags: "a=c": there are two tags of this name`},
		{"store.tags = ['" + long + "=b']", `a name has at most 128 characters, a value 256`},
		{"store.tags = ['a=" + long + long + "']", `a name has at most 128 characters, a value 256`},
		{"store.tags = ['a=b&c']", `config.toml:3: store.tags: "a=b&c": S3 takes letters, digits, spaces and`},
		{"store.tags = [\"a=b\\n\"]", `S3 takes letters, digits, spaces and`},
		{"store.tags = ['a1=','a2=','a3=','a4=','a5=','a6=','a7=','a8=','a9=','a10=','a11=']", `S3 takes at most 10 tags of an object`},
		{"store.object_lock_mode = 'compliance'", `config.toml:3: store.object_lock_mode: "compliance": give "", "GOVERNANCE" or "COMPLIANCE"`},
		{"store.object_lock_mode = 'GOVERNANCE'", `store.object_lock_days: 0: with store.object_lock_mode give 1 to 36500`},
		{"store.object_lock_days = 36501\nstore.object_lock_mode = 'COMPLIANCE'", `config.toml:3: store.object_lock_days: 36501: with store.object_lock_mode give 1 to 36500`},
		{"store.object_lock_days = 7", `config.toml:3: store.object_lock_days: 7: it goes with store.object_lock_mode`},
		{"store.object_lock_mode = 'COMPLIANCE'\nstore.object_lock_days = 7\nupload.checksum = 'none'", `config.toml:3: store.object_lock_mode: "COMPLIANCE": S3 locks no object that comes without a checksum`},
	} {
		expect(t, minimal+c.line, c.want)
	}
	expect(t, "store.bucket = 'a.b'\nkeys.key_id = 'alias/media'\nstore.accelerate = true", `config.toml:3: store.accelerate: true: it takes no bucket with a "." in its name`)
}

func TestAccessAccepted(t *testing.T) {
	testHome(t)
	c := mustParse(t, minimal+role+`
store.profile = 'studio b'
store.role_external_id = 'x:1/2'
store.role_session_name = 'cart-3'
store.mfa_serial = 'arn:aws:iam::111122223333:mfa/anna'
store.mfa_command = ['otp', '$(rm -rf /)', '']
store.dual_stack = true
store.accelerate = true
store.tags = ['project=show 7', 'größe=a=b', 'empty=']
store.object_lock_mode = 'GOVERNANCE'
store.object_lock_days = 36500
`)
	if diff := cmp.Diff(map[string]string{"project": "show 7", "größe": "a=b", "empty": ""}, c.Store.TagSet()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"otp", "$(rm -rf /)", ""}, c.Store.MFACommand); diff != "" {
		t.Error(diff)
	}
	mustParse(t, minimal+"store.profile = 'p'\nstore.mfa_command = ['/usr/bin/otp']") // the profile has a device
	if !c.Store.DualStack || !c.Store.Accelerate || c.Store.ObjectLockMode != LockGovernance || c.Store.ObjectLockDays != 36500 {
		t.Errorf("%+v, %+v", c.Store.Endpoints, c.Store.Marks)
	}
	if c = mustParse(t, minimal+"store.fips = true\nstore.dual_stack = true"); !c.Store.FIPS {
		t.Error("fips is not set")
	}
}

// TestMFACommandOfOthers: a program that another user could write is not run.
func TestMFACommandOfOthers(t *testing.T) {
	home := testHome(t)
	program := filepath.Join(home, "otp")
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, minimal+fmt.Sprintf("store.profile = 'p'\nstore.mfa_command = [%q]", program))
	before := c.CheckPlaces()
	if err := os.Chmod(program, 0o722); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckPlaces(); before != nil || err == nil || !strings.Contains(err.Error(), "store.mfa_command: "+program) {
		t.Errorf("first %v, then %v", before, err)
	}
}
