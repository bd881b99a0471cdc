/* SPDX-License-Identifier: MIT */
/* io commands of a real target: `qemu-io` of the human monitor.
 *
 * What the command prints comes on the program's stdout, a few complaints on stderr, and what
 * hinders it is the monitor's reply.  All three together are the output of the call.  A command of
 * one statement ends before this returns, unless a request of it goes on in the background, it
 * sleeps, or the program does not answer.
 */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* How `qemu-io` names what a script names, in the order of trying. */
enum found_as { AS_BLOCK, AS_FRONTEND, AS_VIRTIO, AS_LAST };

static void end_call(struct target_call *call, bool died)
{
    call->failed |= died;
    call->died = died;
    call->done = true;
}

/* ---- calls that end later ---- */

static void add_sleep(struct target_real *rt, struct target_call *call, int64_t until_ns)
{
    struct real_sleep *s = NEW(struct real_sleep);
    struct real_sleep **p = &rt->sleeps;
    *s = (struct real_sleep){ .call = call, .until_ns = until_ns };
    while (*p) {
        p = &(*p)->next;
    }
    *p = s;
}

/* It ends only with the program. */
void real_io_lost(struct target_real *rt, struct target_call *call)
{
    add_sleep(rt, call, SIM_FOREVER);
}

void real_sleeps_run(struct target_real *rt)
{
    struct real_sleep **p = &rt->sleeps;
    int64_t now_ns = real_now_ns(rt);
    while (*p) {
        struct real_sleep *s = *p;
        if (s->until_ns > now_ns) {
            p = &s->next;
            continue;
        }
        *p = s->next;
        end_call(s->call, false);
        free(s);
    }
}

int64_t real_sleeps_next_ns(const struct target_real *rt)
{
    int64_t next_ns = SIM_FOREVER;
    for (const struct real_sleep *s = rt->sleeps; s; s = s->next) {
        next_ns = MIN(next_ns, s->until_ns);
    }
    return next_ns;
}

void real_sleeps_end_all(struct target_real *rt)
{
    while (rt->sleeps) {
        struct real_sleep *s = rt->sleeps;
        rt->sleeps = s->next;
        end_call(s->call, true);
        free(s);
    }
}

/* ---- lines ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void say_late(struct target_real *rt, const char *line)
{
    if (rt->late) {
        char *text = mem_printf("%s\n", line);
        rt->late(rt->opaque, "qemu-io", text);
        free(text);
    }
}

void real_io_line(struct target_real *rt, const char *line)
{
    if (starts_with(line, "blkdebug: Suspended request '") ||
        starts_with(line, "blkdebug: Resuming request '") || real_aio_line(rt, line)) {
        return;
    }
    if (rt->capture) {
        if (rt->capture->len < REAL_OUTPUT_MAX) {
            strbuf_printf(rt->capture, "%s\n", line);
        }
    } else {
        say_late(rt, line);
    }
}

/* The complaints of qemu-io's command reader, of getopt, and about a file of `write -s`. */
bool real_io_err_line(struct target_real *rt, const char *line)
{
    static const char *const words[] = {
        ": invalid option -- '", ": option requires an argument -- '",
    };
    bool ours = starts_with(line, "bad argument count ") || starts_with(line, "command \"") ||
                (rt->source && starts_with(line, rt->source));
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        ours |= strstr(line, words[i]) != NULL;
    }
    if (ours && !rt->capture_err) {
        say_late(rt, line); /* A human-monitor-command of the script. */
    } else if (ours && rt->capture_err->len < REAL_OUTPUT_MAX) {
        strbuf_printf(rt->capture_err, "%s\n", line);
    }
    return ours;
}

/* ---- one command ---- */

static void put_quoted(struct strbuf *line, const char *text)
{
    strbuf_putc(line, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\') {
            strbuf_putc(line, '\\');
        }
        if (*p == '\n') {
            strbuf_puts(line, "\\n");
        } else {
            strbuf_putc(line, *p);
        }
    }
    strbuf_putc(line, '"');
}

/* The monitor's text: lines end in CR LF, and "Error: " stands before what is an error. */
static void take_monitor(const char *text, struct strbuf *out)
{
    static const char error[] = "Error: ";
    text += starts_with(text, error) ? sizeof(error) - 1 : 0;
    for (const char *p = text; *p; p++) {
        if (*p != '\r') {
            strbuf_putc(out, *p);
        }
    }
}

