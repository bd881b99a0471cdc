/* SPDX-License-Identifier: MIT */
/* Commands of a monitor, by the same client, on our server and on QEMU's.
 *
 *   command by command   the next request is sent when the reply to the last one is there
 *   pipelined            requests are sent as fast as the server takes them
 *   in-process           no client: a scenario of such statements, run as any
 */
#include "app/bench.h"
#include "app/bench_client.h"
#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "drivers/registry.h"
#include "scenarios/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The works ---- */

#define ADD(name) "{\"execute\": \"blockdev-add\", \"arguments\": {\"driver\": \"null-co\", " \
                  "\"node-name\": \"" name "\"}}\n"
#define ADD_SIZED(name) "{\"execute\": \"blockdev-add\", \"arguments\": {\"driver\": " \
                        "\"null-co\", \"node-name\": \"" name "\", \"size\": 1048576}}\n"
#define DEL(name) "{\"execute\": \"blockdev-del\", \"arguments\": {\"node-name\": \"" name "\"}}\n"
#define REOPEN "{\"execute\": \"blockdev-reopen\", \"arguments\": {\"options\": [{\"driver\": " \
               "\"raw\", \"node-name\": \"r0\", \"file\": \"n0\"}]}}\n"

struct requests {
    const char *setup[3], *body[3]; /* NULL behind the last. */
    const char *statements;         /* The body in a scenario. */
    const char *prepare;
    const char *until; /* In the event that ends each request of the body; NULL: none does. */
};

static const struct requests requests[] = {
    [BENCH_QMP_ADD_DEL] = {
        { NULL }, { ADD("a"), DEL("a") },
        "blockdev-add driver=null-co node-name=a\nblockdev-del node-name=a\n", "", NULL },
    [BENCH_QMP_REOPEN] = {
        { ADD("n0"),
          "{\"execute\": \"blockdev-add\", \"arguments\": {\"driver\": \"raw\", \"node-name\": "
          "\"r0\", \"file\": \"n0\"}}\n" },
        { REOPEN },
        "blockdev-reopen options.0.driver=raw options.0.node-name=r0 options.0.file=n0\n",
        "blockdev-add driver=null-co node-name=n0\n"
        "blockdev-add driver=raw node-name=r0 file=n0\n", NULL },
    [BENCH_QMP_BACKUP] = {
        { ADD_SIZED("a"), ADD_SIZED("b") },
        { "{\"execute\": \"blockdev-backup\", \"arguments\": {\"job-id\": \"j\", \"device\": "
          "\"a\", \"target\": \"b\", \"sync\": \"full\"}}\n" },
        "blockdev-backup job-id=j device=a target=b sync=full\n",
        "blockdev-add driver=null-co node-name=a size=1M\n"
        "blockdev-add driver=null-co node-name=b size=1M\n", "\"null\"" },
};

static bool set_up(struct bench_client *c, const struct requests *r)
{
    bool good = bench_ask(c, "{\"execute\": \"qmp_capabilities\"}\n");
    for (size_t i = 0; good && i < ARRAY_LEN(r->setup) && r->setup[i]; i++) {
        good = bench_ask(c, r->setup[i]);
    }
    return good;
}

static bool run_body(struct bench_client *c, const struct requests *r, uint64_t count,
                     bool pipelined)
{
    bool good = true;
    if (!pipelined) {
        for (uint64_t k = 0; good && k < count; k++) {
            for (size_t i = 0; good && i < ARRAY_LEN(r->body) && r->body[i]; i++) {
                good = bench_ask_until(c, r->body[i], r->until);
            }
        }
        return good;
    }
    enum { AT_ONCE = 16 };
    struct strbuf text = { .text = NULL };
    uint64_t replies = 0;
    for (size_t k = 0; k < AT_ONCE; k++) {
        for (size_t i = 0; i < ARRAY_LEN(r->body) && r->body[i]; i++) {
            strbuf_puts(&text, r->body[i]);
            replies++;
        }
    }
    uint64_t times = (count + AT_ONCE - 1) / AT_ONCE;
    good = bench_stream(c, text.text, times, times * replies);
    strbuf_free(&text);
    return good;
}

