/* SPDX-License-Identifier: MIT */
/* Statements, properties and expectations against the tables of verbs.h. */
#include "scenarios/script_check.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/quirk.h"
#include "sim/fault.h"

#include <stdlib.h>
#include <string.h>

static const char later[] = "'%s' is known but not available in this version";
static const char sim_host[] = "'%s' needs `host sim`; this case has `host posix`";

static uint32_t stmt_where(enum verb_id id)
{
    if (id == VERB_NONE || id == VERB_QMP) {
        return VERB_ON_COMMAND;
    }
    return id == VERB_IO ? VERB_ON_IO : VERB_ON_WORLD;
}

/* ---- properties ---- */

static void add_tag(struct check *ck, const char *tag, int line, int col)
{
    int before = nameset_add(&ck->tags, tag, line);
    if (before != 0) {
        diag_add(ck->diag, line, col, "the tag '%.100s' is taken, in line %d", tag, before);
    }
}

/* Column of the argument: "@name(". */
static int prop_arg_col(const struct script_prop *prop)
{
    return prop->col + (int)strlen(prop->name) + 2;
}

/* The words of an argument "k=v k=v", which the caller frees. */
static struct script_words prop_words(const struct script_prop *prop)
{
    struct script_words words = { 0 };
    for (const char *p = prop->arg; *p != '\0';) {
        p += strspn(p, " \t");
        size_t n = strcspn(p, " \t");
        if (n > 0 && words.len < SCRIPT_MAX_WORDS) {
            words.at = array_grow(words.at, words.len, sizeof(*words.at));
            words.at[words.len++] = (struct script_word){ .text = mem_strndup(p, n),
                                                          .raw = mem_strndup(p, n),
                                                          .line = prop->line,
                                                          .col = prop_arg_col(prop) +
                                                                 (int)(p - prop->arg) };
        }
        p += n;
    }
    return words;
}

static void words_fini(struct script_words *words)
{
    for (size_t i = 0; i < words->len; i++) {
        script_word_fini(&words->at[i]);
    }
    free(words->at);
    *words = (struct script_words){ 0 };
}

static void prop_async(struct check *ck, const struct script_prop *prop)
{
    struct script_word w = { .text = prop->arg, .raw = prop->arg, .line = prop->line,
                             .col = prop_arg_col(prop) };
    if (check_refs(ck, &w) && check_value(ck, &w, w.text, "@async", VALUE_NAME, NULL)) {
        add_tag(ck, prop->arg, prop->line, prop->col);
    }
}

void check_reason(struct check *ck, const char *reason, const char *what, int line, int col)
{
    if (verb_find(VERB_REASON, reason) == NULL) {
        struct strbuf list = { 0 };
        verb_list_class(VERB_REASON, reason, &list);
        diag_add(ck->diag, line, col, "%s takes a reason; valid: %s", what, strbuf_str(&list));
        strbuf_free(&list);
    }
}

static void check_prop(struct check *ck, const struct script_prop *prop, uint32_t where)
{
    char *name = mem_printf("@%s", prop->name);
    const struct verb_def *def = verb_find(VERB_PROPERTY, name);
    if (def == NULL) {
        struct strbuf list = { 0 };
        verb_list_class(VERB_PROPERTY, name, &list);
        diag_add(ck->diag, prop->line, prop->col, "unknown property '%.100s'; valid: %s", name,
                 strbuf_str(&list));
        strbuf_free(&list);
    } else if ((def->flags & where) == 0) {
        diag_add(ck->diag, prop->line, prop->col, "%s is not for this statement; it is for QMP "
                 "commands and io", name);
    } else if ((def->flags & VERB_SIM_HOST) != 0 && ck->cas->host != HOST_SIM) {
        diag_add(ck->diag, prop->line, prop->col, sim_host, name);
    } else if (strcmp(name, "@async") == 0) {
        prop_async(ck, prop);
    } else if (strcmp(name, "@model-only") == 0) {
        check_reason(ck, prop->arg, name, prop->line, prop->col);
    } else if (strcmp(name, "@fail") == 0 || strcmp(name, "@fd") == 0) {
        struct script_words words = prop_words(prop);
        check_words(ck, def, &words, 0, true, prop->line, prop->col);
        words_fini(&words);
    } else if (*prop->arg != '\0') {
        diag_add(ck->diag, prop->line, prop->col, "%s takes nothing in ( )", name);
    }
    free(name);
}

