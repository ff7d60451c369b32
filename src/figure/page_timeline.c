/* Curves of the timeline: what each sensor showed, thinned out to what the page has room for. */
#include "figure/curve.h"
#include "figure/page.h"

#include "report/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Curves get what the other parts leave, but at least this share of the page's bytes. */
static const double least_share = 0.25;
enum {
    POINT_BYTES = 8, /* 6 before base64 */
    SERIES_BYTES = 250,
    LEAST_POINTS = 2000, /* of a series, where there is room for so many of each */
    TRIES = 4,
    MISSING = 65535
};

static const struct {
    jm_quantity quantity;
    double weight; /* of its share of the points */
} shown[] = {
    {JM_QUANTITY_POWER, 4},          {JM_QUANTITY_GPU_UTIL, 2},      {JM_QUANTITY_MEM_UTIL, 1.5},
    {JM_QUANTITY_TEMPERATURE, 1},    {JM_QUANTITY_SM_CLOCK, 1},      {JM_QUANTITY_MEM_CLOCK, 1},
    {JM_QUANTITY_MEM_USED, 1},       {JM_QUANTITY_POWER_LIMIT, 1},   {JM_QUANTITY_CPU_UTIL, 1.5},
    {JM_QUANTITY_PROCESS_UTIL, 1.5}, {JM_QUANTITY_POWER_AVERAGE, 1}, /* beside power */
};

typedef struct series {
    jm_sensor sensor;
    const char *device;
    bool simulated, from_counter;
    double weight;
    jmi_curve curve;
    uint64_t readings;
    size_t points; /* that it may have */
} series;

typedef struct all_series {
    series *list;
    size_t count, capacity;
} all_series;

/* ---- which, and what they showed ---- */

/* Values that repeat the one before hold on without them. */
static void drop_repeats(jmi_curve *curve) {
    size_t kept = 0;
    for (size_t i = 0; i < curve->count; i++) {
        double value = curve->value[i];
        bool same = kept > 0 && (value == curve->value[kept - 1] ||
                                 (isnan(value) && isnan(curve->value[kept - 1])));
        if (same) continue;
        curve->t_s[kept] = curve->t_s[i];
        curve->value[kept++] = value;
    }
    curve->count = kept;
}

static int add_series(all_series *all, const jmi_html_source *source, uint32_t device,
                      uint32_t sensor, bool from_counter, double weight, jm_error *error) {
    jm_device info = {.size = sizeof info};
    if (!jmi_reserve(&all->list, &all->capacity, all->count + 1, sizeof *all->list))
        return jmi_fail(error, JM_MEMORY, "out of memory for the timeline");
    series *s = &all->list[all->count];
    *s = (series){.sensor = {.size = sizeof s->sensor}, .weight = weight};
    int status = jmi_curve_read(&s->curve, source->recording, sensor, from_counter, error);
    if (status != JM_OK) return status;
    jm_recording_sensor(source->recording, sensor, &s->sensor);
    jm_recording_device(source->recording, device, &info);
    s->device = info.name;
    s->simulated = info.simulated;
    s->from_counter = from_counter;
    s->readings = s->curve.count;
    drop_repeats(&s->curve);
    bool known = s->curve.count > 1 || (s->curve.count == 1 && !isnan(s->curve.value[0]));
    if (known)
        all->count++;
    else
        jmi_curve_free(&s->curve);
    return JM_OK;
}

static bool shows_now(const jm_recording *recording, uint32_t sensor) {
    jm_sensor info = {.size = sizeof info};
    return jm_recording_sensor(recording, sensor, &info) == JM_OK &&
           info.quantity == JM_QUANTITY_POWER;
}

static int add_device(all_series *all, const jmi_html_source *source, uint32_t device,
                      jm_error *error) {
    int status = JM_OK;
    bool now = false; /* power is what is drawn now: a longer mean is a curve beside it */
    for (size_t i = 0; status == JM_OK && i < JMI_COUNT(shown); i++) {
        uint32_t sensor;
        bool counter = false, power = shown[i].quantity == JM_QUANTITY_POWER;
        bool found = power
                         ? jmi_power_sensor(source->recording, device, &sensor)
                         : jmi_gauge_sensor(source->recording, device, shown[i].quantity, &sensor);
        if (!found && power)
            counter = found = jmi_counter_sensor(source->recording, device, &sensor);
        if (power) now = found && !counter && shows_now(source->recording, sensor);
        if (found && (now || shown[i].quantity != JM_QUANTITY_POWER_AVERAGE))
            status = add_series(all, source, device, sensor, counter, shown[i].weight, error);
    }
    return status;
}

/* ---- how many points each may have ---- */

/* A few points for each; then by weight, and what one series does not need the others share. */
static void share_points(all_series *all, double points) {
    double left = points;
    for (size_t i = 0; i < all->count; i++) {
        series *s = &all->list[i];
        double least = fmin(LEAST_POINTS, points / (double)all->count);
        s->points = s->curve.count < (size_t)least ? s->curve.count : (size_t)least;
        left -= (double)s->points;
    }
    for (int round = 0; round < 4 && left >= 1; round++) {
        double weights = 0, shared = left;
        for (size_t i = 0; i < all->count; i++)
            if (all->list[i].points < all->list[i].curve.count) weights += all->list[i].weight;
        for (size_t i = 0; i < all->count; i++) {
            series *s = &all->list[i];
            double wanted = (double)(s->curve.count - s->points);
            double more = weights > 0 ? fmin(wanted, floor(shared * s->weight / weights)) : 0;
            s->points += (size_t)more;
            left -= more;
        }
    }
}

