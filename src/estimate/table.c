/* The table in a profile: its header, its units, its rows. A row is a launch, or one metric of one
 * launch ("Metric Name", "Metric Value"). */
#include "estimate/profile.h"

#include <math.h>
#include <string.h>

static bool is(const jmi_field *field, const char *text) {
    return strlen(text) == field->length && memcmp(field->text, text, field->length) == 0;
}

/* Doubled quotes made single; memory of the profile, good until the next call. */
static jmi_field plain(jm_profile *p, const jmi_field *field) {
    if (!field->escaped || !jmi_reserve(&p->scratch, &p->scratch_capacity, field->length, 1))
        return *field;
    size_t length = 0;
    for (size_t i = 0; i < field->length; i++) {
        p->scratch[length++] = field->text[i];
        if (field->text[i] == '"' && i + 1 < field->length && field->text[i + 1] == '"') i++;
    }
    return (jmi_field){p->scratch, length, false};
}

static const char *keep(jm_profile *p, const jmi_field *field) {
    jmi_field text = plain(p, field);
    size_t length = text.length < 4096 ? text.length : 4096; /* templates make names without end */
    return jmi_intern_text(p->texts, text.text, length);
}

/* ---- header ---- */

bool jmi_profile_is_header(const jmi_record *record) {
    bool name = false, value = false, kernel = false;
    for (size_t i = 0; i < record->count; i++) {
        name |= is(&record->fields[i], "Metric Name");
        value |= is(&record->fields[i], "Metric Value");
        kernel |= is(&record->fields[i], "Kernel Name");
    }
    return (name && value) || (kernel && record->count > 1);
}

static jmi_role role_of(const jmi_field *field) {
    static const struct {
        const char *name;
        jmi_role role;
    } roles[] = {{"ID", JMI_ROLE_ID},
                 {"Process ID", JMI_ROLE_PID},
                 {"Process Name", JMI_ROLE_PROCESS},
                 {"Kernel Name", JMI_ROLE_KERNEL},
                 {"Device", JMI_ROLE_DEVICE},
                 {"Device Name", JMI_ROLE_DEVICE},
                 {"CC", JMI_ROLE_CC},
                 {"Section Name", JMI_ROLE_SECTION},
                 {"Metric Name", JMI_ROLE_NAME},
                 {"Metric Unit", JMI_ROLE_UNIT},
                 {"Metric Value", JMI_ROLE_VALUE}};
    for (size_t i = 0; i < JMI_COUNT(roles); i++)
        if (is(field, roles[i].name)) return roles[i].role;
    return JMI_ROLE_METRIC;
}

/* Is there a metric of that name, whatever its unit? */
static bool may_be_metric(const jmi_field *field) {
    for (size_t i = 0; jmi_metric_at(i) != NULL; i++) {
        const jmi_metric *m = jmi_metric_at(i);
        if (field->length >= m->length && memcmp(m->name, field->text, m->length) == 0 &&
            (field->length == m->length || field->text[m->length] == ' '))
            return true;
    }
    return false;
}

int jmi_profile_header(jm_profile *p, jm_error *error) {
    p->column_count = 0;
    p->width = p->record.count;
    p->has_units = false;
    p->saw_header = true;
    memset(p->of_role, 0, sizeof p->of_role);
    for (size_t i = 0; i < p->record.count; i++) {
        const jmi_field *field = &p->record.fields[i];
        jmi_role role = role_of(field);
        if (role != JMI_ROLE_METRIC) {
            if (p->of_role[role] == 0) p->of_role[role] = i + 1;
            continue;
        }
        if (!may_be_metric(field)) continue;
        if (!jmi_reserve(&p->columns, &p->column_capacity, p->column_count + 1, sizeof *p->columns))
            return jmi_fail(error, JM_MEMORY, "out of memory while reading a profile");
        jmi_column *column = &p->columns[p->column_count++];
        *column = (jmi_column){(uint32_t)i, role, keep(p, field), JMI_COUNTER_NONE, 1};
        if (column->name == NULL)
            return jmi_fail(error, JM_MEMORY, "out of memory while reading a profile");
    }
    p->is_long = p->of_role[JMI_ROLE_NAME] != 0 && p->of_role[JMI_ROLE_VALUE] != 0;
    return JM_OK;
}

/* ---- units ---- */

static int wrong_unit(const jm_profile *p, const char *name, size_t length, const jmi_field *unit,
                      jm_error *error) {
    return jmi_fail(error, JM_FORMAT, "line %llu: the unit '%.*s' of %.*s is not known",
                    (unsigned long long)p->line, (int)(unit->length < 40 ? unit->length : 40),
                    unit->text, (int)(length < 100 ? length : 100), name);
}