static void check_props(struct check *ck, const struct script_stmt *stmt, uint32_t where)
{
    const struct script_prop *model = script_prop_find(stmt, "model-only");
    const struct script_prop *real = script_prop_find(stmt, "real-only");
    for (size_t i = 0; i < stmt->props_len; i++) {
        const struct script_prop *prop = &stmt->props[i];
        if (script_prop_find(stmt, prop->name) != prop) {
            diag_add(ck->diag, prop->line, prop->col, "@%s is given twice", prop->name);
            continue;
        }
        check_prop(ck, prop, where);
    }
    bool model_case = script_header_find(ck->cas, "model-only") != NULL;
    const struct script_prop *may = script_prop_find(stmt, "may-fail");
    if (may != NULL && model == NULL && !model_case) {
        diag_add(ck->diag, may->line, may->col,
                 "@may-fail is not compared: it needs @model-only, or a model-only case");
    }
    if (real != NULL && (model != NULL || model_case)) {
        diag_add(ck->diag, real->line, real->col,
                 "@real-only and %smodel-only leave the statement out everywhere",
                 model_case ? "" : "@");
    }
}

/* ---- statements ---- */

static bool words_have(const void *opaque, const char *key)
{
    const struct script_words *words = opaque;
    for (size_t i = 0; i < words->len; i++) {
        bool json;
        const char *value;
        size_t n = lex_key(words->at[i].text, &json, &value);
        if (n == strlen(key) && memcmp(words->at[i].text, key, n) == 0) {
            return true;
        }
    }
    return false;
}

/* fault DISK clear [NAME] and fault DISK release NAME: no keys. */
static void stmt_fault_name(struct check *ck, const struct script_stmt *stmt)
{
    const struct script_words *words = &stmt->words;
    bool release = strcmp(words->at[2].text, "release") == 0;
    bool named = words->len > 3 && strchr(words->at[3].text, '=') == NULL;
    size_t most = named ? 4 : 3;
    if (release && !named) {
        diag_add(ck->diag, stmt->line, stmt->col,
                 "NAME is missing; usage: fault DISK release NAME");
    } else if (words->len > most) {
        diag_add(ck->diag, words->at[most].line, words->at[most].col,
                 "fault %s takes no keys", words->at[2].text);
    }
}

static void stmt_fault(struct check *ck, const struct script_stmt *stmt)
{
    const struct script_words *words = &stmt->words;
    const char *kind = words->at[2].text;
    if (check_has_refs(kind)) {
        return; /* Known when it runs. */
    }
    if (strcmp(kind, "clear") == 0 || strcmp(kind, "release") == 0) {
        stmt_fault_name(ck, stmt);
        return;
    }
    if (words->len > 3 && strchr(words->at[3].text, '=') == NULL) {
        diag_add(ck->diag, words->at[3].line, words->at[3].col,
                 "'%.100s' is not KEY=VALUE; a rule's name is name=%.100s", words->at[3].text,
                 words->at[3].text);
        return;
    }
    struct error err = ERROR_INIT;
    int code = fault_kind_parse(kind);
    CHECK(code >= 0);
    if (verb_fault_check(code, words_have, words, &err) != 0) {
        diag_add(ck->diag, stmt->line, stmt->col, "%s", err.text);
    }
}

static void stmt_load(struct check *ck, const struct script_stmt *stmt)
{
    if (words_have(&stmt->words, "count") == words_have(&stmt->words, "runtime")) {
        diag_add(ck->diag, stmt->line, stmt->col, "load needs one of count= and runtime=");
    }
    add_tag(ck, stmt->words.at[1].text, stmt->words.at[1].line, stmt->words.at[1].col);
}

