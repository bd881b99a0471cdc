/* SPDX-License-Identifier: MIT */
/* Real files, in a directory of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/disk_test.h"
#include "sim/host.h"

#include <stdio.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    struct sim *s;
    struct host *h;
    const struct host_ops *o;
};

static int set_up(void **state)
{
    struct fixture *x = NEW(struct fixture);
    snprintf(x->dir, sizeof(x->dir), "/tmp/blksim-host-XXXXXX");
    if (!mkdtemp(x->dir)) {
        return -1;
    }
    x->s = world();
    x->h = host_posix_create(x->s, x->dir);
    x->o = x->h->ops;
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;
    static const char *const names[] = { "a", "b", "c", "fifo", "link" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        x->o->unlink(x->h, names[i]);
    }
    host_destroy(x->h);
    sim_destroy(x->s);
    int ret = rmdir(x->dir);
    free(x);
    return ret;
}

static struct host_file *open_file(struct fixture *x, const char *path, uint32_t flags)
{
    struct host_file *f = NULL;
    int ret = x->o->open(x->h, path, flags, &f);
    if (ret < 0) {
        fail_msg("open '%s': %s", path, error_strerror(-ret));
    }
    return f;
}

static int file_put(struct host_file *f, uint64_t offset, struct fill fill, size_t n,
                    uint32_t flags)
{
    struct iobuf b = iobuf_fill(fill, n);
    return f->host->ops->write(f, offset, &b, flags);
}

/* Reads through two pieces, the first of an odd length. */
static bool file_holds(struct host_file *f, uint64_t offset, struct fill fill, size_t n)
{
    uint8_t *p = mem_zalloc(n + 1);
    size_t first = MIN(n, (size_t)333);
    struct iovec iov[2] = { { p + 1, first }, { p + 1 + first, n - first } };
    struct iobuf b = iobuf_iov(iov, 2, n);
    b.symbolic = true;
    int ret = f->host->ops->read(f, offset, &b);
    bool same = ret == 0 && b.fill.kind == FILL_NONE && fill_compare(fill, p + 1, n) == n;
    free(p);
    return same;
}

static uint64_t size_of(struct host_file *f)
{
    struct host_info info;
    assert_int_equal(f->host->ops->info(f, &info), 0);
    return info.size;
}

static void test_errors_are_the_hosts(void **state)
{
    struct fixture *x = *state;
    struct host_file *f;
    assert_string_equal(x->o->name, "posix");
    assert_int_equal(x->o->open(x->h, "a", 0, &f), -ENOENT);
    assert_int_equal(x->o->open(x->h, "", 0, &f), -ENOENT);
    assert_int_equal(x->o->open(x->h, "/", 0, &f), -EISDIR);
    assert_int_equal(x->o->open(x->h, "/dev/null", 0, &f), -EINVAL);
    assert_int_equal(x->o->create(x->h, "no/such", 0), -ENOENT);
    assert_int_equal(x->o->create(x->h, "", 0), -ENOENT);
    assert_int_equal(x->o->create(x->h, "/dev/null", 0), -EINVAL);
    assert_int_equal(x->o->create(x->h, "a", UINT64_MAX), -EFBIG);
    assert_int_equal(x->o->unlink(x->h, "a"), -ENOENT);
    assert_int_equal(x->o->rename(x->h, "a", "b"), -ENOENT);
    assert_int_equal(x->o->create(x->h, "a", 100), 0);
    assert_int_equal(x->o->rename(x->h, "a", "b"), 0);
    f = open_file(x, "b", 0);
    assert_int_equal(size_of(f), 100);
    assert_int_equal(file_put(f, 0, fill_byte(1), 10, 0), -EBADF);
    assert_int_equal(x->o->truncate(f, UINT64_MAX), -EFBIG);
    assert_int_equal(x->o->truncate(f, 0), -EINVAL);
    assert_int_equal(x->o->zero(f, UINT64_MAX, 1, false), -EFBIG);
    assert_int_equal(x->o->zero(f, 0, 100, false), -EBADF);
    assert_int_equal(x->o->zero(f, 0, 0, false), 0);
    assert_int_equal(x->o->discard(f, 0, UINT64_MAX), -EFBIG);
    assert_int_equal(x->o->discard(f, 0, 0), 0);
    struct iobuf b = iobuf_fill(FILL_ZERO, 10);
    assert_int_equal(x->o->write(f, INT64_MAX, &b, 0), -EFBIG);
    x->o->close(f);
}

