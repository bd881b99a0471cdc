/* SPDX-License-Identifier: MIT */
/* What the parser makes of good scripts.  What it says of bad ones: script_check_test.c. */
#include "scenarios/script.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct script *parse(const char *text)
{
    struct strbuf errors = { 0 };
    struct script *s = script_parse("t.scn", text, strlen(text), &errors);
    assert_string_equal(strbuf_str(&errors), "");
    assert_non_null(s);
    strbuf_free(&errors);
    return s;
}

static const char *word(const struct script_stmt *stmt, size_t i)
{
    assert_true(i < stmt->words.len);
    return stmt->words.at[i].text;
}

static void test_a_whole_file(void **state)
{
    (void)state;
    struct script *s = parse("# about the file\n"
                             "case io/first\n"
                             "matrix bs=4k,64k\n"
                             "disk d0 size=1M\n"
                             "io hd0 write -P 0x11 0 ${bs}   # a word about it\n"
                             "    => ok\n"
                             "    data hd0 0+${bs} is 0x11\n"
                             "\n"
                             "case io/second\n"
                             "@async(w1) io hd0 flush => error \"no\"\n"
                             "wait w1\n"
                             "end\n");
    assert_int_equal(s->cases_len, 2);
    assert_string_equal(s->path, "t.scn");
    const struct script_case *a = &s->cases[0], *b = &s->cases[1];
    assert_string_equal(a->name, "io/first");
    assert_int_equal(a->line, 2);
    assert_string_equal(a->comments[0], "# about the file");
    assert_null(a->comments[1]);
    assert_int_equal(a->stmts_len, 2);
    assert_string_equal(word(&a->stmts[0], 0), "disk");
    assert_int_equal(a->stmts[1].line, 5);
    assert_int_equal(a->stmts[1].words.at[1].col, 4);
    assert_string_equal(a->stmts[1].tail, "# a word about it");
    assert_int_equal(a->stmts[1].expects_len, 2);
    assert_int_equal(a->stmts[1].expects[1].kind, EXPECT_DATA);
    assert_string_equal(a->stmts[1].expects[1].words.at[1].text, "0+${bs}");
    assert_false(a->ended);
    assert_true(b->ended);
    assert_string_equal(b->stmts[0].props[0].name, "async");
    assert_string_equal(b->stmts[0].props[0].arg, "w1");
    assert_true(b->stmts[0].expects[0].on_line);
    assert_string_equal(s->lines[8], "case io/second");
    script_free(s);
}

static void test_headers_fill_the_case(void **state)
{
    (void)state;
    struct script *s = parse("case a\n"
                             "matrix a=1,2 b=\"x,y\",'z \"',w\n"
                             "matrix c=\"\"\n"
                             "seeds 3..8\n"
                             "require qcow2 luks\n"
                             "model-only guest\n"
                             "timeout 10s steps=5000\n"
                             "group quick io\n"
                             "host posix\n"
                             "schedule seeded\n");
    const struct script_case *c = &s->cases[0];
    assert_int_equal(c->axes_len, 3);
    assert_string_equal(c->axes[1].key, "b");
    assert_int_equal(c->axes[1].len, 3);
    assert_string_equal(c->axes[1].values[0], "x,y");
    assert_string_equal(c->axes[1].values[1], "z \"");
    assert_string_equal(c->axes[1].values[2], "w");
    assert_string_equal(c->axes[2].values[0], "");
    assert_true(c->seeded);
    assert_int_equal(c->seed_first, 3);
    assert_int_equal(c->seed_last, 8);
    assert_int_equal(c->timeout_ns, 10000000000);
    assert_int_equal(c->timeout_steps, 5000);
    assert_int_equal(c->host, HOST_POSIX);
    assert_int_equal(c->schedule, SCHEDULE_SEEDED);
    assert_int_equal(script_header_find(c, "group")->words.len, 2);
    assert_string_equal(script_header_find(c, "model-only")->words.at[0].text, "guest");
    assert_null(script_header_find(c, "seed"));
    script_free(s);
}

static void test_quirks_are_expectations_of_versions(void **state)
{
    (void)state;
    struct script *s = parse("case a\n"
                             "x => error GenericError \"no\"\n"
                             "    quirk qemu=7.2 ok\n"
                             "    => quirk qemu>7.2 error /maybe/   # later\n"
                             "    quirk qemu=7.2 graph a -b-> c\n"
                             "io n read 0 1 => quirk qemu<9 aborts /Assertion `x' failed/\n");
    const struct script_expect *e = s->cases[0].stmts[0].expects;
    assert_int_equal(s->cases[0].stmts[0].expects_len, 4);
    assert_null(e[0].quirk);
    assert_string_equal(e[1].quirk, "qemu=7.2");
    assert_int_equal(e[1].kind, EXPECT_OK);
    assert_int_equal(e[1].words.len, 0);
    assert_string_equal(e[2].quirk, "qemu>7.2");
    assert_int_equal(e[2].kind, EXPECT_ERROR);
    assert_int_equal(e[2].words.at[0].form, WORD_REGEX);
    assert_string_equal(e[2].tail, "# later");
    assert_int_equal(e[3].kind, EXPECT_GRAPH);
    e = s->cases[0].stmts[1].expects;
    assert_int_equal(e->kind, EXPECT_ABORTS);
    assert_true(e->on_line);
    assert_string_equal(e->words.at[0].text, "/Assertion `x' failed/");
    script_free(s);
}

