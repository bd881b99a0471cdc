/* SPDX-License-Identifier: MIT */
/* Allocating writes.
 *
 *   write_prepare: in place? ------------------------------> (data) -> done
 *        |         clusters chosen and counted, struct alloc listed
 *        v
 *   alloc_copy: what lies around the data in its clusters, from where the guest sees it now; or,
 *        |    where that is zero, zeroes in the whole place
 *   (data)
 *        v
 *   alloc_finish: L2 entries; what they referred to before is given back; waiters go on
 *
 * Writes that touch the clusters of a listed alloc wait for it, or stop short of it; so two writes
 * into one new cluster come one after the other.  Everything else runs side by side.
 *
 * Invariant: an alloc stays within one slice of an L2 table.
 */
#include "drivers/qcow2/qcow2.h"

/* ---- Dirty images ---- */

int qcow2_mark_dirty(struct qcow2 *q)
{
    if (q->incompatible & INCOMPAT_DIRTY) {
        return 0;
    }
    return qcow2_set_features(q, q->incompatible | INCOMPAT_DIRTY);
}

int qcow2_mark_clean(struct qcow2 *q)
{
    if (!(q->incompatible & INCOMPAT_DIRTY) || q->repair_pending) {
        return 0;
    }
    int ret = metadata_flush(q);
    return ret < 0 ? ret : qcow2_set_features(q, q->incompatible & ~(uint64_t)INCOMPAT_DIRTY);
}

int qcow2_first_write(struct qcow2 *q)
{
    if (q->autoclear) {
        uint64_t old = q->autoclear;
        q->autoclear = 0;
        int ret = qcow2_header_write(q);
        if (ret == 0) {
            ret = io_flush(q->file);
        }
        if (ret < 0) {
            q->autoclear = old;
            return ret;
        }
    }
    return q->repair_pending ? refcounts_repair(q) : 0;
}

/* ---- Who waits for whom ---- */

static void wait_for(struct qcow2 *q, struct alloc *a)
{
    qcow2_unlock(q);
    co_queue_wait(q->sim, &a->waiters);
    qcow2_lock(q);
}

/* Stops the range short of the allocations under way.  False: it had to wait, look again. */
static bool clip_to_allocs(struct qcow2 *q, int64_t offset, int64_t *bytes)
{
    int64_t start = (int64_t)cluster_align(q, (uint64_t)offset);
    for (struct alloc *a = q->allocs; a; a = a->next) {
        if (offset + *bytes <= a->start || start >= a->end) {
            continue;
        }
        if (start >= a->start) {
            wait_for(q, a);
            return false;
        }
        *bytes = a->start - offset;
    }
    return true;
}

void allocs_wait(struct qcow2 *q, int64_t start, int64_t end)
{
    for (struct alloc *a = q->allocs; a;) {
        if (start < a->end && a->start < end) {
            wait_for(q, a);
            a = q->allocs;
        } else {
            a = a->next;
        }
    }
}

static struct alloc *alloc_new(struct qcow2 *q)
{
    struct alloc *a = q->spare_allocs;
    if (a) {
        q->spare_allocs = a->next;
    } else {
        a = mem_alloc(sizeof(*a));
    }
    *a =
        (struct alloc){ .waiters = { .what = "allocation of a qcow2 cluster" }, .next = q->allocs };
    if (q->allocs) {
        q->allocs->prev = a;
    }
    q->allocs = a;
    return a;
}

static void alloc_end(struct qcow2 *q, struct alloc *a)
{
    *(a->prev ? &a->prev->next : &q->allocs) = a->next;
    if (a->next) {
        a->next->prev = a->prev;
    }
    co_queue_wake_all(&a->waiters);
    a->next = q->spare_allocs;
    q->spare_allocs = a;
}

/* ---- Choosing clusters ---- */

/* What an entry is to a write: a place of its own, or not. */
enum place { PLACE_NONE, PLACE_DATA, PLACE_ZERO };

static enum place entry_place(uint64_t entry)
{
    enum cluster_type type = entry_type(entry);
    if (!(entry & ENTRY_COPIED)) {
        return PLACE_NONE;
    }
    return type == CLUSTER_DATA             ? PLACE_DATA
           : type == CLUSTER_ZERO_ALLOCATED ? PLACE_ZERO
                                            : PLACE_NONE;
}

