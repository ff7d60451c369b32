#include "estimate/estimate.h"

#include "estimate/board.h"
#include "estimate/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How far outside of the range of training an activity may be before it is said, of that range. */
#define MARGIN 0.1
/* Rules of thumb, which nothing here could test: see docs/estimate.md. */
#define WIDER_APPROXIMATE 1.5
#define WIDER_SAME_CHIP   1.25
#define WIDER_OTHER_CHIP  2.0
#define WIDEST            10.0

/* ---- the board ---- */

static bool is_index(const char *text) {
    return text[strspn(text, "0123456789")] == '\0';
}

/* Boards with the same chip differ in cooling, memory and limits only. */
static bool same_chip(const jm_board *a, const jm_board *b) {
    return a->sms == b->sms && a->compute_capability == b->compute_capability;
}

static bool may_be(const jm_profile_kernel *kernel, const jm_board *board) {
    return (kernel->compute_capability == 0 ||
            kernel->compute_capability == board->compute_capability) &&
           (kernel->sms == 0 || kernel->sms == board->sms);
}

static int fail_board(const jm_profile_kernel *kernel, const char *names, jm_error *error) {
    jmi_text what = {0};
    if (kernel->compute_capability != 0)
        jmi_text_add(&what, "compute capability %u.%u", kernel->compute_capability / 10,
                     kernel->compute_capability % 10);
    if (kernel->sms != 0)
        jmi_text_add(&what, "%s%u SMs", what.length > 0 ? " with " : "", kernel->sms);
    const char *told = what.data != NULL ? what.data : "";
    int status = jmi_fail(
        error, JM_NOT_FOUND,
        names[0] != '\0' ? "the profile does not name its board; %s may be any of these: %.300s"
                         : "the profile does not name its board, and %s is that of none whose "
                           "limits are known%.0s",
        told, names);
    jmi_text_free(&what);
    return status;
}

/* The board by its compute capability and SMs: the model's if it may be, else the only chip. */
static int guess_board(const jm_estimate *e, jmi_kernel_estimate *k,
                       const jm_profile_kernel *kernel, jm_error *error) {
    jm_board first = {.sms = 0}, board = {.size = sizeof board};
    bool several = false;
    jmi_text names = {0};
    k->flags |= JM_ESTIMATE_BOARD_ASSUMED;
    if (may_be(kernel, &e->trained_on)) return JM_OK;
    for (uint32_t i = 0; jm_board_get(i, &board) == JM_OK; i++) {
        if (!may_be(kernel, &board)) continue;
        several |= first.sms != 0;
        if (first.sms == 0) first = board;
        jmi_text_add(&names, "%s%s", names.length > 0 ? ", " : "", board.name);
    }
    int status = JM_OK;
    if (several || first.sms == 0)
        status = fail_board(kernel, names.data != NULL ? names.data : "", error);
    else
        k->board = first;
    jmi_text_free(&names);
    return status;
}

static int choose_board(jm_estimate *e, jmi_kernel_estimate *k, const jm_profile_kernel *kernel,
                        const jm_estimate_options *set, jm_error *error) {
    const char *name = set->board != NULL ? set->board : kernel->device;
    bool told = set->board != NULL || !is_index(name);
    k->board = e->trained_on;
    k->scale = 1;
    int status = told ? jm_board_find(name, &k->board, error) : guess_board(e, k, kernel, error);
    if (status != JM_OK || strcmp(k->board.name, e->trained_on.name) == 0) return status;
    k->flags |= JM_ESTIMATE_OTHER_BOARD;
    if (!same_chip(&k->board, &e->trained_on))
        k->scale = k->board.power_limit_w / e->trained_on.power_limit_w;
    return JM_OK;
}

/* ---- activities ---- */

static bool is_needed(const jm_power_model *m, int activity) {
    for (int kind = 0; kind < JM_POWER_KINDS; kind++)
        if (m->fit[kind].errors.trained && m->fit[kind].watts[activity] > 0) return true;
    return false;
}

