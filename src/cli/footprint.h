/* Settings and what flags make of them: the grid that carbon and cost are found with. */
#ifndef JM_CLI_FOOTPRINT_H
#define JM_CLI_FOOTPRINT_H

#include "options.h"

typedef struct footprint {
    const char *country, *intensity, *pue, *price; /* flags; NULL: not given */
    bool asked;                                    /* --carbon: also if it was left out */
    jm_settings *settings;
    jm_grid *grid;
} footprint;

/* Rows of tables of options. */
#define OPTION_COUNTRY(f)                                                                          \
    {                                                                                              \
        0, "country", OPTION_TEXT, &(f)->country, "CODE",                                          \
            "whose grid: FR or FRA; none; default: the\nsetting, else the time zone's country", 0, \
            0, NULL                                                                                \
    }
#define OPTION_INTENSITY(f)                                                                        \
    {                                                                                              \
        0, "intensity", OPTION_TEXT, &(f)->intensity, "G|FILE",                                    \
            "gCO2e a kWh, or a CSV file of times and such\nnumbers, instead of the country's", 0,  \
            0, NULL                                                                                \
    }
#define OPTION_PUE(f)                                                                              \
    {                                                                                              \
        0, "pue", OPTION_TEXT, &(f)->pue, "N", "power usage effectiveness of the building", 0, 0,  \
            NULL                                                                                   \
    }
#define OPTION_PRICE(f)                                                                            \
    { 0, "price", OPTION_TEXT, &(f)->price, "N", "money a kWh", 0, 0, NULL }

/* Reads the settings, puts the flags above them and opens the grid. The exit code. */
int footprint_open(footprint *f, const cli_command *command);
void footprint_close(footprint *f);
/* The grid that a summary is to tell of, or to say of why it knows nothing. NULL: it was left out by
 * the country `none`, and nobody asked. */
const jm_grid *footprint_shown(const footprint *f);

/* Is the country the time zone's guess? Then the logbook does not keep what would tell it. */
bool footprint_guessed(const footprint *f);

/* A setting's value; NULL: not set. */
const char *setting_text(const jm_settings *settings, const char *key);
bool setting_on(const jm_settings *settings, const char *key);

#endif
