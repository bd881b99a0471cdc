/* SPDX-License-Identifier: MIT */
/* Streams on a chain of six images, with what scripts cannot do: thousands of commands at random
 * times on the same chain while a guest writes, and a look at what a refused command has left.
 *
 *   n5 -> n4 -> n3 -> n2 -> n1 -> n0      16 clusters each, some written
 *
 * What each image showed at the start, and what the guest wrote to the uppermost since, is known,
 * and must be there in the end.
 */
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/backend.h"
#include "model/job/job.h"
#include "model/layer.h"
#include "model/node.h"
#include "model/open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { IMAGES = 6, CLUSTERS = 16, CLUSTER = 65536 };

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    uint8_t shows[IMAGES][CLUSTERS]; /* The byte that each cluster is full of. */
    uint64_t random;
};

static unsigned draw(struct world *w, unsigned below)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((w->random >> 33) % below);
}

/* ---- Calls in a coroutine ---- */

struct call {
    struct world *w;
    char *text;
    json_t *reply;
    int node, cluster;
    uint8_t byte;
    int ret;
};

static void run_call(struct world *w, void (*fn)(void *), struct call *c)
{
    c->w = w;
    co_create(w->sim, "test", 0, fn, c);
    sim_settle(w->sim, 1000000);
}

static void do_qmp(void *opaque)
{
    struct call *c = opaque;
    c->reply = layer_qmp_text(c->w->layer, c->text, strlen(c->text));
}

/* The text of the error, new, or NULL. */
static char *qmp(struct world *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct call c = { .text = mem_vprintf(fmt, ap) };
    va_end(ap);
    run_call(w, do_qmp, &c);
    assert_non_null(c.reply);
    const json_t *e = json_object_get(c.reply, "error");
    char *text = e ? mem_strdup(json_string_value(json_object_get(e, "desc"))) : NULL;
    json_decref(c.reply);
    free(c.text);
    return text;
}

static void qmp_ok(struct world *w, const char *text)
{
    char *error = qmp(w, "%s", text);
    if (error) {
        fail_msg("%s: %s", text, error);
    }
}

static void do_image(void *opaque)
{
    struct call *c = opaque;
    c->ret = image_create(c->w->layer, "qcow2", c->text, CLUSTERS * CLUSTER, NULL, NULL);
}

static struct backend *backend_on(struct call *c, uint32_t used)
{
    struct perm_pair perm = { .used = used, .shared = PERM_ALL };
    char name[32];
    snprintf(name, sizeof(name), "n%d", c->node);
    struct backend *b = backend_create(c->w->layer, NULL, perm);
    c->ret = backend_insert(b, layer_find_node(c->w->layer, name), NULL);
    return b;
}

static void do_write(void *opaque)
{
    struct call *c = opaque;
    struct backend *b = backend_on(c, PERM_WRITE);
    uint8_t *data = mem_alloc(CLUSTER);
    memset(data, c->byte, CLUSTER);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, data, CLUSTER);
    if (c->ret == 0) {
        c->ret = backend_write(b, (int64_t)c->cluster * CLUSTER, &buf, 0);
    }
    backend_destroy(b);
    free(data);
}

static void do_compare(void *opaque)
{
    struct call *c = opaque;
    struct backend *b = backend_on(c, PERM_CONSISTENT_READ);
    uint8_t *data = mem_alloc(CLUSTER);
    struct iovec iov;
    for (int i = 0; i < CLUSTERS && c->ret == 0; i++) {
        struct iobuf buf = iobuf_mem(&iov, data, CLUSTER);
        c->ret = backend_read(b, (int64_t)i * CLUSTER, &buf, 0);
        uint8_t want = c->w->shows[c->node][i];
        for (int k = 0; k < CLUSTER && c->ret == 0; k += 511) {
            c->ret = data[k] == want ? 0 : -1000 - i;
        }
    }
    backend_destroy(b);
    free(data);
}

/* ---- The world ---- */

static void write_cluster(struct world *w, int node, int cluster, uint8_t byte)
{
    struct call c = { .node = node, .cluster = cluster, .byte = byte };
    run_call(w, do_write, &c);
    assert_int_equal(c.ret, 0);
}

static void check_node(struct world *w, int node)
{
    struct call c = { .node = node };
    run_call(w, do_compare, &c);
    if (c.ret != 0) {
        fail_msg("n%d: %d", node, c.ret);
    }
}

static void add_image(struct world *w, int i)
{
    char file[32], backing[32];
    struct call c = { .text = file };
    snprintf(file, sizeof(file), "n%d.qcow2", i);
    snprintf(backing, sizeof(backing), i > 0 ? "'n%d'" : "null", i - 1);
    run_call(w, do_image, &c);
    assert_int_equal(c.ret, 0);
    char *error = qmp(w, "{'execute':'blockdev-add','arguments':{'driver':'qcow2','node-name':"
                      "'n%d','file':{'driver':'file','filename':'%s','node-name':'f%d'},"
                      "'backing':%s}}", i, file, i, backing);
    assert_null(error);
    for (int k = 0; k < CLUSTERS; k++) {
        w->shows[i][k] = i > 0 ? w->shows[i - 1][k] : 0;
        if (draw(w, 3) == 0) {
            w->shows[i][k] = (uint8_t)(16 * (i + 1) + k);
            write_cluster(w, i, k, w->shows[i][k]);
        }
    }
}

