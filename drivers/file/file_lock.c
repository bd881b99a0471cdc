/* SPDX-License-Identifier: MIT */
/* Image locks, and opening for writing when it is first needed.
 *
 * A node that uses permission p on the image holds a shared lock on byte 100 + p; one that does not
 * share p holds a shared lock on byte 200 + p.  To use p is to find nobody on byte 200 + p; to
 * unshare p is to find nobody on byte 100 + p.  Everyone locks first and looks then, so of two that
 * come together at least one sees the other.  (Behaviour of the installed QEMU 7.2, by lslocks.)
 *
 * A change of permissions is prepared by taking what is new and looking, before anything is let go;
 * on commit the locks that are no longer wanted go, on abort the new ones do.
 *
 *            perm_change            txn commit
 *   held ------------------> held + new ------------> want
 *     ^                          |  txn abort
 *     +--------------------------+
 *
 * Invariant: held covers want whenever no change is being prepared.
 */
#include "base/check.h"
#include "base/mem.h"
#include "drivers/file/file.h"
#include "model/txn.h"

#include <errno.h>
#include <stdlib.h>

/* One prepared change. */
struct lock_change {
    struct node *n;
    struct file_locks old_want, added;
    bool old_want_write;
    bool reflagged; /* From read-only to read-write. */
    bool gave_up;   /* It was made read-only before the rest is done. */
};

static const char *perm_name(int bit)
{
    static const char *const names[PERM_BITS] = { "consistent read", "write", "write unchanged",
                                                  "resize" };
    CHECK(bit >= 0 && bit < PERM_BITS);
    return names[bit];
}

bool file_needs_write(const struct node *n, uint32_t used)
{
    const struct node_flags *flags = node_flags_next(n);
    if (flags->read_only) {
        return false;
    }
    return !flags->auto_read_only || (used & (PERM_WRITE | PERM_WRITE_UNCHANGED | PERM_RESIZE));
}

/* Unlocking what is held does not fail while the host is there, and when it is gone the locks are
 * gone with it. */
static void unlock_bits(struct node *n, uint64_t base, uint32_t bits)
{
    struct file_state *s = node_state(n);
    for (int i = 0; i < PERM_BITS; i++) {
        if (bits & (1u << i)) {
            file_ops(n)->lock(s->file, base + (uint64_t)i, 1, HOST_UNLOCK);
        }
    }
}

static void drop_locks(struct node *n, struct file_locks l)
{
    struct file_state *s = node_state(n);
    unlock_bits(n, LOCK_USED_BASE, l.used & s->held.used);
    unlock_bits(n, LOCK_UNSHARED_BASE, l.unshared & s->held.unshared);
    s->held.used &= ~l.used;
    s->held.unshared &= ~l.unshared;
}

static int lock_bits(struct node *n, uint64_t base, uint32_t bits, uint32_t *held,
                     struct error *err)
{
    struct file_state *s = node_state(n);
    for (int i = 0; i < PERM_BITS; i++) {
        if (!(bits & (1u << i))) {
            continue;
        }
        int ret = file_ops(n)->lock(s->file, base + (uint64_t)i, 1, HOST_LOCK_SHARED);
        if (ret < 0) {
            return error_set(err, ret, "Failed to lock byte %d", (int)base + i);
        }
        *held |= 1u << i;
    }
    return 0;
}

/* Nobody else may hold the bytes that speak against the new ones. */
static int look(struct node *n, uint64_t base, uint32_t bits, const char *kind, struct error *err)
{
    struct file_state *s = node_state(n);
    for (int i = 0; i < PERM_BITS; i++) {
        if (!(bits & (1u << i))) {
            continue;
        }
        int ret = file_ops(n)->lock_test(s->file, base + (uint64_t)i, 1, true);
        if (ret < 0) {
            return error_set(err, ret, "Failed to get %s\"%s\" lock", kind, perm_name(i));
        }
    }
    return 0;
}

static int take_locks(struct node *n, struct file_locks add, struct error *err)
{
    struct file_state *s = node_state(n);
    int ret = lock_bits(n, LOCK_USED_BASE, add.used, &s->held.used, err);
    if (ret == 0) {
        ret = lock_bits(n, LOCK_UNSHARED_BASE, add.unshared, &s->held.unshared, err);
    }
    if (ret == 0) {
        ret = look(n, LOCK_UNSHARED_BASE, add.used, "", err);
    }
    if (ret == 0) {
        ret = look(n, LOCK_USED_BASE, add.unshared, "shared ", err);
    }
    if (ret < 0) {
        drop_locks(n, add);
    }
    return ret;
}

