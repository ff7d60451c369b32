/* A figure as a script for gnuplot: its parts, in the order in which they are written. */
#ifndef JMI_FIGURE_GNUPLOT_H
#define JMI_FIGURE_GNUPLOT_H

#include "figure/figure.h"

/* A script that is being written. Everything that is drawn is first laid down as data and objects,
 * and listed for the one command that plots. */
typedef struct jmi_script {
    jmi_text out;  /* settings, objects and data */
    jmi_text plot; /* what the plot command lists */
    const jm_figure *figure;
    unsigned objects; /* numbers of those that are there */
    unsigned blocks;  /* of data */
    size_t begin;     /* where the last of them begins in `out` */
    size_t rows;      /* that it has */
    bool keyed;       /* there is a legend */
    double columns;   /* letters that fit across */
} jmi_script;

/* A text as gnuplot takes it for no more than a text: in double quotes, with octal codes for all
 * that would end them, begin a command, name a macro or be a format. `format`: where gnuplot looks
 * for "%". (Of single quotes, doubled, it loses track at the beginning of a text.) */
void jmi_script_text(jmi_text *out, const char *text, bool format);
/* A name of more than `most` letters without its middle, which tells least. */
void jmi_script_shorten(const char *name, size_t most, jmi_text *out);
void jmi_script_number(jmi_text *out, double value);

/* Lays down a mark (gnuplot_marks.c). */
void jmi_script_mark(jmi_script *script, const jmi_mark *mark);

#endif
