/* SPDX-License-Identifier: MIT */
/* The simulated host: names, files, locks, power. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/disk_test.h"
#include "sim/host.h"

#include <stdio.h>

struct call {
    struct sim *s;
    void (*fn)(struct call *c);
    bool done;
    struct host *h;
    struct host_file *f;
    int ret;
};

static void call_co(void *opaque)
{
    struct call *c = opaque;
    c->fn(c);
    c->done = true;
}

static struct host *sim_host(struct sim *s, uint64_t cache)
{
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.cache_bytes = cache;
    cfg.profile = "null";
    return host_sim_create(s, &cfg);
}

static struct host_file *open_file(struct host *h, const char *path, uint32_t flags)
{
    struct host_file *f = NULL;
    int ret = h->ops->open(h, path, flags, &f);
    if (ret < 0) {
        fail_msg("open '%s': %s", path, error_strerror(-ret));
    }
    return f;
}

static int file_put(struct host_file *f, uint64_t offset, uint8_t byte, size_t n, uint32_t flags)
{
    struct iobuf b = iobuf_fill(fill_byte(byte), n);
    return f->host->ops->write(f, offset, &b, flags);
}

static bool file_holds(struct host_file *f, uint64_t offset, uint8_t byte, size_t n)
{
    uint8_t *p = mem_alloc(n);
    struct iovec iov;
    memset(p, ~byte, n);
    struct iobuf b = iobuf_mem(&iov, p, n);
    int ret = f->host->ops->read(f, offset, &b);
    bool same = ret == 0 && fill_compare(fill_byte(byte), p, n) == n;
    free(p);
    return same;
}

static uint64_t size_of(struct host_file *f)
{
    struct host_info info;
    assert_int_equal(f->host->ops->info(f, &info), 0);
    return info.size;
}

static void test_names_and_their_errors(void **state)
{
    (void)state;
    struct sim *s = world();
    struct host *h = sim_host(s, 0);
    const struct host_ops *o = h->ops;
    struct host_file *f;
    char *long_name = mem_alloc(301);
    memset(long_name, 'x', 300);
    long_name[300] = 0;
    assert_string_equal(o->name, "sim");
    assert_int_equal(o->open(h, "a", 0, &f), -ENOENT);
    assert_int_equal(o->create(h, "a", 1000), 0);
    assert_int_equal(o->create(h, ".//b", 0), 0);
    assert_int_equal(o->create(h, "dir/b", 0), -ENOENT);
    assert_int_equal(o->create(h, "", 0), -ENOENT);
    assert_int_equal(o->create(h, ".", 0), -EISDIR);
    assert_int_equal(o->create(h, long_name, 0), -ENAMETOOLONG);
    assert_int_equal(o->create(h, "c", UINT64_MAX), -EFBIG);
    assert_int_equal(o->open(h, "./", 0, &f), -EISDIR);
    assert_int_equal(o->unlink(h, "c"), -ENOENT);
    assert_int_equal(o->rename(h, "c", "d"), -ENOENT);
    assert_int_equal(o->rename(h, "a", "x/d"), -ENOENT);
    assert_int_equal(o->rename(h, "a", ".."), -EISDIR);
    assert_int_equal(o->rename(h, "a", "a"), 0);
    assert_string_equal(host_sim_name(h, 0), "a");
    assert_string_equal(host_sim_name(h, 1), "b");
    assert_null(host_sim_name(h, 2));
    assert_int_equal(disk_size(host_sim_disk(h, "a")), 1000);
    assert_null(host_sim_disk(h, "zz"));
    /* A rename keeps its place and replaces what was there. */
    assert_int_equal(o->rename(h, "a", "b"), 0);
    assert_string_equal(host_sim_name(h, 0), "b");
    assert_null(host_sim_name(h, 1));
    assert_int_equal(disk_size(host_sim_disk(h, "b")), 1000);
    assert_int_equal(o->unlink(h, "b"), 0);
    assert_null(host_sim_name(h, 0));
    free(long_name);
    host_destroy(h);
    sim_destroy(s);
}

