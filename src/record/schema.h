/* The recording file: an SQLite database whose tables anyone may read. */
#ifndef JMI_SCHEMA_H
#define JMI_SCHEMA_H

#include <stddef.h>

enum {
    JMI_APPLICATION_ID = 0x4a4f554c, /* "JOUL", bytes 68 to 71 of the file */
    JMI_USER_VERSION = 2
};

typedef struct jmi_table {
    const char *name;
    const char *sql; /* exactly as it stands in a file that is ours */
} jmi_table;

extern const jmi_table jmi_tables[];
extern const size_t jmi_table_count;
/* Views for people; the library does not read them. */
extern const char jmi_views[];

#endif
