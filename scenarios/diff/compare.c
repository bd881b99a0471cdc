/* SPDX-License-Identifier: MIT */
/* The qemu oracle: statement by statement, what the model showed beside what the reference did.
 *
 * 1. Each statement of ours gets its twin, and their automatic names are paired.
 * 2. Outcome, output and state of the two are compared, statement by statement.
 * 3. Then the events of the whole case, whose differences go to the statement they came in.
 * 4. Then what the nodes hold at the end, if both sides have gone the same way.
 *
 * What follows a quirk, or a statement that only one side has done, starts from the state as it is.
 */
#include "scenarios/diff/compare.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/compare_private.h"

#include <stdlib.h>
#include <string.h>

enum { DETAIL_MAX = 6144, SIGNATURE_MAX = 320, SIGNATURE_VALUE = 100 };

struct compare {
    const struct record *ours, *theirs;
    struct result *r;
    struct compare_side side[COMPARE_SIDES];
    struct compare_state state;
    uint32_t next_name;
    struct compare_pair *pairs;
    struct compare_late late[COMPARE_SIDES];
    struct compare_pair *aio; /* The last statement with requests that nobody waits for; or NULL. */
    bool flying;   /* Nobody has waited for them since. */
    json_t *loads; /* Tags of those in progress. */
    bool told;     /* Some outcome has been compared. */
    enum compare_absorb absorb; /* The sides have gone different ways, as the script says. */
};

/* ---- twins ---- */

static const struct record_stmt *find_twin(const struct record *theirs, uint32_t id, size_t *from)
{
    for (size_t i = 0; i < theirs->len; i++) {
        size_t at = (*from + i) % theirs->len;
        if (theirs->at[at].id == id) {
            *from = at + 1;
            return &theirs->at[at];
        }
    }
    return NULL;
}

static bool is_done(const struct record_stmt *s)
{
    return s && s->end == RECORD_DONE;
}

/* One side has done it and the other has not, and it may have changed something. */
static bool is_one_sided(const struct record_stmt *ours, const struct record_stmt *theirs)
{
    if (is_done(ours) == is_done(theirs)) {
        return false;
    }
    const struct record_stmt *done = is_done(ours) ? ours : theirs;
    return !compare_is_harmless(done) && !json_object_get(done->reply, "error");
}

bool compare_same_history(const struct record *ours, const struct record *theirs)
{
    size_t from = 0;
    if (ours->raced || theirs->raced || compare_jobs_stray(ours, theirs)) {
        return false;
    }
    for (size_t i = 0; i < ours->len; i++) {
        const struct record_stmt *twin = find_twin(theirs, ours->at[i].id, &from);
        if (is_one_sided(&ours->at[i], twin) || (twin && twin->end == RECORD_DIED)) {
            return false;
        }
    }
    return true;
}

/* ---- telling ---- */

/* The place without names of nodes: "nodes.hd0.image.filename" -> "nodes.*.image.filename". */
static char *path_kind(const char *path)
{
    static const char *const by_name[] = { "nodes.", "block.", "jobs." };
    for (size_t i = 0; i < ARRAY_LEN(by_name); i++) {
        size_t n = strlen(by_name[i]);
        if (strncmp(path, by_name[i], n) == 0) {
            const char *rest = path + n;
            rest += *rest == '"' ? strcspn(rest + 1, "\"") + 2 : strcspn(rest, ".");
            return mem_printf("%s*%s", by_name[i], rest);
        }
    }
    return mem_strdup(path);
}

static char *signature_of(const char *command, const struct diff_entry *e)
{
    char *kind = path_kind(e->path);
    const char *a = e->value[OURS] ? e->value[OURS] : "nothing";
    const char *b = e->value[THEIRS] ? e->value[THEIRS] : "nothing";
    char *text = mem_printf("%s: %.*s / %.*s", kind, SIGNATURE_VALUE, a, SIGNATURE_VALUE, b);
    char *normal = result_normalise(text);
    char *signature = mem_printf("qemu:%s:%.*s", command, SIGNATURE_MAX, normal);
    free(normal);
    free(text);
    free(kind);
    return signature;
}

static void pair_differs(struct compare_pair *pair, const struct compare *c,
                         const struct diff_list *list)
{
    CHECK(list->len > 0);
    if (!pair->signature) {
        char *command = compare_command(pair->ours);
        pair->signature = signature_of(command, &list->at[0]);
        free(command);
    }
    if (pair->verdict == DIFF_SAME) {
        pair->verdict = DIFF_DIFFERS;
    }
    diff_print(list, 0, c->theirs->target, &pair->detail);
}

