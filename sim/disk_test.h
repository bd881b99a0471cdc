/* Shared by the tests of the disk; included after cmocka.h and what it needs. */
#ifndef SIM_DISK_TEST_H
#define SIM_DISK_TEST_H

#include "base/mem.h"
#include "sim/disk.h"
#include "sim/disk_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

static inline struct sim *world(void)
{
    return sim_create(&(struct sim_config){ .seed = 1 });
}

static inline struct disk *disk(struct sim *s, struct disk_config cfg)
{
    struct disk *d = NULL;
    struct error err = ERROR_INIT;
    if (disk_create(s, "d0", &cfg, &d, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return d;
}

static inline struct disk *null_disk(struct sim *s, uint64_t size, uint64_t cache)
{
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.size = size;
    cfg.cache_bytes = cache;
    return disk(s, cfg);
}

static inline int put_fill(struct disk *d, uint64_t offset, struct fill f, size_t n, uint32_t flags)
{
    struct iobuf b = iobuf_fill(f, n);
    return disk_write(d, offset, &b, flags);
}

static inline int put_byte(struct disk *d, uint64_t offset, uint8_t byte, size_t n, uint32_t flags)
{
    struct iovec iov;
    uint8_t *p = mem_alloc(n);
    memset(p, byte, n);
    struct iobuf b = iobuf_mem(&iov, p, n);
    int ret = disk_write(d, offset, &b, flags);
    free(p);
    return ret;
}

static inline bool holds(const struct disk *d, uint64_t offset, struct fill f, size_t n)
{
    uint8_t *p = mem_alloc(n);
    bool same = disk_peek(d, offset, p, n) == 0 && fill_compare(f, p, n) == n;
    free(p);
    return same;
}

static inline void assert_byte(const struct disk *d, uint64_t offset, uint8_t byte, size_t n)
{
    assert_true(holds(d, offset, fill_byte(byte), n));
}

struct job {
    struct disk *d;
    enum disk_op op;
    uint64_t offset;
    size_t bytes;
    uint8_t byte;
    uint32_t flags;
    int ret;
    int64_t end_ns;
};

static inline void job_run(void *opaque)
{
    struct job *j = opaque;
    if (j->op == DISK_WRITE) {
        j->ret = put_byte(j->d, j->offset, j->byte, j->bytes, j->flags);
    } else if (j->op == DISK_READ) {
        uint8_t *p = mem_alloc(j->bytes);
        struct iovec iov;
        struct iobuf b = iobuf_mem(&iov, p, j->bytes);
        j->ret = disk_read(j->d, j->offset, &b, j->flags);
        j->byte = p[0];
        free(p);
    } else if (j->op == DISK_ZERO) {
        j->ret = disk_zero(j->d, j->offset, j->bytes, j->flags);
    } else if (j->op == DISK_RESIZE) {
        j->ret = disk_resize(j->d, j->offset);
    } else {
        j->ret = disk_flush(j->d);
    }
    j->end_ns = sim_now_ns(j->d->sim);
}

static inline void start(struct job *j)
{
    j->ret = 1;
    co_create(j->d->sim, "job", 0, job_run, j);
}

static inline struct disk *profile_disk(struct sim *s, const char *profile, int64_t latency_ns)
{
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.size = UINT64_C(1) << 40;
    cfg.cache_bytes = 1 * MIB;
    cfg.profile = profile;
    cfg.latency_ns = latency_ns;
    return disk(s, cfg);
}

#endif
