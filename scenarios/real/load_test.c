/* SPDX-License-Identifier: MIT */
/* Loads on a target of the test's own: a store of bytes that answers as QEMU does, out of order,
 * and with planted faults. */
#include "scenarios/real/load.h"

#include "base/mem.h"
#include "scenarios/load_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { STORE = 1 << 20, PENDING_MAX = 256, WORDS_MAX = 16 };

struct pending {
    struct target_call *call;
    bool read, flush, has_pattern;
    uint8_t byte;
    int64_t offset, bytes;
    uint64_t number; /* Of the reads, or of the writes. */
};

struct fake {
    struct target base;
    struct load_real *load;
    int64_t now_ns;
    uint64_t random;
    bool frontends, read_only, dead;
    char *plugged; /* Id of a frontend on the node "n". */
    uint64_t plugs, unplugs;
    uint64_t lose, flip, fail; /* The nth write or read is faulty; 0: none. */
    uint64_t reads, writes, flushes, fua, with_pattern;
    char *names; /* Of the first io command. */
    uint32_t in_flight, most_in_flight;
    struct pending pending[PENDING_MAX];
    uint8_t bytes[STORE];
};

static struct fake *fake_of(struct target *t)
{
    return (struct fake *)(void *)t;
}

/* ---- commands ---- */

static json_t *answer(struct fake *f, const char *command, const json_t *args)
{
    if (strcmp(command, "query-named-block-nodes") == 0) {
        return json_pack("{s:[{s:s, s:b, s:{s:i}}]}", "return", "node-name", "n", "ro",
                         f->read_only, "image", "virtual-size", STORE);
    }
    if (strcmp(command, "query-block") == 0) {
        return json_loads("{\"return\": ["
                          "{\"device\": \"\", \"qdev\": \"/machine/peripheral/vb/virtio-backend\","
                          " \"inserted\": {\"image\": {\"virtual-size\": 65536}}},"
                          "{\"device\": \"\", \"qdev\": \"cd\", \"tray_open\": false},"
                          "{\"device\": \"alone\", \"inserted\":"
                          " {\"image\": {\"virtual-size\": 65536}}}]}", 0, NULL);
    }
    if (strcmp(command, "device_add") == 0) {
        if (!f->frontends) {
            return json_pack("{s:{s:s, s:s}}", "error", "class", "GenericError", "desc",
                             "No 'SCSI' bus found for device 'scsi-hd'");
        }
        assert_null(f->plugged);
        assert_string_equal(json_string_value(json_object_get(args, "drive")), "n");
        f->plugged = mem_strdup(json_string_value(json_object_get(args, "id")));
        f->plugs++;
    }
    if (strcmp(command, "device_del") == 0) {
        assert_string_equal(json_string_value(json_object_get(args, "id")), f->plugged);
        json_array_append_new(f->base.events, json_pack("{s:s}", "event", "RESUME"));
        json_array_append_new(f->base.events,
                              json_pack("{s:s, s:{s:s}}", "event", "DEVICE_DELETED", "data",
                                        "device", f->plugged));
        free(f->plugged);
        f->plugged = NULL;
        f->unplugs++;
    }
    return json_pack("{s:{}}", "return");
}

static void fake_qmp(struct target *t, const char *bytes, size_t n, struct target_call *call)
{
    json_t *request = json_loadb(bytes, n, 0, NULL);
    assert_non_null(request);
    call->reply = answer(fake_of(t), json_string_value(json_object_get(request, "execute")),
                         json_object_get(request, "arguments"));
    json_decref(request);
    call->done = true;
}

static void fake_io(struct target *t, const char *node, int argc, char **argv,
                    struct target_call *call)
{
    struct fake *f = fake_of(t);
    struct pending *p = f->pending;
    assert_true(call->background);
    assert_null(argv[argc]);
    f->names = f->names ? f->names : mem_strdup(node);
    while (p->call) {
        p++;
    }
    *p = (struct pending){ .call = call, .flush = strcmp(argv[0], "flush") == 0,
                           .read = strcmp(argv[0], "aio_read") == 0 };
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-f") == 0) {
            f->fua++;
        } else {
            assert_string_equal(argv[i], "-P");
            p->has_pattern = true;
            p->byte = (uint8_t)strtoul(argv[++i], NULL, 0);
            f->with_pattern += p->read;
        }
    }
    if (p->flush) {
        f->flushes++;
    } else {
        assert_int_equal(argc, i + 2);
        p->offset = strtoll(argv[i], NULL, 10);
        p->bytes = strtoll(argv[i + 1], NULL, 10);
        p->number = p->read ? ++f->reads : ++f->writes;
        assert_true(p->read || p->has_pattern);
    }
    f->in_flight++;
    f->most_in_flight = MAX(f->most_in_flight, f->in_flight);
}

