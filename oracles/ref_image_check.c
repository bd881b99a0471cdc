/* SPDX-License-Identifier: MIT */
/* What a read may return: the one rule of ref_image.h.
 *
 * Use: ref_check_read judges a read that has ended.  Page by page it takes the short way, where one
 * fill is compared with another, or gathers all candidates and compares bytes.
 *
 * Invariants:
 *  1. A part of a unit over which no candidate begins or ends must match one candidate as a whole.
 *  2. A read teaches only what is settled: no write to the page was in flight while it ran.
 *  3. After a failure the contents are taken as they are, so that one fault is reported once.
 *  4. Where the node has nothing, the references below are asked, level by level; what a read
 *     teaches goes to the first level that says anything, else to the last one.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/ref_image.h"

#include <inttypes.h>
#include <string.h>

enum { EXPECTED_MAX = 4 };

/* --- Candidates --- */

static void cand_add(struct ref_image *s, struct candidate c)
{
    if (s->cand_len == s->cand_cap) {
        s->cand_cap = s->cand_cap ? s->cand_cap * 2 : 64;
        s->cand = mem_resize(s->cand, s->cand_cap * sizeof(*s->cand));
    }
    c.level = s->levels_len > 0 ? (uint32_t)s->levels_len - 1 : 0;
    s->cand[s->cand_len++] = c;
}

static void cand_add_version(struct ref_image *s, int64_t base, const struct version *v)
{
    struct candidate c = {
        .lo = base + v->lo,
        .hi = base + v->hi,
        .begin = v->begin,
        .end = v->end,
        .token = v->token,
        .time_ns = v->time_ns,
        .fill = v->fill,
        .definite = !(v->flags & V_MAYBE),
        .any = v->flags & V_ANY,
    };
    if (v->flags & V_BYTES) {
        CHECK(v->fill.tag > 0 && v->fill.tag < s->blocks_len);
        c.bytes = s->blocks[v->fill.tag];
    }
    cand_add(s, c);
}

static void gather_page(struct ref_image *s, const struct ref_page *p)
{
    int64_t base = (int64_t)p->number * REF_PAGE;
    if (p->flags & P_CURRENT) {
        struct version v = {
            .fill = p->fill,
            .begin = p->begin,
            .end = p->end,
            .token = p->token,
            .time_ns = p->time_ns,
            .hi = REF_PAGE,
            .flags = p->version_flags,
        };
        cand_add_version(s, base, &v);
    }
    for (uint32_t i = p->chain; i; i = s->v[i].next) {
        cand_add_version(s, base, &s->v[i]);
    }
}

/* A request in flight may have done its work, in part or not at all. */
static void gather_flight(struct ref_image *s, const struct flight *f)
{
    struct candidate c = {
        .lo = f->lo,
        .hi = f->hi,
        .begin = f->begin,
        .end = UINT64_MAX,
        .token = f->token,
        .fill = FILL_ZERO,
        .flying = true,
    };
    if (f->op == GUEST_WRITE) {
        CHECK(f->data != NULL);
        c.fill = f->data->fill;
        c.data = c.fill.kind == FILL_NONE ? f->data : NULL;
    }
    cand_add(s, c);
}

static void gather_ref(struct ref_image *s, const struct ref *r, int64_t lo, int64_t hi)
{
    for (int64_t at = lo - lo % REF_PAGE; at < hi; at += REF_PAGE) {
        const struct ref_page *p = ref_page_find(r, (uint64_t)at / REF_PAGE);
        if (p) {
            gather_page(s, p);
        }
    }
    for (size_t i = 0; i < r->ranges_len; i++) {
        const struct ref_range *g = &r->ranges[i];
        if (g->lo < hi && g->hi > lo) {
            cand_add(s, (struct candidate){ .lo = g->lo,
                                            .hi = g->hi,
                                            .begin = g->begin,
                                            .end = g->end,
                                            .token = g->token,
                                            .time_ns = g->time_ns,
                                            .fill = fill_byte(g->byte),
                                            .definite = !(g->flags & V_MAYBE),
                                            .any = g->flags & V_ANY });
        }
    }
    for (size_t i = 0; i < s->fly_len; i++) {
        const struct flight *f = &s->fly[i];
        if (f->ref == r && f->op != GUEST_READ && !f->void_ && f->begin > r->forgotten &&
            f->lo < hi && f->hi > lo) {
            gather_flight(s, f);
        }
    }
}

