/* SPDX-License-Identifier: MIT */
/* Real files beside a running QEMU: image locks hold both ways.  Skipped where the programs are
 * not installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    struct place *p = place_make();
    world_file(&p->w, "a", 1 << 20);
    *state = p;
    return 0;
}

/* Starts a storage daemon with one --blockdev and waits until it serves its monitor. */
static pid_t start_daemon(const struct place *p, const char *blockdev, int *monitor)
{
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(p->dir) == 0 && dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1) {
            close(in[1]);
            close(out[0]);
            execlp("qemu-storage-daemon", "qemu-storage-daemon", "--blockdev", blockdev,
                   "--chardev", "stdio,id=c", "--monitor", "c", (char *)NULL);
        }
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    struct pollfd ready = { .fd = out[0], .events = POLLIN };
    assert_int_equal(poll(&ready, 1, 20000), 1);
    char greeting[64];
    assert_true(read(out[0], greeting, sizeof(greeting)) > 0);
    close(out[0]);
    *monitor = in[1];
    return pid;
}

static void stop_daemon(pid_t pid, int monitor)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(monitor);
}

/* Runs a command in the directory; true when its output holds text. */
static bool says(const struct place *p, const char *command, const char *text)
{
    char *line = mem_printf("cd %s && %s 2>&1 </dev/null", p->dir, command);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    char output[4096];
    size_t n = fread(output, 1, sizeof(output) - 1, f);
    output[n] = '\0';
    pclose(f);
    free(line);
    if (!strstr(output, text)) {
        print_message("%s: %s", command, output);
        return false;
    }
    return true;
}

#define FILE_A "'image':{'driver':'file','filename':'a'}"

static void qemu_holds_the_image(void **state)
{
    struct place *p = *state;
    if (!place_has("qemu-storage-daemon")) {
        skip();
    }
    int monitor;
    pid_t pid = start_daemon(p,
                             "driver=blkdebug,node-name=d,unshare-child-perms.0=write,"
                             "image.driver=file,image.filename=a",
                             &monitor);
    struct error err = ERROR_INIT;
    add_ok(&p->w, "{'driver':'file','node-name':'f','filename':'a'}");
    assert_null(attach(&p->w, "f", USE_RW, &err));
    assert_string_equal(err.text, "Failed to get \"write\" lock");
    detach(&p->w, attach_ok(&p->w, "f", PERM_CONSISTENT_READ));
    add_fails(&p->w,
              "{'driver':'blkdebug','node-name':'b','take-child-perms':['write']," FILE_A "}",
              "Failed to get \"write\" lock");
    stop_daemon(pid, monitor);
    detach(&p->w, attach_ok(&p->w, "f", USE_RW));
}

static void qemu_writes_the_image(void **state)
{
    struct place *p = *state;
    if (!place_has("qemu-storage-daemon")) {
        skip();
    }
    int monitor;
    pid_t pid = start_daemon(p,
                             "driver=blkdebug,node-name=d,take-child-perms.0=write,"
                             "image.driver=file,image.filename=a",
                             &monitor);
    add_fails(&p->w,
              "{'driver':'blkdebug','node-name':'b','unshare-child-perms':['write']," FILE_A "}",
              "Failed to get shared \"write\" lock");
    stop_daemon(pid, monitor);
    add_ok(&p->w,
           "{'driver':'blkdebug','node-name':'b','unshare-child-perms':['write']," FILE_A "}");
}

static void we_hold_the_image(void **state)
{
    struct place *p = *state;
    if (!place_has("qemu-io")) {
        skip();
    }
    add_ok(&p->w,
           "{'driver':'blkdebug','node-name':'b','unshare-child-perms':['write']," FILE_A "}");
    assert_true(says(p, "qemu-io -f raw -c 'write 0 512' a", "Failed to get \"write\" lock"));
    assert_true(says(p, "qemu-io -r -f raw -c 'read 0 512' a", "read 512/512"));
    del_ok(&p->w, "b");
    assert_true(says(p, "qemu-io -f raw -c 'write -P 7 0 512' a", "wrote 512/512"));
    add_ok(&p->w, "{'driver':'raw','node-name':'r','file':{'driver':'file','filename':'a'}}");
    struct backend *b = attach_ok(&p->w, "r", USE_RW);
    assert_int_equal(read_byte(&p->w, b, 0, 512, 7), 0);
    assert_int_equal(write_byte(&p->w, b, 512, 512, 8), 0);
    assert_int_equal(flush(&p->w, b), 0);
    assert_true(says(p, "qemu-io -r -f raw -c 'read -P 8 512 512' a", "read 512/512"));
    detach(&p->w, b);
}

