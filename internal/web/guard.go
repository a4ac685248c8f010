package web

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"strconv"
)

// policy lets the page have what it is made of, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// keys are what opens the page: a token in its address, which a browser turns into a cookie.
type keys struct {
	token, cookie string
	name          string // of the cookie: cookies know no ports
	hosts         []string
}

func newKeys(at net.Addr) keys {
	k := keys{token: secret(), cookie: secret(), hosts: []string{at.String()}}
	if tcp, ok := at.(*net.TCPAddr); ok {
		k.name = "mcfs-" + strconv.Itoa(tcp.Port)
		k.hosts = append(k.hosts, "localhost:"+strconv.Itoa(tcp.Port))
	}
	return k
}

// secret is 256 bits at random.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// guard answers whoever may not see the page itself, and hands on the others.
func (k keys) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		switch token := r.URL.Query().Get("token"); {
		case !k.isHost(r.Host), !k.isOrigin(r):
			http.Error(w, "403: this is no address of the page", http.StatusForbidden)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "405: the page changes nothing", http.StatusMethodNotAllowed)
		case r.URL.Path == "/" && equal(token, k.token):
			http.SetCookie(w, &http.Cookie{Name: k.name, Value: k.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			http.Redirect(w, r, "/", http.StatusSeeOther)
		case token != "" || !k.hasCookie(r):
			http.Error(w, "403: open the address that mcfs tells, with its token: mcfs status has it", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isHost reports whether a request names this server. A name that somebody else's name server
// turns to this machine is another one.
func (k keys) isHost(host string) bool {
	for _, known := range k.hosts {
		if host == known {
			return true
		}
	}
	return false
}

// isOrigin reports whether a request comes from the page itself, or from nowhere.
func (k keys) isOrigin(r *http.Request) bool {
	if origin, there := r.Header["Origin"]; there && (len(origin) != 1 || origin[0] != "http://"+r.Host) {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "none" || site == "same-origin"
}

func (k keys) hasCookie(r *http.Request) bool {
	c, err := r.Cookie(k.name)
	return err == nil && equal(c.Value, k.cookie)
}
