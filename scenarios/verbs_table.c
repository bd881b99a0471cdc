/* SPDX-License-Identifier: MIT */
/* The words of the scenario language: constant tables only, see verbs.h. */
#include "scenarios/script.h"
#include "scenarios/verbs.h"

#include "sim/fault.h"

#define KIND(k) (1u << FAULT_##k)

static const char *const cut_on[] = { "cut", "on", NULL };
static const char *const on_off[] = { "on", "off", NULL };
static const char *const profiles[] = { "null", "nvme", "ssd", "hdd", "rdma", "tcp", NULL };
static const char *const formats[] = { "raw", "qcow2", NULL };
static const char *const rws[] = { "read", "write", "randread", "randwrite", "rw", "randrw", NULL };
static const char *const on_errors[] = { "fail", "ignore", "stop", NULL };
static const char *const disk_ops[] = { "read", "write", "flush", "discard", "zero", "resize",
                                        NULL };
static const char *const fault_words[] = { "error", "latent", "bitrot", "torn",   "lost",
                                           "misdirect", "short", "delay", "hang", "lie",
                                           "remove", "resize", "clear", "release", NULL };
static const char *const advance[] = { "advance", NULL };
static const char *const hosts[] = { "sim", "posix", NULL };
static const char *const schedules[] = { "fifo", "seeded", NULL };
static const char *const ro_rw[] = { "ro", "rw", NULL };
static const char *const is_in[] = { "is", "in", NULL };
static const char *const sectors[] = { "512", "4096", "4k", "4K", NULL };
static const char *const behind_quirk[] = { "ok", "error", "return", "output", "aborts", "data",
                                            "node", "graph", "job", NULL };

static const struct verb_key disk_keys[] = {
    { "size", VALUE_SIZE_POS, NULL, false, 0, "bytes; required unless from= is given" },
    { "sector", VALUE_CHOICE, sectors, false, 0, "logical sector (512)" },
    { "physical", VALUE_SIZE_POS, NULL, false, 0,
      "physical sector; writing a part of one takes a read more (sector)" },
    { "atomic", VALUE_SIZE_POS, NULL, false, 0, "what a power cut cannot tear (a logical sector)" },
    { "cache", VALUE_CACHE, NULL, false, 0,
      "write cache that a power cut loses: none (default), volatile (as big as it takes), or a "
      "size" },
    { "capacity", VALUE_SIZE_POS, NULL, false, 0,
      "bytes that can be allocated before ENOSPC (no limit)" },
    { "profile", VALUE_CHOICE, profiles, false, 0, "how long requests take (null: no time)" },
    { "latency", VALUE_DURATION, NULL, false, 0, "time of each read and write, for the profile's" },
    { "from", VALUE_PATH, NULL, false, 0,
      "real file under the disk, never written to; relative to the folder of the script" },
    { "fill", VALUE_BYTE, NULL, false, 0, "every byte at the beginning (0)" },
    { 0 },
};
static const struct verb_arg disk_args[] = { { "NAME", VALUE_NAME, NULL, false }, { 0 } };

static const struct verb_arg image_args[] = {
    { "FORMAT", VALUE_CHOICE, formats, false },
    { "NAME", VALUE_NAME, NULL, false },
    { "SIZE", VALUE_SIZE, NULL, false },
    { 0 },
};

static const struct verb_key load_keys[] = {
    { "rw", VALUE_CHOICE, rws, true, 0, "what the requests do" },
    { "bs", VALUE_SIZES, NULL, false, 0, "bytes of a request (4k), or A-B in steps of 512" },
    { "mix", VALUE_PERCENT, NULL, false, 0, "percent of reads, for rw and randrw (50)" },
    { "depth", VALUE_UINT_POS, NULL, false, 0, "requests in flight (1)" },
    { "count", VALUE_UINT_POS, NULL, false, 0, "requests in all; this or runtime=" },
    { "runtime", VALUE_DURATION, NULL, false, 0, "virtual time in which requests start" },
    { "region", VALUE_RANGE, NULL, false, 0, "where (the whole node)" },
    { "seed", VALUE_UINT, NULL, false, 0, "of the list of requests (the seed of the run)" },
    { "verify", VALUE_CHOICE, on_off, false, 0,
      "compare what is read with what this load wrote, and read all back at the end (on)" },
    { "flush", VALUE_UINT, NULL, false, 0, "a flush after every N writes (never)" },
    { "fua", VALUE_CHOICE, on_off, false, 0, "writes are durable when they return (off)" },
    { "errors", VALUE_CHOICE, on_errors, false, 0,
      "a failed request fails the statement that waits (fail), or not (ignore), or ends the load "
      "(stop)" },
    { "iothread", VALUE_NAME, NULL, false, 0, "whose coroutines do it (the main loop)" },
    { 0 },
};
static const struct verb_arg load_args[] = {
    { "TAG", VALUE_NAME, NULL, false },
    { "NODE", VALUE_NAME, NULL, false },
    { 0 },
};

