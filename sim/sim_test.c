/* SPDX-License-Identifier: MIT */
/* Worlds: coroutines, iothreads, locks, time and the trace together. */
#include "sim/sim.h"

#include "base/mem.h"
#include "sim/sync.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct story {
    struct sim *s;
    struct strbuf text;
    struct co_mutex mutex;
    struct co_rwlock rw;
    struct co_queue queue;
    bool done;
};

static struct sim *world(enum choice_policy policy, uint64_t seed, struct choice_path *path)
{
    struct sim_config cfg = { .seed = seed, .policy = policy, .path = path, .keep_trace = true };
    return sim_create(&cfg);
}

struct actor {
    struct story *story;
    char letter;
    int64_t ns;
    bool write;
};

static void say_thrice(void *opaque)
{
    struct actor *a = opaque;
    for (int i = 0; i < 3; i++) {
        strbuf_putc(&a->story->text, a->letter);
        co_pass(a->story->s);
    }
}

static void test_fifo_takes_turns(void **state)
{
    (void)state;
    struct story st = { .s = world(CHOICE_FIFO, 0, NULL) };
    struct actor a = { &st, 'a', 0, false }, b = { &st, 'b', 0, false };
    assert_int_equal(sim_iothread_add(st.s, "io1"), 1);
    co_create(st.s, "a", 0, say_thrice, &a);
    co_create(st.s, "b", 1, say_thrice, &b); /* In another iothread: same order. */
    assert_int_equal(sim_run(st.s, NULL, SIM_FOREVER, 0), SIM_IDLE);
    assert_string_equal(st.text.text, "ababab");
    strbuf_free(&st.text);
    sim_destroy(st.s);
}

/* Enumeration over two coroutines of two parts each gives every interleaving. */
static void say_twice(void *opaque)
{
    struct actor *a = opaque;
    strbuf_putc(&a->story->text, a->letter);
    co_pass(a->story->s);
    strbuf_putc(&a->story->text, a->letter);
}

static void test_every_interleaving_is_reached(void **state)
{
    (void)state;
    const char *const all[] = { "aabb", "abab", "abba", "baab", "baba", "bbaa" };
    bool seen[ARRAY_LEN(all)] = { false };
    struct choice_path path = { 0 };
    do {
        struct story st = { .s = world(CHOICE_ENUMERATE, 0, &path) };
        struct actor a = { &st, 'a', 0, false }, b = { &st, 'b', 0, false };
        sim_iothread_add(st.s, "io1");
        co_create(st.s, "a", 0, say_twice, &a);
        co_create(st.s, "b", 1, say_twice, &b);
        sim_run(st.s, NULL, SIM_FOREVER, 0);
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            seen[i] |= strcmp(st.text.text, all[i]) == 0;
        }
        strbuf_free(&st.text);
        sim_destroy(st.s);
    } while (choice_path_next(&path));
    choice_path_fini(&path);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_true(seen[i]);
    }
}

static void locked_part(void *opaque)
{
    struct actor *a = opaque;
    struct story *st = a->story;
    co_mutex_lock(st->s, &st->mutex);
    strbuf_putc(&st->text, a->letter);
    co_sleep(st->s, a->ns);
    strbuf_putc(&st->text, a->letter);
    co_mutex_unlock(st->s, &st->mutex);
}

static void test_a_mutex_is_handed_over_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct story st = { .s = world(seed ? CHOICE_SEEDED : CHOICE_FIFO, seed, NULL) };
        struct actor a = { &st, 'a', 30, false }, b = { &st, 'b', 20, false },
                     c = { &st, 'c', 10, false };
        co_create(st.s, "a", 0, locked_part, &a);
        co_create(st.s, "b", 0, locked_part, &b);
        co_create(st.s, "c", 0, locked_part, &c);
        assert_int_equal(sim_run(st.s, NULL, SIM_FOREVER, 0), SIM_IDLE);
        assert_int_equal(sim_now_ns(st.s), 60);
        assert_int_equal(st.text.len, 6);
        for (size_t i = 0; i < 6; i += 2) {
            assert_int_equal(st.text.text[i], st.text.text[i + 1]);
        }
        if (seed == 0) {
            assert_string_equal(st.text.text, "aabbcc");
        }
        strbuf_free(&st.text);
        sim_destroy(st.s);
    }
}

