/* SPDX-License-Identifier: MIT */
/* A session as the medium of its commands: a backend of the simulated layer, in virtual time. */
#include "scenarios/io_private.h"

#include "base/check.h"

struct ioc_session *ioc_session_of(struct io_medium *m)
{
    CHECK(m->ops == &ioc_session_ops);
    return (struct ioc_session *)m;
}

static int sim_take_perm(struct io_medium *m, uint32_t perm, struct error *err)
{
    return ioc_take_perm(ioc_session_of(m), perm, err);
}

static int sim_read(struct io_medium *m, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    struct ioc_session *s = ioc_session_of(m);
    return guest_read(s->sh->cfg.guest, &s->port, offset, buf, flags);
}

static int sim_write(struct io_medium *m, int64_t offset, struct iobuf *buf, uint32_t flags)
{
    struct ioc_session *s = ioc_session_of(m);
    return guest_write(s->sh->cfg.guest, &s->port, offset, buf, flags);
}

static int sim_write_zeroes(struct io_medium *m, int64_t offset, int64_t bytes, uint32_t flags)
{
    struct ioc_session *s = ioc_session_of(m);
    return guest_write_zeroes(s->sh->cfg.guest, &s->port, offset, bytes, flags);
}

static int sim_discard(struct io_medium *m, int64_t offset, int64_t bytes)
{
    struct ioc_session *s = ioc_session_of(m);
    return guest_discard(s->sh->cfg.guest, &s->port, offset, bytes);
}

static int sim_flush(struct io_medium *m)
{
    struct ioc_session *s = ioc_session_of(m);
    return guest_flush(s->sh->cfg.guest, &s->port);
}

static int sim_truncate(struct io_medium *m, int64_t length, enum io_prealloc prealloc,
                        struct error *err)
{
    struct ioc_session *s = ioc_session_of(m);
    return guest_truncate(s->sh->cfg.guest, &s->port, length, 0, prealloc, err);
}

static int64_t sim_length(struct io_medium *m)
{
    return backend_length(ioc_session_of(m)->port.backend);
}

static int sim_is_allocated(struct io_medium *m, int64_t offset, int64_t bytes, int64_t *pnum)
{
    return backend_is_allocated(ioc_session_of(m)->port.backend, offset, bytes, pnum);
}

static void sim_info(struct io_medium *m, struct io_info *out)
{
    const struct node *n = backend_node(ioc_session_of(m)->port.backend);
    struct node_view v;
    inspect_view(n, &v);
    out->driver = v.driver;
    out->is_format = v.is_format;
    out->has_clusters = inspect_info(n, &out->cluster_size);
    if (out->has_clusters) {
        out->vm_state = inspect_vm_state(n);
        out->specific = inspect_specific(n);
    }
}

static int sim_command(struct io_medium *m, const char *name, const json_t *args, json_t *reply)
{
    return backend_command(ioc_session_of(m)->port.backend, name, args, reply);
}

static int64_t sim_time_ns(struct io_medium *m)
{
    return sim_now_ns(ioc_session_of(m)->sh->cfg.sim);
}

static void sim_sleep(struct io_medium *m, int64_t ns)
{
    co_sleep(ioc_session_of(m)->sh->cfg.sim, ns);
}

const struct io_medium_ops ioc_session_ops = {
    .take_perm = sim_take_perm,
    .read = sim_read,
    .write = sim_write,
    .write_zeroes = sim_write_zeroes,
    .discard = sim_discard,
    .flush = sim_flush,
    .truncate = sim_truncate,
    .length = sim_length,
    .is_allocated = sim_is_allocated,
    .info = sim_info,
    .command = sim_command,
    .wait_break = ioc_wait_break,
    .set_break = ioc_set_break,
    .submit = ioc_submit,
    .aio_flush = ioc_aio_flush,
    .now_ns = sim_time_ns,
    .sleep = sim_sleep,
};
