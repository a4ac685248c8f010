package policy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"mcfs/mediaconvert/jobs"
)

const keyARN = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

const oldARN = "arn:aws:kms:us-west-2:444455556666:key/0987dcba-09fe-87dc-65ba-ab0987654321"

func example() Facts {
	return Facts{
		Volume: Place{"ingest", "camera-a/"}, Outputs: []Place{{"deliver", ""}}, KeyID: keyARN,
		Role: "arn:aws:iam::111122223333:role/MediaConvert", From: Source{KeyID: oldARN},
	}
}

func mustMake(t *testing.T, k Kind, f Facts) Policy {
	t.Helper()
	p, err := Make(k, f)
	if err != nil {
		t.Fatalf("%s: %v", k, err)
	}
	return p
}

// TestPage: the policies of docs/setup-aws.md are those that the command prints.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../docs/setup-aws.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^\\$ mcfs policy (\\w+).*?\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	var shown []Kind
	for _, b := range blocks {
		k := Kind(b[1])
		shown = append(shown, k)
		text, err := mustMake(t, k, example()).Document.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), b[2]); diff != "" {
			t.Errorf("the page's policy %s differs (-command +page):\n%s", k, diff)
		}
	}
	if want := []Kind{Mount, Role, Trust, Submitter}; !slices.Equal(shown, want) {
		t.Errorf("the page shows %q, not %q", shown, want)
	}
}

// TestSubmitter: all that is ever asked of MediaConvert for jobs is allowed, and nothing else
// there but the tags that come with a job.
func TestSubmitter(t *testing.T) {
	want := []string{"iam:PassRole", "mediaconvert:TagResource"}
	api := reflect.TypeFor[jobs.API]()
	for i := range api.NumMethod() {
		want = append(want, "mediaconvert:"+api.Method(i).Name)
	}
	slices.Sort(want)
	if got := mustMake(t, Submitter, example()).Document.Actions(); !slices.Equal(got, want) {
		t.Errorf("allowed is %q, and asked %q", got, want)
	}
}

// TestWatch: all that a hot folder asks of MediaConvert is allowed, which cancels no job, in the
// regions and with the roles of all that there are; in the volume settings alone are touched.
func TestWatch(t *testing.T) {
	want := []string{"iam:PassRole", "mediaconvert:TagResource", "s3:GetObject", "s3:ListBucket", "s3:PutObject"}
	api := reflect.TypeFor[jobs.API]()
	for i := range api.NumMethod() {
		if name := api.Method(i).Name; name != "CancelJob" {
			want = append(want, "mediaconvert:"+name)
		}
	}
	slices.Sort(want)
	f := example()
	if got := mustMake(t, Watch, f).Document.Actions(); !slices.Equal(got, want) {
		t.Errorf("allowed is %q, and asked %q", got, want)
	}
	const other = "arn:aws:iam::111122223333:role/Other"
	f.Watches = []Watched{{}, {Region: "eu-west-1", Role: other}, {Region: "us-west-2"}}
	resources := map[string][]string{}
	for _, s := range mustMake(t, Watch, f).Document.Statement {
		resources[s.Sid] = s.Resource
	}
	if diff := cmp.Diff(map[string][]string{
		"Jobs":            {"arn:aws:mediaconvert:eu-west-1:111122223333:*", "arn:aws:mediaconvert:us-west-2:111122223333:*"},
		"FindJobs":        {"*"},
		"HandOverTheRole": {"arn:aws:iam::111122223333:role/MediaConvert", other},
		"Settings":        {"arn:aws:s3:::ingest/camera-a/*.settings.json"},
		"Listing":         {"arn:aws:s3:::ingest"},
	}, resources); diff != "" {
		t.Error(diff)
	}
}

// TestMarked: who makes objects may give them tags and a lock where the volume's have them, and
// may do so nowhere else; who reads alone may not.
func TestMarked(t *testing.T) {
	f := example()
	f.Tags, f.Locks = true, true
	for _, k := range Kinds {
		plain, marked := mustMake(t, k, example()).Document.Actions(), mustMake(t, k, f).Document.Actions()
		want := plain
		if slices.Contains(plain, "s3:PutObject") && k != Role { // a role puts jobs' outputs
			want = append(slices.Clone(plain), "s3:PutObjectTagging", "s3:PutObjectRetention")
			slices.Sort(want)
		}
		if !slices.Equal(marked, want) {
			t.Errorf("%s: %q, not %q", k, marked, want)
		}
		for _, s := range mustMake(t, k, f).Document.Statement {
			if slices.Contains(s.Action, "s3:PutObjectTagging") && !strings.HasPrefix(s.Resource[0], "arn:aws:s3:::ingest/camera-a/*") {
				t.Errorf("%s: tags on %q", k, s.Resource)
			}
		}
	}
	f.Locks = false
	if got := mustMake(t, Mount, f).Document.Actions(); slices.Contains(got, "s3:PutObjectRetention") || !slices.Contains(got, "s3:PutObjectTagging") {
		t.Errorf("tags alone: %q", got)
	}
}

