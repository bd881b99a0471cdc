/* SPDX-License-Identifier: MIT */
/* Learning: what records show becomes expectations of a script.
 *
 * A statement is learned as a whole: what its records show is made into expectations, once for each
 * record, and all of them must be the same text.  An expectation that holds has been written by
 * somebody who knew which part of the answer matters, so it is not replaced by more of it.
 */
#include "scenarios/diff/learn.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/learn_private.h"
#include "scenarios/script_lex.h"
#include "scenarios/verbs.h"

#include <stdlib.h>
#include <string.h>

/* The work on one case. */
struct learn {
    const struct script *script;
    struct script_case *cas;
    const struct record *records;
    size_t records_len;
    struct strbuf *notes;
    char *place; /* "FILE:LINE" of the statement in progress. */
};

static void note(struct learn *l, const char *text)
{
    strbuf_printf(l->notes, "%s: %s\n", l->place, text);
}

/* ---- which statement says what ---- */

static const struct record_stmt *find(const struct record *r, const struct script_stmt *stmt)
{
    for (size_t i = 0; stmt != NULL && i < r->len; i++) {
        if (r->at[i].id == stmt->id) {
            return &r->at[i];
        }
    }
    return NULL;
}

/* Verbs of the world are blksim's: the reference has no answer to them, but for its command line,
 * its tools, and what becomes of a load. */
static bool has_outcome(const struct script_stmt *stmt)
{
    enum verb_id verb = verb_id_of(stmt->words.at[0].text);
    return verb == VERB_NONE || verb == VERB_QMP || verb == VERB_IO || verb == VERB_ARGS ||
           verb == VERB_IMAGE || verb == VERB_LOAD || verb == VERB_WAIT;
}

static bool is_learned(const struct script_stmt *stmt, const struct script_expect *e)
{
    bool outcome = e->kind == EXPECT_OK || e->kind == EXPECT_ERROR || e->kind == EXPECT_RETURN ||
                   e->kind == EXPECT_OUTPUT;
    return e->quirk == NULL && (e->kind == EXPECT_EVENT || (outcome && has_outcome(stmt)));
}

static size_t count_learned(const struct script_stmt *stmt, bool events)
{
    size_t n = 0;
    for (size_t i = 0; i < stmt->expects_len; i++) {
        const struct script_expect *e = &stmt->expects[i];
        n += is_learned(stmt, e) && (events || e->kind != EXPECT_EVENT);
    }
    return n;
}

/* The @async statement that a `wait` ends, or the `wait` that ends an @async statement. */
static const struct script_stmt *partner(const struct script_case *c,
                                         const struct script_stmt *stmt)
{
    const struct script_prop *async = script_prop_find(stmt, "async");
    bool wait = strcmp(stmt->words.at[0].text, "wait") == 0;
    if (async == NULL && !wait) {
        return NULL;
    }
    const char *tag = async != NULL ? async->arg : stmt->words.at[1].text;
    for (size_t i = 0; i < c->stmts_len; i++) {
        const struct script_stmt *other = &c->stmts[i];
        const struct script_prop *prop = script_prop_find(other, "async");
        if (async != NULL && strcmp(other->words.at[0].text, "wait") == 0 &&
            strcmp(other->words.at[1].text, tag) == 0) {
            return other;
        }
        if (wait && prop != NULL && strcmp(prop->arg, tag) == 0) {
            return other;
        }
    }
    return NULL;
}

