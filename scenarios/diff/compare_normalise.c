/* SPDX-License-Identifier: MIT */
/* What varies from run to run, or is QEMU's own business, taken out of texts and values.
 *
 * Everywhere:
 *   #block123         automatic node names: a counter and two digits of chance -> #block:N, the
 *                     same N for the same node on both sides (compare_names.c)
 *   device[1]         devices without an id in /machine/peripheral-anon are counted, and the real
 *                     machine has one more from the beginning, the SCSI controller -> device:N
 *   DIR/a.img         the private directory of the real program; the model's files have no
 *                     directory -> a.img
 *   vl.XXXXXX         names of temporary files, random; QEMU's stand in /var/tmp -> vl.*
 *   json:{...}        file names: QEMU orders the members by a hash table, and repeats options of
 *                     the command line as text where the model shows numbers and booleans ->
 *                     sorted, all scalars as text.  Beyond its longest file name QEMU cuts, in an
 *                     order that says nothing -> json:*
 *   CR LF             of the human monitor -> LF
 * Members of JSON objects:
 *   actual-size       bytes allocated on the host: file systems differ in that -> *
 *   thread-id         a number of the operating system -> *
 *   virtual-size      beside a filename /proc/self/...: each program's own
 * Output of io:
 *   00.00 sec (...)   durations and rates; bytes and requests stay
 *   4096,1,0:00:00.00,...   the same with -C
 *   Is another process using the image...   a hint that the model does not give
 *   Formatting 'a.qcow2', ...   what QEMU tells on its stdout of an image that a command makes
 *   Optional suffix k, M, G..., Identifiers consist of...   lines of explanation behind an error of
 *                     the command line
 *   unterminated string, unsupported escape code   of the human monitor: not told by the model
 * Descriptors (compare_reply.c knows where they are): numbered as they were handed out.
 */
#include "scenarios/diff/compare_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/compare.h"

#include <stdlib.h>
#include <string.h>
#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) free(p)
#include <uthash.h>

/* QEMU's longest file name; and how much of it is left at least when it stands in a text. */
enum { FILE_NAME_MAX = 4095, FILE_NAME_CUT = 1000, VL_SUFFIX = 6 };

struct auto_name {
    uint32_t number;
    UT_hash_handle hh;
    char name[];
};

struct auto_fd {
    json_int_t fd;
    uint32_t number;
    UT_hash_handle hh;
};

void compare_side_forget_names(struct compare_side *side)
{
    struct auto_name *name, *next_name;
    HASH_ITER(hh, side->names, name, next_name) {
        HASH_DEL(side->names, name);
        free(name);
    }
}

void compare_side_fini(struct compare_side *side)
{
    struct auto_fd *fd, *next_fd;
    compare_side_forget_names(side);
    HASH_ITER(hh, side->fds, fd, next_fd) {
        HASH_DEL(side->fds, fd);
        free(fd);
    }
}

/* ---- names and descriptors ---- */

size_t compare_name_length(const char *text)
{
    static const char anon[] = "/machine/peripheral-anon/device[";
    size_t begin = strlen("#block"), digits;
    if (strncmp(text, "#block", begin) == 0) {
        digits = strspn(text + begin, "0123456789");
        return digits ? begin + digits : 0;
    }
    begin = strlen(anon);
    if (strncmp(text, anon, begin) != 0) {
        return 0;
    }
    digits = strspn(text + begin, "0123456789");
    return digits && text[begin + digits] == ']' ? begin + digits + 1 : 0;
}

const char *compare_name_find(const char *text)
{
    const char *block = strstr(text, "#block"), *anon = strstr(text, "/machine/peripheral-anon/");
    return !block || (anon && anon < block) ? anon : block;
}

uint32_t compare_name_number(const struct compare_side *side, const char *name, size_t n)
{
    struct auto_name *found;
    HASH_FIND(hh, side->names, name, n, found);
    return found ? found->number : 0;
}

void compare_name_set(struct compare_side *side, const char *name, size_t n, uint32_t number)
{
    struct auto_name *new = mem_zalloc(sizeof(*new) + n + 1);
    CHECK(compare_name_number(side, name, n) == 0 && number > 0);
    memcpy(new->name, name, n);
    new->number = number;
    HASH_ADD_KEYPTR(hh, side->names, new->name, n, new);
}

uint32_t compare_fd_new(struct compare_side *side, json_int_t fd)
{
    struct auto_fd *found;
    HASH_FIND(hh, side->fds, &fd, sizeof(fd), found);
    if (!found) {
        found = NEW(struct auto_fd);
        found->fd = fd;
        HASH_ADD(hh, side->fds, fd, sizeof(fd), found);
    }
    found->number = ++side->next_fd;
    return found->number;
}

uint32_t compare_fd_number(struct compare_side *side, json_int_t fd)
{
    struct auto_fd *found;
    HASH_FIND(hh, side->fds, &fd, sizeof(fd), found);
    return found ? found->number : compare_fd_new(side, fd);
}

