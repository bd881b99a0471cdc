/* SPDX-License-Identifier: MIT */
/* The real target on the installed QEMU. */
#include "scenarios/real/real_test.h"

#include "sim/sim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void start(struct fixture *f, int64_t reply_ns)
{
    start_kind(f, REAL_QEMU, NULL, reply_ns);
}

/* How many files there are but "." and "..", whose name has the text. */
static int count_files(const char *dir, const char *text)
{
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        n += e->d_name[0] != '.' && strstr(e->d_name, text);
    }
    if (d) {
        closedir(d);
    }
    return n;
}

/* ---- helpers ---- */

static char *ask(struct fixture *f, const char *request)
{
    struct target_call call = { 0 };
    f->t->ops->qmp(f->t, request, strlen(request), &call);
    assert_int_equal(f->t->ops->run(f->t, &call.done, SIM_FOREVER), 0);
    char *text = call.reply ? json_dumps(call.reply, JSON_COMPACT | JSON_SORT_KEYS)
                            : mem_strdup(call.died ? "died" : "nothing");
    f->t->ops->forget(f->t, &call);
    target_call_fini(&call);
    return text;
}

static void expect(struct fixture *f, const char *request, const char *reply)
{
    char *text = ask(f, request);
    assert_string_equal(text, reply);
    free(text);
}

static int split(char *text, char **words)
{
    int n = 0;
    char *save = NULL;
    for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        words[n++] = w;
    }
    words[n] = NULL;
    return n;
}

static void begin(struct fixture *f, const char *node, const char *command,
                  struct target_call *call)
{
    char *copy = mem_strdup(command), *words[32];
    int n = split(copy, words);
    f->t->ops->io(f->t, node, n, words, call);
    free(copy);
}

/* The first line of the output; "!" and the error's text when it failed. */
static void io(struct fixture *f, const char *node, const char *command, const char *expected)
{
    struct target_call call = { 0 };
    begin(f, node, command, &call);
    assert_int_equal(f->t->ops->run(f->t, &call.done, SIM_FOREVER), 0);
    const char *out = call.output.text ? call.output.text : "";
    char *got = call.died     ? mem_strdup("died")
                : call.failed ? mem_printf("!%s", call.err.text)
                              : mem_strndup(out, strcspn(out, "\n"));
    assert_string_equal(got, expected);
    free(got);
    f->t->ops->forget(f->t, &call);
    target_call_fini(&call);
}

static const char ok[] = "{\"return\":{}}";

#define NULL_NODE(name) \
    "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'" name "'," \
    "'size':1048576,'read-zeroes':true}}"

static const json_t *event_at(const struct fixture *f, size_t i)
{
    return json_array_get(f->t->events, i);
}

static const char *event_name(const struct fixture *f, size_t i)
{
    const char *name = json_string_value(json_object_get(event_at(f, i), "event"));
    return name ? name : "";
}

/* ---- QMP ---- */

static void commands_replies_events(void **state)
{
    struct fixture *f = *state;
    start(f, 0);
    expect(f, NULL_NODE("n0"), ok);
    expect(f, "{\"execute\":\"query-status\"}",
           "{\"return\":{\"running\":true,\"singlestep\":false,\"status\":\"running\"}}");
    assert_int_equal(json_array_size(f->t->events), 0);
    expect(f, "{\"execute\":\"stop\"}", ok);
    assert_string_equal(event_name(f, 0), "STOP");
    json_t *request = json_pack("{s:s}", "execute", "cont");
    struct target_call call = { 0 };
    f->t->ops->qmp_value(f->t, request, &call);
    assert_int_equal(f->t->ops->run(f->t, &call.done, SIM_FOREVER), 0);
    assert_null(json_object_get(call.reply, "id"));
    target_call_fini(&call);
    json_decref(request);
    assert_string_equal(event_name(f, 1), "RESUME");
    assert_true(target_real_has_command(f->t, "blockdev-add"));
    assert_false(target_real_has_command(f->t, "blockdev-subtract"));
}

