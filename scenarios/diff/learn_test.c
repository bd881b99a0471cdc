/* SPDX-License-Identifier: MIT */
/* Canned answers of a reference become the expectations that a person would write. */
#include "scenarios/diff/learn.h"

#include "base/mem.h"
#include "scenarios/diff/learn_private.h"
#include "scenarios/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A script with what was seen of it. */
struct fixture {
    struct script *script;
    struct record at[3];
    size_t len;
    struct strbuf notes;
    size_t changed;
};

static void begin(struct fixture *f, const char *text, size_t records)
{
    struct strbuf errors = { 0 };
    *f = (struct fixture){ .len = records };
    f->script = script_parse("t.scn", text, strlen(text), &errors);
    if (f->script == NULL) {
        fail_msg("%s", strbuf_str(&errors));
    }
    strbuf_free(&errors);
    for (size_t i = 0; i < records; i++) {
        record_init(&f->at[i], "qemu");
        f->at[i].files = mem_strdup("/tmp/blksim.x1");
    }
}

/* The next statement of that record, done. */
static struct record_stmt *saw(struct fixture *f, size_t record)
{
    struct record *r = &f->at[record];
    const struct script_stmt *stmt = &f->script->cases[0].stmts[r->len];
    assert_true(r->len < f->script->cases[0].stmts_len);
    return record_add(r, stmt->id, stmt->line, stmt->words.at[0].text, "");
}

static void replied(struct fixture *f, size_t record, const char *json)
{
    struct record_stmt *s = saw(f, record);
    s->reply = json_loads(json, 0, NULL);
    assert_non_null(s->reply);
}

static void printed(struct fixture *f, bool failed, const char *text)
{
    struct record_stmt *s = saw(f, 0);
    s->failed = failed;
    s->output = mem_strdup(text);
}

static void came(struct fixture *f, const char *json)
{
    json_t *event = json_loads(json, 0, NULL);
    assert_non_null(event);
    json_array_append_new(f->at[0].at[f->at[0].len - 1].events, event);
}

/* Learns, and compares the new text; it must parse, and learning again must change nothing. */
static void end(struct fixture *f, const char *want, const char *notes)
{
    struct strbuf text = { 0 }, errors = { 0 }, again = { 0 };
    f->changed = learn_case(f->script, &f->script->cases[0], f->at, f->len, &f->notes);
    script_format(f->script, &text);
    assert_string_equal(strbuf_str(&text), want);
    assert_string_equal(strbuf_str(&f->notes), notes);
    struct script *s = script_parse("t.scn", text.text, text.len, &errors);
    assert_string_equal(strbuf_str(&errors), "");
    assert_int_equal(learn_case(s, &s->cases[0], f->at, f->len, &again), 0);
    script_free(s);
    script_free(f->script);
    for (size_t i = 0; i < f->len; i++) {
        record_fini(&f->at[i]);
    }
    strbuf_free(&f->notes);
    strbuf_free(&text);
    strbuf_free(&errors);
    strbuf_free(&again);
}

static void test_errors_and_nothing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "case a\nblockdev-add driver=x\nblockdev-del node-name=b\nio n read 0 1k\n"
              "io n write -P 1 0 64k\nio n foo\nimage raw d 1M\ndisk d size=1M\nblockdev-add "
              "driver=null-co "
              "node-name=n0 size=1M read-zeroes=true\nqmp {'execute': 'x'}\n", 1);
    replied(&f, 0, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'driver' does "
                   "not accept value 'x'\"}}");
    replied(&f, 0, "{\"return\": {}}");
    printed(&f, true, "read failed: Input/output error\n");
    printed(&f, false, "wrote 65536/65536 bytes at offset 0\n64 KiB, 1 ops; 0:00:01.04 (1.2 "
                       "GiB/sec "
                       "and 19305.0193 ops/sec)\n");
    printed(&f, true, "command \"foo\" not found\n");
    printed(&f, true, "warning: something\nthere is a disk 'd' already\n");
    printed(&f, true, "what the world says is not the reference's\n");
    replied(&f, 0, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Duplicate nodes with "
                   "node-name='n0'\"}}");
    replied(&f, 0, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command x has not "
                   "been found\"}}");
    end(&f, "case a\n"
            "blockdev-add driver=x => error GenericError \"Parameter 'driver' does not accept "
            "value "
            "'x'\"\n"
            "blockdev-del node-name=b\n"
            "io n read 0 1k => error \"read failed: Input/output error\"\n"
            "io n write -P 1 0 64k\n"
            "io n foo => error 'command \"foo\" not found'\n"
            "image raw d 1M => error \"there is a disk 'd' already\"\n"
            "    => output \"warning: something\"\n"
            "disk d size=1M\n"
            "blockdev-add driver=null-co node-name=n0 size=1M read-zeroes=true\n"
            "    => error GenericError \"Duplicate nodes with node-name='n0'\"\n"
            "qmp {'execute': 'x'}\n"
            "    => error CommandNotFound \"The command x has not been found\"\n", "");
}

