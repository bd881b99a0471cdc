/* SPDX-License-Identifier: MIT */
/* Running a unit twice and comparing.
 *
 *   work_dir/sim    the files of the simulated disks, written when the layer has ended
 *   work_dir/qemu   where the real program runs, with its files
 *
 * With --keep both move to KEEP/CASE,PARAMS (and ,seed=N of a case with seeds) when the unit fails,
 * together with the script and a text of what each side showed, statement by statement, made to be
 * compared by `diff -u`.
 */
#include "app/diff_unit.h"

#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"
#include "reports/report.h"
#include "scenarios/diff/compare.h"
#include "scenarios/diff/files.h"
#include "scenarios/diff/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct side {
    struct record record;
    struct run_config run;
    char *dir;
};

/* The failure of a result that has none yet. */
static void set_failure(struct result *r, const char *site, int line, const char *message)
{
    char *first = mem_strndup(message, report_line_length(message));
    char *normal = result_normalise(first);
    char *signature = mem_printf("qemu:%s:%s", site, normal);
    r->verdict = VERDICT_FAIL;
    r->line = line;
    result_set(&r->oracle, "qemu");
    result_set(&r->signature, signature);
    result_set(&r->message, message);
    free(signature);
    free(normal);
    free(first);
}

/* False: there is no folder for it, and the result says so. */
static bool side_init(struct side *s, const struct run_config *cfg, const char *name,
                      struct result *r)
{
    record_init(&s->record, name);
    s->run = *cfg;
    s->dir = mem_printf("%s/%s", cfg->work_dir, name);
    bool good = mkdir(s->dir, 0700) == 0;
    if (!good) {
        char *text = mem_printf("cannot make the folder '%s': %s", s->dir, error_strerror(errno));
        set_failure(r, "folder", 0, text);
        free(text);
    }
    s->record.files = mem_strdup(s->dir);
    s->run.work_dir = s->dir;
    s->run.export_dir = NULL;
    s->run.record = &s->record;
    return good;
}

static void side_fini(struct side *s)
{
    record_fini(&s->record);
    free(s->dir);
}

/* --- What is kept --- */

