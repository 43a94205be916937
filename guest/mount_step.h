/* A mount of a list of them: what mount(2) takes. */
#ifndef MOUNT_STEP_H
#define MOUNT_STEP_H

struct mount_step {
    const char *source;
    const char *target;
    const char *type;
    unsigned long flags;
    const char *options;
};

#endif
