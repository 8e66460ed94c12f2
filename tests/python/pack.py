"""Repacks a deployed function: `faulty_bootstrap.py` becomes its bootstrap and runs the real binary after the fault."""

import pathlib
import stat
import sys
import zipfile

archive, deployed, fault = sys.argv[1:]
wrapper = pathlib.Path(__file__).with_name("faulty_bootstrap.py")
with zipfile.ZipFile(deployed) as function, zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
    entries = {"real" if name == "bootstrap" else name: function.read(name) for name in function.namelist()}
    entries |= {"bootstrap": wrapper.read_bytes(), "fault.json": fault.encode()}
    for name, content in entries.items():
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (stat.S_IFREG | 0o755) << 16
        out.writestr(entry, content)
