/* SPDX-License-Identifier: MIT */
/* The simulated host: a flat directory in which each file is a disk.
 *
 *   link    a name in the directory; never changes, so snapshots of the directory share links
 *   inode   a file: its disk and its locks; lives while a link, an open file or a request refers
 *           to it
 *   journal the directory as it was before each change since the last flush, oldest first
 *
 * Invariants:
 *  1. Links stand in the order of creation; a rename keeps its place.
 *  2. Every inode is in the list of all inodes, in order of creation, so that a power cut reaches
 *     disks that have no name (any more) in an order that does not depend on names.
 *  3. A file opened before the last power cut does nothing but fail and close.
 */
#include "base/check.h"
#include "base/mem.h"
#include "sim/disk_private.h"
#include "sim/host.h"
#include "sim/host_lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_BYTES_MAX = 255,
    JOURNAL_MAX = 256, /* Changes that may be lost; older ones become durable. */
    FILES_MAX = 65536,
};

struct inode {
    uint32_t refs;
    struct disk *disk;
    struct lock_table locks;
    struct inode *prev, *next;
};

struct link {
    uint32_t refs;
    struct inode *inode; /* A reference. */
    char name[];
};

struct dir {
    struct link **links; /* References. */
    size_t len;
};

struct host_sim {
    struct host base;
    struct disk_config cfg;
    char *profile; /* Behind cfg.profile. */
    struct dir dir;
    struct dir *journal;
    size_t journal_len;
    uint64_t journal_dropped; /* Entries that have left it, ever. */
    struct inode *inode_head, *inode_tail;
    struct choice_point keep;
    uint64_t epoch; /* Power cuts so far. */
    uint32_t open_files;
    bool off;
};

struct sim_file {
    struct host_file base;
    struct inode *inode; /* A reference. */
    uint32_t flags;
    uint64_t epoch;
};

static struct host_sim *host_of(struct host *h)
{
    CHECK(strcmp(h->ops->name, "sim") == 0);
    return (struct host_sim *)h;
}

static struct sim_file *file_of(struct host_file *f)
{
    return (struct sim_file *)f;
}

/* --- inodes and links --- */

static struct inode *inode_new(struct host_sim *h, struct disk *d)
{
    struct inode *n = NEW(struct inode);
    n->disk = d;
    n->refs = 1;
    n->prev = h->inode_tail;
    if (h->inode_tail) {
        h->inode_tail->next = n;
    } else {
        h->inode_head = n;
    }
    h->inode_tail = n;
    return n;
}

static void inode_unref(struct host_sim *h, struct inode *n)
{
    CHECK(n->refs > 0);
    if (--n->refs) {
        return;
    }
    if (n->prev) {
        n->prev->next = n->next;
    } else {
        h->inode_head = n->next;
    }
    if (n->next) {
        n->next->prev = n->prev;
    } else {
        h->inode_tail = n->prev;
    }
    disk_destroy(n->disk);
    lock_table_fini(&n->locks);
    free(n);
}

/* Takes over the reference to n. */
static struct link *link_new(const char *name, struct inode *n)
{
    size_t len = strlen(name);
    struct link *l = mem_zalloc(sizeof(*l) + len + 1);
    l->refs = 1;
    l->inode = n;
    memcpy(l->name, name, len);
    return l;
}

static void link_unref(struct host_sim *h, struct link *l)
{
    CHECK(l->refs > 0);
    if (--l->refs == 0) {
        inode_unref(h, l->inode);
        free(l);
    }
}

static void dir_drop(struct host_sim *h, struct dir *dir)
{
    for (size_t i = 0; i < dir->len; i++) {
        link_unref(h, dir->links[i]);
    }
    free(dir->links);
    *dir = (struct dir){ 0 };
}

static struct dir dir_copy(const struct dir *dir)
{
    struct dir copy = { NEW_ARRAY(struct link *, dir->len), dir->len };
    for (size_t i = 0; i < dir->len; i++) {
        copy.links[i] = dir->links[i];
        copy.links[i]->refs++;
    }
    return copy;
}

static void dir_add(struct dir *dir, struct link *l)
{
    dir->links = mem_resize(dir->links, (dir->len + 1) * sizeof(*dir->links));
    dir->links[dir->len++] = l;
}

static void dir_remove(struct host_sim *h, struct dir *dir, size_t i)
{
    CHECK(i < dir->len);
    struct link *l = dir->links[i];
    memmove(&dir->links[i], &dir->links[i + 1], (dir->len - i - 1) * sizeof(l));
    dir->len--;
    link_unref(h, l);
}

static const char *plain_name(const char *path)
{
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
        while (path[0] == '/') {
            path++;
        }
    }
    return path;
}

