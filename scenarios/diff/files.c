/* SPDX-License-Identifier: MIT */
/* The image files that a case leaves.
 *
 * Files with the same bytes are the same, whatever anybody says of them.  Otherwise
 *
 *   raw     has another length or other contents: told here, with the first place
 *   qcow2   qemu-img is asked for `info` (header, backing file, snapshots, bitmaps), `check`
 *           (errors, leaks, allocated clusters), `compare` (what a guest sees) and `map` (with what
 *           lies below).  An image whose backing file is not there is looked at alone.
 *
 * Not compared: actual-size; what `map` says of raw files, which is where the file system has
 * holes, nor that the data of an image lie in one of these; and where clusters are when requests
 * have overtaken each other.
 */
#include "scenarios/diff/files.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/compare.h"
#include "scenarios/diff/compare_private.h"
#include "scenarios/real/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, DETAIL_BYTES = 6144, WORDS_MAX = 16, SHOWN = 16, CANNOT_EXECUTE = 127 };

#define TOOL_LIMIT_NS (60 * INT64_C(1000000000))

struct files {
    const struct record *ours, *theirs;
    const char *qemu_img;
    struct result *r;
    int rows;
};

/* A file of both sides. */
struct both {
    const char *name;
    char *path[COMPARE_SIDES];
    int fd[COMPARE_SIDES];
    struct stat st[COMPARE_SIDES];
    bool alone; /* Without its backing file, which is not there. */
};

/* ---- running qemu-img ---- */

struct tool {
    struct strbuf out, err;
    int status; /* Exit code. */
};

static void tool_fini(struct tool *t)
{
    strbuf_free(&t->out);
    strbuf_free(&t->err);
}

/* 0; -errno with err set when it cannot be run. */
static int tool_run(const struct files *f, const char *const *words, struct tool *t,
                    struct error *err)
{
    char *argv[WORDS_MAX] = { (char *)(uintptr_t)f->qemu_img };
    for (size_t i = 0; words[i]; i++) {
        CHECK(i + 2 < WORDS_MAX);
        argv[i + 1] = (char *)(uintptr_t)words[i];
    }
    *t = (struct tool){ .status = -1 };
    int ret = real_run_program(f->qemu_img, argv, NULL, TOOL_LIMIT_NS, &t->out, &t->err, err);
    if (ret == CANNOT_EXECUTE) {
        ret = error_set(err, -ENOENT, "cannot run %s", f->qemu_img);
    }
    if (ret < 0) {
        tool_fini(t);
        return ret;
    }
    t->status = ret;
    return 0;
}

/* ---- telling ---- */

static void tell(struct files *f, const struct both *b, const char *driver,
                 const struct diff_list *list)
{
    struct strbuf text = { 0 };
    struct result *r = f->r;
    const struct record *ours = f->ours;
    CHECK(list->len > 0);
    strbuf_printf(&text, "%s\n", b->name);
    diff_print(list, 0, f->theirs->target, &text);
    char *detail = mem_strndup(text.text, DETAIL_BYTES);
    result_diff_add(r, &(struct result_diff){
        .line = ours->len ? ours->at[ours->len - 1].line : 0, .command = (char *)"files",
        .driver = (char *)driver, .verdict = DIFF_DIFFERS, .detail = detail });
    if (r->verdict == VERDICT_PASS || r->verdict == VERDICT_SKIP || r->verdict == VERDICT_QUIRK) {
        const struct diff_entry *e = &list->at[0];
        const char *a = e->value[OURS] ? e->value[OURS] : "nothing";
        const char *b_text = e->value[THEIRS] ? e->value[THEIRS] : "nothing";
        char *first = mem_printf("%s: %.100s / %.100s", e->path, a, b_text);
        char *normal = result_normalise(first);
        char *signature = mem_printf("qemu:files:%s", normal);
        r->verdict = VERDICT_FAIL;
        result_set(&r->oracle, "qemu");
        result_set(&r->signature, signature);
        result_set(&r->message, detail);
        r->line = ours->len ? ours->at[ours->len - 1].line : 0;
        r->col = 1;
        free(signature);
        free(normal);
        free(first);
    }
    f->rows++;
    free(detail);
    strbuf_free(&text);
}

/* ---- bytes ---- */

/* Where data begins at or behind pos; size when there is none. */
static off_t next_data(int fd, off_t pos, off_t size)
{
    off_t at = pos < size ? lseek(fd, pos, SEEK_DATA) : size;
    return at >= 0 ? MIN(at, size) : errno == ENXIO ? size : pos;
}

