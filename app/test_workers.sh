#!/bin/sh
# Workers that are killed, loop, or are interrupted: the run goes on, or can be continued.
# shellcheck source=app/tap.sh
. "$(dirname "$0")/tap.sh"

if [ ! -r "/proc/$$/task/$$/children" ]; then
    skip "workers" "this kernel does not tell the children of a process"
    finish
fi

# A case that is busy for minutes of wall time, and quick ones.
cat >busy.scn <<'END'
case busy/load
timeout 100000s steps=4000000000
disk d0 size=64M
blockdev-add driver=file node-name=f0 filename=d0
load w f0 rw=randwrite bs=4k depth=8 count=1000000000 verify=off
wait w
END
cat >quick.scn <<'END'
case quick/io
seeds 1..40
disk d0 size=1M
blockdev-add driver=file node-name=f0 filename=d0
io f0 write -P 0x11 0 64k
END

# worker_of PID: the first child of a process; waits for one.
worker_of()
{
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        child=$(cut -d ' ' -f 1 "/proc/$1/task/$1/children")
        if [ -n "$child" ]; then
            echo "$child"
            return
        fi
        sleep 0.1
    done
}

# The watchdog.
expect 1 "an endless case" run -j2 --watchdog 1 busy.scn quick.scn
out_has "HANG oracle=watchdog case=busy/load" "is a verdict"
out_has "busy.scn:5:1:" "with the line it was at"
out_has "no result after 1 s of wall time" "and the reason"
out_has "40 passed, 0 failed, 1 hung" "and the others run"

# SIGKILL from outside.
"$BLKSIM" run -j1 busy.scn quick.scn >"$out" 2>"$err" </dev/null &
parent=$!
worker=$(worker_of $parent)
sleep 0.5
kill -KILL "$worker"
wait $parent
[ $? -eq 1 ]
result $? "a killed worker is exit 1"
out_has "CRASH oracle=worker case=busy/load" "it is a verdict"
out_has "the worker died of SIGKILL (Killed)" "with the signal"
out_has "40 passed, 0 failed, 1 crashed" "and the others run"

# Ctrl-C, and going on.  A shell starts background jobs with SIGINT ignored, so another one sends.
for signal in INT TERM HUP; do
    rm -f r.db
    env --default-signal=INT,TERM,HUP "$BLKSIM" run -j1 --db r.db --tap r.tap quick.scn busy.scn \
        >"$out" 2>"$err" </dev/null &
    parent=$!
    worker_of $parent >/dev/null
    sleep 1
    kill -$signal $parent
    wait $parent
    status=$?
    [ $status -eq 75 ]
    result $? "SIG$signal is exit 75 (exit $status)"
    out_has "Interrupted. 40 passed, 0 failed, 1 not run" "what was done is counted"
    grep -q "^Bail out!" r.tap
    result $? "TAP says that it ends early"
    expect 1 "the same command goes on" run -j1 --watchdog 1 --db r.db quick.scn busy.scn
    out_has "40 of 41 already done" "with what is left"
done

# A killed parent takes its workers with it and loses no more than the last second.
rm -f r.db
"$BLKSIM" run -j1 --db r.db quick.scn busy.scn >"$out" 2>"$err" </dev/null &
parent=$!
worker=$(worker_of $parent)
sleep 1.5
kill -KILL $parent
wait $parent 2>/dev/null
sleep 0.5
case $(sed 's/.*) //' "/proc/$worker/stat" 2>/dev/null) in
"" | [ZX]*) true ;; # Gone, or waiting for whoever reaps orphans here.
*) false ;;
esac
result $? "no worker outlives a killed parent"
expect 1 "after a killed parent" run -j1 --watchdog 1 --db r.db quick.scn busy.scn
out_has "40 of 41 already done" "what it had stored is not run again"
rm -rf "$TMPDIR"/blksim-*
finish
