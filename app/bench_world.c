/* SPDX-License-Identifier: MIT */
#include "app/bench.h"
#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer.h"
#include "oracles/oracle.h"
#include "scenarios/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench_world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    struct backend *blk;
    struct guest guest;
    struct oracle oracle;
    uint64_t size;
    unsigned filters;
    bool job, bitmap;
    uint64_t count; /* Of the scatter. */
    bool done;
};

/* A bench measures only what is right. */
static void wrong(void *opaque, const struct oracle *o, const char *site, const char *text)
{
    (void)opaque;
    fprintf(stderr, "blksim: bench: %s/%s: %s\n", o->ops->name, site, text);
    abort();
}

static void attach_reference(struct bench_world *w)
{
    for (size_t i = 0; oracles_all[i]; i++) {
        if (strcmp(oracles_all[i]->name, "ref-image") == 0) {
            w->oracle = (struct oracle){ .ops = oracles_all[i], .sim = w->sim, .fail = wrong };
            w->oracle.state = w->oracle.ops->create(&w->oracle);
            w->guest = (struct guest){ .oracles = &w->oracle, .oracles_len = 1 };
        }
    }
    CHECK(w->oracle.ops != NULL);
}

static void add_node(struct bench_world *w, const char *text)
{
    json_t *reply = layer_qmp_text(w->layer, text, strlen(text));
    CHECK(json_object_get(reply, "return") != NULL);
    json_decref(reply);
}

static void add_filter(struct bench_world *w, unsigned i)
{
    static const char *const kinds[] = {
        "'driver':'blkdebug','image':'n%u'",
        "'driver':'copy-on-read','file':'n%u'",
        "'driver':'throttle','throttle-group':'g','file':'n%u'",
        "'driver':'preallocate','file':'n%u'",
    };
    char below[128];
    snprintf(below, sizeof(below), kinds[i % ARRAY_LEN(kinds)], i);
    char *text = mem_printf("{'execute':'blockdev-add','arguments':{'node-name':'n%u',%s}}", i + 1,
                            below);
    add_node(w, text);
    free(text);
}

/* One that never gets to its end. */
static void start_job(struct bench_world *w)
{
    add_node(w, "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'j0',"
                "'size':1099511627776}}");
    add_node(w, "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'j1',"
                "'size':1099511627776}}");
    add_node(w, "{'execute':'blockdev-backup','arguments':{'job-id':'j','device':'j0','target':"
                "'j1','sync':'full','speed':16777216}}");
}

static void build(void *opaque)
{
    struct bench_world *w = opaque;
    char *name = mem_printf("n%u", w->filters);
    if (host_sim_disk(w->host, "d0")) {
        add_node(w, "{'execute':'blockdev-add','arguments':{'driver':'raw','node-name':'n0',"
                    "'file':{'driver':'file','filename':'d0','cache':{'direct':true}}}}");
    } else {
        char *text = mem_printf("{'execute':'blockdev-add','arguments':{'driver':'raw',"
                                "'node-name':'n0','file':{'driver':'null-co','size':%" PRIu64
                                "}}}",
                                w->size);
        add_node(w, text);
        free(text);
    }
    if (w->filters > 0) {
        add_node(w, "{'execute':'object-add','arguments':{'qom-type':'throttle-group','id':'g'}}");
    }
    for (unsigned i = 0; i < w->filters; i++) {
        add_filter(w, i);
    }
    if (w->bitmap) {
        add_node(w, "{'execute':'block-dirty-bitmap-add','arguments':{'node':'n0','name':'b0'}}");
    }
    if (w->job) {
        start_job(w);
    }
    struct perm_pair perm = { PERM_CONSISTENT_READ | PERM_WRITE, PERM_ALL };
    w->blk = backend_create(w->layer, NULL, perm);
    CHECK(backend_insert(w->blk, layer_find_node(w->layer, name), NULL) == 0);
    free(name);
    w->done = true;
}