/* Bytes of both at pos, as many as there are, those behind the end as zeroes. */
static size_t read_both(const struct both *b, off_t pos, unsigned char *buf[COMPARE_SIDES])
{
    off_t size = MAX(b->st[OURS].st_size, b->st[THEIRS].st_size);
    size_t n = (size_t)MIN((off_t)PIECE, size - pos);
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        memset(buf[w], 0, n);
        for (size_t done = 0; done < n;) {
            ssize_t got = pread(b->fd[w], buf[w] + done, n - done, pos + (off_t)done);
            if (got <= 0) {
                break;
            }
            done += (size_t)got;
        }
    }
    return n;
}

static char *hex(const unsigned char *bytes, size_t n)
{
    struct strbuf out = { 0 };
    for (size_t i = 0; i < MIN(n, (size_t)SHOWN); i++) {
        strbuf_printf(&out, "%s%02x", i ? " " : "", bytes[i]);
    }
    return out.text ? out.text : mem_strdup("");
}

/* Appends where they differ first; false: nowhere. */
static bool diff_bytes(const struct both *b, struct diff_list *list)
{
    off_t size = MAX(b->st[OURS].st_size, b->st[THEIRS].st_size), pos = 0;
    unsigned char *buf[COMPARE_SIDES] = { mem_alloc(PIECE), mem_alloc(PIECE) };
    bool differs = false;
    while (pos < size && !differs) {
        off_t a = next_data(b->fd[OURS], pos, size), t = next_data(b->fd[THEIRS], pos, size);
        pos = MIN(a, t);
        size_t n = pos < size ? read_both(b, pos, buf) : 0;
        if (memcmp(buf[OURS], buf[THEIRS], n) != 0) {
            size_t at = 0;
            while (buf[OURS][at] == buf[THEIRS][at]) {
                at++;
            }
            char *path = mem_printf("bytes at %lld", (long long)pos + (long long)at);
            char *ours = hex(buf[OURS] + at, n - at), *theirs = hex(buf[THEIRS] + at, n - at);
            diff_add(list, path, ours, theirs);
            free(path);
            free(ours);
            free(theirs);
            differs = true;
        }
        pos += (off_t)n;
    }
    free(buf[OURS]);
    free(buf[THEIRS]);
    return differs;
}

static void diff_sizes(const struct both *b, struct diff_list *list)
{
    char size[COMPARE_SIDES][32];
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        snprintf(size[w], sizeof(size[w]), "%lld", (long long)b->st[w].st_size);
    }
    if (strcmp(size[OURS], size[THEIRS]) != 0) {
        diff_add(list, "length", size[OURS], size[THEIRS]);
    }
}

/* ---- qcow2 ---- */

/* How qemu-img is told to open it. */
static char *image_name(const struct both *b, enum compare_who w)
{
    if (!b->alone) {
        return mem_strdup(b->path[w]);
    }
    json_t *name = json_pack("{s:s, s:n, s:{s:s, s:s}}", "driver", "qcow2", "backing", "file",
                             "driver", "file", "filename", b->path[w]);
    char *text = json_dumps(name, JSON_COMPACT), *whole = mem_printf("json:%s", text);
    free(text);
    json_decref(name);
    return whole;
}

/* What a side's qemu-img said: its JSON, or {"error": text}. */
static int ask(const struct files *f, const struct both *b, const char *command,
               enum compare_who w, json_t **answer, struct error *err)
{
    struct tool t;
    uint32_t next = 1;
    const struct record *record = w == OURS ? f->ours : f->theirs;
    struct compare_side side = { .dir = record->files, .next_name = &next, .parse_names = true };
    char *name = image_name(b, w);
    const char *const plain[] = { command, "-U", "--output=json", "-f", "qcow2", name, NULL };
    const char *const alone[] = { command, "-U", "--output=json", name, NULL };
    int ret = tool_run(f, b->alone ? alone : plain, &t, err);
    free(name);
    if (ret < 0) {
        return ret;
    }
    json_t *json = json_loads(strbuf_str(&t.out), JSON_ALLOW_NUL, NULL);
    if (!json) {
        json = json_pack("{s:s%}", "error", strbuf_str(&t.err), t.err.len);
        json = json ? json : json_pack("{s:i}", "exit-code", t.status);
    }
    *answer = compare_side_json(&side, json);
    json_object_del(*answer, "filename");
    json_decref(json);
    compare_side_fini(&side);
    tool_fini(&t);
    return 0;
}

