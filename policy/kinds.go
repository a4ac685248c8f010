package policy

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is whom a policy is for.
type Kind string

// The kinds.
const (
	Mount     Kind = "mount"     // the user or role that mounts
	Role      Kind = "role"      // the role that MediaConvert's jobs take on
	Trust     Kind = "trust"     // who may take on that role
	Submitter Kind = "submitter" // the user or role that submits jobs
	Watch     Kind = "watch"     // the user or role that watches hot folders
	Rewrap    Kind = "rewrap"    // the user or role that moves data keys to another key
	Promote   Kind = "promote"   // the user or role that takes files to another volume
	Key       Kind = "key"       // the policy of the KMS key itself
	Doctor    Kind = "doctor"    // what mcfs doctor asks besides
)

// Kinds are all of them.
var Kinds = []Kind{Mount, Role, Trust, Submitter, Watch, Rewrap, Promote, Key, Doctor}

// mediaConvert is the service, in encryption contexts and as a principal.
const mediaConvert = "mediaconvert.amazonaws.com"

// Policy is a document, and what it was made of.
type Policy struct {
	Kind     Kind
	Document Document
	facts    Facts
}

// Make makes a policy.
func Make(k Kind, f Facts) (Policy, error) {
	f, err := f.complete()
	if err != nil {
		return Policy{}, err
	}
	write, ok := map[Kind]func(Facts) Document{
		Mount: mount, Role: role, Trust: trust, Submitter: submitter, Watch: watch, Rewrap: rewrap, Promote: promote, Key: key, Doctor: doctor,
	}[k]
	if !ok {
		return Policy{}, fmt.Errorf("policy %q: give one of %v", k, Kinds)
	}
	if k == Key && strings.Contains(f.KeyID, "alias/") {
		return Policy{}, fmt.Errorf("the policy of a key cannot be put by the alias %s: give keys.key_id as the key's ARN", f.KeyID)
	}
	if k == Rewrap && f.From.KeyID == "" {
		return Policy{}, errors.New("it is not known which KMS key the data keys are under now: name the configuration with that key, --from FILE")
	}
	return Policy{Kind: k, Document: write(f), facts: f}, nil
}

// underKey allows actions with the data keys of the volume's key, in the context of MediaConvert
// alone. An alias names no resource: it is a condition.
func (f Facts) underKey(sid string, actions ...string) Statement {
	s := Statement{
		Sid: sid, Action: actions, Resource: []string{f.KeyID},
		Condition: map[string]map[string]string{
			"StringEquals":              {"kms:EncryptionContext:service": mediaConvert},
			"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": "service"},
		},
	}
	region, name := f.KeyRegion, f.KeyID
	if resource := group(keyARNs, f.KeyID, 4); resource != "" {
		name = strings.TrimPrefix(resource, "key/")
	}
	if strings.HasPrefix(name, "alias/") {
		s.Resource = []string{f.arn("kms", region, "key/*")}
		s.Condition["ForAnyValue:StringEquals"] = map[string]string{"kms:ResourceAliases": name}
		return s
	}
	s.Resource = []string{f.arn("kms", region, "key/"+name)}
	return s
}

// making is the action by which data keys come to be.
func (f Facts) making() string {
	if f.Encrypts {
		return "kms:Encrypt"
	}
	return "kms:GenerateDataKey"
}

// mount: an object that is not there is told from one that may not be read only where the bucket
// may be listed, and no prefix is in the question for one object: hence IfExists.
func mount(f Facts) Document {
	return document(f.writing(f.making(), "kms:Decrypt")...)
}

