/* SPDX-License-Identifier: MIT */
/* Counting votes.  Of two versions with equally many votes the one that was seen last wins, be it
 * data or an error: QEMU's rule. */
#include "base/check.h"
#include "drivers/quorum/quorum.h"

static int votes_for(const int *rets, size_t len, int value)
{
    int count = 0;
    for (size_t i = 0; i < len; i++) {
        count += rets[i] == value;
    }
    return count;
}

int quorum_vote_error(const int *rets, size_t len)
{
    int winner = 0, best = 0;
    for (size_t i = 0; i < len; i++) {
        bool first = votes_for(rets, i, rets[i]) == 0;
        int count = rets[i] < 0 && first ? votes_for(rets, len, rets[i]) : 0;
        if (count > 0 && count >= best) {
            best = count;
            winner = rets[i];
        }
    }
    CHECK(winner < 0);
    return winner;
}

/* The voter before i whose data is that of i, or i. */
static size_t first_alike(struct iobuf *const *data, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (data[k] && iobuf_compare(data[k], data[i]) == data[i]->len) {
            return k;
        }
    }
    return i;
}

void quorum_vote_data(struct iobuf *const *data, size_t len, struct quorum_votes *out)
{
    out->versions = 0;
    for (size_t i = 0; i < len; i++) {
        if (!data[i]) {
            continue;
        }
        size_t alike = first_alike(data, i);
        if (alike == i) {
            out->count[out->versions] = 0;
            out->version[i] = out->versions++;
        } else {
            out->version[i] = out->version[alike];
        }
        out->count[out->version[i]]++;
    }
    CHECK(out->versions > 0);
    out->winner = 0;
    for (uint32_t v = 1; v < out->versions; v++) {
        if (out->count[v] >= out->count[out->winner]) {
            out->winner = v;
        }
    }
}