static int run_line(struct target_real *rt, const char *line, struct strbuf *monitor,
                    struct strbuf *out)
{
    struct strbuf printed = { 0 };
    json_t *reply = NULL;
    CHECK(!rt->capture && !rt->capture_err);
    real_sync_output(rt); /* What came before is not of this command. */
    rt->capture = &printed;
    rt->capture_err = out;
    int ret = real_exchange(rt, "human-monitor-command",
                            json_pack("{s:s}", "command-line", line), &reply);
    if (ret == 0) {
        real_sync_output(rt);
    }
    rt->capture = rt->capture_err = NULL;
    strbuf_add(out, strbuf_str(&printed), printed.len);
    strbuf_free(&printed);
    const char *text = json_string_value(json_object_get(reply, "return"));
    const char *desc =
        json_string_value(json_object_get(json_object_get(reply, "error"), "desc"));
    take_monitor(text ? text : desc ? desc : "", monitor);
    json_decref(reply);
    return ret;
}

static int run_as(struct target_real *rt, const char *name, int as, const char *command,
                  struct strbuf *monitor, struct strbuf *out)
{
    char *path = as == AS_VIRTIO ? mem_printf("%s/virtio-backend", name) : mem_strdup(name);
    struct strbuf line = { 0 };
    strbuf_puts(&line, as == AS_BLOCK ? "qemu-io " : "qemu-io -d ");
    put_quoted(&line, path);
    strbuf_putc(&line, ' ');
    put_quoted(&line, command);
    int ret = run_line(rt, line.text, monitor, out);
    strbuf_free(&line);
    free(path);
    return ret;
}

/* The monitor has found nothing of that name, or nothing with a backend. */
static bool not_found(const char *monitor)
{
    return starts_with(monitor, "Cannot find device='' nor node-name='") ||
           (starts_with(monitor, "Device '") && strstr(monitor, "' not found")) ||
           starts_with(monitor, "Device does not have a block device backend");
}

/* As what it was found the last time, then as everything else. */
static int run_named(struct target_real *rt, const char *name, const char *command,
                     struct strbuf *monitor, struct strbuf *out)
{
    bool known = rt->found_name && strcmp(rt->found_name, name) == 0;
    struct strbuf first = { 0 };
    int ret = 0;
    for (int i = -1; i < AS_LAST; i++) {
        int as = i < 0 ? rt->found_as : i;
        if (i < 0 ? !known : known && as == rt->found_as) {
            continue;
        }
        struct strbuf said = { 0 };
        ret = run_as(rt, name, as, command, &said, out);
        if (ret < 0 || !not_found(strbuf_str(&said))) {
            strbuf_add(monitor, strbuf_str(&said), said.len);
            strbuf_free(&said);
            free(rt->found_name);
            rt->found_name = mem_strdup(name);
            rt->found_as = as;
            strbuf_free(&first);
            return ret;
        }
        if (as == AS_BLOCK) {
            strbuf_add(&first, said.text, said.len);
        }
        strbuf_free(&said);
    }
    strbuf_add(monitor, strbuf_str(&first), first.len);
    strbuf_free(&first);
    return ret;
}

int real_qemu_io(struct target_real *rt, const char *name, const char *command,
                 struct strbuf *monitor, struct strbuf *out)
{
    const struct real_port *p = real_port_get(rt, name, false, false);
    if (!p) {
        return run_named(rt, name, command, monitor, out);
    }
    return run_as(rt, p->id, AS_FRONTEND, command, monitor, out);
}

/* ---- the words ---- */

static bool is_command(int argc, char **argv, const char *name)
{
    return argc > 0 && strcmp(argv[0], name) == 0;
}

/* Index of the word with the file of `write -s`, where in it the name begins; 0: there is none. */
static int find_source(int argc, char **argv, size_t *at)
{
    if (!is_command(argc, argv, "write") && !is_command(argc, argv, "w")) {
        return 0;
    }
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *s = argv[i][0] == '-' ? strpbrk(argv[i], "sP") : NULL;
        if (s && *s == 's') {
            *at = s[1] ? (size_t)(s + 1 - argv[i]) : 0;
            return s[1] ? i : i + 1 < argc ? i + 1 : 0;
        }
        i += s && !s[1]; /* The pattern. */
    }
    return 0;
}

/* What the monitor splits at spaces again; *source: path of the file of `write -s`, new.  False:
 * that cannot be said. */
static bool join_words(const struct target_real *rt, int argc, char **argv, struct strbuf *out,
                       char **source)
{
    size_t at = 0;
    int i_source = find_source(argc, argv, &at);
    bool good = true;
    for (int i = 0; i < argc; i++) {
        strbuf_puts(out, i ? " " : "");
        if (i > 0 && i == i_source) {
            const char *name = argv[i] + at, *dir = rt->script_dir;
            *source = name[0] == '/' || !dir ? mem_strdup(name) : mem_printf("%s/%s", dir, name);
            strbuf_printf(out, "%.*s%s", (int)at, argv[i], *source);
            good = good && !strpbrk(*source, " \t\n");
        } else {
            strbuf_puts(out, argv[i]);
        }
        good = good && argv[i][0] && !strpbrk(argv[i], " \t\n");
    }
    return good;
}

