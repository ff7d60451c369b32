/* Files of intensities, and numbers with a unit: whatever they hold, what was read is in order and
 * finite. */
#include "carbon/grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

static void check_number(const uint8_t *data, size_t size) {
    char text[80];
    double g;
    size_t length = size < sizeof text ? size : sizeof text - 1;
    if (length > 0) memcpy(text, data, length);
    text[length] = '\0';
    if (jmi_parse_intensity(text, &g)) check(isfinite(g) || fabs(g) > 1e300);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    jmi_intensities series;
    jm_error error = {0};
    check_number(data, size);
    int status = jmi_intensities_parse(&series, (const char *)data, size, "input", &error);
    if (status != JM_OK) {
        check(error.message[0] != '\0' && series.at == NULL);
        return 0;
    }
    check(series.count > 0 && isfinite(series.mean) && isfinite(series.sd));
    check(series.low <= series.high);
    for (size_t i = 0; i < series.count; i++) {
        const jmi_intensity *at = &series.at[i];
        check(at->begin_ns < at->end_ns && at->g >= 0 && at->g <= 5000);
        check(i == 0 || series.at[i - 1].end_ns <= at->begin_ns);
        check(jmi_intensities_find(&series, at->begin_ns) == i);
    }
    jmi_intensities_free(&series);
    return 0;
}
