package recording

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// piece is a text of a row that appears at a time.
type piece struct {
	column int
	at     time.Duration
	text   string
}

// rowsOf lays events out as a terminal does: in rows, which end at the right edge. What moves the cursor
// otherwise is refused.
func rowsOf(events []event) (screen [][]piece, err error) {
	screen = [][]piece{nil}
	column := 0
	for _, e := range events {
		for _, r := range e.text {
			last := len(screen) - 1
			switch {
			case r == '\n':
				screen, column = append(screen, nil), 0
				continue
			case r == '\r':
				column = 0
				continue
			case r < ' ' || r == 0x7f:
				return nil, fmt.Errorf("%q has %U, which is not drawn", e.text, r)
			case column == columns:
				screen, column = append(screen, nil), 0
				last++
			}
			row := screen[last]
			if n := len(row); n > 0 && row[n-1].at == e.at && row[n-1].column+len([]rune(row[n-1].text)) == column {
				row[n-1].text += string(r)
			} else {
				screen[last] = append(row, piece{column, e.at, string(r)})
			}
			column++
		}
	}
	if len(screen) > rows {
		return nil, fmt.Errorf("%d rows do not fit into %d", len(screen), rows)
	}
	return screen, nil
}

// The sizes of a character, and of the border.
const wide, high, border = 7.8, 18, 14

const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img" aria-label="mcfs in a terminal">
<style>
.f{fill:#f6f8fa;stroke:#d0d7de}text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328;white-space:pre}
.c{fill:#0550ae;font-weight:bold}
@media(prefers-color-scheme:dark){.f{fill:#161b22;stroke:#30363d}text{fill:#e6edf3}.c{fill:#79c0ff}}
@media(prefers-reduced-motion:no-preference){tspan{visibility:hidden;animation:a 1ms forwards}@keyframes a{to{visibility:visible}}}
</style>
<rect class="f" x=".5" y=".5" width="%[3]d" height="%[4]d" rx="8"/>
`

// draw is the recording as a picture. Commands are what follows a prompt.
func draw(events []event) (string, error) {
	screen, err := rowsOf(events)
	if err != nil {
		return "", err
	}
	width, height := columns*78/10+2*border, len(screen)*high+2*border
	var b strings.Builder
	fmt.Fprintf(&b, head, width, height, width-1, height-1)
	for i, row := range screen {
		if len(row) == 0 {
			continue
		}
		class := ""
		if row[0].column == 0 && strings.HasPrefix(row[0].text, "$ ") {
			class = ` class="c"`
		}
		fmt.Fprintf(&b, "<text%s y=\"%d\" xml:space=\"preserve\">", class, border+high*i+13)
		for _, p := range row {
			fmt.Fprintf(&b, "<tspan x=\"%.1f\" style=\"animation-delay:%.2fs\">", border+float64(p.column)*wide, p.at.Seconds())
			_ = xml.EscapeText(&b, []byte(p.text)) // a builder takes it all
			b.WriteString("</tspan>")
		}
		b.WriteString("</text>\n")
	}
	b.WriteString("</svg>\n")
	return b.String(), nil
}
