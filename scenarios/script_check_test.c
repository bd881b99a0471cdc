/* SPDX-License-Identifier: MIT */
/* What is said of bad scripts: the place, what is wrong, what would be right. */
#include "scenarios/script.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void complain_n(const char *text, size_t n, const char *want)
{
    struct strbuf errors = { 0 };
    struct script *s = script_parse("f", text, n, &errors);
    assert_null(s);
    assert_string_equal(strbuf_str(&errors), want);
    strbuf_free(&errors);
}

static void complain(const char *text, const char *want)
{
    complain_n(text, strlen(text), want);
}

/* A single case: body begins in line 2.  want is part of the message. */
static void body(const char *body_text, const char *place, const char *want)
{
    struct strbuf text = { 0 }, errors = { 0 }, head = { 0 };
    strbuf_printf(&text, "case a\n%s\n", body_text);
    struct script *s = script_parse("f", text.text, text.len, &errors);
    strbuf_printf(&head, "f:%s: ", place);
    if (s != NULL || strncmp(strbuf_str(&errors), head.text, head.len) != 0 ||
        strstr(strbuf_str(&errors), want) == NULL ||
        strchr(strbuf_str(&errors), '\n')[1] != '\0') {
        fail_msg("%s\n-> %s\nwant %s ...%s", text.text, strbuf_str(&errors), head.text, want);
    }
    strbuf_free(&text);
    strbuf_free(&errors);
    strbuf_free(&head);
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    complain_n("case a\nx \0y", 11, "f:2:3: a NUL byte; scenario files are UTF-8 text\n");
    complain("case a\r\n", "f:1:7: a carriage return; lines end with LF alone, not with CR LF\n");
    complain("case a\nx k=\xff\n", "f:2:5: byte 0xff is not UTF-8; in a word write \"\\xff\"\n");
    complain("case \xc0\xaf", "f:1:6: byte 0xc0 is not UTF-8; in a word write \"\\xc0\"\n");
    complain("x \xed\xa0\x80", "f:1:3: byte 0xed is not UTF-8; in a word write \"\\xed\"\n");
    complain("x \xf4\x90\x80\x80", "f:1:3: byte 0xf4 is not UTF-8; in a word write \"\\xf4\"\n");
    complain("x \xe2\x82", "f:1:3: byte 0xe2 is not UTF-8; in a word write \"\\xe2\"\n");
    complain("case a\x07", "f:1:7: control character 0x07; in a word write \"\\x07\"\n");
    complain("\xef\xbb\xbf" "case a\n",
             "f:1:1: a byte order mark; scenario files are plain UTF-8\n");
    complain("", "f:1:1: the file has no `case`\n");
    complain("# only\n\n", "f:1:1: the file has no `case`\n");
}

static void test_lines_and_files_are_bounded(void **state)
{
    (void)state;
    size_t n = 10 << 20;
    char *text = mem_alloc(n);
    memset(text, 'a', n);
    complain_n(text, n, "f:1:1: the line has 10485760 bytes; 1048576 are allowed\n");
    memset(text, '\n', n);
    complain_n(text, n, "f:1048577:1: the file has more than 1048576 lines\n");
    free(text);
    n = SCRIPT_MAX_BYTES + 1;
    text = mem_alloc(n);
    memset(text, '\n', n);
    complain_n(text, n, "f:1:1: the file has more than 16777216 bytes\n");
    free(text);
}

static void test_errors_are_bounded(void **state)
{
    (void)state;
    struct strbuf text = { 0 }, errors = { 0 };
    strbuf_puts(&text, "case a\n");
    for (int i = 0; i < 100000; i++) {
        strbuf_puts(&text, "power off\n");
    }
    assert_null(script_parse("f", text.text, text.len, &errors));
    size_t lines = 0;
    for (const char *p = errors.text; (p = strchr(p, '\n')) != NULL; p++) {
        lines++;
    }
    assert_in_range(lines, SCRIPT_MAX_ERRORS, SCRIPT_MAX_ERRORS + 1);
    strbuf_free(&text);
    strbuf_free(&errors);
}

static void test_all_errors_of_a_file_are_told(void **state)
{
    (void)state;
    complain("case a\npower off\nrun\ncase a\n",
             "f:2:7: 'off' is not valid here; valid: cut, on\n"
             "f:3:1: DURATION|idle is missing; usage: run DURATION|idle\n"
             "f:4:6: the case 'a' is there already, in line 1\n");
}

