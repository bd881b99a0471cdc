/* SPDX-License-Identifier: MIT */
/* Finding scenario files and making units of them. */
#include "app/select.h"

#include "app/app.h"
#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"
#include "reports/replay_id.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { DEPTH_MAX = 32 };

/* --- Files --- */

/* Paths found so far, each with what it is on disk, so that none is read twice. */
struct path_list {
    struct path_entry {
        char *path;
        dev_t dev;
        ino_t ino;
    } *at;
    size_t len, cap;
    size_t met; /* Those met again are counted too. */
};

static void paths_add(struct path_list *l, const char *path, const struct stat *st)
{
    l->met++;
    for (size_t i = 0; i < l->len; i++) {
        if (l->at[i].dev == st->st_dev && l->at[i].ino == st->st_ino) {
            return;
        }
    }
    if (l->len == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->at = mem_resize(l->at, l->cap * sizeof(*l->at));
    }
    l->at[l->len++] = (struct path_entry){ mem_strdup(path), st->st_dev, st->st_ino };
}

static void paths_free(struct path_list *l)
{
    for (size_t i = 0; i < l->len; i++) {
        free(l->at[i].path);
    }
    free(l->at);
}

/* By bytes, whatever the locale. */
static int compare_entries(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static bool is_script(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".scn") == 0;
}

static int complain_path(const char *path, int errnum)
{
    app_complain("%s: %s", path, error_strerror(errnum));
    return errnum == ENOENT || errnum == ENOTDIR ? APP_USAGE : APP_ENVIRONMENT;
}

static int add_folder(struct path_list *l, const char *path, unsigned depth);

static int add_path(struct path_list *l, const char *path, bool named, unsigned depth)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return complain_path(path, errno);
    }
    if (S_ISDIR(st.st_mode)) {
        return add_folder(l, path, depth + 1);
    }
    if (named || is_script(path)) {
        paths_add(l, path, &st);
    }
    return APP_OK;
}

static int add_folder(struct path_list *l, const char *path, unsigned depth)
{
    struct dirent **entries = NULL;
    if (depth > DEPTH_MAX) {
        return complain_path(path, ELOOP);
    }
    int n = scandir(path, &entries, not_hidden, compare_entries);
    int ret = n < 0 ? complain_path(path, errno) : APP_OK;
    size_t len = strlen(path);
    for (int i = 0; i < n; i++) {
        char *inner = mem_printf("%s%s%s", path, len && path[len - 1] == '/' ? "" : "/",
                                 entries[i]->d_name);
        if (ret == APP_OK) {
            ret = add_path(l, inner, false, depth);
        }
        free(inner);
        free(entries[i]);
    }
    free(entries);
    return ret;
}

static int add_glob(struct path_list *l, const char *pattern)
{
    glob_t g;
    int rc = glob(pattern, 0, NULL, &g);
    if (rc == GLOB_NOMATCH) {
        app_complain("no file matches '%s'", pattern);
        return APP_USAGE;
    }
    if (rc) {
        app_complain("cannot look for '%s': %s", pattern, error_strerror(errno ? errno : EIO));
        return APP_ENVIRONMENT;
    }
    int ret = APP_OK;
    for (size_t i = 0; i < g.gl_pathc && ret == APP_OK; i++) {
        ret = add_path(l, g.gl_pathv[i], false, 0);
    }
    globfree(&g);
    return ret;
}

static int add_argument(struct path_list *l, const char *arg)
{
    size_t before = l->met;
    bool pattern = strpbrk(arg, "*?[") && access(arg, F_OK) != 0;
    int ret = pattern ? add_glob(l, arg) : add_path(l, arg, true, 0);
    if (ret == APP_OK && l->met == before) {
        app_complain("no scenario file (*.scn) in '%s'", arg);
        ret = APP_USAGE;
    }
    return ret;
}

static int find_paths(const struct options *o, struct path_list *l)
{
    int ret = APP_OK;
    if (o->args_len == 0) {
        char *suites = host_default_suites();
        if (!suites) {
            app_complain("%s: there is no folder scenarios/suites here; name a scenario file",
                         o->command->name);
            return APP_USAGE;
        }
        ret = add_argument(l, suites);
        free(suites);
    }
    for (size_t i = 0; i < o->args_len && ret == APP_OK; i++) {
        ret = add_argument(l, o->args[i]);
    }
    return ret;
}

/* --- Scripts --- */

