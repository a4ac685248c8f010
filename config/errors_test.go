package config

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each error names file and line, the key, the value and the cure.
func TestErrors(t *testing.T) {
	testHome(t)
	for _, c := range []struct{ text, want string }{
		// Keys that do not exist.
		{"[crypt]\nmod = 'CTR'", `config.toml:2: unknown key crypt.mod; did you mean crypt.mode?`},
		{"\n\n[crypt]\n# a\n# b\n\nmod = 'CTR'", `config.toml:7: unknown key crypt.mod; did you mean crypt.mode?`},
		{"[crypt]\nMode = 'CTR'", `config.toml:2: unknown key crypt.Mode; did you mean crypt.mode?`},
		{"crypt.mdoe = 'CTR'", `config.toml:1: unknown key crypt.mdoe; did you mean crypt.mode?`},
		{"crypt = { mode = 'CTR', iv_byte = 12 }", `config.toml:1: unknown key crypt.iv_byte; did you mean crypt.iv_bytes?`},
		{"[upload]\nbucket = 'b'", `config.toml:2: unknown key upload.bucket; did you mean store.bucket?`},
		{"bucket = 'b'", `config.toml:1: unknown key bucket; did you mean store.bucket?`},
		{"[log]\nverbosity = 3", `config.toml:2: unknown key log.verbosity; [log] has level, format`},
		{"[crypto]\nmode = 'CTR'", `config.toml:1: unknown section crypto; did you mean [crypt]?`},
		{"\n[network.proxy]\na = 1", `config.toml:2: unknown section network; there are [store], [keys], [crypt], [spool], [upload], [mount], [job], [[watch]], [log], [metrics], [web]`},
		{"[store]\nbucket='b'\n[store.s3]\nacl = 'x'", `config.toml:3: unknown key store.s3; did you mean store.sse?`},
		{"[crypt]\n\"a b\\n\" = 1", `config.toml:2: unknown key crypt."a b\n"; [crypt] has mode, iv_bytes, gcm_reads`},
		// Not TOML, or not its shape.
		{"[crypt]\nmode = CTR", `config.toml:2: not TOML: `},
		{"[crypt]\nmode = 'CTR'\nmode = 'GCM'", `config.toml:3: not TOML: `},
		{"crypt = 5", `config.toml:1: crypt: not a table; write [crypt] on a line of its own`},
		{"[[crypt]]\nmode = 'CTR'", `config.toml:1: crypt: not a table; write [crypt] on a line of its own`},
		// Types.
		{"[crypt]\nmode = 5", `config.toml:2: crypt.mode: 5: give "CTR", "CBC" or "GCM"`},
		{"[store]\nsse = 5", `config.toml:2: store.sse: 5: give a text in quotes`},
		{"[store]\nbucket = true", `config.toml:2: store.bucket: true: give a text in quotes`},
		{"[crypt]\niv_bytes = '16'", `config.toml:2: crypt.iv_bytes: "16": give a whole number, without quotes`},
		{"[store]\npath_style = 'yes'", `config.toml:2: store.path_style: "yes": give true or false, without quotes`},
		{"[upload]\ntimeout = 60", `config.toml:2: upload.timeout: 60: give a time with its unit in quotes, like "60s", "500ms" or "2m"`},
		{"[upload]\ntimeout = '1 minute'", `config.toml:2: upload.timeout: "1 minute": give a time with its unit`},
		{"[upload]\npart_size = '8 megabytes'", `config.toml:2: upload.part_size: "8 megabytes": give a size like "8MiB"`},
		{"[upload]\npart_size = -1", `config.toml:2: upload.part_size: -1: give a size like "8MiB"`},
		{"[upload]\npart_size = 8.5", `config.toml:2: upload.part_size: 8.5: give a size like "8MiB"`},
		{"[mount]\nlocal_only = '*.part'", `config.toml:2: mount.local_only: "*.part": give a list of texts`},
		{"[mount]\nlocal_only = ['a', 1]", `config.toml:2: mount.local_only: [a 1]: give a list of texts`},
		{"[mount.fresh]\na = 1", `config.toml:1: mount.fresh: map[a:1]: give a time with its unit`},
		// Words.
		{"[store]\nkind = 'S3'", `config.toml:2: store.kind: "S3": give "s3" or "dir"`},
		{"[keys]\nkind = 'aws'", `config.toml:2: keys.kind: "aws": give "kms" or "local"`},
		{"[keys]\ndata_key = ''", `config.toml:2: keys.data_key: "": give "generate" or "encrypt"`},
		{"[crypt]\nmode = 'AES_CTR'", `config.toml:2: crypt.mode: "AES_CTR": give "CTR", "CBC" or "GCM"`},
		{"[crypt]\ngcm_reads = 'fast'", `config.toml:2: crypt.gcm_reads: "fast": give "verified" or "streaming"`},
		{"[store]\nsse = 'kms'", `config.toml:2: store.sse: "kms": give "", "AES256", "aws:kms" or "aws:kms:dsse"`},
		{"[store]\nrequest_payer = 'me'", `config.toml:2: store.request_payer: "me": give "" or "requester"`},
		{"[upload]\nchecksum = 'md5'", `config.toml:2: upload.checksum: "md5": give "crc32c" or "none"`},
		{"[mount]\nsidecars = 'shown'", `config.toml:2: mount.sidecars: "shown": give "listed" or "hidden"`},
		{"[mount]\ndurability = 's3'", `config.toml:2: mount.durability: "s3": give "upload" or "spool"`},
		{"[spool]\nkeep = 'none'", `config.toml:2: spool.keep: "none": give "auto" or "all"`},
		{"[log]\nlevel = 'trace'", `config.toml:2: log.level: "trace": give "debug", "info", "warn" or "error"`},
		{"[log]\nformat = 'xml'", `config.toml:2: log.format: "xml": give "text" or "json"`},
	} {
		expect(t, c.text, c.want)
	}
}

