/* Rows to train on: counters of a program in one run, its power in another. */
#include "estimate.h"

#include "child.h"
#include "command.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct collecting {
    const char *path, *program, *kernel, *board, *ncu;
    uint32_t skip, launches;
    measuring measuring;
    char **argv;
    /* what was found */
    double min_w, mean_w, peak_w, celsius;
    char model[256]; /* the GPU's name */
} collecting;

static int run(int argc, char **argv) {
    return estimate_collect(argc, argv);
}

static const cli_command collect_command = {
    "estimate collect",
    "[OPTIONS] -- COMMAND [ARGUMENT ...]",
    "make a row to train on: a program's counters and its measured power",
    "The command runs twice: under Nsight Compute for its counters, and by itself for\n"
    "its power, of which the first fifth is left out. It should do the same thing\n"
    "over and over for some seconds, as those of examples/cuda/power-suite do. The\n"
    "row is added to the file.\n",
    "  joulemeter estimate collect -o rows.csv -- ./power-suite fma 10\n"
    "  joulemeter estimate collect --program gemm --launches 20 -- ./gemm 4096\n",
    run};

/* ---- power ---- */

static bool find_gpu(const jm_recording *recording, uint32_t *index, char *model, size_t size) {
    for (uint32_t i = 0; i < jm_recording_device_count(recording); i++) {
        jm_device device = {.size = sizeof device};
        if (jm_recording_device(recording, i, &device) != JM_OK) continue;
        if (strncmp(device.name, "gpu", 3) != 0 || device.name[3] < '0' || device.name[3] > '9')
            continue;
        *index = i;
        snprintf(model, size, "%s", device.model);
        return true;
    }
    return false;
}

/* Least mean power of a tenth of the time: a reading alone may be a gap between two kernels. */
static double least_of(const jm_recording *recording, uint32_t gpu, int64_t begin, int64_t end) {
    double least = HUGE_VAL;
    enum { PARTS = 10 };
    for (int i = 0; i < PARTS; i++) {
        jm_energy e;
        int64_t from = begin + (end - begin) / PARTS * i;
        if (jm_energy_window(recording, gpu, from, from + (end - begin) / PARTS, NULL, &e, NULL) !=
            JM_OK)
            continue;
        if (e.measured > 0.5 && e.mean_power_w < least) least = e.mean_power_w;
    }
    return isinf(least) ? NAN : least;
}

static double mean_of(const jm_recording *recording, uint32_t sensor, int64_t begin, int64_t end) {
    double sum = 0, count = 0;
    jm_cursor *cursor;
    jm_samples part;
    if (jm_cursor_open(&cursor, recording, sensor, begin, end, NULL) != JM_OK) return NAN;
    while (jm_cursor_next(cursor, &part) == JM_OK)
        for (size_t i = 0; i < part.count; i++) {
            if ((part.flags[i] & JM_SAMPLE_MISSING) != 0) continue;
            sum += part.value[i];
            count++;
        }
    jm_cursor_close(cursor);
    return count > 0 ? sum / count : NAN;
}

static double temperature_of(const jm_recording *recording, uint32_t gpu, int64_t begin,
                             int64_t end) {
    for (uint32_t i = 0; i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(recording, i, &sensor) == JM_OK && sensor.device == gpu &&
            sensor.quantity == JM_QUANTITY_TEMPERATURE)
            return mean_of(recording, i, begin, end);
    }
    return NAN;
}

