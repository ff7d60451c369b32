#ifndef ACCURACY_H
#define ACCURACY_H
#include <stddef.h>
void accuracy_simulated(size_t recordings, size_t per_length, const char *only);
void accuracy_meter(void);
#endif
