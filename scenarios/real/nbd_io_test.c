/* SPDX-License-Identifier: MIT */
/* io over NBD and the other ways of the storage daemon, on the installed one. */
#include "scenarios/real/nbd_io.h"

#include "base/mem.h"
#include "scenarios/real/real_test.h"
#include "sim/sim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct fixture *start(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    if (nbd_io_check(&err) < 0) {
        print_message("skipped: %s\n", err.text);
        skip();
    }
    start_kind(f, REAL_QSD, NULL, 0);
    return f;
}

static int tear_down_all(void **state)
{
    int ret = tear_down(state);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* No process is left. */
    return ret;
}

/* ---- helpers ---- */

/* Sends a request, written with ' for ", and waits. */
static void ask(struct fixture *f, const char *request, struct target_call *call)
{
    char *text = mem_strdup(request);
    for (char *c = text; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    f->t->ops->qmp(f->t, text, strlen(text), call);
    assert_int_equal(f->t->ops->run(f->t, &call->done, SIM_FOREVER), 0);
    f->t->ops->forget(f->t, call);
    free(text);
}

static void expect(struct fixture *f, const char *request, const char *reply)
{
    struct target_call call = { 0 };
    ask(f, request, &call);
    char *text = json_dumps(call.reply, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, reply);
    free(text);
    target_call_fini(&call);
}

static void begin(struct fixture *f, const char *node, const char *command,
                  struct target_call *call)
{
    char *copy = mem_strdup(command), *words[32], *save = NULL;
    int n = 0;
    for (char *w = strtok_r(copy, " ", &save); w && n < 31; w = strtok_r(NULL, " ", &save)) {
        words[n++] = w;
    }
    words[n] = NULL;
    f->t->ops->io(f->t, node, n, words, call);
    free(copy);
}

/* The output up to the statistics; "!" in front: the command failed; "?": it was not done. */
static void io(struct fixture *f, const char *node, const char *command, const char *expected)
{
    struct target_call call = { 0 };
    struct strbuf have = { 0 };
    begin(f, node, command, &call);
    assert_int_equal(f->t->ops->run(f->t, &call.done, SIM_FOREVER), 0);
    strbuf_puts(&have, call.skip ? "?" : call.failed ? "!" : "");
    const char *statistics = strstr(strbuf_str(&call.output), ", 1 ops; ");
    const char *all = strbuf_str(&call.output);
    strbuf_add(&have, all, statistics ? (size_t)(statistics - all) : call.output.len);
    assert_string_equal(strbuf_str(&have), expected);
    strbuf_free(&have);
    f->t->ops->forget(f->t, &call);
    target_call_fini(&call);
}

static void add_image(struct fixture *f, const char *file)
{
    struct error err = ERROR_INIT;
    struct strbuf out = { 0 };
    char create[] = "create", quiet[] = "-q", format[] = "-f", qcow2[] = "qcow2", size[] = "1M";
    char *name = mem_strdup(file);
    char *argv[] = { create, quiet, format, qcow2, name, size, NULL };
    assert_int_equal(target_real_tool(f->t, "qemu-img", argv, &out, &err), 0);
    strbuf_free(&out);
    free(name);
}

/* Node "q" over "f", and "n" of zeroes. */
static void add_nodes(struct fixture *f)
{
    add_image(f, "a");
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'file','node-name':'f',"
           "'filename':'a'}}", "{\"return\":{}}");
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'qcow2','node-name':'q',"
           "'file':'f'}}", "{\"return\":{}}");
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'n',"
           "'size':65536,'read-zeroes':true}}", "{\"return\":{}}");
}

static void expect_no_event(struct fixture *f)
{
    bool never = false;
    f->t->ops->run(f->t, &never, f->t->ops->now_ns(f->t) + 50 * NS_PER_MS);
    assert_int_equal(json_array_size(f->t->events), 0);
}

/* ---- stories ---- */

