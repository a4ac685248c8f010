package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"mcfs/keys"
	"mcfs/keys/kmstest"
	"mcfs/store/s3/s3test"
)

// attempt is what one try of a call may take, of which the keeper's time allows
// three: enough for a machine on which much else runs. Nothing but silence takes it all,
// and that waits beside the other tests.
const attempt = 10 * time.Second

// keeperCase is one cell of the keeper's table.
type keeperCase struct {
	*testing.T
	ctx  context.Context
	kms  *kmstest.Server
	key  keys.DataKey // made before anything went wrong
	pool *keys.Pool
	ways ways
}

// keeping is one column of the keeper's table.
type keeping struct {
	name   string
	method string // of keys.Keeper
	hit    string // the action that the fault strikes
	far    bool   // the wrapped key lies in another region than the keeper's
	mode   string // how data keys are made; keys.DataKeyGenerate if empty
	call   func(c *keeperCase, k keys.Keeper) error
}

var keepings = []keeping{
	{name: "New", method: "New", hit: "GenerateDataKey",
		call: func(c *keeperCase, k keys.Keeper) error { return c.fresh(k.New(c.ctx, 256)) }},
	{name: "NewEncrypt", method: "New", hit: "Encrypt", mode: keys.DataKeyEncrypt,
		call: func(c *keeperCase, k keys.Keeper) error { return c.fresh(k.New(c.ctx, 192)) }},
	{name: "Pool", method: "New", hit: "GenerateDataKey",
		call: func(c *keeperCase, k keys.Keeper) error { return c.fresh(c.pool.Get(c.ctx)) }},
	{name: "Unwrap", method: "Unwrap", hit: "Decrypt",
		call: func(c *keeperCase, k keys.Keeper) error {
			plain, err := k.Unwrap(c.ctx, c.key.Wrapped, c.key.KeyID)
			return c.same(plain, err)
		}},
	{name: "Wrap", method: "Wrap", hit: "Encrypt",
		call: func(c *keeperCase, k keys.Keeper) error {
			key, err := k.Wrap(c.ctx, c.key.Plain)
			if err != nil {
				return err
			}
			return c.opens(key.Wrapped)
		}},
	{name: "Rewrap", method: "Rewrap", hit: "ReEncrypt", call: rewrap},
	{name: "RewrapFarOut", method: "Rewrap", hit: "Decrypt", far: true, call: rewrap},
	{name: "RewrapFarIn", method: "Rewrap", hit: "Encrypt", far: true, call: rewrap},
	{name: "CheckNew", method: "Check", hit: "GenerateDataKey",
		call: func(c *keeperCase, k keys.Keeper) error { return k.Check(c.ctx) }},
	{name: "CheckUnwrap", method: "Check", hit: "Decrypt",
		call: func(c *keeperCase, k keys.Keeper) error { return k.Check(c.ctx) }},
}

func rewrap(c *keeperCase, k keys.Keeper) error {
	wrapped, _, err := k.Rewrap(c.ctx, c.key.Wrapped, c.key.KeyID)
	if err != nil {
		return err
	}
	return c.opens(wrapped)
}

// fresh demands that a new key is the one that KMS will unwrap, and is no other's.
func (c *keeperCase) fresh(key keys.DataKey, err error) error {
	if err != nil {
		return err
	}
	plain, err := c.kms.Decrypt(key.Wrapped, kmstest.Context())
	if err != nil || !bytes.Equal(plain, key.Plain) {
		return fmt.Errorf("KMS unwraps another key (%w)", err)
	}
	if bytes.Equal(plain, c.key.Plain) {
		return errors.New("a key was given out twice")
	}
	return nil
}

func (c *keeperCase) opens(wrapped []byte) error {
	plain, err := c.kms.Decrypt(wrapped, kmstest.Context())
	return c.same(plain, err)
}

func (c *keeperCase) same(plain []byte, err error) error {
	if err == nil && !bytes.Equal(plain, c.key.Plain) {
		err = errors.New("another key came back")
	}
	return err
}

// TestKeeper strikes every operation of a keeper with every fault. The outcome is
// that of the table; the call ends within its deadline; a key that is given out
// is one that KMS unwraps, and no call gives out two; and once the fault is over
// the same call succeeds.
func TestKeeper(t *testing.T) {
	t.Parallel() // with TestStore: both wait most of the time
	var columns, methods []string
	for _, k := range keepings {
		columns = append(columns, k.name)
		methods = append(methods, k.method)
	}
	everyMethod(t, reflect.TypeFor[keys.Keeper](), append(methods, "KeyID", "Region")) // these only tell what is known
	want, saw := parse(t, kmsFaults, columns, keeperTable), newSeen(kmsFaults, columns)
	t.Run("cells", func(t *testing.T) {
		for _, f := range kmsFaults {
			for _, k := range keepings {
				t.Run(f.name+"/"+k.name, func(t *testing.T) {
					t.Parallel()
					got := strikeKeeper(t, f, k)
					saw.note(f.name, k.name, got)
					if w := want[f.name][k.name]; got != w && !(f.overtakes() && got == overtaken) {
						t.Errorf("%v, not %v as the table says", got, w)
					}
				})
			}
		}
	})
	saw.tell(t)
}

