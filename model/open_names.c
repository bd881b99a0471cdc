/* SPDX-License-Identifier: MIT */
/* Names of image files: "nbd:..." has a protocol, "dir/a:b" has none; a relative name is relative
 * to the image that says it.  (Behaviour of the installed QEMU 7.2.) */
#include "base/mem.h"
#include "model/open.h"

#include <string.h>

bool name_has_protocol(const char *name)
{
    return name[strcspn(name, ":/")] == ':';
}

/* How much of a name stays when another takes the place of its last part. */
static size_t folder_length(const char *base)
{
    const char *colon = name_has_protocol(base) ? strchr(base, ':') : NULL;
    const char *slash = strrchr(base, '/');
    const char *after_colon = colon ? colon + 1 : base;
    const char *after_slash = slash ? slash + 1 : base;
    return (size_t)((after_slash > after_colon ? after_slash : after_colon) - base);
}

char *name_combine(const char *base, const char *name)
{
    if (!*name || *name == '/' || name_has_protocol(name)) {
        return mem_strdup(name);
    }
    return mem_printf("%.*s%s", (int)folder_length(base), base, name);
}