static void stmt_wait(struct check *ck, const struct script_stmt *stmt)
{
    const struct script_word *w = &stmt->words.at[1];
    if (check_has_refs(w->text) || nameset_has(&ck->tags, w->text)) {
        return;
    }
    const char *near = nameset_nearest(&ck->tags, w->text);
    diag_add(ck->diag, w->line, w->col,
             "no load and no @async statement above has the tag '%.100s'%s%s%s", w->text,
             near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
             near != NULL ? "'?" : "");
}

static void stmt_disk(struct check *ck, const struct script_stmt *stmt)
{
    bool from = words_have(&stmt->words, "from");
    if (!from && !words_have(&stmt->words, "size")) {
        diag_add(ck->diag, stmt->line, stmt->col, "disk needs size= or from=");
    } else if (from && words_have(&stmt->words, "fill")) {
        diag_add(ck->diag, stmt->line, stmt->col, "disk takes one of from= and fill=");
    }
}

/* What the command line says is there before anything happens in the layer. */
static void stmt_args(struct check *ck, const struct script_stmt *stmt)
{
    for (const struct script_stmt *s = ck->cas->stmts; s != stmt; s++) {
        enum verb_id id = verb_id_of(s->words.at[0].text);
        if (id != VERB_ARGS && id != VERB_DISK && id != VERB_IMAGE && id != VERB_IOTHREAD &&
            id != VERB_FAULT && id != VERB_CLOCK) {
            diag_add(ck->diag, stmt->line, stmt->col,
                     "args stands before all that uses the block layer, and so before '%.100s' in "
                     "line %d",
                     s->words.at[0].text, s->line);
            return;
        }
    }
}

static void stmt_verb(struct check *ck, const struct verb_def *def, const struct script_stmt *stmt)
{
    if ((def->flags & VERB_LATER) != 0) {
        diag_add(ck->diag, stmt->line, stmt->col, later, def->name);
        return;
    }
    if ((def->flags & VERB_SIM_HOST) != 0 && ck->cas->host != HOST_SIM) {
        diag_add(ck->diag, stmt->line, stmt->col, sim_host, def->name);
        return;
    }
    if (def->code == VERB_QMP) {
        if (stmt->qmp_raw_len == 0) {
            diag_add(ck->diag, stmt->line, stmt->col, "qmp needs something to send");
        }
        return;
    }
    if (!check_words(ck, def, &stmt->words, 1, true, stmt->line, stmt->col)) {
        return;
    }
    if (def->code == VERB_FAULT) {
        stmt_fault(ck, stmt);
    } else if (def->code == VERB_LOAD) {
        stmt_load(ck, stmt);
    } else if (def->code == VERB_WAIT) {
        stmt_wait(ck, stmt);
    } else if (def->code == VERB_DISK) {
        stmt_disk(ck, stmt);
    } else if (def->code == VERB_ARGS) {
        stmt_args(ck, stmt);
    }
}

/* A first word that no command can have, or words that no command takes: most likely a mistyped
 * verb.  Command names themselves are known to the layer. */
static bool command_shape(struct check *ck, const struct script_stmt *stmt)
{
    const struct script_word *name = &stmt->words.at[0];
    const struct script_word *wrong = NULL;
    bool json;
    const char *value;
    size_t n = 0;
    while (lex_key_char(name->text[n]) && name->text[n] != '.') {
        n++;
    }
    if (n == 0 || name->text[n] != '\0') {
        wrong = name;
    }
    for (size_t i = 1; i < stmt->words.len && wrong == NULL; i++) {
        wrong = lex_key(stmt->words.at[i].text, &json, &value) == 0 ? &stmt->words.at[i] : NULL;
    }
    if (wrong == NULL) {
        return true;
    }
    struct strbuf list = { 0 };
    verb_list_class(VERB_STATEMENT, name->text, &list);
    if (wrong == name) {
        diag_add(ck->diag, name->line, name->col,
                 "'%.100s' is neither a verb nor a QMP command; verbs: %s", name->text,
                 strbuf_str(&list));
    } else {
        diag_add(ck->diag, wrong->line, wrong->col,
                 "'%.100s' is not KEY=VALUE, and '%.100s' is no verb; verbs: %s", wrong->text,
                 name->text, strbuf_str(&list));
    }
    strbuf_free(&list);
    return false;
}

