/* SPDX-License-Identifier: MIT */
/* Jobs: 1 GiB of mixed data copied, and what a job or a bitmap costs the guests.
 *
 * The data are a MiB of zeroes, one of random bytes, one of text, and so on; real bytes on both
 * sides, none of them symbolic.  Simulated disks of a world share what a job copies until one of
 * them is written (sim/iobuf.h), so ours moves no byte of it.
 */
#include "app/bench.h"
#include "app/bench_client.h"
#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer.h"
#include "sim/fill.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
enum { MIBS = 1024 };

/* What MiB i holds; false: zeroes. */
static bool make_data(size_t i, uint8_t *out)
{
    static const char line[] = "The quick brown fox jumps over the lazy dog, line %08zu.\n";
    char text[sizeof(line) + 16];
    if (i % 3 == 0) {
        return false;
    }
    if (i % 3 == 1) {
        fill_bytes(fill_stream(i), out, MIB);
        return true;
    }
    for (size_t at = 0; at < MIB;) {
        size_t n = (size_t)snprintf(text, sizeof(text), line, i * MIB + at);
        n = MIN(n, MIB - at);
        memcpy(out + at, text, n);
        at += n;
    }
    return true;
}

/* ---- Ours ---- */

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    const char *request; /* What the coroutine is to ask. */
    const char *until;   /* The status of the job that ends it. */
    bool done, replied;
};

static void ask(void *opaque)
{
    struct world *w = opaque;
    json_t *reply = layer_qmp_text(w->layer, w->request, strlen(w->request));
    CHECK(json_object_get(reply, "return") != NULL);
    json_decref(reply);
    w->replied = true;
    w->done |= w->until == NULL;
}

static void tear_down(void *opaque)
{
    struct world *w = opaque;
    layer_destroy(w->layer);
    w->done = true;
}

static void on_event(void *opaque, const struct event *event)
{
    struct world *w = opaque;
    json_t *value = event_value(event->text);
    const json_t *data = json_object_get(value, "data");
    const char *status = json_string_value(json_object_get(data, "status"));
    w->done |= w->until && status && strcmp(status, w->until) == 0;
    json_decref(value);
}

static void run(struct world *w, co_fn *fn)
{
    w->done = w->replied = false;
    co_create(w->sim, "bench", 0, fn, w);
    CHECK(sim_run(w->sim, &w->done, SIM_FOREVER, 0) == SIM_DONE);
    sim_settle(w->sim, 0);
}

static void request(struct world *w, const char *text, const char *until)
{
    w->request = text;
    w->until = until;
    run(w, ask);
    CHECK(w->replied);
}

static struct disk *add_disk(struct world *w, const char *name)
{
    struct disk_config cfg = DISK_CONFIG_INIT;
    struct disk *d;
    cfg.size = MIBS * MIB;
    cfg.profile = "nvme";
    CHECK(disk_create(w->sim, name, &cfg, &d, NULL) == 0 && host_sim_add_disk(w->host, d) == 0);
    return d;
}

static void world_open(struct world *w)
{
    struct sim_config sim = { .seed = 1, .policy = CHOICE_FIFO };
    struct disk_config disk = DISK_CONFIG_INIT;
    *w = (struct world){ .sim = sim_create(&sim) };
    w->host = host_sim_create(w->sim, &disk);
    w->layer = layer_create(w->sim, w->host, drivers_all);
    layer_on_event(w->layer, on_event, w);
}

static void world_close(struct world *w)
{
    run(w, tear_down);
    host_destroy(w->host);
    sim_destroy(w->sim);
}

#define ADD(node, file)                                                                            \
    "{\"execute\": \"blockdev-add\", \"arguments\": {\"driver\": \"raw\", \"node-name\": \"" node  \
    "\", \"file\": {\"driver\": \"file\", \"filename\": \"" file "\"}}}\n"
#define MIRROR                                                                                     \
    "{\"execute\": \"blockdev-mirror\", \"arguments\": {\"job-id\": \"j\", \"device\": \"a\", "    \
    "\"target\": \"b\", \"sync\": \"full\"}}\n"