/* Whatever bytes a script sends, there is one answer, and the next command has its own. */
static void bytes_that_are_no_command(void **state)
{
    static const char *const bytes[] = {
        "{\"execute\":\"query-name\"", "]", "tru", "[", "\"abc", "'", "42",
        "{\"execute\":\"query-name\"}{\"execute\":\"no-such\"}", "\xff", "{}", "nonsense",
        "{\"id\":",
    };
    struct fixture *f = *state;
    start(f, 0);
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        char *text = ask(f, bytes[i]);
        assert_true(i == 7 ? strcmp(text, ok) == 0 : strstr(text, "\"error\"") != NULL);
        free(text);
        expect(f, "{\"execute\":\"query-name\", \"id\":[1]}", "{\"id\":[1],\"return\":{}}");
    }
    char *text = ask(f, "");
    assert_non_null(strstr(text, "\"error\""));
    free(text);
}

static void first_negotiation_is_accepted(void **state)
{
    struct fixture *f = *state;
    start(f, 0);
    expect(f, "{\"execute\":\"query-name\"}", ok);
    expect(f, "{\"execute\":\"qmp_capabilities\"}", ok);
    expect(f, "{\"execute\":\"qmp_capabilities\"}",
           "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"Capabilities negotiation is "
           "already complete, command ignored\"}}");
}

static void descriptors_go_along(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    start(f, 0);
    char *path = mem_printf("%s/a.img", f->dir);
    assert_int_equal(target_real_file_make(path, 65536, false, &err), 0);
    free(path);
    assert_int_equal(target_real_pass_fd(f->t, "a.img", true, &err), 0);
    char *text = ask(f, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":1}}");
    assert_non_null(strstr(text, "\"fdset-id\":1"));
    free(text);
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'file','node-name':'f0',"
              "'filename':'/dev/fdset/1'}}", ok);
    io(f, "f0", "length", "64 KiB");
    assert_int_equal(target_real_pass_fd(f->t, "none", false, &err), -ENOENT);
    assert_string_equal(err.text, "'none': No such file or directory");
}

/* ---- io ---- */

static void io_on_nodes_frontends_block_devices(void **state)
{
    char *words[] = { (char[]){ "-drive" }, (char[]){ "if=none,id=d0,driver=null-co,size=2M" },
                      (char[]){ "-device" }, (char[]){ "ide-cd,id=cd0" } };
    struct fixture *f = *state;
    start(f, 0);
    assert_int_equal(target_real_args(f->t, 4, words, NULL), 0);
    expect(f, NULL_NODE("n0"), ok);
    expect(f, NULL_NODE("n1"), ok);
    expect(f, "{'execute':'device_add','arguments':{'driver':'virtio-blk-pci','id':'vb',"
              "'drive':'n1'}}", ok);
    io(f, "n0", "read 0 512", "read 512/512 bytes at offset 0");
    io(f, "n0", "write -P 5 1k 64k", "wrote 65536/65536 bytes at offset 1024");
    io(f, "vb", "length", "1 MiB");
    io(f, "d0", "length", "2 MiB");
    io(f, "n0", "length", "1 MiB");
    io(f, "cd0", "read 0 512", "!read failed: No medium found");
    io(f, "none", "length", "!Cannot find device='' nor node-name='none'");
    io(f, "n1", "write 0 512",
       "!Permission conflict on node 'n1': permissions 'write' are both required by an unnamed "
       "block device (uses node 'n1' as 'root' child) and unshared by block device "
       "'/machine/peripheral/vb/virtio-backend' (uses node 'n1' as 'root' child).");
    io(f, "n0", "sleep 30", "");
}

