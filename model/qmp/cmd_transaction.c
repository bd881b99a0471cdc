/* SPDX-License-Identifier: MIT */
/* transaction: several actions, all or none (QEMU qapi/transaction.json). */
#include "base/check.h"
#include "base/mem.h"
#include "model/drain.h"
#include "model/job/job.h"
#include "model/layer_state.h"
#include "model/qmp/commands.h"
#include "model/qmp/transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- abort ---- */

static int prepare_abort(struct layer *l, const json_t *data, struct action *a, struct txn *txn,
                         struct error *err)
{
    (void)l;
    (void)data;
    (void)a;
    (void)txn;
    return error_set(err, -ECANCELED, "Transaction aborted using Abort action");
}

static const struct schema_type abort_data = { .name = "Abort", .kind = SCHEMA_STRUCT };

static const struct action_kind action_abort = {
    .name = "abort", .grouped = true, .data = &abort_data, .prepare = prepare_abort
};

static const struct action_kind *const kinds[] = {
    &action_abort,          &action_bitmap_add,   &action_bitmap_clear,
    &action_bitmap_disable, &action_bitmap_enable, &action_bitmap_merge,
    &action_bitmap_remove,  &action_blockdev_backup, &action_snapshot,
    &action_snapshot_sync,  &action_drive_backup,  NULL,
};

/* NULL: there is none of that name. */
static const struct action_kind *find_kind(const char *name)
{
    size_t i = 0;
    while (kinds[i] && strcmp(kinds[i]->name, name) != 0) {
        i++;
    }
    return kinds[i];
}

/* ---- Running ---- */

struct transaction {
    struct txn txn;
    struct action *actions;
    size_t len;
    struct job_txn *jobs; /* Of all its jobs, when they are grouped; else NULL. */
};

/* [io] What is in flight anywhere ends before the first action. */
static void come_to_rest(struct layer *l)
{
    drain_all_begin(l);
    drain_all_end(l);
    if (l->jobs) {
        co_pass(l->sim); /* Those that were stopped go on before the actions stop them again. */
    }
}

/* ret: how preparing ended; returned. */
static int transaction_end(struct transaction *t, int ret)
{
    txn_end(&t->txn, ret);
    for (size_t i = 0; i < t->len && ret == 0; i++) {
        if (t->actions[i].kind->finish) {
            t->actions[i].kind->finish(&t->actions[i]);
        }
    }
    for (size_t i = 0; i < t->len; i++) {
        if (t->actions[i].kind->clean) {
            t->actions[i].kind->clean(&t->actions[i]);
        }
        free(t->actions[i].state);
    }
    free(t->actions);
    job_txn_unref(t->jobs);
    return ret;
}

static int prepare(struct transaction *t, struct layer *l, const struct action_kind *kind,
                   const json_t *data, struct error *err)
{
    struct action *a = &t->actions[t->len++];
    a->kind = kind;
    a->jobs = t->jobs;
    a->state = kind->state_size > 0 ? mem_zalloc(kind->state_size) : NULL;
    int ret = kind->prepare(l, data, a, &t->txn, err);
    CHECK(ret <= 0 && (ret == 0 || !err || err->code < 0));
    return ret;
}

int transaction_run_one(struct layer *l, const struct action_kind *kind, const json_t *data,
                        struct error *err)
{
    struct transaction t = { .txn = TXN_INIT, .actions = NEW(struct action) };
    come_to_rest(l);
    return transaction_end(&t, prepare(&t, l, kind, data, err));
}

static int check_grouped(const struct action_kind *kind, bool grouped, struct error *err)
{
    return !grouped || kind->grouped
               ? 0
               : error_set(err, -EINVAL,
                           "Action '%s' does not support Transaction property completion-mode = "
                           "grouped",
                           kind->name);
}