static void test_structure(void **state)
{
    (void)state;
    complain("x a=1\ny\n    ok\ncase a\n", "f:1:1: 'x' stands before the first `case`\n");
    complain("end\n", "f:1:1: `end` without a case that is open\n");
    complain("case a\nend # a\n\nend # b\n", "f:4:1: `end` without a case that is open\n");
    complain("case a\nend x\n", "f:2:5: nothing stands behind `end`\n");
    complain("case a\nend\nx\n", "f:3:1: 'x' stands behind `end`; only a `case` may\n");
    complain("case\n", "f:1:5: usage: case NAME\n");
    complain("case a b\n", "f:1:8: unexpected 'b'; usage: case NAME\n");
    complain("case a!b\n",
             "f:1:6: 'a!b' is not a name (letters, digits and . _ + - / : #)\n");
    complain("case a\nrecover\nx\n",
             "f:2:1: 'recover' is known but not available in this version\n"
             "f:2:1: 'recover' has no `end`\n");
    complain("case a\nrecover\nx\nend\n",
             "f:2:1: 'recover' is known but not available in this version\n");
    body("    ok", "2:5", "an indented line is an expectation, and there is no statement above");
    body("ok", "2:1", "'ok' is an expectation: it stands indented below its statement");
    body("=> ok", "2:3", "=> stands behind a statement");
    body("x\n    run 2ms", "3:5", "a statement begins in column 1");
    body("x\nseed 1", "3:1", "'seed' is a header: it stands before the statements");
    complain("case a\n@x\nseed 1\n    ok\n",
             "f:2:3: a property stands before a statement, on its line\n"
             "f:3:1: 'seed' is a header: it stands before the statements\n");
    body("@async(a)", "2:10", "a property stands before a statement");
    body("@real-only matrix a=1", "2:18", "a property stands before a statement");
}

static void test_what_is_for_later_says_so(void **state)
{
    (void)state;
    body("explore crash at=write", "2:1", "'explore' is known but not available in this version");
    body("partition l0", "2:1", "'partition' is known but not available in this version");
    body("heal l0", "2:1", "'heal' is known but not available in this version");
    body("x\n    check n errors=0", "3:5", "'check' is known but not available in this version");
    body("image qed a 1M", "2:7", "'qed' is not valid here; valid: raw, qcow2");
}

static void test_jobs(void **state)
{
    (void)state;
    body("x\n    job j none status=ready", "3:16", "a job that is not there has no members");
    body("x\n    job", "3:5",
         "ID is missing; usage: job ID none|[KEY=VALUE...] [within=DURATION]");
    body("x\n    job j gone", "3:11", "'gone' is not valid here; valid: none");
    body("x\n    job j status=ready within=5", "3:24",
         "within: '5' is not a duration (500ns, 10us, 2ms, 1s)");
}

static void test_words(void **state)
{
    (void)state;
    body("x a=\"b", "2:5", "the quote is not closed in its line");
    body("x a='b\\\n'", "2:5", "the quote is not closed in its line");
    body("x a=b\"c\"", "2:6", "a quote inside a word");
    body("x a=\"b\"c", "2:8", "text behind the closing quote");
    body("x a=\"\\q\"", "2:6", "unknown escape; valid: \\n \\t \\\\ \\\" \\xHH");
    body("x a=\"\\x1\"", "2:6", "\\x takes two hexadecimal digits");
    body("x a=\"\\x00\"", "2:6", "\\x00: a word cannot hold a NUL byte");
    body("x a:={", "2:6", "a bracket of the JSON is not closed");
    body("x a:={\"b}", "2:7", "the JSON string is not closed in its line");
    body("x a:=[1,]", "2:3", "a: '[1,]' is not JSON: ");
    body("x a:=abc", "2:3", "a: 'abc' is not JSON: ");
    body("x a:={\"b\":1,\"b\":2}", "2:3", "duplicate object key");
    body("x a:='1 2'", "2:3", "is not JSON");
    body("x a:=", "2:3", "a: '' is not JSON");
    body("x => error /abc", "2:12", "the /re/ is not closed in its line");
    body("x => error /(/", "2:12", "bad regular expression /(/: ");
    body("x => ok => ok", "2:11", "further expectations stand indented below");
    body("x =>", "2:5", "an expectation is missing behind =>");
    body("@fail(nth=1 x", "2:6", "the ( is not closed in its line");
    body("@async(a)x", "2:10", "white space is needed behind a property");
}

