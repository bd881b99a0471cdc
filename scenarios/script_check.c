/* SPDX-License-Identifier: MIT */
/* Words against tables: values, ${x}, arguments, keys; and headers.  Statements, properties and
 * expectations are in script_check_stmt.c. */
#include "scenarios/script_check.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/pattern.h"
#include "scenarios/run.h"
#include "scenarios/subst.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tables allocate as everything does. */
#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) free(p)
#include <uthash.h>

/* ---- sets of names ---- */

struct nameset_item {
    char *name;
    int line;
    UT_hash_handle hh;
};

static struct nameset_item *nameset_find(const struct nameset *set, const char *name)
{
    struct nameset_item *item = NULL;
    HASH_FIND_STR(set->items, name, item);
    return item;
}

int nameset_add(struct nameset *set, const char *name, int line)
{
    struct nameset_item *item = nameset_find(set, name);
    if (item != NULL) {
        return item->line;
    }
    item = NEW(struct nameset_item);
    item->name = mem_strdup(name);
    item->line = line;
    HASH_ADD_KEYPTR(hh, set->items, item->name, strlen(item->name), item);
    return 0;
}

bool nameset_has(const struct nameset *set, const char *name)
{
    return nameset_find(set, name) != NULL;
}

const char *nameset_nearest(const struct nameset *set, const char *name)
{
    size_t n = HASH_COUNT(set->items), i = 0;
    if (n == 0 || n > 1000 || strlen(name) > 64) {
        return NULL;
    }
    const char **list = NEW_ARRAY(const char *, n + 1);
    for (const struct nameset_item *item = set->items; item != NULL; item = item->hh.next) {
        CHECK(i < n);
        list[i++] = item->name;
    }
    const char *near = text_nearest(name, list);
    free(list);
    return near;
}

void nameset_free(struct nameset *set)
{
    struct nameset_item *item, *next;
    HASH_ITER(hh, set->items, item, next) {
        HASH_DEL(set->items, item);
        free(item->name);
        free(item);
    }
    CHECK(set->items == NULL);
}

/* ---- combinations of matrix values ---- */

/* ${seed} is the seed of the run; words are tried with the first one. */
static const char seed_name[] = "seed";

struct combo {
    const struct script_axis *axes;
    char seed[24];
    size_t len;
    bool broken; /* A key that is used had an error, which has been told. */
    bool used[SCRIPT_MAX_KEYS];
    size_t at[SCRIPT_MAX_KEYS];
};

static const struct script_axis *axis_find(const struct script_case *c, const char *name, size_t n)
{
    for (size_t i = 0; i < c->axes_len; i++) {
        if (strlen(c->axes[i].key) == n && memcmp(c->axes[i].key, name, n) == 0) {
            return &c->axes[i];
        }
    }
    return NULL;
}

static const char *combo_lookup(const void *opaque, const char *name)
{
    const struct combo *c = opaque;
    for (size_t i = 0; i < c->len; i++) {
        if (strcmp(c->axes[i].key, name) == 0) {
            return c->axes[i].values[c->at[i]];
        }
    }
    return strcmp(name, seed_name) == 0 ? c->seed : NULL;
}

static void combo_init(struct combo *c, const struct script_case *cas, const char *text)
{
    *c = (struct combo){ .axes = cas->axes, .len = MIN(cas->axes_len, SCRIPT_MAX_KEYS) };
    snprintf(c->seed, sizeof(c->seed), "%" PRIu64, cas->seed_first);
    struct subst_ref ref;
    for (size_t pos = 0; subst_next(text, &pos, &ref) == SUBST_REF;) {
        const struct script_axis *axis = axis_find(cas, ref.name, ref.len);
        if (axis != NULL && (size_t)(axis - cas->axes) < c->len) {
            c->used[axis - cas->axes] = true;
            c->broken = c->broken || axis->len == 0;
        }
    }
}

/* The next combination of the values that are used, the last key fastest. */
static bool combo_next(struct combo *c)
{
    for (size_t i = c->len; i-- > 0;) {
        if (!c->used[i]) {
            continue;
        }
        if (++c->at[i] < c->axes[i].len) {
            return true;
        }
        c->at[i] = 0;
    }
    return false;
}

