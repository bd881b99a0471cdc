/* SPDX-License-Identifier: MIT */
/* The canonical form: examples, and the round trip over random scripts. */
#include "scenarios/script.h"

#include "base/mem.h"
#include "scenarios/script_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct script *parse(const char *text)
{
    struct strbuf errors = { 0 };
    struct script *s = script_parse("t.scn", text, strlen(text), &errors);
    if (s == NULL) {
        fail_msg("%s\n%s", strbuf_str(&errors), text);
    }
    strbuf_free(&errors);
    return s;
}

/* ---- equality of scripts ---- */

static void same_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        assert_ptr_equal(a, b);
    } else {
        assert_string_equal(a, b);
    }
}

static void same_list(char *const *a, char *const *b)
{
    size_t i = 0;
    for (; a != NULL && a[i] != NULL; i++) {
        assert_non_null(b);
        same_text(a[i], b[i]);
    }
    assert_true(b == NULL || b[i] == NULL);
}

static void same_words(const struct script_words *a, const struct script_words *b, bool form)
{
    assert_int_equal(a->len, b->len);
    for (size_t i = 0; i < a->len; i++) {
        assert_string_equal(a->at[i].text, b->at[i].text);
        bool special = a->at[i].form == WORD_JSON || a->at[i].form == WORD_REGEX;
        if (form || special) {
            assert_int_equal(a->at[i].form, b->at[i].form);
        }
    }
}

static void same_stmt(const struct script_stmt *a, const struct script_stmt *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->props_len, b->props_len);
    for (size_t i = 0; i < a->props_len; i++) {
        assert_string_equal(a->props[i].name, b->props[i].name);
        assert_string_equal(a->props[i].arg, b->props[i].arg);
    }
    same_words(&a->words, &b->words, false);
    same_text(a->qmp_raw, b->qmp_raw);
    same_text(a->tail, b->tail);
    same_list(a->comments, b->comments);
    assert_int_equal(a->expects_len, b->expects_len);
    for (size_t i = 0; i < a->expects_len; i++) {
        const struct script_expect *e = &a->expects[i], *f = &b->expects[i];
        assert_int_equal(e->kind, f->kind);
        same_text(e->quirk, f->quirk);
        same_words(&e->words, &f->words,
                   e->kind == EXPECT_ERROR || e->kind == EXPECT_OUTPUT);
        same_text(e->tail, f->tail);
        same_list(e->comments, f->comments);
    }
}

static void same_case(const struct script_case *a, const struct script_case *b)
{
    assert_string_equal(a->name, b->name);
    same_text(a->tail, b->tail);
    same_list(a->comments, b->comments);
    same_list(a->end_comments, b->end_comments);
    assert_int_equal(a->ended, b->ended);
    assert_int_equal(a->axes_len, b->axes_len);
    for (size_t i = 0; i < a->axes_len; i++) {
        assert_string_equal(a->axes[i].key, b->axes[i].key);
        assert_int_equal(a->axes[i].len, b->axes[i].len);
        for (size_t k = 0; k < a->axes[i].len; k++) {
            assert_string_equal(a->axes[i].values[k], b->axes[i].values[k]);
        }
    }
    assert_int_equal(a->headers_len, b->headers_len);
    for (size_t i = 0; i < a->headers_len; i++) {
        const struct script_header *g = &a->headers[i], *h = &b->headers[i];
        assert_string_equal(g->name, h->name);
        if (strcmp(g->name, "matrix") != 0) {
            same_words(&g->words, &h->words, false);
        }
        same_text(g->tail, h->tail);
        same_list(g->comments, h->comments);
    }
    assert_int_equal(a->stmts_len, b->stmts_len);
    for (size_t i = 0; i < a->stmts_len; i++) {
        same_stmt(&a->stmts[i], &b->stmts[i]);
    }
}

static void same_script(const struct script *a, const struct script *b)
{
    assert_int_equal(a->cases_len, b->cases_len);
    for (size_t i = 0; i < a->cases_len; i++) {
        same_case(&a->cases[i], &b->cases[i]);
    }
    same_list(a->comments, b->comments);
}

