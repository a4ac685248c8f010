// Package report says how a job stands: in words for a person, and in a line of JSON for a program.
//
// Promises: names in the lines may be added, and none changes; what the service does not say is
// left out. Pure: it asks nobody.
//
// May import: mediaconvert/jobs.
package report