/* Something that has no two values to show.  The first and the last line make the signature. */
static void pair_is(struct compare_pair *pair, enum diff_verdict verdict, const char *text)
{
    pair->verdict = verdict;
    strbuf_puts(&pair->detail, text);
    if ((verdict == DIFF_DIFFERS || verdict == DIFF_ABORTS) && !pair->signature) {
        size_t len = strlen(text), first = strcspn(text, "\n"), last;
        while (len > 0 && text[len - 1] == '\n') {
            len--;
        }
        for (last = len; last > 0 && text[last - 1] != '\n'; last--) {
        }
        char *lines = last ? mem_printf("%.*s: %.*s", (int)first, text,
                                        (int)MIN(len - last, SIGNATURE_MAX), text + last)
                           : mem_strndup(text, first);
        char *normal = result_normalise(lines);
        char *command = compare_command(pair->ours);
        pair->signature = mem_printf("qemu:%s:%s", command, normal);
        free(command);
        free(normal);
        free(lines);
    }
}

/* What a side showed, in a line. */
static void put_outcome(const char *name, const struct record_stmt *s, struct strbuf *out)
{
    char *reply = s->reply ? json_dumps(s->reply, 0) : NULL;
    const char *text = reply ? reply : s->output ? s->output : "";
    strbuf_printf(out, "%s: %s%.*s\n", name, s->failed && !reply ? "failed: " : "", 2048, text);
    free(reply);
}

/* ---- one statement ---- */

static void diff_reply(struct compare *c, const struct compare_pair *pair, const char *command,
                       struct diff_list *list, struct strbuf *full)
{
    json_t *view[COMPARE_SIDES];
    size_t before = list->len;
    compare_reply_views(c->side, command, pair->ours, pair->theirs, view);
    const json_t *a = json_object_get(view[OURS], "return");
    const json_t *b = json_object_get(view[THEIRS], "return");
    if (a && b && strcmp(command, "query-qmp-schema") == 0) {
        compare_schemas(list, a, b);
    } else if (!a != !b) {
        char *ours = view[OURS] ? json_dumps(view[OURS], 0) : NULL;
        char *theirs = view[THEIRS] ? json_dumps(view[THEIRS], 0) : NULL;
        diff_add(list, "reply", ours, theirs);
        free(ours);
        free(theirs);
    } else {
        diff_json(list, "", view[OURS], view[THEIRS]);
        if (list->len > before && a && b) {
            diff_print_sides("", c->theirs->target, view[OURS], view[THEIRS], full);
        }
    }
    json_decref(view[OURS]);
    json_decref(view[THEIRS]);
}

/* A member of a node is a json:{} name, whose order is QEMU's own: nodes are compared anyway. */
static bool is_about_order(const char *complaint)
{
    return complaint && strstr(complaint, "' of node '") && strstr(complaint, "actual:   \"json:{");
}

static void diff_complaints(const struct compare_pair *pair, struct diff_list *list)
{
    const char *a = pair->ours->complaint, *b = pair->theirs->complaint;
    if (a || (b && !is_about_order(b))) {
        diff_add(list, "expectation", a ? a : "it holds", b ? b : "it holds");
    }
}

/* The nodes that a difference of state is about, in full. */
static void print_nodes(struct compare *c, const struct compare_pair *pair,
                        const struct diff_list *list, struct strbuf *out)
{
    const char *path = list->len ? list->at[0].path : "";
    if (strncmp(path, "nodes.", 6) != 0) {
        return;
    }
    const struct record_stmt *stmt[COMPARE_SIDES] = { pair->ours, pair->theirs };
    json_t *node[COMPARE_SIDES] = { NULL, NULL };
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        for (size_t i = 0; i < json_array_size(stmt[w]->nodes) && !node[w]; i++) {
            json_t *entry = compare_side_json(&c->side[w], json_array_get(stmt[w]->nodes, i));
            const char *name = json_string_value(json_object_get(entry, "node-name"));
            char *at = diff_path("nodes", name ? name : "");
            size_t n = strlen(at);
            bool found = strncmp(path, at, n) == 0 && (path[n] == '\0' || path[n] == '.');
            node[w] = found ? json_incref(entry) : NULL;
            json_decref(entry);
            free(at);
        }
    }
    diff_print_sides("the node", c->theirs->target, node[OURS], node[THEIRS], out);
    json_decref(node[OURS]);
    json_decref(node[THEIRS]);
}

