/* SPDX-License-Identifier: MIT */
/* The parser of scenario files: cases, headers, statements, expectations, line by line.
 *
 * A line that begins in column 1 is `case`, `end`, a header or a statement; an indented one is an
 * expectation of the statement above.  Comments and blank lines wait in `pending` until the thing
 * that they stand above is there.  An error never stops the parser: the line is reported, what it
 * would have given is kept as far as it goes (so that what is indented below has an owner), and the
 * script is thrown away at the end.
 *
 * script_lex.c knows words, script_check*.c what they mean; this file knows lines.
 */
#include "scenarios/script.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/script_check.h"
#include "scenarios/script_lex.h"

#include <stdlib.h>
#include <string.h>

struct parser {
    struct diag diag;
    struct lex lx;
    struct script *script;
    struct check check;   /* check.cas: the case being read, or NULL. */
    struct nameset cases;
    char **pending;       /* Lines above what comes next, ends with NULL. */
    size_t pending_len;
    bool swallow;         /* Below a line in error: what is indented is skipped. */
    bool orphan_told;     /* "before the first case" has been said. */
    int block_line;       /* Of a verb that waits for its `end`; 0: none. */
    const char *block_verb;
};

static void report(struct parser *p, const char *what)
{
    diag_add(&p->diag, p->lx.line, lex_col(&p->lx), "%s", what);
}

/* ---- comments and blank lines ---- */

static void pending_add(struct parser *p, char *text)
{
    /* Room for the NULL behind; two more never outgrow a doubling array. */
    p->pending = mem_resize(p->pending, (p->pending_len + 2) * sizeof(char *));
    p->pending[p->pending_len++] = text;
    p->pending[p->pending_len] = NULL;
}

static void pending_blank(struct parser *p)
{
    bool again = p->pending_len > 0 && *p->pending[p->pending_len - 1] == '\0';
    bool first = p->pending_len == 0 && p->script->cases_len == 0;
    if (!again && !first) {
        pending_add(p, mem_strdup(""));
    }
}

static char **pending_take(struct parser *p)
{
    char **lines = p->pending;
    p->pending = NULL;
    p->pending_len = 0;
    return lines;
}

static void pending_drop_first(struct parser *p)
{
    if (p->pending_len > 0 && *p->pending[0] == '\0') {
        free(p->pending[0]);
        memmove(p->pending, p->pending + 1, p->pending_len * sizeof(char *));
        p->pending_len--;
    }
}

static void pending_drop_last(struct parser *p)
{
    if (p->pending_len > 0 && *p->pending[p->pending_len - 1] == '\0') {
        free(p->pending[--p->pending_len]);
        p->pending[p->pending_len] = NULL;
    }
}

static void pending_free(struct parser *p)
{
    char **lines = pending_take(p);
    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++) {
        free(lines[i]);
    }
    free(lines);
}

/* The comment at the end of the line just read. */
static char *tail_take(struct parser *p)
{
    char *tail = p->lx.tail;
    p->lx.tail = NULL;
    return tail;
}

/* ---- words ---- */

static void words_add(struct script_words *words, struct script_word w)
{
    CHECK(w.text != NULL);
    words->at = array_grow(words->at, words->len, sizeof(*words->at));
    words->at[words->len++] = w;
}

/* Words up to the end of the line or a =>, where *arrow is set (NULL: => is an error).  False after
 * an error. */
static bool read_words(struct parser *p, enum lex_mode mode, struct script_words *words,
                       bool *arrow)
{
    for (;;) {
        struct script_word w;
        enum lex_token token = lex_next(&p->lx, mode, &w);
        if (token == LEX_TOKEN_END) {
            return true;
        }
        if (token == LEX_TOKEN_BAD) {
            return false;
        }
        if (token == LEX_TOKEN_ARROW) {
            if (arrow != NULL) {
                *arrow = true;
                return true;
            }
            report(p, "a => of its own is not expected here; further expectations stand indented "
                      "below, the word is written \"=>\"");
            lex_skip_line(&p->lx);
            return false;
        }
        words_add(words, w);
        if (words->len > SCRIPT_MAX_WORDS) {
            diag_add(&p->diag, w.line, w.col, "more than %d words", SCRIPT_MAX_WORDS);
            lex_skip_line(&p->lx);
            return false;
        }
    }
}

