/* SPDX-License-Identifier: MIT */
/* Jobs: their moves are legal and told, they come to an end, and they leave nothing behind.
 *
 * Use: each move of a job and each event of one is told as it happens; at each quiescent point the
 * jobs that are there are looked at, and when there are none, the graph.
 *
 * Invariants that are checked:
 *   1. a move is one of the table below, starts where the last one ended, and its reasons are
 *      there: who rests was asked to, who waits for the others has ended well, who aborts has not
 *   2. each move has one event, in order, with nothing in between; READY, PENDING and the end have
 *      theirs as well, once and at their time
 *   3. the pause count is that of the user and of the drained sections that reach the job's nodes
 *   4. a job that is neither at rest, nor waits for the user or for others, nor has a timer or a
 *      request, goes on: else it is stuck
 *   5. without jobs there is no frozen link (those of copy-on-read nodes excepted), no blocker, no
 *      edge and no nameless bitmap of a job (those of copy-before-write nodes excepted), and no
 *      filter that one put in; at the end of a layer no job is left
 */
#include "base/check.h"
#include "base/mem.h"
#include "oracles/oracle.h"
#include "oracles/snapshot.h"
#include "sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct known_job {
    uint64_t serial;
    char *id; /* NULL: internal. */
    enum view_job_status status;
    bool untold;                  /* Its last move has had no event yet. */
    bool owes_ready, owes_pending, owes_end; /* Nor these. */
    bool ended;                   /* Its end was told. */
};

struct jobs {
    struct oracle *o;
    struct known_job *known; /* In order of creation. */
    size_t len, cap;
};

static const char *const status_names[VIEW_JOB_STATUSES] = {
    "undefined", "created", "running",  "paused",    "ready", "standby",
    "waiting",   "pending", "aborting", "concluded", "null",
};

#define TO(s) (1u << VIEW_JOB_##s)

static const uint32_t moves[VIEW_JOB_STATUSES] = {
    [VIEW_JOB_UNDEFINED] = TO(CREATED),
    [VIEW_JOB_CREATED] = TO(RUNNING) | TO(ABORTING) | TO(NULL),
    [VIEW_JOB_RUNNING] = TO(PAUSED) | TO(READY) | TO(WAITING) | TO(ABORTING),
    [VIEW_JOB_PAUSED] = TO(RUNNING),
    [VIEW_JOB_READY] = TO(STANDBY) | TO(WAITING) | TO(ABORTING),
    [VIEW_JOB_STANDBY] = TO(READY),
    [VIEW_JOB_WAITING] = TO(PENDING) | TO(ABORTING),
    [VIEW_JOB_PENDING] = TO(ABORTING) | TO(CONCLUDED),
    [VIEW_JOB_ABORTING] = TO(ABORTING) | TO(CONCLUDED),
    [VIEW_JOB_CONCLUDED] = TO(NULL),
};

static void *jobs_create(struct oracle *o)
{
    struct jobs *s = NEW(struct jobs);
    s->o = o;
    return s;
}

static void forget(struct jobs *s, size_t i)
{
    free(s->known[i].id);
    memmove(&s->known[i], &s->known[i + 1], (s->len - i - 1) * sizeof(*s->known));
    s->len--;
}

static void jobs_destroy(void *state)
{
    struct jobs *s = state;
    while (s->len > 0) {
        forget(s, s->len - 1);
    }
    free(s->known);
    free(s);
}

static const char *label(const char *id)
{
    return id ? id : "(internal)";
}

/* ---- Moves ---- */

static struct known_job *find_serial(struct jobs *s, uint64_t serial)
{
    size_t i = 0;
    while (i < s->len && s->known[i].serial != serial) {
        i++;
    }
    return i < s->len ? &s->known[i] : NULL;
}

static struct known_job *add(struct jobs *s, const struct job_view *v)
{
    if (s->len == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        s->known = mem_resize(s->known, s->cap * sizeof(*s->known));
    }
    struct known_job *k = &s->known[s->len++];
    *k = (struct known_job){ .serial = v->serial, .id = v->id ? mem_strdup(v->id) : NULL,
                             .status = VIEW_JOB_UNDEFINED };
    return k;
}