/* Statements of a script alone whose outcome the reference has a word in: what its command line
 * makes of args, and qemu-img of image. */
static bool is_told(const struct record_stmt *s)
{
    return strcmp(s->command, "args") == 0 || strcmp(s->command, "image") == 0 ||
           strcmp(s->command, "iothread") == 0;
}

/* A verb of the script alone that only the model refuses is its own matter: it may have rules that
 * the world has not. */
static void diff_failed(const struct compare_pair *pair, struct diff_list *list)
{
    const struct record_stmt *stmt[COMPARE_SIDES] = { pair->ours, pair->theirs };
    const char *text[COMPARE_SIDES];
    bool verb = !pair->ours->counted && !is_told(pair->ours);
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        bool says = stmt[w]->failed && verb && stmt[w]->output;
        text[w] = says ? stmt[w]->output : stmt[w]->failed ? "true" : "false";
    }
    if (stmt[OURS]->failed != stmt[THEIRS]->failed && !(verb && stmt[OURS]->failed)) {
        diff_add(list, "failed", text[OURS], text[THEIRS]);
    }
}

static void compare_done(struct compare *c, struct compare_pair *pair)
{
    struct diff_list list = { 0 }, state = { 0 };
    struct strbuf full = { 0 };
    if (pair->ours->counted || is_told(pair->ours)) {
        char *command = compare_command(pair->ours);
        diff_reply(c, pair, command, &list, &full);
        compare_outputs(c->late, c->side, pair->ours, pair->theirs, c->theirs->target, &list,
                        &full);
        if (compare_is_aio(pair->ours)) {
            c->aio = pair;
            c->flying = strcmp(command, "io aio_flush") != 0;
        }
        /* A request that only one side has ended yet. */
        c->state.busy = c->state.busy || c->late[OURS].len || c->late[THEIRS].len;
        c->told = true;
        free(command);
    }
    diff_failed(pair, &list);
    diff_complaints(pair, &list);
    if (compare_state(&c->state, c->side, pair->ours, pair->theirs, c->absorb, &state)) {
        c->absorb = ABSORB_NOTHING;
    }
    if (list.len) {
        pair_differs(pair, c, &list);
        strbuf_puts(&pair->detail, strbuf_str(&full));
    }
    if (state.len) {
        pair_differs(pair, c, &state);
        print_nodes(c, pair, &state, &pair->detail);
    }
    strbuf_free(&full);
    diff_list_free(&list);
    diff_list_free(&state);
}

/* What differs behind a quirk is known from then on, where it can be told at once. */
static void absorb_quirk(struct compare *c, const struct compare_pair *pair, struct strbuf *text)
{
    struct diff_list none = { 0 };
    c->absorb = ABSORB_ALL;
    if (pair->theirs->end != RECORD_DONE) {
        return;
    }
    compare_names_pair(c->side, pair->ours, pair->theirs);
    if (compare_state(&c->state, c->side, pair->ours, pair->theirs, ABSORB_ALL, &none) &&
        !compare_is_late(pair->ours)) {
        c->absorb = ABSORB_NOTHING;
        diff_print(&c->state.known, 0, c->theirs->target, text);
    }
    diff_list_free(&none);
}

static void compare_quirk(struct compare *c, struct compare_pair *pair)
{
    const struct record_stmt *theirs = pair->theirs;
    struct strbuf text = { 0 };
    if (theirs->quirk == QUIRK_GONE) {
        strbuf_puts(&text, "the quirk is gone\n");
        if (theirs->complaint) {
            strbuf_printf(&text, "%s\n", theirs->complaint);
        }
        put_outcome("model", pair->ours, &text);
    }
    if (theirs->end == RECORD_DIED) {
        strbuf_printf(&text, "%s: %s\n", c->theirs->target, theirs->why ? theirs->why : "died");
    } else {
        put_outcome(c->theirs->target, theirs, &text);
    }
    absorb_quirk(c, pair, &text);
    pair_is(pair, theirs->quirk == QUIRK_GONE ? DIFF_DIFFERS : DIFF_QUIRK, strbuf_str(&text));
    strbuf_free(&text);
}