static void test_quotes_and_escapes(void **state)
{
    (void)state;
    struct script *s = parse("case a\n"
                             "io \"hd\" x \"a\\tb\\n\\\\\\\"\\x41\" "
                             "'raw \\n ${x}' k=\"v w\" \"\" a#b\n"
                             "x a=b=\"c d\" file='a\"b' n= url=json:{x}\n");
    const struct script_stmt *io = &s->cases[0].stmts[0], *x = &s->cases[0].stmts[1];
    assert_string_equal(word(io, 3), "a\tb\n\\\"A");
    assert_string_equal(word(io, 4), "raw \\n $${x}"); /* Ready for replacement. */
    assert_true(io->words.at[4].raw_quoted);
    assert_string_equal(word(io, 5), "k=v w");
    assert_int_equal(io->words.at[5].form, WORD_QUOTED);
    assert_string_equal(word(io, 6), "");
    assert_string_equal(word(io, 7), "a#b");
    assert_string_equal(word(x, 1), "a=b=c d");
    assert_string_equal(word(x, 2), "file=a\"b");
    assert_string_equal(word(x, 3), "n=");
    assert_string_equal(word(x, 4), "url=json:{x}");
    assert_int_equal(x->words.at[4].form, WORD_BARE);
    script_free(s);
}

static void test_json_stands_as_it_is(void **state)
{
    (void)state;
    struct script *s = parse("case a\n"
                             "matrix n=1,2\n"
                             "x a:={\"b\": [1, \"} #\"]} c:='\"q\"' d:=\"s\" e:=${n} # tail\n"
                             "    return {\"a\": [1, 2], \"b\": \"/x y/\"}\n"
                             "    return 5\n");
    const struct script_stmt *x = &s->cases[0].stmts[0];
    assert_int_equal(x->words.len, 5);
    assert_string_equal(word(x, 1), "a:={\"b\": [1, \"} #\"]}");
    assert_int_equal(x->words.at[1].form, WORD_JSON);
    assert_string_equal(word(x, 2), "c:=\"q\"");
    assert_string_equal(word(x, 3), "d:=\"s\"");
    assert_string_equal(x->tail, "# tail");
    assert_string_equal(x->expects[0].words.at[0].text, "{\"a\": [1, 2], \"b\": \"/x y/\"}");
    assert_int_equal(x->expects[0].words.len, 1);
    script_free(s);
}

static void test_a_backslash_continues_a_line(void **state)
{
    (void)state;
    struct script *s = parse("case a\n"
                             "x a=1 \\\n"
                             "  b=2\\\n"
                             "c:=[1, \\\n"
                             "2] => error \\\n"
                             "    GenericError\n"
                             "y\n");
    const struct script_stmt *x = &s->cases[0].stmts[0];
    assert_int_equal(s->cases[0].stmts_len, 2);
    assert_int_equal(x->words.len, 4);
    assert_string_equal(word(x, 2), "b=2");
    assert_string_equal(word(x, 3), "c:=[1,  2]");
    assert_int_equal(x->words.at[3].line, 4);
    assert_int_equal(x->expects[0].kind, EXPECT_ERROR);
    assert_int_equal(s->cases[0].stmts[1].line, 7);
    script_free(s);
}

static void test_a_comment_needs_white_space_before_it(void **state)
{
    (void)state;
    struct script *s = parse("case a # one\n"
                             "x node-name=#block1 b=\"# no\" # yes\n"
                             "\t# indented\n"
                             "\tok # three\n");
    const struct script_case *c = &s->cases[0];
    assert_string_equal(c->tail, "# one");
    assert_string_equal(word(&c->stmts[0], 1), "node-name=#block1");
    assert_string_equal(c->stmts[0].tail, "# yes");
    assert_string_equal(c->stmts[0].expects[0].comments[0], "# indented");
    assert_string_equal(c->stmts[0].expects[0].tail, "# three");
    script_free(s);
}

static void test_qmp_takes_the_rest_of_the_line(void **state)
{
    (void)state;
    struct script *s = parse("case a\n"
                             "qmp  {'execute': \"x\"} # => ${y} \\\n"
                             "    error CommandNotFound\n");
    const struct script_stmt *q = &s->cases[0].stmts[0];
    assert_string_equal(q->qmp_raw, "{'execute': \"x\"} # => ${y} \\");
    assert_int_equal(q->qmp_raw_len, strlen(q->qmp_raw));
    assert_int_equal(q->words.len, 1);
    assert_int_equal(q->expects_len, 1);
    script_free(s);
}