/* NULL, or what is missing for a job to get there. */
static const char *wrong_reason(const struct job_view *v, enum view_job_status from)
{
    switch (v->status) {
    case VIEW_JOB_PAUSED:
    case VIEW_JOB_STANDBY:
        return v->pause_count > 0 ? NULL : "nobody has asked it to rest";
    case VIEW_JOB_RUNNING:
    case VIEW_JOB_READY:
        return from == VIEW_JOB_CREATED || from == VIEW_JOB_RUNNING || v->pause_count == 0 ||
                       v->forced
                   ? NULL
                   : "it is asked to rest";
    case VIEW_JOB_WAITING:
    case VIEW_JOB_PENDING:
        return v->ran && v->ret == 0 ? NULL : "its work has not ended well";
    case VIEW_JOB_ABORTING:
        return v->ret < 0 ? NULL : "it has not failed";
    case VIEW_JOB_CONCLUDED:
        return v->ran || !v->started ? NULL : "its work has not ended";
    default:
        return NULL; /* Nodes go with the job itself, just after it has become null. */
    }
}

/* What the job owed before it moves on. */
static void check_debts(struct jobs *s, const struct known_job *k)
{
    const char *owed = k->untold         ? "JOB_STATUS_CHANGE"
                       : k->owes_ready   ? "BLOCK_JOB_READY"
                       : k->owes_pending ? "BLOCK_JOB_PENDING"
                                         : NULL;
    if (owed) {
        oracle_fail(s->o, "untold", "job '%s' got to '%s' without %s", label(k->id),
                    status_names[k->status], owed);
    }
}

static void jobs_job_moves(void *state, const struct job_view *v, enum view_job_status from)
{
    struct jobs *s = state;
    struct known_job *k = find_serial(s, v->serial);
    CHECK((unsigned)from < VIEW_JOB_STATUSES && (unsigned)v->status < VIEW_JOB_STATUSES);
    k = k ? k : add(s, v);
    if (k->status != from || !(moves[from] & (1u << v->status))) {
        oracle_fail(s->o, "move", "job '%s' moves from '%s' to '%s'; it was '%s'", label(v->id),
                    status_names[from], status_names[v->status], status_names[k->status]);
    }
    check_debts(s, k);
    const char *wrong = wrong_reason(v, from);
    if (wrong) {
        oracle_fail(s->o, "reason", "job '%s' moves from '%s' to '%s', but %s", label(v->id),
                    status_names[from], status_names[v->status], wrong);
    }
    if (v->status == VIEW_JOB_CONCLUDED && k->owes_end) {
        oracle_fail(s->o, "untold", "job '%s' is concluded, and its end was not told",
                    label(v->id));
    }
    k->status = v->status;
    k->untold = v->id != NULL;
    k->owes_ready = v->block_job && v->status == VIEW_JOB_READY && from == VIEW_JOB_RUNNING;
    k->owes_pending = v->block_job && v->status == VIEW_JOB_PENDING && !v->auto_finalize;
    k->owes_end |= v->block_job && v->id && v->status == VIEW_JOB_RUNNING && !k->ended;
    if (v->status == VIEW_JOB_NULL && !v->id) {
        forget(s, (size_t)(k - s->known));
    }
}

/* ---- Events ---- */

/* The youngest of that id: one that is gone may have had it before. */
static struct known_job *find_id(struct jobs *s, const char *id)
{
    for (size_t i = s->len; i > 0; i--) {
        if (s->known[i - 1].id && strcmp(s->known[i - 1].id, id) == 0) {
            return &s->known[i - 1];
        }
    }
    return NULL;
}

static void status_told(struct jobs *s, struct known_job *k, const struct job_event *e)
{
    const char *is = status_names[k->status];
    if (!k->untold || !e->status || strcmp(e->status, is) != 0) {
        oracle_fail(s->o, "event", "job '%s' is told to be '%s'; it is '%s'%s", e->id,
                    e->status ? e->status : "", is, k->untold ? "" : ", which was told");
    }
    k->untold = false;
    if (k->status == VIEW_JOB_NULL) {
        forget(s, (size_t)(k - s->known));
    }
}

static void end_told(struct jobs *s, struct known_job *k, const struct job_event *e)
{
    bool cancelled = strcmp(e->name, "BLOCK_JOB_CANCELLED") == 0;
    bool right = k->status == VIEW_JOB_ABORTING || (k->status == VIEW_JOB_PENDING && !cancelled);
    if (!k->owes_end || !right) {
        oracle_fail(s->o, "event", "%s of job '%s', which is '%s'%s", e->name, e->id,
                    status_names[k->status],
                    k->ended ? " and whose end was told" : k->owes_end ? "" : " and never ran");
    }
    k->ended = true;
    k->owes_end = false;
}

static void debt_paid(struct jobs *s, bool *owed, const struct known_job *k,
                      const struct job_event *e)
{
    if (!*owed) {
        oracle_fail(s->o, "event", "%s of job '%s', which is '%s'", e->name, e->id,
                    status_names[k->status]);
    }
    *owed = false;
}

