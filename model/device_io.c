/* SPDX-License-Identifier: MIT */
/* Requests of a guest.
 *
 *   device_request -> the machine runs? -> the frontend's own checks -> backend_request
 *        ^                                                                  | fails
 *        |                              report: -errno to the guest <-------+
 *        +--- stop: the machine stops, the request is kept <----------------+
 *                                       ignore: as if it had succeeded <----+
 *
 * Refused by the frontend itself, without a word to the policies: no medium or an open tray, a
 * write to what is read-only, what is no whole number of logical blocks or lies outside (these two
 * count as invalid).  A request that is kept is counted once, when it has its end.
 */
#include "base/check.h"
#include "model/device_private.h"
#include "model/machine.h"

#include <errno.h>

static bool is_change(enum io_op op)
{
    return op == IO_WRITE || op == IO_WRITE_ZEROES || op == IO_DISCARD;
}

/* Whether a guest's request makes sense; *invalid: it does not. */
static int check_request(const struct device *d, const struct io_req *req, bool *invalid)
{
    *invalid = false;
    if (!backend_is_available(d->backend)) {
        return -ENOMEDIUM;
    }
    if (is_change(req->op) && d->read_only) {
        return -EROFS;
    }
    if ((req->op == IO_DISCARD && !d->discards) || (req->op == IO_WRITE_ZEROES && !d->zeroes)) {
        return -ENOTSUP;
    }
    if (req->op == IO_FLUSH) {
        return 0;
    }
    *invalid = true;
    if ((req->offset | req->bytes) & (d->logical - 1)) {
        return -EINVAL;
    }
    int64_t length = backend_length(d->backend);
    if (req->offset < 0 || req->bytes < 0 || req->offset > length ||
        length - req->offset < req->bytes) {
        return -EIO;
    }
    *invalid = false;
    return 0;
}

/* What becomes of a failure.  True: the request is kept. */
static bool judge(struct device *d, const struct io_req *req, struct acct_cookie *c, int *ret)
{
    struct backend *b = d->backend;
    bool is_read = req->op == IO_READ;
    enum error_action action = backend_error_action(b, is_read, -*ret);
    backend_tell_error(b, action, is_read, -*ret);
    switch (action) {
    case ERROR_ACTION_STOP:
        machine_stop_for_error(d->layer);
        return true;
    case ERROR_ACTION_IGNORE:
        if (is_read) { /* Nobody knows what came. */
            req->buf->symbolic = false;
            iobuf_set(req->buf, 0, FILL_ZERO, req->buf->len);
        }
        acct_done(backend_acct_edit(b), c, sim_now_ns(d->layer->sim));
        *ret = 0;
        return false;
    case ERROR_ACTION_REPORT:
        acct_failed(backend_acct_edit(b), c, sim_now_ns(d->layer->sim));
        return false;
    default:
        UNREACHABLE();
    }
}

/* One attempt.  True: the request is kept. */
static bool attempt(struct device *d, const struct io_req *asked,
                    const struct backend_watch *watch, int *ret)
{
    struct sim *s = d->layer->sim;
    struct io_req req = *asked;
    struct acct *a = backend_acct_edit(d->backend);
    bool invalid;
    *ret = check_request(d, &req, &invalid);
    if (*ret < 0) {
        if (invalid) {
            acct_invalid(a, acct_op_of(req.op), sim_now_ns(s));
        }
        return false;
    }
    struct acct_cookie c = acct_start(acct_op_of(req.op), req.bytes, sim_now_ns(s));
    *ret = backend_request(d->backend, &req, watch, NULL);
    if (*ret == 0) {
        acct_done(a, &c, sim_now_ns(s));
        return false;
    }
    if (d->gone || *ret == -ENOMEDIUM) {
        acct_failed(a, &c, sim_now_ns(s));
        return false;
    }
    return judge(d, &req, &c, ret);
}

int device_request(struct device *d, struct io_req *req, const struct backend_watch *watch)
{
    int ret = 0;
    bool kept;
    CHECK(d->type->kind != DEVICE_CONTROLLER && req->op <= IO_FLUSH);
    device_ref(d);
    do {
        if (d->gone || (!machine_is_running(d->layer) &&
                        !machine_wait_running(d->layer, &d->gone))) {
            ret = d->gone ? -ENODEV : -EIO;
            break;
        }
        kept = attempt(d, req, watch, &ret);
    } while (kept);
    device_unref(d);
    return ret;
}
