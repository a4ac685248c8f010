package mediaconverttest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/wire"
)

const (
	remembered  = time.Minute // for how long the service knows a request's token
	maxResults  = 20
	maxSearched = 300 // characters of an input's address that a search may have
)

// job is one that was made.
type job struct {
	mu     sync.Mutex // guards what follows, over a step
	is     types.Job
	script Script
}

// token is a request token that was used.
type token struct {
	job  *job
	body []byte
	at   time.Time
}

func (j *job) show() types.Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.is
}

// find is the job of that id, nil if there is none.
func (s *Server) find(id string) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if *j.is.Id == id {
			return j
		}
	}
	return nil
}

func (s *Server) createJob(r request) (any, string, *apiError) {
	var in mediaconvert.CreateJobInput
	err := wire.Decode(r.body, &in, wire.Camel)
	if err == nil {
		err = checkLimits("", reflect.ValueOf(&in))
	}
	if err == nil {
		err = s.checkRules(&in)
	}
	if err != nil {
		s.violate("CreateJob: %v", err)
		return nil, "", refuse("BadRequestException", err.Error())
	}
	queue, bad := s.queueOf(aws.ToString(in.Queue))
	if bad != nil {
		return nil, "", bad
	}
	if in.JobTemplate != nil && !slices.Contains(s.opts.JobTemplates, resourceName(*in.JobTemplate)) {
		return nil, "", refuse("NotFoundException", "no job template is called "+*in.JobTemplate)
	}
	body, err := wire.Encode(&in, wire.Camel) // whose names are sorted, as those of maps in a request are not
	if err != nil {
		return nil, "", refuse("InternalServerErrorException", err.Error())
	}
	j, err := s.make(in, queue, body)
	if err != nil {
		return nil, "", refuse("ConflictException", err.Error())
	}
	is := j.show()
	return mediaconvert.CreateJobOutput{Job: &is}, *is.Id, nil
}

// make makes the job of a request, or finds the one that was made by the same token.
func (s *Server) make(in mediaconvert.CreateJobInput, queue string, body []byte) (*job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	if in.ClientRequestToken != nil {
		if known, ok := s.tokens[*in.ClientRequestToken]; ok && now.Sub(known.at) < remembered {
			if !bytes.Equal(known.body, body) {
				return nil, errors.New("the client request token was used for another job")
			}
			return known.job, nil
		}
	}
	id := fmt.Sprintf("%d-%s", now.UnixMilli(), strings.ToLower(rand.Text()[:6]))
	j := &job{is: types.Job{
		Id: &id, Arn: aws.String(s.arn("jobs/" + id)), CreatedAt: &now, Queue: &queue, Status: types.JobStatusSubmitted,
		Role: in.Role, Settings: in.Settings, UserMetadata: in.UserMetadata, ClientRequestToken: in.ClientRequestToken,
		JobTemplate: in.JobTemplate, Priority: in.Priority, AccelerationSettings: in.AccelerationSettings, Timing: &types.Timing{SubmitTime: &now},
	}}
	if len(s.scripts) > 0 {
		j.script, s.scripts = s.scripts[0], s.scripts[1:]
	}
	s.jobs = append(s.jobs, j)
	if in.ClientRequestToken != nil {
		s.tokens[*in.ClientRequestToken] = token{j, body, now}
	}
	return j, nil
}