static double points_of(const jmi_html_source *source, size_t series_count) {
    double most = (double)source->max_bytes, used = (double)source->used_bytes;
    double bytes = fmax(most - used, least_share * most) - SERIES_BYTES * (double)series_count;
    return fmax(bytes / POINT_BYTES, 0);
}

/* ---- as text ---- */

static json_t *base64(const uint8_t *bytes, size_t count) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((count + 2) / 3 * 4 + 1);
    size_t used = 0;
    if (text == NULL) return NULL;
    for (size_t i = 0; i < count; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (i + 1 < count) bits |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < count) bits |= bytes[i + 2];
        text[used++] = digits[bits >> 18];
        text[used++] = digits[bits >> 12 & 63];
        text[used++] = i + 1 < count ? digits[bits >> 6 & 63] : '=';
        text[used++] = i + 2 < count ? digits[bits & 63] : '=';
    }
    json_t *value = json_stringn_nocheck(text, used);
    free(text);
    return value;
}

static void range_of(const double *values, size_t count, double *min, double *max) {
    *min = INFINITY, *max = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) continue;
        *min = fmin(*min, values[i]);
        *max = fmax(*max, values[i]);
    }
    if (*min > *max) *min = *max = 0;
}

/* Little-endian whatever the machine. */
static json_t *pack(const double *values, size_t count, double low, double high, int bytes) {
    double most = bytes == 4 ? 4294967295.0 : MISSING - 1, span = high - low;
    uint8_t *packed = malloc(count * (size_t)bytes + 1);
    if (packed == NULL) return NULL;
    for (size_t i = 0; i < count; i++) {
        double share = span > 0 ? (values[i] - low) / span : 0;
        uint32_t whole =
            isnan(values[i]) ? MISSING : (uint32_t)nearbyint(most * fmin(fmax(share, 0), 1));
        for (int k = 0; k < bytes; k++)
            packed[i * (size_t)bytes + (size_t)k] = (uint8_t)(whole >> 8 * k);
    }
    json_t *text = base64(packed, count * (size_t)bytes);
    free(packed);
    return text;
}

/* What is shown of a curve: a mark of a figure that nobody sees. Each cell shows four points, some
 * more where there are gaps in it: then there are fewer cells. */
static bool draw(const series *s, jm_figure **figure, jmi_mark **mark, size_t *cells) {
    bool whole = s->points >= s->curve.count;
    *cells = whole ? 0 : s->points / 4 + 1;
    for (int i = 0; i < TRIES; i++) {
        *figure = jmi_figure_new("", "");
        if (*figure == NULL) return false;
        *mark = jmi_figure_add(*figure, JM_MARK_LINE, "", 0, 0, false);
        jmi_curve_draw(&s->curve, *cells, *mark);
        if (*mark == NULL || (*mark)->failed) return false;
        if (whole || (*mark)->count <= s->points + 8 || i + 1 == TRIES) return true;
        *cells = *cells * s->points / (*mark)->count + 1;
        jm_figure_free(*figure);
    }
    return true;
}

static void set_head(json_t *object, const series *s) {
    int quantity = s->from_counter ? JM_QUANTITY_POWER : (int)s->sensor.quantity;
    bool counter = s->from_counter;
    jmi_json_set_text(object, "device", s->device);
    jmi_json_set_text(object, "quantity", jm_quantity_name(quantity));
    jmi_json_set_text(object, "unit", jm_quantity_unit(quantity));
    jmi_json_set_text(object, "source", counter ? "energy counter" : s->sensor.source);
    jmi_json_set_bool(object, "modelled", s->sensor.modelled);
    jmi_json_set_bool(object, "simulated", s->simulated);
    jmi_json_set_count(object, "readings", s->readings);
}

/* NULL: out of memory. */
static json_t *series_object(const series *s, double duration_s) {
    jm_figure *figure = NULL;
    jmi_mark *mark = NULL;
    json_t *object = NULL, *t = NULL, *v = NULL;
    size_t cells;
    double min = 0, max = 0;
    if (draw(s, &figure, &mark, &cells)) {
        range_of(mark->column[JMI_Y], mark->count, &min, &max);
        t = pack(mark->column[JMI_X], mark->count, 0, duration_s, 4);
        v = pack(mark->column[JMI_Y], mark->count, min, max, 2);
    }
    if (t != NULL && v != NULL) {
        object = json_object();
        set_head(object, s);
        jmi_json_set_number(object, "cell_s", cells == 0 ? 0 : duration_s / (double)cells);
        jmi_json_set_count(object, "count", mark->count);
        jmi_json_set_number(object, "min", min);
        jmi_json_set_number(object, "max", max);
        json_object_set(object, "t", t);
        json_object_set(object, "v", v);
    }
    json_decref(t);
    json_decref(v);
    jm_figure_free(figure);
    return object;
}

json_t *jmi_html_series(const jmi_html_source *source, jm_error *error) {
    all_series all = {.count = 0};
    json_t *list = json_array();
    int status = JM_OK;
    for (uint32_t i = 0; status == JM_OK && i < jm_recording_device_count(source->recording); i++)
        status = add_device(&all, source, i, error);
    share_points(&all, points_of(source, all.count));
    for (size_t i = 0; i < all.count; i++) {
        json_t *object = status == JM_OK ? series_object(&all.list[i], source->duration_s) : NULL;
        if (object != NULL)
            json_array_append_new(list, object);
        else if (status == JM_OK)
            status = jmi_fail(error, JM_MEMORY, "out of memory for the timeline");
        jmi_curve_free(&all.list[i].curve);
    }
    free(all.list);
    if (status == JM_OK) return list;
    json_decref(list);
    return NULL;
}
