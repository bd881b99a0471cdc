#!/bin/sh
# The command line: what people type wrong, and what they read for help.
# shellcheck source=app/tap.sh
. "$(dirname "$0")/tap.sh"

cat >a.scn <<'END'
case cli/first
group quick
matrix size=1M,2M
blockdev-add driver=null-co node-name=n0 size=${size}

case cli/second
blockdev-add driver=null-co node-name=n0 size=1M
END

expect 2 "no command"
out_has "Commands:" "no command shows the commands"
expect 0 "version" --version
out_has "blksim " "version names the program"
expect 0 "help" --help
expect 2 "unknown command" ruin
err_has "unknown command 'ruin', did you mean 'run'?" "the nearest command is named"
expect 2 "unknown option" run --jbos 2
err_has "unknown option --jbos, did you mean --jobs?" "the nearest option is named"
expect 2 "option without value" run --db
expect 2 "bad number of jobs" run -j0 a.scn
err_has "--jobs takes a number from 1 to 256, not '0'" "the range is told"
expect 2 "bad seeds" run --seeds 5..1 a.scn
expect 2 "seed and seeds" run --seed 1 --seeds 1..2 a.scn
expect 2 "seed that is none" run --seed 1x a.scn
expect 2 "bad log" run --log some a.scn
expect 2 "two reports on stdout" run --tap - --junit - a.scn
expect 2 "trace of several units" run --trace - a.scn
err_has "--trace is of one unit, and 3 are selected" "it says how many there are"

expect 2 "missing file" run no.scn
err_has "no.scn: No such file or directory" "the missing file is named"
expect 2 "glob without match" run 'x*.scn'
err_has "no file matches 'x*.scn'" "the glob is named"
mkdir empty
expect 2 "folder without scenarios" run empty
err_has "no scenario file (*.scn) in 'empty'" "the folder is named"
cp a.scn twin.scn
expect 2 "two cases of one name" run a.scn twin.scn
err_has "case 'cli/first' has the name of the one at a.scn:1" "both places are named"
rm twin.scn
if [ "$(id -u)" -ne 0 ]; then
    cp a.scn secret.scn
    chmod 000 secret.scn
    expect 3 "unreadable file" run secret.scn
    err_has "secret.scn: Permission denied" "the unreadable file is named"
    rm -f secret.scn
else
    skip "unreadable file" "root reads everything"
fi
printf 'case x/bad\ndisk d0 sise=1M\n' >bad.scn
expect 2 "script with an error" run bad.scn
err_has "bad.scn:2:" "file, line and column are told"
expect 2 "a bad script stops a run of good ones" run a.scn bad.scn
rm bad.scn

expect 2 "unknown matrix parameter" run -D sizes=1M a.scn
err_has "unknown matrix parameter 'sizes', did you mean 'size'?" "the nearest parameter is named"
expect 2 "define without a value" run -D size a.scn
expect 2 "unknown group" run -g quik a.scn
err_has "unknown group 'quik', did you mean 'quick'?" "the nearest group is named"
expect 77 "a value that no case has" run -D size=3M a.scn
expect 77 "a case that is not there" run -c 'io/*' a.scn

expect 0 "list" list a.scn
out_has "cli/first  2 units  a.scn:1  matrix size=1M,2M  group quick" "a case has one line"
expect 0 "list of units" list -u a.scn
out_has "a.scn:cli/first:size=2M" "a unit is its replay id"
expect 0 "list of a group" list -g quick a.scn
out_hasnt "cli/second" "other groups are left out"
expect 0 "a folder is searched, a glob expanded, a file taken once" list . './*.scn' a.scn
[ "$(grep -c cli/first "$out")" -eq 1 ]
result $? "each case once"

expect 2 "replay without id" replay
expect 2 "replay of what is no id" replay a.scn
err_has "A replay id is PATH:CASE" "the form of an id is told"
expect 2 "replay of an unknown case" replay a.scn:cli/frist
err_has "did you mean 'cli/first'?" "the nearest case is named"
expect 2 "replay of unknown parameters" replay a.scn:cli/first:size=9M
err_has "a.scn:cli/first:size=1M" "the runs that exist are listed"

for topic in run list replay fmt bench features help; do
    expect 0 "help $topic" help $topic
done
expect 0 "drivers" help driver
for driver in $(awk '{ print $1 }' "$out"); do
    expect 0 "help driver $driver" help driver "$driver"