static void test_mistyped_words_get_a_suggestion(void **state)
{
    (void)state;
    body("fualt d0 error", "2:7", "'d0' is not KEY=VALUE, and 'fualt' is no verb; verbs: args, "
                                  "qmp, io, disk, image, load, fault, power, "
                                  "run, wait, clock, iothread, "
                                  "export; did you mean 'fault'?");
    body("no!verb", "2:1", "'no!verb' is neither a verb nor a QMP command; verbs: ");
    body("disk d0 sice=1M", "2:9", "disk takes no 'sice'; valid: size, sector, physical, atomic, "
                                   "cache, capacity, profile, latency, from, fill; did you mean "
                                   "'size'?");
    body("disk d0 size=1M profile=nmve", "2:17", "profile: 'nmve' is not valid here; valid: null, "
                                                 "nvme, ssd, hdd, rdma, tcp; did you mean 'nvme'?");
    body("x\n    evnt STOP", "3:5", "unknown expectation 'evnt'; valid: ok, error, return, output, "
                                    "event, no-event, data, node, graph, job, aborts, quirk; "
                                    "did you mean 'event'?");
    body("@asinc(a) x", "2:1", "unknown property '@asinc'; valid: @async, @fail, @fd, @model-only, "
                               "@may-fail, @real-only, @id; did you mean '@async'?");
    body("@model-only(disk-falt) x", "2:1", "valid: disk-fault, virtual-time, crash, exploration, "
                                            "introspection, unavailable, guest, aborts, order; did "
                                            "you mean 'disk-fault'?");
    body("load reader n rw=read count=1\nwait raeder", "3:6", "did you mean 'reader'?");
    body("x => error GenericEror \"a\"", "2:12", "unknown error class 'GenericEror'; valid: "
         "GenericError, CommandNotFound, DeviceNotActive, DeviceNotFound, KVMMissingCap; did you "
         "mean 'GenericError'?");
}

static void test_variables(void **state)
{
    (void)state;
    body("matrix size=1,2\nx a=${sise}", "3:5", "unknown ${sise}; valid: size, seed; did you mean "
                                                "'size'?");
    body("x a=\"b ${c}\"", "2:8", "unknown ${c}; valid: seed");
    body("x a=${b", "2:5", "'${b' is not of the form ${name}; a literal ${ is written $${");
    body("x a=${}", "2:5", "'${' is not of the form ${name}");
    body("x => error \"${y}\"", "2:13", "unknown ${y}");
    body("@fail(nth=${y}) x", "2:11", "unknown ${y}");
    body("matrix s=1M,2X\ndisk d0 size=${s}", "3:9", "size: '2X' is not a size (512, 64k, 1M) "
                                                      "(with s=2X)");
    body("matrix j=1,[ k=2\nx a:=${j}${k}", "3:3", "a: '[2' is not JSON");
    body("matrix a=${b}", "2:8", "a header takes no ${x}");
    body("group ${b}", "2:7", "a header takes no ${x}");
    body("matrix seed=1,2", "2:8", "${seed} is the seed of the run");
}

static void test_headers(void **state)
{
    (void)state;
    body("matrix", "2:1", "usage: matrix KEY=VALUE");
    body("matrix a", "2:8", "matrix takes NAME=VALUE,VALUE...");
    body("matrix 1a=2", "2:8", "matrix takes NAME=VALUE,VALUE...");
    body("matrix a=1,", "2:12", "an empty value; write \"\" when it is meant");
    body("matrix a=1,1", "2:8", "'a' has the value '1' twice");
    body("matrix a=1 a=2", "2:12", "the matrix has 'a' already");
    body("matrix a=\"b\nx b=${a}", "2:10", "the quote is not closed");
    body("matrix a=\"b\"c", "2:13", "text behind the closing quote");
    body("seed x", "2:6", "'x' is not a whole number");
    body("seed 1\nseed 2", "3:1", "the case has 'seed' already, in line 2");
    body("seed 1\nseeds 1..2", "3:1", "the case has 'seed' already, in line 2");
    body("seeds 8..1", "2:7", "'8..1' is not a range of seeds (A..B, as 1..8)");
    body("seeds 0..99999999999", "2:7", "more than 1000000 seeds");
    body("timeout", "2:1", "timeout needs a duration, steps=, or both");
    body("timeout 5", "2:9", "'5' is not a duration (500ns, 10us, 2ms, 1s)");
    body("timeout 0", "2:9", "a timeout is not 0");
    body("timeout 1s stebs=1", "2:12", "timeout takes no 'stebs'; valid: steps; did you mean");
    body("host qemu", "2:6", "'qemu' is not valid here; valid: sim, posix");
    body("schedule random", "2:10", "'random' is not valid here; valid: fifo, seeded");
    body("quirk qemu=7.2 ok", "2:1", "'quirk' is an expectation: it stands indented below its");
    body("model-only", "2:1", "REASON is missing; usage: model-only REASON");
    body("model-only gest", "2:12", "model-only takes a reason; valid: disk-fault");
    body("model-only gest", "2:12", "order; did you mean 'guest'?");
    body("model-only guest order", "2:18", "unexpected 'order'; usage: model-only REASON");
    body("model-only guest\nmodel-only order", "3:1", "the case has 'model-only' already");
    body("model-only guest\n@real-only x", "3:1",
         "@real-only and model-only leave the statement out everywhere");
    body("group", "2:1", "NAME is missing; usage: group NAME...");
    body("require a b!", "2:11", "'b!' is not a name");
}

