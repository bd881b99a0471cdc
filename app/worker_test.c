/* SPDX-License-Identifier: MIT */
/* Workers whose units crash, loop, write to stderr, or are killed from outside: the run goes on and
 * every unit has its verdict, in order. */
#include "app/worker.h"

#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { CASES_MAX = 64 };

/* A script whose case names say what their units do. */
struct fixture {
    struct script script;
    struct script_case cases[CASES_MAX];
    char *lines[CASES_MAX];
    struct unit at[CASES_MAX];
    struct units units;
    struct result *results[CASES_MAX];
    char *temp;
    struct strbuf seen;   /* "0:pass 1:crash ..." as emitted. */
    struct strbuf noise;  /* stderr of units that lived. */
    struct strbuf late;
    struct result last;   /* The last that was no pass. */
    size_t ticks;
    size_t stop_after;    /* The sink stops the run after so many results; 0: never. */
    pid_t parent;
    char no_text[1];
};



/* What the workers run. */
static void execute(void *opaque, const struct unit *u, const struct run_config *cfg,
                    struct result *r)
{
    const char *name = u->cas->name;
    (void)opaque;
    result_set(&r->case_id, name);
    cfg->progress(cfg->progress_opaque, 7, u->cas->line);
    char *left = mem_printf("%s/file", cfg->work_dir);
    if (access(left, F_OK) == 0) {
        result_set(&r->message, "the folder was not empty");
        r->verdict = VERDICT_FAIL;
    }
    FILE *f = fopen(left, "w");
    CHECK(f != NULL);
    fclose(f);
    free(left);
    if (strcmp(name, "segv") == 0) {
        signal(SIGSEGV, SIG_DFL); /* Sanitizers have a handler. */
        raise(SIGSEGV);
    } else if (strcmp(name, "check") == 0) {
        CHECK(u->seed == 99);
    } else if (strcmp(name, "exit") == 0) {
        _exit(3);
    } else if (strcmp(name, "killed") == 0) {
        kill(getpid(), SIGKILL);
    } else if (strcmp(name, "loop") == 0) {
        for (volatile int forever = 1; forever;) {
        }
    } else if (strcmp(name, "slow") == 0) {
        usleep(50000);
    } else if (strcmp(name, "noise") == 0) {
        fprintf(stderr, "a warning\n");
    } else if (strcmp(name, "flood") == 0) {
        for (int i = 0; i < 20000; i++) {
            fprintf(stderr, "line %d of far too many\n", i);
        }
        CHECK(u == NULL);
    } else if (strcmp(name, "large") == 0) {
        struct strbuf b = { .text = NULL };
        for (int i = 0; i < 100000; i++) {
            strbuf_printf(&b, "%d,", i);
        }
        result_set(&r->message, b.text);
        strbuf_free(&b);
    } else if (strcmp(name, "interrupt") == 0) {
        kill(getppid(), SIGINT);
        usleep(5000000);
    }
}

static int on_result(void *opaque, size_t unit, struct result *r)
{
    struct fixture *f = opaque;
    strbuf_printf(&f->seen, "%s%zu:%s", f->seen.len ? " " : "", unit, verdict_name(r->verdict));
    if (r->verdict != VERDICT_PASS) {
        size_t n;
        void *bytes = result_pack(r, &n);
        assert_int_equal(result_unpack(&f->last, bytes, n), 0);
        free(bytes);
    }
    return f->stop_after && unit + 1 >= f->stop_after ? -EIO : 0;
}

static int on_tick(void *opaque, const struct pool_tick *t)
{
    struct fixture *f = opaque;
    assert_int_equal(t->elapsed_ms % POOL_TICK_MS, 0);
    f->ticks++;
    return 0;
}

static void on_stderr(void *opaque, size_t unit, const char *text)
{
    struct fixture *f = opaque;
    strbuf_printf(&f->noise, "%zu:%s", unit, text);
}

static void on_late(void *opaque, const char *text)
{
    struct fixture *f = opaque;
    strbuf_puts(&f->late, text);
}

