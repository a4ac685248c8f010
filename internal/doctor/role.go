package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
)

// Role is the role that jobs take on, and what it needs.
type Role struct {
	IAM     *iam.Client
	ARN     string
	Inputs  string // an object of the volume, as an ARN
	Outputs string // an object among those that jobs make, as an ARN; may be empty
	Key     func() string
	Queue   string // ARN; may be empty
}

// roleARNs are those of roles: partition and account.
var roleARNs = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role/[!-~]+$`)

// NewRole is a role as the jobs of a volume need it, that is, an address in S3. The output's may be
// empty; a queue is a name in a region, or an ARN.
func NewRole(c *iam.Client, arn, volume, output, region, queue string) (Role, error) {
	m := roleARNs.FindStringSubmatch(arn)
	if m == nil {
		return Role{}, fmt.Errorf("role %q: give its ARN, like arn:aws:iam::111122223333:role/MediaConvert", arn)
	}
	in := func(address string) string {
		return "arn:" + m[1] + ":s3:::" + strings.TrimPrefix(address, "s3://")
	}
	r := Role{IAM: c, ARN: arn, Inputs: in(volume + "any"), Queue: queue}
	if output != "" {
		bucket, key, _ := strings.Cut(strings.TrimPrefix(output, "s3://"), "/")
		r.Outputs = in(bucket + "/" + key + "any")
	}
	if !strings.HasPrefix(queue, "arn:") {
		r.Queue = "arn:" + m[1] + ":mediaconvert:" + region + ":" + m[2] + ":queues/" + queue
	}
	return r, nil
}

const mediaConvert = "mediaconvert.amazonaws.com"

// OfRole are the checks of the role. IAM simulates its policies, and neither the bucket's nor the
// key's.
func OfRole(r Role) []Check {
	trust := &trusted{role: r}
	list := []Check{
		{Name: "role", Needs: []string{"credentials"}, Run: trust.find},
		{Name: "role's trust", Needs: []string{"role"}, Run: trust.judge},
		{Name: "role reads inputs", Needs: []string{"role"}, Run: r.may("s3:GetObject", r.Inputs)},
	}
	if r.Outputs != "" {
		list = append(list, Check{Name: "role writes outputs", Needs: []string{"role"}, Run: r.may("s3:PutObject", r.Outputs)})
	}
	if r.Key != nil {
		list = append(list, Check{Name: "role unwraps keys", Needs: []string{"role", "data key"}, Run: r.unwraps})
	}
	return list
}

func (r Role) name() string { return r.ARN[strings.LastIndexByte(r.ARN, '/')+1:] }

// trusted is what the role's trust policy says.
type trusted struct {
	role Role
	text string
	seen bool
}

func (t *trusted) find(ctx context.Context) Finding {
	name := t.role.name()
	out, err := t.role.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	switch {
	case codeOf(err) == "NoSuchEntity":
		return fail("make it with mcfs policy trust --format cli, or correct --role", "there is no role %s", name)
	case isDenied(err):
		return warn(doctorCure, "%s may not be looked at: %v", t.role.ARN, brief(err))
	case err != nil:
		return fail(networkCure, "%s: %v", t.role.ARN, brief(err))
	case aws.ToString(out.Role.Arn) != t.role.ARN:
		return fail("correct --role", "the role %s is %s, not %s", name, aws.ToString(out.Role.Arn), t.role.ARN)
	}
	text, err := url.QueryUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
	if err != nil {
		return fail("look at its trust policy", "its trust policy cannot be read: %v", err)
	}
	t.text, t.seen = text, true
	return ok("%s", t.role.ARN)
}

// some is one value or a list of them, as IAM takes them.
type some []string

// UnmarshalJSON is part of json.Unmarshaler.
func (s *some) UnmarshalJSON(text []byte) error {
	all, err := oneOrMore[any](text)
	for _, v := range all {
		*s = append(*s, fmt.Sprint(v))
	}
	return err
}

// principal is whom a statement is for; "*" names no service.
type principal struct{ Service some }

// UnmarshalJSON is part of json.Unmarshaler.
func (p *principal) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return nil
	}
	type plain principal
	return json.Unmarshal(text, (*plain)(p))
}

// statement is one of a trust policy.
type statement struct {
	Effect    string
	Principal principal
	Action    some
	Condition map[string]map[string]some
}

// statements are those of a trust policy.
func statements(text string) ([]statement, error) {
	var d struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return nil, err
	}
	return oneOrMore[statement](d.Statement)
}

// oneOrMore reads a list, which IAM lets be its one element.
func oneOrMore[T any](text []byte) (list []T, err error) {
	if len(text) > 0 && text[0] == '[' {
		err = json.Unmarshal(text, &list)
		return list, err
	}
	list = make([]T, 1)
	return list, json.Unmarshal(text, &list[0])
}

const trustCure = "mcfs policy trust prints what it needs"

func (t *trusted) judge(context.Context) Finding {
	if !t.seen {
		return warn(doctorCure, "not known, since the role may not be looked at")
	}
	all, err := statements(t.text)
	if err != nil {
		return fail(trustCure, "its trust policy cannot be read: %v", err)
	}
	worst := fail(trustCure, "its trust policy does not let %s take it on", mediaConvert)
	for _, st := range all {
		if st.Effect != "Allow" || !slices.Contains(st.Principal.Service, mediaConvert) || !slices.Contains(st.Action, "sts:AssumeRole") {
			continue
		}
		if f := t.conditions(st.Condition); f.Verdict != Fail {
			return f
		} else {
			worst = f
		}
	}
	return worst
}

// conditions says whether a statement is for the jobs of the queue, and for no others.
func (t *trusted) conditions(all map[string]map[string]some) Finding {
	bound := false
	for _, pairs := range all {
		for name, values := range pairs {
			switch strings.ToLower(name) {
			case "aws:sourcearn":
				bound = true
				if t.role.Queue != "" && !slices.ContainsFunc(values, func(p string) bool { return like(p, t.role.Queue) }) {
					return fail(trustCure, "its trust policy is for %s, and the jobs are in %s", strings.Join(values, ", "), t.role.Queue)
				}
			case "aws:sourceaccount":
				bound = true
			}
		}
	}
	if !bound {
		return warn(trustCure, "its trust policy has neither aws:SourceArn nor aws:SourceAccount: jobs of other accounts might take it on")
	}
	return ok("%s may take it on, for jobs of this account", mediaConvert)
}

// like reports whether a pattern with * and ? covers a text.
func like(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		return like(pattern[1:], text) || text != "" && like(pattern, text[1:])
	}
	return text != "" && (pattern[0] == '?' || pattern[0] == text[0]) && like(pattern[1:], text[1:])
}

// may is the check that the role may do something.
func (r Role) may(action, resource string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		allowed, err := r.simulate(ctx, action, resource, nil)
		if f, done := r.unknown(err); done {
			return f
		}
		if !allowed {
			return fail("mcfs policy role --output s3://… prints what it needs", "it may not %s on %s", action, resource)
		}
		return ok("%s on %s; bucket policy not simulated", action, resource)
	}
}

// unwraps: with kms:ViaService, which AWS's own example has, the key opens by way of S3 alone.
func (r Role) unwraps(ctx context.Context) Finding {
	inContext := map[string]string{"kms:EncryptionContext:service": mediaConvert, "kms:EncryptionContextKeys": "service"}
	allowed, err := r.simulate(ctx, "kms:Decrypt", r.Key(), inContext)
	if f, done := r.unknown(err); done {
		return f
	}
	if allowed {
		return ok("kms:Decrypt in MediaConvert's encryption context; key policy not simulated")
	}
	inContext["kms:ViaService"] = "s3." + regionOf(r.Key()) + ".amazonaws.com"
	if byS3, err := r.simulate(ctx, "kms:Decrypt", r.Key(), inContext); err == nil && byS3 {
		return fail("take the condition kms:ViaService away: mcfs policy role prints what is needed",
			"it may kms:Decrypt by way of S3 only (kms:ViaService), and client-side encryption asks KMS directly; key policy not simulated")
	}
	return fail("mcfs policy role prints what it needs", "it may not kms:Decrypt on %s in MediaConvert's encryption context; key policy not simulated", r.Key())
}

func regionOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 3 {
		return parts[3]
	}
	return ""
}

// unknown is the finding where IAM did not simulate.
func (r Role) unknown(err error) (Finding, bool) {
	switch {
	case err == nil:
		return Finding{}, false
	case isDenied(err):
		return warn(doctorCure, "not known: %v", brief(err)), true
	}
	return fail(networkCure, "IAM does not tell: %v", brief(err)), true
}

// simulate asks IAM whether the role's policies allow an action.
func (r Role) simulate(ctx context.Context, action, resource string, keys map[string]string) (bool, error) {
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &r.ARN, ActionNames: []string{action}, ResourceArns: []string{resource}}
	for name, value := range keys {
		kind := types.ContextKeyTypeEnumString
		if name == "kms:EncryptionContextKeys" {
			kind = types.ContextKeyTypeEnumStringList
		}
		in.ContextEntries = append(in.ContextEntries, types.ContextEntry{ContextKeyName: aws.String(name), ContextKeyType: kind, ContextKeyValues: []string{value}})
	}
	out, err := r.IAM.SimulatePrincipalPolicy(ctx, in)
	if err != nil {
		return false, fmt.Errorf("simulate %s: %w", action, err)
	}
	if len(out.EvaluationResults) != 1 {
		return false, fmt.Errorf("simulate %s: %d results", action, len(out.EvaluationResults))
	}
	return out.EvaluationResults[0].EvalDecision == types.PolicyEvaluationDecisionTypeAllowed, nil
}

// codeOf is the service's word for an error, "" if it said none.
func codeOf(err error) string {
	if api, answered := errors.AsType[smithy.APIError](err); answered {
		return api.ErrorCode()
	}
	return ""
}

func isDenied(err error) bool {
	return strings.Contains(codeOf(err), "AccessDenied") || strings.Contains(codeOf(err), "Forbidden")
}
