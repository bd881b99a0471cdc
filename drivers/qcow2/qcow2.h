/* Between the files of the qcow2 driver.
 *
 *   qcow2.c     driver table, open, close, info        header.c    the first cluster
 *   options.c   run-time options                       reopen.c    their change
 *   cache.c     cached tables, ordered write-back       refcount.c  who uses a cluster
 *   alloc.c     finding clusters, giving them back      grow.c      more refcount blocks and tables
 *   cluster.c   L1 and L2: guest to host                write.c     allocating writes
 *   io.c        requests                                zero.c      zeroes and discards
 *   resize.c    longer and shorter                      compress.c  compressed clusters
 *   check.c     counting references anew                corrupt.c   what must not be overwritten
 *   create.c    new images
 *
 * Words: a cluster is a unit of the image file, a guest cluster one of the guest's disk.  "Locked"
 * on a function means that its caller holds q->lock; it may yield all the same.
 *
 * Invariants:
 *  1. L1, L2, refcounts and header change only under q->lock.
 *  2. What the file holds at any instant leads to leaks at worst: a reference is written after the
 *     count of what it refers to, and taken away before that count goes down (cache.c).
 *  3. A cluster that was freed is not used again before its last reference is durably gone and
 *     every request that may have seen that reference has ended (struct held, alloc.c).
 *  4. Reads of a chain recurse; nothing on that way has large arrays on the stack.
 * (QEMU docs/interop/qcow2.txt, docs/qcow2-cache.txt; behaviour of the installed 7.2.)
 */
#ifndef DRIVERS_QCOW2_QCOW2_H
#define DRIVERS_QCOW2_QCOW2_H

#include "base/check.h"
#include "base/mem.h"
#include "model/node.h"
#include "sim/sync.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    QCOW2_MAGIC = 0x514649fb,
    HEADER_V2_SIZE = 72,
    HEADER_V3_SIZE = 104,
    HEADER_FULL_SIZE = 112, /* With the compression type and its padding. */
    CLUSTER_BITS_MIN = 9,
    CLUSTER_BITS_MAX = 21,
    L1_BYTES_MAX = 32 << 20,
    REFTABLE_BYTES_MAX = 8 << 20,
    SNAPSHOTS_MAX = 65536,
    BACKING_NAME_MAX = 1023,
    BACKING_FORMAT_MAX = 15,
};

enum incompatible_features {
    INCOMPAT_DIRTY = 1 << 0,
    INCOMPAT_CORRUPT = 1 << 1,
    INCOMPAT_DATA_FILE = 1 << 2,
    INCOMPAT_COMPRESSION = 1 << 3,
    INCOMPAT_EXTENDED_L2 = 1 << 4,
    INCOMPAT_KNOWN = 31,
};

enum { COMPAT_LAZY_REFCOUNTS = 1 };
enum { AUTOCLEAR_BITMAPS = 1 << 0, AUTOCLEAR_DATA_FILE_RAW = 1 << 1 };

#define ENTRY_COPIED (UINT64_C(1) << 63)     /* Nobody else refers to it. */
#define ENTRY_COMPRESSED (UINT64_C(1) << 62) /* L2 only. */
#define ENTRY_ZERO UINT64_C(1)               /* L2 only, version 3. */
#define ENTRY_OFFSET UINT64_C(0x00fffffffffffe00)
#define REFTABLE_OFFSET UINT64_C(0xfffffffffffffe00)

/* What a guest cluster is. */
enum cluster_type {
    CLUSTER_UNALLOCATED, /* The backing file has it. */
    CLUSTER_ZERO,
    CLUSTER_ZERO_ALLOCATED, /* Reads as zeroes and has a place. */
    CLUSTER_DATA,
    CLUSTER_COMPRESSED,
};

/* Why a cluster is given back: decides whether the file is told. */
enum discard_type {
    DISCARD_NEVER,
    DISCARD_ALWAYS,
    DISCARD_REQUEST,
    DISCARD_SNAPSHOT,
    DISCARD_OTHER,
    DISCARD_TYPES
};

/* Parts of the metadata that "overlap-check" guards, in order of its options. */
enum metadata_part {
    META_HEADER,
    META_ACTIVE_L1,
    META_ACTIVE_L2,
    META_REFTABLE,
    META_REFBLOCK,
    META_SNAPSHOT_TABLE,
    META_INACTIVE_L1,
    META_INACTIVE_L2,
    META_BITMAP_DIRECTORY,
    META_PARTS
};

