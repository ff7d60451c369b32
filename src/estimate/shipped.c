/* The model that comes with joulemeter, models/v100.json, compiled in. */
#include "estimate/model.h"

#include <string.h>

#include "shipped_model.h"

int jm_power_model_shipped(jm_power_model **model, jm_error *error) {
    jmi_text text = {0};
    char *json;
    for (size_t i = 0; shipped_model[i] != NULL; i++) jmi_text_add(&text, "%s", shipped_model[i]);
    int status = jmi_text_take(&text, &json, error);
    if (status != JM_OK) return status;
    status = jm_power_model_parse(model, json, strlen(json), error);
    jm_free(json);
    return status;
}
