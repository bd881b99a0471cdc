/* SPDX-License-Identifier: MIT */
/* Overlays: what a node shows where nobody wrote to it.
 *
 * Use: ref_set_below whenever a reference is bound; ref_touch and ref_tell_overlays around requests
 * that change it; ref_falls for each place that a read finds without a version.
 *
 * Invariants:
 *  1. A reference is blank only while every change of its image was seen as a request of a guest.
 *  2. Clusters in which such a request began, or a read that copies, are touched; in all others the
 *     image has nothing.
 *  3. Whenever what lies below becomes another (another reference, or a change of its contents),
 *     all above are mixed, and what they have learnt from below is forgotten.
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/ref_image.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 64 };

/* ---- Touched clusters ---- */

void ref_touch(struct ref *r, int64_t lo, int64_t hi)
{
    CHECK(lo >= 0 && lo <= hi);
    if (!r->blank || r->touched_all || lo == hi) {
        return;
    }
    r->touched_any = true;
    int64_t first = r->cluster > 0 ? lo / r->cluster : 0;
    int64_t last = r->cluster > 0 ? (hi - 1) / r->cluster : 0;
    if (r->cluster == 0 || last >= REF_TOUCHED_MAX) {
        r->touched_all = true;
        return;
    }
    size_t words = (size_t)last / WORD + 1;
    if (words > r->touched_len) {
        words = MAX(words, 2 * r->touched_len);
        r->touched = mem_resize(r->touched, words * sizeof(*r->touched));
        memset(r->touched + r->touched_len, 0, (words - r->touched_len) * sizeof(*r->touched));
        r->touched_len = words;
    }
    for (int64_t c = first; c <= last; c++) {
        r->touched[c / WORD] |= UINT64_C(1) << (c % WORD);
    }
}

static bool is_touched(const struct ref *r, int64_t at)
{
    if (r->touched_all || r->cluster == 0) {
        return r->touched_all;
    }
    size_t c = (size_t)(at / r->cluster);
    return c / WORD < r->touched_len && (r->touched[c / WORD] >> (c % WORD) & 1) != 0;
}

bool ref_falls(const struct ref *r, int64_t at)
{
    return r->blank && !(r->mixed && is_touched(r, at));
}

void ref_not_blank(struct ref *r)
{
    r->blank = r->mixed = r->touched_any = r->touched_all = false;
    if (r->touched_len > 0) {
        memset(r->touched, 0, r->touched_len * sizeof(*r->touched));
    }
}

/* ---- What lies below ---- */

bool ref_shows(const struct ref *top, const struct ref *r)
{
    while (top && top != r) {
        top = top->below;
    }
    return top != NULL;
}

void ref_below_changes(struct ref_image *s, struct ref *r)
{
    ref_views_spoil(s, r);
    if (r->learnt && r->blank && !r->touched_any) {
        ref_unlearn(s, r); /* It has nothing of its own yet. */
    } else if (r->learnt) {
        ref_drop(s, r);
    }
    for (struct ref *p = r; p == r || (p && p->past); p = p->below) {
        p->mixed |= p->touched_any;
    }
}

/* The same for all that show r. */
static void above_change(struct ref_image *s, const struct ref *r)
{
    for (size_t i = 0; i < s->refs_len; i++) {
        if (s->refs[i] != r && ref_shows(s->refs[i], r)) {
            ref_below_changes(s, s->refs[i]);
        }
    }
}

void ref_forget(struct ref_image *s, struct ref *r)
{
    bool had = r->pages_len > 0 || r->ranges_len > 0 || r->blank;
    ref_drop(s, r);
    ref_works_forget(s, r);
    ref_views_spoil(s, r);
    if (had) {
        above_change(s, r);
    }
}

void ref_set_below(struct ref_image *s, struct ref *r, struct ref *below)
{
    const struct ref *low = ref_lowest_past(r);
    CHECK(!below || !ref_shows(below, r));
    if (low->whole && low->bare && below) {
        ref_forget(s, r); /* Its zeroes may have been left to nothing below. */
        low = r;
    }
    if (low->whole || low->below == below) {
        return;
    }
    if (r->zeroed) { /* Zeroes may have been left to the old one. */
        ref_drop(s, r);
    }
    ref_below_changes(s, r);
    ref_lowest_past(r)->below = below;
    s->aliases_gen++;
    above_change(s, r);
}

void ref_tell_overlays(struct ref_image *s, struct ref *r)
{
    for (size_t i = 0; i < r->overlays_len; i++) {
        ref_below_changes(s, r->overlays[i]);
    }
}

/* ---- New images ---- */

static bool same_file(const char *option, const char *file)
{
    size_t len = strlen(file);
    bool quoted = option[0] == '"' && strlen(option) == len + 2;
    return quoted ? strncmp(option + 1, file, len) == 0 : strcmp(option, file) == 0;
}

static void made_remove(struct ref_image *s, size_t i)
{
    free(s->made[i].file);
    free(s->made[i].format);
    s->made[i] = s->made[--s->made_len];
}

void ref_made_drop(struct ref_image *s, const char *file)
{
    for (size_t i = s->made_len; i > 0; i--) {
        if (strcmp(s->made[i - 1].file, file) == 0) {
            made_remove(s, i - 1);
        }
    }
}

void ref_made_clear(struct ref_image *s)
{
    while (s->made_len > 0) {
        made_remove(s, s->made_len - 1);
    }
}

void ref_made_add(struct ref_image *s, const char *file, const char *format)
{
    ref_made_drop(s, file);
    s->made = mem_resize(s->made, (s->made_len + 1) * sizeof(*s->made));
    s->made[s->made_len++] = (struct ref_made){ .file = mem_strdup(file),
                                                .format = mem_strdup(format),
                                                .since = ++s->stamp };
    s->made_gen++;
}

void ref_unmake(struct ref_image *s, struct ref *r)
{
    if (r->unmade == s->made_gen) {
        return;
    }
    r->unmade = s->made_gen;
    for (size_t i = 0; i < r->files_len; i++) {
        for (size_t k = s->made_len; k > 0 && r->files[i].written; k--) {
            if (same_file(r->files[i].name, s->made[k - 1].file)) {
                made_remove(s, k - 1);
            }
        }
    }
}

/* Raw images have no format of their own: the file itself shows them as well. */
static bool is_shown_by(const struct ref_made *m, const char *driver)
{
    return strcmp(m->format, driver) == 0 ||
           (strcmp(m->format, "raw") == 0 && strcmp(driver, "file") == 0);
}

void ref_find_blank(struct ref_image *s, struct ref *r, const char *driver)
{
    bool alone = r->files_len == 1;
    for (size_t i = 0; i < r->nodes_len && alone; i++) {
        alone = r->nodes_written[i]; /* Else something deeper has a backing file. */
    }
    for (size_t i = 0; i < s->made_len && alone && !r->blank; i++) {
        const struct ref_made *m = &s->made[i];
        if (m->since > r->forgotten && is_shown_by(m, driver) &&
            same_file(r->files[0].name, m->file)) {
            r->blank = true;
            r->blank_since = m->since;
        }
    }
}
