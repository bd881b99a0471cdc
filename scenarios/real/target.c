/* SPDX-License-Identifier: MIT */
/* A real QEMU as a target: its life, its command line, and waiting.
 *
 * Everything happens inside calls of the runner: nothing is read while nobody asks.
 */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/nbd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So long a statement waits for a request that it has started and that nothing holds. */
#define FRESH_NS (30 * NS_PER_MS)

struct target_real *real_of(const struct target *t)
{
    CHECK(t != NULL);
    return (struct target_real *)(uintptr_t)t;
}

int64_t real_now_ns(const struct target_real *rt)
{
    return real_clock_ns() - rt->start_ns;
}

int64_t real_limit_ns(const struct target_real *rt)
{
    return rt->reply_ns;
}

/* ---- commands ---- */

/* Starts it if need be.  What could not be started is dead: it is not tried for ever. */
static bool is_started(struct target_real *rt)
{
    struct error err = ERROR_INIT;
    if (real_start(rt, &err) == 0) {
        return true;
    }
    if (!rt->death) {
        rt->death = mem_printf("it cannot be started\n%s", err.text);
    }
    return false;
}

bool real_ready(struct target_real *rt, struct target_call *call)
{
    CHECK(!call->done);
    if (is_started(rt)) {
        return true;
    }
    call->failed = call->died = call->done = true;
    return false;
}

/* Requests may wait for long from now on. */
static void note_holding(struct target_real *rt, const char *bytes, size_t n)
{
    static const char *const words[] = { "throttl", "latency", "iops", "bps", "break" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        rt->may_hold |= memmem(bytes, n, words[i], strlen(words[i])) != NULL;
    }
}

/* Our own qmp_capabilities was before the script's first one. */
static bool accepts_negotiation(struct target_real *rt, const json_t *request,
                                struct target_call *call)
{
    const char *command = json_string_value(json_object_get(request, "execute"));
    const json_t *args = json_object_get(request, "arguments");
    const json_t *enable = json_object_get(args, "enable");
    size_t members = enable ? 1 : 0;
    if (rt->negotiated || !command || strcmp(command, "qmp_capabilities") != 0 ||
        json_object_size(args) != members || json_array_size(enable) > 0) {
        return false;
    }
    rt->negotiated = true;
    call->reply = json_pack("{s:{}}", "return");
    const json_t *id = json_object_get(request, "id");
    if (id) {
        json_object_set(call->reply, "id", (json_t *)(uintptr_t)id);
    }
    call->done = true;
    return true;
}

void real_target_qmp(struct target *t, const char *bytes, size_t n, struct target_call *call)
{
    struct target_real *rt = real_of(t);
    if (!real_ready(rt, call)) {
        return;
    }
    json_t *request = real_qmp_parse(bytes, n), *adapted = NULL;
    note_holding(rt, bytes, n);
    if (!accepts_negotiation(rt, request, call)) {
        adapted = real_bus_adapt(rt, request);
        if (adapted) {
            real_qmp_send(rt, adapted, call);
        } else {
            real_qmp_send_raw(rt, bytes, n, call);
        }
    }
    json_decref(adapted);
    json_decref(request);
}

void real_target_qmp_value(struct target *t, const json_t *request, struct target_call *call)
{
    struct target_real *rt = real_of(t);
    char *text = json_dumps(request, JSON_COMPACT);
    CHECK(text != NULL);
    if (json_object_get(request, "id")) {
        real_target_qmp(t, text, strlen(text), call);
    } else if (real_ready(rt, call) && !accepts_negotiation(rt, request, call)) {
        json_t *adapted = real_bus_adapt(rt, request);
        note_holding(rt, text, strlen(text));
        real_qmp_send(rt, adapted ? adapted : request, call);
        json_decref(adapted);
    }
    free(text);
}

static void target_io(struct target *t, const char *node, int argc, char **argv,
                      struct target_call *call)
{
    struct target_real *rt = real_of(t);
    if (real_ready(rt, call)) {
        real_io_start(rt, node, argc, argv, call);
    }
}

static void target_forget(struct target *t, struct target_call *call)
{
    real_aio_forget(real_of(t), call);
}

/* ---- waiting ---- */

/* What is there already is read; requests that nothing holds end. */
static void settle(struct target_real *rt)
{
    int64_t until_ns = real_clock_ns() + FRESH_NS;
    real_poll(rt, 0);
    while (real_aio_fresh(rt) && real_clock_ns() < until_ns && real_poll(rt, NS_PER_MS)) {
        /* On. */
    }
    real_aio_waited(rt);
    real_ports_trim(rt);
    real_bus_trim(rt);
    real_poll(rt, 0);
}

static bool is_busy(const struct target_real *rt)
{
    return real_qmp_busy(rt) || rt->aio || rt->sleeps || rt->guests;
}

