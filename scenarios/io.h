/* The `io` statement: qemu-io's commands on a node of the simulated layer.
 *
 * A command runs in a coroutine.  As with `qemu-io` of the human monitor it uses an anonymous
 * backend that takes the permissions the command needs and shares all; the backend stays while
 * aio_read or aio_write requests of the node are in flight, and further commands on the node use it
 * too.  Names, options, messages and output are those of QEMU 7.2's qemu-io, but for:
 *
 *   - time is virtual, so the statistics are the same every time ("inf" when no time passed);
 *   - open, close, reopen, quit, abort and sigraise do not exist; neither does -i, which counts a
 *     request that is never made;
 *   - a file of `write -s` lies in the folder of the script.
 *
 * A command has failed when qemu-io's exit code would say so: an aio command has succeeded when its
 * request is under way, whatever comes of it.
 */
#ifndef SCENARIOS_IO_H
#define SCENARIOS_IO_H

#include "scenarios/guest.h"
#include "scenarios/target.h"

struct io_shell;

struct io_shell_config {
    struct sim *sim;
    struct guest *guest;
    const char *dir; /* Where `write -s FILE` finds files; borrowed.  NULL: the current one. */
    /* Output of an aio request whose statement is over.  text: complete lines. */
    void (*late)(void *opaque, const char *node, const char *text);
    void *opaque;
};

struct io_shell *io_shell_create(const struct io_shell_config *cfg);
/* Checked: no command runs and no request is in flight. */
void io_shell_destroy(struct io_shell *sh);

/* [io] Runs argv[0..argc) on the node; output, failed and err of the call are set, not done.
 * The call may get output of aio requests until io_shell_forget. */
void io_shell_run(struct io_shell *sh, struct layer *l, const char *node, int argc, char **argv,
                  struct target_call *call);
void io_shell_forget(struct io_shell *sh, struct target_call *call);

/* [io] The human monitor's `qemu-io DEVICE "COMMAND"`: words are what stands between spaces.
 * device names a block device or node, with frontend a device that has one.  As in QEMU the monitor
 * gets what hinders the command, lines ending in CR LF, while its output goes to `late`. */
void io_shell_hmp(struct io_shell *sh, struct layer *l, const char *device, bool frontend,
                  const char *command, struct strbuf *monitor);

/* The i-th command, for help: its name and, unless NULL, its usage ("[-Cq] off len", "" for none)
 * and one line about it.  NULL behind the last one. */
const char *io_command_name(size_t i, const char **args, const char **help);

/* Whether the command waits for something that only a look can find (wait_break).  While any such
 * command runs, time may move only from instant to instant with io_shell_poll between. */
bool io_command_polls(int argc, char **argv);
/* Wakes commands whose wait is over; true when there was one. */
bool io_shell_poll(struct io_shell *sh);

/* Lets everything go that a breakpoint holds, and ends commands that wait for one (they fail).
 * For the end of a case and before power is cut. */
void io_shell_release(struct io_shell *sh);
/* Requests and commands in flight. */
size_t io_shell_busy(const struct io_shell *sh);

#endif