static void stmt_command(struct check *ck, const struct script_stmt *stmt)
{
    static const struct verb_def def = { .name = "a command",
                                         .flags = VERB_FREE_KEYS,
                                         .usage = "COMMAND KEY=VALUE... KEY:=JSON..." };
    if (command_shape(ck, stmt)) {
        check_words(ck, &def, &stmt->words, 1, true, stmt->line, stmt->col);
    }
}

void check_stmt(struct check *ck, const struct script_stmt *stmt)
{
    CHECK(stmt->words.len > 0);
    const char *word = stmt->words.at[0].text;
    const struct verb_def *def = verb_find(VERB_STATEMENT, word);
    if (def != NULL) {
        stmt_verb(ck, def, stmt);
    } else {
        stmt_command(ck, stmt);
    }
    check_props(ck, stmt, stmt_where(verb_id_of(word)));
}

/* ---- expectations ---- */

static bool error_class_known(const char *text, struct strbuf *list)
{
    static const char *const names[] = { "GenericError",    "CommandNotFound",
                                         "DeviceNotActive", "DeviceNotFound",
                                         "KVMMissingCap",   NULL };
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0) {
            return true;
        }
    }
    verb_list_names(names, text, list);
    return false;
}

static void expect_error_class(struct check *ck, const struct script_word *w, bool command)
{
    struct strbuf list = { 0 };
    if (!command) {
        diag_add(ck->diag, w->line, w->col, "only a QMP command has an error class; a text is "
                 "written \"text\" or /re/");
    } else if (!check_has_refs(w->text) && !error_class_known(w->text, &list)) {
        diag_add(ck->diag, w->line, w->col, "unknown error class '%.100s'; valid: %s; a text is "
                 "written \"text\" or /re/", w->text, strbuf_str(&list));
    }
    strbuf_free(&list);
}

static void unexpected(struct check *ck, const struct script_word *w, const char *usage)
{
    diag_add(ck->diag, w->line, w->col, "unexpected '%.100s'; usage: %s", w->text, usage);
}

static void expect_text(struct check *ck, const struct script_expect *e, size_t i,
                        const char *usage)
{
    const struct script_word *w = &e->words.at[i];
    if (i + 1 < e->words.len) {
        unexpected(ck, w + 1, usage);
    } else if (w->form == WORD_REGEX) {
        check_value(ck, w, w->text, "", VALUE_REGEX, NULL);
    } else if (w->form != WORD_QUOTED) {
        diag_add(ck->diag, w->line, w->col, "'%.100s' is written \"text\" or /re/", w->text);
    }
}

static bool expect_refs(struct check *ck, const struct script_expect *e)
{
    bool good = true;
    for (size_t i = 0; i < e->words.len; i++) {
        good = check_refs(ck, &e->words.at[i]) && good;
    }
    return good;
}

static void expect_error(struct check *ck, const struct verb_def *def,
                         const struct script_expect *e, uint32_t where)
{
    size_t i = 0;
    if (expect_refs(ck, e) && e->words.len > 0) {
        if (e->words.at[0].form == WORD_BARE) {
            expect_error_class(ck, &e->words.at[i++], where == VERB_ON_COMMAND);
        }
        if (i < e->words.len) {
            expect_text(ck, e, i, def->usage);
        }
    }
}