static uint64_t hash_script(const struct script *s)
{
    XXH3_state_t *state = XXH3_createState();
    CHECK(state != NULL);
    XXH3_64bits_reset(state);
    for (size_t i = 0; i < s->lines_len; i++) {
        XXH3_64bits_update(state, s->lines[i], strlen(s->lines[i]));
        XXH3_64bits_update(state, "\n", 1);
    }
    uint64_t hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return hash;
}

/* Takes a script over; NULL: errors say what is wrong with it. */
static int add_script(struct selection *s, struct script *script, struct strbuf *errors)
{
    if (!script) {
        fflush(stdout);
        fputs(strbuf_str(errors), stderr);
        if (errors->len == 0 || errors->text[errors->len - 1] != '\n') {
            fputc('\n', stderr);
        }
        strbuf_free(errors);
        return APP_USAGE;
    }
    if (s->scripts_len == s->scripts_cap) {
        s->scripts_cap = s->scripts_cap ? s->scripts_cap * 2 : 16;
        s->scripts = mem_resize(s->scripts, s->scripts_cap * sizeof(*s->scripts));
        s->hashes = mem_resize(s->hashes, s->scripts_cap * sizeof(*s->hashes));
    }
    s->hashes[s->scripts_len] = hash_script(script);
    s->scripts[s->scripts_len++] = script;
    strbuf_free(errors);
    return APP_OK;
}

int select_script(const char *path, struct selection *s)
{
    struct strbuf errors = { .text = NULL };
    if (access(path, R_OK) != 0) {
        return complain_path(path, errno);
    }
    return add_script(s, script_load(path, &errors), &errors);
}

int select_text(const char *path, const char *text, size_t n, struct selection *s)
{
    struct strbuf errors = { .text = NULL };
    return add_script(s, script_parse(path, text, n, &errors), &errors);
}

uint64_t select_hash(const struct selection *s, const struct unit *u)
{
    for (size_t i = 0; i < s->scripts_len; i++) {
        if (s->scripts[i] == u->script) {
            return s->hashes[i];
        }
    }
    UNREACHABLE();
}

void select_free(struct selection *s)
{
    units_free(&s->units);
    for (size_t i = 0; i < s->scripts_len; i++) {
        script_free(s->scripts[i]);
    }
    free(s->scripts);
    free(s->hashes);
    *s = (struct selection){ .scripts = NULL };
}

/* --- Units --- */

struct named_case {
    const struct script *script;
    const struct script_case *cas;
};

static int compare_cases(const void *a, const void *b)
{
    const struct named_case *x = a, *y = b;
    int c = strcmp(x->cas->name, y->cas->name);
    c = c ? c : strcmp(x->script->path, y->script->path);
    return c ? c : (x->cas->line > y->cas->line) - (x->cas->line < y->cas->line);
}

/* A case is known by its name in results, so no two may share one. */
static int check_names(const struct selection *s)
{
    size_t n = 0;
    int ret = APP_OK;
    for (size_t i = 0; i < s->scripts_len; i++) {
        n += s->scripts[i]->cases_len;
    }
    struct named_case *all = NEW_ARRAY(struct named_case, n + 1);
    n = 0;
    for (size_t i = 0; i < s->scripts_len; i++) {
        for (size_t k = 0; k < s->scripts[i]->cases_len; k++) {
            all[n++] = (struct named_case){ s->scripts[i], &s->scripts[i]->cases[k] };
        }
    }
    qsort(all, n, sizeof(*all), compare_cases);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(all[i].cas->name, all[i - 1].cas->name) == 0) {
            app_complain("%s:%d: case '%s' has the name of the one at %s:%d", all[i].script->path,
                         all[i].cas->line, all[i].cas->name, all[i - 1].script->path,
                         all[i - 1].cas->line);
            ret = APP_USAGE;
        }
    }
    free(all);
    return ret;
}

/* The names that headers of one kind introduce: groups, or the keys of matrices. */
struct name_list {
    const char **at; /* Ends with NULL. */
    size_t len;
};

static void names_add(struct name_list *l, char *name)
{
    for (size_t i = 0; i < l->len; i++) {
        if (strcmp(l->at[i], name) == 0) {
            free(name);
            return;
        }
    }
    l->at = mem_resize(l->at, (l->len + 2) * sizeof(*l->at));
    l->at[l->len++] = name;
    l->at[l->len] = NULL;
}

static void names_collect(const struct selection *s, const char *header, struct name_list *l)
{
    *l = (struct name_list){ .at = NEW_ARRAY(const char *, 1) };
    for (size_t i = 0; i < s->scripts_len; i++) {
        for (size_t k = 0; k < s->scripts[i]->cases_len; k++) {
            const struct script_case *c = &s->scripts[i]->cases[k];
            for (size_t h = 0; h < c->headers_len; h++) {
                const struct script_header *hd = &c->headers[h];
                for (size_t w = 0; strcmp(hd->name, header) == 0 && w < hd->words.len; w++) {
                    const char *text = hd->words.at[w].text;
                    names_add(l, mem_strndup(text, strcspn(text, "=")));
                }
            }
        }
    }
}