static int judge_power(collecting *c, const jm_recording *recording, int64_t begin, int64_t end) {
    uint32_t gpu;
    jm_energy e;
    jm_error error = {0};
    begin += (end - begin) / 5; /* clocks and temperature settle */
    if (!find_gpu(recording, &gpu, c->model, sizeof c->model))
        return cli_fail(&collect_command, CLI_FAILED, "there is no GPU whose power is measured");
    if (jm_energy_window(recording, gpu, begin, end, NULL, &e, &error) != JM_OK)
        return cli_fail_error(&collect_command, &error);
    if (!(e.measured > 0.5) || (e.provenance & JM_BOUND_ONLY) != 0 || !(e.mean_power_w > 0))
        return cli_fail(&collect_command, CLI_FAILED,
                        "the program ran for %.1f s, too short to measure its power: some seconds "
                        "are needed",
                        (double)(end - begin) / 0.8e9);
    c->mean_w = e.mean_power_w;
    c->min_w = fmin(c->mean_w, least_of(recording, gpu, begin, end));
    c->celsius = temperature_of(recording, gpu, begin, end);
    if (jm_peak_power(recording, gpu, begin, end, &c->peak_w, NULL) != JM_OK) c->peak_w = NAN;
    if (c->peak_w < c->mean_w) c->peak_w = c->mean_w;
    return CLI_OK;
}

/* Before anything is run: a row without its board's limits is none. */
static int check_board(const collecting *c, const jm_recording *recording) {
    jm_board board = {.size = sizeof board};
    jm_error error = {0};
    char model[256];
    uint32_t gpu;
    if (!find_gpu(recording, &gpu, model, sizeof model))
        return cli_fail(&collect_command, CLI_FAILED, "there is no GPU whose power is measured");
    if (jm_board_find(c->board != NULL ? c->board : model, &board, &error) == JM_OK) return CLI_OK;
    return cli_fail(&collect_command, CLI_USAGE, "%s (--board names one)", error.message);
}

static int run_measured(collecting *c, child *program, jm_session *session, const char *path) {
    char *text = command_text(c->argv);
    jm_range_id range = command_begin(session, text == NULL ? "" : text);
    free(text);
    int64_t begin = jm_now_ns();
    int errnum = child_start(program, path, c->argv, jm_session_environment(session));
    if (errnum != 0)
        return cli_fail(&collect_command, CLI_FAILED, "'%s' cannot be executed: %s", c->argv[0],
                        strerror(errnum));
    while (child_wait(program, jm_now_ns() + 500000000) != CHILD_ENDED) jm_session_check(session);
    int64_t end = jm_now_ns();
    command_end(session, range, program->status);
    usleep((useconds_t)(readings_delay_ns(jm_session_recording(session)) / 1000));
    if (exit_code_of(program->status) != 0)
        return cli_fail(&collect_command, CLI_FAILED, "the program ended with exit code %d",
                        exit_code_of(program->status));
    return judge_power(c, jm_session_recording(session), begin, end);
}

static int measure_power(collecting *c) {
    static const int streams[3] = {STDIN_FILENO, STDERR_FILENO, STDERR_FILENO};
    jm_session *session = NULL;
    child program;
    char *path = NULL;
    int code = child_find(&collect_command, c->argv[0], &path);
    if (code != 0) return code;
    if (!child_prepare(&program)) {
        free(path);
        return cli_fail(&collect_command, CLI_FAILED, "cannot watch signals: %s", strerror(errno));
    }
    program.streams = streams;
    code = measuring_open(&c->measuring, &collect_command, NULL, &session);
    if (code == CLI_OK) code = check_board(c, jm_session_recording(session));
    if (code == CLI_OK) code = run_measured(c, &program, session, path);
    jm_session_close(session, NULL, NULL);
    close(program.signals);
    sigprocmask(SIG_SETMASK, &program.original, NULL);
    free(path);
    return code;
}

/* ---- the row ---- */

static bool is_timed(const jm_profile *profile) {
    for (uint32_t i = 0; i < jm_profile_kernel_count(profile); i++) {
        jm_profile_kernel kernel = {.size = sizeof kernel};
        jm_profile_get(profile, i, &kernel);
        if (kernel.duration_s > 0) return true;
    }
    return false;
}

/* Mean of an activity over all kernels, by time; NaN if one of them does not tell. As in an
 * estimate, kernels without a time do not count beside those with one. */
