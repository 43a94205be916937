#include "file_worker.h"

#include <errno.h>

#define NAME(number) {number, #number}

const char *error_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        NAME(E2BIG),     NAME(EACCES),       NAME(EAGAIN),    NAME(EBADF),      NAME(EBUSY),     NAME(EDQUOT),
        NAME(EEXIST),    NAME(EFAULT),       NAME(EFBIG),     NAME(EINTR),      NAME(EINVAL),    NAME(EIO),
        NAME(EISDIR),    NAME(ELOOP),        NAME(EMFILE),    NAME(EMLINK),     NAME(ENAMETOOLONG), NAME(ENFILE),
        NAME(ENODATA),   NAME(ENODEV),       NAME(ENOENT),    NAME(ENOMEM),     NAME(ENOSPC),    NAME(ENOSYS),
        NAME(ENOTCONN),  NAME(ENOTDIR),      NAME(ENOTEMPTY), NAME(ENOTTY),     NAME(ENXIO),     NAME(EOPNOTSUPP),
        NAME(EOVERFLOW), NAME(EPERM),        NAME(EPIPE),     NAME(EPROTO),     NAME(EROFS),     NAME(ESPIPE),
        NAME(ESTALE),    NAME(ETIMEDOUT),    NAME(ETXTBSY),   NAME(EXDEV),      NAME(ECONNABORTED),
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number)
            return names[i].name;
    return "EIO";
}