static void io_that_fails(void **state)
{
    struct fixture *f = *state;
    start(f, 0);
    expect(f, NULL_NODE("n0"), ok);
    io(f, "n0", "foo", "!command \"foo\" not found");
    io(f, "n0", "read -z 0 0", "!read: invalid option -- 'z'");
    io(f, "n0", "read 0", "!bad argument count 1 to read, expected at least 2 arguments");
    io(f, "n0", "read -q 0", "!read [-abCqv] [-P pattern [-s off] [-l len]] off len");
    io(f, "n0", "read 1x 0", "!Parsing error: non-numeric argument, or extraneous/unrecognized "
                             "suffix -- 1x");
    io(f, "n0", "read -P 1 0 512", "!Pattern verification failed at offset 0, 512 bytes");
    io(f, "n0", "write 1M 512", "!write failed: Input/output error");
    io(f, "n0", "sleep x", "!x is not a valid number");
    io(f, "n0", "resume A", "!Could not resume request: Operation not supported");
    io(f, "n0", "info", "!info failed: Operation not supported");
    io(f, "n0", "write -s none 0 512", "!none: No such file or directory");
    io(f, "n0", "aio_write 2M 512", "aio_write failed: Input/output error");
    io(f, "n0", "aio_read 0", "!bad argument count 1 to aio_read, expected at least 2 arguments");
    io(f, "n0", "aio_write -u 0 512", "!-u requires -z to be specified");
    io(f, "n0", "help none", "command none not found");
    io(f, "n0", "read 0 1k", "read 1024/1024 bytes at offset 0");
}

static void add_blkdebug(struct fixture *f)
{
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'blkdebug','node-name':'b0',"
              "'image':{'driver':'null-co','size':1048576}}}", ok);
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'raw','node-name':'r0',"
              "'file':'b0'}}", ok);
}

/* A request that waits holds neither the monitor nor other requests on the node. */
static void breakpoints_across_commands(void **state)
{
    struct fixture *f = *state;
    struct target_call held = { .background = true };
    start(f, 0);
    add_blkdebug(f);
    io(f, "r0", "break write_aio A", "");
    begin(f, "r0", "write -P 7 0 512", &held);
    io(f, "r0", "wait_break A", "");
    io(f, "r0", "aio_write 512 512", "wrote 512/512 bytes at offset 512");
    io(f, "r0", "read 4k 512", "read 512/512 bytes at offset 4096");
    assert_false(held.done);
    char *text = ask(f, "{\"execute\":\"query-block\"}");
    assert_string_equal(text, "{\"return\":[]}"); /* Our frontend is ours alone. */
    free(text);
    text = ask(f, "{\"execute\":\"x-debug-query-block-graph\"}");
    assert_null(strstr(text, "blksim"));
    assert_null(strstr(text, "\"perm\"")); /* They are not the script's. */
    free(text);
    io(f, "r0", "resume A", "");
    assert_int_equal(f->t->ops->run(f->t, &held.done, SIM_FOREVER), 0);
    assert_false(held.failed);
    assert_memory_equal(held.output.text, "wrote 512/512 bytes at offset 0\n", 32);
    target_call_fini(&held);
    io(f, "r0", "remove_break A", "!Could not remove breakpoint A: No such file or directory");
    assert_int_equal(json_array_size(f->t->events), 0);
    expect(f, "{'execute':'blockdev-del','arguments':{'node-name':'r0'}}", ok);
    assert_null(f->late.text);
}

/* Output of a request belongs to its statement, then to a flush that waits for it, then nobody. */
static void output_of_asynchronous_requests(void **state)
{
    struct fixture *f = *state;
    start(f, 0);
    add_blkdebug(f);
    io(f, "r0", "break write_aio A", "");
    io(f, "r0", "aio_write -q 0 512", "");
    io(f, "r0", "resume A", "");
    assert_null(f->late.text);
    io(f, "r0", "break write_aio A", "");
    io(f, "r0", "aio_write 0 512", "");
    io(f, "r0", "resume A", "");
    assert_memory_equal(f->late.text, "r0: wrote 512/512 bytes at offset 0\n", 36);
    io(f, "r0", "aio_read -v 0 16", "00000000:  ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab"
                                    "  ................");
}