static void rw_part(void *opaque)
{
    struct actor *a = opaque;
    struct story *st = a->story;
    if (a->write) {
        co_rwlock_wrlock(st->s, &st->rw);
    } else {
        co_rwlock_rdlock(st->s, &st->rw);
    }
    strbuf_printf(&st->text, "+%c", a->letter);
    co_sleep(st->s, a->ns);
    strbuf_printf(&st->text, "-%c", a->letter);
    co_rwlock_unlock(st->s, &st->rw);
}

static void test_readers_share_and_a_waiting_writer_stops_new_ones(void **state)
{
    (void)state;
    struct story st = { .s = world(CHOICE_FIFO, 0, NULL) };
    struct actor r1 = { &st, '1', 10, false }, r2 = { &st, '2', 20, false },
                 w = { &st, 'w', 5, true }, r3 = { &st, '3', 1, false },
                 r4 = { &st, '4', 1, false }, w2 = { &st, 'v', 1, true };
    struct actor *all[] = { &r1, &r2, &w, &r3, &r4, &w2 };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        co_create(st.s, "rw", 0, rw_part, all[i]);
    }
    sim_run(st.s, NULL, SIM_FOREVER, 0);
    assert_string_equal(st.text.text, "+1+2-1-2+w-w+3+4-3-4+v-v");
    strbuf_free(&st.text);
    sim_destroy(st.s);
}

static void wait_in_queue(void *opaque)
{
    struct actor *a = opaque;
    co_queue_wait(a->story->s, &a->story->queue);
    strbuf_putc(&a->story->text, a->letter);
}

static void test_queue_and_what_is_said_of_waiters(void **state)
{
    (void)state;
    struct story st = { .s = world(CHOICE_FIFO, 0, NULL), .queue.what = "the bus" };
    struct actor a = { &st, 'a', 0, false }, b = { &st, 'b', 0, false },
                 c = { &st, 'c', 0, false };
    co_create(st.s, "first", 0, wait_in_queue, &a);
    co_create(st.s, "second", 0, wait_in_queue, &b);
    co_create(st.s, "third", 0, wait_in_queue, &c);
    assert_int_equal(sim_run(st.s, &st.done, SIM_FOREVER, 0), SIM_IDLE); /* Stuck. */
    struct strbuf who = { 0 };
    sim_describe_waiters(st.s, &who);
    assert_non_null(strstr(who.text, "'second' in main waits for the bus"));
    strbuf_free(&who);
    assert_true(co_queue_wake_one(&st.queue));
    sim_settle(st.s, 0);
    assert_string_equal(st.text.text, "a");
    co_queue_wake_all(&st.queue);
    sim_settle(st.s, 0);
    assert_string_equal(st.text.text, "abc");
    assert_true(co_queue_empty(&st.queue));
    assert_false(co_queue_wake_one(&st.queue));
    strbuf_free(&st.text);
    sim_destroy(st.s);
}

static void sleeper(void *opaque)
{
    struct actor *a = opaque;
    co_sleep(a->story->s, a->ns);
    strbuf_putc(&a->story->text, a->letter);
    a->story->done = a->letter == 'z';
}

