#!/bin/sh
# check_ext4.sh [BLKSIM]: makes the file system of suites/real twice, runs the suite on it, and lets
# e2fsprogs judge what the cases exported.  BLKSIM: build/release/blksim unless given.
#
# Prints a line for each check and "N passed, N failed" at the end.  Exit status: 0 all passed;
# 1 something failed; 77 e2fsprogs is missing.
set -u
cd "$(dirname "$0")/../../.." || exit 1
PATH=$PATH:/usr/sbin:/sbin
blksim=${1:-build/release/blksim}
suite=scenarios/suites/real
image=build/real/ext4.img
first=4194304 bytes=4194304
passed=0 failed=0

# check NAME COMMAND...
check()
{
    title=$1
    shift
    if "$@" >"$out/log" 2>&1; then
        echo "ok   $title"
        passed=$((passed + 1))
    else
        echo "FAIL $title"
        sed 's/^/    /' "$out/log"
        failed=$((failed + 1))
    fi
}

# The bytes before, in and behind the window.
part()
{
    case $2 in
    before) head -c "$first" "$1" ;;
    window) tail -c +$((first + 1)) "$1" | head -c "$bytes" ;;
    behind) tail -c +$((first + bytes + 1)) "$1" ;;
    esac
}

same_part()
{
    part "$1" "$3" >"$out/part.1" && part "$2" "$3" >"$out/part.2" && cmp "$out/part.1" "$out/part.2"
}

other_part()
{
    ! same_part "$@"
}

# /data, read by e2fsprogs, has the bytes of the window in it.
data_has_window()
{
    debugfs -R "dump data $out/data" "$1" && [ "$(wc -c <"$out/data")" = 8388608 ] &&
        debugfs -R 'ex data' "$1" 2>/dev/null | awk -v block=$((first / 4096)) '
            $1 ~ /^[0-9]+\// { gsub(/[^0-9]+/, " "); n = split($0, w, " ")
                if (w[n - 2] <= block && block <= w[n - 1]) print w[n - 4] + block - w[n - 2] }' \
            >"$out/block" && part "$1" window >"$out/part.1" &&
        tail -c +$(($(cat "$out/block") * 4096 + 1)) "$out/data" | head -c "$bytes" >"$out/part.2" &&
        cmp "$out/part.1" "$out/part.2"
}

no_case_is_skipped()
{
    grep '^ok ' "$out/tap" && ! grep -i '# skip\|^not ok' "$out/tap"
}

mkdir -p build/real
out=$(mktemp -d build/real/check.XXXXXX) || exit 1
trap 'rm -rf "$out"' EXIT
trap 'exit 1' HUP INT TERM
$suite/make_ext4.sh "$out/one.img" || exit $?
check "the image is made" test -s "$out/one.img"
check "a second one has the same bytes" sh -c "sleep 1; $suite/make_ext4.sh '$out/two.img' &&
    cmp '$out/one.img' '$out/two.img'"
check "e2fsck finds it clean" e2fsck -fn "$out/one.img"
cmp -s "$out/one.img" $image || mv "$out/two.img" $image
before=$(cksum <$image)
mkdir "$out/export"
check "the suite passes" "$blksim" run -j1 --tap "$out/tap" --export "$out/export" $suite
check "no case is skipped" no_case_is_skipped
check "the image is untouched" test "$(cksum <$image)" = "$before"
for name in load-a load-b cut-1 cut-2 cut-3; do
    file=$out/export/ext4-$name.img
    check "$name: e2fsck finds it clean" e2fsck -fn "$file"
    check "$name: nothing before the window changed" same_part "$file" $image before
    check "$name: nothing behind the window changed" same_part "$file" $image behind
    check "$name: the window was written" other_part "$file" $image window
    check "$name: the file has what was written" data_has_window "$file"
done
check "both sides of blkverify are the same" cmp "$out/export/ext4-load-a.img" \
    "$out/export/ext4-load-b.img"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