static void test_too_many_units(void **state)
{
    (void)state;
    struct strbuf text = { 0 };
    strbuf_puts(&text, "case a\nmatrix");
    for (char k = 'a'; k <= 't'; k++) {
        strbuf_printf(&text, " %c=0,1", k);
    }
    complain(text.text, "f:1:1: matrix and seeds make more than 1000000 runs of this case\n");
    strbuf_free(&text);
}

static void test_world_verbs(void **state)
{
    (void)state;
    body("disk size=1M", "2:6", "NAME is missing; usage: disk NAME");
    body("disk d0", "2:1", "disk needs size= or from=");
    body("disk d0 size=0", "2:9", "size: '0' is not a size of 1 or more");
    body("disk d0 size=1M size=2M", "2:17", "'size' is given twice");
    body("disk d0 1M", "2:9", "'1M' is not KEY=VALUE; usage: disk NAME");
    body("disk d0 size:=1", "2:9", "'size' takes no JSON; write size=VALUE");
    body("disk d0 size=9999E", "2:9", "is not a size: it is over 2^63-1");
    body("image raw a.img", "2:1", "SIZE is missing; usage: image raw|qcow2 NAME SIZE");
    body("image raw a.img 64M 1", "2:21", "'1' is not KEY=VALUE; usage: image");
    body("args", "2:1", "-OPTION is missing; usage: args -OPTION VALUE ...");
    body("image raw a 1M\nx\nargs -drive a", "4:1",
         "args stands before all that uses the block layer, and so before 'x' in line 3");
    body("args -drive a\nhost posix", "3:1", "'host' is a header: it stands before the statements");
    body("load w n rw=read", "2:1", "load needs one of count= and runtime=");
    body("load w n rw=read count=1 runtime=1s", "2:1", "load needs one of count= and runtime=");
    body("load w n count=1", "2:1", "load needs rw=; usage: load");
    body("load w n rw=read count=1 bs=8k-4k", "2:26", "the first is the larger one");
    body("load w n rw=read count=0", "2:18", "count: '0' is not a whole number of 1 or more");
    body("load w n rw=read count=1 mix=101", "2:26", "is not a whole number from 0 to 100");
    body("load w n rw=rw count=1\nload w n rw=rw count=1", "3:6",
         "the tag 'w' is taken, in line 2");
    body("fault d0 eror", "2:10", "did you mean 'error'?");
    body("fault d0 delay", "2:1", "fault 'delay' needs 'delay'");
    body("fault d0 lost errno=EIO", "2:1", "fault 'lost' takes no 'errno'");
    body("fault d0 error errno=EFOO", "2:16", "errno: 'EFOO' is not an error number");
    body("fault d0 error op=read,wirte", "2:16", "did you mean 'write'?");
    body("fault d0 error slow", "2:16", "'slow' is not KEY=VALUE; a rule's name is name=slow");
    body("fault d0 release", "2:1", "NAME is missing; usage: fault DISK release NAME");
    body("fault d0 clear nth=1", "2:16", "fault clear takes no keys");
    body("fault d0 error at=1M", "2:16", "at: '1M' is not a range");
    body("power", "2:1", "cut|on is missing");
    body("run 5", "2:5", "'5' is not a duration");
    body("run 1ms 2ms", "2:9", "unexpected '2ms'; usage: run DURATION|idle");
    body("wait w", "2:6", "no load and no @async statement above has the tag 'w'");
    body("clock set 1s", "2:7", "'set' is not valid here; valid: advance");
    body("io hd0", "2:1", "COMMAND is missing; usage: io NODE COMMAND WORD...");
    body("qmp", "2:1", "qmp needs something to send");
    body("host posix\ndisk d0 size=1M", "3:1",
         "'disk' needs `host sim`; this case has `host posix`");
    body("host posix\n@fail(nth=1) x", "3:1", "'@fail' needs `host sim`");
    body("host posix\nexport a b", "3:1", "'export' needs `host sim`");
    body("disk d0 size=1M from=a fill=1", "2:1", "disk takes one of from= and fill=");
    body("x a", "2:3", "'a' is not KEY=VALUE, and 'x' is no verb");
    body("x a=1 a=2", "2:7", "'a' is given twice");
}

