/* SPDX-License-Identifier: MIT */
/* io requests that go on by themselves, and the frontends that they need.
 *
 * `qemu-io` of the human monitor on a node makes a backend for the one command and waits for all
 * that it has started, so the monitor would be held.  A frontend has a backend that stays.  While a
 * request may wait for long (a breakpoint, throttling), those on a node go through a SCSI disk of
 * our own, which shares everything and goes when the last of them has ended; what else is done with
 * the node meanwhile goes through it too, as making another backend would wait for them.
 *
 * A request is known by its report: its kind, offset and length.  A failure does not say whose it
 * is: it is taken for that of the oldest of its kind, and when that one reports success later, for
 * the next one's.
 */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char port_prefix[] = "blksim-io-";
static const char load_prefix[] = LOAD_REAL_PREFIX;

/* ---- the words ---- */

struct shape {
    const char *name, *alias;
    bool is_read, converted, two; /* two: offset and length, no more lengths. */
    const char *options;          /* That the asynchronous form has too. */
};

static const struct shape shapes[] = {
    { "aio_read", NULL, true, false, false, "CP:qv" },
    { "aio_write", NULL, false, false, false, "CfP:quz" },
    { "read", "r", true, true, true, "CP:qv" },
    { "readv", NULL, true, true, false, "CP:qv" },
    { "write", "w", false, true, true, "CfP:quz" },
    { "writev", NULL, false, true, false, "CfP:q" },
};

static const struct shape *find_shape(const char *name, bool background)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        const struct shape *s = &shapes[i];
        if ((strcmp(s->name, name) == 0 || (s->alias && strcmp(s->alias, name) == 0)) &&
            (background || !s->converted)) {
            return s;
        }
    }
    return NULL;
}

/* One letter; 0, or -1: it has no such form. */
static int take_letter(struct real_aio *a, const struct shape *s, char letter, const char *value,
                       bool *zero, struct strbuf *command)
{
    const char *known = strchr(s->options, letter);
    if (!known || letter == ':') {
        return -1;
    }
    a->machine |= letter == 'C';
    a->quiet |= letter == 'q';
    a->dump |= letter == 'v';
    *zero |= letter == 'z';
    a->check |= letter == 'P' && a->is_read;
    if (letter == 'P') {
        strbuf_printf(command, " -P %s", value);
    } else if (letter != 'q') { /* What ends quietly would not be seen to end. */
        strbuf_printf(command, " -%c", letter);
    }
    return 0;
}

/* Options and, in args, the other words.  How many those are, or -1. */
static int take_words(struct real_aio *a, const struct shape *s, int argc, char **argv,
                      char **args, bool *zero, struct strbuf *command)
{
    int n = 0;
    bool only_args = false;
    for (int i = 1; i < argc; i++) {
        const char *w = argv[i];
        if (only_args || w[0] != '-' || !w[1]) {
            args[n++] = argv[i];
            continue;
        }
        only_args = strcmp(w, "--") == 0;
        for (const char *p = w + 1; !only_args && *p; p++) {
            const char *value = NULL;
            if (*p == 'P') {
                value = p[1] ? p + 1 : i + 1 < argc ? argv[++i] : NULL;
                if (!value) {
                    return -1;
                }
            }
            if (take_letter(a, s, *p, value, zero, command) < 0) {
                return -1;
            }
            if (value) {
                break;
            }
        }
    }
    return n;
}

/* Offset and lengths; 0, or -1. */
static int take_range(struct real_aio *a, const struct shape *s, char **args, int n, bool zero,
                      struct strbuf *command)
{
    if (n < 2 || ((s->two || zero) && n != 2) || text_parse_size(args[0], &a->offset) < 0) {
        return -1;
    }
    strbuf_printf(command, " %s", args[0]);
    for (int i = 1; i < n; i++) {
        int64_t len;
        if (text_parse_size(args[i], &len) < 0 || len > INT32_MAX) {
            return -1;
        }
        a->bytes += len;
        strbuf_printf(command, " %s", args[i]);
    }
    return a->bytes > INT32_MAX ? -1 : 0;
}

static void aio_free(struct real_aio *a)
{
    free(a->name);
    free(a);
}

