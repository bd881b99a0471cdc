/* What the parts of the generator share (random*.c). */
#ifndef SCENARIOS_DIFF_RANDOM_PRIVATE_H
#define SCENARIOS_DIFF_RANDOM_PRIVATE_H

#include "base/text.h"
#include "model/layer.h"
#include "scenarios/diff/random.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RAND_KINDS_MAX = 64,
    RAND_DRIVERS_MAX = 64,
    RAND_NODES_SOFT = 12, /* From here on nodes are deleted rather than made. */
    RAND_DEPTH = 2,       /* Of inline children. */
};

/* A node that was made, and is still there if all went as guessed. */
struct rand_node {
    char *name;
    json_t *options; /* As given last; children that have a name stand there by it. */
    bool owned;      /* By the monitor: it can be deleted. */
};

/* An image file of the case. */
struct rand_file {
    char *name;
    bool qcow2;
    int64_t size; /* What a guest sees of it. */
    char *backing; /* Name in its header; NULL: none. */
    bool small_clusters; /* Of less than 64k. */
};

struct rand_device {
    char *id;
    const char *driver;
    char *drive; /* Node; NULL: empty. */
    bool removable;
    bool began_empty; /* It was plugged in without a node. */
};

/* Names of one kind of thing. */
struct rand_names {
    char **at;
    size_t len, cap;
};

/* A statement in the making. */
struct rand_cmd {
    const char *verb; /* Of QMP, or "io". */
    json_t *args;     /* Of QMP. */
    struct strbuf io; /* The words behind io. */
    struct strbuf prop; /* "@fd(d0 rw)", or empty. */
    bool exact;       /* Printed as the bytes of `qmp`: words would change it. */
    bool spoiled;     /* Something in it was made wrong: enough of mistakes. */
};

struct rand_gen {
    const struct blk_driver *const *drivers;
    uint64_t state;   /* Of the random numbers. */
    unsigned weight[RAND_KINDS_MAX];       /* Of each kind of statement, this seed. */
    unsigned driver_weight[RAND_DRIVERS_MAX];
    unsigned option_permille; /* How often an optional member is there. */
    unsigned spoil_permille;  /* How often a command is made wrong. */
    unsigned any_permille;    /* How often names are picked without looking. */

    struct rand_node *nodes;
    size_t nodes_len, nodes_cap;
    struct rand_file *files;
    size_t files_len, files_cap;
    size_t world_files; /* Those that are there from the beginning. */
    struct rand_device *devices;
    size_t devices_len, devices_cap;
    struct rand_names groups, iothreads, exports, fdsets;
    struct rand_names threaded; /* Nodes that may not be in the main loop. */
    bool nbd;
    unsigned iothreads_made;
    unsigned next_node, next_name;
};

/* ---- Random numbers (random.c) ---- */

/* In [0, n), n >= 1. */
uint64_t rand_below(struct rand_gen *g, uint64_t n);
bool rand_chance(struct rand_gen *g, unsigned permille);
/* One of the words of a text, new; words are separated by spaces. */
char *rand_word(struct rand_gen *g, const char *words);
/* The same as a size. */
int64_t rand_size(struct rand_gen *g, const char *sizes);
/* One of them, or NULL when there is none. */
const char *rand_name(struct rand_gen *g, const struct rand_names *names);

void rand_names_add(struct rand_names *names, const char *name);
void rand_names_drop(struct rand_names *names, const char *name);
void rand_names_free(struct rand_names *names);

/* ---- Values from schemas (random_value.c) ---- */

/* A legal value for a member of the thing of that name (a driver, a command). */
json_t *rand_value(struct rand_gen *g, const char *owner, const struct schema_member *m);
/* How often, in thousandths, an optional member of it is given. */
unsigned rand_willing(const struct rand_gen *g, const char *owner, const struct schema_member *m);
/* Sets members of object: the required ones, and optional ones now and then.  Those that are there
 * already, and those of skip (ends with NULL, may be NULL), stay as they are. */
void rand_members(struct rand_gen *g, const char *owner, const struct schema_member *members,
                  const char *const *skip, json_t *object);
/* Makes one place of the command's arguments wrong.  False: there is none. */
bool rand_spoil(struct rand_gen *g, struct rand_cmd *c);

/* ---- Nodes (random_node.c) ---- */

struct rand_node *rand_find_node(const struct rand_gen *g, const char *name);
/* Who uses it: parents, devices. */
size_t rand_node_users(const struct rand_gen *g, const char *name);
/* A node, preferably one that nobody uses, or NULL when there is none. */
struct rand_node *rand_pick_node(struct rand_gen *g, bool free);
/* The same of a driver. */
struct rand_node *rand_pick_driver(struct rand_gen *g, const char *driver, bool free);
/* Length as guests see it; ref: a name or options. */
int64_t rand_ref_size(const struct rand_gen *g, const json_t *ref, int depth);
int64_t rand_node_size(const struct rand_gen *g, const char *name);
bool rand_node_is_ro(const struct rand_gen *g, const char *name);
/* Whether a node, or one below it, is of that driver or on a file of that name. */
bool rand_tree_has(const struct rand_gen *g, const json_t *ref, const char *what, int depth);
/* How many nodes a walk down from it meets, each as often as there are ways to it, at most
 * RAND_WALK_MAX; and how many of them it meets for the first time. */
enum { RAND_WALK_MAX = 1000 };
size_t rand_tree_walk(const struct rand_gen *g, const json_t *ref, size_t *distinct);
const char *rand_str(const json_t *object, const char *key); /* NULL: none. */
/* Whether a member of an option table is a child, or a list of them. */
bool rand_is_child(const struct schema_type *type);
/* Everybody who used one node uses another, but the other itself. */
void rand_move_users(struct rand_gen *g, const char *from, const char *to);
struct rand_file *rand_pick_file(struct rand_gen *g, bool qcow2, bool free);
struct rand_file *rand_find_file(const struct rand_gen *g, const char *name);
void rand_add_file(struct rand_gen *g, const char *name, bool qcow2, int64_t size,
                   const char *backing);
void rand_fresh_node_name(struct rand_gen *g, json_t *object, const char *key);
/* Remembers the nodes of options. */
void rand_note_tree(struct rand_gen *g, const json_t *options, bool owned);
void rand_forget_node(struct rand_gen *g, const char *name);

/* ---- Kinds of statements ---- */

struct rand_kind {
    const char *name; /* Of the command. */
    unsigned weight;
    /* Fills the command.  False: there is nothing to do it with. */
    bool (*make)(struct rand_gen *g, struct rand_cmd *c);
    /* What it does when it succeeds; NULL: nothing that matters here. */
    void (*took)(struct rand_gen *g, const struct rand_cmd *c);
};

/* Each ends with a nameless one. */
extern const struct rand_kind rand_node_kinds[], rand_snapshot_kinds[], rand_device_kinds[],
    rand_object_kinds[], rand_io_kinds[];

/* Remembers name, and what it is connected with, as not in the main loop, or as back there. */
void rand_note_thread(struct rand_gen *g, const char *name, bool away);

/* Whether a rule forbids it (random_exclude.c). */
bool rand_is_excluded(const struct rand_gen *g, const struct rand_cmd *c);

#endif
