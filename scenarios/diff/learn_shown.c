/* SPDX-License-Identifier: MIT */
/* What a record shows of a statement, as expectations: what the reply was, what an io command
 * printed, which events came. */
#include "scenarios/diff/learn_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/pattern.h"
#include "scenarios/run_private.h"
#include "scenarios/script_check.h"
#include "scenarios/subst.h"

#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 16 }; /* Of an output. */

/* ---- what it was ---- */

bool shown_failed(const struct shown *s)
{
    const struct record_stmt *r = s->outcome;
    return r->reply != NULL ? json_object_get(r->reply, "error") != NULL : r->failed;
}

static bool is_io(const struct shown *s)
{
    return strcmp(s->outcome->command, "io") == 0;
}

/* "64 KiB, 1 ops; 00.00 sec (1.2 GiB/sec and 9 ops/sec)", or with -C "65536,1,...": times. */
static bool is_rate(const char *line)
{
    size_t digits = strspn(line, "0123456789");
    return (strstr(line, " ops; ") != NULL && strstr(line, " ops/sec)") != NULL) ||
           (digits > 0 && strncmp(line + digits, ",1,", 3) == 0);
}

/* "wrote 512/512 bytes at offset 0": what the command itself says already. */
static bool is_progress(const char *line)
{
    static const char bytes[] = " bytes at offset ";
    const char *done = strchr(line, ' '), *slash = strchr(line, '/');
    if (done == NULL || slash == NULL || slash < done) {
        return false;
    }
    size_t n = (size_t)(slash - done) - 1, digits = strspn(slash + 1, "0123456789");
    return n == digits && n > 0 && memcmp(done + 1, slash + 1, n) == 0 &&
           strncmp(slash + 1 + digits, bytes, sizeof(bytes) - 1) == 0;
}