void ref_gather(struct ref_image *s, const struct ref *r, int64_t lo, int64_t hi)
{
    s->cand_len = 0;
    s->levels_len = 0;
    gather_ref(s, r, lo, hi);
}

static bool covers(const struct candidate *c, int64_t at)
{
    return c->lo <= at && at < c->hi;
}

bool ref_superseded(const struct ref_image *s, size_t i, int64_t at, uint64_t rb)
{
    uint64_t end = s->cand[i].end;
    for (size_t k = 0; k < s->cand_len; k++) {
        const struct candidate *d = &s->cand[k];
        if (d->definite && d->begin > end && d->end < rb && d->level == s->cand[i].level &&
            covers(d, at)) {
            return true;
        }
    }
    return false;
}

bool ref_known(const struct ref_image *s, uint32_t level, int64_t at, uint64_t rb)
{
    for (size_t k = 0; k < s->cand_len; k++) {
        const struct candidate *d = &s->cand[k];
        if (d->level == level && d->definite && d->end < rb && covers(d, at)) {
            return true;
        }
    }
    return false;
}

int64_t ref_segment_end(const struct ref_image *s, int64_t at, int64_t hi)
{
    int64_t end = MIN(hi, (at / REF_UNIT + 1) * REF_UNIT);
    for (size_t i = 0; i < s->cand_len; i++) {
        const struct candidate *c = &s->cand[i];
        if (c->lo > at && c->lo < end) {
            end = c->lo;
        }
        if (c->hi > at && c->hi < end) {
            end = c->hi;
        }
    }
    return end;
}

void ref_candidate_bytes(const struct candidate *c, int64_t at, size_t n, uint8_t *out)
{
    CHECK(at >= c->lo && at + (int64_t)n <= c->hi);
    CHECK(!c->any);
    if (c->data) {
        iobuf_copy_out(c->data, (size_t)(at - c->lo), out, n);
    } else if (c->bytes) {
        memcpy(out, c->bytes + (at - c->lo), n);
    } else {
        fill_bytes(fill_skip(c->fill, (uint32_t)(at - c->lo)), out, n);
    }
}

/* --- Levels --- */

static void level_add(struct ref_image *s, const struct ref *r)
{
    if (s->levels_len == s->levels_cap) {
        s->levels_cap = s->levels_cap ? s->levels_cap * 2 : 8;
        s->levels = mem_resize(s->levels, s->levels_cap * sizeof(*s->levels));
    }
    s->levels[s->levels_len++] = r;
}

/* Zeroes that nobody wrote, at the last level. */
static void cand_add_blank(struct ref_image *s, int64_t lo, int64_t hi)
{
    cand_add(s, (struct candidate){ .lo = lo, .hi = hi, .fill = FILL_ZERO, .definite = true,
                                    .blank = true });
}

/* Whether a read sees through the last level somewhere. */
static bool looks_through(const struct ref_image *s, const struct flight *f, int64_t lo,
                          int64_t hi)
{
    uint32_t level = (uint32_t)s->levels_len - 1;
    for (int64_t at = lo; at < hi; at = ref_segment_end(s, at, hi)) {
        if (!ref_known(s, level, at, f->begin) && ref_falls(s->levels[level], at)) {
            return true;
        }
    }
    return false;
}

