/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

/* Without latency null-co answers in the instant and without a switch. */
static void co_answers_at_once(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_ok(&w, "{'driver':'null-co','node-name':'n','size':1048576}");
    struct backend *b = attach_ok(&w, "n", USE_RW);
    uint64_t steps = w.sim->sched.steps;
    assert_int_equal(write_byte(&w, b, 0, 4096, 1), 0);
    assert_int_equal(w.sim->sched.steps, steps + 1);
    assert_int_equal(sim_now_ns(w.sim), 0);
    assert_int_equal(read_byte(&w, b, 0, 512, 0xab), 0);
    assert_int_equal(write_byte(&w, b, 1048576, 512, 1), -EIO);
    detach(&w, b);
    world_fini(&w);
}

/* null-aio lets others run first, but takes no time. */
static void aio_lets_others_run(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_ok(&w, "{'driver':'null-aio','node-name':'n','size':4096}");
    struct backend *b = attach_ok(&w, "n", USE_RW);
    uint64_t steps = w.sim->sched.steps;
    assert_int_equal(write_byte(&w, b, 0, 4096, 1), 0);
    assert_true(w.sim->sched.steps > steps + 1);
    assert_int_equal(sim_now_ns(w.sim), 0);
    detach(&w, b);
    world_fini(&w);
}

/* Sixteen requests at once take as long as one. */
static void latency_is_virtual_and_shared(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_ok(&w, "{'driver':'null-co','node-name':'n','latency-ns':100000}");
    struct backend *b = attach_ok(&w, "n", USE_RW);
    struct call calls[16];
    struct iobuf bufs[16];
    for (int i = 0; i < 16; i++) {
        bufs[i] = iobuf_fill(fill_byte(1), 4096);
        calls[i] = (struct call){
            .fn = do_write, .backend = b, .offset = i * 4096, .buf = &bufs[i]
        };
        call_start(&w, &calls[i]);
    }
    for (int i = 0; i < 16; i++) {
        assert_int_equal(call_wait(&calls[i]), 0);
    }
    assert_int_equal(sim_now_ns(w.sim), 100000);
    assert_int_equal(flush(&w, b), 0);
    assert_int_equal(sim_now_ns(w.sim), 200000);
    detach(&w, b);
    world_fini(&w);
}

static void read_zeroes_is_known_to_status(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_ok(&w, "{'driver':'null-co','node-name':'z','size':65536,'read-zeroes':true}");
    add_ok(&w, "{'driver':'null-co','node-name':'n','size':65536}");
    struct backend *z = attach_ok(&w, "z", USE_RW);
    struct backend *n = attach_ok(&w, "n", USE_RW);
    int64_t bytes = 65536;
    assert_int_equal(status_at(&w, z, 0, &bytes) & (STATUS_ZERO | STATUS_DATA), STATUS_ZERO);
    assert_int_equal(bytes, 65536);
    assert_int_equal(status_at(&w, n, 0, &bytes) & (STATUS_ZERO | STATUS_DATA), 0);
    assert_int_equal(write_byte(&w, z, 0, 512, 7), 0);
    assert_int_equal(read_byte(&w, z, 0, 512, 0), 0);
    detach(&w, z);
    detach(&w, n);
    world_fini(&w);
}

/* Zeroes are written as data; what must not fall back fails. */
static void zeroing_and_discard(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_ok(&w, "{'driver':'null-co','node-name':'n','size':65536,'discard':'unmap'}");
    struct backend *b = attach_ok(&w, "n", USE_RW);
    assert_int_equal(zero_range(&w, b, 0, 4096, 0), 0);
    assert_int_equal(zero_range(&w, b, 0, 4096, IO_NO_FALLBACK), -ENOTSUP);
    assert_int_equal(discard_range(&w, b, 0, 4096), 0);
    detach(&w, b);
    world_fini(&w);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_fails(&w, "{'driver':'null-co','node-name':'n','latency-ns':-1}",
              "latency-ns is invalid");
    add_fails(&w, "{'driver':'null-aio','node-name':'n','size':-1}",
              "Parameter 'size' expects a non-negative number below 2^64");
    add_fails(&w, "{'driver':'null-co','node-name':'n','size':9223372036854775807}",
              "Could not refresh total sector count: File too large");
    add_ok(&w, "{'driver':'null-co','node-name':'n'}");
    world_fini(&w);
}

static void names_in_query_results(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_ok(&w, "{'driver':'null-co','node-name':'a','latency-ns':5}");
    add_ok(&w, "{'driver':'null-aio','node-name':'b','size':1024}");
    char *a = node_filename(layer_find_node(w.layer, "a"));
    char *b = node_filename(layer_find_node(w.layer, "b"));
    assert_string_equal(a, "null-co://");
    assert_true(strncmp(b, "json:{", 6) == 0 && strstr(b, "\"size\": 1024"));
    free(a);
    free(b);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(co_answers_at_once),
        cmocka_unit_test(aio_lets_others_run),
        cmocka_unit_test(latency_is_virtual_and_shared),
        cmocka_unit_test(read_zeroes_is_known_to_status),
        cmocka_unit_test(zeroing_and_discard),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(names_in_query_results),
    };
    return cmocka_run_group_tests_name("drivers/null", tests, NULL, NULL);
}
