/* SPDX-License-Identifier: MIT */
/* One statement: its words, its command, its outcome.
 *
 * A QMP command in key=value words becomes JSON by the schema of its arguments; what the schema
 * does not know stays text, so that the layer itself says what is wrong with it.  Values written
 * as key:=JSON arrive as they are.
 */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/pattern.h"
#include "scenarios/subst.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The name of the rules of a statement's @fail. */
struct fail_name {
    char text[32];
};

static struct fail_name fail_name(const struct script_stmt *stmt)
{
    struct fail_name name;
    snprintf(name.text, sizeof(name.text), "@fail %u", stmt->id);
    return name;
}

/* ---- words ---- */

const char *stmt_key(const struct run_stmt *s, const char *key)
{
    size_t n = strlen(key);
    for (int i = 1; i < s->words_len; i++) {
        if (strncmp(s->words[i], key, n) == 0 && s->words[i][n] == '=') {
            return s->words[i] + n + 1;
        }
    }
    return NULL;
}

static void stmt_fini(struct run_stmt *s)
{
    for (int i = 0; i < s->words_len; i++) {
        free(s->words[i]);
    }
    free(s->words);
    free(s->text);
}

/* Words with ${} replaced.  False: a failure was reported. */
static bool stmt_init(struct run_ctx *ctx, const struct script_stmt *stmt, struct run_stmt *s)
{
    struct strbuf text = { 0 };
    CHECK(stmt->words.len > 0);
    *s = (struct run_stmt){ .stmt = stmt };
    s->words = NEW_ARRAY(char *, stmt->words.len + 1);
    for (size_t i = 0; i < stmt->words.len; i++) {
        struct strbuf word = { 0 };
        struct error err = ERROR_INIT;
        if (subst_expand(stmt->words.at[i].text, run_lookup, ctx, &word, &err) < 0) {
            run_fail(ctx, VERDICT_FAIL, "script", "word",
                     (struct place){ stmt->words.at[i].line, stmt->words.at[i].col }, "%s",
                     err.text);
            strbuf_free(&word);
            strbuf_free(&text);
            s->text = mem_strdup("");
            return false;
        }
        strbuf_puts(&text, i > 0 ? " " : "");
        strbuf_add(&text, strbuf_str(&word), word.len);
        s->words[s->words_len++] = word.text ? word.text : mem_strdup("");
    }
    if (stmt->qmp_raw) {
        strbuf_putc(&text, ' ');
        strbuf_add(&text, stmt->qmp_raw, stmt->qmp_raw_len);
    }
    s->text = text.text ? text.text : mem_strdup("");
    s->verb = verb_id_of(s->words[0]);
    return true;
}

/* ---- outcomes ---- */

void outcome_fini(struct outcome *out)
{
    free(out->text);
    free(out->output);
    json_decref(out->ret);
    *out = (struct outcome){ 0 };
}

void outcome_fail(struct outcome *out, const struct error *err)
{
    CHECK(!out->failed && err->code < 0);
    out->failed = true;
    out->class = err->class;
    out->text = mem_strdup(err->text);
}

static enum error_class class_of(const char *name)
{
    for (int c = ERROR_GENERIC; c <= ERROR_KVM_MISSING_CAP; c++) {
        if (name && strcmp(error_class_name((enum error_class)c), name) == 0) {
            return (enum error_class)c;
        }
    }
    return ERROR_GENERIC;
}

void outcome_of_call(const struct target_call *call, struct outcome *out)
{
    CHECK(call->done);
    *out = (struct outcome){ .died = call->died, .skip = call->skip };
    if (call->died) {
        out->failed = true;
        out->text = mem_strdup("the program has died");
        out->output = mem_strdup(strbuf_str(&call->output));
        return;
    }
    if (!call->reply) {
        out->output = mem_strdup(strbuf_str(&call->output));
        if (call->failed) {
            out->failed = true;
            out->text = mem_strdup(call->err.text);
        }
        return;
    }
    const json_t *error = json_object_get(call->reply, "error");
    if (error) {
        const char *desc = json_string_value(json_object_get(error, "desc"));
        out->failed = true;
        out->has_class = true;
        out->class = class_of(json_string_value(json_object_get(error, "class")));
        out->text = mem_strdup(desc ? desc : "");
    } else {
        out->ret = json_incref(json_object_get(call->reply, "return"));
    }
}

