/* Inside of a real target.
 *
 *   target.c   life, command line, the loop that waits
 *   process.c  starting the program, its terminal and pipes, its end
 *   spawn.c    finding programs and starting them
 *   qmp.c      the monitor: requests, replies, events
 *   bus.c      a bus for frontends of the harness's own
 *   guest.c    what the guest would do: letting go of a PCI device
 *   io.c       io commands through the human monitor
 *   io_aio.c   those that go on by themselves, and the frontends that they need
 *   io_text.c  what their output says
 *   data.c     reading data
 *   tool.c     qemu-img
 *   qsd.c      what the storage daemon does in its own way;  nbd_*.c: its io
 */
#ifndef SCENARIOS_REAL_REAL_PRIVATE_H
#define SCENARIOS_REAL_REAL_PRIVATE_H

#include "scenarios/real/target.h"
#include "sim/sim.h"

#include <sys/types.h>

enum {
    REAL_OUTPUT_MAX = 8 << 20,  /* Of one io command. */
    REAL_STDERR_MAX = 1 << 18,  /* Kept. */
    REAL_REPLY_MAX = 64 << 20,  /* Bytes of one QMP message. */
    REAL_EVENTS_MAX = 100000,
};

/* A program that is to be started.  fd: what becomes its descriptors 0..fds-1, -1: /dev/null. */
struct real_spawn {
    const char *path;
    char *const *argv;
    const char *dir;
    bool frozen; /* Its monotonic clock too. */
    const int *fd;
    int fds;
};

/* A request under way, in the order of sending. */
struct real_req {
    uint64_t id;
    bool raw;                 /* Bytes of the script: the first answer is its own, the answer to the
                               * command behind them ends it. */
    struct target_call *call; /* Of a statement, or */
    json_t **reply;           /* of an exchange. */
    struct real_guest *guest; /* What the guest has to do after it; NULL: nothing. */
    int64_t sent_ns;
    struct real_req *next;
};

/* An asynchronous io request under way. */
struct real_aio {
    struct target_call *call; /* Where its output goes; NULL: nowhere any more. */
    bool background;          /* The call ends with it. */
    bool converted;           /* The script said read or write. */
    bool waited;              /* Its statement has waited for it. */
    bool is_read, quiet, machine, dump, check;
    const char *verb;         /* For messages: "read", "readv", "aio_write"... */
    char *name;               /* As the script says. */
    struct real_port *port;   /* NULL: none of ours. */
    int64_t offset, bytes;
    struct real_aio *next;
};

/* A frontend of our own for asynchronous requests on a node. */
struct real_port {
    char *node, *id;
    size_t users;
    bool gone; /* The program says that it is unplugged. */
    struct real_port *next;
};

/* A `sleep` that nobody needs a program for. */
struct real_sleep {
    struct target_call *call;
    int64_t until_ns;
    struct real_sleep *next;
};

struct nbd_io;

struct target_real {
    struct target base;
    enum real_kind kind;
    char *program;  /* Path. */
    char *prefix;   /* NULL: PATH. */
    char *dir, *script_dir;
    int64_t reply_ns, start_ns;
    void (*late)(void *opaque, const char *node, const char *text);
    void *opaque;
    struct real_guest *guests; /* At work, in order. */
    char **args; /* Those of the machine, then those of target_real_args; NULL at the end. */
    int args_len, machine_len;
    struct strbuf told; /* Lines of stderr that they have been the cause of. */

    /* The program. */
    pid_t pid;           /* 0: it does not run. */
    int sock, qtest;     /* -1: none. */
    int tty, tty_end;    /* Its terminal, and our own descriptor of the end it writes to. */
    int err;             /* Pipe of its stderr. */
    bool greeted;        /* The monitor has said that it is there. */
    bool stuck;          /* A request of ours got no answer in time. */
    bool negotiated;     /* The script has had its qmp_capabilities. */
    bool swallow_resume; /* Our own `cont`. */
    bool may_hold;       /* A request may wait for long: breakpoints, throttling... */
    char *death;
    struct strbuf in;       /* Of the socket: an incomplete message. */
    size_t in_seen;         /* So many bytes of it have no line end. */
    struct strbuf tty_in;   /* Of the terminal: an incomplete line. */
    struct strbuf err_in;   /* Of stderr: the same. */
    struct strbuf err_tail; /* Last lines of stderr. */
    struct strbuf warnings; /* Not taken yet. */
    json_t *commands;       /* Names, once asked for. */

