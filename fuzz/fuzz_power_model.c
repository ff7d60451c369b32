/* Power models as JSON: whatever is taken can be written, and is the same when it is read again. */
#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    jm_power_model *model, *again;
    char *text;
    if (jm_power_model_parse(&model, (const char *)data, size, NULL) != JM_OK) return 0;
    for (int kind = 0; kind < JM_POWER_KINDS; kind++)
        for (int a = 0; a < JM_ACTIVITY_COUNT; a++) {
            double watts = jm_power_model_watts(model, (jm_power_kind)kind, (jm_activity)a);
            check(isnan(watts) || watts >= 0);
        }
    check(jm_power_model_json(model, &text, NULL) == JM_OK);
    check(jm_power_model_parse(&again, text, strlen(text), NULL) == JM_OK);
    jm_free(text);
    jm_power_model_free(again);
    jm_power_model_free(model);
    return 0;
}