static void world_open(struct world *w, uint64_t seed)
{
    struct sim_config cfg = { .seed = seed,
                              .policy = seed ? CHOICE_SEEDED : CHOICE_FIFO };
    struct disk_config disk = DISK_CONFIG_INIT;
    *w = (struct world){ .sim = sim_create(&cfg), .random = seed * 77 + 1 };
    w->host = host_sim_create(w->sim, &disk);
    w->layer = layer_create(w->sim, w->host, drivers_all);
    for (int i = 0; i < IMAGES; i++) {
        add_image(w, i);
    }
}

static void do_close(void *opaque)
{
    struct call *c = opaque;
    layer_destroy(c->w->layer);
    c->w->layer = NULL;
}

static void world_close(struct world *w)
{
    struct call c = { .w = w };
    co_create(w->sim, "end", 0, do_close, &c);
    assert_int_equal(sim_run(w->sim, NULL, SIM_FOREVER, 1000000), SIM_IDLE);
    assert_null(w->layer);
    host_destroy(w->host);
    sim_destroy(w->sim);
}

static char *drawing(const struct world *w)
{
    struct strbuf out = { .text = NULL };
    layer_draw(w->layer, &out);
    return out.text;
}

/* ---- Stories ---- */

/* However far a command that is refused has got: filter, job, backend, edges. */
static void refused_leaves_nothing(void **state)
{
    static const char *const bad[] = {
        "'device':'n5','base-node':'n5'",
        "'device':'n5','filter-node-name':'n1'",
        "'device':'n5','speed':-1",
        "'device':'n5','job-id':'?'",
        "'device':'n3','base-node':'n2','job-id':'taken'",
        "'device':'f5','job-id':'j'",
    };
    struct world w;
    (void)state;
    world_open(&w, 0);
    qmp_ok(&w, "{'execute':'block-stream','arguments':{'device':'n1','job-id':'taken',"
               "'auto-finalize':false}}");
    char *before = drawing(&w);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *error = qmp(&w, "{'execute':'block-stream','arguments':{%s%s}}", bad[i],
                          strstr(bad[i], "job-id") ? "" : ",'job-id':'j'");
        assert_non_null(error);
        free(error);
        char *after = drawing(&w);
        assert_string_equal(after, before);
        free(after);
    }
    free(before);
    world_close(&w);
}

/* Any node over any other one, with a limit or without, to be finalized or not. */
static char *random_start(struct world *w)
{
    unsigned top = draw(w, IMAGES);
    char end[40] = "";
    if (draw(w, 3) > 0) {
        snprintf(end, sizeof(end), ",'%s':'n%u'", draw(w, 3) ? "base-node" : "bottom",
                 draw(w, top + 1));
    }
    return qmp(w, "{'execute':'block-stream','arguments':{'device':'n%u','job-id':'j%u'%s,"
               "'speed':%u,'auto-finalize':%s,'auto-dismiss':%s}}", top, draw(w, 4), end,
               draw(w, 2) * 500000, draw(w, 2) ? "true" : "false", draw(w, 4) ? "true" : "false");
}

static char *random_verb(struct world *w)
{
    static const char *const verbs[] = { "job-pause", "job-resume", "job-cancel",
                                         "job-finalize", "job-dismiss" };
    return qmp(w, "{'execute':'%s','arguments':{'id':'j%u'}}", verbs[draw(w, ARRAY_LEN(verbs))],
               draw(w, 4));
}

static void random_step(struct world *w)
{
    unsigned what = draw(w, 8);
    if (what < 3) {
        free(random_start(w));
    } else if (what < 6) {
        free(random_verb(w));
    } else if (what == 6) {
        int k = (int)draw(w, CLUSTERS);
        w->shows[IMAGES - 1][k] = (uint8_t)(1 + draw(w, 255));
        write_cluster(w, IMAGES - 1, k, w->shows[IMAGES - 1][k]);
    } else {
        sim_run(w->sim, NULL, sim_now_ns(w->sim) + (int64_t)draw(w, 400) * NS_PER_MS, 1000000);
    }
}

static void random_streams(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct world w;
        world_open(&w, seed);
        for (int i = 0; i < 60; i++) {
            random_step(&w);
        }
        for (int i = 0; i < IMAGES; i++) {
            check_node(&w, i);
        }
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_leaves_nothing),
        cmocka_unit_test(random_streams),
    };
    return cmocka_run_group_tests_name("model/job/stream", tests, NULL, NULL);
}
