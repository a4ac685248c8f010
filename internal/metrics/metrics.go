package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mcfs/spool"
	"mcfs/volume"
)

// Server answers until Close.
type Server struct {
	listener net.Listener
	server   *http.Server  // nil until Serve
	ended    chan struct{} // closed when the server has ended
}

// Listen listens on address ("127.0.0.1:9464"). Clients wait there until Serve. Its
// error names the setting and the cure.
func Listen(address string) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics.listen: %w; choose another port, or leave it empty", err)
	}
	return &Server{listener: listener, ended: make(chan struct{})}, nil
}

// Serve begins to answer.
func (m *Server) Serve(v *volume.Volume, s *spool.Spool, log *slog.Logger) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(gauges(v, s)...)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	go func() {
		defer close(m.ended)
		if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics", "err", err)
		}
	}()
}

func gauges(v *volume.Volume, s *spool.Spool) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "mcfs", Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		gauge("pending", "Drafts and changes of names that the store does not have yet.", func() float64 {
			return float64(len(v.Pending()))
		}),
		gauge("failing", "Of those, the ones whose last try failed.", func() float64 {
			failing := 0
			for _, p := range v.Pending() {
				if p.Reason != "" {
					failing++
				}
			}
			return float64(failing)
		}),
		gauge("spool_bytes", "Bytes of sealed files in the spool.", func() float64 {
			used, _ := s.Usage()
			return float64(used)
		}),
		gauge("spool_max_bytes", "The spool's quota.", func() float64 {
			_, quota := s.Usage()
			return float64(quota)
		}),
		gauge("goroutines", "Goroutines of the daemon.", func() float64 { return float64(runtime.NumGoroutine()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "mcfs", Name: "committed_bytes_total", Help: "Bytes of ciphertext committed since the mount began.",
		}, func() float64 { return float64(v.Committed()) }),
	}
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