static void test_what_varies_becomes_an_expression(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "case a\nblockdev-del node-name=a\nx\nx\nx\nquery-block\nio n info\n", 1);
    replied(&f, 0, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Node '#block123' is busy "
                   "(a/b): [x]*?\"}}");
    replied(&f, 0, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Could not open "
                   "'/tmp/blksim.x1/a.img': No\"}}");
    replied(&f, 0, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"'/var/tmp/vl.aB3xYz' and "
                   "#blocks of vl.x\"}}");
    replied(&f, 0, "{\"return\": {\"name\": \"#block7\", \"path\": \"/dev/\", \"n\": 1}}");
    replied(&f, 0, "{\"return\": [{\"file\": \"#block7 ${x}\"}]}");
    printed(&f, false, "format name: #block071\n");
    end(&f, "case a\n"
            "blockdev-del node-name=a => error GenericError /^Node '#block[0-9]+' is busy "
            "\\(a\\/b\\): "
            "\\[x\\]\\*\\?$/\n"
            "x => error GenericError /^Could not open '.*\\/a\\.img': No$/\n"
            "x => error GenericError /^'\\/var\\/tmp\\/vl\\.[A-Za-z0-9]+' and #blocks of vl\\.x$/\n"
            "x => return {\"name\": \"/^#block[0-9]+$/\", \"path\": \"/^\\\\/dev\\\\/$/\", "
            "\"n\": 1}\n"
            "query-block => return [{\"file\": \"/^#block[0-9]+ \\\\$\\\\{x\\\\}$/\"}]\n"
            "io n info => output /format name: #block[0-9]+/\n", "");
}

static void test_replies_are_cut_down(void **state)
{
    (void)state;
    struct fixture f;
    struct strbuf long_list = { 0 };
    strbuf_puts(&long_list, "{\"return\": [");
    for (int i = 0; i < 300; i++) {
        strbuf_printf(&long_list, "%s{\"name\": \"command-%d\"}", i > 0 ? ", " : "", i);
    }
    strbuf_puts(&long_list, "]}");
    begin(&f, "case a\nadd-fd\nquery-iothreads\nquery-fdsets\nhuman-monitor-command\n"
              "query-named-block-nodes\nquery-block\nquery-commands\n", 1);
    replied(&f, 0, "{\"return\": {\"fdset-id\": 0, \"fd\": 12}}");
    replied(&f, 0, "{\"return\": [{\"id\": \"t0\", \"thread-id\": 4711, \"poll-max-ns\": 32768, "
                   "\"poll-grow\": 0}]}");
    replied(&f, 0, "{\"return\": []}");
    replied(&f, 0, "{\"return\": \"\"}");
    replied(&f, 0, "{\"return\": [{\"node-name\": \"n\", \"drv\": \"raw\", \"ro\": false, "
                   "\"iops\": 0, "
                   "\"file\": \"a\", \"cache\": {\"direct\": false, \"writeback\": true}, "
                   "\"image\": "
                   "{\"filename\": \"a\", \"format\": \"raw\", \"virtual-size\": 512, "
                   "\"actual-size\": "
                   "4096}, \"encrypted\": false, \"detect_zeroes\": \"off\"}]}");
    char *block = mem_printf("{\"return\": [{\"device\": \"d\", \"inserted\": {\"file\": "
                             "\"%0*d\"}}, "
                             "{\"device\": \"\", \"qdev\": \"sd0\"}]}", 400, 7);
    replied(&f, 0, block);
    replied(&f, 0, long_list.text);
    end(&f, "case a\n"
            "add-fd => return {\"fdset-id\": 0}\n"
            "query-iothreads => return [{\"id\": \"t0\", \"poll-max-ns\": 32768, \"poll-grow\": "
            "0}]\n"
            "query-fdsets => return []\n"
            "human-monitor-command\n"
            "query-named-block-nodes\n"
            "    => return [{\"node-name\": \"n\", \"drv\": \"raw\", \"file\": \"a\", \"image\": "
            "{\"virtual-size\": 512}}]\n"
            "query-block => return [{\"device\": \"d\"}, {\"qdev\": \"sd0\"}]\n"
            "query-commands\n",
            "t.scn:8: the reply is too long to be an expectation\n");
    free(block);
    strbuf_free(&long_list);
}