static void reading_data(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    unsigned char *buf = mem_alloc(REAL_READ_MAX);
    start(f, 0);
    char *path = mem_printf("%s/a.img", f->dir);
    assert_int_equal(target_real_file_make(path, 2 << 20, false, &err), 0);
    assert_int_equal(target_real_file_write(path, 100, "\x11\x22\x33", 3, &err), 0);
    free(path);
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'file','node-name':'f0',"
              "'filename':'a.img'}}", ok);
    assert_int_equal(target_real_read(f->t, "f0", 0, REAL_READ_MAX, buf, &err), 0);
    assert_memory_equal(buf + 99, "\0\x11\x22\x33", 5);
    assert_int_equal(target_real_read(f->t, "f0", 101, 1, buf, &err), 0);
    assert_int_equal(buf[0], 0x22);
    assert_int_equal(target_real_read(f->t, "f0", 2 << 20, 16, buf, &err), -EIO);
    assert_string_equal(err.text, "read failed: Input/output error");
    assert_int_equal(target_real_check_byte(f->t, "f0", 103, 1 << 20, 0, NULL), 0);
    assert_int_equal(target_real_check_byte(f->t, "f0", 102, 1 << 20, 0, NULL), 1);
    assert_int_equal(target_real_check_byte(f->t, "none", 0, 512, 0, NULL), -EIO);
    free(buf);
}

static void source_files_lie_beside_the_script(void **state)
{
    struct fixture *f = *state;
    start(f, 0);
    char *path = mem_printf("%s/s.bin", f->dir);
    assert_int_equal(target_real_file_write(path, 0, "ab", 2, NULL), 0);
    free(path);
    expect(f, NULL_NODE("n0"), ok);
    io(f, "n0", "write -q -s s.bin 0 512", "");
    io(f, "n0", "write -qss.bin 0 512", "");
}

/* ---- the guest ---- */

static void pci_devices_go_at_once(void **state)
{
    struct fixture *f = *state;
    start(f, 0);
    expect(f, NULL_NODE("n0"), ok);
    expect(f, "{'execute':'device_add','arguments':{'driver':'virtio-blk-pci','id':'vb',"
              "'drive':'n0'}}", ok);
    expect(f, "{'execute':'device_del','arguments':{'id':'vb'}}", ok);
    assert_int_equal(json_array_size(f->t->events), 2);
    assert_string_equal(event_name(f, 1), "DEVICE_DELETED");
    expect(f, "{'execute':'device_add','arguments':{'driver':'virtio-scsi-pci','id':'c'}}", ok);
    expect(f, "{'execute':'device_add','arguments':{'driver':'scsi-hd','id':'sd',"
              "'drive':'n0'}}", ok);
    expect(f, "{'execute':'device_del','arguments':{'id':'sd'}}", ok);
    assert_int_equal(json_array_size(f->t->events), 3);
    /* A guest that does not run does nothing. */
    expect(f, "{'execute':'device_add','arguments':{'driver':'virtio-blk-pci','id':'vb',"
              "'drive':'n0'}}", ok);
    expect(f, "{\"execute\":\"stop\"}", ok);
    expect(f, "{'execute':'device_del','arguments':{'id':'vb'}}", ok);
    assert_int_equal(json_array_size(f->t->events), 4);
    expect(f, "{\"execute\":\"cont\"}", ok);
    assert_int_equal(json_array_size(f->t->events), 7);
}

/* ---- life and death ---- */

static pid_t only_child(void)
{
    FILE *p = fopen("/proc/self/task", "r");
    if (p) {
        fclose(p);
    }
    char *path = mem_printf("/proc/self/task/%d/children", (int)getpid());
    FILE *c = fopen(path, "r");
    int pid = 0;
    free(path);
    if (c) {
        if (fscanf(c, "%d", &pid) != 1) {
            pid = 0;
        }
        fclose(c);
    }
    return pid;
}

static void nothing_is_left(struct fixture *f, pid_t pid)
{
    f->t->ops->destroy(f->t);
    f->t = NULL;
    char *name = mem_printf("_%d", (int)pid);
    assert_true(pid > 0);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(count_files(f->dir, ""), 0);
    assert_int_equal(count_files("/dev/shm", name), 0);
    free(name);
}

static void nothing_is_left_behind(void **state)
{
    struct fixture *f = *state;
    start(f, 0);
    expect(f, NULL_NODE("n0"), ok);
    nothing_is_left(f, only_child());
}