// getJob shows a job as it is, and lets it take a step.
func (s *Server) getJob(r request) (any, string, *apiError) {
	j := s.find(r.name)
	if j == nil {
		return nil, r.name, refuse("NotFoundException", "no job is "+r.name)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	is := j.is
	s.step(j)
	return mediaconvert.GetJobOutput{Job: &is}, r.name, nil
}

// step moves a job on. Its lock is held.
func (s *Server) step(j *job) {
	switch {
	case j.is.Status == types.JobStatusSubmitted && !j.script.Hold:
		j.is.Status = types.JobStatusProgressing
		s.phase(j, types.JobPhaseProbing, 0)
	case j.is.Status != types.JobStatusProgressing:
	case j.is.CurrentPhase == types.JobPhaseProbing:
		if code, message := s.probe(j.is.Settings.Inputs); code != 0 {
			s.fail(j, code, message)
			return
		}
		s.phase(j, types.JobPhaseTranscoding, 50)
		if len(j.script.Warnings) > 0 {
			j.is.Messages = &types.JobMessages{Warning: j.script.Warnings}
		}
	case j.script.Cancel:
		j.is.Status = types.JobStatusCanceled
	case j.script.Code != 0:
		s.fail(j, j.script.Code, j.script.Message)
	case j.is.CurrentPhase == types.JobPhaseTranscoding:
		s.phase(j, types.JobPhaseUploading, 90)
	default:
		j.is.Status = types.JobStatusComplete
		s.phase(j, types.JobPhaseUploading, 100)
	}
}

func (s *Server) phase(j *job, phase types.JobPhase, percent int32) {
	j.is.CurrentPhase = phase
	if !j.script.HidePercent {
		j.is.JobPercentComplete = &percent
	}
}

func (s *Server) fail(j *job, code int32, message string) {
	j.is.Status, j.is.ErrorCode, j.is.ErrorMessage = types.JobStatusError, &code, &message
}

func (s *Server) cancelJob(r request) (any, string, *apiError) {
	j := s.find(r.name)
	if j == nil {
		return nil, r.name, refuse("NotFoundException", "no job is "+r.name)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.is.Status != types.JobStatusSubmitted && j.is.Status != types.JobStatusProgressing {
		return nil, r.name, refuse("ConflictException", "the job has ended: "+string(j.is.Status))
	}
	j.is.Status = types.JobStatusCanceled
	return mediaconvert.CancelJobOutput{}, r.name, nil
}

func (s *Server) listJobs(r request) (any, string, *apiError) {
	jobs, next, bad := s.page(r, func(types.Job) bool { return true })
	return mediaconvert.ListJobsOutput{Jobs: jobs, NextToken: next}, "", bad
}

func (s *Server) searchJobs(r request) (any, string, *apiError) {
	part := r.query.Get("inputFile")
	if len([]rune(part)) > maxSearched {
		s.violate("SearchJobs: inputFile of %d characters", len([]rune(part)))
		return nil, "", refuse("BadRequestException", "inputFile: at most 300 characters")
	}
	jobs, next, bad := s.page(r, func(j types.Job) bool {
		return slices.ContainsFunc(j.Settings.Inputs, func(in types.Input) bool { return strings.Contains(aws.ToString(in.FileInput), part) })
	})
	return mediaconvert.SearchJobsOutput{Jobs: jobs, NextToken: next}, "", bad
}

// page is one page of the jobs that a request asks for, and the token of the next.
func (s *Server) page(r request, matches func(types.Job) bool) (list []types.Job, next *string, bad *apiError) {
	most := s.opts.PageSize
	if text := r.query.Get("maxResults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxResults {
			s.violate("%s: maxResults %s", r.action, text)
			return nil, nil, refuse("BadRequestException", "maxResults: 1 to 20")
		}
		most = min(most, n)
	}
	all := s.Jobs()
	if r.query.Get("order") != "ASCENDING" {
		slices.Reverse(all)
	}
	skip := 0
	if text := r.query.Get("nextToken"); text != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(text, "after-"))
		if err != nil {
			s.violate("%s: nextToken %s", r.action, text)
			return nil, nil, refuse("BadRequestException", "nextToken: none of ours")
		}
		skip = n
	}
	status, queue := r.query.Get("status"), r.query.Get("queue")
	for i, j := range all[min(skip, len(all)):] {
		if !matches(j) || status != "" && string(j.Status) != status || queue != "" && queueName(*j.Queue) != queueName(queue) {
			continue
		}
		if len(list) == most {
			return list, aws.String("after-" + strconv.Itoa(skip+i)), nil
		}
		list = append(list, j)
	}
	return list, nil, nil
}

func (s *Server) getQueue(r request) (any, string, *apiError) {
	arn, bad := s.queueOf(r.name)
	if bad != nil {
		return nil, "", bad
	}
	plan := types.PricingPlanOnDemand
	if slices.Contains(s.opts.Reserved, queueName(arn)) {
		plan = types.PricingPlanReserved
	}
	name, status := queueName(arn), types.QueueStatusActive
	if slices.Contains(s.opts.Paused, name) {
		status = types.QueueStatusPaused
	}
	return mediaconvert.GetQueueOutput{Queue: &types.Queue{Arn: &arn, Name: &name, PricingPlan: plan, Status: status}}, "", nil
}

func (s *Server) getJobTemplate(r request) (any, string, *apiError) {
	name := resourceName(r.name)
	if !slices.Contains(s.opts.JobTemplates, name) {
		return nil, "", refuse("NotFoundException", "no job template is called "+r.name)
	}
	return mediaconvert.GetJobTemplateOutput{JobTemplate: &types.JobTemplate{
		Arn: aws.String(s.arn("jobTemplates/" + name)), Name: &name, Settings: &types.JobTemplateSettings{},
	}}, "", nil
}

// queueOf is the ARN of a queue that is named so or has that ARN; of the default one for "".
func (s *Server) queueOf(q string) (string, *apiError) {
	name := queueName(q)
	if name == "" {
		name = "Default"
	}
	arn := s.arn("queues/" + name)
	if strings.HasPrefix(q, "arn:") && q != arn || name != "Default" && !slices.Contains(s.opts.Reserved, name) {
		return "", refuse("NotFoundException", "no queue is "+q)
	}
	return arn, nil
}

func queueName(q string) string { return resourceName(q) }

// resourceName is the last part of an ARN, or the name itself.
func resourceName(arn string) string {
	if !strings.HasPrefix(arn, "arn:") {
		return arn
	}
	return arn[strings.LastIndexByte(arn, '/')+1:]
}
