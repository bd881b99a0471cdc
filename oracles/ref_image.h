/* The reference image: what its files share, and its statistics.
 *
 *   ref_image.c        hooks, requests in flight, power cuts
 *   ref_image_bind.c   which reference a node belongs to, and which others share its storage
 *   ref_image_page.c   pages, versions and ranges: what was written
 *   ref_image_layer.c  overlays: what a node shows where nobody wrote to it
 *   ref_image_check.c  what a read may return
 *   ref_image_job.c    jobs: what they leave where
 *   ref_image_view.c   nodes that show the past of another
 *
 * Jobs.  What a job has copied becomes a level of the target's own, below what is written to it
 * from then on: a copy of the references that the source showed.  Such levels are the past: they
 * belong to no node, and keep what their originals were.
 *
 * A reference is a sparse map of pages.  A page holds versions: a version says that a request left
 * some contents in a part of the page, with the stamps of its begin and end.  Stamps count the
 * begins and ends of all requests, so they order them.
 *
 * The one rule.  A read from stamp rb may return, for each unit of 512 bytes, any version that is
 * not superseded; a version V is superseded by a definite version D with D.begin > V.end and
 * D.end < rb.  A version is definite unless it only may have happened (V_MAYBE: failed, cut off,
 * discarded).  Where no definite version ended before rb, what the reference below shows may stand,
 * if the node is known to have nothing of its own there; else contents that nobody knows.
 *
 * Overlays.  A node with a backing file has a reference of its own, which points to that of the
 * node below.  Its image is blank when it was made in this run and all that was written to it was
 * seen: a place without a version then shows what lies below, and zero at the end of the chain.
 * Clusters that were touched may hold a copy of it.  So when what lies below becomes another,
 * places in them without a version are unknown (mixed), and what was learnt there is forgotten.
 */
#ifndef ORACLES_REF_IMAGE_H
#define ORACLES_REF_IMAGE_H

#include "oracles/oracle.h"
#include "sim/iobuf.h"

enum {
    REF_PAGE = 4096,
    REF_UNIT = 512,            /* Atomic unit: smaller parts of a request do not tear. */
    REF_HISTORY = 8,           /* Superseded versions a page keeps for a power cut. */
    REF_CHAIN_MAX = 48,        /* Versions of a page before they are merged. */
    REF_RANGE_BYTES = 1 << 20, /* Uniform requests of this size stand in the list of ranges. */
    REF_RANGES_MAX = 256,
    REF_SPREAD_BYTES = 1 << 28, /* Longest one that is spread over pages when the list is full. */
    REF_BLOCKS_MAX = 65536,    /* Pages of bytes kept in all: 256 MiB. */
    REF_LEARN_MAX = 4 << 20,   /* Pages of a reference beyond which reads teach nothing more. */
    REF_TOUCHED_MAX = 1 << 24, /* Clusters that are told apart; of a longer image, none. */
};

enum { FLY_RING = 256 };

enum version_flags {
    V_MAYBE = 1 << 0,   /* Happened, or not. */
    V_DURABLE = 1 << 1, /* FUA. */
    V_BYTES = 1 << 2,   /* Contents are block fill.tag of the state, from position lo on. */
    V_ANY = 1 << 3,     /* Contents unknown: matches everything. */
    V_LEARNT = 1 << 4,  /* Seen by a read, not written. */
};

/* fill holds the contents from position lo of the page on. */
struct version {
    struct fill fill;
    uint64_t begin, end;
    uint64_t token;
    int64_t time_ns; /* Of the end. */
    uint32_t next;   /* In the page's chain or the free list; 0 ends. */
    uint16_t lo, hi;
    uint8_t flags;
};

enum ref_page_flags {
    P_CURRENT = 1 << 0, /* The version in the page itself is there. */
    P_LIVE = 1 << 1,    /* A version of the chain may still be read. */
    P_LOSSY = 1 << 2,   /* Versions that a power cut could bring back were dropped. */
    P_USED = 1 << 3,
};