struct qcow2;

/* ---- cache.c: tables of one kind in memory ---- */

struct cache_entry {
    uint64_t offset; /* In the file. */
    uint32_t uses;   /* Pins it. */
    bool dirty;
    int64_t period; /* Of cache-clean-interval, when it was last used. */
    struct cache_entry *hash_next;
    struct cache_entry *older, *newer;           /* By last use. */
    struct cache_entry *dirty_next, *dirty_prev; /* By first change. */
    uint8_t table[];
};

struct cache {
    struct qcow2 *q;
    bool refcounts; /* Else L2. */
    uint32_t table_size;
    uint32_t capacity, len;
    struct cache_entry **buckets;
    uint32_t bucket_mask;
    struct cache_entry *oldest, *newest;
    struct cache_entry *dirty_head, *dirty_tail;
    struct cache *depends; /* To be durable before anything of this is written. */
    bool depends_on_flush; /* So are all data written up to now. */
    int64_t period;
};

struct cache *cache_create(struct qcow2 *q, bool refcounts, uint32_t table_size, uint32_t capacity);
void cache_destroy(struct cache *c); /* Checked: nothing is dirty unless the image is lost. */

/* Locked.  The table at offset of the file; pinned until cache_put. */
int cache_get(struct cache *c, uint64_t offset, uint8_t **table);
/* The same without reading: all zeroes. */
int cache_get_empty(struct cache *c, uint64_t offset, uint8_t **table);
void cache_put(struct cache *c, uint8_t *table);
void cache_dirty(struct cache *c, uint8_t *table);
/* Locked.  before is made durable before anything of c is written from now on. */
int cache_depend(struct cache *c, struct cache *before);
void cache_depend_on_flush(struct cache *c);
/* Locked.  Writes what is dirty, in order; cache_flush makes it durable as well. */
int cache_write(struct cache *c);
int cache_flush(struct cache *c);
/* The tables within the range are gone from the file. */
void cache_forget(struct cache *c, uint64_t offset, uint64_t bytes);
/* Drops everything without writing. */
void cache_drop(struct cache *c);

/* ---- State of one image ---- */

struct qcow2_options {
    bool lazy;
    bool pass_discard[DISCARD_TYPES];
    uint32_t overlap; /* Bits of enum metadata_part. */
    uint32_t l2_entries, l2_entry_size, refcount_entries;
    uint32_t clean_interval_s; /* 0: never. */
};

/* A write that allocates: from the choice of its clusters until they are in the L2 table. */
struct alloc {
    int64_t start, end;     /* Guest range, whole clusters. */
    uint64_t host;          /* Of start. */
    int64_t data, data_end; /* What the guest writes; the rest is copied. */
    bool keep;              /* The place was theirs already (zeroes with a place). */
    struct co_queue waiters;
    struct alloc *prev, *next;
};

struct bounce {
    struct bounce *next;
    uint8_t bytes[];
};

struct held_range {
    uint64_t first, count; /* Clusters. */
};

/* Clusters that were freed and may not be used again yet. */
struct held {
    struct held_range *fresh; /* References are not durably gone; */
    uint32_t fresh_len, fresh_cap;
    uint32_t written;       /* of the first ones they are written. */
    uint64_t moved;         /* Ranges that left `fresh` so far. */
    struct held_range *old; /* Requests of the epoch before may still see them. */
    uint32_t old_len, old_cap;
    uint32_t epoch; /* 0, 1 */
    uint32_t users[2];
};

struct extension {
    struct extension *next;
    uint32_t magic, len;
    uint8_t bytes[];
};

struct snapshot {
    uint64_t l1_offset;
    uint32_t l1_size;
    uint64_t *l1; /* Loaded when asked for. */
};

struct qcow2 {
    struct node *node; /* NULL while an image is created. */
    struct sim *sim;
    struct child *file;

    /* Header. */
    uint32_t version;
    uint32_t cluster_bits, cluster_size;
    uint64_t size; /* The guest's disk, in bytes. */
    uint64_t incompatible, compatible, autoclear;
    uint32_t refcount_order;
    uint32_t header_length;
    uint8_t compression_type;
    uint32_t crypt_method;
    uint8_t *unknown_fields;      /* Beyond HEADER_FULL_SIZE. */
    struct extension *extensions; /* All that header.c does not write by itself. */
    bool has_bitmaps;
    uint64_t bitmap_directory, bitmap_directory_size;
    char *backing_file, *backing_format;
    uint64_t snapshots_offset;
    uint64_t snapshots_size; /* Bytes of the table. */
    uint32_t snapshot_count;
    struct snapshot *snapshots;

