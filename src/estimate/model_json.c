/* A model as JSON: plain numbers that are checked one by one, nothing that could be run. */
#include "base/json.h"
#include "estimate/board.h"
#include "estimate/model.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FORMAT = 1, LARGEST = 1 << 20 };
static const char format_name[] = "joulemeter power model";

static const char *const kind_names[JM_POWER_KINDS] = {"min", "avg", "peak"};

/* ---- writing ---- */

static json_t *errors_json(const jm_power_errors *e) {
    json_t *o = json_pack("{s:i, s:i}", "rows", (int)e->rows, "programs", (int)e->programs);
    jmi_json_set_number(o, "program_left_out_pct", e->program_pct);
    jmi_json_set_number(o, "kernel_left_out_pct", e->kernel_pct);
    jmi_json_set_number(o, "program_left_out_mean_pct", e->program_mean_pct);
    jmi_json_set_number(o, "kernel_left_out_mean_pct", e->kernel_mean_pct);
    jmi_json_set_number(o, "program_left_out_plain_pct", e->program_plain_pct);
    jmi_json_set_number(o, "kernel_left_out_plain_pct", e->kernel_plain_pct);
    jmi_json_set_number(o, "program_left_out_covered_pct", e->covered_pct);
    jmi_json_set_number(o, "kernel_left_out_covered_pct", e->kernel_covered_pct);
    return o;
}

static json_t *fit_json(const jm_power_model *model, const jmi_power_fit *fit) {
    json_t *o = json_object(), *watts = json_object();
    for (int k = 0; k < JM_ACTIVITY_COUNT; k++)
        if (model->knows[k]) jmi_json_set_number(watts, jm_activity_name(k), fit->watts[k]);
    json_object_set_new(o, "watts", watts);
    json_object_set_new(o, "penalty",
                        isinf(fit->penalty) ? json_string("all") : json_real(fit->penalty));
    jmi_json_set_number(o, "interval_half_width", fit->half_width);
    json_object_set_new(o, "validation", errors_json(&fit->errors));
    return o;
}

int jm_power_model_json(const jm_power_model *model, char **json, jm_error *error) {
    if (model == NULL || json == NULL) return jmi_fail(error, JM_INVALID, "there is no model");
    json_t *seen = json_object(), *fits = json_object();
    for (int k = 0; k < JM_ACTIVITY_COUNT; k++) {
        if (!model->knows[k]) continue;
        json_t *range = json_object();
        jmi_json_set_number(range, "low", model->low[k]);
        jmi_json_set_number(range, "high", model->high[k]);
        jmi_json_set_number(range, "mean", model->mean[k]);
        json_object_set_new(seen, jm_activity_name(k), range);
    }
    for (int kind = 0; kind < JM_POWER_KINDS; kind++)
        if (model->fit[kind].errors.trained)
            json_object_set_new(fits, kind_names[kind], fit_json(model, &model->fit[kind]));
    json_t *root = json_pack("{s:s, s:i, s:s}", "format", format_name, "version", FORMAT, "board",
                             model->board);
    jmi_json_set_text(root, "source", model->source); /* paths may be no UTF-8 */
    json_object_set_new(root, "made_by", json_string(model->made));
    json_object_set_new(root, "trained_within", seen);
    json_object_set_new(root, "power", fits);
    /* Six digits are more than a fit knows. */
    return jmi_json_dump(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6), json, error);
}

/* ---- reading ---- */

typedef struct reader {
    jm_power_model *model;
    jm_error *error;
} reader;

static int wrong(const reader *r, const char *what, const char *name) {
    return jmi_fail(r->error, JM_FORMAT, "this is no power model: %s%s%.60s", what,
                    name[0] != '\0' ? " " : "", name);
}

static bool take_number(const json_t *o, const char *name, double least, double most,
                        double *value) {
    const json_t *n = json_object_get(o, name);
    *value = json_number_value(n);
    return json_is_number(n) && *value >= least && *value <= most;
}

static bool take_text(const json_t *o, const char *name, char **out) {
    const char *text = json_string_value(json_object_get(o, name));
    if (text == NULL || strlen(text) > JMI_MODEL_TEXT) return false;
    *out = jmi_strdup(text);
    return *out != NULL;
}

static int activity_of(const char *name) {
    for (int k = 0; k < JM_ACTIVITY_COUNT; k++)
        if (strcmp(jm_activity_name(k), name) == 0) return k;
    return -1;
}

static int take_ranges(reader *r, json_t *seen) {
    const char *name;
    json_t *range;
    if (!json_is_object(seen)) return wrong(r, "there is no object", "trained_within");
    json_object_foreach(seen, name, range) {
        int k = activity_of(name);
        if (k < 0) return wrong(r, "there is no activity", name);
        jm_power_model *m = r->model;
        m->knows[k] =
            take_number(range, "low", 0, 1000, &m->low[k]) &&
            take_number(range, "high", m->low[k], 1000, &m->high[k]) &&
            take_number(range, "mean", m->low[k] * 0.999, m->high[k] * 1.001, &m->mean[k]);
        if (!m->knows[k]) return wrong(r, "low, mean and high must be in order, of", name);
    }
    if (!r->model->knows[JM_ACTIVITY_CONSTANT]) return wrong(r, "there is no activity", "constant");
    return JM_OK;
}