static int take_activities(jm_estimate *e, jmi_kernel_estimate *k, uint32_t index,
                           double temperature, bool missing[JM_ACTIVITY_COUNT]) {
    const jm_power_model *m = e->model;
    int count = 0;
    for (int a = 0; a < JM_ACTIVITY_COUNT; a++) {
        bool approximate;
        double x = jm_profile_activity(e->profile, index, &k->board, (jm_activity)a, &approximate);
        if (a == JM_ACTIVITY_TEMPERATURE && temperature != 0) x = fmax(0, temperature - 25) / 100;
        bool ambient = a == JM_ACTIVITY_TEMPERATURE || a == JM_ACTIVITY_CLOCK;
        if (isnan(x) && m->knows[a] && ambient) x = m->mean[a];
        k->activity[a] = x;
        if (!m->knows[a] || !is_needed(m, a)) continue;
        if (isnan(x)) count += missing[a] = true;
        if (approximate) k->flags |= JM_ESTIMATE_APPROXIMATE;
    }
    return count;
}

/* Activities that a kernel lacks, with the metrics that would tell them. */
static void add_missing(jmi_text *text, const bool missing[JM_ACTIVITY_COUNT], bool no_time) {
    size_t before = text->length;
    for (int a = 0; a < JM_ACTIVITY_COUNT; a++) {
        if (!missing[a]) continue;
        jmi_text_add(text, "%s%s (%s)", text->length > before ? "; " : "", jm_activity_name(a),
                     a == JM_ACTIVITY_DRAM && no_time ? "gpu__time_duration.sum"
                                                      : jmi_activity_metrics((jm_activity)a));
    }
}

/* ---- what is odd ---- */

/* The most that a board can do, in units of the activity: the units are those of the V100, and
 * other chips have more of some pipes. */
static double most_of(int activity) {
    switch (activity) {
    case JM_ACTIVITY_CLOCK: return 1.3; /* boards of others than NVIDIA go beyond its boost */
    case JM_ACTIVITY_L2: return 2;
    case JM_ACTIVITY_TEMPERATURE:
    case JM_ACTIVITY_FP16:
    case JM_ACTIVITY_XU:
    case JM_ACTIVITY_CONST_CACHE: return 4; /* no SM begins more than 4 instructions a cycle */
    default: return 1;
    }
}

/* Counters of several passes may differ by a little. */
#define PASSES 1.1

static bool is_impossible(const jmi_kernel_estimate *k, int activity) {
    return k->activity[activity] > PASSES * most_of(activity);
}

static void look_impossible(jmi_kernel_estimate *k, jmi_text *names) {
    for (int a = 1; a < JM_ACTIVITY_COUNT; a++)
        if (is_impossible(k, a))
            jmi_text_add(names, "%s%s", names->length > 0 ? " " : "", jm_activity_name(a));
    if (k->guess[JM_POWER_AVERAGE].power_w > PASSES * k->board.power_limit_w)
        jmi_text_add(names, "%spower", names->length > 0 ? " " : "");
    if (names->length > 0) k->flags |= JM_ESTIMATE_IMPOSSIBLE;
}

/* How far x is from what was seen in training, of its range. */
static double beyond(const jm_power_model *m, int activity, double x) {
    double low = m->low[activity], high = m->high[activity];
    double range = fmax(high - low, 0.05);
    double by = x > high ? x - high : x < low ? low - x : 0;
    return by > MARGIN * range ? by / range : 0;
}

/* Sum of how far activities are outside; adds their names. */
static double look_outside(const jm_power_model *m, jmi_kernel_estimate *k, jmi_text *names) {
    double sum = 0;
    for (int a = 1; a < JM_ACTIVITY_COUNT; a++) {
        if (!m->knows[a] || isnan(k->activity[a])) continue;
        double by = beyond(m, a, k->activity[a]);
        if (by > 0) jmi_text_add(names, "%s%s", names->length > 0 ? " " : "", jm_activity_name(a));
        sum += by;
    }
    if (sum > 0) k->flags |= JM_ESTIMATE_OUTSIDE;
    return sum;
}

/* ---- watts ---- */

static double predict(const jm_power_model *m, const jmi_kernel_estimate *k, int kind) {
    double sum = 0;
    for (int a = 0; a < JM_ACTIVITY_COUNT; a++)
        if (m->knows[a] && m->fit[kind].watts[a] > 0) sum += m->fit[kind].watts[a] * k->activity[a];
    return sum * k->scale;
}