    /* Tables in memory, in the machine's byte order. */
    uint64_t *l1;
    uint32_t l1_size;
    uint64_t l1_offset;
    uint64_t *reftable;
    uint32_t reftable_size; /* Entries. */
    uint64_t reftable_offset;
    struct cache *l2_cache, *refcount_cache;

    struct qcow2_options options;
    int64_t clean_start_ns; /* Where the intervals of cache-clean-interval begin. */

    struct co_mutex lock;
    struct alloc *allocs, *spare_allocs;
    struct bounce *bounces;
    struct held held;
    uint64_t free_byte;                     /* Where compressed data go on; 0: in a new cluster. */
    uint64_t free_index;                    /* Where to look for free clusters. */
    uint64_t discard_offset, discard_bytes; /* To be passed on to the file. */
    bool signalled;                         /* Damage was told once. */
    bool lost;                              /* Found corrupt while in use: every request fails. */
    bool repair_pending;                    /* Dirty, and opened without the right to repair. */
    uint8_t sparse_known; /* Data clusters may be holes: 0 not known, 1 no, 2 yes. */
};

static inline uint64_t cluster_align(const struct qcow2 *q, uint64_t v)
{
    return v & ~(uint64_t)(q->cluster_size - 1);
}

static inline uint64_t cluster_round_up(const struct qcow2 *q, uint64_t v)
{
    return cluster_align(q, v + q->cluster_size - 1);
}

static inline uint32_t in_cluster(const struct qcow2 *q, uint64_t v)
{
    return (uint32_t)v & (q->cluster_size - 1);
}

/* L2 entries of a table, as a power of two. */
static inline uint32_t l2_bits(const struct qcow2 *q)
{
    return q->cluster_bits - 3;
}

static inline uint64_t be64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return be64toh(v);
}

static inline uint32_t be32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return be32toh(v);
}

static inline void put_be64(void *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, 8);
}

static inline void put_be32(void *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, 4);
}

static inline void put_be16(void *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, 2);
}

static inline void qcow2_lock(struct qcow2 *q)
{
    co_mutex_lock(q->sim, &q->lock);
}

static inline void qcow2_unlock(struct qcow2 *q)
{
    co_mutex_unlock(q->sim, &q->lock);
}

/* Reads and writes bytes of the file. */
int file_read_bytes(struct qcow2 *q, uint64_t offset, void *dst, size_t n);
int file_write_bytes(struct qcow2 *q, uint64_t offset, const void *src, size_t n);
int file_write_fill(struct qcow2 *q, uint64_t offset, struct fill f, size_t n);

/* Memory of a cluster and a half, from a pool. */
struct bounce *bounce_get(struct qcow2 *q);
void bounce_put(struct qcow2 *q, struct bounce *b);

/* ---- header.c ---- */

/* Reads and checks the header and its extensions. */
int qcow2_header_read(struct qcow2 *q, struct error *err);
/* Locked.  Writes all of it anew from q.  -ENOSPC: it does not fit into a cluster. */
int qcow2_header_write(struct qcow2 *q);
void qcow2_header_free(struct qcow2 *q);
/* Reads the table of internal snapshots. */
int snapshots_read(struct qcow2 *q, struct error *err);
/* Locked.  The L1 table of a snapshot, read on first use. */
int snapshot_l1(struct qcow2 *q, struct snapshot *s);
/* Locked.  Puts features (enum incompatible_features) into force on disk, durably. */
int qcow2_set_features(struct qcow2 *q, uint64_t features);

/* ---- options.c ---- */

extern const struct schema_member qcow2_options[], qcow2_create_options[];
extern const struct schema_member qcow2_create_members[], qcow2_amend_members[];

int qcow2_options_read(const struct qcow2 *q, const struct opts *opts,
                       const struct node_flags *flags, struct qcow2_options *out,
                       struct error *err);

/* ---- refcount.c ---- */

uint64_t refcount_at(const struct qcow2 *q, const uint8_t *block, uint64_t index);
void refcount_put(const struct qcow2 *q, uint8_t *block, uint64_t index, uint64_t value);
static inline uint64_t refcount_max(const struct qcow2 *q)
{
    uint32_t bits = 1u << q->refcount_order;
    return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}