/* Index of a name, or -ENOENT, -ENAMETOOLONG, -EISDIR. */
static int64_t dir_find(const struct host_sim *h, const char *path)
{
    const char *name = plain_name(path);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (name != path && name[0] == 0)) {
        return -EISDIR;
    }
    if (name[0] == 0 || strchr(name, '/')) {
        return -ENOENT;
    }
    if (strlen(name) > NAME_BYTES_MAX) {
        return -ENAMETOOLONG;
    }
    for (size_t i = 0; i < h->dir.len; i++) {
        if (strcmp(h->dir.links[i]->name, name) == 0) {
            return (int64_t)i;
        }
    }
    return -ENOENT;
}

/* Can a name be made; 0 or -errno. */
static int check_new_name(const char *path)
{
    const char *name = plain_name(path);
    return name[0] == 0 || strchr(name, '/') ? -ENOENT : 0;
}

/* --- the journal of the directory --- */

static void journal_drop(struct host_sim *h, size_t n)
{
    CHECK(n <= h->journal_len);
    for (size_t i = 0; i < n; i++) {
        dir_drop(h, &h->journal[i]);
    }
    memmove(h->journal, h->journal + n, (h->journal_len - n) * sizeof(*h->journal));
    h->journal_len -= n;
    h->journal_dropped += n;
}

/* The directory is about to change. */
static void journal_note(struct host_sim *h)
{
    if (h->journal_len == JOURNAL_MAX) {
        journal_drop(h, 1);
    }
    h->journal[h->journal_len++] = dir_copy(&h->dir);
}

static void journal_cut(struct host_sim *h)
{
    size_t kept = 0;
    while (kept < h->journal_len && choice_pick(&h->base.sim->choice, &h->keep, 2) != 0) {
        kept++;
    }
    if (kept < h->journal_len) {
        dir_drop(h, &h->dir);
        h->dir = dir_copy(&h->journal[kept]);
    }
    if (h->journal_len) {
        sim_trace(h->base.sim, TRACE_POWER, TRACE_POWER_NAMES, 0, (int64_t)kept,
                  (int64_t)h->journal_len);
    }
    journal_drop(h, h->journal_len);
}

/* --- names --- */

static int sim_open(struct host *base, const char *path, uint32_t flags, struct host_file **out)
{
    struct host_sim *h = host_of(base);
    if (h->off) {
        return -EIO;
    }
    int64_t i = dir_find(h, path);
    if (i < 0) {
        return (int)i;
    }
    struct sim_file *f = NEW(struct sim_file);
    f->base.host = base;
    f->inode = h->dir.links[i]->inode;
    f->inode->refs++;
    f->flags = flags;
    f->epoch = h->epoch;
    h->open_files++;
    *out = &f->base;
    return 0;
}

static void sim_close(struct host_file *base)
{
    struct sim_file *f = file_of(base);
    struct host_sim *h = host_of(base->host);
    CHECK(h->open_files > 0);
    h->open_files--;
    lock_table_drop(&f->inode->locks, f);
    inode_unref(h, f->inode);
    free(f);
}

static int create_new(struct host_sim *h, const char *path, uint64_t size)
{
    int ret = check_new_name(path);
    if (ret < 0) {
        return ret;
    }
    if (h->dir.len >= FILES_MAX) {
        return -ENOSPC;
    }
    struct disk_config cfg = h->cfg;
    struct disk *d;
    cfg.size = size;
    ret = disk_create(h->base.sim, plain_name(path), &cfg, &d, NULL);
    if (ret < 0) {
        return ret;
    }
    journal_note(h);
    dir_add(&h->dir, link_new(plain_name(path), inode_new(h, d)));
    return 0;
}

static int sim_create_file(struct host *base, const char *path, uint64_t size)
{
    struct host_sim *h = host_of(base);
    if (h->off) {
        return -EIO;
    }
    if (size > INT64_MAX) {
        return -EFBIG;
    }
    int64_t i = dir_find(h, path);
    if (i == -ENOENT) {
        return create_new(h, path, size);
    }
    if (i < 0) {
        return (int)i;
    }
    struct inode *n = h->dir.links[i]->inode;
    n->refs++;
    int ret = disk_resize(n->disk, 0);
    if (ret == 0) {
        ret = disk_resize(n->disk, size);
    }
    inode_unref(h, n);
    return ret;
}

static int sim_unlink(struct host *base, const char *path)
{
    struct host_sim *h = host_of(base);
    int64_t i = h->off ? -EIO : dir_find(h, path);
    if (i < 0) {
        return (int)i;
    }
    journal_note(h);
    dir_remove(h, &h->dir, (size_t)i);
    return 0;
}

