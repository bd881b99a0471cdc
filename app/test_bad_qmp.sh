#!/bin/sh
# blksim qmp: whatever a client sends that is wrong, it gets an error in QEMU's words, and the state
# that queries show is what it was.
# shellcheck source=app/tap.sh
. "$(dirname "$0")/tap.sh"

cat >world.scn <<'END'
case bad/world
iothread io0
image qcow2 top 1M
image qcow2 mid 1M
image raw base 1M
object-add qom-type=throttle-group id=tg limits.iops-total=100
blockdev-add driver=null-co node-name=n0 size=1M read-zeroes=true
blockdev-add driver=raw node-name=r0 file=n0
blockdev-add driver=null-co node-name=c0 size=1M
blockdev-add driver=null-co node-name=c1 size=1M
blockdev-add driver=quorum node-name=q0 vote-threshold=2 children.0=c0 children.1=c1
blockdev-add driver=throttle node-name=t0 throttle-group=tg file.driver=null-co file.node-name=tn
blockdev-add driver=file node-name=bf filename=base
blockdev-add driver=qcow2 node-name=mid file.driver=file file.filename=mid
blockdev-add driver=qcow2 node-name=top file.driver=file file.filename=top backing=mid
device_add driver=virtio-blk-pci id=vb drive=top
io vb write -P 1 0 64k
END

# bad.pl ask ITEMS >REQUESTS: each item, and all queries behind it.
# bad.pl judge ITEMS REPLIES: a line a test, "ok NAME" or "not ok NAME".
#
# An item is a request, then an indented line with the class and text of its error, in which * stands
# for anything.  In a request \xHH is a byte, <<TEXT*N>> is TEXT N times.
cat >bad.pl <<'END_PERL'
use strict; use warnings;
my ($what, $items, $replies) = @ARGV;
my @queries = ("x-debug-query-block-graph", "query-named-block-nodes", "query-block",
    "query-blockstats", "query-block-exports", "query-fdsets", "query-iothreads", "query-status",
    "query-commands");
my (@requests, @texts);
open(my $f, "<", $items) or die;
while (<$f>) {
    chomp;
    if (s/^ +//) { push @texts, $_; } elsif (/\S/ && !/^#/) { push @requests, $_; }
}
die "items" if @requests != @texts;
sub ask {
    my $n = shift;
    print map { qq({"execute": "$_", "id": "$n/$_"}\n) } @queries;
    print qq({"execute": "qom-get", "id": "$n/qom", "arguments": {"path": "/objects/tg", ),
        qq("property": "limits"}}\n);
}
if ($what eq "ask") {
    binmode STDOUT;
    print qq({"execute": "qmp_capabilities"}\n);
    ask(0);
    for my $i (0 .. $#requests) {
        my $request = $requests[$i];
        $request =~ s/<<(.*?)\*(\d+)>>/$1 x $2/ge;
        $request =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
        print $request, "\n";
        ask($i + 1);
    }
    exit;
}
my (%state, %errors, $n);
$n = 0;
open($f, "<", $replies) or die;
<$f>, <$f>;
while (<$f>) {
    s/\r?\n$//;
    if (s/, "id": "(\d+)\/([^"]*)"}$/}/) {
        ($n, $state{$1}{$2}) = ($1, $_);
    } else {
        push @{$errors{$n + 1}}, $_; # Behind the queries of one item comes the next.
    }
}
for my $i (1 .. @requests) {
    my $name = substr($requests[$i - 1], 0, 160);
    my $text = quotemeta $texts[$i - 1];
    $text =~ s/\\\*/.*/g;
    my ($class, $desc) = $text =~ /^(\w+)\\ (.*)$/ or die "text $i";
    my @got = @{$errors{$i} // []};
    my $said = grep { /^\{"error": \{"class": "$class", "desc": "$desc"\}\}$/ } @got;
    my $other = grep { !/^\{"error": / } @got;
    my $same = keys %{$state{$i} // {}} == @queries + 1;
    for my $q (keys %{$state{0}}) {
        $same &&= $state{0}{$q} eq $state{$i}{$q};
    }
    if ($said && !$other && $same) {
        print "ok $name\n";
    } else {
        print "not ok $name\n";
        print "# wanted $texts[$i - 1]\n" if !$said;
        print "# the state has changed\n" if !$same;
        print map { "# got " . substr($_, 0, 300) . "\n" } @got;
    }
}
END_PERL

# all_refused ITEMS NAME
all_refused()
{
    perl bad.pl ask "$1" >requests
    timeout 120 "$BLKSIM" qmp --world world.scn --check <requests >"$out" 2>"$err"
    result $? "$2: it ends well"
    [ ! -s "$err" ]
    result $? "$2: the oracles have nothing to say"
    perl bad.pl judge "$1" "$out" >judged
    : >"$out"
    while IFS= read -r line; do
        case $line in
        "ok "*) result 0 "$2: ${line#ok }" ;;
        "not ok "*) result 1 "$2: ${line#not ok }" ;;
        *) echo "$line" ;;
        esac
    done <judged
}

