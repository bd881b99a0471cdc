/* Between the files of the quorum driver. */
#ifndef DRIVERS_QUORUM_QUORUM_H
#define DRIVERS_QUORUM_QUORUM_H

#include "model/node.h"

enum { QUORUM_MESSAGE_MAX = 160 };

struct quorum_request;
struct quorum_bounce;

struct quorum_state {
    int64_t threshold;
    bool blkverify, rewrite, fifo;
    uint32_t next_index; /* Of the next child: "children.N". */
    struct quorum_request *idle; /* Kept for later requests. */
    struct quorum_bounce *idle_bounce;
    uint64_t mismatches; /* Seen in blkverify mode, and */
    char message[QUORUM_MESSAGE_MAX]; /* the text of the last one. */
};

enum quorum_op { QUORUM_READ, QUORUM_WRITE, QUORUM_FLUSH };

uint32_t quorum_children(const struct node *n);

/* Requests (quorum_io.c). */
int quorum_read(struct node *n, struct io_req *req);
int quorum_write(struct node *n, struct io_req *req);
int quorum_flush(struct node *n);
void quorum_free_requests(struct quorum_state *s);

/* Votes (quorum_vote.c).  Of rets[len] those below 0: the error that most of them are, of equally
 * many the one that came last. */
int quorum_vote_error(const int *rets, size_t len);

struct quorum_votes {
    uint32_t *version; /* Of each voter, numbered as they were first seen. */
    uint32_t *count;   /* Votes of each version. */
    uint32_t versions;
    uint32_t winner;   /* The version with most votes, of equally many the last one. */
};
/* data: what the voters read; NULL: it has no vote.  out's arrays hold len elements. */
void quorum_vote_data(struct iobuf *const *data, size_t len, struct quorum_votes *out);

/* Events (quorum_event.c).  ret: below 0: the child failed; 0: it was outvoted. */
void quorum_report_bad(struct node *n, enum quorum_op op, const struct node *child, int64_t offset,
                       int64_t bytes, int ret);
void quorum_report_failure(struct node *n, int64_t offset, int64_t bytes);

#endif
