/* The texts of a column that repeat, numbered as they come. */
#ifndef JMI_REPORT_DICTIONARY_H
#define JMI_REPORT_DICTIONARY_H

#include "report/frame.h"

jmi_dictionary *jmi_dictionary_new(void);
void jmi_dictionary_free(jmi_dictionary *dictionary);
/* The number of a text. -1: out of memory. */
int32_t jmi_dictionary_number(jmi_dictionary *dictionary, const char *text);
/* All texts so far, as they stay; the same ones as last time if none was added. NULL: out of
 * memory. */
jmi_names *jmi_dictionary_names(jmi_dictionary *dictionary);
/* Begins anew if texts hardly repeat: else the dictionary would hold the whole column. */
void jmi_dictionary_trim(jmi_dictionary *dictionary);
void jmi_names_unref(jmi_names *names);

#endif
