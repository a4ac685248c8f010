package notify

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

const (
	service = "org.freedesktop.Notifications"
	object  = dbus.ObjectPath("/org/freedesktop/Notifications")
	// markup is what a desktop can that takes & and < in a body for markup.
	markup = "body-markup"
)

// findDesktop is the desktop of this session; nil: there is no bus. It starts none, and speaks to it only when there
// is something to show.
func findDesktop() desktop {
	bus := busSocket(os.Getenv("DBUS_SESSION_BUS_ADDRESS"))
	if dir := os.Getenv("XDG_RUNTIME_DIR"); bus == "" && dir != "" {
		if info, err := os.Stat(filepath.Join(dir, "bus")); err == nil && info.Mode().Type() == os.ModeSocket {
			bus = filepath.Join(dir, "bus")
		}
	}
	if bus == "" {
		return nil
	}
	return func(ctx context.Context, title, body string) error { return notify(ctx, bus, title, body) }
}

// busSocket is the first socket of a list of D-Bus addresses that this machine can have, as net.Dial spells it.
func busSocket(addresses string) string {
	for address := range strings.SplitSeq(addresses, ";") {
		kind, rest, _ := strings.Cut(address, ":")
		if kind != "unix" {
			continue
		}
		for pair := range strings.SplitSeq(rest, ",") {
			key, value, _ := strings.Cut(pair, "=")
			path, err := url.PathUnescape(value)
			switch {
			case err != nil || path == "":
			case key == "path":
				return path
			case key == "abstract":
				return "@" + path
			}
		}
	}
	return ""
}

// notify has the desktop show a notification. The connection ends with ctx, whatever of it hangs.
func notify(ctx context.Context, bus, title, body string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("notification by %s: %w", bus, err)
		}
	}()
	socket, err := new(net.Dialer).DialContext(ctx, "unix", bus)
	if err != nil {
		return err
	}
	defer socket.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := socket.SetDeadline(end); err != nil {
			return err
		}
	}
	conn, err := dbus.NewConn(socket, dbus.WithContext(ctx))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(fmt.Sprint(os.Geteuid()))}); err != nil {
		return err
	}
	if err := conn.Hello(); err != nil {
		return err
	}
	to := conn.Object(service, object)
	var can []string
	if err := to.CallWithContext(ctx, service+".GetCapabilities", 0).Store(&can); err != nil {
		return err
	}
	if slices.Contains(can, markup) {
		body = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(body)
	}
	hints := map[string]dbus.Variant{"category": dbus.MakeVariant("transfer.error")}
	const anew, asLongAsUsual = uint32(0), int32(-1)
	return to.CallWithContext(ctx, service+".Notify", 0, "mcfs", anew, "dialog-error", title, body, []string{}, hints, asLongAsUsual).Err
}
