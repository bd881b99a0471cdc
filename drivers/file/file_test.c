/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

#include "sim/disk.h"
#include "sim/fault.h"

static void init(struct world *w)
{
    world_init(w);
    world_file(w, "a", 1 << 20);
}

static void what_cannot_be_opened(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_fails(&w, "{'driver':'file','node-name':'f','filename':'nope'}",
              "Could not open 'nope': No such file or directory");
    add_fails(&w, "{'driver':'file','node-name':'f','filename':''}",
              "The 'file' block driver requires a file name");
    add_fails(&w, "{'driver':'file','node-name':'f'}", "Parameter 'filename' is missing");
    add_fails(&w, "{'driver':'file','node-name':'f','filename':'a','aio':'native'}",
              "aio=native was specified, but it requires cache.direct=on, which was not "
              "specified.");
    add_fails(&w, "{'driver':'file','node-name':'f','filename':'zz','pr-manager':'x'}",
              "No persistent reservation manager with id 'x'");
    add_fails(&w, "{'driver':'file','node-name':'f','filename':'a','aio':'x'}",
              "Parameter 'aio' does not accept value 'x'");
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a','aio':'native',"
               "'cache':{'direct':true}}");
    assert_int_equal(layer_find_node(w.layer, "f")->limits.request_alignment, 512);
    world_fini(&w);
}

/* The node's length is in sectors, the file's to the byte; the file grows to what was written. */
static void the_last_sector_of_an_odd_file(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_file(&w, "odd", 1000);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'odd'}");
    struct backend *b = attach_ok(&w, "f", USE_RW);
    assert_int_equal(io_length(layer_find_node(w.layer, "f")), 1024);
    assert_int_equal(read_byte(&w, b, 512, 512, 0), 0);
    assert_int_equal(write_byte(&w, b, 1000, 8, 1), 0);
    assert_int_equal(disk_size(host_sim_disk(w.host, "odd")), 1008);
    assert_int_equal(read_byte(&w, b, 1000, 8, 1), 0);
    assert_int_equal(read_byte(&w, b, 1008, 16, 0), 0);
    assert_int_equal(write_byte(&w, b, 1024, 1, 1), -EIO);
    int64_t bytes = 16;
    assert_int_equal(status_at(&w, b, 1008, &bytes) & (STATUS_DATA | STATUS_ZERO), STATUS_ZERO);
    detach(&w, b);
    world_fini(&w);
}

static void zeroing_and_discard_on_the_host(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a','discard':'unmap'}");
    struct backend *b = attach_ok(&w, "f", USE_RW);
    struct disk *d = host_sim_disk(w.host, "a");
    assert_int_equal(write_byte(&w, b, 0, 65536, 7), 0);
    assert_int_equal(disk_allocated_bytes(d), 65536);
    assert_int_equal(discard_range(&w, b, 0, 4096), 0);
    assert_int_equal(disk_allocated_bytes(d), 61440);
    assert_int_equal(zero_range(&w, b, 8192, 8192, IO_MAY_UNMAP), 0);
    assert_int_equal(disk_allocated_bytes(d), 53248);
    int64_t bytes = 65536;
    assert_true(status_at(&w, b, 4096, &bytes) & STATUS_DATA);
    assert_int_equal(bytes, 4096);
    assert_int_equal(read_byte(&w, b, 8192, 8192, 0), 0);
    assert_int_equal(read_byte(&w, b, 16384, 4096, 7), 0);
    detach(&w, b);
    world_fini(&w);
}

