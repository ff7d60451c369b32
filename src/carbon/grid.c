#include "carbon/grid.h"

#include "carbon/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double MOST_G = 5000;
static const double MOST_PUE = 10;

bool jmi_parse_intensity(const char *text, double *g) {
    size_t length = strspn(text, "0123456789.eE+-");
    char number[64];
    if (length == 0 || length >= sizeof number) return false;
    memcpy(number, text, length);
    number[length] = '\0';
    double unit = jmi_unit_of_text(text + length);
    if (unit == 0 || !jmi_parse_double(number, g)) return false;
    *g *= unit;
    return true;
}

/* ---- the file of a series ---- */

static int read_bytes(int fd, const char *path, jmi_text *text, jm_error *error) {
    enum { MOST_BYTES = 256 << 20 };
    int errnum = jmi_read_all(fd, MOST_BYTES, text);
    if (errnum == EFBIG)
        return jmi_fail(error, JM_FORMAT, "%s is larger than 256 MB: it is no series", path);
    if (errnum == ENOMEM) return jmi_fail(error, JM_MEMORY, "out of memory for intensities");
    return errnum != 0 ? jmi_fail_errno(error, errnum, "cannot read %s", path) : JM_OK;
}

static int open_series(jm_grid *grid, const char *path, jm_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return jmi_fail(error, JM_NOT_FOUND,
                        "the intensity '%.200s' is neither a number of gCO2e/kWh nor a file", path);
    if (fd < 0) return jmi_fail_errno(error, errno, "cannot read the intensities in %s", path);
    jmi_text text = {0};
    int status = read_bytes(fd, path, &text, error);
    close(fd);
    if (status == JM_OK)
        status = jmi_intensities_parse(&grid->series, text.data, text.length, path, error);
    jmi_text_free(&text);
    return status;
}

/* ---- where the intensity comes from ---- */

static void take_series(jm_grid *grid, const jm_grid_options *options) {
    grid->source = JM_INTENSITY_SERIES;
    grid->intensity_g = grid->series.mean;
    grid->intensity_u = options->intensity_u;
}

static int take_intensity(jm_grid *grid, const jm_grid_options *options, jm_error *error) {
    double g;
    if (!jmi_parse_intensity(options->intensity, &g)) {
        int status = open_series(grid, options->intensity, error);
        if (status == JM_OK) take_series(grid, options);
        return status;
    }
    if (!(g >= 0 && g <= MOST_G))
        return jmi_fail(error, JM_INVALID, "an intensity of %g gCO2e/kWh cannot be", g);
    grid->source = JM_INTENSITY_GIVEN;
    grid->intensity_g = g;
    grid->intensity_u = options->intensity_u;
    return JM_OK;
}

/* The country, from the option or the time zone; the reason where there is none. */
static int find_country(jm_grid *grid, const jm_grid_options *options, bool *of_zone, jm_error *why,
                        jm_error *error) {
    jm_country found = {.size = sizeof found};
    int status = JM_NO_DATA;
    bool given = options->country != NULL && options->country[0] != '\0';
    if (given && strcmp(options->country, "none") != 0) {
        status = jm_country_find(options->country, &found, error);
        if (status != JM_OK) return status;
    } else if (!given && !options->no_zone) {
        status = jm_country_of_zone(NULL, &found, why);
        *of_zone = true;
    } else {
        jmi_fail(why, JM_NO_DATA, "no country is given");
    }
    if (status == JM_OK) grid->country = jmi_country_named(found.alpha2);
    return JM_OK;
}

static void take_country(jm_grid *grid, const jm_grid_options *options, bool of_zone) {
    if (grid->country == NULL || isnan(grid->country->intensity_g)) return;
    grid->source = of_zone ? JM_INTENSITY_ZONE : JM_INTENSITY_COUNTRY;
    grid->intensity_g = grid->country->intensity_g;
    grid->intensity_u = options->intensity_u > 0 ? options->intensity_u : JMI_YEAR_U;
}

/* ---- in words ---- */

static void add_number(jmi_text *text, double value) {
    char digits[40];
    jmi_text_add(text, "%s", jmi_format_double(value, digits, sizeof digits));
}

static int describe(jm_grid *grid, const char *why, jm_error *error) {
    jmi_text text = {0};
    const jmi_country *c = grid->country;
    switch (grid->source) {
    case JM_INTENSITY_GIVEN:
        add_number(&text, grid->intensity_g);
        jmi_text_add(&text, " gCO2e/kWh, as given");
        break;
    case JM_INTENSITY_SERIES:
        jmi_text_add(&text, "a series of %zu intensities", grid->series.count);
        break;
    case JM_INTENSITY_COUNTRY:
    case JM_INTENSITY_ZONE:
        add_number(&text, grid->intensity_g);
        jmi_text_add(&text, " gCO2e/kWh, %s in %u%s", c->name, c->year,
                     grid->source == JM_INTENSITY_ZONE ? ", by this machine's time zone" : "");
        break;
    default:
        if (c != NULL)
            jmi_text_add(&text, "no intensity is known of %s", c->name);
        else
            jmi_text_add(&text, "%s", why);
    }
    return jmi_text_take(&text, &grid->text, error);
}

/* ---- opening ---- */

