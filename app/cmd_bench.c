/* SPDX-License-Identifier: MIT */
/* blksim bench: the figures that the project promises, measured.
 *
 * Each work gives one number for our side and one for a yardstick, in the same unit, more is
 * better; pairs are interleaved and the median of their ratios is held against the floor.
 */
#include "app/app.h"
#include "app/bench.h"
#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAIRS_MAX = 99, SCATTER_PAGES = 262144, FIO_REQUESTS = 6635628 };

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

struct work {
    const char *name, *unit, *help;
    double floor;
    uint64_t count;    /* Requests of one run of our side. */
    unsigned pairs;    /* 0: as asked for. */
    double (*ours)(const struct work *w, uint64_t count);
    double (*theirs)(const struct work *w); /* Negative: the yardstick is missing. */
    const char *yardstick; /* What to install when it is. */
};

static double rate(uint64_t count, int64_t ns)
{
    return (double)count * 1e9 / (double)(ns > 0 ? ns : 1);
}

/* One world, warmed by a tenth of the work. */
static double load_rate(const struct bench_world_config *cfg, uint64_t count, uint64_t region,
                        bool random)
{
    struct bench_world *w = bench_world_create(cfg);
    bench_world_load(w, count / 10 + 1, region, random, NULL);
    int64_t ns = bench_world_load(w, count, region, random, NULL);
    bench_world_destroy(w);
    return rate(count, ns);
}

static double ours_null(const struct work *w, uint64_t count)
{
    (void)w;
    struct bench_world_config cfg = { .size = GIB, .hashing = true };
    return load_rate(&cfg, count, GIB, false);
}

static double ours_null_unhashed(const struct work *w)
{
    struct bench_world_config cfg = { .size = GIB, .hashing = false };
    return load_rate(&cfg, w->count, GIB, false);
}

static double ours_filters(const struct work *w, uint64_t count)
{
    (void)w;
    struct bench_world_config cfg = { .size = GIB, .hashing = true, .filters = 8 };
    return load_rate(&cfg, count, GIB, false);
}

static double theirs_filters(const struct work *w)
{
    return ours_null(w, w->count);
}

static double ours_nvme(const struct work *w, uint64_t count)
{
    struct bench_world_config cfg = { .profile = "nvme",
                                      .latency_ns = -1,
                                      .size = 64 * MIB,
                                      .hashing = true,
                                      .reference = strcmp(w->name, "nvme-reference") == 0 };
    return load_rate(&cfg, count, 64 * MIB, true);
}

static double ours_latency(const struct work *w, uint64_t count)
{
    (void)w;
    struct bench_world_config cfg = {
        .profile = "nvme", .latency_ns = 100000, .size = 64 * MIB, .hashing = true
    };
    return load_rate(&cfg, count, 64 * MIB, true);
}

static double theirs_null(const struct work *w)
{
    (void)w;
    return bench_qemu_img(200000, 0);
}

static double theirs_latency(const struct work *w)
{
    (void)w;
    return bench_qemu_img(8000, 100000);
}

/* The fio job of the 2017 talk on block drivers in practice: its requests, checked, on a disk as
 * fast as the one it measured. */
static double ours_fio(const struct work *w, uint64_t count)
{
    (void)w;
    struct bench_world_config cfg = {
        .profile = "rdma", .latency_ns = -1, .size = GIB, .hashing = true, .reference = true
    };
    struct bench_world *world = bench_world_create(&cfg);
    int64_t virt_ns;
    int64_t ns = bench_world_load(world, count, GIB, true, &virt_ns);
    bench_world_destroy(world);
    return (double)virt_ns / (double)ns;
}

static double theirs_one(const struct work *w)
{
    (void)w;
    return 1;
}

static double peak_kib(void)
{
    struct rusage u;
    CHECK(getrusage(RUSAGE_SELF, &u) == 0);
    return (double)u.ru_maxrss;
}

/* In a process of its own, because the peak counts. */
static double ours_sparse(const struct work *w, uint64_t count)
{
    (void)w;
    int fds[2];
    CHECK(pipe(fds) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct bench_world_config cfg = {
            .profile = "null", .latency_ns = -1, .size = TIB, .hashing = true
        };
        double before = peak_kib();
        struct bench_world *world = bench_world_create(&cfg);
        bench_world_scatter(world, count);
        double used = (peak_kib() - before) * 1024;
        ssize_t n = write(fds[1], &used, sizeof(used));
        _exit(n == sizeof(used) ? 0 : 1);
    }
    close(fds[1]);
    double used = 0;
    ssize_t n = read(fds[0], &used, sizeof(used));
    close(fds[0]);
    CHECK(waitpid(pid, NULL, 0) == pid && n == sizeof(used) && used > 0);
    return (double)count * 4096 / used;
}

