#!/bin/sh
# blksim qmp: real clients on sockets and pipes.
# shellcheck source=app/tap.sh
. "$(dirname "$0")/tap.sh"

# talk SOCKET <LINES: a client, or several.
#
#   open N [SOCKET]  connects      close N  goes        N> TEXT  sends a line (\xHH: a byte)
#   N                prints a line that came  "N< ..."  N -      nothing comes for 0.2 s
#   end N            the server has closed              N size   prints how long the line is
#   sleep S
cat >talk.pl <<'END_PERL'
use strict; use warnings;
use IO::Select; use IO::Socket::UNIX; use Time::HiRes;
$| = 1;
my ($default) = @ARGV;
my (%s, %in);
# A line of N; undef: none in time, or the end.
sub line {
    my ($n, $seconds) = @_;
    my $end = Time::HiRes::time() + $seconds;
    while ($in{$n} !~ /\n/) {
        my $left = $end - Time::HiRes::time();
        return undef if $left <= 0 || !IO::Select->new($s{$n})->can_read($left);
        sysread($s{$n}, $in{$n}, 1 << 20, length $in{$n}) or return undef;
    }
    $in{$n} =~ s/^(.*)\n// or die;
    return $1;
}
while (defined(my $l = <STDIN>)) {
    chomp $l;
    if ($l =~ /^open (\w+)(?: (\S+))?$/) {
        ($s{$1}, $in{$1}) = (IO::Socket::UNIX->new(Peer => $2 // $default), "");
        print "$1 cannot connect\n" if !$s{$1};
    } elsif ($l =~ /^close (\w+)$/) {
        close(delete $s{$1});
    } elsif ($l =~ /^sleep (\S+)$/) {
        Time::HiRes::sleep($1);
    } elsif ($l =~ /^end (\w+)$/) {
        my $name = $1;
        my $got = line($name, 10);
        my $left = defined $got ? 1 : sysread($s{$name}, my $rest, 1);
        print "$name ", defined $got ? "says $got" : $left ? "goes on" : "ended", "\n";
    } elsif ($l =~ /^(\w+)> ?(.*)$/) {
        my ($n, $text) = ($1, $2);
        $text =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
        $text =~ s/\{\{(\d+)\}\}/"x" x $1/ge;
        $text =~ s/\[\[(\d+)\]\]/"[" x $1/ge;
        print {$s{$n}} "$text\n";
        $s{$n}->flush;
    } elsif ($l =~ /^(\w+) -$/) {
        my $name = $1;
        my $got = line($name, 0.2);
        print "$name ", defined $got ? "says $got" : "is silent", "\n";
    } elsif ($l =~ /^(\w+)( size)?$/) {
        my ($n, $size) = ($1, $2);
        my $got = line($n, 20) // "nothing";
        $got = length($got) . " bytes" if $size;
        $got =~ s/"(?:micro)?seconds": \d+/"T"/g;
        $got =~ s/\r$//;
        print "$n< $got\n";
    } elsif ($l ne "") {
        die "talk: $l";
    }
}
END_PERL
talk()
{
    timeout 60 perl "$dir/talk.pl" "$1" >"$out" 2>"$err"
}

# serve ARGS...: a server in the background, once its last socket is there.
serve()
{
    rm -f s1 s2
    "$BLKSIM" qmp "$@" >server.out 2>server.err </dev/null &
    server=$!
    for last; do
        case $last in
        s[12]) socket=$last ;;
        esac
    done
    n=0
    while [ ! -S "$socket" ] && [ $n -lt 200 ] && kill -0 $server 2>/dev/null; do
        sleep 0.05
        n=$((n + 1))
    done
}
# over CODE NAME: the server has ended by itself.
over()
{
    n=0
    while kill -0 $server 2>/dev/null && [ $n -lt 200 ]; do
        sleep 0.05
        n=$((n + 1))
    done
    kill -9 $server 2>/dev/null && echo "# the server did not end"
    wait $server
    [ $? -eq "$1" ]
    result $? "$2"
}
# said NAME <TEXT: what the client printed.
said()
{
    cat >wanted
    if cmp -s wanted "$out"; then
        result 0 "$1"
    else
        diff -u wanted "$out" >"$err"
        result 1 "$1"
    fi
}

version='{"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2+dfsg-7+deb12u18+b3"}'
greeting="{\"QMP\": {\"version\": $version, \"capabilities\": [\"oob\"]}}"

# --- Greeting, negotiation, errors; two monitors; one client after the other.
serve --socket s1 --socket s2 --sim
talk s1 <<'END'
open a
a
open b s2
b
a> {"execute": "query-version", "id": 1} xx
a
a
a> {"execute": "qmp_capabilities", "arguments": {"enable": ["foo"]}}
a
a> {"execute": "qmp_capabilities"}
a
a> {"execute": "qmp_capabilities"}
a
a> {"exec-oob": "query-version"}
a
b> {'execute': 'blockdev-add', 'arguments': {'driver': 'null-co', 'node-name': 'n0'}}
b
b> {'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}}
b
b> {'execute': 'blockdev-add', 'arguments': {'driver': 'null-co', 'node-name': "n0"}, 'id': {"x": [1.5, null, "\u20ac\ud83d\ude00\u007f"]}}
b
b> {"exec-oob": "query-version", "id": 2} {"exec-oob": "yank", "arguments": {"instances": []}}
b
b
b> {"exec-oob": "yank", "arguments": {"instances": [{"type": "block-node", "node-name": "n0"}]}}
b
b> {"execute": "quit", "exec-oob": "quit"}
b
a> {"execute": "query-named-block-nodes", "arguments": {"flat": "x"}}
a
a -
close a
open a
a
a> {"execute": "query-version"}
a
END
said "greeting, negotiation, errors" <<END
a< $greeting
b< $greeting
a< {"id": 1, "error": {"class": "CommandNotFound", "desc": "Expecting capabilities negotiation with 'qmp_capabilities'"}}
a< {"error": {"class": "GenericError", "desc": "JSON parse error, invalid keyword 'xx'"}}
a< {"error": {"class": "GenericError", "desc": "Parameter 'null' does not accept value 'foo'"}}
a< {"return": {}}
a< {"error": {"class": "CommandNotFound", "desc": "Capabilities negotiation is already complete, command ignored"}}
a< {"error": {"class": "GenericError", "desc": "QMP input member 'exec-oob' is unexpected"}}
b< {"error": {"class": "CommandNotFound", "desc": "Expecting capabilities negotiation with 'qmp_capabilities'"}}
b< {"return": {}}
b< {"return": {}, "id": {"x": [1.5, null, "\\u20AC\\uD83D\\uDE00\\u007F"]}}
b< {"id": 2, "error": {"class": "GenericError", "desc": "The command query-version does not support OOB"}}
b< {"return": {}}
b< {"error": {"class": "DeviceNotFound", "desc": "Instance not found"}}
b< {"error": {"class": "GenericError", "desc": "QMP input member 'execute' clashes with 'exec-oob'"}}
a< {"error": {"class": "GenericError", "desc": "Invalid parameter type for 'flat', expected: boolean"}}
a is silent
a< $greeting
a< {"error": {"class": "CommandNotFound", "desc": "Expecting capabilities negotiation with 'qmp_capabilities'"}}
END

# --- One at a time: who comes second waits; events reach all that have negotiated; quit.
talk s1 <<'END'
open a
open b
a
b -
a> {"execute": "qmp_capabilities"}
a
open c s2
c
c> {"execute": "qmp_capabilities"}
c
a> {"execute": "block-set-write-threshold", "arguments": {"node-name": "n0", "write-threshold": 1}}
a
a> {"execute": "human-monitor-command", "arguments": {"command-line": "qemu-io n0 \"write 0 512\""}}
a
a
c
close a
b
b> {"execute": "qmp_capabilities"}
b
c> {"execute": "quit", "id": "bye"} {"execute": "query-version"}
c
c
end c
b
end b
END
said "several clients, events, quit" <<END
a< $greeting
b is silent
a< {"return": {}}
c< $greeting
c< {"return": {}}
a< {"return": {}}
a< {"timestamp": {"T", "T"}, "event": "BLOCK_WRITE_THRESHOLD", "data": {"node-name": "n0", "amount-exceeded": 511, "write-threshold": 1}}
a< {"return": ""}
c< {"timestamp": {"T", "T"}, "event": "BLOCK_WRITE_THRESHOLD", "data": {"node-name": "n0", "amount-exceeded": 511, "write-threshold": 1}}
b< $greeting
b< {"return": {}}
c< {"timestamp": {"T", "T"}, "event": "SHUTDOWN", "data": {"guest": false, "reason": "host-qmp-quit"}}
c< {"return": {}, "id": "bye"}
c ended
b< {"timestamp": {"T", "T"}, "event": "SHUTDOWN", "data": {"guest": false, "reason": "host-qmp-quit"}}
b ended
END
over 0 "quit ends the server"
grep -q '^wrote 512/512 bytes at offset 0$' server.out
result $? "qemu-io prints on the standard output"
[ ! -e s1 ] && [ ! -e s2 ]
result $? "and the sockets are gone"

# --- A command that takes time: what waits, what overtakes it, what goes with its client.
serve --clock real --socket s1
talk s1 <<'END'
open a
a
a> {"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}
a
a> {"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "n0"}}
a
a> {"execute": "human-monitor-command", "id": 1, "arguments": {"command-line": "qemu-io n0 \"sleep 700\""}} {"execute": "query-yank", "id": 2} {"exec-oob": "query-yank", "id": 3}
a
a -
a
a
a> {"execute": "human-monitor-command", "id": 4, "arguments": {"command-line": "qemu-io n0 \"sleep 700\""}} {"execute": "blockdev-del", "arguments": {"node-name": "n0"}}
sleep 0.2
close a
open b
b
b> {"execute": "qmp_capabilities"}
b
b
b> {"execute": "blockdev-del", "arguments": {"node-name": "n0"}}
b
b> {"execute": "human-monitor-command"
close b
open c
c
c> }
c
END
said "queue, out of band, disconnect" <<END
a< $greeting
a< {"return": {}}
a< {"return": {}}
a< {"return": [], "id": 3}
a is silent
a< {"return": "", "id": 1}
a< {"return": [], "id": 2}
b< $greeting
b< {"return": "", "id": 4}
b< {"return": {}}
b< {"return": {}}
c< $greeting
c< {"error": {"class": "GenericError", "desc": "JSON parse error, expecting value"}}
END
kill -TERM $server
over 0 "a signal ends it"
[ ! -s server.err ]
result $? "without a complaint"

# --- Bytes that are no JSON.  64 MiB is what one value may have.
serve --sim --socket s1
talk s1 <<'END'
open a
a
a> {"execute": "qmp_capabilities"}
a
a> \xff
a
a> {"execute": "query-version", "id": "\xc3\x28"}
a
a> {"execute": "query-version"} \xff {"execute": "query-version"}
a
a
a
a> {"execute": "x\xed\xa0\x80"}
a
a> [[1025]]
a
a> {"execute": "query-version"}
a
a -
a> {"execute": "blockdev-del", "arguments": {"node-name": "{{1000000}}"}}
a size
a> {"execute": "blockdev-del", "arguments": {"node-name": "{{67108863}}"}}
a
a
a
a> {"execute": "query-version", "id": 1}
a
a -
a> {"execute": "quit"}
a
a
end a
END
said "bad bytes" <<END
a< $greeting
a< {"return": {}}
a< {"error": {"class": "GenericError", "desc": "JSON parse error, stray '\\uFFFD'"}}
a< {"error": {"class": "GenericError", "desc": "JSON parse error, invalid UTF-8 sequence in string"}}
a< {"return": $version}
a< {"error": {"class": "GenericError", "desc": "JSON parse error, stray '\\uFFFD'"}}
a< {"return": $version}
a< {"error": {"class": "GenericError", "desc": "JSON parse error, invalid UTF-8 sequence in string"}}
a< {"error": {"class": "GenericError", "desc": "JSON nesting depth limit exceeded"}}
a< {"return": $version}
a is silent
a< 1072 bytes
a< {"error": {"class": "GenericError", "desc": "JSON token size limit exceeded"}}
a< {"error": {"class": "GenericError", "desc": "JSON parse error, expecting value"}}
a< {"error": {"class": "GenericError", "desc": "JSON parse error, expecting value"}}
a< {"return": $version, "id": 1}
a is silent
a< {"timestamp": {"T", "T"}, "event": "SHUTDOWN", "data": {"guest": false, "reason": "host-qmp-quit"}}
a< {"return": {}}
a ended
END
over 0 "the server is well"

finish
