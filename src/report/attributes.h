/* Attributes of ranges and marks: JSON objects, if the program wrote what it should. */
#ifndef JMI_REPORT_ATTRIBUTES_H
#define JMI_REPORT_ATTRIBUTES_H

#include "base/base.h"

#include <jansson.h>

enum { JMI_PLAIN_MEMBERS = 8 };

/* A member of an object that holds plain numbers alone. */
typedef struct jmi_plain_member {
    const char *key;
    size_t key_length;
    bool is_integer;
    int64_t integer;
    double real; /* also of an integer */
} jmi_plain_member;

typedef struct jmi_attributes {
    json_t *object; /* NULL: none, or plain */
    size_t count;   /* of plain members */
    jmi_plain_member plain[JMI_PLAIN_MEMBERS];
} jmi_attributes;

/* What a text says: nothing if it is empty or no object. What most batches carry, a few plain
 * numbers, is read without a parser, ten times faster. The text must stay for as long as this. */
void jmi_attributes_read(jmi_attributes *attributes, const char *text);
void jmi_attributes_free(jmi_attributes *attributes);
/* The number under a key; NaN and false where there is none. A real number without a fraction
 * counts as an integer. */
double jmi_attribute_number(const jmi_attributes *attributes, const char *key);
bool jmi_attribute_integer(const jmi_attributes *attributes, const char *key, int64_t *value);

/* The attributes as a text that is a JSON object: themselves, {} for none, {"text":...} around what
 * is no object. *made is NULL or to be freed. NULL: out of memory. */
const char *jmi_attributes_json(const char *text, char **made);

#endif