static const struct verb_key fault_keys[] = {
    { "name", VALUE_NAME, NULL, false, 0, "for clear and release" },
    { "op", VALUE_CHOICES, disk_ops, false, 0,
      "operations that match (those natural to the kind)" },
    { "at", VALUE_RANGE, NULL, false, 0, "bytes that a request must touch (the whole disk)" },
    { "nth", VALUE_UINT_POS, NULL, false, 0, "fires from the nth match on (1)" },
    { "count", VALUE_COUNT, NULL, false, 0, "how many times: N (1) or forever" },
    { "chance", VALUE_PERMILLE, NULL, false, 0, "probability, in thousandths (always)" },
    { "errno", VALUE_ERRNO, NULL, false,
      KIND(ERROR) | KIND(LATENT) | KIND(TORN) | KIND(SHORT) | KIND(REMOVE),
      "the error (EIO; ENODEV of remove)" },
    { "delay", VALUE_DURATION, NULL, true, KIND(DELAY), "how much longer it takes" },
    { "target", VALUE_SIZE, NULL, false, KIND(MISDIRECT), "where it goes instead (chosen)" },
    { "bytes", VALUE_SIZE, NULL, true, KIND(SHORT) | KIND(RESIZE),
      "short: how much is transferred; resize: the new size" },
    { 0 },
};
static const struct verb_arg fault_args[] = {
    { "DISK", VALUE_NAME, NULL, false },
    { "KIND", VALUE_CHOICE, fault_words, false },
    { "NAME", VALUE_NAME, NULL, true },
    { 0 },
};

const struct verb_key verbs_fail_keys[] = {
    { "nth", VALUE_UINT_POS, NULL, false, 0,
      "the nth request to a disk (1); every disk counts for itself" },
    { "errno", VALUE_ERRNO, NULL, false, 0, "the error (EIO)" },
    { "op", VALUE_CHOICES, disk_ops, false, 0, "only these operations count (all)" },
    { "disk", VALUE_NAME, NULL, false, 0, "only requests of this disk (every disk)" },
    { 0 },
};

static const struct verb_arg power_args[] = { { "cut|on", VALUE_CHOICE, cut_on, false }, { 0 } };
static const struct verb_arg run_args[] = { { "DURATION|idle", VALUE_RUN, NULL, false }, { 0 } };
static const struct verb_arg tag_args[] = { { "TAG", VALUE_NAME, NULL, false }, { 0 } };
static const struct verb_key within_keys[] = {
    { "within", VALUE_DURATION, NULL, false, 0,
      "virtual time after which it has failed (no limit)" },
    { 0 },
};
static const struct verb_arg clock_args[] = {
    { "advance", VALUE_CHOICE, advance, false },
    { "DURATION", VALUE_DURATION, NULL, false },
    { 0 },
};
static const struct verb_arg name_args[] = { { "NAME", VALUE_NAME, NULL, false }, { 0 } };
static const struct verb_arg export_args[] = {
    { "NAME", VALUE_NAME, NULL, false },
    { "PATH", VALUE_PATH, NULL, false },
    { 0 },
};
static const struct verb_arg option_args[] = { { "-OPTION", VALUE_TEXT, NULL, false }, { 0 } };
static const struct verb_arg fd_args[] = {
    { "FILE", VALUE_NAME, NULL, false },
    { "ro|rw", VALUE_CHOICE, ro_rw, true },
    { 0 },
};
static const struct verb_arg io_args[] = {
    { "NODE", VALUE_NAME, NULL, false },
    { "COMMAND", VALUE_TEXT, NULL, false },
    { 0 },
};

