package doctor

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mcfs/policy"
	"mcfs/policy/policytest"
	"mcfs/store/s3/s3test"
)

const roleARN = "arn:aws:iam::111122223333:role/MediaConvert"

// roleFacts are what the role's policies are made of.
func roleFacts(w *world) policy.Facts {
	return policy.Facts{
		Volume: policy.Place{Bucket: w.cloud.Bucket, Prefix: "v/"}, Outputs: []policy.Place{{Bucket: "deliver"}}, KeyID: w.kms.ARN(0), Role: roleARN,
	}
}

func document(t *testing.T, k policy.Kind, f policy.Facts) policy.Document {
	t.Helper()
	p, err := policy.Make(k, f)
	must(t, err)
	return p.Document
}

// setRole gives IAM a role with a trust policy, and the policy by which it simulates.
func (w *world) setRole(t *testing.T, trust, rights policy.Document) {
	t.Helper()
	text, err := trust.JSON()
	must(t, err)
	w.setTrust(string(text))
	w.sts.mu.Lock()
	defer w.sts.mu.Unlock()
	w.sts.answers["SimulatePrincipalPolicy"] = func(r *http.Request) (int, string) { return simulated(r.PostForm, rights) }
}

func (w *world) setTrust(text string) {
	w.sts.set("GetRole", 200, fmt.Sprintf(`<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRoleResult><Role><Path>/</Path><RoleName>MediaConvert</RoleName>
<RoleId>AROAEXAMPLE</RoleId><Arn>%s</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>%s</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>`,
		roleARN, url.QueryEscape(text)))
}

// simulated answers as IAM does: by the role's policies alone.
func simulated(form url.Values, rights policy.Document) (int, string) {
	if form.Get("PolicySourceArn") != roleARN {
		return 404, refusal("NoSuchEntity")
	}
	keys := make(map[string]string)
	for i := 1; form.Has(fmt.Sprintf("ContextEntries.member.%d.ContextKeyName", i)); i++ {
		entry := fmt.Sprintf("ContextEntries.member.%d.", i)
		keys[form.Get(entry+"ContextKeyName")] = form.Get(entry + "ContextKeyValues.member.1")
	}
	action, resource, decision := form.Get("ActionNames.member.1"), form.Get("ResourceArns.member.1"), "implicitDeny"
	if policytest.Allows(rights, action, resource, keys) {
		decision = "allowed"
	}
	return 200, fmt.Sprintf(`<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>
<member><EvalActionName>%s</EvalActionName><EvalResourceName>%s</EvalResourceName><EvalDecision>%s</EvalDecision></member></EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`,
		action, resource, decision)
}

// newRole is a role for which all is well.
func newRole(t *testing.T, w *world) Role {
	t.Helper()
	w.setRole(t, document(t, policy.Trust, roleFacts(w)), document(t, policy.Role, roleFacts(w)))
	client := iam.NewFromConfig(w.convert.Config(), func(o *iam.Options) { o.BaseEndpoint, o.RetryMaxAttempts = &w.sts.URL, 1 })
	r, err := NewRole(client, roleARN, "s3://"+w.cloud.Bucket+"/v/", "s3://deliver", "us-west-2", "Default")
	must(t, err)
	r.Key = w.cloud.Key.KeyID
	if _, err := NewRole(client, "MediaConvert", "s3://b/", "", "", ""); err == nil {
		t.Error("a name passes for an ARN")
	}
	return r
}

// roleOnly are the checks of the role, with those that it needs.
func roleOnly(w *world, r Role) []Check {
	needs := slices.DeleteFunc(Remote(w.cloud, w.probe), func(c Check) bool {
		return !slices.Contains([]string{"credentials", "clock", "key", "data key"}, c.Name)
	})
	return append(needs, OfRole(r)...)
}

// without is a policy that lacks a statement.
func without(d policy.Document, sid string) policy.Document {
	d.Statement = slices.DeleteFunc(slices.Clone(d.Statement), func(s policy.Statement) bool { return s.Sid == sid })
	return d
}

