/* What runs within calls of each class. */
#ifndef JMI_ATTRIBUTE_NESTING_H
#define JMI_ATTRIBUTE_NESTING_H

#include "attribute/rows.h"

/* Own time, shared, of all calls within those of a class that are told of, by the columns of a
 * layout (not by class, for classes of least time share a column). Most columns are not in most
 * classes: names may be many. */
typedef struct jmi_within {
    struct jmi_inner {
        uint32_t column;
        double time_s;
    } * inner; /* by column */
    uint32_t count;
    size_t capacity;
} jmi_within;

typedef struct jmi_nesting {
    jmi_within *of; /* of each class; nothing lies in it: no inner */
    size_t count;
} jmi_nesting;

/* Sets the inclusive times of the calls' classes too. False: out of memory; free it all the same.
 */
bool jmi_nesting_find(jmi_nesting *nesting, jmi_calls *calls, const jmi_layout *layout);
void jmi_nesting_free(jmi_nesting *nesting);

#endif