struct real_aio *real_aio_parse(const char *node, int argc, char **argv, bool background,
                                struct strbuf *command)
{
    const struct shape *s = argc > 0 ? find_shape(argv[0], background) : NULL;
    if (!s) {
        return NULL;
    }
    struct real_aio *a = NEW(struct real_aio);
    bool zero = false;
    *a = (struct real_aio){ .is_read = s->is_read, .converted = s->converted,
                            .background = background, .verb = s->name,
                            .name = mem_strdup(node) };
    char **args = NEW_ARRAY(char *, (size_t)argc + 1);
    strbuf_puts(command, s->is_read ? "aio_read" : "aio_write");
    int n = take_words(a, s, argc, argv, args, &zero, command);
    if (n < 0 || take_range(a, s, args, n, zero, command) < 0) {
        aio_free(a);
        a = NULL;
    }
    free(args);
    return a;
}

/* ---- requests under way ---- */

static bool same_request(const struct real_aio *a, bool is_read, int64_t offset, int64_t bytes)
{
    return !a->machine && a->is_read == is_read && a->offset == offset && a->bytes == bytes;
}

/* Remembers that it ended with a failure that may be another's. */
static void blame(struct target_real *rt, const struct real_aio *a)
{
    struct real_aio *b = NEW(struct real_aio);
    *b = (struct real_aio){ .is_read = a->is_read, .machine = a->machine, .offset = a->offset,
                            .bytes = a->bytes, .next = rt->blamed };
    rt->blamed = b;
}

/* Forgets the one that turns out to be innocent; or all.  False: there is none. */
static bool unblame(struct target_real *rt, bool all, bool is_read, int64_t offset, int64_t bytes)
{
    bool found = false;
    for (struct real_aio **p = &rt->blamed; *p && !(found && !all);) {
        struct real_aio *b = *p;
        if (all || same_request(b, is_read, offset, bytes)) {
            *p = b->next;
            free(b);
            found = true;
        } else {
            p = &b->next;
        }
    }
    return found;
}

void real_aio_add(struct target_real *rt, struct real_aio *a)
{
    struct real_aio **p = &rt->aio;
    while (*p) {
        p = &(*p)->next;
    }
    *p = a;
    if (a->port) {
        a->port->users++;
    }
}

void real_aio_remove(struct target_real *rt, struct real_aio *a)
{
    struct real_aio **p = &rt->aio;
    while (*p != a) {
        p = &(*p)->next;
    }
    *p = a->next;
    if (rt->half == a) {
        rt->half = NULL;
    }
    if (a->port) {
        CHECK(a->port->users > 0);
        a->port->users--;
    }
    aio_free(a);
    if (!rt->aio) {
        unblame(rt, true, false, 0, 0);
    }
}

bool real_aio_has(const struct target_real *rt, const struct real_aio *a)
{
    const struct real_aio *p = rt->aio;
    while (p && p != a) {
        p = p->next;
    }
    return p != NULL;
}

bool real_aio_fresh(const struct target_real *rt)
{
    for (const struct real_aio *a = rt->aio; a; a = a->next) {
        if (!a->waited && (a->converted || !a->background)) {
            return true;
        }
    }
    return false;
}

void real_aio_waited(struct target_real *rt)
{
    for (struct real_aio *a = rt->aio; a; a = a->next) {
        a->waited = true;
    }
}

void real_aio_forget(struct target_real *rt, const struct target_call *call)
{
    for (struct real_aio *a = rt->aio; a; a = a->next) {
        if (a->call == call) {
            a->call = NULL;
        }
    }
}

void real_aio_end_all(struct target_real *rt)
{
    while (rt->aio) {
        struct target_call *call = rt->aio->background ? rt->aio->call : NULL;
        if (call) {
            call->died = call->failed = call->done = true;
        }
        real_aio_remove(rt, rt->aio);
    }
}

/* ---- their output ---- */

static void put(struct target_real *rt, const struct real_aio *a, const char *line)
{
    struct target_call *call = a->call;
    if (!call && rt->flusher && strcmp(rt->flusher_name, a->name) == 0) {
        call = rt->flusher;
    }
    if (call && call->output.len < REAL_OUTPUT_MAX) {
        strbuf_printf(&call->output, "%s\n", line);
    } else if (!call && rt->late) {
        char *text = mem_printf("%s\n", line);
        rt->late(rt->opaque, a->name, text);
        free(text);
    }
}

