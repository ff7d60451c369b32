/* Watts of a program from what Nsight Compute counts of it. */
#include "estimate.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct settings {
    const char *kind, *application, *csv, *board, *model, *ncu, *folder, *keep;
    cli_words arguments;
    double seconds, temperature;
    uint32_t top;
    bool json;
    bool kinds[JM_POWER_KINDS];
} settings;

int estimate_model(const cli_command *command, const char *path, jm_power_model **model) {
    jm_error error = {0};
    int status = path == NULL ? jm_power_model_shipped(model, &error)
                              : jm_power_model_read(model, path, &error);
    if (status == JM_OK) return CLI_OK;
    if (path != NULL && status == JM_FORMAT)
        return cli_fail(command, CLI_USAGE, "%s: %s", path, error.message);
    return cli_fail_error(command, &error);
}

/* ---- which profile ---- */

/* The beginning of a file tells: "Kernel Name" or "Metric Name" is in every table of ncu. */
static bool looks_like_profile(const char *path) {
    char text[65537];
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    size_t read = fread(text, 1, sizeof text - 1, file), length = 0;
    fclose(file);
    for (size_t i = 0; i < read; i++) /* UTF-16 has a NUL beside each letter */
        if (text[i] != '\0') text[length++] = text[i];
    return memmem(text, length, "Kernel Name", 11) != NULL ||
           memmem(text, length, "Metric Name", 11) != NULL;
}

static bool is_csv(const char *name) {
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, ".csv") == 0 &&
           strcmp(name, "extracted_features.csv") != 0 && strcmp(name, "predictions.csv") != 0;
}

/* The profile in the current folder, heap. The exit code. */
static int find_csv(char **found) {
    DIR *dir = opendir(".");
    unsigned count = 0;
    *found = NULL;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (!is_csv(entry->d_name) || !looks_like_profile(entry->d_name)) continue;
        if (count++ == 0) *found = strdup(entry->d_name);
    }
    if (dir != NULL) closedir(dir);
    if (count == 1 && *found != NULL) return CLI_OK;
    free(*found);
    *found = NULL;
    return cli_fail(&cli_estimate, CLI_USAGE,
                    count == 0
                        ? "there is no CSV of Nsight Compute in this folder: name one with "
                          "-c FILE, or a program with -a PROGRAM"
                        : "there are several CSVs of Nsight Compute in this folder: name one "
                          "with -c FILE");
}

static int read_profile(const char *path, jm_profile **profile) {
    jm_error error = {0};
    int status = jm_profile_read(profile, path, &error);
    if (status == JM_OK) return CLI_OK;
    bool named = path != NULL && strstr(error.message, path) != NULL;
    return cli_fail(&cli_estimate,
                    status == JM_NO_DATA || status == JM_PERMISSION ? CLI_FAILED : CLI_USAGE,
                    "%s%s%s", named ? "" : path, named ? "" : ": ", error.message);
}

static int run_program(const settings *set, const jm_power_model *model, jm_profile **profile,
                       estimate_view *view) {
    const char *argv[CLI_COUNT(set->arguments.word) + 2] = {set->application};
    jm_error error = {0};
    char *metrics = NULL;
    memcpy(argv + 1, set->arguments.word, set->arguments.count * sizeof *argv);
    if (jm_power_model_metrics(model, &metrics, &error) != JM_OK)
        return cli_fail_error(&cli_estimate, &error);
    ncu_job job = {.command = &cli_estimate,
                   .ncu = set->ncu,
                   .argv = (char *const *)(uintptr_t)argv,
                   .metrics = metrics,
                   .seconds = set->seconds,
                   .keep = set->keep};
    int code = ncu_profile(&job, profile);
    jm_free(metrics);
    view->timed_out = job.timed_out;
    view->seconds = set->seconds;
    if (code == CLI_OK) view->outcome = ncu_outcome(&job);
    return code;
}