/* `told`: the profile says something of its board, if not its name. */
static void guess_all(const jm_power_model *m, jmi_kernel_estimate *k, const jm_board *trained_on,
                      double outside, bool told) {
    double wider = 1 + outside;
    if (k->flags & JM_ESTIMATE_APPROXIMATE) wider *= WIDER_APPROXIMATE;
    bool guessed = (k->flags & JM_ESTIMATE_BOARD_ASSUMED) != 0;
    if (k->flags & JM_ESTIMATE_OTHER_BOARD || (guessed && told))
        wider *= same_chip(&k->board, trained_on) ? WIDER_SAME_CHIP : WIDER_OTHER_CHIP;
    else if (guessed)
        wider *= WIDER_OTHER_CHIP;
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) {
        int of = m->fit[kind].errors.trained ? kind : JM_POWER_AVERAGE;
        k->guess[kind].power_w = predict(m, k, of);
        /* The mean's errors say nothing of how wrong a least or most of means is. */
        k->guess[kind].half_width = of == kind ? fmin(m->fit[of].half_width * wider, WIDEST) : NAN;
    }
    /* Fits of their own may cross where they know little. */
    double average = k->guess[JM_POWER_AVERAGE].power_w;
    k->guess[JM_POWER_MIN].power_w = fmin(k->guess[JM_POWER_MIN].power_w, average);
    k->guess[JM_POWER_PEAK].power_w = fmax(k->guess[JM_POWER_PEAK].power_w, average);
}

static int estimate_kernel(jm_estimate *e, uint32_t index, const jm_estimate_options *set,
                           jm_error *error) {
    jmi_kernel_estimate *k = &e->kernels[index];
    jm_profile_kernel kernel = {.size = sizeof kernel};
    bool missing[JM_ACTIVITY_COUNT] = {false};
    jmi_text lacks = {0}, outside = {0}, impossible = {0};
    jm_profile_get(e->profile, index, &kernel);
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) k->guess[kind] = (jmi_guess){NAN, NAN};
    int status = choose_board(e, k, &kernel, set, error);
    if (status != JM_OK) return status;
    if (kernel.untimed > 0) k->flags |= JM_ESTIMATE_UNTIMED;
    if (take_activities(e, k, index, set->temperature, missing) > 0) {
        k->flags = JM_ESTIMATE_INCOMPLETE; /* there is no estimate for the rest to be of */
        add_missing(&lacks, missing,
                    (e->profile->kernels.all[index].approximate & JMI_BYTES_WITHOUT_TIME) != 0);
    } else {
        guess_all(e->model, k, &e->trained_on, look_outside(e->model, k, &outside),
                  kernel.compute_capability != 0 || kernel.sms != 0);
    }
    look_impossible(k, &impossible);
    status = jmi_text_take(&outside, &k->outside, error);
    if (status == JM_OK) status = jmi_text_take(&lacks, &k->missing, error);
    if (status == JM_OK) status = jmi_text_take(&impossible, &k->impossible, error);
    jmi_text_free(&lacks);
    jmi_text_free(&impossible);
    return status;
}

/* ---- what kernels have together ---- */

static bool is_left_out(const jm_estimate *e, uint32_t index) {
    return (e->kernels[index].flags & JM_ESTIMATE_INCOMPLETE) != 0;
}

static int gather_outside(jm_estimate *e, jm_error *error) {
    jmi_text names = {0};
    for (int a = 1; a < JM_ACTIVITY_COUNT; a++)
        for (uint32_t i = 0; i < e->count; i++) {
            double x = e->kernels[i].activity[a];
            if (is_left_out(e, i) || !e->model->knows[a] || isnan(x) ||
                !(beyond(e->model, a, x) > 0))
                continue;
            jmi_text_add(&names, "%s%s", names.length > 0 ? " " : "", jm_activity_name(a));
            break;
        }
    return jmi_text_take(&names, &e->outside, error);
}

/* "of the kernel k: dram; of ...": what some kernels have; the first few. */
static int gather(jm_estimate *e, size_t offset, char **gathered, jm_error *error) {
    enum { FIRST = 3 };
    jmi_text text = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        const char *one;
        jm_profile_kernel kernel = {.size = sizeof kernel};
        memcpy(&one, (const char *)&e->kernels[i] + offset, sizeof one);
        if (one[0] == '\0' || count++ >= FIRST) continue;
        jm_profile_get(e->profile, i, &kernel);
        jmi_text_add(&text, "%sof the kernel %.200s: %s", count > 1 ? "; " : "", kernel.kernel,
                     one);
    }
    if (count > FIRST) jmi_text_add(&text, "; and of %u more", count - FIRST);
    return jmi_text_take(&text, gathered, error);
}