func TestErrorsOfValues(t *testing.T) {
	testHome(t)
	// What stands on the line after a valid beginning of three lines.
	for _, c := range []struct{ line, want string }{
		{"store.bucket = 'My_Bucket'", `config.toml:4: store.bucket: "My_Bucket": a bucket's name has`},
		{"store.bucket = 's3://ingest'", `config.toml:4: store.bucket: "s3://ingest": a bucket's name has`},
		{"store.bucket = 'ab'", `config.toml:4: store.bucket: "ab"`},
		{"store.bucket = 'a..b'", `config.toml:4: store.bucket: "a..b"`},
		{"store.bucket = '-ab'", `config.toml:4: store.bucket: "-ab"`},
		{"store.bucket = '192.168.5.4'", `config.toml:4: store.bucket: "192.168.5.4": S3 takes no IP address`},
		{"store.bucket = '" + strings.Repeat("b", 64) + "'", `config.toml:4: store.bucket: "bbb`},
		{"store.prefix = '/a'", `config.toml:4: store.prefix: "/a": remove the "/" at its beginning`},
		{"store.prefix = 'a//b'", `config.toml:4: store.prefix: "a//b": write one "/" in place of "//"`},
		{"store.prefix = 'a/../b'", `config.toml:4: store.prefix: "a/../b": remove the elements`},
		{"store.prefix = './a'", `config.toml:4: store.prefix: "./a": remove the elements`},
		{`store.prefix = "a\n"`, `config.toml:4: store.prefix: "a\n": remove the control characters`},
		{"store.prefix = '" + strings.Repeat("a", 513) + "'", `at most 512 bytes`},
		{"store.region = 'Oregon'", `config.toml:4: store.region: "Oregon": give a region like us-west-2`},
		{"store.endpoint = 's3.example.com'", `config.toml:4: store.endpoint: "s3.example.com": give a URL`},
		{"store.endpoint = 'ftp://s3.example.com'", `config.toml:4: store.endpoint: "ftp://s3.example.com": give a URL`},
		{"store.endpoint = 'https://:9000'", `config.toml:4: store.endpoint: "https://:9000": give a URL`},
		{"store.endpoint = 'https://h:99999'", `config.toml:4: store.endpoint: "https://h:99999": give a URL`},
		{"store.endpoint = 'https://h?a=b'", `config.toml:4: store.endpoint: "https://h?a=b": give scheme, host and port only`},
		{"store.endpoint = 'http://s3.example.com'", `config.toml:4: store.endpoint: "http://s3.example.com": use https, or set store.insecure_http = true`},
		{"store.endpoint = 'http://localhost.example.com'", `use https, or set store.insecure_http = true`},
		{"store.endpoint = 'http://10.0.0.1:9000'", `use https, or set store.insecure_http = true`},
		{"keys.endpoint = 'http://10.0.0.1:9000'", `config.toml:4: keys.endpoint: "http://10.0.0.1:9000": use https: the answers carry data keys`},
		{"store.storage_class = 'standard'", `config.toml:4: store.storage_class: "standard": give one of STANDARD, `},
		{"store.storage_class = 'DEEP_ARCHIVE'", `config.toml:4: store.storage_class: "DEEP_ARCHIVE": objects of this class cannot be read back at once`},
		{"store.sse_kms_key_id = 'alias/a'", `config.toml:4: store.sse_kms_key_id: "alias/a": it goes with store.sse`},
		{"store.path = 'data'", `config.toml:4: store.path: "data": give an absolute path, or one that begins with "~/"`},
		{"store.path = '~user/data'", `config.toml:4: store.path: "~user/data": give an absolute path`},
		{"keys.path = '$HOME/k'", `config.toml:4: keys.path: "$HOME/k": give an absolute path`},
		{"spool.dir = '~'", `config.toml:4: spool.dir: "~": give an absolute path`},
		{"keys.key_id = 'media'", `config.toml:4: keys.key_id: "media": give a KMS key's ARN`},
		{"keys.key_id = 'arn:aws:kms:us-west-2:1112:key/x'", `config.toml:4: keys.key_id: "arn:aws:kms:us-west-2:1112:key/x": give a KMS key's ARN`},
		{"keys.key_id = 'arn:aws:s3:::bucket'", `config.toml:4: keys.key_id`},
		{"keys.key_id = 'alias/aws/s3'", `config.toml:4: keys.key_id: "alias/aws/s3": AWS's own keys`},
		{"keys.key_id = 'arn:aws:kms:us-west-2:111122223333:alias/aws/s3'", `AWS's own keys`},
		{"keys.bits = 512", `config.toml:4: keys.bits: 512: give 128, 192 or 256`},
		{"keys.region = 'us-isob-east-1'", `config.toml:4: keys.region: "us-isob-east-1": its region "us-isob-east-1" is no region that MediaConvert knows`},
		{"keys.key_id = 'arn:aws:kms:us-east-10:111122223333:key/x'", `config.toml:4: keys.key_id: "arn:aws:kms:us-east-10:111122223333:key/x": its region "us-east-10" is no region that MediaConvert knows`},
		{"keys.region = 'west'", `config.toml:4: keys.region: "west": give a region like us-west-2`},
		{"crypt.iv_bytes = 8", `config.toml:4: crypt.iv_bytes: 8: give 16 or 12`},
		{"crypt.iv_bytes = 0", `config.toml:4: crypt.iv_bytes: 0: give 16 or 12`},
		{"crypt = {iv_bytes = 12, mode = 'CBC'}", `config.toml:4: crypt.iv_bytes: 12: with crypt.mode = "CBC" give 16`},
		{"spool.max_size = '31MiB'", `config.toml:4: spool.max_size: 31MiB: give at least 32MiB, four times upload.part_size`},
		{"upload.part_size = '5MB'", `config.toml:4: upload.part_size: 5MB: S3 takes parts of "5MiB" to "5GiB"`},
		{"upload.part_size = '6GiB'", `config.toml:4: upload.part_size: 6GiB: S3 takes parts`},
		{"upload.part_size = '31KiB'\nstore.endpoint = 'https://h'", `config.toml:4: upload.part_size: 31KiB: give "32KiB" to "5GiB"`},
		{"upload.part_size = '6GiB'\nstore.endpoint = 'https://h'", `config.toml:4: upload.part_size: 6GiB: give "32KiB" to "5GiB"`},
		{"spool.max_size = '1023KiB'\nupload.part_size = '32KiB'\nstore.endpoint = 'https://h'", `config.toml:4: spool.max_size: 1023KiB: give at least "1MiB"`},
		{"upload.concurrency = 0", `config.toml:4: upload.concurrency: 0: give 1 to 64`},
		{"upload.concurrency = 65", `config.toml:4: upload.concurrency: 65: give 1 to 64`},
		{"upload.timeout = '0s'", `config.toml:4: upload.timeout: 0s: give a time above 0`},
		{"upload.timeout = '-1s'", `config.toml:4: upload.timeout: -1s: give a time above 0`},
		{"upload.rate_limit = '8 megabytes'", `config.toml:4: upload.rate_limit: "8 megabytes": give a rate a second like "8MiB", "off", or a timetable`},
		{"upload.rate_limit = ''", `config.toml:4: upload.rate_limit: "": give a rate a second like "8MiB"`},
		{"upload.rate_limit = '08:00,512KiB 25:00,off'", `"25:00" is no time of day; give one like "08:00"`},
		{"mount.fresh = '-5s'", `config.toml:4: mount.fresh: -5s: give "0s" or more`},
		{"mount.local_only = ['*.part', '[a']", `config.toml:4: mount.local_only: "[a": the pattern is not complete`},
		{"mount.local_only = ['!']", `config.toml:4: mount.local_only: "!": give a pattern`},
		{"mount.commit_on_fsync = ['*.aup3', '[a']", `config.toml:4: mount.commit_on_fsync: "[a": the pattern is not complete`},
		{"mount.commit_on_fsync = ['!*.aup3']", `config.toml:4: mount.commit_on_fsync: "!*.aup3": give a pattern like "*.aup3" for the names of files`},
		{"mount.commit_on_fsync = ['projects/*.aup3']", `config.toml:4: mount.commit_on_fsync: "projects/*.aup3": give a pattern like "*.aup3" for the names of files`},
		{"mount.local_only = ['']", `config.toml:4: mount.local_only: "": give a pattern`},
		{"metrics.listen = '9464'", `config.toml:4: metrics.listen: "9464": give a host and a port`},
		{"metrics.listen = 'localhost:http'", `config.toml:4: metrics.listen: "localhost:http": give a host and a port`},
		{"web.listen = '9465'", `config.toml:4: web.listen: "9465": give a host and a port, like "127.0.0.1:9465"`},
		{"web.listen = '0.0.0.0:9465'", `config.toml:4: web.listen: "0.0.0.0:9465": other machines may reach that: give 127.0.0.1 and a port`},
		{"web.listen = ':9465'", `config.toml:4: web.listen: ":9465": other machines may reach that`},
		{"web.listen = '[::]:9465'", `config.toml:4: web.listen: "[::]:9465": other machines may reach that`},
		{"web.listen = '192.168.1.2:9465'", `config.toml:4: web.listen: "192.168.1.2:9465": other machines may reach that`},
		{"web.listen = 'studio.example:9465'", `config.toml:4: web.listen: "studio.example:9465": other machines may reach that`},
		{"metrics.listen = 'http://a:1'", `config.toml:4: metrics.listen: "http://a:1": give a host and a port`},
	} {
		first, section := "store.bucket = 'ingest'\n", strings.SplitN(c.line, " ", 2)[0]
		second := "keys.key_id = 'alias/media'\n"
		if section == "store.bucket" {
			first = "\n"
		}
		if section == "keys.key_id" {
			second = "\n"
		}
		expect(t, first+second+"\n"+c.line, c.want)
	}
}