static void test_properties(void **state)
{
    (void)state;
    body("@async(a) run 1s", "2:1", "@async is not for this statement");
    body("@async() x", "2:8", "@async: '' is not a name");
    body("@async(a) @async(b) x", "2:11", "@async is given twice");
    body("@async(a) x\n@async(a) x", "3:1", "the tag 'a' is taken, in line 2");
    body("@fail(nth=0) x", "2:7", "nth: '0' is not a whole number of 1 or more");
    body("@fd() x", "2:1", "FILE is missing; usage: @fd(FILE [ro|rw])");
    body("@fd(a.img wo) x", "2:11", "'wo' is not valid here; valid: ro, rw");
    body("@fd(a.img) io n read 0 1", "2:1", "@fd is not for this statement");
    body("@fail(x) x", "2:7", "'x' is not KEY=VALUE; usage: @fail(KEY=VALUE...)");
    body("@model-only x", "2:1", "@model-only takes a reason; valid: disk-fault");
    body("@may-fail x", "2:1", "@may-fail is not compared: it needs @model-only");
    body("@real-only(x) x", "2:1", "@real-only takes nothing in ( )");
    body("@real-only @model-only(crash) x", "2:1", "leave the statement out everywhere");
    body("@id(0) x", "2:1", "@id takes a number from 1 to 1000000000");
    body("x\n@id(1) x", "3:1", "@id(1): ids rise; the statement above has 1");
}

static void test_expectations(void **state)
{
    (void)state;
    body("x => return {", "2:13", "a bracket of the JSON is not closed");
    body("x => return", "2:6", "usage: return JSON");
    body("x => return {} 1", "2:16", "unexpected '1'; usage: return JSON");
    body("x => return \"/(/\"", "2:13", "bad regular expression");
    body("io n read 0 1 => return {}", "2:18", "'return' is not for this statement");
    body("io n read 0 1 => error GenericError", "2:24", "only a QMP command has an error class");
    body("x => error \"a\" \"b\"", "2:16", "unexpected 'b'; usage: error");
    body("x => error GenericError text", "2:25", "'text' is written \"text\" or /re/");
    body("x => ok\n    error", "3:5", "this contradicts the expectation of line 2");
    body("x => error\n    => return {}", "3:8", "this contradicts the expectation of line 2");
    body("x => ok fine", "2:9", "unexpected 'fine'; usage: ok");
    body("x\n    data n 0+1 is", "3:5", "PATTERN is missing; usage: data");
    body("x\n    data n 0+1 was 0", "3:16", "'was' is not valid here; valid: is, in");
    body("x\n    data n 0+1 is 0|1", "3:19", "`is` takes one byte; `in` takes several");
    body("x\n    data n 0+1 is 0 per=1", "3:21", "per= belongs to `in`");
    body("x\n    data n 0+1 in 0|256", "3:19", "is not a pattern");
    body("x\n    data n 0 0 is 0", "3:14", "'0' is not a size of 1 or more");
    body("x\n    graph a backing b", "3:13", "'backing' is not an edge (-backing->)");
    body("x\n    graph a -b-> c frozen", "3:20", "'frozen' is not [frozen]");
    body("x\n    graph a", "3:5", "-CHILD-> is missing; usage: graph");
    body("x\n    event", "3:5", "NAME is missing; usage: event");
    body("x\n    event E within=5", "3:13", "within: '5' is not a duration");
    body("x\n    event E a=/(/", "3:13", "bad regular expression");
    body("x\n    node n x", "3:12", "'x' is not KEY=VALUE; usage: node");
}