static void test_files_hold_what_is_written(void **state)
{
    struct fixture *x = *state;
    bool data;
    uint64_t n;
    x->o->create(x->h, "a", 0);
    struct host_file *f = open_file(x, "a", HOST_WRITE);
    assert_int_equal(file_put(f, 1000, fill_stream(3), 3 * MIB, DISK_FUA), 0);
    assert_int_equal(size_of(f), 3 * MIB + 1000);
    assert_true(file_holds(f, 1000, fill_stream(3), 3 * MIB));
    assert_true(file_holds(f, 0, FILL_ZERO, 1000));
    assert_true(file_holds(f, 3 * MIB + 1000, FILL_ZERO, 10000));
    /* From memory in two pieces. */
    uint8_t p[1000];
    fill_bytes(fill_stream(4), p, sizeof(p));
    struct iovec iov[2] = { { p, 10 }, { p + 10, 990 } };
    struct iobuf b = iobuf_iov(iov, 2, sizeof(p));
    assert_int_equal(x->o->write(f, 5, &b, 0), 0);
    assert_true(file_holds(f, 5, fill_stream(4), 1000));
    assert_int_equal(x->o->zero(f, 100, 100, false), 0);
    assert_true(file_holds(f, 100, FILL_ZERO, 100));
    assert_int_equal(x->o->zero(f, 8192, 1 * MIB, true), 0);
    assert_true(file_holds(f, 8192, FILL_ZERO, 1 * MIB));
    assert_int_equal(x->o->zero(f, 4 * MIB, 100, true), 0);
    assert_int_equal(size_of(f), 4 * MIB + 100);
    assert_int_equal(x->o->zero(f, 4 * MIB, 300, false), 0);
    assert_int_equal(size_of(f), 4 * MIB + 300);
    assert_int_equal(x->o->discard(f, 2 * MIB, 64 * KIB), 0);
    assert_true(file_holds(f, 2 * MIB, FILL_ZERO, 64 * KIB));
    assert_int_equal(x->o->status(f, 0, 100 * MIB, &data, &n), 0);
    assert_true(data);
    assert_int_equal(n, 8192);
    assert_int_equal(x->o->status(f, 8192, 100 * MIB, &data, &n), 0);
    assert_false(data);
    assert_int_equal(n, 1 * MIB);
    assert_int_equal(x->o->status(f, 4 * MIB, 1000, &data, &n), 0);
    assert_false(data);
    assert_int_equal(x->o->status(f, 40 * MIB, 1000, &data, &n), 0);
    assert_false(data);
    assert_int_equal(n, 1000);
    assert_int_equal(x->o->truncate(f, 4096), 0);
    assert_int_equal(x->o->flush(f), 0);
    struct host_info info;
    x->o->info(f, &info);
    assert_in_range(info.allocated, 4096, 64 * KIB);
    x->o->close(f);
    x->o->create(x->h, "a", 10);
    f = open_file(x, "a", 0);
    assert_true(file_holds(f, 0, FILL_ZERO, 10));
    x->o->close(f);
}

/* tmpfs punches holes but cannot zero a range: bytes are written. */
static void test_zeroing_where_the_file_system_cannot(void **state)
{
    struct fixture *x = *state;
    char name[] = "/dev/shm/blksim-host-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0) {
        skip();
    }
    close(fd);
    struct host_file *f = open_file(x, name, HOST_WRITE); /* An absolute name. */
    assert_int_equal(file_put(f, 0, fill_byte(1), 3 * MIB, 0), 0);
    assert_int_equal(x->o->zero(f, 5, 2 * MIB, false), 0);
    assert_true(file_holds(f, 0, fill_byte(1), 5));
    assert_true(file_holds(f, 5, FILL_ZERO, 2 * MIB));
    assert_true(file_holds(f, 2 * MIB + 5, fill_byte(1), 1 * MIB - 5));
    assert_int_equal(x->o->zero(f, 3 * MIB - 1, 100, false), 0);
    assert_int_equal(size_of(f), 3 * MIB + 99);
    assert_true(file_holds(f, 3 * MIB - 1, FILL_ZERO, 100));
    assert_int_equal(x->o->discard(f, 0, 4096), 0);
    assert_true(file_holds(f, 0, FILL_ZERO, 4096));
    x->o->close(f);
    assert_int_equal(x->o->unlink(x->h, name), 0);
}

