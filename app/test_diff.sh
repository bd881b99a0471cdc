#!/bin/sh
# blksim diff, and run --target: verdicts, exit codes, tables, databases, learning.
# shellcheck source=app/tap.sh
. "$(dirname "$0")/tap.sh"

cat >same.scn <<'END'
case same/io
matrix size=1M,2M
disk d0 size=${size}
blockdev-add driver=file node-name=f0 filename=d0
blockdev-add driver=raw node-name=hd0 file=f0
io hd0 write -P 0x11 0 64k
io hd0 read -P 0x11 0 64k
query-named-block-nodes flat=true
blockdev-del node-name=f0 => error "Block device f0 is in use"

case same/seeds
seeds 1..3
blockdev-add driver=null-co node-name=n0 size=1M
io n0 read 0 4k

case same/partly
disk d0 size=1M
blockdev-add driver=raw node-name=hd0 file.driver=file file.filename=d0
io hd0 write 0 4k
fault d0 error op=read
io hd0 read 0 4k => error
END
# A driver that QEMU has and blksim has not.
cat >other.scn <<'END'
case other/driver
matrix n=1,2
disk d0 size=1M
blockdev-add driver=file node-name=f0 filename=d0
blockdev-add driver=bochs node-name=b${n} file=f0
    error
END
total='^[0-9,]* statements, [0-9,]* comparable ([0-9.]* %), [0-9,]* agreed ([0-9.]* %), [0-9,]* quirks\{0,1\}, [0-9,]* differing, [0-9,]* aborts\{0,1\}: qemu [0-9.]*$'

# last_is PATTERN NAME: the last line of the output.
last_is()
{
    tail -n 1 "$out" | grep -q -e "$1"
    result $? "$2"
}

# What is no sensible command line.
expect 2 "an unknown target" diff --target qmeu same.scn
err_has "unknown target 'qmeu', did you mean 'qemu'?; there are: qemu, qsd" "targets are named"
expect 2 "the simulated layer beside itself" diff --target sim same.scn
expect 2 "no such prefix" diff --qemu-prefix no/such same.scn
err_has "no/such: No such file or directory" "it is named"
expect 3 "a prefix without programs" diff --qemu-prefix "$dir/tmp" same.scn
err_has "there is no qemu-system-x86_64 in $dir/tmp" "it says what was looked for"
expect 2 "a prefix without a target" run --qemu-prefix "$dir/tmp" same.scn
err_has "--qemu-prefix needs --target qemu or --target qsd" "it is told"
expect 2 "learning without a script" diff --learn
err_has "--learn rewrites scripts: name them" "it is told"
expect 2 "learning and storing" diff --learn --db r.db same.scn
err_has "--learn and --db exclude each other" "it is told"
expect 2 "learning and more words" diff --learn --verbose same.scn
err_has "--learn and --verbose exclude each other" "it is told"
expect 2 "a summary of a database and a report of a run" diff --summary --db r.db --tap r.tap
err_has "--tap is about running" "it is told"
expect 2 "random scripts and others" diff --random 1 same.scn
expect 2 "seed 0" diff --random 0
expect 2 "statements of nothing" diff --statements 5 same.scn
expect 2 "two reports into one file" diff --tap both --markdown both same.scn
expect 2 "an id and options" diff -D size=1M same.scn:same/io:size=1M
err_has "names one run, and --define is about several" "it is told"
expect 3 "a summary of nothing" diff --summary --db none.db
err_has "Cannot open database 'none.db'" "it is named"
[ ! -e none.db ]
result $? "and not made"
for option in --hashes --trace; do
    expect 2 "run --target qemu $option" run --target qemu $option - -c same/partly same.scn
done
expect 2 "run --target qemu --verify-determinism" run --target qemu --verify-determinism same.scn