static void test_texts_and_expressions_of_errors(void **state)
{
    (void)state;
    struct script *s = parse("case a\n"
                             "x => error GenericError \"Node 'a' is in use\"\n"
                             "x => error /is busy: .*\\/x$/\n"
                             "x => error\n"
                             "io n read 0 4k => output \"read 4096\"\n"
                             "    output /ops; [0-9]+/\n");
    const struct script_case *c = &s->cases[0];
    assert_string_equal(c->stmts[0].expects[0].words.at[1].text, "Node 'a' is in use");
    assert_int_equal(c->stmts[0].expects[0].words.at[1].form, WORD_QUOTED);
    assert_string_equal(c->stmts[1].expects[0].words.at[0].text, "/is busy: .*\\/x$/");
    assert_int_equal(c->stmts[1].expects[0].words.at[0].form, WORD_REGEX);
    assert_int_equal(c->stmts[2].expects[0].words.len, 0);
    assert_int_equal(c->stmts[3].expects_len, 2);
    script_free(s);
}

static void test_ids_follow_the_statement_above(void **state)
{
    (void)state;
    struct script *s = parse("case a\nx\n@id(7) @real-only x\nx\n@id(9) x\ncase b\nx\n");
    const struct script_case *c = &s->cases[0];
    assert_int_equal(c->stmts[0].id, 1);
    assert_int_equal(c->stmts[1].id, 7);
    assert_int_equal(c->stmts[1].props_len, 1); /* @id is no property of its own. */
    assert_int_equal(c->stmts[2].id, 8);
    assert_int_equal(c->stmts[3].id, 9);
    assert_int_equal(s->cases[1].stmts[0].id, 1);
    script_free(s);
}

static void test_every_expectation_is_read(void **state)
{
    (void)state;
    struct script *s = parse("case a\n"
                             "@fail(nth=3 errno=ENOSPC op=write,flush disk=d0) x k=v\n"
                             "    event BLOCK_IO_ERROR device=a info.x=/b./ within=2ms\n"
                             "    no-event STOP\n"
                             "    data n 0+4k in 0x11|0 per=512\n"
                             "    data n 4k 4k is 0\n"
                             "    node n opt.size=1M ro:=true\n"
                             "    graph a -backing-> b [frozen]\n"
                             "    graph a -file-> b\n");
    const struct script_stmt *x = &s->cases[0].stmts[0];
    static const enum expect_kind kinds[] = { EXPECT_EVENT, EXPECT_NO_EVENT, EXPECT_DATA,
                                              EXPECT_DATA,  EXPECT_NODE,     EXPECT_GRAPH,
                                              EXPECT_GRAPH };
    assert_int_equal(x->expects_len, ARRAY_LEN(kinds));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_int_equal(x->expects[i].kind, kinds[i]);
    }
    assert_string_equal(script_prop_find(x, "fail")->arg,
                        "nth=3 errno=ENOSPC op=write,flush disk=d0");
    script_free(s);
}

static void test_every_world_verb_is_read(void **state)
{
    (void)state;
    struct script *s = parse(
        "case a\n"
        "matrix at=0,1M kind=error,hang\n"
        "disk d0 size=256M sector=512 physical=4k atomic=4k cache=volatile capacity=1G profile=hdd "
        "latency=100us fill=0xff\n"
        "disk d1 from=real/ext4.img cache=64k\n"
        "image raw a.img 64M\n"
        "load w1 n rw=randrw bs=512-64k mix=70 depth=16 count=2000 region=${at}+32M seed=${seed} "
        "verify=off flush=10 fua=on errors=ignore iothread=t0\n"
        "load w2 n rw=write runtime=10ms\n"
        "fault d0 error op=read,write at=${at}+4k nth=2 count=forever chance=500 errno=ENOSPC\n"
        "fault d0 delay delay=5ms name=slow\n"
        "fault d0 misdirect target=1M\n"
        "fault d0 short bytes=512\n"
        "fault d0 ${kind}\n"
        "fault d0 clear\n"
        "fault d0 clear slow\n"
        "fault d0 release slow\n"
        "power cut\n"
        "power on\n"
        "run 2ms\n"
        "run idle\n"
        "wait w1 within=1s\n"
        "wait w2\n"
        "clock advance 1s\n"
        "iothread t0\n"
        "export d0 out.img\n");
    assert_int_equal(s->cases[0].stmts_len, 22);
    script_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_file),
        cmocka_unit_test(test_headers_fill_the_case),
        cmocka_unit_test(test_quirks_are_expectations_of_versions),
        cmocka_unit_test(test_quotes_and_escapes),
        cmocka_unit_test(test_json_stands_as_it_is),
        cmocka_unit_test(test_a_backslash_continues_a_line),
        cmocka_unit_test(test_a_comment_needs_white_space_before_it),
        cmocka_unit_test(test_qmp_takes_the_rest_of_the_line),
        cmocka_unit_test(test_texts_and_expressions_of_errors),
        cmocka_unit_test(test_ids_follow_the_statement_above),
        cmocka_unit_test(test_every_expectation_is_read),
        cmocka_unit_test(test_every_world_verb_is_read),
    };
    return cmocka_run_group_tests_name("scenarios/script_parse", tests, NULL, NULL);
}
