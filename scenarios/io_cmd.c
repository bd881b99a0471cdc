/* SPDX-License-Identifier: MIT */
/* The commands of the `io` verb: their table, how one runs, and what it prints. */
#include "scenarios/io_cmd.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/io.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct ioc_cmd ioc_cmds[] = {
    { "aio_flush", NULL, ioc_cmd_aio_flush, 0, 0, 0, "",
      "completes all outstanding aio requests" },
    { "aio_read", NULL, ioc_cmd_aio_read, 2, -1, 0, "[-Ciqv] [-P pattern] off len [len..]",
      "asynchronously reads a number of bytes" },
    { "aio_write", NULL, ioc_cmd_aio_write, 2, -1, PERM_WRITE,
      "[-Cfiquz] [-P pattern] off len [len..]", "asynchronously writes a number of bytes" },
    { "alloc", "a", ioc_cmd_alloc, 1, 2, 0, "offset [count]",
      "checks if offset is allocated in the file" },
    { "break", NULL, ioc_cmd_break, 2, 2, 0, "event tag",
      "sets a breakpoint on event and tags the stopped request as tag" },
    { "discard", "d", ioc_cmd_discard, 2, -1, PERM_WRITE, "[-Cq] off len",
      "discards a number of bytes at a specified offset" },
    { "flush", "f", ioc_cmd_flush, 0, 0, 0, "", "flush all in-core file state to disk" },
    { "help", "?", ioc_cmd_help, 0, 1, 0, "[command]", "help for one or all commands" },
    { "info", "i", ioc_cmd_info, 0, 0, 0, "", "prints information about the current file" },
    { "length", "l", ioc_cmd_length, 0, 0, 0, "", "gets the length of the current file" },
    { "map", NULL, ioc_cmd_map, 0, 0, 0, "", "prints the allocated areas of a file" },
    { "read", "r", ioc_cmd_read, 2, -1, 0, "[-abCqv] [-P pattern [-s off] [-l len]] off len",
      "reads a number of bytes at a specified offset" },
    { "readv", NULL, ioc_cmd_readv, 2, -1, 0, "[-Cqv] [-P pattern] off len [len..]",
      "reads a number of bytes at a specified offset" },
    { "remove_break", NULL, ioc_cmd_remove_break, 1, 1, 0, "tag", "remove a breakpoint by tag" },
    { "resume", NULL, ioc_cmd_resume, 1, 1, 0, "tag", "resumes the request tagged as tag" },
    { "sleep", NULL, ioc_cmd_sleep, 1, 1, 0, "", "waits for the given value in milliseconds" },
    { "truncate", "t", ioc_cmd_truncate, 1, 3, PERM_WRITE | PERM_RESIZE, "[-m prealloc_mode] off",
      "truncates the current file at the given offset" },
    { "wait_break", NULL, ioc_cmd_wait_break, 1, 1, 0, "tag",
      "waits for the suspension of a request" },
    { "write", "w", ioc_cmd_write, 2, -1, PERM_WRITE,
      "[-bcCfnquz] [-P pattern | -s source_file] off len",
      "writes a number of bytes at a specified offset" },
    { "writev", NULL, ioc_cmd_writev, 2, -1, PERM_WRITE, "[-Cfq] [-P pattern] off len [len..]",
      "writes a number of bytes at a specified offset" },
    { 0 },
};

const struct ioc_cmd *ioc_find(const char *name)
{
    for (const struct ioc_cmd *c = ioc_cmds; c->name; c++) {
        if (strcmp(c->name, name) == 0 || (c->alias && strcmp(c->alias, name) == 0)) {
            return c;
        }
    }
    return NULL;
}

const char *io_command_name(size_t i, const char **args, const char **help)
{
    const struct ioc_cmd *c = ioc_cmds;
    while (c->name && i > 0) {
        c++;
        i--;
    }
    if (args) {
        *args = c->args;
    }
    if (help) {
        *help = c->help;
    }
    return c->name;
}

/* Output. */

void ioc_print(struct ioc_ctx *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    strbuf_puts(&c->call->output, text);
    free(text);
}

int ioc_fail(struct ioc_ctx *c, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = mem_vprintf(fmt, ap);
    va_end(ap);
    CHECK(code < 0);
    ioc_print(c, "%s\n", text);
    if (c->call->err.code == 0) {
        error_set(&c->call->err, code, "%s", text);
    }
    free(text);
    return code;
}

