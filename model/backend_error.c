/* SPDX-License-Identifier: MIT */
/* rerror and werror: what becomes of requests that fail, and what is told about it.
 *
 * enospc stops for a full disk and reports the rest; auto is report for reads and enospc for
 * writes. The io-status is kept only where a policy may stop the machine; it stays until the
 * machine goes on.  (QEMU qapi/block-core.json: BlockdevOnError, BLOCK_IO_ERROR,
 * BlockDeviceIoStatus.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/backend_private.h"

#include <errno.h>
#include <string.h>

static const char *const on_error_names[] = {
    [ON_ERROR_REPORT] = "report", [ON_ERROR_IGNORE] = "ignore", [ON_ERROR_ENOSPC] = "enospc",
    [ON_ERROR_STOP] = "stop",     [ON_ERROR_AUTO] = "auto",
};

const char *on_error_name(enum on_error e)
{
    CHECK((unsigned)e < ARRAY_LEN(on_error_names));
    return on_error_names[e];
}

int on_error_parse(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(on_error_names); i++) {
        if (strcmp(on_error_names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* auto leaves a policy as it is. */
void backend_set_on_error(struct backend *b, enum on_error read, enum on_error write)
{
    b->on_error[true] = read == ON_ERROR_AUTO ? b->on_error[true] : read;
    b->on_error[false] = write == ON_ERROR_AUTO ? b->on_error[false] : write;
}

enum on_error backend_on_error(const struct backend *b, bool is_read)
{
    return b->on_error[is_read];
}

enum error_action backend_error_action(const struct backend *b, bool is_read, int errnum)
{
    CHECK(errnum > 0);
    switch (b->on_error[is_read]) {
    case ON_ERROR_REPORT:
        return ERROR_ACTION_REPORT;
    case ON_ERROR_IGNORE:
        return ERROR_ACTION_IGNORE;
    case ON_ERROR_ENOSPC:
        return errnum == ENOSPC ? ERROR_ACTION_STOP : ERROR_ACTION_REPORT;
    case ON_ERROR_STOP:
        return ERROR_ACTION_STOP;
    default:
        UNREACHABLE();
    }
}

static bool has_io_status(const struct backend *b)
{
    return b->io_status_enabled &&
           (b->on_error[false] == ON_ERROR_ENOSPC || b->on_error[false] == ON_ERROR_STOP ||
            b->on_error[true] == ON_ERROR_STOP);
}

void backend_tell_error(struct backend *b, enum error_action action, bool is_read, int errnum)
{
    static const char *const actions[] = { [ERROR_ACTION_IGNORE] = "ignore",
                                           [ERROR_ACTION_REPORT] = "report",
                                           [ERROR_ACTION_STOP] = "stop" };
    CHECK((unsigned)action < ARRAY_LEN(actions) && errnum > 0);
    json_t *data = json_pack("{s:s, s:s, s:s, s:s}", "device", backend_name(b), "operation",
                             is_read ? "read" : "write", "action", actions[action], "reason",
                             error_strerror(errnum));
    CHECK(data != NULL);
    if (b->root) {
        json_object_set_new(data, "node-name", json_string(b->root->node->name));
    }
    if (has_io_status(b)) {
        json_object_set_new(data, "nospace", json_boolean(errnum == ENOSPC));
    }
    if (action == ERROR_ACTION_STOP && has_io_status(b) && b->io_status == IO_STATUS_OK) {
        b->io_status = errnum == ENOSPC ? IO_STATUS_NOSPACE : IO_STATUS_FAILED;
    }
    layer_emit(b->layer, "BLOCK_IO_ERROR", data);
}

void backend_enable_io_status(struct backend *b)
{
    b->io_status_enabled = true;
    b->io_status = IO_STATUS_OK;
}

const char *backend_io_status(const struct backend *b)
{
    static const char *const names[] = { [IO_STATUS_OK] = "ok",
                                         [IO_STATUS_FAILED] = "failed",
                                         [IO_STATUS_NOSPACE] = "nospace" };
    return has_io_status(b) ? names[b->io_status] : NULL;
}

void backend_reset_io_status(struct backend *b)
{
    b->io_status = IO_STATUS_OK;
}
