"""Makes a filter from the list on standard input with libseccomp, and writes it to standard output."""
import ctypes
import json
import sys

ALLOW, MASKED_EQ, ACT_DEFAULT_BADARCH, NATIVE = 0x7FFF0000, 7, 2, 0
KILL_PROCESS = 0x80000000


class Comparison(ctypes.Structure):
    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


library = ctypes.CDLL("libseccomp.so.2")
library.seccomp_init.restype = ctypes.c_void_p
order = json.load(sys.stdin)
context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(order["refuse"])))


def done(result, what):
    if result != 0:
        sys.exit(f"{what}: {result}")


library.seccomp_arch_native.restype = ctypes.c_uint32
if order["arch"] != library.seccomp_arch_native():
    done(library.seccomp_arch_add(context, ctypes.c_uint32(order["arch"])), "arch_add")
    native = ctypes.c_uint32(library.seccomp_arch_native())
    done(library.seccomp_arch_remove(context, native), "arch_remove")
done(library.seccomp_attr_set(context, ACT_DEFAULT_BADARCH, ctypes.c_uint32(KILL_PROCESS)), "attr")
for rule in order["rules"]:
    tests = [
        Comparison(test["index"], MASKED_EQ, int(test["mask"]), int(test["equals"]))
        for test in rule["args"]
    ]
    array = (Comparison * len(tests))(*tests)
    name = rule["call"].encode()
    number = library.seccomp_syscall_resolve_name(name)
    result = library.seccomp_rule_add_array(
        context, ctypes.c_uint32(ALLOW), number, ctypes.c_uint(len(tests)), array
    )
    if result != 0 and not rule["optional"]:
        sys.exit(f"{rule}: {result}")
done(library.seccomp_export_bpf(context, 1), "export")