// overtaken is the outcome where the header of an answer came before the client had ended its
// request: the SDK closes the body of that, the connection with it, and tries again.
var overtaken = outcome{word: "ok", requests: 2}

// overtakes reports whether the answer's header comes at once, and its body does not.
func (f fault) overtakes() bool { return f.at.Break == s3test.ResponseBody && f.at.Silent }

func strikeKeeper(t *testing.T, f fault, k keeping) outcome {
	server := kmstest.Start(t, kmstest.Options{})
	good, err := server.Config().Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &session{key: good.AccessKeyID, secret: good.SecretAccessKey}
	o := keys.KMSOptions{KeyID: server.ARN(0), Endpoint: server.URL, AWS: server.Config(), DataKey: k.mode, Timeout: 3 * attempt}
	o.AWS.Credentials = s.provider()
	c := &keeperCase{T: t, ctx: t.Context(), kms: server, ways: ways{server.Region(): s3test.StartProxy(t, server.URL)}}
	home, all := o, []*kmstest.Server{server}
	if k.far { // its key is wrapped in another region, which has a KMS of its own
		away := kmstest.Start(t, kmstest.Options{Region: "eu-west-1"})
		all = append(all, away)
		c.ways[away.Region()] = s3test.StartProxy(t, away.URL)
		home.KeyID, home.Endpoint = away.ARN(0), away.URL
	}
	if c.key, err = newKMS(t, home).New(t.Context(), 256); err != nil {
		t.Fatal(err)
	}
	well := c.open(o, f, k, here)
	struck := well
	if f.place != here {
		struck = c.open(o, f, k, f.place)
	}
	if k.name == "Pool" {
		f.always = true // it fetches more than one key at once
	}
	for _, p := range c.ways {
		f.strike(p, k.hit, s)
	}
	c.pool = newPool(t, struck)
	begun := time.Now()
	err = k.call(c, struck)
	took := time.Since(begun)
	got := outcome{word: keeperWord(err), requests: c.ways.count(k.hit)}
	if k.name == "Pool" || f.at.Delay > time.Minute { // the last try may come too late to be one
		got.requests = 0
	}
	t.Logf("%v after %v: %v", got, took, err)
	if took > 6*attempt+slack { // at most two calls, each within its time
		t.Errorf("took %v", took)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is not one line: %v", err)
	}

	s.renewed.Store(true)
	for _, p := range c.ways {
		if !f.expired {
			p.Reset()
		}
	}
	if struck != well {
		c.pool = newPool(t, well)
	}
	err = k.call(c, well)
	if f.expired {
		err = afterRenewal(err, func() error { return k.call(c, well) })
	}
	if err != nil {
		t.Errorf("when the fault was over: %v", err)
	}
	for _, each := range all {
		if f.at.Garble == s3test.RequestBody { // what arrives is not what was signed
			each.TakeViolations()
		}
	}
	if err := server.Repeated(); err != nil && k.method == "New" && k.mode == "" {
		t.Error(err)
	}
	return got
}

// open is a keeper at the place. One that is to reach two regions believes itself
// at Amazon, and all its ways lead here.
func (c *keeperCase) open(o keys.KMSOptions, f fault, k keeping, at place) *keys.KMS {
	o.Endpoint = c.ways[c.kms.Region()].URL
	if at != here {
		o.Endpoint = at.endpoint(c.T, "https")
	}
	if k.far {
		client := &atAmazon{ways: c.ways}
		if at != here {
			client.place = o.Endpoint
		}
		o.Endpoint, o.AWS.HTTPClient = "", client
		c.Cleanup(client.CloseIdleConnections)
	}
	return newKMS(c.T, o)
}

// ways are the proxies before the KMS of each region.
type ways map[string]*s3test.Proxy

func (w ways) count(op string) int {
	n := 0
	for _, p := range w {
		n += p.Count(op)
	}
	return n
}

// atAmazon sends what is for Amazon's hosts here, without touching what was
// signed; or all of it to one place.
type atAmazon struct {
	http.Client
	ways  ways
	place string
}

// Do is what the SDK asks of a client.
func (a *atAmazon) Do(r *http.Request) (*http.Response, error) {
	_, region, _ := strings.Cut(strings.TrimSuffix(r.URL.Host, ".amazonaws.com"), ".")
	to := a.place
	if p := a.ways[region]; to == "" && p != nil {
		to = p.URL
	}
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Host, out.URL.Scheme, out.URL.Host = r.URL.Host, u.Scheme, u.Host
	return a.Client.Do(out)
}

func newPool(t *testing.T, k keys.Keeper) *keys.Pool {
	p := keys.NewPool(k, keys.PoolOptions{Size: 1})
	t.Cleanup(p.Close)
	return p
}

func newKMS(t *testing.T, o keys.KMSOptions) *keys.KMS {
	t.Helper()
	k, err := keys.NewKMS(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keeperWord(err error) string {
	if err == nil {
		return "ok"
	}
	var words []string
	for _, w := range []struct {
		err  error
		word string
	}{
		{keys.ErrMalformed, "bad"},
		{keys.ErrDenied, "deny"},
		{keys.ErrKeyState, "state"},
		{keys.ErrUnavailable, "down"},
	} {
		if errors.Is(err, w.err) {
			words = append(words, w.word)
		}
	}
	if len(words) == 0 {
		return "other"
	}
	return strings.Join(words, "-")
}