/* Wall seconds of `blksim run` on one case, or, without a text, on all suites with two workers and
 * a database.  Negative when it failed. */
static double run_self(const char *text)
{
    struct error err = ERROR_INIT;
    char *self = host_self_path(&err);
    char *dir = host_temp_create(&err);
    CHECK(self && dir);
    char *path = mem_printf("%s/%s", dir, text ? "one.scn" : "results.db");
    const char *one[] = { self, "run", "-j1", path, NULL };
    const char *all[] = { self, "run", "-j2", "--db", path, NULL };
    if (text) {
        FILE *f = fopen(path, "w");
        CHECK(f != NULL);
        fputs(text, f);
        CHECK(fclose(f) == 0);
    }
    double seconds = bench_process(text ? one : all);
    host_remove_tree(dir);
    free(path);
    free(dir);
    free(self);
    return seconds;
}

static double ours_startup(const struct work *w, uint64_t count)
{
    (void)w;
    (void)count;
    double seconds = run_self("case one\nblockdev-add driver=null-co node-name=n0 size=1M\n");
    CHECK(seconds > 0);
    return 1 / seconds;
}

static double theirs_startup(const struct work *w)
{
    (void)w;
    const char *argv[] = { "qemu-io", "-c", "length", "--image-opts", "driver=null-co,size=1M",
                           NULL };
    double seconds = bench_process(argv);
    return seconds > 0 ? 1 / seconds : -1;
}

static double ours_suites(const struct work *w, uint64_t count)
{
    (void)w;
    (void)count;
    double seconds = run_self(NULL);
    return seconds > 0 ? 10 / seconds : 0;
}

/* "add-del", "reopen", ...-pipelined, ...-scenario. */
static enum bench_qmp_work qmp_work(const struct work *w)
{
    return strncmp(w->name, "reopen", 6) == 0 ? BENCH_QMP_REOPEN
           : strcmp(w->name, "jobs") == 0     ? BENCH_QMP_BACKUP
                                              : BENCH_QMP_ADD_DEL;
}

static bool is_pipelined(const struct work *w)
{
    return strstr(w->name, "-pipelined") != NULL;
}

static double ours_qmp(const struct work *w, uint64_t count)
{
    return bench_qmp(qmp_work(w), true, is_pipelined(w), count);
}

static double ours_scenario(const struct work *w, uint64_t count)
{
    return bench_qmp_scenario(qmp_work(w), count);
}

static double theirs_qmp(const struct work *w)
{
    enum { COUNT = 1000 };
    return bench_qmp(qmp_work(w), false, is_pipelined(w), COUNT);
}

enum { CHAIN_LONG = 500, CHAIN_SHORT = 5 };

static double ours_query(const struct work *w, uint64_t count)
{
    (void)w;
    return bench_qmp_query(true, CHAIN_LONG, count);
}

static double theirs_query(const struct work *w)
{
    (void)w;
    return bench_qmp_query(false, CHAIN_LONG, 3);
}

static double ours_chain(const struct work *w, uint64_t count)
{
    (void)w;
    return bench_qmp_chain_reopen(CHAIN_LONG, count);
}

static double ours_short_chain(const struct work *w)
{
    return bench_qmp_chain_reopen(CHAIN_SHORT, w->count);
}

static enum bench_job job_of(const struct work *w)
{
    return strcmp(w->name, "mirror") == 0 ? BENCH_JOB_MIRROR : BENCH_JOB_BACKUP;
}

static double ours_job(const struct work *w, uint64_t count)
{
    (void)count;
    return bench_job(job_of(w), true);
}

static double theirs_job(const struct work *w)
{
    return bench_job(job_of(w), false);
}

static double ours_beside_job(const struct work *w, uint64_t count)
{
    (void)w;
    return bench_beside_job(true, count);
}

static double theirs_alone(const struct work *w)
{
    return bench_beside_job(false, w->count);
}

static double ours_bitmap(const struct work *w, uint64_t count)
{
    (void)w;
    return bench_with_bitmap(true, count);
}

static double theirs_bitmap(const struct work *w)
{
    return bench_with_bitmap(false, w->count);
}

#define QEMU_UTILS "qemu-utils"
#define QEMU_DAEMON "qemu-system-common"