/* Entries from s->index on, at most max, that can be written together; *place is theirs. */
static int count_places(struct qcow2 *q, const struct slice *s, uint32_t max, enum place *place,
                        uint32_t *count)
{
    uint64_t first = slice_entry(s, s->index);
    uint32_t n = 0;
    *place = entry_place(first);
    for (; n < max; n++) {
        uint64_t e = slice_entry(s, s->index + n);
        uint64_t want = (first & ENTRY_OFFSET) + ((uint64_t)n << q->cluster_bits);
        if (entry_place(e) != *place || (*place != PLACE_NONE && (e & ENTRY_OFFSET) != want)) {
            break;
        }
        int ret = slice_check(q, s, s->index + n);
        if (ret < 0) {
            return ret;
        }
    }
    CHECK(n > 0);
    *count = n;
    return 0;
}

/* The clusters of the range's beginning: their place, where it is, and how many. */
static int find_places(struct qcow2 *q, int64_t offset, int64_t bytes, enum place *place,
                       uint64_t *host, uint32_t *count)
{
    struct slice s;
    int ret = slice_writable(q, offset, &s);
    if (ret < 0) {
        return ret;
    }
    uint64_t clusters = (in_cluster(q, (uint64_t)offset) + (uint64_t)bytes + q->cluster_size - 1) >>
                        q->cluster_bits;
    ret = count_places(q, &s, (uint32_t)MIN(clusters, (uint64_t)(s.len - s.index)), place, count);
    *host = slice_entry(&s, s.index) & ENTRY_OFFSET;
    cache_put(q->l2_cache, s.table);
    return ret;
}

int write_prepare(struct qcow2 *q, int64_t offset, int64_t *bytes, uint64_t *host,
                  struct alloc **out)
{
    uint32_t head = in_cluster(q, (uint64_t)offset), count = 0;
    enum place place = PLACE_NONE;
    *out = NULL;
    int ret = qcow2_first_write(q);
    while (ret == 0 && !clip_to_allocs(q, offset, bytes)) {
        ret = q->lost ? -ENOMEDIUM : 0;
    }
    if (ret == 0) {
        ret = find_places(q, offset, *bytes, &place, host, &count);
    }
    if (ret < 0) {
        return ret;
    }
    if (place == PLACE_NONE) {
        int64_t at = clusters_alloc(q, (uint64_t)count << q->cluster_bits);
        if (at < 0) {
            return (int)at;
        }
        *host = (uint64_t)at;
    }
    *bytes = MIN(*bytes, ((int64_t)count << q->cluster_bits) - head);
    ret = overlap_check(q, 0, *host + head, (uint64_t)*bytes);
    if (ret < 0) {
        return ret;
    }
    if (place != PLACE_DATA) {
        struct alloc *a = alloc_new(q);
        a->start = offset - head;
        a->end = a->start + ((int64_t)count << q->cluster_bits);
        a->data = offset;
        a->data_end = offset + *bytes;
        a->host = *host;
        a->keep = place == PLACE_ZERO;
        *out = a;
    }
    *host += head;
    return 0;
}

/* ---- Copying ---- */

static int copy_part(struct qcow2 *q, const struct alloc *a, int64_t from, int64_t to)
{
    uint64_t host = a->host + (uint64_t)(from - a->start);
    size_t n = (size_t)(to - from);
    if (n == 0) {
        return 0;
    }
    if (a->keep) {
        io_event(q->file, "cow_write");
        return file_write_fill(q, host, FILL_ZERO, n);
    }
    struct bounce *b = bounce_get(q);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, b->bytes, n);
    buf.symbolic = true;
    io_event(q->file, "cow_read");
    int ret = qcow2_read_range(q, from, &buf);
    if (ret == 0) {
        io_event(q->file, "cow_write");
        ret = io_write(q->file, (int64_t)host, &buf, 0);
    }
    bounce_put(q, b);
    return ret;
}

/* How many bytes from `from` on are zero as the tables of the images from n down say: what holes
 * a file has is not asked.  0: not known; or -errno. */
static int64_t zero_below(struct node *n, int64_t from, int64_t bytes)
{
    while (n && from < io_length(n)) {
        bool filter = n->drv->traits & DRV_FILTER;
        struct child *below = filter ? node_filtered(n) : node_backing(n);
        struct io_extent e;
        bytes = MIN(bytes, io_length(n) - from);
        if (filter ? !below : !(n->drv->traits & DRV_BACKING)) {
            return 0;
        }
        int ret = filter ? 0 : io_status(n, from, bytes, &e);
        if (ret < 0) {
            return ret;
        }
        if (!filter) {
            bytes = e.bytes;
            if (e.flags & (STATUS_DATA | STATUS_ALLOCATED)) {
                return e.flags & STATUS_DATA ? 0 : bytes;
            }
        }
        n = below ? below->node : NULL;
    }
    return bytes;
}