static void a_program_that_hangs(void **state)
{
    struct fixture *f = *state;
    struct target_call call = { 0 };
    start(f, 300 * NS_PER_MS);
    expect(f, NULL_NODE("n0"), ok);
    pid_t pid = only_child();
    assert_int_equal(kill(pid, SIGSTOP), 0);
    static const char request[] = "{\"execute\":\"query-name\"}";
    f->t->ops->qmp(f->t, request, strlen(request), &call);
    assert_int_equal(f->t->ops->run(f->t, &call.done, SIM_FOREVER), -ETIME);
    assert_false(call.done);
    assert_null(target_real_death(f->t));
    struct target_call more = { 0 };
    begin(f, "n0", "read 0 512", &more);
    assert_int_equal(f->t->ops->run(f->t, &more.done, SIM_FOREVER), -ETIME);
    nothing_is_left(f, pid);
    assert_true(call.done && call.died && more.done && more.died);
    target_call_fini(&call);
    target_call_fini(&more);
}

static void a_program_that_is_killed(void **state)
{
    struct fixture *f = *state;
    struct target_call held = { .background = true };
    start(f, 0);
    add_blkdebug(f);
    io(f, "r0", "break write_aio A", "");
    begin(f, "r0", "write 0 512", &held);
    pid_t pid = only_child();
    kill(pid, SIGABRT);
    char *text = ask(f, "{\"execute\":\"query-name\"}");
    assert_string_equal(text, "died");
    free(text);
    assert_string_equal(target_real_death(f->t), "SIGABRT");
    assert_true(held.done && held.died && held.failed);
    target_call_fini(&held);
    io(f, "r0", "read 0 512", "died");
    assert_int_equal(f->t->ops->run(f->t, NULL, SIM_FOREVER), 0);
    nothing_is_left(f, pid);
}

/* The program goes with the process that has started it, however that ends. */
static void a_process_that_is_killed(void **state)
{
    struct fixture *f = *state;
    int ends[2], status;
    pid_t pid = 0;
    start(f, 0);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        expect(f, NULL_NODE("n0"), ok);
        pid = only_child();
        _exit(write(ends[1], &pid, sizeof(pid)) == sizeof(pid) ? pause() : 1);
    }
    assert_int_equal(read(ends[0], &pid, sizeof(pid)), sizeof(pid));
    assert_true(pid > 0);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) {
        usleep(5000); /* Until init has waited for it. */
    }
    char *name = mem_printf("_%d", (int)pid);
    char *path = mem_printf("/proc/%d/exe", (int)pid);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(count_files(f->dir, ""), 0);
    assert_int_equal(count_files("/dev/shm", name), 0);
    free(path);
    free(name);
    close(ends[0]);
    close(ends[1]);
}

static void power_goes_and_comes_back(void **state)
{
    struct fixture *f = *state;
    start(f, 0);
    expect(f, NULL_NODE("n0"), ok);
    assert_true(target_real_is_up(f->t));
    target_real_kill(f->t);
    assert_false(target_real_is_up(f->t));
    assert_null(target_real_death(f->t));
    expect(f, NULL_NODE("n0"), ok);
    expect(f, "{\"execute\":\"quit\"}", ok);
    bool never = false;
    while (!target_real_death(f->t)) {
        f->t->ops->run(f->t, &never, f->t->ops->now_ns(f->t) + NS_PER_MS);
    }
    assert_string_equal(target_real_death(f->t), "exit status 0");
    assert_int_equal(f->t->ops->run(f->t, &never, f->t->ops->now_ns(f->t) + NS_PER_S), -EDEADLK);
}

/* In the place of the program, in a folder of its own. */
static void write_program(const struct fixture *f, const char *text)
{
    char *path = mem_printf("%s/qemu-system-x86_64", f->dir);
    FILE *s = fopen(path, "we");
    assert_non_null(s);
    fputs(text, s);
    assert_int_equal(fchmod(fileno(s), 0755), 0);
    assert_int_equal(fclose(s), 0);
    free(path);
}

