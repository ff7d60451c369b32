/* The country of this machine's time zone, from files alone. */
#include "carbon/countries.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "/usr/share/zoneinfo/posix/Europe/Paris" is "Europe/Paris". */
static const char *below_zoneinfo(const char *path) {
    const char *at = strstr(path, "zoneinfo/");
    if (at == NULL) return NULL;
    at += strlen("zoneinfo/");
    if (strncmp(at, "posix/", 6) == 0 || strncmp(at, "right/", 6) == 0) at += 6;
    return at;
}

static bool give(const char *name, char *out, size_t size) {
    if (name == NULL || name[0] == '\0' || strlen(name) >= size) return false;
    memcpy(out, name, strlen(name) + 1);
    return true;
}

/* ":Europe/Paris", a path, or rules such as "CET-1CEST", which name no place. */
static bool of_variable(const char *value, char *name, size_t size) {
    if (value[0] == ':') value++;
    return give(value[0] == '/' ? below_zoneinfo(value) : value, name, size);
}

static bool of_link(const char *root, char *name, size_t size) {
    char path[4096], target[1024];
    if (!jmi_path(path, sizeof path, root, "/etc/localtime")) return false;
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0) return false;
    target[length] = '\0';
    return give(below_zoneinfo(target), name, size);
}

static bool of_file(const char *root, char *name, size_t size) {
    char path[4096], text[256];
    if (!jmi_path(path, sizeof path, root, "/etc/timezone") ||
        jmi_read_text(path, text, sizeof text) <= 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    return give(text, name, size);
}

bool jmi_zone_name(const char *root, char *name, size_t size) {
    const char *variable = getenv("TZ");
    if (variable != NULL && variable[0] != '\0') return of_variable(variable, name, size);
    return of_link(root, name, size) || of_file(root, name, size);
}

int jm_country_of_zone(const char *zone, jm_country *country, jm_error *error) {
    char name[256];
    if (country == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the country");
    if (zone == NULL) {
        if (!jmi_zone_name(getenv("JOULEMETER_ROOT"), name, sizeof name))
            return jmi_fail(error, JM_NO_DATA, "this machine's time zone has no name");
        zone = name;
    }
    const jmi_country *found = jmi_country_in_zone(zone, strlen(zone));
    if (found == NULL)
        return jmi_fail(error, JM_NO_DATA, "the time zone %.60s belongs to no country", zone);
    jmi_country_give(found, country);
    return JM_OK;
}
