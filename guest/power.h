/* The ends of the machine. */
#ifndef POWER_H
#define POWER_H

/* Writes everything to the disks and turns the machine off; never returns. */
_Noreturn void power_off(void);

/* The agent cannot go on: says why on the console and turns the machine off. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
