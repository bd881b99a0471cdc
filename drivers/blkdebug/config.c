/* SPDX-License-Identifier: MIT */
/* blkdebug's rules file, in the form of QEMU's -readconfig:
 *
 *   # comment (in the first column)
 *   [inject-error]            a section is a rule; [inject-error "id"] names it
 *   event = "read_aio"        white space before '=' is required, quotes are required
 *   errno = "28"
 *
 * The reader is as particular as QEMU's and complains in its words, since a file that QEMU refuses
 * must be refused here too: lines are cut after 1023 characters, names after 63, and a line that
 * holds only blanks is an error.  All sections are read before the first becomes a rule; then come
 * the inject-error rules and after them the set-state rules.  A NUL byte ends the text (a simulated
 * file is as long as its sectors).
 * (QEMU docs/devel/blkdebug.txt; texts of the installed 7.2.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "drivers/blkdebug/blkdebug.h"
#include "sim/host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_CHARS = 1023,
    NAME_MAX_CHARS = 63,
    CONFIG_MAX_BYTES = 1 << 20,
};

enum key_kind { KEY_STR, KEY_NUMBER, KEY_BOOL };

struct key {
    const char *name;
    enum key_kind kind;
};

enum { KEYS_MAX = 8 };

struct group {
    const char *name;
    enum rule_action action;
    struct key keys[KEYS_MAX]; /* Ends with a NULL name. */
};

static const struct group groups[] = {
    { "inject-error",
      RULE_INJECT,
      { { "event", KEY_STR },
        { "state", KEY_NUMBER },
        { "iotype", KEY_STR },
        { "errno", KEY_NUMBER },
        { "sector", KEY_NUMBER },
        { "once", KEY_BOOL },
        { "immediately", KEY_BOOL } } },
    { "set-state",
      RULE_SET_STATE,
      { { "event", KEY_STR }, { "state", KEY_NUMBER }, { "new_state", KEY_NUMBER } } },
};

/* One section as read. */
struct section {
    const struct group *group;
    char id[NAME_MAX_CHARS + 1]; /* "" when it has none. */
    char *text[KEYS_MAX];        /* By place in group->keys; NULL: not given. */
    int64_t number[KEYS_MAX];    /* Numbers and booleans. */
};

struct sections {
    struct section *at;
    size_t len, cap;
};

static void sections_free(struct sections *s)
{
    for (size_t i = 0; i < s->len; i++) {
        for (int k = 0; k < KEYS_MAX; k++) {
            free(s->at[i].text[k]);
        }
    }
    free(s->at);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Copies what fits of s[0..n) and ends it. */
static void copy_name(char *dst, const char *s, size_t n)
{
    n = MIN(n, (size_t)NAME_MAX_CHARS);
    memcpy(dst, s, n);
    dst[n] = '\0';
}

/* "[name]" or "[name "id"]"; false when the line is neither.  As with QEMU, a name without its ']'
 * reaches to the end of the line, line break included. */
static bool parse_header(const char *line, char *name, char *id)
{
    *id = '\0';
    if (line[0] != '[') {
        return false;
    }
    const char *s = line + 1;
    while (is_blank(*s)) {
        s++;
    }
    size_t word = strcspn(s, " \t\n\v\f\r");
    const char *quote = s + word + strspn(s + word, " \t\n\v\f\r");
    if (word > 0 && word <= NAME_MAX_CHARS && *quote == '"' && quote[1] && quote[1] != '"') {
        copy_name(name, s, word);
        copy_name(id, quote + 1, strcspn(quote + 1, "\""));
        return true;
    }
    size_t n = strcspn(line + 1, "]");
    copy_name(name, line + 1, n);
    return n > 0;
}

static int add_section(struct sections *out, const char *name, const char *id, struct error *err)
{
    const struct group *g = NULL;
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (strcmp(groups[i].name, name) == 0) {
            g = &groups[i];
        }
    }
    if (!g) {
        return error_set(err, -EINVAL, "There is no option group '%s'", name);
    }
    for (size_t i = 0; i < out->len && *id; i++) {
        if (out->at[i].group == g && strcmp(out->at[i].id, id) == 0) {
            return error_set(err, -EINVAL, "Duplicate ID '%s' for %s", id, name);
        }
    }
    if (out->len == out->cap) {
        out->cap = out->cap ? 2 * out->cap : 8;
        out->at = mem_resize(out->at, out->cap * sizeof(*out->at));
    }
    struct section *s = &out->at[out->len++];
    *s = (struct section){ .group = g };
    strcpy(s->id, id);
    return 0;
}

/* As strtoull with base 0: blanks, sign, 0x, leading 0; "-1" is accepted. */
static int parse_number(const char *key, const char *value, int64_t *out, struct error *err)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(value, &end, 0);
    if (errno == ERANGE) {
        return error_set(err, -ERANGE, "Value '%s' is too large for parameter '%s'", value, key);
    }
    if (end == value || *end) {
        return error_set(err, -EINVAL, "Parameter '%s' expects a number", key);
    }
    *out = (int64_t)v;
    return 0;
}

static int parse_bool(const char *key, const char *value, int64_t *out, struct error *err)
{
    static const char *const yes[] = { "on", "yes", "true", "y" };
    static const char *const no[] = { "off", "no", "false", "n" };
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *out = strcmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return error_set(err, -EINVAL, "Parameter '%s' expects 'on' or 'off'", key);
}