/* Refcounts of a block, as a power of two. */
static inline uint32_t refblock_bits(const struct qcow2 *q)
{
    return q->cluster_bits + 3 - q->refcount_order;
}
/* Locked.  The count of one cluster; 0 where no block is. */
int refcount_get(struct qcow2 *q, uint64_t cluster, uint64_t *count);
/* Locked.  Adds 1 or -1 for every cluster that the bytes touch, or nothing on failure.  Blocks for
 * an increase are there already. */
int refcount_change(struct qcow2 *q, uint64_t offset, uint64_t bytes, int addend,
                    enum discard_type type);
/* Locked.  Takes back a count that nothing has used yet: the clusters are free at once.  On failure
 * they leak. */
void refcount_abandon(struct qcow2 *q, uint64_t offset, uint64_t bytes);

/* ---- alloc.c, grow.c ---- */

/* Locked.  Offset of free clusters that lie together, counted as used; or -errno. */
int64_t clusters_alloc(struct qcow2 *q, uint64_t bytes);
/* Locked. */
void clusters_free(struct qcow2 *q, uint64_t offset, uint64_t bytes, enum discard_type type);
/* Locked.  Gives back what an L2 entry refers to. */
void entry_free(struct qcow2 *q, uint64_t entry, enum discard_type type);
/* Locked.  First of n free clusters that lie together; nothing is counted, and the next search
 * begins behind them. */
int64_t clusters_find(struct qcow2 *q, uint64_t n);
/* Locked.  Makes sure that the clusters have refcount blocks.  1: one came new; the next search
 * begins with these clusters at the latest, and then it is to be asked again. */
int refblocks_ensure(struct qcow2 *q, uint64_t first, uint64_t last);
/* Locked.  Makes an area of n clusters from about that cluster on, which with all that follow must
 * be free: blocks that it needs and a table come first.  Returns the first of the n, which are not
 * counted yet. */
int64_t reftable_area(struct qcow2 *q, uint64_t cluster, uint64_t n);
/* Locked, all metadata written.  Gives back refcount blocks that count nothing but themselves. */
int refblocks_drop_idle(struct qcow2 *q);
/* Locked.  Passes on what was freed. */
void discards_pass(struct qcow2 *q);
void discard_add(struct qcow2 *q, uint64_t offset, uint64_t bytes, enum discard_type type);

/* A request looks at data clusters from begin (locked) to end. */
uint32_t data_begin(struct qcow2 *q);
void data_end(struct qcow2 *q, uint32_t epoch);
void held_add(struct qcow2 *q, uint64_t first, uint64_t count);
/* One past the last of them. */
uint64_t held_end(const struct qcow2 *q);
/* Where that has got to; and: what was written up to there is durable. */
uint64_t held_mark(const struct qcow2 *q);
void held_durable(struct qcow2 *q, uint64_t mark);
void held_free(struct qcow2 *q);

/* Locked.  Writes all that is cached, in order. */
int metadata_write(struct qcow2 *q);
/* Locked.  The same, durably. */
int metadata_flush(struct qcow2 *q);

/* ---- cluster.c ---- */

struct mapping {
    enum cluster_type type;
    int64_t bytes;  /* How far it goes. */
    uint64_t host;  /* Of the first byte, for data and zeroes with a place. */
    uint64_t entry; /* The L2 entry, for compressed clusters. */
};

enum cluster_type entry_type(uint64_t entry);
/* Where a compressed cluster lies: *bytes up to the end of its last sector. */
void entry_compressed(const struct qcow2 *q, uint64_t entry, uint64_t *host, uint64_t *bytes);

/* Locked. */
int cluster_map(struct qcow2 *q, int64_t offset, int64_t bytes, struct mapping *out);

/* A piece of an L2 table, pinned. */
struct slice {
    uint8_t *table;
    uint64_t offset; /* Of the whole L2 table, for messages. */
    uint32_t first;  /* Its index in the L2 table. */
    uint32_t index;  /* Of the entry asked for, in the slice. */
    uint32_t len;    /* Entries. */
};

/* Locked.  The piece of the L2 table for offset, as it may be changed: the table is made or
 * copied first when it has to be. */
