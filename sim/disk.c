/* SPDX-License-Identifier: MIT */
/* The door of a simulated disk: creation, requests, inspection.
 *
 * A request lives on the stack of its coroutine:
 *
 *   run --> check --> in flight --> disk_fault_begin --> wait (hang, then time) --> effect --> end
 *
 * Invariants:
 *  1. A request takes effect at one instant, its end, and only if the power did not go meanwhile.
 *  2. Nothing is allocated and no system call is made on the way of a request once the tables have
 *     grown: timer and list links are on the stack, blocks come from the pool, the log is a ring.
 *  3. Each request emits one TRACE_DISK record, whatever became of it.
 *
 * The rest: disk_data.c (contents), disk_store.c and disk_page.c (pages), disk_log.c (durability),
 * disk_cut.c (power), disk_time.c (profiles), disk_fault.c (rules).
 */
#include "sim/disk.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/disk_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- creation --- */

static bool is_power_of_two(uint64_t n)
{
    return n && (n & (n - 1)) == 0;
}

static int check_config(const char *name, const struct disk_config *c, struct error *err)
{
    if (c->size > INT64_MAX || c->capacity > INT64_MAX || c->cache_bytes > INT64_MAX) {
        return error_set(err, -EINVAL, "Disk '%s': sizes end at 2^63-1", name);
    }
    if (c->logical != 512 && c->logical != 4096) {
        return error_set(err, -EINVAL, "Disk '%s': the logical sector is 512 or 4096 bytes, not %u",
                         name, c->logical);
    }
    if (!is_power_of_two(c->physical) || c->physical < c->logical || c->physical > 1 << 20) {
        return error_set(err, -EINVAL, "Disk '%s': the physical sector is a power of two from the "
                         "logical sector to 1 MiB, not %u", name, c->physical);
    }
    if (c->atomic == 0 || c->atomic % c->logical) {
        return error_set(err, -EINVAL, "Disk '%s': the atomic write unit is a multiple of the "
                         "logical sector, not %u", name, c->atomic);
    }
    if (c->latency_ns < -1 || c->latency_ns > 1000 * NS_PER_S) {
        return error_set(err, -EINVAL, "Disk '%s': the latency is 0 to 1000 s", name);
    }
    if (!disk_profile_find(c->profile)) {
        const char *near = text_nearest(c->profile, disk_profile_names());
        return error_set(err, -EINVAL, "Disk '%s': unknown profile '%s'%s%s%s", name, c->profile,
                         near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return 0;
}

static const char *const op_names[DISK_OPS] = {
    [DISK_READ] = "read",       [DISK_WRITE] = "write", [DISK_FLUSH] = "flush",
    [DISK_DISCARD] = "discard", [DISK_ZERO] = "zero",   [DISK_RESIZE] = "resize",
};

/* Everything but the contents. */
static struct disk *disk_new(struct sim *s, const char *name, const struct disk_config *cfg)
{
    struct disk *d = NEW(struct disk);
    d->sim = s;
    d->name = mem_strdup(name);
    d->actor = sim_actor(s);
    d->cfg = *cfg;
    d->profile = mem_strdup(cfg->profile);
    d->cfg.profile = d->profile;
    d->size = cfg->size;
    for (int op = 0; op < DISK_OPS; op++) {
        d->wait_text[op] = mem_printf("disk %s %s", name, op_names[op]);
    }
    d->hang_text = mem_printf("disk %s, held by a fault", name);
    disk_log_init(&d->log, cfg->cache_bytes);
    disk_time_init(&d->time, disk_profile_find(d->profile), cfg->latency_ns, cfg->physical,
                   d->actor);
    choice_point_init(&d->keep, d->actor, CHOICE_KEEP);
    choice_point_init(&d->tear, d->actor, CHOICE_TEAR);
    choice_point_init(&d->damage, d->actor, CHOICE_DAMAGE);
    return d;
}

static int create(struct sim *s, const char *name, const struct disk_config *cfg,
                  const struct disk_base *base, struct disk **out, struct error *err)
{
    struct disk_config full = *cfg;
    full.logical = full.logical ? full.logical : 512;
    full.physical = full.physical ? full.physical : full.logical;
    full.atomic = full.atomic ? full.atomic : full.logical;
    full.profile = full.profile ? full.profile : "null";
    if (base && full.size == 0) {
        full.size = base->size;
    }
    int ret = check_config(name, &full, err);
    if (ret < 0) {
        if (base && base->close) {
            base->close(base->opaque);
        }
        return ret;
    }
    struct disk *d = disk_new(s, name, &full);
    if (!s->blocks) {
        s->blocks = block_pool_create();
    }
    store_init(&d->store, s->blocks, base);
    d->store.base_limit = MIN(d->store.base_limit, d->size);
    *out = d;
    return 0;
}

int disk_create(struct sim *s, const char *name, const struct disk_config *cfg, struct disk **out,
                struct error *err)
{
    return create(s, name, cfg, NULL, out, err);
}

int disk_create_over(struct sim *s, const char *name, const struct disk_config *cfg,
                     const struct disk_base *base, struct disk **out, struct error *err)
{
    CHECK(base != NULL);
    return create(s, name, cfg, base, out, err);
}

void disk_destroy(struct disk *d)
{
    CHECK(d->flight_head == NULL);
    disk_fault_clear(d, NULL);
    disk_log_fini(&d->log, d->store.pool);
    store_fini(&d->store);
    for (int op = 0; op < DISK_OPS; op++) {
        free(d->wait_text[op]);
    }
    free(d->hang_text);
    free(d->latent);
    free(d->profile);
    free(d->name);
    free(d);
}

struct disk *disk_clone(struct disk *d, const char *name)
{
    struct disk *clone = disk_new(d->sim, name, &d->cfg);
    clone->size = d->size;
    store_clone(&d->store, &clone->store);
    return clone;
}

/* --- requests --- */

static void flight_add(struct disk *d, struct disk_req *r)
{
    r->prev = d->flight_tail;
    r->next = NULL;
    if (d->flight_tail) {
        d->flight_tail->next = r;
    } else {
        d->flight_head = r;
    }
    d->flight_tail = r;
    d->stats.in_flight++;
}

static void flight_remove(struct disk *d, struct disk_req *r)
{
    CHECK(d->stats.in_flight > 0);
    if (r->prev) {
        r->prev->next = r->next;
    } else {
        d->flight_head = r->next;
    }
    if (r->next) {
        r->next->prev = r->prev;
    } else {
        d->flight_tail = r->prev;
    }
    d->stats.in_flight--;
}

void disk_req_wake(struct disk_req *r)
{
    struct co *co = r->co;
    if (co) {
        r->co = NULL;
        co_wake(co);
    }
}

static void on_timer(void *opaque)
{
    disk_req_wake(opaque);
}

static void wait_for(struct disk *d, struct disk_req *r, const char *what)
{
    r->co = co_self(d->sim);
    CHECK(r->co != NULL);
    co_yield(d->sim, what, d);
    CHECK(r->co == NULL);
}

static void wait_time(struct disk *d, struct disk_req *r)
{
    int64_t end = disk_time_end(&d->time, d->sim, r->op, r->place, r->bytes, d->size);
    if (r->fault == FAULT_DELAY) {
        end += MIN(r->delay_ns, INT64_MAX - 1 - end);
    }
    if (end > sim_now_ns(d->sim)) {
        timer_init(&r->timer, on_timer, r);
        timer_set(&d->sim->clock, &r->timer, end);
        wait_for(d, r, d->wait_text[r->op]);
    }
}

static int check_request(const struct disk *d, const struct disk_req *r)
{
    if (r->op == DISK_FLUSH) {
        return 0;
    }
    if (r->offset > INT64_MAX || r->bytes > INT64_MAX - r->offset) {
        return -EFBIG;
    }
    if (r->op == DISK_RESIZE) {
        return 0;
    }
    bool file = r->flags & DISK_FILE;
    bool aligned = ((r->offset | r->bytes) & (d->cfg.logical - 1)) == 0;
    bool must_align = r->op == DISK_READ || r->op == DISK_WRITE || !file;
    if (r->flags & DISK_DIRECT && must_align && !aligned) {
        return -EINVAL;
    }
    return !file && r->offset + r->bytes > d->size ? -EINVAL : 0;
}

static int fault_errno(const struct disk_req *r)
{
    return r->errnum ? -r->errnum : -EIO;
}

static uint32_t data_flags(const struct disk_req *r)
{
    uint32_t flags = r->flags & DISK_DIRECT ? 0 : DISK_DATA_HOST;
    if (r->flags & DISK_FUA && r->fault != FAULT_LIE) {
        flags |= DISK_DATA_DURABLE;
    }
    return flags;
}

static int do_read(struct disk *d, struct disk_req *r)
{
    uint64_t there = r->place >= d->size ? 0 : MIN(r->bytes, d->size - r->place);
    uint64_t bytes = r->fault == FAULT_SHORT ? MIN(r->arg, there) : there;
    if (r->fault >= 0) {
        disk_fault_damage(d, r);
    }
    int bad = d->latent_len ? disk_latent_errno(d, r->place, bytes) : 0;
    if (bad) {
        return -bad;
    }
    int ret = disk_data_read(d, r->place, r->in, 0, bytes);
    if (ret < 0) {
        return ret;
    }
    if (bytes < there) {
        r->done = r->errnum ? 0 : bytes;
        return fault_errno(r);
    }
    if (there == 0) {
        iobuf_answer_fill(r->in, FILL_ZERO);
    } else if (there < r->bytes) {
        iobuf_set(r->in, (size_t)there, FILL_ZERO, (size_t)(r->bytes - there));
    }
    r->done = r->bytes;
    return 0;
}

struct torn {
    struct disk *disk;
    struct disk_req *req;
    int ret;
};

/* Stores a part of a write or of zeroes. */
static void store_part(void *opaque, uint64_t offset, uint64_t bytes)
{
    struct torn *t = opaque;
    struct disk_req *r = t->req;
    if (r->fault == FAULT_TORN) {
        sim_trace(t->disk->sim, TRACE_CHOICE, CHOICE_TEAR, t->disk->actor, (int64_t)offset,
                  (int64_t)bytes);
    }
    int ret = r->op == DISK_ZERO
                  ? disk_data_zero(t->disk, offset, bytes, false, data_flags(r))
                  : disk_data_write(t->disk, offset, r->out, (size_t)(offset - r->place), bytes,
                                    data_flags(r));
    if (ret < 0) {
        t->ret = ret;
    } else if (t->disk->latent_len) {
        disk_latent_heal(t->disk, offset, bytes);
    }
}

static int do_change(struct disk *d, struct disk_req *r)
{
    struct torn t = { .disk = d, .req = r };
    if (r->fault == FAULT_TORN && r->bytes) {
        disk_tear(d, r->place, r->bytes, false, store_part, &t);
        return fault_errno(r);
    }
    if (r->fault == FAULT_SHORT && r->arg < r->bytes) {
        store_part(&t, r->place, r->arg);
        r->done = r->errnum || t.ret ? 0 : r->arg;
        return t.ret ? t.ret : fault_errno(r);
    }
    store_part(&t, r->place, r->bytes);
    if (t.ret == 0) {
        r->done = r->bytes;
        if (r->fault >= 0) {
            disk_fault_damage(d, r);
        }
    }
    return t.ret;
}

static int do_discard(struct disk *d, struct disk_req *r)
{
    uint64_t bytes = r->offset >= d->size ? 0 : MIN(r->bytes, d->size - r->offset);
    int ret = disk_data_zero(d, r->offset, bytes, true, data_flags(r));
    if (ret == 0) {
        disk_latent_heal(d, r->offset, bytes);
    }
    return ret;
}

static int effect(struct disk *d, struct disk_req *r)
{
    if (d->gone) {
        return -d->gone;
    }
    int ret = check_request(d, r); /* Again: the size may be another by now. */
    if (ret < 0) {
        return ret;
    }
    if (r->place != r->offset && (r->place > d->size || r->bytes > d->size - r->place)) {
        return -EIO; /* It went astray to a place that is gone. */
    }
    if (r->fault == FAULT_ERROR) {
        return fault_errno(r);
    }
    if (r->fault == FAULT_LOST) {
        r->done = r->bytes;
        return 0;
    }
    switch (r->op) {
    case DISK_READ:
        return do_read(d, r);
    case DISK_WRITE:
    case DISK_ZERO:
        return do_change(d, r);
    case DISK_DISCARD:
        return do_discard(d, r);
    case DISK_RESIZE:
        return disk_req_resizes(d, r) ? disk_data_resize(d, r->offset, data_flags(r)) : 0;
    default:
        CHECK(r->op == DISK_FLUSH);
        if (r->fault != FAULT_LIE) {
            /* Part of it may have become durable, and left, in the meantime. */
            disk_log_settle(&d->log, d->store.pool, MAX(r->log_end, d->log.tail));
        }
        return 0;
    }
}

static int run(struct disk *d, struct disk_req *r)
{
    int ret = d->off ? -ENODEV : d->gone ? -d->gone : check_request(d, r);
    if (ret == 0) {
        flight_add(d, r);
        if (d->rules) {
            ret = disk_fault_begin(d, r);
        }
        if (r->hanging) {
            wait_for(d, r, d->hang_text);
        }
        if (ret == 0 && !r->cut) {
            wait_time(d, r);
        }
        flight_remove(d, r);
        if (r->cut) {
            ret = -EIO;
        } else if (ret == 0) {
            ret = effect(d, r);
        }
    }
    d->stats.ops[r->op]++;
    if (ret < 0) {
        d->stats.errors++;
    } else {
        d->stats.bytes[r->op] += r->bytes;
    }
    sim_trace(d->sim, TRACE_DISK, (uint16_t)r->op, d->actor, (int64_t)r->offset,
              ret < 0 ? ret : (int64_t)r->bytes);
    return ret;
}

/* Sets what every request needs; what a fault says is set when one fires. */
static inline void request_init(struct disk_req *r, enum disk_op op, uint64_t offset,
                                uint64_t bytes, uint32_t flags)
{
    r->timer.slot = 0;
    r->co = NULL;
    r->op = op;
    r->flags = flags;
    r->offset = offset;
    r->bytes = bytes;
    r->place = offset;
    r->done = 0;
    r->cut = false;
    r->hanging = false;
    r->fault = -1;
}

int disk_read_some(struct disk *d, uint64_t offset, struct iobuf *buf, uint32_t flags,
                   uint64_t *done)
{
    struct disk_req r;
    request_init(&r, DISK_READ, offset, buf->len, flags);
    r.in = buf;
    int ret = run(d, &r);
    *done = r.done;
    return ret;
}

int disk_write_some(struct disk *d, uint64_t offset, const struct iobuf *buf, uint32_t flags,
                    uint64_t *done)
{
    struct disk_req r;
    request_init(&r, DISK_WRITE, offset, buf->len, flags);
    r.out = buf;
    int ret = run(d, &r);
    *done = r.done;
    return ret;
}

int disk_read(struct disk *d, uint64_t offset, struct iobuf *buf, uint32_t flags)
{
    uint64_t done;
    return disk_read_some(d, offset, buf, flags, &done);
}

int disk_write(struct disk *d, uint64_t offset, const struct iobuf *buf, uint32_t flags)
{
    uint64_t done;
    return disk_write_some(d, offset, buf, flags, &done);
}

int disk_zero(struct disk *d, uint64_t offset, uint64_t bytes, uint32_t flags)
{
    struct disk_req r;
    request_init(&r, DISK_ZERO, offset, bytes, flags);
    return run(d, &r);
}

int disk_discard(struct disk *d, uint64_t offset, uint64_t bytes, uint32_t flags)
{
    struct disk_req r;
    request_init(&r, DISK_DISCARD, offset, bytes, flags);
    return run(d, &r);
}

int disk_flush(struct disk *d)
{
    struct disk_req r;
    request_init(&r, DISK_FLUSH, 0, 0, 0);
    r.log_end = d->log.head;
    return run(d, &r);
}

int disk_resize(struct disk *d, uint64_t size)
{
    struct disk_req r;
    request_init(&r, DISK_RESIZE, size, 0, 0);
    return run(d, &r);
}

int disk_grow(struct disk *d, uint64_t size)
{
    struct disk_req r;
    request_init(&r, DISK_RESIZE, size, 0, DISK_FILE);
    return run(d, &r);
}

/* --- inspection --- */

uint64_t disk_size(const struct disk *d)
{
    return d->size;
}

uint32_t disk_actor(const struct disk *d)
{
    return d->actor;
}

const char *disk_name(const struct disk *d)
{
    return d->name;
}

const struct disk_config *disk_cfg(const struct disk *d)
{
    return &d->cfg;
}

bool disk_allocated(const struct disk *d, uint64_t offset, uint64_t limit, uint64_t *bytes)
{
    *bytes = limit;
    if (offset >= d->size || limit == 0) {
        return false;
    }
    limit = MIN(limit, d->size - offset);
    uint64_t first = offset / DISK_PAGE, last = (offset + limit - 1) / DISK_PAGE, run_pages;
    bool data = store_status(&d->store, first, last - first + 1, &run_pages);
    *bytes = MIN(limit, (first + run_pages) * DISK_PAGE - offset);
    return data;
}

uint64_t disk_allocated_bytes(const struct disk *d)
{
    return d->store.allocated * DISK_PAGE;
}

static bool in_range(const struct disk *d, uint64_t offset, size_t n)
{
    return offset <= d->size && n <= d->size - offset;
}

int disk_peek(const struct disk *d, uint64_t offset, void *dst, size_t n)
{
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, dst, n);
    return in_range(d, offset, n) ? disk_data_read(d, offset, &buf, 0, n) : -EINVAL;
}

int disk_poke(struct disk *d, uint64_t offset, const void *src, size_t n)
{
    struct iovec iov = { .iov_len = n };
    memcpy(&iov.iov_base, &src, sizeof(src)); /* It is only read. */
    struct iobuf buf = iobuf_iov(&iov, 1, n);
    return in_range(d, offset, n) ? disk_data_write(d, offset, &buf, 0, n, DISK_DATA_DURABLE)
                                  : -EINVAL;
}

struct disk_stats disk_stats(const struct disk *d)
{
    struct disk_stats stats = d->stats;
    stats.volatile_writes = d->log.volatiles;
    return stats;
}