static void a_script_in_its_place(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    pid_t pid = 0;
    write_program(f, "no program\n");
    assert_null(real_version(REAL_QEMU, f->dir, &err));
    assert_non_null(strstr(err.text, "cannot execute"));
    assert_non_null(strstr(err.text, "/qemu-system-x86_64: Exec format error"));

    /* What it starts goes with it, when it ends and when it is ended. */
    write_program(f, "#!/bin/sh\nsleep 600 &\necho $! >pid\nexit 3\n");
    start_kind(f, REAL_QEMU, f->dir, 0);
    char *text = ask(f, "{\"execute\":\"query-name\"}");
    assert_string_equal(text, "died");
    free(text);
    assert_string_equal(target_real_death(f->t), "exit status 3");
    char *path = mem_printf("%s/pid", f->dir);
    FILE *s = fopen(path, "r");
    assert_true(s && fscanf(s, "%d", &pid) == 1 && pid > 1);
    fclose(s);
    free(path);
    path = mem_printf("/proc/%d/exe", (int)pid);
    for (int i = 0; i < 1000 && access(path, F_OK) == 0; i++) {
        usleep(5000); /* Until init has waited for it. */
    }
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
    assert_true(target_real_has_command(f->t, "query-name")); /* As far as anybody knows. */
}

/* A program that has closed its stderr, or never stops writing to it, is in nobody's way. */
static void a_stderr_that_is_of_no_use(void **state)
{
    static const char *const programs[] = {
        "#!/bin/sh\nexec %s \"$@\" 2>&-\n", "#!/bin/sh\nyes words >&2 &\nexec %s \"$@\"\n",
    };
    struct fixture *f = *state;
    bool never = false;
    char *real = real_find_program(NULL, "qemu-system-x86_64", NULL);
    if (!real) {
        skip();
    }
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        char *text = mem_printf(programs[i], real);
#pragma GCC diagnostic pop
        write_program(f, text);
        free(text);
        start_kind(f, REAL_QEMU, f->dir, 0);
        expect(f, NULL_NODE("n0"), ok);
        clock_t began = clock();
        f->t->ops->run(f->t, &never, f->t->ops->now_ns(f->t) + 300 * NS_PER_MS);
        assert_true(i > 0 || clock() - began < CLOCKS_PER_SEC / 10);
        io(f, "n0", "length", "1 MiB");
        f->t->ops->destroy(f->t);
        f->t = NULL;
    }
    free(real);
}

static void command_lines(void **state)
{
    char *bad[] = { (char[]){ "-drive" }, (char[]){ "if=none,file=test:a.img" } };
    char *good[] = { (char[]){ "-blockdev" }, (char[]){ "null-co,node-name=n0,size=1048576" } };
    char *warns[] = { (char[]){ "-drive" },
                      (char[]){ "if=none,driver=null-co,read-only=on,copy-on-read=on" } };
    char *stopped[] = { (char[]){ "-S" } };
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    start(f, 0);
    assert_int_equal(target_real_args(f->t, 2, bad, &err), -EINVAL);
    assert_string_equal(err.text, "Unknown protocol 'test'");
    char *text = target_real_take_warnings(f->t);
    free(text);
    assert_int_equal(target_real_args(f->t, 2, good, NULL), 0);
    io(f, "n0", "length", "1 MiB");
    assert_int_equal(target_real_args(f->t, 2, warns, NULL), 0);
    text = target_real_take_warnings(f->t);
    assert_string_equal(text, "warning: disabling copy-on-read on read-only drive\n");
    free(text);
    assert_null(target_real_take_warnings(f->t));
    io(f, "n0", "length", "1 MiB");
    assert_int_equal(target_real_args(f->t, 1, stopped, NULL), 0);
    assert_null(target_real_take_warnings(f->t)); /* It has been told of that drive. */
    expect(f, "{\"execute\":\"query-status\"}",
           "{\"return\":{\"running\":false,\"singlestep\":false,\"status\":\"prelaunch\"}}");
}

static void explained_errors(void **state)
{
    char *bad[] = { (char[]){ "-drive" }, (char[]){ "if=none,id=1x" } };
    char *none[] = { (char[]){ "-no-such-option" } };
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    start(f, 0);
    assert_int_equal(target_real_args(f->t, 2, bad, &err), -EINVAL);
    assert_string_equal(err.text, "Parameter 'id' expects an identifier");
    err = ERROR_INIT;
    assert_int_equal(target_real_args(f->t, 1, none, &err), -EINVAL);
    assert_string_equal(err.text, "invalid option");
}