static void test_a_disk_is_a_file(void **state)
{
    (void)state;
    struct sim *s = world();
    struct host *h = sim_host(s, 0);
    struct disk *d = null_disk(s, 1 * MIB, 0);
    assert_int_equal(host_sim_add_disk(h, d), 0);
    struct disk *twin = null_disk(s, 1 * MIB, 0);
    assert_int_equal(host_sim_add_disk(h, twin), -EEXIST);
    disk_destroy(twin);
    struct host_file *f = open_file(h, "d0", HOST_WRITE);
    assert_int_equal(file_put(f, 1, 7, 1000, 0), 0);
    assert_byte(d, 1, 7, 1000);
    assert_true(file_holds(f, 1, 7, 1000));
    h->ops->close(f);
    host_destroy(h);
    sim_destroy(s);
}

static void test_files_grow_and_shrink(void **state)
{
    (void)state;
    struct sim *s = world();
    struct host *h = sim_host(s, 0);
    const struct host_ops *o = h->ops;
    bool data;
    uint64_t n;
    assert_int_equal(o->create(h, "a", 0), 0);
    struct host_file *f = open_file(h, "a", HOST_WRITE);
    assert_int_equal(size_of(f), 0);
    assert_true(file_holds(f, 0, 0, 100));
    assert_int_equal(file_put(f, 9000, 5, 10, 0), 0);
    assert_int_equal(size_of(f), 9010);
    assert_int_equal(o->status(f, 0, 1 * MIB, &data, &n), 0);
    assert_false(data);
    assert_int_equal(n, 8192);
    assert_int_equal(o->status(f, 8192, 1 * MIB, &data, &n), 0);
    assert_true(data);
    assert_int_equal(n, 818);
    assert_int_equal(o->truncate(f, 9005), 0);
    assert_int_equal(o->truncate(f, 20000), 0);
    assert_true(file_holds(f, 9000, 5, 5));
    assert_true(file_holds(f, 9005, 0, 1000));
    assert_int_equal(o->zero(f, 9000, 2, false), 0);
    assert_true(file_holds(f, 9000, 0, 2));
    assert_int_equal(o->zero(f, 19000, 2000, true), 0);
    assert_int_equal(size_of(f), 21000);
    assert_int_equal(o->zero(f, 20000, 3000, false), 0);
    assert_int_equal(size_of(f), 23000);
    assert_int_equal(o->discard(f, 0, 1 * MIB), 0);
    assert_int_equal(size_of(f), 23000);
    struct host_info info;
    assert_int_equal(o->info(f, &info), 0);
    assert_int_equal(info.allocated, 0);
    assert_int_equal(info.request_align, 1);
    /* Creating it again empties it, also for those who have it open. */
    file_put(f, 0, 1, 4096, 0);
    assert_int_equal(o->create(h, "a", 5000), 0);
    assert_int_equal(size_of(f), 5000);
    assert_true(file_holds(f, 0, 0, 5000));
    /* An unlinked file lives until it is closed. */
    assert_int_equal(o->unlink(h, "a"), 0);
    assert_int_equal(file_put(f, 0, 1, 4096, 0), 0);
    assert_true(file_holds(f, 0, 1, 4096));
    o->close(f);
    host_destroy(h);
    sim_destroy(s);
}

static void test_direct_and_read_only(void **state)
{
    (void)state;
    struct sim *s = world();
    struct host *h = sim_host(s, 0);
    const struct host_ops *o = h->ops;
    o->create(h, "a", 1000);
    struct host_file *f = open_file(h, "a", HOST_DIRECT | HOST_WRITE);
    struct host_info info;
    o->info(f, &info);
    assert_int_equal(info.request_align, 512);
    assert_int_equal(file_put(f, 0, 1, 100, 0), -EINVAL);
    assert_int_equal(file_put(f, 0, 1, 512, 0), 0);
    assert_int_equal(disk_stats(host_sim_disk(h, "a")).volatile_writes, 0);
    assert_true(file_holds(f, 512, 0, 512)); /* Over the end of the file. */
    assert_int_equal(o->reflag(f, 0), 0);
    assert_int_equal(file_put(f, 0, 1, 100, 0), -EBADF);
    assert_int_equal(o->zero(f, 0, 100, false), -EBADF);
    assert_int_equal(o->discard(f, 0, 100), -EBADF);
    assert_int_equal(o->truncate(f, 0), -EBADF);
    assert_int_equal(o->lock(f, 0, 1, HOST_LOCK_EXCLUSIVE), -EBADF);
    assert_true(file_holds(f, 1, 1, 100));
    assert_int_equal(o->reflag(f, HOST_WRITE), 0);
    assert_int_equal(file_put(f, 0, 2, 100, 0), 0);
    assert_int_equal(disk_stats(host_sim_disk(h, "a")).volatile_writes, 1);
    o->close(f);
    host_destroy(h);
    sim_destroy(s);
}