static void jobs_job_event(void *state, const struct job_event *e)
{
    struct jobs *s = state;
    struct known_job *k = find_id(s, e->id);
    if (!k) {
        oracle_fail(s->o, "event", "%s of job '%s', which is not there", e->name, e->id);
    } else if (strcmp(e->name, "JOB_STATUS_CHANGE") == 0) {
        status_told(s, k, e);
    } else if (k->untold) {
        oracle_fail(s->o, "event", "%s of job '%s' comes before JOB_STATUS_CHANGE to '%s'", e->name,
                    e->id, status_names[k->status]);
    } else if (strcmp(e->name, "BLOCK_JOB_READY") == 0) {
        debt_paid(s, &k->owes_ready, k, e);
    } else if (strcmp(e->name, "BLOCK_JOB_PENDING") == 0) {
        debt_paid(s, &k->owes_pending, k, e);
    } else if (strcmp(e->name, "BLOCK_JOB_COMPLETED") == 0 ||
               strcmp(e->name, "BLOCK_JOB_CANCELLED") == 0) {
        end_told(s, k, e);
    }
}

/* ---- Jobs at a quiescent point ---- */

/* Nothing is under way that could wake a job. */
static bool world_at_rest(const struct jobs *s, const struct snapshot *g)
{
    const struct sim *w = s->o->sim;
    if (!w || w->sched.ready || clock_next(&w->clock) || inspect_is_busy(g->layer)) {
        return false;
    }
    for (uint32_t i = 0; i < g->len; i++) {
        if (g->nodes[i].v.in_flight) {
            return false;
        }
    }
    return true;
}

/* Sections that reach the nodes of a job. */
static uint32_t count_sections(const struct snapshot *g, const struct job *j)
{
    uint32_t sections = 0;
    const struct child *c;
    for (size_t i = 0; (c = inspect_job_edge(j, i)) != NULL; i++) {
        struct edge_view e;
        inspect_edge(c, &e);
        uint32_t at = snapshot_node(g, e.child);
        sections += at != SNAP_NONE && g->nodes[at].v.quiesce > 0;
    }
    return sections;
}

static void check_pauses(struct jobs *s, const struct snapshot *g, const struct job_view *v)
{
    uint32_t want = (v->user_paused ? 1 : 0) + count_sections(g, v->job);
    if (v->block_job && v->pause_count != want) {
        oracle_fail(s->o, "pauses", "job '%s' has a pause count of %" PRIu32
                    "; its user and drained sections make it %" PRIu32, label(v->id),
                    v->pause_count, want);
    }
}

/* NULL, or why the job can never go on in a world at rest. */
static const char *stuck_reason(const struct job_view *v)
{
    switch (v->status) {
    case VIEW_JOB_CREATED:
        return "was never started";
    case VIEW_JOB_READY:
        return v->forced ? "was cancelled, and does not end" : NULL;
    case VIEW_JOB_RUNNING:
        return v->sleeps || (v->idle && !v->forced) ? NULL
                                                    : "waits for nothing that is under way";
    case VIEW_JOB_PAUSED:
    case VIEW_JOB_STANDBY:
        return v->pause_count == 0 ? "rests although nobody asks it to" : NULL;
    case VIEW_JOB_WAITING:
        return v->others ? NULL : "waits for others, and there are none";
    case VIEW_JOB_PENDING:
        return v->auto_finalize && !v->others ? "waits for a user who never comes" : NULL;
    case VIEW_JOB_ABORTING:
        return v->others ? NULL : "has failed, and does not conclude";
    case VIEW_JOB_CONCLUDED:
        return v->auto_dismiss ? "is concluded, and does not go" : NULL;
    default:
        return "is in the list without being a job";
    }
}

static void check_job(struct jobs *s, const struct snapshot *g, const struct job *j, bool at_rest)
{
    struct job_view v;
    inspect_job(j, &v);
    const struct known_job *k = find_serial(s, v.serial);
    if (!k || k->status != v.status) {
        oracle_fail(s->o, "behind", "job '%s' is '%s'; it was last told to be '%s'", label(v.id),
                    status_names[v.status], k ? status_names[k->status] : "undefined");
        return;
    }
    check_debts(s, k);
    if (inspect_is_busy(g->layer)) {
        return;
    }
    check_pauses(s, g, &v);
    const char *why = at_rest ? stuck_reason(&v) : NULL;
    if (why) {
        oracle_fail(s->o, "stuck", "%s job '%s' (%s) %s: %" PRId64 " done, %" PRId64 " left",
                    v.type, label(v.id), status_names[v.status], why, v.progress, v.remaining);
    }
}

