/* What `joulemeter plot` reads of `limit tune`: any JSON makes a figure of finite marks, or none.
 */
#include "../src/cli/plot_json.h"

#include <stdint.h>
#include <stdlib.h>

static void check_figure(const tuning_figure *f) {
    jm_figure *figure = NULL;
    jm_error error = {.message = ""};
    int status = tuning_figure_make(f, &figure, &error);
    if ((status == JM_OK) != (figure != NULL)) abort();
    if (status != JM_OK && error.message[0] == '\0') abort();
    jm_figure_free(figure);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_error_t wrong;
    json_t *root = json_loadb((const char *)data, size, 0, &wrong);
    tuning_figure *f = root != NULL ? tuning_figure_of(root) : NULL;
    if (f != NULL) check_figure(f);
    tuning_figure_free(f);
    json_decref(root);
    return 0;
}
