/* SPDX-License-Identifier: MIT */
/* Whole cases, from text to verdict: each test is a small scenario and what becomes of it.  First
 * statements and expectations, then the world around them: disks, faults, real files, time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "drivers/registry.h"
#include "model/driver.h"
#include "scenarios/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODE_N0 "blockdev-add driver=null-co node-name=n0 size=1M read-zeroes=true\n"
#define DISK_D0                                                                                    \
    "disk d0 size=1M cache=volatile\n"                                                             \
    "blockdev-add driver=file node-name=f0 filename=d0\n"

/* Runs the units of the only case of a text; the result of the last one is left in r. */
static size_t run_text_with(const char *text, struct run_config *cfg, struct result *r)
{
    struct strbuf errors = { 0 };
    struct error err = ERROR_INIT;
    struct unit_select select = { 0 };
    struct units units = { 0 };
    struct script *s = script_parse("story.scn", text, strlen(text), &errors);
    if (!s) {
        fail_msg("%s", errors.text);
        return 0;
    }
    assert_int_equal(units_of_case(s, &s->cases[0], &select, &units, &err), 0);
    if (!cfg->drivers) {
        cfg->drivers = drivers_all;
    }
    for (size_t i = 0; i < units.len; i++) {
        result_fini(r);
        result_init(r);
        run_unit(&units.at[i], cfg, r);
    }
    size_t n = units.len;
    units_free(&units);
    script_free(s);
    strbuf_free(&errors);
    return n;
}

static void run_text(const char *text, struct result *r)
{
    struct run_config cfg = { .log_all = true };
    result_init(r);
    run_text_with(text, &cfg, r);
}

static void assert_passes(const char *text)
{
    struct result r;
    run_text(text, &r);
    if (r.verdict != VERDICT_PASS) {
        fail_msg("%s: %s:%d:%d: %s", verdict_name(r.verdict), r.file, r.line, r.col, r.message);
    }
    result_fini(&r);
}

/* It fails at that line, with that signature, and a message that contains `says`. */
static void assert_fails(const char *text, int line, const char *signature, const char *says)
{
    struct result r;
    run_text(text, &r);
    assert_int_equal(r.verdict, VERDICT_FAIL);
    assert_string_equal(r.signature, signature);
    assert_int_equal(r.line, line);
    if (!strstr(r.message, says)) {
        fail_msg("the message lacks '%s': %s", says, r.message);
    }
    result_fini(&r);
}

static void a_case_goes_from_text_to_verdict(void **state)
{
    (void)state;
    assert_passes("case t\n" NODE_N0
                  "io n0 write 0 64k\n"
                  "    output \"wrote 65536/65536 bytes at offset 0\"\n"
                  "io n0 read -P 0 0 64k\n"
                  "    output /^read 65536.65536 bytes at offset 0/\n"
                  "    data n0 0+1M is 0\n"
                  "    node n0 drv=null-co ro=false\n");
}

static void an_unexpected_error_ends_the_case(void **state)
{
    (void)state;
    assert_fails("case t\n" NODE_N0
                 "io n0 read 0 2M\n"
                 "io n0 foo\n",
                 3, "expect:ok:unexpected error: read failed: Input/output error",
                 "expected: ok\nactual:   error \"read failed: Input/output error\"");
    struct result r;
    run_text("case t\nblockdev-ad driver=null-co\n", &r);
    assert_int_equal(r.verdict, VERDICT_FAIL);
    assert_non_null(strstr(r.message, "hint: did you mean 'blockdev-add'?"));
    assert_string_equal(r.source, "blockdev-ad driver=null-co");
    result_fini(&r);
}