static void finish(struct target_real *rt, struct real_aio *a)
{
    struct target_call *call = a->background ? a->call : NULL;
    real_aio_remove(rt, a);
    if (call) {
        call->done = true;
    }
}

/* The report of a's end, whole or its first line. */
static void report(struct target_real *rt, struct real_aio *a, const char *line, bool whole)
{
    if (!a->quiet) {
        put(rt, a, line);
    }
    if (whole) {
        finish(rt, a);
    } else {
        rt->half = a;
    }
}

static void failure(struct target_real *rt, struct real_aio *a, const char *why)
{
    const char *verb = a->converted ? a->verb : a->is_read ? "readv" : "aio_write";
    char *line = mem_printf("%s failed: %s", verb, why);
    put(rt, a, line);
    if (a->call && a->background && a->converted) {
        real_io_fail(a->call, line);
    }
    free(line);
    finish(rt, a);
}

static void mismatch(struct target_real *rt, struct real_aio *a, const char *line)
{
    put(rt, a, line);
    if (a->call && a->background && a->converted) {
        real_io_fail(a->call, line);
    }
}

static struct real_aio *find_range(const struct target_real *rt, bool is_read, int64_t offset,
                                   int64_t bytes)
{
    struct real_aio *a = rt->aio;
    while (a && !same_request(a, is_read, offset, bytes)) {
        a = a->next;
    }
    return a;
}

static struct real_aio *find_dump(const struct target_real *rt, uint64_t at)
{
    struct real_aio *a = rt->aio;
    while (a && (!a->dump || (int64_t)at < a->offset || (int64_t)at >= a->offset + a->bytes)) {
        a = a->next;
    }
    return a;
}

static struct real_aio *find_machine(const struct target_real *rt, int64_t bytes)
{
    struct real_aio *a = rt->aio;
    while (a && (!a->machine || a->bytes != bytes)) {
        a = a->next;
    }
    return a;
}

static struct real_aio *oldest(const struct target_real *rt, bool is_read)
{
    struct real_aio *a = rt->aio;
    while (a && a->is_read != is_read) {
        a = a->next;
    }
    return a;
}

static struct real_aio *find_check(const struct target_real *rt, const char *line)
{
    int64_t offset, bytes;
    if (sscanf(line, "Pattern verification failed at offset %" SCNd64 ", %" SCNd64 " bytes",
               &offset, &bytes) != 2) {
        return NULL;
    }
    struct real_aio *a = rt->aio;
    while (a && (!a->check || a->offset != offset || a->bytes != bytes)) {
        a = a->next;
    }
    return a;
}

static bool failure_line(struct target_real *rt, const char *line)
{
    static const char read_failed[] = "readv failed: ", write_failed[] = "aio_write failed: ";
    bool is_read = strncmp(line, read_failed, sizeof(read_failed) - 1) == 0;
    if (!is_read && strncmp(line, write_failed, sizeof(write_failed) - 1) != 0) {
        return false;
    }
    struct real_aio *a = oldest(rt, is_read);
    if (a) {
        blame(rt, a);
        failure(rt, a, strchr(line, ':') + 2);
    }
    return a != NULL;
}

/* The report of a success of one that was taken for failed: the failure is another's. */
static bool innocent_line(struct target_real *rt, bool is_read, int64_t offset, int64_t bytes)
{
    struct real_aio *a = oldest(rt, is_read);
    if (!a || !unblame(rt, false, is_read, offset, bytes)) {
        return false;
    }
    rt->half_blamed = true;
    blame(rt, a);
    failure(rt, a, error_strerror(EIO));
    return true;
}

