/* The guest's clock. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Sets it, in milliseconds since 1970, if it is off by more than one would notice. */
void clock_set(int64_t milliseconds);

#endif