static void put_json(FILE *f, const char *what, const json_t *value)
{
    if (value) {
        char *text = json_dumps(value, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        fprintf(f, "%s %s\n", what, text);
        free(text);
    }
}

static void put_lines(FILE *f, const char *what, const char *text)
{
    if (text) {
        fprintf(f, "%s %s\n", what, text);
    }
}

static void write_stmt(FILE *f, const struct record_stmt *s)
{
    static const char *const ends[] = { "", "skipped", "died", "timeout" };
    fprintf(f, "== line %d, statement %" PRIu32 ": %s\n", s->line, s->id, s->text ? s->text : "");
    if (s->end != RECORD_DONE) {
        fprintf(f, "%s: %s\n", ends[s->end], s->why ? s->why : "");
    }
    put_json(f, "reply", s->reply);
    put_lines(f, s->failed ? "failed" : "output", s->output ? s->output : s->failed ? "" : NULL);
    put_lines(f, "complaint", s->complaint);
    put_json(f, "events", s->events);
    put_json(f, "nodes", s->nodes);
    put_json(f, "graph", s->graph);
    put_json(f, "block", s->block);
    put_json(f, "jobs", s->jobs);
}

/* All of it is there, or it is told. */
static void close_kept(FILE *f, const char *path)
{
    bool good = f && !ferror(f);
    good = (!f || fclose(f) == 0) && good;
    if (!good) {
        fprintf(stderr, "Cannot write '%s': %s\n", path, error_strerror(errno));
    }
}

static void write_record(const struct record *r, const char *path)
{
    FILE *f = fopen(path, "we");
    for (size_t i = 0; f && i < r->len; i++) {
        write_stmt(f, &r->at[i]);
    }
    for (size_t i = 0; f && i < r->nodes_len; i++) {
        fprintf(f, "== node %s\n", r->nodes[i].name);
        put_lines(f, "map", r->nodes[i].map);
        put_lines(f, "data", r->nodes[i].data);
    }
    close_kept(f, path);
}

static void write_script(const struct script *s, const char *path)
{
    FILE *f = fopen(path, "we");
    for (size_t i = 0; f && i < s->lines_len; i++) {
        fprintf(f, "%s\n", s->lines[i]);
    }
    close_kept(f, path);
}

/* "io_align,l2=128k": what the unit is called, fit for the name of a folder. */
static char *folder_name(const struct unit *u)
{
    char *name = u->seeded ? mem_printf("%s%s%s,seed=%" PRIu64, u->cas->name,
                                        u->params[0] ? "," : "", u->params, u->seed)
                           : mem_printf("%s%s%s", u->cas->name, u->params[0] ? "," : "",
                                        u->params);
    for (char *c = name; *c; c++) {
        *c = *c == '/' ? '_' : *c == ' ' ? ',' : *c;
    }
    return name;
}

static void keep(const char *keep_dir, const struct unit *u, const struct side *sides)
{
    char *name = folder_name(u), *folder = mem_printf("%s/%s", keep_dir, name);
    char *script = mem_printf("%s/script.scn", folder);
    host_remove_tree(folder);
    mkdir(keep_dir, 0777);
    bool good = mkdir(folder, 0777) == 0;
    if (!good) {
        fprintf(stderr, "Cannot keep the files in '%s': %s\n", folder, error_strerror(errno));
    }
    for (size_t i = 0; i < 2 && good; i++) {
        struct error err = ERROR_INIT;
        char *to = mem_printf("%s/%s", folder, sides[i].record.target);
        char *text = mem_printf("%s.txt", to);
        if (host_move_tree(sides[i].dir, to, &err)) {
            fprintf(stderr, "%s\n", err.text);
        }
        write_record(&sides[i].record, text);
        free(to);
        free(text);
    }
    if (good) {
        write_script(u->script, script);
    }
    free(script);
    free(folder);
    free(name);
}

/* --- Comparing --- */

static bool died(const struct record *r)
{
    for (size_t i = 0; i < r->len; i++) {
        if (r->at[i].end == RECORD_DIED || r->at[i].end == RECORD_TIMEOUT) {
            return true;
        }
    }
    return false;
}

static void compare_files(const struct diff_config *d, const struct side *sides,
                          struct result *r)
{
    struct error err = ERROR_INIT;
    size_t before = r->diff_len;
    int n = files_compare(&sides[0].record, &sides[1].record, d->reference->image_tool, r, &err);
    if (report_is_failure(r->verdict)) {
        return;
    }
    if (n < 0) {
        set_failure(r, "files", 0, err.text);
    } else if (n > 0) {
        CHECK(r->diff_len > before);
        set_failure(r, "files", r->diff[before].line, r->diff[before].detail);
    }
}

/* theirs: what the run of the real side came to by itself. */
static void compare(const struct diff_config *d, const struct side *sides,
                    const struct result *theirs, struct result *r)
{
    result_set(&r->reference, d->reference->name);
    compare_records(&sides[0].record, &sides[1].record, r);
    if (!died(&sides[1].record)) {
        compare_files(d, sides, r);
    }
    if (report_is_failure(theirs->verdict) && !report_is_failure(r->verdict)) {
        char *text = mem_printf("on %s: %s", r->reference, theirs->message);
        set_failure(r, "run", theirs->line, text);
        r->col = theirs->col;
        result_set(&r->source, theirs->source);
        free(text);
    }
}

/* Place and source line, where the comparison gave a line alone. */
static void set_place(const struct unit *u, struct result *r)
{
    const struct script *s = u->script;
    if (r->line > 0 && (size_t)r->line <= s->lines_len && !r->source[0]) {
        result_set(&r->source, s->lines[r->line - 1]);
        r->col = 1 + (int)strspn(r->source, " \t");
    }
    result_set(&r->file, s->path);
}

static void run_reference(const struct diff_config *d, const struct unit *u, struct side *sides,
                          struct result *r)
{
    struct result theirs;
    result_init(&theirs);
    reference_configure(d->reference, &sides[1].run);
    run_unit(u, &sides[1].run, &theirs);
    if (theirs.verdict == VERDICT_SKIP) {
        r->verdict = VERDICT_SKIP;
        result_set(&r->message, theirs.message);
    } else {
        compare(d, sides, &theirs, r);
    }
    result_fini(&theirs);
}

void diff_unit(void *opaque, const struct unit *u, const struct run_config *cfg, struct result *r)
{
    const struct diff_config *d = opaque;
    struct side sides[2];
    CHECK(cfg->work_dir != NULL && !cfg->verify_determinism);
    if (reference_skips(d->reference, u, r)) {
        return;
    }
    bool good = side_init(&sides[0], cfg, "sim", r);
    good = side_init(&sides[1], cfg, reference_target_name(d->reference), r) && good;
    sides[0].run.target = RUN_ON_SIM;
    sides[1].run.beside = &sides[0].record;
    if (good) {
        run_unit(u, &sides[0].run, r);
    } else {
        result_set(&r->case_id, u->cas->name);
        result_set(&r->params, u->params);
        r->seed = u->seed;
    }
    if (good && r->verdict == VERDICT_PASS) {
        run_reference(d, u, sides, r);
        set_place(u, r);
        if (d->keep_dir && report_is_failure(r->verdict)) {
            keep(d->keep_dir, u, sides);
        }
    }
    side_fini(&sides[0]);
    side_fini(&sides[1]);
}
