// Package jobs submits documents to MediaConvert and follows the jobs that they become.
//
// It promises that a document becomes one job, whatever is lost on the way: the request's token is
// derived from the document, and the job carries its mark, by which a later run finds and adopts it.
// It never cancels a job unless it is asked to. Every request has a deadline; who asks too often
// waits longer each time; the waits end with their context.
//
// May import: mediaconvert/document, mediaconvert/wire.
package jobs