static int sim_rename(struct host *base, const char *from, const char *to)
{
    struct host_sim *h = host_of(base);
    int64_t i = h->off ? -EIO : dir_find(h, from);
    if (i < 0) {
        return (int)i;
    }
    int64_t old = dir_find(h, to);
    int ret = old == -ENOENT ? check_new_name(to) : old < 0 ? (int)old : 0;
    if (ret < 0) {
        return ret;
    }
    struct link *l = h->dir.links[i];
    if (old == i) {
        return 0;
    }
    journal_note(h);
    l->inode->refs++;
    h->dir.links[i] = link_new(plain_name(to), l->inode);
    link_unref(h, l);
    if (old >= 0) {
        dir_remove(h, &h->dir, (size_t)old);
    }
    return 0;
}

/* --- open files --- */

/* 0, or the errno of a file that the power cut has killed or that is open for reading only. */
static int check_file(const struct sim_file *f, bool write)
{
    const struct host_sim *h = host_of(f->base.host);
    if (h->off || f->epoch != h->epoch) {
        return -EIO;
    }
    return write && !(f->flags & HOST_WRITE) ? -EBADF : 0;
}

static uint32_t disk_flags_of(const struct sim_file *f, uint32_t flags)
{
    uint32_t all = DISK_FILE;
    if (f->flags & HOST_DIRECT) {
        all |= DISK_DIRECT;
    }
    if (flags & DISK_FUA && !(f->flags & HOST_NO_FLUSH)) {
        all |= DISK_FUA;
    }
    return all;
}

static int sim_info(struct host_file *base, struct host_info *out)
{
    struct sim_file *f = file_of(base);
    int ret = check_file(f, false);
    if (ret < 0) {
        return ret;
    }
    const struct disk *d = f->inode->disk;
    *out = (struct host_info){
        .size = disk_size(d),
        .request_align = f->flags & HOST_DIRECT ? disk_cfg(d)->logical : 1,
        .memory_align = 1,
        .can_discard = true,
        .can_zero = true,
        .allocated = disk_allocated_bytes(d),
    };
    return 0;
}

static int sim_reflag(struct host_file *base, uint32_t flags)
{
    struct sim_file *f = file_of(base);
    int ret = check_file(f, false);
    if (ret == 0) {
        f->flags = flags;
    }
    return ret;
}

static int sim_read(struct host_file *base, uint64_t offset, struct iobuf *buf)
{
    struct sim_file *f = file_of(base);
    int ret = check_file(f, false);
    if (ret < 0) {
        return ret;
    }
    uint64_t done;
    ret = disk_read_some(f->inode->disk, offset, buf, disk_flags_of(f, 0), &done);
    for (uint64_t at = 0; ret < 0 && done > 0;) {
        /* A short count: the rest is a request of its own, and the answer is bytes. */
        at += done;
        struct iobuf rest = iobuf_slice(buf, (size_t)at, (size_t)(buf->len - at));
        rest.symbolic = false;
        ret = disk_read_some(f->inode->disk, offset + at, &rest, disk_flags_of(f, 0), &done);
    }
    return ret;
}

static int sim_write(struct host_file *base, uint64_t offset, const struct iobuf *buf,
                     uint32_t flags)
{
    struct sim_file *f = file_of(base);
    int ret = check_file(f, true);
    if (ret < 0) {
        return ret;
    }
    uint64_t done;
    flags = disk_flags_of(f, flags);
    ret = disk_write_some(f->inode->disk, offset, buf, flags, &done);
    for (uint64_t at = 0; ret < 0 && done > 0;) {
        at += done;
        struct iobuf rest = iobuf_slice(buf, (size_t)at, (size_t)(buf->len - at));
        ret = disk_write_some(f->inode->disk, offset + at, &rest, flags, &done);
    }
    return ret;
}

static int sim_zero(struct host_file *base, uint64_t offset, uint64_t bytes, bool unmap)
{
    struct sim_file *f = file_of(base);
    struct disk *d = f->inode->disk;
    int ret = check_file(f, true);
    if (ret < 0 || !unmap) {
        return ret < 0 ? ret : disk_zero(d, offset, bytes, disk_flags_of(f, 0));
    }
    ret = disk_discard(d, offset, bytes, disk_flags_of(f, 0));
    if (ret == 0 && offset + bytes > disk_size(d)) {
        ret = disk_grow(d, offset + bytes);
    }
    return ret;
}

static int sim_discard(struct host_file *base, uint64_t offset, uint64_t bytes)
{
    struct sim_file *f = file_of(base);
    int ret = check_file(f, true);
    return ret < 0 ? ret : disk_discard(f->inode->disk, offset, bytes, disk_flags_of(f, 0));
}