static int set_up(void **state)
{
    struct fixture *f = NEW(struct fixture);
    f->script.path = mem_strdup("a.scn");
    f->script.lines = f->lines;
    f->units.at = f->at;
    f->temp = host_temp_create(NULL);
    f->parent = getpid();
    assert_non_null(f->temp);
    result_init(&f->last);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->temp, &st), 0);
    assert_int_equal(st.st_nlink, 2); /* No folder of a worker is left. */
    host_remove_tree(f->temp);
    for (size_t i = 0; i < CASES_MAX; i++) {
        free(f->lines[i]);
        if (f->results[i]) {
            result_fini(f->results[i]);
            free(f->results[i]);
        }
    }
    strbuf_free(&f->seen);
    strbuf_free(&f->noise);
    strbuf_free(&f->late);
    result_fini(&f->last);
    free(f->script.path);
    free(f->temp);
    free(f);
    return 0;
}

/* Adds n units of a case. */
static void add(struct fixture *f, const char *name, size_t n)
{
    for (; n > 0; n--) {
        size_t i = f->units.len++;
        assert_true(i < CASES_MAX);
        f->cases[i] = (struct script_case){ .name = (char *)name, .line = (int)i + 1 };
        f->lines[i] = mem_printf("  verb-%s line %zu", name, i + 1);
        f->script.lines_len = i + 1;
        f->at[i] = (struct unit){ .script = &f->script, .cas = &f->cases[i],
                                  .params = f->no_text };
    }
}

static enum pool_end run(struct fixture *f, unsigned workers, unsigned watchdog_s)
{
    struct run_config rc = { .features = "" };
    struct pool_config cfg = { .units = &f->units, .results = f->results, .workers = workers,
                               .watchdog_s = watchdog_s, .run = &rc, .execute = execute,
                               .temp_dir = f->temp };
    struct pool_sink sink = { on_result, on_tick, on_stderr, on_late, f };
    struct error err = ERROR_INIT;
    enum pool_end end = pool_run(&cfg, &sink, &err);
    assert_int_equal(getpid(), f->parent);
    assert_string_equal(err.text, "");
    return end;
}

static void results_come_in_order_from_any_number_of_workers(void **state)
{
    struct fixture *f = *state;
    add(f, "slow", 1);
    add(f, "pass", 5);
    add(f, "slow", 1);
    add(f, "large", 1);
    assert_int_equal(run(f, 3, 0), POOL_DONE);
    assert_string_equal(strbuf_str(&f->seen),
                        "0:pass 1:pass 2:pass 3:pass 4:pass 5:pass 6:pass 7:pass");
}

static void a_crash_is_a_verdict_that_names_its_line(void **state)
{
    struct fixture *f = *state;
    add(f, "pass", 2);
    add(f, "segv", 1);
    add(f, "pass", 2);
    assert_int_equal(run(f, 1, 0), POOL_DONE);
    assert_string_equal(strbuf_str(&f->seen), "0:pass 1:pass 2:crash 3:pass 4:pass");
    assert_string_equal(f->last.case_id, "segv");
    assert_string_equal(f->last.signature, "crash:SIGSEGV:verb-segv");
    assert_string_equal(f->last.message,
                        "the worker died of SIGSEGV (Segmentation fault), in statement 7");
    assert_string_equal(f->last.file, "a.scn");
    assert_int_equal(f->last.line, 3);
    assert_int_equal(f->last.col, 3);
    assert_string_equal(f->last.source, "  verb-segv line 3");
}

static void a_failed_check_is_in_the_signature(void **state)
{
    struct fixture *f = *state;
    add(f, "noise", 1); /* What an earlier unit wrote is not blamed on the next. */
    add(f, "check", 1);
    assert_int_equal(run(f, 1, 0), POOL_DONE);
    assert_int_equal(f->last.verdict, VERDICT_CRASH);
    assert_non_null(strstr(f->last.signature,
                           "crash:SIGABRT:check failed: u->seed == N at app/worker_test.c:N"));
    assert_non_null(strstr(f->last.message, "stderr:\nblksim: check failed: u->seed == 99"));
    assert_null(strstr(f->last.message, "a warning"));
    assert_string_equal(strbuf_str(&f->noise), "0:a warning\n");
}