static void unknown_word(struct parser *p, const struct script_word *w, enum verb_class class,
                         const char *what)
{
    struct strbuf list = { 0 };
    verb_list_class(class, w->text, &list);
    diag_add(&p->diag, w->line, w->col, "unknown %s '%.100s'; valid: %s", what, w->text,
             strbuf_str(&list));
    strbuf_free(&list);
}

/* ---- expectations ---- */

static struct script_stmt *last_stmt(struct parser *p)
{
    struct script_case *c = p->check.cas;
    return c == NULL || c->stmts_len == 0 ? NULL : &c->stmts[c->stmts_len - 1];
}

static enum lex_mode expect_mode(enum expect_kind kind)
{
    switch (kind) {
    case EXPECT_RETURN:
        return LEX_JSON;
    case EXPECT_ERROR:
    case EXPECT_OUTPUT:
    case EXPECT_ABORTS:
        return LEX_REGEX;
    default:
        return LEX_WORD;
    }
}

/* A place at the end of the statement's, whose words are still to come.  NULL after an error. */
static struct script_expect *expect_add(struct parser *p, struct script_stmt *stmt,
                                        const struct script_word *w)
{
    const struct verb_def *def = verb_find(VERB_EXPECT, w->text);
    if (def == NULL) {
        unknown_word(p, w, VERB_EXPECT, "expectation");
        lex_skip_line(&p->lx);
        return NULL;
    }
    if (stmt->expects_len == SCRIPT_MAX_EXPECTS) {
        diag_add(&p->diag, w->line, w->col, "more than %d expectations", SCRIPT_MAX_EXPECTS);
        lex_skip_line(&p->lx);
        return NULL;
    }
    stmt->expects = array_grow(stmt->expects, stmt->expects_len, sizeof(*stmt->expects));
    struct script_expect *e = &stmt->expects[stmt->expects_len++];
    *e = (struct script_expect){ .kind = (enum expect_kind)def->code,
                                 .line = w->line,
                                 .col = w->col };
    return e;
}

/* The keyword has been read: the rest of the line belongs to it.  quirk: taken over. */
static void read_expect_rest(struct parser *p, struct script_stmt *stmt,
                             const struct script_word *w, char *quirk, bool on_line)
{
    struct script_expect *e = expect_add(p, stmt, w);
    if (e == NULL) {
        free(quirk);
        return;
    }
    e->quirk = quirk;
    e->on_line = on_line;
    bool good = read_words(p, expect_mode(e->kind), &e->words, NULL);
    if (!on_line) {
        e->comments = pending_take(p);
        e->tail = tail_take(p);
    }
    if (good) {
        check_expect(&p->check, stmt, e);
    }
}

/* Whether that expectation may stand behind quirk; says why not. */
static bool behind_quirk(struct parser *p, const struct script_word *w)
{
    const char *const *names = verb_find(VERB_EXPECT, "quirk")->args[1].names;
    if (verb_value_check(VALUE_CHOICE, names, w->text, NULL) == 0) {
        return true;
    }
    struct strbuf list = { 0 };
    verb_list_names(names, w->text, &list);
    diag_add(&p->diag, w->line, w->col, "'%.100s' does not stand behind quirk; valid: %s", w->text,
             strbuf_str(&list));
    strbuf_free(&list);
    lex_skip_line(&p->lx);
    return false;
}

/* `quirk` has been read. */
static void read_quirk(struct parser *p, struct script_stmt *stmt, bool on_line)
{
    struct script_word condition = { 0 }, w = { 0 };
    enum lex_token token = lex_next(&p->lx, LEX_WORD, &condition);
    if (token == LEX_TOKEN_WORD && !check_condition(&p->check, &condition)) {
        lex_skip_line(&p->lx);
        token = LEX_TOKEN_BAD;
    } else if (token == LEX_TOKEN_WORD) {
        token = lex_next(&p->lx, LEX_WORD, &w);
    }
    if (token == LEX_TOKEN_WORD && behind_quirk(p, &w)) {
        read_expect_rest(p, stmt, &w, mem_strdup(condition.text), on_line);
    } else if (token == LEX_TOKEN_END || token == LEX_TOKEN_ARROW) {
        report(p, "usage: quirk CONDITION EXPECTATION...");
        lex_skip_line(&p->lx);
    }
    script_word_fini(&condition);
    script_word_fini(&w);
}