static void resizing(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a'}");
    struct backend *b = attach_ok(&w, "f", USE_ALL);
    struct disk *d = host_sim_disk(w.host, "a");
    struct error err = ERROR_INIT;
    assert_int_equal(resize(&w, b, 2 << 20, PREALLOC_FULL, &err), 0);
    assert_int_equal(disk_size(d), 2 << 20);
    assert_int_equal(resize(&w, b, 3 << 20, PREALLOC_FALLOC, &err), 0);
    assert_int_equal(resize(&w, b, 3 << 20, PREALLOC_FULL, &err), 0);
    assert_int_equal(resize(&w, b, 512, PREALLOC_FULL, &err), -EINVAL);
    assert_string_equal(err.text, "Cannot use preallocation for shrinking files");
    err = ERROR_INIT;
    assert_int_equal(resize(&w, b, 4 << 20, PREALLOC_METADATA, &err), -ENOTSUP);
    assert_string_equal(err.text, "Unsupported preallocation mode: metadata");
    assert_int_equal(disk_size(d), 3 << 20);
    assert_int_equal(resize(&w, b, 512, PREALLOC_OFF, NULL), 0);
    assert_int_equal(disk_size(d), 512);
    detach(&w, b);
    world_fini(&w);
}

/* A host without room: the old size is back. */
static void preallocation_without_room(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    struct disk *d = host_sim_disk(w.host, "a");
    struct fault_rule full = { .kind = FAULT_ERROR, .ops = 1u << DISK_WRITE, .errnum = ENOSPC };
    assert_int_equal(disk_fault_add(d, &full, NULL), 0);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a'}");
    struct backend *b = attach_ok(&w, "f", USE_ALL);
    struct error err = ERROR_INIT;
    assert_int_equal(resize(&w, b, 2 << 20, PREALLOC_FULL, &err), -ENOSPC);
    assert_string_equal(err.text,
                        "Could not write zeros for preallocation: No space left on device");
    assert_int_equal(disk_size(d), 1 << 20);
    detach(&w, b);
    world_fini(&w);
}

/* After a flush has failed nobody knows what the host's cache holds; without cache one asks
 * again. */
static void a_failed_flush_is_remembered(void **state)
{
    (void)state;
    for (int direct = 0; direct < 2; direct++) {
        struct world w;
        init(&w);
        struct fault_rule once = { .kind = FAULT_ERROR, .ops = 1u << DISK_FLUSH, .count = 1 };
        assert_int_equal(disk_fault_add(host_sim_disk(w.host, "a"), &once, NULL), 0);
        add_ok(&w, direct ? "{'driver':'file','node-name':'f','filename':'a',"
                            "'cache':{'direct':true}}"
                          : "{'driver':'file','node-name':'f','filename':'a'}");
        struct backend *b = attach_ok(&w, "f", USE_RW);
        assert_int_equal(write_byte(&w, b, 0, 512, 1), 0);
        assert_int_equal(flush(&w, b), -EIO);
        assert_int_equal(flush(&w, b), direct ? 0 : -EIO);
        detach(&w, b);
        world_fini(&w);
    }
}

#define LOCKER(name, perms)                                                                      \
    "{'driver':'blkdebug','node-name':'" name "','image':{'driver':'file','filename':'a'}," perms \
    "}"

/* Two nodes of one file, as two processes would: the second is told which lock it cannot have. */
static void locks_conflict_within_the_process(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, LOCKER("b", "'unshare-child-perms':['write']"));
    add_fails(&w, LOCKER("c", "'take-child-perms':['write']"), "Failed to get \"write\" lock");
    add_ok(&w, LOCKER("e", "'take-child-perms':['consistent-read']"));
    add_fails(&w, LOCKER("d", "'unshare-child-perms':['consistent-read','resize']"),
              "Failed to get shared \"consistent read\" lock");
    del_ok(&w, "b");
    add_ok(&w, LOCKER("c", "'take-child-perms':['write','resize','write-unchanged']"));
    add_fails(&w, LOCKER("d", "'unshare-child-perms':['write']"),
              "Failed to get shared \"write\" lock");
    add_fails(&w, LOCKER("d", "'unshare-child-perms':['write-unchanged']"),
              "Failed to get shared \"write unchanged\" lock");
    add_fails(&w, LOCKER("d", "'unshare-child-perms':['resize']"),
              "Failed to get shared \"resize\" lock");
    world_fini(&w);
}

