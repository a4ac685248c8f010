package acceptance

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/crypt"
	"mcfs/internal/doctor"
	"mcfs/keys"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

// newKit is a kit in a studio, whose MediaConvert fetches and decrypts each clip by itself.
func newKit(t *testing.T) (Kit, *mediaconverttest.Studio) {
	t.Helper()
	st := mediaconverttest.NewStudio(t, mediaconverttest.Options{})
	key, err := keys.NewKMS(keys.KMSOptions{KeyID: st.KMS.ARN(0), Endpoint: st.KMS.URL, AWS: st.KMS.Config()})
	if err != nil {
		t.Fatal(err)
	}
	files := st.Files.Open(t, "v/")
	probe := doctor.NewProbe(files)
	probe.Settle = time.Second
	return Kit{
		Store: files, Keeper: key, API: st.Client(), Pace: jobs.Pace{Every: time.Millisecond, Most: time.Millisecond},
		Options: document.Options{Role: mediaconverttest.Role, Output: "s3://deliver/kit/", Region: "us-west-2", Volumes: []string{"s3://" + st.Files.Bucket + "/v/"}},
		Probe:   probe,
	}, st
}

// run makes a run, and returns the outcomes in the order of Forms.
func run(t *testing.T, ctx context.Context, k Kit) ([]Outcome, error) {
	t.Helper()
	var all []Outcome
	err := k.Run(ctx, func(o Outcome) { all = append(all, o) })
	slices.SortFunc(all, func(a, b Outcome) int { return slices.Index(Forms, a.Form) - slices.Index(Forms, b.Form) })
	if len(all) != len(Forms) {
		t.Errorf("%d outcomes", len(all))
	}
	return all, err
}

func nothingLeft(t *testing.T, st store.Store) {
	t.Helper()
	page, err := st.List(t.Context(), "", "", "", 0)
	if err != nil || len(page.Objects) > 0 {
		t.Errorf("left: %+v, %v", page.Objects, err)
	}
}

// TestKit: each form is decrypted by a service that decrypts as AWS documents it, and is a film
// then; nothing is left.
func TestKit(t *testing.T) {
	k, st := newKit(t)
	all, err := run(t, t.Context(), k)
	if err != nil {
		t.Error(err)
	}
	seen := make(map[string]bool)
	for _, o := range all {
		if !o.Decrypted || o.Why != nil || o.Job == "" {
			t.Errorf("%v: %+v", o.Form, o)
		}
		seen[o.String()] = true
	}
	if len(seen) != 7 || !seen["AES_GCM, IV of 16 bytes, key of 256 bits"] || !seen["AES_CTR, IV of 16 bytes, key of 192 bits"] {
		t.Errorf("%v", seen)
	}
	if n := len(st.Jobs()); n != len(Forms) {
		t.Errorf("%d jobs", n)
	}
	nothingLeft(t, k.Store)
}

// TestRefused: a form that the service does not decrypt is told with its own words, and the others
// are tried all the same.
func TestRefused(t *testing.T) {
	k, st := newKit(t)
	k.Store = garbled{k.Store}
	all, err := run(t, t.Context(), k)
	if err != nil {
		t.Error(err)
	}
	for _, o := range all {
		failed, ok := errors.AsType[*Failed](o.Why)
		if garbles := o.Mode == crypt.GCM; garbles != ok || garbles == o.Decrypted || ok && (failed.Code != 1010 || !strings.Contains(o.Why.Error(), "Unable to open input")) {
			t.Errorf("%v: %+v", o.Form, o)
		}
	}
	for _, j := range st.Jobs() {
		if !jobs.Ended(j.Status) {
			t.Errorf("job %s is %s", *j.Id, j.Status)
		}
	}
	nothingLeft(t, k.Store)
}

// garbled is a store in which GCM's tag is lost.
type garbled struct{ store.Store }

func (g garbled) Put(ctx context.Context, key string, b store.Body, a store.Attributes, c store.Condition) (store.Info, error) {
	if strings.Contains(key, "GCM") {
		body, err := io.ReadAll(b)
		if err != nil {
			return store.Info{}, err
		}
		b = storetest.BodyOf(body[:len(body)-1])
	}
	return g.Store.Put(ctx, key, b, a, c)
}

