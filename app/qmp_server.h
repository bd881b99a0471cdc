/* QMP monitors for real clients, on the standard streams or on unix sockets, over a world.
 *
 * A socket is a monitor, and serves one client after the other: whoever connects meanwhile waits,
 * as with QEMU's chardevs (server=on).  On the virtual clock time moves only while a command needs
 * it; on the real one the world's time follows that of the machine.
 */
#ifndef APP_QMP_SERVER_H
#define APP_QMP_SERVER_H

#include "base/error.h"
#include "scenarios/run.h"

struct qmp_server_config {
    const char *const *sockets; /* Paths, ends with NULL; none: stdin and stdout. */
    bool real_clock;
    bool check; /* Oracles look at the world whenever no command runs. */
};

/* Serves until `quit`, a signal, or the end of stdin.  Errors: a socket that cannot be made. */
int qmp_server_run(const struct qmp_server_config *cfg, struct run_world *w, struct error *err);

#endif