bool real_aio_line(struct target_real *rt, const char *line)
{
    bool is_read;
    int64_t offset, bytes;
    uint64_t at;
    unsigned char dump[16];
    int n;
    struct real_aio *a;
    if (rt->half) {
        report(rt, rt->half, line, true);
        return true;
    }
    if (rt->half_blamed) {
        rt->half_blamed = false;
        return true;
    }
    if (!rt->aio) {
        return false;
    }
    if (real_parse_report(line, &is_read, &offset, &bytes) &&
        (a = find_range(rt, is_read, offset, bytes))) {
        report(rt, a, line, false);
        return true;
    }
    if (real_parse_report(line, &is_read, &offset, &bytes) &&
        innocent_line(rt, is_read, offset, bytes)) {
        return true;
    }
    if (real_parse_dump(line, &at, dump, &n) && (a = find_dump(rt, at))) {
        if (!a->quiet) {
            put(rt, a, line);
        }
        return true;
    }
    if (real_parse_machine(line, &bytes) && (a = find_machine(rt, bytes))) {
        report(rt, a, line, true);
        return true;
    }
    if ((a = find_check(rt, line))) {
        mismatch(rt, a, line);
        return true;
    }
    return failure_line(rt, line);
}

/* ---- frontends ---- */

static bool is_node(struct target_real *rt, const char *name)
{
    json_t *reply = NULL;
    real_exchange(rt, "x-debug-query-block-graph", NULL, &reply);
    const json_t *nodes = json_object_get(json_object_get(reply, "return"), "nodes"), *n;
    size_t i;
    bool found = false;
    json_array_foreach(nodes, i, n) {
        const char *its = json_string_value(json_object_get(n, "name"));
        const char *type = json_string_value(json_object_get(n, "type"));
        found |= its && type && strcmp(its, name) == 0 && strcmp(type, "block-driver") == 0;
    }
    json_decref(reply);
    return found;
}

bool real_is_frontend(struct target_real *rt, const char *name)
{
    char *path = mem_printf("/machine/peripheral/%s/virtio-backend", name);
    json_t *reply = NULL;
    real_exchange(rt, "query-block", NULL, &reply);
    const json_t *blocks = json_object_get(reply, "return"), *b;
    size_t i;
    bool found = false;
    json_array_foreach(blocks, i, b) {
        const char *its = json_string_value(json_object_get(b, "qdev"));
        found |= its && (strcmp(its, name) == 0 || strcmp(its, path) == 0);
    }
    json_decref(reply);
    free(path);
    return found && !is_node(rt, name);
}

/* One that writes is a disk, whose geometry is given so that nobody reads the node to guess it; one
 * that reads is a drive for CDs, which takes no more than the permission to read. */
static bool plug(struct target_real *rt, const char *node, const char *id, bool writes)
{
    static const char *const geometry[] = { "cyls", "heads", "secs" };
    json_t *reply = NULL;
    if (!real_bus_get(rt)) {
        return false;
    }
    json_t *args = json_pack("{s:s, s:s, s:s, s:s, s:b}", "driver", writes ? "scsi-hd" : "scsi-cd",
                             "id", id, "drive", node, "bus", REAL_BUS_ID ".0", "share-rw", 1);
    for (size_t g = 0; writes && g < ARRAY_LEN(geometry); g++) {
        json_object_set_new(args, geometry[g], json_integer(1));
    }
    real_exchange(rt, "device_add", args, &reply);
    bool ok = json_object_get(reply, "return") != NULL;
    json_decref(reply);
    if (!ok) {
        real_bus_put(rt);
    }
    return ok;
}

struct real_port *real_port_get(struct target_real *rt, const char *node, bool make,
                                bool writes)
{
    struct real_port *p = rt->ports;
    while (p && strcmp(p->node, node) != 0) {
        p = p->next;
    }
    if (p || !make || rt->kind != REAL_QEMU || !is_node(rt, node)) {
        return p;
    }
    char *id = mem_printf("%s%" PRIu64, port_prefix, ++rt->next_port);
    if (!plug(rt, node, id, writes)) {
        free(id);
        return NULL;
    }
    p = NEW(struct real_port);
    *p = (struct real_port){ .node = mem_strdup(node), .id = id, .next = rt->ports };
    rt->ports = p;
    return p;
}

static void port_free(struct real_port *p)
{
    free(p->node);
    free(p->id);
    free(p);
}

