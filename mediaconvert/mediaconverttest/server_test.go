package mediaconverttest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/smithy-go"

	"mcfs/crypt"
	"mcfs/sidecar"
)

// request of a job that is right, of inputs that are settled by their settings.
func right(inputs ...sidecar.Settings) *mediaconvert.CreateJobInput {
	in := &mediaconvert.CreateJobInput{
		Role: aws.String(Role),
		Settings: &types.JobSettings{OutputGroups: []types.OutputGroup{{
			OutputGroupSettings: &types.OutputGroupSettings{
				Type: types.OutputGroupTypeFileGroupSettings, FileGroupSettings: &types.FileGroupSettings{Destination: aws.String("s3://deliver/")},
			},
			Outputs: []types.Output{{
				ContainerSettings: &types.ContainerSettings{Container: types.ContainerTypeMp4},
				VideoDescription: &types.VideoDescription{CodecSettings: &types.VideoCodecSettings{
					Codec: types.VideoCodecH264, H264Settings: &types.H264Settings{RateControlMode: types.H264RateControlModeQvbr, MaxBitrate: aws.Int32(5_000_000)},
				}},
			}},
		}}},
	}
	for _, s := range inputs {
		in.Settings.Inputs = append(in.Settings.Inputs, types.Input{FileInput: aws.String(s.FileInput), DecryptionSettings: decryption(s)})
	}
	if len(inputs) == 0 {
		in.Settings.Inputs = []types.Input{{FileInput: aws.String("s3://b/nothing.mov")}}
	}
	return in
}

func decryption(s sidecar.Settings) *types.InputDecryptionSettings {
	return &types.InputDecryptionSettings{
		DecryptionMode: types.DecryptionMode(s.Mode), EncryptedDecryptionKey: aws.String(b64(s.Key)), InitializationVector: aws.String(b64(s.IV)),
	}
}