/* One cache line.  The current version covers the whole page and is definite; all others stand in
 * the chain, newest first. */
struct ref_page {
    uint64_t number;
    struct fill fill;
    uint64_t begin, end;
    uint64_t token;
    int64_t time_ns;
    uint32_t chain;
    uint8_t len; /* Of the chain. */
    uint8_t flags;
    uint8_t version_flags; /* Of the current version. */
};
_Static_assert(sizeof(struct ref_page) == 64, "a page entry is one cache line");

/* The same byte over a long range. */
struct ref_range {
    int64_t lo, hi;
    uint64_t begin, end;
    uint64_t token;
    int64_t time_ns;
    uint8_t byte;
    uint8_t flags;
};

struct ref_file {
    char *name;   /* The "filename" option, as JSON. */
    bool written; /* Not only through a backing edge. */
};

/* An image that was made anew in this run, and that nobody has written to since. */
struct ref_made {
    char *file, *format;
    uint64_t since;
};

struct ref {
    char *key, *name;
    char *image;      /* The key without the name. */
    uint64_t key_hash, image_hash;
    bool skip;        /* Storage whose contents are undefined. */
    bool allocates;   /* A format of clusters: an unflushed write may leave anything after a cut. */
    uint64_t node_id; /* Of the node that was bound last. */
    int64_t length;   /* Of the node; as of epoch. */
    struct ref *below; /* What its backing file shows, or NULL. */
    bool blank;       /* What has no version is what lies below, or zero; */
    bool mixed;       /* but not in touched clusters. */
    bool touched_any, touched_all;
    bool learnt;      /* A read has taught it something. */
    bool zeroed;      /* It was written with zeroes, which may have been left to what lies below. */
    bool past;        /* What a job left below another, whose alone it is; no node's. */
    bool whole;       /* Of the lowest such: what lies below the node does not show, */
    bool bare;        /* and nothing did when the job copied. */
    uint64_t copied;  /* When a job left what lies below. */
    uint64_t view;    /* It shows the past that the node of that id keeps; 0: it does not. */
    uint64_t blank_since;
    int64_t cluster;  /* Bytes; 0: it has none. */
    uint64_t *touched; /* A bit a cluster. */
    size_t touched_len; /* Words. */
    uint64_t unmade;  /* made_gen for which its files were taken from the list of new images. */
    struct ref_page *pages; /* On cache lines, within pages_memory. */
    void *pages_memory;
    size_t pages_mask, pages_len;
    unsigned pages_shift;
    struct ref_range *ranges;
    size_t ranges_len;
    uint64_t ranges_last; /* Greatest end stamp of a range. */
    uint64_t durable;     /* What ended before this stamp survives a power cut. */
    uint64_t forgotten;   /* Reads that began before this stamp teach and prove nothing. */
    uint64_t epoch;       /* In which nodes below are valid. */
    const struct node **nodes;
    bool *nodes_written;
    size_t nodes_len;
    struct ref_file *files;
    size_t files_len;
    struct ref **aliases; /* References of which a write to this one makes nothing known. */
    size_t aliases_len;
    struct ref **overlays; /* Those that show this one. */
    size_t overlays_len;
    uint64_t aliases_gen;
};

/* A job that changes what nodes show. */
struct ref_work {
    uint64_t serial;
    enum ref_work_type { WORK_COPY, WORK_COMMIT, WORK_STREAM } type;
    enum job_sync sync;  /* Copy. */
    struct ref *source;  /* The top of what is moved. */
    struct ref *target;  /* Where to; commit: the base. */
    struct ref *base;    /* Stream: what stays below; NULL: nothing. */
    struct ref *then;    /* Backup: what the source showed at the start; NULL: not known. */
    struct ref_stretch { int64_t lo, hi; } *dirty; /* Backup, bitmap: what is copied. */
    size_t dirty_len;
    bool fresh;          /* Copy: the target had nothing of its own. */
    bool shown;          /* Copy: the target shows that from the start on. */
    bool left;           /* Commit: it has ended half way. */
};