static void test_direct_files_bounce(void **state)
{
    struct fixture *x = *state;
    struct host_file *f;
    x->o->create(x->h, "a", 1 * MIB + 1000);
    int ret = x->o->open(x->h, "a", HOST_WRITE | HOST_DIRECT, &f);
    if (ret == -EINVAL) {
        skip(); /* A file system without O_DIRECT. */
    }
    assert_int_equal(ret, 0);
    struct host_info info;
    x->o->info(f, &info);
    assert_in_range(info.request_align, 512, 4096);
    uint32_t a = info.request_align;
    assert_int_equal(file_put(f, a, fill_stream(1), 2 * a, 0), 0);
    assert_true(file_holds(f, a, fill_stream(1), 2 * a));
    /* The end of the file lies within a block. */
    assert_true(file_holds(f, 1 * MIB, FILL_ZERO, 4096));
    /* One aligned piece goes straight. */
    uint8_t *p = NULL;
    assert_int_equal(posix_memalign((void **)&p, 4096, 8192), 0);
    struct iovec iov;
    struct iobuf b = iobuf_mem(&iov, p, 8192);
    fill_bytes(fill_stream(8), p, 8192);
    assert_int_equal(x->o->write(f, 8192, &b, 0), 0);
    assert_true(file_holds(f, 8192, fill_stream(8), 8192));
    memset(p, 0, 8192);
    assert_int_equal(x->o->read(f, 8192, &b), 0);
    assert_int_equal(fill_compare(fill_stream(8), p, 8192), 8192);
    free(p);
    assert_int_equal(x->o->reflag(f, HOST_WRITE | HOST_NO_FLUSH), 0);
    assert_int_equal(file_put(f, 1, fill_byte(1), 10, DISK_FUA), 0);
    assert_int_equal(x->o->flush(f), 0);
    x->o->close(f);
    x->o->create(x->h, "b", 0);
    f = open_file(x, "b", HOST_DIRECT);
    x->o->info(f, &info);
    assert_int_equal(info.request_align, 4096);
    x->o->close(f);
}

static void test_locks_and_their_reopening(void **state)
{
    struct fixture *x = *state;
    x->o->create(x->h, "a", 1000);
    struct host_file *f = open_file(x, "a", 0), *g = open_file(x, "a", HOST_WRITE);
    assert_int_equal(x->o->lock(f, 100, 1, HOST_LOCK_SHARED), 0);
    assert_int_equal(x->o->lock(g, 100, 1, HOST_LOCK_EXCLUSIVE), -EAGAIN);
    assert_int_equal(x->o->lock_test(g, 100, 1, true), -EAGAIN);
    assert_int_equal(x->o->lock_test(g, 100, 1, false), 0);
    assert_int_equal(x->o->lock_test(g, UINT64_MAX, 1, false), -EINVAL);
    assert_int_equal(x->o->lock(g, UINT64_MAX, 1, HOST_LOCK_SHARED), -EINVAL);
    /* To read-write and back: the lock stays held all the time. */
    assert_int_equal(x->o->reflag(f, HOST_WRITE), 0);
    assert_int_equal(file_put(f, 0, fill_byte(1), 10, 0), 0);
    assert_int_equal(x->o->lock_test(g, 100, 1, true), -EAGAIN);
    assert_int_equal(x->o->lock(f, 300, 0, HOST_LOCK_EXCLUSIVE), 0);
    assert_int_equal(x->o->reflag(f, HOST_WRITE | HOST_NO_FLUSH), 0);
    assert_int_equal(x->o->reflag(f, HOST_WRITE | HOST_DIRECT), 0);
    assert_int_equal(x->o->lock_test(g, 500, 1, false), -EAGAIN);
    /* A write lock cannot be had on a read-only file: nothing changes. */
    assert_int_equal(x->o->reflag(f, 0), -EBADF);
    assert_int_equal(x->o->lock_test(g, 500, 1, false), -EAGAIN);
    assert_int_equal(x->o->lock_test(g, 100, 1, true), -EAGAIN);
    x->o->close(f);
    assert_int_equal(x->o->lock_test(g, 0, 0, true), 0);
    x->o->close(g);
}

static void test_base_and_export(void **state)
{
    struct fixture *x = *state;
    struct error err = ERROR_INIT;
    struct disk_base base;
    char path[100], out[100];
    snprintf(path, sizeof(path), "%s/a", x->dir);
    snprintf(out, sizeof(out), "%s/b", x->dir);
    x->o->create(x->h, "a", 4 * MIB + 77);
    struct host_file *f = open_file(x, "a", HOST_WRITE);
    file_put(f, 2 * MIB, fill_stream(5), 64 * KIB, 0);
    file_put(f, 4 * MIB, fill_byte(9), 77, 0);
    assert_int_equal(host_posix_base(path, &base, &err), 0);
    struct disk *d = NULL;
    struct disk_config cfg = DISK_CONFIG_INIT;
    uint64_t n;
    assert_int_equal(disk_create_over(x->s, "d0", &cfg, &base, &d, &err), 0);
    assert_int_equal(disk_size(d), 4 * MIB + 77);
    assert_true(holds(d, 2 * MIB, fill_stream(5), 64 * KIB));
    assert_false(disk_allocated(d, 0, 4 * MIB, &n));
    assert_int_equal(n, 2 * MIB);
    assert_true(disk_allocated(d, 2 * MIB, 4 * MIB, &n));
    assert_int_equal(n, 64 * KIB);
    put_byte(d, 100, 1, 100, 0);
    put_byte(d, 2 * MIB + 5, 2, 5, 0);
    /* The real file is as it was. */
    assert_true(file_holds(f, 2 * MIB, fill_stream(5), 64 * KIB));
    assert_true(file_holds(f, 0, FILL_ZERO, 4096));
    x->o->close(f);
    assert_int_equal(host_posix_export(d, out, &err), 0);
    f = open_file(x, "b", 0);
    assert_int_equal(size_of(f), 4 * MIB + 77);
    assert_true(file_holds(f, 100, fill_byte(1), 100));
    assert_true(file_holds(f, 2 * MIB + 5, fill_byte(2), 5));
    assert_true(file_holds(f, 2 * MIB + 10, fill_skip(fill_stream(5), 10), 64 * KIB - 10));
    assert_true(file_holds(f, 4 * MIB, fill_byte(9), 77));
    struct host_info info;
    x->o->info(f, &info);
    assert_in_range(info.allocated, 72 * KIB, 256 * KIB); /* Holes stayed holes. */
    x->o->close(f);
    disk_destroy(d);
}