/* ---- arguments of a command ---- */

/* Puts value at a dotted key, over what is there.  Arrays are walked by index. */
static int put_json(json_t *at, const char *key, json_t *value, struct error *err)
{
    const char *dot = strchr(key, '.');
    char *name = mem_strndup(key, dot ? (size_t)(dot - key) : strlen(key));
    uint64_t index = 0;
    int ret = 0;
    if (json_is_array(at) &&
        (text_parse_u64(name, &index) < 0 || index > json_array_size(at))) {
        ret = error_set(err, -EINVAL, "'%s' is not the next index of an array", name);
    } else if (!json_is_array(at) && !json_is_object(at)) {
        ret = error_set(err, -EINVAL, "'%s' lies below a value that has no members", name);
    } else if (!dot) {
        if (json_is_object(at)) {
            json_object_set(at, name, value);
        } else if (index == json_array_size(at)) {
            json_array_append(at, value);
        } else {
            json_array_set(at, (size_t)index, value);
        }
    } else {
        json_t *below = json_is_object(at) ? json_object_get(at, name)
                                           : json_array_get(at, (size_t)index);
        if (!below) {
            below = json_object();
            if (json_is_object(at)) {
                json_object_set_new(at, name, below);
            } else {
                json_array_append_new(at, below);
            }
        }
        ret = put_json(below, dot + 1, value, err);
    }
    free(name);
    return ret;
}

/* Splits "key=value" and "key:=JSON".  False: it is neither. */
static bool split_word(const char *word, bool *json, size_t *key_len, const char **value)
{
    const char *eq = strchr(word, '=');
    if (!eq) {
        return false;
    }
    *json = eq > word && eq[-1] == ':';
    *value = eq + 1;
    *key_len = (size_t)(eq - word) - *json;
    return true;
}

/* put_json goes one call deeper for each part of a key. */
static int check_parts(const char *key, struct error *err)
{
    enum { PARTS_MAX = 256, SHOWN_MAX = 127 };
    size_t parts = 1;
    for (const char *p = key; *p; p++) {
        parts += *p == '.';
    }
    return parts > PARTS_MAX ? error_set(err, -EINVAL, "Parameter '%.*s...' has too many parts",
                                         SHOWN_MAX, key)
                             : 0;
}

/* Puts all words that are JSON, or all that are not, into args. */
static int put_words(const struct run_stmt *s, bool want_json, json_t *args, struct error *err)
{
    int ret = 0;
    for (int i = 1; i < s->words_len && ret == 0; i++) {
        bool is_json;
        size_t key_len;
        const char *value;
        if (!split_word(s->words[i], &is_json, &key_len, &value)) {
            return error_set(err, -EINVAL, "'%s' is not KEY=VALUE", s->words[i]);
        }
        if (is_json != want_json) {
            continue;
        }
        char *key = mem_strndup(s->words[i], key_len);
        if (want_json) {
            json_t *parsed = json_text_parse(value, err);
            ret = parsed ? check_parts(key, err) : err->code;
            ret = ret == 0 ? put_json(args, key, parsed, err) : ret;
            json_decref(parsed);
        } else {
            ret = schema_put_word(args, key, value, err);
        }
        free(key);
    }
    return ret;
}

/* The key=value words, with types.  with_json: the JSON words are there meanwhile, so that a
 * discriminator may be one of them. */
static json_t *type_args(const struct run_ctx *ctx, const struct schema_type *type,
                         const struct run_stmt *s, bool with_json, struct error *err)
{
    json_t *args = json_object(), *typed = NULL;
    if (put_words(s, false, args, err) == 0 && (!with_json || put_words(s, true, args, err) == 0)) {
        typed = type ? schema_type_words(ctx->cfg->drivers, type, args, err) : json_incref(args);
    }
    json_decref(args);
    return typed;
}

