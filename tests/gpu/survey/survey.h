/* The three surveys. Each prints one JSON object to stdout; times are CLOCK_MONOTONIC. */
#ifndef SURVEY_SURVEY_H
#define SURVEY_SURVEY_H

#include "nvml.h"

enum { RATES_MOST = 8 };

typedef struct survey_options {
    unsigned gpu;
    double seconds;   /* calls: for each call; poll: in all; observe: for each block */
    double period_us; /* between two polls; between two calls of the same kind */
    const char *csv;  /* poll: where the changes go */
    double rates[RATES_MOST];
    size_t rate_count;
    unsigned rounds;
} survey_options;

/* What each call returns and how long it takes, what each field says in each scope, the ring. */
int survey_calls(const nvml *n, const survey_options *options);
/* When each reading changes: dense polling, a CSV row for each change. */
int survey_poll(const nvml *n, const survey_options *options);
/* Mean power, by the energy counter from tick to tick, while power is polled at several rates. */
int survey_observe(const nvml *n, const survey_options *options);

#endif