/* ---- text ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Length of the name of a temporary file that begins here, with its directory; 0: none. */
static size_t temp_length(const char *s)
{
    static const char *const dirs[] = { "/var/tmp/", "/tmp/", "" };
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        size_t n = strlen(dirs[i]);
        if (strncmp(s, dirs[i], n) == 0 && strncmp(s + n, "vl.", 3) == 0) {
            size_t suffix = 0;
            while (suffix <= VL_SUFFIX && is_word(s[n + 3 + suffix])) {
                suffix++;
            }
            return suffix == VL_SUFFIX ? n + 3 + suffix : 0;
        }
    }
    return 0;
}

static void put_text(struct compare_side *side, const char *text, struct strbuf *out);

/* Scalars of a json:{} file name as text, so that 1048576, "1M" and "1048576" are one. */
static json_t *json_name_scalar(struct compare_side *side, const json_t *v)
{
    char number[32];
    int64_t bytes;
    if (json_is_boolean(v)) {
        return json_string(json_is_true(v) ? "on" : "off");
    }
    if (json_is_integer(v)) {
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return json_string(number);
    }
    if (!json_is_string(v)) {
        return json_copy((json_t *)v);
    }
    const char *s = json_string_value(v);
    if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
        return json_string(strcmp(s, "true") == 0 ? "on" : "off");
    }
    if (text_parse_size(s, &bytes) == 0) {
        snprintf(number, sizeof(number), "%lld", (long long)bytes);
        return json_string(number);
    }
    char *normal = compare_side_text(side, s);
    json_t *new = json_string(normal);
    free(normal);
    return new;
}

static json_t *json_name(struct compare_side *side, const json_t *v)
{
    if (json_is_array(v)) {
        json_t *new = json_array();
        for (size_t i = 0; i < json_array_size(v); i++) {
            json_array_append_new(new, json_name(side, json_array_get(v, i)));
        }
        return new;
    }
    if (!json_is_object(v)) {
        return json_name_scalar(side, v);
    }
    size_t n;
    const char **keys = compare_sorted_keys(v, &n);
    json_t *new = json_object();
    for (size_t i = 0; i < n; i++) {
        json_object_set_new(new, keys[i], json_name(side, json_object_get(v, keys[i])));
    }
    free(keys);
    return new;
}

/* The object behind "json:" at s; its length, or 0 when it is none. */
static size_t put_json_name(struct compare_side *side, const char *s, size_t left,
                            struct strbuf *out)
{
    json_error_t error;
    json_t *v = json_loadb(s, left, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);
    if (!v) {
        return 0;
    }
    CHECK(error.position > 0 && (size_t)error.position <= left);
    json_t *normal = json_name(side, v);
    char *text = json_dumps(normal, JSON_COMPACT);
    strbuf_printf(out, "json:%s", text);
    free(text);
    json_decref(normal);
    json_decref(v);
    return (size_t)error.position;
}

/* What of text at s is not as it stands: its length, with its normal form in out; 0: nothing. */
static size_t put_special(struct compare_side *side, const char *text, size_t at, size_t len,
                          struct strbuf *out)
{
    const char *s = text + at;
    bool word_start = at == 0 || !is_word(text[at - 1]);
    size_t n = side->dir ? strlen(side->dir) : 0;
    if (n && strncmp(s, side->dir, n) == 0 && !is_word(s[n])) {
        strbuf_puts(out, s[n] == '/' ? "" : ".");
        return n + (s[n] == '/');
    }
    n = compare_name_length(s);
    if (n) {
        if (compare_name_number(side, s, n) == 0) {
            compare_name_set(side, s, n, (*side->next_name)++);
        }
        strbuf_printf(out, *s == '#' ? "#block:%u" : "/machine/peripheral-anon/device:%u",
                      compare_name_number(side, s, n));
        return n;
    }
    n = word_start && (*s == '/' || *s == 'v') ? temp_length(s) : 0;
    if (n) {
        strbuf_puts(out, "vl.*");
        return n;
    }
    if (word_start && strncmp(s, "json:{", 6) == 0) {
        size_t before = out->len;
        n = put_json_name(side, s + 5, len - at - 5, out);
        if ((n == 0 && len >= FILE_NAME_CUT) || 5 + n >= FILE_NAME_MAX) {
            out->len = before;
            strbuf_puts(out, "json:*");
            return n ? 5 + n : len - at;
        }
        return n ? 5 + n : 0;
    }
    return *s == '\r' && s[1] == '\n';
}

static void put_text(struct compare_side *side, const char *text, struct strbuf *out)
{
    size_t len = strlen(text), at = 0;
    while (at < len) {
        size_t n = strchr("/#vj\r", text[at]) ? put_special(side, text, at, len, out) : 0;
        if (n == 0) {
            strbuf_putc(out, text[at]);
        }
        at += n ? n : 1;
    }
}

char *compare_side_text(struct compare_side *side, const char *text)
{
    struct strbuf out = { 0 };
    put_text(side, text, &out);
    return out.text ? out.text : mem_strdup("");
}