static void every_way_to_die_is_told(void **state)
{
    struct fixture *f = *state;
    add(f, "killed", 1);
    assert_int_equal(run(f, 2, 0), POOL_DONE);
    assert_string_equal(f->last.signature, "crash:SIGKILL:verb-killed");
    strbuf_free(&f->seen);
    f->units.len = 0;
    free(f->lines[0]);
    add(f, "exit", 1);
    assert_int_equal(run(f, 2, 0), POOL_DONE);
    assert_string_equal(f->last.signature, "crash:exit-3:verb-exit");
}

static void an_endless_loop_is_ended(void **state)
{
    struct fixture *f = *state;
    add(f, "loop", 1);
    add(f, "pass", 4);
    assert_int_equal(run(f, 2, 1), POOL_DONE);
    assert_string_equal(strbuf_str(&f->seen), "0:hang 1:pass 2:pass 3:pass 4:pass");
    assert_string_equal(f->last.signature, "hang:watchdog:verb-loop");
    assert_string_equal(f->last.message, "no result after 1 s of wall time, in statement 7");
    assert_true(f->ticks >= 3);
}

static void a_run_of_crashes_goes_on(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 10; i++) {
        add(f, "killed", 1);
        add(f, "pass", 1);
    }
    assert_int_equal(run(f, 2, 0), POOL_DONE);
    for (size_t i = 0; i < 20; i++) {
        char *part = mem_printf("%zu:%s", i, i % 2 ? "pass" : "crash");
        assert_non_null(strstr(strbuf_str(&f->seen), part));
        free(part);
    }
}

static void a_flood_on_stderr_keeps_its_end(void **state)
{
    struct fixture *f = *state;
    add(f, "flood", 1);
    assert_int_equal(run(f, 1, 0), POOL_DONE);
    assert_non_null(strstr(f->last.message, "line 19999 of far too many"));
    assert_non_null(strstr(f->last.signature, "check failed: u == NULL"));
    assert_true(strlen(f->last.message) < 40000);
}

static void what_is_there_is_not_run_again(void **state)
{
    struct fixture *f = *state;
    add(f, "pass", 1);
    add(f, "segv", 1);
    add(f, "pass", 1);
    f->results[1] = NEW(struct result);
    result_init(f->results[1]);
    f->results[1]->verdict = VERDICT_QUIRK;
    assert_int_equal(run(f, 1, 0), POOL_DONE);
    assert_string_equal(strbuf_str(&f->seen), "0:pass 1:quirk 2:pass");
}

static void a_sink_can_stop_the_run(void **state)
{
    struct fixture *f = *state;
    add(f, "slow", 10);
    f->stop_after = 2;
    assert_int_equal(run(f, 1, 0), POOL_STOPPED);
    assert_string_equal(strbuf_str(&f->seen), "0:pass 1:pass");
}

/* What was finished is emitted, also behind a unit that was not. */
static void an_interrupted_run_keeps_what_it_has(void **state)
{
    struct fixture *f = *state;
    add(f, "slow", 1);
    add(f, "interrupt", 1);
    add(f, "pass", 1);
    assert_int_equal(run(f, 1, 0), POOL_INTERRUPTED);
    assert_string_equal(strbuf_str(&f->seen), "0:pass");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(results_come_in_order_from_any_number_of_workers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_crash_is_a_verdict_that_names_its_line, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_failed_check_is_in_the_signature, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_way_to_die_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_endless_loop_is_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_of_crashes_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_on_stderr_keeps_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_there_is_not_run_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sink_can_stop_the_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_interrupted_run_keeps_what_it_has, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("app/worker", tests, NULL, NULL);
}
