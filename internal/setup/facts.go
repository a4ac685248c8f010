package setup

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mcfs/config"
	"mcfs/policy"
)

// Facts are what policies depend on, of a configuration. What is said besides goes before it.
func Facts(c config.Config, said policy.Facts) (policy.Facts, error) {
	f := said
	f.KeyRegion, f.Encrypts, f.BucketKey = c.Keys.Region, c.Keys.DataKey == config.DataKeyEncrypt, c.Store.SSEKMSKeyID
	f.Tags, f.Locks = len(c.Store.Tags) > 0, c.Store.ObjectLockMode != config.LockNone
	f.Principal = cmp.Or(said.Principal, c.Store.RoleARN)
	f.JobRegion = cmp.Or(said.JobRegion, c.Job.Region, c.Store.Region)
	f.Queue, f.Role = cmp.Or(said.Queue, c.Job.Queue), cmp.Or(said.Role, c.Job.Role)
	if c.Store.Kind == config.StoreS3 {
		f.Volume = policy.Place{Bucket: c.Store.Bucket, Prefix: c.Store.Prefix}
	}
	if c.Keys.Kind == config.KeysKMS {
		f.KeyID = cmp.Or(said.KeyID, c.Keys.KeyID)
	}
	if id := f.BucketKey; id != "" && !strings.HasPrefix(id, "arn:") {
		return f, errors.New("store.sse_kms_key_id is no ARN, which a policy needs: write it as one")
	}
	for _, w := range c.Watch {
		f.Watches = append(f.Watches, policy.Watched{Region: w.Region, Role: w.Role})
		f.Role = cmp.Or(f.Role, w.Role)
	}
	if len(f.Outputs) > 0 {
		return f, nil
	}
	var err error
	f.Outputs, err = outputs(c)
	return f, err
}

// SourceOf is a configuration's volume and key as mcfs rewrap and promote read them.
func SourceOf(c config.Config) (s policy.Source) {
	if c.Store.Kind == config.StoreS3 {
		s.Volume, s.BucketKey = policy.Place{Bucket: c.Store.Bucket, Prefix: c.Store.Prefix}, c.Store.SSEKMSKeyID
	}
	if c.Keys.Kind == config.KeysKMS {
		s.KeyID, s.KeyRegion = c.Keys.KeyID, c.Keys.Region
	}
	return s
}

// outputs are the places to which the jobs of a configuration write, each once.
func outputs(c config.Config) (list []policy.Place, err error) {
	addresses := []string{c.Job.Output}
	for _, w := range c.Watch {
		addresses = append(addresses, w.Output)
	}
	for _, address := range addresses {
		if address == "" {
			continue
		}
		place, err := PlaceOf(address)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", address, err)
		}
		if !slices.Contains(list, place) {
			list = append(list, place)
		}
	}
	return list, nil
}

// PlaceOf is the place that an address names, up to what stands for the place of a file. What
// follows its last "/" begins names there.
func PlaceOf(address string) (policy.Place, error) {
	address, _, _ = strings.Cut(address, "{")
	rest, ok := strings.CutPrefix(address, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return policy.Place{}, errors.New("give an address like s3://deliver/movies/")
	}
	return policy.Place{Bucket: bucket, Prefix: prefix}, nil
}

// Policies prints what the volume and its jobs must be allowed in AWS.
func (s *Setup) Policies(w io.Writer) error {
	c, err := s.Config(s.Path)
	if err != nil {
		return err
	}
	facts, err := Facts(c, policy.Facts{})
	if err != nil {
		return err
	}
	for _, k := range []policy.Kind{policy.Mount, policy.Role, policy.Trust, policy.Submitter} {
		p, err := policy.Make(k, facts)
		if err != nil {
			s.Tell("the policies are printed by mcfs policy: %v", err)
			return nil
		}
		text, err := p.Document.JSON()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "# mcfs policy %s\n%s", k, text)
	}
	s.Tell("mcfs policy role --output s3://... adds where the outputs of jobs go, and --format terraform or cli prints the policies otherwise")
	return nil
}