/* How our process has a file open: O_RDONLY or O_RDWR; -1: not. */
static int access_mode(const struct place *p, const char *name)
{
    char *path = mem_printf("%s/%s", p->dir, name);
    struct stat want, have;
    assert_int_equal(stat(path, &want), 0);
    free(path);
    for (int fd = 3; fd < 1024; fd++) {
        if (fstat(fd, &have) == 0 && have.st_dev == want.st_dev && have.st_ino == want.st_ino) {
            return fcntl(fd, F_GETFL) & O_ACCMODE;
        }
    }
    return -1;
}

static void auto_read_only_follows_the_parents(void **state)
{
    struct place *p = *state;
    add_ok(&p->w, "{'driver':'file','node-name':'f','filename':'a','auto-read-only':true}");
    assert_int_equal(access_mode(p, "a"), O_RDONLY);
    struct backend *reader = attach_ok(&p->w, "f", PERM_CONSISTENT_READ);
    assert_int_equal(access_mode(p, "a"), O_RDONLY);
    struct backend *writer = attach_ok(&p->w, "f", USE_RW);
    assert_int_equal(access_mode(p, "a"), O_RDWR);
    assert_int_equal(write_byte(&p->w, writer, 0, 512, 3), 0);
    detach(&p->w, writer);
    assert_int_equal(access_mode(p, "a"), O_RDONLY);
    detach(&p->w, reader);
    del_ok(&p->w, "f");
    assert_int_equal(access_mode(p, "a"), -1);
}

/* Holes, sizes and preallocation of a real file system. */
static void a_real_file(void **state)
{
    struct place *p = *state;
    struct error err = ERROR_INIT;
    add_ok(&p->w, "{'driver':'file','node-name':'f','filename':'a','discard':'unmap'}");
    struct backend *b = attach_ok(&p->w, "f", USE_ALL);
    assert_int_equal(write_byte(&p->w, b, 131072, 65536, 9), 0);
    int64_t bytes = 1 << 20;
    assert_int_equal(status_at(&p->w, b, 0, &bytes) & (STATUS_DATA | STATUS_ZERO), STATUS_ZERO);
    assert_int_equal(bytes, 131072);
    assert_int_equal(discard_range(&p->w, b, 131072, 65536), 0);
    assert_int_equal(read_byte(&p->w, b, 131072, 65536, 0), 0);
    assert_int_equal(resize(&p->w, b, 2 << 20, PREALLOC_FALLOC, &err), 0);
    assert_int_equal(resize(&p->w, b, 1000, PREALLOC_OFF, &err), 0);
    assert_int_equal(io_length(layer_find_node(p->w.layer, "f")), 1024);
    assert_int_equal(write_byte(&p->w, b, 1000, 8, 1), 0);
    assert_int_equal(read_byte(&p->w, b, 1008, 16, 0), 0);
    detach(&p->w, b);
    add_fails(&p->w, "{'driver':'file','node-name':'d','filename':'.'}",
              "Could not open '.': Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(qemu_holds_the_image, setup, place_teardown),
        cmocka_unit_test_setup_teardown(qemu_writes_the_image, setup, place_teardown),
        cmocka_unit_test_setup_teardown(we_hold_the_image, setup, place_teardown),
        cmocka_unit_test_setup_teardown(auto_read_only_follows_the_parents, setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_real_file, setup, place_teardown),
    };
    return cmocka_run_group_tests_name("drivers/file/qemu", tests, NULL, NULL);
}