static void an_expected_error_must_come_as_expected(void **state)
{
    (void)state;
    assert_passes("case t\n" NODE_N0
                  "blockdev-add driver=null-co node-name=n0\n"
                  "    error GenericError \"Duplicate nodes with node-name='n0'\"\n"
                  "blockdev-ad\n"
                  "    error CommandNotFound /has not been found/\n"
                  "io n0 write -x 0 1\n"
                  "    error \"write: invalid option -- 'x'\"\n"
                  "io nothere read 0 1\n"
                  "    error \"Cannot find device='' nor node-name='nothere'\"\n"
                  "qmp {\"execute\": \"blockdev-del\", \"arguments\": {\"node-name\": \"x\"}}\n"
                  "    error \"Failed to find node with node-name='x'\"\n");
    assert_fails("case t\n" NODE_N0 "io n0 read 0 1\n    error\n", 4,
                 "expect:error:it succeeded, an error was expected", "actual:   ok");
    assert_fails("case t\nblockdev-del node-name=x\n    error \"no\"\n", 3,
                 "expect:error:the error has another text", "expected: error \"no\"");
    assert_fails("case t\nblockdev-del node-name=x\n    error CommandNotFound\n", 3,
                 "expect:error:the error has another class", "GenericError");
}

static void replies_and_nodes_are_compared(void **state)
{
    (void)state;
    assert_passes("case t\nmatrix size=512,1M\n"
                  "blockdev-add driver=null-co node-name=n0 size=${size}\n"
                  "query-named-block-nodes\n"
                  "    return [{\"node-name\": \"n0\", \"image\": {\"format\": \"null-co\"}}]\n"
                  "    node n0 image.virtual-size=${size}\n"
                  "    node n0 opt.size=${size} opt.latency-ns=default\n");
    assert_fails("case t\n" NODE_N0 "query-named-block-nodes => return [{\"node-name\": \"x\"}]\n",
                 3, "expect:return:the reply differs: return[N].node-name: want '*', have '*'",
                 "actual:");
    assert_fails("case t\n" NODE_N0 "io n0 flush\n    node n0 drv=raw\n", 4,
                 "expect:node:'*' of node '*' is another", "actual:   \"null-co\"");
    assert_fails("case t\n" NODE_N0 "io n0 flush\n    node n1\n", 4,
                 "expect:node:there is no node '*'", "actual:   n0");
}

static void the_graph_is_compared(void **state)
{
    (void)state;
    assert_passes("case t\n" NODE_N0
                  "blockdev-add driver=raw node-name=r0 file=n0\n"
                  "    graph r0 -file-> n0\n");
    assert_fails("case t\n" NODE_N0
                 "blockdev-add driver=raw node-name=r0 file=n0\n"
                 "    graph r0 -file-> n0 [frozen]\n", 4,
                 "expect:graph:the graph has no such edge", "actual:   r0 -file-> n0");
}

static void data_is_read_back(void **state)
{
    (void)state;
    assert_passes("case t\n" DISK_D0
                  "io f0 write -P 0x11 4k 8k\n"
                  "    data f0 0+4k is 0\n"
                  "    data f0 4k+8k is 0x11\n"
                  "    data f0 0+16k in 0x11|0 per=4k\n");
    assert_fails("case t\n" DISK_D0
                 "io f0 write -P 0x11 4k 8k\n"
                 "    data f0 0+64k is 0\n", 5,
                 "expect:data:the data of '*' differs at offset N (N)", "offset 4096 (0x1000)");
    assert_fails("case t\n" DISK_D0
                 "io f0 write -P 0x11 4k 1k\n"
                 "    data f0 0+16k in 0x11|0 per=4k\n", 5,
                 "expect:data:the data of '*' differs at offset N (N)", "offset 5120 (0x1400)");
}

static void a_breakpoint_holds_a_request(void **state)
{
    (void)state;
    assert_passes("case t\n"
                  "blockdev-add driver=blkdebug node-name=b0 image.driver=null-co image.size=1M\n"
                  "io b0 break pwritev A\n"
                  "@async(w) io b0 wait_break A\n"
                  "io b0 aio_write 0 512\n"
                  "    output \"\"\n"
                  "wait w\n"
                  "io b0 resume A\n"
                  "io b0 aio_flush\n"
                  "io b0 resume A\n"
                  "    error \"Could not resume request: No such file or directory\"\n");
    /* What still hangs at the end of the case is let go. */
    assert_passes("case t\n"
                  "blockdev-add driver=blkdebug node-name=b0 image.driver=null-co image.size=1M\n"
                  "io b0 break pwritev A\n"
                  "io b0 aio_write 0 512\n"
                  "io b0 wait_break A\n");
}

