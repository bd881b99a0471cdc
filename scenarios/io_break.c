/* SPDX-License-Identifier: MIT */
/* blkdebug's breakpoints: break, remove_break, resume, wait_break. */
#include "scenarios/io_cmd.h"

#include "base/check.h"
#include "scenarios/io.h"

#include <errno.h>
#include <string.h>

json_t *ioc_break_args(const char *event, const char *tag)
{
    json_t *args = json_object();
    CHECK(args != NULL);
    json_object_set_new(args, "tag", json_string(tag));
    if (event) {
        json_object_set_new(args, "event", json_string(event));
    }
    return args;
}

static int command(struct ioc_ctx *c, const char *name, const char *event, const char *tag)
{
    json_t *args = ioc_break_args(event, tag);
    int ret = c->medium->ops->command(c->medium, name, args, NULL);
    json_decref(args);
    return ret;
}

int ioc_cmd_break(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(argc == 3);
    if (!c->medium->ops->command) {
        return ioc_impossible(c, "a breakpoint");
    }
    int ret = command(c, "breakpoint", argv[1], argv[2]);
    if (ret < 0) {
        return ioc_fail(c, ret, "Could not set breakpoint: %s", error_strerror(-ret));
    }
    c->medium->ops->set_break(c->medium, argv[2]);
    return 0;
}

int ioc_cmd_remove_break(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(argc == 2);
    if (!c->medium->ops->command) {
        return ioc_impossible(c, "a breakpoint");
    }
    int ret = command(c, "remove_breakpoint", NULL, argv[1]);
    if (ret < 0) {
        return ioc_fail(c, ret, "Could not remove breakpoint %s: %s", argv[1],
                       error_strerror(-ret));
    }
    return 0;
}

int ioc_cmd_resume(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(argc == 2);
    if (!c->medium->ops->command) {
        return ioc_impossible(c, "a breakpoint");
    }
    int ret = command(c, "resume", NULL, argv[1]);
    if (ret < 0) {
        return ioc_fail(c, ret, "Could not resume request: %s", error_strerror(-ret));
    }
    return 0;
}

int ioc_cmd_wait_break(struct ioc_ctx *c, int argc, char **argv)
{
    CHECK(argc == 2);
    if (!c->medium->ops->command) {
        return ioc_impossible(c, "a breakpoint");
    }
    return c->medium->ops->wait_break(c->medium, argv[1])
               ? 0 : ioc_fail(c, -ECANCELED, "No request was suspended at %s", argv[1]);
}

bool io_command_polls(int argc, char **argv)
{
    return argc > 0 && strcmp(argv[0], "wait_break") == 0;
}
