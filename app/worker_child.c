/* SPDX-License-Identifier: MIT */
/* The worker's half: run what is ordered, answer, repeat; and the verdict on one that died. */
#include "app/worker.h"

#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* True when all n bytes came; false at the end of the pipe. */
static bool read_all(int fd, void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, (char *)bytes + at, n - at);
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return false;
        }
        at += got > 0 ? (size_t)got : 0;
    }
    return true;
}

/* False when the parent is gone. */
static bool write_all(int fd, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t put = write(fd, (const char *)bytes + at, n - at);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        at += put > 0 ? (size_t)put : 0;
    }
    return true;
}

static void note_progress(void *opaque, uint32_t statement, int line)
{
    struct worker_slot *slot = opaque;
    atomic_store_explicit(&slot->statement, statement, memory_order_relaxed);
    atomic_store_explicit(&slot->line, line, memory_order_relaxed);
}

static bool send_result(int fd, uint64_t unit, const struct result *r)
{
    size_t n;
    void *bytes = result_pack(r, &n);
    struct worker_frame frame = { .unit = unit, .bytes = n };
    CHECK(n <= FRAME_MAX_BYTES);
    bool ok = write_all(fd, &frame, sizeof(frame)) && write_all(fd, bytes, n);
    free(bytes);
    return ok;
}

_Noreturn void worker_main(const struct pool_config *cfg, int order_fd, int result_fd,
                           struct worker_slot *slot, const char *work_dir)
{
    struct run_config run = *cfg->run;
    struct worker_order order;
    bool alive = true;
    run.work_dir = work_dir;
    run.progress = note_progress;
    run.progress_opaque = slot;
    while (alive && read_all(order_fd, &order, sizeof(order))) {
        struct result r;
        char mark[32];
        CHECK(order.unit < cfg->units->len);
        int n = snprintf(mark, sizeof(mark), "%c%" PRIu64 "\n", WORKER_MARK, order.unit);
        alive = write_all(STDERR_FILENO, mark, (size_t)n);
        note_progress(slot, 0, cfg->units->at[order.unit].cas->line);
        result_init(&r);
        int64_t start_ns = cfg->host_time ? host_now_ns() : 0;
        cfg->execute(cfg->execute_opaque, &cfg->units->at[order.unit], &run, &r);
        r.host_ns = cfg->host_time ? host_now_ns() - start_ns : 0;
        alive = alive && send_result(result_fd, order.unit, &r);
        result_fini(&r);
        host_empty_folder(work_dir);
    }
    exit(0); /* Not _exit: leak checkers and coverage report at exit. */
}

/* The line of stderr that says most about a death, a new string, or NULL: a failed check, or what
 * a sanitizer sums up. */
static char *telling_line(const char *text)
{
    static const char *const marks[] = { "check failed: ", "SUMMARY: ", "runtime error: ",
                                         "ERROR: ", "terminated" };
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        const char *at = strstr(text, marks[i]);
        if (at) {
            return mem_strndup(at, strcspn(at, "\n"));
        }
    }
    return NULL;
}

static const char *source_line(const struct unit *u, int line)
{
    bool known = line >= 1 && (size_t)line <= u->script->lines_len;
    return known ? u->script->lines[line - 1] : "";
}

/* "SIGSEGV", "exit-1": how it ended, a new string. */
static char *death_name(int status)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        return name ? mem_printf("SIG%s", name) : mem_printf("signal-%d", WTERMSIG(status));
    }
    return mem_printf("exit-%d", WEXITSTATUS(status));
}

static void put_message(struct strbuf *b, const char *death, int status, bool hung,
                        unsigned watchdog_s, uint32_t statement, const char *text)
{
    if (hung) {
        strbuf_printf(b, "no result after %u s of wall time", watchdog_s);
    } else if (WIFSIGNALED(status)) {
        strbuf_printf(b, "the worker died of %s (%s)", death, sigdescr_np(WTERMSIG(status)));
    } else {
        strbuf_printf(b, "the worker ended by itself with status %d", WEXITSTATUS(status));
    }
    if (statement) {
        strbuf_printf(b, ", in statement %" PRIu32, statement);
    } else {
        strbuf_puts(b, ", outside any statement");
    }
    if (text[0]) {
        strbuf_printf(b, "\nstderr:\n%s", text);
    }
    while (b->len && b->text[b->len - 1] == '\n') {
        b->text[--b->len] = '\0';
    }
}

void worker_blame(struct result *r, const struct unit *u, const char *deviations, int status,
                  bool hung, unsigned watchdog_s, uint32_t statement, int line, const char *text)
{
    struct strbuf message = { .text = NULL };
    const char *source = source_line(u, line);
    const char *word = source + strspn(source, " \t");
    char *death = hung ? mem_strdup("watchdog") : death_name(status);
    char *telling = hung ? NULL : telling_line(text);
    char *first_word = mem_strndup(word, strcspn(word, " \t"));
    char *normal = result_normalise(telling ? telling : first_word);
    char *signature = mem_printf("%s:%s:%s", hung ? "hang" : "crash", death, normal);
    put_message(&message, death, status, hung, watchdog_s, statement, text);
    result_set(&r->case_id, u->cas->name);
    result_set(&r->params, u->params);
    r->seed = u->seed;
    result_set(&r->explore, deviations ? deviations : "");
    r->verdict = hung ? VERDICT_HANG : VERDICT_CRASH;
    result_set(&r->signature, signature);
    result_set(&r->oracle, hung ? "watchdog" : "worker");
    result_set(&r->message, strbuf_str(&message));
    result_set(&r->file, u->script->path);
    r->line = line;
    r->col = 1 + (int)(word - source);
    result_set(&r->source, source);
    free(signature);
    free(normal);
    free(first_word);
    free(telling);
    free(death);
    strbuf_free(&message);
}