static void test_time_moves_only_as_far_as_it_may(void **state)
{
    (void)state;
    struct story st = { .s = world(CHOICE_FIFO, 0, NULL) };
    struct actor a = { &st, 'a', 100, false }, z = { &st, 'z', 300, false };
    co_create(st.s, "a", 0, sleeper, &a);
    co_create(st.s, "z", 0, sleeper, &z);
    assert_int_equal(sim_settle(st.s, 0), SIM_LATER);
    assert_int_equal(sim_now_ns(st.s), 0);
    assert_int_equal(sim_run(st.s, NULL, 250, 0), SIM_LATER);
    assert_int_equal(sim_now_ns(st.s), 250);
    assert_string_equal(st.text.text, "a");
    assert_int_equal(sim_run(st.s, &st.done, SIM_FOREVER, 0), SIM_DONE);
    assert_int_equal(sim_now_ns(st.s), 300);
    assert_int_equal(sim_run(st.s, NULL, 1000, 0), SIM_IDLE); /* Nothing to do: still passes. */
    assert_int_equal(sim_now_ns(st.s), 1000);
    strbuf_free(&st.text);
    sim_destroy(st.s);
}

static void spin(void *opaque)
{
    struct story *st = opaque;
    while (!st->done) {
        co_pass(st->s);
    }
}

static void test_an_endless_loop_is_counted_out(void **state)
{
    (void)state;
    struct story st = { .s = world(CHOICE_FIFO, 0, NULL) };
    co_create(st.s, "spin", 0, spin, &st);
    assert_int_equal(sim_run(st.s, NULL, SIM_FOREVER, 1000), SIM_STEPS);
    assert_int_equal(st.s->sched.steps, 1000);
    st.done = true;
    sim_settle(st.s, 0);
    sim_destroy(st.s);
}

static void move_away(void *opaque)
{
    struct story *st = opaque;
    co_move(st->s, 0); /* It is there already. */
    co_move(st->s, 1);
    assert_int_equal(co_self(st->s)->iothread, 1);
    st->done = true;
}

static void test_iothreads_have_names_and_an_end(void **state)
{
    (void)state;
    struct story st = { .s = world(CHOICE_FIFO, 0, NULL) };
    assert_int_equal(sim_iothread_add(st.s, "io1"), 1);
    co_create(st.s, "mover", 0, move_away, &st);
    assert_int_equal(sim_run(st.s, &st.done, SIM_FOREVER, 0), SIM_DONE);
    sim_settle(st.s, 0);
    assert_int_equal(sim_iothread_find(st.s, "io1"), 1);
    assert_int_equal(sim_iothread_find(st.s, "main"), 0);
    assert_int_equal(sim_iothread_find(st.s, "io2"), -ENOENT);
    while (sim_iothread_add(st.s, "more") > 0) {
    }
    assert_int_equal(st.s->sched.queues, IOTHREADS_MAX);
    sim_destroy(st.s);
}

/* Uses the address so that the compiler keeps the frame. */
static int recurse(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth == 0 ? frame[0] : recurse(depth - 1) + frame[0];
}

static void use_much_stack(void *opaque)
{
    struct story *st = opaque;
    st->done = recurse(1000) >= -1000000;
}

static void overflow(void *opaque)
{
    (void)opaque;
    recurse(INT32_MAX);
}

