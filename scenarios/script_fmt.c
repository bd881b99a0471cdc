/* SPDX-License-Identifier: MIT */
/* The canonical form of a script.
 *
 *   - one space between words, no space at the end of a line, one blank line where there were some
 *   - one blank line before a case
 *   - expectations indented by 4; `=> ...` stays on the line of its statement when both fit
 *   - lines of at most 100 columns where white space allows: a longer one goes on behind a
 *     backslash, indented by 8
 *   - quotes only where they are needed: '...' for a text with double quotes or backslashes,
 *     otherwise "..."
 *   - @id(N) where the id is not the natural one
 *
 * The form of a word depends on its text alone (and on its enum word_form where that means
 * something), so formatting twice changes nothing, and parsing the form gives the same script.
 */
#include "scenarios/script.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/script_lex.h"
#include "scenarios/subst.h"
#include "scenarios/verbs.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 100, INDENT = 4, CONTINUED = 8 };

/* ---- words ---- */

/* Length of the character at p when it can be shown as it is, else 0. */
static size_t shown_len(const char *p, size_t n)
{
    unsigned char c = (unsigned char)*p;
    if (c < 0x20 || c == 0x7f) {
        return 0;
    }
    return lex_utf8_len(p, n);
}

/* Whether text can stand unquoted inside a word. */
static bool bare_ok(const char *text, size_t n, bool comma)
{
    for (size_t i = 0; i < n;) {
        size_t len = shown_len(text + i, n - i);
        if (len == 0 || strchr(" \"'", text[i]) != NULL || (!comma && text[i] == ',')) {
            return false;
        }
        i += len;
    }
    return n == 0 || text[n - 1] != '\\';
}

/* Whether '...' says it better: there is something to escape, nothing that '...' cannot hold. */
static bool raw_better(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t len = shown_len(text + i, n - i);
        if (len == 0 || text[i] == '\'') {
            return false;
        }
        i += len;
    }
    return strpbrk(text, "\"\\") != NULL;
}

static void put_escaped(const char *text, struct strbuf *out)
{
    size_t n = strlen(text);
    strbuf_putc(out, '"');
    for (size_t i = 0; i < n;) {
        size_t len = shown_len(text + i, n - i);
        if (text[i] == '\n' || text[i] == '\t') {
            strbuf_puts(out, text[i] == '\n' ? "\\n" : "\\t");
        } else if (text[i] == '"' || text[i] == '\\') {
            strbuf_printf(out, "\\%c", text[i]);
        } else if (len == 0) {
            strbuf_printf(out, "\\x%02x", (unsigned char)text[i]);
        } else {
            strbuf_add(out, text + i, len);
        }
        i += MAX(len, 1);
    }
    strbuf_putc(out, '"');
}

/* tmpl: text is ready for subst_expand, "$${" stands for "${". */
static void put_quoted(const char *text, bool tmpl, struct strbuf *out)
{
    size_t pos = 0;
    struct subst_ref ref;
    struct strbuf plain = { 0 };
    bool refs = tmpl && subst_next(text, &pos, &ref) != SUBST_END;
    if (tmpl && !refs) {
        CHECK(subst_expand(text, NULL, NULL, &plain, NULL) == 0);
    } else {
        strbuf_puts(&plain, text);
    }
    if (!refs && raw_better(strbuf_str(&plain))) {
        strbuf_printf(out, "'%s'", strbuf_str(&plain));
    } else {
        put_escaped(text, out);
    }
    strbuf_free(&plain);
}

void script_format_value(const char *value, bool list, struct strbuf *out)
{
    size_t n = strlen(value);
    if (bare_ok(value, n, !list) && (n > 0 || !list)) {
        strbuf_add(out, value, n);
    } else {
        put_quoted(value, false, out);
    }
}

/* "key=" of a word whose value may be quoted: its length with the '=', or 0. */
static size_t key_prefix(const char *text)
{
    const char *eq = strchr(text, '=');
    if (eq == NULL || eq == text || text[0] == '#') {
        return 0;
    }
    size_t n = (size_t)(eq - text);
    bool json;
    const char *value;
    bool reads_json = lex_key(text, &json, &value) > 0 && json;
    return bare_ok(text, n, true) && !reads_json ? n + 1 : 0;
}

static bool word_needs_quotes(const struct script_word *w)
{
    bool json;
    const char *value;
    if (w->text[0] == '\0' || w->text[0] == '#' || strcmp(w->text, "=>") == 0) {
        return true;
    }
    return !bare_ok(w->text, strlen(w->text), true) ||
           (lex_key(w->text, &json, &value) > 0 && json);
}