/* The past that a copy-before-write node keeps. */
struct ref_view {
    uint64_t id;        /* Of the node. */
    struct ref *source; /* What it filters. */
    struct ref *then;   /* What that showed when the node was new; NULL: not known any more. */
};

/* A request in flight. */
struct flight {
    uint64_t token;
    struct ref *ref;
    uint64_t epoch; /* In which that is what the node shows. */
    const struct node *node; /* As the guest addressed it. */
    int64_t lo, hi; /* Bytes touched. */
    uint64_t begin;
    const struct iobuf *data;
    enum guest_op op;
    bool fua, no_flush;
    bool void_; /* Ends without meaning: a power cut came between. */
    bool grows; /* Truncate. */
};

struct ref_binding {
    const struct node *node;
    struct ref *ref;
    bool no_flush;
    bool copies; /* Reads through it may be written to it. */
};

/* A version, range or request in flight, as a read sees it. */
struct candidate {
    int64_t lo, hi; /* Absolute. */
    uint64_t begin, end;
    uint64_t token;
    int64_t time_ns;
    struct fill fill;
    const uint8_t *bytes;
    const struct iobuf *data;
    bool definite, any, flying;
    bool blank;    /* Nobody wrote there. */
    uint32_t level; /* How far below the node that is read. */
};

struct ref_image_stats {
    uint64_t pages_fast, pages_slow; /* Pages of reads that were compared. */
    uint64_t units_verified;         /* Units that could have been found wrong... */
    uint64_t units_unknown;          /* ...and those about which nothing was known. */
    uint64_t units_below;            /* Of the former, those that lie below, or nowhere. */
    uint64_t pages_lossy_cut;        /* Unknown after a power cut: too many versions. */
    uint64_t pages_merged;           /* Too many versions: joined, in doubt unknown. */
    uint64_t pages_unkept;           /* Bytes not kept: too many of them. */
    uint64_t reads_void;             /* Not judged: cut off, or shared storage was written. */
    uint64_t forgets;                /* References given up: shared storage, replaced files. */
    uint64_t failures;
};

struct ref_image {
    struct oracle *o;
    int64_t range_bytes; /* REF_RANGE_BYTES; less in tests. */
    uint64_t stamp;
    uint64_t epoch;
    uint64_t aliases_gen;
    struct flight *fly;
    size_t fly_len, fly_cap;
    uint32_t *fly_at; /* Place of token t at t % FLY_RING, unless a later token stands there. */
    size_t fly_reads, fly_changes; /* How many of each. */
    struct ref_binding *bind;
    size_t bind_len, bind_cap;
    struct ref **refs;
    size_t refs_len, refs_cap;
    struct version *v;
    uint32_t v_len, v_cap, v_free;
    uint8_t **blocks;
    uint32_t *blocks_free;
    uint32_t blocks_len, blocks_cap, blocks_free_len;
    struct candidate *cand;
    size_t cand_len, cand_cap;
    uint32_t *live; /* Those of cand that a read may see at a place. */
    size_t live_len, live_cap;
    const struct ref **levels; /* What a read sees, from the top down; NULL: zeroes. */
    size_t levels_len, levels_cap;
    struct ref_made *made;
    size_t made_len;
    uint64_t made_gen;
    struct ref_work *works;
    size_t works_len;
    struct ref_view *views;
    size_t views_len;
    uint64_t views_seen; /* Greatest id of a node. */
    uint64_t edges_seen; /* Greatest id of an edge. */
    uint64_t trouble; /* Stamp of the last failure that may have kept a format from closing well. */
    struct ref_image_stats stats;
};

struct ref_image_stats ref_image_stats(const void *state);

/* --- ref_image_bind.c --- */