static const struct work works[] = {
    { "null", "requests/s", "raw over null-co, no latency, against qemu-img bench", 4, 1000000, 0,
      ours_null, theirs_null, QEMU_UTILS },
    { "nvme", "requests/s",
      "raw over a simulated nvme disk, 64 MiB, random writes, against qemu-img bench on null-co",
      1.2, 1000000, 0, ours_nvme, theirs_null, QEMU_UTILS },
    { "nvme-reference", "requests/s", "the same with the reference image checking", 0.7, 1000000,
      0, ours_nvme, theirs_null, QEMU_UTILS },
    { "latency", "requests/s",
      "a disk of 100 us latency at depth 16 against null-co with latency-ns=100000", 100, 500000,
      0, ours_latency, theirs_latency, QEMU_UTILS },
    { "trace-hash", "requests/s",
      "raw over null-co with trace hashing against without (0.87 is 1.15 x the time)", 0.87,
      1000000, 0, ours_null, ours_null_unhashed, NULL },
    { "filters", "requests/s", "through 8 stacked filters against through none (0.25 is 4 x)", 0.25,
      500000, 0, ours_filters, theirs_filters, NULL },
    { "startup", "starts/s", "blksim run of one statement against qemu-io", 1, 1, 0, ours_startup,
      theirs_startup, QEMU_UTILS },
    { "fio", "virtual s/s",
      "6,635,628 random writes of 4 KiB at depth 16 over 1 GiB with the reference image: virtual "
      "over wall time",
      8, FIO_REQUESTS, 3, ours_fio, theirs_one, NULL },
    { "sparse", "bytes/byte", "touched bytes over memory: 1 GiB of a 1 TiB disk (0.77 is 1.3 x)",
      0.77, SCATTER_PAGES, 1, ours_sparse, theirs_one, NULL },
    { "add-del", "pairs/s",
      "blockdev-add and -del of a null node over a socket, command by command, against "
      "qemu-storage-daemon",
      2, 10000, 0, ours_qmp, theirs_qmp, QEMU_DAEMON },
    { "add-del-pipelined", "pairs/s", "the same, pipelined", 10, 30000, 0, ours_qmp, theirs_qmp,
      QEMU_DAEMON },
    { "add-del-scenario", "pairs/s",
      "in a scenario, against qemu-storage-daemon command by command", 50, 30000, 0,
      ours_scenario, theirs_qmp, QEMU_DAEMON },
    { "reopen", "reopens/s",
      "blockdev-reopen of a raw node over a socket, command by command, against "
      "qemu-storage-daemon",
      2, 10000, 0, ours_qmp, theirs_qmp, QEMU_DAEMON },
    { "reopen-pipelined", "reopens/s", "the same, pipelined", 10, 30000, 0, ours_qmp, theirs_qmp,
      QEMU_DAEMON },
    { "reopen-scenario", "reopens/s",
      "in a scenario, against qemu-storage-daemon command by command", 50, 30000, 0,
      ours_scenario, theirs_qmp, QEMU_DAEMON },
    { "query-flat", "replies/s",
      "query-named-block-nodes flat=true on a chain of 500 qcow2 nodes, against "
      "qemu-storage-daemon", 20, 100,
      0, ours_query, theirs_query, QEMU_DAEMON },
    { "reopen-chain", "reopens/s",
      "of the top of a chain of 500 qcow2 nodes against one of 5 (0.33 is 3 x)", 0.33, 5000,
      0, ours_chain, ours_short_chain, NULL },
    { "jobs", "jobs/s",
      "backup of a null node of 1 MiB, start to dismissed, in a scenario, against "
      "qemu-storage-daemon", 20, 5000, 0, ours_scenario, theirs_qmp, QEMU_DAEMON },
    { "mirror", "GiB/s", "1 GiB of mixed data between disks, against qemu-storage-daemon in memory",
      1, 1, 0, ours_job, theirs_job, QEMU_DAEMON },
    { "backup", "GiB/s", "the same", 1, 1, 0, ours_job, theirs_job, QEMU_DAEMON },
    { "beside-job", "requests/s", "a node while a job works on others, against without", 0.97,
      500000, 0, ours_beside_job, theirs_alone, NULL },
    { "bitmap", "requests/s", "writes with a dirty bitmap against without (0.9 is 1.1 x the time)",
      0.9, 500000, 0, ours_bitmap, theirs_bitmap, NULL },
    { "suites", "10 s/run", "all suites with -j2: 10 s over the time taken", 1, 1, 3, ours_suites,
      theirs_one, NULL },
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n)
{
    qsort(v, n, sizeof(*v), compare_doubles);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

struct figure {
    double ours, theirs, ratio;
    bool missing;
};

static struct figure measure(const struct work *w, unsigned pairs)
{
    double ours[PAIRS_MAX], theirs[PAIRS_MAX], ratio[PAIRS_MAX];
    pairs = w->pairs ? MIN(w->pairs, pairs) : pairs;
    for (unsigned i = 0; i < pairs; i++) {
        ours[i] = w->ours(w, w->count);
        theirs[i] = w->theirs(w);
        if (theirs[i] <= 0) {
            return (struct figure){ .ours = ours[i], .missing = true };
        }
        ratio[i] = ours[i] / theirs[i];
    }
    return (struct figure){ median(ours, pairs), median(theirs, pairs), median(ratio, pairs),
                            false };
}

static bool selected(const struct options *o, const char *name)
{
    for (size_t i = 0; i < o->args_len; i++) {
        if (strcmp(o->args[i], name) == 0) {
            return true;
        }
    }
    return o->args_len == 0;
}

static bool names_are_known(const struct options *o)
{
    const char *names[ARRAY_LEN(works) + 1] = { NULL };
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        names[i] = works[i].name;
    }
    for (size_t i = 0; i < o->args_len; i++) {
        bool known = false;
        for (size_t k = 0; names[k]; k++) {
            known |= strcmp(names[k], o->args[i]) == 0;
        }
        if (!known) {
            app_complain_unknown("work", o->args[i], names);
            return false;
        }
    }
    return true;
}