/* Reads one expectation; the lexer stands before its keyword. */
static void read_expect(struct parser *p, struct script_stmt *stmt, bool on_line)
{
    struct script_word w;
    enum lex_token token = lex_next(&p->lx, LEX_WORD, &w);
    if (token == LEX_TOKEN_ARROW && !on_line) {
        token = lex_next(&p->lx, LEX_WORD, &w);
    }
    if (token == LEX_TOKEN_WORD) {
        if (strcmp(w.text, "quirk") == 0) {
            read_quirk(p, stmt, on_line);
        } else {
            read_expect_rest(p, stmt, &w, NULL, on_line);
        }
        script_word_fini(&w);
    } else if (token != LEX_TOKEN_BAD) {
        report(p, "an expectation is missing behind =>");
        lex_skip_line(&p->lx);
    }
}

static void read_indented(struct parser *p)
{
    struct script_stmt *stmt = last_stmt(p);
    if (p->swallow) {
        lex_skip_line(&p->lx);
        return;
    }
    if (stmt == NULL || p->check.cas->ended) {
        report(p, "an indented line is an expectation, and there is no statement above it");
        lex_skip_line(&p->lx);
        p->swallow = true;
        return;
    }
    struct lex here = p->lx;
    struct script_word w;
    if (lex_next(&here, LEX_WORD, &w) == LEX_TOKEN_WORD) {
        bool verb = verb_find(VERB_EXPECT, w.text) == NULL &&
                    verb_find(VERB_STATEMENT, w.text) != NULL;
        script_word_fini(&w);
        if (verb) {
            report(p, "a statement begins in column 1; indented lines are expectations");
            lex_skip_line(&p->lx);
            return;
        }
    }
    free(here.tail);
    read_expect(p, stmt, false);
}

/* ---- headers ---- */

static bool read_matrix(struct parser *p, struct script_header *h)
{
    struct script_case *c = p->check.cas;
    for (;;) {
        struct script_word w;
        struct script_axis axis;
        enum lex_token token = lex_axis(&p->lx, &axis, &w);
        if (token == LEX_TOKEN_END) {
            break;
        }
        if (c->axes_len == SCRIPT_MAX_KEYS) {
            report(p, "the matrix has too many keys");
            lex_skip_line(&p->lx);
            token = LEX_TOKEN_BAD;
        }
        c->axes = array_grow(c->axes, c->axes_len, sizeof(*c->axes));
        c->axes[c->axes_len] = axis;
        if (token == LEX_TOKEN_BAD) {
            script_word_fini(&w);
            c->axes_len++;
            return false;
        }
        words_add(&h->words, w);
        check_axis(&p->check, &c->axes[c->axes_len], &w);
        c->axes_len++;
    }
    if (h->words.len == 0) {
        diag_add(&p->diag, h->line, h->col, "usage: matrix KEY=VALUE,VALUE...");
    }
    return true;
}

static void read_header(struct parser *p, const struct verb_def *def, const struct script_word *w)
{
    struct script_case *c = p->check.cas;
    if (c->stmts_len > 0) {
        diag_add(&p->diag, w->line, w->col, "'%s' is a header: it stands before the statements",
                 w->text);
        lex_skip_line(&p->lx);
        return;
    }
    if (c->headers_len == SCRIPT_MAX_HEADERS) {
        diag_add(&p->diag, w->line, w->col, "more than %d headers", SCRIPT_MAX_HEADERS);
        lex_skip_line(&p->lx);
        return;
    }
    c->headers = array_grow(c->headers, c->headers_len, sizeof(*c->headers));
    struct script_header *h = &c->headers[c->headers_len++];
    *h = (struct script_header){ .name = mem_strdup(w->text),
                                 .line = w->line,
                                 .col = w->col,
                                 .comments = pending_take(p) };
    if (strcmp(def->name, "matrix") == 0) {
        read_matrix(p, h);
    } else if ((def->flags & VERB_LATER) != 0) {
        lex_skip_line(&p->lx);
        check_header(&p->check, def, h);
    } else if (read_words(p, LEX_WORD, &h->words, NULL)) {
        check_header(&p->check, def, h);
    }
    h->tail = tail_take(p);
}

