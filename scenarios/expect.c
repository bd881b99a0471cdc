/* SPDX-License-Identifier: MIT */
/* Judging: outcome, output and events.  The state of the world is in expect_state.c.
 *
 * Without an `error` expectation a statement must succeed.  Events match as a subsequence: one that
 * an expectation finds is consumed with all that came before it.
 */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/pattern.h"
#include "scenarios/quirk.h"
#include "scenarios/subst.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_GRACE_NS (500 * NS_PER_MS)

static const char *const kind_name[EXPECT_KINDS] = {
    "ok", "error", "return", "output", "event", "no-event", "data", "node", "graph",
    "job", "check", "aborts",
};

void expect_fail(struct run_ctx *ctx, const struct script_expect *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    CHECK(e->kind < EXPECT_KINDS);
    if (ctx->real && run_record_complaint(ctx, text)) {
        free(text);
        return;
    }
    run_fail(ctx, VERDICT_FAIL, "expect", kind_name[e->kind], (struct place){ e->line, e->col },
             "%s", text);
    free(text);
}

void expect_words_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++) {
        free(words[i]);
    }
    free(words);
}

char **expect_words(struct run_ctx *ctx, const struct script_expect *e)
{
    char **words = NEW_ARRAY(char *, e->words.len + 1);
    for (size_t i = 0; i < e->words.len; i++) {
        struct strbuf out = { 0 };
        struct error err = ERROR_INIT;
        if (subst_expand(e->words.at[i].text, run_lookup, ctx, &out, &err) < 0) {
            expect_fail(ctx, e, "%s", err.text);
            strbuf_free(&out);
            expect_words_free(words);
            return NULL;
        }
        words[i] = out.text ? out.text : mem_strdup("");
    }
    return words;
}

bool expect_value_matches(const char *want, const json_t *have)
{
    int64_t number;
    switch (json_typeof(have)) {
    case JSON_STRING:
        return regex_is(want) ? regex_match(want, json_string_value(have))
                              : strcmp(want, json_string_value(have)) == 0;
    case JSON_INTEGER:
        if (*want == '-') {
            uint64_t below;
            return text_parse_u64(want + 1, &below) == 0 &&
                   json_integer_value(have) == (json_int_t)(0 - below);
        }
        return text_parse_size(want, &number) == 0 && number == json_integer_value(have);
    case JSON_TRUE:
        return strcmp(want, "true") == 0 || strcmp(want, "on") == 0;
    case JSON_FALSE:
        return strcmp(want, "false") == 0 || strcmp(want, "off") == 0;
    case JSON_NULL:
        return strcmp(want, "null") == 0;
    default: {
        struct error err = ERROR_INIT;
        json_t *json = json_text_parse(want, &err);
        bool same = json && json_subset(json, have, NULL);
        json_decref(json);
        return same;
    }
    }
}

/* ---- outcome ---- */

static const char *command_name_at(const void *opaque, size_t i)
{
    (void)opaque;
    return layer_command_name(i);
}

/* A hint for a command that does not exist. */
static void put_hint(const struct script_stmt *stmt, const struct outcome *out,
                     struct strbuf *text)
{
    size_t n = 0;
    if (out->class != ERROR_COMMAND_NOT_FOUND) {
        return;
    }
    while (layer_command_name(n)) {
        n++;
    }
    const char *near = text_nearest_of(stmt->words.at[0].text, n, command_name_at, NULL);
    if (near) {
        strbuf_printf(text, "\nhint: did you mean '%s'?", near);
    }
}

static void put_actual(const struct outcome *out, struct strbuf *text)
{
    if (out->failed) {
        strbuf_printf(text, "actual:   error%s%s \"%s\"", out->has_class ? " " : "",
                      out->has_class ? error_class_name(out->class) : "", out->text);
    } else {
        strbuf_puts(text, "actual:   ok");
    }
    if (out->output && *out->output) {
        strbuf_printf(text, "\noutput:   %s", out->output);
        while (text->len > 0 && text->text[text->len - 1] == '\n') {
            text->text[--text->len] = '\0';
        }
    }
}

