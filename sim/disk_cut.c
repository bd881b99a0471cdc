/* SPDX-License-Identifier: MIT */
/* The power cut: what of the log and of the requests in flight survives.
 *
 * 1. Undo: from the newest entry to the oldest, each page of the entry is swapped with the disk's.
 *    The disk then holds what is durable, and each entry the pages as the change had left them.
 * 2. Redo: from the oldest to the newest, what survives is put back at the granularity of bytes.
 * 3. Requests in flight, in the order in which they began, survive by the same rules; then they
 *    are woken and fail.
 */
#include "sim/disk_private.h"

#include "base/check.h"
#include "base/mem.h"

void disk_tear(struct disk *d, uint64_t offset, uint64_t bytes, bool whole, disk_part_fn *fn,
               void *opaque)
{
    struct choice *c = &d->sim->choice;
    uint64_t unit = d->cfg.atomic, end = offset + bytes;
    uint64_t units = (end - 1) / unit - offset / unit + 1;
    CHECK(bytes > 0);
    if (units > DISK_TEAR_MAX) {
        unit *= (units + DISK_TEAR_MAX - 2) / (DISK_TEAR_MAX - 1);
        units = (end - 1) / unit - offset / unit + 1;
    }
    if (units == 1) {
        if (whole) {
            fn(opaque, offset, bytes);
        }
        return;
    }
    uint32_t how = whole ? choice_pick(c, &d->tear, 3) : 1 + choice_pick(c, &d->tear, 2);
    if (how == 0) {
        fn(opaque, offset, bytes);
        return;
    }
    uint64_t first = offset / unit;
    if (how == 1) {
        uint64_t keep = 1 + choice_pick(c, &d->tear, (uint32_t)(units - 1));
        fn(opaque, offset, (first + keep) * unit - offset);
        return;
    }
    uint64_t kept = 0, from = offset;
    for (uint64_t i = 0; i <= units; i++) {
        bool last_of_all = i + 1 == units && kept == i && !whole;
        bool keep = i < units && !last_of_all && choice_pick(c, &d->tear, 2);
        uint64_t start = i ? (first + i) * unit : offset;
        if (!keep) {
            if (from < MIN(start, end)) {
                fn(opaque, from, MIN(start, end) - from);
            }
            from = (first + i + 1) * unit;
        }
        kept += keep;
    }
}

/* What the choices have spared belongs to the run's identity. */
static void trace_kept(const struct disk *d, int64_t offset, uint64_t bytes)
{
    sim_trace(d->sim, TRACE_POWER, TRACE_POWER_KEPT, d->actor, offset, (int64_t)bytes);
}

struct redo {
    struct disk *disk;
    const struct disk_log_entry *entry;
    uint64_t pages; /* Place of the entry's first page in the log. */
    const struct disk_req *req;
};

/* Limits a range to the disk as it is now. */
static uint64_t clip(const struct disk *d, uint64_t offset, uint64_t bytes)
{
    return offset >= d->size ? 0 : MIN(bytes, d->size - offset);
}

/* A base that cannot be read now loses the part: reading it would fail all the same. */
static void redo_bytes(struct disk *d, uint64_t offset, struct page p, size_t bytes)
{
    uint8_t data[DISK_PAGE];
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, data, bytes);
    if (store_bytes(&d->store, p, offset % DISK_PAGE, data, bytes) == 0) {
        (void)disk_data_write(d, offset, &buf, 0, bytes, DISK_DATA_NO_LOG);
    }
}

static void redo_write(struct redo *r, uint64_t offset, uint64_t bytes)
{
    struct disk *d = r->disk;
    uint64_t first = r->entry->offset / DISK_PAGE;
    while (bytes) {
        uint64_t n = offset / DISK_PAGE;
        size_t part = MIN(DISK_PAGE - offset % DISK_PAGE, bytes);
        CHECK(n - first < r->entry->pages);
        struct page p = *disk_log_page(&d->log, r->pages + (n - first));
        CHECK(page_number(p) == n && page_is_data(p));
        if (part == DISK_PAGE) {
            disk_data_put(d, page_ref(p));
        } else {
            redo_bytes(d, offset, p, part);
        }
        offset += part;
        bytes -= part;
    }
}

static void redo_part(void *opaque, uint64_t offset, uint64_t bytes)
{
    struct redo *r = opaque;
    struct disk *d = r->disk;
    bytes = clip(d, offset, bytes);
    if (bytes == 0) {
        return;
    }
    trace_kept(d, (int64_t)offset, bytes);
    if (r->entry->op == DISK_WRITE) {
        redo_write(r, offset, bytes);
    } else {
        (void)disk_data_zero(d, offset, bytes, r->entry->op == DISK_DISCARD, DISK_DATA_NO_LOG);
    }
}

