/* SPDX-License-Identifier: MIT */
/* Descriptors of a host: passed, put into sets, opened from there, and gone. */
#include "base/mem.h"
#include "sim/host_fd.h"
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

struct fixture {
    struct sim *sim;
    struct host *host;
};

static void init(struct fixture *f)
{
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_FIFO };
    struct disk_config disk = DISK_CONFIG_INIT;
    struct disk *d;
    f->sim = sim_create(&cfg);
    f->host = host_sim_create(f->sim, &disk);
    disk.size = 4096;
    assert_int_equal(disk_create(f->sim, "a", &disk, &d, NULL), 0);
    assert_int_equal(host_sim_add_disk(f->host, d), 0);
}

static void fini(struct fixture *f)
{
    host_destroy(f->host); /* Checks that no file is open. */
    sim_destroy(f->sim);
}

static int64_t add(struct fixture *f, uint32_t flags, int64_t id)
{
    int64_t fd = -1;
    assert_int_equal(host_fd_pass(f->host, "a", flags), 0);
    assert_int_equal(host_fdset_add(f->host, &id, NULL, &fd, NULL), 0);
    return fd;
}

/* Numbers are the lowest that are free, those of what waits and of names included. */
static void test_numbers(void **state)
{
    struct fixture f;
    (void)state;
    init(&f);
    assert_int_equal(add(&f, 0, 1), HOST_FD_FIRST);
    assert_int_equal(host_fd_pass(f.host, "a", 0), 0);
    assert_int_equal(host_fd_name(f.host, "n", NULL), 0);
    assert_int_equal(add(&f, 0, 2), HOST_FD_FIRST + 2);
    assert_int_equal(host_fd_close(f.host, "n", NULL), 0);
    assert_int_equal(add(&f, 0, 2), HOST_FD_FIRST + 1);
    fini(&f);
}

/* A file that was opened from a set outlives the descriptor that it came from, and the set with it;
 * then both are gone. */
static void test_duplicates_keep_the_set(void **state)
{
    struct fixture f;
    struct host_file *one, *two;
    int64_t id, fd;
    const char *opaque;
    (void)state;
    init(&f);
    fd = add(&f, HOST_WRITE, 7);
    assert_int_equal(host_open(f.host, "/dev/fdset/7", HOST_WRITE, &one, NULL), 0);
    assert_int_equal(host_open(f.host, "/dev/fdset/7", HOST_WRITE, &two, NULL), 0);
    assert_ptr_equal(one, two);
    assert_int_equal(host_fdset_remove(f.host, 7, fd, NULL), 0);
    assert_true(host_fdset_at(f.host, 0, &id));
    assert_false(host_fdset_fd(f.host, 7, 0, &fd, &opaque));
    host_close(f.host, "/dev/fdset/7", one);
    assert_true(host_fdset_at(f.host, 0, &id));
    host_close(f.host, "/dev/fdset/7", two);
    assert_false(host_fdset_at(f.host, 0, &id));
    fini(&f);
}

/* Duplicates share their locks; going from reading to writing they change to another member. */
static void test_locks_and_access(void **state)
{
    struct fixture f;
    struct host_file *a, *b;
    struct error err = ERROR_INIT;
    (void)state;
    init(&f);
    add(&f, 0, 1);
    assert_int_equal(host_open(f.host, "/dev/fdset/1", 0, &a, NULL), 0);
    assert_int_equal(host_open(f.host, "/dev/fdset/1", HOST_WRITE, &b, &err), -EACCES);
    assert_string_equal(err.text,
                        "Could not dup FD for /dev/fdset/1 flags 2: Permission denied");
    assert_int_equal(host_reflag(f.host, "/dev/fdset/1", &a, HOST_WRITE, NULL), -EACCES);
    add(&f, HOST_WRITE, 1);
    assert_int_equal(host_reflag(f.host, "/dev/fdset/1", &a, HOST_WRITE, NULL), 0);
    assert_int_equal(host_open(f.host, "/dev/fdset/1", HOST_WRITE, &b, NULL), 0);
    assert_int_equal(f.host->ops->lock(a, 0, 1, HOST_LOCK_EXCLUSIVE), 0);
    assert_int_equal(f.host->ops->lock_test(b, 0, 1, true), 0);
    host_close(f.host, "/dev/fdset/1", b);
    host_close(f.host, "/dev/fdset/1", a);
    fini(&f);
}

/* Names that only begin like a set's. */
static void test_names(void **state)
{
    static const char *const names[] = { "/dev/fdset/", "/dev/fdset/x", "/dev/fdset/-1",
                                         "/dev/fdset/1x", "/dev/fdset/99999999999" };
    struct fixture f;
    struct host_file *file;
    (void)state;
    init(&f);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(host_open(f.host, names[i], 0, &file, &err), -EINVAL);
        assert_non_null(strstr(err.text, "Could not parse fdset"));
    }
    assert_false(host_is_fdset("/dev/fdsets/1"));
    assert_int_equal(host_open(f.host, "b", 0, &file, NULL), -ENOENT);
    fini(&f);
}

/* There is an end to it. */
static void test_limit(void **state)
{
    struct fixture f;
    (void)state;
    init(&f);
    for (int i = 0; i < HOST_FDS_MAX; i++) {
        add(&f, 0, 0);
    }
    assert_int_equal(host_fd_pass(f.host, "a", 0), -EMFILE);
    host_fds_reset(f.host);
    assert_int_equal(add(&f, 0, 0), HOST_FD_FIRST);
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),         cmocka_unit_test(test_duplicates_keep_the_set),
        cmocka_unit_test(test_locks_and_access), cmocka_unit_test(test_names),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests_name("sim/host_fd", tests, NULL, NULL);
}