static void test_half_a_mebibyte_of_stack_is_there_and_overflow_is_caught(void **state)
{
    (void)state;
    struct story st = { .s = world(CHOICE_FIFO, 0, NULL) };
    co_create(st.s, "deep", 0, use_much_stack, &st);
    assert_int_equal(sim_run(st.s, &st.done, SIM_FOREVER, 0), SIM_DONE);
    sim_settle(st.s, 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(STDERR_FILENO);
        signal(SIGSEGV, SIG_DFL);
        co_create(st.s, "overflow", 0, overflow, &st);
        sim_run(st.s, NULL, SIM_FOREVER, 0);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    sim_destroy(st.s);
}

static uint64_t run_and_hash(enum choice_policy policy, uint64_t seed, bool keep)
{
    struct sim_config cfg = { .seed = seed, .policy = policy, .keep_trace = keep };
    struct story st = { .s = sim_create(&cfg) };
    struct actor a = { &st, 'a', 0, false }, b = { &st, 'b', 0, false };
    co_create(st.s, "a", 0, say_thrice, &a);
    co_create(st.s, "b", 0, say_thrice, &b);
    sim_run(st.s, NULL, SIM_FOREVER, 0);
    sim_trace_text(st.s, TRACE_EVENT, "said %s", st.text.text);
    for (int i = 0; i < 1000; i++) {
        sim_trace(st.s, TRACE_DISK, 1, 2, i, 4096);
    }
    uint64_t hash = trace_hash(&st.s->trace);
    strbuf_free(&st.text);
    sim_destroy(st.s);
    return hash;
}

static void test_same_seed_same_trace(void **state)
{
    (void)state;
    uint64_t first = run_and_hash(CHOICE_SEEDED, 1, false);
    assert_true(first == run_and_hash(CHOICE_SEEDED, 1, true));
    bool differs = false;
    for (uint64_t seed = 2; seed < 10; seed++) {
        differs |= run_and_hash(CHOICE_SEEDED, seed, false) != first;
    }
    assert_true(differs);
}

static void test_the_trace_can_be_read(void **state)
{
    (void)state;
    struct sim *s = world(CHOICE_FIFO, 0, NULL);
    sim_trace(s, TRACE_STATEMENT, 0, 4, 0, 0);
    sim_trace(s, TRACE_REQUEST, 1, 2, 4096, 512);
    sim_trace(s, TRACE_COMPLETE, 1, 2, 4096, -5);
    sim_trace(s, TRACE_DISK, 2, 1, 0, -5);
    sim_trace(s, TRACE_DISK, 0, 1, 0, 512);
    sim_trace(s, TRACE_POWER, 0, 0, 0, 0);
    sim_trace(s, TRACE_POWER, 1, 0, 0, 0);
    sim_trace(s, TRACE_POWER, TRACE_POWER_KEPT, 1, 512, 1024);
    sim_trace(s, TRACE_POWER, TRACE_POWER_KEPT, 1, -1, 4096);
    sim_trace(s, TRACE_POWER, TRACE_POWER_NAMES, 0, 1, 3);
    sim_trace(s, TRACE_FAULT, 3, 1, 0, 2);
    sim_trace(s, TRACE_REQUEST, 99, 2, 0, 0);
    sim_trace_words(s, TRACE_GRAPH, (const char *const[]){ "add ", "hd0" }, 2);
    struct strbuf out = { 0 };
    trace_print(&s->trace, &out);
    const char *const parts[] = { "statement 4", "request   write        actor=2 4096+512",
                                  "complete  write        actor=2 4096 ret=-5",
                                  "flush        actor=1 0 ret=-5", "bytes=512", "power     cut",
                                  "power     on", "power     kept         actor=1 512+1024",
                                  "power     kept         actor=1 size=4096",
                                  "power     names kept   1 of 3 changes",
                                  "fault     torn         actor=1 0 rule=2", "graph     add hd0" };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        assert_non_null(strstr(out.text, parts[i]));
    }
    strbuf_free(&out);
    sim_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifo_takes_turns),
        cmocka_unit_test(test_every_interleaving_is_reached),
        cmocka_unit_test(test_a_mutex_is_handed_over_in_order),
        cmocka_unit_test(test_readers_share_and_a_waiting_writer_stops_new_ones),
        cmocka_unit_test(test_queue_and_what_is_said_of_waiters),
        cmocka_unit_test(test_time_moves_only_as_far_as_it_may),
        cmocka_unit_test(test_an_endless_loop_is_counted_out),
        cmocka_unit_test(test_iothreads_have_names_and_an_end),
        cmocka_unit_test(test_half_a_mebibyte_of_stack_is_there_and_overflow_is_caught),
        cmocka_unit_test(test_same_seed_same_trace),
        cmocka_unit_test(test_the_trace_can_be_read),
    };
    return cmocka_run_group_tests_name("sim/sim", tests, NULL, NULL);
}