static void test_a_base_may_end_in_a_hole(void **state)
{
    struct fixture *x = *state;
    struct disk_base base;
    struct disk_config cfg = DISK_CONFIG_INIT;
    struct disk *d = NULL;
    char path[100];
    uint64_t n;
    snprintf(path, sizeof(path), "%s/a", x->dir);
    x->o->create(x->h, "a", 1 * MIB + 77);
    assert_int_equal(host_posix_base(path, &base, NULL), 0);
    assert_int_equal(disk_create_over(x->s, "d0", &cfg, &base, &d, NULL), 0);
    assert_false(disk_allocated(d, 0, 2 * MIB, &n));
    assert_int_equal(n, 1 * MIB + 77);
    assert_false(disk_allocated(d, 1 * MIB, 77, &n));
    assert_int_equal(n, 77);
    disk_destroy(d);
}

static void test_export_over_the_base_itself(void **state)
{
    struct fixture *x = *state;
    struct disk_base base;
    struct disk_config cfg = DISK_CONFIG_INIT;
    struct disk *d = NULL;
    char path[100];
    snprintf(path, sizeof(path), "%s/a", x->dir);
    x->o->create(x->h, "a", 1 * MIB);
    struct host_file *f = open_file(x, "a", HOST_WRITE);
    file_put(f, 64 * KIB, fill_stream(5), 64 * KIB, 0);
    x->o->close(f);
    assert_int_equal(host_posix_base(path, &base, NULL), 0);
    assert_int_equal(disk_create_over(x->s, "d0", &cfg, &base, &d, NULL), 0);
    put_byte(d, 4096, 2, 4096, 0);
    assert_int_equal(host_posix_export(d, path, NULL), 0);
    assert_true(holds(d, 64 * KIB, fill_stream(5), 64 * KIB));
    disk_destroy(d);
    f = open_file(x, "a", 0);
    assert_true(file_holds(f, 4096, fill_byte(2), 4096));
    assert_true(file_holds(f, 64 * KIB, fill_stream(5), 64 * KIB));
    x->o->close(f);
}

static void test_base_and_export_errors(void **state)
{
    struct fixture *x = *state;
    struct disk_base base;
    struct error err = ERROR_INIT;
    assert_int_equal(host_posix_base("/no/such", &base, &err), -ENOENT);
    assert_string_equal(err.text, "Could not open '/no/such': No such file or directory");
    err = ERROR_INIT;
    assert_int_equal(host_posix_base("/tmp", &base, &err), -EISDIR);
    assert_string_equal(err.text, "Could not open '/tmp': Is a directory");
    err = ERROR_INIT;
    assert_int_equal(host_posix_base("/dev/zero", &base, &err), -EINVAL);
    assert_string_equal(err.text, "Could not open '/dev/zero': it is not a regular file");
    struct disk *d = null_disk(x->s, 8192, 0);
    put_byte(d, 0, 1, 8192, 0);
    err = ERROR_INIT;
    assert_int_equal(host_posix_export(d, "/no/such", &err), -ENOENT);
    assert_string_equal(err.text, "Could not create '/no/such': No such file or directory");
    err = ERROR_INIT;
    assert_int_equal(host_posix_export(d, "/dev/full", &err), -ENOSPC);
    assert_string_equal(err.text, "Could not write '/dev/full': No space left on device");
    disk_destroy(d);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_errors_are_the_hosts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_hold_what_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_zeroing_where_the_file_system_cannot, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_direct_files_bounce, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_locks_and_their_reopening, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_base_and_export, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_base_may_end_in_a_hole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_export_over_the_base_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_base_and_export_errors, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("sim/host_posix", tests, NULL, NULL);
}
