/* SPDX-License-Identifier: MIT */
/* The simulated layer as a target.
 *
 * Every command runs in a coroutine of its own, so the world can be stopped, cut off or explored
 * between any two steps of it.  The runner alone moves the world, through run.
 *
 *                 close_layer                 open_layer
 *   layer up ------------------> no layer -----------------> layer up
 *
 * Without a layer every command fails: the machine is off.
 */
#include "scenarios/target_sim.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct target_sim {
    struct target base;
    struct target_sim_config cfg;
    struct host *host;
    struct layer *layer;
    struct io_shell *io;
    void (*quit)(void *opaque);
    void *quit_opaque;
    size_t qmp_busy;
    struct strbuf warnings; /* Not taken yet. */
    char *iothreads[IOTHREADS_MAX]; /* Names, NULL after the last. */
    size_t polling; /* Commands that wait for what only a look can find. */
};

void target_call_fini(struct target_call *call)
{
    CHECK(call->done);
    json_decref(call->reply);
    strbuf_free(&call->output);
    *call = (struct target_call){ .done = true };
}

static struct target_sim *sim_of(const struct target *t)
{
    CHECK(t != NULL);
    return (struct target_sim *)(uintptr_t)t;
}

static void on_event(void *opaque, const struct event *event)
{
    struct target_sim *ts = opaque;
    struct event_texts *q = &ts->base.event_texts;
    q->at = mem_grow(q->at, q->len, &q->cap, sizeof(*q->at));
    q->at[q->len++] = mem_strndup(event->text, event->len);
    ts->base.event_came = true;
}

static void on_qemu_io(void *opaque, const char *device, bool frontend, const char *command,
                       struct strbuf *out)
{
    struct target_sim *ts = opaque;
    io_shell_hmp(ts->io, ts->layer, device, frontend, command, out);
}

static void on_quit(void *opaque)
{
    struct target_sim *ts = opaque;
    ts->quit(ts->quit_opaque);
}

static void on_warning(void *opaque, const char *text)
{
    struct target_sim *ts = opaque;
    strbuf_puts(&ts->warnings, text);
    strbuf_putc(&ts->warnings, '\n');
}

char *target_sim_take_warnings(struct target *t)
{
    struct target_sim *ts = sim_of(t);
    char *text = ts->warnings.text;
    ts->warnings = (struct strbuf){ 0 };
    return text;
}

static void set_hooks(struct target_sim *ts)
{
    layer_set_hooks(ts->layer, &(struct layer_hooks){ .qemu_io = on_qemu_io,
                                                      .quit = ts->quit ? on_quit : NULL,
                                                      .opaque = ts });
}

void target_sim_on_quit(struct target *t, void (*fn)(void *opaque), void *opaque)
{
    struct target_sim *ts = sim_of(t);
    ts->quit = fn;
    ts->quit_opaque = opaque;
    if (ts->layer) {
        set_hooks(ts);
    }
}

/* QMP. */

struct qmp_work {
    struct target_sim *ts;
    struct target_call *call;
    char *bytes; /* NULL: request it is. */
    size_t n;
    json_t *request;
    bool polls; /* It may be `qemu-io` with a command that polls. */
};

static const char human[] = "human-monitor-command";

static json_t *reply_off(void)
{
    return json_pack("{s:{s:s, s:s}}", "error", "class", "GenericError", "desc",
                     "the power is off");
}

static void qmp_run(void *opaque)
{
    struct qmp_work *w = opaque;
    struct target_sim *ts = w->ts;
    if (!ts->layer) {
        w->call->reply = reply_off();
    } else {
        w->call->reply = w->bytes ? layer_qmp_text(ts->layer, w->bytes, w->n)
                                  : layer_qmp(ts->layer, w->request);
    }
    CHECK(w->call->reply != NULL);
    w->call->done = true;
    ts->qmp_busy--;
    ts->polling -= w->polls;
    json_decref(w->request);
    free(w->bytes);
    free(w);
}

static void start_qmp(const struct qmp_work *work)
{
    struct target_sim *ts = work->ts;
    CHECK(!work->call->done);
    ts->qmp_busy++;
    ts->polling += work->polls;
    co_create(ts->cfg.sim, "QMP command", 0, qmp_run, mem_copy(work, sizeof(*work)));
}

static void target_qmp(struct target *t, const char *bytes, size_t n, struct target_call *call)
{
    start_qmp(&(struct qmp_work){ .ts = sim_of(t), .call = call, .bytes = mem_strndup(bytes, n),
                                  .n = n,
                                  .polls = memmem(bytes, n, human, sizeof(human) - 1) != NULL });
}

static void target_qmp_value(struct target *t, const json_t *request, struct target_call *call)
{
    const char *name = json_string_value(json_object_get(request, "execute"));
    start_qmp(&(struct qmp_work){ .ts = sim_of(t), .call = call,
                                  .request = json_incref((json_t *)(uintptr_t)request),
                                  .polls = name && strcmp(name, human) == 0 });
}

