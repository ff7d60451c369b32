/* What an objective is called: what is taken comes back as it was, and has a value. */
#include "joulemeter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), again[128];
    if (text == NULL) return 0;
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    jm_objective o, same;
    jm_error error = {0};
    int status = jm_objective_parse(text, &o, &error);
    free(text);
    check(status == JM_OK || (status == JM_INVALID && error.message[0] != '\0'));
    if (status != JM_OK) return 0;
    check(jm_objective_parse(jm_objective_text(&o, again, sizeof again), &same, NULL) == JM_OK);
    check(same.kind == o.kind && same.slowdown_pct == o.slowdown_pct);
    check(same.price_kwh == o.price_kwh && same.price_h == o.price_h);
    check(isfinite(jm_objective_value(&o, 1, 1)) && jm_objective_unit(&o)[0] != '\0');
    return 0;
}