static void test_locks_belong_to_the_open(void **state)
{
    (void)state;
    struct sim *s = world();
    struct host *h = sim_host(s, 0);
    const struct host_ops *o = h->ops;
    o->create(h, "a", 1000);
    struct host_file *x = open_file(h, "a", HOST_WRITE), *y = open_file(h, "a", HOST_WRITE);
    assert_int_equal(o->lock(x, 100, 1, HOST_LOCK_SHARED), 0);
    assert_int_equal(o->lock(y, 100, 1, HOST_LOCK_SHARED), 0);
    assert_int_equal(o->lock(y, 100, 1, HOST_LOCK_EXCLUSIVE), -EAGAIN);
    assert_int_equal(o->lock_test(y, 100, 1, true), -EAGAIN);
    assert_int_equal(o->lock_test(y, 100, 1, false), 0);
    assert_int_equal(o->lock_test(y, 101, 1, true), 0);
    assert_int_equal(o->lock(x, 100, 1, HOST_UNLOCK), 0);
    assert_int_equal(o->lock(y, 100, 1, HOST_LOCK_EXCLUSIVE), 0);
    assert_int_equal(o->lock(x, 100, 1, HOST_LOCK_SHARED), -EAGAIN);
    /* A hole in the middle of a range, and a range without end. */
    assert_int_equal(o->lock(y, 200, 100, HOST_LOCK_EXCLUSIVE), 0);
    assert_int_equal(o->lock(y, 240, 10, HOST_UNLOCK), 0);
    assert_int_equal(o->lock(x, 240, 10, HOST_LOCK_EXCLUSIVE), 0);
    assert_int_equal(o->lock(x, 239, 1, HOST_LOCK_SHARED), -EAGAIN);
    assert_int_equal(o->lock(x, 250, 1, HOST_LOCK_SHARED), -EAGAIN);
    assert_int_equal(o->lock(x, 1000, 0, HOST_LOCK_SHARED), 0);
    assert_int_equal(o->lock(y, UINT64_C(1) << 60, 1, HOST_LOCK_EXCLUSIVE), -EAGAIN);
    /* Closing gives up. */
    o->close(y);
    assert_int_equal(o->lock_test(x, 0, 0, true), 0);
    o->close(x);
    host_destroy(h);
    sim_destroy(s);
}

static void test_short_counts_are_carried_on(void **state)
{
    (void)state;
    struct sim *s = world();
    struct host *h = sim_host(s, 0);
    h->ops->create(h, "a", 64 * KIB);
    struct disk *d = host_sim_disk(h, "a");
    struct host_file *f = open_file(h, "a", HOST_WRITE);
    struct fault_rule rule = { .kind = FAULT_SHORT, .arg = 1000 };
    assert_int_equal(disk_fault_add(d, &rule, NULL), 0);
    assert_int_equal(file_put(f, 10, 6, 4500, 0), 0);
    assert_int_equal(disk_stats(d).ops[DISK_WRITE], 5);
    assert_true(file_holds(f, 10, 6, 4500));
    assert_int_equal(disk_stats(d).ops[DISK_READ], 5);
    disk_fault_clear(d, NULL);
    rule.errnum = EIO;
    assert_int_equal(disk_fault_add(d, &rule, NULL), 0);
    assert_int_equal(file_put(f, 0, 6, 4500, 0), -EIO);
    h->ops->close(f);
    host_destroy(h);
    sim_destroy(s);
}

/* What names a cut leaves: joined, in all worlds. */
static void changes(struct host *h)
{
    const struct host_ops *o = h->ops;
    o->create(h, "old", 10);
    struct host_file *f = open_file(h, "old", 0);
    o->flush(f);
    o->close(f);
    o->create(h, "new", 20);
    o->rename(h, "old", "kept");
    o->unlink(h, "new");
}