static void waiting_for_ever_is_found(void **state)
{
    (void)state;
    struct result r;
    run_text("case t\n"
             "blockdev-add driver=blkdebug node-name=b0 image.driver=null-co image.size=1M\n"
             "io b0 break pwritev A\n"
             "io b0 aio_write 0 512\n"
             "io b0 aio_flush\n", &r);
    assert_int_equal(r.verdict, VERDICT_FAIL);
    assert_string_equal(r.oracle, "liveness");
    assert_int_equal(r.line, 5);
    assert_non_null(strstr(r.message, "io aio_write"));
    result_fini(&r);
}

static void a_hang_of_the_disk_is_named(void **state)
{
    (void)state;
    assert_passes("case t\n" DISK_D0
                  "fault d0 hang name=h op=write\n"
                  "@async(w) io f0 write 0 4k\n"
                  "run 1s\n"
                  "fault d0 release h\n"
                  "wait w\n");
    struct result r;
    run_text("case t\n" DISK_D0 "fault d0 hang name=h op=write\nio f0 write 0 4k\n", &r);
    assert_int_equal(r.verdict, VERDICT_FAIL);
    assert_string_equal(r.oracle, "liveness");
    assert_int_equal(r.line, 5);
    result_fini(&r);
}

static void a_statement_may_fail_once(void **state)
{
    (void)state;
    assert_passes("case t\n" DISK_D0
                  "@fail(op=write errno=ENOSPC) io f0 write 0 4k\n"
                  "    error \"write failed: No space left on device\"\n"
                  "io f0 write 0 4k\n");
}

static void loads_run_and_are_verified(void **state)
{
    (void)state;
    struct result r;
    const char *text = "case t\nseed 5\n"
                       "disk d0 size=16M profile=nvme cache=volatile\n"
                       "blockdev-add driver=file node-name=f0 filename=d0\n"
                       "load w1 f0 rw=randrw bs=4k depth=8 count=500 region=0+8M\n"
                       "io f0 write -P 7 12M 64k\n"
                       "wait w1\n"
                       "load w2 f0 rw=randwrite bs=4k depth=4 runtime=1s region=0+8M\n"
                       "run 2ms\n";
    run_text(text, &r);
    assert_string_equal(r.message, "");
    assert_int_equal(r.verdict, VERDICT_PASS);
    assert_true(r.virt_ns > 2000000);
    uint64_t hash = r.trace_hash;
    result_fini(&r);
    run_text(text, &r);
    assert_true(hash == r.trace_hash);
    result_fini(&r);
}

static void power_comes_and_goes(void **state)
{
    (void)state;
    assert_passes("case t\nseeds 1..3\n" DISK_D0
                  "io f0 write -P 1 0 64k\n"
                  "io f0 flush\n"
                  "load w f0 rw=randwrite bs=4k depth=8 count=1000 region=64k+512k\n"
                  "power cut\n"
                  "io f0 read 0 512\n"
                  "    error \"the power is off\"\n"
                  "power cut\n"
                  "    error \"the power is off\"\n"
                  "power on\n"
                  "blockdev-add driver=file node-name=f0 filename=d0\n"
                  "    data f0 0+64k is 1\n"
                  "wait w\n");
}

static void time_and_steps_are_limited(void **state)
{
    (void)state;
    struct result r;
    run_text("case t\ntimeout 10ms\n"
             "blockdev-add driver=null-co node-name=n0 size=1M latency-ns=20000000\n"
             "io n0 read 0 512\n", &r);
    assert_int_equal(r.verdict, VERDICT_HANG);
    assert_string_equal(r.oracle, "timeout");
    assert_int_equal(r.line, 4);
    result_fini(&r);
    run_text("case t\ntimeout 3600s steps=200\n" NODE_N0
             "load w n0 rw=read bs=4k count=100000\n"
             "wait w\n", &r);
    assert_int_equal(r.verdict, VERDICT_HANG);
    result_fini(&r);
}

static void what_is_required_may_be_missing(void **state)
{
    (void)state;
    struct result r;
    struct run_config cfg = { .features = "sim posix" };
    result_init(&r);
    run_text_with("case t\nrequire sim qcow2\n" NODE_N0, &cfg, &r);
    assert_int_equal(r.verdict, VERDICT_SKIP);
    assert_string_equal(r.message, "require qcow2: not available here");
    result_fini(&r);
}