// run creates a job and follows it to its end.
func run(t *testing.T, c *mediaconvert.Client, in *mediaconvert.CreateJobInput) types.Job {
	t.Helper()
	in.ClientRequestToken = nil // the SDK fills it in, and a second job would be the first
	out, err := c.CreateJob(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	j := *out.Job
	var seen []string
	for range 10 {
		got, err := c.GetJob(t.Context(), &mediaconvert.GetJobInput{Id: j.Id})
		if err != nil {
			t.Fatal(err)
		}
		j = *got.Job
		seen = append(seen, string(j.Status)+" "+string(j.CurrentPhase))
		if j.Status != types.JobStatusSubmitted && j.Status != types.JobStatusProgressing {
			return j
		}
	}
	t.Fatalf("the job does not end: %q", seen)
	return j
}

// Every mode, IV and size of key is decrypted as the job's document says.
func TestDecrypts(t *testing.T) {
	st := NewStudio(t, Options{})
	var all []sidecar.Settings
	for i, c := range []struct {
		m        crypt.Mode
		iv, bits int
	}{
		{crypt.CTR, 16, 256}, {crypt.CTR, 12, 256}, {crypt.CBC, 16, 256}, {crypt.GCM, 12, 256}, {crypt.GCM, 16, 256}, {crypt.CTR, 16, 128}, {crypt.CTR, 16, 192},
	} {
		all = append(all, st.Save(fmt.Sprintf("dir & more/%d %v.mkv", i, c.m), Film(t), c.m, c.iv, c.bits))
	}
	if j := run(t, st.Client(), right(all...)); j.Status != types.JobStatusComplete || *j.JobPercentComplete != 100 {
		t.Errorf("%s %v %s", j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
	}
}

// What the document says wrongly makes garbage, and garbage ends in 1010.
func TestGarbage(t *testing.T) {
	st := NewStudio(t, Options{})
	other := st.Save("other.mkv", Film(t), crypt.CTR, 16, 256)
	plain := st.Save("text.mkv", []byte("no film"), crypt.CTR, 16, 256)
	for name, c := range map[string]struct {
		mode   crypt.Mode
		change func(*types.Input)
		code   int32
	}{
		"right":          {crypt.CTR, func(*types.Input) {}, 0},
		"IV":             {crypt.CTR, func(in *types.Input) { in.DecryptionSettings.InitializationVector = aws.String(b64(other.IV)) }, 1010},
		"key":            {crypt.CTR, func(in *types.Input) { in.DecryptionSettings.EncryptedDecryptionKey = aws.String(b64(other.Key)) }, 1010},
		"mode":           {crypt.CTR, func(in *types.Input) { in.DecryptionSettings.DecryptionMode = types.DecryptionModeAesCbc }, 1010},
		"GCM's tag":      {crypt.GCM, func(in *types.Input) { in.DecryptionSettings.InitializationVector = aws.String(b64(other.IV)) }, 1010},
		"region":         {crypt.CTR, func(in *types.Input) { in.DecryptionSettings.KmsKeyRegion = aws.String("eu-west-1") }, 1010},
		"not encrypted":  {crypt.CBC, func(in *types.Input) { in.DecryptionSettings = nil }, 1010},
		"no film":        {crypt.CTR, func(in *types.Input) { in.FileInput, in.DecryptionSettings = &plain.FileInput, decryption(plain) }, 1010},
		"no such object": {crypt.CTR, func(in *types.Input) { in.FileInput = aws.String(plain.FileInput + ".mkv") }, 1404},
	} {
		iv := 16
		in := right(st.Save(name+".mkv", Film(t), c.mode, iv, 256))
		c.change(&in.Settings.Inputs[0])
		j := run(t, st.Client(), in)
		if aws.ToInt32(j.ErrorCode) != c.code || (j.Status == types.JobStatusError) != (c.code != 0) || (c.code != 0) != (aws.ToString(j.ErrorMessage) != "") {
			t.Errorf("%s: %s %v %s", name, j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
		}
	}
}

func TestStrict(t *testing.T) {
	s := Start(t, Options{Reserved: []string{"Paid"}, JobTemplates: []string{"T"}})
	c := mediaconvert.NewFromConfig(s.Config(), func(o *mediaconvert.Options) { o.BaseEndpoint = aws.String(s.URL) })
	input := func(in *mediaconvert.CreateJobInput) *types.Input { return &in.Settings.Inputs[0] }
	group := func(in *mediaconvert.CreateJobInput) *types.OutputGroup { return &in.Settings.OutputGroups[0] }
	abr := func(in *mediaconvert.CreateJobInput) {
		group(in).AutomatedEncodingSettings = &types.AutomatedEncodingSettings{AbrSettings: &types.AutomatedAbrSettings{}}
		group(in).OutputGroupSettings = &types.OutputGroupSettings{Type: types.OutputGroupTypeHlsGroupSettings, HlsGroupSettings: &types.HlsGroupSettings{
			Destination: aws.String("s3://d/"), SegmentLength: aws.Int32(6), MinSegmentLength: aws.Int32(0)}}
		group(in).Outputs[0].VideoDescription.CodecSettings.H264Settings.QualityTuningLevel = types.H264QualityTuningLevelMultiPassHq
	}
	key := sidecar.Settings{Mode: "AES_CTR", Key: make([]byte, 184), IV: make([]byte, 16)}
	for name, x := range map[string]struct {
		change func(*mediaconvert.CreateJobInput)
		want   string
	}{
		"right":       {func(*mediaconvert.CreateJobInput) {}, ""},
		"right ABR":   {abr, ""},
		"no role":     {func(in *mediaconvert.CreateJobInput) { in.Role = aws.String("MediaConvert") }, "role"},
		"enumeration": {func(in *mediaconvert.CreateJobInput) { input(in).PsiControl = "SOME" }, "settings.inputs[0].psiControl"},
		"address":     {func(in *mediaconvert.CreateJobInput) { input(in).FileInput = aws.String("/home/x.mov") }, "Settings.Inputs[0].FileInput"},
		"long address": {func(in *mediaconvert.CreateJobInput) {
			input(in).FileInput = aws.String("s3://b/" + strings.Repeat("x", 2042))
		}, "Settings.Inputs[0].FileInput: length"},
		"region": {func(in *mediaconvert.CreateJobInput) {
			d := decryption(key)
			d.KmsKeyRegion = aws.String("moon-base-1")
			input(in).DecryptionSettings = d
		}, "Settings.Inputs[0].DecryptionSettings.KmsKeyRegion"},
		"12 bytes, CBC": {func(in *mediaconvert.CreateJobInput) {
			k := key
			k.Mode, k.IV = "AES_CBC", k.IV[:12]
			input(in).DecryptionSettings = decryption(k)
		}, "decryptionSettings: an initialization vector"},
		"no IV": {func(in *mediaconvert.CreateJobInput) {
			d := decryption(key)
			d.InitializationVector = nil
			input(in).DecryptionSettings = d
		}, "decryptionSettings: mode, key"},
		"priority": {func(in *mediaconvert.CreateJobInput) { in.Priority = aws.Int32(51) }, "Priority: value 51"},
		"quality": {func(in *mediaconvert.CreateJobInput) {
			group(in).Outputs[0].VideoDescription.CodecSettings.H264Settings.QvbrSettings = &types.H264QvbrSettings{QvbrQualityLevel: aws.Int32(11)}
		}, "QvbrQualityLevel: value 11"},
		"no bitrate": {func(in *mediaconvert.CreateJobInput) {
			group(in).Outputs[0].VideoDescription.CodecSettings.H264Settings.MaxBitrate = nil
		}, "maxBitrate: required"},
		"no container": {func(in *mediaconvert.CreateJobInput) { group(in).Outputs[0].ContainerSettings = nil }, "containerSettings"},
		"no destination": {func(in *mediaconvert.CreateJobInput) {
			group(in).OutputGroupSettings.FileGroupSettings.Destination = nil
		}, "outputGroupSettings"},
		"no outputs": {func(in *mediaconvert.CreateJobInput) { in.Settings.OutputGroups = nil }, "settings.outputGroups"},
		"no inputs":  {func(in *mediaconvert.CreateJobInput) { in.Settings.Inputs = nil }, "settings.inputs"},
		"no audio source": {func(in *mediaconvert.CreateJobInput) {
			group(in).Outputs[0].AudioDescriptions = []types.AudioDescription{{AudioSourceName: aws.String("A"), CodecSettings: &types.AudioCodecSettings{Codec: "AAC"}}}
		}, "audioSourceName"},
		"two outputs": {func(in *mediaconvert.CreateJobInput) {
			group(in).Outputs = append(group(in).Outputs, group(in).Outputs[0])
		}, "nameModifier"},
		"ABR in one pass": {func(in *mediaconvert.CreateJobInput) {
			abr(in)
			group(in).Outputs[0].VideoDescription.CodecSettings.H264Settings.QualityTuningLevel = ""
		}, "automated ABR needs QVBR"},
		"ABR, reserved": {func(in *mediaconvert.CreateJobInput) { abr(in); in.Queue = aws.String("Paid") }, "automated ABR needs an on-demand queue"},
		"token":         {func(in *mediaconvert.CreateJobInput) { in.ClientRequestToken = aws.String(strings.Repeat("x", 65)) }, "clientRequestToken"},
	} {
		in := right()
		x.change(in)
		_, err := c.CreateJob(t.Context(), in)
		var bad *types.BadRequestException
		if x.want == "" && err != nil || x.want != "" && (!errors.As(err, &bad) || !strings.Contains(bad.ErrorMessage(), x.want)) {
			t.Errorf("%s: %v", name, err)
		}
		if v := s.TakeViolations(); (len(v) != 0) != (x.want != "") {
			t.Errorf("%s: violations %q", name, v)
		}
	}
	for name, change := range map[string]func(*mediaconvert.CreateJobInput){
		"queue":    func(in *mediaconvert.CreateJobInput) { in.Queue = aws.String("Nobody's") },
		"template": func(in *mediaconvert.CreateJobInput) { in.JobTemplate = aws.String("U") },
	} {
		in := right()
		change(in)
		if _, err := c.CreateJob(t.Context(), in); !errors.As(err, new(*types.NotFoundException)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A token stands for one job, for a minute; a lost answer is got again by it.
func TestTokens(t *testing.T) {
	now := time.Now()
	s := Start(t, Options{Now: func() time.Time { return now }})
	c := mediaconvert.NewFromConfig(s.Config(), func(o *mediaconvert.Options) {
		o.BaseEndpoint, o.Retryer = aws.String(s.URL), aws.NopRetryer{}
	})
	create := func(token string, change func(*mediaconvert.CreateJobInput)) (string, error) {
		in := right()
		in.ClientRequestToken = aws.String(token)
		change(in)
		out, err := c.CreateJob(t.Context(), in)
		if err != nil {
			return "", err
		}
		return *out.Job.Id, nil
	}
	same := func(*mediaconvert.CreateJobInput) {}
	s.FailNext(1, "CreateJob", LoseAnswer)
	s.FailNext(1, "CreateJob", DropConnection)
	for range 2 {
		if _, err := create("a", same); err == nil {
			t.Fatal("no answer was lost")
		}
	}
	first, err := create("a", same)
	if err != nil || len(s.Jobs()) != 1 {
		t.Fatalf("%d jobs: %v", len(s.Jobs()), err)
	}
	if _, err := create("a", func(in *mediaconvert.CreateJobInput) { in.Priority = aws.Int32(1) }); !errors.As(err, new(*types.ConflictException)) {
		t.Errorf("another job by the same token: %v", err)
	}
	now = now.Add(time.Minute)
	if again, err := create("a", same); err != nil || again == first {
		t.Errorf("a minute later: %s, %v", again, err)
	}
}

func TestSearch(t *testing.T) {
	s := Start(t, Options{PageSize: 2})
	c := mediaconvert.NewFromConfig(s.Config(), func(o *mediaconvert.Options) { o.BaseEndpoint = aws.String(s.URL) })
	for i := range 7 {
		in := right()
		in.Settings.Inputs[0].FileInput = aws.String(fmt.Sprintf("s3://b/%d & more/x.mov", i%2))
		if _, err := c.CreateJob(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	pages := mediaconvert.NewSearchJobsPaginator(c, &mediaconvert.SearchJobsInput{InputFile: aws.String("1 & more")})
	n := 0
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Jobs) > 2 {
			t.Errorf("%d jobs on a page", len(p.Jobs))
		}
		n += len(p.Jobs)
	}
	if n != 3 {
		t.Errorf("%d jobs found, not 3", n)
	}
	long := strings.Repeat("x", 301)
	if _, err := c.SearchJobs(t.Context(), &mediaconvert.SearchJobsInput{InputFile: &long}); err == nil || len(s.TakeViolations()) != 1 {
		t.Errorf("a search of 301 characters: %v", err)
	}
	all, err := c.ListJobs(t.Context(), &mediaconvert.ListJobsInput{MaxResults: aws.Int32(20), Order: types.OrderAscending, Status: types.JobStatusSubmitted})
	if err != nil || len(all.Jobs) != 2 || *all.Jobs[0].Id != *s.Jobs()[0].Id {
		t.Errorf("ListJobs: %v", err)
	}
}

func TestScripts(t *testing.T) {
	st := NewStudio(t, Options{})
	c := st.Client()
	in := right(st.Save("a.mkv", Film(t), crypt.CTR, 16, 256))
	st.ScriptNext(Script{Code: 1040, Message: "settings", HidePercent: true, Warnings: []string{"w"}})
	j := run(t, c, in)
	if *j.ErrorCode != 1040 || *j.ErrorMessage != "settings" || j.JobPercentComplete != nil || j.Messages.Warning[0] != "w" {
		t.Errorf("%+v", j)
	}
	st.ScriptNext(Script{Cancel: true})
	if j := run(t, c, in); j.Status != types.JobStatusCanceled {
		t.Errorf("%s", j.Status)
	}
	st.ScriptNext(Script{Hold: true})
	in.ClientRequestToken = nil
	out, err := c.CreateJob(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, err := c.GetJob(t.Context(), &mediaconvert.GetJobInput{Id: out.Job.Id}); err != nil || got.Job.Status != types.JobStatusSubmitted {
			t.Errorf("held: %v", err)
		}
	}
	st.Release(*out.Job.Id)
	if _, err := c.GetJob(t.Context(), &mediaconvert.GetJobInput{Id: out.Job.Id}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: out.Job.Id}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: out.Job.Id}); !errors.As(err, new(*types.ConflictException)) {
		t.Errorf("cancelled twice: %v", err)
	}
}

func TestFaults(t *testing.T) {
	s := Start(t, Options{JobTemplates: []string{"T & U"}})
	c := mediaconvert.NewFromConfig(s.Config(), func(o *mediaconvert.Options) {
		o.BaseEndpoint = aws.String(s.URL)
		o.Retryer = retry.AddWithMaxAttempts(aws.NopRetryer{}, 1)
	})
	for code, status := range statuses {
		s.FailNext(1, "GetQueue", code)
		_, err := c.GetQueue(t.Context(), &mediaconvert.GetQueueInput{Name: aws.String("Default")})
		var api smithy.APIError
		var answered interface{ HTTPStatusCode() int }
		if !errors.As(err, &api) || api.ErrorCode() != code || !errors.As(err, &answered) || answered.HTTPStatusCode() != status {
			t.Errorf("%s: %v", code, err)
		}
	}
	for _, name := range []string{"T & U", s.arn("jobTemplates/T & U")} {
		if out, err := c.GetJobTemplate(t.Context(), &mediaconvert.GetJobTemplateInput{Name: &name}); err != nil || *out.JobTemplate.Name != "T & U" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.Count("GetQueue"); n != len(statuses) {
		t.Errorf("%d calls of %d", n, len(statuses))
	}
	resp, err := http.Post(s.URL+"/2017-08-29/jobs", "application/json", bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusForbidden || len(s.TakeViolations()) != 1 {
		t.Errorf("unsigned: %d %s", resp.StatusCode, body)
	}
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