static bool holds_byte(const struct fake *f, const struct pending *p)
{
    for (int64_t i = 0; i < p->bytes; i++) {
        if (f->bytes[p->offset + i] != p->byte) {
            return false;
        }
    }
    return true;
}

/* A request ends: what it does to the store, and what QEMU prints. */
static void complete(struct fake *f, struct pending *p)
{
    struct strbuf *out = &p->call->output;
    bool fails = p->number == f->fail && p->number && !p->read;
    if (f->dead) {
        p->call->died = p->call->failed = true;
    } else if (fails) {
        strbuf_puts(out, "aio_write failed: No space left on device\n");
    } else if (!p->flush) {
        if (!p->read && p->number != f->lose) {
            memset(f->bytes + p->offset, p->byte, (size_t)p->bytes);
        }
        bool differs = p->read && p->has_pattern &&
                       (p->number == f->flip || !holds_byte(f, p));
        if (differs) {
            strbuf_printf(out, "Pattern verification failed at offset %" PRId64 ", %" PRId64
                          " bytes\n", p->offset, p->bytes);
        }
        strbuf_printf(out, "%s %" PRId64 "/%" PRId64 " bytes at offset %" PRId64
                      "\n1 KiB, 1 ops; 00.00 sec\n", p->read ? "read" : "wrote", p->bytes,
                      p->bytes, p->offset);
    }
    p->call->done = true;
    p->call = NULL;
    f->in_flight--;
}

/* One request ends, whichever, a microsecond later. */
static int fake_run(struct target *t, const bool *done, int64_t until_ns)
{
    struct fake *f = fake_of(t);
    while (!(done && *done)) {
        if (f->now_ns >= until_ns) {
            return -ETIME;
        }
        f->now_ns += f->in_flight ? 1000 : 100000;
        if (f->in_flight == 0) {
            continue;
        }
        f->random = f->random * UINT64_C(6364136223846793005) + 1;
        size_t i = (size_t)(f->random >> 33) % PENDING_MAX;
        while (!f->pending[i].call) {
            i = (i + 1) % PENDING_MAX;
        }
        complete(f, &f->pending[i]);
    }
    return 0;
}

static void fake_forget(struct target *t, struct target_call *call)
{
    (void)t;
    assert_true(call->done);
}

static int64_t fake_now_ns(struct target *t)
{
    return fake_of(t)->now_ns;
}

static const struct target_ops fake_ops = {
    .name = "fake", .caps = TARGET_REAL, .qmp = fake_qmp, .io = fake_io, .forget = fake_forget,
    .run = fake_run, .now_ns = fake_now_ns,
};

/* ---- the world ---- */

static int set_up(void **state)
{
    struct fake *f = NEW(struct fake);
    f->base = (struct target){ .ops = &fake_ops, .events = json_array() };
    f->frontends = true;
    f->random = 1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fake *f = *state;
    json_decref(f->base.events);
    free(f->plugged);
    free(f->names);
    free(f);
    return 0;
}

static int begin_on(struct fake *f, const char *name, const char *args, struct error *err)
{
    char *text = mem_strdup(args), *save = NULL, *argv[WORDS_MAX];
    int argc = 0;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        argv[argc++] = word;
    }
    struct load_real_config cfg = { .target = &f->base, .frontends = f->frontends, .tag = "w1",
                                    .name = name, .argc = argc, .argv = argv, .unit_seed = 7 };
    int ret = load_real_start(&cfg, &f->load, err);
    free(text);
    return ret;
}

static void run_to_end(struct fake *f)
{
    while (!load_real_step(f->load)) {
        const bool *wait = load_real_wait(f->load);
        assert_non_null(wait);
        fake_run(&f->base, wait, INT64_MAX);
    }
    assert_true(*load_real_done(f->load));
}

static struct load_stats run(struct fake *f, const char *args, struct error *err)
{
    *err = ERROR_INIT;
    if (begin_on(f, "n", args, err) < 0) {
        fail_msg("%s: %s", args, err->text);
    }
    run_to_end(f);
    load_real_result(f->load, err);
    struct load_stats s = load_real_stats(f->load);
    load_real_free(f->load);
    f->load = NULL;
    return s;
}

static struct load_stats run_well(struct fake *f, const char *args)
{
    struct error err;
    struct load_stats s = run(f, args, &err);
    if (err.code) {
        fail_msg("%s: %s", args, err.text);
    }
    return s;
}

/* ---- the stories ---- */