static void expect_regex(struct check *ck, const struct script_word *w)
{
    if (w->form != WORD_REGEX) {
        diag_add(ck->diag, w->line, w->col, "'%.100s' is written /re/", w->text);
    } else if (strcmp(w->text, "//") == 0) {
        diag_add(ck->diag, w->line, w->col, "'//' matches everything; say what the last words are");
    } else {
        check_value(ck, w, w->text, "", VALUE_REGEX, NULL);
    }
}

static void expect_one(struct check *ck, const struct verb_def *def, const struct script_expect *e)
{
    if (e->words.len == 0) {
        diag_add(ck->diag, e->line, e->col, "usage: %s", def->usage);
    } else if (e->words.len > 1) {
        unexpected(ck, &e->words.at[1], def->usage);
    } else if (expect_refs(ck, e)) {
        if (e->kind == EXPECT_OUTPUT) {
            expect_text(ck, e, 0, def->usage);
        } else if (e->kind == EXPECT_ABORTS) {
            expect_regex(ck, &e->words.at[0]);
        } else {
            check_value(ck, &e->words.at[0], e->words.at[0].text, "", VALUE_SUBSET, NULL);
        }
    }
}

/* graph PARENT -CHILD-> NODE [frozen] */
static void expect_graph(struct check *ck, const struct script_expect *e)
{
    const struct script_word *edge = &e->words.at[1];
    size_t n = strlen(edge->text);
    if (n < 4 || edge->text[0] != '-' || strcmp(edge->text + n - 2, "->") != 0) {
        diag_add(ck->diag, edge->line, edge->col, "'%.100s' is not an edge (-backing->)",
                 edge->text);
    }
    if (e->words.len > 3 && strcmp(e->words.at[3].text, "[frozen]") != 0) {
        diag_add(ck->diag, e->words.at[3].line, e->words.at[3].col,
                 "'%.100s' is not [frozen]", e->words.at[3].text);
    }
}

/* job ID none [within=DURATION] */
static void expect_job(struct check *ck, const struct script_expect *e)
{
    bool none = e->words.len > 1 && strcmp(e->words.at[1].text, "none") == 0;
    for (size_t i = 2; none && i < e->words.len; i++) {
        const struct script_word *w = &e->words.at[i];
        if (strncmp(w->text, "within=", 7) != 0) {
            diag_add(ck->diag, w->line, w->col, "a job that is not there has no members");
            return;
        }
    }
}

/* `data ... is` takes one byte and no per=. */
static void expect_data(struct check *ck, const struct script_expect *e)
{
    for (size_t i = 1; i + 1 < e->words.len; i++) {
        const struct script_word *w = &e->words.at[i];
        if (strcmp(w->text, "is") != 0) {
            continue;
        }
        if (strchr(w[1].text, '|') != NULL) {
            diag_add(ck->diag, w[1].line, w[1].col, "`is` takes one byte; `in` takes several");
        }
        if (i + 2 < e->words.len) {
            diag_add(ck->diag, w[2].line, w[2].col, "per= belongs to `in`");
        }
        return;
    }
}

/* ---- quirks ---- */

bool check_condition(struct check *ck, const struct script_word *w)
{
    struct error err = ERROR_INIT;
    if (quirk_check(w->text, &err) != 0) {
        diag_add(ck->diag, w->line, w->col, "%s", err.text);
        return false;
    }
    return true;
}

/* What only the simulated layer shows. */
static const struct script_word *model_word(const struct script_expect *e)
{
    for (size_t i = 1; i < e->words.len; i++) {
        const struct script_word *w = &e->words.at[i];
        if ((e->kind == EXPECT_NODE && strncmp(w->text, "opt.", 4) == 0) ||
            (e->kind == EXPECT_GRAPH && i == 3)) {
            return w;
        }
    }
    return NULL;
}

/* Two that one version meets, of which only one can be true. */
static bool quirks_contradict(const struct script_expect *a, const struct script_expect *b)
{
    bool dead = a->kind == EXPECT_ABORTS || b->kind == EXPECT_ABORTS;
    return (dead || (script_expect_is_outcome(a->kind) && script_expect_is_outcome(b->kind))) &&
           quirk_overlap(a->quirk, b->quirk);
}

