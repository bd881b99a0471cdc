/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

#define FILE_A "'file':{'driver':'file','filename':'a'}"

static void init(struct world *w)
{
    world_init(w);
    world_file(w, "a", 1 << 20);
}

static void a_window_shifts_and_bounds(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a'}");
    add_ok(&w, "{'driver':'raw','node-name':'r','file':'f','offset':512,'size':1024}");
    add_ok(&w, "{'driver':'raw','node-name':'all','file':'f'}");
    struct backend *r = attach_ok(&w, "r", USE_RW);
    struct backend *all = attach_ok(&w, "all", PERM_CONSISTENT_READ);
    assert_int_equal(io_length(layer_find_node(w.layer, "r")), 1024);
    assert_int_equal(write_byte(&w, r, 0, 1024, 3), 0);
    assert_int_equal(read_byte(&w, all, 0, 512, 0), 0);
    assert_int_equal(read_byte(&w, all, 512, 1024, 3), 0);
    assert_int_equal(read_byte(&w, all, 1536, 512, 0), 0);
    assert_int_equal(write_byte(&w, r, 1020, 8, 4), -EIO);
    assert_int_equal(read_byte(&w, r, 1024, 1, 0), -EIO);
    detach(&w, r);
    detach(&w, all);
    world_fini(&w);
}

static void options_that_do_not_fit(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_fails(&w, "{'driver':'raw','node-name':'r'," FILE_A ",'size':1000}",
              "Specified size is not multiple of 512");
    add_fails(&w, "{'driver':'raw','node-name':'r'," FILE_A ",'offset':2097152}",
              "Offset (2097152) cannot be greater than size of the containing file (1048576)");
    add_fails(&w, "{'driver':'raw','node-name':'r'," FILE_A ",'offset':512,'size':1048576}",
              "The sum of offset (512) and size (1048576) has to be smaller or equal to the  "
              "actual size of the containing file (1048576)");
    add_fails(&w, "{'driver':'raw','node-name':'r'," FILE_A ",'offset':-1,'size':3}",
              "Parameter 'offset' expects a non-negative number below 2^64");
    add_fails(&w, "{'driver':'raw','node-name':'r'," FILE_A ",'size':-1}",
              "Parameter 'size' expects a non-negative number below 2^64");
    add_fails(&w, "{'driver':'raw','node-name':'r','file':'zz','size':3}",
              "Cannot find device='zz' nor node-name='zz'");
    add_fails(&w, "{'driver':'raw','node-name':'r','file':{'driver':'file','filename':'zz'}}",
              "Could not open 'zz': No such file or directory");
    add_ok(&w, "{'driver':'raw','node-name':'r'," FILE_A ",'offset':1048576}");
    assert_int_equal(io_length(layer_find_node(w.layer, "r")), 0);
    world_fini(&w);
}

static void resize_moves_the_file(void **state)
{
    (void)state;
    struct world w;
    struct error err = ERROR_INIT;
    init(&w);
    add_ok(&w, "{'driver':'raw','node-name':'r'," FILE_A ",'offset':512}");
    struct backend *r = attach_ok(&w, "r", USE_ALL);
    assert_int_equal(resize(&w, r, 2 << 20, PREALLOC_OFF, &err), 0);
    assert_int_equal(disk_size(host_sim_disk(w.host, "a")), (2 << 20) + 512);
    assert_int_equal(resize(&w, r, 4096, PREALLOC_OFF, &err), 0);
    assert_int_equal(disk_size(host_sim_disk(w.host, "a")), 4096 + 512);
    assert_int_equal(resize(&w, r, 8192, PREALLOC_METADATA, &err), -ENOTSUP);
    assert_string_equal(err.text, "Unsupported preallocation mode: metadata");
    detach(&w, r);
    world_fini(&w);
}

static void a_fixed_size_stays(void **state)
{
    (void)state;
    struct world w;
    struct error err = ERROR_INIT;
    init(&w);
    add_ok(&w, "{'driver':'raw','node-name':'r'," FILE_A ",'size':1024}");
    struct backend *r = attach_ok(&w, "r", USE_ALL);
    assert_int_equal(resize(&w, r, 512, PREALLOC_OFF, &err), -ENOTSUP);
    assert_string_equal(err.text, "Cannot resize fixed-size raw disks");
    detach(&w, r);
    world_fini(&w);
}

/* A window is storage and keeps others from resizing; without one raw asks what it is asked. */
static void permissions_follow_the_role(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'a'}");
    add_ok(&w, "{'driver':'raw','node-name':'win','file':'f','offset':512}");
    struct error err = ERROR_INIT;
    assert_null(attach(&w, "f", USE_ALL, &err));
    assert_string_equal(err.text,
                        "Permission conflict on node 'f': permissions 'resize' are both required "
                        "by an unnamed block device (uses node 'f' as 'root' child) and unshared "
                        "by node 'win' (uses node 'f' as 'file' child).");
    struct backend *b = attach_ok(&w, "win", USE_RW);
    assert_int_equal(node_child(layer_find_node(w.layer, "win"), "file")->perm.used, USE_RW);
    detach(&w, b);
    del_ok(&w, "win");
    add_ok(&w, "{'driver':'raw','node-name':'whole','file':'f','offset':0}");
    struct backend *all = attach_ok(&w, "f", USE_ALL);
    detach(&w, all);
    world_fini(&w);
}

static void status_comes_from_below(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    static const char data[65536] = "x";
    world_poke(&w, "a", 131072, data, sizeof(data));
    add_ok(&w, "{'driver':'raw','node-name':'r'," FILE_A ",'offset':65536}");
    struct backend *r = attach_ok(&w, "r", USE_RW);
    int64_t bytes = 983040;
    assert_int_equal(status_at(&w, r, 0, &bytes) & (STATUS_DATA | STATUS_ZERO), STATUS_ZERO);
    assert_int_equal(bytes, 65536);
    bytes = 983040;
    assert_int_equal(status_at(&w, r, 65536, &bytes) & (STATUS_DATA | STATUS_ZERO), STATUS_DATA);
    detach(&w, r);
    world_fini(&w);
}

static void the_name_is_that_of_the_file(void **state)
{
    (void)state;
    struct world w;
    init(&w);
    add_ok(&w, "{'driver':'raw','node-name':'r'," FILE_A "}");
    add_ok(&w, "{'driver':'raw','node-name':'o'," FILE_A ",'offset':0}");
    add_ok(&w, "{'driver':'raw','node-name':'n','file':{'driver':'null-co','size':1024}}");
    static const char *const nodes[] = { "r", "o", "n" };
    static const char *const begin[] = { "a", "json:{", "json:{" };
    for (size_t i = 0; i < 3; i++) {
        char *name = node_filename(layer_find_node(w.layer, nodes[i]));
        assert_true(strncmp(name, begin[i], strlen(begin[i])) == 0);
        free(name);
    }
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_shifts_and_bounds),
        cmocka_unit_test(options_that_do_not_fit),
        cmocka_unit_test(resize_moves_the_file),
        cmocka_unit_test(a_fixed_size_stays),
        cmocka_unit_test(permissions_follow_the_role),
        cmocka_unit_test(status_comes_from_below),
        cmocka_unit_test(the_name_is_that_of_the_file),
    };
    return cmocka_run_group_tests_name("drivers/raw", tests, NULL, NULL);
}