/* False: this record says nothing of the statement, or nothing that can be learned. */
static bool shown_of(struct learn *l, const struct record *r, const struct script_stmt *stmt,
                     struct shown *s)
{
    static const struct record_stmt nothing = { .command = (char *)(uintptr_t)"" };
    const struct script_stmt *twin = partner(l->cas, stmt);
    const struct record_stmt *own = find(r, stmt), *other = find(r, twin);
    bool async = script_prop_find(stmt, "async") != NULL;
    if (own == NULL || own->end != RECORD_DONE) {
        return false;
    }
    *s = (struct shown){ .outcome = has_outcome(stmt) ? own : &nothing, .events = own->events,
                         .dir = r->files };
    if (other == NULL || other->end != RECORD_DONE) {
        return async || other == NULL;
    }
    /* At the wait, unless somebody has put it at the statement itself. */
    bool at_wait = count_learned(async ? stmt : twin, false) == 0;
    if (at_wait == async) {
        s->outcome = &nothing;
    } else if (!async) {
        s->outcome = other;
    }
    return true;
}

/* ---- expectations ---- */

/* Whether all that the statement expects of these kinds is there. */
static bool holds(const struct shown *s, const struct script_stmt *stmt)
{
    size_t event = 0;
    bool error = false, good = true;
    for (size_t i = 0; i < stmt->expects_len && good; i++) {
        const struct script_expect *e = &stmt->expects[i];
        if (is_learned(stmt, e)) {
            error |= e->kind == EXPECT_ERROR;
            good = shown_holds(s, e, &event);
        }
    }
    return good && error == shown_failed(s);
}

static void expect_fini(struct script_expect *e)
{
    for (size_t i = 0; i < e->words.len; i++) {
        script_word_fini(&e->words.at[i]);
    }
    free(e->words.at);
    for (size_t i = 0; e->comments != NULL && e->comments[i] != NULL; i++) {
        free(e->comments[i]);
    }
    free(e->comments);
    free(e->tail);
    free(e->quirk);
}

static void expects_free(struct script_stmt *stmt)
{
    for (size_t i = 0; i < stmt->expects_len; i++) {
        expect_fini(&stmt->expects[i]);
    }
    free(stmt->expects);
    stmt->expects = NULL;
    stmt->expects_len = 0;
}

/* Appends an expectation, which is taken over. */
static void expect_move(struct script_stmt *stmt, struct script_expect *e)
{
    stmt->expects = array_grow(stmt->expects, stmt->expects_len, sizeof(*stmt->expects));
    stmt->expects[stmt->expects_len++] = *e;
    *e = (struct script_expect){ 0 };
}

/* The comments of an expectation that goes stay with the one that comes in its place. */
static void comments_move(struct learn *l, struct script_expect *from, struct script_expect *to)
{
    bool any = from->comments != NULL || from->tail != NULL;
    if (to == NULL || to->comments != NULL || to->tail != NULL) {
        if (any) {
            note(l, "a comment went with its expectation");
        }
        return;
    }
    to->comments = from->comments;
    to->tail = from->tail;
    from->comments = NULL;
    from->tail = NULL;
    to->on_line = to->on_line && to->comments == NULL && to->tail == NULL;
}

/* Puts the learned ones in the place of those that the statement has of these kinds. */
static void replace(struct learn *l, struct script_stmt *stmt, struct script_stmt *learned)
{
    struct script_stmt all = { .line = stmt->line };
    size_t n = 0;
    for (size_t i = 0; i < stmt->expects_len; i++) {
        if (is_learned(stmt, &stmt->expects[i])) {
            comments_move(l, &stmt->expects[i],
                          n < learned->expects_len ? &learned->expects[n] : NULL);
            n++;
        }
    }
    for (size_t i = 0; i < learned->expects_len; i++) {
        expect_move(&all, &learned->expects[i]);
    }
    for (size_t i = 0; i < stmt->expects_len; i++) {
        if (!is_learned(stmt, &stmt->expects[i])) {
            stmt->expects[i].on_line = false;
            expect_move(&all, &stmt->expects[i]);
        }
    }
    expects_free(stmt);
    expects_free(learned);
    stmt->expects = all.expects;
    stmt->expects_len = all.expects_len;
}