void real_ports_trim(struct target_real *rt)
{
    struct real_port *p = rt->ports;
    while (p && p->users > 0) {
        p = p->next;
    }
    if (!p || rt->stuck) {
        return;
    }
    real_unplug(rt, p->id, &p->gone);
    struct real_port **at = &rt->ports; /* None are left if the program has died meanwhile. */
    while (*at && *at != p) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = p->next;
        port_free(p);
        real_bus_put(rt);
    }
}

void real_ports_free(struct target_real *rt)
{
    while (rt->ports) {
        struct real_port *p = rt->ports;
        rt->ports = p->next;
        port_free(p);
    }
}

static bool has_prefix(const char *text, const char *prefix)
{
    return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

bool real_port_event(struct target_real *rt, const json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    const json_t *data = json_object_get(event, "data");
    const char *device = json_string_value(json_object_get(data, "device"));
    const char *path = json_string_value(json_object_get(data, "path"));
    if (!name || !path || strcmp(name, "DEVICE_DELETED") != 0 ||
        (!strstr(path, port_prefix) && !strstr(path, "/" REAL_BUS_ID))) {
        return false;
    }
    for (struct real_port *p = rt->ports; device && p; p = p->next) {
        p->gone |= strcmp(p->id, device) == 0;
    }
    rt->bus_gone |= device && strcmp(device, REAL_BUS_ID) == 0;
    return true;
}

/* ---- hiding them ---- */

/* A frontend of a request or a load. */
static bool is_ours(const char *name)
{
    return has_prefix(name, port_prefix) || has_prefix(name, load_prefix);
}

/* A backend of ours in a graph. */
static bool is_backend_of_ours(const json_t *element)
{
    const char *type = json_string_value(json_object_get(element, "type"));
    return type && strcmp(type, "block-backend") == 0 &&
           is_ours(json_string_value(json_object_get(element, "name")));
}

/* It has permissions of its own, so a graph that has it shows none, and no name for it. */
static void hide_in_graph(json_t *graph)
{
    size_t i;
    json_t *element;
    bool found = false;
    json_array_foreach(json_object_get(graph, "nodes"), i, element) {
        if (is_backend_of_ours(element)) {
            json_object_set_new(element, "name", json_string(""));
            found = true;
        }
    }
    json_array_foreach(found ? json_object_get(graph, "edges") : NULL, i, element) {
        json_object_del(element, "perm");
        json_object_del(element, "shared-perm");
    }
}

/* Elements of arrays that a script does not know. */
static bool is_hidden(const json_t *element)
{
    static const char *const keys[] = { "name", "label", "qdev", "qdev_id" };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (real_is_own(json_string_value(json_object_get(element, keys[i])))) {
            return true;
        }
    }
    return false;
}

/* "block device 'blksim-io-1'" is what a backend of no frontend is called in messages. */
static json_t *hide_in_text(const char *text)
{
    static const char start[] = "block device '", instead[] = "an unnamed block device";
    struct strbuf out = { 0 };
    bool changed = false;
    while (*text) {
        const char *name = text + sizeof(start) - 1;
        const char *end = has_prefix(text, start) ? strchr(name, '\'') : NULL;
        char *quoted = end ? mem_strndup(name, (size_t)(end - name)) : NULL;
        bool ours = is_ours(quoted);
        free(quoted);
        if (ours) {
            strbuf_puts(&out, instead);
            text = end + 1;
            changed = true;
        } else {
            strbuf_putc(&out, *text++);
        }
    }
    json_t *value = changed ? json_string(out.text) : NULL;
    strbuf_free(&out);
    return value;
}

void real_ports_hide(json_t *value)
{
    const char *key;
    json_t *member;
    void *next;
    hide_in_graph(value);
    for (size_t i = json_array_size(value); i-- > 0;) {
        member = json_array_get(value, i);
        if (is_hidden(member)) {
            json_array_remove(value, i);
        } else {
            real_ports_hide(member);
        }
    }
    json_object_foreach_safe(value, next, key, member) {
        const char *text = json_string_value(member);
        json_t *hidden = text && strcmp(key, "desc") == 0 ? hide_in_text(text) : NULL;
        if (hidden) {
            json_object_set_new(value, key, hidden);
        } else if (!text) {
            real_ports_hide(member);
        }
    }
}