static bool names_have(const struct name_list *l, const char *name)
{
    for (size_t i = 0; i < l->len; i++) {
        if (strcmp(l->at[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void names_free(struct name_list *l)
{
    for (size_t i = 0; i < l->len; i++) {
        free((void *)l->at[i]);
    }
    free(l->at);
}

/* Every word of an option must be one that some case knows. */
static int check_words(const struct selection *s, const char *const *words, const char *header,
                       const char *what)
{
    struct name_list names;
    int ret = APP_OK;
    names_collect(s, header, &names);
    for (size_t i = 0; words[i] && ret == APP_OK; i++) {
        char *name = mem_strndup(words[i], strcspn(words[i], "="));
        if (!names_have(&names, name)) {
            app_complain_unknown(what, name, names.at);
            ret = APP_USAGE;
        }
        free(name);
    }
    names_free(&names);
    return ret;
}

/* "A..B" or one number.  Seed 0 stands for the plain schedule in results, so it cannot be asked
 * for. */
static int parse_seeds(const struct options *o, struct unit_select *sel)
{
    const char *one = options_get(o, "seed", NULL), *range = options_get(o, "seeds", NULL);
    const char *text = one ? one : range;
    if (!text) {
        return APP_OK;
    }
    if (one && range) {
        app_complain("%s: --seed and --seeds exclude each other", o->command->name);
        return APP_USAGE;
    }
    const char *dots = range ? strstr(range, "..") : NULL;
    char *first = mem_strndup(text, dots ? (size_t)(dots - text) : strlen(text));
    bool bad = text_parse_u64(first, &sel->seed_first) ||
               text_parse_u64(dots ? dots + 2 : first, &sel->seed_last) ||
               sel->seed_first == 0 || sel->seed_last < sel->seed_first || (range && !dots);
    free(first);
    sel->seed_given = true;
    if (bad) {
        app_complain("%s: --%s takes %s, not '%s'", o->command->name, one ? "seed" : "seeds",
                     one ? "a number from 1" : "A..B with 1 <= A <= B", text);
        return APP_USAGE;
    }
    return APP_OK;
}

static bool case_wanted(const struct script_case *c, const char *const *globs)
{
    for (size_t i = 0; globs[i]; i++) {
        if (fnmatch(globs[i], c->name, 0) == 0) {
            return true;
        }
    }
    return globs[0] == NULL;
}

static int make_units(struct selection *s, const struct unit_select *sel, const char *const *globs)
{
    for (size_t i = 0; i < s->scripts_len; i++) {
        for (size_t k = 0; k < s->scripts[i]->cases_len; k++) {
            const struct script_case *c = &s->scripts[i]->cases[k];
            struct error err = ERROR_INIT;
            if (case_wanted(c, globs) && units_of_case(s->scripts[i], c, sel, &s->units, &err)) {
                app_complain("%s:%d: %s", s->scripts[i]->path, c->line, err.text);
                return APP_USAGE;
            }
        }
    }
    return APP_OK;
}

static int load_units(const struct options *o, struct selection *s)
{
    struct unit_select sel = { .define = NULL };
    const char **define = options_all(o, "define"), **groups = options_all(o, "group");
    const char **globs = options_all(o, "case");
    int ret = parse_seeds(o, &sel);
    sel.define = (const char *const *)define;
    sel.groups = groups[0] ? (const char *const *)groups : NULL;
    for (size_t i = 0; define[i] && ret == APP_OK; i++) {
        if (!strchr(define[i], '=')) {
            app_complain("%s: --define takes K=V, not '%s'", o->command->name, define[i]);
            ret = APP_USAGE;
        }
    }
    ret = ret ? ret : check_words(s, (const char *const *)define, "matrix", "matrix parameter");
    ret = ret ? ret : check_words(s, (const char *const *)groups, "group", "group");
    ret = ret ? ret : make_units(s, &sel, (const char *const *)globs);
    free(define);
    free(groups);
    free(globs);
    return ret;
}

int select_all(struct selection *s)
{
    static const char *const any[] = { NULL };
    return make_units(s, &(struct unit_select){ .define = NULL }, any);
}

void select_first_seeds(struct selection *s)
{
    size_t len = 0;
    for (size_t i = 0; i < s->units.len; i++) {
        struct unit *u = &s->units.at[i];
        const struct unit *last = len ? &s->units.at[len - 1] : NULL;
        if (last && last->cas == u->cas && last->point == u->point) {
            free(u->params);
        } else {
            s->units.at[len++] = *u;
        }
    }
    s->units.len = len;
}

/* --- One unit by its id --- */

static const struct script_case *find_case(const struct script *s, const char *name)
{
    const char **names = NEW_ARRAY(const char *, s->cases_len + 1);
    const struct script_case *found = NULL;
    for (size_t i = 0; i < s->cases_len; i++) {
        names[i] = s->cases[i].name;
        if (strcmp(names[i], name) == 0) {
            found = &s->cases[i];
        }
    }
    if (!found) {
        app_complain_unknown("case", name, names);
    }
    free(names);
    return found;
}

static void complain_unit(const struct replay_id *id, const char *command, const struct units *all)
{
    app_complain("%s: case %s has no run with parameters '%s' and %s seed; there are:", command,
                 id->case_id, id->params, id->seeded ? "this" : "no");
    for (size_t i = 0; i < all->len; i++) {
        struct strbuf text = { .text = NULL };
        select_replay_id(&all->at[i], "", &text);
        fprintf(stderr, "    %s\n", strbuf_str(&text));
        strbuf_free(&text);
    }
}

int select_unit(const struct replay_id *id, const char *command, struct selection *s)
{
    struct units all = { .at = NULL };
    struct error err = ERROR_INIT;
    struct unit_select want = { .seed_given = id->seeded, .seed_first = id->seed,
                                .seed_last = id->seed };
    int code = select_script(id->path, s);
    const struct script_case *c = code ? NULL : find_case(s->scripts[0], id->case_id);
    if (!c) {
        return code ? code : APP_USAGE;
    }
    if (units_of_case(s->scripts[0], c, &want, &all, &err)) {
        app_complain("%s", err.text);
        return APP_USAGE;
    }
    for (size_t i = 0; i < all.len && s->units.len == 0; i++) {
        if (strcmp(all.at[i].params, id->params) == 0 && all.at[i].seed == id->seed) {
            s->units.at = mem_copy(&all.at[i], sizeof(all.at[i]));
            s->units.at[0].params = mem_strdup(id->params);
            s->units.len = s->units.cap = 1;
        }
    }
    if (s->units.len == 0) {
        complain_unit(id, command, &all);
    }
    units_free(&all);
    return s->units.len ? APP_OK : APP_USAGE;
}

static bool is_id(const char *arg)
{
    return strchr(arg, ':') && access(arg, F_OK) != 0 && !strpbrk(arg, "*?[");
}

/* The argument is a replay id: it says all that options would. */
static int load_id(const struct options *o, struct selection *s)
{
    static const char *const others[] = { "define", "case", "group", "seed", "seeds" };
    struct replay_id id;
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (options_has(o, others[i])) {
            app_complain("%s: '%s' names one run, and --%s is about several", o->command->name,
                         o->args[0], others[i]);
            return APP_USAGE;
        }
    }
    if (replay_id_parse(&id, o->args[0], &err)) {
        app_complain("%s: %s", o->command->name, err.text);
        return APP_USAGE;
    }
    int code = APP_USAGE;
    if (id.choices[0]) {
        app_complain("%s: choices are for blksim replay", o->command->name);
    } else {
        code = select_unit(&id, o->command->name, s);
    }
    replay_id_fini(&id);
    return code;
}

int select_load(const struct options *o, struct selection *s)
{
    struct path_list paths = { .at = NULL };
    *s = (struct selection){ .scripts = NULL };
    if (o->args_len == 1 && is_id(o->args[0])) {
        return load_id(o, s);
    }
    int ret = find_paths(o, &paths), worst = APP_OK;
    for (size_t i = 0; i < paths.len && ret == APP_OK; i++) {
        int code = select_script(paths.at[i].path, s); /* All errors of all files are told. */
        worst = MAX(worst, code);
    }
    paths_free(&paths);
    ret = ret ? ret : worst;
    ret = ret ? ret : check_names(s);
    return ret ? ret : load_units(o, s);
}

void select_replay_id(const struct unit *u, const char *deviations, struct strbuf *out)
{
    struct replay_id id = {
        .path = u->script->path,
        .case_id = u->cas->name,
        .params = u->params,
        .choices = mem_strdup(deviations),
        .seeded = u->seeded || u->seed != 0,
        .seed = u->seed,
    };
    replay_id_format(&id, out);
    free(id.choices);
}