static int transaction(struct layer *l, const json_t *args, json_t **ret, struct error *err)
{
    const json_t *list = json_object_get(args, "actions");
    const json_t *properties = json_object_get(args, "properties");
    const char *mode = json_string_value(json_object_get(properties, "completion-mode"));
    bool grouped = mode && strcmp(mode, "grouped") == 0;
    size_t len = json_array_size(list);
    struct transaction t = { .txn = TXN_INIT, .actions = NEW_ARRAY(struct action, len + 1) };
    int code = 0;

    (void)ret;
    t.jobs = grouped ? job_txn_new() : NULL;
    come_to_rest(l);
    for (size_t i = 0; i < len && code == 0; i++) {
        const json_t *one = json_array_get(list, i);
        const struct action_kind *kind =
            find_kind(json_string_value(json_object_get(one, "type")));
        CHECK(kind != NULL);
        code = check_grouped(kind, grouped, err);
        if (code == 0) {
            code = prepare(&t, l, kind, json_object_get(one, "data"), err);
        }
    }
    return transaction_end(&t, code);
}

/* ---- Schema ---- */

static const char *kind_at(const struct blk_driver *const *drivers, size_t i)
{
    (void)drivers;
    return kinds[i] ? kinds[i]->name : NULL;
}

static const char *const other_kinds[] = {
    "blockdev-snapshot-internal-sync", NULL
};

static const struct schema_type kind_type = { .name = "TransactionActionKind",
                                              .kind = SCHEMA_ENUM,
                                              .value_at = kind_at,
                                              .elsewhere = other_kinds };

static const struct schema_member action_members[] = {
    { "type", &kind_type, 0, NULL, "what is done" },
    { 0 },
};

/* The branch of each kind: its arguments stand in a member of their own. */
#define BRANCH(type) \
    { { "data", (type), 0, NULL, "as of the command of that name" }, { 0 } }

static const struct schema_member branches[][2] = {
    BRANCH(&abort_data),           BRANCH(&schema_bitmap),   BRANCH(&schema_bitmap_add),
    BRANCH(&schema_bitmap_merge),  BRANCH(&schema_snapshot), BRANCH(&schema_snapshot_sync),
    BRANCH(&schema_blockdev_backup), BRANCH(&schema_drive_backup)
};

static const struct schema_member *action_branch(const struct blk_driver *const *drivers,
                                                 const char *value)
{
    const struct action_kind *kind = find_kind(value);
    (void)drivers;
    for (size_t i = 0; kind && i < ARRAY_LEN(branches); i++) {
        if (branches[i][0].type == kind->data) {
            return branches[i];
        }
    }
    return NULL;
}

static const struct schema_type action_type = { .name = "TransactionAction",
                                                .kind = SCHEMA_UNION,
                                                .members = action_members,
                                                .discriminator = "type",
                                                .branch = action_branch };

static const struct schema_type action_list = {
    .name = "TransactionActionList", .kind = SCHEMA_ARRAY, .element = &action_type
};

static const char *const modes[] = { "individual", "grouped", NULL };

static const struct schema_type mode_type = {
    .name = "ActionCompletionMode", .kind = SCHEMA_ENUM, .values = modes
};

static const struct schema_member property_members[] = {
    { "completion-mode", &mode_type, MEMBER_OPTIONAL, "individual",
      "whether jobs of the actions succeed and fail together" },
    { 0 },
};

static const struct schema_type property_type = {
    .name = "TransactionProperties", .kind = SCHEMA_STRUCT, .members = property_members
};

static const struct schema_member transaction_args[] = {
    { "actions", &action_list, 0, NULL, "what is done, in this order" },
    { "properties", &property_type, MEMBER_OPTIONAL, NULL, "how it is done" },
    { 0 },
};

static const struct schema_type transaction_type = {
    .name = "q_obj_transaction-arg", .kind = SCHEMA_STRUCT, .members = transaction_args
};

const struct qmp_command qmp_transaction = {
    .name = "transaction",
    .args = &transaction_type,
    .help = "do several things, all of them or none",
    .run = transaction,
};