/* What shares storage with r is unknown from now on; */
void ref_forget_sharers(struct ref_image *s, struct ref *r);
/* and what shows r may be another. */
void ref_forget_aliases(struct ref_image *s, struct ref *r);
/* The reference of a node that takes guest I/O, made when there is none. */
struct ref_binding ref_bind(struct ref_image *s, const struct layer *l, const struct node *n);
/* Looks for formats that were opened. */
void ref_look(struct ref_image *s, const struct snapshot *g);
/* Pointers to nodes are no longer to be trusted. */
void ref_unbind_all(struct ref_image *s);
/* Brings ref->aliases up to date. */
void ref_find_aliases(struct ref_image *s, struct ref *r);
/* Length of the node that stores n's data; 0 when unknown. */
int64_t ref_length(const struct node *n);
bool ref_has_file(const struct ref *r, const char *filename);
void ref_destroy(struct ref_image *s, struct ref *r);

/* --- ref_image_layer.c --- */

/* The image of r shows `below` where it has nothing.  Checked against what it was before. */
void ref_set_below(struct ref_image *s, struct ref *r, struct ref *below);
/* Nothing is known of r any more, nor of what was learnt from it. */
void ref_forget(struct ref_image *s, struct ref *r);
/* What lies below r is another. */
void ref_below_changes(struct ref_image *s, struct ref *r);
/* r is about to change, or has: what shows it may be another. */
void ref_tell_overlays(struct ref_image *s, struct ref *r);
/* [lo, hi) of r may be allocated from now on. */
void ref_touch(struct ref *r, int64_t lo, int64_t hi);
/* Whether a place without a version shows what lies below. */
bool ref_falls(const struct ref *r, int64_t at);
/* Whether a read of top sees r. */
bool ref_shows(const struct ref *top, const struct ref *r);
/* Image files of the host. */
void ref_made_add(struct ref_image *s, const char *file, const char *format);
void ref_made_drop(struct ref_image *s, const char *file);
void ref_made_clear(struct ref_image *s);
/* r is written: its files are no new images for whoever finds them later. */
void ref_unmake(struct ref_image *s, struct ref *r);
/* r is blank if its one file is a new image of its driver. */
void ref_find_blank(struct ref_image *s, struct ref *r, const char *driver);
/* Forgets whether it was blank. */
void ref_not_blank(struct ref *r);

/* --- ref_image_job.c --- */

void ref_job_note(struct ref_image *s, const struct job_note *note);
/* Whether nobody knows what r shows at present: a job is writing to it. */
bool ref_is_murky(struct ref_image *s, struct ref *r);
/* Whether a job keeps account of what is written to r beside its guests. */
bool ref_is_worked_on(const struct ref_image *s, const struct ref *r);
/* All jobs have come to nothing. */
void ref_works_fail(struct ref_image *s);
void ref_works_free(struct ref_image *s);
/* r is not known any more: what was left of jobs there does not matter. */
void ref_works_forget(struct ref_image *s, const struct ref *r);
/* The lowest of what jobs have left below r; r itself when there is nothing. */
struct ref *ref_lowest_past(struct ref *r);
/* Takes that away. */
void ref_past_free(struct ref_image *s, struct ref *r);

/* A copy of what r shows now, over `stop`, which stays as it is; NULL: of all of it.  False: it
 * does not stand below r; else *head is the caller's, down to stop. */
bool ref_past_take(struct ref_image *s, const struct ref *r, struct ref *stop, struct ref **head);
/* r has nothing but that: head is its own from now on. */
void ref_past_put_whole(struct ref_image *s, struct ref *r, struct ref *head);
void ref_past_drop(struct ref_image *s, struct ref *head);
/* It has nothing of its own, and never had. */
bool ref_is_fresh(const struct ref *r);

/* --- ref_image_view.c --- */

/* Looks for nodes that keep a past, and for those that are gone. */
void ref_views_look(struct ref_image *s, const struct snapshot *g);
/* r is the reference of n: if n shows the past of another, so does r. */
void ref_view_bind(struct ref_image *s, struct ref *r, const struct node *n);
/* r is written through n: pasts of it that n does not pass are not kept. */
void ref_views_written(struct ref_image *s, const struct ref *r, const struct node *n);
/* What r shows is another, and nobody kept what it was. */
void ref_views_spoil(struct ref_image *s, const struct ref *r);
void ref_views_drop(struct ref_image *s);

