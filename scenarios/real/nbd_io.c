/* SPDX-License-Identifier: MIT */
/* io commands on a storage daemon; see nbd_io.h.
 *
 *   nbd_io_run --> nbd_medium_open --> ioc_run --> nbd_medium_close      in the foreground
 *              \-> nbd_export_add --> nbd_job_start ...> nbd_io_poll --> nbd_export_del
 *
 * Invariants:
 *   1. An export of ours is there only while a command uses it; without one, neither is our server.
 *   2. A process that was started is waited for: at its end, at nbd_io_died or at destroy.
 */
#include "scenarios/real/nbd_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_MS = 2 };

int nbd_io_check(struct error *err)
{
    return nbd_link_ops() ? 0
                          : error_set(err, -ENOENT, "io on a storage daemon needs libnbd: install"
                                      " libnbd-dev and build again");
}

struct nbd_io *nbd_io_create(const struct nbd_io_config *cfg)
{
    struct nbd_io *n = NEW(struct nbd_io);
    CHECK(cfg->exchange && cfg->wait && cfg->dir && cfg->limit_ns > 0);
    n->cfg = *cfg;
    n->net = nbd_link_ops();
    n->theirs = json_array();
    return n;
}

void nbd_io_died(struct nbd_io *n)
{
    for (struct nbd_export *e = n->exports; e; e = e->next) {
        e->gone = true; /* Whoever has it lets it go. */
    }
    json_decref(n->own);
    n->own = n->address = NULL;
    n->deaths++;
    nbd_jobs_kill(n);
    json_array_clear(n->theirs);
}

void nbd_io_destroy(struct nbd_io *n)
{
    nbd_io_died(n);
    json_decref(n->theirs);
    free(n);
}

/* A command with no export to go on with: what hinders it is its outcome. */
static void refuse(struct nbd_io *n, const char *node, const struct error *err,
                   struct target_call *call)
{
    struct nbd_medium m;
    nbd_medium_init(&m, n, node, call);
    struct ioc_ctx c = { .medium = &m.base, .call = call };
    call->skip = err->code == -ENOTSUP ? NBD_IO_SKIP : NULL;
    ioc_finish(call, ioc_fail(&c, err->code, "%s", err->text), "");
    call->done = true;
}

static bool is_silent(int ret)
{
    return ret == -ETIME || ret == -EPIPE;
}

static bool is_aio(const char *name)
{
    return strcmp(name, "aio_read") == 0 || strcmp(name, "aio_write") == 0;
}

/* Here and now. */
static int run_here(struct nbd_io *n, const char *node, int argc, char **argv,
                    struct target_call *call)
{
    struct nbd_medium m;
    nbd_medium_init(&m, n, node, call);
    struct ioc_ctx c = { .medium = &m.base, .call = call, .dir = n->cfg.script_dir };
    int ret = ioc_run(&c, argc, argv);
    bool lost = m.broken && nbd_io_lost(n);
    nbd_medium_close(&m);
    if (m.silent || lost) {
        return -ETIME;
    }
    ioc_finish(call, ret, argc > 0 ? argv[0] : "");
    call->done = true;
    return 0;
}

/* In a process of its own.  A command that only begins a request is done when that is on its
 * way. */
static int run_behind(struct nbd_io *n, const char *node, int argc, char **argv,
                      const struct ioc_cmd *cmd, struct target_call *call)
{
    struct nbd_export *e = NULL;
    struct error err = ERROR_INIT;
    bool flush = strcmp(cmd->name, "flush") == 0;
    int ret = nbd_export_add(n, node, flush || (cmd->perm & PERM_WRITE), &e, &err);
    if (flush && ret < 0 && !is_silent(ret)) {
        err = ERROR_INIT;
        ret = nbd_export_add(n, node, false, &e, &err);
    }
    if (ret == -ENOMEDIUM) {
        return run_here(n, node, argc, argv, call);
    }
    if (ret < 0) {
        refuse(n, node, &err, call);
        return is_silent(ret) ? ret : 0;
    }
    ret = nbd_job_start(n, node, argc, argv, e, call);
    if (ret < 0) {
        nbd_export_del(n, e);
        error_set_errno(&err, ret, "cannot start a process");
        refuse(n, node, &err, call);
    }
    for (int64_t ms = 0; is_aio(argv[0]) && !call->done; ms += STEP_MS) {
        if (ms * NS_PER_MS > n->cfg.limit_ns) {
            return -ETIME;
        }
        n->cfg.wait(n->cfg.opaque, STEP_MS * NS_PER_MS);
        nbd_io_poll(n);
    }
    return 0;
}

/* Whether it only makes a request that goes on without this process. */
static bool goes_behind(const struct ioc_cmd *cmd, bool background)
{
    static const char *const here[] = { "truncate", "aio_flush", "help" };
    for (size_t i = 0; i < ARRAY_LEN(here); i++) {
        if (strcmp(cmd->name, here[i]) == 0) {
            return false;
        }
    }
    return background || is_aio(cmd->name);
}

int nbd_io_run(struct nbd_io *n, const char *node, int argc, char **argv,
               struct target_call *call)
{
    const struct ioc_cmd *cmd = argc > 0 ? ioc_find(argv[0]) : NULL;
    struct error err = ERROR_INIT;
    CHECK(!call->done && argc >= 0);
    if (nbd_io_check(&err) < 0) {
        refuse(n, node, &err, call);
        return 0;
    }
    if (cmd && goes_behind(cmd, call->background)) {
        return run_behind(n, node, argc, argv, cmd, call);
    }
    return run_here(n, node, argc, argv, call);
}

int nbd_io_read(struct nbd_io *n, const char *node, uint64_t offset, size_t bytes, void *buf,
                struct error *err)
{
    struct target_call call = { 0 };
    struct nbd_medium m;
    struct iovec iov;
    struct iobuf b = iobuf_mem(&iov, buf, bytes);
    CHECK(bytes <= NBD_IO_READ_MAX && offset <= INT64_MAX);
    if (nbd_io_check(err) < 0) {
        return -ENOTSUP;
    }
    nbd_medium_init(&m, n, node, &call);
    int ret = nbd_medium_open(&m, 0, err);
    if (ret == 0) {
        ret = m.base.ops->read(&m.base, (int64_t)offset, &b, 0);
        if (ret < 0) {
            ret = error_set(err, m.silent ? ret : -EIO, "read failed: %s", error_strerror(-ret));
        }
    }
    nbd_medium_close(&m);
    return ret;
}
