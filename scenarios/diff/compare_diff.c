/* SPDX-License-Identifier: MIT */
/* Differences of values: finding them, and telling them in a form that is read with pleasure.
 *
 *   return.0.image.filename
 *     model: "base.qcow2"
 *     qemu:  "base.raw"
 */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_SHOWN = 8, VALUE_BYTES = 512, SIDE_BYTES = 1536, LABEL_WIDTH = 7 };

void diff_list_free(struct diff_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free(list->at[i].path);
        free(list->at[i].value[OURS]);
        free(list->at[i].value[THEIRS]);
    }
    free(list->at);
    *list = (struct diff_list){ 0 };
}

void diff_add(struct diff_list *list, const char *path, const char *ours, const char *theirs)
{
    CHECK(ours || theirs);
    if (list->len >= DIFF_ENTRIES_MAX) {
        list->more++;
        return;
    }
    list->at = mem_grow(list->at, list->len, &list->cap, sizeof(*list->at));
    list->at[list->len++] = (struct diff_entry){
        .path = mem_strdup(path),
        .value = { ours ? mem_strdup(ours) : NULL, theirs ? mem_strdup(theirs) : NULL },
    };
}

char *diff_path(const char *path, const char *key)
{
    const char *dot = *path ? "." : "";
    bool plain = *key && !strpbrk(key, ". \"");
    return plain ? mem_printf("%s%s%s", path, dot, key) : mem_printf("%s%s\"%s\"", path, dot, key);
}

static void add_values(struct diff_list *list, const char *path, const json_t *ours,
                       const json_t *theirs)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    char *a = ours ? json_dumps(ours, flags) : NULL;
    char *b = theirs ? json_dumps(theirs, flags) : NULL;
    diff_add(list, path, a, b);
    free(a);
    free(b);
}

static void diff_objects(struct diff_list *list, const char *path, const json_t *ours,
                         const json_t *theirs)
{
    size_t n[COMPARE_SIDES], a = 0, b = 0;
    const char **ours_keys = compare_sorted_keys(ours, &n[OURS]);
    const char **theirs_keys = compare_sorted_keys(theirs, &n[THEIRS]);
    while (a < n[OURS] || b < n[THEIRS]) {
        int order = a == n[OURS] ? 1 : b == n[THEIRS] ? -1 : strcmp(ours_keys[a], theirs_keys[b]);
        const char *key = order <= 0 ? ours_keys[a] : theirs_keys[b];
        char *below = diff_path(path, key);
        diff_json(list, below, order <= 0 ? json_object_get(ours, key) : NULL,
                  order >= 0 ? json_object_get(theirs, key) : NULL);
        free(below);
        a += order <= 0;
        b += order >= 0;
    }
    free(ours_keys);
    free(theirs_keys);
}

void diff_json(struct diff_list *list, const char *path, const json_t *ours, const json_t *theirs)
{
    if (ours == theirs || (ours && theirs && json_equal(ours, theirs))) {
        return;
    }
    if (json_is_object(ours) && json_is_object(theirs)) {
        diff_objects(list, path, ours, theirs);
    } else if (json_is_array(ours) && json_is_array(theirs)) {
        size_t n = MAX(json_array_size(ours), json_array_size(theirs));
        for (size_t i = 0; i < n; i++) {
            char *below = mem_printf("%s%s%zu", path, *path ? "." : "", i);
            diff_json(list, below, json_array_get(ours, i), json_array_get(theirs, i));
            free(below);
        }
    } else {
        add_values(list, path, ours, theirs);
    }
}

void diff_lines(struct diff_list *list, const char *path, const char *ours, const char *theirs)
{
    size_t number = 1;
    while (*ours || *theirs) {
        size_t a = strcspn(ours, "\n"), b = strcspn(theirs, "\n");
        bool has_a = *ours != '\0', has_b = *theirs != '\0';
        if (has_a != has_b || a != b || memcmp(ours, theirs, a) != 0) {
            char *line_path = mem_printf("%s.%zu", path, number);
            char *line_a = has_a ? mem_strndup(ours, a) : NULL;
            char *line_b = has_b ? mem_strndup(theirs, b) : NULL;
            diff_add(list, line_path, line_a, line_b);
            free(line_path);
            free(line_a);
            free(line_b);
            return;
        }
        ours += a + (ours[a] == '\n');
        theirs += b + (theirs[b] == '\n');
        number++;
    }
}

/* A value, or the part of it that differs first. */
static void put_value(const char *text, size_t max, struct strbuf *out)
{
    size_t len = strlen(text);
    if (len <= max) {
        strbuf_puts(out, text);
    } else {
        strbuf_add(out, text, max);
        strbuf_printf(out, "... (%zu bytes)", len);
    }
}

static void put_label(const char *name, struct strbuf *out)
{
    strbuf_printf(out, "  %s:%*s", name, (int)(LABEL_WIDTH - 1 - MIN(strlen(name), 6)), "");
}

static void put_side(const char *name, const char *text, struct strbuf *out)
{
    put_label(name, out);
    put_value(text ? text : "(not there)", VALUE_BYTES, out);
    strbuf_putc(out, '\n');
}

void diff_print(const struct diff_list *list, size_t from, const char *theirs, struct strbuf *out)
{
    size_t shown = MIN(list->len - from, ENTRIES_SHOWN);
    CHECK(from <= list->len);
    for (size_t i = from; i < from + shown; i++) {
        strbuf_printf(out, "%s\n", list->at[i].path);
        put_side("model", list->at[i].value[OURS], out);
        put_side(theirs, list->at[i].value[THEIRS], out);
    }
    size_t more = list->len - from - shown + list->more;
    if (more) {
        strbuf_printf(out, "and %zu more\n", more);
    }
}

void diff_print_sides(const char *what, const char *theirs_name, const json_t *ours,
                      const json_t *theirs, struct strbuf *out)
{
    const json_t *side[COMPARE_SIDES] = { ours, theirs };
    const char *name[COMPARE_SIDES] = { "model", theirs_name };
    strbuf_printf(out, "in full%s%s\n", *what ? ": " : "", what);
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        char *text = side[w] ? json_dumps(side[w], JSON_ENCODE_ANY) : NULL;
        put_label(name[w], out);
        put_value(text ? text : "(not there)", SIDE_BYTES, out);
        strbuf_putc(out, '\n');
        free(text);
    }
}

static void put_lines(const char *name, const char *text, struct strbuf *out)
{
    size_t left = SIDE_BYTES;
    strbuf_printf(out, "  %s:%s\n", name, *text ? "" : " nothing");
    while (*text && left > 0) {
        size_t n = strcspn(text, "\n");
        size_t shown = MIN(n, left);
        strbuf_puts(out, "    ");
        strbuf_add(out, text, shown);
        strbuf_puts(out, shown < n ? "...\n" : "\n");
        left -= shown;
        text += n + (text[n] == '\n');
    }
    if (*text) {
        strbuf_printf(out, "    ... (%zu more bytes)\n", strlen(text));
    }
}

void diff_print_texts(const char *what, const char *theirs_name, const char *ours,
                      const char *theirs, struct strbuf *out)
{
    strbuf_printf(out, "in full: %s\n", what);
    put_lines("model", ours, out);
    put_lines(theirs_name, theirs, out);
}
