/* Profiles as Nsight Compute writes them, made from a few metrics. */
#ifndef TEST_ESTIMATE_TABLES_H
#define TEST_ESTIMATE_TABLES_H

#include "base/base.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WIDE_HEAD                                                                                  \
    "\"ID\",\"Process ID\",\"Process Name\",\"Host Name\",\"Kernel Name\",\"Context\","            \
    "\"Stream\",\"Block Size\",\"Grid Size\",\"Device\",\"CC\","                                   \
    "\"device__attribute_display_name\",\"gpu__time_duration.sum\",\"sm__cycles_elapsed.sum\","    \
    "\"sm__cycles_elapsed.max\",\"smsp__cycles_active.avg.pct_of_peak_sustained_elapsed\","        \
    "\"sm__pipe_alu_cycles_active.sum\",\"sm__pipe_fma_cycles_active.sum\","                       \
    "\"sm__pipe_fp64_cycles_active.sum\",\"sm__pipe_shared_cycles_active.sum\","                   \
    "\"sm__pipe_tensor_cycles_active.sum\",\"lts__t_sectors_srcunit_tex_op_read.sum\","            \
    "\"lts__t_sectors_srcunit_tex_op_write.sum\",\"dram__bytes_read.sum\","                        \
    "\"dram__bytes_write.sum\"\n"
#define WIDE_UNITS                                                                                 \
    "\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"nsecond\",\"cycle\","           \
    "\"cycle\",\"%\",\"cycle\",\"cycle\",\"cycle\",\"cycle\",\"cycle\",\"sector\",\"sector\","     \
    "\"byte\",\"byte\"\n"
/* One ms at 1 GHz on 80 SMs: a fifth of (1 + 0.5) in pipes, 0.5 in L2, half of 900 GB/s. */
#define WIDE_ROW(id, pid, process, kernel, device, board, ns)                                      \
    "\"" id "\",\"" pid "\",\"" process "\",\"127.0.0.1\",\"" kernel                               \
    "\",\"1\",\"7\",\"(256, 1, 1)\",\"(80, 1, 1)\",\"" device "\",\"7.0\",\"" board "\",\"" ns     \
    "\",\"80,000,000\",\"1,000,000\",\"75.00\",\"80,000,000\",\"40,000,000\",\"0\",\"0\",\"0\","   \
    "\"30,000,000\",\"10,000,000\",\"400,000,000\",\"50,000,000\"\n"

static inline jm_profile *read_text(const char *text, int expected) {
    jm_profile *profile;
    jm_error error = {0};
    assert_int_equal(jm_profile_new(&profile, &error), JM_OK);
    int status = jm_profile_feed(profile, text, strlen(text), &error);
    if (status == JM_OK) status = jm_profile_end(profile, &error);
    if (status != expected)
        fail_msg("%s, not %s: %s", jm_status_name(status), jm_status_name(expected), error.message);
    if (status == JM_OK) return profile;
    jm_profile_free(profile);
    return NULL;
}

static inline jm_board v100(void) {
    jm_board board = {.size = sizeof board};
    assert_int_equal(jm_board_find("v100", &board, NULL), JM_OK);
    return board;
}

static inline double activity(const jm_profile *profile, uint32_t index, jm_activity which) {
    jm_board board = v100();
    return jm_profile_activity(profile, index, &board, which, NULL);
}

static inline void assert_near(double value, double expected) {
    if (!(fabs(value - expected) <= 1e-9 * fabs(expected) + 1e-12))
        fail_msg("%.12g, not %.12g", value, expected);
}

#endif
