/* From Yang, Adamek, Armour, "Part-time Power Measurements" (arXiv 2312.02741), who measured more
 * than 70 boards. Boards of a generation differ: `joulemeter calibrate` measures the one at hand.
 */
#include "sensor/nvml_priors.h"

#include <ctype.h>
#include <string.h>

enum { PASCAL = 4, VOLTA = 5, TURING = 6, AMPERE = 7, ADA = 8, HOPPER = 9 };

static const struct row {
    unsigned from_architecture;
    int ga100;            /* 1: only GA100, 0: only others, -1: all */
    unsigned from_driver; /* and before the driver of the row above it */
    jmi_nvml_priors priors;
} rows[] = {
    /*                   plain          average        instant        energy */
    {HOPPER, -1, 0, {{100, 1000, 1}, {100, 1000, 1}, {100, 25, 3}, 100}},
    {ADA, -1, 531, {{100, 1000, 1}, {100, 1000, 1}, {100, 100, 1}, 100}},
    {ADA, -1, 530, {{100, 100, 1}, {100, 1000, 1}, {100, 100, 1}, 100}},
    {ADA, -1, 0, {{100, 1000, 1}, {100, 1000, 1}, {100, 100, 1}, 100}},
    {AMPERE, 1, 0, {{100, 25, 3}, {100, 1000, 1}, {100, 25, 3}, 100}},
    {AMPERE, 0, 531, {{100, 1000, 1}, {100, 1000, 1}, {100, 100, 1}, 100}},
    {AMPERE, 0, 530, {{100, 100, 1}, {100, 1000, 1}, {100, 100, 1}, 100}},
    {AMPERE, 0, 0, {{100, 1000, 1}, {100, 1000, 1}, {100, 100, 1}, 100}},
    {TURING, -1, 0, {{100, 100, 1}, {100, 1000, 1}, {100, 100, 1}, 100}},
    {PASCAL, -1, 0, {{20, 10, 2}, {100, 1000, 1}, {20, 10, 2}, 20}},
    {0, -1, 0, {{100, 0, 2}, {100, 1000, 1}, {100, 0, 2}, 100}},
};

/* "A100", not "A1000": the number must end there. */
static bool names_chip(const char *model, const char *chip) {
    size_t length = strlen(chip);
    for (const char *at = model; (at = strstr(at, chip)) != NULL; at++) {
        bool begins = at == model || !isalnum((unsigned char)at[-1]);
        if (begins && !isdigit((unsigned char)at[length])) return true;
    }
    return false;
}

static bool is_ga100(const char *model) {
    return names_chip(model, "A100") || names_chip(model, "A800") || names_chip(model, "A30");
}

const jmi_nvml_priors *jmi_nvml_priors_of(unsigned architecture, const char *model,
                                          unsigned driver_major) {
    int ga100 = is_ga100(model) ? 1 : 0;
    size_t last = JMI_COUNT(rows) - 1;
    for (size_t i = 0; i < last; i++) {
        const struct row *row = &rows[i];
        /* Newer generations than the table knows are most like its newest. */
        if (architecture < row->from_architecture || driver_major < row->from_driver) continue;
        if (row->ga100 >= 0 && row->ga100 != ga100) continue;
        return &row->priors;
    }
    return &rows[last].priors;
}