static json_t *figure_json(const struct work *w, const struct figure *f)
{
    json_t *row = json_object();
    json_object_set_new(row, "name", json_string(w->name));
    json_object_set_new(row, "ours", json_real(f->ours));
    json_object_set_new(row, "theirs", f->missing ? json_null() : json_real(f->theirs));
    json_object_set_new(row, "ratio", f->missing ? json_null() : json_real(f->ratio));
    json_object_set_new(row, "floor", json_real(w->floor));
    return row;
}

static void print_row(const struct work *w, const struct figure *f)
{
    if (f->missing) {
        printf("%-17s %12.4g %12s %8s %7.2f  %-11s not installed: apt-get install %s\n", w->name,
               f->ours, "-", "-", w->floor, w->unit, w->yardstick);
    } else {
        printf("%-17s %12.4g %12.4g %8.2f %7.2f  %-11s %s%s\n", w->name, f->ours, f->theirs,
               f->ratio, w->floor, w->unit, f->ratio < w->floor ? "BELOW: " : "", w->help);
    }
    fflush(stdout);
}

static int run_ours(const struct options *o, uint64_t count)
{
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        if (selected(o, works[i].name)) {
            printf("%s %.6g %s\n", works[i].name,
                   works[i].ours(&works[i], count ? count : works[i].count), works[i].unit);
        }
    }
    return app_finish_output(APP_OK);
}

static int bench(struct app *app, const struct options *o)
{
    (void)app;
    uint64_t pairs = 7, count = 0;
    if (!names_are_known(o) || !options_number(o, "pairs", 1, PAIRS_MAX, &pairs) ||
        !options_number(o, "count", 1, UINT32_MAX, &count)) {
        return APP_USAGE;
    }
    if (options_has(o, "ours")) {
        return run_ours(o, count);
    }
    if (options_has(o, "count")) {
        app_complain("--count goes with --ours");
        return APP_USAGE;
    }
    bool json = options_has(o, "json");
    json_t *rows = json_array();
    int code = APP_OK;
    if (!json) {
        printf("%-17s %12s %12s %8s %7s  %s\n", "work", "ours", "theirs", "ratio", "floor", "unit");
    }
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        const struct work *w = &works[i];
        if (!selected(o, w->name)) {
            continue;
        }
        struct figure f = measure(w, (unsigned)pairs);
        code = !f.missing && f.ratio < w->floor ? APP_FAILURES : code;
        json_array_append_new(rows, figure_json(w, &f));
        if (!json) {
            print_row(w, &f);
        }
    }
    if (json) {
        json_dumpf(rows, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    json_decref(rows);
    return app_finish_output(code);
}

static const struct option_spec bench_options[] = {
    { "json", 0, NULL, false, "Print an array of {name, ours, theirs, ratio, floor}." },
    { "pairs", 0, "N", false, "Interleaved pairs of each work (7)." },
    { "ours", 0, NULL, false, "Run our side once, without a yardstick: for profilers." },
    { "count", 0, "N", false, "With --ours: requests to make." },
    { .name = NULL },
};

const struct command command_bench = {
    .name = "bench",
    .args = "[WORK...]",
    .help = "Measures speed against a yardstick.",
    .more = "Each row is the median of interleaved pairs; a ratio below its floor makes the exit "
            "code 1.",
    .args_max = SIZE_MAX,
    .options = bench_options,
    .run = bench,
};