/* Whether waiting ends now, with *ret. */
static bool is_over(struct target_real *rt, const bool *done, int64_t until_ns, int64_t limit_ns,
                    int *ret)
{
    int64_t now_ns = real_now_ns(rt), oldest_ns = real_qmp_oldest_ns(rt);
    bool forever = until_ns == SIM_FOREVER;
    *ret = 0;
    if (done ? *done : forever && !is_busy(rt)) {
        return true;
    }
    if (now_ns >= limit_ns) {
        *ret = done ? -ETIME : 0;
        return true;
    }
    if (rt->pid <= 0 ? !rt->sleeps : done && forever && !is_busy(rt)) {
        *ret = done ? -EDEADLK : 0;
        return true;
    }
    if (rt->stuck || (oldest_ns && now_ns - oldest_ns > rt->reply_ns)) {
        *ret = -ETIME;
        return true;
    }
    return false;
}

int real_target_run(struct target *t, const bool *done, int64_t until_ns)
{
    struct target_real *rt = real_of(t);
    int64_t limit_ns = until_ns == SIM_FOREVER ? real_now_ns(rt) + rt->reply_ns : until_ns;
    int ret;
    real_poll(rt, 0);
    for (;;) {
        real_guest_run(rt);
        real_sleeps_run(rt);
        if (is_over(rt, done, until_ns, limit_ns, &ret)) {
            break;
        }
        int64_t next_ns = MIN(limit_ns, real_sleeps_next_ns(rt)) - real_now_ns(rt);
        if (!real_poll(rt, MAX(next_ns, 0)) && rt->sleeps) {
            real_pause(NS_PER_MS);
        }
    }
    settle(rt);
    return ret;
}

int64_t real_target_now_ns(struct target *t)
{
    return real_now_ns(real_of(t));
}

/* ---- life ---- */

static void free_args(char **args)
{
    for (size_t i = 0; args[i]; i++) {
        free(args[i]);
    }
    free(args);
}

void real_target_destroy(struct target *t)
{
    struct target_real *rt = real_of(t);
    real_stop(rt);
    if (rt->nbd) {
        nbd_io_destroy(rt->nbd);
    }
    CHECK(!rt->reqs && !rt->aio && !rt->sleeps && !rt->ports);
    struct strbuf *buffers[] = { &rt->in, &rt->tty_in, &rt->err_in, &rt->err_tail, &rt->warnings,
                                &rt->told };
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++) {
        strbuf_free(buffers[i]);
    }
    if (rt->pass_fd >= 0) {
        close(rt->pass_fd);
    }
    json_decref(rt->commands);
    json_decref(rt->base.events);
    free_args(rt->args);
    free(rt->found_name);
    free(rt->program);
    free(rt->prefix);
    free(rt->dir);
    free(rt->script_dir);
    free(rt);
}

static const struct target_ops qemu_ops = {
    .name = "qemu", .caps = TARGET_REAL, .qmp = real_target_qmp,
    .qmp_value = real_target_qmp_value, .io = target_io, .forget = target_forget,
    .run = real_target_run, .now_ns = real_target_now_ns, .destroy = real_target_destroy,
};

struct target *target_real_create(const struct target_real_config *cfg, struct error *err)
{
    CHECK(cfg->dir && cfg->dir[0] == '/');
    char *program = real_find_program(cfg->prefix, real_program_name(cfg->kind), err);
    if (!program) {
        return NULL;
    }
    struct target_real *rt = NEW(struct target_real);
    *rt = (struct target_real){
        .base = { .ops = cfg->kind == REAL_QSD ? &real_qsd_ops : &qemu_ops,
                  .events = json_array() },
        .kind = cfg->kind,
        .program = program,
        .prefix = cfg->prefix ? mem_strdup(cfg->prefix) : NULL,
        .dir = mem_strdup(cfg->dir),
        .script_dir = cfg->script_dir ? realpath(cfg->script_dir, NULL) : NULL,
        .reply_ns = cfg->reply_ns > 0 ? cfg->reply_ns : REAL_REPLY_DEFAULT_NS,
        .start_ns = real_clock_ns(),
        .late = cfg->late,
        .opaque = cfg->opaque,
        .args = NEW_ARRAY(char *, 1),
        .sock = -1, .qtest = -1, .tty = -1, .tty_end = -1, .err = -1, .pass_fd = -1,
    };
    if (rt->kind == REAL_QSD) {
        real_qsd_open(rt);
    }
    return &rt->base;
}

/* ---- the command line ---- */

/* All words with these among them, behind the first `at`. */
static char **insert_args(const struct target_real *rt, int at, int argc, char **argv)
{
    char **args = NEW_ARRAY(char *, (size_t)rt->args_len + (size_t)argc + 1);
    for (int i = 0; i < rt->args_len; i++) {
        args[i < at ? i : i + argc] = mem_strdup(rt->args[i]);
    }
    for (int i = 0; i < argc; i++) {
        args[at + i] = mem_strdup(argv[i]);
    }
    return args;
}