static void compare_death(struct compare *c, struct compare_pair *pair)
{
    struct strbuf text = { 0 };
    const char *why = pair->theirs->why ? pair->theirs->why : "it died";
    strbuf_printf(&text, "%s died: %s\n", c->theirs->target, why);
    pair_is(pair, DIFF_ABORTS, text.text);
    put_outcome("model", pair->ours, &pair->detail);
    strbuf_free(&text);
}

/* A statement of the real one alone: what the script expects of it does not hold. */
static bool is_wrong_alone(const struct record_stmt *ours, const struct record_stmt *theirs)
{
    return ours->end == RECORD_SKIPPED && ours->why && strcmp(ours->why, "real-only") == 0 &&
           theirs && is_done(theirs) && theirs->complaint;
}

/* What one side has done and the other has not makes them different, but not what follows. */
static void absorb_alone(struct compare *c, const struct record_stmt *ours,
                         const struct record_stmt *theirs)
{
    bool known = is_done(ours) ? compare_state_alone(&c->state, c->side, ours, OURS)
                               : compare_state_alone(&c->state, c->side, theirs, THEIRS);
    c->absorb = known ? c->absorb : ABSORB_ALL;
}

static bool has_load(const struct record *r)
{
    size_t i = 0;
    while (i < r->len && strcmp(r->at[i].command, "load") != 0) {
        i++;
    }
    return i < r->len;
}

/* Which loads are in progress behind a statement. */
static void follow_loads(struct compare *c, const struct record_stmt *s)
{
    const char *tag = strchr(s->text, ' ');
    char *name = tag ? mem_strndup(tag + 1, strcspn(tag + 1, " ")) : mem_strdup("");
    if (strcmp(s->command, "load") == 0) {
        json_object_set_new_nocheck(c->loads, name, json_true());
    } else if (strcmp(s->command, "wait") == 0) {
        json_object_del(c->loads, name);
    } else if (strcmp(s->command, "power") == 0) {
        json_object_clear(c->loads);
    }
    c->state.busy = json_object_size(c->loads) > 0;
    free(name);
}

static void compare_one(struct compare *c, struct compare_pair *pair)
{
    const struct record_stmt *ours = pair->ours, *theirs = pair->theirs;
    if (is_done(ours)) {
        follow_loads(c, ours);
    }
    if (strcmp(ours->command, "power") == 0) {
        compare_side_forget_names(&c->side[OURS]);
        compare_side_forget_names(&c->side[THEIRS]);
    }
    if (theirs && theirs->quirk != QUIRK_NONE && is_done(ours)) {
        compare_quirk(c, pair);
    } else if (theirs && theirs->end == RECORD_DIED) {
        compare_death(c, pair);
    } else if (theirs && theirs->end == RECORD_TIMEOUT && is_done(ours)) {
        pair_is(pair, DIFF_DIFFERS, "no answer in 10 s\n");
        put_outcome("model", ours, &pair->detail);
    } else if (ours->end == RECORD_DIED || ours->end == RECORD_TIMEOUT) {
        pair_is(pair, DIFF_DIFFERS, ours->end == RECORD_DIED ? "the model died\n"
                                                             : "the model does not answer\n");
    } else if (is_wrong_alone(ours, theirs)) {
        absorb_alone(c, ours, theirs);
        pair_is(pair, DIFF_DIFFERS, theirs->complaint);
    } else if (!is_done(ours) || !is_done(theirs)) {
        const char *why = theirs ? theirs->why : "not-run";
        why = is_done(ours) ? why : ours->why;
        pair_is(pair, DIFF_SKIPPED, why ? why : "not-run");
        if (is_one_sided(ours, theirs)) {
            absorb_alone(c, ours, theirs);
        }
    } else {
        pair->comparable = true;
        if (strcmp(ours->command, "args") == 0) {
            c->absorb = MAX(c->absorb, ABSORB_ORDER);
        }
        compare_names_pair(c->side, ours, theirs);
        compare_done(c, pair);
    }
}

static void compare_late(struct compare *c)
{
    struct diff_list list = { 0 };
    bool strict = compare_same_history(c->ours, c->theirs);
    if (c->aio && compare_late_end(c->late, c->side, c->ours, c->theirs, strict, &list)) {
        pair_differs(c->aio, c, &list);
    }
    diff_list_free(&list);
}

static void on_events(void *opaque, size_t pair, const struct diff_list *list)
{
    struct compare *c = opaque;
    CHECK(pair < c->ours->len && list->len > 0);
    pair_differs(&c->pairs[pair], c, list);
}

