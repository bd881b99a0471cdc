#!/bin/sh
# The results database: continuing, sharing, and files that cannot be used.
# shellcheck source=app/tap.sh
. "$(dirname "$0")/tap.sh"

cat >a.scn <<'END'
case db/io
seeds 1..20
disk d0 size=1M
blockdev-add driver=file node-name=f0 filename=d0
io f0 write -P 0x11 0 64k

case db/fails
matrix p=1,2
disk d0 size=1M
blockdev-add driver=file node-name=f0 filename=d0
io f0 write -P 0x11 0 4k
io f0 read -P ${p} 0 4k
END

# sql FILE QUERY
sql()
{
    sqlite3 "$1" "$2"
}
have_sqlite()
{
    command -v sqlite3 >/dev/null
}

expect 1 "first run" run --db r.db a.scn
out_has "20 passed, 2 failed" "runs everything"
expect 1 "second run" run --db r.db a.scn
out_has "22 of 22 already done" "runs nothing"
out_has "20 passed, 2 failed" "and counts what is there"
out_has "repeat: " "and tells the failures again"
expect 1 "part of it, forced" run --force --db r.db -c db/fails a.scn
out_hasnt "already done" "is run again"
expect 1 "more seeds" run --db r.db --seeds 15..25 a.scn
out_has "of 33 already done" "only new ones are run"
sed 's/64k/32k/' a.scn >b.scn && cp a.scn old.scn && cp b.scn a.scn
expect 1 "an edited script" run --db r.db a.scn
out_hasnt "already done" "is run again"
cp old.scn a.scn

if have_sqlite; then
    for jobs in 1 2; do
        expect 1 "-j$jobs" run -j$jobs --log all --db j$jobs.db a.scn
        for table in build run origin detail failure step event variant; do
            sql j$jobs.db "SELECT * FROM $table"
        done >j$jobs.txt
    done
    same "rows do not depend on the number of workers" j1.txt j2.txt
    [ "$(sql j1.db 'SELECT count(*) FROM run')" -eq 22 ]
    result $? "a row a unit"
    [ "$(sql j1.db 'SELECT sum(runs) FROM v_failures')" -eq 2 ]
    result $? "failures are found by signature"
    [ "$(sql j1.db 'SELECT count(*) FROM v_flaky')" -eq 0 ]
    result $? "nothing is flaky"
    [ "$(sql j1.db 'SELECT count(*) FROM v_slow')" -eq 22 ]
    result $? "durations are there"
    [ "$(sql j1.db 'PRAGMA integrity_check')" = ok ]
    result $? "the file is sound"
    expect 1 "without host time" run --no-host-time --db n.db a.scn
    [ "$(sql n.db 'SELECT count(*) FROM duration')" -eq 0 ]
    result $? "there are no durations"

    # Locked by somebody else for longer than we wait.
    (echo "BEGIN EXCLUSIVE;"; sleep 4) | sqlite3 r.db &
    locker=$!
    sleep 0.5
    expect 3 "locked" run --db r.db a.scn
    err_has "Database 'r.db' is locked by another program" "it is told"
    wait $locker

    sql other.db "CREATE TABLE shopping (item)"
    cp other.db other.before
    expect 3 "another program's" run --db other.db a.scn
    err_has "'other.db' is a database of another program" "it is told"
    same "it is not touched" other.db other.before
    cp r.db newer.db
    sql newer.db "PRAGMA user_version = 9"
    expect 3 "newer" run --db newer.db a.scn
    err_has "has format 9 and this program knows format 2" "it is told"
else
    skip "rows" "sqlite3 is not installed"
fi

echo "milk, eggs, flour; and many other things that are no database at all, page after page" \
    >list.txt
cp list.txt list.before
expect 3 "not a database" run --db list.txt a.scn
err_has "'list.txt' is not an SQLite database" "it is told"
same "it is not touched" list.txt list.before
expect 3 "no such folder" run --db no/r.db a.scn
err_has "Cannot open database 'no/r.db'" "it is told"
expect 3 "a folder" run --db . a.scn
head -c 3000 /dev/zero | tr '\0' 'x' >>r.db
head -c 5000 r.db >cut.db
expect 3 "a damaged file" run --db cut.db a.scn

# A full disk: a limit on the size of files acts the same.  Shells count in blocks of 512 or 1024.
expect 0 "before the disk is full" run -q --db full.db --seeds 1..1 -c db/io a.scn
(
    ulimit -f 120
    exec "$BLKSIM" run --db full.db --log all --seeds 1..3000 -c db/io a.scn >"$out" 2>"$err"
)
[ $? -eq 3 ]
result $? "a full disk is exit 3"
grep -Eq "full.db.*(full|File too large|No space)" "$err"
result $? "it is told"
expect 0 "what was stored before is still there" run --db full.db --seeds 1..1 -c db/io a.scn
out_has "1 of 1 already done" "and is not run again"
finish
