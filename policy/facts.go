package policy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Place is a bucket, and where in it.
type Place struct {
	Bucket, Prefix string // the prefix is empty, or ends in "/"
}

// Facts are what policies depend on.
type Facts struct {
	Account string // of key, queue and role; 12 digits
	Volume  Place
	Outputs []Place // where jobs put what they make

	KeyID     string // ARN, id or alias of the KMS key that wraps data keys
	KeyRegion string // of the key, where KeyID is no ARN
	Encrypts  bool   // data keys are made here and wrapped by Encrypt, not by GenerateDataKey
	BucketKey string // ARN of the KMS key with which S3 encrypts objects of the volume; may be empty
	Tags      bool   // objects of the volume are given tags
	Locks     bool   // objects of the volume are locked for a while

	JobRegion string // in which jobs run
	Queue     string // name or ARN of the queue of the jobs
	Role      string // name or ARN of the role that jobs take on
	Principal string // ARN of the user or role that mounts; may be empty

	Watches []Watched // hot folders; none: one with JobRegion and Role
	From    Source    // where mcfs promote takes files from; and the key from which mcfs rewrap takes data keys
}

// Source is a volume that is read, and the key under which its data keys are. Without a bucket, or
// without a key, they are on this machine.
type Source struct {
	Volume           Place
	KeyID, KeyRegion string
	BucketKey        string // ARN of the KMS key with which S3 encrypts its objects; may be empty
}

// of are the facts as they would be of the volume that is read.
func (s Source) of(f Facts) Facts {
	f.Volume, f.KeyID, f.KeyRegion, f.BucketKey = s.Volume, s.KeyID, s.KeyRegion, s.BucketKey
	if account := group(keyARNs, s.KeyID, 3); account != "" {
		f.Account = account
	}
	return f
}

// Watched is what a hot folder's jobs are.
type Watched struct {
	Region string // in which they run; empty: JobRegion
	Role   string // ARN; empty: Role
}

// watchRegions are the regions in which the jobs of hot folders run, sorted.
func (f Facts) watchRegions() []string {
	regions := map[string]bool{}
	for _, w := range f.Watches {
		regions[cmp.Or(w.Region, f.JobRegion)] = true
	}
	if len(regions) == 0 {
		return []string{f.JobRegion}
	}
	return sortedKeys(regions)
}

// watchRoles are the roles that the jobs of hot folders take on, sorted.
func (f Facts) watchRoles() []string {
	roles := map[string]bool{}
	for _, w := range f.Watches {
		roles[cmp.Or(w.Role, f.roleARN())] = true
	}
	if len(roles) == 0 {
		return []string{f.roleARN()}
	}
	return sortedKeys(roles)
}

