package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// scripted makes transactions of any bytes.
func scripted(script []byte) (txs [][]op) {
	var tx []op
	take := func(n int) []byte {
		n = min(n, len(script))
		b := script[:n]
		script = script[n:]
		return b
	}
	for len(script) > 4 {
		h := take(4)
		o := op{kind: opPut, bucket: 1 + h[1]%(buckets-1), key: string(take(int(h[2] % 20)))}
		if h[0]%4 == 0 {
			o.kind = opDelete
		} else {
			o.value = take(int(h[3]) * 8)
		}
		if tx = append(tx, o); h[0]&0x40 != 0 {
			txs, tx = append(txs, tx), nil
		}
	}
	if len(tx) > 0 {
		txs = append(txs, tx)
	}
	return txs
}

// scriptedLog is a log of transactions, each in a batch of its own.
func scriptedLog(txs [][]op) []byte {
	h := header{salt: 7, size: 1 << 17}
	e := encoder{at: firstFrame, sum: h.sum(), size: h.size}
	for _, tx := range txs {
		e.durable = e.seq
		e.add(tx)
	}
	b := append(h.marshal(), e.b...)
	return append(b, make([]byte, max(0, 1<<17-len(b)))...)
}

// FuzzLog: any bytes; and a log of any transactions of which any bytes are changed: no value
// comes out that was not put under its key.
func FuzzLog(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(bytes.Repeat([]byte("\x41\x00\x10\x40abcdefghijklmnopqrstuvwxyz0123456789"), 40), []byte{4, 20, 1, 5, 0, 2})
	f.Add(bytes.Repeat([]byte("\x01\x01\x08\x10ABCDEFGHIJKLMNOPQRSTUVW"), 90), []byte{4, 200, 0x80})
	f.Fuzz(func(t *testing.T, script, changes []byte) {
		_, _ = load(script)
		txs := scripted(script)
		if len(script) > 1<<16 {
			return
		}
		b := scriptedLog(txs)
		put := map[string]bool{}
		want := newState()
		for _, tx := range txs {
			for _, o := range tx {
				want.apply(o)
				put[string(rune(o.bucket))+o.key+"\x00"+string(o.value)] = true
			}
		}
		l, err := load(b)
		if err != nil || l.damaged() || l.torn || !cmp.Equal(l.state.values, want.values, cmpopts.EquateEmpty()) {
			t.Fatalf("%+v, %v", l, err)
		}
		for ; len(changes) >= 3; changes = changes[3:] {
			b[int(binary.BigEndian.Uint16(changes))%len(b)] ^= changes[2]
		}
		if l, err = load(b); err != nil {
			return
		}
		for bucket, m := range l.state.values {
			for k, v := range m {
				if bucket != bucketUnreadable && !put[string(rune(bucket))+k+"\x00"+string(v)] {
					t.Fatalf("%s %q: %q was never put", bucketNames[bucket], k, v)
				}
			}
		}
	})
}

// FuzzValues: the values of a log whose checksums are right.
func FuzzValues(f *testing.F) {
	e, err := encodeEntry(someEntry("p"))
	check(f, err)
	c, err := encodeChange(Change{Seq: 3, Op: "rename", Path: "a"})
	check(f, err)
	u, err := json.Marshal(Upload{ID: "u", Key: "k"})
	check(f, err)
	for _, b := range [][]byte{e, c, u, []byte(`{"id":"x"}`), []byte("null")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var probe struct {
			ID  json.RawMessage `json:"id"`
			Seq uint64          `json:"seq"`
		}
		_ = json.Unmarshal(b, &probe)
		var id ID
		var upload string
		_, _ = json.Unmarshal(probe.ID, &id), json.Unmarshal(probe.ID, &upload)
		if e, err := decodeEntry(string(id[:]), b); err == nil {
			if e.ID != id {
				t.Fatalf("%x under %x", e.ID, id)
			}
			again, err := encodeEntry(e)
			if err != nil {
				return // a time that JSON cannot spell
			}
			if back, err := decodeEntry(string(id[:]), again); err != nil || !cmp.Equal(back, e, cmpopts.EquateEmpty()) {
				t.Fatalf("%+v came back as %+v, %v", e, back, err)
			}
		}
		if c, err := decodeChange(changeKey(probe.Seq), b); err == nil && c.Seq != probe.Seq {
			t.Fatalf("%d under %d", c.Seq, probe.Seq)
		}
		if u, err := decodeUpload(uploadKey(upload), b); err == nil && (u.ID != upload || u.Key == "") {
			t.Fatalf("%+v under %q", u, upload)
		}
	})
}