static void test_events_and_output(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "case a\ncont\ndevice_del id=d\nio n map\nio n length\nio n write 0 1\n", 1);
    replied(&f, 0, "{\"return\": {}}");
    came(&f, "{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"\", \"node-name\": \"n0\", "
             "\"operation\": \"write\", \"action\": \"stop\", \"nospace\": false, \"reason\": "
             "\"I/O\"}, "
             "\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}");
    came(&f, "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}");
    replied(&f, 0, "{\"return\": {}}");
    came(&f, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/machine/d/virtio\"}}");
    came(&f, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"d\", \"path\": \"/m/d\"}}");
    printed(&f, false, "64 KiB (0x10000) bytes     allocated at offset 0 bytes (0x0)\n"
                       "960 KiB (0xf0000) bytes not allocated at offset 64 KiB (0x10000)\n");
    printed(&f, false, "Formatting 'x', fmt=raw size=1\n1 MiB\nIs another process using the image "
                       "[x]?\n");
    printed(&f, false, "wrote 1/1 bytes at offset 0\n1 bytes, 1 ops; 00.00 sec (1 KiB/sec and 9 "
                       "ops/sec)\n");
    came(&f, "{\"event\": \"BLOCK_WRITE_THRESHOLD\", \"data\": {\"node-name\": \"#block5\", "
             "\"amount-exceeded\": 512, \"on\": true, \"more\": {\"a\": [1]}}}");
    end(&f, "case a\n"
            "cont\n"
            "    event BLOCK_IO_ERROR node-name=n0 operation=write action=stop\n"
            "    event STOP\n"
            "device_del id=d\n"
            "    event DEVICE_DELETED path=/machine/d/virtio\n"
            "    event DEVICE_DELETED device=d\n"
            "io n map => output \"64 KiB (0x10000) bytes     allocated at offset 0 bytes (0x0)\"\n"
            "    => output \"960 KiB (0xf0000) bytes not allocated at offset 64 KiB (0x10000)\"\n"
            "io n length => output \"1 MiB\"\n"
            "io n write 0 1\n"
            "    event BLOCK_WRITE_THRESHOLD node-name=/^#block[0-9]+$/ amount-exceeded=512 "
            "on=true \\\n"
            "            more:={\"a\": [1]}\n", "");
}

static void test_what_holds_stays(void **state)
{
    (void)state;
    static const char ok[] = "{\"return\": {\"a\": 1, \"b\": 2}}";
    static const char no[] = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}";
    struct fixture f;
    begin(&f, "case a\n"
              "x => return {\"a\": 1}\n"
              "x => ok\n"
              "x => error /n/  # loose\n"
              "x\n"
              "    # why not\n"
              "    => error \"yes\"\n"
              "    node n drv=raw  # kept\n"
              "    event E\n"
              "    quirk qemu=6 ok\n"
              "x => error \"no\"\n"
              "    graph a -b-> c\n"
              "x => return {\"a\": 2}\n"
              "    no-event E\n", 1);
    replied(&f, 0, ok);
    replied(&f, 0, ok);
    replied(&f, 0, no);
    replied(&f, 0, no);
    replied(&f, 0, ok);
    replied(&f, 0, ok);
    end(&f, "case a\n"
            "x => return {\"a\": 1}\n"
            "x => ok\n"
            "x => error /n/  # loose\n"
            "x\n"
            "    # why not\n"
            "    => error GenericError \"no\"\n"
            "    node n drv=raw  # kept\n"
            "    quirk qemu=6 ok\n"
            "x => return {\"a\": 1, \"b\": 2}\n"
            "    graph a -b-> c\n"
            "x => return {\"a\": 1, \"b\": 2}\n"
            "    no-event E\n", "");
    assert_int_equal(f.changed, 3);
}

static void test_what_cannot_be_learned_is_told(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "case a\nmatrix v=1,2\nx v=${v}\nx\nx => error \"${v}\"\nx\nx\nx\n"
              "    quirk qemu=7.2 ok\nx\n", 2);
    for (size_t i = 0; i < 2; i++) {
        char *text = mem_printf("{\"error\": {\"class\": \"GenericError\", \"desc\": "
                                "\"%zu\"}}", i + 1);
        replied(&f, i, text);
        replied(&f, i, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"same\"}}");
        replied(&f, i, text);
        free(text);
    }
    struct record_stmt *s = saw(&f, 0);
    s->end = RECORD_SKIPPED;
    s->why = mem_strdup("virtual-time");
    replied(&f, 1, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"one\"}}");
    s = saw(&f, 0);
    s->end = RECORD_TIMEOUT;
    s = saw(&f, 0);
    s->quirk = QUIRK_GONE;
    s = saw(&f, 0);
    s->end = RECORD_DIED;
    s->why = mem_strdup("SIGABRT\nAssertion `x' failed.");
    end(&f, "case a\nmatrix v=1,2\nx v=${v}\nx => error GenericError \"same\"\nx => error "
            "\"${v}\"\n"
            "x => error GenericError \"one\"\nx\nx\n    quirk qemu=7.2 ok\nx\n",
        "t.scn:3: answers differ from one unit to another; left alone\n"
        "t.scn:7: the reference gave no answer; left alone\n"
        "t.scn:8: the reference does not show the quirk any more; left alone\n"
        "t.scn:10: the reference died: SIGABRT; left alone\n");
}

