/* SPDX-License-Identifier: MIT */
/* Learning.
 *
 * The real program runs below a child process of its own, so that whatever ends this command also
 * ends the programs, and the work folder is removed by the parent.  A file is replaced whole, when
 * all of its cases have run, and never when one of them could not.
 */
#include "app/learn.h"

#include "app/app.h"
#include "app/features.h"
#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "scenarios/diff/learn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct lesson {
    const struct reference *ref;
    struct selection *selection;
    const char *features, *work_dir;
};

static void note_nothing(void *opaque, uint32_t statement, int line)
{
    (void)opaque;
    (void)statement;
    (void)line;
}

/* Runs a unit; false after a complaint. */
static bool run_one(const struct lesson *l, const struct unit *u, struct record *record)
{
    struct result r;
    struct run_config run = { .drivers = drivers_all, .features = l->features,
                              .work_dir = l->work_dir, .record = record,
                              .progress = note_nothing };
    reference_configure(l->ref, &run);
    record_init(record, reference_target_name(l->ref));
    result_init(&r);
    run_unit(u, &run, &r);
    host_empty_folder(l->work_dir);
    bool good = r.verdict == VERDICT_PASS || r.verdict == VERDICT_QUIRK;
    if (!good) {
        app_complain("%s:%d: case %s%s%s could not be run: %s", u->script->path,
                     r.line ? r.line : u->cas->line, u->cas->name, u->params[0] ? " " : "",
                     u->params, r.message);
    }
    result_fini(&r);
    return good;
}

/* Learns one case from all units that it has in the selection.  The number of statements changed,
 * -1 after a complaint. */
static long learn_one(const struct lesson *l, struct script *script, struct script_case *c,
                      struct strbuf *notes)
{
    const struct units *units = &l->selection->units;
    struct record *records = NEW_ARRAY(struct record, units->len + 1);
    size_t n = 0;
    bool good = true;
    long changed = 0;
    for (size_t i = 0; i < units->len && good; i++) {
        if (units->at[i].cas == c) {
            good = run_one(l, &units->at[i], &records[n++]);
        }
    }
    if (good && n > 0) {
        changed = (long)learn_case(script, c, records, n, notes);
    }
    for (size_t i = 0; i < n; i++) {
        record_fini(&records[i]);
    }
    free(records);
    return good ? changed : -1;
}

/* Replaces the file: what stands there is the old or the new text, whatever happens. */
static int write_script(const struct script *s)
{
    struct strbuf text = { .text = NULL };
    struct stat st;
    char *path = realpath(s->path, NULL); /* A link stays one. */
    char *fresh = mem_printf("%s.new", path ? path : s->path);
    FILE *f = path && stat(path, &st) == 0 ? fopen(fresh, "wxe") : NULL;
    bool good = f != NULL;
    script_format(s, &text);
    if (f) {
        good = fchmod(fileno(f), st.st_mode & 07777) == 0 &&
               fwrite(strbuf_str(&text), 1, text.len, f) == text.len && fflush(f) == 0 &&
               fsync(fileno(f)) == 0;
        good = fclose(f) == 0 && good && rename(fresh, path) == 0;
    }
    if (!good) {
        app_complain("cannot write '%s': %s", f ? s->path : fresh, error_strerror(errno));
        if (f) {
            unlink(fresh);
        }
    }
    strbuf_free(&text);
    free(fresh);
    free(path);
    return good ? APP_OK : APP_ENVIRONMENT;
}

static int learn_script(const struct lesson *l, struct script *script)
{
    struct strbuf notes = { .text = NULL };
    long changed = 0;
    bool good = true;
    int code = APP_FAILURES;
    for (size_t i = 0; i < script->cases_len; i++) {
        long n = learn_one(l, script, &script->cases[i], &notes);
        good = good && n >= 0;
        changed += n > 0 ? n : 0;
    }
    fputs(strbuf_str(&notes), stdout);
    if (good) {
        code = changed ? write_script(script) : APP_OK;
        printf("%s: %ld statement%s changed\n", script->path, changed, changed == 1 ? "" : "s");
    } else {
        app_complain("%s is left as it was", script->path);
    }
    fflush(stdout);
    strbuf_free(&notes);
    return code;
}

static int learn_scripts(const struct lesson *l)
{
    int code = APP_OK;
    for (size_t i = 0; i < l->selection->scripts_len; i++) {
        int one = learn_script(l, l->selection->scripts[i]);
        code = MAX(code, one);
    }
    return code;
}

/* Waits for the child; a signal to this process ends it. */
static int wait_child(pid_t child, const sigset_t *signals)
{
    bool stopped = false;
    int status = 0;
    for (;;) {
        int signo = sigwaitinfo(signals, NULL);
        if (signo == SIGCHLD && waitpid(child, &status, WNOHANG) == child) {
            break;
        }
        if (signo > 0 && signo != SIGCHLD) {
            stopped = true;
            kill(child, SIGKILL);
        }
    }
    if (stopped) {
        return APP_INTERRUPTED;
    }
    if (WIFSIGNALED(status)) {
        app_complain("learning was ended by signal %d; what was not told of is as it was",
                     WTERMSIG(status));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : APP_FAILURES;
}

static int run_child(const struct lesson *l)
{
    sigset_t signals, old;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &old);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGINT, SIG_IGN); /* These reach the whole group; the parent decides. */
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        sigprocmask(SIG_SETMASK, &old, NULL);
        exit(learn_scripts(l));
    }
    int code = child < 0 ? APP_ENVIRONMENT : wait_child(child, &signals);
    if (child < 0) {
        app_complain("cannot start a process: %s", error_strerror(errno));
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    return code;
}

int learn_run(const struct reference *ref, struct selection *s)
{
    struct error err = ERROR_INIT;
    struct lesson l = { .ref = ref, .selection = s };
    CHECK(!ref->missing);
    char *temp = host_temp_create(&err);
    if (!temp) {
        app_complain("%s", err.text);
        return APP_ENVIRONMENT;
    }
    char *features = features_text();
    l.features = features;
    l.work_dir = temp;
    int code = run_child(&l);
    host_remove_tree(temp);
    free(features);
    free(temp);
    return code;
}
