/* SPDX-License-Identifier: MIT */
#include "sim/host.h"

void host_destroy(struct host *h)
{
    h->ops->destroy(h);
}
