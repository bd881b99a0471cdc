/* Benchmarks: works of our own beside the same work on a yardstick.
 *
 * Every figure is a ratio in which more is better, the median of interleaved pairs in one run, so
 * it holds on a noisy machine.  The measured path is that of the suites: request tracking,
 * accounting, trace hash.
 */
#ifndef APP_BENCH_H
#define APP_BENCH_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* A world with one node to load, for works that run in this process. */
struct bench_world_config {
    const char *profile;   /* Of the disk below raw; NULL: null-co instead of a disk. */
    int64_t latency_ns;    /* Of the disk; -1: the profile's. */
    uint64_t size;         /* Bytes. */
    bool reference;        /* The reference image checks every request. */
    bool hashing;          /* The trace is hashed. */
    bool job;              /* A backup of two other nodes is under way. */
    bool bitmap;           /* The node has a dirty bitmap. */
    unsigned filters;      /* How many stand above raw, of all kinds in turn. */
};

struct bench_world;
struct bench_world *bench_world_create(const struct bench_world_config *cfg);
/* Runs a load of count requests of 4 KiB, depth 16, over region bytes; random writes, else
 * sequential ones.  Returns wall nanoseconds; *virt_ns (may be NULL): virtual ones. */
int64_t bench_world_load(struct bench_world *w, uint64_t count, uint64_t region, bool random,
                         int64_t *virt_ns);
/* Writes 4 KiB of real bytes at each of count places, spread over the whole node. */
void bench_world_scatter(struct bench_world *w, uint64_t count);
void bench_world_destroy(struct bench_world *w);

/* Requests a second that `qemu-img bench` does on raw over null-co with that latency: writes of
 * 4 KiB, depth 16.  Negative when it is not installed or failed. */
double bench_qemu_img(uint64_t count, uint64_t latency_ns);

/* Commands of a monitor. */
enum bench_qmp_work {
    BENCH_QMP_ADD_DEL, /* blockdev-add and blockdev-del of a null node */
    BENCH_QMP_REOPEN,  /* blockdev-reopen of a raw node */
    BENCH_QMP_BACKUP,  /* blockdev-backup of a null node of 1 MiB, to its end */
};

/* Works a second over a unix socket, on `blksim qmp` or qemu-storage-daemon; pipelined, or command
 * by command.  Negative when the server is not installed or something failed. */
double bench_qmp(enum bench_qmp_work work, bool ours, bool pipelined, uint64_t count);
/* Works a second in a scenario of this process. */
double bench_qmp_scenario(enum bench_qmp_work work, uint64_t count);
/* query-named-block-nodes flat=true a second on a chain of that depth. */
double bench_qmp_query(bool ours, unsigned depth, uint64_t count);
/* Reopens of its top a second on a chain of that depth, pipelined, ours. */
double bench_qmp_chain_reopen(unsigned depth, uint64_t count);

enum bench_job { BENCH_JOB_MIRROR, BENCH_JOB_BACKUP };
/* GiB a second of a job that copies 1 GiB of mixed data (zeroes, random, text), from its start to
 * its end (a mirror: until it is ready): between two simulated disks, or by qemu-storage-daemon
 * between two files in memory.  Negative when that is not installed. */
double bench_job(enum bench_job job, bool ours);
/* Requests a second on a node: alone, or while a job works on others. */
double bench_beside_job(bool job, uint64_t count);
/* Requests a second on a node with a dirty bitmap, or without. */
double bench_with_bitmap(bool bitmap, uint64_t count);

/* Wall seconds of one run of a program, output thrown away.  Negative when it failed. */
double bench_process(const char *const *argv);

#endif