/* All that the read may see in [lo, hi), of as many levels as it sees. */
static void gather_levels(struct ref_image *s, const struct flight *f, int64_t lo, int64_t hi)
{
    s->cand_len = 0;
    s->levels_len = 0;
    level_add(s, f->ref);
    gather_ref(s, f->ref, lo, hi);
    while (looks_through(s, f, lo, hi)) {
        const struct ref *below = s->levels[s->levels_len - 1]->below;
        level_add(s, below);
        if (!below) {
            cand_add_blank(s, lo, hi);
            return;
        }
        if (hi > below->length) {
            cand_add_blank(s, MAX(lo, below->length), hi);
        }
        if (below->skip || f->begin < below->forgotten) {
            return;
        }
        gather_ref(s, below, lo, MIN(hi, below->length));
    }
}

static void live_add(struct ref_image *s, size_t i)
{
    if (s->live_len == s->live_cap) {
        s->live_cap = s->live_cap ? s->live_cap * 2 : 64;
        s->live = mem_resize(s->live, s->live_cap * sizeof(*s->live));
    }
    s->live[s->live_len++] = (uint32_t)i;
}

/* Puts the candidates that the read may see at `at` into s->live.  False: something that nobody
 * knows may stand there as well.  *level: which one says it. */
static bool find_live(struct ref_image *s, const struct flight *f, int64_t at, uint32_t *level)
{
    bool known = true;
    s->live_len = 0;
    for (uint32_t l = 0; l < s->levels_len; l++) {
        for (size_t i = 0; i < s->cand_len; i++) {
            const struct candidate *c = &s->cand[i];
            if (c->level == l && covers(c, at) && !ref_superseded(s, i, at, f->begin)) {
                *level = s->live_len == 0 ? l : *level;
                known &= !c->any;
                live_add(s, i);
            }
        }
        *level = s->live_len == 0 ? l : *level;
        if (ref_known(s, l, at, f->begin)) {
            return known;
        }
        if (!s->levels[l] || !ref_falls(s->levels[l], at)) {
            return false;
        }
    }
    return false; /* Of the last one nothing can be said. */
}

void ref_show(struct ref_image *s, struct ref *r, int64_t lo, int64_t hi, uint8_t *bytes,
              bool *known)
{
    const struct flight now = { .ref = r, .begin = UINT64_MAX };
    uint8_t other[REF_UNIT];
    uint32_t level = 0;
    gather_levels(s, &now, lo, hi);
    for (int64_t at = lo; at < hi;) {
        int64_t end = ref_segment_end(s, at, hi);
        size_t n = (size_t)(end - at), off = (size_t)(at - lo);
        bool sure = find_live(s, &now, at, &level) && s->live_len > 0;
        for (size_t i = 0; i < s->live_len && sure; i++) {
            ref_candidate_bytes(&s->cand[s->live[i]], at, n, i == 0 ? bytes + off : other);
            sure = i == 0 || memcmp(bytes + off, other, n) == 0;
        }
        memset(known + off, sure, n);
        at = end;
    }
}

/* --- Reports --- */

static void describe(struct strbuf *out, const struct candidate *c, uint8_t byte)
{
    strbuf_printf(out, "0x%02x", byte);
    if (c->flying) {
        strbuf_printf(out, " (request %" PRIu64 ", in flight)", c->token);
    } else if (c->blank) {
        strbuf_puts(out, " (never written)");
    } else if (c->token) {
        strbuf_printf(out, " (request %" PRIu64 ", at %" PRId64 "+%" PRId64 ", ended at %" PRId64
                           " ns%s)",
                      c->token, c->lo, c->hi - c->lo, c->time_ns,
                      c->definite ? "" : ", perhaps without effect");
    }
}

/* No candidate of s->live matches got[0, n) at `at`: names the first byte that even the best one
 * misses. */