/* text_means: a quoted word differs from a bare one (error, output). */
static void put_word(const struct script_word *w, bool text_means, struct strbuf *out)
{
    if (w->form == WORD_JSON || w->form == WORD_REGEX) {
        strbuf_puts(out, w->text);
        return;
    }
    size_t key = key_prefix(w->text);
    bool force = text_means && w->form == WORD_QUOTED;
    if (!force && !word_needs_quotes(w)) {
        strbuf_puts(out, w->text);
    } else if (force || key == 0) {
        put_quoted(w->text, true, out);
    } else {
        strbuf_add(out, w->text, key);
        put_quoted(w->text + key, true, out);
    }
}

/* ---- lines ---- */

/* The words of a line, each as it will be written. */
struct pieces {
    char **at;
    size_t len;
};

static void piece_add(struct pieces *p, char *text)
{
    p->at = array_grow(p->at, p->len, sizeof(char *));
    p->at[p->len++] = text;
}

static void piece_word(struct pieces *p, const struct script_word *w, bool text_means)
{
    struct strbuf out = { 0 };
    put_word(w, text_means, &out);
    piece_add(p, out.text != NULL ? out.text : mem_strdup(""));
}

static void pieces_fini(struct pieces *p)
{
    for (size_t i = 0; i < p->len; i++) {
        free(p->at[i]);
    }
    free(p->at);
    *p = (struct pieces){ 0 };
}

