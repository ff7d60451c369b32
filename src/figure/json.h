#ifndef JMI_FIGURE_JSON_H
#define JMI_FIGURE_JSON_H

#include "figure/figure.h"
#include "report/json_object.h"

/* As the text of jm_figure_json has it. */
json_t *jmi_figure_object(const jm_figure *figure);

#endif