double bench_qmp(enum bench_qmp_work work, bool ours, bool pipelined, uint64_t count)
{
    const struct requests *r = &requests[work];
    struct bench_client c;
    double rate = -1;
    bench_client_init(&c);
    if (bench_client_open(&c, ours, NULL) && set_up(&c, r) &&
        run_body(&c, r, count / 10 + 1, pipelined)) {
        int64_t begin = host_now_ns();
        if (run_body(&c, r, count, pipelined)) {
            rate = (double)count * 1e9 / (double)(host_now_ns() - begin);
        }
    }
    bench_client_close(&c);
    return rate;
}

/* ---- In a scenario ---- */

struct stopwatch {
    int64_t begin_ns;
};

static void on_progress(void *opaque, uint32_t statement, int line)
{
    struct stopwatch *w = opaque;
    (void)line;
    if (statement == 3 && w->begin_ns == 0) { /* Those before are for setting up. */
        w->begin_ns = host_now_ns();
    }
}

double bench_qmp_scenario(enum bench_qmp_work work, uint64_t count)
{
    const struct requests *r = &requests[work];
    struct strbuf text = { .text = NULL }, errors = { .text = NULL };
    struct units units = { .len = 0 };
    struct unit_select sel = { .seed_given = false };
    struct stopwatch watch = { 0 };
    struct result result;
    strbuf_puts(&text, "case bench\ntimeout 1s steps=1000000000\n");
    strbuf_puts(&text, *r->prepare ? r->prepare : "query-version\nquery-version\n");
    for (uint64_t i = 0; i < count; i++) {
        strbuf_puts(&text, r->statements);
    }
    struct script *s = script_parse("bench", strbuf_str(&text), text.len, &errors);
    CHECK(s != NULL && units_of_case(s, &s->cases[0], &sel, &units, NULL) == 0 && units.len == 1);
    struct run_config cfg = { .drivers = drivers_all, .features = "", .progress = on_progress,
                              .progress_opaque = &watch };
    result_init(&result);
    run_unit(&units.at[0], &cfg, &result);
    int64_t ns = host_now_ns() - watch.begin_ns;
    CHECK(result.verdict == VERDICT_PASS && watch.begin_ns > 0);
    result_fini(&result);
    units_free(&units);
    script_free(s);
    strbuf_free(&errors);
    strbuf_free(&text);
    return (double)count * 1e9 / (double)ns;
}

/* ---- Chains ---- */