static bool is_hint(const char *line)
{
    static const char *const hints[] = { "Is another process using the image [", "Formatting '",
                                         "unterminated string", "unsupported escape code: '",
                                         "Optional suffix k, M, G", "and exabytes, respectively",
                                         "Identifiers consist of letters, digits" };
    for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
        if (strncmp(line, hints[i], strlen(hints[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* How much of a line stays: not durations and rates, "4 KiB, 1 ops; ..." or
 * "4096,1,0:00:00.00,...". */
static size_t line_without_rates(const char *line, size_t n)
{
    const char *rate = memmem(line, n, " ops; ", 6);
    size_t bytes = strspn(line, "0123456789"), ops, hours;
    if (rate) {
        return (size_t)(rate - line) + 4;
    }
    if (bytes == 0 || line[bytes] != ',') {
        return n;
    }
    ops = strspn(line + bytes + 1, "0123456789");
    size_t end = bytes + 1 + ops;
    hours = ops && line[end] == ',' ? strspn(line + end + 1, "0123456789") : 0;
    return hours && line[end + 1 + hours] == ':' ? end : n;
}

char *compare_side_output(struct compare_side *side, const char *text)
{
    struct strbuf out = { 0 };
    char *normal = compare_side_text(side, text);
    for (const char *line = normal; *line;) {
        size_t n = strcspn(line, "\n");
        if (!is_hint(line)) {
            strbuf_add(&out, line, line_without_rates(line, n));
            strbuf_putc(&out, '\n');
        }
        line += n + (line[n] == '\n');
    }
    while (out.len > 0 && out.text[out.len - 1] == '\n') {
        out.text[--out.len] = '\0';
    }
    free(normal);
    return out.text ? out.text : mem_strdup("");
}

/* ---- values ---- */

const char *member_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **compare_sorted_keys(const json_t *object, size_t *n)
{
    const char *key;
    json_t *v;
    const char **keys = mem_alloc((json_object_size(object) + 1) * sizeof(*keys));
    *n = 0;
    json_object_foreach((json_t *)object, key, v) {
        keys[(*n)++] = key;
    }
    qsort(keys, *n, sizeof(*keys), compare_keys);
    return keys;
}

/* Each program has a number of its own there; that it has one is the same. */
static bool is_own(const char *key)
{
    return strcmp(key, "actual-size") == 0 || strcmp(key, "thread-id") == 0;
}

/* A value that is a json:{} name and nothing else, as an object; NULL when it is none. */
static json_t *parse_json_name(struct compare_side *side, const char *text)
{
    bool whole = strncmp(text, "json:{", 6) == 0 && strlen(text) < FILE_NAME_MAX;
    json_t *v = whole ? json_loads(text + 5, JSON_ALLOW_NUL, NULL) : NULL;
    json_t *new = v ? json_name(side, v) : NULL;
    json_decref(v);
    return new;
}

/* Of a file that is another one for each program: /proc/self/exe. */
static bool is_length_of_own(const json_t *value, const char *key)
{
    const char *name = json_string_value(json_object_get(value, "filename"));
    return name && strncmp(name, "/proc/self/", 11) == 0 && strcmp(key, "virtual-size") == 0;
}

static json_t *normal_object(struct compare_side *side, const json_t *value)
{
    size_t n;
    const char **keys = compare_sorted_keys(value, &n);
    json_t *new = json_object();
    for (size_t i = 0; i < n; i++) {
        const json_t *member = json_object_get(value, keys[i]);
        if (is_own(keys[i]) && json_is_integer(member)) {
            json_object_set_new_nocheck(new, keys[i], json_string("*"));
        } else if (!is_length_of_own(value, keys[i])) {
            json_object_set_new_nocheck(new, keys[i], compare_side_json(side, member));
        }
    }
    free(keys);
    return new;
}

json_t *compare_side_json(struct compare_side *side, const json_t *value)
{
    json_t *new = NULL;
    char *text;
    if (!value) {
        return NULL;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return normal_object(side, value);
    case JSON_ARRAY:
        new = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_array_append_new(new, compare_side_json(side, json_array_get(value, i)));
        }
        return new;
    case JSON_STRING:
        new = side->parse_names ? parse_json_name(side, json_string_value(value)) : NULL;
        if (new) {
            return new;
        }
        if (!strpbrk(json_string_value(value), "/#vj\r")) {
            return json_incref((json_t *)value);
        }
        text = compare_side_text(side, json_string_value(value));
        new = json_string_nocheck(text);
        free(text);
        return new;
    default:
        return json_incref((json_t *)value);
    }
}

/* ---- for others ---- */

json_t *compare_normal_json(const json_t *value)
{
    uint32_t next = 1;
    struct compare_side side = { .next_name = &next };
    json_t *new = compare_side_json(&side, value);
    compare_side_fini(&side);
    return new;
}

char *compare_normal_text(const char *text)
{
    uint32_t next = 1;
    struct compare_side side = { .next_name = &next };
    char *new = compare_side_output(&side, text);
    compare_side_fini(&side);
    return new;
}
