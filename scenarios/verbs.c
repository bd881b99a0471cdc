/* SPDX-License-Identifier: MIT */
/* Look-up, value checks and help over the tables of verbs_table.c. */
#include "scenarios/verbs.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/io.h"
#include "scenarios/pattern.h"
#include "scenarios/script.h"
#include "sim/fault.h"

#include <errno.h>
#include <string.h>

enum { SUGGEST_MAX = 64, PATH_BYTES_MAX = 1023, NAME_BYTES_MAX = 255 };

/* ---- look-up ---- */

const struct verb_def *verb_find(enum verb_class class, const char *name)
{
    for (const struct verb_def *v = verbs_all; v->name != NULL; v++) {
        if (v->class == class && v->name[0] == name[0] && strcmp(v->name, name) == 0) {
            return v;
        }
    }
    return NULL;
}

enum verb_id verb_id_of(const char *word)
{
    const struct verb_def *v = verb_find(VERB_STATEMENT, word);
    return v == NULL ? VERB_NONE : (enum verb_id)v->code;
}

const struct verb_key *verb_key_find(const struct verb_key *keys, const char *name)
{
    for (const struct verb_key *k = keys; k != NULL && k->name != NULL; k++) {
        if (strcmp(k->name, name) == 0) {
            return k;
        }
    }
    return NULL;
}

const char *script_verb_name(size_t i, const char **help)
{
    const struct verb_def *v = verbs_all;
    while (v->name != NULL && i > 0) {
        v++;
        i--;
    }
    if (help != NULL) {
        *help = v->help;
    }
    return v->name;
}

/* ---- lists for messages ---- */

static void suggest(const char *near, struct strbuf *out)
{
    if (near != NULL) {
        strbuf_printf(out, "; did you mean '%s'?", near);
    }
}

static size_t count_all(void)
{
    size_t n = 0;
    while (verbs_all[n].name != NULL) {
        n++;
    }
    return n;
}

static const char *class_name_at(const void *opaque, size_t i)
{
    const enum verb_class *class = opaque;
    return verbs_all[i].class == *class ? verbs_all[i].name : NULL;
}

void verb_list_class(enum verb_class class, const char *word, struct strbuf *out)
{
    const char *sep = "";
    for (const struct verb_def *v = verbs_all; v->name != NULL; v++) {
        if (v->class == class && (v->flags & VERB_LATER) == 0) {
            strbuf_printf(out, "%s%s", sep, v->name);
            sep = ", ";
        }
    }
    if (word != NULL && strlen(word) <= SUGGEST_MAX) {
        suggest(text_nearest_of(word, count_all(), class_name_at, &class), out);
    }
}

void verb_list_names(const char *const *names, const char *word, struct strbuf *out)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        strbuf_printf(out, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    if (word != NULL && strlen(word) <= SUGGEST_MAX) {
        suggest(text_nearest(word, names), out);
    }
}

static const char *key_name_at(const void *opaque, size_t i)
{
    const struct verb_key *keys = opaque;
    return keys[i].name;
}

void verb_list_keys(const struct verb_key *keys, const char *word, struct strbuf *out)
{
    size_t n = 0;
    for (; keys != NULL && keys[n].name != NULL; n++) {
        strbuf_printf(out, "%s%s", n > 0 ? ", " : "", keys[n].name);
    }
    if (n > 0 && word != NULL && strlen(word) <= SUGGEST_MAX) {
        suggest(text_nearest_of(word, n, key_name_at, keys), out);
    }
}

/* ---- values ---- */

static int bad(struct error *err, const char *text, const char *what)
{
    return error_set(err, -EINVAL, "'%.200s' is not %s", text, what);
}

static bool in_names(const char *const *names, const char *text, size_t n)
{
    CHECK(names != NULL);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strlen(names[i]) == n && memcmp(names[i], text, n) == 0) {
            return true;
        }
    }
    return false;
}

static int check_choice(const char *const *names, const char *text, struct error *err)
{
    if (in_names(names, text, strlen(text))) {
        return 0;
    }
    struct strbuf list = { 0 };
    verb_list_names(names, text, &list);
    int ret = error_set(err, -EINVAL, "'%.200s' is not valid here; valid: %s", text,
                        strbuf_str(&list));
    strbuf_free(&list);
    return ret;
}

