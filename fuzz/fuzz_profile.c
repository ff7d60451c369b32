/* CSVs of Nsight Compute, in pieces of any length, with whatever a program printed in between. */
#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

static void look_at(const jm_profile *profile) {
    jm_board board = {.size = sizeof board};
    check(jm_board_get(0, &board) == JM_OK);
    for (uint32_t i = 0; i < jm_profile_kernel_count(profile); i++) {
        jm_profile_kernel kernel = {.size = sizeof kernel};
        check(jm_profile_get(profile, i, &kernel) == JM_OK);
        check(kernel.launches > 0 && strlen(kernel.kernel) <= 4096);
        check(isnan(kernel.duration_s) || kernel.duration_s >= 0);
        check(kernel.untimed <= kernel.launches);
        check(isnan(kernel.duration_s) == (kernel.untimed == kernel.launches));
        for (int a = 0; a < JM_ACTIVITY_COUNT; a++) {
            double x = jm_profile_activity(profile, i, &board, (jm_activity)a, NULL);
            check(isnan(x) || x >= 0);
        }
    }
}

static void look_at_losses(const jm_profile *profile) {
    jm_profile_losses lost = {.size = sizeof lost};
    check(jm_profile_lost(profile, &lost) == JM_OK);
    check((lost.broken_rows > 0) == (lost.broken_line > 0));
    check((lost.foreign_lines > 0) == (lost.foreign_line > 0));
    check(lost.foreign_lines == jm_profile_foreign_lines(profile));
}

static void look_at_estimates(const jm_estimate *estimate, uint32_t kernels) {
    jm_estimated p = {.size = sizeof p};
    for (uint32_t i = 0; i < kernels; i++) {
        check(jm_estimate_kernel(estimate, i, JM_POWER_AVERAGE, &p) == JM_OK);
        bool none = (p.flags & JM_ESTIMATE_INCOMPLETE) != 0;
        check(none == isnan(p.power_w) && none == (p.missing[0] != '\0'));
    }
    check(jm_estimate_program(estimate, JM_POWER_AVERAGE, &p) == JM_OK);
    check(p.power_w > 0 && p.lower_w <= p.power_w && p.upper_w >= p.power_w);
}

static void estimate(const jm_profile *profile, const char *board) {
    static jm_power_model *model; /* read once: it is no part of what is fuzzed */
    jm_estimate *result;
    jm_estimate_options options = JM_ESTIMATE_OPTIONS_INIT;
    options.board = board;
    if (model == NULL) check(jm_power_model_shipped(&model, NULL) == JM_OK);
    if (jm_estimate_open(&result, profile, model, &options, NULL) == JM_OK) {
        char *text = NULL;
        look_at_estimates(result, jm_profile_kernel_count(profile));
        check(jm_estimate_json(result, &text, NULL) == JM_OK);
        jm_free(text);
        check(jm_estimate_features_csv(result, NULL, &text, NULL) == JM_OK);
        jm_free(text);
        jm_estimate_free(result);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    jm_profile *profile;
    if (size == 0 || jm_profile_new(&profile, NULL) != JM_OK) return 0;
    size_t step = data[0] % 32 == 0 ? size : (size_t)data[0];
    int status = JM_OK;
    for (size_t at = 1; at < size && status == JM_OK;) {
        size_t length = size - at < step ? size - at : step;
        char *piece = malloc(length); /* of exactly its size: a read beyond it shows */
        if (piece == NULL) break;
        memcpy(piece, data + at, length);
        status = jm_profile_feed(profile, piece, length, NULL);
        free(piece);
        at += length;
    }
    if (status == JM_OK) status = jm_profile_end(profile, NULL);
    check((status == JM_OK) <= (jm_profile_kernel_count(profile) > 0));
    look_at(profile);
    look_at_losses(profile);
    if (status == JM_OK) estimate(profile, "v100");
    if (status == JM_OK) estimate(profile, NULL);
    jm_profile_free(profile);
    return 0;
}
