/* SPDX-License-Identifier: MIT */
/* The storage daemon as a real target: what differs from a whole machine.
 *
 *   io            over NBD (nbd_io.h)
 *   command line  -blockdev and -object are its --blockdev and --object; it has no machine and no
 *                 devices, so other words are none of its: -ENOTSUP
 *   commands      those that it lacks are not done: the call says so (target_call.skip).  Nor are
 *                 those whose answer tells what kind of program it is, or of our own exports
 *
 * The rest, its life, its monitor, waiting, is that of every real target. */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer.h"
#include "scenarios/real/nbd_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long waiting for the program goes on before requests of io are looked at. */
#define STEP_NS (5 * NS_PER_MS)

/* ---- io ---- */

static int qsd_exchange(void *opaque, const char *command, json_t *arguments, json_t **reply)
{
    return real_exchange(opaque, command, arguments, reply);
}

static void qsd_wait(void *opaque, int64_t wait_ns)
{
    struct target_real *rt = opaque;
    if (!real_poll(rt, wait_ns)) {
        real_pause(MIN(wait_ns, STEP_NS));
    }
}

static void qsd_late(void *opaque, const char *node, const char *text)
{
    struct target_real *rt = opaque;
    if (rt->late) {
        rt->late(rt->opaque, node, text);
    }
}

void real_qsd_open(struct target_real *rt)
{
    struct nbd_io_config cfg = {
        .dir = rt->dir,
        .script_dir = rt->script_dir,
        .limit_ns = rt->reply_ns,
        .exchange = qsd_exchange,
        .wait = qsd_wait,
        .late = qsd_late,
        .opaque = rt,
    };
    CHECK(rt->kind == REAL_QSD && !rt->nbd);
    rt->nbd = nbd_io_create(&cfg);
}

static void qsd_io(struct target *t, const char *node, int argc, char **argv,
                   struct target_call *call)
{
    struct target_real *rt = real_of(t);
    if (!real_ready(rt, call)) {
        return;
    }
    if (nbd_io_run(rt->nbd, node, argc, argv, call) == 0 || call->done) {
        return;
    }
    if (rt->pid <= 0) {
        call->failed = call->died = call->done = true;
    } else {
        rt->stuck = true;
        real_io_lost(rt, call);
    }
}

static void qsd_forget(struct target *t, struct target_call *call)
{
    nbd_io_forget(real_of(t)->nbd, call);
}

/* ---- commands ---- */

/* Whether its answer tells what kind of program it is. */
static bool tells_kind(const char *name, const json_t *request)
{
    static const char *const names[] = { "query-commands", "query-qmp-schema" };
    const char *path = json_string_value(
        json_object_get(json_object_get(request, "arguments"), "path"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return strcmp(name, "qom-list") == 0 && path &&
           (strcmp(path, "/") == 0 || strcmp(path, "/objects") == 0);
}

/* Whether its answer shows exports that are there for requests in flight. */
static bool shows_exports(const char *name)
{
    return strcmp(name, "x-debug-query-block-graph") == 0 ||
           strcmp(name, "query-block-exports") == 0;
}

/* Whether the daemon's answer is none of a machine: it lacks the command, or tells of itself. */
static bool lacks(struct target *t, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "execute"));
    bool known = false;
    if (name) {
        layer_command_schema(name, &known);
    }
    if (known && (tells_kind(name, request) ||
                  (shows_exports(name) && nbd_io_busy(real_of(t)->nbd) > 0))) {
        return true;
    }
    return known && !target_real_has_command(t, name);
}

static void refuse(struct target_call *call, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "execute"));
    CHECK(name != NULL);
    char *text = mem_printf("The command %s has not been found", name);
    call->skip = REAL_QSD_SKIP;
    call->reply = json_pack("{s:{s:s, s:s}}", "error", "class", "CommandNotFound", "desc", text);
    call->done = true;
    free(text);
}

static void qsd_qmp_value(struct target *t, const json_t *request, struct target_call *call)
{
    if (lacks(t, request)) {
        refuse(call, request);
        return;
    }
    nbd_io_note(real_of(t)->nbd, request);
    real_target_qmp_value(t, request, call);
}

static void qsd_qmp(struct target *t, const char *bytes, size_t n, struct target_call *call)
{
    json_t *request = json_loadb(bytes, n, 0, NULL);
    if (request && lacks(t, request)) {
        refuse(call, request);
    } else {
        if (request) {
            nbd_io_note(real_of(t)->nbd, request);
        }
        real_target_qmp(t, bytes, n, call);
    }
    json_decref(request);
}

/* ---- waiting ---- */

static int qsd_run(struct target *t, const bool *done, int64_t until_ns)
{
    struct target_real *rt = real_of(t);
    int64_t limit_ns = until_ns == SIM_FOREVER ? real_now_ns(rt) + rt->reply_ns : until_ns;
    nbd_io_settle(rt->nbd);
    while (nbd_io_busy(rt->nbd) > 0 && !rt->stuck && !(done && *done)) {
        int64_t now_ns = real_now_ns(rt);
        if (now_ns >= limit_ns) {
            return done ? -ETIME : 0;
        }
        real_target_run(t, done, MIN(limit_ns, now_ns + STEP_NS));
        nbd_io_poll(rt->nbd);
    }
    return real_target_run(t, done, until_ns);
}

/* ---- the command line ---- */

static const char *const options[] = { "--blockdev", "--object" };

char *real_qsd_word(char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (strcmp(word, options[i] + 1) == 0) {
            return (char *)(uintptr_t)options[i];
        }
    }
    return word;
}

int real_qsd_words(int argc, char **argv, struct error *err)
{
    for (int i = 0; i < argc; i += 2) {
        size_t k = 0;
        while (k < ARRAY_LEN(options) && strcmp(real_qsd_word(argv[i]), options[k]) != 0) {
            k++;
        }
        if (k == ARRAY_LEN(options) || i + 1 >= argc) {
            return error_set(err, -ENOTSUP, "a storage daemon has no '%s'", argv[i]);
        }
    }
    return 0;
}

const struct target_ops real_qsd_ops = {
    .name = "qsd", .caps = TARGET_REAL, .qmp = qsd_qmp, .qmp_value = qsd_qmp_value, .io = qsd_io,
    .forget = qsd_forget, .run = qsd_run, .now_ns = real_target_now_ns,
    .destroy = real_target_destroy,
};