static void unexpected_error(struct run_ctx *ctx, const struct script_stmt *stmt,
                             const struct outcome *out)
{
    struct strbuf text = { 0 };
    if (ctx->cfg->errors_are_ok) {
        return;
    }
    strbuf_printf(&text, "unexpected error: %s\nexpected: ok\n", out->text);
    put_actual(out, &text);
    put_hint(stmt, out, &text);
    if (!ctx->real || !run_record_complaint(ctx, text.text)) {
        run_fail(ctx, VERDICT_FAIL, "expect", "ok", (struct place){ stmt->line, stmt->col }, "%s",
                 text.text);
    }
    strbuf_free(&text);
}

static void error_mismatch(struct run_ctx *ctx, const struct script_expect *e, char **words,
                           const struct outcome *out, const char *what)
{
    struct strbuf text = { 0 };
    strbuf_printf(&text, "%s\nexpected: error", what);
    for (size_t i = 0; words[i]; i++) {
        bool quoted = e->words.at[i].form == WORD_QUOTED;
        strbuf_printf(&text, quoted ? " \"%s\"" : " %s", words[i]);
    }
    strbuf_putc(&text, '\n');
    put_actual(out, &text);
    expect_fail(ctx, e, "%s", text.text);
    strbuf_free(&text);
}

static void judge_error(struct run_ctx *ctx, const struct script_expect *e, char **words,
                        const struct outcome *out)
{
    if (!out->failed) {
        error_mismatch(ctx, e, words, out, "it succeeded, an error was expected");
        return;
    }
    for (size_t i = 0; words[i]; i++) {
        const struct script_word *w = &e->words.at[i];
        if (w->form == WORD_REGEX && !regex_match(words[i], out->text)) {
            error_mismatch(ctx, e, words, out, "the error's text does not match");
            return;
        }
        if (w->form == WORD_QUOTED && strcmp(words[i], out->text) != 0) {
            error_mismatch(ctx, e, words, out, "the error has another text");
            return;
        }
        if (w->form == WORD_BARE && strcmp(words[i], error_class_name(out->class)) != 0) {
            error_mismatch(ctx, e, words, out, "the error has another class");
            return;
        }
    }
}

static void judge_return(struct run_ctx *ctx, const struct script_expect *e, char **words,
                         const struct outcome *out)
{
    struct error err = ERROR_INIT;
    struct strbuf why = { 0 };
    json_t *want = json_text_parse(words[0], &err);
    if (!want) {
        expect_fail(ctx, e, "return: %s", err.text);
    } else if (!out->ret) {
        expect_fail(ctx, e, "there is no reply to compare with");
    } else if (!json_subset(want, out->ret, &why)) {
        char *have = json_dumps(out->ret, JSON_COMPACT | JSON_ENCODE_ANY);
        expect_fail(ctx, e, "the reply differs: %s\nexpected: %s\nactual:   %s", why.text,
                    words[0], have);
        free(have);
    }
    json_decref(want);
    strbuf_free(&why);
}

/* "text": the output contains it ("": there is none).  /re/: it matches. */
static void judge_output(struct run_ctx *ctx, const struct script_expect *e, char **words,
                         const struct outcome *out)
{
    const char *have = out->output ? out->output : "";
    bool regex = e->words.at[0].form == WORD_REGEX;
    bool good;
    if (regex) {
        good = regex_match(words[0], have);
    } else {
        good = *words[0] ? strstr(have, words[0]) != NULL : *have == '\0';
    }
    if (!good) {
        expect_fail(ctx, e, "the output is another\nexpected: %s\nactual:   %s", words[0], have);
    }
}

/* ---- events ---- */

static json_t *value_of(struct run_event *e)
{
    if (!e->value) {
        e->value = event_value(e->text);
    }
    return e->value;
}

/* Takes both over; value NULL: nobody has looked at it. */
static void file_event(struct run_ctx *ctx, char *text, json_t *value)
{
    ctx->events = mem_grow(ctx->events, ctx->events_len, &ctx->events_cap, sizeof(*ctx->events));
    struct run_event *e = &ctx->events[ctx->events_len++];
    *e = (struct run_event){ .text = run_log_take(ctx, "event", text), .value = value,
                             .statement = ctx->statement };
    if (ctx->cfg->record) {
        run_record_event(ctx, value_of(e));
    }
}

