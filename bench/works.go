package main

import (
	"context"
	"errors"
	"fmt"

	"mcfs/bench/measure"
	"mcfs/bench/peers"
	"mcfs/bench/report"
	"mcfs/store/s3/s3test/sink"
)

// work is a line of the table of targets.
type work struct {
	name string // for -only, and the name of its section
	work string
	run  func(ctx context.Context, l *lab) (report.Row, error)
}

// works are all of them, in the table's order.
var works = []work{
	{"write", "`cp` of 2 GiB into the mount until close returns", writeWall},
	{"write-cpu", "the mount's CPU for it", writeCPU},
	{"write-modes", "GCM and CBC for the same", writeModes},
	{"client", "the same against a sink that discards: the client alone", writeClient},
	{"spool-disk", "bytes written to the spool's disk for 2 GiB that are sent as they come", spoolDisk},
	{"close", "close after a 2 GiB and a 16 GiB sequential write, against a sink at a limited rate", closeTime},
	{"ffmpeg", "ffmpeg writing a 1 GiB mp4 with a header patch, CTR and GCM", muxer},
	{"read", "reading 2 GiB with `cat`, cold; and warm from the spool's cache", readLarge},
	{"readers", "16 readers of 16 cold files at once, over a link", readMany},
	{"random", "random 4 KiB reads of a cold 2 GiB file", readRandom},
	{"fio", "fio's sequential 128 KiB, sequential 4 KiB and random 4 KiB writes into a draft", fioWrites},
	{"small", "500 × 64 KiB `cp -r`", smallFiles},
	{"far", "the same with 30 ms added to every S3 and KMS request", smallFilesFar},
	{"rsync", "`rsync -a` of 500 × 64 KiB; again on a cold mount", rsyncFiles},
	{"ls", "`ls -l` of 500 and 2,000 files cold; of 100,000", listFiles},
	{"idle", "a mount that knows 100,000 files and is left alone", idleMount},
	{"mv", "`mv` of a committed 2 GiB file", moveLarge},
	{"growth", "growth: 1, 4, 16, 64 GiB in CTR; 1, 10, 100 thousand files", growth},
}

// The names of contenders that several rows have.
const (
	nameMcfs     = "mcfs"
	nameS3FS     = "s3fs"
	nameGeeseFS  = "geesefs"
	nameRclone   = "rclone crypt mount"
	nameLoopback = "go-fuse loopback"
)

const (
	gib       = 1 << 30
	runs      = 3 // counted, where a run is not very long
	copyIn    = `cp "$2" "$1/large"`
	copyTree  = `cp -r "$2" "$1/tree"`
	readWhole = `cat "$1/large" >/dev/null`
)

// onSink is mcfs in a new mount on a new sink each time.
func (l *lab) onSink(name string, o sink.Options, more peers.Settings, do func(s *sink.Server) doing) measure.Contender {
	return measure.Contender{Name: name, Run: func(ctx context.Context, warmUp bool) (sample measure.Sample, err error) {
		ctx, cancel := limited(ctx)
		defer cancel()
		s, err := sink.Start(o)
		if err != nil {
			return sample, err
		}
		defer func() { err = errors.Join(err, s.Close(), l.tidy()) }()
		sample, err = l.inMount(ctx, sink.Bucket, l.mcfs(s.URL, more), warmUp, do(s))
		if faults := s.Counts().Faults; err == nil && len(faults) > 0 {
			err = fmt.Errorf("the sink says %q", faults)
		}
		return sample, err
	}}
}

// mode is a setting of mcfs.
func mode(m string) peers.Settings { return peers.Settings{"crypt.mode": peers.Quote(m)} }
