package backend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"mcfs/config"
	"mcfs/internal/verdict"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/store/pace"
	"mcfs/store/s3"
)

const (
	// checkTimeout bounds each check of store and keeper at start.
	checkTimeout = 10 * time.Second
	// regionTimeout bounds the question to EC2's metadata service where no
	// region is configured: elsewhere nobody answers it.
	regionTimeout = time.Second
)

const (
	cureAWS     = "correct ~/.aws/config, or what store.profile, AWS_PROFILE and AWS_CONFIG_FILE name"
	cureToken   = "run store.mfa_command by hand, and look whether it prints a token that was not used yet"
	cureKeyring = "restore it from a copy, or correct keys.path"
)

// UsesAWS reports whether the configuration needs credentials of AWS.
func UsesAWS(c config.Config) bool {
	return c.Store.Kind == config.StoreS3 || c.Keys.Kind == config.KeysKMS
}

// AWS is the AWS configuration as the AWS CLI finds it.
func AWS(ctx context.Context) (aws.Config, error) { return loadAs(ctx, config.Store{}) }

// loadAs is the AWS configuration under the profile and the role of a store's.
func loadAs(ctx context.Context, s config.Store) (aws.Config, error) {
	a, err := load(ctx, s)
	if err != nil {
		return a, verdict.Errorf(verdict.Credentials, cureAWS, "read the AWS configuration: %w", err)
	}
	made := shared(s, &Credentials{of: s, provider: a.Credentials})
	a.Credentials = made
	if len(s.MFACommand) == 0 {
		return a, nil
	}
	// A token takes its time, which the deadlines of the first requests do not leave.
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	if _, err := made.Retrieve(ctx); err != nil {
		return a, verdict.Errorf(verdict.Credentials, cureToken, "credentials: %w", err)
	}
	return a, nil
}

// LoadAWS finds credentials and region as the AWS CLI does, under the configuration's profile,
// and takes on its role.
func LoadAWS(ctx context.Context, c config.Config) (aws.Config, error) {
	if !UsesAWS(c) {
		return aws.Config{}, nil
	}
	a, err := loadAs(ctx, c.Store)
	if err != nil {
		return a, err
	}
	if a.Region != "" || c.Store.Region != "" || c.Store.Endpoint != "" {
		return a, nil
	}
	limited, cancel := context.WithTimeout(ctx, regionTimeout)
	defer cancel()
	if onEC2, err := load(limited, c.Store, awsconfig.WithEC2IMDSRegion()); err == nil {
		a.Region = onEC2.Region
	}
	return a, nil // without a region, the store's error tells what to set
}

// OpenStore opens the store, and asks it nothing. The caller closes it.
func OpenStore(a aws.Config, c config.Config, log *slog.Logger) (store.Store, error) {
	return openStore(a, c, pace.New(c.Upload.Timetable().At), log)
}

func openStore(a aws.Config, c config.Config, p *pace.Limiter, log *slog.Logger) (store.Store, error) {
	if c.Store.Kind == config.StoreDir {
		st, err := dir.New(dir.Options{Path: c.Store.Path, Bucket: c.Store.Bucket, Prefix: c.Store.Prefix, MinPart: 1})
		if err != nil {
			return nil, err
		}
		if err := c.CheckPlaces(); err != nil { // another user may have made it meanwhile
			return nil, errors.Join(err, st.Close())
		}
		return st, nil
	}
	return s3.New(s3.Options{
		AWS: a, Bucket: c.Store.Bucket, Prefix: c.Store.Prefix, Region: c.Store.Region,
		Endpoint: c.Store.Endpoint, InsecureHTTP: c.Store.InsecureHTTP, PathStyle: c.Store.PathStyle,
		StorageClass: c.Store.StorageClass, SSE: string(c.Store.SSE), SSEKMSKeyID: c.Store.SSEKMSKeyID,
		RequestPayer: string(c.Store.RequestPayer), Checksum: string(c.Upload.Checksum),
		Timeout: c.Upload.Timeout, Concurrency: c.Upload.Concurrency, Log: log,
		Pace: p, Trickle: c.Upload.Timetable().Limits(),
		Amazon: s3.Amazon(c.Store.Endpoints),
		Marks: s3.Marks{
			Tags: c.Store.TagSet(), LockMode: string(c.Store.ObjectLockMode),
			LockFor: time.Duration(c.Store.ObjectLockDays) * 24 * time.Hour,
		},
	})
}

// Backend is where a volume's objects and keys are.
type Backend struct {
	Store  store.Store
	Keeper keys.Keeper
	Pace   *pace.Limiter // of what is sent to the store

	Credentials *Credentials // of store and keeper; nil: neither is of AWS
}