/* ---- statements ---- */

/* @id(N) sets the id and is no property of the statement. */
static void take_id(struct parser *p, struct script_stmt *stmt, struct script_prop *prop)
{
    uint64_t id;
    uint32_t least = stmt->id;
    if (text_parse_u64(prop->arg, &id) != 0 || id < 1 || id > SCRIPT_MAX_ID) {
        diag_add(&p->diag, prop->line, prop->col, "@id takes a number from 1 to %d", SCRIPT_MAX_ID);
    } else if (id < least) {
        diag_add(&p->diag, prop->line, prop->col,
                 "@id(%llu): ids rise; the statement above has %u", (unsigned long long)id,
                 least - 1);
    } else {
        stmt->id = (uint32_t)id;
    }
    free(prop->name);
    free(prop->arg);
}

/* Properties before the verb.  False after an error. */
static bool read_props(struct parser *p, struct script_stmt *stmt)
{
    bool id_given = false;
    while (lex_blanks(&p->lx) && p->lx.text[p->lx.pos] == '@') {
        struct script_prop prop;
        if (lex_prop(&p->lx, &prop) != LEX_TOKEN_WORD) {
            return false;
        }
        if (stmt->props_len == 16) {
            diag_add(&p->diag, prop.line, prop.col, "too many properties");
            free(prop.name);
            free(prop.arg);
            lex_skip_line(&p->lx);
            return false;
        }
        if (strcmp(prop.name, "id") == 0 && !id_given) {
            id_given = true;
            take_id(p, stmt, &prop);
            continue;
        }
        stmt->props = array_grow(stmt->props, stmt->props_len, sizeof(*stmt->props));
        stmt->props[stmt->props_len++] = prop;
    }
    return true;
}

static struct script_stmt *stmt_add(struct script_case *c, int line, int col)
{
    uint32_t before = c->stmts_len == 0 ? 0 : c->stmts[c->stmts_len - 1].id;
    c->stmts = array_grow(c->stmts, c->stmts_len, sizeof(*c->stmts));
    struct script_stmt *stmt = &c->stmts[c->stmts_len++];
    *stmt = (struct script_stmt){ .id = before + 1, .line = line, .col = col };
    return stmt;
}

/* The verb is in words.at[0]: the rest of the line. */
static void read_stmt_rest(struct parser *p, struct script_stmt *stmt)
{
    const struct verb_def *def = verb_find(VERB_STATEMENT, stmt->words.at[0].text);
    bool arrow = false;
    if (def != NULL && def->code == VERB_QMP) {
        stmt->qmp_raw = lex_rest(&p->lx, &stmt->qmp_raw_len);
    } else if (!read_words(p, LEX_WORD, &stmt->words, &arrow)) {
        p->swallow = true;
        return;
    }
    check_stmt(&p->check, stmt);
    if (def != NULL && (def->flags & VERB_BLOCK) != 0) {
        p->block_line = stmt->line;
        p->block_verb = def->name;
    }
    if (arrow) {
        read_expect(p, stmt, true);
    }
}

/* A statement whose first word has been read (w, taken over), or one that begins with '@'. */
static void read_stmt(struct parser *p, struct script_stmt *stmt, struct script_word *w)
{
    words_add(&stmt->words, *w);
    *w = (struct script_word){ 0 };
    stmt->comments = pending_take(p);
    read_stmt_rest(p, stmt);
    stmt->tail = tail_take(p);
}

/* ---- cases ---- */