/* A refused change leaves no lock behind, and one that goes gives its locks back. */
static void a_refused_change_leaves_nothing(void **state)
{
    (void)state;
    struct world w;
    struct error err = ERROR_INIT;
    init(&w);
    add_ok(&w, LOCKER("b", "'unshare-child-perms':['write']"));
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a'}");
    assert_null(attach(&w, "f", USE_RW, &err));
    assert_string_equal(err.text, "Failed to get \"write\" lock");
    struct backend *reader = attach_ok(&w, "f", PERM_CONSISTENT_READ);
    struct host_file *probe;
    assert_int_equal(w.host->ops->open(w.host, "a", 0, &probe), 0);
    assert_int_equal(w.host->ops->lock_test(probe, 100, 1, true), -EAGAIN);
    assert_int_equal(w.host->ops->lock_test(probe, 101, 1, true), 0);
    assert_int_equal(w.host->ops->lock_test(probe, 201, 1, true), -EAGAIN);
    assert_int_equal(w.host->ops->lock_test(probe, 203, 1, true), -EAGAIN);
    detach(&w, reader);
    assert_int_equal(w.host->ops->lock_test(probe, 100, 1, true), 0);
    assert_int_equal(w.host->ops->lock_test(probe, 203, 1, true), 0);
    w.host->ops->close(probe);
    world_fini(&w);
}

static void locking_can_be_off(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, LOCKER("b", "'unshare-child-perms':['write']"));
    add_ok(&w, "{'driver':'blkdebug','node-name':'c','take-child-perms':['write'],"
               "'image':{'driver':'file','filename':'a','locking':'off'}}");
    add_fails(&w,
              "{'driver':'blkdebug','node-name':'d','take-child-perms':['write'],"
              "'image':{'driver':'file','filename':'a','locking':'on'}}",
              "Failed to get \"write\" lock");
    world_fini(&w);
}

/* Somebody else's exclusive lock on the bytes themselves. */
static void foreign_locks(void **state)
{
    (void)state;
    struct world w;
    struct error err = ERROR_INIT;
    init(&w);
    struct host_file *other;
    assert_int_equal(w.host->ops->open(w.host, "a", HOST_WRITE, &other), 0);
    assert_int_equal(w.host->ops->lock(other, 100, 200, HOST_LOCK_EXCLUSIVE), 0);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a'}");
    assert_null(attach(&w, "f", USE_RW, &err));
    assert_string_equal(err.text, "Failed to lock byte 100");
    w.host->ops->close(other);
    detach(&w, attach_ok(&w, "f", USE_RW));
    world_fini(&w);
}

static void auto_read_only_opens_for_writing_when_needed(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a','auto-read-only':true}");
    struct backend *reader = attach_ok(&w, "f", PERM_CONSISTENT_READ);
    struct backend *writer = attach_ok(&w, "f", USE_RW);
    assert_int_equal(write_byte(&w, writer, 0, 512, 1), 0);
    detach(&w, writer);
    assert_int_equal(read_byte(&w, reader, 0, 512, 1), 0);
    detach(&w, reader);
    add_ok(&w, "{'driver':'file','node-name':'ro','filename':'a','read-only':true}");
    struct error err = ERROR_INIT;
    assert_null(attach(&w, "ro", USE_RW, &err));
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_opened),
        cmocka_unit_test(the_last_sector_of_an_odd_file),
        cmocka_unit_test(zeroing_and_discard_on_the_host),
        cmocka_unit_test(resizing),
        cmocka_unit_test(preallocation_without_room),
        cmocka_unit_test(a_failed_flush_is_remembered),
        cmocka_unit_test(locks_conflict_within_the_process),
        cmocka_unit_test(a_refused_change_leaves_nothing),
        cmocka_unit_test(locking_can_be_off),
        cmocka_unit_test(foreign_locks),
        cmocka_unit_test(auto_read_only_opens_for_writing_when_needed),
    };
    return cmocka_run_group_tests_name("drivers/file", tests, NULL, NULL);
}
