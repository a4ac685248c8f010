package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/jobs"
)

// Line is a job in a line of JSON: as a "status" while it goes on, as an "item" of several, or as a
// "summary" at the end.
type Line struct {
	V           int       `json:"v"`
	Type        string    `json:"type"`
	Path        string    `json:"path,omitempty"`
	ID          string    `json:"id,omitempty"`
	Status      string    `json:"status,omitempty"`
	Phase       string    `json:"phase,omitempty"`
	Percent     *int32    `json:"percent,omitempty"`
	Queue       string    `json:"queue,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	Inputs      []string  `json:"inputs,omitempty"`
	Outputs     []string  `json:"outputs,omitempty"`
	Warnings    []string  `json:"warnings,omitempty"`
	Code        int32     `json:"code,omitempty"`
	Message     string    `json:"message,omitempty"`
	Meaning     string    `json:"meaning,omitempty"`
	Cure        string    `json:"cure,omitempty"`
	Replaced    []string  `json:"replaced,omitempty"`
	Check       []string  `json:"check,omitempty"`
	ConsolePage string    `json:"console,omitempty"`

	// Of one file of several.
	Adopted  bool            `json:"adopted,omitempty"`
	Document json.RawMessage `json:"document,omitempty"`
	Failure  any             `json:"failure,omitempty"`
}

// JSON is the line.
func (l Line) JSON() string {
	l.V = 1
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // it has only texts and numbers
	}
	return string(text)
}

// Of is a job in a line of a kind.
func Of(kind, region string, j types.Job) Line {
	l := Progress(jobs.StateOf(j))
	l.Type, l.Created, l.Inputs, l.Message, l.Code = kind, aws.ToTime(j.CreatedAt), Inputs(j), aws.ToString(j.ErrorMessage), aws.ToInt32(j.ErrorCode)
	l.ConsolePage = jobs.Console(region, l.ID)
	return l
}

// Progress is how far a job is, in a line.
func Progress(s jobs.State) Line {
	return Line{Type: "status", ID: s.ID, Status: string(s.Status), Phase: string(s.Phase), Percent: s.Percent, Queue: s.Queue, Warnings: s.Warnings}
}

// Inputs are the addresses of a job's inputs.
func Inputs(j types.Job) (list []string) {
	if j.Settings == nil {
		return nil
	}
	for _, in := range j.Settings.Inputs {
		list = append(list, aws.ToString(in.FileInput))
	}
	return list
}

// Text is how far a job is, for a person.
func Text(s jobs.State) string {
	text := "job " + s.ID + ": " + strings.ToLower(string(s.Status))
	if s.Status == types.JobStatusSubmitted {
		text = "job " + s.ID + ": waits in the queue " + s.Queue[strings.LastIndexByte(s.Queue, '/')+1:]
	}
	if s.Status == types.JobStatusProgressing && s.Phase != "" {
		text = "job " + s.ID + ": " + strings.ToLower(string(s.Phase))
	}
	if s.Percent != nil && !jobs.Ended(s.Status) {
		text += fmt.Sprintf(", %d%%", *s.Percent)
	}
	for _, w := range s.Warnings {
		text += "; warning: " + w
	}
	return text
}

// Row is a job in a list, for a person.
func Row(j types.Job) string {
	inputs := Inputs(j)
	text := fmt.Sprintf("%s  %-11s  %s", aws.ToString(j.Id), strings.ToLower(string(j.Status)), aws.ToTime(j.CreatedAt).Local().Format("2006-01-02 15:04"))
	if len(inputs) > 0 {
		text += "  " + inputs[0]
	}
	if len(inputs) > 1 {
		text += fmt.Sprintf(" and %d more", len(inputs)-1)
	}
	return text
}