/* "Duration [ns]": the name ends before the bracket, in which the unit stands. */
static size_t name_end(const char *name, jmi_field *unit) {
    const char *bracket = strstr(name, " [");
    size_t length = strlen(name);
    if (bracket == NULL || name[length - 1] != ']') return length;
    *unit = (jmi_field){bracket + 2, length - (size_t)(bracket - name) - 3, false};
    return (size_t)(bracket - name);
}

/* `units` NULL: there is no row of units. */
static int settle_units(jm_profile *p, const jmi_record *units, jm_error *error) {
    p->has_units = true;
    for (size_t i = 0; i < p->column_count; i++) {
        jmi_column *column = &p->columns[i];
        jmi_field unit = {"", 0, false};
        if (units != NULL && units->fields != NULL) unit = units->fields[column->index];
        size_t length = name_end(column->name, &unit);
        const jmi_metric *metric =
            jmi_metric_find(column->name, length, NULL, 0, unit.text, unit.length);
        column->counter = metric == NULL ? JMI_COUNTER_NONE : metric->counter;
        column->factor = 1;
        if (metric != NULL && metric->counter != JMI_COUNTER_BOARD &&
            !jmi_unit_factor(unit.text, unit.length, metric->dimension, &column->factor))
            return wrong_unit(p, column->name, length, &unit, error);
    }
    return JM_OK;
}

/* ---- rows ---- */

static const jmi_field *field_of(const jm_profile *p, jmi_role role) {
    return p->of_role[role] == 0 ? NULL : &p->record.fields[p->of_role[role] - 1];
}

/* Texts are mostly those of the row before. */
static bool keep_text(jm_profile *p, jmi_role role, const char **kept) {
    const jmi_field *field = field_of(p, role);
    if (field == NULL) return true;
    if (!field->escaped && is(field, *kept)) return true;
    const char *text = keep(p, field);
    if (text != NULL) *kept = text;
    return text != NULL;
}

/* "7.0" as 70; 0: it is not told. */
static uint32_t capability(const jmi_field *field) {
    uint32_t major = 0;
    size_t at = 0;
    if (field == NULL) return 0;
    for (; at < field->length && field->text[at] >= '0' && field->text[at] <= '9' && at < 3; at++)
        major = 10 * major + (uint32_t)(field->text[at] - '0');
    if (at == 0 || at + 2 != field->length || (field->text[at] != '.' && field->text[at] != ','))
        return 0;
    char minor = field->text[at + 1];
    return minor >= '0' && minor <= '9' ? 10 * major + (uint32_t)(minor - '0') : 0;
}

static int open_launch(jm_profile *p, jm_error *error) {
    const jmi_field *pid = field_of(p, JMI_ROLE_PID);
    double number;
    for (size_t i = 0; i < JMI_COUNTERS; i++) p->launch.value[i] = NAN;
    p->launch.pid = -1;
    if (pid != NULL &&
        jmi_number_read(pid->text, pid->length, JMI_DECIMAL_POINT, &number) == JMI_NUMBER_OK &&
        number >= 0 && number < 1e15)
        p->launch.pid = (int64_t)number;
    p->launch.board = "";
    p->launch.compute_capability = capability(field_of(p, JMI_ROLE_CC));
    p->open = true;
    if (keep_text(p, JMI_ROLE_PROCESS, &p->launch.process) &&
        keep_text(p, JMI_ROLE_KERNEL, &p->launch.kernel) &&
        keep_text(p, JMI_ROLE_DEVICE, &p->launch.device))
        return JM_OK;
    return jmi_fail(error, JM_MEMORY, "out of memory while reading a profile");
}

int jmi_profile_close_launch(jm_profile *p, jm_error *error) {
    if (!p->open) return JM_OK;
    p->open = false;
    if (p->sniffing) return JM_OK;
    double major = p->launch.value[JMI_COUNTER_CC_MAJOR];
    double minor = p->launch.value[JMI_COUNTER_CC_MINOR];
    if (p->launch.compute_capability == 0 && major < 100 && minor < 10)
        p->launch.compute_capability = (uint32_t)(10 * major + minor);
    p->launches++;
    p->file_launches++;
    if (jmi_kernels_add(&p->kernels, &p->launch)) return JM_OK;
    return jmi_fail(error, JM_FULL, "line %llu: there are too many different kernels",
                    (unsigned long long)p->line);
}

static int no_counter(const jm_profile *p, const char *name, size_t length, const jmi_field *value,
                      jm_error *error) {
    return jmi_fail(error, JM_FORMAT,
                    "line %llu: '%.*s' is no number that a counter can have: %.*s of the kernel "
                    "%.100s",
                    (unsigned long long)p->line, (int)(value->length < 60 ? value->length : 60),
                    value->text, (int)(length < 100 ? length : 100), name, p->launch.kernel);
}

