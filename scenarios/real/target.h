/* The `qemu` and `qsd` targets: a real QEMU in a directory of its own.  Behind scenarios/target.h.
 *
 * The program runs with the private directory as its current one, so the file names of a script
 * are the names of files in it.  It is started when the first statement needs it, speaks QMP over
 * a unix socket, and is killed, with all that it left, at destroy or when this process goes
 * (PR_SET_PDEATHSIG).
 *
 *   qemu   qemu-system-x86_64 -machine pc -nodefaults -S -accel tcg; it runs at once, and a script
 *          plugs in what it needs, controllers of disks too
 *          io goes through human-monitor-command `qemu-io`; frontends are those of device_add
 *   qsd    qemu-storage-daemon; io goes through an NBD export and libnbd
 *
 * The wall clock of the program is pinned by libfaketime where that is installed, the monotonic
 * one is not: rate-limited work goes on.
 *
 * Time is monotonic time of this machine.  Nothing of a real target is deterministic, and no trace
 * hash is made of it.
 */
#ifndef SCENARIOS_REAL_TARGET_H
#define SCENARIOS_REAL_TARGET_H

#include "scenarios/target.h"

enum real_kind {
    REAL_QEMU,
    REAL_QSD,
};

struct target_real_config {
    enum real_kind kind;
    const char *prefix;     /* Folder with the programs (DIR, DIR/bin); NULL: those of PATH. */
    const char *dir;        /* Private, empty, writable; absolute.  Borrowed. */
    const char *script_dir; /* For `io ... write -s FILE`.  Borrowed. */
    int64_t reply_ns;       /* How long a command may take; 0: REAL_REPLY_DEFAULT_NS. */
    /* Output of asynchronous requests that belongs to no statement any more. */
    void (*late)(void *opaque, const char *node, const char *text);
    void *opaque;
};

#define REAL_REPLY_DEFAULT_NS (10 * INT64_C(1000000000))

/* Runs a program, by its absolute path, in a folder (NULL: this one) to its end, with the wall
 * clock frozen.  argv: with its own name first. What it writes to stdout and to stderr is
 * appended to out and said, which may be the same. Returns its exit code, or -errno with err
 * set: it cannot be started, died of a signal (-EPIPE), took longer (-ETIME), or wrote more than
 * REAL_SAID_MAX to one of them (-EFBIG). */
enum { REAL_SAID_MAX = 32 << 20 };
int real_run_program(const char *path, char *const *argv, const char *dir, int64_t limit_ns,
                     struct strbuf *out, struct strbuf *said, struct error *err);

/* Nothing is started yet.  Errors: -ENOENT naming the program and the package that has it. */
struct target *target_real_create(const struct target_real_config *cfg, struct error *err);

/* The version of a program, "7.2.22", found by running it once.  new; NULL with err set as
 * target_real_create.  Needs no target. */
char *real_version(enum real_kind kind, const char *prefix, struct error *err);

/* The path of a program: found below the prefix where a build tree or an installation has it, or
 * by PATH; new.  Errors: -ENOENT, naming the folder, or the package that has it. */
char *real_find_program(const char *prefix, const char *name, struct error *err);

/* More words for its command line: what runs is ended and started again with all that was given so
 * far and this.  Errors: what the program said when it refused, without its own name and the
 * option in front ("qemu-system-x86_64: -drive x: TEXT" -> TEXT); the words then do not count. */
int target_real_args(struct target *t, int argc, char **argv, struct error *err);
/* The same of words that belong to the machine: they stay when its power goes. */
int target_real_machine_args(struct target *t, int argc, char **argv, struct error *err);

/* As its power is cut.  It starts again with the words of the machine alone. */
void target_real_power_cut(struct target *t);

/* Whether its command line can have these words at all.  Errors: -ENOTSUP naming the first that it
 * has not. */
int target_real_check_args(struct target *t, int argc, char **argv, struct error *err);

/* A program of the same installation that works on the files of the directory (qemu-img); argv
 * without the program, ended by NULL.  Its output, stdout and then stderr, is appended to out.
 * Returns its exit code, or -errno with err set. */
int target_real_tool(struct target *t, const char *tool, char *const *argv, struct strbuf *out,
                     struct error *err);

/* What a node, frontend or block device holds.  bytes: at most REAL_READ_MAX.
 * Errors: -EIO with the program's text; -ENOTSUP: not possible there on this kind of target;
 * -EPIPE: it died. */
enum { REAL_READ_MAX = 1 << 20 };
int target_real_read(struct target *t, const char *name, uint64_t offset, size_t bytes,
                     void *buf, struct error *err);
/* 0: every byte there is that one; 1: not.  Any number of bytes.  Errors: as target_real_read. */
int target_real_check_byte(struct target *t, const char *name, uint64_t offset, uint64_t bytes,
                           uint8_t byte, struct error *err);

/* The next command of the script takes a descriptor of that file along.  Errors: -errno of open. */
int target_real_pass_fd(struct target *t, const char *file, bool writable, struct error *err);

/* Ends the program as a power cut of it does (SIGKILL), and starts it again, with its command
 * line, when it is next needed. */
void target_real_kill(struct target *t);

/* Whether a command has not been answered yet. */
bool target_real_is_busy(const struct target *t);

/* Whether the program runs. */
bool target_real_is_up(const struct target *t);

/* Files of the private directory, or any others.  Errors: -errno, naming the path. */
/* Makes a file of that many bytes, all holes; resize: gives one that is there that size. */
int target_real_file_make(const char *path, int64_t bytes, bool resize, struct error *err);
int target_real_file_write(const char *path, int64_t offset, const void *bytes, size_t n,
                           struct error *err);
/* Holes stay holes. */
int target_real_file_copy(const char *from, const char *to, struct error *err);

/* How the program died, a line for people and its last words ("SIGABRT\n...Assertion `x' failed.");
 * NULL while it has not.  Of the target. */
const char *target_real_death(const struct target *t);

/* What it has written to stderr since the last call, in lines, without its own name in front: new,
 * NULL when nothing. */
char *target_real_take_warnings(struct target *t);

/* Whether its monitor knows the command.  One that does not tell its commands, as it is dead, may
 * know all of them: asking for one shows what is the matter. */
bool target_real_has_command(struct target *t, const char *name);

#endif