void run_file_events(struct run_ctx *ctx)
{
    struct event_texts *texts = &ctx->target->event_texts;
    size_t i;
    json_t *event;
    json_array_foreach(ctx->target->events, i, event) {
        struct strbuf text = { 0 };
        qmp_write(&text, event);
        file_event(ctx, text.text, json_incref(event));
    }
    json_array_clear(ctx->target->events);
    for (size_t k = 0; k < texts->len; k++) {
        file_event(ctx, texts->at[k], NULL);
    }
    texts->len = 0;
}

static void events_consume(struct run_ctx *ctx, size_t n)
{
    CHECK(n <= ctx->events_len);
    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        json_decref(ctx->events[i].value);
    }
    memmove(ctx->events, ctx->events + n, (ctx->events_len - n) * sizeof(*ctx->events));
    ctx->events_len -= n;
}

void run_events_free(struct run_ctx *ctx)
{
    events_consume(ctx, ctx->events_len);
    free(ctx->events);
    ctx->events = NULL;
}

const json_t *expect_path(const json_t *at, const char *path)
{
    uint64_t index;
    while (at && path) {
        const char *dot = strchr(path, '.');
        char *name = mem_strndup(path, dot ? (size_t)(dot - path) : strlen(path));
        if (json_is_array(at)) {
            at = text_parse_u64(name, &index) == 0 ? json_array_get(at, (size_t)index) : NULL;
        } else {
            at = json_object_get(at, name);
        }
        free(name);
        path = dot ? dot + 1 : NULL;
    }
    return at;
}

bool expect_member_matches(const json_t *object, const char *word)
{
    const char *eq = strchr(word, '=');
    CHECK(eq != NULL && eq > word);
    bool is_json = eq[-1] == ':';
    char *key = mem_strndup(word, (size_t)(eq - word) - is_json);
    const json_t *have = expect_path(object, key);
    bool good = false;
    free(key);
    if (have && is_json) {
        json_t *want = json_text_parse(eq + 1, NULL);
        good = want && json_subset(want, have, NULL);
        json_decref(want);
    } else if (have) {
        good = expect_value_matches(eq + 1, have);
    }
    return good;
}

static bool event_matches(struct run_event *have, char **words)
{
    if (!strstr(have->text, words[0])) {
        return false; /* The usual case, without a look at its value. */
    }
    const char *name = json_string_value(json_object_get(value_of(have), "event"));
    if (!name || strcmp(name, words[0]) != 0) {
        return false;
    }
    const json_t *data = json_object_get(have->value, "data");
    for (size_t i = 1; words[i]; i++) {
        if (strncmp(words[i], "within=", 7) != 0 && !expect_member_matches(data, words[i])) {
            return false;
        }
    }
    return true;
}

static size_t event_find(const struct run_ctx *ctx, char **words, uint32_t statement)
{
    size_t i = 0;
    while (i < ctx->events_len &&
           !((statement == 0 || ctx->events[i].statement == statement) &&
             event_matches(&ctx->events[i], words))) {
        i++;
    }
    return i;
}

static void put_events(const struct run_ctx *ctx, struct strbuf *out)
{
    if (ctx->events_len == 0) {
        strbuf_puts(out, "no event");
    }
    for (size_t i = 0; i < ctx->events_len; i++) {
        json_t *value = value_of(&ctx->events[i]);
        char *data = json_dumps(json_object_get(value, "data"),
                                JSON_COMPACT | JSON_ENCODE_ANY);
        strbuf_printf(out, "%s%s %s", i ? "\n          " : "",
                      json_string_value(json_object_get(value, "event")),
                      data ? data : "");
        free(data);
    }
}

static void event_missing(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    struct strbuf text = { 0 };
    strbuf_puts(&text, "the event did not come\nexpected: event");
    for (size_t i = 0; words[i]; i++) {
        strbuf_printf(&text, " %s", words[i]);
    }
    strbuf_puts(&text, "\nactual:   ");
    put_events(ctx, &text);
    expect_fail(ctx, e, "%s", text.text);
    strbuf_free(&text);
}