// TestInterrupted: clips are removed, and jobs that still wait are cancelled.
func TestInterrupted(t *testing.T) {
	k, st := newKit(t)
	for range Forms {
		st.ScriptNext(mediaconverttest.Script{Hold: true})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for st.Count("GetJob") < 3*len(Forms) || len(st.Jobs()) < len(Forms) {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	all, err := run(t, ctx, k)
	if err != nil {
		t.Error(err)
	}
	for _, o := range all {
		if !errors.Is(o.Why, context.Canceled) || o.Decrypted {
			t.Errorf("%v: %+v", o.Form, o)
		}
	}
	for _, j := range st.Jobs() {
		if j.Status != types.JobStatusCanceled {
			t.Errorf("job %s is %s", *j.Id, j.Status)
		}
	}
	nothingLeft(t, k.Store)
}

// TestAnswerLost: a job is cancelled also where its answer was still to come at the interrupt.
func TestAnswerLost(t *testing.T) {
	k, st := newKit(t)
	for range Forms {
		st.ScriptNext(mediaconverttest.Script{Hold: true})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k.API = interrupting{k.API, cancel}
	all, err := run(t, ctx, k)
	if err != nil {
		t.Error(err)
	}
	for _, o := range all {
		if o.Decrypted || o.Job != "" {
			t.Errorf("%v: %+v", o.Form, o)
		}
	}
	if len(st.Jobs()) == 0 {
		t.Error("no job was made")
	}
	for _, j := range st.Jobs() {
		if j.Status != types.JobStatusCanceled {
			t.Errorf("job %s is %s", *j.Id, j.Status)
		}
	}
	nothingLeft(t, k.Store)
}

// interrupting is a service at which the interrupt comes while the first job is made.
type interrupting struct {
	jobs.API
	interrupt func()
}

func (i interrupting) CreateJob(ctx context.Context, in *mediaconvert.CreateJobInput, o ...func(*mediaconvert.Options)) (*mediaconvert.CreateJobOutput, error) {
	_, err := i.API.CreateJob(context.WithoutCancel(ctx), in, o...)
	i.interrupt()
	return nil, errors.Join(context.Canceled, err)
}

// TestTooLong: the whole has its deadline.
func TestTooLong(t *testing.T) {
	k, st := newKit(t)
	for range Forms {
		st.ScriptNext(mediaconverttest.Script{Hold: true})
	}
	k.Limit = 500 * time.Millisecond
	all, err := run(t, t.Context(), k)
	if err != nil {
		t.Error(err)
	}
	for _, o := range all {
		if !errors.Is(o.Why, errLimit) {
			t.Errorf("%v: %+v", o.Form, o)
		}
	}
	nothingLeft(t, k.Store)
}

// TestStuck: what cannot be removed is named.
func TestStuck(t *testing.T) {
	k, st := newKit(t)
	proxy := s3test.StartProxy(t, st.Files.URL)
	o := st.Files.Options("v/")
	o.Endpoint = proxy.URL
	var err error
	if k.Store, err = s3.New(o); err != nil {
		t.Fatal(err)
	}
	k.Probe = doctor.NewProbe(k.Store)
	proxy.Fail("DeleteObject", -1, s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"})
	if _, err := run(t, t.Context(), k); err == nil || !strings.Contains(err.Error(), k.Probe.Key()+" may be left") {
		t.Errorf("%v", err)
	}
}

// TestPage: docs/compatibility.md has a row for each form, and each row is a form.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| AES_") && len(cells) == 6 {
			rows = append(rows, strings.TrimSpace(cells[1]))
		}
	}
	var forms []string
	for _, f := range Forms {
		forms = append(forms, f.String())
	}
	if !slices.Equal(rows, forms) {
		t.Errorf("the page has\n%q\nand the kit\n%q", rows, forms)
	}
}

// TestFinding: what the configuration itself uses must be decrypted; of other forms it is good to know.
func TestFinding(t *testing.T) {
	own, other := Forms[0], Forms[1]
	refused := &Failed{1010, "Unable to open input file"}
	for name, c := range map[string]struct {
		o       Outcome
		verdict doctor.Verdict
		what    string
	}{
		"decrypted": {Outcome{Form: own, Job: "1-a", Decrypted: true}, doctor.OK, "decrypted by job 1-a"},
		"own":       {Outcome{Form: own, Job: "1-a", Why: refused}, doctor.Fail, "error 1010: Unable"},
		"another's": {Outcome{Form: other, Job: "1-a", Why: refused}, doctor.Warn, "error 1010: Unable"},
		"not tried": {Outcome{Form: other, Why: store.ErrDenied}, doctor.Fail, "access denied"},
	} {
		f := c.o.Finding(own)
		if f.Verdict != c.verdict || !strings.Contains(f.What, c.what) || (f.Cure == "") != (c.verdict == doctor.OK) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