static int gather_all(jm_estimate *e, jm_error *error) {
    uint32_t lacking = 0;
    int status = gather_outside(e, error);
    if (status == JM_OK)
        status = gather(e, offsetof(jmi_kernel_estimate, impossible), &e->impossible, error);
    if (status == JM_OK)
        status = gather(e, offsetof(jmi_kernel_estimate, missing), &e->missing, error);
    for (uint32_t i = 0; i < e->count; i++) lacking += is_left_out(e, i);
    if (status != JM_OK || lacking < e->count) return status;
    return jmi_fail(error, JM_NO_DATA, "metrics are missing in the profile: %.440s",
                    e->kernels[0].missing);
}

int jm_estimate_open(jm_estimate **estimate, const jm_profile *profile, const jm_power_model *model,
                     const jm_estimate_options *options, jm_error *error) {
    jm_estimate_options set;
    if (estimate == NULL || profile == NULL || model == NULL)
        return jmi_fail(error, JM_INVALID, "an estimate needs a profile and a model");
    *estimate = NULL;
    int status = jmi_take_struct(&set, sizeof set, options, "jm_estimate_options", error);
    if (status != JM_OK) return status;
    uint32_t count = jm_profile_kernel_count(profile);
    if (count == 0) return jmi_fail(error, JM_NO_DATA, "there is no kernel in the profile");
    jm_estimate *e = jmi_alloc(1, sizeof *e);
    if (e != NULL) e->kernels = jmi_alloc(count, sizeof *e->kernels);
    if (e == NULL || e->kernels == NULL) {
        jm_estimate_free(e);
        return jmi_fail(error, JM_MEMORY, "out of memory for an estimate");
    }
    e->profile = profile;
    e->model = model;
    e->count = count;
    if (!jmi_board_named(model->board, &e->trained_on))
        status = jmi_fail(error, JM_NOT_FOUND, "the model's board is not known");
    for (uint32_t i = 0; status == JM_OK && i < count; i++)
        status = estimate_kernel(e, i, &set, error);
    if (status == JM_OK) status = gather_all(e, error);
    if (status == JM_OK)
        *estimate = e;
    else
        jm_estimate_free(e);
    return status;
}

void jm_estimate_free(jm_estimate *e) {
    if (e == NULL) return;
    for (uint32_t i = 0; e->kernels != NULL && i < e->count; i++) {
        free(e->kernels[i].outside);
        free(e->kernels[i].impossible);
        free(e->kernels[i].missing);
    }
    free(e->kernels);
    free(e->outside);
    free(e->impossible);
    free(e->missing);
    free(e);
}

/* ---- answers ---- */

static void fill(jm_estimated *out, double power, double lower, double upper, double seconds) {
    *out = (jm_estimated){.size = sizeof *out,
                          .power_w = power,
                          .lower_w = lower,
                          .upper_w = upper,
                          .energy_j = power * seconds,
                          .lower_j = lower * seconds,
                          .upper_j = upper * seconds,
                          .outside = "",
                          .impossible = "",
                          .missing = ""};
}

/* NaN: there is no interval. */
static double lower_of(const jmi_guess *g) {
    return isnan(g->half_width) ? NAN : fmax(0, g->power_w * (1 - g->half_width));
}

/* No board draws more than its limit for long. */
static double upper_of(const jmi_kernel_estimate *k, int kind) {
    double power = k->guess[kind].power_w;
    if (isnan(k->guess[kind].half_width)) return NAN;
    return fmax(power, fmin(power * (1 + k->guess[kind].half_width), k->board.power_limit_w));
}

static double duration_of(const jm_estimate *e, uint32_t index) {
    jm_profile_kernel kernel = {.size = sizeof kernel};
    jm_profile_get(e->profile, index, &kernel);
    return kernel.duration_s;
}

static uint32_t kind_flags(const jm_estimate *e, jm_power_kind kind) {
    return e->model->fit[kind].errors.trained ? 0 : JM_ESTIMATE_BY_KERNELS;
}