/* ---- the end of the case ---- */

static void add_row(struct compare *c, const struct result_diff *row, const char *signature,
                    const char *text)
{
    struct result *r = c->r;
    bool first = row->verdict == DIFF_DIFFERS || row->verdict == DIFF_ABORTS;
    for (size_t i = 0; i < r->diff_len && first; i++) {
        first = r->diff[i].verdict != DIFF_DIFFERS && r->diff[i].verdict != DIFF_ABORTS;
    }
    result_diff_add(r, row);
    if (first && (r->verdict == VERDICT_PASS || r->verdict == VERDICT_SKIP)) {
        char *message = mem_printf("%s\n%s", text, row->detail);
        CHECK(signature != NULL);
        r->verdict = VERDICT_FAIL;
        result_set(&r->oracle, "qemu");
        result_set(&r->signature, signature);
        result_set(&r->message, message);
        result_set(&r->source, text);
        r->line = row->line;
        r->col = 1;
        free(message);
    }
}

static char *bounded(const char *text)
{
    size_t n = strlen(text);
    return n <= DETAIL_MAX ? mem_strdup(text)
                           : mem_printf("%.*s\n... (%zu bytes)\n", DETAIL_MAX, text, n);
}

/* before: the last statement above it that knows what nodes there were; or NULL. */
static void add_pair(struct compare *c, size_t i, const struct record_stmt *before)
{
    struct compare_pair *pair = &c->pairs[i];
    bool bad = pair->verdict == DIFF_DIFFERS || pair->verdict == DIFF_ABORTS;
    if (!pair->ours->counted && !bad) {
        return;
    }
    char *command = compare_command(pair->ours);
    char *detail = bounded(strbuf_str(&pair->detail));
    char *driver = mem_strdup(compare_driver(pair->ours, before));
    add_row(c, &(struct result_diff){ .statement = pair->ours->id, .line = pair->ours->line,
                                      .command = command, .driver = driver,
                                      .verdict = pair->verdict, .detail = detail },
            pair->signature, pair->ours->text);
    free(driver);
    free(detail);
    free(command);
}

static const struct record_node *find_node(const struct record *r, const char *name)
{
    for (size_t i = 0; i < r->nodes_len; i++) {
        if (strcmp(r->nodes[i].name, name) == 0) {
            return &r->nodes[i];
        }
    }
    return NULL;
}

/* The last statement that knows what nodes there were; NULL: none does. */
static const struct record_stmt *last_with_nodes(const struct record *r)
{
    for (size_t i = r->len; i-- > 0;) {
        if (r->at[i].nodes) {
            return &r->at[i];
        }
    }
    return NULL;
}

/* A row of the end of the case; what: what differs, "map of hd0". */
static void add_end_row(struct compare *c, const char *command, const char *driver,
                        const char *what, const struct diff_list *list, const char *kind_path)
{
    const struct record_stmt *last = last_with_nodes(c->ours);
    struct diff_entry kind = list->at[0];
    struct strbuf text = { 0 };
    kind.path = (char *)kind_path;
    char *signature = signature_of(command, &kind);
    diff_print(list, 0, c->theirs->target, &text);
    char *detail = bounded(text.text);
    add_row(c, &(struct result_diff){ .line = last ? last->line : 0, .command = (char *)command,
                                      .driver = (char *)driver, .verdict = DIFF_DIFFERS,
                                      .detail = detail },
            signature, what);
    free(detail);
    free(signature);
    strbuf_free(&text);
}

static void compare_node_end(struct compare *c, const char *command, const char *node,
                             const char *a, const char *b)
{
    struct diff_list list = { 0 };
    char *ours = compare_side_output(&c->side[OURS], a);
    char *theirs = compare_side_output(&c->side[THEIRS], b);
    char *path = mem_printf("%s of %s", command, node);
    diff_lines(&list, path, ours, theirs);
    if (list.len) {
        const struct record_stmt *last = last_with_nodes(c->ours);
        char *words = mem_printf("io %s map", node);
        struct record_stmt about = { .command = (char *)"io", .text = words,
                                     .nodes = last ? last->nodes : NULL };
        char *driver = mem_strdup(compare_driver(&about, NULL));
        add_end_row(c, command, driver, path, &list, command);
        free(driver);
        free(words);
    }
    diff_list_free(&list);
    free(path);
    free(ours);
    free(theirs);
}

