/* SPDX-License-Identifier: MIT */
/* Programs: where they are, and starting them.
 *
 * What is started dies with this process, has no descriptors but those it is given, the C locale,
 * and, where libfaketime is installed, a wall clock that stands still.  It leads a process group,
 * so that what it starts in its turn is ended with it; only when this process is killed does that
 * stay, so a script in the place of a program had better exec it.
 */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WALL_CLOCK "2020-01-01 00:00:00"

enum { FD_MAX = 8, FD_HIGH = 64, ENV_OWN = 10, EXEC_FAILED = 127, POLL_MS = 2 };

int64_t real_clock_ns(void)
{
    struct timespec ts;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

void real_pause(int64_t ns)
{
    struct timespec ts = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
    nanosleep(&ts, NULL);
}

/* ---- finding ---- */

struct package {
    const char *program, *package;
};

static const struct package packages[] = {
    { "qemu-system-x86_64", "qemu-system-x86" },
    { "qemu-storage-daemon", "qemu-system-common" },
    { "qemu-img", "qemu-utils" },
    { "qemu-io", "qemu-utils" },
    { "qemu-nbd", "qemu-utils" },
};

const char *real_program_name(enum real_kind kind)
{
    return packages[kind == REAL_QSD ? 1 : 0].program;
}

static const char *package_of(const char *program)
{
    for (size_t i = 0; i < ARRAY_LEN(packages); i++) {
        if (strcmp(packages[i].program, program) == 0) {
            return packages[i].package;
        }
    }
    return "qemu-utils";
}

/* dir of length n + sub + name, when that can be executed; absolute. */
static char *try_path(const char *dir, size_t n, const char *sub, const char *name)
{
    struct stat st;
    char *path = mem_printf("%.*s/%s%s", (int)n, dir, sub, name);
    bool found = stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
    char *real = found ? realpath(path, NULL) : NULL;
    free(path);
    return real;
}

static char *find_in_prefix(const char *prefix, const char *name)
{
    static const char *const subs[] = { "", "bin/", "build/", "storage-daemon/",
                                        "build/storage-daemon/" };
    char *path = NULL;
    for (size_t i = 0; !path && i < ARRAY_LEN(subs); i++) {
        path = try_path(prefix, strlen(prefix), subs[i], name);
    }
    return path;
}

/* The system's own tools are found by everybody. */
static char *find_in_path(const char *name)
{
    const char *env = getenv("PATH");
    char *all = mem_printf("%s:/usr/local/sbin:/usr/sbin:/sbin",
                           env && *env ? env : "/usr/local/bin:/usr/bin:/bin");
    char *path = NULL;
    for (const char *dir = all; !path && *dir;) {
        size_t n = strcspn(dir, ":");
        path = n ? try_path(dir, n, "", name) : NULL;
        dir += n;
        dir += *dir == ':';
    }
    free(all);
    return path;
}

char *real_find_program(const char *prefix, const char *name, struct error *err)
{
    char *path = prefix ? find_in_prefix(prefix, name) : find_in_path(name);
    if (!path && prefix) {
        error_set(err, -ENOENT, "there is no %s in %s", name, prefix);
    } else if (!path) {
        error_set(err, -ENOENT, "%s is not installed; install the package %s", name,
                  package_of(name));
    }
    return path;
}

/* ---- environment ---- */

static const char *faketime_library(void)
{
    static const char *const paths[] = {
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib64/faketime/libfaketime.so.1",
        "/usr/lib/faketime/libfaketime.so.1",
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (access(paths[i], R_OK) == 0) {
            return paths[i];
        }
    }
    return NULL;
}

static bool is_ours(const char *variable)
{
    static const char *const names[] = { "LC_", "LANG", "TZ=", "LD_PRELOAD=", "FAKETIME",
                                         "DONT_FAKE_MONOTONIC=", "MALLOC_", "TMPDIR=" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static char **make_env(bool frozen)
{
    const char *library = faketime_library();
    size_t n = 0;
    while (environ[n]) {
        n++;
    }
    char **env = NEW_ARRAY(char *, n + ENV_OWN);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_ours(environ[i])) {
            env[len++] = mem_strdup(environ[i]);
        }
    }
    env[len++] = mem_strdup("LC_ALL=C");
    env[len++] = mem_strdup("TZ=UTC");
    if (library) {
        env[len++] = mem_printf("LD_PRELOAD=%s", library);
        env[len++] = mem_strdup("FAKETIME=" WALL_CLOCK);
        if (!frozen) {
            env[len++] = mem_strdup("FAKETIME_DONT_FAKE_MONOTONIC=1");
        }
        /* A program built with sanitizers wants to be first otherwise. */
        if (!getenv("ASAN_OPTIONS")) {
            env[len++] = mem_strdup("ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0");
        }
    }
    return env;
}

static void free_env(char **env)
{
    for (size_t i = 0; env[i]; i++) {
        free(env[i]);
    }
    free(env);
}

void real_forget_faketime(pid_t pid)
{
    static const char *const names[] = { "/dev/shm/faketime_shm_%d",
                                         "/dev/shm/sem.faketime_sem_%d" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(path, sizeof(path), names[i], (int)pid);
#pragma GCC diagnostic pop
        unlink(path);
    }
}

/* ---- starting ---- */

/* As every program expects them: what is ignored or blocked would stay so in it. */
static void reset_signals(void)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++) {
        signal(i, SIG_DFL); /* Those that cannot be set are as they should be. */
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Its last words go to its stderr. */
_Noreturn static void give_up(const char *what, const char *path)
{
    dprintf(STDERR_FILENO, "cannot %s %s: %s\n", what, path, error_strerror(errno));
    _exit(EXEC_FAILED);
}

_Noreturn static void child(const struct real_spawn *s, char **env, pid_t parent)
{
    int high[FD_MAX];
    const struct rlimit no_core = { 0, 0 };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(EXEC_FAILED);
    }
    setsid();
    reset_signals();
    setrlimit(RLIMIT_CORE, &no_core);
    for (int i = 0; i < s->fds; i++) {
        int fd = s->fd[i] >= 0 ? s->fd[i] : open("/dev/null", O_RDWR | O_CLOEXEC);
        high[i] = fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);
    }
    for (int i = 0; i < s->fds; i++) {
        dup2(high[i], i);
    }
    close_range((unsigned)s->fds, ~0u, 0);
    if (s->dir && chdir(s->dir) < 0) {
        give_up("enter", s->dir);
    }
    execve(s->path, s->argv, env);
    give_up("execute", s->path);
}