static int no_unit(const jm_profile *p, const char *name, size_t length, jm_error *error) {
    return jmi_fail(error, JM_FORMAT,
                    "line %llu: nothing tells the unit of %.*s: ncu writes units in a row below "
                    "the header, or in the column Metric Unit",
                    (unsigned long long)p->line, (int)(length < 100 ? length : 100), name);
}

static int take_value(jm_profile *p, jmi_counter counter, double factor, const char *name,
                      size_t name_length, const jmi_field *value, jm_error *error) {
    double number = NAN;
    if (counter == JMI_COUNTER_BOARD) {
        p->launch.board = keep(p, value);
        if (p->launch.board != NULL) return JM_OK;
        p->launch.board = "";
        return jmi_fail(error, JM_MEMORY, "out of memory while reading a profile");
    }
    if (p->sniffing) {
        p->votes[jmi_number_locale(value->text, value->length)]++;
        return JM_OK;
    }
    jmi_number read = jmi_number_read(value->text, value->length, p->decimal, &number);
    if (read == JMI_NUMBER_MISSING) return JM_OK;
    if (read == JMI_NUMBER_WRONG || number < 0)
        return no_counter(p, name, name_length, value, error);
    if (number == 0) factor = 1;
    if (isnan(factor)) return no_unit(p, name, name_length, error);
    if (isnan(p->launch.value[counter])) p->launch.value[counter] = number * factor;
    return JM_OK;
}

static int wide_row(jm_profile *p, jm_error *error) {
    int status = open_launch(p, error);
    for (size_t i = 0; status == JM_OK && i < p->column_count; i++) {
        const jmi_column *column = &p->columns[i];
        if (column->counter == JMI_COUNTER_NONE) continue;
        status = take_value(p, column->counter, column->factor, column->name, strlen(column->name),
                            &p->record.fields[column->index], error);
    }
    return status == JM_OK ? jmi_profile_close_launch(p, error) : status;
}

/* Appends a field to a text of `size` bytes, cut off where it does not fit; returns its length. */
static size_t put(char *text, size_t length, size_t size, const jmi_field *field) {
    size_t take = field == NULL ? 0 : field->length;
    if (take > size - length) take = size - length;
    if (take > 0) memcpy(text + length, field->text, take);
    return length + take;
}

/* Rows of one launch follow each other: they have its number, and its process. */
static bool same_launch(jm_profile *p) {
    char id[sizeof p->id];
    size_t length = put(id, 0, sizeof id / 2, field_of(p, JMI_ROLE_ID));
    id[length++] = ' ';
    length = put(id, length, sizeof id, field_of(p, JMI_ROLE_PID));
    if (p->open && length == p->id_length && memcmp(id, p->id, length) == 0) return true;
    memcpy(p->id, id, length);
    p->id_length = length;
    return false;
}

static int long_row(jm_profile *p, jm_error *error) {
    const jmi_field *name = field_of(p, JMI_ROLE_NAME), *value = field_of(p, JMI_ROLE_VALUE);
    const jmi_field *section = field_of(p, JMI_ROLE_SECTION), *unit = field_of(p, JMI_ROLE_UNIT);
    static const jmi_field none = {"", 0, false};
    int status = JM_OK;
    if (!same_launch(p)) {
        status = jmi_profile_close_launch(p, error);
        if (status == JM_OK) status = open_launch(p, error);
    }
    if (status != JM_OK || name->length == 0) return status; /* a rule's row */
    if (unit == NULL) unit = &none;
    const jmi_metric *metric =
        jmi_metric_find(name->text, name->length, section == NULL ? NULL : section->text,
                        section == NULL ? 0 : section->length, unit->text, unit->length);
    double factor = 1;
    if (metric == NULL) return JM_OK;
    if (metric->counter != JMI_COUNTER_BOARD &&
        !jmi_unit_factor(unit->text, unit->length, metric->dimension, &factor))
        return wrong_unit(p, name->text, name->length, unit, error);
    return take_value(p, metric->counter, factor, name->text, name->length, value, error);
}

int jmi_profile_row(jm_profile *p, jm_error *error) {
    const jmi_field *id = field_of(p, JMI_ROLE_ID);
    if (p->is_long) return long_row(p, error);
    if (!p->has_units) {
        bool units = id == NULL || id->length == 0;
        int status = settle_units(p, units ? &p->record : NULL, error);
        if (status != JM_OK || units) return status;
    }
    return wide_row(p, error);
}