/* Whether data are a hole of the file is left out of a map. */
static void drop_holes(json_t *map)
{
    json_t *last = NULL, *entry;
    for (size_t i = 0; i < json_array_size(map);) {
        entry = json_array_get(map, i);
        if (!json_is_true(json_object_get(entry, "data"))) {
            last = NULL;
            i++;
            continue;
        }
        json_object_set_new(entry, "zero", json_false());
        json_int_t had = json_integer_value(json_object_get(last, "length"));
        json_int_t bytes = json_integer_value(json_object_get(entry, "length"));
        json_int_t gap = json_integer_value(json_object_get(entry, "offset")) -
                         json_integer_value(json_object_get(last, "offset"));
        if (last && gap == had && json_object_get(entry, "offset") &&
            json_equal(json_object_get(last, "depth"), json_object_get(entry, "depth"))) {
            json_object_set_new(last, "length", json_integer(had + bytes));
            json_array_remove(map, i);
            continue;
        }
        last = entry;
        i++;
    }
}

/* Where the image has its data is left out: from a map, whose entries then go on as far as they say
 * the same, and from what `check` counts. */
static void drop_places(json_t *answer)
{
    json_t *last = NULL, *entry;
    for (size_t i = 0; i < json_array_size(answer);) {
        entry = json_array_get(answer, i);
        json_int_t start = json_integer_value(json_object_get(entry, "start"));
        json_int_t bytes = json_integer_value(json_object_get(entry, "length"));
        json_object_del(entry, "offset");
        json_object_del(entry, "start");
        json_object_del(entry, "length");
        json_int_t had = json_integer_value(json_object_get(last, "length"));
        json_int_t at = json_integer_value(json_object_get(last, "start"));
        json_object_del(last, "start");
        json_object_del(last, "length");
        bool same = last && json_equal(last, entry);
        json_object_set_new(last, "start", json_integer(at));
        json_object_set_new(last, "length", json_integer(same ? had + bytes : had));
        if (same) {
            json_array_remove(answer, i);
        } else {
            json_object_set_new(entry, "start", json_integer(start));
            json_object_set_new(entry, "length", json_integer(bytes));
            last = entry;
            i++;
        }
    }
    json_object_del(answer, "image-end-offset");
    json_object_del(answer, "fragmented-clusters");
}

/* Asks both.  Both say the same error: it says nothing. */
static int diff_answers(const struct files *f, const struct both *b, const char *command,
                        struct diff_list *list, bool *failed, struct error *err)
{
    json_t *answer[COMPARE_SIDES] = { NULL, NULL };
    int ret = 0;
    for (int w = OURS; w < COMPARE_SIDES && ret == 0; w++) {
        ret = ask(f, b, command, w, &answer[w], err);
        if (ret == 0 && strcmp(command, "map") == 0) {
            drop_holes(answer[w]);
        }
        if (ret == 0 && (f->ours->shuffled || f->theirs->shuffled)) {
            drop_places(answer[w]);
        }
    }
    if (ret == 0) {
        *failed = json_object_get(answer[OURS], "error") &&
                  json_object_get(answer[THEIRS], "error");
        diff_json(list, command, answer[OURS], answer[THEIRS]);
    }
    json_decref(answer[OURS]);
    json_decref(answer[THEIRS]);
    return ret;
}

/* What a guest sees of both. */
static int diff_contents(const struct files *f, const struct both *b, struct diff_list *list,
                         struct error *err)
{
    struct tool t;
    char *name[COMPARE_SIDES] = { image_name(b, OURS), image_name(b, THEIRS) };
    const char *const plain[] = { "compare", "-U", "-f", "qcow2", "-F", "qcow2", name[OURS],
                                  name[THEIRS], NULL };
    const char *const alone[] = { "compare", "-U", name[OURS], name[THEIRS], NULL };
    int ret = tool_run(f, b->alone ? alone : plain, &t, err);
    free(name[OURS]);
    free(name[THEIRS]);
    if (ret < 0) {
        return ret;
    }
    if (t.status != 0) {
        strbuf_puts(&t.out, strbuf_str(&t.err));
        diff_add(list, "compare", NULL, strbuf_str(&t.out));
    }
    tool_fini(&t);
    return 0;
}

