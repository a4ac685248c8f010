package main

import (
	"context"
	"encoding/json"
	"fmt"

	"mcfs/bench/job"
	"mcfs/bench/measure"
	"mcfs/bench/report"
	"mcfs/store/s3/s3test/sink"
)

// pattern is a way to write a file.
type pattern struct {
	name, rw, block string
	size            int64
}

var patterns = []pattern{
	{"sequential 128 KiB", "write", "128k", gib},
	{"sequential 4 KiB", "write", "4k", gib / 4},
	{"random 4 KiB", "randwrite", "4k", gib / 4},
}

const speed = "MB/s"

// fioWrites compares drafts with gocryptfs's files.
func fioWrites(ctx context.Context, l *lab) (report.Row, error) {
	row := report.Row{Notes: []string{"fio writes 1 GiB, 256 MiB and 256 MiB into a new file by write(2), one at a time, and what it says of the writes " +
		"counts: they end before close. mcfs has a sink for its server, so that uploading what is full costs no more than it must; gocryptfs has the local disk."}}
	for _, p := range patterns {
		write := l.fio(p)
		mine, theirs := "mcfs, "+p.name, "gocryptfs, "+p.name
		all, err := l.alternate(ctx, runs,
			l.onSink(mine, sink.Options{}, nil, func(*sink.Server) doing { return write }),
			l.onFresh(theirs, l.gocryptfs, write),
		)
		row.Series = append(row.Series, all...)
		if err != nil {
			return row, err
		}
		check := ratio(all, p.name+", speed", measure.More(speed), mine, theirs, 1)
		check.What, check.Least = p.name+", speed, of gocryptfs's", true
		row.Checks = append(row.Checks, check)
	}
	return row, nil
}

func (l *lab) fio(p pattern) doing {
	return func(ctx context.Context, at place, _ bool) (map[string]float64, error) {
		_, out, err := job.Run(ctx, job.Command{Args: []string{"fio", "--name=bench", "--filename=" + at.mount.Path("draft"), "--rw=" + p.rw, "--bs=" + p.block,
			"--size=" + decimal(l.size(p.size)), "--ioengine=psync", "--fallocate=none", "--output-format=json"}})
		if err != nil {
			return nil, err
		}
		return parseFio(out)
	}
}

// parseFio takes speed and time of the writes out of fio's JSON.
func parseFio(text string) (map[string]float64, error) {
	var out struct {
		Jobs []struct {
			Write struct {
				BytesPerSecond float64 `json:"bw_bytes"`
				Milliseconds   float64 `json:"runtime"`
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("fio's answer: %w", err)
	}
	if len(out.Jobs) != 1 {
		return nil, fmt.Errorf("fio tells of %d jobs", len(out.Jobs))
	}
	w := out.Jobs[0].Write
	return map[string]float64{speed: w.BytesPerSecond / 1e6, ownWall: w.Milliseconds / 1000}, nil
}