/* What the program tells beside the answer: of an image that a command makes, of a lock. */
static bool is_aside(const char *line)
{
    static const char *const begins[] = { "Formatting '", "Is another process using the image" };
    for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
        if (strncmp(line, begins[i], strlen(begins[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* The next line of *p that is worth a word, new; NULL at the end. */
static char *next_line(const char **p)
{
    while (*p != NULL && **p != '\0') {
        size_t n = strcspn(*p, "\r\n");
        char *line = mem_strndup(*p, n);
        *p += n;
        *p += strspn(*p, "\r\n");
        if (n > 0 && !is_rate(line) && !is_progress(line) && !is_aside(line)) {
            return line;
        }
        free(line);
    }
    return NULL;
}

/* Of io the first line is the message, behind which more may be printed; of others the last one,
 * after warnings. */
static char *error_line(const struct shown *s)
{
    const char *p = s->outcome->output;
    char *found = next_line(&p), *line;
    while (found != NULL && !is_io(s) && (line = next_line(&p)) != NULL) {
        free(found);
        found = line;
    }
    if (found == NULL) {
        return mem_strdup("");
    }
    char *help = is_io(s) ? strstr(found, " -- ") : NULL; /* A usage line. */
    if (help != NULL) {
        *help = '\0';
    }
    return found;
}

/* What is known of a failure. */
struct shown_error {
    const char *class; /* NULL: it has none. */
    char *text;
};

/* text is the caller's. */
static struct shown_error shown_error(const struct shown *s)
{
    CHECK(shown_failed(s));
    const json_t *error = json_object_get(s->outcome->reply, "error");
    if (error == NULL) {
        return (struct shown_error){ .class = NULL, .text = error_line(s) };
    }
    const char *class = json_string_value(json_object_get(error, "class"));
    const char *desc = json_string_value(json_object_get(error, "desc"));
    return (struct shown_error){ .class = class != NULL ? class : "GenericError",
                                 .text = mem_strdup(desc != NULL ? desc : "") };
}

/* ---- whether an expectation holds ---- */

static bool word_matches(const struct script_word *w, const char *have, bool whole)
{
    struct strbuf want = { 0 };
    bool good = subst_expand(w->text, NULL, NULL, &want, NULL) == 0;
    const char *text = strbuf_str(&want);
    if (w->form == WORD_REGEX) {
        good = good && regex_match(text, have);
    } else if (whole || *text == '\0') {
        good = good && strcmp(text, have) == 0;
    } else {
        good = good && strstr(have, text) != NULL;
    }
    strbuf_free(&want);
    return good;
}

static bool error_holds(const struct shown *s, const struct script_expect *e)
{
    struct shown_error error = shown_error(s);
    bool good = true;
    for (size_t i = 0; i < e->words.len; i++) {
        const struct script_word *w = &e->words.at[i];
        const char *have = w->form == WORD_BARE ? error.class : error.text;
        good = good && have != NULL && word_matches(w, have, true);
    }
    free(error.text);
    return good;
}

static bool return_holds(const struct shown *s, const struct script_expect *e)
{
    struct strbuf text = { 0 };
    json_t *want = NULL;
    if (subst_expand(e->words.at[0].text, NULL, NULL, &text, NULL) == 0) {
        want = json_text_parse(strbuf_str(&text), NULL);
    }
    const json_t *have = json_object_get(s->outcome->reply, "return");
    bool good = want != NULL && have != NULL && json_subset(want, have, NULL);
    json_decref(want);
    strbuf_free(&text);
    return good;
}

static bool event_matches(const json_t *event, const struct script_expect *e)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    if (name == NULL || strcmp(name, e->words.at[0].text) != 0) {
        return false;
    }
    for (size_t i = 1; i < e->words.len; i++) {
        struct strbuf word = { 0 };
        bool good = strncmp(e->words.at[i].text, "within=", 7) == 0 ||
                    (subst_expand(e->words.at[i].text, NULL, NULL, &word, NULL) == 0 &&
                     expect_member_matches(json_object_get(event, "data"), strbuf_str(&word)));
        strbuf_free(&word);
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool has_refs(const struct script_expect *e)
{
    for (size_t i = 0; i < e->words.len; i++) {
        if (check_has_refs(e->words.at[i].text)) {
            return true;
        }
    }
    return false;
}

bool shown_holds(const struct shown *s, const struct script_expect *e, size_t *event)
{
    bool failed = shown_failed(s), refs = has_refs(e);
    switch (e->kind) {
    case EXPECT_OK:
        return !failed;
    case EXPECT_ERROR:
        return failed && (refs || error_holds(s, e));
    case EXPECT_RETURN:
        return !failed && (refs || return_holds(s, e));
    case EXPECT_OUTPUT:
        return refs || word_matches(&e->words.at[0],
                                    s->outcome->output != NULL ? s->outcome->output : "", false);
    default:
        CHECK(e->kind == EXPECT_EVENT);
        for (size_t i = *event; i < json_array_size(s->events); i++) {
            if (refs || event_matches(json_array_get(s->events, i), e)) {
                *event = i + 1;
                return true;
            }
        }
        return false;
    }
}

/* ---- expectations ---- */

static struct script_expect *expect_new(struct script_stmt *stmt, enum expect_kind kind)
{
    stmt->expects = array_grow(stmt->expects, stmt->expects_len, sizeof(*stmt->expects));
    struct script_expect *e = &stmt->expects[stmt->expects_len++];
    *e = (struct script_expect){ .kind = kind, .line = stmt->line, .col = stmt->col,
                                 .on_line = stmt->expects_len == 1 && kind != EXPECT_EVENT };
    return e;
}

static void add_word(struct script_expect *e, struct script_word w)
{
    e->words.at = array_grow(e->words.at, e->words.len, sizeof(*e->words.at));
    e->words.at[e->words.len++] = w;
}

static void put_error(const struct shown *s, struct script_stmt *stmt)
{
    struct script_expect *e = expect_new(stmt, EXPECT_ERROR);
    struct shown_error error = shown_error(s);
    if (error.class != NULL) {
        add_word(e, learn_word_bare(error.class));
    }
    if (*error.text != '\0') {
        add_word(e, learn_word_text(error.text, s->dir, true));
    }
    free(error.text);
}

static void put_return(const struct shown *s, struct script_stmt *stmt, const char *place,
                       struct strbuf *notes)
{
    bool too_long;
    json_t *part = learn_return(json_object_get(s->outcome->reply, "return"), s->dir, &too_long);
    if (part != NULL) {
        add_word(expect_new(stmt, EXPECT_RETURN), learn_word_json(part));
    } else if (too_long) {
        strbuf_printf(notes, "%s: the reply is too long to be an expectation\n", place);
    }
    json_decref(part);
}

static void put_output(const struct shown *s, struct script_stmt *stmt, const char *place,
                       struct strbuf *notes)
{
    const char *p = s->outcome->output;
    char *error = shown_failed(s) && s->outcome->reply == NULL ? error_line(s) : NULL, *line;
    for (size_t lines = 0; (line = next_line(&p)) != NULL; free(line)) {
        if (error != NULL && strncmp(line, error, strlen(error)) == 0) {
            continue;
        }
        if (++lines > LINES_MAX) {
            strbuf_printf(notes, "%s: only the first %d lines of the output\n", place, LINES_MAX);
            free(line);
            break;
        }
        add_word(expect_new(stmt, EXPECT_OUTPUT), learn_word_text(line, s->dir, false));
    }
    free(error);
}

/* Members of an event that say nothing to a reader, or say again what another one does. */
static bool event_noise(const json_t *data, const char *key, const json_t *value)
{
    const char *device = json_string_value(json_object_get(data, "device"));
    bool words = strcmp(key, "reason") == 0 && json_object_get(data, "nospace") != NULL;
    return words || (strcmp(key, "nospace") == 0 && json_is_false(value)) ||
           (strcmp(key, "path") == 0 && device != NULL && *device != '\0') ||
           (json_is_string(value) && json_string_length(value) == 0);
}

static void put_event(const struct shown *s, const json_t *event, struct script_stmt *stmt)
{
    const char *name = json_string_value(json_object_get(event, "event")), *key;
    json_t *data = json_object_get(event, "data"), *value;
    if (name == NULL) {
        return;
    }
    struct script_expect *e = expect_new(stmt, EXPECT_EVENT);
    add_word(e, learn_word_bare(name));
    for (int names = 1; names >= 0; names--) { /* They stand in front. */
        json_object_foreach(data, key, value) {
            if (learn_is_name(key) == names && !event_noise(data, key, value)) {
                add_word(e, learn_word_member(key, value, s->dir));
            }
        }
    }
}

void shown_expects(const struct shown *s, struct script_stmt *stmt, const char *place,
                   struct strbuf *notes)
{
    if (shown_failed(s)) {
        put_error(s, stmt);
    } else {
        put_return(s, stmt, place, notes);
    }
    put_output(s, stmt, place, notes);
    for (size_t i = 0; i < json_array_size(s->events); i++) {
        put_event(s, json_array_get(s->events, i), stmt);
    }
}