static void the_second_run_is_compared(void **state)
{
    (void)state;
    struct result r;
    struct run_config cfg = { .verify_determinism = true };
    result_init(&r);
    run_text_with("case t\nseed 3\ndisk d0 size=16M profile=hdd cache=1M\n"
                  "blockdev-add driver=file node-name=f0 filename=d0\n"
                  "load w f0 rw=randrw bs=512-8k depth=8 count=300 flush=10\n"
                  "wait w\n", &cfg, &r);
    assert_string_equal(r.message, "");
    assert_int_equal(r.verdict, VERDICT_PASS);
    result_fini(&r);
}

static void events_come_in_order(void **state)
{
    (void)state;
    assert_fails("case t\n" NODE_N0 "io n0 flush\n    event JOB_STATUS_CHANGE within=1s\n", 4,
                 "expect:event:the event did not come", "actual:   no event");
    assert_passes("case t\n" NODE_N0 "io n0 flush\n    no-event JOB_STATUS_CHANGE\n");
}

static void what_a_race_decides_may_fail(void **state)
{
    (void)state;
    assert_passes("case t\nmodel-only virtual-time\n" NODE_N0
                  "@may-fail blockdev-del node-name=n0 => error /Failed to find/\n"
                  "@may-fail blockdev-del node-name=n0 => error /Failed to find/\n");
    assert_fails("case t\nmodel-only virtual-time\n" NODE_N0
                 "@may-fail blockdev-del node-name=n1 => error /is busy/\n", 4,
                 "expect:error:the error's text does not match", "Failed to find");
    assert_fails("case t\nmodel-only virtual-time\n" NODE_N0
                 "@may-fail blockdev-del node-name=n1\n", 4,
                 "expect:ok:unexpected error: Failed to find node with node-name='*'",
                 "Failed to find");
}

static void progress_is_told(void *opaque, uint32_t statement, int line)
{
    struct strbuf *out = opaque;
    strbuf_printf(out, "%u:%d ", statement, line);
}

static void progress_and_log_follow_the_statements(void **state)
{
    (void)state;
    struct result r;
    struct strbuf seen = { 0 };
    struct run_config cfg = { .log_all = true, .progress = progress_is_told,
                              .progress_opaque = &seen };
    result_init(&r);
    run_text_with("case t\n" NODE_N0 "@real-only io n0 foo\n@async(a) io n0 sleep 5\nwait a\n",
                  &cfg, &r);
    assert_int_equal(r.verdict, VERDICT_PASS);
    assert_string_equal(seen.text, "1:2 3:4 4:5 ");
    assert_true(r.virt_ns == 5000000);
    assert_true(r.log_len >= 4);
    assert_string_equal(r.log[0].kind, "statement");
    strbuf_free(&seen);
    result_fini(&r);
}

/* ---- the world ---- */

static void disks_begin_as_told(void **state)
{
    (void)state;
    assert_passes("case t\n"
                  "disk d0 size=1M fill=0xaa\n"
                  "disk d1 size=1M sector=4096 atomic=8k cache=64k profile=nvme latency=5us\n"
                  "image raw i0 64k\n"
                  "blockdev-add driver=file node-name=f0 filename=d0\n"
                  "blockdev-add driver=file node-name=f1 filename=d1\n"
                  "blockdev-add driver=file node-name=f2 filename=i0\n"
                  "    data f0 0+1M is 0xaa\n"
                  "    data f1 0+1M is 0\n"
                  "    data f2 0+64k is 0\n"
                  "disk d0 size=1M\n"
                  "    error \"there is already a disk or file 'd0'\"\n"
                  "disk d2 size=1M physical=100\n"
                  "    error /d2/\n");
}

static void faults_come_as_told(void **state)
{
    (void)state;
    assert_passes("case t\n" DISK_D0
                  "fault d0 error op=read at=4k+4k nth=2 errno=ENODEV\n"
                  "io f0 read 0 64k\n"
                  "io f0 read 0 4k\n"
                  "io f0 read 4k 512\n"
                  "    error \"read failed: No such device\"\n"
                  "io f0 read 4k 512\n"
                  "fault d0 error name=e op=write,discard count=forever\n"
                  "io f0 write 0 4k\n"
                  "    error \"write failed: Input/output error\"\n"
                  "io f0 write 0 4k\n"
                  "    error \"write failed: Input/output error\"\n"
                  "fault d0 clear e\n"
                  "io f0 write 0 4k\n"
                  "fault d0 clear e\n"
                  "    error \"disk 'd0' has no rule 'e'\"\n"
                  "fault nope error\n"
                  "    error \"there is no disk 'nope'\"\n");
}