static void power_cut(void **state)
{
    char *node[] = { (char[]){ "-blockdev" }, (char[]){ "null-co,node-name=n0" } };
    char *thread[] = { (char[]){ "-object" }, (char[]){ "iothread,id=t0" } };
    struct fixture *f = *state;
    start(f, 0);
    assert_int_equal(target_real_args(f->t, 2, node, NULL), 0);
    assert_int_equal(target_real_machine_args(f->t, 2, thread, NULL), 0);
    io(f, "n0", "length", "1 GiB");
    target_real_power_cut(f->t);
    expect(f, "{\"execute\":\"query-named-block-nodes\"}", "{\"return\":[]}");
    expect(f, "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/objects/t0\","
              "\"property\":\"type\"}}", "{\"return\":\"iothread\"}");
}

static void tools_and_versions(void **state)
{
    char *create[] = { (char[]){ "create" }, (char[]){ "-q" }, (char[]){ "-f" },
                       (char[]){ "qcow2" }, (char[]){ "a.qcow2" }, (char[]){ "1M" }, NULL };
    char *wrong[] = { (char[]){ "nonsense" }, NULL };
    struct fixture *f = *state;
    struct strbuf out = { 0 };
    struct error err = ERROR_INIT;
    start(f, 0);
    assert_int_equal(target_real_tool(f->t, "qemu-img", create, &out, &err), 0);
    assert_int_equal(out.len, 0);
    assert_int_equal(count_files(f->dir, "a.qcow2"), 1);
    assert_int_equal(target_real_tool(f->t, "qemu-img", wrong, &out, &err), 1);
    assert_non_null(strstr(out.text, "Command not found: nonsense"));
    strbuf_free(&out);
    char *version = real_version(REAL_QEMU, NULL, &err);
    assert_true(version && version[0] >= '1' && strchr(version, '.'));
    free(version);
    assert_null(real_version(REAL_QEMU, "/nonexistent", &err));
    assert_string_equal(err.text, "there is no qemu-system-x86_64 in /nonexistent");
}

/* The processor is halted, so the program uses no time of its own. */
static void the_processor_is_idle(void **state)
{
    struct fixture *f = *state;
    bool never = false;
    start(f, 0);
    expect(f, NULL_NODE("n0"), ok);
    char *path = mem_printf("/proc/%d/stat", (int)only_child()), line[1024];
    long ticks[2] = { 0, 0 };
    for (int i = 0; i < 2; i++) {
        FILE *s = fopen(path, "r");
        assert_non_null(s);
        assert_non_null(fgets(line, sizeof(line), s));
        fclose(s);
        long user, kernel;
        assert_int_equal(sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
                                                    "%*u %ld %ld", &user, &kernel), 2);
        ticks[i] = user + kernel;
        f->t->ops->run(f->t, &never, f->t->ops->now_ns(f->t) + 500 * NS_PER_MS);
    }
    free(path);
    assert_in_range(ticks[1] - ticks[0], 0, 10);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commands_replies_events),
        TEST(bytes_that_are_no_command),
        TEST(first_negotiation_is_accepted),
        TEST(descriptors_go_along),
        TEST(io_on_nodes_frontends_block_devices),
        TEST(io_that_fails),
        TEST(breakpoints_across_commands),
        TEST(output_of_asynchronous_requests),
        TEST(reading_data),
        TEST(source_files_lie_beside_the_script),
        TEST(pci_devices_go_at_once),
        TEST(nothing_is_left_behind),
        TEST(a_program_that_hangs),
        TEST(a_program_that_is_killed),
        TEST(a_process_that_is_killed),
        TEST(a_script_in_its_place),
        TEST(a_stderr_that_is_of_no_use),
        TEST(power_goes_and_comes_back),
        TEST(command_lines),
        TEST(explained_errors),
        TEST(power_cut),
        TEST(tools_and_versions),
        TEST(the_processor_is_idle),
    };
    return cmocka_run_group_tests_name("scenarios/real/target", tests, NULL, NULL);
}