/* Each start is warned of everything again: takes away what has been told. */
static void drop_told(struct target_real *rt)
{
    struct strbuf kept = { 0 };
    char *told = mem_strdup(strbuf_str(&rt->told)), *text = mem_strdup(strbuf_str(&rt->warnings));
    char *save = NULL;
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        size_t n = strlen(l);
        char *found = told;
        while (found && (strncmp(found, l, n) != 0 || found[n] != '\n')) {
            found = strchr(found, '\n');
            found = found ? found + 1 : NULL;
        }
        if (found) {
            memmove(found, found + n + 1, strlen(found + n + 1) + 1);
        } else {
            strbuf_printf(&kept, "%s\n", l);
        }
    }
    strbuf_free(&rt->warnings);
    rt->warnings = kept;
    free(told);
    free(text);
}

int target_real_check_args(struct target *t, int argc, char **argv, struct error *err)
{
    return real_of(t)->kind == REAL_QSD ? real_qsd_words(argc, argv, err) : 0;
}

static int add_args(struct target_real *rt, bool machine, int argc, char **argv, struct error *err)
{
    enum { ARGS_MAX = 4096 };
    struct error own = ERROR_INIT;
    CHECK(argc >= 0);
    if (argc > ARGS_MAX - rt->args_len) {
        return error_set(err, -E2BIG, "too many words for a command line");
    }
    if (target_real_check_args(&rt->base, argc, argv, err) < 0) {
        return -ENOTSUP;
    }
    char **old = rt->args;
    int old_len = rt->args_len;
    rt->args = insert_args(rt, machine ? rt->machine_len : rt->args_len, argc, argv);
    rt->args_len += argc;
    real_stop(rt);
    int ret = real_start(rt, &own);
    if (ret == 0) {
        real_sync_output(rt);
    }
    drop_told(rt);
    if (ret < 0) {
        real_stop(rt);
        free_args(rt->args);
        rt->args = old;
        rt->args_len = old_len;
        return error_set(err, ret, "%s", own.text);
    }
    strbuf_puts(&rt->told, strbuf_str(&rt->warnings));
    rt->machine_len += machine ? argc : 0;
    free_args(old);
    for (int i = 0; i < argc; i++) {
        note_holding(rt, argv[i], strlen(argv[i]));
    }
    return 0;
}

int target_real_args(struct target *t, int argc, char **argv, struct error *err)
{
    return add_args(real_of(t), false, argc, argv, err);
}

int target_real_machine_args(struct target *t, int argc, char **argv, struct error *err)
{
    return add_args(real_of(t), true, argc, argv, err);
}

void target_real_power_cut(struct target *t)
{
    struct target_real *rt = real_of(t);
    target_real_kill(t);
    for (int i = rt->machine_len; i < rt->args_len; i++) {
        free(rt->args[i]);
        rt->args[i] = NULL;
    }
    rt->args_len = rt->machine_len;
    strbuf_free(&rt->told);
}

/* ---- the rest ---- */

int target_real_pass_fd(struct target *t, const char *file, bool writable, struct error *err)
{
    struct target_real *rt = real_of(t);
    char *path = file[0] == '/' ? mem_strdup(file) : mem_printf("%s/%s", rt->dir, file);
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    int ret = fd < 0 ? -errno : 0;
    free(path);
    if (ret < 0) {
        return error_set_errno(err, ret, "'%s'", file);
    }
    if (rt->pass_fd >= 0) {
        close(rt->pass_fd);
    }
    rt->pass_fd = fd;
    return 0;
}

void target_real_kill(struct target *t)
{
    real_stop(real_of(t));
}

bool target_real_is_busy(const struct target *t)
{
    return real_qmp_busy(real_of(t));
}

bool target_real_is_up(const struct target *t)
{
    return real_of(t)->pid > 0;
}

const char *target_real_death(const struct target *t)
{
    return real_of(t)->death;
}

char *target_real_take_warnings(struct target *t)
{
    struct target_real *rt = real_of(t);
    if (rt->pid > 0) {
        real_poll(rt, 0);
    }
    char *text = rt->warnings.text;
    rt->warnings = (struct strbuf){ 0 };
    return text;
}

bool target_real_has_command(struct target *t, const char *name)
{
    struct target_real *rt = real_of(t);
    if (!rt->commands && is_started(rt)) {
        json_t *reply = NULL;
        real_exchange(rt, "query-commands", NULL, &reply);
        rt->commands = json_incref(json_object_get(reply, "return"));
        json_decref(reply);
    }
    size_t i;
    const json_t *c;
    json_array_foreach(rt->commands, i, c) {
        const char *its = json_string_value(json_object_get(c, "name"));
        if (its && strcmp(its, name) == 0) {
            return true;
        }
    }
    return json_array_size(rt->commands) == 0;
}
