/* SPDX-License-Identifier: MIT */
#include "app/features.h"

#include "app/host.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/text.h"
#include "drivers/registry.h"
#include "scenarios/real/target.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct feature features_all[] = {
    { "sim", NULL, NULL, "the simulated world: disks, faults, power cuts, virtual time", NULL },
    { "posix", NULL, NULL, "the file driver on real files", NULL },
    { "sqlite", NULL, NULL, "results database (run --db)", NULL },
    { "nettle", NULL, "apt-get install nettle-dev, and build again", "digests of dirty bitmaps",
      digest_is_there },
    { "qemu-img", "qemu-img", "apt-get install qemu-utils", "the reference's image tool", NULL },
    { "qemu-io", "qemu-io", "apt-get install qemu-utils", "the reference's I/O tool", NULL },
    { "qemu-storage-daemon", "qemu-storage-daemon", "apt-get install qemu-system-common",
      "the reference's block layer as a daemon", NULL },
    { "qemu-system-x86_64", "qemu-system-x86_64", "apt-get install qemu-system-x86",
      "the reference itself", NULL },
    { "e2fsprogs", "mke2fs e2fsck debugfs", "apt-get install e2fsprogs",
      "ext4 file systems as real input", NULL },
    { "ext4-image", "../real/ext4.img", "make build/real/ext4.img",
      "the file system of suites/real, made with e2fsprogs", NULL },
    { "gdb", "gdb", "apt-get install gdb", "debugger (replay --gdb)", NULL },
    { "faketime", "faketime", "apt-get install faketime", "other clocks, to prove determinism",
      NULL },
    { "prove", "prove", "apt-get install perl", "reads what run --tap writes", NULL },
    { "xmllint", "xmllint", "apt-get install libxml2-utils", "checks what run --junit writes",
      NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

/* A program, or, when there is a slash in the name, a file by its path from this program's. */
static bool find_one(const char *name)
{
    bool file = strchr(name, '/') != NULL;
    char *self = file ? host_self_path(NULL) : NULL;
    char *path = file ? NULL : real_find_program(NULL, name, NULL);
    if (self) {
        char *slash = strrchr(self, '/');
        path = mem_printf("%.*s/%s", (int)(slash - self), self, name);
    }
    bool found = path && (!file || access(path, R_OK) == 0);
    free(path);
    free(self);
    return found;
}

bool feature_found(const struct feature *f)
{
    bool found = !f->is_built_in || f->is_built_in();
    for (const char *p = f->programs ? f->programs : ""; *p && found;) {
        size_t n = strcspn(p, " ");
        char *name = mem_strndup(p, n);
        found = find_one(name);
        free(name);
        p += n + (p[n] == ' ');
    }
    return found;
}

char *features_text(void)
{
    struct strbuf b = { .text = NULL };
    for (const struct feature *f = features_all; f->name; f++) {
        if (feature_found(f)) {
            strbuf_printf(&b, "%s%s", b.len ? " " : "", f->name);
        }
    }
    for (size_t i = 0; drivers_all[i]; i++) {
        strbuf_printf(&b, " %s", drivers_all[i]->name);
    }
    return b.text;
}

/* Whether word stands in text between other characters than those of names. */
static bool has_word(const char *text, const char *word)
{
    static const char inside[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t n = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        bool before = at > text && strchr(inside, at[-1]);
        bool after = at[n] && strchr(inside, at[n]);
        if (!before && !after) {
            return true;
        }
    }
    return false;
}

const char *features_hint(const char *message)
{
    for (const struct feature *f = features_all; f->name; f++) {
        if (f->install && has_word(message, f->name)) {
            return f->install;
        }
    }
    return NULL;
}
