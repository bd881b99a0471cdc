/* The commands of the `io` verb on any medium: their table, words, and output.
 *
 *   io_cmd.c      the table, running a command, what it prints
 *   io_parse.c    options and numbers;  io_format.c: sizes, statistics, dumps
 *   io_rw.c       read, write and their vectors;  io_aio.c: the same in the background
 *   io_image.c    commands on the image as a whole;  io_break.c: blkdebug's breakpoints
 */
#ifndef SCENARIOS_IO_CMD_H
#define SCENARIOS_IO_CMD_H

#include "scenarios/io_medium.h"

struct ioc_cmd;

/* One command at work. */
struct ioc_ctx {
    struct io_medium *medium;
    struct target_call *call;
    struct strbuf *monitor; /* Of the human monitor; NULL: a statement. */
    const char *dir;        /* Where `write -s FILE` finds files; NULL: the current one. */
    const struct ioc_cmd *cmd;
    const char *name; /* As typed: "r" or "read". */
};

typedef int ioc_fn(struct ioc_ctx *c, int argc, char **argv);

struct ioc_cmd {
    const char *name, *alias; /* alias: NULL for none. */
    ioc_fn *fn;
    int args_min, args_max; /* -1: no limit. */
    uint32_t perm;          /* Taken for the command. */
    const char *args, *help;
};

extern const struct ioc_cmd ioc_cmds[]; /* Ends with a NULL name. */

/* io_cmd.c */
const struct ioc_cmd *ioc_find(const char *name); /* NULL: there is none. */
/* Runs argv[0..argc) on c->medium; nothing for no word.  Returns 0 or -errno, told in c->call. */
int ioc_run(struct ioc_ctx *c, int argc, char **argv);
/* Sets failed and err of the call from what came of its words. */
void ioc_finish(struct target_call *call, int ret, const char *name);
void ioc_print(struct ioc_ctx *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line that tells why the command failed.  Returns code. */
int ioc_fail(struct ioc_ctx *c, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int64_t ioc_now_ns(const struct ioc_ctx *c); /* Of the medium. */
int ioc_usage(struct ioc_ctx *c); /* Prints the command's line; returns -EINVAL. */
/* The medium cannot do it: -ENOTSUP, and the call says that it was not done. */
int ioc_impossible(struct ioc_ctx *c, const char *what);

/* io_parse.c: getopt's way of reading options, and numbers. */
struct ioc_getopt {
    int argc, next, args_len;
    char **argv;
    const char *cluster; /* Rest of "-qv" */
    const char *value;   /* Of the option just given. */
    char **args;         /* Words that are no options; freed by ioc_getopt_fini. */
};

void ioc_getopt_init(struct ioc_getopt *g, int argc, char **argv);
/* The next letter, 0 at the end, '?' after an error that was printed.  spec: "CqP:". */
int ioc_getopt_next(struct ioc_ctx *c, struct ioc_getopt *g, const char *spec);
void ioc_getopt_fini(struct ioc_getopt *g);
int ioc_parse_size(struct ioc_ctx *c, const char *text, int64_t *out);
/* The two arguments OFFSET and LENGTH, and no others. */
int ioc_parse_range(struct ioc_ctx *c, const struct ioc_getopt *g, int64_t *offset,
                    int64_t *bytes);
int ioc_parse_pattern(struct ioc_ctx *c, const char *text, int *out);

/* io_format.c */
/* "64 KiB", "1.500 MiB", "17 bytes". */
void ioc_format_size(struct strbuf *out, int64_t bytes);
/* "read 512/512 bytes at offset 0\n512 bytes, 1 ops; ..." */
void ioc_format_report(struct strbuf *out, const char *word, int64_t ns, int64_t offset,
                      int64_t bytes, bool machine);
/* One request that took ns, as "512 bytes, 1 ops; 00.00 sec (...)". */
void ioc_format_dump(struct strbuf *out, int64_t offset, const struct iobuf *buf);

/* The commands. */
ioc_fn ioc_cmd_read, ioc_cmd_write, ioc_cmd_readv, ioc_cmd_writev;             /* io_rw.c */
ioc_fn ioc_cmd_aio_read, ioc_cmd_aio_write, ioc_cmd_aio_flush;                /* io_aio.c */
ioc_fn ioc_cmd_flush, ioc_cmd_discard, ioc_cmd_truncate, ioc_cmd_length;       /* io_image.c */
ioc_fn ioc_cmd_map, ioc_cmd_alloc, ioc_cmd_info, ioc_cmd_sleep;                /* io_image.c */
ioc_fn ioc_cmd_break, ioc_cmd_remove_break, ioc_cmd_resume, ioc_cmd_wait_break; /* io_break.c */
ioc_fn ioc_cmd_help;                                                       /* io_cmd.c */

/* io_rw.c */
enum { IO_DEFAULT_PATTERN = 0xcd, IO_CLEAN = 0xab, IO_DUMP_MAX = 1 << 20,
       IO_PIECES_MAX = 64 << 20 };
/* The vector of pieces of these lengths, and memory for them in one block; both are the caller's.
 * Errors: printed. */
int ioc_vector(struct ioc_ctx *c, char **args, int n, struct iovec **iov, char **memory,
              int64_t *bytes);
/* Gives memory that is read into qemu-io's colour, which shows where nothing is transferred.  Not
 * for a request beyond the end, which shows nothing. */
void ioc_paint(struct ioc_ctx *c, void *memory, int64_t offset, int64_t bytes);
/* What a vectored write of one byte value sends: the pieces, or a fill when they are many bytes. */
struct iobuf ioc_write_buf(struct iovec *iov, int iov_count, int64_t bytes, int pattern);
/* True when n bytes of buf from `at` are all of the pattern. */
bool ioc_matches(const struct iobuf *buf, int64_t at, int64_t n, int pattern);

/* io_break.c: what a driver command on a breakpoint takes, new: {"tag": tag} and, unless NULL,
 * {"event": event}. */
json_t *ioc_break_args(const char *event, const char *tag);

/* A request of aio_read or aio_write. */
struct io_aio {
    bool is_read, zero, quiet, machine, dump, check;
    int pattern;
    uint32_t flags;
    int64_t offset, bytes, start_ns;
    struct iovec *iov;
    int iov_count;
    char *memory;
};

/* io_aio.c: for those who take such a request over. */
/* Does it, with what it reads in *buf, which shares its memory. */
int io_aio_transfer(struct io_aio *a, struct io_medium *m, struct iobuf *buf);
/* What it prints when that returned ret at now_ns. */
void io_aio_result(const struct io_aio *a, const struct iobuf *buf, int ret, int64_t now_ns,
                   struct strbuf *out);
void io_aio_free(struct io_aio *a);

#endif
