/* Files of intensities: whatever they hold, what was read is in order and finite. */
#include "carbon/series.h"

#include <math.h>
#include <stdlib.h>

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    jmi_intensities series;
    jm_error error = {0};
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