static void finish_case(struct parser *p)
{
    if (p->check.cas == NULL) {
        return;
    }
    if (p->block_line != 0) {
        diag_add(&p->diag, p->block_line, 1, "'%s' has no `end`", p->block_verb);
        p->block_line = 0;
    }
    check_case(&p->check);
    nameset_free(&p->check.tags);
    p->check.cas = NULL;
}

static void case_add(struct parser *p, const char *name, int line)
{
    struct script *s = p->script;
    finish_case(p);
    s->cases = array_grow(s->cases, s->cases_len, sizeof(*s->cases));
    struct script_case *c = &s->cases[s->cases_len++];
    *c = (struct script_case){ .name = mem_strdup(name), .line = line };
    p->check.cas = c;
}

static void read_case(struct parser *p, int line)
{
    struct script_word w;
    pending_drop_first(p);
    enum lex_token token = lex_next(&p->lx, LEX_WORD, &w);
    if (token != LEX_TOKEN_WORD) {
        case_add(p, "", line);
        if (token != LEX_TOKEN_BAD) {
            report(p, "usage: case NAME");
            lex_skip_line(&p->lx);
        }
        return;
    }
    case_add(p, w.text, line);
    check_value(&p->check, &w, w.text, "", VALUE_NAME, NULL);
    int before = nameset_add(&p->cases, w.text, line);
    if (before != 0) {
        diag_add(&p->diag, w.line, w.col, "the case '%s' is there already, in line %d", w.text,
                 before);
    }
    p->check.cas->comments = pending_take(p);
    script_word_fini(&w);
    struct script_words more = { 0 };
    if (read_words(p, LEX_WORD, &more, NULL) && more.len > 0) {
        diag_add(&p->diag, more.at[0].line, more.at[0].col,
                 "unexpected '%.100s'; usage: case NAME", more.at[0].text);
    }
    for (size_t i = 0; i < more.len; i++) {
        script_word_fini(&more.at[i]);
    }
    free(more.at);
    p->check.cas->tail = tail_take(p);
}

static void read_end(struct parser *p, const struct script_word *w)
{
    struct script_case *c = p->check.cas;
    if (c == NULL || c->ended) {
        diag_add(&p->diag, w->line, w->col, "`end` without a case that is open");
        lex_skip_line(&p->lx);
        return;
    }
    if (lex_blanks(&p->lx)) {
        report(p, "nothing stands behind `end`");
        lex_skip_line(&p->lx);
        return;
    }
    if (p->block_line != 0) {
        p->block_line = 0;
        return;
    }
    c->ended = true;
    c->end_comments = pending_take(p);
    c->end_tail = tail_take(p);
}

/* ---- lines ---- */

/* Whether a header or statement may stand here; says why not. */
static bool case_is_open(struct parser *p, const char *word, int line, int col)
{
    if (p->check.cas == NULL) {
        if (!p->orphan_told) {
            diag_add(&p->diag, line, col, "'%.100s' stands before the first `case`", word);
        }
        p->orphan_told = true;
        return false;
    }
    if (p->check.cas->ended) {
        diag_add(&p->diag, line, col, "'%.100s' stands behind `end`; only a `case` may", word);
        return false;
    }
    return true;
}

static void read_word_line(struct parser *p, struct script_word *w)
{
    const struct verb_def *header = verb_find(VERB_HEADER, w->text);
    if (strcmp(w->text, "case") == 0) {
        read_case(p, w->line);
    } else if (strcmp(w->text, "end") == 0) {
        read_end(p, w);
    } else if (!case_is_open(p, w->text, w->line, w->col)) {
        lex_skip_line(&p->lx);
        p->swallow = true;
    } else if (header != NULL) {
        read_header(p, header, w);
    } else if (verb_find(VERB_EXPECT, w->text) != NULL) {
        diag_add(&p->diag, w->line, w->col,
                 "'%s' is an expectation: it stands indented below its statement", w->text);
        lex_skip_line(&p->lx);
    } else {
        read_stmt(p, stmt_add(p->check.cas, w->line, w->col), w);
    }
}