static void write_file(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "w");
    CHECK(f != NULL && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

/* Names of images have one width: i000, i001... */
enum { NAME_BYTES = 4, IMAGES_MAX = 1000 };

/* For our server: a case that makes depth images, each on the one before.  The path, new. */
static char *write_world(const struct bench_client *c, unsigned depth)
{
    struct strbuf text = { .text = NULL };
    char *path = mem_printf("%s/world.scn", c->dir);
    strbuf_puts(&text, "case chain\nimage qcow2 i000 1M\n");
    for (unsigned i = 1; i < depth; i++) {
        strbuf_printf(&text, "image qcow2 i%03u 1M backing_file=i%03u backing_fmt=qcow2\n", i,
                      i - 1);
    }
    write_file(path, text.text, text.len);
    strbuf_free(&text);
    return path;
}

static bool make_image(const char *path, const char *backing)
{
    const char *alone[] = { "qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512",
                            path, "1M", NULL };
    const char *above[] = { "qemu-img", "create", "-q", "-u", "-f", "qcow2", "-o",
                            "cluster_size=512", "-b", backing, "-F", "qcow2", path, "1M", NULL };
    return bench_process(backing ? above : alone) > 0;
}

/* For QEMU's: the same as files.  From the second on they differ in a name alone. */
static bool write_images(const struct bench_client *c, unsigned depth)
{
    char bytes[65536], *path = mem_printf("%s/i000", c->dir);
    CHECK(depth <= IMAGES_MAX);
    bool good = make_image(path, NULL);
    free(path);
    path = mem_printf("%s/i001", c->dir);
    good = good && make_image(path, "i000");
    FILE *f = good ? fopen(path, "r") : NULL;
    size_t n = f ? fread(bytes, 1, sizeof(bytes), f) : 0;
    char *name = n ? memmem(bytes, n, "i000", NAME_BYTES) : NULL;
    if (f) {
        fclose(f);
    }
    free(path);
    for (unsigned i = 2; name && i < depth; i++) {
        char below[NAME_BYTES + 1];
        path = mem_printf("%s/i%03u", c->dir, i);
        snprintf(below, sizeof(below), "i%03u", (i - 1) % IMAGES_MAX);
        memcpy(name, below, NAME_BYTES);
        write_file(path, bytes, n);
        free(path);
    }
    return name != NULL;
}

static void put_backing(struct strbuf *out, unsigned i)
{
    if (i == 0) {
        strbuf_puts(out, "null");
    } else {
        strbuf_printf(out, "\"c%u\"", i - 1);
    }
}

/* qcow2 nodes c0 to the top, each the backing file of the next, over file nodes f0... */
static bool build_chain(struct bench_client *c, unsigned depth)
{
    bool good = bench_ask(c, "{\"execute\": \"qmp_capabilities\"}\n");
    for (unsigned i = 0; good && i < depth; i++) {
        struct strbuf text = { .text = NULL };
        strbuf_printf(&text,
                      "{\"execute\": \"blockdev-add\", \"arguments\": {\"driver\": \"qcow2\", "
                      "\"node-name\": \"c%u\", \"read-only\": %s, \"file\": {\"driver\": \"file\", "
                      "\"node-name\": \"f%u\", \"filename\": \"i%03u\"}, \"backing\": ", i,
                      i + 1 < depth ? "true" : "false", i, i);
        put_backing(&text, i);
        strbuf_puts(&text, "}}\n");
        good = bench_ask(c, text.text);
        strbuf_free(&text);
    }
    return good;
}

static bool open_chain(struct bench_client *c, bool ours, unsigned depth)
{
    bench_client_init(c);
    char *world = ours ? write_world(c, depth) : NULL;
    bool good = (ours || write_images(c, depth)) && bench_client_open(c, ours, world);
    free(world);
    return good && build_chain(c, depth);
}

double bench_qmp_query(bool ours, unsigned depth, uint64_t count)
{
    const char query[] = "{\"execute\": \"query-named-block-nodes\", \"arguments\": "
                         "{\"flat\": true}}\n";
    struct bench_client c;
    double rate = -1;
    if (open_chain(&c, ours, depth) && bench_ask(&c, query)) {
        int64_t begin = host_now_ns();
        bool good = true;
        for (uint64_t i = 0; good && i < count; i++) {
            good = bench_ask(&c, query);
        }
        rate = good ? (double)count * 1e9 / (double)(host_now_ns() - begin) : -1;
    }
    bench_client_close(&c);
    return rate;
}

double bench_qmp_chain_reopen(unsigned depth, uint64_t count)
{
    enum { AT_ONCE = 16 };
    struct bench_client c;
    struct strbuf text = { .text = NULL };
    double rate = -1;
    CHECK(depth >= 2);
    for (int i = 0; i < AT_ONCE; i++) {
        strbuf_printf(&text, "{\"execute\": \"blockdev-reopen\", \"arguments\": {\"options\": "
                             "[{\"driver\": \"qcow2\", \"node-name\": \"c%u\", \"file\": "
                             "\"f%u\", \"backing\": \"c%u\"}]}}\n",
                      depth - 1, depth - 1, depth - 2);
    }
    uint64_t times = (count + AT_ONCE - 1) / AT_ONCE;
    if (open_chain(&c, true, depth) && bench_stream(&c, text.text, 1, AT_ONCE)) {
        int64_t begin = host_now_ns();
        if (bench_stream(&c, text.text, times, times * AT_ONCE)) {
            rate = (double)times * AT_ONCE * 1e9 / (double)(host_now_ns() - begin);
        }
    }
    bench_client_close(&c);
    strbuf_free(&text);
    return rate;
}
