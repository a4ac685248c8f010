package offline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"mcfs/config"
	"mcfs/internal/human"
	"mcfs/internal/verdict"
	"mcfs/volume/fetch"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// Comparison is what `mcfs verify --against` is to do.
type Comparison struct {
	Options
	Config config.Config
	Source string // file or directory: the card
	Place  Place  // where it was encrypted to
	Sample float64
}

// Compare reads every byte of what the store has of a file or tree, decrypts it, and compares it with
// that. What the store lacks is a loss; what it has besides is not looked at.
func Compare(ctx context.Context, c Comparison) (err error) {
	c.What = "compared"
	rules, err := naming.NewRules(c.Config.Mount.LocalOnly)
	if err != nil {
		return err
	}
	source, _, err := Encryption{Source: c.Source, Target: c.Place}.files()
	if err != nil {
		return err
	}
	v, err := OpenVolume(ctx, c.Config, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	return each(ctx, c.Options, source, func(ctx context.Context, f found) Item { return v.against(ctx, c, f, rules) })
}

// against compares one file.
func (v *Volume) against(ctx context.Context, c Comparison, f found, rules *naming.Rules) Item {
	i := Item{Path: f.path, Address: v.name(f.key), State: Skipped}
	if f.err != nil {
		i.Address = ""
		return i.failed(f.err)
	}
	s, why, err := f.open(rules)
	if err != nil {
		return i.failed(err)
	}
	if i.Why = why; s == nil {
		return i
	}
	defer s.close()
	i.Size = s.size()
	switch {
	case c.Sample < 100 && rand.Float64()*100 >= c.Sample:
		i.State = Unsampled
		return i
	case c.DryRun:
		i.State = Would
		return i
	}
	i.State = Sound
	if err := v.compareWith(ctx, s, f.key); err != nil {
		return i.failed(err)
	}
	return i
}

// compareWith compares what stands under a key with a file, to the last byte. fetch.ErrTampered: it
// is not the same, or not there.
func (v *Volume) compareWith(ctx context.Context, s *source, key string) error {
	x, err := v.look(ctx, key)
	if err != nil {
		return err
	}
	if err := v.encrypted(ctx, x, key); err != nil {
		return err
	}
	same := x.Plain == s.size()
	if same {
		if same, err = v.equal(ctx, s.reader(), x); err != nil {
			return err
		}
	}
	if err := s.unchanged(); err != nil {
		return err
	}
	if !same {
		return fmt.Errorf("what the store has under %s is another than %s: %w", v.name(key), human.Quoted(s.f.Name()), fetch.ErrTampered)
	}
	return nil
}

// encrypted refuses what is no file that mcfs has encrypted, with its settings. fetch.ErrTampered: it
// is damaged, or not there.
func (v *Volume) encrypted(ctx context.Context, x *remote.Version, key string) error {
	switch {
	case x == nil:
		return fmt.Errorf("it is not in the store, under %s: %w", v.name(key), fetch.ErrTampered)
	case x.Damage != nil:
		return fmt.Errorf("%w: %w", fetch.ErrTampered, x.Damage)
	case x.Foreign() || x.IsSymlink():
		return verdict.Errorf(verdict.Foreign, "encrypt it with --force", "%s is no encrypted file", v.name(key))
	case x.Sidecar().IsNone():
		if err := v.matches(ctx, x); err != nil {
			return err
		}
		return verdict.Errorf(verdict.NoSettings, "run mcfs encrypt again, which puts them", "%s has no settings", v.name(key))
	}
	return nil
}