/* Formats twice; both scripts and both texts must be equal.  The caller frees the text. */
static char *round_trip(const char *text)
{
    struct strbuf once = { 0 }, twice = { 0 };
    struct script *a = parse(text);
    script_format(a, &once);
    struct script *b = parse(strbuf_str(&once));
    script_format(b, &twice);
    same_script(a, b);
    assert_string_equal(strbuf_str(&once), strbuf_str(&twice));
    script_free(a);
    script_free(b);
    strbuf_free(&twice);
    return once.text;
}

static void becomes(const char *text, const char *want)
{
    char *have = round_trip(text);
    assert_string_equal(have, want);
    free(have);
}

/* ---- examples ---- */

static void test_spacing(void **state)
{
    (void)state;
    becomes("\n\n# top\ncase   a   # one\n\n\nmatrix  x=1,2\nx  a=1   b=2 #two\n\t=> ok\n  node n  "
            "a=1\n\n\n\ny\ncase b\n\n# last\n\n",
            "# top\ncase a  # one\n\nmatrix x=1,2\n"
            "x a=1 b=2  #two\n    => ok\n    node n a=1\n\ny\n"
            "\ncase b\n\n# last\n");
}

static void test_arrows(void **state)
{
    (void)state;
    becomes("case a\nx => ok\nx\n => event E\nx\n error \"a\"\nx => graph a -b-> c\n",
            "case a\nx => ok\nx\n    event E\nx\n    => error \"a\"\nx => graph a -b-> c\n");
}

static void test_quotes_only_when_needed(void **state)
{
    (void)state;
    becomes("case a\nx a=\"b\" c='d e' f=\"say \\\"hi\\\"\" g='$${h}' i=\"it's\" j=\"\" k='\\' \n"
            "io n x \"\" \"#\" \"=>\" 'a:=b c' \"a:=1\" \"k=v w\" \"\\x01\" \"\\xff\\n\" 'ü \"'\n",
            "case a\nx a=b c=\"d e\" f='say \"hi\"' g=$$${h} i=\"it's\" j= k='\\'\n"
            "io n x \"\" \"#\" \"=>\" \"a:=b c\" \"a:=1\" k=\"v w\" "
            "\"\\x01\" \"\\xff\\n\" 'ü \"'\n");
}

static void test_quotes_that_mean_something_stay(void **state)
{
    (void)state;
    becomes("case a\nx => error 'Invalid'\nx => error \"/dev/\"\nio n a => output \"b\"\n",
            "case a\nx => error \"Invalid\"\nx => error \"/dev/\"\nio n a => output \"b\"\n");
}

static void test_json_and_raw_lines_stay(void **state)
{
    (void)state;
    becomes("case a\nx a:='{\"b\": 1}' c:={\"d\":  [\"e f\"]} => return '\"x\"'\nqmp  {'a': }  \n",
            "case a\nx a:={\"b\": 1} c:={\"d\":  [\"e f\"]} => return \"x\"\nqmp {'a': }  \n");
}

static void test_matrix_values(void **state)
{
    (void)state;
    becomes("case a\nmatrix a=\"b,c\",'d' e=\"\",\"f g\",'\"'\n",
            "case a\nmatrix a=\"b,c\",d e=\"\",\"f g\",'\"'\n");
}

static void test_long_lines_are_broken(void **state)
{
    (void)state;
    becomes("case a\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name image.driver=file "
            "image.filename=a.img\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name image.driver=file "
            "image.filename=a.img config=b  # tail\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name "
            "image.driver=file => error \"Node name\"\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name "
            "image.driver=file => error \"Node nam\"\n",
            "case a\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name image.driver=file "
            "image.filename=a.img\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name image.driver=file "
            "image.filename=a.img \\\n"
            "        config=b  # tail\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name "
            "image.driver=file => error \"Node name\"\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name "
            "image.driver=file => error \"Node nam\"\n");
    becomes("case a\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name "
            "image.driver=file => error \"Node name 'x'\"\n",
            "case a\n"
            "blockdev-add driver=blkdebug node-name=hd0-with-a-long-name image.driver=file\n"
            "    => error \"Node name 'x'\"\n");
}

static void test_comments_stay_where_they_were(void **state)
{
    (void)state;
    static const char text[] = "# file\n\n# case\ncase a  # name\n# header\nseed 1  # h\n\n# stmt\n"
                               "x  # s\n    # expect\n    => ok  # e\n\n# end\nend  # n\n\n# next\n"
                               "case b\nx\n\n# eof\n";
    becomes(text, text);
}

