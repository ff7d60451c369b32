/* Estimates as CSV and as JSON. */
#include "base/json.h"
#include "estimate/estimate.h"
#include "estimate/profile.h"

#include <math.h>
#include <string.h>

static const char *const kind_names[JM_POWER_KINDS] = {"min", "avg", "peak"};

/* ---- CSV ---- */

static void add_quoted(jmi_text *text, const char *value) {
    if (value[strcspn(value, ",\"\r\n")] == '\0') {
        jmi_text_add(text, "%s", value);
        return;
    }
    jmi_text_append(text, "\"", 1);
    for (; *value != '\0'; value++)
        jmi_text_append(text, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
    jmi_text_append(text, "\"", 1);
}

/* What is not known is empty. */
static void add_number(jmi_text *text, double value) {
    char number[64];
    jmi_text_add(text, ",%s",
                 isfinite(value) ? jmi_format_double(value, number, sizeof number) : "");
}

static jm_profile_kernel kernel_of(const jm_estimate *e, uint32_t index) {
    jm_profile_kernel kernel = {.size = sizeof kernel};
    jm_profile_get(e->profile, index, &kernel);
    return kernel;
}

/* What tells kernels of one name apart. */
static void add_origin(jmi_text *text, const jm_profile_kernel *kernel) {
    jmi_text_add(text, ",");
    if (kernel->pid >= 0) jmi_text_add(text, "%lld", (long long)kernel->pid);
    jmi_text_add(text, ",");
    add_quoted(text, kernel->gpu);
}

int jm_estimate_features_csv(const jm_estimate *e, const char *program, char **csv,
                             jm_error *error) {
    jmi_text text = {0};
    if (e == NULL || csv == NULL) return jmi_fail(error, JM_INVALID, "there is no estimate");
    jmi_text_add(&text, "program,kernel,board,launches,duration_s");
    for (int a = 1; a < JM_ACTIVITY_COUNT; a++) jmi_text_add(&text, ",%s", jm_activity_name(a));
    jmi_text_add(&text, ",pid,gpu\n");
    for (uint32_t i = 0; i < e->count; i++) {
        jm_profile_kernel kernel = kernel_of(e, i);
        add_quoted(&text, program != NULL ? program : kernel.process);
        jmi_text_add(&text, ",");
        add_quoted(&text, kernel.kernel);
        jmi_text_add(&text, ",");
        add_quoted(&text, e->kernels[i].board.name);
        jmi_text_add(&text, ",%llu", (unsigned long long)kernel.launches);
        add_number(&text, kernel.duration_s);
        for (int a = 1; a < JM_ACTIVITY_COUNT; a++) add_number(&text, e->kernels[i].activity[a]);
        add_origin(&text, &kernel);
        jmi_text_add(&text, "\n");
    }
    return jmi_text_take(&text, csv, error);
}

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {JM_ESTIMATE_OUTSIDE, "outside"},         {JM_ESTIMATE_APPROXIMATE, "approximate"},
    {JM_ESTIMATE_OTHER_BOARD, "other_board"}, {JM_ESTIMATE_BY_KERNELS, "by_kernels"},
    {JM_ESTIMATE_UNWEIGHTED, "unweighted"},   {JM_ESTIMATE_IMPOSSIBLE, "impossible"},
    {JM_ESTIMATE_INCOMPLETE, "incomplete"},   {JM_ESTIMATE_BOARD_ASSUMED, "board_assumed"},
    {JM_ESTIMATE_UNTIMED, "untimed"}};

static void add_prediction(jmi_text *text, const jm_profile_kernel *kernel, int kind,
                           const jm_estimated *p) {
    add_quoted(text, kernel->process);
    jmi_text_add(text, ",");
    add_quoted(text, kernel->kernel);
    add_number(text, kernel->duration_s);
    jmi_text_add(text, ",%s", kind_names[kind]);
    const double values[] = {p->power_w,  p->lower_w, p->upper_w,
                             p->energy_j, p->lower_j, p->upper_j};
    for (size_t i = 0; i < JMI_COUNT(values); i++) add_number(text, values[i]);
    const char *space = "";
    jmi_text_add(text, ",");
    for (size_t i = 0; i < JMI_COUNT(flag_names); i++) {
        if ((p->flags & flag_names[i].flag) == 0) continue;
        jmi_text_add(text, "%s%s", space, flag_names[i].name);
        space = " ";
    }
    jmi_text_add(text, ",%s", p->outside);
    add_origin(text, kernel);
    jmi_text_add(text, ",");
    add_quoted(text, kernel->device);
    jmi_text_add(text, "\n");
}

/* The program's rows come first: their kernel is empty. */
int jm_estimate_predictions_csv(const jm_estimate *e, char **csv, jm_error *error) {
    jmi_text text = {0};
    jm_estimated p = {.size = sizeof p};
    if (e == NULL || csv == NULL) return jmi_fail(error, JM_INVALID, "there is no estimate");
    jmi_text_add(&text, "process,kernel,duration_s,kind,power_w,power_lower_w,power_upper_w,"
                        "energy_j,energy_lower_j,energy_upper_j,flags,outside,pid,gpu,board\n");
    jm_profile_kernel all = {.process = "",
                             .pid = -1,
                             .device = "",
                             .kernel = "",
                             .duration_s = jmi_estimate_duration(e),
                             .gpu = ""};
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) {
        jm_estimate_program(e, (jm_power_kind)kind, &p);
        add_prediction(&text, &all, kind, &p);
    }
    for (uint32_t i = 0; i < e->count; i++) {
        jm_profile_kernel kernel = kernel_of(e, i);
        for (int kind = 0; kind < JM_POWER_KINDS; kind++) {
            if (kind != JM_POWER_AVERAGE && !e->model->fit[kind].errors.trained) continue;
            jm_estimate_kernel(e, i, (jm_power_kind)kind, &p);
            kernel.device = e->kernels[i].board.name;
            add_prediction(&text, &kernel, kind, &p);
        }
    }
    return jmi_text_take(&text, csv, error);
}

