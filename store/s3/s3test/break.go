package s3test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Place is where in an exchange something happens: always in the middle of it,
// by the byte.
type Place uint8

// The places. A request without a body breaks in its header instead; an answer
// without one breaks after its last byte.
const (
	Nowhere        Place = iota
	RequestHeader        // the server gets half of the header, and carries nothing out
	RequestBody          // the server gets half of the body, and must not carry it out
	ResponseHeader       // the server has carried it out, and its answer is lost
	ResponseBody         // so it has, and half of the answer arrives
)

// breakOff forwards as much of the exchange as the fault allows.
func (p *Proxy) breakOff(f Fault, w *watched, r *http.Request) {
	place := f.Break
	if place == RequestBody && r.ContentLength <= 0 {
		place = RequestHeader
	}
	if place == RequestHeader || place == RequestBody {
		p.sendSome(place, f, w, r)
		return
	}
	resp, body := p.ask(r)
	w.status = resp.StatusCode
	var answer bytes.Buffer
	resp.Body = io.NopCloser(bytes.NewReader(body))
	_ = resp.Write(&answer)
	n := answer.Len() - len(body) // of its header
	if place == ResponseHeader {
		n /= 2
	} else if len(body) > 0 {
		n += len(body) / 2
		w.n = int64(len(body) / 2)
		if f.Silent {
			n -= len(body) / 2 // a header, and then never a body
			w.n = 0
		}
	}
	conn := hijack(w)
	_, _ = conn.Write(answer.Bytes()[:n])
	end(conn, f.Silent, r, true)
}

// sendSome lets the server have the beginning of a request, on a connection of
// its own that is reset then.
func (p *Proxy) sendSome(place Place, f Fault, w *watched, r *http.Request) {
	half := make([]byte, 0, 1<<20)
	if place == RequestBody {
		half = append(half, make([]byte, r.ContentLength/2)...)
		_, _ = io.ReadFull(r.Body, half)
	}
	var header strings.Builder
	header.WriteString(r.Method + " " + r.RequestURI + " HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	header.WriteString("Content-Length: " + strconv.FormatInt(max(r.ContentLength, 0), 10) + "\r\n")
	_ = r.Header.Write(&header)
	text := header.String() + "\r\n"
	if place == RequestHeader {
		text = text[:len(text)/2]
	}
	if server, err := net.DialTimeout("tcp", p.target.Host, 10*time.Second); err == nil {
		_, _ = io.WriteString(server, text)
		_, _ = server.Write(half)
		reset(server)
	}
	end(hijack(w), f.Silent, r, false)
}

// ask has the server carry the request out, and reads its answer whole.
func (p *Proxy) ask(r *http.Request) (*http.Response, []byte) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = p.target.Scheme, p.target.Host, ""
	if r.ContentLength == 0 {
		out.Body = http.NoBody // else it would be sent in chunks
	}
	resp, err := p.forward.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler) // the client sees a cut connection, as it would without the proxy
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if len(body) > 0 {
		resp.ContentLength, resp.TransferEncoding = int64(len(body)), nil
	}
	return resp, body
}

// alter answers with another body than the server's, of the length that it says.
func (p *Proxy) alter(f Fault, w *watched, r *http.Request) {
	resp, body := p.ask(r)
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	switch {
	case len(body) == 0:
		w.WriteHeader(resp.StatusCode)
		return
	case f.Shorten:
		body = body[:len(body)/2]
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(resp.StatusCode)
	default:
		garble(body, len(body)/2)
		w.WriteHeader(resp.StatusCode)
	}
	_, _ = w.Write(body)
}

// garble makes some bytes what neither XML nor JSON nor base64 allows, and
// never what they were.
func garble(p []byte, at int) {
	for i := at; i < min(at+4, len(p)); i++ {
		if p[i] == 1 {
			p[i] = 2
		} else {
			p[i] = 1
		}
	}
}

// garbled changes bytes of a body on their way.
type garbled struct {
	io.ReadCloser
	off, at int64
}

func (g *garbled) Read(p []byte) (int, error) {
	n, err := g.ReadCloser.Read(p)
	if i := g.at - g.off; i >= 0 && i < int64(n) {
		garble(p[:n], int(i))
	}
	g.off += int64(n)
	return n, err
}

func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // ours are HTTP/1.1 connections, which can be had
	}
	return conn
}

// end resets the client's connection, or keeps it open without a word. What is
// still unread of a request stays unread: it is no progress for who sends it.
func end(conn net.Conn, silent bool, r *http.Request, read bool) {
	defer reset(conn)
	if !silent {
		return
	}
	gone := make(chan struct{})
	if read {
		go func() { // ends with the connection
			defer close(gone)
			_, _ = io.Copy(io.Discard, conn)
		}()
	}
	select {
	case <-gone:
	case <-r.Context().Done(): // the test has ended
	}
}

// reset closes a connection with RST instead of FIN.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