// TestRewrap: the old key is its own account's, and in another region data keys are unwrapped and
// wrapped, since KMS does not take them over.
func TestRewrap(t *testing.T) {
	actions := func(f Facts) map[string][]string {
		got := map[string][]string{}
		for _, s := range mustMake(t, Rewrap, f).Document.Statement {
			if strings.HasSuffix(s.Sid, "Key") {
				got[s.Resource[0]] = s.Action
			}
		}
		return got
	}
	f := example()
	if diff := cmp.Diff(map[string][]string{oldARN: {"kms:ReEncryptFrom"}, keyARN: {"kms:ReEncryptTo", "kms:GenerateDataKey", "kms:Decrypt"}}, actions(f)); diff != "" {
		t.Error(diff)
	}
	f.From.KeyID = strings.Replace(oldARN, "us-west-2", "eu-west-1", 1)
	if diff := cmp.Diff(map[string][]string{f.From.KeyID: {"kms:Decrypt"}, keyARN: {"kms:Encrypt", "kms:GenerateDataKey", "kms:Decrypt"}}, actions(f)); diff != "" {
		t.Error(diff)
	}
}

// variants are configurations of which each kind is made.
var variants = map[string]func(*Facts){
	"plain":     func(*Facts) {},
	"no prefix": func(f *Facts) { f.Volume.Prefix, f.Outputs = "", nil },
	"odd names": func(f *Facts) { f.Volume.Prefix, f.Queue = "it's ${a} *?\"\\%{x}/", "Nightly batch" },
	"id":        func(f *Facts) { f.KeyID, f.KeyRegion = "1234abcd-12ab-34cd-56ef-1234567890ab", "us-gov-west-1" },
	"alias":     func(f *Facts) { f.KeyID, f.KeyRegion = "alias/ingest", "cn-north-1" },
	"alias ARN": func(f *Facts) { f.KeyID = "arn:aws:kms:eu-west-1:111122223333:alias/ingest" },
	"all": func(f *Facts) {
		f.BucketKey, f.Encrypts, f.Principal = keyARN, true, "arn:aws:iam::111122223333:user/team/ingest"
	},
	"hot folders": func(f *Facts) {
		f.Watches = []Watched{{Region: "eu-west-1"}, {Role: "arn:aws:iam::111122223333:role/x"}}
	},
	"from S3": func(f *Facts) {
		f.From.Volume, f.From.BucketKey = Place{"studio", "b/"}, oldARN
	},
	"from another region": func(f *Facts) { f.From.KeyID, f.From.KeyRegion = "alias/old", "eu-west-1" },
	"role's mount":        func(f *Facts) { f.Principal = "arn:aws:iam::111122223333:role/ingest" },
}

// each calls do with every policy there is.
func each(t *testing.T, do func(*testing.T, Policy)) {
	for name, change := range variants {
		for _, k := range Kinds {
			f := example()
			change(&f)
			if k == Key && strings.Contains(f.KeyID, "alias/") {
				continue // refused, see TestRefusals
			}
			t.Run(name+" "+string(k), func(t *testing.T) { do(t, mustMake(t, k, f)) })
		}
	}
}

// TestTerraform: what is printed parses, and says what the JSON says.
func TestTerraform(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		file, faults := hclparse.NewParser().ParseHCL([]byte(p.Terraform()), "policy.tf")
		if faults.HasErrors() {
			t.Fatalf("%v in\n%s", faults, p.Terraform())
		}
		blocks := file.Body.(*hclsyntax.Body).Blocks
		if len(blocks) != 2 || blocks[0].Type != "data" || blocks[1].Type != "resource" {
			t.Fatalf("not a document and what has it:\n%s", p.Terraform())
		}
		got := Document{Version: version}
		for _, s := range blocks[0].Body.Blocks {
			got.Statement = append(got.Statement, readStatement(t, s.Body))
		}
		if diff := cmp.Diff(p.Document, got); diff != "" {
			t.Errorf("Terraform has another document (-JSON +HCL):\n%s", diff)
		}
		if refs := blocks[1].Body.Attributes; len(refs) < 2 {
			t.Errorf("the resource has %d attributes", len(refs))
		}
	})
}

func readStatement(t *testing.T, b *hclsyntax.Body) Statement {
	s := Statement{Sid: one(t, b, "sid"), Effect: one(t, b, "effect"), Action: list(t, b, "actions"), Resource: list(t, b, "resources")}
	for _, inner := range b.Blocks {
		if inner.Type == "principals" {
			s.Principal = map[string]string{one(t, inner.Body, "type"): list(t, inner.Body, "identifiers")[0]}
			continue
		}
		if s.Condition == nil {
			s.Condition = make(map[string]map[string]string)
		}
		test := one(t, inner.Body, "test")
		if s.Condition[test] == nil {
			s.Condition[test] = make(map[string]string)
		}
		s.Condition[test][one(t, inner.Body, "variable")] = list(t, inner.Body, "values")[0]
	}
	return s
}