/* ---- JSON ---- */

static json_t *power_json(const jm_estimated *p) {
    json_t *o = json_object(), *flags = json_array();
    jmi_json_set_number(o, "power_w", p->power_w);
    jmi_json_set_number(o, "power_lower_w", p->lower_w);
    jmi_json_set_number(o, "power_upper_w", p->upper_w);
    if (isfinite(p->energy_j)) {
        jmi_json_set_number(o, "energy_j", p->energy_j);
        jmi_json_set_number(o, "energy_lower_j", p->lower_j);
        jmi_json_set_number(o, "energy_upper_j", p->upper_j);
    }
    for (size_t i = 0; i < JMI_COUNT(flag_names); i++)
        if (p->flags & flag_names[i].flag)
            json_array_append_new(flags, json_string(flag_names[i].name));
    json_object_set_new(o, "flags", flags);
    if (p->outside[0] != '\0') json_object_set_new(o, "outside", json_string(p->outside));
    if (p->impossible[0] != '\0') jmi_json_set_text(o, "impossible", p->impossible);
    if (p->missing[0] != '\0') jmi_json_set_text(o, "missing", p->missing);
    return o;
}

static json_t *kernel_json(const jm_estimate *e, uint32_t index) {
    jm_profile_kernel kernel = kernel_of(e, index);
    const jmi_kernel_estimate *k = &e->kernels[index];
    json_t *o = json_object(), *activities = json_object(), *shares = json_object();
    jm_estimated p = {.size = sizeof p};
    jmi_json_set_text(o, "process", kernel.process);
    json_object_set_new(o, "pid", kernel.pid < 0 ? json_null() : json_integer(kernel.pid));
    jmi_json_set_text(o, "kernel", kernel.kernel);
    json_object_set_new(o, "board", json_string(k->board.name));
    jmi_json_set_text(o, "gpu", kernel.gpu);
    json_object_set_new(o, "launches", json_integer((json_int_t)kernel.launches));
    json_object_set_new(o, "untimed_launches", json_integer((json_int_t)kernel.untimed));
    jmi_json_set_number(o, "duration_s", kernel.duration_s);
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) {
        if (kind != JM_POWER_AVERAGE && !e->model->fit[kind].errors.trained) continue;
        jm_estimate_kernel(e, index, (jm_power_kind)kind, &p);
        json_object_set_new(o, kind_names[kind], power_json(&p));
    }
    for (int a = 1; a < JM_ACTIVITY_COUNT; a++)
        if (!isnan(k->activity[a]))
            jmi_json_set_number(activities, jm_activity_name(a), k->activity[a]);
    for (int a = 0; a < JM_ACTIVITY_COUNT; a++) {
        double watts = jm_estimate_share(e, index, (jm_activity)a);
        if (watts > 0) jmi_json_set_number(shares, jm_activity_name(a), watts);
    }
    json_object_set_new(o, "activities", activities);
    json_object_set_new(o, "watts_of", shares);
    return o;
}

static json_t *losses_json(const jm_profile *profile) {
    const jm_profile_losses *l = &profile->losses;
    return json_pack("{s:I, s:I, s:I, s:I}", "foreign_lines", (json_int_t)l->foreign_lines,
                     "foreign_line", (json_int_t)l->foreign_line, "broken_rows",
                     (json_int_t)l->broken_rows, "broken_line", (json_int_t)l->broken_line);
}

int jm_estimate_json(const jm_estimate *e, char **json, jm_error *error) {
    if (e == NULL || json == NULL) return jmi_fail(error, JM_INVALID, "there is no estimate");
    json_t *root = json_object(), *program = json_object(), *kernels = json_array();
    json_t *model = json_object();
    jm_estimated p = {.size = sizeof p};
    const jm_power_errors *errors = &e->model->fit[JM_POWER_AVERAGE].errors;
    jmi_json_set_text(model, "board", e->model->board);
    jmi_json_set_text(model, "source", e->model->source);
    jmi_json_set_number(model, "program_left_out_pct", errors->program_pct);
    jmi_json_set_number(model, "interval_held_pct", errors->covered_pct);
    jmi_json_set_number(model, "interval_sure_pct", errors->sure_pct);
    json_object_set_new(root, "model", model);
    jmi_json_set_number(program, "duration_s", jmi_estimate_duration(e));
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) {
        jm_estimate_program(e, (jm_power_kind)kind, &p);
        json_object_set_new(program, kind_names[kind], power_json(&p));
    }
    json_object_set_new(root, "program", program);
    json_object_set_new(root, "profile", losses_json(e->profile));
    for (uint32_t i = 0; i < e->count; i++) json_array_append_new(kernels, kernel_json(e, i));
    json_object_set_new(root, "kernels", kernels);
    return jmi_json_dump(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9), json, error);
}
