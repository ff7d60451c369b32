/* Curves and bars in letters. */
#ifndef JM_CLI_SPARK_H
#define JM_CLI_SPARK_H

#include "cli.h"

/* Bytes that so many letters may take, with the end. */
#define SPARK_SIZE(columns) (3 * (columns) + 1)

/* Means of a curve of steps over each of `count` equal parts of begin ... end; NaN where nothing of
 * a part is known. */
void spark_means(const jm_figure_mark *curve, double begin, double end, double *means,
                 size_t count);
/* A letter for each value, as high as its share of `highest`; a blank for NaN. */
void spark_curve(const double *values, size_t count, double highest, bool utf8, char *text);
/* A bar that fills a share of `columns`; returns the letters that it has. */
size_t spark_bar(double share, size_t columns, bool utf8, char *text);

#endif