/* The name of a file of `write -s` is that of the script again. */
static void shorten_source(const struct target_real *rt, struct strbuf *out)
{
    size_t n = rt->script_dir ? strlen(rt->script_dir) : 0;
    if (rt->source && n > 0 && out->len > n + 1 && strncmp(out->text, rt->source, n + 1) == 0) {
        memmove(out->text, out->text + n + 1, out->len - n);
        out->len -= n + 1;
    }
}

/* Milliseconds of `sleep`; false: the program shall say what is wrong. */
static bool parse_sleep(int argc, char **argv, int64_t *ms)
{
    char *end;
    if (argc != 2 || !is_command(argc, argv, "sleep")) {
        return false;
    }
    errno = 0;
    long long value = strtoll(argv[1], &end, 0);
    *ms = value;
    return errno == 0 && end != argv[1] && *end == '\0' && value >= 0 &&
           value <= SIM_FOREVER / 4 / NS_PER_MS;
}

/* ---- statements ---- */

/* The command has ended, or has started what a goes on with. */
static void answered(struct target_real *rt, struct real_aio *a, int argc, char **argv,
                     struct strbuf *monitor, struct strbuf *out, struct target_call *call)
{
    bool under_way = a && real_aio_has(rt, a);
    bool refused = monitor->len > 0 || out->len > 0;
    shorten_source(rt, out);
    strbuf_add(&call->output, strbuf_str(out), out->len);
    strbuf_add(&call->output, strbuf_str(monitor), monitor->len);
    if (!a || refused) {
        real_io_judge(call, strbuf_str(out), strbuf_str(monitor), argc, argv);
    }
    if (under_way && refused) {
        a->call = NULL;
        real_aio_remove(rt, a);
        under_way = false;
    }
    if (!call->done && !(under_way && a->background)) {
        end_call(call, false);
    }
}

static void run_command(struct target_real *rt, const char *node, int argc, char **argv,
                        struct real_aio *a, const char *command, struct target_call *call)
{
    struct strbuf monitor = { 0 }, out = { 0 };
    if (is_command(argc, argv, "break")) {
        rt->may_hold = true;
    }
    if (is_command(argc, argv, "aio_flush")) {
        rt->flusher = call;
        rt->flusher_name = node;
    }
    if (a) {
        a->call = call;
        a->port = real_port_get(rt, node, rt->may_hold, !a->is_read);
        real_aio_add(rt, a);
    }
    int ret = real_qemu_io(rt, node, command, &monitor, &out);
    rt->flusher = NULL;
    if (ret == -EPIPE && !call->done) {
        strbuf_add(&call->output, strbuf_str(&out), out.len);
        end_call(call, true);
    } else if (ret == -ETIME && !(a && real_aio_has(rt, a) && a->background)) {
        real_io_lost(rt, call);
    } else if (ret == 0) {
        answered(rt, a, argc, argv, &monitor, &out, call);
    }
    strbuf_free(&monitor);
    strbuf_free(&out);
}

/* A guest's request counts in the statistics; of qemu-io's commands the asynchronous ones do. */
static bool is_guests(struct target_real *rt, const char *node, int argc, char **argv)
{
    return argc > 0 && (argv[0][0] == 'r' || argv[0][0] == 'w') && real_is_frontend(rt, node);
}

void real_io_start(struct target_real *rt, const char *node, int argc, char **argv,
                   struct target_call *call)
{
    struct strbuf words = { 0 }, aio = { 0 };
    int64_t ms;
    CHECK(!call->done && argc >= 0);
    if (parse_sleep(argc, argv, &ms)) {
        add_sleep(rt, call, real_now_ns(rt) + ms * NS_PER_MS);
        return;
    }
    rt->source = NULL;
    if (!join_words(rt, argc, argv, &words, &rt->source)) {
        real_io_fail(call, "the human monitor cannot be told words that are empty or have blanks");
        strbuf_printf(&call->output, "%s\n", call->err.text);
        end_call(call, false);
    } else {
        bool counts = call->background || is_guests(rt, node, argc, argv);
        struct real_aio *a = real_aio_parse(node, argc, argv, counts, &aio);
        run_command(rt, node, argc, argv, a, strbuf_str(a ? &aio : &words), call);
    }
    free(rt->source);
    rt->source = NULL;
    strbuf_free(&words);
    strbuf_free(&aio);
}
