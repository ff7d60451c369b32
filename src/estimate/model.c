#include "estimate/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- activities ---- */

const char *jm_activity_name(int activity) {
    static const char *const names[] = {
#define NAME(code, name, meaning) name,
        JM_ACTIVITY_TABLE(NAME)
#undef NAME
    };
    return activity >= 0 && activity < JM_ACTIVITY_COUNT ? names[activity] : "unknown";
}

const char *jm_activity_meaning(int activity) {
    static const char *const meanings[] = {
#define MEANING(code, name, meaning) meaning,
        JM_ACTIVITY_TABLE(MEANING)
#undef MEANING
    };
    return activity >= 0 && activity < JM_ACTIVITY_COUNT ? meanings[activity] : "unknown";
}

#define L1(what) "l1tex__t_sectors_pipe_lsu_mem_global_op_" what ".sum"

const char *jmi_activity_metrics(jm_activity activity) {
    switch (activity) {
    case JM_ACTIVITY_CLOCK: return "sm__cycles_elapsed.max";
    case JM_ACTIVITY_SM_ACTIVE: return "smsp__cycles_active.avg.pct_of_peak_sustained_elapsed";
    case JM_ACTIVITY_PIPES:
        return "sm__pipe_alu_cycles_active.sum,sm__pipe_fma_cycles_active.sum,"
               "sm__pipe_fp64_cycles_active.sum,sm__pipe_shared_cycles_active.sum,"
               "sm__pipe_tensor_cycles_active.sum";
    case JM_ACTIVITY_ISSUE: return "sm__inst_executed.sum";
    case JM_ACTIVITY_ALU: return "sm__pipe_alu_cycles_active.sum";
    case JM_ACTIVITY_FMA: return "sm__pipe_fma_cycles_active.sum";
    case JM_ACTIVITY_FP16: return "sm__inst_executed_pipe_fp16.sum";
    case JM_ACTIVITY_FP64: return "sm__pipe_fp64_cycles_active.sum";
    case JM_ACTIVITY_XU: return "sm__inst_executed_pipe_xu.sum";
    case JM_ACTIVITY_TENSOR: return "sm__pipe_tensor_cycles_active.sum";
    case JM_ACTIVITY_L1:
        return L1("ld_lookup_hit") "," L1("ld_lookup_miss") "," L1("st_lookup_hit") "," L1(
            "st_lookup_miss");
    case JM_ACTIVITY_SHARED:
        return "sm__sass_inst_executed_op_shared_ld.sum,sm__sass_inst_executed_op_shared_st.sum";
    case JM_ACTIVITY_CONST_CACHE: return "idc__requests.sum";
    case JM_ACTIVITY_L2:
        return "lts__t_sectors_srcunit_tex_op_read.sum,lts__t_sectors_srcunit_tex_op_write.sum";
    case JM_ACTIVITY_DRAM:
        return "dram__bytes_read.sum,dram__bytes_write.sum,"
               "dram__throughput.avg.pct_of_peak_sustained_elapsed"; /* where bytes are not had */
    case JM_ACTIVITY_NVLINK: return "nvlrx__bytes.sum,nvltx__bytes.sum";
    case JM_ACTIVITY_PCIE: return "pcie__read_bytes.sum,pcie__write_bytes.sum";
    default: return "";
    }
}

static bool listed(const char *list, const char *name, size_t length) {
    for (const char *at = list; (at = strstr(at, name)) != NULL; at++)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0')) return true;
    return false;
}

/* Adds those of `more` that are not in it. */
static void add_metrics(jmi_text *text, const char *more) {
    while (*more != '\0') {
        char name[128];
        size_t length = strcspn(more, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, more);
        if (text->data == NULL || !listed(text->data, name, strlen(name)))
            jmi_text_add(text, "%s%s", text->length > 0 ? "," : "", name);
        more += length + (more[length] == ',');
    }
}

static int metrics_of(const bool *wanted, char **metrics, jm_error *error) {
    jmi_text text = {0};
    if (metrics == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the metrics");
    add_metrics(&text, "gpu__time_duration.sum,sm__cycles_elapsed.sum,sm__cycles_elapsed.max,"
                       "device__attribute_display_name");
    for (int k = 0; k < JM_ACTIVITY_COUNT; k++)
        if (wanted == NULL || wanted[k]) add_metrics(&text, jmi_activity_metrics((jm_activity)k));
    return jmi_text_take(&text, metrics, error);
}

int jm_power_model_metrics(const jm_power_model *model, char **metrics, jm_error *error) {
    if (model == NULL) return jmi_fail(error, JM_INVALID, "there is no model");
    return metrics_of(model->knows, metrics, error);
}

int jm_activity_metrics(char **metrics, jm_error *error) {
    return metrics_of(NULL, metrics, error);
}

/* ---- models ---- */

void jm_power_model_free(jm_power_model *model) {
    if (model == NULL) return;
    free(model->board);
    free(model->source);
    free(model->made);
    free(model->left_out);
    jmi_training_free(&model->rows);
    for (int kind = 0; kind < JM_POWER_KINDS; kind++) free(model->folds[kind]);
    free(model);
}

int jm_power_model_get(const jm_power_model *model, jm_power_model_info *info) {
    if (model == NULL || info == NULL) return JM_INVALID;
    jm_power_model_info ours = {sizeof ours, model->board, model->source, model->made,
                                model->left_out != NULL ? model->left_out : ""};
    return jmi_give_struct(info, &ours, sizeof ours);
}

static bool is_kind(jm_power_kind kind) {
    return (unsigned)kind < JM_POWER_KINDS;
}

int jm_power_model_errors(const jm_power_model *model, jm_power_kind kind,
                          jm_power_errors *errors) {
    if (model == NULL || errors == NULL || !is_kind(kind)) return JM_INVALID;
    return jmi_give_struct(errors, &model->fit[kind].errors, sizeof *errors);
}

double jm_power_model_watts(const jm_power_model *model, jm_power_kind kind, jm_activity activity) {
    if (model == NULL || !is_kind(kind) || (unsigned)activity >= JM_ACTIVITY_COUNT ||
        !model->knows[activity] || !model->fit[kind].errors.trained)
        return NAN;
    return model->fit[kind].watts[activity];
}

int jm_power_model_fold(const jm_power_model *model, jm_power_kind kind, uint32_t index,
                        jm_power_fold *fold) {
    if (model == NULL || fold == NULL || !is_kind(kind)) return JM_INVALID;
    if (model->folds[kind] == NULL || index >= model->rows.count) return JM_NOT_FOUND;
    return jmi_give_struct(fold, &model->folds[kind][index], sizeof *fold);
}