int slice_writable(struct qcow2 *q, int64_t offset, struct slice *out);
/* Checks an entry.  Errors: the image is corrupt. */
int slice_check(struct qcow2 *q, const struct slice *s, uint32_t index);
static inline uint64_t slice_entry(const struct slice *s, uint32_t index)
{
    return be64(s->table + 8 * (size_t)index);
}
static inline void slice_set(const struct slice *s, uint32_t index, uint64_t entry)
{
    put_be64(s->table + 8 * (size_t)index, entry);
}
/* Locked.  Writes the sector of the L1 table that has that entry. */
int l1_write_entry(struct qcow2 *q, uint32_t index);

/* ---- write.c ---- */

/* Locked.  Where [offset, offset + *bytes) is to be written: in place (*out NULL), or into new
 * clusters that alloc_finish puts into force.  *bytes may get less. */
int write_prepare(struct qcow2 *q, int64_t offset, int64_t *bytes, uint64_t *host,
                  struct alloc **out);
/* Copies what lies around the data. */
int alloc_copy(struct qcow2 *q, struct alloc *a);
/* Locked.  Whole guest clusters get the place `host`, which is counted already and reads as they
 * shall.  Returns the bytes for which that was done, or -errno when it failed with the first. */
int64_t clusters_link(struct qcow2 *q, int64_t offset, int64_t bytes, uint64_t host);
/* Locked.  ret: what came of writing the data.  a is gone. */
int alloc_finish(struct qcow2 *q, struct alloc *a, int ret);
/* Locked.  Waits until no allocation touches the range. */
void allocs_wait(struct qcow2 *q, int64_t start, int64_t end);
/* Locked.  Before the first change that refcounts on disk do not follow. */
int qcow2_mark_dirty(struct qcow2 *q);
/* Locked. */
int qcow2_mark_clean(struct qcow2 *q);
/* Locked.  Before anything is changed: clears the features that would no longer be true, and counts
 * references anew where that was left to be done. */
int qcow2_first_write(struct qcow2 *q);

/* ---- io.c, zero.c, resize.c, compress.c ---- */

/* Reads what the guest sees, backing file included. */
int qcow2_read_range(struct qcow2 *q, int64_t offset, struct iobuf *buf);
int qcow2_read(struct node *n, struct io_req *req);
int qcow2_write(struct node *n, struct io_req *req);
int qcow2_writeback(struct node *n);
int qcow2_sync(struct node *n);
int qcow2_block_status(struct node *n, struct io_req *req, struct io_extent *out);
int qcow2_write_zeroes(struct node *n, struct io_req *req);
int qcow2_discard(struct node *n, struct io_req *req);
int qcow2_truncate(struct node *n, struct io_req *req, struct error *err);
/* Locked.  all: the range is to be unallocated, not zeroes (it is cut off). */
int cluster_discard(struct qcow2 *q, int64_t offset, int64_t bytes, enum discard_type type,
                    bool all);
/* Locked.  -ENOTSUP: version 2 with a backing file. */
int cluster_zero(struct qcow2 *q, int64_t offset, int64_t bytes, bool unmap);
/* Locked. */
int qcow2_resize(struct qcow2 *q, int64_t length, enum io_prealloc mode, struct error *err);
/* One compressed guest cluster into b. */
int compressed_read(struct qcow2 *q, uint64_t entry, uint8_t *cluster);
int compressed_write(struct qcow2 *q, struct io_req *req);

/* ---- check.c, corrupt.c ---- */

/* Locked.  Counts all references and puts the counts right. */
int refcounts_repair(struct qcow2 *q);
/* The image is corrupt: says so once, on disk too, and lets every later request fail.  offset -1:
 * no place.  Returns -EIO. */
int qcow2_corrupt(struct qcow2 *q, int64_t offset, int64_t bytes, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Locked.  May these bytes of the file be written as what is not in `except`?  Errors: -EIO. */
int overlap_check(struct qcow2 *q, uint32_t except, uint64_t offset, uint64_t bytes);

/* ---- create.c, reopen.c ---- */

int qcow2_create(struct child *file, int64_t size, const struct opts *opts, struct error *err);
int qcow2_amend(struct node *n, const json_t *values, bool force, struct error *err);
int qcow2_set_backing(struct node *n, const char *file, const char *format, struct error *err);
int qcow2_reopen(struct node *n, const struct node_reopen *r, struct error *err);
/* Sets up what both open and create need, after header_read; qcow2_fini undoes it. */
int qcow2_init(struct qcow2 *q, const struct qcow2_options *options, struct error *err);
void qcow2_fini(struct qcow2 *q);
void caches_create(struct qcow2 *q, const struct qcow2_options *o, struct cache **l2,
                   struct cache **refcounts);

#endif