// writing allows what puts files into the volume, with some actions of its key.
func (f Facts) writing(withKey ...string) []Statement {
	all := []Statement{
		f.underKey("DataKeys", withKey...),
		{
			Sid:      "Objects",
			Action:   append(f.putting("s3:GetObject"), "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
			Resource: []string{f.objects(f.Volume)},
		},
		f.listing("s3:ListBucket", "s3:ListBucketMultipartUploads"),
	}
	return append(all, f.bucketKey()...)
}

// putting adds the actions that make an object, with what it is given.
func (f Facts) putting(actions ...string) []string {
	actions = append(actions, "s3:PutObject")
	if f.Tags {
		actions = append(actions, "s3:PutObjectTagging")
	}
	if f.Locks {
		actions = append(actions, "s3:PutObjectRetention")
	}
	return actions
}

// listing allows to list the volume.
func (f Facts) listing(actions ...string) Statement {
	s := Statement{Sid: "Listing", Action: actions, Resource: []string{f.bucket(f.Volume)}}
	if f.Volume.Prefix != "" {
		s.Condition = map[string]map[string]string{"StringLikeIfExists": {"s3:prefix": literal(f.Volume.Prefix) + "*"}}
	}
	return s
}

// bucketKey allows to read and write what S3 encrypts with a KMS key, if there is one.
func (f Facts) bucketKey() []Statement {
	if f.BucketKey == "" {
		return nil
	}
	return []Statement{{Sid: "BucketKey", Action: []string{"kms:GenerateDataKey", "kms:Decrypt"}, Resource: []string{f.BucketKey}}}
}

// role has no condition kms:ViaService: MediaConvert asks KMS directly for the keys of
// client-side encryption, not by way of S3.
func role(f Facts) Document {
	all := []Statement{
		f.underKey("UnwrapDataKeys", "kms:Decrypt"),
		{Sid: "ReadInputs", Action: []string{"s3:GetObject"}, Resource: []string{f.objects(f.Volume)}},
	}
	if len(f.Outputs) > 0 {
		put := Statement{Sid: "WriteOutputs", Action: []string{"s3:PutObject"}}
		for _, o := range f.Outputs {
			put.Resource = append(put.Resource, f.objects(o))
		}
		all = append(all, put)
	}
	if f.BucketKey != "" {
		all = append(all, Statement{Sid: "BucketKey", Action: []string{"kms:Decrypt"}, Resource: []string{f.BucketKey}})
	}
	return document(all...)
}

func trust(f Facts) Document {
	return document(Statement{
		Sid: "JobsOfThisQueue", Principal: map[string]string{"Service": mediaConvert}, Action: []string{"sts:AssumeRole"},
		Condition: map[string]map[string]string{
			"StringEquals": {"aws:SourceAccount": f.Account},
			"ArnLike":      {"aws:SourceArn": f.queueARN()},
		},
	})
}

func submitter(f Facts) Document {
	return document(
		Statement{
			Sid:      "Jobs",
			Action:   []string{"mediaconvert:CreateJob", "mediaconvert:TagResource", "mediaconvert:GetJob", "mediaconvert:CancelJob"},
			Resource: []string{f.arn("mediaconvert", f.JobRegion, "*")},
		},
		findJobs(), f.handOver(f.roleARN()),
	)
}

// watch: a job is made of what settings say, and noted in their metadata.
func watch(f Facts) Document {
	jobs := Statement{Sid: "Jobs", Action: []string{"mediaconvert:CreateJob", "mediaconvert:TagResource", "mediaconvert:GetJob"}}
	for _, region := range f.watchRegions() {
		jobs.Resource = append(jobs.Resource, f.arn("mediaconvert", region, "*"))
	}
	all := []Statement{
		jobs, findJobs(), f.handOver(f.watchRoles()...),
		{Sid: "Settings", Action: f.putting("s3:GetObject"), Resource: []string{f.objects(f.Volume) + ".settings.json"}},
		f.listing("s3:ListBucket"),
	}
	return document(append(all, f.bucketKey()...)...)
}

// rewrap: KMS takes a data key from one key to the other by itself, but for one of another region.
func rewrap(f Facts) Document {
	old := f.From.of(f)
	from, to := "kms:ReEncryptFrom", "kms:ReEncryptTo"
	if old.KeyRegion != f.KeyRegion {
		from, to = "kms:Decrypt", "kms:Encrypt"
	}
	all := []Statement{
		old.underKey("OldKey", from),
		f.underKey("NewKey", to, f.making(), "kms:Decrypt"),
		{Sid: "Settings", Action: f.putting("s3:GetObject"), Resource: []string{f.objects(f.Volume)}},
		f.listing("s3:ListBucket"),
	}
	return document(append(all, f.bucketKey()...)...)
}

// promote writes as a mount does, but wraps the data keys that there are; and reads where they come from.
func promote(f Facts) Document {
	withKey := []string{f.making(), "kms:Decrypt"}
	if !f.Encrypts {
		withKey = append(withKey, "kms:Encrypt")
	}
	all, source := f.writing(withKey...), f.From.of(f)
	if source.KeyID != "" {
		all = append(all, source.underKey("SourceDataKeys", "kms:Decrypt"))
	}
	if source.Volume.Bucket != "" {
		list := source.listing("s3:ListBucket")
		list.Sid = "SourceListing"
		all = append(all, list, Statement{Sid: "SourceObjects", Action: []string{"s3:GetObject"}, Resource: []string{source.objects(source.Volume)}})
	}
	if source.BucketKey != "" {
		all = append(all, Statement{Sid: "SourceBucketKey", Action: []string{"kms:Decrypt"}, Resource: []string{source.BucketKey}})
	}
	return document(all...)
}

// findJobs is for all of an account: no resource can be named.
func findJobs() Statement {
	return Statement{Sid: "FindJobs", Action: []string{"mediaconvert:ListJobs", "mediaconvert:SearchJobs"}, Resource: []string{"*"}}
}

// handOver allows to have MediaConvert's jobs take on roles.
func (f Facts) handOver(roles ...string) Statement {
	return Statement{
		Sid: "HandOverTheRole", Action: []string{"iam:PassRole"}, Resource: roles,
		Condition: map[string]map[string]string{"StringEquals": {"iam:PassedToService": mediaConvert}},
	}
}

// key leaves the rest to IAM, as the policy of a new key does: without its first statement nobody
// could ever change it.
func key(f Facts) Document {
	root := "arn:" + f.partition() + ":iam::" + f.Account + ":root"
	byRole := f.underKey("UnwrapDataKeys", "kms:Decrypt")
	byRole.Principal = map[string]string{"AWS": f.roleARN()}
	all := []Statement{{Sid: "IAMDecides", Principal: map[string]string{"AWS": root}, Action: []string{"kms:*"}}, byRole}
	if f.Principal != "" {
		byMount := f.underKey("DataKeys", f.making(), "kms:Decrypt")
		byMount.Principal = map[string]string{"AWS": f.Principal}
		all = append(all, byMount)
	}
	for i := range all {
		all[i].Resource = []string{"*"} // this key; no other can be meant
		delete(all[i].Condition, "ForAnyValue:StringEquals")
	}
	return document(all...)
}

func doctor(f Facts) Document {
	describe := f.underKey("LookAtTheKey", "kms:DescribeKey")
	delete(describe.Condition, "StringEquals") // a description has no encryption context
	delete(describe.Condition, "ForAllValues:StringEquals")
	if len(describe.Condition) == 0 {
		describe.Condition = nil
	}
	return document(
		describe,
		Statement{Sid: "LookAtTheBucket", Action: []string{"s3:GetBucketVersioning", "s3:GetLifecycleConfiguration"}, Resource: []string{f.bucket(f.Volume)}},
		Statement{Sid: "LookAtTheQueue", Action: []string{"mediaconvert:GetQueue"}, Resource: []string{f.queueARN()}},
		Statement{Sid: "LookAtTheRole", Action: []string{"iam:GetRole", "iam:SimulatePrincipalPolicy"}, Resource: []string{f.roleARN()}},
	)
}