static int check_choices(const char *const *names, const char *text, struct error *err)
{
    for (const char *p = text;;) {
        size_t n = strcspn(p, ",");
        char *one = mem_strndup(p, n);
        int ret = check_choice(names, one, err);
        free(one);
        if (ret != 0 || p[n] == '\0') {
            return ret;
        }
        p += n + 1;
    }
}

static int check_name(const char *text, struct error *err)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789._+-/:#";
    size_t n = strlen(text);
    if (n == 0 || n > NAME_BYTES_MAX || strspn(text, chars) != n) {
        return bad(err, text, "a name (letters, digits and . _ + - / : #)");
    }
    return 0;
}

static int check_size(const char *text, int64_t least, struct error *err)
{
    int64_t bytes;
    int ret = text_parse_size(text, &bytes);
    if (ret == -ERANGE) {
        return bad(err, text, "a size: it is over 2^63-1");
    }
    if (ret != 0) {
        return bad(err, text, "a size (512, 64k, 1M)");
    }
    return bytes < least ? bad(err, text, "a size of 1 or more") : 0;
}

static int check_sizes(const char *text, struct error *err)
{
    const char *dash = strchr(text, '-');
    if (dash == NULL || dash == text) {
        return check_size(text, 1, err);
    }
    char *low = mem_strndup(text, (size_t)(dash - text));
    int64_t from = 0, to = 0;
    int ret = check_size(low, 1, err);
    if (ret == 0) {
        ret = check_size(dash + 1, 1, err);
    }
    if (ret == 0) {
        CHECK(text_parse_size(low, &from) == 0);
        CHECK(text_parse_size(dash + 1, &to) == 0);
        if (from > to) {
            ret = bad(err, text, "a range of sizes: the first is the larger one");
        }
    }
    free(low);
    return ret;
}

static int check_uint(const char *text, uint64_t least, uint64_t most, struct error *err)
{
    uint64_t value;
    if (text_parse_u64(text, &value) == 0 && value >= least && value <= most) {
        return 0;
    }
    if (most == UINT64_MAX) {
        return bad(err, text, least == 0 ? "a whole number" : "a whole number of 1 or more");
    }
    return error_set(err, -EINVAL, "'%.200s' is not a whole number from %llu to %llu", text,
                     (unsigned long long)least, (unsigned long long)most);
}

static int check_duration(const char *text, struct error *err)
{
    int64_t ns;
    if (text_parse_duration(text, &ns) == 0 && ns >= 0) {
        return 0;
    }
    return bad(err, text, "a duration (500ns, 10us, 2ms, 1s)");
}

static int check_cache(const char *text, struct error *err)
{
    int64_t bytes;
    if (strcmp(text, "none") == 0 || strcmp(text, "volatile") == 0 ||
        text_parse_size(text, &bytes) == 0) {
        return 0;
    }
    return bad(err, text, "a cache: none, volatile, or a size");
}

static int check_pattern(const char *text, struct error *err)
{
    struct pattern p;
    return pattern_parse(text, &p, err);
}

static int check_range(const char *text, struct error *err)
{
    struct range r;
    return range_parse(text, &r, err);
}

static int check_json(const char *text, bool subset, struct error *err)
{
    json_t *j = json_text_parse(text, err);
    if (j == NULL) {
        return -EINVAL;
    }
    int ret = subset ? json_subset_check(j, err) : 0;
    json_decref(j);
    return ret;
}

int verb_value_check(enum verb_value value, const char *const *names, const char *text,
                     struct error *err)
{
    switch (value) {
    case VALUE_TEXT:
        return 0;
    case VALUE_NAME:
        return check_name(text, err);
    case VALUE_PATH:
        return *text == '\0' || strlen(text) > PATH_BYTES_MAX ? bad(err, text, "a path") : 0;
    case VALUE_SIZE:
        return check_size(text, 0, err);
    case VALUE_SIZE_POS:
        return check_size(text, 1, err);
    case VALUE_SIZES:
        return check_sizes(text, err);
    case VALUE_RANGE:
        return check_range(text, err);
    case VALUE_DURATION:
        return check_duration(text, err);
    case VALUE_RUN:
        return strcmp(text, "idle") == 0 ? 0 : check_duration(text, err);
    case VALUE_UINT:
        return check_uint(text, 0, UINT64_MAX, err);
    case VALUE_UINT_POS:
        return check_uint(text, 1, UINT64_MAX, err);
    case VALUE_PERMILLE:
        return check_uint(text, 0, 1000, err);
    case VALUE_PERCENT:
        return check_uint(text, 0, 100, err);
    case VALUE_COUNT:
        return strcmp(text, "forever") == 0 ? 0 : check_uint(text, 1, UINT64_MAX, err);
    case VALUE_CACHE:
        return check_cache(text, err);
    case VALUE_BYTE:
        return check_uint(text, 0, 255, err);
    case VALUE_PATTERN:
        return check_pattern(text, err);
    case VALUE_ERRNO:
        return error_errno_parse(text) > 0 ? 0 : bad(err, text, "an error number (EIO, 5)");
    case VALUE_CHOICE:
        return check_choice(names, text, err);
    case VALUE_CHOICES:
        return check_choices(names, text, err);
    case VALUE_JSON:
    case VALUE_SUBSET:
        return check_json(text, value == VALUE_SUBSET, err);
    case VALUE_REGEX:
        return regex_compile_check(text, err);
    }
    UNREACHABLE();
}