static double activity_of(const jm_profile *profile, const jm_board *board, int activity) {
    double sum = 0, weight = 0;
    bool timed = is_timed(profile);
    for (uint32_t i = 0; i < jm_profile_kernel_count(profile); i++) {
        jm_profile_kernel kernel = {.size = sizeof kernel};
        jm_profile_get(profile, i, &kernel);
        double w = timed ? kernel.duration_s : (double)kernel.launches;
        if (!(w > 0)) continue;
        sum += w * jm_profile_activity(profile, i, board, (jm_activity)activity, NULL);
        weight += w;
    }
    return sum / weight;
}

/* The kernel that took most of the time. */
static const char *main_kernel(const jm_profile *profile) {
    const char *name = "";
    double most = -1;
    for (uint32_t i = 0; i < jm_profile_kernel_count(profile); i++) {
        jm_profile_kernel kernel = {.size = sizeof kernel};
        jm_profile_get(profile, i, &kernel);
        double seconds = isnan(kernel.duration_s) ? 0 : kernel.duration_s;
        if (seconds > most) name = kernel.kernel;
        if (seconds > most) most = seconds;
    }
    return name;
}

static void add_power(output *out, double watts) {
    output_add(out, ",");
    if (isfinite(watts)) output_add(out, "%.6g", watts);
}

static void add_row(output *out, const collecting *c, const jm_profile *profile,
                    const jm_board *board) {
    const char *slash = strrchr(c->argv[0], '/');
    const char *own = slash != NULL ? slash + 1 : c->argv[0];
    output_csv(out, c->program != NULL ? c->program : own);
    output_add(out, ",");
    output_csv(out, c->kernel != NULL ? c->kernel : main_kernel(profile));
    output_add(out, ",");
    output_csv(out, board->name);
    add_power(out, c->min_w);
    add_power(out, c->mean_w);
    add_power(out, c->peak_w);
    for (int a = 1; a < JM_ACTIVITY_COUNT; a++) {
        double x = activity_of(profile, board, a);
        if (a == JM_ACTIVITY_TEMPERATURE)
            x = isnan(c->celsius) ? NAN : fmax(0, c->celsius - 25) / 100;
        output_add(out, ",");
        if (isfinite(x)) output_add(out, "%.6g", x);
    }
    output_add(out, "\n");
}

static void add_header(output *out) {
    output_add(out, "program,kernel,board,power_min_w,power_avg_w,power_peak_w");
    for (int a = 1; a < JM_ACTIVITY_COUNT; a++) output_add(out, ",%s", jm_activity_name(a));
    output_add(out, "\n");
}

/* Is there a file of rows that ours may be added to, or none yet? A row below other columns would
 * be read as something else. */
static int check_file(const collecting *c) {
    output header;
    char *line = NULL;
    size_t capacity = 0;
    struct stat info;
    if (stat(c->path, &info) != 0 || !S_ISREG(info.st_mode)) return CLI_OK;
    FILE *file = fopen(c->path, "re");
    if (file == NULL)
        return cli_fail(&collect_command, CLI_FAILED, "cannot read %s: %s", c->path,
                        strerror(errno));
    output_open(&header);
    header.kept = true;
    add_header(&header);
    ssize_t length = getline(&line, &capacity, file);
    bool fits = length <= 0 ||
                ((size_t)length == header.length && memcmp(line, header.data, header.length) == 0);
    fclose(file);
    free(line);
    free(header.data);
    if (fits) return CLI_OK;
    return cli_fail(&collect_command, CLI_USAGE,
                    "%s has other columns than the rows that are collected: choose another file "
                    "with -o",
                    c->path);
}

/* A last line whose end an editor took must not go on with our row. */
static bool ends_line(const char *path) {
    struct stat info;
    int last = '\n';
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return true;
    FILE *file = fopen(path, "re");
    if (file == NULL) return true;
    if (fseek(file, -1, SEEK_END) == 0) last = fgetc(file);
    fclose(file);
    return last == '\n';
}