func one(t *testing.T, b *hclsyntax.Body, name string) string {
	t.Helper()
	v, faults := b.Attributes[name].Expr.Value(&hcl.EvalContext{})
	if faults.HasErrors() {
		t.Fatal(faults)
	}
	return v.AsString()
}

func list(t *testing.T, b *hclsyntax.Body, name string) (all []string) {
	t.Helper()
	if b.Attributes[name] == nil {
		return nil
	}
	v, faults := b.Attributes[name].Expr.Value(&hcl.EvalContext{})
	if faults.HasErrors() {
		t.Fatal(faults)
	}
	for _, e := range v.AsValueSlice() {
		all = append(all, e.AsString())
	}
	return all
}

// TestCLI: a shell calls aws once, with the document as it is.
func TestCLI(t *testing.T) {
	dir := t.TempDir()
	fake := "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done >>\"$SAID\"\n"
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, p Policy) {
		text, err := p.CLI()
		if err != nil {
			t.Fatal(err)
		}
		said := filepath.Join(t.TempDir(), "said")
		cmd := exec.Command("sh", "-e", "-c", text)
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "SAID=" + said}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%v\n%s\n%s", err, out, text)
		}
		words, err := os.ReadFile(said)
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Split(strings.TrimSuffix(string(words), "\x00"), "\x00")
		var got Document
		if err := json.Unmarshal([]byte(args[len(args)-1]), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p.Document, got); diff != "" {
			t.Errorf("aws is given another document:\n%s", diff)
		}
		if strings.Count(string(words), "\x00iam\x00")+strings.Count("\x00"+string(words), "\x00kms\x00") > 2 {
			t.Errorf("more than one command: %q", args)
		}
	})
}

// TestRefusals: what no policy could say is an error with its cure.
func TestRefusals(t *testing.T) {
	for want, change := range map[string]func(*Facts){
		"store.kind":        func(f *Facts) { f.Volume.Bucket = "" },
		"keys.kind":         func(f *Facts) { f.KeyID = "" },
		"--account":         func(f *Facts) { f.KeyID, f.KeyRegion, f.Role = "alias/ingest", "us-west-2", "" },
		"keys.region":       func(f *Facts) { f.KeyID = "alias/ingest" },
		"name of a role":    func(f *Facts) { f.Role = "arn:aws:iam::1:role/x" },
		"name of a queue":   func(f *Facts) { f.Queue = "a/*" },
		"a user or a role":  func(f *Facts) { f.Principal = "bob" },
		"no bucket's name":  func(f *Facts) { f.Outputs = []Place{{"UP", ""}} },
		"in which jobs run": func(f *Facts) { f.JobRegion = "here" },
		"one like us-west":  func(f *Facts) { f.Watches = []Watched{{Region: "here"}} },
		"the ARN of a role": func(f *Facts) { f.Watches = []Watched{{Role: "House"}} },
	} {
		f := example()
		change(&f)
		for _, k := range Kinds {
			if _, err := Make(k, f); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, not %q", k, err, want)
			}
		}
	}
	f := example()
	f.KeyID, f.KeyRegion = "alias/ingest", "us-west-2"
	if _, err := Make(Key, f); err == nil || !strings.Contains(err.Error(), "by the alias") {
		t.Errorf("the policy of an alias: %v", err)
	}
	f = example()
	f.From.KeyID = ""
	if _, err := Make(Rewrap, f); err == nil || !strings.Contains(err.Error(), "--from FILE") {
		t.Errorf("a policy for an old key that is not named: %v", err)
	}
	f.From.KeyID = "alias/old"
	if _, err := Make(Rewrap, f); err == nil || !strings.Contains(err.Error(), "keys.region") {
		t.Errorf("a policy for an old key whose region is not known: %v", err)
	}
	if _, err := Make("root", example()); err == nil || !strings.Contains(err.Error(), "give one of") {
		t.Errorf("a policy of no kind: %v", err)
	}
}

// TestTraps: what AWS's own examples have, and what would not work or allow too much.
func TestTraps(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		text, err := p.Document.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "ViaService") {
			t.Error("kms:ViaService keeps MediaConvert from the key")
		}
		for _, s := range p.Document.Statement {
			for _, action := range s.Action {
				if strings.Contains(action, "*") && s.Sid != "IAMDecides" {
					t.Errorf("%s allows %s", s.Sid, action)
				}
				if crypts := slices.Contains([]string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"}, action); crypts && !strings.HasSuffix(s.Sid, "BucketKey") &&
					s.Condition["StringEquals"]["kms:EncryptionContext:service"] != mediaConvert {
					t.Errorf("%s allows %s without the context", s.Sid, action)
				}
			}
		}
	})
}