int verb_fault_check(int kind, bool (*have)(const void *opaque, const char *key),
                     const void *opaque, struct error *err)
{
    CHECK(kind >= 0 && kind < FAULT_KINDS);
    uint32_t mask = 1u << kind;
    const struct verb_def *v = verb_find(VERB_STATEMENT, "fault");
    CHECK(v != NULL);
    for (const struct verb_key *k = v->keys; k->name != NULL; k++) {
        bool given = have(opaque, k->name);
        bool taken = k->kinds == 0 || (k->kinds & mask) != 0;
        if (given && !taken) {
            return error_set(err, -EINVAL, "fault '%s' takes no '%s'",
                             fault_kind_name((enum fault_kind)kind), k->name);
        }
        if (!given && taken && k->required) {
            return error_set(err, -EINVAL, "fault '%s' needs '%s'",
                             fault_kind_name((enum fault_kind)kind), k->name);
        }
    }
    return 0;
}

/* ---- help ---- */

static const char *value_text(enum verb_value value)
{
    static const char *const texts[] = {
        [VALUE_TEXT] = "TEXT",         [VALUE_NAME] = "NAME",
        [VALUE_PATH] = "PATH",         [VALUE_SIZE] = "SIZE",
        [VALUE_SIZE_POS] = "SIZE",     [VALUE_SIZES] = "SIZE[-SIZE]",
        [VALUE_RANGE] = "OFFSET+LENGTH", [VALUE_DURATION] = "DURATION",
        [VALUE_RUN] = "DURATION|idle", [VALUE_UINT] = "N",
        [VALUE_UINT_POS] = "N",        [VALUE_PERMILLE] = "0..1000",
        [VALUE_PERCENT] = "0..100",    [VALUE_COUNT] = "N|forever",
        [VALUE_CACHE] = "none|volatile|SIZE", [VALUE_BYTE] = "BYTE",
        [VALUE_PATTERN] = "BYTE[|BYTE]", [VALUE_ERRNO] = "ERRNO",
        [VALUE_CHOICE] = "",           [VALUE_CHOICES] = "",
        [VALUE_JSON] = "JSON",         [VALUE_SUBSET] = "JSON",
        [VALUE_REGEX] = "/RE/",
    };
    CHECK((size_t)value < ARRAY_LEN(texts));
    CHECK(texts[value] != NULL);
    return texts[value];
}

static void help_key_value(const struct verb_key *k, struct strbuf *out)
{
    if (k->value != VALUE_CHOICE && k->value != VALUE_CHOICES) {
        strbuf_puts(out, value_text(k->value));
        return;
    }
    const char *sep = k->value == VALUE_CHOICE ? "|" : ",";
    for (size_t i = 0; k->names[i] != NULL; i++) {
        strbuf_printf(out, "%s%s", i > 0 ? sep : "", k->names[i]);
    }
}

/* Appends words, the first line at column `at`, further ones indented, none over 100 columns. */
static void put_wrapped(const char *text, size_t at, size_t indent, struct strbuf *out)
{
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (p > text && at + 1 + n > 100) {
            strbuf_printf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (p > text) {
            strbuf_putc(out, ' ');
            at++;
        }
        strbuf_add(out, p, n);
        at += n;
        p += n;
        p += strspn(p, " ");
    }
    strbuf_putc(out, '\n');
}