/* What is to be seen when everything is over: of statements without a state of their own, and of
 * the last one, whose effects may be late. */
static void compare_state_end(struct compare *c)
{
    const struct record *record[COMPARE_SIDES] = { c->ours, c->theirs };
    struct record_stmt end[COMPARE_SIDES];
    struct diff_list list = { 0 };
    if (!c->ours->end || !c->theirs->end) {
        return;
    }
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        end[w] = *record[w]->end;
        end[w].nodes = json_deep_copy(end[w].nodes);
        end[w].block = json_deep_copy(end[w].block);
        if (c->ours->shuffled || c->theirs->shuffled) {
            record_drop_sizes(end[w].nodes);
            record_drop_sizes(end[w].block);
        }
    }
    c->state.busy |= c->flying;
    compare_names_pair(c->side, &end[OURS], &end[THEIRS]);
    compare_state(&c->state, c->side, &end[OURS], &end[THEIRS], c->absorb, &list);
    if (list.len) {
        add_end_row(c, "state", "", "the state at the end", &list, list.at[0].path);
    }
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        json_decref(end[w].nodes);
        json_decref(end[w].block);
    }
    diff_list_free(&list);
}

static void compare_end(struct compare *c)
{
    for (size_t i = 0; i < c->ours->nodes_len; i++) {
        const struct record_node *a = &c->ours->nodes[i];
        const struct record_node *b = find_node(c->theirs, a->name);
        if (b && a->map && b->map) {
            compare_node_end(c, "map", a->name, a->map, b->map);
        }
        if (b && a->data && b->data) {
            compare_node_end(c, "data", a->name, a->data, b->data);
        }
    }
}

/* The verdict when nothing differs. */
static void judge(struct compare *c)
{
    bool comparable = c->told, quirk = false;
    const char *why = NULL;
    for (size_t i = 0; i < c->r->diff_len; i++) {
        const struct result_diff *row = &c->r->diff[i];
        comparable = comparable || row->verdict != DIFF_SKIPPED;
        quirk = quirk || row->verdict == DIFF_QUIRK;
        why = why || row->verdict != DIFF_SKIPPED ? why : row->detail;
    }
    if (c->r->verdict != VERDICT_PASS && c->r->verdict != VERDICT_SKIP) {
        return;
    }
    c->r->verdict = quirk ? VERDICT_QUIRK : comparable ? VERDICT_PASS : VERDICT_SKIP;
    if (!comparable) {
        char *message = mem_printf("nothing to compare%s%s", why ? ": " : "", why ? why : "");
        result_set(&c->r->message, message);
        free(message);
    }
}

void compare_records(const struct record *ours, const struct record *theirs, struct result *r)
{
    struct compare c = { .ours = ours, .theirs = theirs, .r = r, .next_name = 1 };
    const struct record_stmt *before = NULL;
    size_t from = 0;
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        c.side[w].next_name = &c.next_name;
        c.side[w].parse_names = true;
        c.side[w].loads = has_load(ours);
    }
    c.side[OURS].dir = ours->files;
    c.side[THEIRS].dir = theirs->files;
    c.loads = json_object();
    c.pairs = NEW_ARRAY(struct compare_pair, ours->len + 1);
    for (size_t i = 0; i < ours->len; i++) {
        c.pairs[i] = (struct compare_pair){ .ours = &ours->at[i], .verdict = DIFF_SAME };
        c.pairs[i].theirs = find_twin(theirs, ours->at[i].id, &from);
        compare_one(&c, &c.pairs[i]);
    }
    compare_late(&c);
    compare_events(c.side, c.pairs, ours->len, on_events, &c);
    for (size_t i = 0; i < ours->len; i++) {
        add_pair(&c, i, before);
        before = ours->at[i].nodes ? &ours->at[i] : before;
        strbuf_free(&c.pairs[i].detail);
        free(c.pairs[i].signature);
    }
    compare_state_end(&c);
    if (compare_same_history(ours, theirs)) {
        compare_end(&c);
    }
    judge(&c);
    free(c.pairs);
    json_decref(c.loads);
    compare_state_fini(&c.state);
    compare_late_fini(&c.late[OURS]);
    compare_late_fini(&c.late[THEIRS]);
    compare_side_fini(&c.side[OURS]);
    compare_side_fini(&c.side[THEIRS]);
}