cat >json.txt <<'END'
# Broken off; \xff ends what is being read.
{"execute": "blockdev-del", "arguments": {"node-name": "r0"}\xff
    GenericError JSON parse error, *
{"execute": "blockdev-del", "arguments": {"node-name": "r0\xff
    GenericError JSON parse error, *
{"execute": "blockdev-del", "arguments": [\xff
    GenericError JSON parse error, *
# Not JSON.
nonsense
    GenericError JSON parse error, invalid keyword 'nonsense'
{"execute": "blockdev-del", "arguments": {"node-name": r0}}
    GenericError JSON parse error, *
{"execute": "blockdev-del", "arguments": {"node-name": "r0"},}
    GenericError JSON parse error, *
{"execute": "blockdev-del", "arguments": {"node-name" "r0"}}
    GenericError JSON parse error, missing : in object pair
{"execute": "blockdev-del", "execute": "blockdev-del", "arguments": {"node-name": "r0"}}
    GenericError JSON parse error, duplicate key
{"execute": "blockdev-del", "arguments": {"node-name": "r0", "node-name": "n0"}}
    GenericError JSON parse error, duplicate key
{"execute": %s}
    GenericError JSON parse error, *
# Not UTF-8.
{"execute": "blockdev-del", "arguments": {"node-name": "r\xc3("}}
    GenericError JSON parse error, invalid UTF-8 sequence in string
{"execute": "blockdev-del", "arguments": {"node-name": "\xed\xa0\x80"}}
    GenericError JSON parse error, invalid UTF-8 sequence in string
{"execute": "blockdev-del", "arguments": {"node-name": "\ud800"}}
    GenericError JSON parse error, \\ud800 is not a valid Unicode character
\xfe\xff
    GenericError JSON parse error, stray *
# Too deep, too long.
<<[*1100>>\xff
    GenericError JSON nesting depth limit exceeded
{"execute": "blockdev-add", "arguments": <<{"driver": "raw", "file": *10000>>{}<<}*10000>>}
    GenericError JSON nesting depth limit exceeded
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "<<x*1000000>>"}}
    GenericError Node name too long
END
all_refused json.txt json

# A string of 64 MiB, and a list of a million numbers.
cat >long.txt <<'END'
{"execute": "blockdev-del", "arguments": {"node-name": "<<x*67108864>>"}}
    GenericError JSON token size limit exceeded
[<<1,*1048576>>1]
    GenericError JSON token count limit exceeded
END
all_refused long.txt "too long"

# Unknown keys, wrong types, numbers out of range, names, cycles, what is not there or in use.
cat >requests.txt <<'END'
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "sise": 1}}
    GenericError Parameter 'sise' is unexpected
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": {"driver": "null-co", "sise": 1}}}
    GenericError Parameter 'file.sise' is unexpected
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": {"driver": "raw", "file": {"driver": "null-co", "sise": 1}}}}
    GenericError Parameter 'file.file.sise' is unexpected
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "cache": {"writeback": true}}}
    GenericError Parameter 'cache.writeback' is unexpected
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "file": "n0"}}
    GenericError Parameter 'file' is unexpected
{"execute": "blockdev-add", "arguments": {"driver": "qcow2", "node-name": "x", "file": "bf", "overlap-check": {"x": true}}}
    GenericError Parameter 'overlap-check.x' is unexpected
{"execute": "blockdev-del", "arguments": {"node-name": "r0", "force": true}}
    GenericError Parameter 'force' is unexpected
{"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "null-co", "node-name": "n0", "sise": 1}]}}
    GenericError Parameter 'options[0].sise' is unexpected
{"execute": "transaction", "arguments": {"actions": [], "properties": {"x": 1}}}
    GenericError Parameter 'properties.x' is unexpected
{"execute": "query-named-block-nodes", "arguments": {"flet": true}}
    GenericError Parameter 'flet' is unexpected
{"execute":"blockdev-del","arguments":{"node-name":"r0"},"extra":1}
    GenericError QMP input member 'extra' is unexpected
{"exec":"query-version"}
    GenericError QMP input member 'exec' is unexpected
{"execute":"query-version","exec-oob":"x"}
    GenericError QMP input member 'exec-oob' is unexpected
{"execute":"no-such-command"}
    CommandNotFound The command no-such-command has not been found
{"exec-oob":"blockdev-del","arguments":{"node-name":"r0"}}
    GenericError QMP input member 'exec-oob' is unexpected
{"execute":"blockdev-del","execute":"blockdev-del","arguments":{"node-name":"r0"}}
    GenericError JSON parse error, duplicate key
{"execute":"blockdev-del","arguments":{"node-name":"r0","node-name":"n0"}}
    GenericError JSON parse error, duplicate key
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "size": "1M"}}
    GenericError Invalid parameter type for 'size', expected: integer
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "size": 1.5}}
    GenericError Invalid parameter type for 'size', expected: integer
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "size": true}}
    GenericError Invalid parameter type for 'size', expected: integer
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "size": null}}
    GenericError Invalid parameter type for 'size', expected: integer
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "size": [1]}}
    GenericError Invalid parameter type for 'size', expected: integer
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "read-zeroes": "on"}}
    GenericError Invalid parameter type for 'read-zeroes', expected: boolean
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": 5}}
    GenericError Invalid parameter type for 'node-name', expected: string
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": null}}
    GenericError Invalid parameter type for 'node-name', expected: string
{"execute": "blockdev-add", "arguments": {"driver": 5}}
    GenericError Invalid parameter type for 'driver', expected: string
{"execute": "blockdev-add", "arguments": {"driver": null}}
    GenericError Invalid parameter type for 'driver', expected: string
{"execute": "blockdev-add", "arguments": {"driver": {"x": 1}}}
    GenericError Invalid parameter type for 'driver', expected: string
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": 5}}
    GenericError Invalid parameter type for 'file', expected: BlockdevRef
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": null}}
    GenericError Invalid parameter type for 'file', expected: BlockdevRef
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": ["n0"]}}
    GenericError Invalid parameter type for 'file', expected: BlockdevRef
{"execute": "blockdev-add", "arguments": {"driver": "quorum", "node-name": "x", "children": "n0", "vote-threshold": 1}}
    GenericError Invalid parameter type for 'children', expected: array
{"execute": "blockdev-add", "arguments": {"driver": "quorum", "node-name": "x", "children": ["n0", 5], "vote-threshold": 1}}
    GenericError Invalid parameter type for 'null', expected: BlockdevRef
{"execute": "blockdev-add", "arguments": {"driver": "quorum", "node-name": "x", "children": [{"driver": "null-co"}, {}], "vote-threshold": 1}}
    GenericError Parameter 'children[1].driver' is missing
{"execute": "blockdev-add", "arguments": {"driver": "qcow2", "node-name": "x", "file": "bf", "backing": 5}}
    GenericError Invalid parameter type for 'backing', expected: BlockdevRefOrNull
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "cache": []}}
    GenericError Invalid parameter type for 'cache', expected: object
{"execute":"blockdev-add","arguments":[]}
    GenericError QMP input member 'arguments' must be an object
{"execute":"blockdev-add","arguments":"x"}
    GenericError QMP input member 'arguments' must be an object
{"execute":"blockdev-add","arguments":null}
    GenericError QMP input member 'arguments' must be an object
{"execute":5}
    GenericError QMP input member 'execute' must be a string
{"execute":null}
    GenericError QMP input member 'execute' must be a string
