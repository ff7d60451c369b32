/* What an experiment comes to: figures by the library, and how they are shown and written. */
#ifndef JM_CLI_RESULTS_H
#define JM_CLI_RESULTS_H

#include "experiment.h"
#include "output.h"

/* Of one group. */
typedef struct result {
    jm_run *runs;
    bool *outlier;
    jm_repeat repeat;
    jm_spread *devices; /* energies; one for each device of the experiment */
} result;

typedef struct results {
    const experiment *e;
    result *of;                 /* one for each group */
    jm_comparison *comparisons; /* of each further command with the first; NULL: none are made */
    bool has_sensitivity;       /* several sampling intervals */
    jm_sensitivity sensitivity;
    char **notes; /* sentences; the first character is '!' or '-' */
    size_t note_count;
} results;

/* Runs an experiment, analyses it (every group for itself, then commands against the first, or
 * sampling intervals), adds notes with `judge`, shows it unless all is to be quiet, and writes what
 * is to be exported. The exit code: 128 + N if signal N ended it early. */
int results_of(experiment *e, bool compare, void (*judge)(results *r), int (*show)(results *r));

enum { LONGEST_NAME = 100, VERDICT_SIZE = 600 }; /* bytes of --names, of what is said with them */

/* Adds a sentence; `sign` is '!' for a warning, '-' for what may interest. */
void results_note(results *r, char sign, const char *format, ...) CLI_PRINTF(3, 4);
/* Notes that any experiment may need: of how it went, and of what measured. */
void results_add_notes(results *r);
/* Of one group: whether it repeats, and what would help; `whose` is "" or " at 5 ms". */
void results_judge(results *r, size_t index, const char *whose);

/* Writes JSON and exports as the settings say. The exit code. */
int results_export(const results *r);
/* One of them: a table in Markdown. */
void results_markdown(output *out, const results *r);
/* Does any of these go to stdout? */
bool results_use_stdout(const experiment_settings *set);

/* ---- parts of what is shown ---- */

typedef struct page {
    output out;
    size_t width;
    bool utf8;
    const char *bold, *dim, *good, *bad, *plain;
} page;

/* A page for stdout, or for stderr where exports use stdout. */
void page_open(page *p, const experiment *e);
void page_heading(page *p, const results *r, const char *what);
/* A paragraph, broken into lines; `color` is one of the page's. */
void page_sentence(page *p, const char *color, const char *format, ...) CLI_PRINTF(3, 4);
void page_notes(page *p, const results *r);
/* Writes it to where it belongs. The exit code. */
int page_close(page *p, const experiment *e);

/* "124.2 ± 1.3 J" and "1.1 %" of a spread. */
const char *spread_text(const jm_spread *s, const char *unit, char *text, size_t size);
const char *cv_text(const jm_spread *s, char *text, size_t size);
/* "1.2 %", "117 %", "less than 0.01 %". */
const char *percent_text(double percent, char *text, size_t size);
/* "p = 0.034", "p < 0.001". */
const char *p_text(double p, char *text, size_t size);
/* "simulated GPU", "modelled CPU", both, or "". */
const char *label_text(const experiment *e, char *text, size_t size);
/* "20 ms"; the default where it is 0. */
const char *interval_name(double interval_s, char *text, size_t size);

#endif
