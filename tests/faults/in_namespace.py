"""A real worker inside a network namespace: `in_namespace.py NAMESPACE worker`."""

import ctypes
import os
import sys

from cli.main import main

CLONE_NEWNET = 0x40000000

namespace = os.open(f"/run/netns/{sys.argv.pop(1)}", os.O_RDONLY)
if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
    raise OSError(ctypes.get_errno(), "the namespace cannot be entered")
main()