static void combo_show(const struct combo *c, struct strbuf *out)
{
    const char *sep = " (with ";
    for (size_t i = 0; i < c->len; i++) {
        if (c->used[i]) {
            strbuf_printf(out, "%s%s=%.100s", sep, c->axes[i].key, c->axes[i].values[c->at[i]]);
            sep = " ";
        }
    }
    strbuf_puts(out, *sep == ' ' && sep[1] == '\0' ? ")" : "");
}

/* ---- ${x} ---- */

bool check_has_refs(const char *text)
{
    size_t pos = 0;
    struct subst_ref ref;
    return subst_next(text, &pos, &ref) != SUBST_END;
}

/* Column of a piece of the word's text, as far as it is found in what was written. */
static int ref_col(const struct script_word *w, const struct subst_ref *ref)
{
    char *shown = mem_printf("${%.*s", (int)MIN(ref->len, 200), ref->name);
    const char *at = strstr(w->raw, shown);
    free(shown);
    bool same_line = at != NULL && memchr(w->raw, '\n', (size_t)(at - w->raw)) == NULL;
    return w->col + (same_line ? (int)(at - w->raw) : 0);
}

static void unknown_ref(struct check *ck, const struct script_word *w, const struct subst_ref *ref)
{
    struct strbuf valid = { 0 };
    const char *names[SCRIPT_MAX_KEYS + 2] = { NULL };
    size_t n = MIN(ck->cas->axes_len, SCRIPT_MAX_KEYS);
    for (size_t i = 0; i < n; i++) {
        names[i] = ck->cas->axes[i].key;
    }
    names[n] = seed_name;
    char *name = mem_strndup(ref->name, ref->len);
    verb_list_names(names, name, &valid);
    diag_add(ck->diag, w->line, ref_col(w, ref), "unknown ${%.100s}; valid: %s", name,
             strbuf_str(&valid));
    free(name);
    strbuf_free(&valid);
}

bool check_refs(struct check *ck, const struct script_word *w)
{
    bool good = true;
    struct subst_ref ref;
    enum subst_found found;
    for (size_t pos = 0; (found = subst_next(w->text, &pos, &ref)) != SUBST_END;) {
        if (found == SUBST_BAD) {
            diag_add(ck->diag, w->line, ref_col(w, &ref),
                     "'${%.*s' is not of the form ${name}; a literal ${ is written $${",
                     (int)MIN(ref.len, 100), ref.name);
            return false;
        }
        bool seed = ref.len == strlen(seed_name) && memcmp(ref.name, seed_name, ref.len) == 0;
        if (!seed && axis_find(ck->cas, ref.name, ref.len) == NULL) {
            unknown_ref(ck, w, &ref);
            good = false;
        }
    }
    return good;
}

/* ---- values ---- */

bool check_value(struct check *ck, const struct script_word *w, const char *text, const char *what,
                 enum verb_value value, const char *const *names)
{
    struct combo c;
    combo_init(&c, ck->cas, text);
    if (c.broken) {
        return true;
    }
    bool good = true;
    size_t tried = 0, bytes = 0;
    do {
        struct strbuf out = { 0 }, with = { 0 };
        struct error err = ERROR_INIT;
        if (subst_expand(text, combo_lookup, &c, &out, &err) == 0) {
            verb_value_check(value, names, strbuf_str(&out), &err);
        }
        if (err.code != 0) {
            combo_show(&c, &with);
            diag_add(ck->diag, w->line, w->col, "%s%s%s%s", what, *what == '\0' ? "" : ": ",
                     err.text, strbuf_str(&with));
            good = false;
        }
        bytes += out.len;
        strbuf_free(&out);
        strbuf_free(&with);
        tried++;
    } while (good && tried < SCRIPT_MAX_TRIED && bytes < SUBST_MAX && combo_next(&c));
    return good;
}

/* ---- arguments and keys ---- */

static bool is_key_word(const struct script_word *w)
{
    bool json;
    const char *value;
    return lex_key(w->text, &json, &value) > 0;
}

static void missing_arg(struct check *ck, const struct verb_def *def, const char *name,
                        const struct script_words *words, size_t i, int line, int col)
{
    bool end = i >= words->len;
    diag_add(ck->diag, end ? line : words->at[i].line, end ? col : words->at[i].col,
             "%s is missing; usage: %s", name, def->usage);
}