static void test_quirks(void **state)
{
    (void)state;
    body("x => aborts /a/", "2:6", "'aborts' stands only behind quirk: quirk qemu=7.2 aborts /RE/");
    body("x => quirk", "2:11", "usage: quirk CONDITION EXPECTATION...");
    body("x\n    quirk qemu=7.2", "3:19", "usage: quirk CONDITION EXPECTATION...");
    body("x\n    quirk qemu-7 ok", "3:11", "'qemu-7' is not a condition: qemu, one of < <= = >= >");
    body("x\n    quirk qemu<0 ok", "3:11", "'qemu<0' is a condition that no version meets");
    body("matrix v=7.2\nx\n    quirk qemu=${v} ok", "4:11", "'qemu=${v}' is not a condition");
    body("x\n    quirk ok qemu=7.2", "3:11", "'ok' is not a condition");
    body("x\n    quirk qemu=7.2 eror", "3:20", "'eror' does not stand behind quirk; valid: ok, ");
    body("x\n    quirk qemu=7.2 eror", "3:20", "; did you mean 'error'?");
    body("x\n    quirk qemu=7.2 event E", "3:20", "'event' does not stand behind quirk");
    body("x\n    quirk qemu=7.2 quirk qemu=7.2 ok", "3:20", "'quirk' does not stand behind quirk");
    body("x\n    quirk qemu=7.2 => ok", "3:22", "usage: quirk CONDITION");
    body("x\n    quirk qemu=7.2 ok fine", "3:23", "unexpected 'fine'; usage: ok");
    body("x\n    quirk qemu=7.2 aborts", "3:20", "usage: aborts /RE/");
    body("x\n    quirk qemu=7.2 aborts \"a\"", "3:27", "'a' is written /re/");
    body("x\n    quirk qemu=7.2 aborts //", "3:27", "'//' matches everything");
    body("x\n    quirk qemu=7.2 aborts /(/", "3:27", "bad regular expression");
    body("x\n    quirk qemu=7.2 aborts /a/ /b/", "3:31", "unexpected '/b/'; usage: aborts /RE/");
    body("x\n    quirk qemu=7.2 node n opt.a=1", "3:27", "that does not show 'opt.a=1'");
    body("x\n    quirk qemu=7.2 graph a -b-> c [frozen]", "3:35", "that does not show '[frozen]'");
    body("io n read 0 1\n    quirk qemu=7.2 return {}", "3:20", "'return' is not for this");
    body("x\n    quirk qemu=7.2 error \"${y}\"", "3:27", "unknown ${y}; valid: seed");
    body("@model-only(guest) x\n    quirk qemu=7.2 ok", "3:20",
         "a quirk is of the real QEMU, and on that this statement is left out");
    body("model-only guest\nx\n    quirk qemu=7.2 ok", "4:20", "on that this statement is left");
    body("x\n    quirk qemu=7.2 ok\n    quirk qemu<=7.2.22 error", "4:24",
         "a version has one quirk of a statement's outcome, and 'qemu=7.2' of line 3 overlaps");
    body("x\n    quirk qemu=7.2 aborts /a/\n    quirk qemu=7.2 graph a -b-> c", "4:20",
         "'qemu=7.2' of line 3 overlaps");
}

/* What a quirk says contradicts what the others expect: that is its sense. */
static void test_quirks_beside_others(void **state)
{
    (void)state;
    static const char text[] = "case a\n"
                               "x => error\n"
                               "    quirk qemu=7.2 ok\n"
                               "    quirk qemu=7.2 graph a -b-> c\n"
                               "    quirk qemu=7.2 data n 0+1 is 1\n"
                               "    quirk qemu>=8 return {}\n"
                               "x => return {}\n"
                               "    quirk qemu<7.2 aborts /a/\n"
                               "    quirk qemu=7.2 error\n";
    struct strbuf errors = { 0 };
    struct script *s = script_parse("f", text, sizeof(text) - 1, &errors);
    assert_string_equal(strbuf_str(&errors), "");
    script_free(s);
    strbuf_free(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_lines_and_files_are_bounded),
        cmocka_unit_test(test_errors_are_bounded),
        cmocka_unit_test(test_all_errors_of_a_file_are_told),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_what_is_for_later_says_so),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_mistyped_words_get_a_suggestion),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_too_many_units),
        cmocka_unit_test(test_world_verbs),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_quirks),
        cmocka_unit_test(test_quirks_beside_others),
    };
    return cmocka_run_group_tests_name("scenarios/script_check", tests, NULL, NULL);
}
