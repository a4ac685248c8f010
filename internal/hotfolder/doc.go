// Package hotfolder makes a job of each version of the files in a part of a volume, as they come.
//
// Promises: a version has one job, over crashes and machines: what says so is with the service, by
// the version's IV, and in the metadata of its settings, and nowhere else; so a second machine goes
// on where a first has died. No more jobs are followed at once than is said. What fails for a
// reason that may pass is tried again, later each time; what cannot succeed is said once. The end
// leaves the jobs alone.
//
// May import: internal/control, internal/feed, internal/stored, internal/verdict, mediaconvert/batch, mediaconvert/document, mediaconvert/jobs.
package hotfolder