pid_t real_spawn_program(const struct real_spawn *s)
{
    CHECK(s->fds > 0 && s->fds <= FD_MAX && s->path[0] == '/');
    char **env = make_env(s->frozen);
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        child(s, env, parent);
    }
    pid = pid < 0 ? -errno : pid;
    free_env(env);
    return pid;
}

void real_kill(pid_t pid)
{
    CHECK(pid > 1);
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL); /* It may not have made its group yet. */
}

bool real_has_exited(pid_t pid)
{
    siginfo_t info = { .si_pid = 0 };
    int ret = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return ret < 0 ? errno == ECHILD : info.si_pid != 0;
}

bool real_wait_exit(pid_t pid, int64_t limit_ns, int *status)
{
    int64_t until_ns = real_clock_ns() + limit_ns;
    while (!real_has_exited(pid)) {
        if (real_clock_ns() >= until_ns) {
            return false;
        }
        poll(NULL, 0, POLL_MS);
    }
    kill(-pid, SIGKILL); /* It is not waited for yet: the number is still its own. */
    if (waitpid(pid, status, 0) != pid) {
        *status = 0; /* Somebody else has waited for it. */
    }
    return true;
}

char *real_status_text(int status)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        return name ? mem_printf("SIG%s", name) : mem_printf("signal %d", WTERMSIG(status));
    }
    return mem_printf("exit status %d", WEXITSTATUS(status));
}

