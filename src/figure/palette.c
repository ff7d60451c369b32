/* Colours of all figures. Categories: Okabe and Ito's ("Color Universal Design", 2008), darkened or
 * lightened where they would be too faint on their ground. Scale: matplotlib's "viridis" (CC0). */
#include "figure/figure.h"

#include <math.h>

const char *jm_figure_color(uint32_t color, bool dark) {
    static const char *const colors[][2] = {
        {"#0072B2", "#56A8E0"}, /* blue */
        {"#D55E00", "#F08A3C"}, /* vermilion */
        {"#009E73", "#2CC79C"}, /* bluish green */
        {"#A6559D", "#D79ACD"}, /* reddish purple */
        {"#C98A00", "#F0B83C"}, /* orange */
        {"#4AA5DB", "#9BD4F5"}, /* sky blue */
        {"#6B6B6B", "#B0B0B0"}, /* grey */
        {"#8C510A", "#C9955A"}, /* brown */
    };
    return colors[color % JMI_COUNT(colors)][dark];
}

const char *jm_figure_shade(double share, char text[8]) {
    static const unsigned char stops[][3] = {
        {68, 1, 84},    {72, 36, 117},  {65, 68, 135},  {53, 95, 141},
        {42, 120, 142}, {33, 145, 140}, {34, 168, 132}, {68, 191, 112},
        {122, 209, 81}, {189, 223, 38}, {253, 231, 37},
    };
    const size_t steps = JMI_COUNT(stops) - 1;
    const double last = (double)steps;
    double at = last * (share > 0 ? fmin(share, 1) : 0);
    size_t i = (size_t)fmin(floor(at), last - 1);
    unsigned rgb[3];
    for (int c = 0; c < 3; c++)
        rgb[c] = (unsigned)lround(stops[i][c] + (at - (double)i) * (stops[i + 1][c] - stops[i][c]));
    snprintf(text, 8, "#%02X%02X%02X", rgb[0] & 255u, rgb[1] & 255u, rgb[2] & 255u);
    return text;
}