func TestErrorsOfWhatIsMissing(t *testing.T) {
	testHome(t)
	expect(t, "keys.key_id = 'alias/a'", `config.toml: store.bucket: missing; name the bucket, or set store.kind = "dir"`)
	expect(t, "keys.key_id = 'alias/a'\nstore.bucket = ''", `config.toml:2: store.bucket: missing; name the bucket`)
	expect(t, "store.bucket = 'ingest'", `config.toml: keys.key_id: missing; give the ARN of a KMS key, or set keys.kind = "local"`)
	expect(t, "[store]\nbucket = 'ingest'\n[keys]\nkey_id = 'arn:aws:kms:us-west-2:111122223333:key/k'\nregion = 'eu-west-1'",
		`config.toml:5: keys.region: "eu-west-1": the ARN in keys.key_id says us-west-2; remove one of them`)
}

func TestAllMistakesAtOnceInTheOrderOfTheFile(t *testing.T) {
	testHome(t)
	_, err := Parse([]byte("[log]\nlevel = 'x'\n[crypt]\nmod = 1\n[stor]\n[upload]\nconcurrency = '1'\n[keys]\nbit = 1"), "c")
	got := strings.Split(err.Error(), "\n")
	for i, want := range []string{"c:2: ", "c:4: ", "c:5: ", "c:7: ", "c:9: "} {
		if len(got) != 5 || !strings.HasPrefix(got[i], want) {
			t.Fatalf("line %d is not %s…:\n%v", i+1, want, err)
		}
	}
	_, err = Parse([]byte("[upload]\nconcurrency = 0\ntimeout = '0s'"), "c")
	if n := len(strings.Split(err.Error(), "\n")); n != 4 { // and two that are missing
		t.Errorf("%d mistakes instead of 4:\n%v", n, err)
	}
}