static void it_speaks_as_qemu_io_does(void **state)
{
    struct fixture *f = start(state);
    add_nodes(f);
    io(f, "q", "write -P 0x41 0 64k", "wrote 65536/65536 bytes at offset 0\n64 KiB");
    io(f, "q", "read -v 65532 8",
       "0000fffc:  41 41 41 41 00 00 00 00  AAAA....\nread 8/8 bytes at offset 65532\n8 bytes");
    io(f, "q", "read -q -P 0x42 0 512",
       "!Pattern verification failed at offset 0, 512 bytes\n");
    io(f, "q", "writev -P 7 128k 1k 3k", "wrote 4096/4096 bytes at offset 131072\n4 KiB");
    io(f, "q", "readv -P 7 128k 1k 3k", "read 4096/4096 bytes at offset 131072\n4 KiB");
    io(f, "q", "alloc 0 192k", "131072/196608 bytes allocated at offset 0 bytes\n");
    io(f, "q", "map", "64 KiB (0x10000) bytes     allocated at offset 0 bytes (0x0)\n"
       "64 KiB (0x10000) bytes not allocated at offset 64 KiB (0x10000)\n"
       "64 KiB (0x10000) bytes     allocated at offset 128 KiB (0x20000)\n"
       "832 KiB (0xd0000) bytes not allocated at offset 192 KiB (0x30000)\n");
    io(f, "q", "length", "1 MiB\n");
    io(f, "q", "truncate 2M", "");
    io(f, "q", "length", "2 MiB\n");
    io(f, "q", "discard 0 64k", "discard 65536/65536 bytes at offset 0\n64 KiB");
    io(f, "q", "write -z -u 128k 64k", "wrote 65536/65536 bytes at offset 131072\n64 KiB");
    io(f, "q", "flush", "");
    io(f, "q", "read -q -P 0 64k 1984k", "");
    io(f, "q", "sleep 1", "");
    io(f, "q", "write 2M 512", "!write failed: Input/output error\n");
    io(f, "q", "read -5 512", "!read: invalid option -- '5'\n"
       "read [-abCqv] [-P pattern [-s off] [-l len]] off len -- reads a number of bytes at a"
       " specified offset\n");
    io(f, "q", "raed 0 512", "!command \"raed\" not found\n");
}

static void what_hinders_it_is_said_in_qemu_io_s_words(void **state)
{
    struct fixture *f = start(state);
    add_nodes(f);
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'raw','node-name':'r',"
           "'read-only':true,'file':'n'}}", "{\"return\":{}}");
    io(f, "x", "read 0 512", "!Cannot find device='' nor node-name='x'\n");
    io(f, "x", "truncate 512", "!Cannot find device='' nor node-name='x'\n");
    io(f, "r", "write 0 512", "!Block node is read-only\n");
    io(f, "f", "write 0 512",
       "!Permission conflict on node 'f': permissions 'write' are both required by an unnamed"
       " block device (uses node 'f' as 'root' child) and unshared by node 'q' (uses node 'f' as"
       " 'file' child).\n");
    io(f, "f", "truncate 4k",
       "!Permission conflict on node 'f': permissions 'write, resize' are both required by an"
       " unnamed block device (uses node 'f' as 'root' child) and unshared by node 'q' (uses node"
       " 'f' as 'file' child).\n");
}

static void what_nbd_cannot_carry_is_not_done(void **state)
{
    struct fixture *f = start(state);
    struct error err = ERROR_INIT;
    char byte;
    add_nodes(f);
    io(f, "q", "break read_aio A", "?break: a breakpoint is not possible here\n");
    io(f, "q", "info", "?info: it is not possible here\n");
    io(f, "q", "write -c 0 64k", "?write failed: Operation not supported\n");
    io(f, "q", "truncate -m falloc 2M", "?preallocation is not possible over NBD\n");
    io(f, "f", "read 0 512",
       "?Permission conflict on node 'f': permissions 'resize' are both required by node 'q' (uses"
       " node 'f' as 'file' child) and unshared by an unnamed block device (uses node 'f' as 'root'"
       " child).\n");
    assert_int_equal(target_real_read(f->t, "f", 0, 1, &byte, &err), -ENOTSUP);
}