    struct real_req *reqs;
    uint64_t next_id;
    int pass_fd; /* Goes with the next command of the script; -1: none. */
    uint64_t marks;
    uint64_t mark_seen;

    /* io. */
    struct strbuf *capture;     /* Output of the command that runs; NULL: none runs. */
    struct strbuf *capture_err; /* The same of stderr. */
    char *source;               /* Path of the file of its -s. */
    struct real_aio *aio;       /* In the order of submission. */
    struct real_aio *half;      /* The second line of its report is next. */
    struct real_aio *blamed;    /* Ended with a failure that may be another's. */
    bool half_blamed;           /* The second line of a report of one of those is next. */
    struct target_call *flusher;
    const char *flusher_name;
    struct real_port *ports;
    uint64_t next_port;
    size_t bus_users;
    bool bus_up, bus_gone;
    struct real_sleep *sleeps;
    char *found_name; /* The last name that was found, and as what. */
    int found_as;
    struct nbd_io *nbd;
};

struct target_real *real_of(const struct target *t);
int64_t real_now_ns(const struct target_real *rt);
/* The default of a time limit. */
int64_t real_limit_ns(const struct target_real *rt);

/* target.c: the members of target_ops, for those that do something else besides. */
void real_target_qmp(struct target *t, const char *bytes, size_t n, struct target_call *call);
void real_target_qmp_value(struct target *t, const json_t *request, struct target_call *call);
int real_target_run(struct target *t, const bool *done, int64_t until_ns);
int64_t real_target_now_ns(struct target *t);
void real_target_destroy(struct target *t);
/* Starts the program if need be; false: it is dead, or cannot be started, and the call has
 * ended. */
bool real_ready(struct target_real *rt, struct target_call *call);

/* qsd.c */
#define REAL_QSD_SKIP "not-on-qsd" /* The reason of target_call.skip. */
extern const struct target_ops real_qsd_ops;
void real_qsd_open(struct target_real *rt);
/* Whether its command line can have these words.  Errors: -ENOTSUP. */
int real_qsd_words(int argc, char **argv, struct error *err);
/* A word as its command line has it: "-object" is "--object". */
char *real_qsd_word(char *word);

/* spawn.c */
void real_pause(int64_t ns);
/* Starts it; it dies with this process.  Its pid, or -errno. */
pid_t real_spawn_program(const struct real_spawn *s);
/* Files that libfaketime has left for a process. */
void real_forget_faketime(pid_t pid);
/* Ends it, and what it has started in its process group. */
void real_kill(pid_t pid);
/* Whether it has ended; it is not waited for. */
bool real_has_exited(pid_t pid);
/* Waits for the end of a process, at most so long, and ends what it has left behind in its group;
 * false: it goes on. */
bool real_wait_exit(pid_t pid, int64_t limit_ns, int *status);
/* "SIGABRT", "exit status 1". */
char *real_status_text(int status);
/* stdout (and stderr, behind it) of a program until its end.  Exit code, or -errno. */
const char *real_program_name(enum real_kind kind);
int64_t real_clock_ns(void);

/* process.c */
/* Starts the program if it does not run.  0, -EPIPE: it is dead; -errno: it refused, or cannot be
 * started. */
int real_start(struct target_real *rt, struct error *err);
void real_stop(struct target_real *rt);
/* Reads what there is, waiting at most so long for something.  False: there is no program. */
bool real_poll(struct target_real *rt, int64_t wait_ns);
/* Everything that the program had printed before now is read. */
void real_sync_output(struct target_real *rt);
/* It is dead: how, and everything that waited ends. */
void real_died(struct target_real *rt);

/* qmp.c */
void real_qmp_bytes(struct target_real *rt, const char *bytes, size_t n);
void real_qmp_send(struct target_real *rt, const json_t *request, struct target_call *call);
void real_qmp_send_raw(struct target_real *rt, const char *bytes, size_t n,
                       struct target_call *call);
/* Sends a command (arguments: taken over, NULL: none) and waits for its reply.
 * 0 with *reply new; -EPIPE: it is dead; -ETIME: no answer. */
int real_exchange(struct target_real *rt, const char *command, json_t *arguments, json_t **reply);
/* Bytes of a script as a request, new, if they are one; ' may stand for ".  NULL: they are not. */
json_t *real_qmp_parse(const char *bytes, size_t n);
void real_qmp_end_all(struct target_real *rt);
/* The oldest request under way: when it was sent; 0: none. */
int64_t real_qmp_oldest_ns(const struct target_real *rt);
bool real_qmp_busy(const struct target_real *rt);