static bool same_expects(const struct script_stmt *a, const struct script_stmt *b)
{
    bool same = a->expects_len == b->expects_len;
    for (size_t i = 0; same && i < a->expects_len; i++) {
        const struct script_expect *e = &a->expects[i], *f = &b->expects[i];
        same = e->kind == f->kind && e->words.len == f->words.len;
        for (size_t k = 0; same && k < e->words.len; k++) {
            same = e->words.at[k].form == f->words.at[k].form &&
                   strcmp(e->words.at[k].text, f->words.at[k].text) == 0;
        }
    }
    return same;
}

/* ---- a statement ---- */

/* Why the records forbid it: told.  True: they do. */
static bool is_out_of_reach(struct learn *l, const struct script_stmt *stmt)
{
    for (size_t i = 0; i < l->records_len; i++) {
        const struct record_stmt *r = find(&l->records[i], stmt);
        if (r == NULL) {
            continue;
        }
        if (r->quirk == QUIRK_NONE && (r->end == RECORD_DIED || r->end == RECORD_TIMEOUT)) {
            const char *why = r->why != NULL ? r->why : "";
            char *text = mem_printf("the reference %s%s%.*s; left alone",
                                    r->end == RECORD_DIED ? "died" : "gave no answer",
                                    *why != '\0' ? ": " : "", (int)strcspn(why, "\n"), why);
            note(l, text);
            free(text);
            return true;
        }
        if (r->quirk != QUIRK_NONE) {
            if (r->quirk == QUIRK_GONE) {
                note(l, "the reference does not show the quirk any more; left alone");
            }
            return true;
        }
    }
    return false;
}

/* What the records show, into learned.  False: they differ, or there is nothing. */
static bool learn_all(struct learn *l, const struct script_stmt *stmt, struct script_stmt *learned,
                      bool *all_hold)
{
    bool any = false;
    *all_hold = true;
    for (size_t i = 0; i < l->records_len; i++) {
        struct shown s;
        struct script_stmt one = { .line = stmt->line };
        struct strbuf notes = { 0 };
        if (!shown_of(l, &l->records[i], stmt, &s)) {
            continue;
        }
        *all_hold = *all_hold && holds(&s, stmt);
        shown_expects(&s, &one, l->place, &notes);
        bool same = !any || same_expects(&one, learned);
        if (!any) {
            *learned = one;
            bool stays = count_learned(stmt, true) > 0 && *all_hold;
            strbuf_puts(l->notes, stays ? "" : strbuf_str(&notes));
        } else {
            expects_free(&one);
        }
        strbuf_free(&notes);
        any = true;
        if (!same && !(*all_hold && count_learned(stmt, true) > 0)) {
            note(l, "answers differ from one unit to another; left alone");
            return false;
        }
    }
    return any;
}

static bool learn_stmt(struct learn *l, struct script_stmt *stmt)
{
    struct script_stmt learned = { .line = stmt->line };
    size_t have = count_learned(stmt, true);
    bool all_hold, changed = false;
    if (!is_out_of_reach(l, stmt) && learn_all(l, stmt, &learned, &all_hold)) {
        bool keep = all_hold && (have > 0 || learned.expects_len == 0);
        changed = !keep && (have > 0 || learned.expects_len > 0);
    }
    if (changed) {
        replace(l, stmt, &learned);
    }
    expects_free(&learned);
    return changed;
}

size_t learn_case(struct script *s, struct script_case *c, const struct record *records,
                  size_t records_len, struct strbuf *notes)
{
    size_t changed = 0;
    CHECK(c >= s->cases && c < s->cases + s->cases_len);
    for (size_t i = 0; i < c->stmts_len; i++) {
        struct script_stmt *stmt = &c->stmts[i];
        struct learn l = { .script = s, .cas = c, .records = records, .records_len = records_len,
                           .notes = notes, .place = mem_printf("%s:%d", s->path, stmt->line) };
        changed += learn_stmt(&l, stmt);
        free(l.place);
    }
    return changed;
}
