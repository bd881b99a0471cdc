/* SPDX-License-Identifier: MIT */
/* The write threshold of a node (qapi/block-core.json, BLOCK_WRITE_THRESHOLD): the first write,
 * zeroing or discard that ends beyond it is told, once, before it is done. */
#include "model/io_private.h"

void io_check_threshold(struct node *n, const struct io_req *req)
{
    uint64_t threshold = n->write_threshold;
    uint64_t end = (uint64_t)(req->offset + req->bytes);
    CHECK(threshold > 0);
    if (end <= threshold) {
        return;
    }
    n->write_threshold = 0;
    json_t *data = json_pack("{s:s, s:I, s:I}", "node-name", n->name, "amount-exceeded",
                             (json_int_t)(end - threshold), "write-threshold",
                             (json_int_t)threshold);
    CHECK(data != NULL);
    node_emit_event(n, "BLOCK_WRITE_THRESHOLD", data);
}
