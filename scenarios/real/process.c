/* SPDX-License-Identifier: MIT */
/* The program of a real target: its start, its terminal and pipes, its end.
 *
 *                real_start                    exits by itself
 *   not there -----------------> up -----------------------------> dead
 *      ^                          |                                  |
 *      +------- real_stop --------+----------- real_stop ------------+
 *
 * Descriptors of the program: 1 the end of a terminal, so that its output comes line by line;
 * 2 a pipe; 3 and 4 sockets of the monitor and of qtest; 5 a file in memory, its BIOS.
 *
 * Invariants:
 *   1. pid > 0 as long as it is there or not yet waited for; then the descriptors are open.
 *   2. Once dead nothing is under way.
 */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/nbd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define START_LIMIT_NS (30 * NS_PER_S)
#define EXIT_LIMIT_NS (5 * NS_PER_S)
#define SYNC_LIMIT_NS (2 * NS_PER_S)

enum { MARK = '\036', PIECE = 1 << 16, BIOS_BYTES = 1 << 16, ARGS_MAX = 4096 };
enum { FD_QMP = 3, FD_QTEST, FD_BIOS, FDS };

/* ---- what it is given ---- */

/* A BIOS that halts the processor at once: cli; hlt; jmp to the hlt. */
static int make_bios(void)
{
    static const unsigned char reset[] = { 0xfa, 0xf4, 0xeb, 0xfd };
    int fd = memfd_create("blksim-bios", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, BIOS_BYTES) < 0 ||
        pwrite(fd, reset, sizeof(reset), BIOS_BYTES - 16) != sizeof(reset)) {
        int code = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    return fd;
}

/* A terminal that changes nothing of what is written. */
static int open_terminal(struct target_real *rt)
{
    char name[64];
    int unlock = 0;
    struct termios raw;
    rt->tty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (rt->tty < 0 || ioctl(rt->tty, TIOCSPTLCK, &unlock) < 0 ||
        ptsname_r(rt->tty, name, sizeof(name)) != 0) {
        return -errno;
    }
    rt->tty_end = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (rt->tty_end < 0 || tcgetattr(rt->tty_end, &raw) < 0) {
        return -errno;
    }
    cfmakeraw(&raw);
    return tcsetattr(rt->tty_end, TCSANOW, &raw) < 0 ? -errno : 0;
}

/* The same end once more, for marks of our own that must never wait for room. */
static int reopen_end(struct target_real *rt)
{
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", rt->tty_end);
    int fd = open(name, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    close(rt->tty_end);
    rt->tty_end = fd;
    return fd < 0 ? -errno : 0;
}

static bool asks_to_stop(const struct target_real *rt)
{
    for (int i = 0; i < rt->args_len; i++) {
        if (strcmp(rt->args[i], "-S") == 0 || strcmp(rt->args[i], "--S") == 0) {
            return true;
        }
    }
    return false;
}

static const char *const qemu_words[] = {
    "-machine", "pc", "-nodefaults", "-no-user-config", "-S", "-display", "none",
    "-accel", "tcg", "-bios", "/dev/fd/5",
    "-chardev", "socket,id=blksim-qmp,fd=3", "-mon", "chardev=blksim-qmp,mode=control",
    "-chardev", "socket,id=blksim-qtest,fd=4",
    "-object", "qtest,id=blksim-qtest,chardev=blksim-qtest,log=/dev/null", NULL
};

static const char *const qsd_words[] = {
    "--chardev", "socket,id=blksim-qmp,fd=3", "--monitor", "chardev=blksim-qmp", NULL
};

static char **make_words(const struct target_real *rt)
{
    const char *const *first = rt->kind == REAL_QSD ? qsd_words : qemu_words;
    size_t n = 0, len = 0;
    while (first[n]) {
        n++;
    }
    char **words = NEW_ARRAY(char *, n + (size_t)rt->args_len + 2);
    words[len++] = (char *)(uintptr_t)real_program_name(rt->kind);
    for (size_t i = 0; i < n; i++) {
        words[len++] = (char *)(uintptr_t)first[i];
    }
    for (int i = 0; i < rt->args_len; i++) {
        words[len++] = rt->kind == REAL_QSD ? real_qsd_word(rt->args[i]) : rt->args[i];
    }
    return words;
}

/* ---- the end ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static void close_all(struct target_real *rt)
{
    close_fd(&rt->sock);
    close_fd(&rt->qtest);
    close_fd(&rt->tty);
    close_fd(&rt->tty_end);
    close_fd(&rt->err);
}

/* Everything that waits for the program ends. */
static void end_all(struct target_real *rt)
{
    if (rt->nbd) {
        nbd_io_died(rt->nbd);
    }
    real_qmp_end_all(rt);
    real_aio_end_all(rt);
    real_ports_free(rt);
    real_guest_end_all(rt);
    real_sleeps_end_all(rt);
    rt->stuck = false;
    rt->bus_users = 0;
    rt->bus_up = false;
}

/* line behind "OPTION: " or "OPTION VALUE: ", if that stands in front. */
static const char *strip_option(const struct target_real *rt, const char *line)
{
    for (int i = 0; i < rt->args_len; i++) {
        size_t n = strlen(rt->args[i]);
        if (rt->args[i][0] == '-' && strncmp(line, rt->args[i], n) == 0 &&
            strncmp(line + n, ": ", 2) == 0) {
            return line + n + 2;
        }
    }
    for (int i = 0; i + 1 < rt->args_len; i++) {
        size_t n = strlen(rt->args[i]), m = strlen(rt->args[i + 1]);
        if (strncmp(line, rt->args[i], n) == 0 && line[n] == ' ' &&
            strncmp(line + n + 1, rt->args[i + 1], m) == 0 &&
            strncmp(line + n + 1 + m, ": ", 2) == 0) {
            return line + n + m + 3;
        }
    }
    return line;
}

/* A line of stderr without the program's own name and the option that it speaks of. */
static const char *strip_name(const struct target_real *rt, const char *line)
{
    const char *names[] = { real_program_name(rt->kind), rt->program };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i]);
        if (strncmp(line, names[i], n) == 0 && strncmp(line + n, ": ", 2) == 0) {
            return strip_option(rt, line + n + 2);
        }
    }
    return line;
}