static int take_numbers(jm_grid *grid, const jm_grid_options *o, jm_error *error) {
    double pue = o->pue == 0 ? 1 : o->pue; /* NaN fails every comparison below */
    if (!(pue >= 1 && pue <= MOST_PUE))
        return jmi_fail(error, JM_INVALID, "a PUE is from 1 to %g, not %g", MOST_PUE, o->pue);
    if (!(o->price >= 0 && o->price < 1e12))
        return jmi_fail(error, JM_INVALID, "a price of %g a kWh cannot be", o->price);
    if (!(o->water_l >= 0 && o->water_l < 1e6))
        return jmi_fail(error, JM_INVALID, "%g litres of water a kWh cannot be", o->water_l);
    if (!(o->intensity_u >= 0 && o->intensity_u <= 2))
        return jmi_fail(error, JM_INVALID,
                        "the intensity's relative uncertainty is from 0 to 2, not %g",
                        o->intensity_u);
    grid->pue = pue;
    grid->price = o->price > 0 ? o->price : NAN;
    grid->water_l = o->water_l > 0 ? o->water_l : NAN;
    grid->currency = jmi_strdup(o->currency);
    return grid->currency != NULL ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory");
}

/* Of a grid whose series may have been read. */
static int fill(jm_grid *grid, const jm_grid_options *given, jm_error *error) {
    jm_grid_options options;
    jm_error why = {0};
    bool of_zone = false;
    int status = jmi_take_struct(&options, sizeof options, given, "jm_grid_options", error);
    if (status == JM_OK) status = take_numbers(grid, &options, error);
    if (status == JM_OK) status = find_country(grid, &options, &of_zone, &why, error);
    if (status != JM_OK) return status;
    if (grid->series.count > 0)
        take_series(grid, &options);
    else if (options.intensity != NULL && options.intensity[0] != '\0')
        status = take_intensity(grid, &options, error);
    else
        take_country(grid, &options, of_zone);
    if (of_zone && grid->country != NULL && grid->source == JM_INTENSITY_UNKNOWN)
        jmi_fail(&why, JM_NO_DATA, "no intensity is known of %s, by this machine's time zone",
                 grid->country->name);
    /* Beside what is given, a guess by the clock says nothing. */
    if (of_zone && grid->source != JM_INTENSITY_ZONE) grid->country = NULL;
    return status == JM_OK ? describe(grid, why.message, error) : status;
}

static jm_grid *new_grid(void) {
    jm_grid *grid = jmi_alloc(1, sizeof *grid);
    if (grid != NULL) grid->intensity_g = NAN;
    return grid;
}

static int finish(jm_grid **out, jm_grid *grid, int status) {
    if (status == JM_OK)
        *out = grid;
    else
        jm_grid_free(grid);
    return status;
}

int jm_grid_open(jm_grid **grid, const jm_grid_options *options, jm_error *error) {
    if (grid == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the grid");
    *grid = NULL;
    jm_grid *new = new_grid();
    if (new == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    return finish(grid, new, fill(new, options, error));
}

int jm_grid_parse(jm_grid **grid, const char *csv, size_t length, const char *name,
                  const jm_grid_options *options, jm_error *error) {
    if (grid == NULL || csv == NULL)
        return jmi_fail(error, JM_INVALID, "a grid and a text are needed");
    *grid = NULL;
    jm_grid *new = new_grid();
    if (new == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = jmi_intensities_parse(&new->series, csv, length,
                                       name != NULL ? name : "the intensities", error);
    if (status == JM_OK) status = fill(new, options, error);
    return finish(grid, new, status);
}

void jm_grid_free(jm_grid *grid) {
    if (grid == NULL) return;
    jmi_intensities_free(&grid->series);
    free(grid->currency);
    free(grid->text);
    free(grid);
}

int jm_grid_get(const jm_grid *grid, jm_grid_info *info) {
    if (grid == NULL || info == NULL) return JM_INVALID;
    const jmi_country *c = grid->country;
    const jmi_intensities *series = &grid->series;
    bool years = grid->source == JM_INTENSITY_COUNTRY || grid->source == JM_INTENSITY_ZONE;
    jm_grid_info ours = {.size = sizeof ours,
                         .source = grid->source,
                         .country = c != NULL ? c->alpha2 : "",
                         .country_alpha3 = c != NULL ? c->alpha3 : "",
                         .country_name = c != NULL ? c->name : "",
                         .intensity_g = grid->intensity_g,
                         .intensity_u = grid->intensity_u,
                         .year = years && c != NULL ? c->year : 0,
                         .pue = grid->pue,
                         .price = grid->price,
                         .currency = grid->currency,
                         .water_l = grid->water_l,
                         .rows = series->count,
                         .text = grid->text};
    if (series->count > 0) {
        ours.first_unix_s = (double)series->at[0].begin_ns / 1e9;
        ours.last_unix_s = (double)series->at[series->count - 1].end_ns / 1e9;
    }
    return jmi_give_struct(info, &ours, sizeof ours);
}

int jm_grid_intensity(const jm_grid *grid, double unix_s, double *g) {
    if (grid == NULL || g == NULL || !(fabs(unix_s) < 9e9)) return JM_INVALID;
    *g = grid->intensity_g;
    if (grid->series.count > 0) {
        int64_t t = (int64_t)(unix_s * 1e9);
        size_t i = jmi_intensities_find(&grid->series, t);
        bool there = i < grid->series.count && grid->series.at[i].begin_ns <= t;
        *g = there ? grid->series.at[i].g : NAN;
    }
    return isnan(*g) ? JM_NO_DATA : JM_OK;
}
