/* SPDX-License-Identifier: MIT */
/* Events of the whole case.
 *
 * The model tells an event in the statement that causes it.  The real program may tell it later,
 * or, when its cause is a job or a request in the background, earlier.  So each event of ours is
 * paired with an equal one of theirs: of the same statement, else the next that is left behind it,
 * else any that is left.  What has no partner is a difference of the statement in which it came.
 *
 * Order matters where QEMU promises it: between events of one job, one export, one device's tray,
 * of the machine, and of the devices that are deleted together; and there only as far as they came
 * in one statement.
 *
 * How often a drained section is opened while a command runs is nobody's business: that a job rests
 * and goes on within one statement counts only where both sides tell it.
 */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* What is known of some events; of all others nothing is. */
static const struct event_rule {
    const char *name;   /* Its beginning when it ends in '*'. */
    const char *member; /* Events with the same value of this member keep their order; "" those of
                         * the whole group do; NULL: none do. */
    const char *group;
    bool merged;  /* Told once in a while, with what came meanwhile left out (qapi: "This event is
                   * rate-limited"): the first is told at once, and of later ones, as long as both
                   * have one, the number does not matter. */
    bool ignored; /* Of the machine around the block layer, which the model has not. */
} rules[] = {
    { "JOB_STATUS_CHANGE", "id", "job", false, false },
    { "BLOCK_JOB_PENDING", "id", "block job", false, false },
    { "BLOCK_JOB_*", "device", "block job", false, false },
    { "BLOCK_EXPORT_DELETED", "", "export", false, false },
    { "DEVICE_DELETED", "", "device", false, false },
    { "DEVICE_TRAY_MOVED", "id", "tray", false, false },
    { "STOP", "", "machine", false, false },
    { "RESUME", "", "machine", false, false },
    { "RESET", "", "machine", false, false },
    { "QUORUM_REPORT_BAD", NULL, NULL, true, false },
    { "QUORUM_FAILURE", NULL, NULL, true, false },
    { "RTC_CHANGE", NULL, NULL, true, true },
    { "NIC_RX_FILTER_CHANGED", NULL, NULL, false, true },
    { "VSERPORT_CHANGE", NULL, NULL, true, true },
    { "SHUTDOWN", NULL, NULL, false, true },
};

struct event {
    char *text;  /* "NAME {data}", normalised. */
    const char *name;
    json_t *data;
    const struct event_rule *rule; /* NULL: none. */
    char *key;   /* Events of one key keep their order; NULL: it has none. */
    size_t pair; /* Index of its statement. */
    size_t number; /* In order of arrival. */
    struct event *twin;
    bool told;
};

struct event_list {
    struct event *at;
    size_t len, cap;
};

static const struct event_rule *rule_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        size_t n = strlen(rules[i].name);
        bool prefix = rules[i].name[n - 1] == '*';
        if (prefix ? strncmp(name, rules[i].name, n - 1) == 0 : strcmp(name, rules[i].name) == 0) {
            return &rules[i];
        }
    }
    return NULL;
}

static void list_add(struct event_list *list, struct compare_side *side, const json_t *event,
                     size_t pair)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    const struct event_rule *rule = name ? rule_of(name) : NULL;
    if (!name || (rule && rule->ignored)) {
        return;
    }
    list->at = mem_grow(list->at, list->len, &list->cap, sizeof(*list->at));
    struct event *e = &list->at[list->len];
    *e = (struct event){ .name = name, .rule = rule, .pair = pair, .number = list->len };
    json_t *data_all = compare_side_json(side, json_object_get(event, "data"));
    e->data = compare_job_event(side, name, data_all);
    json_decref(data_all);
    char *data = e->data ? json_dumps(e->data, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY)
                         : NULL;
    e->text = mem_printf("%s %s", name, data ? data : "");
    free(data);
    if (rule && rule->member) {
        const char *who = json_string_value(json_object_get(e->data, rule->member));
        e->key = mem_printf("%s %s", rule->group, who ? who : "");
    }
    list->len++;
}

static void list_free(struct event_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free(list->at[i].text);
        free(list->at[i].key);
        json_decref(list->at[i].data);
    }
    free(list->at);
}

/* ---- pairing ---- */

