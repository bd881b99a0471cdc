/* SPDX-License-Identifier: MIT */
#include "app/session.h"

#include "app/features.h"
#include "app/host.h"
#include "app/worker.h"
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "reports/agreement.h"
#include "reports/sqlite.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* --- Opening --- */

static bool goes_to_stdout(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

static void open_terminal(struct session *s)
{
    bool taken = s->graph_at || goes_to_stdout(s->tap_path) || goes_to_stdout(s->junit_path) ||
                 goes_to_stdout(s->trace_path) || goes_to_stdout(s->hashes_path) ||
                 goes_to_stdout(s->markdown_path);
    s->text = taken ? stderr : stdout;
    struct report_terminal_config cfg = {
        .out = s->text,
        .live = host_is_live(s->text) && !s->quiet,
        .color = host_has_color(s->text),
        .verbose = s->verbose,
        .columns = host_columns(s->text),
        .program = s->app->program,
        .hint = features_hint,
    };
    s->reports[s->reports_len++] = report_terminal_create(&cfg);
}

static int add_database(struct session *s, const struct report_build *build, struct error *err)
{
    struct report_build here = *build;
    here.keep_restored = true;
    if (s->db_path && !(s->db = report_sqlite_create(s->db_path, build, err))) {
        return -EIO;
    }
    if (s->diff && !(s->compared = report_sqlite_create(":memory:", &here, err))) {
        report_destroy(s->db);
        s->db = NULL;
        return -EIO;
    }
    if (s->db) {
        s->reports[s->reports_len++] = s->db;
    }
    if (s->compared) {
        s->reports[s->reports_len++] = s->compared;
    }
    return 0;
}

static int open_databases(struct session *s, struct error *err)
{
    const struct reference *ref = s->reference;
    bool real = ref && ref->target != RUN_ON_SIM;
    char *own = host_self_hash(err);
    char *id = !own ? NULL : real ? reference_hash(ref, s->diff ? "diff" : "run", own, err)
                                  : mem_strdup(own);
    int ret = -EIO;
    if (id) {
        struct report_build build = { .id = id, .version = "blksim " APP_VERSION,
                                      .compiler = COMPILER, .program = own,
                                      .reference = real && ref->name ? ref->name : "" };
        ret = add_database(s, &build, err);
    }
    free(id);
    free(own);
    return ret;
}

/* The terminal last, so that an error of another report is told before the counts. */
static int open_reports(struct session *s, struct error *err)
{
    if ((s->db_path || s->diff) && open_databases(s, err)) {
        return -EIO;
    }
    if (s->tap_path) {
        struct report *r = report_tap_create(s->tap_path, err);
        if (!r) {
            return -EIO;
        }
        s->reports[s->reports_len++] = r;
    }
    if (s->junit_path) {
        struct report *r = report_junit_create(s->junit_path, err);
        if (!r) {
            return -EIO;
        }
        s->reports[s->reports_len++] = r;
    }
    if (s->trace_path && !(s->trace = report_open(s->trace_path, err))) {
        return -EIO;
    }
    if (s->hashes_path && !(s->hashes = report_open(s->hashes_path, err))) {
        return -EIO;
    }
    open_terminal(s);
    return 0;
}

/* Asks the database for every unit. */
static int restore_results(struct session *s, struct error *err)
{
    const struct units *units = &s->selection->units;
    for (size_t i = 0; i < units->len && s->db && s->restore; i++) {
        const struct unit *u = &units->at[i];
        struct result *r = NEW(struct result);
        result_init(r);
        result_set(&r->case_id, u->cas->name);
        result_set(&r->params, u->params);
        r->seed = u->seed;
        result_set(&r->explore, s->run.deviations ? s->run.deviations : "");
        r->script_hash = select_hash(s->selection, u);
        int ret = report_sqlite_restore(s->db, r, err);
        if (ret == 1) {
            s->results[i] = r;
            s->summary.already++;
        } else {
            result_fini(r);
            free(r);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* --- Telling --- */

static void complain_broken(struct session *s, const struct error *err)
{
    s->broken = true;
    app_complain("%s", err->text);
}

static int begin_reports(struct session *s)
{
    struct report_info info = { .units = s->selection->units.len, .already = s->summary.already,
                                .log_all = s->run.log_all };
    for (size_t i = 0; i < s->reports_len; i++) {
        struct error err = ERROR_INIT;
        if (s->reports[i]->ops->begin(s->reports[i], &info, &err)) {
            complain_broken(s, &err);
        }
    }
    return s->broken ? -EIO : 0;
}

/* A word that a shell reads as it is. */
static void put_word(struct strbuf *out, const char *word)
{
    if (word[0] && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._/+=@-,") == strlen(word)) {
        strbuf_puts(out, word);
        return;
    }
    strbuf_putc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'') {
            strbuf_puts(out, "'\\'");
        }
        strbuf_putc(out, *word);
    }
    strbuf_putc(out, '\'');
}

static void put_repeat(const struct session *s, const struct unit *u, const struct result *r,
                       struct strbuf *out)
{
    const struct reference *ref = s->reference;
    if (!ref || ref->target == RUN_ON_SIM) {
        strbuf_printf(out, "blksim replay %s",
                      r->verdict == VERDICT_NONDET ? "--verify-determinism " : "");
        select_replay_id(u, r->explore, out);
        return;
    }
    strbuf_printf(out, "blksim %s ", s->diff ? "diff" : "run");
    if (!s->diff || ref->target != RUN_ON_QEMU) {
        strbuf_printf(out, "--target %s ", reference_target_name(ref));
    }
    if (ref->prefix) {
        strbuf_puts(out, "--qemu-prefix ");
        put_word(out, ref->prefix);
        strbuf_puts(out, " ");
    }
    if (s->random) {
        const char *slash = strchr(u->cas->name, '/');
        strbuf_printf(out, "--statements %u --random %s", s->random, slash ? slash + 1 : "1");
    } else {
        select_replay_id(u, "", out);
    }
}

/* What the runner leaves to us: which script it was, and how to repeat it. */
static void complete_result(struct session *s, const struct unit *u, struct result *r)
{
    struct strbuf repeat = { .text = NULL };
    put_repeat(s, u, r, &repeat);
    result_set(&r->repeat, strbuf_str(&repeat));
    strbuf_free(&repeat);
    r->script_hash = select_hash(s->selection, u);
    if (!r->file[0]) {
        result_set(&r->file, u->script->path);
    }
    if (r->line == 0) {
        r->line = u->cas->line;
    }
}

static void print_log(FILE *f, const struct result *r)
{
    for (size_t i = 0; i < r->log_len; i++) {
        const struct result_step *row = &r->log[i];
        struct strbuf clean = { .text = NULL };
        report_clean(&clean, row->text);
        size_t n = report_line_length(strbuf_str(&clean));
        if (strcmp(row->kind, "trace") == 0) {
            fprintf(f, "%-9s %s\n", row->kind, strbuf_str(&clean));
        } else {
            fprintf(f, "%-9s %5d  %12" PRId64 " ns  %.*s\n", row->kind, row->line, row->virt_ns,
                    (int)n, strbuf_str(&clean));
        }
        const char *rest = strbuf_str(&clean) + n;
        if (*rest && strcmp(row->kind, "trace") != 0) {
            struct strbuf more = { .text = NULL };
            report_indent(&more, "                                    ", rest + 1);
            fputs(strbuf_str(&more), f);
            strbuf_free(&more);
        }
        strbuf_free(&clean);
    }
}

/* Statements that were not simply the same, but for those that the report tells as failures. */
static void print_incomparable(FILE *f, const struct result *r)
{
    for (size_t i = 0; i < r->diff_len; i++) {
        const struct result_diff *row = &r->diff[i];
        if (row->verdict == DIFF_SKIPPED || row->verdict == DIFF_QUIRK) {
            fprintf(f, "    %s:%d: %s: %s: %.*s\n", r->file, row->line, row->command,
                    diff_verdict_name(row->verdict), (int)report_line_length(row->detail),
                    row->detail);
        }
    }
}

static void write_extras(struct session *s, const struct result *r)
{
    for (size_t i = 0; s->trace && i < r->log_len; i++) {
        if (strcmp(r->log[i].kind, "trace") == 0) {
            fprintf(s->trace, "%s\n", r->log[i].text);
        }
    }
    for (size_t i = 0; s->graph_at && i < r->log_len; i++) {
        if (strcmp(r->log[i].kind, "graph") == 0) {
            fputs(r->log[i].text, stdout);
        }
    }
    if (s->hashes) {
        strbuf_printf(&s->hash_lines, "%s|%s|%" PRIu64 "|%s|%s|%016" PRIx64 "\n", r->case_id,
                      r->params, r->seed, r->explore, verdict_name(r->verdict), r->trace_hash);
    }
    if (s->show_log) {
        print_log(s->text, r);
    }
    if (s->diff && s->verbose) {
        print_incomparable(s->text, r);
    }
}

static int on_result(void *opaque, size_t unit, struct result *r)
{
    struct session *s = opaque;
    if (!r->restored) {
        complete_result(s, &s->selection->units.at[unit], r);
    }
    s->summary.count[r->verdict]++;
    s->done++;
    s->failed += report_is_failure(r->verdict);
    write_extras(s, r);
    for (size_t i = 0; i < s->reports_len; i++) {
        struct error err = ERROR_INIT;
        if (s->reports[i]->ops->result(s->reports[i], r, &err)) {
            complain_broken(s, &err);
            return -EIO;
        }
    }
    return 0;
}

static int on_tick(void *opaque, const struct pool_tick *t)
{
    struct session *s = opaque;
    struct report_tick tick = { .done = t->done, .units = s->selection->units.len,
                                .failed = s->failed, .elapsed_ms = t->elapsed_ms,
                                .current = t->current };
    for (size_t i = 0; i < s->reports_len; i++) {
        struct error err = ERROR_INIT;
        struct report *r = s->reports[i];
        if (r->ops->tick && r->ops->tick(r, &tick, &err)) {
            complain_broken(s, &err);
            return -EIO;
        }
    }
    return 0;
}

static void on_stderr(void *opaque, size_t unit, const char *text)
{
    struct session *s = opaque;
    const struct unit *u = &s->selection->units.at[unit];
    struct strbuf lines = { .text = NULL };
    report_indent(&lines, "    ", text);
    app_complain("case %s%s%s wrote to stderr:\n%.*s", u->cas->name, u->params[0] ? " " : "",
                 u->params, (int)lines.len - 1, strbuf_str(&lines));
    strbuf_free(&lines);
}

static void on_late_failure(void *opaque, const char *text)
{
    struct session *s = opaque;
    s->late = true;
    app_complain("a worker failed after its last case:\n%s", text);
}

/* --- Closing --- */

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted by bytes, so that two runs can be compared with cmp. */
static void write_hashes(struct session *s)
{
    size_t n = 0, len = 0;
    char *text = s->hash_lines.text;
    for (size_t i = 0; i < s->hash_lines.len; i++) {
        n += text[i] == '\n';
    }
    char **lines = NEW_ARRAY(char *, n + 1);
    for (char *at = text; len < n; at += strlen(at) + 1) {
        at[strcspn(at, "\n")] = '\0';
        lines[len++] = at;
    }
    qsort(lines, n, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < n; i++) {
        fprintf(s->hashes, "%s\n", lines[i]);
    }
    free(lines);
}

static void close_file(struct session *s, FILE **f, const char *path)
{
    struct error err = ERROR_INIT;
    if (*f && report_close(*f, path, &err)) {
        complain_broken(s, &err);
    }
    *f = NULL;
}

static void end_reports(struct session *s)
{
    s->summary.not_run = s->selection->units.len - s->done;
    if (s->hashes) {
        write_hashes(s);
    }
    close_file(s, &s->hashes, s->hashes_path);
    close_file(s, &s->trace, s->trace_path);
    for (size_t i = 0; i < s->reports_len; i++) {
        struct error err = ERROR_INIT;
        if (s->reports[i]->ops->end(s->reports[i], &s->summary, &err)) {
            complain_broken(s, &err);
        }
    }
}

static void write_page(struct session *s, const struct agreement *a)
{
    struct strbuf page = { .text = NULL };
    struct error err = ERROR_INIT;
    FILE *f = report_open(s->markdown_path, &err);
    agreement_markdown(a, &page);
    if (f) {
        fputs(strbuf_str(&page), f);
    }
    if (!f || report_close(f, s->markdown_path, &err)) {
        complain_broken(s, &err);
    }
    strbuf_free(&page);
}

/* The line of totals, and what else was asked for, of what this run has compared. */
static void tell_agreement(struct session *s)
{
    struct agreements all = { .at = NULL };
    struct error err = ERROR_INIT;
    if (agreements_read(s->compared, "", &all, &err)) {
        complain_broken(s, &err);
    }
    for (size_t i = 0; i < all.len && !s->broken; i++) { /* One, or none. */
        struct strbuf text = { .text = NULL };
        if (s->markdown_path && !s->summary.interrupted) {
            write_page(s, &all.at[i]);
        }
        if (s->tables) {
            strbuf_puts(&text, "\n");
            agreement_print(&all.at[i], &text);
        } else {
            agreement_line(&all.at[i], &text);
            strbuf_puts(&text, "\n");
        }
        fputs(strbuf_str(&text), s->text);
        strbuf_free(&text);
    }
    agreements_free(&all);
}

static int exit_code(const struct session *s, enum pool_end end)
{
    const size_t *count = s->summary.count;
    if (s->broken || end == POOL_FAILED) {
        return APP_ENVIRONMENT;
    }
    if (end == POOL_INTERRUPTED) {
        return APP_INTERRUPTED;
    }
    if (count[VERDICT_NONDET]) {
        return APP_NONDET;
    }
    if (s->failed || s->late) {
        return APP_FAILURES;
    }
    return count[VERDICT_PASS] + count[VERDICT_QUIRK] ? APP_OK : APP_NOTHING;
}

/* A unit in a worker. */
static void execute_run(void *opaque, const struct unit *u, const struct run_config *cfg,
                        struct result *r)
{
    const struct session *s = opaque;
    if (!s->reference || !reference_skips(s->reference, u, r)) {
        run_unit(u, cfg, r);
    }
}

static int run_units(struct session *s)
{
    struct error err = ERROR_INIT;
    s->run.drivers = drivers_all;
    s->run.graph_at = s->graph_at;
    s->run.features = s->features;
    struct pool_config pool = {
        .units = &s->selection->units,
        .results = s->results,
        .workers = (unsigned)MIN((size_t)s->workers, s->selection->units.len),
        .watchdog_s = s->watchdog_s,
        .host_time = s->host_time,
        .run = &s->run,
        .execute = s->diff ? diff_unit : execute_run,
        .execute_opaque = s->diff ? (void *)s->diff : s,
        .temp_dir = s->temp_dir,
    };
    struct pool_sink sink = { on_result, on_tick, on_stderr, on_late_failure, s };
    enum pool_end end = pool_run(&pool, &sink, &err);
    if (end == POOL_FAILED) {
        app_complain("%s", err.text);
    }
    s->summary.interrupted = end == POOL_INTERRUPTED;
    end_reports(s);
    if (end == POOL_INTERRUPTED && s->db_path) {
        fprintf(s->text, "The same command goes on from here.\n");
    }
    if (s->compared && !s->broken) {
        tell_agreement(s);
    }
    return exit_code(s, end);
}

static void session_close(struct session *s)
{
    for (size_t i = 0; i < s->reports_len; i++) {
        report_destroy(s->reports[i]);
    }
    close_file(s, &s->hashes, s->hashes_path);
    close_file(s, &s->trace, s->trace_path);
    for (size_t i = 0; i < s->selection->units.len; i++) {
        if (s->results[i]) {
            result_fini(s->results[i]);
            free(s->results[i]);
        }
    }
    if (s->temp_dir) {
        host_remove_tree(s->temp_dir);
    }
    strbuf_free(&s->hash_lines);
    free(s->results);
    free(s->temp_dir);
    free(s->features);
}

/* One file, one report. */
int session_check_outputs(const struct session *s, const char *command)
{
    const char *const outputs[] = { s->tap_path, s->junit_path, s->trace_path, s->hashes_path,
                                    s->db_path, s->markdown_path };
    for (size_t i = 0; i < ARRAY_LEN(outputs); i++) {
        if (s->graph_at && outputs[i] && strcmp(outputs[i], "-") == 0) {
            app_complain("%s: only one report can go to stdout, and --graph-at is one", command);
            return APP_USAGE;
        }
        for (size_t k = i + 1; k < ARRAY_LEN(outputs); k++) {
            if (!outputs[i] || !outputs[k] || strcmp(outputs[i], outputs[k])) {
                continue;
            }
            if (strcmp(outputs[i], "-") == 0) {
                app_complain("%s: only one report can go to stdout", command);
            } else {
                app_complain("%s: two reports cannot go to one file, '%s'", command, outputs[i]);
            }
            return APP_USAGE;
        }
    }
    return APP_OK;
}

int session_run(struct session *s)
{
    struct error err = ERROR_INIT;
    int code = APP_ENVIRONMENT;
    CHECK(s->selection->units.len > 0);
    s->results = NEW_ARRAY(struct result *, s->selection->units.len);
    s->features = features_text();
    if (open_reports(s, &err) || restore_results(s, &err) ||
        !(s->temp_dir = host_temp_create(&err))) {
        app_complain("%s", err.text);
    } else if (begin_reports(s) == 0) {
        code = run_units(s);
    }
    session_close(s);
    return app_finish_output(code);
}