static void report(struct ref_image *s, const struct flight *f, int64_t at, const uint8_t *got,
                   size_t n)
{
    uint8_t want[REF_UNIT];
    size_t best = 0;
    struct node_view node;
    inspect_view(f->node, &node);
    for (int pass = 0; pass < 2; pass++) {
        struct strbuf expected = { 0 };
        int named = 0;
        bool torn = false;
        for (size_t i = 0; i < s->live_len; i++) {
            const struct candidate *c = &s->cand[s->live[i]];
            ref_candidate_bytes(c, at, n, want);
            if (pass == 0) {
                size_t same = 0;
                while (same < n && want[same] == got[same]) {
                    same++;
                }
                best = MAX(best, same);
            } else if (named++ < EXPECTED_MAX) {
                strbuf_puts(&expected, named > 1 ? " or " : "");
                describe(&expected, c, want[best]);
                torn |= want[best] == got[best];
            }
        }
        CHECK(best < n);
        if (pass == 1) {
            int64_t byte = at + (int64_t)best;
            oracle_fail(s->o, "read",
                        "node %s: sector %" PRId64 " (byte %" PRId64 ") is 0x%02x, expected %s%s%s",
                        node.name, byte / REF_UNIT, byte, got[best], strbuf_str(&expected),
                        named > EXPECTED_MAX ? " or other" : "",
                        torn ? "; no one of them accounts for the whole sector" : "");
        }
        strbuf_free(&expected);
    }
    s->stats.failures++;
}

/* --- Judging --- */

enum judgement {
    JUDGE_SURE,    /* It could only be this. */
    JUDGE_TEACHES, /* One of several, or nothing was known. */
    JUDGE_WRONG,
};

static enum judgement judge_segment(struct ref_image *s, const struct flight *f,
                                    const struct iobuf *data, int64_t at, size_t n,
                                    uint32_t *level)
{
    uint8_t got[REF_UNIT], want[REF_UNIT];
    bool known = find_live(s, f, at, level), match = false;
    CHECK(n <= REF_UNIT);
    iobuf_copy_out(data, (size_t)(at - f->lo), got, n);
    for (size_t i = 0; i < s->live_len && known && !match; i++) {
        ref_candidate_bytes(&s->cand[s->live[i]], at, n, want);
        match = memcmp(want, got, n) == 0;
    }
    s->stats.units_unknown += !known;
    s->stats.units_verified += known;
    s->stats.units_below += known && *level > 0;
    if (known && !match) {
        report(s, f, at, got, n);
        return JUDGE_WRONG;
    }
    return !known || s->live_len > 1 ? JUDGE_TEACHES : JUDGE_SURE;
}

/* The part [lo, hi) of one page.  *teaches: whom, NULL when it is not one alone. */
static enum judgement judge_page(struct ref_image *s, const struct flight *f,
                                 const struct iobuf *data, int64_t lo, int64_t hi,
                                 const struct ref **teaches)
{
    enum judgement j = JUDGE_SURE;
    uint32_t level = 0, first = 0;
    bool mixed = false;
    gather_levels(s, f, lo, hi);
    for (int64_t at = lo; at < hi;) {
        int64_t end = ref_segment_end(s, at, hi);
        enum judgement here = judge_segment(s, f, data, at, (size_t)(end - at), &level);
        j = MAX(j, here);
        mixed |= at > lo && level != first;
        first = at == lo ? level : first;
        if (here == JUDGE_WRONG) {
            break;
        }
        at = end;
    }
    /* What was found wrong is what the node shows, whatever lies below. */
    *teaches = j == JUDGE_WRONG ? f->ref : mixed ? NULL : s->levels[first];
    s->stats.pages_slow++;
    return j;
}

/* Nothing of what was gathered was under way during the read. */
static bool settled(const struct ref_image *s, const struct flight *f)
{
    for (size_t i = 0; i < s->cand_len; i++) {
        if (s->cand[i].end >= f->begin) {
            return false;
        }
    }
    return true;
}