[]
    GenericError QMP input must be a JSON object
5
    GenericError QMP input must be a JSON object
"x"
    GenericError QMP input must be a JSON object
null
    GenericError QMP input must be a JSON object
true
    GenericError QMP input must be a JSON object
{"execute": "blockdev-reopen", "arguments": {"options": {"driver": "null-co"}}}
    GenericError Invalid parameter type for 'options', expected: array
{"execute": "blockdev-reopen", "arguments": {"options": ["n0"]}}
    GenericError Invalid parameter type for 'options[0]', expected: object
{"execute": "transaction", "arguments": {"actions": [{"type": "no-such", "data": {}}]}}
    GenericError Parameter 'type' does not accept value 'no-such'
{"execute": "transaction", "arguments": {"actions": [{"type": "blockdev-snapshot", "data": {"node": "top"}}]}}
    GenericError Parameter 'actions[0].data.overlay' is missing
{"execute": "transaction", "arguments": {"actions": [{"type": "abort", "data": {}}]}}
    GenericError Transaction aborted using Abort action
{"execute": "object-add", "arguments": {"qom-type": "throttle-group", "id": "z", "limits": {"bps-total": "x"}}}
    GenericError Invalid parameter type for 'limits.bps-total', expected: integer
{"execute": "object-add", "arguments": {"qom-type": "throttle-group", "id": "z", "x-bps-total": -1}}
    GenericError Property values cannot be negative
{"execute": "block-set-write-threshold", "arguments": {"node-name": "n0", "write-threshold": "x"}}
    GenericError Parameter 'write-threshold' expects uint64
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "size": -1}}
    GenericError Parameter 'size' expects a non-negative number below 2^64
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "x", "latency-ns": -1}}
    GenericError latency-ns is invalid
{"execute":"blockdev-add","arguments":{"driver":"null-co","node-name":"x","size":9223372036854775808}}
    GenericError Invalid parameter type for 'size', expected: integer
{"execute":"blockdev-add","arguments":{"driver":"null-co","node-name":"x","size":99999999999999999999999}}
    GenericError Invalid parameter type for 'size', expected: integer
{"execute":"blockdev-add","arguments":{"driver":"null-co","node-name":"x","size":-9223372036854775809}}
    GenericError Invalid parameter type for 'size', expected: integer
{"execute":"blockdev-add","arguments":{"driver":"null-co","node-name":"x","size":1e400}}
    GenericError Invalid parameter type for 'size', expected: integer
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": "n0", "offset": -1}}
    GenericError Parameter 'offset' expects a non-negative number below 2^64
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": "n0", "offset": 1, "size": 1}}
    GenericError Specified size is not multiple of 512
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": "n0", "size": 2097152}}
    GenericError The sum of offset (0) and size (2097152) has to be smaller or equal to the  actual size of the containing file (1048576)
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": "n0", "size": 9223372036854775807}}
    GenericError The sum of offset (0) and size (9223372036854775807) has to be smaller or equal to the  actual size of the containing file (1048576)
{"execute": "blockdev-add", "arguments": {"driver": "blkdebug", "node-name": "x", "image": "n0", "align": 3}}
    GenericError Cannot meet constraints with align 3
{"execute": "blockdev-add", "arguments": {"driver": "blkdebug", "node-name": "x", "image": "n0", "align": 4294967296}}
    GenericError Cannot meet constraints with align 4294967296
{"execute": "blockdev-add", "arguments": {"driver": "blkdebug", "node-name": "x", "image": "n0", "max-transfer": 2147483648}}
    GenericError Parameter 'max-transfer' expects int32_t
{"execute": "blockdev-add", "arguments": {"driver": "blkdebug", "node-name": "x", "image": "n0", "inject-error": [{"event": "none", "errno": -1, "sector": "x"}]}}
    GenericError Invalid parameter type for 'inject-error[0].sector', expected: integer
{"execute": "blockdev-add", "arguments": {"driver": "blkdebug", "node-name": "x", "image": "n0", "inject-error": [{"event": "no-such"}]}}
    GenericError Parameter 'event' does not accept value 'no-such'
{"execute": "blockdev-add", "arguments": {"driver": "quorum", "node-name": "x", "children": ["n0"], "vote-threshold": 0}}
    GenericError Parameter 'vote-threshold' expects a value >= 1
{"execute": "blockdev-add", "arguments": {"driver": "quorum", "node-name": "x", "children": ["n0"], "vote-threshold": 2}}
    GenericError threshold may not exceed children count
{"execute": "blockdev-add", "arguments": {"driver": "qcow2", "node-name": "x", "file": "bf", "l2-cache-entry-size": 3}}
    GenericError Image is not in qcow2 format
{"execute": "block_resize", "arguments": {"node-name": "r0", "size": -1}}
    GenericError Parameter 'size' expects a >0 size
{"execute": "block_resize", "arguments": {"node-name": "q0", "size": 1}}
    GenericError Image format driver does not support resize
{"execute": "object-add", "arguments": {"qom-type": "throttle-group", "id": "z", "limits": {"bps-total": -1}}}
    GenericError bps/iops/max values must be within [0, 1000000000000000]
{"execute": "object-add", "arguments": {"qom-type": "throttle-group", "id": "z", "limits": {"iops-total": 1, "iops-read": 1}}}
    GenericError bps/iops/max total values and read/write values cannot be used at the same time
{"execute": "object-add", "arguments": {"qom-type": "throttle-group", "id": "z", "limits": {"iops-total-max": 1}}}
    GenericError bps_max/iops_max require corresponding bps/iops values
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "n0"}}
    GenericError Duplicate nodes with node-name='n0'
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "n0", "file": "c0"}}
    GenericError Duplicate nodes with node-name='n0'
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": {"driver": "null-co", "node-name": "x"}}}
    GenericError Duplicate nodes with node-name='x'
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": ""}}
    GenericError Invalid node-name: ''
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "1a"}}
    GenericError Invalid node-name: '1a'
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "-a"}}
    GenericError Invalid node-name: '-a'
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "a b"}}
    GenericError Invalid node-name: 'a b'
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "a/b"}}
    GenericError Invalid node-name: 'a/b'
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}
    GenericError Node name too long
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "#block001"}}
    GenericError Invalid node-name: '#block001'
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "\xc3\xa9"}}
    GenericError Invalid node-name: '\u00E9'
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "a,b"}}
    GenericError Invalid node-name: 'a,b'
{"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": ".x"}}
    GenericError Invalid node-name: '.x'
{"execute": "object-add", "arguments": {"qom-type": "iothread", "id": "1x"}}
    GenericError Parameter 'id' expects an identifier
{"execute": "object-add", "arguments": {"qom-type": "no-such", "id": "z"}}
    GenericError Parameter 'qom-type' does not accept value 'no-such'
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": "x"}}
    GenericError Cannot find device='x' nor node-name='x'
{"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "raw", "node-name": "r0", "file": "r0"}]}}
    GenericError Making 'r0' a file child of 'r0' would create a cycle
{"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "null-co", "node-name": "n0", "size": 1048576, "read-zeroes": true, "file": "r0"}]}}
    GenericError Parameter 'options[0].file' is unexpected
{"execute": "x-blockdev-change", "arguments": {"parent": "q0", "node": "q0"}}
    GenericError Making 'q0' a children.2 child of 'q0' would create a cycle
{"execute": "blockdev-snapshot", "arguments": {"node": "top", "overlay": "top"}}
    GenericError The overlay is already in use
{"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "qcow2", "node-name": "top", "file": "top"}]}}
    GenericError backing is missing for 'top'
{"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "throttle", "node-name": "t0", "file": "t0", "throttle-group": "tg"}]}}
    GenericError Making 't0' a file child of 't0' would create a cycle
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": "nope"}}
    GenericError Cannot find device='nope' nor node-name='nope'
{"execute": "blockdev-add", "arguments": {"driver": "qcow2", "node-name": "x", "file": "bf", "backing": "nope"}}
    GenericError Image is not in qcow2 format
{"execute": "blockdev-add", "arguments": {"driver": "quorum", "node-name": "x", "children": ["n0", "nope"], "vote-threshold": 1}}
    GenericError Cannot find device='nope' nor node-name='nope'
{"execute": "blockdev-add", "arguments": {"driver": "throttle", "node-name": "x", "file": "c0", "throttle-group": "nope"}}
    GenericError Throttle group 'nope' does not exist
{"execute": "blockdev-add", "arguments": {"driver": "blkverify", "node-name": "x", "raw": "n0", "test": "nope"}}
    GenericError Cannot find device='nope' nor node-name='nope'
{"execute": "blockdev-add", "arguments": {"driver": "copy-on-read", "node-name": "x", "file": "n0", "bottom": "nope"}}
    GenericError Bottom node 'nope' not found
{"execute": "blockdev-add", "arguments": {"driver": "no-such"}}
    GenericError Parameter 'driver' does not accept value 'no-such'
{"execute": "blockdev-add", "arguments": {"driver": "file", "node-name": "x", "filename": "no/such"}}
    GenericError Could not open 'no/such': No such file or directory
{"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "x", "file": {"driver": "blkdebug", "image": {"driver": "null-co"}, "config": "no.such"}}}
    GenericError Could not read blkdebug config file: No such file or directory
{"execute": "blockdev-del", "arguments": {"node-name": "nope"}}
    GenericError Failed to find node with node-name='nope'
{"execute": "blockdev-del", "arguments": {"node-name": "n0"}}
    GenericError Block device n0 is in use
{"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "null-co", "node-name": "nope"}]}}
    GenericError Failed to find node with node-name='nope'
{"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "raw", "node-name": "r0", "file": "nope"}]}}
    GenericError Cannot find device='' nor node-name='nope'
{"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "null-co", "node-name": "c0", "size": 1048576, "read-only": true}, {"driver": "raw", "node-name": "r0", "file": "nope"}]}}
    GenericError Cannot find device='' nor node-name='nope'
{"execute": "blockdev-snapshot", "arguments": {"node": "nope", "overlay": "top"}}
    GenericError Cannot find device='nope' nor node-name='nope'
{"execute": "blockdev-snapshot", "arguments": {"node": "r0", "overlay": "nope"}}
    GenericError Cannot find device='nope' nor node-name='nope'
{"execute": "blockdev-snapshot-sync", "arguments": {"node-name": "nope", "snapshot-file": "s"}}
    GenericError Cannot find device='' nor node-name='nope'
{"execute": "x-blockdev-change", "arguments": {"parent": "nope", "node": "n0"}}
    GenericError Cannot find device='nope' nor node-name='nope'
{"execute": "x-blockdev-change", "arguments": {"parent": "q0", "node": "nope"}}
    GenericError Node 'nope' not found
{"execute": "x-blockdev-change", "arguments": {"parent": "q0", "child": "nope"}}
    GenericError Node 'q0' does not have child 'nope'
{"execute": "change-backing-file", "arguments": {"device": "nope", "image-node-name": "top", "backing-file": "x"}}
    GenericError Cannot find device='nope' nor node-name='nope'
{"execute": "block_resize", "arguments": {"node-name": "nope", "size": 1}}
    GenericError Cannot find device='' nor node-name='nope'
{"execute": "block-set-write-threshold", "arguments": {"node-name": "nope", "write-threshold": 1}}
    GenericError Device 'nope' not found
{"execute": "x-blockdev-set-iothread", "arguments": {"node-name": "nope", "iothread": "io"}}
    GenericError Failed to find node with node-name='nope'
{"execute": "x-blockdev-set-iothread", "arguments": {"node-name": "r0", "iothread": "nope"}}
    GenericError Cannot find iothread nope
{"execute": "object-del", "arguments": {"id": "nope"}}
    GenericError object 'nope' not found
{"execute": "object-del", "arguments": {"id": "tg"}}
    GenericError object 'tg' is in use, can not be deleted
{"execute": "qom-get", "arguments": {"path": "/objects/nope", "property": "x"}}
    DeviceNotFound Device '/objects/nope' not found
{"execute": "qom-set", "arguments": {"path": "/objects/tg", "property": "nope", "value": 1}}
    GenericError Property 'throttle-group.nope' not found
{"execute": "qom-set", "arguments": {"path": "/objects/tg", "property": "limits", "value": {"bps-total": -1}}}
    GenericError bps/iops/max values must be within [0, 1000000000000000]
{"execute": "transaction", "arguments": {"actions": [{"type": "blockdev-snapshot", "data": {"node": "r0", "overlay": "top"}}, {"type": "blockdev-snapshot", "data": {"node": "nope", "overlay": "top"}}]}}
    GenericError The overlay is already in use
{"execute": "block-export-add", "arguments": {"type": "nbd", "id": "e", "node-name": "nope"}}
    GenericError Cannot find device='' nor node-name='nope'
{"execute": "block-export-del", "arguments": {"id": "nope"}}
    GenericError Export 'nope' is not found
{"execute": "remove-fd", "arguments": {"fdset-id": 7}}
    GenericError File descriptor named 'fdset-id:7' not found
{"execute": "add-fd", "arguments": {}}
    GenericError No file descriptor supplied via SCM_RIGHTS
{"execute": "blockdev-del", "arguments": {"node-name": "mid"}}
    GenericError Node 'mid' is busy: node is used as backing hd of 'top'
{"execute": "blockdev-del", "arguments": {"node-name": "top"}}
    GenericError Node top is in use
{"execute": "device_add", "arguments": {"driver": "virtio-blk-pci", "id": "vb", "drive": "r0"}}
    GenericError Duplicate device ID 'vb'
{"execute": "device_add", "arguments": {"driver": "virtio-blk-pci", "id": "vc", "drive": "nope"}}
    GenericError Property 'virtio-blk-device.drive' can't find value 'nope'
{"execute": "device_add", "arguments": {"driver": "virtio-blk-pci", "id": "vc", "drive": "top"}}
    GenericError Permission conflict on node 'top': permissions 'write' are both required by block device '/machine/peripheral/vb/virtio-backend' (uses node 'top' as 'root' child) and unshared by block device '/machine/peripheral/vc/virtio-backend' (uses node 'top' as 'root' child).
{"execute": "device_add", "arguments": {"driver": "no-such", "id": "vc"}}
    GenericError 'no-such' is not a valid device model name
{"execute": "device_add", "arguments": {"driver": "virtio-blk-pci", "id": "vc", "drive": "r0", "nope": 1}}
    GenericError Property 'virtio-blk-pci.nope' not found
{"execute": "device_del", "arguments": {"id": "nope"}}
    DeviceNotFound Device 'nope' not found
{"execute": "blockdev-open-tray", "arguments": {"id": "vb"}}
    GenericError Device does not have a block device backend
{"execute": "blockdev-open-tray", "arguments": {"id": "nope"}}
    DeviceNotFound Device 'nope' not found
{"execute": "blockdev-insert-medium", "arguments": {"id": "vb", "node-name": "r0"}}
    GenericError Device does not have a block device backend
{"execute": "blockdev-change-medium", "arguments": {"id": "vb", "filename": "no.such"}}
    GenericError Device does not have a block device backend
{"execute": "eject", "arguments": {"id": "vb"}}
    GenericError Device does not have a block device backend
{"execute": "eject", "arguments": {"id": "nope"}}
    DeviceNotFound Device 'nope' not found
{"execute": "block_set_io_throttle", "arguments": {"id": "nope", "bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}}
    DeviceNotFound Device 'nope' not found
{"execute": "block_set_io_throttle", "arguments": {"id": "vb", "bps": -1, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}}
    GenericError Device does not have a block device backend
{"execute": "block-latency-histogram-set", "arguments": {"id": "nope"}}
    DeviceNotFound Device 'nope' not found
{"execute": "block-latency-histogram-set", "arguments": {"id": "vb", "boundaries": [5, 1]}}
    GenericError Device does not have a block device backend
{"execute": "blockdev-snapshot", "arguments": {"node": "r0", "overlay": "mid"}}
    GenericError The overlay is already in use
{"execute": "blockdev-snapshot", "arguments": {"node": "top", "overlay": "mid"}}
    GenericError The overlay is already in use
{"execute": "transaction", "arguments": {"actions": [{"type": "blockdev-snapshot-sync", "data": {"node-name": "r0", "snapshot-file": "s0", "snapshot-node-name": "ov"}}, {"type": "abort", "data": {}}]}}
    GenericError Transaction aborted using Abort action
{"execute": "blockdev-snapshot-sync", "arguments": {"node-name": "r0", "snapshot-file": "no/such", "snapshot-node-name": "ov"}}
    GenericError Could not create 'no/such': No such file or directory
{"execute": "blockdev-snapshot-sync", "arguments": {"node-name": "r0", "snapshot-file": "s1", "snapshot-node-name": "n0"}}
    GenericError New overlay node-name already in use
{"execute": "blockdev-snapshot-sync", "arguments": {"node-name": "r0", "snapshot-file": "s1", "snapshot-node-name": "ov", "format": "no-such"}}
    GenericError Unknown file format 'no-such'
{"execute": "change-backing-file", "arguments": {"device": "top", "image-node-name": "n0", "backing-file": "x"}}
    GenericError not allowing backing file change on an image without a backing file
{"execute": "block_resize", "arguments": {"node-name": "top", "size": -5}}
    GenericError Parameter 'size' expects a >0 size
{"execute": "human-monitor-command", "arguments": {"command-lin": "info block"}}
    GenericError Parameter 'command-line' is missing
END
all_refused requests.txt request

# The same depths on the command line, where the monitor's limits are not in the way.
deep=$(awk 'BEGIN { for (i = 0; i < 10000; i++) printf "file." }')
expect 2 "10000 children in a row" qmp --sim -- -blockdev "driver=raw,node-name=x,${deep}driver=null-co"
err_has "has too many parts" "are too many"

finish