int64_t ioc_now_ns(const struct ioc_ctx *c)
{
    return c->medium->ops->now_ns(c->medium);
}

static void put_usage(struct ioc_ctx *c, const struct ioc_cmd *cmd, const char *name)
{
    ioc_print(c, "%s %s%s-- %s\n", name, cmd->args, *cmd->args ? " " : "", cmd->help);
}

int ioc_usage(struct ioc_ctx *c)
{
    if (c->call->err.code == 0) {
        error_set(&c->call->err, -EINVAL, "%s %s", c->name, c->cmd->args);
    }
    put_usage(c, c->cmd, c->name);
    return -EINVAL;
}

int ioc_impossible(struct ioc_ctx *c, const char *what)
{
    c->call->skip = "not-on-medium";
    return ioc_fail(c, -ENOTSUP, "%s: %s is not possible here", c->name, what);
}

int ioc_cmd_help(struct ioc_ctx *c, int argc, char **argv)
{
    if (argc == 2) {
        const struct ioc_cmd *cmd = ioc_find(argv[1]);
        if (!cmd) {
            ioc_print(c, "command %s not found\n", argv[1]);
            return 0;
        }
        put_usage(c, cmd, argv[1]);
        return 0;
    }
    for (const struct ioc_cmd *cmd = ioc_cmds; cmd->name; cmd++) {
        put_usage(c, cmd, cmd->name);
    }
    ioc_print(c, "\nUse 'help commandname' for extended help.\n");
    return 0;
}

/* Running. */

static int check_count(struct ioc_ctx *c, int argc)
{
    int n = argc - 1, min = c->cmd->args_min, max = c->cmd->args_max;
    if (n >= min && (max < 0 || n <= max)) {
        return 0;
    }
    if (max < 0) {
        return ioc_fail(c, -EINVAL, "bad argument count %d to %s, expected at least %d arguments",
                       n, c->name, min);
    }
    if (min == max) {
        return ioc_fail(c, -EINVAL, "bad argument count %d to %s, expected %d arguments", n,
                       c->name, min);
    }
    return ioc_fail(c, -EINVAL, "bad argument count %d to %s, expected between %d and %d arguments",
                   n, c->name, min, max);
}

static int run_cmd(struct ioc_ctx *c, int argc, char **argv)
{
    int ret = check_count(c, argc);
    if (ret < 0) {
        return ret;
    }
    struct error err = ERROR_INIT;
    ret = c->medium->ops->take_perm(c->medium, c->cmd->perm, &err);
    if (ret < 0 && c->monitor) {
        strbuf_printf(c->monitor, "%s\r\n", err.text);
        return ret;
    }
    if (ret < 0) {
        return ioc_fail(c, ret, "%s", err.text);
    }
    return c->cmd->fn(c, argc, argv);
}

/* What a driver below has to say that has no place in an error code: blkverify's first difference.
 * A new object, empty when there is nothing. */
static json_t *driver_message(struct ioc_ctx *c)
{
    json_t *reply = json_object();
    if (c->medium->ops->command) {
        c->medium->ops->command(c->medium, "last_message", NULL, reply);
    }
    return reply;
}

/* The command, and after it what a driver said meanwhile. */
static int run_listening(struct ioc_ctx *c, int argc, char **argv)
{
    json_t *before = driver_message(c);
    int ret = run_cmd(c, argc, argv);
    json_t *after = driver_message(c);
    const char *text = json_string_value(json_object_get(after, "message"));
    if (ret < 0 && text && !json_equal(before, after)) {
        ioc_print(c, "%s\n", text);
    }
    json_decref(before);
    json_decref(after);
    return ret;
}

int ioc_run(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(c->medium != NULL && argc >= 0);
    if (argc == 0) {
        return 0;
    }
    c->cmd = ioc_find(argv[0]);
    c->name = argv[0];
    return c->cmd ? run_listening(c, argc, argv)
                  : ioc_fail(c, -ENOENT, "command \"%s\" not found", argv[0]);
}

void ioc_finish(struct target_call *call, int ret, const char *name)
{
    call->failed = ret < 0;
    if (ret < 0 && call->err.code == 0) {
        error_set(&call->err, ret, "%s failed: %s", name, error_strerror(-ret));
    }
}