static void learn(struct ref_image *s, struct ref *r, const struct flight *f,
                  const struct iobuf *data, int64_t lo, int64_t hi, uint64_t end)
{
    struct iobuf part = iobuf_slice(data, (size_t)(lo - f->lo), (size_t)(hi - lo));
    if (r->pages_len >= REF_LEARN_MAX) {
        s->stats.pages_unkept++;
        return;
    }
    struct ref_change c = {
        .lo = lo,
        .hi = hi,
        .data = &part,
        .flags = V_LEARNT,
        .begin = f->begin,
        .end = end,
        .token = f->token,
        .watched = true,
    };
    r->learnt = true;
    ref_change(s, r, &c);
}

/* r itself, which a level shows as const. */
static struct ref *ref_to_teach(const struct flight *f, const struct ref *r)
{
    struct ref *at = f->ref;
    while (at && at != r) {
        at = at->below;
    }
    return at && !at->skip && f->begin >= at->forgotten ? at : NULL;
}

/* The short way: the page is what one request left, and that is what came, written down alike. */
static bool page_is_plain(const struct ref *r, const struct flight *f, const struct ref_page *p,
                          struct fill got)
{
    return (p->flags & (P_CURRENT | P_LIVE)) == P_CURRENT &&
           !(p->version_flags & (V_ANY | V_BYTES)) && p->end < f->begin &&
           p->begin > r->ranges_last && fill_same(p->fill, got);
}

/* The same for a page that the node has nothing of: one level below has it, or it is zero. */
static bool page_is_plain_below(const struct ref_image *s, const struct flight *f, int64_t at,
                                struct fill got)
{
    for (const struct ref *r = f->ref; r && s->fly_changes == 0;) {
        if (!ref_falls(r, at) || r->ranges_len > 0) {
            return false;
        }
        r = r->below;
        if (!r || at >= r->length) {
            return fill_is_zero(got);
        }
        if (at + REF_PAGE > r->length || r->skip || f->begin < r->forgotten) {
            return false;
        }
        const struct ref_page *p = ref_page_find(r, (uint64_t)at / REF_PAGE);
        if (p) {
            return page_is_plain(r, f, p, got);
        }
    }
    return false;
}

void ref_check_read(struct ref_image *s, const struct flight *f, const struct iobuf *data,
                    uint64_t end, bool conflict)
{
    struct ref *r = f->ref;
    bool fresh = r->pages_len == 0 && r->ranges_len == 0 && !conflict && !r->blank;
    CHECK(data && (int64_t)data->len == f->hi - f->lo);
    if (fresh && data->fill.kind == FILL_BYTE && f->hi - f->lo >= s->range_bytes) {
        learn(s, r, f, data, f->lo, f->hi, end);
        return;
    }
    for (int64_t at = f->lo; at < f->hi;) {
        uint64_t number = (uint64_t)at / REF_PAGE;
        int64_t next = MIN((int64_t)(number + 1) * REF_PAGE, f->hi);
        if (!conflict && next - at == REF_PAGE) {
            const struct ref_page *p = ref_page_find(r, number);
            struct fill got = fill_skip(data->fill, (uint32_t)(at - f->lo));
            if (p && page_is_plain(r, f, p, got)) {
                s->stats.pages_fast++;
                s->stats.units_verified += REF_PAGE / REF_UNIT;
                at = next;
                continue;
            }
            if (!p && page_is_plain_below(s, f, at, got)) {
                s->stats.pages_fast++;
                s->stats.units_verified += REF_PAGE / REF_UNIT;
                s->stats.units_below += REF_PAGE / REF_UNIT;
                at = next;
                continue;
            }
        }
        const struct ref *teaches;
        enum judgement j = judge_page(s, f, data, at, next, &teaches);
        struct ref *pupil = teaches ? ref_to_teach(f, teaches) : NULL;
        if (j != JUDGE_SURE && pupil && !conflict && settled(s, f)) {
            learn(s, pupil, f, data, at, next, end);
        }
        if (j == JUDGE_WRONG) {
            return;
        }
        at = next;
    }
}
