/* SPDX-License-Identifier: MIT */
/* Output of io.
 *
 * A request that nobody waits for tells its outcome when it ends: in the model when virtual time
 * moves, in QEMU at once or a little later.  So lines of aio commands that only one side has are
 * kept until the other has them, in whatever statement, between two, or as the program ends.  What
 * is left then is a difference; where the two have not done the same, when both have some left.
 */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void compare_late_fini(struct compare_late *late)
{
    for (size_t i = 0; i < late->len; i++) {
        free(late->at[i]);
    }
    free(late->at);
    *late = (struct compare_late){ 0 };
}

static void late_add(struct compare_late *late, const char *line, size_t n)
{
    late->at = mem_grow(late->at, late->len, &late->cap, sizeof(*late->at));
    late->at[late->len++] = mem_strndup(line, n);
}

static bool late_take(struct compare_late *late, const char *line)
{
    for (size_t i = 0; i < late->len; i++) {
        if (strcmp(late->at[i], line) == 0) {
            free(late->at[i]);
            late->len--;
            memmove(late->at + i, late->at + i + 1, (late->len - i) * sizeof(*late->at));
            return true;
        }
    }
    return false;
}

static void split(const char *text, struct compare_late *lines)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        late_add(lines, text, n);
        text += n + (text[n] == '\n');
    }
}

/* Takes away what both have. */
static void cancel(struct compare_late *a, struct compare_late *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->len; i++) {
        if (late_take(b, a->at[i])) {
            free(a->at[i]);
        } else {
            a->at[kept++] = a->at[i];
        }
    }
    a->len = kept;
}

/* Whether two outputs come to the same, with what is late. */
static bool same_but_late(struct compare_late late[COMPARE_SIDES], bool aio, const char *ours,
                          const char *theirs)
{
    struct compare_late lines[COMPARE_SIDES] = { 0 };
    split(ours, &lines[OURS]);
    split(theirs, &lines[THEIRS]);
    cancel(&lines[OURS], &lines[THEIRS]);
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        cancel(&lines[w], &late[!w]);
        for (size_t i = 0; i < lines[w].len && aio; i++) {
            late_add(&late[w], lines[w].at[i], strlen(lines[w].at[i]));
        }
    }
    bool same = aio || (lines[OURS].len == 0 && lines[THEIRS].len == 0);
    compare_late_fini(&lines[OURS]);
    compare_late_fini(&lines[THEIRS]);
    return same;
}

void compare_outputs(struct compare_late late[COMPARE_SIDES],
                     struct compare_side side[COMPARE_SIDES], const struct record_stmt *ours,
                     const struct record_stmt *theirs, const char *theirs_name,
                     struct diff_list *list, struct strbuf *full)
{
    char *a = compare_side_output(&side[OURS], ours->output ? ours->output : "");
    char *b = compare_side_output(&side[THEIRS], theirs->output ? theirs->output : "");
    bool same = strcmp(a, b) == 0;
    bool aio = compare_is_aio(ours);
    if (!same && (aio || late[OURS].len || late[THEIRS].len)) {
        same = same_but_late(late, aio, a, b);
    }
    if (!same) {
        diff_lines(list, "output", a, b);
        diff_print_texts("output", theirs_name, a, b, full);
    }
    free(a);
    free(b);
}

static void split_late(struct compare_side *side, const char *text, struct compare_late *lines)
{
    char *normal = compare_side_output(side, text ? text : "");
    split(normal, lines);
    free(normal);
}

bool compare_late_end(struct compare_late late[COMPARE_SIDES],
                      struct compare_side side[COMPARE_SIDES], const struct record *ours,
                      const struct record *theirs, bool strict, struct diff_list *list)
{
    const struct record *record[COMPARE_SIDES] = { ours, theirs };
    struct compare_late end[COMPARE_SIDES] = { 0 };
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        split_late(&side[w], record[w]->late, &late[w]);
        split_late(&side[w], record[w]->late_end, &end[w]);
    }
    cancel(&late[OURS], &late[THEIRS]);
    cancel(&late[OURS], &end[THEIRS]);
    cancel(&late[THEIRS], &end[OURS]);
    compare_late_fini(&end[OURS]);
    compare_late_fini(&end[THEIRS]);
    size_t ours_len = late[OURS].len, theirs_len = late[THEIRS].len;
    if (strict ? !ours_len && !theirs_len : !ours_len || !theirs_len) {
        return false;
    }
    diff_add(list, "output of aio", ours_len ? late[OURS].at[0] : NULL,
             theirs_len ? late[THEIRS].at[0] : NULL);
    return true;
}
