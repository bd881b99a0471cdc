/* SPDX-License-Identifier: MIT */
/* io on a storage daemon in a program that was built without libnbd: an error that says so.  The
 * Makefile takes this file or the others of nbd_io.h. */
#include "scenarios/real/nbd_io.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

struct nbd_io {
    struct nbd_io_config cfg;
};

int nbd_io_check(struct error *err)
{
    return error_set(err, -ENOENT, "io on a storage daemon needs libnbd: install libnbd-dev and"
                     " build again");
}

struct nbd_io *nbd_io_create(const struct nbd_io_config *cfg)
{
    struct nbd_io *n = NEW(struct nbd_io);
    n->cfg = *cfg;
    return n;
}

void nbd_io_destroy(struct nbd_io *n)
{
    free(n);
}

int nbd_io_run(struct nbd_io *n, const char *node, int argc, char **argv,
               struct target_call *call)
{
    CHECK(n != NULL && node != NULL && argc >= 0 && argv != NULL);
    nbd_io_check(&call->err);
    strbuf_printf(&call->output, "%s\n", call->err.text);
    call->skip = "libnbd";
    call->failed = call->done = true;
    return 0;
}

void nbd_io_poll(struct nbd_io *n)
{
    CHECK(n != NULL);
}

void nbd_io_settle(struct nbd_io *n)
{
    CHECK(n != NULL);
}

void nbd_io_forget(struct nbd_io *n, const struct target_call *call)
{
    CHECK(n != NULL && call != NULL);
}

size_t nbd_io_busy(const struct nbd_io *n)
{
    CHECK(n != NULL);
    return 0;
}

void nbd_io_died(struct nbd_io *n)
{
    CHECK(n != NULL);
}

void nbd_io_note(struct nbd_io *n, const json_t *request)
{
    CHECK(n != NULL && request != NULL);
}

bool nbd_io_event(struct nbd_io *n, const json_t *event)
{
    CHECK(n != NULL && event != NULL);
    return false;
}

int nbd_io_read(struct nbd_io *n, const char *node, uint64_t offset, size_t bytes, void *buf,
                struct error *err)
{
    CHECK(n != NULL && node != NULL && bytes + offset >= bytes && buf != NULL);
    nbd_io_check(err);
    return -ENOTSUP;
}