static void a_disk_that_lies_is_not_the_layers_fault(void **state)
{
    (void)state;
    assert_passes("case t\n" DISK_D0
                  "io f0 write -P 1 0 64k\n"
                  "fault d0 lost op=write\n"
                  "io f0 write -P 2 0 4k\n"
                  "io f0 read -P 1 0 64k\n"
                  "fault d0 bitrot at=8k+4k\n"
                  "io f0 read -P 1 8k 4k\n"
                  "    error \"Pattern verification failed at offset 8192, 4096 bytes\"\n"
                  "fault d0 misdirect op=write target=512k\n"
                  "io f0 write -P 3 0 4k\n"
                  "    data f0 0+4k is 1\n"
                  "    data f0 512k+4k is 3\n");
}

static void time_passes_when_told(void **state)
{
    (void)state;
    struct result r;
    run_text("case t\n" NODE_N0
             "run 5ms\n"
             "clock advance 2s\n"
             "@async(s) io n0 sleep 1000\n"
             "clock advance 1s\n"
             "    error \"clock advance: a load or a statement is in progress\"\n"
             "run 999ms\n"
             "wait s within=1ms\n"
             "run idle\n", &r);
    assert_string_equal(r.message, "");
    assert_int_equal(r.verdict, VERDICT_PASS);
    assert_true(r.virt_ns == 3005000000);
    result_fini(&r);
    assert_fails("case t\n" NODE_N0 "@async(s) io n0 sleep 1000\nwait s within=1ms\n", 4,
                 "expect:wait:'*' has not ended in time", "actual:   in progress");
}

static void iothreads_are_made_once(void **state)
{
    (void)state;
    assert_passes("case t\nseeds 1..3\n"
                  "iothread t1\niothread t2\n"
                  "iothread t1\n"
                  "    error \"Duplicate ID 't1' for object\"\n"
                  "disk d0 size=1M profile=ssd\n"
                  "blockdev-add driver=file node-name=f0 filename=d0\n"
                  "load a f0 rw=randwrite bs=4k depth=4 count=100 region=0+512k iothread=t1\n"
                  "load b f0 rw=randrw bs=4k depth=4 count=100 region=512k+512k iothread=t2\n"
                  "wait a\nwait b\n");
}

static void real_files_serve_as_well(void **state)
{
    (void)state;
    char dir[] = "/tmp/blksim-run-XXXXXX";
    struct result r;
    assert_non_null(mkdtemp(dir));
    struct run_config cfg = { .work_dir = dir };
    result_init(&r);
    run_text_with("case t\nhost posix\n"
                  "image raw a.raw 1M\n"
                  "blockdev-add driver=file node-name=f0 filename=a.raw\n"
                  "io f0 write -P 7 4k 4k\n"
                  "    data f0 0+64k in 0|7 per=4k\n", &cfg, &r);
    assert_string_equal(r.message, "");
    assert_int_equal(r.verdict, VERDICT_PASS);
    assert_true(r.trace_hash == 0);

    char *from = mem_printf("case t\n"
                            "disk d0 from=%s/a.raw\n"
                            "blockdev-add driver=file node-name=f0 filename=d0\n"
                            "    data f0 0+64k in 0|7 per=4k\n"
                            "io f0 write -P 9 0 4k\n"
                            "export d0 b.raw\n"
                            "export d0 ../c.raw\n"
                            "    error \"export writes below the work directory: '../c.raw'\"\n",
                            dir);
    run_text_with(from, &cfg, &r);
    assert_string_equal(r.message, "");
    assert_int_equal(r.verdict, VERDICT_PASS);
    char *a = mem_printf("%s/a.raw", dir), *b = mem_printf("%s/b.raw", dir);
    FILE *fa = fopen(a, "rb"), *fb = fopen(b, "rb");
    assert_non_null(fa);
    assert_non_null(fb);
    assert_int_equal(fgetc(fa), 0); /* The file below the disk is as it was. */
    assert_int_equal(fgetc(fb), 9);
    fclose(fa);
    fclose(fb);
    unlink(a);
    unlink(b);
    rmdir(dir);
    free(a);
    free(b);
    free(from);
    result_fini(&r);
}