static void test_ids_are_written_when_not_natural(void **state)
{
    (void)state;
    becomes("case a\n@id(1) x\n@id(4) @real-only x\nx\n@real-only @id(6) x\n",
            "case a\nx\n@id(4) @real-only x\nx\n@real-only x\n");
}

static void test_deleting_a_statement_keeps_the_ids(void **state)
{
    (void)state;
    struct script *s = parse("case a\nx a=1\nx a=2\nx a=3\n");
    struct script_case *c = &s->cases[0];
    struct script_stmt gone = c->stmts[0];
    memmove(c->stmts, c->stmts + 1, 2 * sizeof(*c->stmts));
    c->stmts_len = 2;
    struct strbuf out = { 0 };
    script_format(s, &out);
    assert_string_equal(out.text, "case a\n@id(2) x a=2\nx a=3\n");
    struct script *again = parse(out.text);
    assert_int_equal(again->cases[0].stmts[0].id, 2);
    assert_int_equal(again->cases[0].stmts[1].id, 3);
    c->stmts[2] = gone; /* So that it is freed. */
    c->stmts_len = 3;
    script_free(again);
    script_free(s);
    strbuf_free(&out);
}

static void test_quirks_stand_below_without_an_arrow(void **state)
{
    (void)state;
    becomes("case a\nmodel-only   guest # why\nx\n",
            "case a\nmodel-only guest  # why\nx\n");
    becomes("case a\nx => error 'a'\n  # note\n => quirk  \"qemu<=7.2.22\" error\tGenericError "
            "\"b c\"  # tail\n    quirk qemu>9 graph a -b->  c\n    event E\n",
            "case a\nx => error \"a\"\n    # note\n    quirk qemu<=7.2.22 error GenericError "
            "\"b c\"  # tail\n    quirk qemu>9 graph a -b-> c\n    event E\n");
    becomes("case a\nx => quirk qemu=7.2 aborts /a b/\nx\n quirk qemu=7.2 return {\"a\":  1}\n",
            "case a\nx => quirk qemu=7.2 aborts /a b/\nx\n    quirk qemu=7.2 return {\"a\":  1}\n");
}

/* ---- random scripts ---- */

struct gen {
    uint64_t x;
    struct strbuf out;
    int tags;
};

static uint32_t draw(struct gen *g, uint32_t n)
{
    g->x ^= g->x << 13;
    g->x ^= g->x >> 7;
    g->x ^= g->x << 17;
    return (uint32_t)((g->x >> 11) % n);
}

static void gen_blanks(struct gen *g)
{
    static const char *const blanks[] = { " ", " ", " ", "  ", "\t", " \\\n", "\\\n  " };
    strbuf_puts(&g->out, blanks[draw(g, ARRAY_LEN(blanks))]);
}

static void gen_chars(struct gen *g, const char *const *chars, size_t n)
{
    for (uint32_t i = draw(g, 6); i > 0; i--) {
        strbuf_puts(&g->out, chars[draw(g, (uint32_t)n)]);
    }
}

static void gen_value(struct gen *g)
{
    static const char *const bare[] = { "a", "7", "#", "\\a", ",", "=", "$", "$${", "${v}", "/",
                                        ":a", "ü", "@", "=>", "null" };
    static const char *const quoted[] = { "a", " ", "#", "\\\\", "\\\"", "'", "\\n", "\\x01",
                                          "\\xff", "${v}", "$${", "=>", "ü", "," };
    static const char *const raw[] = { "a", " ", "#", "\\", "\"", "${v}", "$${", "$", "ü", "/" };
    switch (draw(g, 4)) {
    case 0:
        strbuf_putc(&g->out, '"');
        gen_chars(g, quoted, ARRAY_LEN(quoted));
        strbuf_putc(&g->out, '"');
        break;
    case 1:
        strbuf_putc(&g->out, '\'');
        gen_chars(g, raw, ARRAY_LEN(raw));
        strbuf_putc(&g->out, '\'');
        break;
    default:
        strbuf_putc(&g->out, 'b');
        gen_chars(g, bare, ARRAY_LEN(bare));
    }
}

