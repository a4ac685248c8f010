package programs

import (
	"testing"

	"mcfs/e2e/rig"
)

// TestSQLite works on databases with a rollback journal and in WAL mode. Each
// program that changed one and ended is one upload; its journal, its log and
// the memory that its readers share stay here.
func TestSQLite(t *testing.T) {
	rig.Need(t, "sqlite3")
	for _, mode := range []string{"delete", "truncate", "persist", "wal"} {
		t.Run(mode, func(t *testing.T) { sqlite(t, mode) })
	}
}

func sqlite(t *testing.T, mode string) {
	b := newBench(t, nil)
	b.both(`
sql() { sqlite3 -batch -bail db "$@"; }
sql "PRAGMA journal_mode=` + mode + `" "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)"
{
	echo "PRAGMA journal_mode=` + mode + `;"
	for i in $(seq 1 40); do
		echo "BEGIN; INSERT INTO t (text) VALUES (hex(zeroblob(2000)) || '$i'); UPDATE t SET text = text || 'x' WHERE id % 3 = 0; COMMIT;"
	done
	echo "BEGIN; DELETE FROM t; ROLLBACK; SELECT count(*), sum(length(text)) FROM t; PRAGMA integrity_check;"
} | sql
sql "SELECT count(*), sum(length(text)) FROM t; PRAGMA integrity_check"
sql "DELETE FROM t WHERE id % 2 = 0" "VACUUM" "PRAGMA integrity_check" "SELECT count(*) FROM t"
echo ".dump" | sql | cksum
sql ".backup copy"; sqlite3 copy "PRAGMA journal_mode=delete; PRAGMA integrity_check; SELECT sum(id) FROM t"
ls -I '*.settings.json'`)
	b.m.Unmount()
	for name, s := range b.r.Saves(b.mark) {
		most := map[string]int{"db": 3, "copy": 2, "db-journal": 1}[name]
		if s.Objects > most || s.Objects != s.Sidecars || s.Copies+s.Restated > 0 {
			t.Errorf("S3 was given of %s: %v; wanted at most %d uploads", name, s, most)
		}
	}
	b.settled()
	cold := b.r.Mount("cold")
	if got := cold.Run("sqlite3", "db", "PRAGMA integrity_check; SELECT count(*) FROM t"); got != "ok\n20\n" {
		t.Errorf("a cold mount's database says %q", got)
	}
	b.r.Truth(cold)
	cold.Unmount()
}

// TestSQLiteTwoProcesses has two programs write one database, each waiting for
// the other's locks.
func TestSQLiteTwoProcesses(t *testing.T) {
	rig.Need(t, "sqlite3")
	b := newBench(t, nil)
	for _, mode := range []string{"delete", "wal"} {
		b.both(`
sqlite3 ` + mode + ` "PRAGMA journal_mode=` + mode + `; CREATE TABLE t (who TEXT, i INTEGER)"
writer() { for i in $(seq 1 25); do echo "INSERT INTO t VALUES ('$1', $i);"; done | sqlite3 -cmd '.timeout 20000' ` + mode + `; }
writer a & writer b & wait
sqlite3 ` + mode + ` "SELECT who, count(*), sum(i) FROM t GROUP BY who; PRAGMA integrity_check"`)
	}
	b.m.Unmount()
	b.settled()
	cold := b.r.Mount("cold")
	for _, mode := range []string{"delete", "wal"} {
		if got := cold.Run("sqlite3", mode, "PRAGMA integrity_check; SELECT count(*) FROM t"); got != "ok\n50\n" {
			t.Errorf("%s: a cold mount's database says %q", mode, got)
		}
	}
	cold.Unmount()
}

// TestProjectThatStaysOpen saves into a database that stays open, as Audacity does with a
// project: where the configuration names it, each save arrives.
func TestProjectThatStaysOpen(t *testing.T) {
	rig.Need(t, "sqlite3")
	b := newBench(t, rig.Settings{"mount.commit_on_fsync": `["*.aup3"]`})
	cold := b.r.Mount("cold")
	b.m.Shell(`OUT=` + t.TempDir() + `
mkfifo "$OUT/keys"; (sqlite3 song.aup3 <"$OUT/keys" >"$OUT/said" 2>&1; echo ended >>"$OUT/said") & exec 3>"$OUT/keys"
save() { echo "BEGIN; INSERT INTO t VALUES ('$1'); COMMIT; PRAGMA wal_checkpoint(TRUNCATE); SELECT 'saved';" >&3; }
read_cold() { for i in $(seq 1 120); do test "$(sqlite3 -readonly "file:` + cold.Dir + `/song.aup3?mode=ro&immutable=1" "PRAGMA integrity_check; SELECT group_concat(t) FROM t" 2>/dev/null)" = "ok
$1" && return; sleep 0.25; done; echo "never there: $1" >&2; exit 1; }
echo "PRAGMA journal_mode=wal; CREATE TABLE t (t TEXT);" >&3
save one; read_cold one
save two; read_cold one,two
! grep ended "$OUT/said" || exit 1
exec 3>&-; wait`)
	b.m.Unmount()
	cold.Unmount()
}
