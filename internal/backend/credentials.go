package backend

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mcfs/config"
	"mcfs/internal/verdict"
)

const (
	// sessionTime is how long a role is taken on for at once: each role allows that, and
	// one that is taken on by another role allows no more.
	sessionTime = time.Hour
	// sessionRest is left of it when it is taken on anew.
	sessionRest = 5 * time.Minute
	// renewTime bounds a look for credentials that somebody has asked for; a token may take half of it.
	renewTime = 2 * tokenTime
	// sessionName is what a session is called where nothing says.
	sessionName = "mcfs"
)

// Credentials are those of the AWS configuration. The SDK reads its files once, but
// programs that renew credentials write them again: after Invalidate they are read anew.
type Credentials struct {
	mu       sync.Mutex
	of       config.Store // as whom AWS is asked, and which addresses of STS
	provider aws.CredentialsProvider
	stale    bool
}

// Invalidate is called when a service has answered that the credentials have expired.
func (c *Credentials) Invalidate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = true
}

// Retrieve is part of aws.CredentialsProvider.
func (c *Credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	p, err := c.current(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return p.Retrieve(ctx)
}

func (c *Credentials) current(ctx context.Context) (aws.CredentialsProvider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stale {
		return c.provider, nil
	}
	a, err := load(ctx, c.of)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration again: %w", err)
	}
	c.provider, c.stale = a.Credentials, false
	return c.provider, nil
}

// Renew reads the AWS configuration anew, under the profile and role of a store's. If that gives no
// credentials the ones that there were stay.
func (c *Credentials) Renew(ctx context.Context, s config.Store) error {
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	a, err := load(ctx, s)
	if err == nil {
		_, err = a.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return verdict.Errorf(verdict.Credentials, cureAWS, "read the AWS configuration again: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of, c.provider, c.stale = s, a.Credentials, false
	return nil
}

// load reads the AWS configuration under a profile, and has its credentials take on a role.
func load(ctx context.Context, s config.Store, more ...func(*awsconfig.LoadOptions) error) (aws.Config, error) {
	if s.Profile != "" {
		more = append(more, awsconfig.WithSharedConfigProfile(s.Profile))
	}
	if len(s.MFACommand) > 0 { // for a role that the profile names
		more = append(more, awsconfig.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = func() (string, error) { return token(context.Background(), s.MFACommand) }
		}))
	}
	a, err := awsconfig.LoadDefaultConfig(ctx, more...)
	if err != nil || s.RoleARN == "" {
		return a, err
	}
	r := &role{client: sts.NewFromConfig(a, func(o *sts.Options) { address(o, s) }), of: s.Access}
	a.Credentials = aws.NewCredentialsCache(r, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = sessionRest })
	return a, nil
}

// address says which STS is asked. Without a region of its own, that of the store: in some
// partitions there is no other.
func address(o *sts.Options, s config.Store) {
	if s.Endpoint == "" {
		o.Region = cmp.Or(o.Region, s.Region)
	}
	o.Region = cmp.Or(o.Region, "us-east-1")
	if s.DualStack {
		o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
	}
	if s.FIPS {
		o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
	}
}

// role is a source of credentials: those of a role that is taken on.
type role struct {
	client *sts.Client
	of     config.Access
}

// Retrieve is part of aws.CredentialsProvider.
func (r *role) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := stscreds.NewAssumeRoleProvider(r.client, r.of.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = cmp.Or(r.of.RoleSessionName, sessionName), sessionTime
		o.ExternalID, o.SerialNumber = given(r.of.RoleExternalID), given(r.of.MFASerial)
		o.TokenProvider = func() (string, error) { return token(ctx, r.of.MFACommand) }
	}).Retrieve(ctx)
	if err != nil {
		return c, fmt.Errorf("take on the role %s (store.role_arn): %w", r.of.RoleARN, err)
	}
	return c, nil
}

// given is nil for what is empty.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// sessions are the credentials that this process has come by with a token. AWS takes a token
// once, so that store and keeper have to share them.
var sessions struct {
	mu sync.Mutex
	of map[string]*Credentials
}

// shared are the credentials of a configuration: c, but where others have come by a token.
func shared(s config.Store, c *Credentials) *Credentials {
	if len(s.MFACommand) == 0 {
		return c
	}
	sessions.mu.Lock()
	defer sessions.mu.Unlock()
	if sessions.of == nil {
		sessions.of = make(map[string]*Credentials)
	}
	key := fmt.Sprintf("%q", s.Access)
	if sessions.of[key] == nil {
		sessions.of[key] = c
	}
	return sessions.of[key]
}