// Open opens store and keeper and checks that both can be used. The caller closes
// the store; after an error nothing is open.
func Open(ctx context.Context, c config.Config, log *slog.Logger) (Backend, error) {
	a, err := LoadAWS(ctx, c)
	if err != nil {
		return Backend{}, err
	}
	p := pace.New(c.Upload.Timetable().At)
	st, err := openStore(a, c, p, log)
	if err != nil {
		return Backend{}, err
	}
	keeper, err := openKeeper(ctx, a, c, st, log)
	if err != nil {
		return Backend{}, errors.Join(err, st.Close())
	}
	made, _ := a.Credentials.(*Credentials)
	return Backend{Store: st, Keeper: keeper, Pace: p, Credentials: made}, nil
}

// openKeeper opens the keeper and checks store and keeper. KMS is asked at the same time as
// the store; a keyring is opened after it, since what is stored decides whether a new one
// may be made.
func openKeeper(ctx context.Context, a aws.Config, c config.Config, st store.Store, log *slog.Logger) (keys.Keeper, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errors.New("no answer in time"))
	defer cancel()
	if c.Keys.Kind == config.KeysLocal {
		if err := st.Check(ctx); err != nil {
			return nil, err
		}
		k, err := openKeyring(ctx, c, st)
		if err != nil {
			return nil, err
		}
		return k, k.Check(ctx)
	}
	k, err := NewKMS(a, c, log)
	if err != nil {
		return nil, err
	}
	if err := checkBoth(ctx, st, k); err != nil {
		return nil, err
	}
	return k, checkRegion(k)
}

// Keeper opens the keeper alone, to unwrap data keys. It makes no keyring, and asks nothing.
func Keeper(ctx context.Context, c config.Config) (keys.Keeper, error) {
	if c.Keys.Kind == config.KeysLocal {
		return keys.OpenLocal(c.Keys.Path)
	}
	a, err := LoadAWS(ctx, c)
	if err != nil {
		return nil, err
	}
	return NewKMS(a, c, slog.New(slog.DiscardHandler))
}

// NewKMS opens the KMS key, and asks it nothing.
func NewKMS(a aws.Config, c config.Config, log *slog.Logger) (*keys.KMS, error) {
	return keys.NewKMS(keys.KMSOptions{
		KeyID: c.Keys.KeyID, Region: c.Keys.Region, Endpoint: c.Keys.Endpoint,
		DualStack: c.Store.DualStack, FIPS: c.Store.FIPS,
		DataKey: string(c.Keys.DataKey), AWS: a, Log: log,
	})
}

// checkRegion refuses a key whose region no settings document could name. The region may
// come from the environment, so that the configuration's own checks do not see it.
func checkRegion(k keys.Keeper) error {
	if err := sidecar.CheckRegion(k.Region()); err != nil {
		return fmt.Errorf("key %s: its region %w (keys.region, AWS_REGION)", k.KeyID(), err)
	}
	return nil
}

// checkBoth checks store and keeper at the same time. If both fail, it returns the store's
// error, which has to be cured first.
func checkBoth(ctx context.Context, s store.Store, k keys.Keeper) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	keeper := make(chan error, 1)
	go func() { keeper <- k.Check(ctx) }() // received below in every case
	err := s.Check(ctx)
	if err != nil {
		cancel()
	}
	if kerr := <-keeper; err == nil {
		err = kerr
	}
	return err
}

// openKeyring opens the local keyring. If there is none it makes one, unless files were
// encrypted under a lost one.
func openKeyring(ctx context.Context, c config.Config, st store.Store) (*keys.Local, error) {
	if _, err := os.Lstat(c.Keys.Path); !errors.Is(err, fs.ErrNotExist) {
		return keys.OpenLocal(c.Keys.Path)
	}
	page, err := st.List(ctx, "", "", "", store.MaxPage)
	if err != nil {
		return nil, err
	}
	for _, o := range page.Objects {
		if sidecar.Is(o.Key) {
			return nil, verdict.Errorf(verdict.Keyring, cureKeyring, "keyring %s is missing, but files like %s were encrypted under one", c.Keys.Path, o.Key)
		}
	}
	if drafts, _ := filepath.Glob(filepath.Join(c.Spool.Dir, "*.map")); len(drafts) > 0 {
		return nil, verdict.Errorf(verdict.Keyring, cureKeyring, "keyring %s is missing, but the spool %s holds files that were encrypted under one", c.Keys.Path, c.Spool.Dir)
	}
	return keys.CreateLocal(c.Keys.Path)
}
