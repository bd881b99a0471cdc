/* SPDX-License-Identifier: MIT */
/* A SCSI bus for frontends of the harness's own.
 *
 * The machine of a script has no controller that the script has not plugged in, so the harness
 * plugs in one of its own when it needs it, and takes it away when nobody uses it any more.
 *
 *            real_bus_get                  the last real_bus_put, then real_bus_trim
 *   (none) ----------------> controller --------------------------------------------> (none)
 *
 * Requests of the harness for a frontend (device_add of scsi-* with an id that begins with blksim-)
 * get that bus by themselves.
 */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define UNPLUG_LIMIT_NS (2 * NS_PER_S)

bool real_is_own(const char *id)
{
    static const char prefix[] = "blksim-";
    return id && strncmp(id, prefix, sizeof(prefix) - 1) == 0;
}

bool real_bus_get(struct target_real *rt)
{
    if (rt->kind != REAL_QEMU) {
        return false;
    }
    if (!rt->bus_up) {
        json_t *reply = NULL;
        real_exchange(rt, "device_add",
                      json_pack("{s:s, s:s}", "driver", "virtio-scsi-pci", "id", REAL_BUS_ID),
                      &reply);
        rt->bus_up = json_object_get(reply, "return") != NULL;
        json_decref(reply);
    }
    rt->bus_users += rt->bus_up;
    return rt->bus_up;
}

void real_bus_put(struct target_real *rt)
{
    rt->bus_users -= rt->bus_users > 0; /* It may have died meanwhile. */
}

bool real_unplug(struct target_real *rt, const char *id, const bool *gone)
{
    json_t *reply = NULL;
    int64_t until_ns = real_clock_ns() + UNPLUG_LIMIT_NS;
    uint32_t asked = real_guest_slots(rt);
    real_exchange(rt, "device_del", json_pack("{s:s}", "id", id), &reply);
    bool going = json_object_get(reply, "return") != NULL;
    json_decref(reply);
    if (going) {
        real_guest_eject(rt, real_guest_slots(rt) & ~asked);
    }
    while (going && !*gone && real_clock_ns() < until_ns) {
        if (!real_poll(rt, NS_PER_MS)) {
            return false;
        }
    }
    return going && *gone;
}

void real_bus_trim(struct target_real *rt)
{
    if (!rt->bus_up || rt->bus_users > 0 || rt->stuck) {
        return;
    }
    rt->bus_gone = false;
    real_unplug(rt, REAL_BUS_ID, &rt->bus_gone);
    rt->bus_up = false;
}

json_t *real_bus_adapt(struct target_real *rt, const json_t *request)
{
    const char *command = json_string_value(json_object_get(request, "execute"));
    const json_t *args = json_object_get(request, "arguments");
    const char *driver = json_string_value(json_object_get(args, "driver"));
    if (!command || strcmp(command, "device_add") != 0 || !driver ||
        strncmp(driver, "scsi-", 5) != 0 || json_object_get(args, "bus") ||
        !real_is_own(json_string_value(json_object_get(args, "id"))) || !real_bus_get(rt)) {
        return NULL;
    }
    json_t *copy = json_deep_copy(request);
    CHECK(copy != NULL);
    json_object_set_new(json_object_get(copy, "arguments"), "bus", json_string(REAL_BUS_ID ".0"));
    return copy;
}