static int take_errors(reader *r, const json_t *o, jm_power_errors *e) {
    double rows, programs;
    bool ok = take_number(o, "rows", 1, 1e9, &rows) &&
              take_number(o, "programs", 1, rows, &programs) &&
              take_number(o, "program_left_out_pct", 0, 1e6, &e->program_pct) &&
              take_number(o, "kernel_left_out_pct", 0, 1e6, &e->kernel_pct) &&
              take_number(o, "program_left_out_mean_pct", 0, 1e6, &e->program_mean_pct) &&
              take_number(o, "kernel_left_out_mean_pct", 0, 1e6, &e->kernel_mean_pct) &&
              take_number(o, "program_left_out_plain_pct", 0, 1e6, &e->program_plain_pct) &&
              take_number(o, "kernel_left_out_plain_pct", 0, 1e6, &e->kernel_plain_pct) &&
              take_number(o, "program_left_out_covered_pct", 0, 100, &e->covered_pct) &&
              take_number(o, "kernel_left_out_covered_pct", 0, 100, &e->kernel_covered_pct);
    if (!ok) return wrong(r, "a model must say how wrong it was, in", "validation");
    e->rows = (uint32_t)rows;
    e->programs = (uint32_t)programs;
    e->trained = true;
    return JM_OK;
}

static int take_fit(reader *r, json_t *o, jmi_power_fit *fit) {
    const char *name;
    json_t *watts = json_object_get(o, "watts"), *value;
    json_t *penalty = json_object_get(o, "penalty");
    bool some = false;
    if (!json_is_object(watts)) return wrong(r, "there is no object", "watts");
    json_object_foreach(watts, name, value) {
        int k = activity_of(name);
        if (k < 0 || !r->model->knows[k]) return wrong(r, "there is no activity", name);
        if (!take_number(watts, name, 0, 1e5, &fit->watts[k]))
            return wrong(r, "watts must be 0 or more, of", name);
    }
    for (int k = 0; k < JM_ACTIVITY_COUNT; k++) {
        if (r->model->knows[k] && json_object_get(watts, jm_activity_name(k)) == NULL)
            return wrong(r, "there are no watts of", jm_activity_name(k));
        some |= fit->watts[k] > 0;
    }
    if (!some) return wrong(r, "all watts are 0", "");
    if (!take_number(o, "interval_half_width", 0, 1000, &fit->half_width))
        return wrong(r, "there is no number", "interval_half_width");
    fit->penalty = json_is_string(penalty) ? HUGE_VAL : json_number_value(penalty);
    int status = take_errors(r, json_object_get(o, "validation"), &fit->errors);
    fit->errors.half_width_pct = 100 * fit->half_width;
    fit->errors.sure_pct = 100 * jmi_sure_share(fit->errors.programs);
    return status;
}

static int take_fits(reader *r, json_t *fits) {
    const char *name;
    json_t *fit;
    if (!json_is_object(fits)) return wrong(r, "there is no object", "power");
    json_object_foreach(fits, name, fit) {
        int kind = 0;
        while (kind < JM_POWER_KINDS && strcmp(kind_names[kind], name) != 0) kind++;
        if (kind == JM_POWER_KINDS) return wrong(r, "there is no kind of power", name);
        int status = take_fit(r, fit, &r->model->fit[kind]);
        if (status != JM_OK) return status;
    }
    if (!r->model->fit[JM_POWER_AVERAGE].errors.trained)
        return wrong(r, "there is no power", "avg");
    return JM_OK;
}

static int take_model(reader *r, json_t *root) {
    double version;
    const char *format = json_string_value(json_object_get(root, "format"));
    if (format == NULL || strcmp(format, format_name) != 0)
        return wrong(r, "its format is not", format_name);
    if (!take_number(root, "version", 1, 1e9, &version)) return wrong(r, "there is no", "version");
    if (version != FORMAT)
        return jmi_fail(r->error, JM_FORMAT, "the power model is of version %.0f, this reads %d",
                        version, FORMAT);
    jm_power_model *m = r->model;
    jm_board board;
    if (!take_text(root, "board", &m->board) || !take_text(root, "source", &m->source) ||
        !take_text(root, "made_by", &m->made))
        return wrong(r, "it does not tell board, source and made_by", "");
    if (!jmi_board_named(m->board, &board)) return wrong(r, "there is no board", m->board);
    int status = take_ranges(r, json_object_get(root, "trained_within"));
    return status == JM_OK ? take_fits(r, json_object_get(root, "power")) : status;
}

int jm_power_model_parse(jm_power_model **model, const char *json, size_t length, jm_error *error) {
    if (model == NULL || (json == NULL && length > 0))
        return jmi_fail(error, JM_INVALID, "there is no model to read");
    *model = NULL;
    json_error_t why = {.text = ""};
    json_t *root = json_loadb(json == NULL ? "" : json, length, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return jmi_fail(error, JM_FORMAT, "this is no power model: line %d: %s", why.line,
                        why.text);
    reader r = {jmi_alloc(1, sizeof *r.model), error};
    int status =
        r.model == NULL ? jmi_fail(error, JM_MEMORY, "out of memory") : take_model(&r, root);
    json_decref(root);
    if (status == JM_OK)
        *model = r.model;
    else
        jm_power_model_free(r.model);
    return status;
}

int jm_power_model_read(jm_power_model **model, const char *path, jm_error *error) {
    if (model == NULL || path == NULL) return jmi_fail(error, JM_INVALID, "there is no model");
    *model = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return jmi_fail_errno(error, errno, "cannot open %s", path);
    jmi_text text = {0};
    int errnum = jmi_read_all(fd, LARGEST, &text), status = JM_OK;
    close(fd);
    if (errnum == EFBIG)
        status = jmi_fail(error, JM_FORMAT, "%s is no power model: it is too large", path);
    else if (errnum != 0)
        status = jmi_fail_errno(error, errnum, "cannot read %s", path);
    if (status == JM_OK) status = jm_power_model_parse(model, text.data, text.length, error);
    jmi_text_free(&text);
    return status;
}