static int set_key(struct section *s, const char *name, const char *value, struct error *err)
{
    int k = 0;
    while (k < KEYS_MAX && s->group->keys[k].name && strcmp(s->group->keys[k].name, name) != 0) {
        k++;
    }
    if (k == KEYS_MAX || !s->group->keys[k].name) {
        return error_set(err, -EINVAL, "Invalid parameter '%s'", name);
    }
    int ret = 0;
    if (s->group->keys[k].kind == KEY_NUMBER) {
        ret = parse_number(name, value, &s->number[k], err);
    } else if (s->group->keys[k].kind == KEY_BOOL) {
        ret = parse_bool(name, value, &s->number[k], err);
    }
    free(s->text[k]);
    s->text[k] = mem_strdup(value);
    return ret;
}

/* name = "value"; what is not in that form has an empty value. */
static int parse_assignment(struct sections *out, const char *line, struct error *err)
{
    const char *s = line + strspn(line, " \t\n\v\f\r");
    size_t n = strcspn(s, " \t\n\v\f\r");
    if (n == 0) {
        return error_set(err, -EINVAL, "parse error");
    }
    if (out->len == 0) {
        return error_set(err, -EINVAL, "no group defined");
    }
    char name[NAME_MAX_CHARS + 1];
    copy_name(name, s, n);
    char value[LINE_MAX_CHARS + 1] = "";
    const char *p = s + MIN(n, (size_t)NAME_MAX_CHARS);
    p += strspn(p, " \t\n\v\f\r");
    if (*p == '=') {
        p++;
        p += strspn(p, " \t\n\v\f\r");
        if (*p == '"') {
            size_t len = MIN(strcspn(p + 1, "\""), (size_t)LINE_MAX_CHARS);
            memcpy(value, p + 1, len);
            value[len] = '\0';
        }
    }
    return set_key(&out->at[out->len - 1], name, value, err);
}

static int parse_line(struct sections *out, const char *line, struct error *err)
{
    char name[NAME_MAX_CHARS + 1], id[NAME_MAX_CHARS + 1];
    if (line[0] == '\n' || line[0] == '#') {
        return 0;
    }
    if (parse_header(line, name, id)) {
        return add_section(out, name, id, err);
    }
    return parse_assignment(out, line, err);
}

static int parse_lines(struct sections *out, const char *text, size_t n, struct error *err)
{
    char line[LINE_MAX_CHARS + 1];
    int ret = 0;
    for (size_t at = 0; at < n && ret == 0;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - text) - at + 1 : n - at;
        len = MIN(len, (size_t)LINE_MAX_CHARS);
        memcpy(line, text + at, len);
        line[len] = '\0';
        at += len;
        ret = parse_line(out, line, err);
    }
    return ret;
}

/* Place of a key in the section's group; -1 when it was not given. */
static int given(const struct section *s, const char *key)
{
    for (int k = 0; k < KEYS_MAX && s->group->keys[k].name; k++) {
        if (s->text[k] && strcmp(s->group->keys[k].name, key) == 0) {
            return k;
        }
    }
    return -1;
}

static int64_t number_or(const struct section *s, const char *key, int64_t otherwise)
{
    int k = given(s, key);
    return k < 0 ? otherwise : s->number[k];
}

static int section_rule(const struct section *s, struct rule *r, struct error *err)
{
    int k = given(s, "event");
    if (k < 0) {
        return error_set(err, -EINVAL, "Missing event name for rule");
    }
    *r = (struct rule){ .action = s->group->action, .event = event_find(s->text[k]) };
    if (r->event < 0) {
        return error_set(err, -EINVAL, "invalid parameter value: %s", s->text[k]);
    }
    r->state = (int32_t)number_or(s, "state", 0);
    r->new_state = (int32_t)number_or(s, "new_state", 0);
    r->error = (int32_t)number_or(s, "errno", EIO);
    r->sector = number_or(s, "sector", -1);
    r->once = number_or(s, "once", 0) != 0;
    r->immediately = number_or(s, "immediately", 0) != 0;
    k = given(s, "iotype");
    r->iotypes = k < 0 ? (uint32_t)IOTYPE_DEFAULT : iotype_find(s->text[k]);
    if (r->iotypes == 0) {
        return error_set(err, -EINVAL, "invalid parameter value: %s", s->text[k]);
    }
    return 0;
}

int config_parse(struct engine *e, const char *text, size_t n, struct error *err)
{
    struct sections all = { 0 };
    int ret = parse_lines(&all, text, strnlen(text, n), err);
    for (size_t g = 0; g < ARRAY_LEN(groups) && ret == 0; g++) {
        for (size_t i = 0; i < all.len && ret == 0; i++) {
            struct rule r;
            if (all.at[i].group != &groups[g]) {
                continue;
            }
            ret = section_rule(&all.at[i], &r, err);
            if (ret == 0) {
                engine_add(e, &r);
            }
        }
    }
    sections_free(&all);
    return ret;
}

static int read_all(struct host_file *f, const struct host_ops *ops, char **text, size_t *n)
{
    struct host_info info;
    int ret = ops->info(f, &info);
    if (ret < 0) {
        return ret;
    }
    if (info.size > CONFIG_MAX_BYTES) {
        return -EFBIG;
    }
    *n = info.size;
    *text = mem_zalloc(*n + 1);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, *text, *n);
    ret = *n > 0 ? ops->read(f, 0, &buf) : 0;
    if (ret < 0) {
        free(*text);
    }
    return ret;
}

int config_load(struct engine *e, struct host *h, const char *path, struct error *err)
{
    struct host_file *f;
    int ret = h->ops->open(h, path, 0, &f);
    if (ret < 0 && ret != -EISDIR) {
        return error_set_errno(err, ret, "Could not read blkdebug config file");
    }
    char *text = NULL;
    size_t n = 0;
    if (ret == 0) {
        ret = read_all(f, h->ops, &text, &n);
        h->ops->close(f);
    }
    if (ret < 0) {
        return error_set_errno(err, ret, "Cannot read config file");
    }
    ret = config_parse(e, text, n, err);
    free(text);
    return ret;
}