int jm_estimate_kernel(const jm_estimate *e, uint32_t index, jm_power_kind kind,
                       jm_estimated *out) {
    if (e == NULL || out == NULL || (unsigned)kind >= JM_POWER_KINDS) return JM_INVALID;
    if (index >= e->count) return JM_NOT_FOUND;
    const jmi_kernel_estimate *k = &e->kernels[index];
    const jmi_guess *g = &k->guess[kind];
    jm_estimated ours;
    fill(&ours, g->power_w, lower_of(g), upper_of(k, kind),
         kind == JM_POWER_AVERAGE ? duration_of(e, index) : NAN);
    ours.flags = k->flags | kind_flags(e, kind);
    ours.outside = k->outside;
    ours.impossible = k->impossible;
    ours.missing = k->missing;
    return jmi_give_struct(out, &ours, sizeof ours);
}

static bool is_timed(const jm_estimate *e) {
    for (uint32_t i = 0; i < e->count; i++)
        if (!is_left_out(e, i) && duration_of(e, i) > 0) return true;
    return false;
}

static double weight_of(const jm_estimate *e, uint32_t index, bool timed) {
    if (is_left_out(e, index)) return 0;
    double seconds = duration_of(e, index);
    if (timed) return seconds > 0 ? seconds : 0;
    return (double)e->profile->kernels.all[index].launches;
}

double jmi_estimate_duration(const jm_estimate *e) {
    double sum = 0;
    if (!is_timed(e)) return NAN;
    for (uint32_t i = 0; i < e->count; i++) sum += weight_of(e, i, true);
    return sum;
}

/* Least or most of the kernels. */
static void extreme(const jm_estimate *e, jm_power_kind kind, jm_estimated *ours) {
    uint32_t best = e->count;
    for (uint32_t i = 0; i < e->count; i++) {
        if (is_left_out(e, i)) continue;
        if (best == e->count) best = i;
        double a = e->kernels[i].guess[kind].power_w, b = e->kernels[best].guess[kind].power_w;
        if (kind == JM_POWER_MIN ? a < b : a > b) best = i;
    }
    const jmi_guess *g = &e->kernels[best].guess[kind];
    fill(ours, g->power_w, lower_of(g), upper_of(&e->kernels[best], kind), NAN);
}

static void average(const jm_estimate *e, bool timed, jm_estimated *ours) {
    double all = 0, sum = 0, lower = 0, upper = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        const jmi_guess *g = &e->kernels[i].guess[JM_POWER_AVERAGE];
        double weight = weight_of(e, i, timed);
        if (weight == 0) continue;
        all += weight;
        sum += weight * g->power_w;
        lower += weight * lower_of(g);
        upper += weight * upper_of(&e->kernels[i], JM_POWER_AVERAGE);
    }
    fill(ours, sum / all, lower / all, upper / all, timed ? all : NAN);
}

int jm_estimate_program(const jm_estimate *e, jm_power_kind kind, jm_estimated *out) {
    if (e == NULL || out == NULL || (unsigned)kind >= JM_POWER_KINDS) return JM_INVALID;
    uint32_t flags = kind_flags(e, kind);
    bool timed = is_timed(e);
    jm_estimated ours;
    for (uint32_t i = 0; i < e->count; i++) flags |= e->kernels[i].flags;
    if (!timed) flags = (flags | JM_ESTIMATE_UNWEIGHTED) & ~(uint32_t)JM_ESTIMATE_UNTIMED;
    if (kind == JM_POWER_AVERAGE)
        average(e, timed, &ours);
    else
        extreme(e, kind, &ours);
    ours.flags = flags;
    ours.outside = e->outside;
    ours.impossible = e->impossible;
    ours.missing = e->missing;
    return jmi_give_struct(out, &ours, sizeof ours);
}

int jm_estimate_board(const jm_estimate *e, uint32_t index, jm_board *board) {
    if (e == NULL || board == NULL) return JM_INVALID;
    if (index >= e->count) return JM_NOT_FOUND;
    return jmi_give_struct(board, &e->kernels[index].board, sizeof *board);
}

double jm_estimate_share(const jm_estimate *e, uint32_t index, jm_activity activity) {
    if (e == NULL || index >= e->count || (unsigned)activity >= JM_ACTIVITY_COUNT ||
        !e->model->knows[activity] || is_left_out(e, index))
        return NAN;
    double watts = e->model->fit[JM_POWER_AVERAGE].watts[activity];
    const jmi_kernel_estimate *k = &e->kernels[index];
    return watts > 0 ? watts * k->scale * k->activity[activity] : 0;
}