/* The type of its arguments, or NULL. */
static const struct schema_type *args_type(const struct run_ctx *ctx, const char *command)
{
    bool known = false;
    if (ctx->real) {
        return layer_command_schema(command, &known); /* What is sent is the same everywhere. */
    }
    const struct layer *l = target_sim_layer(ctx->target);
    return l ? layer_command_args(l, command, &known) : NULL;
}

/* The arguments as an object, or NULL with err set. */
static json_t *build_args(struct run_ctx *ctx, const struct run_stmt *s, struct error *err)
{
    struct error ignored = ERROR_INIT;
    const struct schema_type *type = args_type(ctx, s->words[0]);
    json_t *args = type_args(ctx, type, s, true, &ignored);
    if (!args) {
        args = type_args(ctx, type, s, false, err);
    }
    if (args && put_words(s, true, args, err) < 0) {
        json_decref(args);
        return NULL;
    }
    return args;
}

/* Whether no reader could take the words for anything else: JSON of the script's own, and what is
 * not ASCII, go through the monitor's. */
static bool words_are_plain(const struct run_stmt *s)
{
    for (int i = 0; i < s->words_len; i++) {
        const char *eq = strchr(s->words[i], '=');
        if (eq && eq > s->words[i] && eq[-1] == ':') {
            return false;
        }
        for (const char *p = s->words[i]; *p; p++) {
            if ((unsigned char)*p >= 0x7f) {
                return false;
            }
        }
    }
    return true;
}

static void send_request(struct run_ctx *ctx, const struct run_stmt *s, const json_t *request,
                         struct target_call *call)
{
    struct strbuf bytes = { 0 };
    if (ctx->target->ops->qmp_value && words_are_plain(s)) {
        ctx->target->ops->qmp_value(ctx->target, request, call);
        return;
    }
    qmp_write(&bytes, request);
    ctx->target->ops->qmp(ctx->target, bytes.text, bytes.len, call);
    strbuf_free(&bytes);
}

static int start_command(struct run_ctx *ctx, const struct run_stmt *s, struct target_call *call,
                         struct error *err)
{
    if (s->verb == VERB_QMP) {
        ctx->target->ops->qmp(ctx->target, s->stmt->qmp_raw, s->stmt->qmp_raw_len, call);
        return 0;
    }
    json_t *args = build_args(ctx, s, err);
    if (!args) {
        return err->code;
    }
    json_t *request = json_object();
    json_object_set_new(request, "execute", json_string(s->words[0]));
    if (json_object_size(args) > 0) {
        json_object_set(request, "arguments", args);
    }
    send_request(ctx, s, request, call);
    json_decref(request);
    json_decref(args);
    return 0;
}

static int start(struct run_ctx *ctx, const struct run_stmt *s, struct target_call *call,
                 struct error *err)
{
    if (s->verb == VERB_IO) {
        CHECK(s->words_len >= 2);
        ctx->target->ops->io(ctx->target, s->words[1], s->words_len - 2, s->words + 2, call);
        return 0;
    }
    return start_command(ctx, s, call, err);
}

/* ---- @fail ---- */

/* The value of a key of "k=v k=v", new, or NULL. */
static char *prop_key(const char *arg, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = arg; *p;) {
        p += strspn(p, " \t");
        size_t len = strcspn(p, " \t");
        if (len > n && strncmp(p, key, n) == 0 && p[n] == '=') {
            return mem_strndup(p + n + 1, len - n - 1);
        }
        p += len;
    }
    return NULL;
}