// TestRoleFaults: each fault of the role is one line with its cure; what is not simulated is said.
func TestRoleFaults(t *testing.T) {
	server := s3test.Start(t)
	for name, c := range map[string]struct {
		spoil      func(*testing.T, *world, *Role)
		check      string
		verdict    Verdict
		what, cure string
	}{
		"none":    {nil, "", OK, "", ""},
		"no role": {func(_ *testing.T, w *world, _ *Role) { w.sts.set("GetRole", 404, refusal("NoSuchEntity")) }, "role", Fail, "there is no role MediaConvert", "mcfs policy trust"},
		"another": {func(_ *testing.T, _ *world, r *Role) {
			r.ARN = strings.Replace(roleARN, "111122223333", "444455556666", 1)
		}, "role", Fail, "not arn:aws:iam::444455556666", "--role"},
		"IAM away":       {func(_ *testing.T, w *world, _ *Role) { w.sts.set("GetRole", 500, refusal("ServiceFailure")) }, "role", Fail, "ServiceFailure", "network"},
		"trusts nobody":  {func(_ *testing.T, w *world, _ *Role) { w.setTrust(`{"Statement":[]}`) }, "role's trust", Fail, "does not let", "mcfs policy trust"},
		"trusts another": {func(_ *testing.T, w *world, _ *Role) { w.setTrust(trustOf("ec2.amazonaws.com", "")) }, "role's trust", Fail, "does not let", "mcfs policy trust"},
		"trusts all":     {func(_ *testing.T, w *world, _ *Role) { w.setTrust(trustOf(mediaConvert, "")) }, "role's trust", Warn, "neither aws:SourceArn", "mcfs policy trust"},
		"another queue": {func(_ *testing.T, _ *world, r *Role) {
			r.Queue = "arn:aws:mediaconvert:us-west-2:111122223333:queues/Nightly"
		}, "role's trust", Fail, "queues/Default, and the jobs are in", "mcfs policy trust"},
		"reads nothing":  {func(t *testing.T, w *world, _ *Role) { w.lacks(t, "ReadInputs") }, "role reads inputs", Fail, "may not s3:GetObject", "mcfs policy role"},
		"writes nothing": {func(t *testing.T, w *world, _ *Role) { w.lacks(t, "WriteOutputs") }, "role writes outputs", Fail, "may not s3:PutObject", "mcfs policy role"},
		"unwraps nothing": {func(t *testing.T, w *world, _ *Role) { w.lacks(t, "UnwrapDataKeys") }, "role unwraps keys", Fail,
			"key policy not simulated", "mcfs policy role"},
		"by way of S3": {func(t *testing.T, w *world, _ *Role) {
			d := document(t, policy.Role, roleFacts(w))
			d.Statement[0].Condition["StringEquals"]["kms:ViaService"] = "s3.us-west-2.amazonaws.com"
			w.setRole(t, document(t, policy.Trust, roleFacts(w)), d)
		}, "role unwraps keys", Fail, "kms:ViaService", "take the condition kms:ViaService away"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, server, "")
			r := newRole(t, w)
			if c.spoil != nil {
				c.spoil(t, w, &r)
			}
			amiss, res := examine(t, roleOnly(w, r), Options{})
			if c.spoil == nil {
				if len(amiss) > 0 || res.Count[OK] != 9 {
					t.Errorf("%+v, %+v", amiss, res)
				}
				return
			}
			if len(amiss) != 1 {
				t.Fatalf("%d lines: %+v", len(amiss), amiss)
			}
			if f := amiss[0]; f.Check != c.check || f.Verdict != c.verdict || !strings.Contains(f.What, c.what) || !strings.Contains(f.Cure, c.cure) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func trustOf(service, condition string) string {
	return `{"Statement":[{"Effect":"Allow","Principal":{"Service":["` + service + `"]},"Action":"sts:AssumeRole"` + condition + `}]}`
}

// lacks takes a statement from the role's policy.
func (w *world) lacks(t *testing.T, sid string) {
	t.Helper()
	w.setRole(t, document(t, policy.Trust, roleFacts(w)), without(document(t, policy.Role, roleFacts(w)), sid))
}

// TestTrustForms: IAM's ways to write a trust policy are all read.
func TestTrustForms(t *testing.T) {
	const bound = `"Condition":{"StringEquals":{"aws:SourceAccount":["111122223333"]},"Bool":{"aws:SecureTransport":true}}`
	one := `{"Effect":"Allow","Principal":{"Service":"mediaconvert.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"],` + bound + `}`
	for text, want := range map[string]Verdict{
		`{"Statement":` + one + `}`: OK,
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"},` + one + `]}`:                         OK,
		`{"Statement":[{"Effect":"Allow","Principal":{"AWS":["a","b"]},"Action":"sts:AssumeRole"}]}`:                       Fail,
		`{"Statement":{"Effect":"Deny","Principal":{"Service":["mediaconvert.amazonaws.com"]},"Action":"sts:AssumeRole"}}`: Fail,
		`{"Statement":7}`: Fail,
		`{}`:              Fail,
		`x`:               Fail,
	} {
		if f := (&trusted{text: text, seen: true}).judge(t.Context()); f.Verdict != want {
			t.Errorf("%s: %+v", text, f)
		}
	}
}

// TestHidden: who may not look at the role, nor simulate, is told so and how to change it.
func TestHidden(t *testing.T) {
	w := newWorld(t, s3test.Start(t), "")
	r := newRole(t, w)
	w.sts.set("GetRole", 403, refusal("AccessDenied"))
	w.sts.set("SimulatePrincipalPolicy", 403, refusal("AccessDenied"))
	amiss, _ := examine(t, roleOnly(w, r), Options{})
	if len(amiss) != 5 {
		t.Fatalf("%+v", amiss)
	}
	for _, f := range amiss {
		if f.Verdict != Warn || !strings.Contains(f.Cure, "mcfs policy doctor") {
			t.Errorf("%+v", f)
		}
	}
}

// TestDoctorPolicy: what the doctor asks besides what a mount does is allowed by its policy, and
// nothing else is.
func TestDoctorPolicy(t *testing.T) {
	w := newWorld(t, s3test.Start(t), "")
	list := append(Remote(w.cloud, w.probe), OfRole(newRole(t, w))...)
	if amiss, _ := examine(t, list, Options{}); len(amiss) > 0 {
		t.Errorf("%+v", amiss)
	}
	must(t, w.probe.Clean(t.Context()))
	allowed := document(t, policy.Doctor, roleFacts(w)).Actions()
	both := slices.Concat(allowed, document(t, policy.Mount, roleFacts(w)).Actions())
	used := make(map[string]bool)
	for _, action := range w.actions() {
		used[action] = true
		if !slices.Contains(both, action) {
			t.Errorf("%s is not allowed", action)
		}
	}
	for _, action := range allowed {
		if !used[action] {
			t.Errorf("%s is allowed, and not used", action)
		}
	}
}

// actions are those that were asked of each service but what needs no permission.
func (w *world) actions() (list []string) {
	for _, c := range w.kms.Calls() {
		list = append(list, "kms:"+c.Action)
	}
	for _, c := range w.convert.Calls() {
		list = append(list, "mediaconvert:"+c.Action)
	}
	for _, action := range w.sts.asked {
		if action != "GetCallerIdentity" {
			list = append(list, "iam:"+action)
		}
	}
	for _, r := range w.files.Requests() {
		switch {
		case r.Query.Has("versioning"):
			list = append(list, "s3:GetBucketVersioning")
		case r.Query.Has("lifecycle"):
			list = append(list, "s3:GetLifecycleConfiguration")
		case strings.HasSuffix(r.Op, "bucket"):
			list = append(list, "s3:"+r.Op)
		}
	}
	return list
}