var (
	accounts   = regexp.MustCompile(`^[0-9]{12}$`)
	regions    = regexp.MustCompile(`^[a-z]{2,8}(-[a-z0-9]{1,12}){1,4}$`)
	buckets    = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	keyARNs    = regexp.MustCompile(`^arn:(aws[a-z-]*):kms:([a-z0-9-]+):([0-9]{12}):((?:key|alias)/[A-Za-z0-9/_-]+)$`)
	queueARNs  = regexp.MustCompile(`^arn:aws[a-z-]*:mediaconvert:([a-z0-9-]+):([0-9]{12}):queues/([^/]+)$`)
	roleARNs   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/((?:[!-~]+/)?[A-Za-z0-9+=,.@_-]+)$`)
	identities = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/(?:[!-~]+/)?([A-Za-z0-9+=,.@_-]+)$`)
	names      = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,64}$`)
)

// DefaultRole and DefaultQueue are names where none is given.
const (
	DefaultRole  = "MediaConvert"
	DefaultQueue = "Default"
)

// complete fills in what follows from other facts, and refuses what no policy can name.
func (f Facts) complete() (Facts, error) {
	key := keyARNs.FindStringSubmatch(f.KeyID)
	if key != nil {
		f.KeyRegion = key[2]
	}
	if region := group(keyARNs, f.From.KeyID, 2); region != "" {
		f.From.KeyRegion = region
	}
	for _, from := range []func() string{
		func() string { return group(keyARNs, f.KeyID, 3) },
		func() string { return group(roleARNs, f.Role, 1) },
		func() string { return group(queueARNs, f.Queue, 2) },
	} {
		if f.Account == "" {
			f.Account = from()
		}
	}
	if f.JobRegion == "" {
		f.JobRegion = group(queueARNs, f.Queue, 1)
	}
	if f.JobRegion == "" {
		f.JobRegion = f.KeyRegion
	}
	if f.Role == "" {
		f.Role = DefaultRole
	}
	if f.Queue == "" {
		f.Queue = DefaultQueue
	}
	return f, f.check()
}

func group(re *regexp.Regexp, text string, n int) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[n]
	}
	return ""
}

func (f Facts) check() error {
	switch {
	case f.Volume.Bucket == "":
		return errors.New("the volume is in no bucket: a policy is for a configuration with store.kind = \"s3\"")
	case f.KeyID == "":
		return errors.New("no KMS key is named: a policy is for a configuration with keys.kind = \"kms\" and keys.key_id")
	case !accounts.MatchString(f.Account):
		return errors.New("the account is not known: give it with --account, 12 digits, or keys.key_id as an ARN")
	case !regions.MatchString(f.KeyRegion):
		return errors.New("the region of the KMS key is not known: set keys.region, or give keys.key_id as an ARN")
	case !regions.MatchString(f.JobRegion):
		return fmt.Errorf("region %q: give the region in which jobs run, like us-west-2", f.JobRegion)
	case !names.MatchString(f.Role) && !roleARNs.MatchString(f.Role):
		return fmt.Errorf("role %q: give the name of a role, or its ARN like arn:aws:iam::111122223333:role/MediaConvert", f.Role)
	case strings.HasPrefix(f.Queue, "arn:") && !queueARNs.MatchString(f.Queue), strings.ContainsAny(f.Queue, "/*?$"):
		if !queueARNs.MatchString(f.Queue) {
			return fmt.Errorf("queue %q: give the name of a queue, or its ARN", f.Queue)
		}
	case f.Principal != "" && !identities.MatchString(f.Principal):
		return fmt.Errorf("principal %q: give the ARN of a user or a role", f.Principal)
	}
	if f.From.KeyID != "" && !regions.MatchString(f.From.KeyRegion) {
		return errors.New("the region of the KMS key from which files come is not known: set keys.region there, or give keys.key_id as an ARN")
	}
	for _, w := range f.Watches {
		switch {
		case w.Region != "" && !regions.MatchString(w.Region):
			return fmt.Errorf("region %q of a hot folder: give one like us-west-2", w.Region)
		case w.Role != "" && !roleARNs.MatchString(w.Role):
			return fmt.Errorf("role %q of a hot folder: give the ARN of a role", w.Role)
		}
	}
	for _, o := range f.Outputs {
		if !buckets.MatchString(o.Bucket) {
			return fmt.Errorf("bucket %q: that is no bucket's name", o.Bucket)
		}
	}
	return nil
}

// partition is AWS's own, or that of China or of the US government.
func (f Facts) partition() string {
	switch {
	case group(keyARNs, f.KeyID, 1) != "":
		return group(keyARNs, f.KeyID, 1)
	case strings.HasPrefix(f.KeyRegion, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(f.KeyRegion, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func (f Facts) arn(service, region, resource string) string {
	return "arn:" + f.partition() + ":" + service + ":" + region + ":" + f.Account + ":" + resource
}

func (f Facts) bucket(p Place) string { return "arn:" + f.partition() + ":s3:::" + p.Bucket }

// objects are all of a place. What IAM takes for a pattern in a prefix is written as itself.
func (f Facts) objects(p Place) string { return f.bucket(p) + "/" + literal(p.Prefix) + "*" }

var literals = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

// literal writes a text so that IAM matches it as it stands.
func literal(text string) string { return literals.Replace(text) }

func (f Facts) roleARN() string {
	if strings.HasPrefix(f.Role, "arn:") {
		return f.Role
	}
	return "arn:" + f.partition() + ":iam::" + f.Account + ":role/" + f.Role
}

// roleName is a role's name, without its path.
func (f Facts) roleName() string { return f.Role[strings.LastIndexByte(f.Role, '/')+1:] }

func (f Facts) queueARN() string {
	if strings.HasPrefix(f.Queue, "arn:") {
		return f.Queue
	}
	return f.arn("mediaconvert", f.JobRegion, "queues/"+f.Queue)
}