static int compare_event(const void *a, const void *b)
{
    const struct event *x = *(struct event *const *)a, *y = *(struct event *const *)b;
    int order = strcmp(x->text, y->text);
    return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

static struct event **sorted(struct event_list *list)
{
    struct event **all = mem_alloc((list->len + 1) * sizeof(struct event *));
    for (size_t i = 0; i < list->len; i++) {
        all[i] = &list->at[i];
    }
    qsort(all, list->len, sizeof(struct event *), compare_event);
    return all;
}

enum pass { SAME_STATEMENT, LATER, ANY, PASSES };

/* Pairs equal events, both in order of arrival. */
static void pair_equal(struct event **a, size_t a_len, struct event **b, size_t b_len,
                       enum pass pass)
{
    size_t k = 0;
    for (size_t i = 0; i < a_len; i++) {
        if (a[i]->twin) {
            continue;
        }
        while (k < b_len && (b[k]->twin || (pass != ANY && b[k]->pair < a[i]->pair))) {
            k++;
        }
        if (k < b_len && (pass != SAME_STATEMENT || b[k]->pair == a[i]->pair)) {
            a[i]->twin = b[k];
            b[k]->twin = a[i];
        }
    }
}

static void pair_all(struct event_list list[COMPARE_SIDES])
{
    struct event **a = sorted(&list[OURS]), **b = sorted(&list[THEIRS]);
    size_t i = 0, k = 0;
    while (i < list[OURS].len && k < list[THEIRS].len) {
        int order = strcmp(a[i]->text, b[k]->text);
        size_t a_len = 1, b_len = 1;
        if (order == 0) {
            while (i + a_len < list[OURS].len && strcmp(a[i + a_len]->text, a[i]->text) == 0) {
                a_len++;
            }
            while (k + b_len < list[THEIRS].len && strcmp(b[k + b_len]->text, b[k]->text) == 0) {
                b_len++;
            }
            for (enum pass pass = SAME_STATEMENT; pass < PASSES; pass++) {
                pair_equal(a + i, a_len, b + k, b_len, pass);
            }
        }
        i += order <= 0 ? a_len : 0;
        k += order >= 0 ? b_len : 0;
    }
    free(a);
    free(b);
}

/* Rests within a statement that the other side does not tell. */
static void forgive_rests(struct event_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        struct event *a = &list->at[i], *b = a + 1;
        while (b < list->at + list->len && b->pair == a->pair &&
               !(b->key && a->key && strcmp(a->key, b->key) == 0)) {
            b++;
        }
        if (b < list->at + list->len && b->pair == a->pair && !a->twin && !b->twin &&
            compare_job_rest(a->name, a->data, b->data)) {
            a->told = b->told = true;
        }
    }
}

/* ---- telling ---- */

static bool has_name(const struct event_list *list, const char *name)
{
    for (size_t i = 0; i < list->len; i++) {
        if (strcmp(list->at[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_first(const struct event_list *list, const struct event *e)
{
    const struct event *first = list->at;
    while (strcmp(first->name, e->name) != 0) {
        first++;
    }
    return first == e;
}

/* An event of list[who] that has no partner.  Among the others is perhaps one that differs in its
 * data alone. */
static void tell_alone(struct event *e, struct event_list list[COMPARE_SIDES],
                       enum compare_who who, const struct compare_pair *pairs,
                       struct diff_list *out)
{
    struct event_list *others = &list[!who];
    bool merged = e->rule && e->rule->merged;
    if (e->twin || e->told || !pairs[e->pair].comparable ||
        (merged && !is_first(&list[who], e) && has_name(others, e->name))) {
        return;
    }
    char *path = mem_printf("event %s", e->name);
    struct event *like = NULL;
    e->told = true;
    for (size_t i = 0; i < others->len && !like && who == OURS; i++) {
        struct event *o = &others->at[i];
        if (!o->twin && !o->told && o->pair == e->pair && strcmp(o->name, e->name) == 0) {
            like = o;
        }
    }
    if (like) {
        char *data = mem_printf("%s.data", path);
        like->told = true;
        diff_json(out, data, e->data, like->data);
        free(data);
    } else {
        const char *text = e->text + strlen(e->name) + 1;
        text = *text ? text : "(it came)";
        diff_add(out, path, who == OURS ? text : NULL, who == THEIRS ? text : NULL);
    }
    free(path);
}

/* The first two events of one key, of one statement on both sides, that came the other way round.
 */
static void tell_order(const struct event_list *ours, size_t pair, struct diff_list *out)
{
    for (size_t i = 0; i < ours->len; i++) {
        const struct event *a = &ours->at[i];
        if (a->pair != pair || !a->key || !a->twin || a->twin->pair != pair) {
            continue;
        }
        for (size_t k = i + 1; k < ours->len && ours->at[k].pair == pair; k++) {
            const struct event *b = &ours->at[k];
            if (b->key && b->twin && b->twin->pair == pair && strcmp(a->key, b->key) == 0 &&
                b->twin->number < a->twin->number) {
                char *first = mem_printf("%s, then %s", a->text, b->text);
                char *second = mem_printf("%s, then %s", b->text, a->text);
                diff_add(out, "order of events", first, second);
                free(first);
                free(second);
                return;
            }
        }
    }
}

void compare_events(struct compare_side side[COMPARE_SIDES], const struct compare_pair *pairs,
                    size_t n,
                    void (*fn)(void *opaque, size_t pair, const struct diff_list *list),
                    void *opaque)
{
    struct event_list list[COMPARE_SIDES] = { 0 };
    size_t at[COMPARE_SIDES] = { 0 };
    for (size_t i = 0; i < n; i++) {
        const struct record_stmt *stmt[COMPARE_SIDES] = { pairs[i].ours, pairs[i].theirs };
        for (int w = OURS; w < COMPARE_SIDES; w++) {
            for (size_t k = 0; stmt[w] && k < json_array_size(stmt[w]->events); k++) {
                list_add(&list[w], &side[w], json_array_get(stmt[w]->events, k), i);
            }
        }
    }
    pair_all(list);
    forgive_rests(&list[OURS]);
    forgive_rests(&list[THEIRS]);
    for (size_t i = 0; i < n; i++) {
        struct diff_list out = { 0 };
        size_t ours = at[OURS];
        for (int w = OURS; w < COMPARE_SIDES; w++) {
            for (; at[w] < list[w].len && list[w].at[at[w]].pair == i; at[w]++) {
                tell_alone(&list[w].at[at[w]], list, w, pairs, &out);
            }
        }
        if (pairs[i].comparable && at[OURS] > ours + 1) {
            tell_order(&list[OURS], i, &out);
        }
        if (out.len) {
            fn(opaque, i, &out);
        }
        diff_list_free(&out);
    }
    list_free(&list[OURS]);
    list_free(&list[THEIRS]);
}
