/* Watts from counters, against published data: counters and measured power of kernels on a V100
 * (AccelWattch, MICRO 2021). Whatever is left out is left out of every choice. */
#include "accuracy.h"

#include <joulemeter.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names in the file of counters, in that of power, and of the program. Which kernel is which is
 * AccelWattch's own (util/accelwattch/gen_sim_power_csv.py). */
static const struct {
    const char *benchmark, *kernel, *power;
} kernels[] = {{"b+tree", "findRangeK", "btree_k1"},
               {"b+tree", "findK", "btree_k2"},
               {"backprop", "layerforward", "backprop_k1"},
               {"backprop", "adjust_weights", "backprop_k2"},
               {"hotspot", "calculate_temp", "hotspot_k1"},
               {"kmeans", "kmeansPoint", "kmeans_k1"},
               {"srad_v1", "srad", "srad_v1_k1"},
               {"parboil-sad", "mb_sad_calc", "parboil_sad_k1"},
               {"parboil-sgemm", "mysgemmNT", "parboil_sgemm_k1"},
               {"parboil-mri-q", "ComputeQ", "parboil_mriq_k1"},
               {"dct8x8", "CUDAkernel1DCT", "dct8x8_k1"},
               {"dct8x8", "CUDAkernel2DCT", "dct8x8_k2"},
               {"binomialOptions", "binomialOptions", "binomialOptions_k1"},
               {"fastWalshTransform", "fwtBatch2", "fastWalshTransform_k1"},
               {"fastWalshTransform", "fwtBatch1", "fastWalshTransform_k2"},
               {"histogram", "histogram64", "histogram_k1"},
               {"mergeSort", "mergeElementaryIntervals", "mergeSort_k1"},
               {"mergeSort", "mergeSortShared", "mergeSort_k2"},
               {"quasirandomGenerator", "quasirandomGenerator", "quasirandomGenerator_k1"},
               {"quasirandomGenerator", "inverseCND", "quasirandomGenerator_k2"},
               {"sobolQRNG", "sobolGPU", "sobolQRNG_k1"},
               {"cutlass_perf_test_k1", "gemm", "cutlass_k1"},
               {"cutlass_perf_test_k2", "gemm", "cutlass_k2"},
               {"cutlass_perf_test_k3", "gemm", "cutlass_k3"},
               {"cudaTensorCoreGemm", "compute_gemm", "cudaTensorCoreGemm_k1"}};
enum { KERNELS = sizeof kernels / sizeof *kernels };

/* Columns of the file of counters. */
enum {
    L1_RH = 2,
    L1_WM = 5,
    CONSTANTS,
    SHARED,
    DRAM_READ,
    DRAM_WRITE,
    L2_RH,
    L2_WM = 13,
    DUTY = 15,
    IDLE_SMS,
    CYCLES,
    COLUMNS
};

/* SMs of the board, its bandwidth, and the clock that it is taken to have run at: the data does not
 * tell. Only the share of the bandwidth depends on it. */
static const double sms = 80, clock_hz = 1417e6, dram_bytes_s = 900e9;

static double sum_of(const double *value, int first, int last) {
    double sum = 0;
    for (int i = first; i <= last; i++) sum += value[i];
    return sum;
}

static double power_of(const char *folder, const char *name) {
    char path[4096], line[512];
    double watts = NAN;
    snprintf(path, sizeof path, "%s/gpu-counters-power/v100-power.csv", folder);
    FILE *file = fopen(path, "re");
    size_t length = strlen(name);
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ',')
            watts = atof(line + length + 1);
    if (file != NULL) fclose(file);
    return watts;
}

/* Fields of a line; texts stay in it. */
static int split(char *line, char *field[COLUMNS + 1], double value[COLUMNS + 1]) {
    int count = 0;
    for (char *at = line; at != NULL && count <= COLUMNS; count++) {
        field[count] = strsep(&at, ",\n");
        value[count] = count < 2 ? 0 : atof(field[count]);
    }
    return count;
}

static void write_row(FILE *out, const char *folder, int index, const double *v) {
    char program[64];
    const char *power = kernels[index].power;
    const char *end = strrchr(power, '_');
    double cycles = sms * v[CYCLES], seconds = v[CYCLES] / clock_hz;
    snprintf(program, sizeof program, "%.*s", (int)(end - power), power);
    fprintf(out, "%s,%s,Tesla V100,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g\n", program, power,
            power_of(folder, power), 1 - v[IDLE_SMS] / sms, v[DUTY],
            sum_of(v, L1_RH, L1_WM) / 4 / cycles, v[SHARED] / cycles, v[CONSTANTS] / cycles,
            sum_of(v, L2_RH, L2_WM) / cycles,
            32 * (v[DRAM_READ] + v[DRAM_WRITE]) / seconds / dram_bytes_s);
}