static void gen_json(struct gen *g)
{
    static const char *const texts[] = { "1", "null", "\"a b\"", "{\"a\": [1, {\"b\":\"} #\"}]}",
                                         "[]", "'\"q\"'", "' [1,  2] '", "\"$${v}\"", "[${v}]",
                                         "{\"it's\":\"\\\\\"}", "[1, \\\n2]" };
    strbuf_puts(&g->out, texts[draw(g, ARRAY_LEN(texts))]);
}

static void gen_keys(struct gen *g)
{
    for (uint32_t i = 0, n = draw(g, 7); i < n; i++) {
        gen_blanks(g);
        bool json = draw(g, 4) == 0;
        strbuf_printf(&g->out, "k%u.x%s", i, json ? ":=" : "=");
        if (json) {
            gen_json(g);
        } else {
            gen_value(g);
        }
    }
}

static void gen_tail(struct gen *g)
{
    static const char *const tails[] = { "", "", "", " # tail", "\t#tail \\", "   # => ${x} \"" };
    strbuf_puts(&g->out, tails[draw(g, ARRAY_LEN(tails))]);
    strbuf_putc(&g->out, '\n');
}

static void gen_gap(struct gen *g)
{
    static const char *const gaps[] = { "", "", "", "", "\n", "\n\n\n", "# note\n", "\n# note\n\n",
                                        "   # in  \n" };
    strbuf_puts(&g->out, gaps[draw(g, ARRAY_LEN(gaps))]);
}

static void gen_expect(struct gen *g, bool fails, bool io)
{
    static const char *const errors[] = { "error", "error \"Invalid\"", "error 'a \"b\"'",
                                          "error /a b\\/c \"/", "error \"/x/\"",
                                          "error \"it's ${v}\"" };
    static const char *const checks[] = { "data n 0+4k is 0x11", "data n 4k  4k in 0|1 per=512",
                                          "event E a=b within=2ms", "no-event STOP",
                                          "node n opt.x=\"a b\" y:=true", "graph a -b-> c",
                                          "graph a -b-> c [frozen]" };
    uint32_t kind = draw(g, 4);
    if (fails && kind < 2) {
        strbuf_puts(&g->out, errors[draw(g, ARRAY_LEN(errors))]);
    } else if (kind == 0 && !io) {
        strbuf_puts(&g->out, "return ");
        gen_json(g);
    } else if (kind == 0) {
        strbuf_puts(&g->out, draw(g, 2) == 0 ? "output /a b/" : "output \"1/1 ops\"");
    } else {
        strbuf_puts(&g->out, checks[draw(g, ARRAY_LEN(checks))]);
    }
}

static void gen_quirk(struct gen *g)
{
    static const char *const quirks[] = {
        "quirk qemu=7.2 ok", "quirk qemu<=7.2.22  error 'a \"b\"'", "quirk 'qemu>7' error /a b/",
        "quirk qemu=7.2 data n 4k 4k in 0|1", "quirk qemu>=8 aborts /Assertion `.*' failed/",
        "quirk qemu=7.2 output \"${v} $${x}\"", "quirk qemu<9 graph a -b-> c",
    };
    if (draw(g, 3) == 0) {
        strbuf_puts(&g->out, draw(g, 2) == 0 ? "    " : "\t=> ");
        strbuf_puts(&g->out, quirks[draw(g, ARRAY_LEN(quirks))]);
        gen_tail(g);
    }
}