#define BACKUP                                                                                     \
    "{\"execute\": \"blockdev-backup\", \"arguments\": {\"job-id\": \"j\", \"device\": \"a\", "    \
    "\"target\": \"b\", \"sync\": \"full\"}}\n"
#define CANCEL "{\"execute\": \"job-cancel\", \"arguments\": {\"id\": \"j\"}}\n"

static double ours(enum bench_job job)
{
    struct world w;
    world_open(&w);
    struct disk *source = add_disk(&w, "a.img");
    add_disk(&w, "b.img");
    uint8_t *data = mem_alloc(MIB);
    for (size_t i = 0; i < MIBS; i++) {
        if (make_data(i, data)) {
            CHECK(disk_poke(source, i * MIB, data, MIB) == 0);
        }
    }
    free(data);
    request(&w, ADD("a", "a.img"), NULL);
    request(&w, ADD("b", "b.img"), NULL);
    int64_t begin = host_now_ns();
    request(&w, job == BENCH_JOB_MIRROR ? MIRROR : BACKUP,
            job == BENCH_JOB_MIRROR ? "ready" : "null");
    int64_t ns = host_now_ns() - begin;
    world_close(&w);
    return 1e9 / (double)ns;
}

/* ---- QEMU's ---- */

static bool write_source(const char *dir)
{
    char *path = mem_printf("%s/a.img", dir), *target = mem_printf("%s/b.img", dir);
    uint8_t *data = mem_alloc(MIB);
    int fd = open(path, O_CREAT | O_WRONLY, 0600), to = open(target, O_CREAT | O_WRONLY, 0600);
    bool good = fd >= 0 && to >= 0 && ftruncate(fd, MIBS * (off_t)MIB) == 0 &&
                ftruncate(to, MIBS * (off_t)MIB) == 0;
    for (size_t i = 0; good && i < MIBS; i++) {
        if (make_data(i, data)) {
            good = pwrite(fd, data, MIB, (off_t)(i * MIB)) == (ssize_t)MIB;
        }
    }
    close(fd);
    close(to);
    free(data);
    free(target);
    free(path);
    return good;
}

static double theirs(enum bench_job job)
{
    struct bench_client c;
    double rate = -1;
    bench_client_init(&c);
    if (write_source(c.dir) && bench_client_open(&c, false, NULL) &&
        bench_ask(&c, "{\"execute\": \"qmp_capabilities\"}\n") &&
        bench_ask(&c, ADD("a", "a.img")) && bench_ask(&c, ADD("b", "b.img"))) {
        int64_t begin = host_now_ns();
        bool good = job == BENCH_JOB_MIRROR ? bench_ask_until(&c, MIRROR, "\"ready\"")
                                            : bench_ask_until(&c, BACKUP, "\"null\"");
        rate = good ? 1e9 / (double)(host_now_ns() - begin) : -1;
    }
    bench_client_close(&c);
    return rate;
}

double bench_job(enum bench_job job, bool is_ours)
{
    return is_ours ? ours(job) : theirs(job);
}

/* ---- Guests beside ---- */

static double load(const struct bench_world_config *cfg, uint64_t count)
{
    struct bench_world *w = bench_world_create(cfg);
    bench_world_load(w, count / 10 + 1, cfg->size, true, NULL);
    int64_t ns = bench_world_load(w, count, cfg->size, true, NULL);
    bench_world_destroy(w);
    return (double)count * 1e9 / (double)ns;
}

double bench_beside_job(bool job, uint64_t count)
{
    struct bench_world_config cfg = {
        .profile = "nvme", .latency_ns = -1, .size = 64 * MIB, .hashing = true, .job = job
    };
    return load(&cfg, count);
}

double bench_with_bitmap(bool bitmap, uint64_t count)
{
    struct bench_world_config cfg = {
        .profile = "nvme", .latency_ns = -1, .size = 64 * MIB, .hashing = true, .bitmap = bitmap
    };
    return load(&cfg, count);
}