static void test_directory_changes_may_be_lost(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    struct strbuf all = { 0 };
    do {
        struct sim_config cfg = { .policy = CHOICE_ENUMERATE, .path = &path };
        struct sim *s = sim_create(&cfg);
        struct host *h = sim_host(s, 0);
        changes(h);
        struct disk *late = null_disk(s, 100, 0);
        assert_int_equal(host_sim_add_disk(h, late), 0);
        host_sim_power_cut(h);
        for (size_t i = 0; host_sim_name(h, i); i++) {
            strbuf_printf(&all, "%s%s", i ? "," : "", host_sim_name(h, i));
        }
        strbuf_putc(&all, ' ');
        host_destroy(h);
        sim_destroy(s);
    } while (choice_path_next(&path));
    assert_string_equal(strbuf_str(&all), "old,d0 old,new,d0 kept,new,d0 kept,d0 ");
    strbuf_free(&all);
    choice_path_fini(&path);
}

static void slow_work(struct call *c)
{
    c->ret = file_put(c->f, 0, 1, 512, 0);
}

static void slow_flush(struct call *c)
{
    c->ret = c->f->host->ops->flush(c->f);
}

static void slow_create(struct call *c)
{
    c->ret = c->h->ops->create(c->h, "a", 100);
}

static void test_power_cut_kills_open_files(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.profile = "ssd";
    struct host *h = host_sim_create(s, &cfg);
    const struct host_ops *o = h->ops;
    o->create(h, "a", 1 * MIB);
    struct host_file *f = open_file(h, "a", HOST_WRITE), *g;
    o->lock(f, 1, 1, HOST_LOCK_EXCLUSIVE);
    struct call calls[] = {
        { .s = s, .fn = slow_work, .f = f, .h = h },
        { .s = s, .fn = slow_flush, .f = f, .h = h },
        { .s = s, .fn = slow_create, .f = f, .h = h },
    };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        co_create(s, "call", 0, call_co, &calls[i]);
    }
    sim_run(s, NULL, NS_PER_US, 0);
    assert_true(host_sim_is_on(h));
    host_sim_power_cut(h);
    host_sim_power_cut(h);
    assert_false(host_sim_is_on(h));
    sim_settle(s, 0);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        assert_true(calls[i].done);
        assert_int_equal(calls[i].ret, -EIO);
    }
    assert_int_equal(o->open(h, "a", 0, &g), -EIO);
    assert_int_equal(o->create(h, "b", 0), -EIO);
    assert_int_equal(o->unlink(h, "a"), -EIO);
    assert_int_equal(o->rename(h, "a", "b"), -EIO);
    host_sim_power_on(h);
    struct host_info info;
    bool data;
    uint64_t n;
    uint8_t p[1];
    struct iovec iov;
    struct iobuf b = iobuf_mem(&iov, p, 1);
    assert_int_equal(o->info(f, &info), -EIO);
    assert_int_equal(o->read(f, 0, &b), -EIO);
    assert_int_equal(o->write(f, 0, &b, 0), -EIO);
    assert_int_equal(o->zero(f, 0, 1, false), -EIO);
    assert_int_equal(o->flush(f), -EIO);
    assert_int_equal(o->reflag(f, 0), -EIO);
    assert_int_equal(o->status(f, 0, 1, &data, &n), -EIO);
    assert_int_equal(o->lock(f, 0, 1, HOST_LOCK_SHARED), -EIO);
    assert_int_equal(o->lock_test(f, 0, 1, false), -EIO);
    /* "a" may have been lost: it was never flushed. */
    if (host_sim_name(h, 0)) {
        g = open_file(h, "a", HOST_WRITE);
        assert_int_equal(o->lock(g, 1, 1, HOST_LOCK_EXCLUSIVE), 0);
        o->close(g);
    }
    o->close(f);
    host_destroy(h);
    sim_destroy(s);
}

static void slow_unmap(struct call *c)
{
    c->ret = c->f->host->ops->zero(c->f, 0, 1 * MIB, true);
}

static void slow_grow(struct call *c)
{
    c->ret = file_put(c->f, 2 * MIB, 7, 4096, 0);
    c->ret = c->ret ? c->ret : file_put(c->f, 3 * MIB, 8, 4096, 0);
}