static void the_list_says_what_is_there_in_the_end(void **state)
{
    struct fake *f = *state;
    struct load_args args = { .reads = true, .writes = true, .random = true, .mix = 50,
                              .bs_min = 512, .bs_max = 8192, .depth = 16, .count = 3000,
                              .length = 64 << 10, .seed = 7 };
    struct load_plan plan;
    struct load_req r;
    uint8_t *want = mem_zalloc(STORE);
    load_plan_init(&plan, &args, "w1", LOAD_BYTES);
    while (load_plan_next(&plan, &r)) {
        if (!r.read) {
            memset(want + r.offset, load_plan_byte(&plan, r.index), (size_t)r.bytes);
        }
    }
    struct load_stats s =
        run_well(f, "rw=randrw bs=512-8k depth=16 count=3000 region=0+64k");
    assert_memory_equal(f->bytes, want, STORE);
    assert_int_equal(s.reads + s.writes, 3000);
    assert_true(f->most_in_flight > 2 && f->most_in_flight <= 16);
    assert_true(s.verified_bytes >= 64 << 10); /* All that it wrote, in the end. */
    free(want);
}

static void reads_are_verified_where_one_byte_is_known(void **state)
{
    struct fake *f = *state;
    struct load_stats s = run_well(f, "rw=randrw bs=4k depth=8 count=1000 region=0+128k");
    assert_true(f->with_pattern > s.reads / 2);
    assert_true(f->with_pattern < f->reads); /* What it has not written is not known. */
    f->with_pattern = 0;
    run_well(f, "rw=randrw bs=4k depth=8 count=100 verify=off");
    run_well(f, "rw=read bs=4k depth=8 count=100");
    assert_int_equal(f->with_pattern, 0);
}

static void canary_lost_write(void **state)
{
    struct fake *f = *state;
    struct error err;
    f->lose = 5;
    run(f, "rw=write count=20 seed=1", &err);
    assert_int_equal(err.code, -EIO);
    assert_non_null(strstr(err.text, "read at 16384 returned other data: expected 0x"));
}

static void canary_other_data_in_a_read(void **state)
{
    struct fake *f = *state;
    struct error err;
    run_well(f, "rw=write count=256");
    f->flip = f->reads + 500;
    struct load_stats s = run(f, "rw=randrw mix=80 errors=ignore region=0+64k count=100000", &err);
    assert_non_null(strstr(err.text, "returned other data"));
    assert_true(s.reads + s.writes < 1000);
}

static void errors_end_the_load_or_not(void **state)
{
    struct fake *f = *state;
    struct error err;
    f->fail = 10;
    struct load_stats s = run(f, "rw=write count=100", &err);
    assert_int_equal(err.code, -ENOSPC);
    assert_string_equal(err.text, "write at 36864 failed: No space left on device");
    assert_int_equal(s.writes, 10);

    f->fail = f->writes + 10;
    s = run(f, "rw=write count=100 errors=stop", &err);
    assert_int_equal(err.code, 0);
    assert_int_equal(s.writes, 10);
    assert_int_equal(s.verified_bytes, 9 * 4096);

    f->fail = f->writes + 10;
    s = run(f, "rw=write count=100 errors=ignore", &err);
    assert_int_equal(err.code, 0);
    assert_int_equal(s.writes, 100);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.verified_bytes, 99 * 4096);
}

static void flushes_and_fua_are_passed_on(void **state)
{
    struct fake *f = *state;
    struct load_stats s = run_well(f, "rw=randwrite count=100 flush=8 fua=on depth=4");
    assert_int_equal(s.flushes, 12);
    assert_int_equal(f->flushes, 12);
    assert_int_equal(f->fua, 100);
}

static void runtime_is_time_of_the_target(void **state)
{
    struct fake *f = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(begin_on(f, "n", "rw=randread runtime=1ms", &err), 0);
    assert_false(load_real_is_finite(f->load));
    run_to_end(f);
    struct load_stats s = load_real_stats(f->load);
    assert_true(s.reads > 900 && s.reads <= 1000);
    load_real_free(f->load);
}

static void a_stopped_load_starts_nothing_more(void **state)
{
    struct fake *f = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(begin_on(f, "n", "rw=randwrite count=100000 depth=2", &err), 0);
    assert_true(load_real_is_finite(f->load));
    for (int i = 0; i < 50; i++) {
        assert_false(load_real_step(f->load));
        fake_run(&f->base, load_real_wait(f->load), INT64_MAX);
    }
    uint64_t so_far = f->writes;
    load_real_stop(f->load);
    run_to_end(f);
    assert_int_equal(f->writes, so_far);
    assert_int_equal(f->reads, 0);
    assert_int_equal(load_real_result(f->load, &err), 0);
    load_real_free(f->load);
}