/* --- ref_image_page.c --- */

static inline size_t ref_page_slot(const struct ref *r, uint64_t number)
{
    return (size_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> r->pages_shift);
}

/* The page, or NULL when nothing was written there. */
static inline struct ref_page *ref_page_find(const struct ref *r, uint64_t number)
{
    if (!r->pages) {
        return NULL;
    }
    size_t i = ref_page_slot(r, number);
    for (; r->pages[i].flags & P_USED; i = (i + 1) & r->pages_mask) {
        if (r->pages[i].number == number) {
            return &r->pages[i];
        }
    }
    return NULL;
}

/* Brings the first of a request's pages nearer. */
static inline void ref_page_prefetch(const struct ref *r, int64_t offset)
{
    if (r->pages) {
        __builtin_prefetch(&r->pages[ref_page_slot(r, (uint64_t)offset / REF_PAGE)], 1);
    }
}

/* Adds a version to a page.  watched: a read in flight may still see what it replaces. */
void ref_page_add(struct ref_image *s, struct ref *r, uint64_t number, const struct version *v,
                  bool watched);
/* Adds [lo, hi) of a request with its contents: data (any form), or one byte. */
struct ref_change {
    int64_t lo, hi;
    const struct iobuf *data; /* data[0] is at lo.  NULL: byte. */
    uint8_t byte;
    uint8_t flags; /* enum version_flags */
    uint64_t begin, end;
    uint64_t token;
    bool watched;
};
void ref_change(struct ref_image *s, struct ref *r, const struct ref_change *c);
/* Pages, ranges and what goes with them, once more: dst has none. */
void ref_copy_pages(struct ref_image *s, struct ref *dst, const struct ref *src);
/* Power is gone: what is not durable becomes V_MAYBE. */
void ref_cut(struct ref_image *s, struct ref *r);
/* Nothing is known of r itself any more. */
void ref_drop(struct ref_image *s, struct ref *r);
/* Drops all versions, which were learnt. */
void ref_unlearn(struct ref_image *s, struct ref *r);
/* Reads in flight that touch [lo, hi) of r are not judged. */
void ref_void_reads(struct ref_image *s, const struct ref *r, int64_t lo, int64_t hi);
/* A block with a copy of n bytes of data from position at; 0: too many blocks. */
uint32_t ref_block_new(struct ref_image *s, const struct iobuf *data, size_t at, size_t n);

/* --- ref_image_check.c --- */

/* Judges a read that returned data; learns from it what was not known.  conflict: writes to the
 * range are still in flight. */
void ref_check_read(struct ref_image *s, const struct flight *f, const struct iobuf *data,
                    uint64_t end, bool conflict);
/* What r shows now in [lo, hi), a part of one page.  known[i]: it can be bytes[i] only. */
void ref_show(struct ref_image *s, struct ref *r, int64_t lo, int64_t hi, uint8_t *bytes,
              bool *known);
/* All that a read of [lo, hi) may see, in s->cand. */
void ref_gather(struct ref_image *s, const struct ref *r, int64_t lo, int64_t hi);
/* Contents of c at [at, at + n), inside it; not V_ANY. */
void ref_candidate_bytes(const struct candidate *c, int64_t at, size_t n, uint8_t *out);
/* How far all candidates are the same from `at` on, at most to the next unit or hi. */
int64_t ref_segment_end(const struct ref_image *s, int64_t at, int64_t hi);
/* Is s->cand[i] superseded at `at` for a read from rb, by one of its own level. */
bool ref_superseded(const struct ref_image *s, size_t i, int64_t at, uint64_t rb);
/* True when a definite candidate of that level covers `at` and ended before rb. */
bool ref_known(const struct ref_image *s, uint32_t level, int64_t at, uint64_t rb);

#endif