static void read_prop_line(struct parser *p)
{
    if (!case_is_open(p, "@", p->lx.line, lex_col(&p->lx))) {
        lex_skip_line(&p->lx);
        p->swallow = true;
        return;
    }
    struct script_stmt *stmt = stmt_add(p->check.cas, p->lx.line, lex_col(&p->lx));
    struct script_word w = { 0 };
    enum lex_token token = LEX_TOKEN_BAD;
    if (read_props(p, stmt)) {
        token = lex_next(&p->lx, LEX_WORD, &w);
    }
    bool structure = token == LEX_TOKEN_WORD &&
                     (verb_find(VERB_STRUCTURE, w.text) != NULL ||
                      verb_find(VERB_HEADER, w.text) != NULL ||
                      verb_find(VERB_EXPECT, w.text) != NULL);
    if (token == LEX_TOKEN_WORD && !structure) {
        read_stmt(p, stmt, &w);
        return;
    }
    if (token != LEX_TOKEN_BAD) {
        report(p, "a property stands before a statement, on its line");
    }
    if (token != LEX_TOKEN_WORD) {
        w = (struct script_word){ .text = mem_strdup(""), .raw = mem_strdup("") };
    }
    words_add(&stmt->words, w); /* Every statement has a word. */
    lex_skip_line(&p->lx);
    p->swallow = true;
}

static void read_line(struct parser *p)
{
    if (!lex_blanks(&p->lx)) {
        char *comment = tail_take(p);
        if (comment != NULL) {
            pending_add(p, comment);
        } else {
            pending_blank(p);
        }
        return;
    }
    if (p->lx.pos > p->lx.line_from) {
        read_indented(p);
        return;
    }
    p->swallow = false;
    if (p->lx.text[p->lx.pos] == '@') {
        read_prop_line(p);
        return;
    }
    struct script_word w;
    enum lex_token token = lex_next(&p->lx, LEX_WORD, &w);
    if (token == LEX_TOKEN_WORD) {
        read_word_line(p, &w);
        script_word_fini(&w);
    } else {
        if (token == LEX_TOKEN_ARROW) {
            report(p, "=> stands behind a statement, or indented below it");
        }
        lex_skip_line(&p->lx);
        p->swallow = true;
    }
}

/* ---- files ---- */

static void split_lines(struct script *s, const char *text, size_t n)
{
    char *all = mem_strndup(text, n);
    size_t lines = 1;
    for (size_t i = 0; i < n; i++) {
        lines += text[i] == '\n';
    }
    s->lines = NEW_ARRAY(char *, lines);
    char *from = all;
    for (size_t i = 0; i < lines; i++) {
        s->lines[i] = from;
        char *nl = strchr(from, '\n');
        if (nl != NULL) {
            *nl = '\0';
            from = nl + 1;
        }
    }
    s->lines_len = lines;
}

static void read_file_end(struct parser *p)
{
    finish_case(p);
    pending_drop_last(p);
    p->script->comments = pending_take(p);
    if (p->script->cases_len == 0 && p->diag.count == 0) {
        diag_add(&p->diag, 1, 1, "the file has no `case`");
    }
}

struct script *script_parse(const char *path, const char *text, size_t n, struct strbuf *errors)
{
    struct parser p = { .diag = { .path = path, .out = errors } };
    if (!script_text_check(&p.diag, text, n)) {
        return NULL;
    }
    p.script = NEW(struct script);
    p.script->path = mem_strdup(path);
    split_lines(p.script, text, n);
    p.check.diag = &p.diag;
    /* A copy with a NUL behind it: the caller's text need not have one. */
    char *copy = mem_strndup(text, n);
    p.lx = (struct lex){ .diag = &p.diag, .text = copy, .n = n, .line = 1 };
    while (p.lx.pos < n && !diag_full(&p.diag)) {
        read_line(&p);
        free(tail_take(&p));
        lex_next_line(&p.lx);
    }
    read_file_end(&p);
    CHECK(p.check.tags.items == NULL);
    nameset_free(&p.cases);
    pending_free(&p);
    free(copy);
    if (p.diag.count > 0) {
        script_free(p.script);
        return NULL;
    }
    return p.script;
}