static int add_fail_rule(struct run_ctx *ctx, const struct script_stmt *stmt, const char *arg,
                         struct error *err)
{
    char *nth = prop_key(arg, "nth"), *errnum = prop_key(arg, "errno"), *op = prop_key(arg, "op");
    char *disk = prop_key(arg, "disk");
    struct fault_rule rule = { .kind = FAULT_ERROR, .count = 1, .ops = run_parse_ops(op) };
    struct host *host = target_sim_host(ctx->target);
    memcpy(rule.name, fail_name(stmt).text, sizeof(rule.name));
    rule.errnum = errnum ? error_errno_parse(errnum) : EIO;
    int ret = nth ? text_parse_u64(nth, &rule.nth) : 0;
    const char *name;
    bool found = false;
    for (size_t i = 0; ret == 0 && (name = host_sim_name(host, i)) != NULL; i++) {
        if (!disk || strcmp(disk, name) == 0) {
            found = true;
            ctx->faulty = true;
            ret = disk_fault_add(host_sim_disk(host, name), &rule, err);
        }
    }
    if (ret == 0 && disk && !found) {
        ret = error_set(err, -ENOENT, "@fail: there is no disk '%s'", disk);
    }
    free(nth);
    free(errnum);
    free(op);
    free(disk);
    return ret;
}

static int set_fail_rule(struct run_ctx *ctx, const struct script_stmt *stmt, struct error *err)
{
    const struct script_prop *prop = script_prop_find(stmt, "fail");
    struct strbuf arg = { 0 };
    if (!prop) {
        return 0;
    }
    if (ctx->posix) {
        return error_set(err, -ENOTSUP, "@fail needs `host sim`");
    }
    int ret = subst_expand(prop->arg, run_lookup, ctx, &arg, err);
    if (ret == 0) {
        ret = add_fail_rule(ctx, stmt, strbuf_str(&arg), err);
    }
    strbuf_free(&arg);
    return ret;
}

void run_fail_rules_clear(struct run_ctx *ctx, const struct script_stmt *stmt)
{
    if (ctx->real || ctx->posix || !script_prop_find(stmt, "fail")) {
        return;
    }
    struct host *host = target_sim_host(ctx->target);
    const char *name;
    for (size_t i = 0; (name = host_sim_name(host, i)) != NULL; i++) {
        disk_fault_clear(host_sim_disk(host, name), fail_name(stmt).text);
    }
}

/* ---- a statement ---- */

static void log_call(struct run_ctx *ctx, const struct target_call *call)
{
    if (call->reply) {
        struct strbuf text = { 0 };
        qmp_write(&text, call->reply);
        trace_emit_text(&ctx->sim->trace, sim_now_ns(ctx->sim), TRACE_REPLY, ctx->statement,
                        text.text, text.len);
        run_log(ctx, "reply", text.text);
        strbuf_free(&text);
    } else {
        const char *text = strbuf_str(&call->output);
        trace_emit_text(&ctx->sim->trace, sim_now_ns(ctx->sim), TRACE_REPLY, ctx->statement, text,
                        strlen(text));
        if (*text || call->failed) {
            run_log(ctx, "io", *text ? text : call->err.text);
        }
    }
}

/* Starts a statement and goes to the end of the instant. */
static void run_async_stmt(struct run_ctx *ctx, const struct run_stmt *s, const char *tag)
{
    struct error err = ERROR_INIT;
    struct run_async *a = NEW(struct run_async);
    bool at_once = true;
    *a = (struct run_async){ .tag = mem_strdup(tag), .stmt = s->stmt };
    a->call.background = true;
    struct run_async **p = &ctx->asyncs;
    while (*p) {
        p = &(*p)->next;
    }
    *p = a;
    if (start(ctx, s, &a->call, &err) < 0) {
        a->call.done = true;
        a->call.failed = true;
        a->call.err = err;
    }
    if (run_until(ctx, &at_once, "the end of the instant") == 0) {
        run_quiesce(ctx);
    }
}

static struct target_call *take_call(struct run_ctx *ctx)
{
    struct target_call *call = ctx->spare_call ? ctx->spare_call : NEW(struct target_call);
    ctx->spare_call = NULL;
    *call = (struct target_call){ .done = false };
    return call;
}