/* ---- running one to its end ---- */

static void read_pipe(int *fd, struct strbuf *out)
{
    char piece[1 << 14];
    ssize_t n = read(*fd, piece, sizeof(piece));
    if (n > 0 && out->len <= REAL_SAID_MAX) {
        strbuf_add(out, piece, (size_t)n);
    } else if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
        close(*fd);
        *fd = -1;
    }
}

/* Reads both pipes to their ends; false: the time is over. */
static bool read_all(int fd[2], struct strbuf out[2], int64_t limit_ns)
{
    int64_t until_ns = real_clock_ns() + limit_ns;
    while (fd[0] >= 0 || fd[1] >= 0) {
        struct pollfd p[2] = { { .fd = fd[0], .events = POLLIN },
                               { .fd = fd[1], .events = POLLIN } };
        int64_t left_ns = until_ns - real_clock_ns();
        if (left_ns <= 0) {
            return false;
        }
        poll(p, 2, (int)MIN(left_ns / NS_PER_MS + 1, 1000));
        for (int i = 0; i < 2; i++) {
            if (p[i].fd >= 0 && p[i].revents) {
                read_pipe(&fd[i], &out[i]);
            }
        }
    }
    return true;
}

/* Its exit code, or -errno with err set. */
static int result_of(const char *path, int status, const struct strbuf text[2], struct error *err)
{
    if (text[0].len > REAL_SAID_MAX || text[1].len > REAL_SAID_MAX) {
        return error_set(err, -EFBIG, "%s says more than %d MiB", path, REAL_SAID_MAX >> 20);
    }
    if (WIFSIGNALED(status)) {
        char *how = real_status_text(status);
        error_set(err, -EPIPE, "%s died of %s", path, how);
        free(how);
        return -EPIPE;
    }
    return WEXITSTATUS(status);
}

int real_run_program(const char *path, char *const *argv, const char *dir, int64_t limit_ns,
                     struct strbuf *out, struct strbuf *said, struct error *err)
{
    int pipes[2][2] = { { -1, -1 }, { -1, -1 } };
    if (pipe2(pipes[0], O_CLOEXEC) < 0 || pipe2(pipes[1], O_CLOEXEC) < 0) {
        int code = -errno;
        close(pipes[0][0]);
        close(pipes[0][1]);
        return error_set_errno(err, code, "cannot start %s", path);
    }
    int fds[] = { -1, pipes[0][1], pipes[1][1] };
    struct real_spawn s = { .path = path, .argv = argv, .dir = dir, .frozen = true, .fd = fds,
                            .fds = 3 };
    pid_t pid = real_spawn_program(&s);
    close(pipes[0][1]);
    close(pipes[1][1]);
    int fd[2] = { pipes[0][0], pipes[1][0] };
    struct strbuf text[2] = { { 0 }, { 0 } };
    int status = 0, ret;
    bool ended = pid > 0 && read_all(fd, text, limit_ns) && real_wait_exit(pid, NS_PER_S, &status);
    if (pid < 0) {
        ret = error_set_errno(err, (int)pid, "cannot start %s", path);
    } else if (!ended) {
        real_kill(pid);
        real_wait_exit(pid, limit_ns, &status);
        ret = error_set(err, -ETIME, "%s has not ended in time", path);
    } else {
        ret = result_of(path, status, text, err);
    }
    for (int i = 0; i < 2; i++) {
        strbuf_add(i == 0 ? out : said, strbuf_str(&text[i]), text[i].len);
        strbuf_free(&text[i]);
        if (fd[i] >= 0) {
            close(fd[i]);
        }
    }
    if (pid > 0) {
        real_forget_faketime(pid);
    }
    return ret;
}