static int get_profile(const settings *set, const jm_power_model *model, jm_profile **profile,
                       estimate_view *view) {
    char *found = NULL;
    if (set->csv != NULL && set->application != NULL)
        cli_fail(&cli_estimate, CLI_OK, "-c gives the profile: -a %s is not run", set->application);
    if (set->csv == NULL && set->application != NULL) return run_program(set, model, profile, view);
    int code = set->csv == NULL ? find_csv(&found) : CLI_OK;
    if (code == CLI_OK) code = read_profile(set->csv != NULL ? set->csv : found, profile);
    free(found);
    return code;
}

/* ---- what is written ---- */

static int write_csv(const settings *set, const char *name, char *csv) {
    char path[4096];
    snprintf(path, sizeof path, "%s%s%s", set->folder != NULL ? set->folder : "",
             set->folder != NULL ? "/" : "", name);
    int errnum = write_file(path, csv, strlen(csv));
    jm_free(csv);
    if (errnum == 0) return CLI_OK;
    return cli_fail(&cli_estimate, CLI_FAILED, "cannot write %s: %s", path, strerror(errnum));
}

static int write_files(const settings *set, const jm_estimate *estimate) {
    jm_error error = {0};
    char *csv;
    if (set->folder != NULL && mkdir(set->folder, 0777) != 0 && errno != EEXIST)
        return cli_fail(&cli_estimate, CLI_FAILED, "cannot make the folder %s: %s", set->folder,
                        strerror(errno));
    if (jm_estimate_features_csv(estimate, NULL, &csv, &error) != JM_OK)
        return cli_fail_error(&cli_estimate, &error);
    int code = write_csv(set, "extracted_features.csv", csv);
    if (code != CLI_OK) return code;
    if (jm_estimate_predictions_csv(estimate, &csv, &error) != JM_OK)
        return cli_fail_error(&cli_estimate, &error);
    return write_csv(set, "predictions.csv", csv);
}

static int print_json(const jm_estimate *estimate) {
    jm_error error = {0};
    output out;
    char *json;
    if (jm_estimate_json(estimate, &json, &error) != JM_OK)
        return cli_fail_error(&cli_estimate, &error);
    output_open(&out);
    output_append(&out, json, strlen(json));
    jm_free(json);
    return output_close(&out, &cli_estimate);
}

/* ---- the command ---- */

static int estimate(const settings *set, const jm_power_model *model) {
    jm_estimate_options options = JM_ESTIMATE_OPTIONS_INIT;
    estimate_view view = {
        .command = &cli_estimate, .model = model, .top = set->top, .folder = set->folder};
    jm_profile *profile = NULL;
    jm_estimate *result = NULL;
    jm_error error = {0};
    memcpy(view.kinds, set->kinds, sizeof view.kinds);
    options.board = set->board;
    view.names_board = set->board != NULL;
    options.temperature = view.temperature = set->temperature;
    int code = get_profile(set, model, &profile, &view);
    if (code != CLI_OK) return code;
    int status = jm_estimate_open(&result, profile, model, &options, &error);
    if (status != JM_OK) {
        code = cli_fail(&cli_estimate, status == JM_NO_DATA ? CLI_FAILED : CLI_USAGE, "%s%s",
                        error.message,
                        status == JM_NOT_FOUND && set->board == NULL ? " (--gpu names one)" : "");
    } else {
        view.profile = profile;
        view.estimate = result;
        code = write_files(set, result);
        if (code == CLI_OK) code = set->json ? print_json(result) : estimate_show(&view);
        if (code == CLI_OK) code = view.outcome;
    }
    jm_estimate_free(result);
    jm_profile_free(profile);
    return code;
}

static int take_kind(settings *set) {
    static const char *const names[] = {"min", "avg", "peak", NULL};
    const char *kind = set->kind == NULL ? "avg" : set->kind;
    bool any = false;
    for (int i = 0; names[i] != NULL; i++)
        any |= set->kinds[i] = strcmp(kind, "all") == 0 || strcmp(kind, names[i]) == 0;
    if (any) return CLI_OK;
    return cli_fail(&cli_estimate, CLI_USAGE, "-m '%s': choose min, avg, peak or all", kind);
}