static void expect_quirk(struct check *ck, const struct script_stmt *stmt,
                         const struct script_expect *e)
{
    bool model = script_prop_find(stmt, "model-only") != NULL ||
                 script_header_find(ck->cas, "model-only") != NULL;
    const struct script_word *w = model_word(e);
    if (model) {
        diag_add(ck->diag, e->line, e->col,
                 "a quirk is of the real QEMU, and on that this statement is left out");
    } else if (w != NULL) {
        diag_add(ck->diag, w->line, w->col, "a quirk is of the real QEMU, and that does not show "
                 "'%.100s'", w->text);
    }
    for (size_t i = 0; i < stmt->expects_len; i++) {
        const struct script_expect *other = &stmt->expects[i];
        if (other != e && other->quirk != NULL && quirks_contradict(e, other)) {
            diag_add(ck->diag, e->line, e->col,
                     "a version has one quirk of a statement's outcome, and '%s' of line %d "
                     "overlaps", other->quirk, other->line);
            return;
        }
    }
}

/* What cannot be true of one reply. */
static void expect_conflicts(struct check *ck, const struct script_stmt *stmt,
                             const struct script_expect *e)
{
    for (size_t i = 0; i < stmt->expects_len; i++) {
        const struct script_expect *other = &stmt->expects[i];
        if (other == e || other->quirk != NULL) {
            continue;
        }
        bool fails = other->kind == EXPECT_ERROR || e->kind == EXPECT_ERROR;
        bool works = other->kind == EXPECT_OK || e->kind == EXPECT_OK ||
                     other->kind == EXPECT_RETURN || e->kind == EXPECT_RETURN;
        if ((fails && works) || (e->kind == EXPECT_ERROR && other->kind == EXPECT_ERROR)) {
            diag_add(ck->diag, e->line, e->col, "this contradicts the expectation of line %d",
                     other->line);
            return;
        }
    }
}

static const struct verb_def *expect_def(enum expect_kind kind)
{
    for (const struct verb_def *v = verbs_all; v->name != NULL; v++) {
        if (v->class == VERB_EXPECT && v->code == (int)kind) {
            return v;
        }
    }
    UNREACHABLE();
}

static void expect_by_kind(struct check *ck, const struct verb_def *def,
                           const struct script_expect *e, uint32_t where)
{
    if (e->kind == EXPECT_ERROR) {
        expect_error(ck, def, e, where);
    } else if (e->kind == EXPECT_RETURN || e->kind == EXPECT_OUTPUT || e->kind == EXPECT_ABORTS) {
        expect_one(ck, def, e);
    } else if (check_words(ck, def, &e->words, 0, true, e->line, e->col)) {
        if (e->kind == EXPECT_GRAPH) {
            expect_graph(ck, e);
        } else if (e->kind == EXPECT_JOB) {
            expect_job(ck, e);
        } else if (e->kind == EXPECT_DATA) {
            expect_data(ck, e);
        }
    }
}

void check_expect(struct check *ck, const struct script_stmt *stmt,
                  const struct script_expect *e)
{
    CHECK(stmt->words.len > 0);
    const struct verb_def *def = expect_def(e->kind);
    uint32_t where = stmt_where(verb_id_of(stmt->words.at[0].text));
    if ((def->flags & VERB_LATER) != 0) {
        diag_add(ck->diag, e->line, e->col, later, def->name);
    } else if ((def->flags & where) == 0) {
        diag_add(ck->diag, e->line, e->col, "'%s' is not for this statement", def->name);
    } else if (e->kind == EXPECT_ABORTS && e->quirk == NULL) {
        diag_add(ck->diag, e->line, e->col,
                 "'aborts' stands only behind quirk: quirk qemu=7.2 aborts /RE/");
    } else {
        expect_by_kind(ck, def, e, where);
        if (e->quirk != NULL) {
            expect_quirk(ck, stmt, e);
        } else {
            expect_conflicts(ck, stmt, e);
        }
    }
}