/* What a growth adds is zero, also where an earlier cut of the size was lost. */
static void redo_resize(struct disk *d, const struct disk_log_entry *e)
{
    if (e->offset > e->bytes && d->size > e->bytes) {
        uint64_t end = MIN(d->size, e->offset);
        (void)disk_data_zero(d, e->bytes, end - e->bytes, true, DISK_DATA_NO_LOG);
    }
    trace_kept(d, -1, e->offset);
    (void)disk_data_resize(d, e->offset, DISK_DATA_NO_LOG);
}

static void undo_all(struct disk *d)
{
    struct disk_log *l = &d->log;
    uint64_t p = l->page_head;
    for (uint64_t i = l->head; i-- > l->tail;) {
        struct disk_log_entry *e = disk_log_at(l, i);
        for (uint32_t k = 0; k < e->pages; k++) {
            struct page *page = disk_log_page(l, --p);
            *page = store_swap(&d->store, *page);
        }
        if (e->op == DISK_RESIZE) {
            d->size = e->bytes;
            d->store.base_limit = e->aux;
        }
    }
    CHECK(p == l->page_tail);
}

static void redo_some(struct disk *d)
{
    struct disk_log *l = &d->log;
    struct redo r = { .disk = d, .pages = l->page_tail };
    for (uint64_t i = l->tail; i < l->head; i++) {
        r.entry = disk_log_at(l, i);
        bool kept = r.entry->durable || choice_pick(&d->sim->choice, &d->keep, 2);
        if (kept && r.entry->op == DISK_RESIZE) {
            redo_resize(d, r.entry);
        } else if (kept && r.entry->durable) {
            redo_part(&r, r.entry->offset, r.entry->bytes);
        } else if (kept) {
            disk_tear(d, r.entry->offset, r.entry->bytes, true, redo_part, &r);
        }
        r.pages += r.entry->pages;
    }
    disk_log_settle(l, d->store.pool, l->head);
}

static void flight_part(void *opaque, uint64_t offset, uint64_t bytes)
{
    struct redo *r = opaque;
    const struct disk_req *q = r->req;
    bytes = clip(r->disk, offset, bytes);
    trace_kept(r->disk, (int64_t)offset, bytes);
    if (q->op == DISK_WRITE) {
        (void)disk_data_write(r->disk, offset, q->out, offset - q->place, bytes, DISK_DATA_NO_LOG);
    } else {
        (void)disk_data_zero(r->disk, offset, bytes, q->op == DISK_DISCARD, DISK_DATA_NO_LOG);
    }
}

static bool may_leave_something(const struct disk_req *q)
{
    bool changes = q->op != DISK_READ && q->op != DISK_FLUSH;
    bool sound = q->fault < 0 || q->fault == FAULT_DELAY || q->fault == FAULT_LIE;
    return changes && sound && !q->hanging && !q->cut;
}

static void settle_flight(struct disk *d)
{
    for (struct disk_req *q = d->flight_head; q; q = q->next) {
        if (!may_leave_something(q) || !choice_pick(&d->sim->choice, &d->keep, 2)) {
            continue;
        }
        struct redo r = { .disk = d, .req = q };
        if (q->op == DISK_RESIZE) {
            trace_kept(d, -1, q->offset);
            if (disk_req_resizes(d, q)) {
                (void)disk_data_resize(d, q->offset, DISK_DATA_NO_LOG);
            }
        } else if (q->bytes) {
            disk_tear(d, q->place, q->bytes, true, flight_part, &r);
        }
    }
    for (struct disk_req *q = d->flight_head; q; q = q->next) {
        q->cut = true;
        timer_cancel(&d->sim->clock, &q->timer);
        disk_req_wake(q);
    }
}

void disk_power_cut(struct disk *d)
{
    CHECK(!d->log.open);
    if (d->off) {
        return;
    }
    d->off = true;
    sim_trace(d->sim, TRACE_POWER, TRACE_POWER_CUT, d->actor, 0, 0);
    undo_all(d);
    redo_some(d);
    settle_flight(d);
    disk_time_reset(&d->time);
}

void disk_power_on(struct disk *d)
{
    if (d->off) {
        d->off = false;
        sim_trace(d->sim, TRACE_POWER, TRACE_POWER_ON, d->actor, 0, 0);
    }
}
