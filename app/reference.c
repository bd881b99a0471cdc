/* SPDX-License-Identifier: MIT */
/* Finding the real QEMU.
 *
 * A build of one's own changes without its version: so its content is part of what results are
 * stored under, and a rebuilt QEMU is run again.
 */
#include "app/reference.h"

#include "app/app.h"
#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static const char *const target_names[] = {
    [RUN_ON_SIM] = "sim", [RUN_ON_QEMU] = "qemu", [RUN_ON_QSD] = "qsd", NULL,
};
static const char *const target_programs[] = {
    [RUN_ON_QEMU] = "qemu-system-x86_64", [RUN_ON_QSD] = "qemu-storage-daemon",
};

static int read_target(struct reference *ref, const struct options *o, const char *deflt)
{
    bool sim = strcmp(deflt, target_names[RUN_ON_SIM]) == 0;
    const char *const *names = target_names + (sim ? 0 : 1);
    const char *name = options_get(o, "target", deflt);
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            ref->target = (enum run_target)(i + (sim ? 0 : 1));
            ref->program = target_programs[ref->target];
            return APP_OK;
        }
    }
    app_complain_unknown("target", name, names);
    return APP_USAGE;
}

int reference_read(struct reference *ref, const struct options *o, const char *deflt)
{
    *ref = (struct reference){ .prefix = options_get(o, "qemu-prefix", NULL) };
    int code = read_target(ref, o, deflt);
    if (!code && ref->target == RUN_ON_SIM && ref->prefix) {
        app_complain("%s: --qemu-prefix needs --target qemu or --target qsd", o->command->name);
        code = APP_USAGE;
    }
    if (!code && ref->prefix && access(ref->prefix, X_OK) != 0) {
        app_complain("%s: %s", ref->prefix, error_strerror(errno));
        code = APP_USAGE;
    }
    return code;
}

const char *reference_target_name(const struct reference *ref)
{
    return target_names[ref->target];
}

/* Finds a program.  Where it was looked for by PATH, to be without it is no error. */
static int find_program(struct reference *ref, const char *program, char **path)
{
    struct error err = ERROR_INIT;
    *path = real_find_program(ref->prefix, program, &err);
    if (!*path && ref->prefix) {
        app_complain("%s", err.text);
        return APP_ENVIRONMENT;
    }
    if (!*path && !ref->missing) {
        ref->missing = mem_printf("the reference %s: not available here", program);
    }
    return APP_OK;
}

int reference_open(struct reference *ref)
{
    struct error err = ERROR_INIT;
    if (ref->target == RUN_ON_SIM) {
        return APP_OK;
    }
    int code = find_program(ref, ref->program, &ref->path);
    code = code ? code : find_program(ref, "qemu-img", &ref->image_tool);
    if (code || ref->missing) {
        return code;
    }
    ref->version = real_version(ref->target == RUN_ON_QEMU ? REAL_QEMU : REAL_QSD, ref->prefix,
                                &err);
    if (!ref->version) {
        app_complain("%s", err.text);
        return APP_ENVIRONMENT;
    }
    ref->name = mem_printf("%s %s", target_names[ref->target], ref->version);
    return APP_OK;
}

void reference_close(struct reference *ref)
{
    free(ref->path);
    free(ref->image_tool);
    free(ref->version);
    free(ref->name);
    free(ref->missing);
    *ref = (struct reference){ .target = RUN_ON_SIM };
}

bool reference_skips(const struct reference *ref, const struct unit *u, struct result *r)
{
    if (!ref->missing) {
        return false;
    }
    result_set(&r->case_id, u->cas->name);
    result_set(&r->params, u->params);
    r->seed = u->seed;
    r->verdict = VERDICT_SKIP;
    result_set(&r->message, ref->missing);
    return true;
}

void reference_configure(const struct reference *ref, struct run_config *run)
{
    run->target = ref->target;
    run->qemu_prefix = ref->prefix;
    run->qemu_version = ref->version;
}

char *reference_hash(const struct reference *ref, const char *mode, const char *own,
                     struct error *err)
{
    XXH3_state_t *state = XXH3_createState();
    const char *name = ref->name ? ref->name : "";
    CHECK(state != NULL);
    char *theirs = ref->path ? host_file_hash(ref->path, err) : mem_strdup("");
    if (theirs) {
        XXH3_64bits_reset(state);
        XXH3_64bits_update(state, mode, strlen(mode) + 1);
        XXH3_64bits_update(state, own, strlen(own) + 1);
        XXH3_64bits_update(state, name, strlen(name) + 1);
        XXH3_64bits_update(state, theirs, strlen(theirs) + 1);
    }
    uint64_t hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    bool good = theirs != NULL;
    free(theirs);
    return good ? mem_printf("%016" PRIx64, hash) : NULL;
}