/* ---- What is left without jobs ---- */

/* Whether the frozen link is one of a copy-on-read node, which freezes the chain down to its bottom
 * for as long as it is open. */
static bool frozen_by_filter(const struct snapshot *g, const struct snap_edge *e)
{
    for (uint32_t at = e->parent, left = g->len; at != SNAP_NONE && left > 0; left--) {
        const struct snap_node *n = &g->nodes[at];
        uint32_t up = SNAP_NONE;
        if (strcmp(n->v.driver, "copy-on-read") == 0) {
            return true;
        }
        for (uint32_t i = n->up; i < n->up + n->ups; i++) {
            const struct snap_edge *above = &g->ups[i];
            bool chain = above->v.roles & (VIEW_FILTERED | VIEW_COW);
            up = chain && above->v.frozen ? above->parent : up;
        }
        at = up;
    }
    return false;
}

static void check_edges_left(struct jobs *s, const struct snapshot *g)
{
    for (uint32_t i = 0; i < g->downs_len; i++) {
        const struct snap_edge *e = &g->downs[i];
        if (e->v.frozen && !frozen_by_filter(g, e)) {
            struct strbuf text = { 0 };
            snapshot_edge_label(g, &e->v, &text);
            oracle_fail(s->o, "frozen", "no job is left, and the link %s is frozen",
                        strbuf_str(&text));
            strbuf_free(&text);
        }
    }
    for (uint32_t i = 0; i < g->ups_len; i++) {
        const struct snap_edge *e = &g->ups[i];
        if (e->v.of_job) {
            oracle_fail(s->o, "edge", "no job is left, and one still holds node '%s' as '%s'",
                        snapshot_label(g, e->v.child), e->v.name);
        }
    }
}

/* Whether the bitmaps without a name are those of copy-before-write nodes: each has two of its own,
 * and one on its source. */
static bool bitmaps_of_filters(const struct snapshot *g)
{
    uint64_t filters = 0, bitmaps = 0;
    for (uint32_t i = 0; i < g->len; i++) {
        filters += strcmp(g->nodes[i].v.driver, "copy-before-write") == 0;
        bitmaps += g->nodes[i].v.job_bitmaps;
    }
    return bitmaps == 3 * filters;
}

static void check_nodes_left(struct jobs *s, const struct snapshot *g)
{
    bool of_filters = bitmaps_of_filters(g);
    for (uint32_t i = 0; i < g->len; i++) {
        const struct node_view *v = &g->nodes[i].v;
        if (v->implicit) {
            oracle_fail(s->o, "filter", "no job is left, and its filter '%s' (%s) is", v->name,
                        v->driver);
        }
        if (v->job_blockers > 0) {
            oracle_fail(s->o, "blocker", "no job is left, and node '%s' has %" PRIu32
                        " blocker(s) of one", v->name, v->job_blockers);
        }
        if (v->job_bitmaps > 0 && !of_filters) {
            oracle_fail(s->o, "bitmap", "no job is left, and node '%s' has %" PRIu32
                        " bitmap(s) of one", v->name, v->job_bitmaps);
        }
    }
}

static void jobs_look(void *state, const struct snapshot *g)
{
    struct jobs *s = state;
    const struct job *j = inspect_first_job(g->layer);
    bool none = !j, at_rest = j && world_at_rest(s, g);
    for (; j; j = inspect_next_job(j)) {
        check_job(s, g, j, at_rest);
    }
    if (none && !inspect_is_busy(g->layer)) {
        check_edges_left(s, g);
        check_nodes_left(s, g);
    }
}

/* ---- The end ---- */

static void jobs_layer_gone(void *state)
{
    struct jobs *s = state;
    while (s->len > 0) {
        const struct known_job *k = &s->known[0];
        oracle_fail(s->o, "left", "the layer is gone, and job '%s' was left '%s'", label(k->id),
                    status_names[k->status]);
        forget(s, 0);
    }
}

const struct oracle_ops oracle_jobs = {
    .name = "jobs",
    .help = "Jobs move as they may, tell it in order, come to an end and leave nothing behind.",
    .blind = "What a job does to contents (ref-image); a job that is stuck while something else in "
             "the world still moves, until it stops; one that works without getting anywhere; what "
             "progress figures say.",
    .create = jobs_create,
    .destroy = jobs_destroy,
    .look = jobs_look,
    .job_moves = jobs_job_moves,
    .job_event = jobs_job_event,
    .layer_gone = jobs_layer_gone,
};