static void a_death_ends_it(void **state)
{
    struct fake *f = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(begin_on(f, "n", "rw=write count=100 depth=4 errors=ignore", &err), 0);
    assert_false(load_real_step(f->load));
    f->dead = true;
    run_to_end(f);
    assert_int_equal(load_real_result(f->load, &err), -EPIPE);
    assert_string_equal(err.text, "write at 0 failed: the program has died");
    load_real_free(f->load);
}

static void a_node_gets_a_frontend_for_the_time(void **state)
{
    struct fake *f = *state;
    run_well(f, "rw=write count=10");
    assert_string_equal(f->names, LOAD_REAL_PREFIX "w1");
    assert_int_equal(f->plugs, 1);
    assert_int_equal(f->unplugs, 1);
    /* Nobody hears of it; other events stay. */
    assert_int_equal(json_array_size(f->base.events), 1);
}

static void without_a_bus_it_is_the_node_itself(void **state)
{
    struct fake *f = *state;
    struct error err = ERROR_INIT;
    struct load_real_config cfg = { .target = &f->base, .frontends = true, .tag = "w1",
                                    .name = "n", .unit_seed = 7 };
    char rw[] = "rw=write", count[] = "count=5";
    char *argv[] = { rw, count };
    f->frontends = false;
    cfg.argc = 2;
    cfg.argv = argv;
    assert_int_equal(load_real_start(&cfg, &f->load, &err), 0);
    run_to_end(f);
    assert_string_equal(f->names, "n");
    assert_int_equal(f->writes, 5);
    load_real_free(f->load);
}

static void what_cannot_be_used_is_said(void **state)
{
    struct fake *f = *state;
    static const struct {
        const char *name, *args, *text;
    } bad[] = {
        { "x", "rw=read count=1", "Cannot find device='' nor node-name='x'" },
        { "cd", "rw=read count=1", "load: the backend has no medium" },
        { "vb", "rw=read bs=128k count=1", "load: bs: 131072 is more than the region's 65536" },
        { "n", "rw=read", "load: one of count and runtime is needed" },
        { "n", "rw=write count=1", "Block node is read-only" },
    };
    f->read_only = true;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        assert_true(begin_on(f, bad[i].name, bad[i].args, &err) < 0);
        if (!strstr(err.text, bad[i].text)) {
            fail_msg("%s %s: %s", bad[i].name, bad[i].args, err.text);
        }
        assert_null(f->plugged);
    }
    run_well(f, "rw=read count=1");
    struct error err = ERROR_INIT;
    assert_int_equal(begin_on(f, "alone", "rw=randread count=1", &err), 0);
    run_to_end(f);
    load_real_free(f->load);
}

static void answers_are_understood(void **state)
{
    static const struct {
        const char *output;
        int code;
        bool differs;
        const char *text;
    } told[] = {
        { "wrote 1/1 bytes at offset 0\n1 bytes, 1 ops\n", 0, false, "" },
        { "", 0, false, "" }, /* A flush. */
        { "aio_write failed: Input/output error\n", -EIO, false, "Input/output error" },
        { "readv failed: No medium found\r\n", -ENOMEDIUM, false, "No medium found" },
        { "Pattern verification failed at offset 0, 512 bytes\nread 512/512 bytes at offset 0\n",
          0, true, "" },
        { "Block node is read-only\r\n", -EIO, false, "Block node is read-only" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        struct target_call call = { .done = true };
        struct error err = ERROR_INIT;
        bool differs;
        strbuf_puts(&call.output, told[i].output);
        assert_int_equal(load_real_answer(&call, &differs, &err), told[i].code);
        assert_int_equal(differs, told[i].differs);
        assert_string_equal(err.text, told[i].text);
        strbuf_free(&call.output);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_list_says_what_is_there_in_the_end),
        STORY(reads_are_verified_where_one_byte_is_known),
        STORY(canary_lost_write),
        STORY(canary_other_data_in_a_read),
        STORY(errors_end_the_load_or_not),
        STORY(flushes_and_fua_are_passed_on),
        STORY(runtime_is_time_of_the_target),
        STORY(a_stopped_load_starts_nothing_more),
        STORY(a_death_ends_it),
        STORY(a_node_gets_a_frontend_for_the_time),
        STORY(without_a_bus_it_is_the_node_itself),
        STORY(what_cannot_be_used_is_said),
        STORY(answers_are_understood),
    };
    return cmocka_run_group_tests_name("scenarios/real/load", tests, NULL, NULL);
}