/* Whether the guest sees zeroes there, as far as the tables say. */
static int part_is_zero(struct qcow2 *q, int64_t from, int64_t to)
{
    struct mapping m;
    while (from < to) {
        qcow2_lock(q);
        int ret = cluster_map(q, from, to - from, &m);
        qcow2_unlock(q);
        if (ret < 0) {
            return ret;
        }
        const struct child *backing = q->node ? node_backing(q->node) : NULL;
        int64_t zero = m.type == CLUSTER_DATA || m.type == CLUSTER_COMPRESSED ? 0 : m.bytes;
        if (m.type == CLUSTER_UNALLOCATED && backing) {
            zero = zero_below(backing->node, from, m.bytes);
        }
        if (zero <= 0) {
            return (int)zero;
        }
        from += zero;
    }
    return 1;
}

/* Where all that is to be copied is zero, the file is asked for zeroes in the whole place. */
static int zero_place(struct qcow2 *q, const struct alloc *a)
{
    int ret = part_is_zero(q, a->start, a->data);
    if (ret > 0) {
        ret = part_is_zero(q, a->data_end, a->end);
    }
    if (ret <= 0) {
        return ret < 0 ? ret : -ENOTSUP;
    }
    qcow2_lock(q);
    ret = overlap_check(q, 0, a->host, (uint64_t)(a->end - a->start));
    qcow2_unlock(q);
    if (ret < 0) {
        return ret;
    }
    struct io_req r = { .op = IO_WRITE_ZEROES,
                        .flags = IO_NO_FALLBACK,
                        .offset = (int64_t)a->host,
                        .bytes = a->end - a->start };
    io_event(q->file, "cluster_alloc_space");
    return io_child(q->file, &r);
}

int alloc_copy(struct qcow2 *q, struct alloc *a)
{
    if (a->start == a->data && a->data_end == a->end) {
        return 0;
    }
    int ret = zero_place(q, a);
    if (ret != -ENOTSUP && ret != -EAGAIN) {
        return ret;
    }
    ret = copy_part(q, a, a->start, a->data);
    return ret < 0 ? ret : copy_part(q, a, a->data_end, a->end);
}

/* ---- Putting them into force ---- */

static int link_clusters(struct qcow2 *q, const struct alloc *a)
{
    struct slice s;
    int ret = 0;
    if (!a->keep && q->options.lazy) {
        ret = qcow2_mark_dirty(q);
    } else if (!a->keep) {
        ret = cache_depend(q->l2_cache, q->refcount_cache);
    }
    if (ret == 0) {
        ret = slice_writable(q, a->start, &s);
    }
    if (ret < 0) {
        return ret;
    }
    cache_depend_on_flush(q->l2_cache);
    uint32_t n = (uint32_t)((a->end - a->start) >> q->cluster_bits);
    CHECK(s.index + n <= s.len);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t old = slice_entry(&s, s.index + i);
        slice_set(&s, s.index + i, (a->host + ((uint64_t)i << q->cluster_bits)) | ENTRY_COPIED);
        cache_dirty(q->l2_cache, s.table);
        if (!a->keep) {
            entry_free(q, old, DISCARD_NEVER);
        }
    }
    cache_put(q->l2_cache, s.table);
    return 0;
}

int64_t clusters_link(struct qcow2 *q, int64_t offset, int64_t bytes, uint64_t host)
{
    int64_t slice = (int64_t)(q->l2_cache->table_size / 8) << q->cluster_bits;
    int64_t done = 0;
    while (done < bytes) {
        int64_t start = offset + done;
        int64_t end = MIN(offset + bytes, start / slice * slice + slice);
        struct alloc a = { .start = start, .end = end, .host = host + (uint64_t)done };
        int ret = link_clusters(q, &a);
        if (ret < 0) {
            return done > 0 ? done : ret;
        }
        done += end - start;
    }
    return done;
}

int alloc_finish(struct qcow2 *q, struct alloc *a, int ret)
{
    if (ret == 0 && q->lost) {
        ret = -EIO;
    }
    if (ret == 0) {
        ret = link_clusters(q, a);
    }
    if (ret < 0 && !a->keep && !q->lost) {
        io_event(q->file, "cluster_free");
        refcount_abandon(q, a->host, (uint64_t)(a->end - a->start));
    }
    alloc_end(q, a);
    return ret;
}