static void judge_event(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    int64_t limit_ns = 0;
    for (size_t i = 1; words[i]; i++) {
        if (strncmp(words[i], "within=", 7) == 0 &&
            text_parse_duration(words[i] + 7, &limit_ns) < 0) {
            expect_fail(ctx, e, "'%s' is not a duration", words[i] + 7);
            return;
        }
    }
    /* What a real program tells comes a moment later. */
    limit_ns = run_now_ns(ctx) + (ctx->real ? MAX(limit_ns, EVENT_GRACE_NS) : limit_ns);
    for (;;) {
        run_file_events(ctx);
        size_t i = event_find(ctx, words, 0);
        if (i < ctx->events_len) {
            events_consume(ctx, i + 1);
            return;
        }
        ctx->target->event_came = false;
        enum run_stop stop = run_until_limit(ctx, &ctx->target->event_came, limit_ns, "an event");
        if (stop == RUN_FAILED) {
            return;
        }
        if (stop != RUN_DONE) {
            event_missing(ctx, e, words);
            return;
        }
    }
}

static void judge_no_event(struct run_ctx *ctx, const struct script_expect *e, char **words)
{
    run_file_events(ctx);
    size_t i = event_find(ctx, words, ctx->statement);
    if (i < ctx->events_len) {
        char *have = json_dumps(value_of(&ctx->events[i]), JSON_COMPACT);
        expect_fail(ctx, e, "an event came that must not come\nexpected: no-event %s\nactual:   %s",
                    words[0], have);
        free(have);
    }
}

/* ---- all ---- */

static void judge_one(struct run_ctx *ctx, const struct script_expect *e,
                      const struct outcome *out)
{
    char **words = expect_words(ctx, e);
    if (!words) {
        return;
    }
    switch (e->kind) {
    case EXPECT_OK:
        break; /* Seen before: it has not failed. */
    case EXPECT_ERROR:
        judge_error(ctx, e, words, out);
        break;
    case EXPECT_RETURN:
        judge_return(ctx, e, words, out);
        break;
    case EXPECT_OUTPUT:
        judge_output(ctx, e, words, out);
        break;
    case EXPECT_EVENT:
        judge_event(ctx, e, words);
        break;
    case EXPECT_NO_EVENT:
        judge_no_event(ctx, e, words);
        break;
    case EXPECT_DATA:
        (ctx->real ? expect_real_data : expect_data)(ctx, e, words);
        break;
    case EXPECT_NODE:
        (ctx->real ? expect_real_node : expect_node)(ctx, e, words);
        break;
    case EXPECT_GRAPH:
        (ctx->real ? expect_real_graph : expect_graph)(ctx, e, words);
        break;
    case EXPECT_JOB:
        expect_job(ctx, e, words);
        break;
    case EXPECT_ABORTS:
        expect_fail(ctx, e, "the program lives on\nexpected: aborts %s", words[0]);
        break;
    default:
        expect_fail(ctx, e, "'%s' is not available in this version", kind_name[e->kind]);
    }
    expect_words_free(words);
}

/* ---- quirks ---- */

/* The statement has a quirk that this program should show. */
static bool has_quirk(const struct run_ctx *ctx, const struct script_stmt *stmt)
{
    const char *version = ctx->cfg->qemu_version;
    for (size_t i = 0; ctx->real && version && i < stmt->expects_len; i++) {
        if (stmt->expects[i].quirk && quirk_matches(stmt->expects[i].quirk, version)) {
            return true;
        }
    }
    return false;
}

/* A quirk says something else: of the outcome, or of the same kind of state. */
static bool is_replaced(const struct run_ctx *ctx, const struct script_stmt *stmt,
                        const struct script_expect *e)
{
    for (size_t i = 0; i < stmt->expects_len; i++) {
        const struct script_expect *q = &stmt->expects[i];
        if (q->quirk && quirk_matches(q->quirk, ctx->cfg->qemu_version) &&
            (q->kind == e->kind ||
             (script_expect_is_outcome(q->kind) && script_expect_is_outcome(e->kind)))) {
            return true;
        }
    }
    return false;
}