static size_t columns(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

static size_t pieces_width(const struct pieces *p)
{
    size_t width = p->len > 0 ? p->len - 1 : 0;
    for (size_t i = 0; i < p->len; i++) {
        width += columns(p->at[i]);
    }
    return width;
}

/* Writes the words of a line and, with its newline, the comment behind them. */
static void put_pieces(const struct pieces *p, size_t indent, const char *tail, struct strbuf *out)
{
    size_t width = indent + pieces_width(p), at = indent;
    bool wrap = width > WIDTH;
    strbuf_printf(out, "%*s", (int)indent, "");
    for (size_t i = 0; i < p->len; i++) {
        size_t n = columns(p->at[i]);
        bool last = i + 1 == p->len;
        /* " \" must fit behind a word that is not the last. */
        if (i > 0 && wrap && at + 1 + n + (last ? 0 : 2) > WIDTH) {
            strbuf_printf(out, " \\\n%*s", (int)indent + CONTINUED, "");
            at = indent + CONTINUED;
        } else if (i > 0) {
            strbuf_putc(out, ' ');
            at++;
        }
        strbuf_puts(out, p->at[i]);
        at += n;
    }
    strbuf_printf(out, "%s%s\n", tail != NULL ? "  " : "", tail != NULL ? tail : "");
}

static void put_comments(char *const *comments, size_t indent, struct strbuf *out)
{
    for (size_t i = 0; comments != NULL && comments[i] != NULL; i++) {
        if (*comments[i] == '\0') {
            strbuf_putc(out, '\n');
        } else {
            strbuf_printf(out, "%*s%s\n", (int)indent, "", comments[i]);
        }
    }
}

/* ---- expectations ---- */

static const char *expect_name(enum expect_kind kind)
{
    for (const struct verb_def *v = verbs_all; v->name != NULL; v++) {
        if (v->class == VERB_EXPECT && v->code == (int)kind) {
            return v->name;
        }
    }
    UNREACHABLE();
}

/* What the reply must be gets an arrow; what else must be true does not. */
static bool expect_is_reply(const struct script_expect *e)
{
    return e->quirk == NULL && (e->kind == EXPECT_OK || e->kind == EXPECT_ERROR ||
                                e->kind == EXPECT_RETURN || e->kind == EXPECT_OUTPUT);
}

static void expect_pieces(const struct script_expect *e, bool arrow, struct pieces *p)
{
    bool text_means = e->kind == EXPECT_ERROR || e->kind == EXPECT_OUTPUT;
    if (arrow) {
        piece_add(p, mem_strdup("=>"));
    }
    if (e->quirk != NULL) {
        piece_add(p, mem_strdup("quirk"));
        piece_add(p, mem_strdup(e->quirk));
    }
    piece_add(p, mem_strdup(expect_name(e->kind)));
    for (size_t i = 0; i < e->words.len; i++) {
        piece_word(p, &e->words.at[i], text_means);
    }
}

static void put_expect(const struct script_expect *e, struct strbuf *out)
{
    struct pieces p = { 0 };
    expect_pieces(e, expect_is_reply(e), &p);
    put_comments(e->comments, INDENT, out);
    put_pieces(&p, INDENT, e->tail, out);
    pieces_fini(&p);
}

/* ---- statements ---- */

static void stmt_pieces(const struct script_stmt *stmt, uint32_t natural, struct pieces *p)
{
    if (stmt->id != natural) {
        piece_add(p, mem_printf("@id(%u)", stmt->id));
    }
    for (size_t i = 0; i < stmt->props_len; i++) {
        const struct script_prop *prop = &stmt->props[i];
        bool arg = *prop->arg != '\0';
        piece_add(p, mem_printf("@%s%s%s%s", prop->name, arg ? "(" : "", prop->arg,
                                arg ? ")" : ""));
    }
    for (size_t i = 0; i < stmt->words.len; i++) {
        piece_word(p, &stmt->words.at[i], false);
    }
    if (stmt->qmp_raw != NULL) {
        piece_add(p, mem_strdup(stmt->qmp_raw));
    }
}

/* A line of raw bytes cannot be broken, and nothing stands behind it. */
static void put_raw(const struct pieces *p, struct strbuf *out)
{
    for (size_t i = 0; i < p->len; i++) {
        strbuf_printf(out, "%s%s", i > 0 ? " " : "", p->at[i]);
    }
    strbuf_putc(out, '\n');
}

static void put_stmt(const struct script_stmt *stmt, uint32_t natural, struct strbuf *out)
{
    struct pieces line = { 0 }, with = { 0 };
    stmt_pieces(stmt, natural, &line);
    bool on_line = stmt->expects_len > 0 && stmt->expects[0].on_line && stmt->qmp_raw == NULL;
    if (on_line) {
        stmt_pieces(stmt, natural, &with);
        expect_pieces(&stmt->expects[0], true, &with);
        on_line = pieces_width(&with) <= WIDTH;
    }
    put_comments(stmt->comments, 0, out);
    if (stmt->qmp_raw != NULL) {
        put_raw(&line, out);
    } else {
        put_pieces(on_line ? &with : &line, 0, stmt->tail, out);
    }
    for (size_t i = on_line ? 1 : 0; i < stmt->expects_len; i++) {
        put_expect(&stmt->expects[i], out);
    }
    pieces_fini(&line);
    pieces_fini(&with);
}

/* ---- cases ---- */

static void matrix_pieces(const struct script_case *c, const struct script_header *h, size_t *axis,
                          struct pieces *p)
{
    for (size_t i = 0; i < h->words.len; i++) {
        CHECK(*axis < c->axes_len);
        const struct script_axis *a = &c->axes[(*axis)++];
        struct strbuf out = { 0 };
        strbuf_puts(&out, a->key);
        for (size_t k = 0; k < a->len; k++) {
            strbuf_putc(&out, k == 0 ? '=' : ',');
            script_format_value(a->values[k], true, &out);
        }
        piece_add(p, out.text);
    }
}

static void put_header(const struct script_case *c, const struct script_header *h, size_t *axis,
                       struct strbuf *out)
{
    struct pieces p = { 0 };
    piece_add(&p, mem_strdup(h->name));
    if (strcmp(h->name, "matrix") == 0) {
        matrix_pieces(c, h, axis, &p);
    } else {
        for (size_t i = 0; i < h->words.len; i++) {
            piece_word(&p, &h->words.at[i], false);
        }
    }
    put_comments(h->comments, 0, out);
    put_pieces(&p, 0, h->tail, out);
    pieces_fini(&p);
}

static void put_line(const char *words, const char *tail, struct strbuf *out)
{
    strbuf_printf(out, "%s%s%s\n", words, tail != NULL ? "  " : "", tail != NULL ? tail : "");
}

static void put_case(const struct script_case *c, struct strbuf *out)
{
    size_t axis = 0;
    char *first = mem_printf("case %s", c->name);
    put_comments(c->comments, 0, out);
    put_line(first, c->tail, out);
    free(first);
    for (size_t i = 0; i < c->headers_len; i++) {
        put_header(c, &c->headers[i], &axis, out);
    }
    for (size_t i = 0; i < c->stmts_len; i++) {
        put_stmt(&c->stmts[i], i == 0 ? 1 : c->stmts[i - 1].id + 1, out);
    }
    if (c->ended) {
        put_comments(c->end_comments, 0, out);
        put_line("end", c->end_tail, out);
    }
}

void script_format(const struct script *s, struct strbuf *out)
{
    for (size_t i = 0; i < s->cases_len; i++) {
        if (i > 0) {
            strbuf_putc(out, '\n');
        }
        put_case(&s->cases[i], out);
    }
    put_comments(s->comments, 0, out);
}
