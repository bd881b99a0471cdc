/* SPDX-License-Identifier: MIT */
/* What a case needs that a storage daemon has not: devices, media, the human monitor.  What comes
 * after a statement that it cannot do is about something else, so such a case is left out whole. */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/nbd_io.h"

#include <stdlib.h>
#include <string.h>

/* A command of a machine that the program lacks.  Any other name gets its answer. */
static bool lacks_command(const struct run_ctx *ctx, const char *name)
{
    bool known = false;
    layer_command_schema(name, &known);
    return known && !target_real_has_command(ctx->target, name);
}

/* The command of `qmp TEXT`, new; NULL: no reader would find one. */
static char *raw_command(const struct script_stmt *stmt)
{
    json_t *request = json_loadb(stmt->qmp_raw, stmt->qmp_raw_len, 0, NULL);
    const char *name = json_string_value(json_object_get(request, "execute"));
    char *copy = name ? mem_strdup(name) : NULL;
    json_decref(request);
    return copy;
}

static char *command_lack(const struct run_ctx *ctx, const char *name)
{
    return name && lacks_command(ctx, name) ? mem_printf("qsd has no %s", name) : NULL;
}

static char *args_lack(const struct run_ctx *ctx, const struct script_stmt *stmt)
{
    struct error err = ERROR_INIT;
    char **words = NEW_ARRAY(char *, stmt->words.len + 1);
    for (size_t i = 1; i < stmt->words.len; i++) {
        words[i - 1] = stmt->words.at[i].text;
    }
    int ret = target_real_check_args(ctx->target, (int)stmt->words.len - 1, words, &err);
    free(words);
    return ret < 0 ? mem_strdup(err.text) : NULL;
}

static char *stmt_lack(const struct run_ctx *ctx, const struct script_stmt *stmt)
{
    const char *word = stmt->words.at[0].text;
    char *name, *lack;
    CHECK(stmt->words.len > 0);
    struct error err = ERROR_INIT;
    switch (verb_id_of(word)) {
    case VERB_IO:
        return nbd_io_check(&err) < 0 ? mem_strdup(err.text) : NULL;
    case VERB_NONE:
        return script_prop_find(stmt, "real-only") && !target_real_has_command(ctx->target, word)
                   ? mem_printf("qsd has no %s", word) : command_lack(ctx, word);
    case VERB_QMP:
        name = raw_command(stmt);
        lack = command_lack(ctx, name);
        free(name);
        return lack;
    case VERB_ARGS:
        return args_lack(ctx, stmt);
    case VERB_LOAD:
        return mem_strdup("qsd has no frontend for a load");
    default:
        return NULL;
    }
}

char *run_qsd_lack(const struct run_ctx *ctx)
{
    const struct script_case *c = ctx->unit->cas;
    char *lack = NULL;
    for (size_t i = 0; !lack && i < c->stmts_len; i++) {
        if (!run_skip_reason(ctx, &c->stmts[i])) {
            lack = stmt_lack(ctx, &c->stmts[i]);
        }
    }
    return lack;
}

void run_qsd_undone(struct run_ctx *ctx, const struct script_stmt *stmt, const char *reason)
{
    static const char *const reads[] = { "read", "r", "readv", "aio_read", "map", "alloc", "a",
                                         "length", "l", "info", "i", "flush", "f" };
    static const char *const asks[] = { "query-", "x-debug-query-", "qom-list", "qom-get" };
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        if (strncmp(stmt->words.at[0].text, asks[i], strlen(asks[i])) == 0) {
            return;
        }
    }
    bool io = verb_id_of(stmt->words.at[0].text) == VERB_IO && stmt->words.len > 2;
    for (size_t i = 0; io && i < ARRAY_LEN(reads); i++) {
        if (strcmp(stmt->words.at[2].text, reads[i]) == 0) {
            return;
        }
    }
    run_real_skip(ctx, reason);
}
