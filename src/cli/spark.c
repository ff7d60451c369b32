#include "spark.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EIGHTHS = 8 };

/* Adds a stretch at one height to the parts that it lies in; times are in parts. */
static void add_stretch(double begin, double end, double value, double *sums, double *times,
                        size_t count) {
    if (!isfinite(value) || !(end > begin)) return;
    begin = fmax(begin, 0);
    end = fmin(end, (double)count);
    for (size_t i = (size_t)begin; i < count && (double)i < end; i++) {
        double time = fmin(end, (double)i + 1) - fmax(begin, (double)i);
        if (!(time > 0)) continue;
        sums[i] += time * value;
        times[i] += time;
    }
}

void spark_means(const jm_figure_mark *curve, double begin, double end, double *means,
                 size_t count) {
    double *times = calloc(count + 1, sizeof *times);
    double each = (end - begin) / (double)count;
    for (size_t i = 0; i < count; i++) means[i] = times == NULL ? (double)NAN : 0;
    if (times == NULL) return;
    for (size_t i = 0; i + 1 < curve->count; i++)
        add_stretch((curve->x[i] - begin) / each, (curve->x[i + 1] - begin) / each, curve->y[i],
                    means, times, count);
    for (size_t i = 0; i < count; i++) means[i] = times[i] > 0 ? means[i] / times[i] : (double)NAN;
    free(times);
}

void spark_curve(const double *values, size_t count, double highest, bool utf8, char *text) {
    static const char ascii[] = "_.-=+*#@";
    for (size_t i = 0; i < count; i++) {
        double share = highest > 0 ? values[i] / highest : 0;
        int level = isnan(share) ? -1 : (int)floor(EIGHTHS * fmin(fmax(share, 0), 1));
        if (level == EIGHTHS) level--;
        if (level < 0) {
            *text++ = ' ';
        } else if (utf8) {
            const char block[] = {'\xE2', '\x96', (char)(0x81 + level)}; /* U+2581 ... U+2588 */
            memcpy(text, block, sizeof block);
            text += sizeof block;
        } else {
            *text++ = ascii[level];
        }
    }
    *text = '\0';
}

size_t spark_bar(double share, size_t columns, bool utf8, char *text) {
    double eighths = round(EIGHTHS * (double)columns * fmin(fmax(share, 0), 1));
    size_t total = isfinite(eighths) ? (size_t)eighths : 0, letters = 0;
    if (total == 0 && share > 0) total = 1; /* it is there */
    if (!utf8) total = (total + EIGHTHS / 2) / EIGHTHS * EIGHTHS;
    for (; total > 0 && letters < columns; letters++) {
        size_t part = total < EIGHTHS ? total : EIGHTHS;
        const char block[] = {'\xE2', '\x96', (char)(0x90 - part)}; /* U+258F ... U+2588 */
        if (utf8)
            memcpy(text, block, sizeof block);
        else
            *text = '#';
        text += utf8 ? sizeof block : 1;
        total -= part;
    }
    *text = '\0';
    return letters;
}
