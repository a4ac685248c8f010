package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mcfs/internal/feed"
	"mcfs/keys"
	"mcfs/volume"
)

const namespace = "mcfs"

// Server answers until Close.
type Server struct {
	listener net.Listener
	server   *http.Server  // nil until Serve
	ended    chan struct{} // closed when the server has ended
	keyCalls *prometheus.HistogramVec
	rate     func() int64 // of what is sent to the store; 0: any
}

// Listen listens on address ("127.0.0.1:9464"). Clients wait there until Serve. Its
// error names the setting and the cure.
func Listen(address string) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics.listen: %w; choose another port, or leave it empty", err)
	}
	return &Server{listener: listener, ended: make(chan struct{}), keyCalls: newKeyCalls(), rate: func() int64 { return 0 }}, nil
}

// Paced says how many bytes a second may be sent to the store, before Serve.
func (m *Server) Paced(rate func() int64) { m.rate = rate }

// newRate is a gauge of a rate.
func newRate(rate func() int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "upload_rate_limit_bytes", Help: "Bytes a second that may be sent to the store at this time of the timetable; 0: any number.",
	}, func() float64 { return float64(rate()) })
}

// newKeyCalls counts from 0 what has not happened yet, so that the first failure is an increase.
func newKeyCalls() *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "key_call_seconds", Help: "Calls of KMS, or of the local keyring, by name and outcome; retries are in their time.",
		Buckets: []float64{.005, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"call", "outcome"})
	for _, call := range []string{keys.CallNew, keys.CallUnwrap} {
		h.WithLabelValues(call, outcome(nil))
		h.WithLabelValues(call, "failed")
	}
	return h
}

// Serve begins to answer for a mount.
func (m *Server) Serve(v *volume.Volume, f *feed.Feed, log *slog.Logger) {
	registry := newRegistry(mount{v, f}, m.keyCalls, newRate(m.rate), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	go func() {
		defer close(m.ended)
		if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics can no longer be asked for", "err", err)
		}
	}()
}

func newRegistry(all ...prometheus.Collector) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(all...)
	return registry
}

// Metered is a keeper whose calls are counted.
func (m *Server) Metered(k keys.Keeper) keys.Keeper {
	return keys.Metered{Keeper: k, Tell: func(call string, took time.Duration, err error) {
		m.keyCalls.WithLabelValues(call, outcome(err)).Observe(took.Seconds())
	}}
}

func outcome(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}

// Close frees the address, within a second also if clients are connected. It may be called
// again.
func (m *Server) Close() error {
	if m.server == nil {
		return m.listener.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := m.server.Shutdown(ctx)
	if err != nil {
		err = m.server.Close()
	}
	<-m.ended
	return err
}
