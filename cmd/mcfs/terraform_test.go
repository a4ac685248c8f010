package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"mcfs/config"
	"mcfs/policy"
)

// shape is what a block may have: its arguments, those that it must have, and the blocks in it.
type shape struct {
	may, must []string
	labels    []string
	blocks    map[string]shape
}

// meta are what Terraform itself takes in each resource and each data source.
func meta(s shape) shape {
	s.may = append(s.may, "count", "depends_on")
	if s.blocks == nil {
		s.blocks = make(map[string]shape)
	}
	s.blocks["lifecycle"] = shape{may: []string{"prevent_destroy"}}
	return s
}

var (
	principal = shape{must: []string{"type", "identifiers"}}
	condition = shape{must: []string{"test", "variable", "values"}}
	statement = shape{may: []string{"sid", "effect", "actions", "resources"}, blocks: map[string]shape{"principals": principal, "condition": condition}}
)

// shapes are the resources and data sources of the provider for AWS that the module uses, by its documentation: those of
// their arguments that have a use here. A word that is misspelled is in none.
var shapes = map[string]shape{
	"data aws_caller_identity":     {},
	"data aws_partition":           {},
	"data aws_iam_policy_document": {blocks: map[string]shape{"statement": statement}},
	"resource aws_kms_key":         {may: []string{"description", "enable_key_rotation", "rotation_period_in_days", "deletion_window_in_days", "policy"}},
	"resource aws_kms_alias":       {must: []string{"target_key_id"}, may: []string{"name"}},
	"resource aws_s3_bucket":       {may: []string{"bucket"}},
	"resource aws_s3_bucket_public_access_block": {must: []string{"bucket"}, may: []string{"block_public_acls", "block_public_policy",
		"ignore_public_acls", "restrict_public_buckets"}},
	"resource aws_s3_bucket_ownership_controls": {must: []string{"bucket"}, blocks: map[string]shape{"rule": {must: []string{"object_ownership"}}}},
	"resource aws_s3_bucket_versioning":         {must: []string{"bucket"}, blocks: map[string]shape{"versioning_configuration": {must: []string{"status"}}}},
	"resource aws_s3_bucket_lifecycle_configuration": {must: []string{"bucket"}, blocks: map[string]shape{"rule": {
		must: []string{"id", "status"}, blocks: map[string]shape{
			"filter": {}, "abort_incomplete_multipart_upload": {must: []string{"days_after_initiation"}}, "noncurrent_version_expiration": {must: []string{"noncurrent_days"}},
		}}}},
	"resource aws_iam_user":        {must: []string{"name"}},
	"resource aws_iam_user_policy": {must: []string{"user", "policy"}, may: []string{"name"}},
	"resource aws_iam_role":        {must: []string{"assume_role_policy"}, may: []string{"name"}},
	"resource aws_iam_role_policy": {must: []string{"role", "policy"}, may: []string{"name"}},
}

// file is what stands in a file of Terraform's language; the resources and data sources have shapes of their own.
var file = shape{blocks: map[string]shape{
	"terraform": {may: []string{"required_version"}, blocks: map[string]shape{"required_providers": {may: []string{"aws"}}}},
	"variable":  {labels: []string{"name"}, must: []string{"description", "type"}, may: []string{"default"}, blocks: map[string]shape{"validation": {must: []string{"condition", "error_message"}}}},
	"output":    {labels: []string{"name"}, must: []string{"description", "value"}},
	"locals":    {may: []string{"account", "partition", "region", "mediaconvert", "objects"}},
	"resource":  {labels: []string{"type", "name"}},
	"data":      {labels: []string{"type", "name"}},
}}

// read reads a body strictly: what the shape does not have is an error.
func (s shape) read(b hcl.Body) (*hcl.BodyContent, error) {
	schema := &hcl.BodySchema{}
	for _, name := range s.may {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
	}
	for _, name := range s.must {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name, Required: true})
	}
	for _, name := range slices.Sorted(maps.Keys(s.blocks)) {
		schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: name, LabelNames: s.blocks[name].labels})
	}
	content, faults := b.Content(schema)
	if faults.HasErrors() {
		return nil, faults
	}
	return content, nil
}

// module is deploy/terraform with values for what it is given, and for what AWS would answer.
type module struct {
	t     *testing.T
	ctx   *hcl.EvalContext
	found map[string]*hcl.BodyContent // "resource aws_kms_key data_keys" and the like
}