static int diff_qcow2(struct files *f, struct both *b, struct diff_list *list, struct error *err)
{
    bool failed = false;
    int ret = diff_answers(f, b, "info", list, &failed, err);
    if (ret == 0 && !failed) {
        ret = diff_answers(f, b, "map", list, &failed, err);
        b->alone = failed;
        failed = false;
    }
    if (ret == 0 && b->alone) {
        ret = diff_answers(f, b, "map", list, &failed, err);
    }
    if (ret == 0) {
        ret = diff_answers(f, b, "check", list, &failed, err);
    }
    if (ret == 0 && !failed) {
        ret = diff_contents(f, b, list, err);
    }
    return ret;
}

/* ---- files ---- */

static bool is_qcow2(int fd)
{
    char magic[4];
    return pread(fd, magic, 4, 0) == 4 && memcmp(magic, "QFI\xfb", 4) == 0;
}

static int compare_both(struct files *f, struct both *b, struct error *err)
{
    struct diff_list list = { 0 };
    bool qcow2 = is_qcow2(b->fd[OURS]);
    bool other = qcow2 != is_qcow2(b->fd[THEIRS]);
    int ret = 0;
    if (!diff_bytes(b, &list)) {
        diff_list_free(&list);
        diff_sizes(b, &list);
    }
    if (list.len && qcow2 && !other) {
        diff_list_free(&list); /* They may be as good as the same. */
        ret = diff_qcow2(f, b, &list, err);
    }
    if (ret == 0 && list.len) {
        tell(f, b, qcow2 ? "qcow2" : "raw", &list);
    }
    diff_list_free(&list);
    return ret;
}

static bool too_much(const struct stat *st)
{
    return (int64_t)st->st_blocks * 512 > FILES_MAX_BYTES;
}

/* A file that one side alone has.  Of theirs, only an image counts: the real program has files of
 * its own there. */
static void compare_single(struct files *f, const struct both *b, enum compare_who who)
{
    struct diff_list list = { 0 };
    bool qcow2 = is_qcow2(b->fd[who]);
    if (who == OURS || qcow2) {
        diff_add(&list, "file", who == OURS ? "there" : NULL, who == OURS ? NULL : "there");
        tell(f, b, qcow2 ? "qcow2" : "raw", &list);
    }
    diff_list_free(&list);
}

static int compare_file(struct files *f, const char *name, struct error *err)
{
    struct both b = { .name = name };
    const char *const dir[COMPARE_SIDES] = { f->ours->files, f->theirs->files };
    bool has[COMPARE_SIDES];
    int ret = 0;
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        b.path[w] = mem_printf("%s/%s", dir[w], name);
        b.fd[w] = open(b.path[w], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        has[w] = b.fd[w] >= 0 && fstat(b.fd[w], &b.st[w]) == 0 && S_ISREG(b.st[w].st_mode);
    }
    if (has[OURS] && has[THEIRS]) {
        bool much = too_much(&b.st[OURS]) || too_much(&b.st[THEIRS]);
        ret = much ? 0 : compare_both(f, &b, err);
    } else if (has[OURS] || has[THEIRS]) {
        compare_single(f, &b, has[OURS] ? OURS : THEIRS);
    }
    for (int w = OURS; w < COMPARE_SIDES; w++) {
        if (b.fd[w] >= 0) {
            close(b.fd[w]);
        }
        free(b.path[w]);
    }
    return ret;
}

/* Names in a folder that may be of images: set in names. */
static int list_names(const char *dir, json_t *names, struct error *err)
{
    DIR *d = opendir(dir);
    if (!d) {
        return error_set_errno(err, -errno, "%s", dir);
    }
    for (const struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] != '.' && strncmp(e->d_name, "vl.", 3) != 0) {
            json_object_set_new_nocheck(names, e->d_name, json_true());
        }
    }
    closedir(d);
    return 0;
}

int files_compare(const struct record *ours, const struct record *theirs, const char *qemu_img,
                  struct result *r, struct error *err)
{
    struct files f = { .ours = ours, .theirs = theirs, .qemu_img = qemu_img, .r = r };
    if (!ours->files || !theirs->files || ours->raced || theirs->raced ||
        !compare_same_history(ours, theirs)) {
        return 0;
    }
    json_t *names = json_object();
    int ret = list_names(ours->files, names, err);
    ret = ret < 0 ? ret : list_names(theirs->files, names, err);
    if (ret == 0) {
        size_t n;
        const char **sorted = compare_sorted_keys(names, &n);
        for (size_t i = 0; i < n && ret == 0; i++) {
            ret = compare_file(&f, sorted[i], err);
        }
        free(sorted);
    }
    json_decref(names);
    return ret < 0 ? ret : f.rows;
}
