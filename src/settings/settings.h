/* Which settings there are, and the file that they stand in. */
#ifndef JMI_SETTINGS_H
#define JMI_SETTINGS_H

#include "settings/toml.h"

typedef struct jmi_setting_row {
    const char *key, *environment;
    jm_setting_kind kind;
    bool digits;        /* a text that may be written as a number */
    bool file;          /* a file's name, or with `digits` a number with or without a unit */
    double least, most; /* of numbers, inclusive */
    const char *meaning;
} jmi_setting_row;

extern const jmi_setting_row jmi_setting_rows[];
extern const uint32_t jmi_setting_row_count;

/* By its key, or by the last word of it. UINT32_MAX: there is none; the message says what is near.
 */
uint32_t jmi_setting_named(const char *key, jm_error *error);

/* Is the text a value of the setting? `source` begins the message that says why not. Gives the
 * number or the boolean. */
int jmi_setting_check(const jmi_setting_row *row, const char *value, const char *source,
                      double *number, bool *on, jm_error *error);

/* What the value means where it stands: of a file's name "~/" is $HOME, and what is relative begins
 * in `folder` (NULL: where the program runs). JM_INVALID: there is no such home. The caller frees
 * *value. */
int jmi_setting_resolve(const jmi_setting_row *row, const char *text, const char *folder,
                        const char *source, char **value, jm_error *error);

/* The whole file; JM_NOT_FOUND: it is not there. */
int jmi_settings_read(const char *path, jmi_text *text, jm_error *error);

#endif