/* The last words: the line about a failed assertion, else the last one that begins with the
 * program's name (what follows it explains), else the last one. */
static char *last_words(const struct target_real *rt)
{
    enum { ANY = 1, NAMED, ASSERTION };
    char *copy = mem_strdup(strbuf_str(&rt->err_tail));
    const char *best = "";
    int rank = 0;
    char *save = NULL;
    for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        int is = strstr(l, "Assertion") ? ASSERTION : strip_name(rt, l) != l ? NAMED : ANY;
        if (is >= rank) {
            best = l;
            rank = is;
        }
    }
    char *text = mem_strdup(strip_name(rt, best));
    free(copy);
    return text;
}

void real_died(struct target_real *rt)
{
    int status = 0;
    CHECK(rt->pid > 0);
    pid_t pid = rt->pid;
    bool exited = real_wait_exit(pid, EXIT_LIMIT_NS, &status);
    if (!exited) {
        real_kill(pid);
        real_wait_exit(pid, EXIT_LIMIT_NS, &status);
    }
    real_sync_output(rt);
    rt->pid = 0;
    char *how = exited ? real_status_text(status) : mem_strdup("it closed its monitor");
    char *words = last_words(rt);
    free(rt->death);
    rt->death = mem_printf("%s%s%s", how, *words ? "\n" : "", words);
    free(how);
    free(words);
    close_all(rt);
    real_forget_faketime(pid);
    end_all(rt);
}

void real_stop(struct target_real *rt)
{
    int status;
    if (rt->pid > 0) {
        pid_t pid = rt->pid;
        real_kill(pid);
        real_wait_exit(pid, START_LIMIT_NS, &status);
        real_forget_faketime(pid);
        rt->pid = 0;
    }
    close_all(rt);
    end_all(rt);
    free(rt->death);
    rt->death = NULL;
}

/* ---- reading ---- */

static void out_line(struct target_real *rt, char *line)
{
    char *mark = strchr(line, MARK);
    if (mark) {
        rt->mark_seen = strtoull(mark + 1, NULL, 10);
        *mark = '\0';
        if (mark == line) {
            return;
        }
    }
    real_io_line(rt, line);
}