/* Headers. */
static const char *const only[] = { "only", NULL };
static const struct verb_arg seed_args[] = {
    { "N", VALUE_UINT, NULL, false },
    { "only", VALUE_CHOICE, only, true },
    { 0 },
};
static const struct verb_arg seeds_args[] = {
    { "A..B", VALUE_TEXT, NULL, false },
    { "only", VALUE_CHOICE, only, true },
    { 0 },
};
static const struct verb_arg reason_args[] = { { "REASON", VALUE_TEXT, NULL, false }, { 0 } };
static const struct verb_arg timeout_args[] = { { "DURATION", VALUE_DURATION, NULL, true }, { 0 } };
static const struct verb_key timeout_keys[] = {
    { "steps", VALUE_UINT_POS, NULL, false, 0, "of the scheduler" },
    { 0 },
};
static const struct verb_arg host_args[] = { { "sim|posix", VALUE_CHOICE, hosts, false }, { 0 } };
static const struct verb_arg schedule_args[] = {
    { "fifo|seeded", VALUE_CHOICE, schedules, false },
    { 0 },
};

/* Expectations. */
static const struct verb_arg event_args[] = { { "NAME", VALUE_NAME, NULL, false }, { 0 } };
static const struct verb_key event_keys[] = {
    { "within", VALUE_DURATION, NULL, false, 0,
      "virtual time that may pass until it comes (none beyond the statement)" },
    { 0 },
};
static const struct verb_arg data_args[] = {
    { "NODE", VALUE_NAME, NULL, false },
    { "RANGE", VALUE_RANGE, NULL, false },
    { "is|in", VALUE_CHOICE, is_in, false },
    { "PATTERN", VALUE_PATTERN, NULL, false },
    { 0 },
};
static const struct verb_key data_keys[] = {
    { "per", VALUE_SIZE_POS, NULL, false, 0,
      "of `in`: every piece of that many bytes is one value throughout (1)" },
    { 0 },
};
static const struct verb_arg quirk_args[] = {
    { "CONDITION", VALUE_TEXT, NULL, false },
    { "EXPECTATION", VALUE_CHOICE, behind_quirk, false },
    { 0 },
};
static const struct verb_arg graph_args[] = {
    { "PARENT", VALUE_NAME, NULL, false },
    { "-CHILD->", VALUE_TEXT, NULL, false },
    { "NODE", VALUE_NAME, NULL, false },
    { "[frozen]", VALUE_TEXT, NULL, true },
    { 0 },
};

static const char *const none[] = { "none", NULL };
static const struct verb_arg job_args[] = {
    { "ID", VALUE_NAME, NULL, false },
    { "none", VALUE_CHOICE, none, true },
    { 0 },
};
static const struct verb_key job_keys[] = {
    { "within", VALUE_DURATION, NULL, false, 0,
      "virtual time that may pass until it is so (none beyond the statement)" },
    { 0 },
};

#define ANY VERB_ON_ANY