/* A driver whose length depends on what ran before it in the process. */
static uint64_t opened_before;

static int leaky_open(struct node *n, const struct opts *opts, struct error *err)
{
    (void)n;
    (void)opts;
    (void)err;
    opened_before++;
    return 0;
}

static int64_t leaky_length(struct node *n)
{
    (void)n;
    return (int64_t)opened_before * 512;
}

static const struct schema_member leaky_options[] = { { .name = NULL } };

static const struct blk_driver leaky = {
    .name = "null-co",
    .help = "A driver that leaks state from one world into the next.",
    .traits = DRV_PROTOCOL,
    .options = leaky_options,
    .open = leaky_open,
    .length = leaky_length,
};

static void a_leak_between_worlds_is_found(void **state)
{
    (void)state;
    static const struct blk_driver *const drivers[] = { &leaky, NULL };
    struct result r;
    struct run_config cfg = { .drivers = drivers, .verify_determinism = true };
    result_init(&r);
    run_text_with("case t\nblockdev-add driver=null-co node-name=n0\nio n0 length\n", &cfg, &r);
    assert_int_equal(r.verdict, VERDICT_NONDET);
    assert_string_equal(r.oracle, "determinism");
    assert_non_null(strstr(r.message, "first difference"));
    result_fini(&r);
}

static void deviations_are_followed(void **state)
{
    (void)state;
    const char *text = "case t\nseed 1\nschedule fifo\n" DISK_D0
                       "fault d0 hang name=h op=write count=forever\n"
                       "@async(a) io f0 write 0 4k\n"
                       "@async(b) io f0 write 4k 4k\n"
                       "fault d0 release h\n"
                       "wait a\n";
    struct result plain, other;
    struct run_config cfg = { 0 };
    result_init(&plain);
    result_init(&other);
    run_text_with(text, &cfg, &plain);
    assert_string_equal(plain.message, "");
    cfg.deviations = "6.0.0.0=1";
    run_text_with(text, &cfg, &other);
    assert_string_equal(other.message, "");
    assert_string_equal(other.explore, "6.0.0.0=1");
    assert_true(plain.trace_hash != other.trace_hash);
    cfg.deviations = "nonsense";
    run_text_with(text, &cfg, &other);
    assert_int_equal(other.verdict, VERDICT_FAIL);
    result_fini(&plain);
    result_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_case_goes_from_text_to_verdict),
        cmocka_unit_test(an_unexpected_error_ends_the_case),
        cmocka_unit_test(an_expected_error_must_come_as_expected),
        cmocka_unit_test(replies_and_nodes_are_compared),
        cmocka_unit_test(the_graph_is_compared),
        cmocka_unit_test(data_is_read_back),
        cmocka_unit_test(a_breakpoint_holds_a_request),
        cmocka_unit_test(waiting_for_ever_is_found),
        cmocka_unit_test(a_hang_of_the_disk_is_named),
        cmocka_unit_test(a_statement_may_fail_once),
        cmocka_unit_test(loads_run_and_are_verified),
        cmocka_unit_test(power_comes_and_goes),
        cmocka_unit_test(time_and_steps_are_limited),
        cmocka_unit_test(what_is_required_may_be_missing),
        cmocka_unit_test(the_second_run_is_compared),
        cmocka_unit_test(events_come_in_order),
        cmocka_unit_test(what_a_race_decides_may_fail),
        cmocka_unit_test(progress_and_log_follow_the_statements),
        cmocka_unit_test(disks_begin_as_told),
        cmocka_unit_test(faults_come_as_told),
        cmocka_unit_test(a_disk_that_lies_is_not_the_layers_fault),
        cmocka_unit_test(time_passes_when_told),
        cmocka_unit_test(iothreads_are_made_once),
        cmocka_unit_test(real_files_serve_as_well),
        cmocka_unit_test(a_leak_between_worlds_is_found),
        cmocka_unit_test(deviations_are_followed),
    };
    return cmocka_run_group_tests_name("scenarios/run", tests, NULL, NULL);
}
