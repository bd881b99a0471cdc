/* SPDX-License-Identifier: MIT */
/* --verify-determinism: the second run, beside another living world, must leave the same trace.
 *
 * Only when the hashes differ are both runs made again with their traces kept, to name the first
 * record that differs.  A case on real files claims no hash and is not compared. */
#include "scenarios/run_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/disk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A world with a past of its own: a disk, coroutines that were and are, a timer. */
struct neighbour {
    struct sim *sim;
    struct disk *disk;
    bool stop, written;
};

static void neighbour_run(void *opaque)
{
    struct neighbour *n = opaque;
    struct iobuf buf = iobuf_fill(fill_stream(7), 64 * 1024);
    disk_write(n->disk, 4096, &buf, 0);
    n->written = true;
    while (!n->stop) {
        co_sleep(n->sim, NS_PER_MS);
    }
}

static void neighbour_open(struct neighbour *n)
{
    struct disk_config cfg = DISK_CONFIG_INIT;
    struct error err = ERROR_INIT;
    cfg.size = 1 << 20;
    cfg.profile = "nvme";
    cfg.cache_bytes = INT64_MAX;
    *n = (struct neighbour){ .sim = sim_create(&(struct sim_config){ .seed = 99,
                                                                     .policy = CHOICE_SEEDED }) };
    int ret = disk_create(n->sim, "neighbour", &cfg, &n->disk, &err);
    CHECK(ret == 0);
    co_create(n->sim, "neighbour", 0, neighbour_run, n);
    sim_run(n->sim, &n->written, SIM_FOREVER, 0);
    CHECK(n->written);
}

static void neighbour_close(struct neighbour *n)
{
    n->stop = true;
    sim_run(n->sim, NULL, SIM_FOREVER, 0);
    disk_destroy(n->disk);
    sim_destroy(n->sim);
}

static void run_beside(const struct unit *u, const struct run_config *cfg, struct result *r,
                       struct strbuf *trace)
{
    struct neighbour n;
    neighbour_open(&n);
    run_once(u, cfg, r, trace);
    neighbour_close(&n);
}

/* The first line in which two texts differ; both move to its beginning. */
static size_t first_difference(const char **a, const char **b)
{
    size_t line = 1;
    for (;;) {
        size_t n = strcspn(*a, "\n");
        if (strncmp(*a, *b, n) != 0 || strcspn(*b, "\n") != n || !(*a)[n]) {
            return line;
        }
        *a += n + 1;
        *b += n + ((*b)[n] == '\n');
        line++;
    }
}

static void report(const struct unit *u, const struct run_config *cfg, struct result *r,
                   uint64_t second)
{
    struct run_config quiet = *cfg;
    struct result one, two;
    struct strbuf ta = { 0 }, tb = { 0 };
    quiet.keep_trace = false;
    result_init(&one);
    result_init(&two);
    run_once(u, &quiet, &one, &ta);
    run_beside(u, &quiet, &two, &tb);
    const char *a = strbuf_str(&ta), *b = strbuf_str(&tb);
    size_t line = first_difference(&a, &b);
    char *text = mem_printf("the second run has another trace\n"
                            "expected: hash %016" PRIx64 "\nactual:   hash %016" PRIx64
                            "\nfirst difference, record %zu:\n  first:  %.*s\n  second: %.*s",
                            r->trace_hash, second, line, (int)strcspn(a, "\n"), a,
                            (int)strcspn(b, "\n"), b);
    r->verdict = VERDICT_NONDET;
    result_set(&r->oracle, "determinism");
    result_set(&r->signature, "determinism:trace:the second run has another trace");
    result_set(&r->message, text);
    result_set(&r->file, u->script->path);
    r->line = u->cas->line;
    r->col = 1;
    free(text);
    strbuf_free(&ta);
    strbuf_free(&tb);
    result_fini(&one);
    result_fini(&two);
}

void run_verify(const struct unit *u, const struct run_config *cfg, struct result *r)
{
    struct result again;
    run_once(u, cfg, r, NULL);
    if (r->verdict == VERDICT_SKIP || u->cas->host == HOST_POSIX) {
        return;
    }
    struct run_config quiet = *cfg;
    quiet.keep_trace = false;
    result_init(&again);
    run_beside(u, &quiet, &again, NULL);
    if (again.trace_hash != r->trace_hash) {
        report(u, cfg, r, again.trace_hash);
    }
    result_fini(&again);
}