const struct verb_def verbs_all[] = {
    /* Structure. */
    { "case", VERB_STRUCTURE, 0, 0, name_args, NULL, "case NAME",
      "begins a case; its name is unique in the file", NULL },
    { "end", VERB_STRUCTURE, 0, 0, NULL, NULL, "end",
      "ends a block, or the case (optional)", NULL },

    /* Headers. */
    { "matrix", VERB_HEADER, 0, VERB_FREE_KEYS, NULL, NULL, "matrix KEY=VALUE,VALUE... ...",
      "runs the case once for every combination of values; ${KEY} is the value",
      "    Several keys, on one line or on several, give the cross product; the first one varies\n"
      "    slowest.  A value with a comma or a space is quoted: matrix opt=\"a,b\",c\n" },
    { "seed", VERB_HEADER, 0, VERB_ONCE, seed_args, NULL, "seed N [only]", "runs with seed N",
      "    only: the case is about what this seed makes happen; of other seeds that the command\n"
      "    line asks for it makes no run.\n" },
    { "seeds", VERB_HEADER, 0, VERB_ONCE, seeds_args, NULL, "seeds A..B [only]",
      "runs once with every seed from A to B", NULL },
    { "require", VERB_HEADER, 0, VERB_FREE_WORDS, name_args, NULL, "require NAME...",
      "skips the case where one of these features is missing", NULL },
    { "model-only", VERB_HEADER, 0, VERB_ONCE, reason_args, NULL, "model-only REASON",
      "leaves the whole case out on the real QEMU",
      "    What @model-only says of a statement, of all of them.\n" },
    { "timeout", VERB_HEADER, 0, VERB_ONCE, timeout_args, timeout_keys,
      "timeout DURATION [steps=N]", "limits virtual time and steps of a run", NULL },
    { "group", VERB_HEADER, 0, VERB_FREE_WORDS, name_args, NULL, "group NAME...",
      "groups that select the case", NULL },
    { "host", VERB_HEADER, 0, VERB_ONCE, host_args, NULL, "host sim|posix",
      "where files live: simulated disks (default), or a private directory of the real system",
      NULL },
    { "schedule", VERB_HEADER, 0, VERB_ONCE, schedule_args, NULL, "schedule fifo|seeded",
      "order of runnable coroutines: oldest first, or drawn from the seed",
      "    Without it, fifo when the case has no seed of its own and none is given, otherwise\n"
      "    seeded.\n" },
    { "explore", VERB_HEADER, 0, VERB_LATER | VERB_FREE_WORDS, NULL, NULL,
      "explore crash|errors|schedule KEY=VALUE...", "tries other schedules, errors, power cuts",
      NULL },

    /* Statements. */
    { "args", VERB_STATEMENT, VERB_ARGS, VERB_FREE_WORDS, option_args, NULL,
      "args -OPTION VALUE ...",
      "the command line: -blockdev, -drive, -device, -object; before all that uses the layer",
      "    Before it only disk, image, iothread, fault, clock and other args may stand.  Its\n"
      "    output is what the command line makes QEMU warn of.\n" },
    { "qmp", VERB_STATEMENT, VERB_QMP, VERB_FREE_WORDS, NULL, NULL, "qmp BYTES",
      "sends the rest of the line as it stands to the monitor", NULL },
    { "io", VERB_STATEMENT, VERB_IO, VERB_FREE_WORDS, io_args, NULL, "io NODE COMMAND WORD...",
      "executes a qemu-io command on a node", NULL },
    { "disk", VERB_STATEMENT, VERB_DISK, VERB_SIM_HOST, disk_args, disk_keys,
      "disk NAME size=SIZE|from=PATH [KEY=VALUE...]", "makes a simulated disk, a file NAME", NULL },
    { "image", VERB_STATEMENT, VERB_IMAGE, VERB_FREE_KEYS, image_args, NULL,
      "image raw|qcow2 NAME SIZE [OPTION=VALUE...]", "makes an image file on the host",
      "    OPTION is one of qemu-img's -o options of the format: cluster_size, backing_file...\n"
      "    The backing file need not be there.\n" },
    { "load", VERB_STATEMENT, VERB_LOAD, 0, load_args, load_keys,
      "load TAG NODE rw=KIND count=N|runtime=DURATION [KEY=VALUE...]",
      "starts guest I/O in the background; `wait TAG` ends it", NULL },
    { "fault", VERB_STATEMENT, VERB_FAULT, VERB_SIM_HOST, fault_args, fault_keys,
      "fault DISK KIND [KEY=VALUE...]", "adds a fault rule to a disk, or takes rules away",
      "    error       fails with errno, without effect\n"
      "    latent      at once: reads of the range fail with errno until it is written again\n"
      "    bitrot      at once: one bit of the range flips in what is stored\n"
      "    torn        a write stores a part of its atomic units, then fails with errno\n"
      "    lost        a write or discard reports success and does nothing\n"
      "    misdirect   a read or write goes to another place\n"
      "    short       transfers the first bytes= and fails with errno; without one, the file\n"
      "                driver goes on with the rest\n"
      "    delay       takes delay= longer\n"
      "    hang        does not end until `fault DISK release NAME`\n"
      "    lie         a flush reports success and makes nothing durable\n"
      "    remove      the disk is gone: all fails with errno until the rule is cleared\n"
      "    resize      the disk gets the size bytes=, and the request goes on\n"
      "    fault DISK clear [NAME]   takes the rules of that name away, or all\n"
      "    fault DISK release NAME   lets the requests that hang by that rule go on\n" },
    { "power", VERB_STATEMENT, VERB_POWER, VERB_SIM_HOST, power_args, NULL, "power cut|on",
      "cuts the power of the whole world, or gives it back with an empty block layer", NULL },
    { "run", VERB_STATEMENT, VERB_RUN, 0, run_args, NULL, "run DURATION|idle",
      "lets virtual time pass, or runs until nothing is left to do", NULL },
    { "wait", VERB_STATEMENT, VERB_WAIT, 0, tag_args, within_keys, "wait TAG [within=DURATION]",
      "runs until that load or @async statement has ended", NULL },
    { "clock", VERB_STATEMENT, VERB_CLOCK, 0, clock_args, NULL, "clock advance DURATION",
      "lets virtual time pass in which no load and no @async statement is in progress",
      "    It is `run DURATION` with the promise, which is checked, that the world is at rest.\n" },
    { "iothread", VERB_STATEMENT, VERB_IOTHREAD, 0, name_args, NULL, "iothread NAME",
      "makes an iothread", NULL },
    { "export", VERB_STATEMENT, VERB_EXPORT, VERB_SIM_HOST, export_args, NULL, "export NAME PATH",
      "writes what a disk holds to a real file in the work directory", NULL },
    { "partition", VERB_STATEMENT, VERB_PARTITION, VERB_LATER | VERB_FREE_WORDS, NULL, NULL,
      "partition LINK", "cuts a simulated network link", NULL },
    { "heal", VERB_STATEMENT, VERB_HEAL, VERB_LATER | VERB_FREE_WORDS, NULL, NULL, "heal LINK",
      "mends a simulated network link", NULL },
    { "recover", VERB_STATEMENT, VERB_RECOVER, VERB_LATER | VERB_FREE_WORDS | VERB_BLOCK, NULL,
      NULL, "recover ... end", "statements for every explored crash image", NULL },

    /* Expectations. */
    { "ok", VERB_EXPECT, EXPECT_OK, ANY, NULL, NULL, "ok", "it succeeds (implied)", NULL },
    { "error", VERB_EXPECT, EXPECT_ERROR, ANY, NULL, NULL, "error [CLASS] [\"TEXT\"|/RE/]",
      "it fails, with that class and text", NULL },
    { "return", VERB_EXPECT, EXPECT_RETURN, VERB_ON_COMMAND, NULL, NULL, "return JSON",
      "the reply has everything that the JSON says; a string \"/RE/\" matches", NULL },
    { "output", VERB_EXPECT, EXPECT_OUTPUT, ANY, NULL, NULL, "output \"TEXT\"|/RE/",
      "what an io command printed, or what another statement was warned of", NULL },
    { "event", VERB_EXPECT, EXPECT_EVENT, ANY | VERB_FREE_KEYS, event_args, event_keys,
      "event NAME [KEY=VALUE...] [within=DURATION]",
      "the event comes, after those that were expected before it", NULL },
    { "no-event", VERB_EXPECT, EXPECT_NO_EVENT, ANY | VERB_FREE_KEYS, event_args, NULL,
      "no-event NAME [KEY=VALUE...]", "the statement causes no such event", NULL },
    { "data", VERB_EXPECT, EXPECT_DATA, ANY, data_args, data_keys,
      "data NODE OFFSET+LENGTH is|in PATTERN [per=SIZE]", "what a node holds", NULL },
    { "node", VERB_EXPECT, EXPECT_NODE, ANY | VERB_FREE_KEYS, name_args, NULL,
      "node NAME [KEY=VALUE...]",
      "members of the node's entry in query-named-block-nodes, or opt.X",
      NULL },
    { "graph", VERB_EXPECT, EXPECT_GRAPH, ANY, graph_args, NULL,
      "graph PARENT -CHILD-> NODE [frozen]", "the node is that child of the parent",
      "    The last word is written with its brackets: graph top -backing-> base [frozen]\n" },
    { "job", VERB_EXPECT, EXPECT_JOB, ANY | VERB_FREE_KEYS, job_args, job_keys,
      "job ID none|[KEY=VALUE...] [within=DURATION]",
      "members of the job's entries in query-jobs and query-block-jobs; none: there is no such job",
      NULL },
    { "check", VERB_EXPECT, EXPECT_CHECK, ANY | VERB_LATER | VERB_FREE_WORDS, NULL, NULL,
      "check NODE errors=N leaks=N|any", "the image is consistent", NULL },
    { "aborts", VERB_EXPECT, EXPECT_ABORTS, ANY, NULL, NULL, "aborts /RE/",
      "the reference dies, and its last words match",
      "    It stands only behind quirk: quirk qemu=7.2 aborts /Assertion .* failed/\n" },
    { "quirk", VERB_EXPECT, EXPECT_QUIRK, ANY, quirk_args, NULL, "quirk CONDITION EXPECTATION...",
      "what those versions of the reference show instead",
      "    CONDITION is qemu, one of < <= = >= >, and a version, of which as many parts are\n"
      "    compared as are given: qemu=7.2 holds for all 7.2.x.\n"
      "    EXPECTATION is ok, error, return, output, aborts, data, node, graph or job.\n" },

    /* Properties. */
    { "@async", VERB_PROPERTY, 0, VERB_ON_COMMAND | VERB_ON_IO, NULL, NULL, "@async(TAG)",
      "does not wait for the end; `wait TAG` does, and expectations are judged then", NULL },
    { "@fail", VERB_PROPERTY, 0, VERB_ON_COMMAND | VERB_ON_IO | VERB_SIM_HOST, NULL,
      verbs_fail_keys,
      "@fail(KEY=VALUE...)", "one request to a disk that the statement causes fails", NULL },
    { "@fd", VERB_PROPERTY, 0, VERB_ON_COMMAND, fd_args, NULL, "@fd(FILE [ro|rw])",
      "a descriptor of that file comes with the command (add-fd, getfd)", NULL },
    { "@model-only", VERB_PROPERTY, 0, ANY, NULL, NULL, "@model-only(REASON)",
      "left out on the real QEMU", NULL },
    { "@may-fail", VERB_PROPERTY, 0, VERB_ON_COMMAND | VERB_ON_IO, NULL, NULL, "@may-fail",
      "a race decides whether it succeeds, or fails with the error that is expected",
      "    Such an outcome is not compared: it stands beside @model-only, or in such a case.\n" },
    { "@real-only", VERB_PROPERTY, 0, ANY, NULL, NULL, "@real-only",
      "left out on the simulated layer", NULL },
    { "@id", VERB_PROPERTY, 0, ANY, NULL, NULL, "@id(N)",
      "number of the statement, where it is not one more than that of the statement before", NULL },

    /* Reasons of @model-only. */
    { "disk-fault", VERB_REASON, 0, 0, NULL, NULL, "disk-fault",
      "needs a disk that fails on demand", NULL },
    { "virtual-time", VERB_REASON, 0, 0, NULL, NULL, "virtual-time",
      "depends on when things happen", NULL },
    { "crash", VERB_REASON, 0, 0, NULL, NULL, "crash", "needs a power cut", NULL },
    { "exploration", VERB_REASON, 0, 0, NULL, NULL, "exploration",
      "belongs to an explored schedule or error", NULL },
    { "introspection", VERB_REASON, 0, 0, NULL, NULL, "introspection",
      "looks at what the real QEMU does not show", NULL },
    { "unavailable", VERB_REASON, 0, 0, NULL, NULL, "unavailable",
      "shows that blksim has not what QEMU has", NULL },
    { "guest", VERB_REASON, 0, 0, NULL, NULL, "guest",
      "needs what a guest does; the real machine has none", NULL },
    { "aborts", VERB_REASON, 0, 0, NULL, NULL, "aborts",
      "QEMU 7.2 dies of it, or hangs, and no quirk is spent on it", NULL },
    { "order", VERB_REASON, 0, 0, NULL, NULL, "order",
      "QEMU's answer follows a hash table or a race", NULL },
    { .name = NULL },
};