# Without the programs: skips, one line, exit status 77.
mkdir none
PATH_BEFORE=$PATH
for command in diff "run --target qemu" "diff --target qsd" "run --target qsd"; do
    # shellcheck disable=SC2086
    env PATH="$dir/none" "$BLKSIM" $command same.scn >"$out" 2>"$err" </dev/null
    [ $? -eq 77 ]
    result $? "$command without QEMU is exit 77"
    grep -q "skips: the reference qemu-[a-z0-9_-]*: not available here; apt-get install qemu" "$out"
    result $? "and one line says what to install"
done
[ "$PATH" = "$PATH_BEFORE" ] && command -v qemu-system-x86_64 >/dev/null &&
    command -v qemu-img >/dev/null || {
    skip "comparisons" "QEMU is not installed"
    finish
}

expect 0 "what agrees" diff same.scn
last_is "$total" "the last line counts"
last_is ", 0 differing, 0 aborts: " "nothing differs"
out_has "4 passed, 0 failed" "a unit for each point of the matrix, one seed"
expect 0 "verbosely" diff -v -c same/partly same.scn
out_has "same.scn:21: io" "a statement that is not compared is named"
out_has "disk-fault" "with its reason"
expect 0 "with seeds" diff --seeds 1..2 -c same/seeds same.scn
out_has "2 passed" "each is a unit"
expect 0 "by id" diff same.scn:same/io:size=2M
out_has "1 passed" "one unit"
expect 0 "tables" diff --summary same.scn
out_has "query-named-block-nodes" "a row a command"
out_has "null-co" "a row a driver"
out_has "not compared because of" "and the reasons of what was left out"
last_is "$total" "and the line of totals"

expect 1 "what differs" diff --keep kept --tap r.tap --junit r.xml --db r.db --markdown page.md \
    same.scn other.scn
out_has "other.scn:5:1: FAIL oracle=qemu case=other/driver n=1" "place and case of a difference"
out_has "is not available in blksim" "our side"
out_has "repeat: $BLKSIM diff other.scn:other/driver:n=1" "the command that repeats it"
last_is ", 2 differing, 0 aborts: qemu" "counts"
repeat=$(sed -n 's/^ *repeat: //p' "$out" | head -n 1)
sh -c "$repeat" >again 2>&1 </dev/null
[ $? -eq 1 ] && grep -q "other.scn:5:1: FAIL" again
result $? "which it does"
[ -f kept/other_driver,n=1/sim/d0 ] && [ -f kept/other_driver,n=1/qemu/d0 ] &&
    grep -q "bochs" kept/other_driver,n=1/sim.txt && grep -q "bochs" kept/other_driver,n=1/qemu.txt
result $? "files and records are kept"
[ "$(ls kept | wc -l)" -eq 2 ]
result $? "of what differs alone"
[ "$(grep -c '^not ok' r.tap)" -eq 2 ] && grep -q '<failure ' r.xml
result $? "TAP and JUnit have it"
grep -q '^| blockdev-add ' page.md && grep -q '^# Agreement with qemu' page.md
result $? "the page has the tables"
expect 1 "again" diff --db r.db same.scn other.scn
out_has "6 of 6 already done" "nothing is run"
last_is "$total" "and it is counted all the same"
expect 0 "the tables of a database" diff --summary --db r.db
last_is ", 2 differing, 0 aborts: qemu" "are those of what is stored"
expect 0 "a run on the simulated layer" run --db r.db -c same/io same.scn
out_hasnt "already done" "is something else"
if command -v sqlite3 >/dev/null; then
    [ "$(sqlite3 r.db 'SELECT count(*) FROM v_differences')" -eq 2 ]
    result $? "differences can be asked for"
    sqlite3 r.db "SELECT place, detail FROM v_differences" | grep -q '^other.scn:5|'
    result $? "with their places"
fi

# On the real program alone.
expect 0 "run on QEMU" run --target qemu same.scn
out_has "passed, 0 failed" "it does what scripts expect"
cat >wrong.scn <<'END'
# A comment stays.
case wrong/error
disk d0 size=1M
blockdev-add driver=file node-name=f0 filename=d0
blockdev-add driver=raw node-name=f0 file=f0
    error "it says something else"
