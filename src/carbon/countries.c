#include "carbon/countries.h"

#include <string.h>
#include <strings.h>

/* What people write, and the code that ISO has for it. */
static const struct { const char *written, *alpha2; } others[] = {{"UK", "GB"}, {"EL", "GR"}};

const jmi_country *jmi_country_named(const char *code) {
    for (size_t i = 0; i < JMI_COUNT(others); i++)
        if (strcasecmp(code, others[i].written) == 0) code = others[i].alpha2;
    for (size_t i = 0; i < jmi_countries_count; i++) {
        const jmi_country *c = &jmi_countries[i];
        if (strcasecmp(code, c->alpha2) == 0 || strcasecmp(code, c->alpha3) == 0 ||
            strcasecmp(code, c->name) == 0)
            return c;
    }
    return NULL;
}

const jmi_country *jmi_country_in_zone(const char *zone, size_t length) {
    if (length == 0 || memchr(zone, ' ', length) != NULL) return NULL;
    for (size_t i = 0; i < jmi_countries_count; i++)
        for (const char *at = jmi_countries[i].zones; *at != '\0';) {
            size_t word = strcspn(at, " ");
            if (word == length && memcmp(at, zone, length) == 0) return &jmi_countries[i];
            at += word + (at[word] == ' ');
        }
    return NULL;
}

void jmi_country_give(const jmi_country *from, jm_country *country) {
    jm_country ours = {.size = sizeof ours,
                       .alpha2 = from->alpha2,
                       .alpha3 = from->alpha3,
                       .name = from->name,
                       .intensity_g = from->intensity_g,
                       .year = from->year,
                       .source = jmi_countries_source};
    jmi_give_struct(country, &ours, sizeof ours);
}

/* Codes differ by a letter: only of a longer text can be told what it was meant to be. */
static const jmi_country *beginning(const char *code) {
    size_t length = strlen(code);
    for (size_t i = 0; length >= 4 && i < jmi_countries_count; i++)
        if (strncasecmp(code, jmi_countries[i].name, length) == 0) return &jmi_countries[i];
    return NULL;
}

int jm_country_find(const char *code, jm_country *country, jm_error *error) {
    if (code == NULL || country == NULL)
        return jmi_fail(error, JM_INVALID, "a code and a country are needed");
    const jmi_country *found = jmi_country_named(code);
    if (found != NULL) {
        jmi_country_give(found, country);
        return JM_OK;
    }
    const jmi_country *near = beginning(code);
    if (near != NULL)
        return jmi_fail(error, JM_NOT_FOUND,
                        "there is no country '%.40s'; did you mean %s (%s, %s)?", code, near->name,
                        near->alpha2, near->alpha3);
    return jmi_fail(error, JM_NOT_FOUND,
                    "there is no country '%.40s': give its code of ISO 3166-1, such as FR or FRA",
                    code);
}

uint32_t jm_country_count(void) {
    return (uint32_t)jmi_countries_count;
}

int jm_country_at(uint32_t index, jm_country *country) {
    if (country == NULL) return JM_INVALID;
    if (index >= jmi_countries_count) return JM_NOT_FOUND;
    jmi_country_give(&jmi_countries[index], country);
    return JM_OK;
}