/* While zeroes make a file longer, a write beyond them makes it longer still. */
static void test_zeroes_beyond_the_end_take_nothing_away(void **state)
{
    (void)state;
    for (int64_t after_ns = 0; after_ns < 200 * NS_PER_US; after_ns += 5 * NS_PER_US) {
        struct sim *s = world();
        struct disk_config cfg = DISK_CONFIG_INIT;
        cfg.profile = "ssd";
        struct host *h = host_sim_create(s, &cfg);
        h->ops->create(h, "a", 0);
        struct host_file *f = open_file(h, "a", HOST_WRITE);
        struct call zero = { .s = s, .fn = slow_unmap, .f = f, .h = h };
        struct call grow = { .s = s, .fn = slow_grow, .f = f, .h = h };
        co_create(s, "zero", 0, call_co, &zero);
        if (after_ns) {
            sim_run(s, NULL, after_ns, 0);
        }
        co_create(s, "grow", 0, call_co, &grow);
        sim_run(s, &zero.done, SIM_FOREVER, 0);
        sim_run(s, &grow.done, SIM_FOREVER, 0);
        assert_true(zero.done && grow.done);
        assert_int_equal(zero.ret, 0);
        assert_int_equal(grow.ret, 0);
        assert_int_equal(size_of(f), 3 * MIB + 4096);
        struct disk *d = host_sim_disk(h, "a");
        assert_byte(d, 2 * MIB, 7, 4096);
        assert_byte(d, 3 * MIB, 8, 4096);
        h->ops->close(f);
        host_destroy(h);
        sim_destroy(s);
    }
}

static void test_no_flush_and_fua(void **state)
{
    (void)state;
    struct sim *s = world();
    struct host *h = sim_host(s, 0);
    const struct host_ops *o = h->ops;
    o->create(h, "a", 1 * MIB);
    struct disk *d = host_sim_disk(h, "a");
    struct host_file *f = open_file(h, "a", HOST_WRITE | HOST_NO_FLUSH);
    file_put(f, 0, 1, 512, 0);
    file_put(f, 0, 1, 512, DISK_FUA);
    assert_int_equal(o->flush(f), 0);
    assert_int_equal(disk_stats(d).volatile_writes, 2);
    assert_int_equal(disk_stats(d).ops[DISK_FLUSH], 0);
    o->reflag(f, HOST_WRITE);
    file_put(f, 4096, 1, 512, DISK_FUA);
    assert_int_equal(disk_stats(d).volatile_writes, 2);
    assert_int_equal(o->flush(f), 0);
    assert_int_equal(disk_stats(d).volatile_writes, 0);
    o->close(f);
    host_destroy(h);
    sim_destroy(s);
}

static void test_the_directory_journal_is_bounded(void **state)
{
    (void)state;
    struct choice_path path = { 0 };
    struct sim_config cfg = { .policy = CHOICE_ENUMERATE, .path = &path };
    struct sim *s = sim_create(&cfg);
    struct host *h = sim_host(s, 0);
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        assert_int_equal(h->ops->create(h, name, 0), 0);
    }
    host_sim_power_cut(h); /* First path: all that may be lost is. */
    size_t n = 0;
    while (host_sim_name(h, n)) {
        n++;
    }
    assert_int_equal(n, 300 - 256);
    host_destroy(h);
    sim_destroy(s);
    choice_path_fini(&path);
}

static void test_a_bad_configuration_shows_at_create(void **state)
{
    (void)state;
    struct sim *s = world();
    struct disk_config cfg = DISK_CONFIG_INIT;
    cfg.logical = 3;
    struct host *h = host_sim_create(s, &cfg);
    assert_int_equal(h->ops->create(h, "a", 0), -EINVAL);
    host_destroy(h);
    sim_destroy(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_their_errors),
        cmocka_unit_test(test_a_disk_is_a_file),
        cmocka_unit_test(test_files_grow_and_shrink),
        cmocka_unit_test(test_direct_and_read_only),
        cmocka_unit_test(test_locks_belong_to_the_open),
        cmocka_unit_test(test_short_counts_are_carried_on),
        cmocka_unit_test(test_directory_changes_may_be_lost),
        cmocka_unit_test(test_power_cut_kills_open_files),
        cmocka_unit_test(test_zeroes_beyond_the_end_take_nothing_away),
        cmocka_unit_test(test_no_flush_and_fua),
        cmocka_unit_test(test_the_directory_journal_is_bounded),
        cmocka_unit_test(test_a_bad_configuration_shows_at_create),
    };
    return cmocka_run_group_tests_name("sim/host_sim", tests, NULL, NULL);
}