static void gen_stmt(struct gen *g)
{
    static const char *const props[] = { "", "", "", "@real-only ", "@model-only(crash)  ",
                                         "@fail(nth=3 errno=EIO) ", "@id(1)" };
    static const char *const verbs[] = { "run 2ms", "power  cut", "disk d0 size=1M cache=none",
                                         "fault d0 error  op=read,write", "iothread t0" };
    bool io = draw(g, 2) == 0, world = draw(g, 4) == 0, fails = draw(g, 2) == 0;
    const char *prop = props[draw(g, ARRAY_LEN(props) - 1)];
    if (world) {
        strbuf_puts(&g->out, verbs[draw(g, ARRAY_LEN(verbs))]);
        gen_tail(g);
        return;
    }
    if (draw(g, 9) == 0) {
        strbuf_printf(&g->out, "@async(w%d) ", g->tags++);
    }
    strbuf_puts(&g->out, prop);
    if (draw(g, 9) == 0) {
        strbuf_puts(&g->out, "qmp {'a': \"${b}\" } # \\\n");
        io = false;
    } else if (io) {
        strbuf_puts(&g->out, "io hd0 write ");
        gen_value(g);
        gen_keys(g);
    } else {
        strbuf_puts(&g->out, "blockdev-add");
        gen_keys(g);
    }
    if (g->out.text[g->out.len - 1] != '\n') {
        if (draw(g, 3) == 0) {
            strbuf_puts(&g->out, " => ");
            gen_expect(g, false, io);
        }
        gen_tail(g);
        fails = false;
    }
    for (uint32_t i = draw(g, 3); i > 0; i--) {
        gen_gap(g);
        strbuf_puts(&g->out, draw(g, 2) == 0 ? "    " : "\t=> ");
        gen_expect(g, fails, io);
        gen_tail(g);
        fails = false;
        if (io) {
            continue;
        }
        break; /* A return after an error would contradict it. */
    }
    if (strncmp(prop, "@model-only", 11) != 0) {
        gen_quirk(g);
    }
}

static void gen_script(struct gen *g)
{
    for (uint32_t c = 0, n = 1 + draw(g, 3); c < n; c++) {
        gen_gap(g);
        strbuf_printf(&g->out, "case c%u", c);
        gen_tail(g);
        gen_gap(g);
        strbuf_puts(&g->out, "matrix  v=1,2 w=\"a,b\",'c d',\"\"");
        gen_tail(g);
        g->tags = 0;
        for (uint32_t i = draw(g, 8); i > 0; i--) {
            gen_gap(g);
            gen_stmt(g);
        }
        if (draw(g, 4) == 0) {
            gen_gap(g);
            strbuf_puts(&g->out, "end");
            gen_tail(g);
        }
    }
    gen_gap(g);
}

static void test_random_scripts_round_trip(void **state)
{
    (void)state;
    struct gen g = { .x = 88172645463325252ULL };
    for (int i = 0; i < 1000; i++) {
        gen_script(&g);
        free(round_trip(strbuf_str(&g.out)));
        strbuf_free(&g.out);
        g.out = (struct strbuf){ 0 };
    }
}

/* Bytes that mostly make no script must not crash anything; what parses must round-trip. */
static void test_random_damage_is_survived(void **state)
{
    (void)state;
    static const char bytes[] = "\"'\\\n #=>${}()@:/\t,ax0[]\x80\xc3";
    struct gen g = { .x = 1181783497276652981ULL };
    int good = 0;
    for (int i = 0; i < 2000; i++) {
        gen_script(&g);
        for (uint32_t k = 1 + draw(&g, 3); k > 0; k--) {
            g.out.text[draw(&g, (uint32_t)g.out.len)] = bytes[draw(&g, sizeof(bytes) - 1)];
        }
        struct strbuf errors = { 0 };
        struct script *s = script_parse("t", g.out.text, g.out.len, &errors);
        assert_int_equal(s == NULL, errors.len > 0);
        if (s != NULL) {
            free(round_trip(g.out.text));
            good++;
        }
        script_free(s);
        strbuf_free(&errors);
        strbuf_free(&g.out);
        g.out = (struct strbuf){ 0 };
    }
    assert_in_range(good, 100, 1900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spacing),
        cmocka_unit_test(test_arrows),
        cmocka_unit_test(test_quotes_only_when_needed),
        cmocka_unit_test(test_quotes_that_mean_something_stay),
        cmocka_unit_test(test_json_and_raw_lines_stay),
        cmocka_unit_test(test_matrix_values),
        cmocka_unit_test(test_long_lines_are_broken),
        cmocka_unit_test(test_comments_stay_where_they_were),
        cmocka_unit_test(test_ids_are_written_when_not_natural),
        cmocka_unit_test(test_deleting_a_statement_keeps_the_ids),
        cmocka_unit_test(test_quirks_stand_below_without_an_arrow),
        cmocka_unit_test(test_random_scripts_round_trip),
        cmocka_unit_test(test_random_damage_is_survived),
    };
    return cmocka_run_group_tests_name("scenarios/script_fmt", tests, NULL, NULL);
}