static void run_sync_stmt(struct run_ctx *ctx, const struct run_stmt *s)
{
    struct error err = ERROR_INIT;
    struct outcome out = { 0 };
    /* On the heap: after a failure the command may still run. */
    struct target_call *call = take_call(ctx);
    int ret = 0;
    if (start(ctx, s, call, &err) < 0) {
        call->done = true;
        outcome_fail(&out, &err);
    } else if ((ret = run_until(ctx, &call->done, s->words[0])) == 0) {
        outcome_of_call(call, &out);
        log_call(ctx, call);
        run_take_warnings(ctx, &out);
        run_quiesce(ctx);
    }
    if (ret == 0) {
        run_record_outcome(ctx, s->stmt, call, &out);
        run_jobs_settle(ctx, s->stmt->id);
        run_judge(ctx, s->stmt, NULL, &out);
    }
    outcome_fini(&out);
    ctx->target->ops->forget(ctx->target, call);
    if (call->done) {
        target_call_fini(call);
        ctx->spare_call = call;
    } else {
        struct run_async *a = NEW(struct run_async);
        *a = (struct run_async){ .tag = mem_strdup(""), .stmt = s->stmt, .next = ctx->asyncs };
        a->orphan = call;
        a->cut = true;
        ctx->asyncs = a;
    }
}

static void run_world_stmt(struct run_ctx *ctx, const struct run_stmt *s)
{
    struct outcome out = { 0 };
    if (s->verb == VERB_WAIT) {
        run_verb_wait(ctx, s);
        return;
    }
    int ret = s->verb == VERB_LOAD ? run_verb_load(ctx, s, &out) : run_verb(ctx, s, &out);
    if (ret == 0) {
        bool now = true;
        ret = run_until(ctx, &now, "the end of the instant");
    }
    if (ret == 0) {
        run_take_warnings(ctx, &out);
        run_quiesce(ctx);
        run_record_outcome(ctx, s->stmt, NULL, &out);
        run_judge(ctx, s->stmt, NULL, &out);
    }
    outcome_fini(&out);
}

static void dispatch(struct run_ctx *ctx, const struct run_stmt *s)
{
    const struct script_prop *async = script_prop_find(s->stmt, "async");
    struct error err = ERROR_INIT;
    if (set_fail_rule(ctx, s->stmt, &err) < 0) {
        run_fail(ctx, VERDICT_FAIL, "script", "fail", (struct place){ 0, 0 }, "%s", err.text);
        return;
    }
    if (!run_pass_fd(ctx, s->stmt)) {
        return;
    }
    if (s->verb != VERB_NONE && s->verb != VERB_QMP && s->verb != VERB_IO) {
        run_world_stmt(ctx, s);
        return;
    }
    if (async) {
        struct strbuf tag = { 0 };
        if (subst_expand(async->arg, run_lookup, ctx, &tag, &err) < 0) {
            run_fail(ctx, VERDICT_FAIL, "script", "async", (struct place){ 0, 0 }, "%s",
                     err.text);
        } else {
            run_async_stmt(ctx, s, strbuf_str(&tag));
        }
        strbuf_free(&tag);
        return;
    }
    run_sync_stmt(ctx, s);
    run_fail_rules_clear(ctx, s->stmt);
}

void run_statement(struct run_ctx *ctx, const struct script_stmt *stmt)
{
    struct run_stmt s;
    ctx->statement = stmt->id;
    ctx->line = stmt->line;
    const char *reason = run_skip_reason(ctx, stmt);
    if (reason) {
        run_record_skip(ctx, stmt, reason);
        run_real_left_out(ctx, stmt, reason);
        return;
    }
    if (ctx->cfg->progress) {
        ctx->cfg->progress(ctx->cfg->progress_opaque, stmt->id, stmt->line);
    }
    choice_set_statement(&ctx->sim->choice, stmt->id);
    sim_trace(ctx->sim, TRACE_STATEMENT, 0, stmt->id, 0, 0);
    if (stmt_init(ctx, stmt, &s)) {
        ctx->now = &s;
        run_log(ctx, "statement", s.text);
        run_record_begin(ctx, stmt, s.verb, s.text);
        run_taints_tell(ctx);
        run_loads_note(ctx, &s);
        dispatch(ctx, &s);
        run_record_end(ctx);
        ctx->now = NULL;
    }
    stmt_fini(&s);
}