static int append(const collecting *c, const jm_profile *profile, const jm_board *board) {
    output out;
    output_open(&out);
    out.kept = true;
    FILE *file = fopen(c->path, "ae");
    if (file == NULL)
        return cli_fail(&collect_command, CLI_FAILED, "cannot write %s: %s", c->path,
                        strerror(errno));
    fseek(file, 0, SEEK_END);
    if (ftell(file) == 0) add_header(&out);
    if (!ends_line(c->path)) output_add(&out, "\n");
    add_row(&out, c, profile, board);
    bool written = fwrite(out.data, 1, out.length, file) == out.length;
    free(out.data);
    if (fclose(file) != 0 || !written)
        return cli_fail(&collect_command, CLI_FAILED, "cannot write %s: %s", c->path,
                        strerror(errno));
    printf("%.1f W (least %.1f, most %.1f), added to %s\n", c->mean_w, c->min_w, c->peak_w,
           c->path);
    return CLI_OK;
}

static int collect(collecting *c) {
    jm_board board = {.size = sizeof board};
    jm_profile *profile = NULL;
    jm_error error = {0};
    char *metrics = NULL;
    ncu_job job = {.command = &collect_command,
                   .ncu = c->ncu,
                   .argv = c->argv,
                   .skip = c->skip,
                   .launches = c->launches};
    char *ncu;
    int code = check_file(c);
    if (code == CLI_OK) code = ncu_find(&job, &ncu);
    if (code != CLI_OK) return code;
    free(ncu);
    code = measure_power(c);
    if (code != CLI_OK) return code;
    if (jm_board_find(c->board != NULL ? c->board : c->model, &board, &error) != JM_OK)
        return cli_fail_error(&collect_command, &error);
    if (jm_activity_metrics(&metrics, &error) != JM_OK)
        return cli_fail_error(&collect_command, &error);
    job.metrics = metrics;
    code = ncu_profile(&job, &profile);
    jm_free(metrics);
    if (code == CLI_OK) code = ncu_outcome(&job);
    if (code == CLI_OK) code = append(c, profile, &board);
    jm_profile_free(profile);
    return code;
}

int estimate_collect(int argc, char **argv) {
    collecting c = {
        .path = "rows.csv", .launches = 10, .min_w = NAN, .peak_w = NAN, .celsius = NAN};
    const cli_option options[] = {
        {'o', "output", OPTION_TEXT, &c.path, "FILE", "where the row is added (default rows.csv)",
         0, 0, NULL},
        {0, "program", OPTION_TEXT, &c.program, "NAME",
         "of the row (default: the command's); rows of\none program are left out together", 0, 0,
         NULL},
        {0, "kernel", OPTION_TEXT, &c.kernel, "NAME",
         "of the row (default: the kernel that takes most\ntime)", 0, 0, NULL},
        {0, "launches", OPTION_COUNT, &c.launches, "N",
         "kernels to profile: each is run many times\n(default 10; 0: all)", 0, 1e9, NULL},
        {0, "skip", OPTION_COUNT, &c.skip, "N", "launches before the first that is profiled", 0,
         1e9, NULL},
        {0, "board", OPTION_TEXT, &c.board, "MODEL", "its name (default: as the driver says)", 0, 0,
         NULL},
        {0, "ncu", OPTION_TEXT, &c.ncu, "PATH", "Nsight Compute's command (default: on PATH)", 0, 0,
         NULL},
        OPTION_GPU(&c.measuring),
        OPTION_SIMULATE(&c.measuring),
        {0}};
    int operands;
    int code = cli_parse(&collect_command, options, OPERANDS_LAST, argc, argv, &operands);
    if (code == PARSE_DONE && operands == 0)
        code = cli_fail(&collect_command, CLI_USAGE,
                        "which command? joulemeter estimate collect -- COMMAND");
    c.argv = argv + 1;
    if (code == PARSE_DONE) code = collect(&c);
    free(c.measuring.gpus);
    return code;
}
