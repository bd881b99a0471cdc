# shellcheck shell=sh
# What the shell tests of the program share: `. app/tap.sh`, then tests, then `finish`.
#
#   BLKSIM    the program (build/release/blksim)
#   $dir      a private folder, removed at the end; tests run in it
#   $out $err what the last `expect` printed
#
# Output is TAP 13; the exit status is 1 when a test failed.

root=$(cd "$(dirname "$0")/.." && pwd)
: "${BLKSIM:=$root/build/release/blksim}"
case $BLKSIM in
/*) ;;
*) BLKSIM=$PWD/$BLKSIM ;;
esac
if [ ! -x "$BLKSIM" ]; then
    echo "Bail out! $BLKSIM is not there; run make first"
    exit 1
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/blksim-test-XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1
mkdir tmp
TMPDIR=$dir/tmp
export TMPDIR
unset NO_COLOR COLUMNS
out=$dir/out
err=$dir/err
tests=0
bad=0
echo "TAP version 13"

# result STATUS NAME: one test.
result()
{
    tests=$((tests + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tests - $2"
    else
        bad=$((bad + 1))
        echo "not ok $tests - $2"
        sed 's/^/# stdout: /' "$out" 2>/dev/null
        sed 's/^/# stderr: /' "$err" 2>/dev/null
    fi
}

# skip NAME REASON
skip()
{
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# expect CODE NAME ARGS...: runs blksim; the test is its exit status.
expect()
{
    code=$1
    name=$2
    shift 2
    timeout 120 "$BLKSIM" "$@" >"$out" 2>"$err" </dev/null
    status=$?
    [ "$status" -eq "$code" ]
    result $? "$name (exit $status, expected $code)"
}

# out_has TEXT NAME, err_has TEXT NAME, out_hasnt TEXT NAME: fixed strings.
out_has()
{
    grep -qF -e "$1" "$out"
    result $? "$2"
}
out_hasnt()
{
    ! grep -qF -e "$1" "$out"
    result $? "$2"
}
err_has()
{
    grep -qF -e "$1" "$err"
    result $? "$2"
}

# same NAME FILE FILE
same()
{
    cmp -s "$2" "$3"
    result $? "$1"
}

finish()
{
    echo "1..$tests"
    [ "$bad" -eq 0 ]
    exit $?
}
