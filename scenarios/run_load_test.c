/* SPDX-License-Identifier: MIT */
/* Loads of a run that is recorded for comparison. */
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/driver.h"
#include "scenarios/diff/record.h"
#include "scenarios/run.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define DISK                                                                                       \
    "disk d size=1M profile=nvme\n"                                                                \
    "blockdev-add driver=file node-name=f filename=d\n"
#define OVERLAY                                                                                    \
    "image qcow2 o 1M\n"                                                                           \
    "blockdev-add driver=qcow2 node-name=over backing=null file.driver=file file.filename=o\n"

struct story {
    struct record record;
    struct result r;
    uint64_t seed;
    bool plain; /* Not for comparison. */
};

static void run_story(struct story *s, const char *text)
{
    struct strbuf errors = { 0 };
    struct error err = ERROR_INIT;
    struct unit_select select = { .seed_given = s->seed != 0, .seed_first = s->seed,
                                  .seed_last = s->seed };
    struct units units = { 0 };
    struct run_config cfg = { .drivers = drivers_all, .log_all = true,
                              .record = s->plain ? NULL : &s->record };
    struct script *script = script_parse("story.scn", text, strlen(text), &errors);
    if (!script) {
        fail_msg("%s", errors.text);
        return;
    }
    record_init(&s->record, "sim");
    result_init(&s->r);
    assert_int_equal(units_of_case(script, &script->cases[0], &select, &units, &err), 0);
    assert_int_equal(units.len, 1);
    run_unit(&units.at[0], &cfg, &s->r);
    if (s->r.verdict != VERDICT_PASS) {
        fail_msg("%s", s->r.message);
    }
    units_free(&units);
    script_free(script);
    strbuf_free(&errors);
}

static void end_story(struct story *s)
{
    record_fini(&s->record);
    result_fini(&s->r);
}

static bool log_has(const struct result *r, const char *text)
{
    for (size_t i = 0; i < r->log_len; i++) {
        if (strstr(r->log[i].text, text)) {
            return true;
        }
    }
    return false;
}

static void a_load_that_nobody_waits_for_does_all_requests(void **state)
{
    static const char text[] = "case t\n" DISK "load w f rw=write count=64\n";
    struct story recorded = { .seed = 1 }, plain = { .seed = 1, .plain = true };
    (void)state;
    run_story(&recorded, text);
    assert_true(log_has(&recorded.r, "w: 0 reads, 64 writes"));
    run_story(&plain, text);
    assert_false(log_has(&plain.r, "w: 0 reads, 64 writes")); /* It was stopped. */
    end_story(&recorded);
    end_story(&plain);
}

/* What of the end of the case is there to compare. */
static char *all_data(const struct record *record)
{
    struct strbuf text = { 0 };
    for (size_t i = 0; i < record->nodes_len; i++) {
        const struct record_node *n = &record->nodes[i];
        strbuf_printf(&text, "%s %s%s", n->name, n->map, n->data ? n->data : "\n");
    }
    return text.text;
}

static void no_schedule_decides_what_is_there_in_the_end(void **state)
{
    static const char text[] = "case t\n" DISK
                               "load w f rw=randrw bs=512-16k depth=16 count=300 region=0+128k\n"
                               "wait w\n";
    char *first = NULL;
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        /* The seed is that of the schedule, and of the load unless it has its own. */
        char *own = mem_strdup(text);
        char *with_seed = mem_printf("%.*s seed=7%s", (int)(strstr(own, "\nwait") - own), own,
                                     strstr(own, "\nwait"));
        struct story s = { .seed = seed };
        run_story(&s, with_seed);
        char *data = all_data(&s.record);
        assert_non_null(data);
        if (first) {
            assert_string_equal(data, first);
        }
        free(first);
        first = data;
        end_story(&s);
        free(with_seed);
        free(own);
    }
    free(first);
}

static void what_time_decides_is_noted(void **state)
{
    static const struct {
        const char *text;
        bool shuffled, raced;
    } told[] = {
        { DISK "load w f rw=write count=9\nwait w\n", false, false },
        { DISK "load w f rw=write count=9 depth=1\nquery-block\nwait w\n", false, false },
        { DISK "load w f rw=randwrite count=9 depth=4\nwait w\n", true, false },
        { DISK "load w f rw=write count=9\nio f write 900k 4k\nwait w\n", true, false },
        { DISK "load r f rw=read count=9 depth=1\nio f write 900k 4k\nwait r\n", false, false },
        { DISK "load w f rw=write count=9 region=0+4k\nload v f rw=write count=9 region=4k+4k\n",
          true, false },
        { DISK OVERLAY "load w f rw=write count=900 region=0+64k\n"
          "blockdev-snapshot node=f overlay=over\nwait w\n", false, true },
        { DISK OVERLAY "load w f rw=write count=9\nwait w\n"
          "blockdev-snapshot node=f overlay=over\n", false, false },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        struct story s = { .seed = 1 };
        char *text = mem_printf("case t\n%s", told[i].text);
        run_story(&s, text);
        if (s.record.shuffled != told[i].shuffled || s.record.raced != told[i].raced) {
            fail_msg("%s", text);
        }
        assert_int_equal(s.record.nodes_len > 0, !told[i].raced);
        free(text);
        end_story(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_that_nobody_waits_for_does_all_requests),
        cmocka_unit_test(no_schedule_decides_what_is_there_in_the_end),
        cmocka_unit_test(what_time_decides_is_noted),
    };
    return cmocka_run_group_tests_name("scenarios/run_load", tests, NULL, NULL);
}