func TestAccepted(t *testing.T) {
	testHome(t)
	for _, line := range []string{
		"store.endpoint = 'http://localhost:9000'",
		"store.endpoint = 'http://s3.localhost'",
		"store.endpoint = 'http://127.1.2.3'",
		"store.endpoint = 'http://[::1]:9000'",
		"store.endpoint = 'https://s3.example.com/base'",
		"store.endpoint = 'http://10.0.0.1'\nstore.insecure_http = true",
		"store.endpoint = 'https://h'\nstore.region = 'auto'\nstore.storage_class = 'COLD'",
		"store.region = 'us-gov-west-1'",
		"store.region = 'ap-southeast-12'",
		"store.prefix = 'a..b/...'",
		"store.prefix = 'ünïcode und mehr/'",
		"store.storage_class = 'GLACIER_IR'",
		"store.sse = 'aws:kms'\nstore.sse_kms_key_id = 'arn:aws:kms:us-west-2:111122223333:alias/aws/s3'",
		"keys.region = 'us-west-2'",
		"crypt.mode = 'CTR'\ncrypt.iv_bytes = 12",
		"crypt.mode = 'GCM'\ncrypt.iv_bytes = 12",
		"crypt.mode = 'GCM'\ncrypt.iv_bytes = 16",
		"crypt.mode = 'CBC'\ncrypt.iv_bytes = 16",
		"upload.part_size = '5MiB'\nspool.max_size = '20MiB'",
		"upload.part_size = '32KiB'\nspool.max_size = '1MiB'\nstore.endpoint = 'https://h'",
		"upload.part_size = '32KiB'\nspool.max_size = '1MiB'\nstore.kind = 'dir'",
		"mount.local_only = ['[!a]*', '\\*', '!.git/*.lock']",
		"metrics.listen = ':9464'",
		"metrics.listen = '[::1]:9464'",
		"web.listen = '127.0.0.1:9465'",
		"web.listen = '127.8.8.8:9465'",
		"web.listen = '[::1]:9465'",
		"web.listen = 'localhost:9465'",
	} {
		mustParse(t, minimal+line)
	}
	for _, id := range []string{
		"arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
		"arn:aws-cn:kms:cn-north-1:111122223333:alias/media/ingest",
		"mrk-1234abcd12ab34cd56ef1234567890ab",
	} {
		mustParse(t, "store.bucket='ingest'\nkeys.key_id='"+id+"'")
	}
	for mode, iv := range map[string]int{"CTR": 16, "CBC": 16, "GCM": 12} {
		if c := mustParse(t, minimal+"crypt.mode = '"+mode+"'"); c.Crypt.IVBytes != iv {
			t.Errorf("%s: iv_bytes %d", mode, c.Crypt.IVBytes)
		}
	}
}

