/* Guest load in the background: `load TAG NODE rw= bs= depth= count=|runtime= region= seed= ...`.
 *
 *   rw       read write randread randwrite rw randrw
 *   mix      percent of reads for rw and randrw (50)
 *   bs       bytes a request (4k), or A-B: between, in steps of 512; at most 64M
 *   depth    requests in flight (1)
 *   count    requests in all        } one of them
 *   runtime  virtual time to start new requests for }
 *   region   OFFSET+LENGTH (the whole node)
 *   seed     of the list of requests (the unit's seed)
 *   verify   off, or on (default): every read is compared with what this load wrote there, and at
 *            the end everything that it wrote is read back
 *   flush    a flush after every N writes (never)
 *   fua      on, off
 *   errors   fail (default): the first failed request ends the load and fails the statement that
 *            waits; stop: it ends the load; ignore: the load goes on.  Other data than expected is
 *            always a failure.
 *   iothread name of the iothread whose coroutines do it (the main loop)
 *
 * The list of requests, written data included, is a pure function of these arguments.  Each of the
 * `depth` workers is one coroutine; data travels as fills (sim/fill.h).  Requests may overlap in
 * flight, unless their data are LOAD_BYTES; a block to which writes overlapped is compared again
 * once a write had it for itself.
 */
#ifndef SCENARIOS_LOAD_H
#define SCENARIOS_LOAD_H

#include "base/error.h"
#include "scenarios/guest.h"
#include "scenarios/load_plan.h"

struct load;

/* args: "key=value" words.  Starts workers; they run as the world runs.  *port is copied; what
 * it names is used until load_free.  Errors: -EINVAL naming the key. */
int load_start(struct guest *g, const struct guest_port *port, const char *tag, int argc,
               char **argv, uint64_t unit_seed, enum load_data data, struct load **out,
               struct error *err);
const char *load_tag(const struct load *l);
/* True when all workers have ended; points at a flag that sim_run can wait for. */
const bool *load_done(const struct load *l);
/* The list has an end of its own: count= was given. */
bool load_is_finite(const struct load *l);
/* Asks the workers to start no more requests (power cut, end of case). */
void load_stop(struct load *l);
/* After it is done: 0, or the first error with its text ("write at 4096 failed: ..."). */
int load_result(const struct load *l, struct error *err);
struct load_stats {
    uint64_t reads, writes, flushes, failed, verified_bytes;
    int64_t started_ns, ended_ns, latency_ns_max;
    uint64_t latency_ns_total;
};
struct load_stats load_stats(const struct load *l);
/* Checked: done. */
void load_free(struct load *l);

#endif