/* io. */

struct io_work {
    struct target_sim *ts;
    struct target_call *call;
    char *node;
    char **argv;
    int argc;
};

static void io_run(void *opaque)
{
    struct io_work *w = opaque;
    struct target_sim *ts = w->ts;
    if (ts->layer) {
        io_shell_run(ts->io, ts->layer, w->node, w->argc, w->argv, w->call);
    } else {
        w->call->failed = true;
        error_set(&w->call->err, -EIO, "the power is off");
    }
    ts->polling -= io_command_polls(w->argc, w->argv);
    w->call->done = true;
    for (int i = 0; i < w->argc; i++) {
        free(w->argv[i]);
    }
    free(w->argv);
    free(w->node);
    free(w);
}

static void target_io(struct target *t, const char *node, int argc, char **argv,
                      struct target_call *call)
{
    struct target_sim *ts = sim_of(t);
    struct io_work *w = NEW(struct io_work);
    CHECK(!call->done && argc >= 0);
    *w = (struct io_work){ .ts = ts, .call = call, .node = mem_strdup(node), .argc = argc };
    w->argv = NEW_ARRAY(char *, (size_t)argc + 1);
    for (int i = 0; i < argc; i++) {
        w->argv[i] = mem_strdup(argv[i]);
    }
    ts->polling += io_command_polls(argc, argv);
    co_create(ts->cfg.sim, "io command", 0, io_run, w);
}

static void target_forget(struct target *t, struct target_call *call)
{
    io_shell_forget(sim_of(t)->io, call);
}

/* Running the world. */

static uint64_t steps_left(const struct target_sim *ts)
{
    uint64_t made = ts->cfg.sim->sched.steps;
    return made < ts->cfg.steps_max ? ts->cfg.steps_max - made : 0;
}

/* Runs to the end of the instant; true: no steps are left for that. */
static bool settle_runs_out(struct target_sim *ts)
{
    struct sim *s = ts->cfg.sim;
    uint64_t left = steps_left(ts); /* 0 would be no limit at all. */
    return left == 0 ? s->sched.ready > 0 : sim_settle(s, left) == SIM_STEPS;
}

static int stop_code(enum sim_stop stop, const bool *done)
{
    switch (stop) {
    case SIM_DONE:
        return 0;
    case SIM_IDLE:
        return done ? -EDEADLK : 0;
    case SIM_LATER:
        return done ? -ETIME : 0;
    case SIM_STEPS:
        return -ELOOP;
    default:
        UNREACHABLE();
    }
}

/* One stretch: to the end of work, or, while somebody polls, of the next instant in which something
 * happens. */
static int run_once(struct target_sim *ts, const bool *done, int64_t until_ns, bool *again)
{
    struct sim *s = ts->cfg.sim;
    *again = false;
    if (steps_left(ts) == 0) {
        return -ELOOP;
    }
    if (ts->polling == 0) {
        return stop_code(sim_run(s, done, until_ns, steps_left(ts)), done);
    }
    if (settle_runs_out(ts)) {
        return -ELOOP;
    }
    if (done && *done) {
        return 0;
    }
    *again = true;
    if (io_shell_poll(ts->io)) {
        return 0;
    }
    const struct timer *next = clock_next(&s->clock);
    if (next && next->deadline_ns <= until_ns) {
        enum sim_stop stop = sim_run(s, NULL, next->deadline_ns, MAX(steps_left(ts), 1));
        return stop == SIM_STEPS ? -ELOOP : 0;
    }
    *again = false;
    return stop_code(sim_run(s, done, until_ns, MAX(steps_left(ts), 1)), done);
}

static int target_run(struct target *t, const bool *done, int64_t until_ns)
{
    struct target_sim *ts = sim_of(t);
    bool again;
    int ret;
    do {
        ret = run_once(ts, done, until_ns, &again);
    } while (ret == 0 && again);
    if (ret == 0 && settle_runs_out(ts)) {
        return -ELOOP;
    }
    return ret;
}

static int64_t target_now_ns(struct target *t)
{
    return sim_now_ns(sim_of(t)->cfg.sim);
}

struct in_coroutine {
    void (*fn)(void *opaque);
    void *opaque;
    bool done;
};

static void in_coroutine_run(void *opaque)
{
    struct in_coroutine *w = opaque;
    w->fn(w->opaque);
    w->done = true;
}

int target_sim_in_coroutine(struct target *t, const char *name, void (*fn)(void *opaque),
                            void *opaque)
{
    /* On the heap: the coroutine may outlive a run that fails. */
    struct in_coroutine *w = NEW(struct in_coroutine);
    *w = (struct in_coroutine){ .fn = fn, .opaque = opaque };
    struct target_sim *ts = sim_of(t);
    co_create(ts->cfg.sim, name, 0, in_coroutine_run, w);
    int ret = target_run(t, &w->done, SIM_FOREVER);
    if (ret == 0) {
        free(w);
    }
    return ret;
}

/* Life. */

