/* SPDX-License-Identifier: MIT */
#include "sim/host_lock.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t range_end(uint64_t start, uint64_t len)
{
    return len == 0 || len > UINT64_MAX - start ? UINT64_MAX : start + len;
}

int lock_table_test(const struct lock_table *t, const void *owner, uint64_t start, uint64_t len,
                    bool exclusive)
{
    uint64_t end = range_end(start, len);
    for (size_t i = 0; i < t->len; i++) {
        const struct lock_range *r = &t->ranges[i];
        if (r->owner != owner && start < r->end && r->start < end &&
            (exclusive || r->exclusive)) {
            return -EAGAIN;
        }
    }
    return 0;
}

static void add(struct lock_table *t, struct lock_range r)
{
    if (r.start >= r.end) {
        return;
    }
    if (t->len == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 8;
        t->ranges = mem_resize(t->ranges, t->cap * sizeof(*t->ranges));
    }
    t->ranges[t->len++] = r;
}

static void take_out(struct lock_table *t, const void *owner, uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < t->len;) {
        struct lock_range r = t->ranges[i];
        if (r.owner != owner || start >= r.end || r.start >= end) {
            i++;
            continue;
        }
        t->ranges[i] = t->ranges[--t->len];
        add(t, (struct lock_range){ r.start, start, owner, r.exclusive });
        add(t, (struct lock_range){ end, r.end, owner, r.exclusive });
    }
}

int lock_table_set(struct lock_table *t, const void *owner, uint64_t start, uint64_t len,
                   enum host_lock kind)
{
    uint64_t end = range_end(start, len);
    bool exclusive = kind == HOST_LOCK_EXCLUSIVE;
    if (kind != HOST_UNLOCK) {
        int ret = lock_table_test(t, owner, start, len, exclusive);
        if (ret < 0) {
            return ret;
        }
    }
    take_out(t, owner, start, end);
    if (kind != HOST_UNLOCK) {
        add(t, (struct lock_range){ start, end, owner, exclusive });
    }
    return 0;
}

void lock_table_drop(struct lock_table *t, const void *owner)
{
    take_out(t, owner, 0, UINT64_MAX);
}

void lock_table_fini(struct lock_table *t)
{
    free(t->ranges);
    *t = (struct lock_table){ 0 };
}