static int run_estimate(int argc, char **argv) {
    settings set = {.top = 20};
    const cli_option options[] = {
        {'m', "mode", OPTION_TEXT, &set.kind, "WHAT",
         "power to estimate: min, avg (default), peak or\nall", 0, 0, NULL},
        {'a', "application", OPTION_TEXT, &set.application, "PROGRAM",
         "program to run under Nsight Compute, its\nchildren too", 0, 0, NULL},
        {'s', "argument", OPTION_WORDS, &set.arguments, "ARGUMENT",
         "an argument of it; may come again", 0, 0, NULL},
        {'c', "csv", OPTION_TEXT, &set.csv, "FILE",
         "a profile made before (ncu --csv); -a is then\nignored. With neither: that in this "
         "folder",
         0, 0, NULL},
        {'g', "gpu", OPTION_TEXT, &set.board, "MODEL",
         "board that the profile was made on: v100, a100 ...\n(default: as the profile says)", 0, 0,
         NULL},
        {'d', "duration", OPTION_SECONDS, &set.seconds, "TIME",
         "end the program after so long: 30s, 2m ...", 0.1, 1e6, NULL},
        {0, "temperature", OPTION_NUMBER, &set.temperature, "DEGREES",
         "of the GPU, for models that know it", 1, 120, "C"},
        {0, "model", OPTION_TEXT, &set.model, "FILE",
         "a model of your own (default: that of published\ndata of one V100)", 0, 0, NULL},
        {0, "ncu", OPTION_TEXT, &set.ncu, "PATH", "Nsight Compute's command (default: on PATH)", 0,
         0, NULL},
        {0, "keep", OPTION_TEXT, &set.keep, "FILE", "keep the profile of -a", 0, 0, NULL},
        {'o', "output", OPTION_TEXT, &set.folder, "FOLDER",
         "for extracted_features.csv and predictions.csv\n(default: this one)", 0, 0, NULL},
        {'j', "json", OPTION_FLAG, &set.json, NULL, "one JSON object", 0, 0, NULL},
        {'n', "top", OPTION_COUNT, &set.top, "ROWS", "of the table (default 20)", 1, 1e6, NULL},
        {0}};
    int operands;
    jm_power_model *model = NULL;
    int code = cli_parse(&cli_estimate, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (operands > 0)
        return cli_fail(
            &cli_estimate, CLI_USAGE,
            "what is '%s'? A program is named with -a, its arguments with -s, a profile "
            "with -c",
            argv[1]);
    if (set.arguments.count > 0 && set.application == NULL && set.csv == NULL)
        return cli_fail(&cli_estimate, CLI_USAGE, "-s needs the program: -a PROGRAM");
    code = take_kind(&set);
    if (code == CLI_OK) code = estimate_model(&cli_estimate, set.model, &model);
    if (code == CLI_OK) code = estimate(&set, model);
    jm_power_model_free(model);
    return code;
}

static int run(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "train") == 0) return estimate_train(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "collect") == 0) return estimate_collect(argc - 1, argv + 1);
    return run_estimate(argc, argv);
}

const cli_command cli_estimate = {
    "estimate",
    "[OPTIONS] | train ... | collect ...",
    "estimate a GPU's power from what Nsight Compute counts",
    "Watts with a 95 % interval for every kernel and for the program, from a profile\n"
    "or from a program that is run under Nsight Compute. The model that is shipped\n"
    "was trained on published data of one V100; other boards are scaled from it by\n"
    "their published limits. 'estimate train' makes a model of your own board,\n"
    "'estimate collect' the rows for it. gpu_profiler is another name of this.\n",
    "  joulemeter estimate -m all -a ./program -s input.dat\n"
    "  joulemeter estimate -c profile.csv --gpu a100 --json\n"
    "  joulemeter estimate train rows.csv -o model.json\n"
    "  joulemeter estimate collect -o rows.csv -- ./program 10\n",
    run};
