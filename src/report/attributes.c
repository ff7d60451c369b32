#include "report/attributes.h"

#include <math.h>
#include <string.h>

/* ---- objects of plain numbers ---- */

enum { MOST_DIGITS = 18 }; /* fit into 64 bits */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static const char *skip_space(const char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') at++;
    return at;
}

/* Each of these moves *at on; false: it is not plain, which is for the parser. */
static bool read_digits(const char **at, uint64_t *value, int *digits) {
    if (!is_digit(**at)) return false;
    for (; is_digit(**at); (*at)++) {
        if (++*digits > MOST_DIGITS) return false;
        *value = *value * 10 + (uint64_t)(**at - '0');
    }
    return true;
}

static bool read_number(const char **at, jmi_plain_member *member) {
    uint64_t value = 0;
    int digits = 0;
    bool negative = **at == '-';
    *at += negative;
    if (**at == '0' && is_digit((*at)[1])) return false;
    if (!read_digits(at, &value, &digits)) return false;
    int whole = digits;
    member->is_integer = **at != '.';
    *at += !member->is_integer;
    if (!member->is_integer && !read_digits(at, &value, &digits)) return false;
    if (**at == 'e' || **at == 'E') return false;
    double scale = 1; /* powers of ten up to 22 are exact, and so is a quotient of exact doubles */
    for (int i = whole; i < digits; i++) scale *= 10;
    if (!member->is_integer && value > UINT64_C(1) << 53) return false;
    member->integer = negative ? -(int64_t)value : (int64_t)value;
    member->real = (double)value / scale;
    if (negative) member->real = -member->real;
    if (member->is_integer) member->real = (double)member->integer; /* -0 is 0 */
    return true;
}

static bool read_member(const char **at, jmi_plain_member *member) {
    if (*(*at)++ != '"') return false;
    member->key = *at;
    while ((unsigned char)**at >= ' ' && **at != '"' && **at != '\\') (*at)++;
    member->key_length = (size_t)(*at - member->key);
    if (**at != '"') return false;
    *at = skip_space(*at + 1);
    if (**at != ':') return false;
    *at = skip_space(*at + 1);
    return read_number(at, member);
}

static bool read_plain(jmi_attributes *attributes, const char *text) {
    const char *at = skip_space(text);
    attributes->count = 0;
    if (*at != '{') return false;
    do {
        if (attributes->count == JMI_PLAIN_MEMBERS) return false;
        at = skip_space(at + 1);
        if (!read_member(&at, &attributes->plain[attributes->count++])) return false;
        at = skip_space(at);
    } while (*at == ',');
    return *at == '}' && *skip_space(at + 1) == '\0';
}

/* Of members with the same key the last one counts. */
static const jmi_plain_member *find_plain(const jmi_attributes *attributes, const char *key) {
    size_t length = strlen(key);
    for (size_t i = attributes->count; i > 0; i--) {
        const jmi_plain_member *member = &attributes->plain[i - 1];
        if (member->key_length == length && memcmp(member->key, key, length) == 0) return member;
    }
    return NULL;
}

/* ---- any objects ---- */

static json_t *read_object(const char *text) {
    json_t *value = json_loads(text, 0, NULL);
    if (json_is_object(value)) return value;
    json_decref(value);
    return NULL;
}

void jmi_attributes_read(jmi_attributes *attributes, const char *text) {
    attributes->object = NULL;
    attributes->count = 0;
    if (text[0] == '\0' || read_plain(attributes, text)) return;
    attributes->count = 0;
    attributes->object = read_object(text);
}

void jmi_attributes_free(jmi_attributes *attributes) {
    json_decref(attributes->object);
    attributes->object = NULL;
    attributes->count = 0;
}

double jmi_attribute_number(const jmi_attributes *attributes, const char *key) {
    const jmi_plain_member *plain = find_plain(attributes, key);
    if (plain != NULL) return plain->real;
    const json_t *value = json_object_get(attributes->object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static bool whole_number(double real, int64_t *value) {
    if (!(fabs(real) < 0x1p53) || real != trunc(real)) return false;
    *value = (int64_t)real;
    return true;
}

bool jmi_attribute_integer(const jmi_attributes *attributes, const char *key, int64_t *value) {
    const jmi_plain_member *plain = find_plain(attributes, key);
    const json_t *number = json_object_get(attributes->object, key);
    *value = plain != NULL ? plain->integer : json_integer_value(number);
    if (plain != NULL) return plain->is_integer || whole_number(plain->real, value);
    return json_is_integer(number) ||
           (json_is_real(number) && whole_number(json_real_value(number), value));
}

const char *jmi_attributes_json(const char *text, char **made) {
    jmi_attributes attributes;
    *made = NULL;
    if (text[0] == '\0') return "{}";
    jmi_attributes_read(&attributes, text);
    bool is_object = attributes.object != NULL || attributes.count > 0;
    jmi_attributes_free(&attributes);
    if (is_object) return text;
    json_t *object = json_object();
    json_object_set_new(object, "text", json_string(text));
    *made = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return *made;
}