io f0 read -P 0x22 0 4k => ok
END
expect 1 "an expectation that does not hold" run --target qemu wrong.scn
out_has "wrong.scn:6:5: FAIL oracle=expect" "is told"
out_has "repeat: $BLKSIM run --target qemu wrong.scn:wrong/error" "with the command that repeats it"
expect 1 "which is a failure before any comparison" diff wrong.scn
out_has "FAIL oracle=expect" "of the script"

# A build of one's own: programs in a folder, here ones that pass everything on.
mkdir own
ln -s "$(command -v qemu-img)" own/qemu-img
cat >own/qemu-system-x86_64 <<END
#!/bin/sh
exec "$(command -v qemu-system-x86_64)" "\$@"
END
chmod +x own/qemu-system-x86_64
expect 0 "a prefix" diff --qemu-prefix own --db own.db -c same/io same.scn
out_has "2 passed" "its programs are used"
expect 0 "the same build" diff --qemu-prefix own --db own.db -c same/io same.scn
out_has "2 of 2 already done" "is not run again"
echo "# changed" >>own/qemu-system-x86_64
expect 0 "another build of the same version" diff --qemu-prefix own --db own.db -c same/io same.scn
out_hasnt "already done" "is run"

# One that dies.
cat >own/qemu-system-x86_64 <<END
#!/bin/sh
case \$* in
*-version*) ;;
*) (sleep 1; kill -ABRT \$\$) >/dev/null 2>&1 & ;;
esac
exec "$(command -v qemu-system-x86_64)" "\$@"
END
cat >dies.scn <<'END'
case dies/later
blockdev-add driver=null-co node-name=n0 size=1M
run 1900ms
query-named-block-nodes
io n0 read 0 4k
END
expect 1 "a reference that dies" diff --qemu-prefix own dies.scn
out_has "dies.scn:4:1: FAIL oracle=qemu" "is a difference of the statement it dies of"
out_has "SIGABRT" "which names the signal"
out_has "repeat: $BLKSIM diff --qemu-prefix own dies.scn:dies/later" "and the prefix in the repeat"
last_is ", 1 abort: qemu" "and is counted"
expect 1 "where nothing can be kept" diff --keep /proc/none --qemu-prefix own dies.scn
out_has "dies.scn:4:1: FAIL oracle=qemu" "the difference is told"
err_has "Cannot keep the files in '/proc/none/dies_" "and that"
expect 1 "on it alone" run --target qemu --qemu-prefix own dies.scn
out_has "CRASH" "it is a crash"

# Learning.
chmod 640 wrong.scn
expect 0 "learn" diff --learn wrong.scn
out_has "wrong.scn: 2 statements changed" "it counts"
[ "$(grep -c "statements changed" "$out")" -eq 1 ]
result $? "and runs everything once"
grep -q "Duplicate nodes with node-name='f0'" wrong.scn && grep -q '^# A comment stays' wrong.scn &&
    ! grep -q "something else" wrong.scn
result $? "what the reference says is expected now"
[ "$(stat -c %a wrong.scn)" = 640 ]
result $? "the file has the rights it had"
expect 0 "which holds there" run --target qemu wrong.scn
expect 0 "and here" diff wrong.scn
cp wrong.scn before.scn
expect 0 "learning twice" diff --learn wrong.scn
same "changes nothing" wrong.scn before.scn
expect 3 "learning without QEMU is an error" diff --learn --qemu-prefix "$dir/tmp" wrong.scn

# Random sequences.
expect 0 "a random sequence" diff --random 1 --statements 5
last_is "$total" "is counted"

if command -v qemu-storage-daemon >/dev/null; then
    expect 0 "the storage daemon" diff --target qsd -c same/io same.scn
    last_is ": qsd [0-9.]*$" "is named"
fi
[ -z "$(ls "$TMPDIR")" ]
result $? "no work folder is left"
! pgrep -f "$dir" >/dev/null
result $? "and no program"
finish