static void call(struct bench_world *w, co_fn *fn)
{
    w->done = false;
    co_create(w->sim, "bench", 0, fn, w);
    CHECK(sim_run(w->sim, &w->done, SIM_FOREVER, 0) == SIM_DONE);
    sim_settle(w->sim, 0);
}

struct bench_world *bench_world_create(const struct bench_world_config *cfg)
{
    struct bench_world *w = NEW(struct bench_world);
    struct sim_config sim = { .seed = 1, .policy = CHOICE_FIFO };
    w->sim = sim_create(&sim);
    w->sim->trace.hashing = cfg->hashing;
    w->size = cfg->size;
    w->filters = cfg->filters;
    w->job = cfg->job;
    w->bitmap = cfg->bitmap;
    struct disk_config disk = DISK_CONFIG_INIT;
    w->host = host_sim_create(w->sim, &disk);
    if (cfg->profile) {
        struct disk *d;
        disk.size = cfg->size;
        disk.profile = cfg->profile;
        disk.latency_ns = cfg->latency_ns;
        disk.cache_bytes = 32 << 20;
        CHECK(disk_create(w->sim, "d0", &disk, &d, NULL) == 0);
        CHECK(host_sim_add_disk(w->host, d) == 0);
    }
    w->layer = layer_create(w->sim, w->host, drivers_all);
    if (cfg->reference) {
        attach_reference(w);
    }
    call(w, build);
    return w;
}

int64_t bench_world_load(struct bench_world *w, uint64_t count, uint64_t region, bool random,
                         int64_t *virt_ns)
{
    char *args[] = { mem_printf("rw=%s", random ? "randwrite" : "write"),
                     mem_strdup("bs=4k"),
                     mem_strdup("depth=16"),
                     mem_strdup("verify=off"),
                     mem_printf("count=%" PRIu64, count),
                     mem_printf("region=0+%" PRIu64, region) };
    struct load *load;
    struct error err = ERROR_INIT;
    struct guest_port port = { .backend = w->blk };
    int ret = load_start(&w->guest, &port, "bench", ARRAY_LEN(args), args, 1, LOAD_STREAMS, &load,
                         &err);
    if (ret < 0) {
        fprintf(stderr, "blksim: bench: %s\n", err.text);
        abort();
    }
    int64_t virt_start = sim_now_ns(w->sim);
    int64_t start = host_now_ns();
    CHECK(sim_run(w->sim, load_done(load), SIM_FOREVER, 0) == SIM_DONE);
    int64_t wall = host_now_ns() - start;
    if (virt_ns) {
        *virt_ns = sim_now_ns(w->sim) - virt_start;
    }
    sim_settle(w->sim, 0);
    CHECK(load_result(load, NULL) == 0);
    load_free(load);
    for (size_t i = 0; i < ARRAY_LEN(args); i++) {
        free(args[i]);
    }
    return wall;
}

static void scatter(void *opaque)
{
    struct bench_world *w = opaque;
    uint8_t page[4096];
    uint64_t pages = w->size / sizeof(page);
    for (uint64_t i = 0; i < w->count; i++) {
        uint64_t at = fill_word(1, i) % pages;
        fill_bytes(fill_stream(i), page, sizeof(page));
        struct iovec iov;
        struct iobuf buf = iobuf_mem(&iov, page, sizeof(page));
        CHECK(backend_write(w->blk, (int64_t)(at * sizeof(page)), &buf, 0) == 0);
    }
    w->done = true;
}

void bench_world_scatter(struct bench_world *w, uint64_t count)
{
    w->count = count;
    call(w, scatter);
}

static void tear_down(void *opaque)
{
    struct bench_world *w = opaque;
    layer_destroy(w->layer);
    w->done = true;
}

void bench_world_destroy(struct bench_world *w)
{
    call(w, tear_down);
    if (w->oracle.ops) {
        w->oracle.ops->destroy(w->oracle.state);
    }
    host_destroy(w->host);
    sim_destroy(w->sim);
    free(w);
}