/* The graph and the exports are the script's alone, and so is the place of the server. */
static void it_leaves_nothing_behind(void **state)
{
    struct fixture *f = start(state);
    static const char server[] =
        "{'execute':'nbd-server-start','arguments':{'addr':{'type':'unix','data':{'path':'s'}}}}";
    add_nodes(f);
    io(f, "q", "write -q 0 512", "");
    io(f, "q", "aio_write -q 0 512", "");
    io(f, "q", "aio_flush", "");
    expect(f, "{'execute':'query-block-exports'}", "{\"return\":[]}");
    expect_no_event(f);
    expect(f, server, "{\"return\":{}}");
    expect(f, server, "{\"error\":{\"class\":\"GenericError\",\"desc\":\"NBD server already"
           " running\"}}");
    io(f, "q", "read -q 0 512", ""); /* On the script's server. */
    expect(f, "{'execute':'query-block-exports'}", "{\"return\":[]}");
    expect(f, "{'execute':'nbd-server-stop'}", "{\"return\":{}}");
    io(f, "q", "read -q 0 512", "");
    expect_no_event(f);
    expect(f, "{'execute':'blockdev-del','arguments':{'node-name':'q'}}", "{\"return\":{}}");
}

/* A request that a throttle holds goes on while other statements run. */
static void requests_go_on_by_themselves(void **state)
{
    struct fixture *f = start(state);
    struct target_call later = { .background = true };
    add_nodes(f);
    expect(f, "{'execute':'object-add','arguments':{'qom-type':'throttle-group','id':'g',"
           "'limits':{'iops-write':1}}}", "{\"return\":{}}");
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'throttle','node-name':'t',"
           "'throttle-group':'g','file':'q'}}", "{\"return\":{}}");
    io(f, "t", "aio_write -P 1 0 512", "wrote 512/512 bytes at offset 0\n512 bytes");
    io(f, "t", "aio_write -P 2 512 512", "");
    begin(f, "t", "write -P 3 1024 512", &later);
    assert_false(later.done);
    expect(f, "{'execute':'query-block-jobs'}", "{\"return\":[]}");
    io(f, "t", "aio_flush", "wrote 512/512 bytes at offset 512\n512 bytes");
    assert_int_equal(f->t->ops->run(f->t, &later.done, SIM_FOREVER), 0);
    assert_false(later.failed);
    assert_non_null(strstr(strbuf_str(&later.output), "wrote 512/512 bytes at offset 1024"));
    f->t->ops->forget(f->t, &later);
    target_call_fini(&later);
    struct error err = ERROR_INIT;
    assert_int_equal(target_real_check_byte(f->t, "t", 512, 512, 2, &err), 0);
    assert_int_equal(target_real_check_byte(f->t, "t", 512, 1024, 2, &err), 1);
}

/* What is in flight when the daemon goes ends with it. */
static void requests_end_with_the_daemon(void **state)
{
    struct fixture *f = start(state);
    struct target_call later = { .background = true };
    add_nodes(f);
    expect(f, "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'slow',"
           "'size':65536,'latency-ns':3000000000}}", "{\"return\":{}}");
    begin(f, "slow", "read 0 512", &later);
    assert_false(later.done);
    io(f, "slow", "aio_read 0 512", "");
    target_real_kill(f->t);
    assert_true(later.done && later.died);
    f->t->ops->forget(f->t, &later);
    target_call_fini(&later);
    add_nodes(f); /* A new daemon has none of it. */
    io(f, "n", "read -q -P 0 0 64k", "");
}

static void a_daemon_has_no_machine(void **state)
{
    struct fixture *f = start(state);
    struct error err = ERROR_INIT;
    struct target_call call = { 0 };
    char blockdev[] = "-blockdev", node[] = "null-co,node-name=c", device[] = "-device";
    char *good[] = { blockdev, node }, *bad[] = { device, node };
    assert_int_equal(target_real_args(f->t, 2, good, &err), 0);
    io(f, "c", "length", "1 GiB\n");
    assert_int_equal(target_real_args(f->t, 2, bad, &err), -ENOTSUP);
    assert_string_equal(err.text, "a storage daemon has no '-device'");
    ask(f, "{'execute':'stop'}", &call);
    assert_non_null(call.skip);
    target_call_fini(&call);
    expect(f, "{'execute':'no-such-thing'}", "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":"
           "\"The command no-such-thing has not been found\"}}");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(it_speaks_as_qemu_io_does),
        STORY(what_hinders_it_is_said_in_qemu_io_s_words),
        STORY(what_nbd_cannot_carry_is_not_done),
        STORY(it_leaves_nothing_behind),
        STORY(requests_go_on_by_themselves),
        STORY(requests_end_with_the_daemon),
        STORY(a_daemon_has_no_machine),
    };
    return cmocka_run_group_tests_name("scenarios/real/nbd_io", tests, NULL, NULL);
}
