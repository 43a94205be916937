/* The box's disks, mounted while the agent does what else there is to do. */
#ifndef DISKS_H
#define DISKS_H

#include <stddef.h>

/* Makes "/root" a place where what is mounted appears in namespaces that are made from then on. */
void disks_place(void);
/* Begins to mount the image and the box's own disk at "/image" and "/disk", and both, one over the other, at "/root". */
void disks_begin(const char *image, const char *disk);
/* Waits until that is done. Fills `message` and returns -1 if it failed. */
int disks_wait(char *message, size_t size);

#endif