/* The data as rows to train on. The number of rows. */
static int write_rows(const char *folder, const char *path) {
    char source[4096], line[4096];
    snprintf(source, sizeof source, "%s/gpu-counters-power/v100-counters.csv", folder);
    FILE *in = fopen(source, "re"), *out = fopen(path, "we");
    int count = 0;
    if (in != NULL && out != NULL)
        fputs("program,kernel,board,power_avg_w,sm_active,pipes,l1,shared,const_cache,l2,dram\n",
              out);
    while (in != NULL && out != NULL && fgets(line, sizeof line, in) != NULL) {
        char *field[COLUMNS + 1];
        double value[COLUMNS + 1];
        if (split(line, field, value) < COLUMNS) continue;
        for (int i = 0; i < KERNELS; i++)
            if (strncmp(field[0], kernels[i].benchmark, strlen(kernels[i].benchmark)) == 0 &&
                strstr(field[1], kernels[i].kernel) != NULL) {
                write_row(out, folder, i, value);
                count++;
                break;
            }
    }
    if (in != NULL) fclose(in);
    if (out != NULL && fclose(out) != 0) count = 0;
    return count;
}

static void report(rows *all, const jm_power_model *model) {
    jm_power_errors e = {.size = sizeof e};
    jm_power_model_errors(model, JM_POWER_AVERAGE, &e);
    const row found[] = {
        {.name = "estimate V100, program left out, error",
         .value = e.program_pct,
         .goal = ROW_AT_MOST,
         .target = 12,
         .baseline = e.program_plain_pct,
         .beside = "plain least squares"},
        {.name = "estimate V100, program left out, error of the mean", .value = e.program_mean_pct},
        {.name = "estimate V100, kernel left out, error",
         .value = e.kernel_pct,
         .baseline = e.kernel_plain_pct,
         .beside = "plain least squares"},
        {.name = "estimate V100, kernel left out, error of the mean", .value = e.kernel_mean_pct},
        {.name = "estimate V100, program left out, coverage",
         .value = e.covered_pct,
         .goal = ROW_WITHIN,
         .target = 90,
         .target_high = 97,
         .of = e.rows},
        {.name = "estimate V100, kernel left out, coverage",
         .value = e.kernel_covered_pct,
         .goal = ROW_WITHIN,
         .target = 90,
         .target_high = 97,
         .of = e.rows},
        {.name = "estimate V100, half width of the interval", .value = e.half_width_pct}};
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        row one = found[i];
        one.unit = "%";
        rows_add(all, &one);
    }
}

/* Where JOULEMETER_ESTIMATE_KEEP names a folder, the rows and the model stay there: so the model
 * that is shipped was made, and accuracy/forest.py reads the rows. */
static void keep(const jm_power_model *model, const char *folder) {
    char path[4096], *json;
    if (jm_power_model_json(model, &json, NULL) != JM_OK) return;
    snprintf(path, sizeof path, "%s/v100.json", folder);
    FILE *out = fopen(path, "we");
    if (out != NULL) {
        fputs(json, out);
        fclose(out);
    }
    jm_free(json);
}

void accuracy_counters(rows *all) {
    const char *folder = getenv("JOULEMETER_SHARED_DATA");
    const char *kept = getenv("JOULEMETER_ESTIMATE_KEEP");
    char path[4096];
    jm_power_model *model = NULL;
    jm_error error = {0};
    if (!rows_want(all, "estimate V100, program kernel left out, error of the mean coverage half "
                        "width of the interval"))
        return;
    if (folder == NULL) folder = "../shared/data";
    snprintf(path, sizeof path, "%s/joulemeter-v100-%d.csv", kept != NULL ? kept : "/tmp",
             getpid());
    if (kept != NULL) snprintf(path, sizeof path, "%s/v100-rows.csv", kept);
    int count = write_rows(folder, path);
    jm_train_options options = JM_TRAIN_OPTIONS_INIT;
    options.source =
        "published data of one V100: AccelWattch (MICRO 2021), 25 kernels of 17 programs";
    if (count != KERNELS)
        rows_skip(all, "estimate V100", "its data is not there");
    else if (jm_power_model_train(&model, path, &options, &error) != JM_OK)
        rows_skip(all, "estimate V100", error.message);
    else
        report(all, model);
    if (model != NULL && kept != NULL) keep(model, kept);
    if (kept == NULL) unlink(path);
    jm_power_model_free(model);
}
