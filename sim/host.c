/* SPDX-License-Identifier: MIT */
#include "sim/host.h"

#include "sim/host_fd.h"

void host_destroy(struct host *h)
{
    host_fds_reset(h);
    h->ops->destroy(h);
}
