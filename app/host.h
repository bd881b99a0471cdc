/* The real machine: clock, environment, files of the program itself, temporary folders.
 *
 * Nothing of it reaches a simulation.
 */
#ifndef APP_HOST_H
#define APP_HOST_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* CLOCK_MONOTONIC. */
int64_t host_now_ns(void);

/* Microseconds since 1970, of the calendar. */
int64_t host_wall_us(void);

/* Processors that this process may use, 1 or more. */
unsigned host_processors(void);

/* A terminal that can redraw a line. */
bool host_is_live(FILE *f);
/* As host_is_live, and NO_COLOR is not set. */
bool host_has_color(FILE *f);
/* COLUMNS, or the width of the terminal, or 80. */
unsigned host_columns(FILE *f);

/* The file of this program: its path, and 16 hex digits that stand for its content.  New strings;
 * NULL and an error when /proc is missing. */
char *host_self_path(struct error *err);
char *host_self_hash(struct error *err);
/* The same for any file. */
char *host_file_hash(const char *path, struct error *err);

/* The folder of scenarios when none is named: scenarios/suites here, or beside the program in its
 * source tree, or where it is installed.  A new string, NULL when there is none. */
char *host_default_suites(void);

/* A new private folder in TMPDIR or /tmp. */
char *host_temp_create(struct error *err);
/* The same on a file system in memory, where there is one. */
char *host_temp_create_in_memory(struct error *err);
/* Removes a folder with everything in it; links are not followed. */
void host_remove_tree(const char *path);
/* Moves a folder, to another file system too.  Errors: -errno naming it. */
int host_move_tree(const char *from, const char *to, struct error *err);
/* Removes what is in a folder. */
void host_empty_folder(const char *path);

#endif
