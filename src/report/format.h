/* Numbers as people read them: a value shows as many digits as its uncertainty warrants. */
#ifndef JMI_REPORT_FORMAT_H
#define JMI_REPORT_FORMAT_H

#include "joulemeter.h"

enum { JMI_FORMAT_SIZE = 64 };

/* How to write for this reader: UTF-8 (± – µ) or ASCII (+- - u). */
typedef struct jmi_style {
    bool utf8;
    bool color;
    double reference; /* J: energies of a table take the prefix of this one if they can. 0: none */
} jmi_style;

/* True if the locale of the calling thread writes UTF-8. */
bool jmi_locale_is_utf8(void);

/* "1234 ± 56 J": one SI prefix for both, two digits of the uncertainty. Four digits where the
 * uncertainty is zero or not known (NaN). All of these return `out`, of JMI_FORMAT_SIZE bytes. */
char *jmi_format_value(char *out, double value, double u95, const char *unit, jmi_style style);
/* Three digits and a prefix, "411 W"; "-" for NaN. */
char *jmi_format_short(char *out, double value, const char *unit, jmi_style style);
/* "123.4–125.1 J" with two digits of its half; "-" where a bound is not known. */
char *jmi_format_interval(char *out, double lower, double upper, const char *unit, jmi_style style);
/* "< 12 J", "3–12 J", "> 3 J": hard bounds, rounded outwards. */
char *jmi_format_bounds(char *out, double lower, double upper, const char *unit, jmi_style style);
/* "67 ± 35 mgCO2e", or "67.3 mgCO2e (10–180 mgCO2e)" where the value is not in the middle. */
char *jmi_format_within(char *out, double value, double lower, double upper, const char *unit,
                        jmi_style style);
/* "350 ms", "12.3 s", "4 min 05 s", "2 h 03 min". */
char *jmi_format_duration(char *out, double seconds, jmi_style style);
/* "23 %", "< 1 %"; "-" for NaN. */
char *jmi_format_share(char *out, double share, jmi_style style);
/* "1234 ± 56 J", "< 12 J" or "3–12 J" where only bounds are known, "not measured". */
char *jmi_format_energy(char *out, const jm_energy *energy, jmi_style style);
/* The same energy as mean power. */
char *jmi_format_power(char *out, const jm_energy *energy, jmi_style style);

#endif
