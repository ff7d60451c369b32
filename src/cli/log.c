#include "log.h"

#include "footprint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct settings {
    const char *file, *project, *tag, *since, *before, *by, *output;
    uint32_t last;
    bool latex, yes;
} settings;

/* ---- times ---- */

static bool parse_ago(const char *text, double *unix_s) {
    char *unit;
    double count = strtod(text, &unit);
    double seconds = strcmp(unit, "h") == 0   ? 3600
                     : strcmp(unit, "d") == 0 ? 86400
                     : strcmp(unit, "w") == 0 ? 7 * 86400
                                              : 0;
    if (unit == text || seconds == 0 || !(count >= 0 && count < 1e6)) return false;
    *unix_s = (double)time(NULL) - count * seconds;
    return true;
}

bool log_parse_time(const char *text, double *unix_s) {
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y-%m",
                                        "%Y"};
    for (size_t i = 0; i < CLI_COUNT(forms); i++) {
        struct tm parts = {.tm_mday = 1, .tm_isdst = -1};
        const char *end = strptime(text, forms[i], &parts);
        if (end == NULL || *end != '\0' || strspn(text, "0123456789") != 4) continue;
        struct tm asked = parts;
        time_t seconds = mktime(&parts);
        /* 30 February becomes 1 March */
        if (parts.tm_mday != asked.tm_mday || parts.tm_mon != asked.tm_mon) return false;
        *unix_s = (double)seconds;
        return true;
    }
    return parse_ago(text, unix_s);
}

static int take_time(const char *option, const char *text, double *unix_s) {
    if (text == NULL) return PARSE_DONE;
    if (!log_parse_time(text, unix_s))
        return cli_fail(&cli_log, CLI_USAGE,
                        "--%s '%s' is no time: write 2024-03-01, 2024-03 or 7d (ago)", option,
                        text);
    if (*unix_s > 0) return PARSE_DONE; /* 0 would be no limit at all */
    return cli_fail(&cli_log, CLI_USAGE, "--%s %s: only times after 1970-01-01 can be asked for",
                    option, text);
}

/* ---- the job ---- */

static int fill(log_job *job, const settings *s) {
    jm_settings *all = NULL;
    job->filter = (jm_log_filter)JM_LOG_FILTER_INIT;
    job->filter.project = s->project;
    job->filter.tag = s->tag;
    job->filter.last = s->last;
    int code = take_time("since", s->since, &job->filter.since_unix_s);
    if (code == PARSE_DONE) code = take_time("before", s->before, &job->filter.until_unix_s);
    if (code != PARSE_DONE) return code;
    /* The usual one may have yet to be made; a name that is given is a slip. */
    if (s->file != NULL && access(s->file, F_OK) != 0)
        return cli_fail(&cli_log, CLI_USAGE, "cannot read %s: %s", s->file, strerror(errno));
    if (jm_settings_open(&all, NULL, &job->error) != JM_OK)
        return cli_fail_error(&cli_log, &job->error);
    const char *path = s->file != NULL ? s->file : setting_text(all, "log_path");
    job->path = path != NULL ? strdup(path) : NULL;
    jm_settings_free(all);
    return CLI_OK;
}

static int take_id(log_job *job, const char *text) {
    char *end;
    long long id = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || id < 1)
        return cli_fail(&cli_log, CLI_USAGE, "'%s' is no number of a run", text);
    job->filter.id = id;
    return CLI_OK;
}

static int finish(log_job *job, int status, const char *path) {
    if (status == JM_OK) return output_save(&job->out, &cli_log, path != NULL ? path : "-");
    free(job->out.data);
    return cli_fail_error(&cli_log, &job->error);
}

static int count_row(size_t columns, const jm_sql_value *values, void *user) {
    (void)columns, (void)values;
    ++*(uint64_t *)user;
    return 0;
}

/* Says what it would do, and does it if it is meant. */
static int prune(log_job *job, const settings *s) {
    uint64_t rows = 0;
    bool all = job->filter.project == NULL && job->filter.tag == NULL &&
               job->filter.since_unix_s == 0 && job->filter.until_unix_s == 0 &&
               job->filter.id == 0 && job->filter.last == 0;
    if (all)
        return cli_fail(&cli_log, CLI_USAGE,
                        "prune which runs? --before 2024-01, --project NAME, or a number");
    int status = jm_log_rows(job->path, JM_LOG_ALL, &job->filter, count_row, &rows, &job->error);
    if (status == JM_OK && rows > 0) rows--; /* the names */
    if (status == JM_OK && rows > 0 && s->yes)
        status = jm_log_prune(job->path, &job->filter, &rows, &job->error);
    output_add(&job->out, "%s %llu run%s%s\n", s->yes ? "Deleted" : "Would delete",
               (unsigned long long)rows, rows == 1 ? "" : "s",
               s->yes || rows == 0 ? "." : ": say --yes to do it.");
    return finish(job, status, NULL);
}

static int state(log_job *job, const settings *s) {
    char *text = NULL;
    int status = jm_log_statement(job->path, &job->filter, s->latex ? "latex" : "markdown", &text,
                                  &job->error);
    if (status == JM_OK) output_append(&job->out, text, strlen(text));
    jm_free(text);
    return finish(job, status, s->output);
}