static void err_line(struct target_real *rt, char *line)
{
    if (rt->err_tail.len > REAL_STDERR_MAX) {
        size_t half = rt->err_tail.len / 2;
        memmove(rt->err_tail.text, rt->err_tail.text + half, rt->err_tail.len - half + 1);
        rt->err_tail.len -= half;
    }
    strbuf_printf(&rt->err_tail, "%s\n", line);
    if (!real_io_err_line(rt, line) && rt->warnings.len < REAL_STDERR_MAX) {
        strbuf_printf(&rt->warnings, "%s\n", strip_name(rt, line));
    }
}

/* Hands over all complete lines. */
static void cut_lines(struct target_real *rt, struct strbuf *b,
                      void (*fn)(struct target_real *rt, char *line))
{
    size_t at = 0;
    char *end;
    while (b->len > at && (end = memchr(b->text + at, '\n', b->len - at))) {
        size_t n = (size_t)(end - b->text) - at;
        char *line = mem_strndup(b->text + at, n);
        line[n > 0 && line[n - 1] == '\r' ? n - 1 : n] = '\0';
        at += n + 1;
        fn(rt, line);
        free(line);
    }
    if (b->len - at > REAL_OUTPUT_MAX) {
        at = b->len; /* A line without an end. */
    }
    if (at > 0) {
        memmove(b->text, b->text + at, b->len - at + 1);
        b->len -= at;
    }
}

/* Reads once.  False: nothing there, or the end, at which it is closed. */
static bool read_lines(struct target_real *rt, int *fd, struct strbuf *b,
                       void (*fn)(struct target_real *rt, char *line))
{
    char *piece = mem_alloc(PIECE);
    ssize_t n = *fd < 0 ? -1 : read(*fd, piece, PIECE);
    if (n == 0) {
        close_fd(fd); /* Else poll would find it ready for ever. */
    }
    for (ssize_t i = 0; i < n; i++) {
        piece[i] = piece[i] ? piece[i] : '?';
    }
    if (n > 0) {
        strbuf_add(b, piece, (size_t)n);
        cut_lines(rt, b, fn);
    }
    free(piece);
    return n > 0;
}

/* False: the program has closed it. */
static bool read_socket(struct target_real *rt)
{
    char *piece = mem_alloc(PIECE);
    ssize_t n = recv(rt->sock, piece, PIECE, MSG_DONTWAIT);
    bool open = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    if (n > 0) {
        real_qmp_bytes(rt, piece, (size_t)n);
    }
    free(piece);
    return open;
}

bool real_poll(struct target_real *rt, int64_t wait_ns)
{
    if (rt->pid <= 0) {
        return false;
    }
    struct pollfd p[] = {
        { .fd = rt->sock, .events = POLLIN },
        { .fd = rt->tty, .events = POLLIN },
        { .fd = rt->err, .events = POLLIN },
    };
    int64_t ms = wait_ns <= 0 ? 0 : MIN(wait_ns / NS_PER_MS + 1, 100);
    int ready = poll(p, ARRAY_LEN(p), (int)ms);
    if (ready == 0 && ms > 0 && real_has_exited(rt->pid)) {
        real_died(rt); /* What it has started holds its monitor open. */
        return false;
    }
    if (ready <= 0) {
        return true;
    }
    if (p[2].revents) {
        read_lines(rt, &rt->err, &rt->err_in, err_line);
    }
    if (p[1].revents) {
        read_lines(rt, &rt->tty, &rt->tty_in, out_line);
    }
    if (p[0].revents && !read_socket(rt)) {
        real_died(rt);
        return false;
    }
    return true;
}

/* What the program has written stands in the terminal before a mark that we write now.  Its stderr
 * is a pipe, where it is at once. */
void real_sync_output(struct target_real *rt)
{
    char mark[32];
    int n = snprintf(mark, sizeof(mark), "%c%llu\n", MARK, (unsigned long long)++rt->marks);
    int64_t until_ns = real_clock_ns() + SYNC_LIMIT_NS;
    ssize_t sent = 0;
    while (rt->tty >= 0 && rt->mark_seen != rt->marks && real_clock_ns() < until_ns) {
        ssize_t put = sent < n ? write(rt->tty_end, mark + sent, (size_t)(n - sent)) : 0;
        sent += MAX(put, 0);
        struct pollfd p = { .fd = rt->tty, .events = POLLIN };
        poll(&p, 1, 10);
        read_lines(rt, &rt->tty, &rt->tty_in, out_line);
    }
    while (read_lines(rt, &rt->err, &rt->err_in, err_line) && real_clock_ns() < until_ns) {
        /* More of it; a program that never stops writing is left at that. */
    }
}