// readModule reads every file, and every block by its shape, with dynamic blocks as they come out.
func readModule(t *testing.T, given map[string]cty.Value) *module {
	t.Helper()
	m := &module{t: t, found: make(map[string]*hcl.BodyContent), ctx: &hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(given)}, Functions: map[string]function.Function{"length": stdlib.LengthFunc},
	}}
	named := func(values map[string]string) cty.Value {
		all := make(map[string]cty.Value)
		for name, value := range values {
			all[name] = cty.StringVal(value)
		}
		return cty.ObjectVal(all)
	}
	aws := map[string]cty.Value{
		"aws_s3_bucket": cty.ObjectVal(map[string]cty.Value{"volume": named(map[string]string{"id": "ingest", "bucket": "ingest", "arn": "arn:aws-cn:s3:::ingest", "region": "cn-north-1"})}),
		"aws_kms_key":   cty.ObjectVal(map[string]cty.Value{"data_keys": named(map[string]string{"arn": moduleKey, "key_id": "1234abcd-12ab-34cd-56ef-1234567890ab"})}),
		"aws_iam_user":  cty.ObjectVal(map[string]cty.Value{"ingest": named(map[string]string{"arn": moduleUser, "name": "mcfs-ingest"})}),
		"aws_iam_role":  cty.ObjectVal(map[string]cty.Value{"mediaconvert": named(map[string]string{"arn": moduleRole, "name": "mcfs-mediaconvert"})}),
		"data":          cty.ObjectVal(map[string]cty.Value{"aws_caller_identity": cty.ObjectVal(map[string]cty.Value{"current": named(map[string]string{"account_id": "111122223333"})}), "aws_partition": cty.ObjectVal(map[string]cty.Value{"current": named(map[string]string{"partition": "aws-cn"})})}),
	}
	maps.Copy(m.ctx.Variables, aws)
	files, err := filepath.Glob("../../deploy/terraform/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no module: %v", err)
	}
	var blocks hcl.Blocks
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(hclwrite.Format(text), text) {
			t.Errorf("%s is not as terraform fmt writes it", name)
		}
		parsed, faults := hclparse.NewParser().ParseHCL(text, name)
		if faults.HasErrors() {
			t.Fatal(faults)
		}
		content, err := file.read(parsed.Body)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, content.Blocks...)
	}
	for _, b := range blocks { // locals first, which the others are made of
		if b.Type == "locals" {
			m.learnLocals(b.Body)
		}
	}
	for _, b := range blocks {
		m.learn(b)
	}
	return m
}

const (
	moduleKey  = "arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	moduleUser = "arn:aws-cn:iam::111122223333:user/mcfs-ingest"
	moduleRole = "arn:aws-cn:iam::111122223333:role/mcfs-mediaconvert"
)

func (m *module) learnLocals(b hcl.Body) {
	content, err := file.blocks["locals"].read(b)
	if err != nil {
		m.t.Fatal(err)
	}
	locals := make(map[string]cty.Value)
	for name, a := range content.Attributes {
		locals[name] = m.value(a)
	}
	m.ctx.Variables["local"] = cty.ObjectVal(locals)
}

// learn reads a block of a file and all below it.
func (m *module) learn(b *hcl.Block) {
	s, name := file.blocks[b.Type], b.Type
	if b.Type == "resource" || b.Type == "data" {
		name = b.Type + " " + b.Labels[0]
		known, ok := shapes[name]
		if !ok {
			m.t.Fatalf("%v: %s is not known here", b.DefRange, name)
		}
		s = meta(known)
	}
	for _, label := range b.Labels[min(len(b.Labels), len(strings.Fields(name))-1):] {
		name += " " + label
	}
	body := dynblock.Expand(b.Body, m.ctx)
	content, err := s.read(body)
	if err != nil {
		m.t.Fatal(err)
	}
	m.found[name] = content
	m.below(s, content)
}

func (m *module) below(s shape, content *hcl.BodyContent) {
	for _, b := range content.Blocks {
		inner, err := s.blocks[b.Type].read(b.Body)
		if err != nil {
			m.t.Fatal(err)
		}
		m.below(s.blocks[b.Type], inner)
	}
}

func (m *module) value(a *hcl.Attribute) cty.Value {
	m.t.Helper()
	v, faults := a.Expr.Value(m.ctx)
	if faults.HasErrors() {
		m.t.Fatal(faults)
	}
	return v
}

func (m *module) text(a *hcl.Attribute) string { return m.value(a).AsString() }

func (m *module) texts(a *hcl.Attribute) (all []string) {
	if a == nil {
		return nil
	}
	for _, v := range m.value(a).AsValueSlice() {
		all = append(all, v.AsString())
	}
	return all
}

// document is a policy of the module as IAM would have it.
func (m *module) document(name string) policy.Document {
	m.t.Helper()
	content := m.found["data aws_iam_policy_document "+name]
	if content == nil {
		m.t.Fatalf("the module has no policy %s", name)
	}
	d := policy.Document{Version: "2012-10-17"}
	for _, b := range content.Blocks {
		c, err := statement.read(b.Body)
		if err != nil {
			m.t.Fatal(err)
		}
		s := policy.Statement{Sid: m.text(c.Attributes["sid"]), Effect: m.text(c.Attributes["effect"]), Action: m.texts(c.Attributes["actions"]), Resource: m.texts(c.Attributes["resources"])}
		for _, inner := range c.Blocks {
			m.addTo(&s, inner)
		}
		d.Statement = append(d.Statement, s)
	}
	return d
}