/* RANGE may be OFFSET+LENGTH in one word or both in two; the word behind it tells. */
static bool range_is_two(const struct verb_arg *arg, const struct script_words *words, size_t i)
{
    if (arg->value != VALUE_RANGE || i + 1 >= words->len || arg[1].names == NULL) {
        return false;
    }
    for (size_t k = 0; arg[1].names[k] != NULL; k++) {
        if (strcmp(arg[1].names[k], words->at[i + 1].text) == 0) {
            return false;
        }
    }
    return strchr(words->at[i].text, '+') == NULL;
}

/* Arguments from *i on, which moves behind them. */
static bool check_args(struct check *ck, const struct verb_def *def,
                       const struct script_words *words, size_t *i, int line, int col)
{
    for (const struct verb_arg *arg = def->args; arg != NULL && arg->name != NULL; arg++) {
        bool any = arg->value == VALUE_TEXT || arg->value == VALUE_PATH;
        if (*i >= words->len || (!any && is_key_word(&words->at[*i]))) {
            if (arg->optional) {
                continue;
            }
            missing_arg(ck, def, arg->name, words, *i, line, col);
            return false;
        }
        const struct script_word *w = &words->at[*i];
        if (range_is_two(arg, words, *i)) {
            if (!check_value(ck, w, w->text, "", VALUE_SIZE, NULL) ||
                !check_value(ck, w + 1, w[1].text, "", VALUE_SIZE_POS, NULL)) {
                return false;
            }
            *i += 2;
            continue;
        }
        if (!check_value(ck, w, w->text, "", arg->value, arg->names)) {
            return false;
        }
        ++*i;
    }
    return true;
}

static bool key_repeated(const struct script_words *words, size_t from, size_t i)
{
    bool json;
    const char *value;
    size_t n = lex_key(words->at[i].text, &json, &value);
    CHECK(n > 0);
    for (size_t k = from; k < i; k++) {
        if (lex_key(words->at[k].text, &json, &value) == n &&
            memcmp(words->at[k].text, words->at[i].text, n) == 0) {
            return true;
        }
    }
    return false;
}

static bool unexpected(struct check *ck, const struct verb_def *def, const struct script_word *w)
{
    if ((def->keys != NULL || (def->flags & VERB_FREE_KEYS) != 0)) {
        diag_add(ck->diag, w->line, w->col, "'%.200s' is not KEY=VALUE; usage: %s", w->text,
                 def->usage);
    } else {
        diag_add(ck->diag, w->line, w->col, "unexpected '%.200s'; usage: %s", w->text, def->usage);
    }
    return false;
}

static bool unknown_key(struct check *ck, const struct verb_def *def, const struct script_word *w,
                        const char *key)
{
    struct strbuf list = { 0 };
    verb_list_keys(def->keys, key, &list);
    diag_add(ck->diag, w->line, w->col, "%s takes no '%.200s'; valid: %s", def->name, key,
             strbuf_str(&list));
    strbuf_free(&list);
    return false;
}

static bool check_key(struct check *ck, const struct verb_def *def,
                      const struct script_words *words, size_t from, size_t i)
{
    const struct script_word *w = &words->at[i];
    bool json;
    const char *value;
    size_t n = lex_key(w->text, &json, &value);
    if (n == 0 || (def->keys == NULL && (def->flags & VERB_FREE_KEYS) == 0)) {
        return unexpected(ck, def, w);
    }
    if (key_repeated(words, from, i)) {
        diag_add(ck->diag, w->line, w->col, "'%.*s' is given twice", (int)MIN(n, 200), w->text);
        return false;
    }
    char *key = mem_strndup(w->text, n);
    const struct verb_key *k = verb_key_find(def->keys, key);
    bool good = true;
    if (k != NULL && json) {
        diag_add(ck->diag, w->line, w->col, "'%s' takes no JSON; write %s=VALUE", key, key);
        good = false;
    } else if (k != NULL) {
        good = check_value(ck, w, value, key, k->value, k->names);
    } else if ((def->flags & VERB_FREE_KEYS) == 0) {
        good = unknown_key(ck, def, w, key);
    } else if (!json && def->class == VERB_EXPECT && regex_is(value)) {
        good = check_value(ck, w, value, key, VALUE_REGEX, NULL);
    }
    free(key);
    return good;
}