static void key_text(const struct verb_key *k, struct strbuf *out)
{
    strbuf_puts(out, k->help);
    const char *sep = "; only of ";
    for (int i = 0; k->kinds != 0 && i < FAULT_KINDS; i++) {
        if ((k->kinds & 1u << i) != 0) {
            strbuf_printf(out, "%s%s", sep, fault_kind_name((enum fault_kind)i));
            sep = ", ";
        }
    }
    if (k->required) {
        strbuf_puts(out, k->kinds == 0 ? " (required)" : " (required there)");
    }
}

static void help_key(const struct verb_key *k, struct strbuf *out)
{
    enum { COLUMN = 32 };
    struct strbuf text = { 0 };
    size_t from = out->len;
    strbuf_printf(out, "    %s=", k->name);
    help_key_value(k, out);
    size_t width = out->len - from;
    if (width + 1 > COLUMN) {
        strbuf_printf(out, "\n%*s", COLUMN, "");
    } else {
        strbuf_printf(out, "%*s", (int)(COLUMN - width), "");
    }
    key_text(k, &text);
    put_wrapped(strbuf_str(&text), COLUMN, COLUMN, out);
    strbuf_free(&text);
}

static void help_where(uint32_t flags, struct strbuf *out)
{
    const char *sep = "    of: ";
    static const struct {
        uint32_t flag;
        const char *text;
    } where[] = { { VERB_ON_COMMAND, "QMP commands" },
                  { VERB_ON_IO, "io" },
                  { VERB_ON_WORLD, "world verbs" } };
    if ((flags & VERB_ON_ANY) == 0 || (flags & VERB_ON_ANY) == VERB_ON_ANY) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(where); i++) {
        if ((flags & where[i].flag) != 0) {
            strbuf_printf(out, "%s%s", sep, where[i].text);
            sep = ", ";
        }
    }
    strbuf_putc(out, '\n');
}

/* The commands of the `io` statement; two lines each, as their usage is long. */
static void help_io_commands(struct strbuf *out)
{
    const char *args, *help, *name;
    for (size_t i = 0; (name = io_command_name(i, &args, &help)) != NULL; i++) {
        strbuf_printf(out, "    %s%s%s\n        %s\n", name, *args != '\0' ? " " : "", args, help);
    }
}

static void help_def(const struct verb_def *v, struct strbuf *out)
{
    strbuf_printf(out, "%s\n    %s\n", v->usage, v->help);
    for (const struct verb_key *k = v->keys; k != NULL && k->name != NULL; k++) {
        help_key(k, out);
    }
    if (v->more != NULL) {
        strbuf_puts(out, v->more);
    }
    if (v->class == VERB_STATEMENT && v->code == VERB_IO) {
        help_io_commands(out);
    }
    help_where(v->flags, out);
    if ((v->flags & VERB_SIM_HOST) != 0) {
        strbuf_puts(out, "    needs: host sim\n");
    }
    if ((v->flags & VERB_LATER) != 0) {
        strbuf_puts(out, "    known, but not available in this version\n");
    }
}

static bool same_name(const char *name, const char *word)
{
    return strcmp(name, word) == 0 || (name[0] == '@' && strcmp(name + 1, word) == 0);
}

bool verb_help(const char *name, struct strbuf *out)
{
    bool found = false;
    for (const struct verb_def *v = verbs_all; v->name != NULL; v++) {
        if (same_name(v->name, name)) {
            help_def(v, out);
            found = true;
        }
    }
    for (int class = 0; !found && class <= VERB_STRUCTURE; class++) {
        strbuf_puts(out, class > 0 ? ", " : "");
        verb_list_class((enum verb_class)class, NULL, out);
    }
    return found;
}

void verb_reference(struct strbuf *out)
{
    static const struct {
        enum verb_class class;
        const char *title;
    } parts[] = { { VERB_STRUCTURE, "Structure" },      { VERB_HEADER, "Headers" },
                  { VERB_STATEMENT, "Statements" },     { VERB_PROPERTY, "Properties" },
                  { VERB_REASON, "Reasons of @model-only" }, { VERB_EXPECT, "Expectations" } };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        strbuf_printf(out, "%s### %s\n\n```\n", i > 0 ? "\n" : "", parts[i].title);
        bool first = true;
        for (const struct verb_def *v = verbs_all; v->name != NULL; v++) {
            if (v->class == parts[i].class) {
                strbuf_puts(out, first ? "" : "\n");
                help_def(v, out);
                first = false;
            }
        }
        strbuf_puts(out, "```\n");
    }
}