static int totals(log_job *job, const settings *s) {
    bool months = s->by != NULL && strcmp(s->by, "month") == 0;
    if (s->by != NULL && !months && strcmp(s->by, "project") != 0)
        return cli_fail(&cli_log, CLI_USAGE, "--by %s: choose project or month", s->by);
    return finish(job, log_totals(job, months ? JM_LOG_MONTHS : JM_LOG_PROJECTS), NULL);
}

/* An option that would do nothing was meant for something. */
static int check_options(const settings *s, const char *what) {
    const struct {
        const char *option, *of, *or_of;
        bool given;
    } options[] = {{"--by", "totals", NULL, s->by != NULL},
                   {"--output", "export", "statement", s->output != NULL},
                   {"--latex", "statement", NULL, s->latex},
                   {"--yes", "prune", NULL, s->yes}};
    for (size_t i = 0; i < CLI_COUNT(options); i++) {
        const char *of = options[i].of, *or_of = options[i].or_of;
        if (!options[i].given || strcmp(what, of) == 0 || (or_of && strcmp(what, or_of) == 0))
            continue;
        return cli_fail(&cli_log, CLI_USAGE, "%s is an option of joulemeter log %s%s%s, not of %s",
                        options[i].option, of, or_of != NULL ? " and " : "",
                        or_of != NULL ? or_of : "", what);
    }
    return CLI_OK;
}

static int dispatch(log_job *job, const settings *s, int operands, char **argv) {
    const char *what = operands > 0 ? argv[1] : "list";
    int code = check_options(s, what);
    if (code != CLI_OK) return code;
    if (strcmp(what, "list") == 0 && operands <= 1) return finish(job, log_list(job), NULL);
    if (strcmp(what, "show") == 0 && operands <= 2) {
        if (operands == 2) code = take_id(job, argv[2]);
        if (operands < 2) job->filter.last = 1;
        return code != CLI_OK ? code : finish(job, log_show(job), NULL);
    }
    if (strcmp(what, "totals") == 0 && operands == 1) return totals(job, s);
    if (strcmp(what, "export") == 0 && operands == 2)
        return finish(job, log_export(job, argv[2]), s->output);
    if (strcmp(what, "statement") == 0 && operands == 1) return state(job, s);
    if (strcmp(what, "prune") == 0 && operands <= 2) {
        if (operands == 2) code = take_id(job, argv[2]);
        return code != CLI_OK ? code : prune(job, s);
    }
    return cli_fail(&cli_log, CLI_USAGE,
                    "joulemeter log list, show [N], totals, export FORMAT, statement or prune; "
                    "joulemeter log --help says more");
}

static int run(int argc, char **argv) {
    settings s = {.file = NULL};
    const cli_option options[] = {
        {'p', "project", OPTION_TEXT, &s.project, "NAME", "only runs of this project", 0, 0, NULL},
        {'t', "tag", OPTION_TEXT, &s.tag, "TAG", "only runs with this tag", 0, 0, NULL},
        {0, "since", OPTION_TEXT, &s.since, "TIME",
         "only from then on: 2024-03-01, 2024-03, 7d (ago)", 0, 0, NULL},
        {0, "before", OPTION_TEXT, &s.before, "TIME", "only before then", 0, 0, NULL},
        {'n', "last", OPTION_COUNT, &s.last, "N", "only the latest N", 1, 4e9, NULL},
        {0, "by", OPTION_TEXT, &s.by, "WHAT", "totals: by project (the default) or month", 0, 0,
         NULL},
        {'o', "output", OPTION_TEXT, &s.output, "FILE", "export, statement: into FILE", 0, 0, NULL},
        {0, "latex", OPTION_FLAG, &s.latex, NULL, "statement: LaTeX instead of Markdown", 0, 0,
         NULL},
        {0, "yes", OPTION_FLAG, &s.yes, NULL, "prune: do it, rather than say what it would do", 0,
         0, NULL},
        {0, "file", OPTION_TEXT, &s.file, "FILE", "the logbook, instead of the usual one", 0, 0,
         NULL},
        {0}};
    int operands;
    log_job job = {.path = NULL};
    int code = cli_parse(&cli_log, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    output_open(&job.out);
    job.out.kept = s.output != NULL;
    code = fill(&job, &s);
    if (code == CLI_OK) code = dispatch(&job, &s, operands, argv);
    free(job.path);
    return code;
}

const cli_command cli_log = {
    "log",
    "[list|show|totals|export|statement|prune] [OPTIONS]",
    "runs that were logged: list, totals, export, a sentence for a paper",
    "Runs are logged by --log of run, repeat and compare, by the setting log = true,\n"
    "and by PowerMeter in Python. `show N` shows all that is kept of run N; nothing\n"
    "else is. `export FORMAT` writes csv, json, markdown, sql, powermeter (its 20\n"
    "columns) or codecarbon (the columns of its emissions.csv). `prune` deletes a\n"
    "run, or those that the options choose.\n",
    "  joulemeter run --log --project thesis -- python train.py\n"
    "  joulemeter log\n"
    "  joulemeter log totals --by month\n"
    "  joulemeter log export csv --project thesis -o thesis.csv\n"
    "  joulemeter log statement --latex --since 2024\n"
    "  joulemeter log prune --before 2023 --yes\n",
    run};