func expect(t *testing.T, text, want string) {
	t.Helper()
	_, err := Parse([]byte(text), "config.toml")
	if err == nil {
		t.Errorf("accepted:\n%s", text)
		return
	}
	lines := strings.Split(err.Error(), "\n")
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want) }) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

var errorLine = regexp.MustCompile(`^fuzz(:[1-9][0-9]*)?: [^\x00-\x1f]+$`)

func FuzzParse(f *testing.F) {
	seeds := []string{
		minimal,
		string(defaultFile),
		"[crypt]\nmod = 'CTR'\n[[log]]\n[a.b.c]\nd.e = {f = [1, 2.5, 1979-05-27T07:32:00Z]}",
		"store = 1\nkeys = 'x'\ncrypt = [{}]\n\"\" = 0\n\"a\\nb\" = 1",
		"[store]\nbucket = 'ingest'\nendpoint = 'http://[::1]:9000/'\nprefix = \"a/\\u0000\"",
		"[spool]\nmax_size = '9223372036854775807B'\n[upload]\npart_size = '1TiB'\ntimeout = '1h2m'",
		"[mount]\nlocal_only = ['!*~', '[', {}]",
		"[[store]]\n[store.kind]\n",
		"\xff",
		"a = \"\\\x00\"", // a control character within the parser's own message
	}
	if len(seeds) < 5 {
		f.Fatal("too few seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Setenv("HOME", "/home/u")
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data, "fuzz")
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !errorLine.MatchString(line) {
					t.Fatalf("not one line with its place: %q", line)
				}
			}
			return
		}
		// What a Config promises.
		for _, p := range []string{c.Store.Path, c.Keys.Path, c.Spool.Dir} {
			if p != "" && p[0] != '/' {
				t.Fatalf("relative path %q", p)
			}
		}
		if c.Spool.Dir == "" || c.Store.Kind == StoreDir && c.Store.Path == "" || c.Store.Kind == StoreS3 && c.Store.Bucket == "" {
			t.Fatalf("no place: %+v", c)
		}
		if c.Upload.PartSize < minPartElsewhere || c.Upload.Timeout <= 0 || c.Mount.Fresh < 0 || c.Crypt.IVBytes != 12 && c.Crypt.IVBytes != 16 {
			t.Fatalf("out of range: %+v", c)
		}
		if len(c.VolumeID()) != 32 {
			t.Fatalf("VolumeID %q", c.VolumeID())
		}
	})
}
