package rights

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"mcfs/e2e/rig"
	"mcfs/keys/kmstest"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/policy"
)

// watching watches until a job is complete: its arguments are the program, where, and a
// configuration.
const watching = `
"$0" watch "$1" --config "$2" --output s3://deliver/{name}/ --role ` + mediaconverttest.Role + ` --no-audio --region us-west-2 --tag show=7 --poll 10ms --every 1s --json >"$3" &
w=$!
until grep -q COMPLETE "$3"; do kill -0 $w || exit 1; sleep 0.05; done
kill $w
wait $w
`

// TestWatchPolicy: a hot folder works under its policy alone, and each action of the policy is used
// by then.
func TestWatchPolicy(t *testing.T) {
	r := rig.New(t, rig.Settings{})
	s3 := awss3.NewFromConfig(r.S3.AWS(), func(o *awss3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(r.S3.Direct), true })
	convert := mediaconverttest.Start(t, mediaconverttest.Options{
		Region: r.KMS.Region(), AccessKey: r.S3.AccessKey, SecretKey: r.S3.SecretKey, S3: s3, KMS: map[string]*kmstest.Server{r.KMS.Region(): r.KMS},
	})
	for name, value := range map[string]string{"AWS_ENDPOINT_URL_MEDIACONVERT": convert.URL, "AWS_ACCESS_KEY_ID": r.S3.AccessKey, "AWS_SECRET_ACCESS_KEY": r.S3.SecretKey} {
		t.Setenv(name, value)
	}
	p, err := policy.Make(policy.Watch, policy.Facts{
		Volume: policy.Place{Bucket: r.S3.Bucket, Prefix: rig.Prefix}, KeyID: r.KMS.ARN(0), Role: mediaconverttest.Role,
	})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(r.Dir, "watch.toml")
	text := fmt.Sprintf("[store]\nbucket = %q\nprefix = %q\nregion = 'us-east-1'\nendpoint = %q\npath_style = true\n[keys]\nkey_id = %q\nendpoint = %q\n", r.S3.Bucket, rig.Prefix, r.S3.URL, r.KMS.ARN(0), r.KMS.URL)
	check(t, os.WriteFile(config, []byte(text), 0o600))
	m := r.Mount("a")
	save(t, m, "film.mkv", mediaconverttest.Film(t))
	m.Unmount()
	g := &guard{allowed: p.Document, used: make(map[string]bool)}
	r.S3.Proxy.Hook(g.ask)
	kms := len(r.KMS.Calls())
	lines := filepath.Join(r.Dir, "lines")
	if out, err := m.Try(time.Minute, "sh", "-c", watching, rig.Binary(t, false), "s3://"+r.S3.Bucket+"/"+rig.Prefix, config, lines); err != nil {
		said, _ := os.ReadFile(lines)
		t.Fatalf("watch: %v\n%s%s", err, out, said)
	}
	used, refused := g.state()
	for _, c := range convert.Calls() {
		used = append(used, "mediaconvert:"+c.Action)
		if c.Action == "CreateJob" { // which has a role, and tags
			used = append(used, "iam:PassRole", "mediaconvert:TagResource")
		}
	}
	if len(refused) > 0 {
		t.Errorf("the policy does not allow %q", slices.Compact(refused))
	}
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(used, p.Document.Actions()) {
		t.Errorf("used is %q, and allowed %q", used, p.Document.Actions())
	}
	for _, c := range r.KMS.Calls()[kms:] {
		if c.Action != "Decrypt" { // MediaConvert's own, of the input
			t.Errorf("the watch has called kms:%s", c.Action)
		}
	}
	if len(convert.Jobs()) != 1 {
		t.Errorf("%d jobs", len(convert.Jobs()))
	}
}