/* The locks that are held, on another open file too: what is shared can be had. */
static void carry_locks(struct node *n)
{
    struct file_state *s = node_state(n);
    for (int i = 0; i < PERM_BITS; i++) {
        if (s->held.used & (1u << i)) {
            file_ops(n)->lock(s->file, LOCK_USED_BASE + (uint64_t)i, 1, HOST_LOCK_SHARED);
        }
        if (s->held.unshared & (1u << i)) {
            file_ops(n)->lock(s->file, LOCK_UNSHARED_BASE + (uint64_t)i, 1, HOST_LOCK_SHARED);
        }
    }
}

int file_reflag(struct node *n, uint32_t flags, struct error *err)
{
    struct file_state *s = node_state(n);
    struct host_file *before = s->file;
    int ret = host_reflag(node_host(n), s->filename, &s->file, flags, err);
    if (ret < 0) {
        return host_is_fdset(s->filename)
                   ? ret
                   : error_set_errno(err, ret, "Could not open '%s'", s->filename);
    }
    s->flags = flags;
    if (s->file != before) {
        carry_locks(n);
    }
    return 0;
}

static int make_writable(struct node *n, struct lock_change *c, struct error *err)
{
    struct file_state *s = node_state(n);
    int ret = file_reflag(n, s->flags | HOST_WRITE, err);
    c->reflagged = ret == 0;
    return ret;
}

/* Staying writable does no harm when the host refuses. */
static void make_read_only(struct node *n)
{
    struct file_state *s = node_state(n);
    file_reflag(n, s->flags & ~(uint32_t)HOST_WRITE, NULL);
}

static void commit_change(void *opaque)
{
    struct lock_change *c = opaque;
    struct file_state *s = node_state(c->n);
    drop_locks(c->n, (struct file_locks){ .used = s->held.used & ~s->want.used,
                                          .unshared = s->held.unshared & ~s->want.unshared });
    if (!s->want_write && (s->flags & HOST_WRITE)) {
        make_read_only(c->n);
    }
}

/* As it was open before the change. */
static void give_back_access(struct node *n, const struct lock_change *c)
{
    const struct file_state *s = node_state(n);
    if (c->reflagged) {
        make_read_only(n);
    }
    if (c->gave_up) {
        file_reflag(n, s->flags | HOST_WRITE, NULL);
    }
}

static void undo_change(void *opaque)
{
    struct lock_change *c = opaque;
    struct file_state *s = node_state(c->n);
    drop_locks(c->n, c->added);
    s->want = c->old_want;
    s->want_write = c->old_want_write;
    give_back_access(c->n, c);
}

/* A reopen that makes it read-only needs a descriptor that is. */
static int give_up_writing(struct node *n, struct lock_change *c, struct error *err)
{
    struct file_state *s = node_state(n);
    bool asked = node_flags_next(n)->read_only && !n->flags.read_only;
    if (!asked || !(s->flags & HOST_WRITE) || !host_is_fdset(s->filename)) {
        return 0;
    }
    int ret = file_reflag(n, s->flags & ~(uint32_t)HOST_WRITE, err);
    c->gave_up = ret == 0;
    return ret;
}

int file_perm_change(struct node *n, struct perm_pair now, struct txn *txn, struct error *err)
{
    struct file_state *s = node_state(n);
    struct file_locks want = { 0 };
    if (s->locking) {
        want = (struct file_locks){ .used = now.used, .unshared = ~now.shared & PERM_ALL };
    }
    struct lock_change c = { .n = n, .old_want = s->want, .old_want_write = s->want_write };
    c.added = (struct file_locks){ .used = want.used & ~s->held.used,
                                   .unshared = want.unshared & ~s->held.unshared };
    bool write = file_needs_write(n, now.used);
    int ret = write && !(s->flags & HOST_WRITE) ? make_writable(n, &c, err) : 0;
    ret = ret < 0 || write ? ret : give_up_writing(n, &c, err);
    if (ret < 0) {
        return ret;
    }
    ret = take_locks(n, c.added, err);
    if (ret < 0) {
        give_back_access(n, &c);
        return ret;
    }
    s->want = want;
    s->want_write = write;
    txn_add(txn, (struct txn_action){ .commit = commit_change,
                                      .undo = undo_change,
                                      .clean = free,
                                      .opaque = mem_copy(&c, sizeof(c)) });
    return 0;
}