static int sim_flush(struct host_file *base)
{
    struct sim_file *f = file_of(base);
    struct host_sim *h = host_of(base->host);
    int ret = check_file(f, false);
    if (ret < 0 || f->flags & HOST_NO_FLUSH) {
        return ret;
    }
    uint64_t end = h->journal_dropped + h->journal_len;
    ret = disk_flush(f->inode->disk);
    if (ret == 0 && f->epoch == h->epoch && end > h->journal_dropped) {
        journal_drop(h, (size_t)(end - h->journal_dropped));
    }
    return ret;
}

static int sim_truncate(struct host_file *base, uint64_t size)
{
    struct sim_file *f = file_of(base);
    int ret = check_file(f, true);
    return ret < 0 ? ret : disk_resize(f->inode->disk, size);
}

static int sim_status(struct host_file *base, uint64_t offset, uint64_t limit, bool *data,
                      uint64_t *bytes)
{
    struct sim_file *f = file_of(base);
    int ret = check_file(f, false);
    if (ret == 0) {
        *data = disk_allocated(f->inode->disk, offset, limit, bytes);
    }
    return ret;
}

static int sim_lock(struct host_file *base, uint64_t start, uint64_t len, enum host_lock kind)
{
    struct sim_file *f = file_of(base);
    int ret = check_file(f, kind == HOST_LOCK_EXCLUSIVE);
    return ret < 0 ? ret : lock_table_set(&f->inode->locks, f, start, len, kind);
}

static int sim_lock_test(struct host_file *base, uint64_t start, uint64_t len, bool exclusive)
{
    struct sim_file *f = file_of(base);
    int ret = check_file(f, false);
    return ret < 0 ? ret : lock_table_test(&f->inode->locks, f, start, len, exclusive);
}

/* --- the host --- */

static void sim_host_destroy(struct host *base)
{
    struct host_sim *h = host_of(base);
    CHECK(h->open_files == 0);
    journal_drop(h, h->journal_len);
    dir_drop(h, &h->dir);
    CHECK(h->inode_head == NULL);
    free(h->journal);
    free(h->profile);
    free(h);
}

static const struct host_ops sim_ops = {
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .create = sim_create_file,
    .unlink = sim_unlink,
    .rename = sim_rename,
    .info = sim_info,
    .reflag = sim_reflag,
    .read = sim_read,
    .write = sim_write,
    .zero = sim_zero,
    .discard = sim_discard,
    .flush = sim_flush,
    .truncate = sim_truncate,
    .status = sim_status,
    .lock = sim_lock,
    .lock_test = sim_lock_test,
    .destroy = sim_host_destroy,
};

struct host *host_sim_create(struct sim *s, const struct disk_config *cfg)
{
    struct host_sim *h = NEW(struct host_sim);
    h->base.ops = &sim_ops;
    h->base.sim = s;
    h->cfg = *cfg;
    h->profile = cfg->profile ? mem_strdup(cfg->profile) : NULL;
    h->cfg.profile = h->profile;
    h->journal = NEW_ARRAY(struct dir, JOURNAL_MAX);
    choice_point_init(&h->keep, sim_actor(s), CHOICE_KEEP);
    return &h->base;
}

int host_sim_add_disk(struct host *base, struct disk *d)
{
    struct host_sim *h = host_of(base);
    int64_t i = dir_find(h, disk_name(d));
    int ret = i >= 0 ? -EEXIST : i != -ENOENT ? (int)i : check_new_name(disk_name(d));
    if (ret < 0) {
        return ret;
    }
    struct link *l = link_new(plain_name(disk_name(d)), inode_new(h, d));
    dir_add(&h->dir, l);
    for (size_t k = 0; k < h->journal_len; k++) { /* It has always been there. */
        l->refs++;
        dir_add(&h->journal[k], l);
    }
    return 0;
}

struct disk *host_sim_disk(struct host *base, const char *path)
{
    struct host_sim *h = host_of(base);
    int64_t i = dir_find(h, path);
    return i < 0 ? NULL : h->dir.links[i]->inode->disk;
}

const char *host_sim_name(struct host *base, size_t i)
{
    struct host_sim *h = host_of(base);
    return i < h->dir.len ? h->dir.links[i]->name : NULL;
}

void host_sim_power_cut(struct host *base)
{
    struct host_sim *h = host_of(base);
    if (h->off) {
        return;
    }
    h->off = true;
    h->epoch++;
    for (struct inode *n = h->inode_head; n; n = n->next) {
        disk_power_cut(n->disk);
        lock_table_fini(&n->locks);
    }
    journal_cut(h);
}

void host_sim_power_on(struct host *base)
{
    struct host_sim *h = host_of(base);
    h->off = false;
    for (struct inode *n = h->inode_head; n; n = n->next) {
        disk_power_on(n->disk);
    }
}

bool host_sim_is_on(const struct host *base)
{
    CHECK(strcmp(base->ops->name, "sim") == 0);
    return !((const struct host_sim *)base)->off;
}