static void target_destroy(struct target *t)
{
    struct target_sim *ts = sim_of(t);
    CHECK(!ts->layer && target_sim_busy(t) == 0);
    io_shell_destroy(ts->io);
    host_destroy(ts->host);
    json_decref(ts->base.events);
    for (size_t i = 0; i < ts->base.event_texts.len; i++) {
        free(ts->base.event_texts.at[i]);
    }
    free(ts->base.event_texts.at);
    strbuf_free(&ts->warnings);
    for (size_t i = 0; ts->iothreads[i]; i++) {
        free(ts->iothreads[i]);
    }
    free(ts);
}

static const struct target_ops target_sim_ops = {
    .name = "sim",
    .caps = TARGET_WORLD | TARGET_INTROSPECT,
    .qmp = target_qmp,
    .qmp_value = target_qmp_value,
    .io = target_io,
    .forget = target_forget,
    .run = target_run,
    .now_ns = target_now_ns,
    .destroy = target_destroy,
};

struct target *target_sim_create(const struct target_sim_config *cfg)
{
    struct target_sim *ts = NEW(struct target_sim);
    struct disk_config disk = DISK_CONFIG_INIT;
    ts->base = (struct target){ .ops = &target_sim_ops, .events = json_array() };
    ts->cfg = *cfg;
    CHECK(ts->base.events != NULL);
    ts->host = cfg->posix_dir ? host_posix_create(cfg->sim, cfg->posix_dir)
                              : host_sim_create(cfg->sim, &disk);
    ts->io = io_shell_create(&(struct io_shell_config){ .sim = cfg->sim, .guest = cfg->guest,
                                                        .dir = cfg->script_dir,
                                                        .late = cfg->late,
                                                        .opaque = cfg->opaque });
    target_sim_open_layer(&ts->base);
    return &ts->base;
}

struct layer *target_sim_layer(const struct target *t)
{
    return sim_of(t)->layer;
}

struct host *target_sim_host(const struct target *t)
{
    return sim_of(t)->host;
}

size_t target_sim_busy(const struct target *t)
{
    const struct target_sim *ts = sim_of(t);
    return ts->qmp_busy + io_shell_busy(ts->io);
}

void target_sim_poll(struct target *t, bool on)
{
    struct target_sim *ts = sim_of(t);
    CHECK(on || ts->polling > 0);
    ts->polling += on ? 1 : (size_t)-1;
}

void target_sim_allow_steps(struct target *t, uint64_t steps)
{
    struct target_sim *ts = sim_of(t);
    ts->cfg.steps_max = ts->cfg.sim->sched.steps + steps;
}

static void release_run(void *opaque)
{
    struct target_sim *ts = opaque;
    io_shell_release(ts->io);
    if (ts->layer) {
        layer_release_guests(ts->layer);
    }
}

int target_sim_release(struct target *t, bool rules)
{
    struct target_sim *ts = sim_of(t);
    if (rules && !ts->cfg.posix_dir) {
        const char *name;
        for (size_t i = 0; (name = host_sim_name(ts->host, i)) != NULL; i++) {
            disk_fault_clear(host_sim_disk(ts->host, name), NULL);
        }
    }
    return target_sim_in_coroutine(t, "release of breakpoints", release_run, ts);
}

static void close_run(void *opaque)
{
    struct target_sim *ts = opaque;
    layer_destroy(ts->layer);
    ts->layer = NULL;
}

int target_sim_close_layer(struct target *t)
{
    struct target_sim *ts = sim_of(t);
    CHECK(ts->layer && target_sim_busy(t) == 0);
    return target_sim_in_coroutine(t, "end of the layer", close_run, ts);
}

int target_sim_add_iothread(struct target *t, const char *name, struct error *err)
{
    struct target_sim *ts = sim_of(t);
    size_t n = 0;
    while (ts->iothreads[n] && strcmp(ts->iothreads[n], name) != 0) {
        n++;
    }
    if (ts->layer) {
        int ret = layer_add_iothread(ts->layer, name, err);
        if (ret < 0) {
            return ret;
        }
    } else if (ts->iothreads[n]) {
        return error_set(err, -EEXIST, "Duplicate ID '%s' for object", name);
    }
    if (n == IOTHREADS_MAX - 1) {
        return error_set(err, -ENOSPC, "too many iothreads; %d are possible", IOTHREADS_MAX - 1);
    }
    if (!ts->iothreads[n]) {
        ts->iothreads[n] = mem_strdup(name);
    }
    return 0;
}

void target_sim_open_layer(struct target *t)
{
    struct target_sim *ts = sim_of(t);
    CHECK(!ts->layer);
    ts->layer = layer_create(ts->cfg.sim, ts->host, ts->cfg.drivers);
    layer_on_event(ts->layer, on_event, ts);
    layer_on_warning(ts->layer, on_warning, ts);
    set_hooks(ts);
    for (size_t i = 0; ts->iothreads[i]; i++) {
        layer_add_iothread(ts->layer, ts->iothreads[i], NULL);
    }
}
