/* SPDX-License-Identifier: MIT */
/* `blksim features`: what is built in, what was found here, and how to get the rest. */
#include "app/app.h"
#include "app/features.h"
#include "app/host.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "oracles/oracle.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <xxhash.h>

static const struct option_spec features_options[] = {
    { NULL, 0, NULL, false, NULL },
};

static void print_feature(const struct feature *f)
{
    bool found = feature_found(f);
    printf("%-3s  %-20s %s%s%s%s\n", found ? "yes" : "no", f->name, f->help,
           found ? "" : " [", found ? "" : f->install, found ? "" : "]");
}

static int run_features(struct app *app, const struct options *o)
{
    (void)app;
    (void)o;
    printf("blksim %s, ", APP_VERSION);
#ifdef __clang__
    printf("clang %s\n", __clang_version__);
#else
    printf("gcc %s\n", __VERSION__);
#endif
    printf("libraries: sqlite %s, jansson %s, xxhash %u.%u.%u\n\n", sqlite3_libversion(),
           jansson_version_str(), XXH_versionNumber() / 10000, XXH_versionNumber() / 100 % 100,
           XXH_versionNumber() % 100);
    for (const struct feature *f = features_all; f->name; f++) {
        print_feature(f);
    }
    printf("\ndrivers:");
    for (size_t i = 0; drivers_all[i]; i++) {
        printf(" %s", drivers_all[i]->name);
    }
    printf("\noracles:");
    for (size_t i = 0; oracles_all[i]; i++) {
        printf(" %s", oracles_all[i]->name);
    }
    putchar('\n');
    return app_finish_output(APP_OK);
}

const struct command command_features = {
    .name = "features",
    .args = "",
    .help = "Shows what is built in and what was found on this machine.",
    .more = "The names are those that the require header of a case knows; in brackets stands the "
            "command that installs what is missing.",
    .options = features_options,
    .run = run_features,
};