/* Another run does the statement too, and outcomes are compared. */
static bool is_compared(const struct run_ctx *ctx, const struct script_stmt *stmt)
{
    return ctx->real && ctx->cfg->record && !script_prop_find(stmt, "real-only");
}

/* Whether this run judges the expectation.  Where outcomes are compared they need not be. */
static bool counts(const struct run_ctx *ctx, const struct script_stmt *stmt,
                   const struct script_expect *e, bool quirk)
{
    if (e->quirk) {
        return quirk && quirk_matches(e->quirk, ctx->cfg->qemu_version);
    }
    if (quirk) {
        return !is_replaced(ctx, stmt, e);
    }
    return !script_expect_is_outcome(e->kind) || !is_compared(ctx, stmt);
}

/* ---- all of a statement ---- */

static bool expects(const struct run_ctx *ctx, const struct script_stmt *stmt, bool quirk,
                    enum expect_kind kind)
{
    for (size_t i = 0; stmt && i < stmt->expects_len; i++) {
        const struct script_expect *e = &stmt->expects[i];
        if (e->kind == kind && counts(ctx, stmt, e, quirk)) {
            return true;
        }
    }
    return false;
}

/* It has succeeded, and what it might have failed with does not matter. */
static bool is_spared(const struct script_stmt *stmt, const struct script_expect *e,
                      const struct outcome *out)
{
    return e->kind == EXPECT_ERROR && !out->failed && script_prop_find(stmt, "may-fail");
}

static void judge_all(struct run_ctx *ctx, const struct script_stmt *stmt, bool quirk,
                      const struct outcome *out)
{
    for (size_t i = 0; stmt && i < stmt->expects_len && !ctx->failed && !ctx->skip_rest; i++) {
        const struct script_expect *e = &stmt->expects[i];
        if (counts(ctx, stmt, e, quirk) && !is_spared(stmt, e, out)) {
            judge_one(ctx, e, out);
        }
    }
}

/* The program has died: a quirk may say that it does. */
static void judge_death(struct run_ctx *ctx, const struct script_stmt *stmt, bool quirk)
{
    const char *death = target_real_death(ctx->target);
    for (size_t i = 0; quirk && i < stmt->expects_len; i++) {
        const struct script_expect *e = &stmt->expects[i];
        if (e->kind == EXPECT_ABORTS && counts(ctx, stmt, e, true)) {
            char **words = expect_words(ctx, e);
            bool holds = words && death && regex_match(words[0], death);
            expect_words_free(words);
            if (holds) {
                run_record_gone(ctx, RECORD_DIED, death);
                run_record_quirk(ctx, stmt, true);
                run_real_skip(ctx, "after-death");
                return;
            }
        }
    }
    run_real_died(ctx, stmt);
}

void run_judge(struct run_ctx *ctx, const struct script_stmt *stmt,
               const struct script_stmt *more, const struct outcome *out)
{
    CHECK(stmt != NULL);
    if (ctx->failed) {
        return;
    }
    if (out->skip) {
        run_qsd_undone(ctx, stmt, out->skip);
        return;
    }
    bool quirk = has_quirk(ctx, stmt), compared = is_compared(ctx, stmt);
    bool more_quirk = more && has_quirk(ctx, more);
    if (out->died) {
        judge_death(ctx, stmt, quirk);
        return;
    }
    if (out->failed && !(compared && !quirk) && !expects(ctx, stmt, quirk, EXPECT_ERROR) &&
        !expects(ctx, more, more_quirk, EXPECT_ERROR) &&
        !(quirk && expects(ctx, stmt, true, EXPECT_OUTPUT))) {
        unexpected_error(ctx, stmt, out);
    } else {
        judge_all(ctx, stmt, quirk, out);
        judge_all(ctx, more, more_quirk, out);
    }
    if (quirk) {
        run_record_quirk(ctx, stmt, true);
    }
    if (more_quirk) {
        run_record_quirk(ctx, more, true);
    }
}