/* The end of an @async statement is told where it is waited for, as people do. */
static void test_async(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "case a\n@async(r) io n read 0 4k\n@async(s) io n read 0 4k => error \"a\"\nload l n "
              "rw=read count=1\nrun 1s\nwait r\nwait s\nwait l\n", 1);
    printed(&f, true, "read failed: Input/output error\n");
    printed(&f, true, "read failed: Input/output error\n");
    printed(&f, false, "");
    printed(&f, false, "");
    came(&f, "{\"event\": \"STOP\"}");
    printed(&f, false, "");
    printed(&f, false, "");
    printed(&f, true, "load 'l': 1 request failed\n");
    end(&f, "case a\n@async(r) io n read 0 4k\n"
            "@async(s) io n read 0 4k => error \"read failed: Input/output error\"\n"
            "load l n rw=read count=1\nrun 1s\n    event STOP\n"
            "wait r => error \"read failed: Input/output error\"\n"
            "wait s\nwait l => error \"load 'l': 1 request failed\"\n", "");
}

/* Whatever a text is, the script that expects it parses, and expects that text. */
static void test_any_text_can_be_expected(void **state)
{
    (void)state;
    static const char *const pieces[] = { "a", " ", "${x}", "$${", "$", "\"", "'", "\\", "/", "\n",
                                          "\x01", "\x7f", "\xff", "\xc3\xbc", "#block12", "[", "]",
                                          "(", ")", "*", "+", "?", "{1}", "|", "^", ".", "#", "=>",
                                          "/tmp/blksim.x1/", "vl.aaaaaa", "/vl.aaaaaa" };
    uint64_t x = 88172645463325252ULL;
    for (int i = 0; i < 3000; i++) {
        struct strbuf text = { 0 }, out = { 0 };
        for (int n = 1 + i % 9; n > 0; n--) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            strbuf_puts(&text, pieces[(x >> 11) % ARRAY_LEN(pieces)]);
        }
        struct fixture f;
        begin(&f, "case a\nx\nio n info\n", 1);
        struct record_stmt *s = saw(&f, 0);
        s->reply = json_pack("{s:{s:s, s:o}}", "error", "class", "GenericError", "desc",
                             json_stringn_nocheck(text.text, text.len));
        assert_non_null(s->reply);
        printed(&f, true, text.text);
        learn_case(f.script, &f.script->cases[0], f.at, 1, &f.notes);
        script_format(f.script, &out);
        struct strbuf errors = { 0 };
        struct script *again = script_parse("t", out.text, out.len, &errors);
        if (again == NULL) {
            fail_msg("%s\n%s", strbuf_str(&errors), out.text);
        }
        if (learn_case(again, &again->cases[0], f.at, 1, &f.notes) != 0) {
            fail_msg("what was learned does not hold: %s", out.text);
        }
        script_free(again);
        script_free(f.script);
        record_fini(&f.at[0]);
        strbuf_free(&f.notes);
        strbuf_free(&errors);
        strbuf_free(&text);
        strbuf_free(&out);
    }
}

/* A text that no expression could hold is matched by its beginning. */
static void test_long_texts(void **state)
{
    (void)state;
    char *name = mem_alloc(2001);
    memset(name, '(', 2000);
    name[2000] = '\0';
    char *text = mem_printf("#block1 %s", name);
    struct script_word w = learn_word_text(text, NULL, true);
    assert_int_equal(w.form, WORD_REGEX);
    assert_true(strlen(w.text) < 1024);
    assert_int_equal(regex_compile_check(w.text, NULL), 0);
    assert_true(regex_match(w.text, text));
    free(w.text);
    free(w.raw);
    free(text);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_and_nothing),
        cmocka_unit_test(test_what_varies_becomes_an_expression),
        cmocka_unit_test(test_replies_are_cut_down),
        cmocka_unit_test(test_events_and_output),
        cmocka_unit_test(test_what_holds_stays),
        cmocka_unit_test(test_what_cannot_be_learned_is_told),
        cmocka_unit_test(test_async),
        cmocka_unit_test(test_any_text_can_be_expected),
        cmocka_unit_test(test_long_texts),
    };
    return cmocka_run_group_tests_name("scenarios/diff/learn", tests, NULL, NULL);
}