func (m *module) addTo(s *policy.Statement, b *hcl.Block) {
	c, err := statement.blocks[b.Type].read(b.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	if b.Type == "principals" {
		s.Principal = map[string]string{m.text(c.Attributes["type"]): strings.Join(m.texts(c.Attributes["identifiers"]), " ")}
		return
	}
	if s.Condition == nil {
		s.Condition = make(map[string]map[string]string)
	}
	test := m.text(c.Attributes["test"])
	if s.Condition[test] == nil {
		s.Condition[test] = make(map[string]string)
	}
	s.Condition[test][m.text(c.Attributes["variable"])] = strings.Join(m.texts(c.Attributes["values"]), " ")
}

// TestTerraformModule: what deploy/terraform makes has only arguments that the provider knows, its policies say what
// `mcfs policy` says of the same facts, and the configuration that it prints is one.
func TestTerraformModule(t *testing.T) {
	list := func(texts ...string) cty.Value {
		all := []cty.Value{}
		for _, text := range texts {
			all = append(all, cty.StringVal(text))
		}
		if len(all) == 0 {
			return cty.ListValEmpty(cty.String)
		}
		return cty.ListVal(all)
	}
	for name, c := range map[string]struct {
		prefix, queue string
		outputs       cty.Value
		places        []policy.Place
		versioning    int64
	}{
		"whole bucket": {"", "Default", list(), nil, 0},
		"prefix":       {"camera-a/", "Fast", list("deliver/", "other/hd/"), []policy.Place{{Bucket: "deliver"}, {Bucket: "other", Prefix: "hd/"}}, 30},
	} {
		t.Run(name, func(t *testing.T) {
			m := readModule(t, map[string]cty.Value{
				"bucket": cty.StringVal("ingest"), "prefix": cty.StringVal(c.prefix), "outputs": c.outputs, "name": cty.StringVal("mcfs"),
				"queue": cty.StringVal(c.queue), "submits": cty.True, "versioning": cty.NumberIntVal(c.versioning),
			})
			facts := policy.Facts{Volume: policy.Place{Bucket: "ingest", Prefix: c.prefix}, Outputs: c.places, KeyID: moduleKey, Queue: c.queue, Role: moduleRole, Principal: moduleUser}
			for _, k := range []policy.Kind{policy.Mount, policy.Role, policy.Trust, policy.Submitter, policy.Key} {
				want, err := policy.Make(k, facts)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want.Document, m.document(string(k))); diff != "" {
					t.Errorf("%s differs (-mcfs policy, +module):\n%s", k, diff)
				}
			}
			m.checkSettings(c.versioning > 0)
			text := m.text(m.found["output configuration"].Attributes["value"])
			got, err := config.Parse([]byte(text), "output")
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			if said := fmt.Sprint(got.Store.Bucket, got.Store.Prefix, got.Store.Region, got.Keys.KeyID, got.Job.Role, got.Job.Queue); said != fmt.Sprint("ingest", c.prefix, "cn-north-1", moduleKey, moduleRole, c.queue) {
				t.Errorf("the configuration says %s", said)
			}
		})
	}
}

// checkSettings looks at what the bucket and the key must have.
func (m *module) checkSettings(versions bool) {
	m.t.Helper()
	key := m.found["resource aws_kms_key data_keys"]
	if !m.value(key.Attributes["enable_key_rotation"]).True() {
		m.t.Error("the key is not rotated")
	}
	for name, a := range m.found["resource aws_s3_bucket_public_access_block volume"].Attributes {
		if name != "bucket" && !m.value(a).True() {
			m.t.Errorf("%s is not on", name)
		}
	}
	if n := len(m.found["resource aws_s3_bucket_public_access_block volume"].Attributes); n != 5 {
		m.t.Errorf("public access is blocked by %d arguments", n)
	}
	for _, keeps := range []string{"resource aws_kms_key data_keys", "resource aws_s3_bucket volume"} {
		kept := false
		for _, b := range m.found[keeps].Blocks.OfType("lifecycle") {
			attributes, faults := b.Body.JustAttributes()
			kept = !faults.HasErrors() && attributes["prevent_destroy"] != nil && m.value(attributes["prevent_destroy"]).True()
		}
		if !kept {
			m.t.Errorf("%s may be destroyed", keeps)
		}
	}
	rules := m.found["resource aws_s3_bucket_lifecycle_configuration volume"].Blocks
	if want := map[bool]int{false: 1, true: 2}[versions]; len(rules) != want {
		m.t.Errorf("%d lifecycle rules", len(rules))
	}
	rule, _, faults := rules[0].Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "abort_incomplete_multipart_upload"}}})
	if faults.HasErrors() || len(rule.Blocks) != 1 {
		m.t.Errorf("unfinished uploads stay: %v", faults)
	}
}
