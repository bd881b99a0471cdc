#!/bin/sh
# blksim run: verdicts, exit codes, reports, repeat commands.
# shellcheck source=app/tap.sh
. "$(dirname "$0")/tap.sh"

mkdir s
cat >s/good.scn <<'END'
case good/io
matrix size=1M,2M
disk d0 size=${size}
blockdev-add driver=file node-name=f0 filename=d0
io f0 write -P 0x11 0 64k
io f0 read -P 0x11 0 64k

case good/seeds
seeds 1..3
disk d0 size=1M
blockdev-add driver=file node-name=f0 filename=d0
io f0 write -P 0x11 0 64k
END
cat >s/mixed.scn <<'END'
case mixed/fails
matrix p=0x11,0x22
disk d0 size=1M
blockdev-add driver=file node-name=f0 filename=d0
io f0 write -P 0x11 0 4k
io f0 read -P ${p} 0 4k

case mixed/skips
require no-such-program
disk d0 size=1M
END

expect 0 "good cases" run s/good.scn
out_has "5 passed, 0 failed" "the counts are the last line"
[ "$(tail -n 1 "$out")" = "5 passed, 0 failed" ]
result $? "and nothing follows"
! grep -q "$(printf '[\033\r]')" "$out"
result $? "nothing is coloured or animated in a pipe"
expect 0 "a line a unit" run -v s/good.scn
out_has "pass good/io size=2M" "units are named"

expect 1 "a failing case" run s
out_has "s/mixed.scn:6:1: FAIL oracle=" "place and oracle of a failure"
out_has 'io f0 read -P ${p} 0 4k' "its source line"
out_has "signature: " "its signature"
out_has "6 passed, 1 failed, 1 skipped" "counts of all verdicts"
out_has "1 skip: " "skips are grouped"
repeat=$(sed -n 's/^ *repeat: //p' "$out" | head -n 1)
sh -c "$repeat" >again 2>&1 </dev/null
[ $? -eq 1 ]
result $? "the repeat command repeats: $repeat"
grep -q "s/mixed.scn:6:1: FAIL" again
result $? "with the same failure"
expect 0 "a passing unit is replayed" replay s/mixed.scn:mixed/fails:p=0x11
expect 0 "verbosely" replay -v s/mixed.scn:mixed/fails:p=0x11
out_has "statement" "statements are shown"
out_has "trace" "the trace is shown"
expect 1 "in this process" replay --in-process s/mixed.scn:mixed/fails:p=0x22
expect 77 "only skips" run -c mixed/skips s

expect 0 "define" run -D p=0x11 -c mixed/fails s
out_has "1 passed, 0 failed" "one unit"
expect 0 "seed" run --seed 7 -c good/seeds s
out_has "1 passed, 0 failed" "one seed"
expect 0 "seeds" run --seeds 10..19 -c good/seeds s
out_has "10 passed, 0 failed" "ten seeds"
expect 0 "verify determinism" run --verify-determinism s/good.scn

# Reports.
expect 1 "all reports" run -j2 --db r.db --tap r.tap --junit r.xml --hashes r.txt s
[ "$(wc -l <r.txt)" -eq 8 ]
result $? "a hash line a unit"
sort -c r.txt 2>/dev/null || LC_ALL=C sort -c r.txt
result $? "hash lines are sorted"
expect 1 "one worker" run -j1 --hashes r1.txt s
same "the same hashes from one worker and two" r.txt r1.txt
grep -q '^1\.\.8$' r.tap
result $? "TAP has its plan"
if command -v prove >/dev/null; then
    prove -e cat r.tap >"$out" 2>"$err"
    out_has "Tests: 8 Failed: 1" "prove counts the same"
else
    skip "prove counts the same" "prove is not installed"
fi
if command -v xmllint >/dev/null; then
    xmllint --noout r.xml 2>"$err"
    result $? "JUnit is well-formed"
else
    skip "JUnit is well-formed" "xmllint is not installed"
fi
expect 1 "TAP on stdout" run --tap - s
[ "$(head -n 1 "$out")" = "TAP version 13" ] && ! grep -q passed "$out"
result $? "and nothing else"
err_has "6 passed, 1 failed, 1 skipped" "the summary goes to stderr"
expect 0 "trace" run --trace t1 -c good/io -D size=1M s
[ -s t1 ]
result $? "a trace is written"
expect 0 "trace by replay" replay --trace t2 s/good.scn:good/io:size=1M
same "which is the same" t1 t2

# Unwritable places.
expect 2 "two reports into one file" run --tap both --junit both s/good.scn
err_has "two reports cannot go to one file, 'both'" "the file is named"
expect 3 "unwritable TAP" run --tap no/r.tap s/good.scn
err_has "Cannot write 'no/r.tap': No such file or directory" "the file is named"
expect 3 "unwritable JUnit" run --junit no/r.xml s/good.scn
expect 3 "unwritable trace" run --trace no/t -c good/io -D size=1M s
expect 3 "full disk for TAP" run --tap /dev/full s/good.scn
err_has "Cannot write '/dev/full': No space left on device" "it is told"
TMPDIR=$dir/none
expect 3 "no place for work folders" run s/good.scn
err_has "Cannot create a work folder in '$dir/none'" "it is told"
TMPDIR=$dir/tmp

# A terminal: one line that is redrawn; NO_COLOR is honoured.
if command -v script >/dev/null; then
    TERM=xterm script -qec "$BLKSIM run s" tty </dev/null >/dev/null 2>&1
    grep -q "$(printf '\033\\[31mFAIL')" tty
    result $? "a terminal gets colour"
    NO_COLOR=1 TERM=xterm script -qec "$BLKSIM run s" tty </dev/null >/dev/null 2>&1
    ! grep -q "$(printf '\033\\[31m')" tty
    result $? "but not with NO_COLOR"
else
    skip "a terminal gets colour" "script is not installed"
fi

# The same from another folder, locale and environment.
(cd s && LC_ALL=C.UTF-8 LANG=de_DE.UTF-8 TZ=Asia/Tokyo HOME=/ "$BLKSIM" run --hashes ../r2.txt . \
    >/dev/null 2>&1)
same "folder, locale and environment leave no mark" r.txt r2.txt

# The graph behind a statement.
cat >graph.scn <<'END'
case graph/two
blockdev-add driver=null-co node-name=n0 size=1M
blockdev-add driver=raw \
        node-name=r0 file=n0
    graph r0 -file-> n0
blockdev-del node-name=r0

case graph/other
blockdev-add driver=null-co node-name=n1 size=1M
END
expect 0 "a drawing" run --graph-at 2 -c graph/two graph.scn
out_has "digraph blocks {" "is in the DOT language"
out_has '"n0" [label="n0\nnull-co, 1048576 bytes", penwidth=2];' "has nodes"
out_hasnt '"r0"' "not those that come later"
err_has "1 passed" "and the report is on stderr"
for line in 3 4 5; do
    expect 0 "line $line of a statement" run --graph-at $line -c graph/two graph.scn
    out_has '"r0" -> "n0"' "shows its edge"
done
expect 2 "a line of another case" run --graph-at 9 -c graph/two graph.scn
err_has "--graph-at: line 9 is none of the statements of case graph/two (lines 2 to 7)" "it says which"
expect 2 "two cases" run --graph-at 2 graph.scn
expect 2 "another report on stdout" run --graph-at 2 --tap - -c graph/two graph.scn

[ -z "$(ls "$TMPDIR")" ]
result $? "no work folder is left"
finish