static bool have_key(const struct script_words *words, size_t from, const char *name)
{
    for (size_t i = from; i < words->len; i++) {
        bool json;
        const char *value;
        size_t n = lex_key(words->at[i].text, &json, &value);
        if (n == strlen(name) && memcmp(words->at[i].text, name, n) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_required(struct check *ck, const struct verb_def *def,
                           const struct script_words *words, size_t from, int line, int col)
{
    for (const struct verb_key *k = def->keys; k != NULL && k->name != NULL; k++) {
        if (k->required && k->kinds == 0 && !have_key(words, from, k->name)) {
            diag_add(ck->diag, line, col, "%s needs %s=; usage: %s", def->name, k->name,
                     def->usage);
            return false;
        }
    }
    return true;
}

/* key:=JSON, wherever it stands. */
static bool check_word_json(struct check *ck, const struct script_word *w)
{
    bool json;
    const char *value;
    size_t n = w->form == WORD_JSON ? lex_key(w->text, &json, &value) : 0;
    if (n == 0 || !json) {
        return true;
    }
    char *key = mem_strndup(w->text, MIN(n, 100));
    bool good = check_value(ck, w, value, key, VALUE_JSON, NULL);
    free(key);
    return good;
}

static bool check_all_refs(struct check *ck, const struct script_words *words, bool subst)
{
    bool good = true;
    for (size_t i = 0; i < words->len && good; i++) {
        const struct script_word *w = &words->at[i];
        if (subst) {
            good = check_refs(ck, w);
        } else if (check_has_refs(w->text)) {
            diag_add(ck->diag, w->line, w->col, "a header takes no ${x}");
            good = false;
        }
        good = good && check_word_json(ck, w);
    }
    return good;
}

bool check_words(struct check *ck, const struct verb_def *def, const struct script_words *words,
                 size_t from, bool subst, int line, int col)
{
    if (!check_all_refs(ck, words, subst)) {
        return false;
    }
    size_t i = from;
    if (!check_args(ck, def, words, &i, line, col)) {
        return false;
    }
    if ((def->flags & VERB_FREE_WORDS) != 0) {
        return true;
    }
    size_t keys_from = i;
    for (; i < words->len; i++) {
        if (!check_key(ck, def, words, keys_from, i)) {
            return false;
        }
    }
    return check_required(ck, def, words, keys_from, line, col);
}

/* ---- headers ---- */

void check_axis(struct check *ck, const struct script_axis *axis, const struct script_word *w)
{
    const struct script_case *c = ck->cas;
    if (strcmp(axis->key, seed_name) == 0) {
        diag_add(ck->diag, w->line, w->col, "${seed} is the seed of the run; headers: seed, seeds");
        return;
    }
    for (size_t i = 0; i < c->axes_len; i++) {
        if (&c->axes[i] != axis && strcmp(c->axes[i].key, axis->key) == 0) {
            diag_add(ck->diag, w->line, w->col, "the matrix has '%.100s' already", axis->key);
            return;
        }
    }
    if (axis->len > SCRIPT_MAX_VALUES) {
        diag_add(ck->diag, w->line, w->col, "%zu values; %d are allowed", axis->len,
                 SCRIPT_MAX_VALUES);
        return;
    }
    for (size_t i = 0; i < axis->len; i++) {
        if (strstr(axis->values[i], "${") != NULL) {
            diag_add(ck->diag, w->line, w->col, "a header takes no ${x}");
            return;
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(axis->values[k], axis->values[i]) == 0) {
                diag_add(ck->diag, w->line, w->col, "'%.100s' has the value '%.100s' twice",
                         axis->key, axis->values[i]);
                return;
            }
        }
    }
}

static void header_seeds(struct check *ck, const struct script_word *w)
{
    struct script_case *c = ck->cas;
    const char *dots = strstr(w->text, "..");
    char *low = mem_strndup(w->text, dots == NULL ? 0 : (size_t)(dots - w->text));
    if (dots == NULL || text_parse_u64(low, &c->seed_first) != 0 ||
        text_parse_u64(dots + 2, &c->seed_last) != 0 || c->seed_first > c->seed_last) {
        diag_add(ck->diag, w->line, w->col, "'%.200s' is not a range of seeds (A..B, as 1..8)",
                 w->text);
        c->seed_first = c->seed_last = 0;
    } else if (c->seed_last - c->seed_first >= UNITS_MAX) {
        diag_add(ck->diag, w->line, w->col, "more than %d seeds", UNITS_MAX);
        c->seed_first = c->seed_last = 0;
    }
    free(low);
}

static void header_timeout(struct check *ck, const struct script_header *h)
{
    if (h->words.len == 0) {
        diag_add(ck->diag, h->line, h->col, "timeout needs a duration, steps=, or both");
    }
    for (size_t i = 0; i < h->words.len; i++) {
        const char *text = h->words.at[i].text;
        if (strncmp(text, "steps=", 6) == 0) {
            CHECK(text_parse_u64(text + 6, &ck->cas->timeout_steps) == 0);
            continue;
        }
        CHECK(text_parse_duration(text, &ck->cas->timeout_ns) == 0);
        if (ck->cas->timeout_ns == 0) {
            diag_add(ck->diag, h->words.at[i].line, h->words.at[i].col, "a timeout is not 0");
        }
    }
}

static void header_names(struct check *ck, const struct script_header *h)
{
    for (size_t i = 0; i < h->words.len; i++) {
        check_value(ck, &h->words.at[i], h->words.at[i].text, "", VALUE_NAME, NULL);
    }
}

static bool header_allowed(struct check *ck, const struct verb_def *def,
                           const struct script_header *h)
{
    if ((def->flags & VERB_LATER) != 0) {
        diag_add(ck->diag, h->line, h->col, "'%s' is known but not available in this version",
                 def->name);
        return false;
    }
    for (size_t i = 0; i < ck->cas->headers_len; i++) {
        const struct script_header *other = &ck->cas->headers[i];
        bool same = strcmp(other->name, h->name) == 0 && (def->flags & VERB_ONCE) != 0;
        bool seeds = strncmp(other->name, "seed", 4) == 0 && strncmp(h->name, "seed", 4) == 0;
        if (other != h && (same || seeds)) {
            diag_add(ck->diag, h->line, h->col, "the case has '%s' already, in line %d",
                     other->name, other->line);
            return false;
        }
    }
    return true;
}

void check_header(struct check *ck, const struct verb_def *def, const struct script_header *h)
{
    if (!header_allowed(ck, def, h) ||
        !check_words(ck, def, &h->words, 0, false, h->line, h->col)) {
        return;
    }
    struct script_case *c = ck->cas;
    const struct script_word *w = h->words.at;
    if (strcmp(h->name, "seed") == 0) {
        CHECK(text_parse_u64(w->text, &c->seed_first) == 0);
        c->seed_last = c->seed_first;
        c->seeded = true;
        c->seed_only = h->words.len > 1;
    } else if (strcmp(h->name, "seeds") == 0) {
        header_seeds(ck, w);
        c->seeded = true;
        c->seed_only = h->words.len > 1;
    } else if (strcmp(h->name, "model-only") == 0) {
        check_reason(ck, w->text, h->name, w->line, w->col);
    } else if (strcmp(h->name, "timeout") == 0) {
        header_timeout(ck, h);
    } else if (strcmp(h->name, "host") == 0) {
        c->host = strcmp(w->text, "posix") == 0 ? HOST_POSIX : HOST_SIM;
    } else if (strcmp(h->name, "schedule") == 0) {
        c->schedule = strcmp(w->text, "fifo") == 0 ? SCHEDULE_FIFO : SCHEDULE_SEEDED;
    } else {
        header_names(ck, h);
    }
}

void check_case(struct check *ck)
{
    const struct script_case *c = ck->cas;
    uint64_t units = c->seeded ? c->seed_last - c->seed_first + 1 : 1;
    for (size_t i = 0; i < c->axes_len && units <= UNITS_MAX; i++) {
        units *= c->axes[i].len;
    }
    if (units > UNITS_MAX) {
        diag_add(ck->diag, c->line, 1, "matrix and seeds make more than %d runs of this case",
                 UNITS_MAX);
    }
}
