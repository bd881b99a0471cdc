/* SPDX-License-Identifier: MIT */
/* The other side of a pair: programs that are installed, or not. */
#include "app/bench.h"
#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a program with its output in a pipe (out >= 0 receives the reading end). */
static pid_t start(const char *const *argv, int *out)
{
    int fds[2];
    CHECK(pipe(fds) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(null, STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    *out = fds[0];
    return pid;
}

/* Everything that it prints, at most cap - 1 bytes.  False when it failed. */
static bool run(const char *const *argv, char *text, size_t cap)
{
    int fd;
    pid_t pid = start(argv, &fd);
    size_t len = 0;
    char rest[512];
    for (;;) {
        bool room = len + 1 < cap;
        ssize_t n = read(fd, room ? text + len : rest, room ? cap - 1 - len : sizeof(rest));
        if (n <= 0) {
            break;
        }
        len += room ? (size_t)n : 0;
    }
    text[len] = '\0';
    close(fd);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

double bench_qemu_img(uint64_t count, uint64_t latency_ns)
{
    char counts[32], options[128], text[1024];
    snprintf(counts, sizeof(counts), "%" PRIu64, count);
    snprintf(options, sizeof(options),
             "driver=raw,file.driver=null-co,file.size=1G,file.latency-ns=%" PRIu64, latency_ns);
    const char *argv[] = { "qemu-img", "bench", "-w",           "-c",    counts, "-d",
                           "16",       "-s",    "4096", "--image-opts", options, NULL };
    if (!run(argv, text, sizeof(text))) {
        return -1;
    }
    const char *said = strstr(text, "Run completed in ");
    double seconds = said ? strtod(said + strlen("Run completed in "), NULL) : 0;
    return seconds > 0 ? (double)count / seconds : -1;
}

double bench_process(const char *const *argv)
{
    char text[256];
    int64_t begin = host_now_ns();
    bool good = run(argv, text, sizeof(text));
    return good ? (double)(host_now_ns() - begin) / 1e9 : -1;
}
