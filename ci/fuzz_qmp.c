/* SPDX-License-Identifier: MIT */
/* The libFuzzer target of `make fuzz`: whatever bytes a client sends, the layer stays whole.
 *
 * The first byte of an input says which door it takes, the rest goes through it, into a fresh world
 * with a simulated host, one disk and two nodes:
 *
 *   'q'  bytes of a QMP client           'w'  a command and its key=value words, a line each
 *   'n'  file names (json:..., prefix:...)     'h'  lines of the human monitor
 *   'c'  words of a command line (-blockdev, -drive...), a line each
 *
 * After each refused command the graph must look as before it, and the oracles of the graph have
 * nothing to say; at the end the world comes apart without a rest.
 */
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer_state.h"
#include "model/qmp/monitor.h"
#include "oracles/oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 2000000, LINES_MAX = 64, DISK_BYTES = 1 << 20, JUDGES = 4 };

struct fuzz {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    struct oracle oracles[JUDGES];
    struct oracle_set set;
    struct monitor *monitor;
    struct strbuf before; /* The graph at the last look. */
    bool quit;
};

_Noreturn static void wrong(const char *what, const char *text)
{
    fprintf(stderr, "fuzz: %s: %s\n", what, text);
    abort();
}

static void on_oracle_fail(void *opaque, const struct oracle *o, const char *site,
                           const char *text)
{
    (void)opaque;
    (void)o;
    wrong(site, text);
}

/* Runs until nothing is left to do. */
static void settle(struct fuzz *f)
{
    enum sim_stop stop = sim_run(f->sim, NULL, SIM_FOREVER, STEPS_MAX);
    if (stop == SIM_STEPS) {
        wrong("steps", "the world does not come to rest");
    }
}

/* ---- Judging ---- */

/* Looks at the world; refused: it must look as it did. */
static void look(struct fuzz *f, bool refused)
{
    struct strbuf now = { .text = NULL };
    oracles_quiesce(&f->set, f->layer);
    layer_draw(f->layer, &now);
    if (refused && strcmp(strbuf_str(&f->before), strbuf_str(&now)) != 0) {
        fprintf(stderr, "%s\n", strbuf_str(&f->before));
        wrong("a refused command has changed the graph", strbuf_str(&now));
    }
    strbuf_free(&f->before);
    f->before = now;
}

static void judge_reply(struct fuzz *f, json_t *reply)
{
    CHECK(json_object_size(reply) >= 1 && json_object_size(reply) <= 2);
    look(f, json_object_get(reply, "error") != NULL);
    json_decref(reply);
}

/* ---- One command, as a scenario gives it ---- */

struct command {
    struct fuzz *f;
    const char *bytes;
    size_t n;
    json_t *reply;
};

static void command_run(void *opaque)
{
    struct command *c = opaque;
    c->reply = layer_qmp_text(c->f->layer, c->bytes, c->n);
}

static void give(struct fuzz *f, const char *bytes, size_t n)
{
    struct command c = { .f = f, .bytes = bytes, .n = n };
    co_create(f->sim, "command", 0, command_run, &c);
    settle(f);
    if (!c.reply) {
        wrong("stuck", "a command does not end");
    }
    judge_reply(f, c.reply);
}

static void give_request(struct fuzz *f, const char *name, json_t *args)
{
    json_t *request = json_pack("{s:o, s:o}", "execute", json_stringn_nocheck(name, strlen(name)),
                                "arguments", args);
    char *bytes = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (bytes) {
        give(f, bytes, strlen(bytes));
    }
    free(bytes);
    json_decref(request);
}

/* ---- The doors ---- */

static void on_send(void *opaque, const char *bytes, size_t n)
{
    struct fuzz *f = opaque;
    const char error[] = "\"error\": ";
    look(f, memmem(bytes, n, error, sizeof(error) - 1) != NULL);
}

static void door_qmp(struct fuzz *f, const char *bytes, size_t n)
{
    static const char hello[] =
        "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}}\n";
    monitor_connect(f->monitor);
    monitor_feed(f->monitor, hello, sizeof(hello) - 1);
    settle(f);
    for (size_t at = 0; at < n && !f->quit;) {
        size_t taken = monitor_feed(f->monitor, bytes + at, n - at);
        at += taken;
        settle(f);
        if (taken == 0 && !monitor_takes(f->monitor)) {
            wrong("stuck", "a monitor takes no more");
        }
    }
    monitor_disconnect(f->monitor);
    settle(f);
}

/* Lines of a copy of the input, NUL at their ends. */
static size_t split_lines(char *text, size_t n, char **lines)
{
    size_t len = 0;
    text[n] = '\0';
    for (char *at = text; at < text + n && len < LINES_MAX;) {
        size_t line = strcspn(at, "\n");
        lines[len++] = at;
        at[line] = '\0';
        at += line + 1;
    }
    return len;
}

/* The first line is a command, the others are words. */
static void door_words(struct fuzz *f, char **lines, size_t n)
{
    struct error err = ERROR_INIT;
    bool known;
    const struct schema_type *type = layer_command_args(f->layer, lines[0], &known);
    json_t *args = json_object(), *typed;
    for (size_t i = 1; i < n; i++) {
        char *eq = strchr(lines[i], '=');
        if (eq) {
            *eq = '\0';
            schema_put_word(args, lines[i], eq + 1, NULL);
        }
    }
    typed = type ? schema_type_words(drivers_all, type, args, &err) : json_incref(args);
    json_decref(args);
    if (typed) {
        give_request(f, lines[0], typed);
    }
}