done
expect 0 "help of a driver with rules" help driver blkdebug
out_has "inject-error.N.iotype=read|write" "members of a list are shown as they are written"
out_has "cache.no-flush=bool" "so are the options that every node has"
out_has "BlkdebugEvent is one of:" "and the values of a long enum"
[ "$(awk '{ if (length > n) n = length } END { print n }' "$out")" -le 140 ]
result $? "no line is endless"
expect 0 "QMP commands" help qmp
for command in $(awk '{ print $1 }' "$out"); do
    expect 0 "help qmp $command" help qmp "$command"
done
expect 0 "help of a QMP command" help qmp blockdev-del
out_has "node-name=str" "its arguments are shown"
expect 2 "unknown QMP command" help qmp blockdev-ad
err_has "did you mean 'blockdev-add'?" "the nearest command is named"
expect 0 "oracles" help oracle
for oracle in $(awk '{ print $1 }' "$out"); do
    expect 0 "help oracle $oracle" help oracle "$oracle"
    out_has "Does not verify:" "it says what it does not see"
done
expect 0 "verbs" help verb
expect 0 "help verb disk" help verb disk
expect 2 "unknown driver" help driver nul-co
err_has "did you mean 'null-co'?" "the nearest driver is named"
expect 2 "unknown topic" help drivers
expect 0 "features" features
out_has "drivers:" "features name the drivers"

# What README.md and the manual of the language show is run, and does what they say.
awk '/^```scn$/ { inside = 1; next } /^```/ { inside = 0 } inside' \
    "$root/docs/scenarios.md" >manual.scn
expect 0 "the examples of docs/scenarios.md" run -q manual.scn
# example NAME FILE: the indented block of README.md that begins with that case.
example()
{
    awk -v head="    case $1" '$0 == head { inside = 1 } inside && !/^    / { exit }
        inside { print substr($0, 5) }' "$root/README.md" >"$2"
}
example example/latent-sector latent.scn
expect 0 "the first example of README.md" run latent.scn
out_has "1 passed, 0 failed" "it passes"
expect 0 "it is in canonical form" fmt --check latent.scn
example example/lost-write example.scn
expect 1 "the failing example of README.md" run -j1 example.scn
awk '/^    example.scn:7:5: FAIL/ { inside = 1 } inside && !/^    / { exit }
    inside { print substr($0, 5) }' "$root/README.md" | grep -v '^ *repeat:' >message
grep -v '^ *repeat:' "$out" >printed
same "it prints what README.md shows" message printed
eval "set -- $(sed -n 's/^ *repeat: [^ ]* //p' "$out")"
expect 1 "its repeat command" "$@" -v
grep '^    trace ' "$root/README.md" | sed 's/^    //' >wanted
grep -F -x -f wanted "$out" >printed
same "its trace is the one that README.md shows" wanted printed
rm -f manual.scn latent.scn example.scn message wanted printed

if [ -f "$root/docs/blksim.1" ]; then
    expect 0 "manual page" help --man
    same "docs/blksim.1 is what blksim help --man prints; made again with that" "$root/docs/blksim.1" "$out"
    if command -v groff >/dev/null; then
        groff -man -Tascii -ww "$out" >page 2>"$err"
        [ ! -s "$err" ]
        result $? "groff has nothing to say against it"
    else
        skip "groff reads the manual page" "groff is not installed"
    fi
fi

# A full stdout is an error, not silence.
"$BLKSIM" list a.scn >/dev/full 2>"$err"
[ $? -eq 3 ]
result $? "a full stdout is exit 3"

expect 0 "fmt" fmt a.scn
cp "$out" formatted.scn
expect 0 "fmt of its own output" fmt formatted.scn
same "fmt is stable" "$out" formatted.scn
printf 'case   x/y\nblockdev-add   driver=null-co   node-name=n0\n' >ugly.scn
expect 1 "fmt --check" fmt --check ugly.scn
out_has "ugly.scn" "the file is named"
expect 0 "fmt -w" fmt -w ugly.scn
expect 0 "fmt --check afterwards" fmt --check ugly.scn
expect 2 "fmt of a missing file" fmt no.scn
expect 2 "fmt without files" fmt
printf 'case x/bad\ndisk d0 sise=1M\n' >bad.scn
expect 2 "fmt of a bad script" fmt bad.scn
printf 'case a/b\nrun 1ms\n' >choices.scn
expect 2 "replay with choices that are none" replay choices.scn:a/b:::1.2.x
err_has "choices: '1.2.x' at column 1 is not STATEMENT.ACTOR.KIND.ORDINAL=VALUE" "they are named"
expect 0 "replay with a choice" replay choices.scn:a/b:::1.1.0.0=1
finish