/* ---- starting ---- */

static int open_sockets(struct target_real *rt, int theirs[FDS], int err_pipe[2])
{
    int qmp[2], qtest[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) < 0) {
        return -errno;
    }
    rt->sock = qmp[0];
    theirs[FD_QMP] = qmp[1];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qtest) < 0) {
        return -errno;
    }
    rt->qtest = qtest[0];
    theirs[FD_QTEST] = qtest[1];
    if (pipe2(err_pipe, O_CLOEXEC) < 0) {
        return -errno;
    }
    rt->err = err_pipe[0];
    theirs[2] = err_pipe[1];
    fcntl(rt->err, F_SETFL, O_NONBLOCK);
    theirs[FD_BIOS] = make_bios();
    return theirs[FD_BIOS] < 0 ? theirs[FD_BIOS] : 0;
}

static void reset_buffers(struct target_real *rt)
{
    strbuf_free(&rt->in);
    strbuf_free(&rt->tty_in);
    strbuf_free(&rt->err_in);
    strbuf_free(&rt->err_tail);
    rt->in_seen = 0;
    rt->greeted = rt->stuck = rt->negotiated = rt->swallow_resume = rt->may_hold = false;
    free(rt->found_name);
    rt->found_name = NULL;
}

static int launch(struct target_real *rt, struct error *err)
{
    int theirs[FDS] = { -1, -1, -1, -1, -1, -1 }, err_pipe[2] = { -1, -1 };
    reset_buffers(rt);
    int ret = open_terminal(rt);
    ret = ret < 0 ? ret : open_sockets(rt, theirs, err_pipe);
    if (ret == 0) {
        char **words = make_words(rt);
        theirs[1] = rt->tty_end;
        struct real_spawn s = { .path = rt->program, .argv = words, .dir = rt->dir, .fd = theirs,
                                .fds = FDS };
        pid_t pid = real_spawn_program(&s);
        free(words);
        rt->pid = MAX(pid, 0);
        ret = pid < 0 ? (int)pid : reopen_end(rt);
    }
    for (int i = 2; i < FDS; i++) {
        close_fd(&theirs[i]);
    }
    if (ret < 0) {
        real_stop(rt);
        return error_set_errno(err, ret, "cannot start %s", rt->program);
    }
    return 0;
}

/* Waits for the monitor.  -EPIPE: it has ended instead. */
static int wait_greeting(struct target_real *rt, struct error *err)
{
    int64_t until_ns = real_clock_ns() + START_LIMIT_NS;
    while (!rt->greeted && real_clock_ns() < until_ns) {
        if (!real_poll(rt, until_ns - real_clock_ns())) {
            return -EPIPE;
        }
    }
    if (!rt->greeted) {
        real_stop(rt);
        return error_set(err, -ETIME, "%s does not answer", rt->program);
    }
    real_forget_faketime(rt->pid); /* It has its maps; the names are needed no more. */
    return 0;
}

static int say_hello(struct target_real *rt)
{
    json_t *reply = NULL;
    int ret = real_exchange(rt, "qmp_capabilities", NULL, &reply);
    json_decref(reply);
    if (ret == 0 && rt->kind == REAL_QEMU && !asks_to_stop(rt)) {
        rt->swallow_resume = true;
        reply = NULL;
        ret = real_exchange(rt, "cont", NULL, &reply);
        rt->swallow_resume = false;
        json_decref(reply);
    }
    return ret;
}

/* What it said instead of starting. */
static int refused(const struct target_real *rt, struct error *err)
{
    const char *text = strchr(rt->death, '\n');
    return error_set(err, -EINVAL, "%s", text ? text + 1 : rt->death);
}

int real_start(struct target_real *rt, struct error *err)
{
    if (rt->pid > 0) {
        return 0;
    }
    if (rt->death) {
        return error_set(err, -EPIPE, "it is dead");
    }
    int ret = launch(rt, err);
    if (ret < 0) {
        return ret;
    }
    ret = wait_greeting(rt, err);
    ret = ret < 0 ? ret : say_hello(rt);
    if (ret < 0 && rt->death) {
        return refused(rt, err);
    }
    if (ret < 0 && rt->pid > 0) {
        real_stop(rt);
        return error_set(err, ret, "%s does not answer", rt->program);
    }
    return ret;
}