static void door_name(struct fuzz *f, char **lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_t *args = json_pack("{s:s, s:{s:s}, s:s}", "driver", "raw", "file", "driver", "file",
                                 "node-name", "named");
        json_t *name = json_string(lines[i]);
        if (!args || !name) {
            json_decref(args);
            json_decref(name);
            continue;
        }
        json_object_set_new(json_object_get(args, "file"), "filename", name);
        give_request(f, "blockdev-add", args);
    }
}

static void door_human(struct fuzz *f, char **lines, size_t n)
{
    for (size_t i = 0; i < n && !f->quit; i++) {
        json_t *args = json_pack("{s:s}", "command-line", lines[i]);
        if (args) {
            give_request(f, "human-monitor-command", args);
        }
    }
}

struct cmdline {
    struct fuzz *f;
    char **words;
    size_t n;
    struct error err;
    bool done;
};

static void cmdline_run(void *opaque)
{
    struct cmdline *c = opaque;
    layer_command_line(c->f->layer, (int)c->n, c->words, &c->err);
    c->done = true;
}

/* What stands before a word that is refused stays: the graph may have changed, but is whole. */
static void door_cmdline(struct fuzz *f, char **lines, size_t n)
{
    struct cmdline c = { .f = f, .words = lines, .n = n, .err = ERROR_INIT };
    co_create(f->sim, "command line", 0, cmdline_run, &c);
    settle(f);
    if (!c.done) {
        wrong("stuck", "the command line does not end");
    }
    look(f, false);
}

/* ---- A world ---- */

static void on_qemu_io(void *opaque, const char *device, bool frontend, const char *command,
                       struct strbuf *out)
{
    (void)opaque;
    strbuf_printf(out, "%s%s %s\r\n", frontend ? "-d " : "", device, command);
}

static void on_quit(void *opaque)
{
    struct fuzz *f = opaque;
    f->quit = true;
}

static void open_world(struct fuzz *f)
{
    static const char *const nodes[] = {
        "{'execute': 'blockdev-add', 'arguments': {'driver': 'file', 'filename': 'd0',"
        " 'node-name': 'f0'}}",
        "{'execute': 'blockdev-add', 'arguments': {'driver': 'raw', 'file': 'f0',"
        " 'node-name': 'r0'}}",
        "{'execute': 'blockdev-add', 'arguments': {'driver': 'null-co', 'size': 1048576,"
        " 'node-name': 'n0'}}",
    };
    static const struct oracle_ops *const judges[JUDGES] = { &oracle_graph, &oracle_permissions,
                                                       &oracle_frozen, &oracle_drain };
    struct disk_config cfg = DISK_CONFIG_INIT;
    struct disk *d;
    struct error err = ERROR_INIT;
    f->sim = sim_create(&(struct sim_config){ .seed = 0 });
    f->host = host_sim_create(f->sim, &cfg);
    cfg.size = DISK_BYTES;
    CHECK(disk_create(f->sim, "d0", &cfg, &d, &err) == 0 && host_sim_add_disk(f->host, d) == 0);
    f->layer = layer_create(f->sim, f->host, drivers_all);
    layer_set_hooks(f->layer, &(struct layer_hooks){ on_qemu_io, on_quit, f });
    for (size_t i = 0; i < ARRAY_LEN(judges); i++) {
        struct oracle *o = &f->oracles[i];
        *o = (struct oracle){ .ops = judges[i], .sim = f->sim, .fail = on_oracle_fail };
        o->state = o->ops->create(o);
    }
    f->set = (struct oracle_set){ .at = f->oracles, .len = ARRAY_LEN(judges) };
    oracles_watch(&f->set, f->layer);
    f->monitor = monitor_create(&(struct monitor_config){ .layer = f->layer, .send = on_send,
                                                          .opaque = f });
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        give(f, nodes[i], strlen(nodes[i]));
    }
}

static void layer_end(void *opaque)
{
    struct fuzz *f = opaque;
    layer_destroy(f->layer);
    f->layer = NULL;
}

static void close_world(struct fuzz *f)
{
    monitor_destroy(f->monitor);
    co_create(f->sim, "end", 0, layer_end, f);
    settle(f);
    if (f->layer) {
        wrong("stuck", "the layer does not end");
    }
    for (size_t i = 0; i < f->set.len; i++) {
        f->oracles[i].ops->destroy(f->oracles[i].state);
    }
    oracles_free(&f->set);
    host_destroy(f->host);
    sim_destroy(f->sim);
    strbuf_free(&f->before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = { .quit = false };
    char *lines[LINES_MAX];
    if (size < 2) {
        return 0;
    }
    json_object_seed(1);
    open_world(&f);
    char *text = mem_alloc(size);
    memcpy(text, data + 1, size - 1);
    if (data[0] == 'q') {
        door_qmp(&f, text, size - 1);
    } else {
        size_t n = split_lines(text, size - 1, lines);
        switch (n ? data[0] : 0) {
        case 'w':
            door_words(&f, lines, n);
            break;
        case 'n':
            door_name(&f, lines, n);
            break;
        case 'c':
            door_cmdline(&f, lines, n);
            break;
        case 'h':
            door_human(&f, lines, n);
            break;
        default:
            break;
        }
    }
    free(text);
    close_world(&f);
    return 0;
}