/* guest.c */
/* What the guest has to do after the request; NULL: nothing. */
struct real_guest *real_guest_for(struct target_real *rt, const json_t *request);
/* The request was answered; the call ends when the guest has done its part.  Takes g over. */
void real_guest_replied(struct target_real *rt, struct real_guest *g, struct target_call *call);
/* Does it. */
void real_guest_run(struct target_real *rt);
void real_guest_end_all(struct target_real *rt);
void real_guest_free(struct real_guest *g);
/* Bits of the PCI slots that the guest is asked to let go, and letting them go: how many went. */
uint32_t real_guest_slots(struct target_real *rt);
int real_guest_eject(struct target_real *rt, uint32_t slots);

/* bus.c */
#define REAL_BUS_ID "blksim-scsi"
/* Whether what has that id is the harness's own. */
bool real_is_own(const char *id);
/* One user more; false: there can be no such bus. */
bool real_bus_get(struct target_real *rt);
void real_bus_put(struct target_real *rt);
void real_bus_trim(struct target_real *rt);
/* The same request with the bus, new, if it is one of the harness for a frontend; else NULL. */
json_t *real_bus_adapt(struct target_real *rt, const json_t *request);
/* Unplugs what is the harness's own, whether the machine runs or not, and waits for *gone.  False:
 * it did not go. */
bool real_unplug(struct target_real *rt, const char *id, const bool *gone);

/* io.c */
void real_io_start(struct target_real *rt, const char *node, int argc, char **argv,
                   struct target_call *call);
/* The program does not answer: the call ends only with it. */
void real_io_lost(struct target_real *rt, struct target_call *call);
/* A line of the program's stdout, without its end. */
void real_io_line(struct target_real *rt, const char *line);
/* A line of stderr: false: it is none of an io command. */
bool real_io_err_line(struct target_real *rt, const char *line);
/* `qemu-io` of the human monitor on NAME, whatever it is: what the monitor says, without "Error: ",
 * and what was printed, stderr before stdout.  As real_exchange. */
int real_qemu_io(struct target_real *rt, const char *name, const char *command,
                 struct strbuf *monitor, struct strbuf *out);
void real_sleeps_run(struct target_real *rt);
void real_sleeps_end_all(struct target_real *rt);
/* The next one is over then; SIM_FOREVER: none. */
int64_t real_sleeps_next_ns(const struct target_real *rt);

/* io_aio.c */
/* The request that these words ask for, not yet under way; NULL: not one that can be followed.
 * command: the words to send. */
struct real_aio *real_aio_parse(const char *node, int argc, char **argv, bool background,
                                struct strbuf *command);
void real_aio_add(struct target_real *rt, struct real_aio *a);
void real_aio_remove(struct target_real *rt, struct real_aio *a);
/* Whether the line belongs to a request under way, which gets it. */
bool real_aio_line(struct target_real *rt, const char *line);
void real_aio_forget(struct target_real *rt, const struct target_call *call);
void real_aio_end_all(struct target_real *rt);
/* Whether there are requests that their statement has not waited for; after: it has. */
bool real_aio_fresh(const struct target_real *rt);
void real_aio_waited(struct target_real *rt);
bool real_aio_has(const struct target_real *rt, const struct real_aio *a);
/* Whether `io` means a frontend by that name. */
bool real_is_frontend(struct target_real *rt, const char *name);
/* The frontend of a node; NULL: it has none and, unless make, gets none. */
struct real_port *real_port_get(struct target_real *rt, const char *node, bool make,
                                bool writes);
/* Takes those away that nobody uses. */
void real_ports_trim(struct target_real *rt);
void real_ports_free(struct target_real *rt);
bool real_port_event(struct target_real *rt, const json_t *event);
/* Hides what is ours in a reply, in place: a script does not know it. */
void real_ports_hide(json_t *value);

/* io_text.c */
/* Sets failed and err of a call from what its command has printed, and what the monitor said. */
void real_io_judge(struct target_call *call, const char *printed, const char *monitor, int argc,
                   char **argv);
void real_io_fail(struct target_call *call, const char *text);
int real_errno_of(const char *text);
/* "read 512/512 bytes at offset 0" */
bool real_parse_report(const char *line, bool *is_read, int64_t *offset, int64_t *bytes);
/* "512,1,0:00:00.00,1.5,2.5" */
bool real_parse_machine(const char *line, int64_t *bytes);
/* "00000000:  ab ab ..." */
bool real_parse_dump(const char *line, uint64_t *offset, unsigned char bytes[16], int *n);

#endif
